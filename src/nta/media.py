"""What the particles swim in: viscosity and refractive index as functions of temperature.

Temperatures are kelvin and viscosities Pa·s here, inside the library; mPa·s (= cP) and °C are for people.
"""

from __future__ import annotations

from typing import Final, Literal

from nta.errors import SettingsError

ZERO_CELSIUS_K: Final = 273.15
UM3_PER_ML: Final = 1e12

Medium = Literal["water", "pbs"]

# Dynamic viscosity relative to water at the same temperature. PBS: 137 mM NaCl, 2.7 mM KCl, 10 mM
# phosphate raise it by 1.5 to 2 %; the middle of that range is taken.
_RELATIVE_VISCOSITY: Final[dict[str, float]] = {"water": 1.0, "pbs": 1.0175}

# Refractive index at 25 °C and visible wavelengths (589 nm): water 1.3325, PBS about 0.0017 above it.
_REFRACTIVE_INDEX: Final[dict[str, float]] = {"water": 1.3325, "pbs": 1.3342}

MEDIA: Final[tuple[str, ...]] = tuple(_RELATIVE_VISCOSITY)


def water_viscosity_pa_s(temperature_k: float) -> float:
    """Return the dynamic viscosity of liquid water at 0.1 MPa.

    Parameters
    ----------
    temperature_k : float
        Temperature in kelvin, 253.15 to 383.15.

    Returns
    -------
    float
        Viscosity in Pa·s; stated uncertainty of the formula 1 % (IAPWS), 0.08 % against Kestin (1978).

    Raises
    ------
    SettingsError
        If the temperature lies outside the range of the formula.

    References
    ----------
    IAPWS SR6-08(2011), Revised Supplementary Release on Properties of Liquid Water at 0.1 MPa, eq. (7):
    eta/(1e-6 Pa·s) = sum a_i t^b_i with t = T/300 K.
    """
    if not 253.15 <= temperature_k <= 383.15:
        raise SettingsError(
            f"{temperature_k - ZERO_CELSIUS_K:.1f} °C is outside -20 to 110 °C, where the viscosity of water "
            "is known; give --viscosity for another liquid"
        )
    t = temperature_k / 300.0
    viscosity: float = 1e-6 * (280.68 * t**-1.9 + 511.45 * t**-7.7 + 61.131 * t**-19.6 + 0.45903 * t**-40.0)
    return viscosity


def viscosity_pa_s(medium: Medium, temperature_k: float) -> float:
    """Return the viscosity of a preset medium in Pa·s at ``temperature_k`` kelvin."""
    return _RELATIVE_VISCOSITY[medium] * water_viscosity_pa_s(temperature_k)


def refractive_index(medium: Medium) -> float:
    """Return the refractive index of a preset medium at 25 °C in visible light."""
    return _REFRACTIVE_INDEX[medium]
