"""Every choice a run can make, validated once, with the origin of every value.

Three nouns:

* :class:`Settings` holds what was *asked for*. ``None`` means "choose for me".
* :class:`Sourced` is a value together with where it came from.
* :class:`Acquisition` holds how one capture was taken, all values known; :func:`resolve` makes it from the
  settings, what the video says of itself, and the instrument preset, in this order.
"""

from nta.settings.acquisition import Acquisition, CaptureMetadata, resolve
from nta.settings.model import Engine, Method, Rectangle, Settings
from nta.settings.origins import ORIGINS, Origin, Scalar, Sourced
from nta.settings.presets import DEFAULT_INSTRUMENT, PRESETS, Preset

__all__ = [
    "DEFAULT_INSTRUMENT",
    "ORIGINS",
    "PRESETS",
    "Acquisition",
    "CaptureMetadata",
    "Engine",
    "Method",
    "Origin",
    "Preset",
    "Rectangle",
    "Scalar",
    "Settings",
    "Sourced",
    "resolve",
]
