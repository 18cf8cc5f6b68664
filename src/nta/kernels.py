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


@inner_kernel
def _log_probability_inside(position_m: float, drift_m: float, length_m: float, sd_m: float) -> float:
    """Return ln[Phi((L - x - v)/s) - Phi((-x - v)/s)]: that the next position lies in [0, L]."""
    scale = 1.0 / (sd_m * math.sqrt(2.0))
    after = length_m - position_m - drift_m
    before = -position_m - drift_m
    inside = 0.5 * (math.erf(after * scale) - math.erf(before * scale))
    return math.log(max(inside, 1e-12))


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
    n_tracks = offsets.size - 1
    n_sizes = diffusion_m2_s.size
    result = np.zeros((n_tracks, n_sizes))
    tau = frame_time_s
    for track in range(n_tracks):
        start, stop = offsets[track], offsets[track + 1]
        for size in range(n_sizes):
            diffusion = diffusion_m2_s[size]
            growth = 1.0 + noise_growth_s_m2 * diffusion
            variance = 2.0 * diffusion * tau
            total = 0.0
            pivot = 1.0
            error_x = 0.0
            error_y = 0.0
            for n in range(start, stop - 1):
                gap = float(frames[n + 1] - frames[n])
                u_x, u_y, flow_x, flow_y = _displacement(frames, x_m, y_m, drift_x_m, drift_y_m, n, n + 1)
                noise_here = sigma_m[n] * sigma_m[n] * growth
                noise_there = sigma_m[n + 1] * sigma_m[n + 1] * growth
                diagonal = variance * (gap - 2.0 * blur_coefficient) + noise_here + noise_there
                if n == start:
                    pivot, error_x, error_y = diagonal, u_x, u_y
                else:
                    off_diagonal = variance * blur_coefficient - noise_here
                    ratio = off_diagonal / pivot
                    pivot = diagonal - ratio * off_diagonal
                    error_x = u_x - ratio * error_x
                    error_y = u_y - ratio * error_y
                total -= math.log(pivot) + (error_x * error_x + error_y * error_y) / (2.0 * pivot)
                step_sd = math.sqrt(diagonal)
                reach = 4.0 * step_sd
                if width_m < np.inf and (x_m[n] + flow_x < reach or width_m - x_m[n] - flow_x < reach):
                    total -= _log_probability_inside(x_m[n], flow_x, width_m, step_sd)
                if height_m < np.inf and (y_m[n] + flow_y < reach or height_m - y_m[n] - flow_y < reach):
                    total -= _log_probability_inside(y_m[n], flow_y, height_m, step_sd)
                if search_range_m < 8.0 * step_sd:
                    missed = math.exp(-search_range_m * search_range_m / (2.0 * diagonal))
                    total -= math.log1p(-missed)
            result[track, size] = total
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


@kernel("f8[:, ::1](i8[::1], i8[::1], f8[::1], f8[::1], f8[::1], f8[::1], i8)")
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
    result = np.full((n_tracks, 3), np.nan)
    result[:, 1] = 0.0
    for track in range(n_tracks):
        start, stop = offsets[track], offsets[track + 1]
        n_steps = stop - start - lag
        n_products = n_steps - distance * lag
        if n_products <= 0 or frames[stop - 1] - frames[start] != stop - start - 1:
            continue
        steps = np.empty((n_steps, 2))
        square = 0.0
        for n in range(n_steps):
            u_x, u_y, _, _ = _displacement(frames, x_m, y_m, drift_x_m, drift_y_m, start + n, start + n + lag)
            steps[n, 0], steps[n, 1] = u_x, u_y
            square += u_x**2 + u_y**2
        total = 0.0
        for n in range(n_products):
            total += steps[n, 0] * steps[n + distance * lag, 0] + steps[n, 1] * steps[n + distance * lag, 1]
        result[track, 0] = total / (square / n_steps)
        result[track, 1] = n_products
        result[track, 2] = square / n_steps
    return result
