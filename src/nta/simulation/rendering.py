"""The kernel that adds the spots of all particles to a frame."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nta.compilation import kernel

Floats = NDArray[np.float64]


@kernel("void(f8[:, ::1], f8[::1], f8[::1], f8[::1], f8[::1], f8)")
def add_spots(image: Floats, x_px: Floats, y_px: Floats, sd_px: Floats, light: Floats, floor: float) -> None:
    """Add a round Gaussian to ``image``, in place, for every spot.

    light/(2 pi s²) exp(-r²/(2 s²)) at the pixels' centres, as far as it lies above ``floor``. With 1/12 px²
    in s², sampling at the centres stands for integrating over square pixels (the second moments agree).

    Parameters
    ----------
    image : (height, width) float64
        Mean photoelectrons per pixel; changed.
    x_px, y_px : (n,) float64
        Centres, px.
    sd_px : (n,) float64
        Standard deviations s, px.
    light : (n,) float64
        Photoelectrons of the whole spot.
    floor : float
        Photoelectrons per pixel below which a spot is cut off.
    """
    height, width = image.shape
    profile = np.empty(width)
    for i in range(x_px.size):
        variance = sd_px[i] * sd_px[i]
        peak = light[i] / (2.0 * math.pi * variance)
        if not peak > floor:
            continue
        reach = math.sqrt(2.0 * variance * math.log(peak / floor))
        left = max(0, math.ceil(x_px[i] - reach))
        right = min(width - 1, math.floor(x_px[i] + reach))
        top = max(0, math.ceil(y_px[i] - reach))
        bottom = min(height - 1, math.floor(y_px[i] + reach))
        for column in range(left, right + 1):
            dx = column - x_px[i]
            profile[column] = math.exp(-0.5 * dx * dx / variance)
        for row in range(top, bottom + 1):
            dy = row - y_px[i]
            factor = peak * math.exp(-0.5 * dy * dy / variance)
            for column in range(left, right + 1):
                image[row, column] += factor * profile[column]


@kernel("f8[::1](f8[:, ::1], f8[:, ::1], f8[:, ::1], f8[:, ::1], f8[::1], f8[::1])")
def own_peaks(x_px: Floats, y_px: Floats, sd_px: Floats, light: Floats, x0_px: Floats, y0_px: Floats) -> Floats:
    """Return the light per pixel that each particle alone sends to one point.

    Parameters
    ----------
    x_px, y_px, sd_px, light : (n, sub_steps) float64
        Spots of each particle as in :func:`add_spots`.
    x0_px, y0_px : (n,) float64
        The point of each particle, px.

    Returns
    -------
    (n,) float64
        Photoelectrons per pixel.
    """
    n, n_steps = x_px.shape
    result = np.zeros(n)
    for i in range(n):
        for k in range(n_steps):
            variance = sd_px[i, k] * sd_px[i, k]
            dx = x0_px[i] - x_px[i, k]
            dy = y0_px[i] - y_px[i, k]
            result[i] += light[i, k] / (2.0 * math.pi * variance) * math.exp(-0.5 * (dx * dx + dy * dy) / variance)
    return result
