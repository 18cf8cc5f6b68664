"""The pixels around the spots of a frame: all that the second localisation reads of it.

A frame has a hundred spots and a million pixels; what is done to all pixels costs more than the spots themselves.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from nta.compilation import inner_kernel

Floats = NDArray[np.float64]

LANES: Final = 16
"""Columns that are summed side by side: enough for most windows, and a multiple of what a processor adds at once."""


class Patches(NamedTuple):
    """The light of particles around the spots of a frame, positive for particles of either kind.

    Parameters
    ----------
    light : (n, height, width) float32
        Raw pixels minus background of the part of the frame around each spot.
    unsaturated : (n, height, width) float32
        The same with NaN in pixels at the end of the camera's range; the very same array where there is none.
    corners : (n, 2) int64
        Row and column of the frame that each part begins with.
    frame_shape : tuple of int
        Height and width of the frame, px.
    """

    light: NDArray[np.float32]
    unsaturated: NDArray[np.float32]
    corners: NDArray[np.int64]
    frame_shape: tuple[int, int]


def patches_around(
    frame: NDArray[Any],
    background: NDArray[np.float32],
    places: Floats,
    reach_px: int,
    *,
    is_dark: bool,
    full_scale: int,
) -> Patches:
    """Cut the surroundings of spots out of a frame and take the background from them.

    Parameters
    ----------
    frame : (height, width) uint8 or uint16
        The raw pixels.
    background : (height, width) float32
        Grey levels without particles.
    places : (n, 2) float64
        y and x of the spots, px.
    reach_px : int
        How far from a spot's pixel the patches go, in rows and columns; at the edges of the frame they go further
        inwards instead, and in a smaller frame they hold all of it.
    is_dark : bool
        Whether particles are darker than the ground.
    full_scale : int
        The top of the camera's range, grey levels; its end for dark particles is 0.
    """
    height, width = frame.shape
    side = min(2 * reach_px + 1, height), min(2 * reach_px + 1, width)
    corners = np.rint(places).astype(np.int64) - reach_px
    np.clip(corners, 0, (height - side[0], width - side[1]), out=corners)
    at = corners[:, 0], corners[:, 1]
    raw = sliding_window_view(frame, side)[at]
    light = raw - sliding_window_view(background, side)[at]
    if is_dark:
        np.negative(light, out=light)
    saturated = raw <= 0 if is_dark else raw >= full_scale
    unsaturated = np.where(saturated, np.float32(np.nan), light) if saturated.any() else light
    return Patches(light, unsaturated, corners, (height, width))


@inner_kernel
def open_patch(patches: NDArray[np.float32]) -> Floats:
    """Return room for one patch and ``LANES`` columns, which are NaN: windows may end in the last of the patch."""
    _, height, width = patches.shape
    light = np.empty((height, width + LANES))
    light[:] = np.nan
    return light


@inner_kernel
def copy_patch(patch: NDArray[np.float32], y: float, x: float, half_px: float, light: Floats) -> None:
    """Copy a square of a patch, as far as it lies in it.

    Parameters
    ----------
    patch : (height, width) float32
        One of :class:`Patches`.
    y, x, half_px : float
        Middle of the square in the patch and half its side, px.
    light : (height, width or more) float64
        Where it is copied to; what is outside of the square stays.
    """
    height, width = patch.shape
    left, stop = max(0, math.ceil(x - half_px)), min(width, math.floor(x + half_px) + 1)
    for row in range(max(0, math.ceil(y - half_px)), min(height, math.floor(y + half_px) + 1)):
        line, seen = light[row, left:], patch[row, left:stop]
        for k in range(stop - left):
            line[k] = seen[k]
