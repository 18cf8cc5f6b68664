"""The least brightness of a spot, from the noise of the whole video."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter

from nta.detection.appearance import Appearance, Frame, Samples
from nta.detection.engines import DEFAULT_ENGINE, spot_finder
from nta.detection.streams import core_sd
from nta.settings import Engine
from nta.threads import in_threads

FALSE_FEATURES_PER_FRAME: Final = 0.1
"""What noise alone may add. At this rate five in a row within reach of each other do not occur."""

SAFETY: Final = 1.5
"""Factor above that: spots whose peak is 5 noise sd weigh at least 2.1 times what noise reaches, so this stands midway
for noise that is somewhat more than the background tells (light of particles out of focus, their shot noise).
"""

_N_NOISE_FRAMES: Final = 24
N_COMPARED: Final = 12
_MOST_BANDS: Final = 4
_BAND_PIXELS: Final = 1 << 18
_SEED: Final = 107


def choose_min_mass(
    appearance: Appearance,
    diameter_px: int,
    samples: Samples,
    engine: Engine = DEFAULT_ENGINE,
) -> float:
    """Return 1.5 times the mass that noise alone reaches in a tenth of the frames.

    The detector looks at frames made of the video's illumination and its noise, place by place, with no particle in
    them, not even one that sticks to the wall: all that it finds there is false. (Mirroring the video's own frames
    would take what is left around a cut-out particle for noise: the threshold then rises with the number of
    particles.) Where the ground of the video is rougher at the size of a spot than such frames are, as the blocks of
    a compressed film make it, the threshold rises in proportion.

    Parameters
    ----------
    appearance : Appearance
        What the video looks like.
    diameter_px : int
        Odd spot diameter of the detector.
    samples : list of (height, width), or (n, height, width), uint8 or uint16
        Frames spread over the video, some of them from :func:`compared`.
    engine : {"fused", "trackpy"}
        Which program finds the spots.
    """
    found, made = _search_noise(appearance, diameter_px, samples[0].dtype, engine)
    if found.size == 0:
        return 0.0
    # The mass of the rank allowed, between ranks where it is not a whole number.
    rank = FALSE_FEATURES_PER_FRAME * _N_NOISE_FRAMES
    reached = float(np.interp(rank, np.arange(1, found.size + 1), found))
    ground = appearance.background
    bands = [(frame, _band(number, frame.shape)) for number, frame in enumerate(compared(samples))]
    seen = core_sd([_rough(frame[rows] - ground[rows], diameter_px) for frame, rows in bands])
    return SAFETY * reached * max(1.0, seen / made)


def _search_noise(
    appearance: Appearance, diameter_px: int, dtype: np.dtype[Any], engine: Engine
) -> tuple[NDArray[np.float64], float]:
    """Return the masses that the detector finds in frames of noise, the heaviest first, and how rough those are."""
    random = np.random.default_rng(_SEED)
    illumination, gain, dark = appearance.illumination, appearance.detector_gain, appearance.inverted
    find = spot_finder(engine, illumination.shape, dtype, diameter_px, invert=dark, gain=gain)
    grounds: list[NDArray[np.float32]] = []

    def frames() -> Iterator[Frame]:
        for _ in range(_N_NOISE_FRAMES):
            frame = _noise_frame(illumination, appearance, random, dtype)
            yield frame
            if len(grounds) < N_COMPARED:
                rows = _band(len(grounds), frame.shape)
                grounds.append(_rough(frame[rows] - illumination[rows], diameter_px))

    # One frame is searched while the next one is made here: a second finder would only take its memory.
    found = in_threads(lambda frame: find(frame, 0.0)[:, 2], frames(), is_one_beside=True)
    masses = np.concatenate([*found])
    return np.sort(masses)[::-1], core_sd(grounds)


def compared(samples: Samples) -> Samples:
    """Return the dozen frames, or a few more, whose ground is compared with noise."""
    return samples[:: max(1, len(samples) // N_COMPARED)]


def _band(number: int, shape: tuple[int, ...]) -> slice:
    """Return the rows of a large frame that are compared: another part from frame to frame, each of them three times.

    A few million pixels tell their standard deviation to 0.2 %, as much as it differs between two frames of a video.
    """
    height, width = shape
    n_bands = max(1, min(_MOST_BANDS, height * width // _BAND_PIXELS))
    part = number % n_bands
    return slice(height * part // n_bands, height * (part + 1) // n_bands)


def _rough(noise: NDArray[np.float32], diameter_px: int) -> NDArray[np.float32]:
    """Return what a detector of this size sees of noise, (n,)."""
    seen: NDArray[np.float32] = gaussian_filter(noise, 1.0)
    seen -= uniform_filter(noise, diameter_px)
    return seen.reshape(-1)


def _noise_frame(
    illumination: NDArray[np.float32],
    appearance: Appearance,
    random: np.random.Generator,
    dtype: np.dtype[np.uint8] | np.dtype[np.uint16],
) -> Frame:
    noise = random.standard_normal(illumination.shape, dtype=np.float32) * appearance.noise_map
    frame: Frame = np.rint(np.clip(illumination + noise, 0, appearance.full_scale)).astype(dtype)
    return frame
