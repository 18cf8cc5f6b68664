"""Where a spot is, to a fraction of a pixel: the soft disc on background-subtracted raw pixels.

trackpy finds particles well; its refined position, taken from a band-passed 8-bit image, is twice as far off
as this one (median at 50 particles per frame, benchmarks/localisation.py). A disc of about 1 µm also takes the
*mean* position of a particle that moves during the exposure, which the likelihood of a track assumes; a matched
filter would follow the brightest part.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nta.compilation import kernel

Floats = NDArray[np.float64]

DISC_RADIUS_UM: Final = 1.0
"""Radius of the disc, µm: holds the spot and most of what motion blur makes of it."""

N_RECENTRES: Final = 6
MAX_SHIFT_PX: Final = 4.0
"""A centre that moved further than this from the detector's position has run to a neighbour."""


@kernel("f8[:, ::1](f4[:, ::1], f8[::1], f8[::1], f8, i8, f8)")
def soft_disc_centroids(
    signal: NDArray[np.float32],
    y_px: Floats,
    x_px: Floats,
    radius_px: float,
    n_recentres: int,
    max_shift_px: float,
) -> Floats:
    """Return centroid and mass of every spot in a disc with a soft rim, w = clip(r + 1/2 - distance, 0, 1).

    Parameters
    ----------
    signal : (height, width) float32
        Raw frame minus background, signed: clipping at 0 would bias the centroid of dim spots.
    y_px, x_px : (n,) float64
        Where the detector saw the spots.
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
    height, width = signal.shape
    result = np.empty((y_px.size, 4))
    for spot in range(y_px.size):
        centre_y, centre_x = y_px[spot], x_px[spot]
        mass = 0.0
        lever = 0.0
        rim = 0.0
        for _ in range(n_recentres):
            top = max(0, math.floor(centre_y - radius_px))
            bottom = min(height - 1, math.ceil(centre_y + radius_px))
            left = max(0, math.floor(centre_x - radius_px))
            right = min(width - 1, math.ceil(centre_x + radius_px))
            mass = 0.0
            moment_y = 0.0
            moment_x = 0.0
            lever = 0.0
            rim = 0.0
            for row in range(top, bottom + 1):
                d_y = row - centre_y
                for column in range(left, right + 1):
                    d_x = column - centre_x
                    distance = math.sqrt(d_y * d_y + d_x * d_x)
                    weight = radius_px + 0.5 - distance
                    if weight <= 0.0:
                        continue
                    level = float(signal[row, column])  # sums of single precision lose digits uncompiled
                    if weight < 1.0:
                        rim += 0.5 * distance * level
                    weight = min(weight, 1.0)
                    value = weight * level
                    mass += value
                    moment_y += value * d_y
                    moment_x += value * d_x
                    lever += 0.5 * weight * weight * (d_x * d_x + d_y * d_y)
            if mass <= 0.0:
                break
            centre_y += moment_y / mass
            centre_x += moment_x / mass
            if math.hypot(centre_y - y_px[spot], centre_x - x_px[spot]) > max_shift_px:
                break
        if mass <= 0.0 or not math.hypot(centre_y - y_px[spot], centre_x - x_px[spot]) <= max_shift_px:
            centre_y, centre_x = y_px[spot], x_px[spot]
        result[spot, 0] = centre_y
        result[spot, 1] = centre_x
        result[spot, 2] = mass
        held = mass - rim
        result[spot, 3] = math.sqrt(lever) / held if held > 0.0 else np.inf
    return result


NOISE_FACTOR: Final = 1.5
"""Photon noise adds to camera noise, and wide spots reach beyond the disc."""

DISAGREEMENT_SHARE: Final = 0.4
ERROR_FLOOR_PX: Final = 0.08


def localisation_error_px(noise_error_px: Floats, disagreement_px: Floats) -> Floats:
    """Return the standard error per axis to reckon with, px.

    Camera noise explains the error of bright isolated spots only. Haze, neighbours in the disc and merged spots
    show themselves: they pull the detector's band-passed window and the raw disc to different places. On simulated
    spots at 50 per frame the error per axis is 0.37 to 0.45 of that distance, 0.2 to 0.3 at 6 and 0.5 at 100
    (``benchmarks/localisation.py``).

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
