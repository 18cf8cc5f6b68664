"""Films of Brownian spots, made without the simulator: plain, quick, and as wrong as one asks for."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

SPOT_SD_PX = 1.4
SHAPE = (240, 320)


def brownian_film(
    n_frames: int,
    per_frame: int,
    *,
    shape: tuple[int, int] = SHAPE,
    step_px: float = 2.5,
    flow_px: float = 0.0,
    jump: tuple[int, float] = (0, 0.0),
    shake_px: float = 0.0,
    peak: float = 60.0,
    noise_sd: float = 1.5,
    seed: int = 0,
) -> np.ndarray:
    """Return (n, height, width) uint8 of spots with instant exposure; who leaves on one side enters on the other.

    ``flow_px`` px/frame in x; ``jump`` (frame, px) of all spots in x; ``shake_px`` sd of a common shift of each frame.
    The Brownian steps depend on the seed alone.
    """
    random = np.random.default_rng(seed)
    places = random.uniform(0, 1, (per_frame, 2)) * shape
    film = np.empty((n_frames, *shape), dtype=np.uint8)
    for number in range(n_frames):
        places = places + random.normal(0, step_px, places.shape)
        shift = random.normal(0, 1, 2) * shake_px
        shift[1] += number * flow_px + (jump[1] if number >= jump[0] else 0.0)
        light = gaussian_filter(_points((places + shift) % shape, shape), SPOT_SD_PX, mode="wrap")
        grey = 20 + 2 * np.pi * SPOT_SD_PX**2 * peak * light + random.normal(0, noise_sd, shape)
        film[number] = np.clip(np.rint(grey), 0, 255)
    return film


def _points(places: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return one unit of light for each place, spread over its four nearest pixels."""
    points = np.zeros(shape)
    corner = np.floor(places).astype(int)
    rest = places - corner
    for down in (0, 1):
        for across in (0, 1):
            weight = np.abs(1 - down - rest[:, 0]) * np.abs(1 - across - rest[:, 1])
            np.add.at(points, ((corner[:, 0] + down) % shape[0], (corner[:, 1] + across) % shape[1]), weight)
    return points
