"""The pixels around the spots of a frame: all that the second localisation reads of it.

A frame has a hundred spots and a million pixels; what is done to all pixels costs more than the spots themselves.
"""

from __future__ import annotations

import math
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nta.compilation import inner_kernel, kernel

Floats = NDArray[np.float64]
Pixels: TypeAlias = NDArray[Any]

LANES: Final = 16
"""Columns that are summed side by side: enough for most windows, and a multiple of what a processor adds at once."""


@kernel("i8(u1[:, ::1], i8, f4[:, ::1], b1, i8, f8[::1], f8[::1], i8, b1, f4[:, ::1])")
def read_around(
    pixels: NDArray[np.uint8],
    n_bytes: int,
    background: NDArray[np.float32],
    is_dark: bool,
    full_scale: int,
    y_px: Floats,
    x_px: Floats,
    reach_px: int,
    is_left_out: bool,
    light: NDArray[np.float32],
) -> int:
    """Write down the light of particles in the squares around spots.

    Parameters
    ----------
    pixels : (height, width times bytes) uint8
        The raw pixels, the lower byte of two first.
    n_bytes : int
        Of a pixel, 1 or 2.
    background : (height, width) float32
        Grey levels without particles.
    is_dark : bool
        Whether particles are darker than the ground.
    full_scale : int
        The top of the camera's range, grey levels; the end for dark particles is 0.
    y_px, x_px : (n,) float64
        Where the spots are.
    reach_px : int
        Half of the squares, from the pixel of the spot to the last one.
    is_left_out : bool
        Whether pixels at the end of the range are written down as NaN.
    light : (height, width) float32
        Result: frame minus background, particles positive; outside of the squares it is left as it was.

    Returns
    -------
    int
        Pixels at the end of the range, those of two squares counted twice.
    """
    height, width = background.shape
    sign, end = (-1, 0) if is_dark else (1, full_scale)
    n_saturated = 0
    for spot in range(y_px.size):
        row, column = round(y_px[spot]), round(x_px[spot])
        left, stop = max(0, column - reach_px), min(width, column + reach_px + 1)
        for at in range(max(0, row - reach_px), min(height, row + reach_px + 1)):
            raw, ground, line = pixels[at, left * n_bytes :], background[at, left:], light[at, left:]
            for k in range(stop - left):
                grey = raw[k] + 0 if n_bytes == 1 else raw[2 * k] + (raw[2 * k + 1] << 8)
                is_saturated = sign * grey >= end
                n_saturated += is_saturated
                level = np.float32(sign) * (np.float32(grey) - ground[k])
                line[k] = np.float32(np.nan) if is_left_out and is_saturated else level
    return n_saturated


def light_around(
    frame: Pixels,
    background: NDArray[np.float32],
    places: tuple[Floats, Floats],
    reach_px: int,
    *,
    is_dark: bool,
    full_scale: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the light of particles near spots, positive for particles of either kind: all of it, and what is not cut.

    Parameters
    ----------
    frame : (height, width) uint8 or uint16
        The raw pixels.
    background : (height, width) float32
        Grey levels without particles.
    places : tuple of (n,) float64
        y and x of the spots, px.
    reach_px : int
        How far from a spot's pixel the light is wanted, in rows and columns.
    is_dark : bool
        Whether particles are darker than the ground.
    full_scale : int
        The top of the camera's range, grey levels.

    Returns
    -------
    signal : (height, width) float32
        Raw frame minus background, signed. **Only what is within reach of a spot means anything.**
    unsaturated : (height, width) float32
        The same with NaN in pixels at the end of the camera's range; the very same array where there is none.
    """
    # As bytes: one kernel for both types takes half as long to compile.
    pixels = np.ascontiguousarray(frame, frame.dtype.newbyteorder("<")).view(np.uint8)
    ground = np.ascontiguousarray(background, np.float32)
    about = (pixels, frame.itemsize, ground, is_dark, full_scale, *places, reach_px)
    signal = np.empty(frame.shape, np.float32)
    if not read_around(*about, False, signal):
        return signal, signal
    unsaturated = np.empty(frame.shape, np.float32)
    read_around(*about, True, unsaturated)
    return signal, unsaturated


@inner_kernel
def open_patch(half_px: int) -> Floats:
    """Return room for a square patch of a frame, (2 half + 1, the same and ``LANES``): windows may end in the last."""
    patch = np.empty((2 * half_px + 1, 2 * half_px + 1 + LANES))
    patch[:] = np.nan
    return patch


@inner_kernel
def copy_patch(
    signal: NDArray[np.float32], corner_y: int, corner_x: int, y: float, x: float, half_px: float, light: Floats
) -> None:
    """Copy a square of a frame into its patch, with NaN outside of the frame.

    Parameters
    ----------
    signal : (height, width) float32
        The frame.
    corner_y, corner_x : int
        Row and column of the frame that the patch begins with.
    y, x, half_px : float
        Middle of the square in the frame and half its side, px; it lies within the patch.
    light : (height, width) float64
        The patch; overwritten in that square.
    """
    height, width = signal.shape
    left, stop = math.ceil(x - half_px), math.floor(x + half_px) + 1
    first, end = max(0, left), min(width, stop)
    for row in range(math.ceil(y - half_px), math.floor(y + half_px) + 1):
        is_beyond = row < 0 or row >= height
        if is_beyond or first != left or end != stop:
            light[row - corner_y, left - corner_x : stop - corner_x] = np.nan
        if not is_beyond:
            line, seen = light[row - corner_y, first - corner_x :], signal[row, first:end]
            for k in range(end - first):
                line[k] = seen[k]
