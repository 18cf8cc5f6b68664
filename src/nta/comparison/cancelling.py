"""Whose errors are the same on both sides, so that they cancel in a ratio.

The error of a value cancels where both sides were computed with the same one: the pixel size of one microscope, the
formula of one medium, the exposure of one camera, the depth of one light sheet. That of the temperature never does: the
same 25 °C was another one on another day. Two instruments of one model state the same values and have errors of their
own; only the user knows, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from nta.comparison.sides import is_imported
from nta.measurement import Measurement

_SAME: Final[dict[str, tuple[str, ...]]] = {
    "mpp": ("mpp",),
    "medium": ("medium", "viscosity_mpas"),
    "exposure_ms": ("exposure_ms", "fps", "lag_frames"),
}
"""Part of a diameter's error, by the values that must be equal for it to cancel."""

DEPTH: Final = "depth_um"


def values_in_common(measurements: Sequence[Measurement], *, is_one_instrument: bool = True) -> tuple[str, ...]:
    """Return the values whose errors all measurements share.

    Parameters
    ----------
    measurements : sequence of Measurement
        Those of both sides.
    is_one_instrument : bool
        Whether they were taken with one instrument; then equal values are the same values.

    Returns
    -------
    tuple of str
        Of ``mpp``, ``medium``, ``exposure_ms`` and ``depth_um``; none where one is another program's, which does not
        say how sure its values are.
    """
    if not is_one_instrument or any(is_imported(one) for one in measurements):
        return ()
    names = [part for part, needed in _SAME.items() if all(_is_equal(measurements, name) for name in needed)]
    depths = {(one.concentration.depth_um, one.concentration.volume_source) for one in measurements}
    if len(depths) == 1 and _is_equal(measurements, "calibration_sha256") and "mpp" in names:
        names.append(DEPTH)
    return tuple(names)


def _is_equal(measurements: Sequence[Measurement], name: str) -> bool:
    found = [one.values[name].value if name in one.values else None for one in measurements]
    return all(value == found[0] for value in found)
