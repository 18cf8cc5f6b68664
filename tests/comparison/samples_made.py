"""Measurements with stated values and errors, and the lognormal curve behind them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from nta.concentration import Concentration, Parts
from nta.distribution import SizeDistribution
from nta.estimate import NORMAL_95, Estimate
from nta.measurement import Measurement
from nta.settings import Settings
from nta.size_statistics import cumulative_share

# Everything that moves a diameter is stated: 1 % from the pixel size (2 x 0.5 %), 0.78 % from the temperature
# (2.6 % per K x 0.3 K), 0.5 % from the medium, nothing from the exposure.
STATED = {"mpp": 0.14, "temperature_c": 25.0, "medium": "water", "exposure_ms": 32.5, "fps": 25.0}
MPP, TEMPERATURE, MEDIUM = 0.01, 0.0078, 0.005
SYSTEMATIC = math.sqrt(MPP**2 + TEMPERATURE**2 + MEDIUM**2)


def stated_settings(**more: object) -> Settings:
    return Settings().updated("command_line", {**STATED, **more})


def lognormal(d50_nm: float, width: float = 0.2) -> SizeDistribution:
    d = np.arange(30.0, 400.0)
    density = np.exp(-((np.log(d / d50_nm) / width) ** 2) / 2) / d
    density /= np.trapezoid(density, d)
    nothing = np.full_like(d, np.nan)
    columns = (d, density, nothing, nothing, cumulative_share(d, density))
    table = pd.DataFrame(dict(zip(SizeDistribution.COLUMNS, columns, strict=True)))
    return replace(SizeDistribution.missing(), table=table, n_tracks=250)


def estimate(value: float, own_sd: float, systematic: float = SYSTEMATIC) -> Estimate:
    """Return a diameter with the interval that a measurement would give it."""
    half = NORMAL_95 * math.hypot(own_sd, systematic * value)
    return Estimate(value, value - half, value + half, 250)


def per_ml(value: float, own_sd: float, depth_sd: float = 0.25) -> Estimate:
    spread = math.exp(NORMAL_95 * math.hypot(own_sd, depth_sd))
    return Estimate(value, value / spread, value * spread, 250)


def sized(one: Measurement, d50: float, own_sd: float, *, curve: SizeDistribution | None = None) -> Measurement:
    """Return a measurement of that D50 (and mode 10 nm below), own standard error in nm."""
    ends = {"d10": estimate(d50 * 0.77, own_sd), "d90": estimate(d50 * 1.3, own_sd)}
    size = replace(one.size, mode=estimate(d50 - 10.0, own_sd), d50=estimate(d50, own_sd), **ends)
    return replace(one, size=size, distribution=curve if curve is not None else one.distribution)


def counted(one: Measurement, value: float, own_sd: float, dilution: float | None = None) -> Measurement:
    """Return a measurement of that concentration in the cell, own relative standard error."""
    measured = per_ml(value, own_sd)
    stock = None if dilution is None else measured.scaled(dilution)
    return replace(one, concentration=Concentration(measured, stock, "nominal", 10.0, Parts(own_sd, volume=0.25)))
