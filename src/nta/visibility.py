"""How deep in the sheet of light a particle is seen: bright ones deeper, so that more of them are counted.

The sheet's intensity falls off as a Gaussian of depth, and a particle is seen while its light exceeds the
threshold: h = A sqrt(ln(m0/threshold)), m0 its light at the centre of the sheet (METHODS, section 5). The same factor
corrects the size distribution and the concentration; it stands here once.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from nta.diffusion import Diffusion

Floats = NDArray[np.float64]

_BRIGHT_QUANTILE: Final = 0.95
_MIN_TRACKS: Final = 20
_MIN_LOG_RATIO: Final = 0.1
_MAX_EXPONENT: Final = 6.0
"""Rayleigh: scattered light grows with the sixth power of the diameter, and with no higher one."""


def relative_depth(diffusion: Diffusion, posterior_log_d: Floats, diameter_nm: Floats) -> Floats:
    """Return the depth in which each diameter is seen, up to a constant.

    The brightest light of a size is a straight line in ln d, m0 = a d^b: the 95 % quantile of the light of tracks
    (each counted by its positions), regressed on the posterior mean of ln d (regressing on the noisy estimate
    itself would flatten the line).

    Parameters
    ----------
    diffusion : Diffusion
        The tracks, with their light and the light at which detection ends.
    posterior_log_d : (n_tracks,) float64
        Posterior mean of ln(d/nm) of every row of ``diffusion.table``.
    diameter_nm : (n,) float64
        Diameters asked for.

    Returns
    -------
    (n,) float64
        sqrt(ln(m0/threshold)); ones where the tracks carry no light (a table made elsewhere).
    """
    light = diffusion.table["light"].to_numpy(np.float64)
    usable = light > 0
    if usable.sum() < _MIN_TRACKS or not diffusion.threshold_light > 0:
        return np.ones_like(diameter_nm)
    log_m0 = _bright_line(
        posterior_log_d[usable],
        np.log(light[usable]),
        diffusion.table["n_positions"].to_numpy(np.float64)[usable],
        np.log(diameter_nm),
    )
    return np.sqrt(np.maximum(log_m0 - np.log(diffusion.threshold_light), _MIN_LOG_RATIO))


def _bright_line(log_d: Floats, log_light: Floats, weights: Floats, where: Floats) -> Floats:
    """Return the weighted 95 % quantile of ``log_light`` as a line in ``log_d``, evaluated at ``where``, slope 0 to 6."""
    centre = float(np.average(log_d, weights=weights))

    def loss(line: Floats) -> float:
        residual = log_light - line[0] - np.clip(line[1], 0.0, _MAX_EXPONENT) * (log_d - centre)
        pinball = np.where(residual > 0, _BRIGHT_QUANTILE, _BRIGHT_QUANTILE - 1.0) * residual
        return float(np.average(pinball, weights=weights))

    start = np.array([np.quantile(log_light, _BRIGHT_QUANTILE), 1.0])
    line = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-9}).x
    return line[0] + float(np.clip(line[1], 0.0, _MAX_EXPONENT)) * (where - centre)
