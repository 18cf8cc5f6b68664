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

Floats = NDArray[np.float64]

CENTROID_SHARE: Final = 0.1
"""Noise to reckon with within a spot, variance in units of its peak times its level: what makes the fit a centroid."""

_N_STEPS: Final = 2  # Gauss-Newton steps of a spot each time that its turn comes
_N_FREE_ROUNDS: Final = 2
_NARROW_SD: Final = 0.8  # of the video's own spot sd
_NARROW_LATITUDE: Final = 0.2
_FREE_LATITUDE: Final = 0.7
_NARROW_REACH: Final = 2.0
_FREE_REACH: Final = 3.0
_LEAST_DETERMINANT: Final = 1e-9
_NEIGHBOUR_REACH: Final = 4.0
_LEAST_INFORMATION: Final = 1e-9
# The monomials 1, dy, dx, dy², dy dx, dx².
_POWER_Y: Final = np.array([0, 1, 0, 2, 1, 0])
_POWER_X: Final = np.array([0, 0, 1, 0, 1, 2])


@kernel("void(f8[:, ::1], f8[::1], f8, f8)")
def add_spot(image: Floats, spot: Floats, factor: float, widest_px: float) -> None:
    """Add ``factor`` times a Gaussian spot to ``image``, in place, out to 4 sd but no further than ``widest_px``.

    Parameters
    ----------
    image : (height, width) float64
        Grey levels; changed.
    spot : (6,) float64
        Peak (grey levels), y, x (px), variance in y, in x, covariance (px²).
    factor : float
        1 to add the spot, -1 to take it away.
    widest_px : float
        Half the largest window, px.
    """
    height, width = image.shape
    reach_y = min(_NEIGHBOUR_REACH * math.sqrt(spot[3]), widest_px)
    reach_x = min(_NEIGHBOUR_REACH * math.sqrt(spot[4]), widest_px)
    left, right = max(0, math.ceil(spot[2] - reach_x)), min(width - 1, math.floor(spot[2] + reach_x))
    determinant = spot[3] * spot[4] - spot[5] * spot[5]
    yy, xx, yx = spot[4] / determinant, spot[3] / determinant, -spot[5] / determinant
    bend = math.exp(-xx)
    for row in range(max(0, math.ceil(spot[1] - reach_y)), min(height - 1, math.floor(spot[1] + reach_y)) + 1):
        d_y, d_x = row - spot[1], left - spot[2]
        level = factor * spot[0] * math.exp(-0.5 * (yy * d_y * d_y + 2.0 * yx * d_y * d_x + xx * d_x * d_x))
        # The ratio of two neighbouring pixels falls by a constant factor along a row: no exponential a pixel.
        ratio = math.exp(-(yx * d_y + xx * d_x + 0.5 * xx))
        for column in range(left, right + 1):
            image[row, column] += level
            level *= ratio
            ratio *= bend


@kernel("void(f4[:, ::1], b1[:, ::1], f8[:, ::1], f8[::1], f8, f8, f8, f8[:, ::1], f8[:, ::1])")
def moments(
    signal: NDArray[np.float32],
    saturated: NDArray[np.bool_],
    others: Floats,
    spot: Floats,
    noise_variance: float,
    reach: float,
    widest_px: float,
    squares: Floats,
    residuals: Floats,
) -> None:
    """Sum w m² dy^a dx^b (a + b <= 4) and w m r dy^a dx^b (a + b <= 2) over the window of a spot.

    m is the spot's light in a pixel, r what remains of the signal without it and ``others``, and
    w = 1/(noise variance + ``CENTROID_SHARE`` peak m). The normal equations of all six parameters follow from these
    sums, which cost eight additions a pixel.

    Parameters
    ----------
    signal : (height, width) float32
        Raw frame minus background.
    saturated : (height, width) bool
        Pixels that are left out.
    others : (height, width) float64
        Light of the other spots.
    spot : (6,) float64
        As in :func:`add_spot`.
    noise_variance : float
        Of a pixel without light, grey levels².
    reach : float
        Half the window in standard deviations of the spot.
    widest_px : float
        Half the largest window, px.
    squares, residuals : (5, 5), (3, 3) float64
        The sums, by a and b; overwritten.
    """
    height, width = signal.shape
    squares[:] = 0.0
    residuals[:] = 0.0
    reach_y, reach_x = min(reach * math.sqrt(spot[3]), widest_px), min(reach * math.sqrt(spot[4]), widest_px)
    left, right = max(0, math.ceil(spot[2] - reach_x)), min(width - 1, math.floor(spot[2] + reach_x))
    determinant = spot[3] * spot[4] - spot[5] * spot[5]
    yy, xx, yx = spot[4] / determinant, spot[3] / determinant, -spot[5] / determinant
    bend, own_noise = math.exp(-xx), CENTROID_SHARE * spot[0]
    for row in range(max(0, math.ceil(spot[1] - reach_y)), min(height - 1, math.floor(spot[1] + reach_y)) + 1):
        d_y, d_x = row - spot[1], left - spot[2]
        level = spot[0] * math.exp(-0.5 * (yy * d_y * d_y + 2.0 * yx * d_y * d_x + xx * d_x * d_x))
        ratio = math.exp(-(yx * d_y + xx * d_x + 0.5 * xx))
        s_0, s_1, s_2, s_3, s_4, r_0, r_1, r_2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for column in range(left, right + 1):
            if not saturated[row, column]:
                weighted = level / (noise_variance + own_noise * level)
                remains = weighted * (float(signal[row, column]) - others[row, column] - level)
                square = weighted * level
                r_0 += remains
                r_1 += remains * d_x
                r_2 += remains * d_x * d_x
                s_0 += square
                square *= d_x
                s_1 += square
                square *= d_x
                s_2 += square
                square *= d_x
                s_3 += square
                s_4 += square * d_x
            d_x += 1.0
            level *= ratio
            ratio *= bend
        power = 1.0
        for a in range(5):
            squares[a, 0] += s_0 * power
            if a < 4:
                squares[a, 1] += s_1 * power
            if a < 3:
                squares[a, 2] += s_2 * power
                residuals[a, 0] += r_0 * power
            if a < 2:
                squares[a, 3] += s_3 * power
                residuals[a, 1] += r_1 * power
            power *= d_y
        squares[0, 4] += s_4
        residuals[0, 2] += r_2


@kernel("void(f8[::1], f8[:, ::1], f8[:, ::1], f8, f8, f8[:, ::1], f8[::1])")
def normal_equations(
    spot: Floats,
    squares: Floats,
    residuals: Floats,
    usual_variance: float,
    latitude: float,
    matrix: Floats,
    vector: Floats,
) -> None:
    """Turn :func:`moments` into the Gauss-Newton equations of peak, y, x and the shape, with a prior on the shape.

    Parameters
    ----------
    spot : (6,) float64
        As in :func:`add_spot`.
    squares, residuals : (5, 5), (3, 3) float64
        From :func:`moments`.
    usual_variance : float
        Round spots of this variance are expected, px².
    latitude : float
        Standard deviation of the variances about it, in units of it.
    matrix, vector : (6, 6), (6,) float64
        The equations; overwritten.
    """
    determinant = spot[3] * spot[4] - spot[5] * spot[5]
    yy, xx, yx = spot[4] / determinant, spot[3] / determinant, -spot[5] / determinant
    # The derivative of the light by each parameter is the light times a polynomial in 1, dy, dx, dy², dy dx, dx².
    slopes = np.zeros((6, 6))
    slopes[0, 0] = 1.0 / spot[0]
    slopes[1, 1], slopes[1, 2], slopes[2, 1], slopes[2, 2] = yy, yx, yx, xx
    slopes[3, 3], slopes[3, 4], slopes[3, 5] = 0.5 * yy * yy, yy * yx, 0.5 * yx * yx
    slopes[4, 3], slopes[4, 4], slopes[4, 5] = 0.5 * yx * yx, yx * xx, 0.5 * xx * xx
    slopes[5, 3], slopes[5, 4], slopes[5, 5] = yy * yx, yy * xx + yx * yx, yx * xx
    half = np.zeros((6, 6))
    for i in range(6):
        for j in range(6):
            for k in range(6):
                half[i, j] += slopes[i, k] * squares[_POWER_Y[k] + _POWER_Y[j], _POWER_X[k] + _POWER_X[j]]
    for i in range(6):
        vector[i] = 0.0
        for k in range(6):
            vector[i] += slopes[i, k] * residuals[_POWER_Y[k], _POWER_X[k]]
        for j in range(6):
            matrix[i, j] = 0.0
            for k in range(6):
                matrix[i, j] += half[i, k] * slopes[j, k]
    tightness = 1.0 / (latitude * usual_variance) ** 2
    for i in range(3):
        matrix[i, i] += _LEAST_INFORMATION
    for i in range(3, 5):
        matrix[i, i] += tightness
        vector[i] += tightness * (usual_variance - spot[i])
    matrix[5, 5] += 2.0 * tightness
    vector[5] -= 2.0 * tightness * spot[5]


@inner_kernel
def solve(matrix: Floats, vector: Floats) -> None:
    """Solve a small symmetric positive system by Cholesky's method; both arguments are overwritten.

    Parameters
    ----------
    matrix : (n, n) float64
        The system.
    vector : (n,) float64
        Its right side, then its solution.
    """
    n = vector.size
    for i in range(n):
        for j in range(i + 1):
            rest = matrix[i, j]
            for k in range(j):
                rest -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = math.sqrt(max(rest, 1e-30)) if i == j else rest / matrix[j, j]
    for i in range(n):
        for k in range(i):
            vector[i] -= matrix[i, k] * vector[k]
        vector[i] /= matrix[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            vector[i] -= matrix[k, i] * vector[k]
        vector[i] /= matrix[i, i]


@inner_kernel
def move(spot: Floats, step: Floats, start_y: float, start_x: float, usual_sd: float, max_shift_px: float) -> None:
    """Change a spot by a step, in place, within bounds on each step, on the shape and on the way from the start.

    Parameters
    ----------
    spot, step : (6,) float64
        As in :func:`add_spot`.
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


@kernel("void(f4[:, ::1], b1[:, ::1], f8[:, ::1], f8[::1], f8, f8, f8[::1])")
def judge(
    signal: NDArray[np.float32],
    saturated: NDArray[np.bool_],
    model: Floats,
    spot: Floats,
    noise_variance: float,
    widest_px: float,
    verdict: Floats,
) -> None:
    """Find what camera noise does to a fitted position, and how much of its light the fit does not explain.

    Parameters
    ----------
    signal, saturated, spot, noise_variance, widest_px
        As in :func:`moments`.
    model : (height, width) float64
        Light of all spots, this one among them.
    verdict : (2,) float64
        Variance of the position per axis (mean of both), px², infinite where it cannot be told; and the sum of the
        squared residuals beyond camera noise over that of the squared light. Overwritten.
    """
    height, width = signal.shape
    reach_y = min(_FREE_REACH * math.sqrt(spot[3]), widest_px)
    reach_x = min(_FREE_REACH * math.sqrt(spot[4]), widest_px)
    determinant = spot[3] * spot[4] - spot[5] * spot[5]
    yy, xx, yx = spot[4] / determinant, spot[3] / determinant, -spot[5] / determinant
    left, right = max(0, math.ceil(spot[2] - reach_x)), min(width - 1, math.floor(spot[2] + reach_x))
    bend, own_noise = math.exp(-xx), CENTROID_SHARE * spot[0]
    h_yy, h_xx, h_yx, j_yy, j_xx, j_yx, unexplained, light = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for row in range(max(0, math.ceil(spot[1] - reach_y)), min(height - 1, math.floor(spot[1] + reach_y)) + 1):
        d_y, d_x = row - spot[1], left - spot[2]
        level = spot[0] * math.exp(-0.5 * (yy * d_y * d_y + 2.0 * yx * d_y * d_x + xx * d_x * d_x))
        ratio = math.exp(-(yx * d_y + xx * d_x + 0.5 * xx))
        for column in range(left, right + 1):
            if not saturated[row, column]:
                g_y, g_x = level * (yy * d_y + yx * d_x), level * (yx * d_y + xx * d_x)
                weight = 1.0 / (noise_variance + own_noise * level)
                h_yy += weight * g_y * g_y
                h_xx += weight * g_x * g_x
                h_yx += weight * g_y * g_x
                weight *= weight * noise_variance
                j_yy += weight * g_y * g_y
                j_xx += weight * g_x * g_x
                j_yx += weight * g_y * g_x
                remains = float(signal[row, column]) - model[row, column]
                unexplained += remains * remains - noise_variance
                light += level * level
            d_x += 1.0
            level *= ratio
            ratio *= bend
    determinant = h_yy * h_xx - h_yx * h_yx
    verdict[0], verdict[1] = np.inf, 0.0
    # Pixels that all lie on a line tell of one axis only: what is left of the difference is rounding.
    if determinant > _LEAST_DETERMINANT * h_yy * h_xx and light > 0.0:
        # Half the trace of H^-1 J H^-1: the weights are not those of the noise alone.
        i_yy, i_xx, i_yx = h_xx / determinant, h_yy / determinant, -h_yx / determinant
        p_yy, p_xx, p_yx = (
            i_yy * i_yy + i_yx * i_yx,
            i_xx * i_xx + i_yx * i_yx,
            i_yx * (i_yy + i_xx),
        )
        verdict[0] = 0.5 * (p_yy * j_yy + p_xx * j_xx + 2.0 * p_yx * j_yx)
        verdict[1] = max(unexplained, 0.0) / light


@kernel("f8[:, ::1](f4[:, ::1], b1[:, ::1], f8[::1], f8[::1], i8[::1], f8, f8, f8)")
def fit_spots(
    signal: NDArray[np.float32],
    saturated: NDArray[np.bool_],
    y_px: Floats,
    x_px: Floats,
    order: NDArray[np.int64],
    noise_variance: float,
    usual_sd: float,
    max_shift_px: float,
) -> Floats:
    """Fit a Gaussian to every spot of a frame, each to what the others leave of the light (Gauss-Seidel).

    Parameters
    ----------
    signal, saturated, noise_variance
        As in :func:`moments`.
    y_px, x_px : (n,) float64
        Where the detector saw the spots.
    order : (n,) int64
        The spots, the brightest first.
    usual_sd, max_shift_px : float
        As in :func:`move`.

    Returns
    -------
    (n, 10) float64
        The six parameters of :func:`add_spot`, y and x after the narrow round, and the two of :func:`judge`.
    """
    result = np.empty((y_px.size, 10))
    model = np.zeros(signal.shape)
    squares, residuals = np.empty((5, 5)), np.empty((3, 3))
    matrix, vector = np.empty((6, 6)), np.empty(6)
    widest, narrow_variance = 4.5 * usual_sd, (_NARROW_SD * usual_sd) ** 2
    for turn in range(1 + _N_FREE_ROUNDS):
        variance = narrow_variance if turn == 0 else usual_sd * usual_sd
        latitude = _NARROW_LATITUDE if turn == 0 else _FREE_LATITUDE
        reach = _NARROW_REACH if turn == 0 else _FREE_REACH
        for i in order:
            spot = result[i, :6]
            if turn == 0:
                # A peak of next to nothing makes the first sums those of a fit that is linear in the peak.
                faint = 1e-3 * math.sqrt(noise_variance)
                spot[0], spot[1], spot[2] = faint, y_px[i], x_px[i]
                spot[3], spot[4], spot[5] = variance, variance, 0.0
                moments(signal, saturated, model, spot, noise_variance, 1.5, widest, squares, residuals)
                peak = faint * (1.0 + residuals[0, 0] / squares[0, 0]) if squares[0, 0] > 0.0 else 0.0
                spot[0] = max(peak, 0.3 * math.sqrt(noise_variance))
            else:
                add_spot(model, spot, -1.0, 6.0 * usual_sd)
            for _ in range(_N_STEPS):
                moments(signal, saturated, model, spot, noise_variance, reach, widest, squares, residuals)
                normal_equations(spot, squares, residuals, variance, latitude, matrix, vector)
                solve(matrix, vector)
                move(spot, vector, y_px[i], x_px[i], usual_sd, max_shift_px)
            add_spot(model, spot, 1.0, 6.0 * usual_sd)
            if turn == 0:
                result[i, 6], result[i, 7] = spot[1], spot[2]
    for i in range(y_px.size):
        judge(signal, saturated, model, result[i, :6], noise_variance, widest, result[i, 8:])
    return result
