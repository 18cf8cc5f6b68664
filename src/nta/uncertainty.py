"""What is not known of the instrument and the liquid, and how far it moves every diameter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from nta.settings import Sourced

# Standard uncertainties of what was stated, and of what had to be assumed: (stated, assumed).
_MPP_RELATIVE_SD: Final = (0.005, 0.015)
_TEMPERATURE_SD_K: Final = (0.3, 2.0)
_VISCOSITY_RELATIVE_SD: Final = (0.005, 0.01)
_EXPOSURE_SHARE_SD: Final = (0.0, 0.05)
_FITTED_BLUR_RELATIVE_SD: Final = 0.012  # of D on the bulk_water stack
_SIZE_PER_KELVIN_ALONE: Final = 1.0 / 298.0  # d goes with T alone where the viscosity was measured
_SIZE_PER_KELVIN: Final = 0.026  # d moves 2.6 % per kelvin in water at 25 °C
_SIZE_PER_EXPOSURE_SHARE: Final = 0.45  # (1/3)/(1 - share/3), at the 0.8 of an NS300


def systematic_relative_sd(values: Mapping[str, Sourced], lag_frames: int = 1) -> float:
    """Return the relative standard uncertainty of a diameter from the values it was computed with.

    The root sum of squares of :func:`systematic_parts`.
    """
    return math.sqrt(sum(part**2 for part in systematic_parts(values, lag_frames).values()))


def systematic_parts(values: Mapping[str, Sourced], lag_frames: int = 1) -> dict[str, float]:
    """Return what each value adds to the relative standard uncertainty of a diameter, by the name of the value.

    d goes with mpp², T/eta(T) (2.6 % per kelvin in water) and 1/eta; an error of the exposure share moves it
    by (1/3)/(1 - share/3) of itself (motion blur). An assumed value is less sure than a
    stated one. With steps of more than one frame the blur is fitted from the film (:mod:`nta.lags`), and its error
    takes the place of the exposure's.
    """

    def sd(name: str, pair: tuple[float, float]) -> float:
        return pair[1] if name in values and values[name].origin == "assumed" else pair[0]

    has_stated_viscosity = "medium" in values and values["medium"].value is None
    blur = _SIZE_PER_EXPOSURE_SHARE * sd("exposure_ms", _EXPOSURE_SHARE_SD)
    per_kelvin = _SIZE_PER_KELVIN_ALONE if has_stated_viscosity else _SIZE_PER_KELVIN
    return {
        "mpp": 2.0 * sd("mpp", _MPP_RELATIVE_SD),
        "temperature_c": per_kelvin * sd("temperature_c", _TEMPERATURE_SD_K),
        "medium": sd("medium", _VISCOSITY_RELATIVE_SD),
        "exposure_ms": blur if lag_frames == 1 else _FITTED_BLUR_RELATIVE_SD,
    }
