"""Viscosity against published tables, with the publication's own figures."""

from __future__ import annotations

import pytest

from nta.errors import SettingsError
from nta.media import MEDIA, refractive_index, viscosity_pa_s, water_viscosity_pa_s


@pytest.mark.parametrize(
    ("temperature_k", "viscosity_upas"),
    # IAPWS SR6-08(2011), Revised Supplementary Release on Properties of Liquid Water at 0.1 MPa, Table 8:
    # values for checking programs, to the last digit printed there.
    [(260.0, 3058.36075), (298.15, 889.996774), (375.0, 276.207245)],
)
def test_water_equals_the_check_values_of_iapws(temperature_k, viscosity_upas):
    assert water_viscosity_pa_s(temperature_k) * 1e6 == pytest.approx(viscosity_upas, rel=2e-9)


@pytest.mark.parametrize("temperature_c", [0.0, 5.0, 10.0, 20.0, 25.0, 37.0, 40.0])
def test_water_agrees_with_kestin(temperature_c):
    """Within 0.1 % of Kestin, Sokolov & Wakeham, J. Phys. Chem. Ref. Data 7, 941 (1978), 0 to 40 °C."""
    below = 20.0 - temperature_c
    log_ratio = below / (temperature_c + 96.0) * (1.2364 - 1.37e-3 * below + 5.7e-6 * below**2)
    kestin_mpas = 1.002 * 10.0**log_ratio
    assert water_viscosity_pa_s(temperature_c + 273.15) * 1e3 == pytest.approx(kestin_mpas, rel=0.001)


@pytest.mark.parametrize("temperature_k", [253.0, 383.5, 0.0, -5.0, float("nan")])
def test_outside_the_range_of_the_formula_is_refused(temperature_k):
    with pytest.raises(SettingsError, match="--viscosity"):
        water_viscosity_pa_s(temperature_k)


def test_viscosity_falls_with_temperature_in_every_medium():
    for medium in MEDIA:
        values = [viscosity_pa_s(medium, kelvin) for kelvin in range(254, 384, 5)]
        assert values == sorted(values, reverse=True)


def test_pbs_is_one_and_a_half_to_two_per_cent_above_water():
    ratio = viscosity_pa_s("pbs", 298.15) / viscosity_pa_s("water", 298.15)
    assert 1.015 <= ratio <= 1.02
    assert refractive_index("pbs") > refractive_index("water") > 1.33
