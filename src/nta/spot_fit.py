"""The kernels that fit a Gaussian to every spot of a frame, neighbours together.

What the likelihood of a track is about is the *mean* position of a particle that moved during the exposure: the
centroid of its light. A matched filter would follow the brightest part. The weights of the fit therefore fall where
the spot is bright, as if it had a noise in proportion to its own light: inside the spot the fit is a centroid, outside
it follows the spot's own shape.

A first round over the frame keeps the spots narrow and round, so that none leans towards a neighbour that was not
detected; those that follow free width and direction.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nta.compilation import inner_kernel, kernel
from nta.spot_equations import CENTROID_SHARE, moments, move, normal_equations, solve, start_columns, step_of
from nta.spot_pixels import LANES, copy_patch, open_patch

Floats = NDArray[np.float64]

WIDEST_SD: Final = 4.5
"""Half the largest window, in units of the video's own spot sd."""

_N_STEPS: Final = 2  # Gauss-Newton steps of a spot each time that its turn comes
_N_FREE_ROUNDS: Final = 2
_NARROW_SD: Final = 0.8  # of the video's own spot sd
_NARROW_LATITUDE: Final = 0.2
_FREE_LATITUDE: Final = 0.7
_FIRST_REACH: Final = 1.5
_NARROW_REACH: Final = 2.0
_FREE_REACH: Final = 3.0
_LEAST_DETERMINANT: Final = 1e-9
_NEIGHBOUR_REACH: Final = 4.0
_WIDEST_NEIGHBOUR_SD: Final = 6.0  # half the largest square that a spot lights for others, of the video's spot sd


@inner_kernel
def take_away(light: Floats, spot: Floats, shift_y: int, shift_x: int, widest_px: float) -> None:
    """Take a Gaussian spot from a patch of a frame, in place, out to 4 sd but no further than ``widest_px``.

    Parameters
    ----------
    light : (height, width) float64
        Grey levels; changed.
    spot : (6,) float64
        Peak (grey levels), y, x (px), variance in y, in x, covariance (px²).
    shift_y, shift_x : int
        What its place is to be changed by to be one in the patch, px.
    widest_px : float
        Half the largest window, px.
    """
    height, width = light.shape
    reach_y = min(_NEIGHBOUR_REACH * math.sqrt(spot[3]), widest_px)
    reach_x = min(_NEIGHBOUR_REACH * math.sqrt(spot[4]), widest_px)
    y, x = spot[1] + shift_y, spot[2] + shift_x
    top, bottom = max(0, math.ceil(y - reach_y)), min(height - 1, math.floor(y + reach_y))
    left, right = max(0, math.ceil(x - reach_x)), min(width - 1, math.floor(x + reach_x))
    if top > bottom or left > right:
        return
    determinant = spot[3] * spot[4] - spot[5] * spot[5]
    yy, xx, yx = spot[4] / determinant, spot[3] / determinant, -spot[5] / determinant
    bend = math.exp(-xx)
    for row in range(top, bottom + 1):
        d_y, d_x = row - y, left - x
        level = spot[0] * math.exp(-0.5 * (yy * d_y * d_y + 2.0 * yx * d_y * d_x + xx * d_x * d_x))
        # The ratio of two neighbouring pixels falls by a constant factor along a row: no exponential a pixel.
        ratio = math.exp(-(yx * d_y + xx * d_x + 0.5 * xx))
        for column in range(left, right + 1):
            light[row, column] -= level
            level *= ratio
            ratio *= bend


@inner_kernel
def judge(
    light: Floats,
    spot: Floats,
    noise_variance: float,
    widest_px: float,
    columns: Floats,
    verdict: Floats,
) -> None:
    """Find what camera noise does to a fitted position, and how much of its light the fit does not explain.

    Parameters
    ----------
    light, spot, noise_variance, widest_px, columns
        As in :func:`moments`.
    verdict : (2,) float64
        Variance of the position per axis (mean of both), px², infinite where it cannot be told; and the sum of the
        squared residuals beyond camera noise over that of the squared light. Overwritten.
    """
    reach_y = min(_FREE_REACH * math.sqrt(spot[3]), widest_px)
    reach_x = min(_FREE_REACH * math.sqrt(spot[4]), widest_px)
    height, width = light.shape
    top, bottom = max(0, math.ceil(spot[1] - reach_y)), min(height - 1, math.floor(spot[1] + reach_y))
    left, right = max(0, math.ceil(spot[2] - reach_x)), min(width - 1 - LANES, math.floor(spot[2] + reach_x))
    own_noise = CENTROID_SHARE * spot[0]
    # Sums of w m² and of w² m² noise variance by dy², dy dx, dx²; unexplained and own light.
    s_yy, s_yx, s_xx, t_yy, t_yx, t_xx, unexplained, own = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for first in range(left, right + 1, LANES):
        bend = start_columns(spot, top, first, right, columns)
        for row in range(top, bottom + 1):
            seen = light[row, first:]
            d_y = row - spot[1]
            for k in range(LANES):
                level = columns[k]
                weight = 1.0 / (noise_variance + own_noise * level)
                remains = seen[k] - level
                remains = remains * remains - noise_variance
                square = level * level
                if math.isnan(remains) or level == 0.0:
                    remains, square = 0.0, 0.0
                columns[2 * LANES + k] += remains
                columns[3 * LANES + k] += square
                square *= weight
                columns[4 * LANES + k] += square
                columns[5 * LANES + k] += square * d_y
                columns[6 * LANES + k] += square * d_y * d_y
                square *= weight * noise_variance
                columns[7 * LANES + k] += square
                columns[8 * LANES + k] += square * d_y
                columns[9 * LANES + k] += square * d_y * d_y
                columns[k] *= columns[LANES + k]
                columns[LANES + k] *= bend
        for k in range(min(LANES, right + 1 - first)):
            d_x = first + k - spot[2]
            unexplained += columns[2 * LANES + k]
            own += columns[3 * LANES + k]
            s_xx += columns[4 * LANES + k] * d_x * d_x
            s_yx += columns[5 * LANES + k] * d_x
            s_yy += columns[6 * LANES + k]
            t_xx += columns[7 * LANES + k] * d_x * d_x
            t_yx += columns[8 * LANES + k] * d_x
            t_yy += columns[9 * LANES + k]
    determinant = s_yy * s_xx - s_yx * s_yx
    verdict[0], verdict[1] = np.inf, 0.0
    # Pixels that all lie on a line tell of one axis only: what is left of the difference is rounding.
    if determinant > _LEAST_DETERMINANT * s_yy * s_xx and own > 0.0:
        # With the spot's covariance C, H = C^-1 S C^-1 and J = C^-1 T C^-1; the weights are not those of the noise
        # alone, so the variance is H^-1 J H^-1 = C S^-1 T S^-1 C: half its trace is that of (S^-1 C² S^-1) T.
        i_yy, i_xx, i_yx = s_xx / determinant, s_yy / determinant, -s_yx / determinant
        c_yy, c_xx, c_yx = (
            i_yy * spot[3] + i_yx * spot[5],
            i_yx * spot[5] + i_xx * spot[4],
            i_yy * spot[5] + i_yx * spot[4],
        )
        c_xy = i_yx * spot[3] + i_xx * spot[5]
        p_yy, p_xx, p_yx = c_yy * c_yy + c_yx * c_yx, c_xy * c_xy + c_xx * c_xx, c_yy * c_xy + c_yx * c_xx
        verdict[0] = 0.5 * (p_yy * t_yy + p_xx * t_xx + 2.0 * p_yx * t_yx)
        verdict[1] = max(unexplained, 0.0) / own


@inner_kernel
def open_view(
    patches: NDArray[np.float32],
    corners: NDArray[np.int64],
    starts: Floats,
    spots: Floats,
    i: int,
    downwards: NDArray[np.int64],
    rank: int,
    reach: float,
    usual_sd: float,
    max_shift_px: float,
    light: Floats,
) -> None:
    """Copy the surroundings of a spot, without the light of the other spots as they are fitted so far.

    Parameters
    ----------
    patches, corners, starts, downwards, usual_sd, max_shift_px
        As in :func:`fit_spots`.
    spots : (n, 6 or more) float64
        All spots, as in :func:`take_away`, each in its own patch; those of peak 0 are not fitted yet.
    i, rank : int
        Which spot, and its place in ``downwards``.
    reach : float
        Half the window in standard deviations of the spot.
    light : (height, width + ``LANES``) float64
        The patch; overwritten where a window may lie after one step.
    """
    spot = spots[i]
    # One step makes a spot no wider and moves it no further than this (nta.spot_equations.move).
    wide = math.sqrt(min(1.7 * max(spot[3], spot[4]), (2.2 * usual_sd) ** 2))
    wide = min(reach * wide, WIDEST_SD * usual_sd) + 0.45 * usual_sd
    copy_patch(patches[i], spot[1], spot[2], wide, light)
    # Further apart than this at the start, two spots do not meet, wherever both have moved.
    apart = 2.0 * max_shift_px + (WIDEST_SD + 1.0 + _WIDEST_NEIGHBOUR_SD) * usual_sd
    for direction in range(-1, 2, 2):
        k = rank + direction
        while 0 <= k < len(downwards) and abs(starts[downwards[k], 0] - starts[i, 0]) <= apart:
            j = downwards[k]
            if abs(starts[j, 1] - starts[i, 1]) <= apart and spots[j, 0] > 0.0:
                shift_y, shift_x = corners[j, 0] - corners[i, 0], corners[j, 1] - corners[i, 1]
                take_away(light, spots[j], shift_y, shift_x, _WIDEST_NEIGHBOUR_SD * usual_sd)
            k += direction


@kernel("f8[:, ::1](f4[:, :, ::1], i8[:, ::1], f8[:, ::1], i8[::1], i8[::1], f8, f8, f8)")
def fit_spots(
    patches: NDArray[np.float32],
    corners: NDArray[np.int64],
    starts: Floats,
    order: NDArray[np.int64],
    downwards: NDArray[np.int64],
    noise_variance: float,
    usual_sd: float,
    max_shift_px: float,
) -> Floats:
    """Fit a Gaussian to every spot of a frame, each to what the others leave of the light (Gauss-Seidel).

    Parameters
    ----------
    patches : (n, height, width) float32
        The light around each spot, NaN in pixels that are left out; :data:`WIDEST_SD` sd and ``max_shift_px`` to each
        side, or to the edge of the frame.
    corners : (n, 2) int64
        Row and column of the frame that each begins with.
    starts : (n, 2) float64
        y and x where the detector saw the spots, px of the frame.
    order, downwards : (n,) int64
        The spots, the brightest first; and from the top of the frame to its bottom.
    noise_variance : float
        As in :func:`~nta.spot_equations.moments`.
    usual_sd, max_shift_px : float
        As in :func:`~nta.spot_equations.move`.

    Returns
    -------
    (n, 10) float64
        The six parameters of :func:`take_away`, y and x after the narrow round, and the two of :func:`judge`.
    """
    n = len(starts)
    result = np.empty((n, 10))
    result[:, 0] = 0.0  # not fitted yet
    ranks = np.empty(n, np.int64)
    for rank in range(n):
        ranks[downwards[rank]] = rank
    light, columns = open_patch(patches), np.empty(10 * LANES)
    squares, residuals, shape = np.empty((5, 5)), np.empty((3, 3)), np.empty((3, 3))
    matrix, vector = np.empty((6, 6)), np.empty(6)
    widest, noise_sd = WIDEST_SD * usual_sd, math.sqrt(noise_variance)
    for turn in range(2 + _N_FREE_ROUNDS):
        variance = (_NARROW_SD * usual_sd) ** 2 if turn == 0 else usual_sd * usual_sd
        latitude = _NARROW_LATITUDE if turn == 0 else _FREE_LATITUDE
        reach = _NARROW_REACH if turn == 0 else _FREE_REACH
        for i in order:
            spot = result[i, :6]
            start_y, start_x = starts[i, 0] - corners[i, 0], starts[i, 1] - corners[i, 1]
            if turn == 0:
                # A peak of next to nothing makes the first sums those of a fit that is linear in the peak.
                spot[0], spot[1], spot[2] = 1e-3 * noise_sd, start_y, start_x
                spot[3], spot[4], spot[5] = variance, variance, 0.0
            open_view(patches, corners, starts, result, i, downwards, ranks[i], reach, usual_sd, max_shift_px, light)
            if turn > _N_FREE_ROUNDS:
                judge(light, spot, noise_variance, widest, columns, result[i, 8:])
                continue
            for step in range(-1 if turn == 0 else 0, _N_STEPS):
                window = _FIRST_REACH if step < 0 else reach
                moments(light, spot, noise_variance, window, widest, columns, squares, residuals)
                if step < 0:
                    peak = spot[0] * (1.0 + residuals[0, 0] / squares[0, 0]) if squares[0, 0] > 0.0 else 0.0
                    spot[0] = max(peak, 0.3 * noise_sd)
                    continue
                normal_equations(spot, squares, residuals, variance, latitude, shape, matrix, vector)
                solve(matrix, vector)
                step_of(spot, shape, vector)
                move(spot, vector, start_y, start_x, usual_sd, max_shift_px)
            if turn == 0:
                result[i, 6], result[i, 7] = spot[1], spot[2]
    for i in range(n):
        for axis in range(2):
            result[i, 1 + axis] += corners[i, axis]
            result[i, 6 + axis] += corners[i, axis]
    return result
