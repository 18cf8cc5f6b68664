"""How much light a size scatters, and so how deep in the sheet it is seen: bright particles deeper.

The sheet's intensity falls off as a Gaussian of depth z, so a particle of light m0 at the centre shows
ln m = ln m0 - (2 z/A)² at depth z and is seen while m exceeds the threshold: h = A sqrt(ln(m0/threshold))
(docs/method.md). Depths being equally probable, ln m has the density
(1/2) [(ln m0 - ln m)(ln m0 - ln threshold)]^-1/2 below ln m0, smeared by what particles of one size differ by.
Fitting that law to the tracks, each with all the sizes that its motion allows, tells m0(d); the same law then tells
size from light where motion alone cannot. The factor h corrects the distribution and the concentration alike; it stands
here once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid
from scipy.optimize import minimize

from nta.kernels import mean_log_light

Floats = NDArray[np.float64]

MAX_EXPONENT: Final = 6.0
"""Rayleigh: scattered light grows with the sixth power of the diameter, and with no higher one."""

FULL_WIDTH_PER_CONSTANT: Final = math.sqrt(math.log(2.0))
"""The sheet's full width at half maximum over the constant A of h = A sqrt(ln(m0/threshold)).

A is the one number that beads calibrate: it holds for all particles, bright or dim, that one optical setting sees.
Where nobody has calibrated it, the instrument's nominal width stands for the width.
"""

_SMEARS: Final = (0.15, 0.3, 0.6, 1.0)
_STRAY_SHARE: Final = 0.1
_MIN_LOG_RATIO: Final = 0.1
_ROUNDING: Final = 0.04  # a sharp bend of h(d) would be a bend of the distribution
_MIN_TRACKS: Final = 50
_MAX_TRACKS: Final = 1500
_SIZE_STEP: Final = 3
_TABLE_STEP: Final = 0.02
_NEGLIGIBLE: Final = 1e-16  # probability of a size that changes no digit
_TABLE_END: Final = 14.0


@dataclass(frozen=True, slots=True)
class LightLaw:
    """The light of a particle at the sheet's centre: ln m0 = intercept + exponent ln(d/d_ref).

    Parameters
    ----------
    intercept : float
        ln of the light (grey levels, disc mass) at the reference diameter.
    exponent : float
        Power of the diameter, 0 to 6.
    log_reference : float
        ln of the reference diameter in nm.
    log_threshold : float
        ln of the light at which detection ends.
    smear : float
        Standard deviation by which particles of one size and depth differ in ln m.
    """

    intercept: float
    exponent: float
    log_reference: float
    log_threshold: float
    smear: float

    def log_ratio(self, log_diameter: Floats) -> Floats:
        """Return ln(m0/threshold) at ``log_diameter``, at least 0.1: what was seen was not invisible."""
        log_m0 = self.intercept + self.exponent * (log_diameter - self.log_reference)
        above = (log_m0 - self.log_threshold - _MIN_LOG_RATIO) / _ROUNDING
        ratio: Floats = _MIN_LOG_RATIO + _ROUNDING * np.logaddexp(0.0, above)
        return ratio

    def depth_share(self, diameter_nm: Floats) -> Floats:
        """Return the depth in which each diameter is seen over the sheet's full width at half maximum.

        exp(-4 ln 2 z²/w²) = threshold/m0 at both ends of the depth 2 z = w sqrt(ln(m0/threshold)/ln 2).
        """
        return np.sqrt(self.log_ratio(np.log(diameter_nm))) / FULL_WIDTH_PER_CONSTANT

    def log_likelihood(self, log_light: Floats, log_diameter: Floats) -> Floats:
        """Return the log density of the light of each track at each size, (n_tracks, n_sizes).

        One track in ten may have light of any strength (merged spots, haze): brightness informs, motion
        decides.
        """
        ratio = self.log_ratio(log_diameter)
        below = (ratio + self.log_threshold)[None, :] - np.maximum(log_light, self.log_threshold)[:, None]
        grid, table, _ = _smeared_abel(self.smear)
        density = np.interp(below, grid, table, left=0.0, right=0.0) * self._scale(ratio)[None, :]
        return np.log(density + _stray_density(log_light))

    def mean_log_likelihood(self, tracks: _TracksInLight) -> float:
        """Return the weighted mean of the log density of the light, each track at all the sizes that it may have."""
        ratio = self.log_ratio(tracks.log_diameter)
        grid, table, _ = _smeared_abel(self.smear)
        above = np.maximum(tracks.log_light, self.log_threshold) - self.log_threshold
        sizes = (tracks.posterior, tracks.spans, tracks.stray, tracks.weights)
        return mean_log_light(above, *sizes, ratio, self._scale(ratio), table, float(grid[0]), _TABLE_STEP)

    def _scale(self, ratio: Floats) -> Floats:
        """Return the share that is no stray light over all that is seen of each size: 2 sqrt(ratio) without smear."""
        grid, _, up_to = _smeared_abel(self.smear)
        scale: Floats = (1.0 - _STRAY_SHARE) / np.interp(ratio, grid, up_to)
        return scale


class _TracksInLight(NamedTuple):
    """What a law of light is fitted to: each track with the sizes that its motion allows."""

    log_light: Floats
    posterior: Floats
    spans: NDArray[np.int64]
    stray: Floats
    weights: Floats
    log_diameter: Floats


def _stray_density(log_light: Floats) -> float:
    return _STRAY_SHARE / float(np.ptp(log_light) + 1.0)


def fit_light_law(
    log_light: Floats, posterior: Floats, log_diameter: Floats, weights: Floats, log_threshold: float
) -> LightLaw | None:
    """Return the law under which the light of all tracks is most likely, or ``None`` with too few tracks.

    Parameters
    ----------
    log_light : (n_tracks,) float64
        ln of each track's mean light.
    posterior : (n_tracks, n_sizes) float64
        Probability of each size of each track, from its motion.
    log_diameter : (n_sizes,) float64
        ln of the sizes in nm.
    weights : (n_tracks,) float64
        Positions of each track.
    log_threshold : float
        ln of the light at which detection ends.
    """
    if len(log_light) < _MIN_TRACKS or not math.isfinite(log_threshold):
        return None
    chosen = slice(None, None, max(1, math.ceil(len(log_light) / _MAX_TRACKS)))
    weight = weights[chosen] / weights[chosen].sum()
    tracks = _at_coarse_sizes(log_light[chosen], posterior[chosen], weight, log_diameter)
    reference = float(weight @ (tracks.posterior @ tracks.log_diameter))
    start = float(np.quantile(tracks.log_light, 0.9))

    def law(line: Floats, smear: float) -> LightLaw:
        exponent = float(np.clip(line[1], 0.0, MAX_EXPONENT))
        return LightLaw(float(line[0]), exponent, reference, log_threshold, smear)

    def misfit(line: Floats, smear: float) -> float:
        return -law(line, smear).mean_log_likelihood(tracks)

    # One smear's best line is where the next one's search starts.
    fits, line = [], np.array([start, 2.0])
    for smear in _SMEARS:
        found = minimize(misfit, line, args=(smear,), method="Nelder-Mead", options={"xatol": 5e-3, "fatol": 1e-5})
        fits.append((found.fun, law(found.x, smear)))
        line = found.x
    return min(fits, key=lambda fit: fit[0])[1]


def _at_coarse_sizes(log_light: Floats, posterior: Floats, weights: Floats, log_diameter: Floats) -> _TracksInLight:
    """Return the tracks with every three sizes taken as one, and which of those count at all."""
    n_bins = posterior.shape[1] // _SIZE_STEP
    used = n_bins * _SIZE_STEP
    coarse = posterior[:, :used].reshape(len(log_light), n_bins, _SIZE_STEP).sum(axis=2)
    sizes = log_diameter[:used].reshape(n_bins, _SIZE_STEP).mean(axis=1)
    counts = coarse > _NEGLIGIBLE
    spans = np.stack([np.argmax(counts, axis=1), n_bins - np.argmax(counts[:, ::-1], axis=1)], axis=1)
    stray = _stray_density(log_light) * coarse.sum(axis=1)
    return _TracksInLight(log_light, np.ascontiguousarray(coarse), spans.astype(np.int64), stray, weights, sizes)


@cache
def _smeared_abel(smear: float) -> tuple[Floats, Floats, Floats]:
    """Return a grid of u, the integral of v^-1/2 N(u - v; smear) over v > 0 at each, and the integral of that up to u.

    v = r² takes the pole away.
    """
    grid = np.arange(-4.0 * smear, _TABLE_END, _TABLE_STEP)
    r = np.arange(0.0, math.sqrt(_TABLE_END + 4.0 * smear), 0.1 * smear)
    normal = np.exp(-0.5 * ((grid[:, None] - r[None, :] ** 2) / smear) ** 2) / (smear * math.sqrt(2.0 * math.pi))
    table = 2.0 * np.trapezoid(normal, r, axis=1)
    return grid, table, cumulative_trapezoid(table, grid, initial=0)
