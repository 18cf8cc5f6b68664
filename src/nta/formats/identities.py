"""What holds in every good export, so that one in which it does not has been edited, damaged or misread.

Found in 29 experiment summaries with 152 captures, to the rounding of the files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from nta.formats.foreign import STATISTICS, ForeignCapture, ForeignResult
from nta.media import ZERO_CELSIUS_K

BIN_SUM_TOLERANCE: Final = 0.005
"""Three digits of a concentration; 0.4 % was the most that was seen."""

DIFFUSION_TOLERANCE: Final = 0.005
VISCOSITY_TOLERANCE: Final = 2e-4
_NM_ROUNDING: Final = 0.1
_THREE_DIGITS: Final = 0.005


def nanosight_water_mpas(temperature_c: float) -> float:
    """Return the viscosity of water that NanoSight computes, mPa·s; 0.15 % below that of IAPWS.

    eta = 1.000 x 10^[(1.3272 (20 - T) - 0.001053 (T - 20)^2)/(T + 105)], the formula of Weast's handbook for 20 °C and
    above, with 1.000 in place of 1.002 mPa·s.
    """
    above = temperature_c - 20.0
    return float(10.0 ** ((-1.3272 * above - 0.001053 * above**2) / (temperature_c + 105.0)))


def size_times_diffusion_nm_um2_s(temperature_c: float, viscosity_mpas: float) -> float:
    """Return d D = k T/(3 pi eta), nm µm²/s (Stokes-Einstein)."""
    from nta.kernels import stokes_einstein_diffusion_m2_s  # an import that compiles nothing before it is needed

    temperature_k, viscosity_pa_s = temperature_c + ZERO_CELSIUS_K, viscosity_mpas * 1e-3
    # D of a diameter of 1 nm, in µm²/s.
    return float(stokes_einstein_diffusion_m2_s(1e-9, temperature_k, viscosity_pa_s)) * 1e12


def broken_identities(result: ForeignResult) -> tuple[str, ...]:
    """Return a sentence for each identity that does not hold."""
    found = [*_bin_sums(result), *_averages(result)]
    is_nanosight = result.program.startswith("NTA")
    for number in result.good:
        found += [*(_of_water(result.captures[number]) if is_nanosight else ()), *_of_liquid(result.captures[number])]
    return tuple(found)


def _bin_sums(result: ForeignResult) -> Iterator[str]:
    """Sum of the bins = concentration."""
    sums = result.histogram.per_ml.sum(axis=1)
    for number in result.good:
        one = result.captures[number]
        if number >= len(sums) or not math.isfinite(one.per_ml) or one.per_ml <= 0:
            continue
        apart = sums[number] / one.per_ml - 1.0
        if abs(apart) > BIN_SUM_TOLERANCE:
            yield (
                f"the bins of {one.name} add up to {sums[number]:.4g} per mL and {one.per_ml:.4g} is stated "
                f"({apart:+.1%})"
            )


def _averages(result: ForeignResult) -> Iterator[str]:
    """Average = mean of the captures, standard error = standard deviation over the root of their number."""
    for name, stated in result.averages.items():
        values = np.array([_of(one, name) for one in result.captures])
        if len(values) < 2 or not np.isfinite(values).all() or not math.isfinite(stated.value):
            continue
        tolerance = _NM_ROUNDING if name in (*STATISTICS, "per_frame") else _THREE_DIGITS * float(values.max())
        mean, error = float(values.mean()), float(np.std(values, ddof=1)) / math.sqrt(len(values))
        if abs(mean - stated.value) > tolerance + _THREE_DIGITS * abs(stated.value) * (name == "per_ml"):
            yield f"the average {name} is stated as {stated.value:.4g} and that of the captures is {mean:.4g}"
        if math.isfinite(stated.standard_error) and abs(error - stated.standard_error) > tolerance:
            yield (
                f"the standard error of {name} is stated as {stated.standard_error:.3g} and that of the captures is "
                f"{error:.3g}"
            )


def _of(capture: ForeignCapture, name: str) -> float:
    if name in STATISTICS:
        return capture.size_nm.get(name, math.nan)
    return capture.per_ml if name == "per_ml" else capture.per_frame


def _of_water(capture: ForeignCapture) -> Iterator[str]:
    """Viscosity = that of water as NanoSight computes it."""
    temperature, viscosity = (capture.values.get(name, math.nan) for name in ("temperature_c", "viscosity_mpas"))
    water = nanosight_water_mpas(temperature)
    if abs(viscosity / water - 1.0) > VISCOSITY_TOLERANCE:
        yield (
            f"{capture.name} was sized with {viscosity:g} mPa·s, and water of {temperature:g} °C has {water:.4g}: "
            "the viscosity was typed in, check that it is that of the diluent"
        )


def _of_liquid(capture: ForeignCapture) -> Iterator[str]:
    """Size times diffusion coefficient = k T/(3 pi eta)."""
    temperature, viscosity = (capture.values.get(name, math.nan) for name in ("temperature_c", "viscosity_mpas"))
    stated = capture.size_nm.get("d50", math.nan) * capture.diffusion_d50_um2_s
    if not math.isfinite(stated) or not viscosity > 0:
        return
    ratio = stated / size_times_diffusion_nm_um2_s(temperature, viscosity)
    if abs(ratio - 1.0) > DIFFUSION_TOLERANCE:
        yield (
            f"D50 and the diffusion coefficient of {capture.name} do not belong together at its temperature and "
            f"viscosity (ratio {ratio:.3f})"
        )
