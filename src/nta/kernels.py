"""The formulas, one kernel each: SI units in, SI units out, flat arrays with track offsets.

Tracks are stored one after the other: track ``i`` is ``[offsets[i], offsets[i + 1])`` of the position arrays.
Every kernel has a slow, obvious twin in ``tests/naive.py``.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nta.compilation import inner_kernel, kernel

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

BOLTZMANN_J_K: Final = 1.380649e-23
"""Boltzmann constant, J/K (exact, SI 2019)."""


def stokes_einstein_diffusion_m2_s(diameter_m: float, temperature_k: float, viscosity_pa_s: float) -> float:
    """Return D = kB T / (3 pi eta d) in m²/s (Einstein 1905, Sutherland 1905)."""
    return BOLTZMANN_J_K * temperature_k / (3.0 * math.pi * viscosity_pa_s * diameter_m)


def stokes_einstein_diameter_m(diffusion_m2_s: float, temperature_k: float, viscosity_pa_s: float) -> float:
    """Return the hydrodynamic diameter d = kB T / (3 pi eta D) in m."""
    return BOLTZMANN_J_K * temperature_k / (3.0 * math.pi * viscosity_pa_s * diffusion_m2_s)


_STEPS_A_LOGARITHM: Final = 8
"""Variances of steps, with their shares within the search range, that are multiplied before a logarithm is taken: 8 of
1 pm² are not 0 yet, and shares are small for large variances only."""


@inner_kernel
def _log_probability_inside(expected_m: float, length_m: float, sd_m: float) -> float:
    """Return ln[Phi((L - x)/s) - Phi(-x/s)]: that the next position, expected at x, lies in [0, L]."""
    scale = 1.0 / (sd_m * math.sqrt(2.0))
    inside = 0.5 * (math.erf((length_m - expected_m) * scale) - math.erf(-expected_m * scale))
    return math.log(max(inside, 1e-12))


@inner_kernel
def _log_probability_in_field(x_m: float, y_m: float, width_m: float, height_m: float, sd_m: float) -> float:
    """Return the log-probability that the next position lies in the field; of an axis only within 4 sd of its edges."""
    total, reach = 0.0, 4.0 * sd_m
    if width_m < np.inf and (x_m < reach or width_m - x_m < reach):
        total += _log_probability_inside(x_m, width_m, sd_m)
    if height_m < np.inf and (y_m < reach or height_m - y_m < reach):
        total += _log_probability_inside(y_m, height_m, sd_m)
    return total


@inner_kernel
def _displacement(
    frames: Integers, x_m: Floats, y_m: Floats, drift_x_m: Floats, drift_y_m: Floats, n: int, later: int
) -> tuple[float, float, float, float]:
    """Return how far a particle moved of its own between two of its positions (x, y), and the drift (x, y), m."""
    flow_x = drift_x_m[frames[later]] - drift_x_m[frames[n]]
    flow_y = drift_y_m[frames[later]] - drift_y_m[frames[n]]
    return x_m[later] - x_m[n] - flow_x, y_m[later] - y_m[n] - flow_y, flow_x, flow_y


@kernel("f8[:, ::1](i8[::1], i8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8, f8, f8, f8, f8, f8)")
def track_log_likelihood(
    offsets: Integers,
    frames: Integers,
    x_m: Floats,
    y_m: Floats,
    sigma_m: Floats,
    drift_x_m: Floats,
    drift_y_m: Floats,
    diffusion_m2_s: Floats,
    frame_time_s: float,
    blur_coefficient: float,
    noise_growth_s_m2: float,
    width_m: float,
    height_m: float,
    search_range_m: float,
) -> Floats:
    """Return the exact log-likelihood of every track at every diffusion coefficient.

    Displacements u_n between successive positions (drift removed) have, per axis, the covariance
    C_nn = 2 D tau (g_n - 2 R) + s_n² + s_{n+1}² and C_{n,n+1} = 2 R D tau - s_{n+1}² (Berglund 2010,
    PRE 82, 011917, eqs. 5-6; gaps g_n as in Relich 2016). The tridiagonal matrix is decomposed as L D L':
    ln L = -sum [ln p_n + |e_n|²/(2 p_n)], both axes sharing p_n.

    Two conditions of having been observed at all divide the likelihood of each step: the next position lay
    inside the field (only within 4 sd of an edge), and inside the search range of the linker.

    Parameters
    ----------
    offsets : (n_tracks + 1,) int64
        Track ``i`` holds the positions ``offsets[i]`` to ``offsets[i + 1]``.
    frames : (n_positions,) int64
        Frame number of every position, ascending within a track.
    x_m, y_m : (n_positions,) float64
        Positions in the field, m; the field is [0, width] x [0, height].
    sigma_m : (n_positions,) float64
        Localisation error of each position, m, for a particle that does not move.
    drift_x_m, drift_y_m : (n_frames,) float64
        Cumulative common drift at each frame number, m.
    diffusion_m2_s : (n_sizes,) float64
        Diffusion coefficients, m²/s.
    frame_time_s : float
        Time between frames tau, s.
    blur_coefficient : float
        R = exposure/(6 tau).
    noise_growth_s_m2 : float
        k in sigma²(D) = sigma² (1 + k D): exposure / (PSF sd)², s/m²; 0 where sigma is known as it is.
    width_m, height_m : float
        Size of the field, m; infinite where it is not known.
    search_range_m : float
        Largest step the linker could have made, m; infinite where it is not known.

    Returns
    -------
    (n_tracks, n_sizes) float64
        Natural log-likelihood up to a constant that does not depend on the size.
    """
    n_tracks, n_sizes = offsets.size - 1, diffusion_m2_s.size
    result = np.empty((n_tracks, n_sizes))
    variance, growth, diagonal = np.empty(n_sizes), np.empty(n_sizes), np.empty(n_sizes)
    inverse, error_x, error_y, product = np.empty(n_sizes), np.empty(n_sizes), np.empty(n_sizes), np.empty(n_sizes)
    for size in range(n_sizes):
        variance[size] = 2.0 * diffusion_m2_s[size] * frame_time_s
        growth[size] = 1.0 + noise_growth_s_m2 * diffusion_m2_s[size]
    # Steps whose variance is above these may have left the search range (8 sd), or the field (4 sd).
    search_variance = search_range_m * search_range_m / 64.0
    for track in range(n_tracks):
        start, stop, total = offsets[track], offsets[track + 1], result[track]
        for size in range(n_sizes):
            total[size], inverse[size], error_x[size], error_y[size], product[size] = 0.0, 0.0, 0.0, 0.0, 1.0
        for n in range(start, stop - 1):
            u_x, u_y, flow_x, flow_y = _displacement(frames, x_m, y_m, drift_x_m, drift_y_m, n, n + 1)
            moved = float(frames[n + 1] - frames[n]) - 2.0 * blur_coefficient
            noise_here, noise_there = sigma_m[n] * sigma_m[n], sigma_m[n + 1] * sigma_m[n + 1]
            # All sizes take the step together: the loop over them becomes vector instructions.
            for size in range(n_sizes):
                own = noise_here * growth[size]
                diagonal[size] = variance[size] * moved + own + noise_there * growth[size]
                off_diagonal = variance[size] * blur_coefficient - own
                ratio = off_diagonal * inverse[size]
                pivot = diagonal[size] - ratio * off_diagonal
                error_x[size] = u_x - ratio * error_x[size]
                error_y[size] = u_y - ratio * error_y[size]
                inverse[size] = 1.0 / pivot
                total[size] -= 0.5 * (error_x[size] ** 2 + error_y[size] ** 2) * inverse[size]
                product[size] *= pivot if pivot >= 0.0 else np.nan
            at_x, at_y = x_m[n] + flow_x, y_m[n] + flow_y
            edge = max(min(at_x, width_m - at_x, at_y, height_m - at_y), 0.0)
            edge_variance = edge * edge / 16.0
            for size in range(n_sizes):
                if diagonal[size] > search_variance:
                    product[size] *= 1.0 - math.exp(-32.0 * search_variance / diagonal[size])
                if diagonal[size] > edge_variance:
                    total[size] -= _log_probability_in_field(at_x, at_y, width_m, height_m, math.sqrt(diagonal[size]))
            if (n - start) % _STEPS_A_LOGARITHM == _STEPS_A_LOGARITHM - 1 or n == stop - 2:
                for size in range(n_sizes):
                    total[size] -= math.log(product[size])
                    product[size] = 1.0
    return result


@kernel("f8[:, ::1](i8[::1], i8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8, f8)")
def covariance_estimates(
    offsets: Integers,
    frames: Integers,
    x_m: Floats,
    y_m: Floats,
    drift_x_m: Floats,
    drift_y_m: Floats,
    frame_time_s: float,
    blur_coefficient: float,
) -> Floats:
    """Return the covariance estimates of every track: D, squared localisation error, step count.

    D = <u_n²>/(2 tau) + <u_n u_{n+1}>/tau and sigma² = R <u_n²> + (2 R - 1) <u_n u_{n+1}>, averaged over both
    axes (Vestergaard, Blainey & Flyvbjerg 2014, PRE 89, 022726, eqs. 14, 16). Only steps over exactly one
    frame count.

    Parameters
    ----------
    offsets, frames, x_m, y_m, drift_x_m, drift_y_m, frame_time_s, blur_coefficient
        As in :func:`track_log_likelihood`.

    Returns
    -------
    (n_tracks, 3) float64
        Columns D in m²/s, sigma² in m², number of steps; NaN where a track has no two steps in a row.
    """
    n_tracks = offsets.size - 1
    result = np.empty((n_tracks, 3))
    for track in range(n_tracks):
        result[track, 0] = result[track, 1] = np.nan
        result[track, 2] = 0.0
        start, stop = offsets[track], offsets[track + 1]
        if stop == start:
            continue
        square, product, last_x, last_y = 0.0, 0.0, 0.0, 0.0
        n_steps, n_products, last_was_step = 0, 0, 0
        # Each position is taken out of the drift once: it ends one step and begins the next.
        here = frames[start]
        here_x, here_y = x_m[start] - drift_x_m[here], y_m[start] - drift_y_m[here]
        for n in range(start + 1, stop):
            there = frames[n]
            there_x, there_y = x_m[n] - drift_x_m[there], y_m[n] - drift_y_m[there]
            if there - here == 1:
                u_x, u_y = there_x - here_x, there_y - here_y
                square += u_x * u_x + u_y * u_y
                product += u_x * last_x + u_y * last_y
                n_steps += 1
                n_products += last_was_step
                last_x, last_y, last_was_step = u_x, u_y, 1
            else:
                last_x, last_y, last_was_step = 0.0, 0.0, 0
            here, here_x, here_y = there, there_x, there_y
        result[track, 2] = n_steps
        if n_products > 0:
            mean_square = square / (2.0 * n_steps)
            mean_product = product / (2.0 * n_products)
            result[track, 0] = mean_square / (2.0 * frame_time_s) + mean_product / frame_time_s
            result[track, 1] = blur_coefficient * mean_square + (2.0 * blur_coefficient - 1.0) * mean_product
    return result


@kernel("f8[:, ::1](i8[::1], i8[::1], f8[::1], f8[::1], f8[::1], f8[::1], i8)", is_rare=True)
def displacement_moments(
    offsets: Integers,
    frames: Integers,
    x_m: Floats,
    y_m: Floats,
    drift_x_m: Floats,
    drift_y_m: Floats,
    max_lag: int,
) -> Floats:
    """Return, for every lag in frames, the summed squared displacement in the plane and the number of pairs.

    Returns
    -------
    (max_lag + 1, 2) float64
        Columns sum of (dx² + dy²) in m², and count; row = lag.
    """
    result = np.zeros((max_lag + 1, 2))
    sums = np.zeros(max_lag + 1)
    longest = 0
    for track in range(offsets.size - 1):
        longest = max(longest, offsets[track + 1] - offsets[track])
    x, y = np.empty(longest), np.empty(longest)
    for track in range(offsets.size - 1):
        start, stop = offsets[track], offsets[track + 1]
        size = stop - start
        for n in range(size):
            x[n] = x_m[start + n] - drift_x_m[frames[start + n]]
            y[n] = y_m[start + n] - drift_y_m[frames[start + n]]
        if size > 0 and frames[stop - 1] - frames[start] == size - 1:
            # Without a gap the lag is the distance in the array, and the inner loop becomes vector instructions.
            for n in range(size - 1):
                later_x, later_y, of_lag = x[n + 1 :], y[n + 1 :], sums[1:]
                for k in range(min(max_lag, size - 1 - n)):
                    u_x, u_y = later_x[k] - x[n], later_y[k] - y[n]
                    of_lag[k] += u_x * u_x + u_y * u_y
            for lag in range(1, min(max_lag, size - 1) + 1):
                result[lag, 1] += size - lag
            continue
        for n in range(size):
            for later in range(n + 1, size):
                lag = frames[start + later] - frames[start + n]
                if lag > max_lag:
                    break
                u_x, u_y = x[later] - x[n], y[later] - y[n]
                sums[lag] += u_x * u_x + u_y * u_y
                result[lag, 1] += 1.0
    for lag in range(max_lag + 1):
        result[lag, 0] = sums[lag]
    return result


@kernel("f8[:, ::1](i8[::1], i8[::1], f8[::1], f8[::1], f8[::1], f8[::1], i8, i8)")
def step_products(
    offsets: Integers,
    frames: Integers,
    x_m: Floats,
    y_m: Floats,
    drift_x_m: Floats,
    drift_y_m: Floats,
    distance: int,
    lag: int,
) -> Floats:
    """Return, for every track, the correlation of its steps of ``lag`` frames ``distance`` such steps apart.

    Each track gives sum_n u_n·u_{n + distance lag} in units of its own mean |u|², so that fast particles do not
    speak for all; the sum over the products is what differs from 0 when steps that far apart correlate. A step
    begins at every position: with a longer lag they overlap, the two of a product never do (``distance`` > 0).

    Returns
    -------
    (n_tracks, 3) float64
        Columns normalised sum of products, number of products, and mean |u|² of all steps, m²; NaN, 0 and NaN for
        tracks that are too short or have gaps.
    """
    n_tracks = offsets.size - 1
    result = np.empty((n_tracks, 3))
    for track in range(n_tracks):
        result[track, 0], result[track, 1], result[track, 2] = np.nan, 0.0, np.nan
        start, stop = offsets[track], offsets[track + 1]
        n_steps = stop - start - lag
        n_products = n_steps - distance * lag
        if n_products <= 0 or frames[stop - 1] - frames[start] != stop - start - 1:
            continue
        step_x, step_y = np.empty(n_steps), np.empty(n_steps)
        square = 0.0
        for n in range(n_steps):
            u_x, u_y, _, _ = _displacement(frames, x_m, y_m, drift_x_m, drift_y_m, start + n, start + n + lag)
            step_x[n], step_y[n] = u_x, u_y
            square += u_x**2 + u_y**2
        total = 0.0
        for n in range(n_products):
            later = n + distance * lag
            total += step_x[n] * step_x[later] + step_y[n] * step_y[later]
        result[track, 0] = total / (square / n_steps)
        result[track, 1] = n_products
        result[track, 2] = square / n_steps
    return result


@kernel("f8(f8[::1], f8[:, ::1], i8[:, ::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8, f8)")
def mean_log_light(
    log_light: Floats,
    posterior: Floats,
    spans: Integers,
    stray: Floats,
    weights: Floats,
    log_ratio: Floats,
    scale: Floats,
    table: Floats,
    first: float,
    step: float,
) -> float:
    """Return sum w ln[stray + sum_d p(d) c(d) f(ln r(d) - ln m)]: how well a law of light explains all tracks.

    Parameters
    ----------
    log_light : (n_tracks,) float64
        ln m, the light of each track over that at which detection ends.
    posterior : (n_tracks, n_sizes) float64
        p(d), from the motion of each track.
    spans : (n_tracks, 2) int64
        First size of each track that counts, and the one after the last.
    stray, weights : (n_tracks,) float64
        What light of any strength adds; what each track counts.
    log_ratio, scale : (n_sizes,) float64
        ln r(d), light at the centre of the sheet over that at which detection ends, and c(d).
    table, first, step : (n,) float64, float, float
        f at ``first``, ``first + step``, ...; 0 beyond both ends.
    """
    total, last, per_step = 0.0, table.size - 1, 1.0 / step
    for track in range(log_light.size):
        explained, shift = stray[track], log_light[track] + first
        for size in range(spans[track, 0], spans[track, 1]):
            place = (log_ratio[size] - shift) * per_step
            if 0.0 <= place <= last:
                k = min(int(place), last - 1)
                value = table[k] + (place - k) * (table[k + 1] - table[k])
                explained += posterior[track, size] * scale[size] * value
        total += weights[track] * math.log(max(explained, 1e-12))
    return total
