"""The slow, obvious twin of every kernel: dense matrices, whole images, loops over all pairs."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from scipy.integrate import quad


def diffusion_m2_s(diameter_m, temperature_k, viscosity_pa_s):
    """D = kB T/(3 pi eta d), kB as CODATA 2018 fixes it."""
    return 1.380649e-23 * temperature_k / (3.0 * np.pi * viscosity_pa_s * diameter_m)


def tracks_of(offsets):
    """Yield the rows of every track."""
    for start, stop in pairwise(offsets):
        yield slice(int(start), int(stop))


def displacements(x, frames, drift):
    """Displacements of one track, axis by axis, less the common drift between their frames."""
    return np.diff(x - drift[frames])


def displacement_covariance(frames, sigma, diffusion, tau, blur):
    """The covariance of the displacements of one track along one axis, element by element."""
    n_steps = len(frames) - 1
    covariance = np.zeros((n_steps, n_steps))
    for n in range(n_steps):
        gap = frames[n + 1] - frames[n]
        covariance[n, n] = 2 * diffusion * tau * (gap - 2 * blur) + sigma[n] ** 2 + sigma[n + 1] ** 2
        if n + 1 < n_steps:
            covariance[n, n + 1] = covariance[n + 1, n] = 2 * blur * diffusion * tau - sigma[n + 1] ** 2
    return covariance


def probability_inside(position, length, sd):
    """The mass of a normal density around ``position`` between 0 and ``length``, integrated numerically."""

    def density(place):
        return math.exp(-0.5 * ((place - position) / sd) ** 2) / (sd * math.sqrt(2 * math.pi))

    low, high = max(0.0, position - 12 * sd), min(length, position + 12 * sd)
    middle = min(max(position, low), high)
    options = {"epsabs": 0.0, "epsrel": 1e-13, "limit": 200}
    return quad(density, low, middle, **options)[0] + quad(density, middle, high, **options)[0]


def probability_within(reach, sd):
    """The mass of a round normal density in the plane within ``reach``, integrated numerically over rings."""
    return quad(lambda r: r / sd**2 * math.exp(-0.5 * (r / sd) ** 2), 0.0, reach, epsabs=1e-14, epsrel=1e-13)[0]


def survival_of_walk(ratio, n_frames, n_cells=400):
    """Chance that a walk whose steps have an sd of ``ratio`` sides stays in: a matrix's power, Simpson's rule."""
    place = np.linspace(0.0, 1.0, n_cells + 1)
    weights = np.where(np.arange(n_cells + 1) % 2 == 1, 4.0, 2.0)
    weights[[0, -1]] = 1.0
    weights /= 3.0 * n_cells
    step = np.exp(-0.5 * ((place[:, None] - place) / ratio) ** 2) / (ratio * math.sqrt(2 * math.pi))
    return weights @ np.linalg.matrix_power(step * weights, n_frames - 1) @ np.ones(n_cells + 1)


def track_log_likelihood(
    offsets,
    frames,
    x,
    y,
    sigma,
    drift_x,
    drift_y,
    diffusion,
    tau,
    blur,
    noise_growth,
    width=math.inf,
    height=math.inf,
    search_range=math.inf,
):
    """Multivariate normal density of the displacements, less the log-probability of having been observed.

    The constant -ln(2 pi) per displacement is left out. An edge counts where it is within 4 sd of where the
    next position is expected, as the kernel's description says.
    """
    result = np.zeros((len(offsets) - 1, len(diffusion)))
    for track, rows in enumerate(tracks_of(offsets)):
        f = frames[rows]
        u_x = displacements(x[rows], f, drift_x)
        u_y = displacements(y[rows], f, drift_y)
        for size, d in enumerate(diffusion):
            blurred_sigma = sigma[rows] * math.sqrt(1 + noise_growth * d)
            covariance = displacement_covariance(f, blurred_sigma, d, tau, blur)
            result[track, size] = (
                -np.linalg.slogdet(covariance)[1]
                - 0.5 * u_x @ np.linalg.solve(covariance, u_x)
                - 0.5 * u_y @ np.linalg.solve(covariance, u_y)
            )
            for n, variance in enumerate(np.diag(covariance)):
                sd = math.sqrt(variance)
                for position, drift, length in ((x, drift_x, width), (y, drift_y, height)):
                    expected = position[rows][n] + drift[f[n + 1]] - drift[f[n]]
                    if min(expected, length - expected) < 4 * sd and math.isfinite(length):
                        result[track, size] -= math.log(probability_inside(expected, length, sd))
                if math.isfinite(search_range):
                    result[track, size] -= math.log(probability_within(search_range, sd))
    return result


def covariance_estimates(offsets, frames, x, y, drift_x, drift_y, tau, blur):
    """D and squared localisation error of every track, from lists of steps and of products of neighbours."""
    rows_out = []
    for rows in tracks_of(offsets):
        f = frames[rows]
        u = np.column_stack([displacements(x[rows], f, drift_x), displacements(y[rows], f, drift_y)])
        single = np.diff(f) == 1
        squares = [u[n] ** 2 for n in range(len(u)) if single[n]]
        products = [u[n] * u[n + 1] for n in range(len(u) - 1) if single[n] and single[n + 1]]
        if not products:
            rows_out.append([np.nan, np.nan, len(squares)])
            continue
        square, product = np.mean(squares), np.mean(products)
        diffusion = square / (2 * tau) + product / tau
        rows_out.append([diffusion, blur * square + (2 * blur - 1) * product, len(squares)])
    return np.array(rows_out, dtype=float).reshape(-1, 3)


def displacement_moments(offsets, frames, x, y, drift_x, drift_y, max_lag):
    """Sum of squared displacements and number of pairs by lag, over every pair of positions."""
    result = np.zeros((max_lag + 1, 2))
    for rows in tracks_of(offsets):
        f, moving_x, moving_y = frames[rows], x[rows] - drift_x[frames[rows]], y[rows] - drift_y[frames[rows]]
        for i in range(len(f)):
            for j in range(len(f)):
                if 0 < f[j] - f[i] <= max_lag:
                    square = (moving_x[j] - moving_x[i]) ** 2 + (moving_y[j] - moving_y[i]) ** 2
                    result[f[j] - f[i]] += [square, 1.0]
    return result


def step_products(offsets, frames, x, y, drift_x, drift_y, distance, lag):
    """Sum of u_n.u_{n+k lag} in units of the track's own mean |u|², their number, that mean; gapless tracks only."""
    rows_out = []
    for rows in tracks_of(offsets):
        f = frames[rows]
        place = np.column_stack([x[rows] - drift_x[f], y[rows] - drift_y[f]])
        if len(f) <= lag * (distance + 1) or np.any(np.diff(f) != 1):
            rows_out.append([np.nan, 0.0, np.nan])
            continue
        u = place[lag:] - place[:-lag]
        products = [u[n] @ u[n + distance * lag] for n in range(len(u) - distance * lag)]
        square = np.mean(np.sum(u**2, axis=1))
        rows_out.append([np.sum(products) / square, len(products), square])
    return np.array(rows_out, dtype=float).reshape(-1, 3)


def every_kth_position(offsets, frames, lag, phase):
    """The rows whose frame number is ``phase``, ``phase`` + ``lag``, ... after the first of the track, by track."""
    return [
        [row for row in range(rows.start, rows.stop) if (frames[row] - frames[rows.start]) % lag == phase]
        for rows in tracks_of(offsets)
    ]


def soft_disc_centroids(signal, y, x, radius, n_recentres, max_shift):
    """Centroid, mass and standard error of each spot, the weights written as a whole image every time."""
    rows, columns = np.indices(signal.shape)
    result = []
    for start_y, start_x in zip(y, x, strict=True):
        centre_y, centre_x = start_y, start_x
        for _ in range(n_recentres):
            distance = np.hypot(rows - centre_y, columns - centre_x)
            weight = np.clip(radius + 0.5 - distance, 0.0, 1.0)
            mass = np.sum(weight * signal)
            lever = np.sum(weight**2 * ((rows - centre_y) ** 2 + (columns - centre_x) ** 2)) / 2
            on_rim = (weight > 0) & (radius + 0.5 - distance < 1.0)
            rim = np.sum(0.5 * distance * signal * on_rim)
            if mass <= 0:
                break
            centre_y, centre_x = (
                centre_y + np.sum(weight * signal * (rows - centre_y)) / mass,
                centre_x + np.sum(weight * signal * (columns - centre_x)) / mass,
            )
            if np.hypot(centre_y - start_y, centre_x - start_x) > max_shift:
                break
        if mass <= 0 or np.hypot(centre_y - start_y, centre_x - start_x) > max_shift:
            centre_y, centre_x = start_y, start_x
        error = np.sqrt(lever) / (mass - rim) if mass > rim else np.inf
        result.append([centre_y, centre_x, mass, error])
    return np.array(result, dtype=float).reshape(-1, 4)


def patches_around(frame, background, y, x, reach, is_dark, full_scale):
    """The pixels of each patch one by one: light, the same with NaN where the camera's range ends, and the corner."""
    height, width = frame.shape
    sides = [min(2 * reach + 1, side) for side in frame.shape]
    found = []
    for at_y, at_x in zip(y, x, strict=True):
        top = min(max(round(at_y) - reach, 0), height - sides[0])
        left = min(max(round(at_x) - reach, 0), width - sides[1])
        light, unsaturated = np.empty((2, *sides), dtype=np.float32)
        for row in range(sides[0]):
            for column in range(sides[1]):
                raw = int(frame[top + row, left + column])
                light[row, column] = (np.float32(raw) - background[top + row, left + column]) * (-1 if is_dark else 1)
                is_cut = raw <= 0 if is_dark else raw >= full_scale
                unsaturated[row, column] = np.nan if is_cut else light[row, column]
        found.append((light, unsaturated, (top, left)))
    return found


def light_of(spot, shape):
    """A Gaussian spot of peak, y, x, variance in y, in x, and covariance, written as a whole image."""
    rows, columns = np.indices(shape)
    inverse = np.linalg.inv([[spot[3], spot[5]], [spot[5], spot[4]]])
    apart = np.stack([rows - spot[1], columns - spot[2]], axis=-1)
    return spot[0] * np.exp(-0.5 * np.einsum("...i,ij,...j", apart, inverse, apart))


def window_of(spot, reach, widest, shape):
    """Which pixels lie in the window of a spot, ``reach`` of its sd to each side but no more than ``widest``."""
    rows, columns = np.indices(shape)
    within = (min(reach * np.sqrt(variance), widest) for variance in spot[3:5])
    return (abs(rows - spot[1]) <= next(within)) & (abs(columns - spot[2]) <= next(within))


def slopes_of(spot, shape):
    """The derivatives of a spot's light by its six parameters, images one behind the other."""
    rows, columns = np.indices(shape)
    inverse = np.linalg.inv([[spot[3], spot[5]], [spot[5], spot[4]]])
    u, v = np.einsum("ij,jhw->ihw", inverse, np.stack([rows - spot[1], columns - spot[2]]))
    return light_of(spot, shape) * np.stack([np.full(shape, 1 / spot[0]), u, v, u * u / 2, v * v / 2, u * v])


def fit_spots(signal, y, x, order, noise_variance, usual_sd, max_shift):
    """Gauss-Newton steps with the light of all spots held as whole images; NaN in pixels that are left out."""
    shape, n = signal.shape, len(y)
    spots, narrow, verdicts = np.zeros((n, 6)), np.zeros((n, 2)), np.zeros((n, 2))
    light = np.zeros((n, *shape))
    widest, noise = 4.5 * usual_sd, np.sqrt(noise_variance)

    def seen_by(i, reach):
        inside = window_of(spots[i], reach, widest, shape) & ~np.isnan(signal)
        own = light_of(spots[i], shape)
        return inside / (noise_variance + 0.1 * spots[i, 0] * own), own, light.sum(axis=0) - light[i]

    for turn in range(3):
        variance = (0.8 * usual_sd) ** 2 if turn == 0 else usual_sd**2
        prior = np.diag([0, 0, 0, 1, 1, 2]) / ((0.2 if turn == 0 else 0.7) * variance) ** 2
        for i in order:
            if turn == 0:
                spots[i] = 1e-3 * noise, y[i], x[i], variance, variance, 0.0
                weight, own, others = seen_by(i, 1.5)
                bright = np.sum(weight * own**2)
                residual = np.nansum(weight * own * (signal - others - own))
                spots[i, 0] = max(spots[i, 0] * (1 + residual / bright) if bright > 0 else 0.0, 0.3 * noise)
            for _ in range(2):
                weight, own, others = seen_by(i, 2.0 if turn == 0 else 3.0)
                slopes = slopes_of(spots[i], shape)
                matrix = np.einsum("ihw,hw,jhw->ij", slopes, weight, slopes) + prior + np.diag([1e-9] * 3 + [0] * 3)
                residual = np.nansum(slopes * weight * (signal - others - own), axis=(1, 2))
                usual = np.array([0, 0, 0, variance, variance, 0])
                step = np.linalg.solve(matrix, residual + prior @ (usual - spots[i]))
                spots[i] = moved(spots[i], step, y[i], x[i], usual_sd, max_shift)
            if turn == 0:
                narrow[i] = spots[i, 1:3]
            light[i] = light_of(spots[i], shape) * window_of(spots[i], 4.0, 6.0 * usual_sd, shape)
    for i in range(n):
        weight, own, others = seen_by(i, 3.0)
        slopes, inside = slopes_of(spots[i], shape)[1:3], weight > 0
        information = np.einsum("ihw,hw,jhw->ij", slopes, weight, slopes)
        scatter = np.einsum("ihw,hw,jhw->ij", slopes, noise_variance * weight**2, slopes)
        inverse = np.linalg.inv(information)
        unexplained = np.sum(((signal - others - own) ** 2 - noise_variance)[inside])
        verdicts[i] = np.trace(inverse @ scatter @ inverse) / 2, max(unexplained, 0) / np.sum(own[inside] ** 2)
    return np.hstack([spots, narrow, verdicts])


def moved(spot, step, start_y, start_x, usual_sd, max_shift):
    """A spot after a step, within the bounds of one step and of the whole way."""
    spot, length = spot.copy(), np.hypot(step[1], step[2])
    spot[0] = np.clip(spot[0] + step[0], 0.3 * spot[0], 3 * spot[0])
    spot[1:3] += step[1:3] * (min(1, 0.45 * usual_sd / length) if length > 0 else 1)
    for i in (3, 4):
        least, most = max(0.6 * spot[i], (0.35 * usual_sd) ** 2), min(1.7 * spot[i], (2.2 * usual_sd) ** 2)
        spot[i] = np.clip(spot[i] + step[i], least, most)
    spot[5] = np.clip(spot[5] + step[5], -0.75 * np.sqrt(spot[3] * spot[4]), 0.75 * np.sqrt(spot[3] * spot[4]))
    way = spot[1:3] - (start_y, start_x)
    spot[1:3] = (start_y, start_x) + way * min(1, max_shift / max(np.hypot(*way), 1e-12))
    return spot


def localisation_error_px(noise_error, disagreement, noise_factor, disagreement_share, floor):
    """Three independent causes, one element at a time."""
    pairs = zip(noise_error, disagreement, strict=True)
    return np.array([math.hypot(noise_factor * n, disagreement_share * d, floor) for n, d in pairs], dtype=float)


def class_log_likelihood(groups, odds):
    """Weighted ln likelihood of tracks in classes of length: sum over tracks of w ln sum_d joint p(class | d)."""
    total = 0.0
    for k, (joint, weights) in enumerate(groups):
        for track, weight in zip(joint, weights, strict=True):
            explained = 0.0
            for j, value in enumerate(track):
                explained += value * math.exp(odds[k, j]) / sum(math.exp(o) for o in odds[:, j])
            total += weight * math.log(explained)
    return total


def mean_log_light(log_light, posterior, spans, stray, weights, log_ratio, scale, table, first, step):
    """Weighted mean over the tracks of ln of what stray light and each size that counts make of their light."""
    total = 0.0
    grid = first + step * np.arange(len(table))
    for track, (start, stop) in enumerate(spans):
        density = np.interp(log_ratio - log_light[track], grid, table, left=0.0, right=0.0)
        explained = stray[track] + (posterior[track] * scale * density)[start:stop].sum()
        total += weights[track] * math.log(max(explained, 1e-12))
    return total
