"""Where a spot is, to a fraction of a pixel: Gaussians fitted to the raw pixels, and how sure that is.

trackpy finds particles well; its refined position, taken from a band-passed 8-bit image, is two to three times as far
off as this one (benchmarks/localisation.py). Each spot is fitted twice (:mod:`nta.spot_fit`): narrow and round, which
no undetected neighbour can stretch, and with free width and direction, which finds the mean position of a particle
that moved during the exposure. :func:`merged_chance` says how much of the way from the second to the first to go. The
soft disc gives the light of a spot, and its position where no fit holds.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nta.compilation import inner_kernel, kernel
from nta.spot_fit import WIDEST_SD, fit_spots
from nta.spot_pixels import LANES, Patches, copy_patch, open_patch

Floats = NDArray[np.float64]

DISC_RADIUS_UM: Final = 1.0
"""Radius of the disc, µm: holds the spot and most of what motion blur makes of it."""

N_RECENTRES: Final = 6
MAX_SHIFT_PX: Final = 4.0
"""A centre that moved further than this from the detector's position has run to a neighbour."""


@inner_kernel
def disc_sums(
    light: Floats, y: float, x: float, radius_px: float, columns: Floats
) -> tuple[float, float, float, float, float]:
    """Return what a disc with a soft rim, w = clip(r + 1/2 - distance, 0, 1), holds.

    Parameters
    ----------
    light : (height, width) float64
        A patch of the frame and ``LANES`` columns more.
    y, x : float
        Centre of the disc in the patch, px.
    radius_px : float
        Its radius, px.
    columns : (5 ``LANES`` or more,) float64
        Room to work in: columns are summed side by side, which the processor does for several of them at once.

    Returns
    -------
    tuple of float
        Mass, sum of w light; its moments w light dy and w light dx; sum of w² distance²/2; and sum of light r/2 over
        the soft rim.
    """
    edge = radius_px + 0.5
    mass, moment_y, moment_x, lever, rim = 0.0, 0.0, 0.0, 0.0, 0.0
    height, width = light.shape
    left, right = max(0, math.ceil(x - edge)), min(width - 1 - LANES, math.floor(x + edge))
    for first in range(left, right + 1, LANES):
        columns[:] = 0.0
        for k in range(LANES):
            columns[k] = (first + k - x) ** 2
        for row in range(max(0, math.ceil(y - edge)), min(height - 1, math.floor(y + edge)) + 1):
            seen = light[row, first:]
            d_y = row - y
            for k in range(LANES):
                square = d_y * d_y + columns[k]
                distance = math.sqrt(square)
                level = seen[k]
                weight = min(max(edge - distance, 0.0), 1.0)
                half = 0.5 * weight * weight * square
                on_rim = 0.5 * distance * level
                if not 0.0 < weight < 1.0:
                    on_rim = 0.0
                if math.isnan(level):
                    level, half, on_rim = 0.0, 0.0, 0.0
                value = weight * level
                columns[LANES + k] += value
                columns[2 * LANES + k] += value * d_y
                columns[3 * LANES + k] += half
                columns[4 * LANES + k] += on_rim
        for k in range(min(LANES, right + 1 - first)):
            mass += columns[LANES + k]
            moment_y += columns[2 * LANES + k]
            moment_x += columns[LANES + k] * (first + k - x)
            lever += columns[3 * LANES + k]
            rim += columns[4 * LANES + k]
    return mass, moment_y, moment_x, lever, rim


@kernel("f8[:, ::1](f4[:, :, ::1], i8[:, ::1], f8[:, ::1], f8, i8, f8)")
def soft_disc_centroids(
    patches: NDArray[np.float32],
    corners: NDArray[np.int64],
    starts: Floats,
    radius_px: float,
    n_recentres: int,
    max_shift_px: float,
) -> Floats:
    """Return centroid and mass of every spot in a disc with a soft rim, :func:`disc_sums`.

    Parameters
    ----------
    patches : (n, height, width) float32
        The light around each spot, signed: clipping at 0 would bias the centroid of dim spots.
    corners : (n, 2) int64
        Row and column of the frame that each begins with.
    starts : (n, 2) float64
        y and x where the detector saw the spots, px of the frame.
    radius_px : float
        Radius of the disc, px.
    n_recentres : int
        How often the disc is moved to the centroid found.
    max_shift_px : float
        Beyond this distance from the detector's position the detector's position is kept.

    Returns
    -------
    (n, 4) float64
        Columns y, x (px), mass (sum of w signal), and the centroid's standard error per axis for noise of one
        grey level in every pixel, sqrt(sum w² dx²)/(mass - rim). The rim is the light that a shifted disc
        would lose on one side and win on the other, sum over the soft rim of signal r/2: where the disc cuts
        through the light of a wide spot, its centroid follows the noise that much more. Infinite where there
        is no light.
    """
    result = np.empty((len(starts), 4))
    light, columns = open_patch(patches), np.empty(5 * LANES)
    for spot in range(len(starts)):
        start_y, start_x = starts[spot, 0] - corners[spot, 0], starts[spot, 1] - corners[spot, 1]
        copy_patch(patches[spot], start_y, start_x, radius_px + 0.5 + max_shift_px, light)
        move_y, move_x, mass, lever, rim = 0.0, 0.0, 0.0, 0.0, 0.0
        for _ in range(n_recentres):
            mass, moment_y, moment_x, lever, rim = disc_sums(
                light, start_y + move_y, start_x + move_x, radius_px, columns
            )
            if mass <= 0.0:
                break
            move_y += moment_y / mass
            move_x += moment_x / mass
            if math.hypot(move_y, move_x) > max_shift_px:
                break
        if mass <= 0.0 or not math.hypot(move_y, move_x) <= max_shift_px:
            move_y, move_x = 0.0, 0.0
        held = mass - rim
        result[spot, 0], result[spot, 1], result[spot, 2] = starts[spot, 0] + move_y, starts[spot, 1] + move_x, mass
        result[spot, 3] = math.sqrt(lever) / held if held > 0.0 else np.inf
    return result


NOISE_FACTOR: Final = 1.5
"""Photon noise adds to camera noise, and wide spots reach beyond the disc."""

DISAGREEMENT_SHARE: Final = 0.4
ERROR_FLOOR_PX: Final = 0.08


def localisation_error_px(noise_error_px: Floats, disagreement_px: Floats) -> Floats:
    """Return the standard error per axis of the disc's centroid, px; the one to use where no fit holds.

    Parameters
    ----------
    noise_error_px : (n,) float64
        What camera noise alone gives.
    disagreement_px : (n,) float64
        Distance between the detector's position and the disc's.
    """
    total: Floats = np.sqrt(
        (NOISE_FACTOR * noise_error_px) ** 2 + (DISAGREEMENT_SHARE * disagreement_px) ** 2 + ERROR_FLOOR_PX**2
    )
    return total


# Chosen together, most likely for 45,000 spots of six simulated captures (seed 1: exosomes at 6, 50 and 100 per frame,
# 100 nm beads at 200, bright 60 nm particles at 50, a 16-bit capture whose brightness hardly grows with size), every
# capture counted alike. In turn: constant, then the powers of minor-axis variance, peak over noise, mean variance,
# crowding, unexplained light.
MERGED_POWERS: Final = (-5.8, 3.5, 3.6, 5.0, 3.2, 1.7)
_LEAST_UNEXPLAINED: Final = 3e-4

NOISE_VARIANCE_FACTOR: Final = 2.4
"""More than camera noise: the path of a particle that moved is no Gaussian, and the fit follows some of it."""

UNEXPLAINED_SHARE_PX2: Final = 0.025
"""Error variance for each unit of unexplained light, px²: its photon noise, and what else is wrong with the shape."""

MERGED_SHARE: Final = 0.07
"""Error variance of a spot that is certainly two, in units of the variance of the video's spots."""

DISAGREEMENT_SHARES: Final = (0.08, 0.27)
"""Of half the squared distance to the detector's position: always, and for each spot expected within 4 sd."""


def crowding(n_spots: int, shape: tuple[int, int], spot_sd_px: float) -> float:
    """Return the mean number of spots within 4 sd of a place, were they spread at random.

    Parameters
    ----------
    n_spots : int
        Spots of the frame.
    shape : tuple of int
        Height and width of the frame, px.
    spot_sd_px : float
        Standard deviation of the video's spots, px.
    """
    return n_spots * math.pi * (4.0 * spot_sd_px) ** 2 / (shape[0] * shape[1])


def merged_chance(fits: Floats, noise_sd: float, spot_sd_px: float, crowd: float) -> Floats:
    """Return how likely each free fit has taken a neighbour that was not detected for part of its spot.

    Such a fit is wider in both directions than one particle of its brightness, and explains its light badly. The
    logarithm of the odds is linear in the logarithms of these (:data:`MERGED_POWERS`). The position taken lies this
    share of the way from the free to the narrow one.

    Parameters
    ----------
    fits : (n, 10) float64
        From :func:`nta.spot_fit.fit_spots`.
    noise_sd : float
        Camera noise, grey levels.
    spot_sd_px : float
        Standard deviation of the video's spots, px.
    crowd : float
        From :func:`crowding`.
    """
    constant, minor, brightness, width, crowded, unexplained = MERGED_POWERS
    mean = 0.5 * (fits[:, 3] + fits[:, 4])
    least = mean - np.hypot(0.5 * (fits[:, 3] - fits[:, 4]), fits[:, 5])
    log_odds = (
        constant
        + minor * np.log(least / spot_sd_px**2)
        + brightness * np.log(fits[:, 0] / noise_sd)
        + width * np.log(mean / spot_sd_px**2)
        + crowded * math.log(crowd)
        + unexplained * np.log(fits[:, 9] + _LEAST_UNEXPLAINED)
    )
    chance: Floats = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -40.0, 40.0)))
    return chance


def fit_error_px(fits: Floats, chance: Floats, disagreement_px: Floats, spot_sd_px: float, crowd: float) -> Floats:
    """Return the standard error per axis of the fitted positions, px.

    A sum of variances: camera noise (from the fit's information), light that the fit does not explain, the two ways
    in which a spot that may be two is off, and half the squared distance to the detector's position, which counts
    the more the more crowded the frame is.

    Parameters
    ----------
    fits : (n, 10) float64
        From :func:`nta.spot_fit.fit_spots`.
    chance : (n,) float64
        From :func:`merged_chance`.
    disagreement_px : (n,) float64
        Distance between the detector's position and this one, px.
    spot_sd_px, crowd : float
        As in :func:`merged_chance`.
    """
    between = np.sum((fits[:, 6:8] - fits[:, 1:3]) ** 2, axis=1)
    # A choice between two places, taken with this chance, is off by chance (1 - chance) distance² in both axes.
    merged = MERGED_SHARE * chance * spot_sd_px**2 + 0.5 * chance * (1.0 - chance) * between
    apart = 0.5 * (DISAGREEMENT_SHARES[0] + DISAGREEMENT_SHARES[1] * crowd) * disagreement_px**2
    alone = NOISE_VARIANCE_FACTOR * fits[:, 8] + UNEXPLAINED_SHARE_PX2 * fits[:, 9]
    total: Floats = np.sqrt(alone + merged + apart)
    return total


def how_far_px(spot_sd_px: float, radius_px: float) -> int:
    """Return how far from the pixel that the detector saw light is read, px, in rows and columns.

    Parameters
    ----------
    spot_sd_px : float
        Standard deviation of the video's spots, px.
    radius_px : float
        Radius of the disc, px.
    """
    return math.ceil(max(WIDEST_SD * spot_sd_px, radius_px + 0.5) + MAX_SHIFT_PX) + 1


def localise(patches: Patches, detected: Floats, noise_sd: float, spot_sd_px: float, radius_px: float) -> Floats:
    """Return positions, errors and light of the spots of one frame.

    Parameters
    ----------
    patches : Patches
        The light around the spots, :func:`how_far_px` to each side. The fit leaves out saturated pixels.
    detected : (n, 3 or more) float64
        y, x (px) and mass of the spots that the detector saw.
    noise_sd : float
        Standard deviation of a pixel without light, grey levels.
    spot_sd_px : float
        Standard deviation of a Gaussian as wide as the video's spots, px.
    radius_px : float
        Radius of the disc, px; also the largest error.

    Returns
    -------
    (n, 4) float64
        y, x and standard error per axis (px), light in the disc (grey levels).
    """
    if not len(detected):
        return np.empty((0, 4))
    corners, starts = patches.corners, np.ascontiguousarray(detected[:, :2])
    disc = soft_disc_centroids(patches.light, corners, starts, radius_px, N_RECENTRES, MAX_SHIFT_PX)
    order, downwards = np.argsort(-detected[:, 2], kind="stable"), np.argsort(starts[:, 0], kind="stable")
    variance = noise_sd**2
    fits = fit_spots(patches.unsaturated, corners, starts, order, downwards, variance, spot_sd_px, MAX_SHIFT_PX)
    crowd = crowding(len(detected), patches.frame_shape, spot_sd_px)
    chance = merged_chance(fits, noise_sd, spot_sd_px, crowd)
    at = fits[:, 1:3] + chance[:, None] * (fits[:, 6:8] - fits[:, 1:3])
    sigma = fit_error_px(fits, chance, np.hypot(*(at - starts).T), spot_sd_px, crowd)
    disc_error = localisation_error_px(noise_sd * disc[:, 3], np.hypot(*(disc[:, :2] - starts).T))
    holds = np.isfinite(sigma) & (fits[:, 0] > noise_sd)
    at = np.where(holds[:, None], at, disc[:, :2])
    sigma = np.minimum(np.where(holds, sigma, disc_error), radius_px)
    return np.column_stack([at, sigma, disc[:, 2]])
