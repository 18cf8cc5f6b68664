"""The equations of a step towards the Gaussian that fits a spot best, from the pixels of its patch.

The weights fall where the spot is bright, as if it had a noise in proportion to its own light
(:mod:`nta.spot_fit` says why).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nta.compilation import inner_kernel
from nta.spot_pixels import LANES

Floats = NDArray[np.float64]

CENTROID_SHARE: Final = 0.1
"""Noise to reckon with within a spot, variance in units of its peak times its level: what makes the fit a centroid."""

_LEAST_INFORMATION: Final = 1e-9
# The monomials 1, dy, dx, dy², dy dx, dx².
_POWER_Y: Final = np.array([0, 1, 0, 2, 1, 0])
_POWER_X: Final = np.array([0, 0, 1, 0, 1, 2])


@inner_kernel
def start_columns(spot: Floats, row: int, first: int, last: int, columns: Floats) -> float:
    """Write down a spot's light in some pixels of a row, and what each is to be multiplied by for the next row.

    Parameters
    ----------
    spot : (6,) float64
        Peak (grey levels), y, x (px, in the patch), variance in y, in x, covariance (px²).
    row, first, last : int
        The row, its first pixel, and the last one of the window: pixels beyond it are given no light.
    columns : (10 ``LANES``,) float64
        For each of ``LANES`` columns: light, its ratio to that of the row above, and eight sums, which are begun.

    Returns
    -------
    float
        What the ratios are multiplied by from row to row: no exponential is needed for a pixel.
    """
    determinant = spot[3] * spot[4] - spot[5] * spot[5]
    yy, xx, yx = spot[4] / determinant, spot[3] / determinant, -spot[5] / determinant
    d_y, d_x = row - spot[1], first - spot[2]
    level = spot[0] * math.exp(-0.5 * (yy * d_y * d_y + 2.0 * yx * d_y * d_x + xx * d_x * d_x))
    across, bend = math.exp(-(yx * d_y + xx * d_x + 0.5 * xx)), math.exp(-xx)
    down, tilt = math.exp(-(yx * d_x + yy * d_y + 0.5 * yy)), math.exp(-yx)
    columns[:] = 0.0
    for k in range(min(LANES, last + 1 - first)):
        columns[k], columns[LANES + k] = level, down
        level *= across
        across *= bend
        down *= tilt
    return math.exp(-yy)


@inner_kernel
def moments(
    light: Floats,
    spot: Floats,
    noise_variance: float,
    reach: float,
    widest_px: float,
    columns: Floats,
    squares: Floats,
    residuals: Floats,
) -> None:
    """Sum w m² dy^a dx^b (a + b <= 4) and w m r dy^a dx^b (a + b <= 2) over the window of a spot.

    m is the spot's light in a pixel, r what remains of ``light`` without it, and w = 1/(noise variance +
    ``CENTROID_SHARE`` peak m). The normal equations of all six parameters follow from these sums. Columns are summed
    side by side, which the processor does for several of them at once, and put together in the end.

    Parameters
    ----------
    light : (height, width) float64
        The patch of the frame around the spot, without the light of other spots, and ``LANES`` columns more; NaN in
        pixels that are left out.
    spot : (6,) float64
        As in :func:`start_columns`.
    noise_variance : float
        Of a pixel without light, grey levels².
    reach : float
        Half the window in standard deviations of the spot.
    widest_px : float
        Half the largest window, px.
    columns : (10 ``LANES``,) float64
        Room to work in.
    squares, residuals : (5, 5), (3, 3) float64
        The sums, by a and b; overwritten.
    """
    squares[:] = 0.0
    residuals[:] = 0.0
    reach_y, reach_x = min(reach * math.sqrt(spot[3]), widest_px), min(reach * math.sqrt(spot[4]), widest_px)
    height, width = light.shape
    top, bottom = max(0, math.ceil(spot[1] - reach_y)), min(height - 1, math.floor(spot[1] + reach_y))
    left, right = max(0, math.ceil(spot[2] - reach_x)), min(width - 1 - LANES, math.floor(spot[2] + reach_x))
    own_noise = CENTROID_SHARE * spot[0]
    for first in range(left, right + 1, LANES):
        bend = start_columns(spot, top, first, right, columns)
        for row in range(top, bottom + 1):
            seen = light[row, first:]
            d_y = row - spot[1]
            square_y = d_y * d_y
            for k in range(LANES):
                level = columns[k]
                weighted = level / (noise_variance + own_noise * level)
                square = weighted * level
                remains = weighted * (seen[k] - level)
                if math.isnan(remains):
                    remains, square = 0.0, 0.0
                columns[2 * LANES + k] += square
                columns[3 * LANES + k] += square * d_y
                square *= square_y
                columns[4 * LANES + k] += square
                columns[5 * LANES + k] += square * d_y
                columns[6 * LANES + k] += square * square_y
                columns[7 * LANES + k] += remains
                columns[8 * LANES + k] += remains * d_y
                columns[9 * LANES + k] += remains * square_y
                columns[k] *= columns[LANES + k]
                columns[LANES + k] *= bend
        for k in range(min(LANES, right + 1 - first)):
            d_x, power = first + k - spot[2], 1.0
            for b in range(5):
                for a in range(5 - b):
                    squares[a, b] += columns[(2 + a) * LANES + k] * power
                for a in range(3 - b):
                    residuals[a, b] += columns[(7 + a) * LANES + k] * power
                power *= d_x


@inner_kernel
def normal_equations(
    spot: Floats,
    squares: Floats,
    residuals: Floats,
    usual_variance: float,
    latitude: float,
    shape: Floats,
    matrix: Floats,
    vector: Floats,
) -> None:
    """Turn :func:`moments` into the Gauss-Newton equations of a step, with a prior on the shape.

    To first order a step changes the light by the light times a polynomial in 1, dy, dx, dy², dy dx, dx². Its six
    coefficients are what is solved for: the sums stand in the equations as they are. With the spot's covariance C and
    the symmetric matrix Q of the quadratic part, C changes by 2 C Q C; :func:`step_of` gives the step.

    Parameters
    ----------
    spot : (6,) float64
        As in :func:`start_columns`.
    squares, residuals : (5, 5), (3, 3) float64
        From :func:`moments`.
    usual_variance : float
        Round spots of this variance are expected, px².
    latitude : float
        Standard deviation of the variances about it, in units of it.
    shape : (3, 3) float64
        What the coefficients of dy², dy dx and dx² (columns) change the variances and the covariance by; overwritten.
    matrix, vector : (6, 6), (6,) float64
        The equations; overwritten, of the symmetric matrix what is on and below its diagonal.
    """
    y, x, yx = spot[3], spot[4], spot[5]
    shape[0, 0], shape[0, 1], shape[0, 2] = 2.0 * y * y, 2.0 * y * yx, 2.0 * yx * yx
    shape[1, 0], shape[1, 1], shape[1, 2] = 2.0 * yx * yx, 2.0 * x * yx, 2.0 * x * x
    shape[2, 0], shape[2, 1], shape[2, 2] = 2.0 * y * yx, y * x + yx * yx, 2.0 * x * yx
    for i in range(6):
        vector[i] = residuals[_POWER_Y[i], _POWER_X[i]]
        for j in range(i + 1):
            matrix[i, j] = squares[_POWER_Y[i] + _POWER_Y[j], _POWER_X[i] + _POWER_X[j]]
    # Where pixels tell nothing of peak or place, the equations can be solved all the same, and nothing moves.
    matrix[0, 0] += _LEAST_INFORMATION * spot[0] * spot[0]
    matrix[1, 1] += _LEAST_INFORMATION * (y * y + yx * yx)
    matrix[2, 1] += _LEAST_INFORMATION * yx * (y + x)
    matrix[2, 2] += _LEAST_INFORMATION * (x * x + yx * yx)
    tightness = 1.0 / (latitude * usual_variance) ** 2
    for k in range(3):  # variance in y, in x, covariance
        weight = 2.0 * tightness if k == 2 else tightness
        missing = usual_variance - spot[3 + k] if k < 2 else -spot[5]
        for i in range(3):
            share = weight * shape[k, i]
            vector[3 + i] += share * missing
            for j in range(i + 1):
                matrix[3 + i, 3 + j] += share * shape[k, j]


@inner_kernel
def solve(matrix: Floats, vector: Floats) -> None:
    """Solve a small symmetric positive system by Cholesky's method; both arguments are overwritten.

    Parameters
    ----------
    matrix : (n, n) float64
        The system, on and below its diagonal; then its factor, with the inverse of the diagonal.
    vector : (n,) float64
        Its right side, then its solution.
    """
    n = vector.size
    for i in range(n):
        for j in range(i):
            rest = matrix[i, j]
            for k in range(j):
                rest -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = rest * matrix[j, j]
        rest, right = matrix[i, i], vector[i]
        for k in range(i):
            rest -= matrix[i, k] * matrix[i, k]
            right -= matrix[i, k] * vector[k]
        matrix[i, i] = 1.0 / math.sqrt(max(rest, 1e-30))
        vector[i] = right * matrix[i, i]
    for i in range(n - 1, -1, -1):
        vector[i] *= matrix[i, i]
        for k in range(i):
            vector[k] -= matrix[i, k] * vector[i]


@inner_kernel
def step_of(spot: Floats, shape: Floats, vector: Floats) -> None:
    """Turn the solution of :func:`normal_equations` into what the six parameters change by, in place.

    Parameters
    ----------
    spot : (6,) float64
        As in :func:`start_columns`.
    shape : (3, 3) float64
        From :func:`normal_equations`.
    vector : (6,) float64
        Coefficients of 1, dy, dx, dy², dy dx, dx²; then the step.
    """
    by_y, by_x, by_yy, by_yx, by_xx = vector[1], vector[2], vector[3], vector[4], vector[5]
    vector[0] *= spot[0]
    vector[1], vector[2] = spot[3] * by_y + spot[5] * by_x, spot[5] * by_y + spot[4] * by_x
    for k in range(3):
        vector[3 + k] = shape[k, 0] * by_yy + shape[k, 1] * by_yx + shape[k, 2] * by_xx


@inner_kernel
def move(spot: Floats, step: Floats, start_y: float, start_x: float, usual_sd: float, max_shift_px: float) -> None:
    """Change a spot by a step, in place, within bounds on each step, on the shape and on the way from the start.

    Parameters
    ----------
    spot, step : (6,) float64
        As in :func:`start_columns`.
    start_y, start_x : float
        Where the detector saw the spot, px.
    usual_sd : float
        Standard deviation of the video's spots, px.
    max_shift_px : float
        No further from the start than this, px.
    """
    length = math.hypot(step[1], step[2])
    share = min(1.0, 0.45 * usual_sd / length) if length > 0.0 else 1.0
    spot[0] = min(max(spot[0] + step[0], 0.3 * spot[0]), 3.0 * spot[0])
    spot[1] += share * step[1]
    spot[2] += share * step[2]
    smallest, largest = (0.35 * usual_sd) ** 2, (2.2 * usual_sd) ** 2
    for i in range(3, 5):
        spot[i] = min(max(spot[i] + step[i], 0.6 * spot[i], smallest), 1.7 * spot[i], largest)
    limit = 0.75 * math.sqrt(spot[3] * spot[4])
    spot[5] = min(max(spot[5] + step[5], -limit), limit)
    way = math.hypot(spot[1] - start_y, spot[2] - start_x)
    if way > max_shift_px:
        spot[1] = start_y + (spot[1] - start_y) * max_shift_px / way
        spot[2] = start_x + (spot[2] - start_x) * max_shift_px / way
