"""The least brightness of a spot, from the noise of the whole video."""

from __future__ import annotations

from typing import Final

import numpy as np

from nta.detection.appearance import Appearance, Frame
from nta.detection.trackpy_engine import locate

FALSE_FEATURES_PER_FRAME: Final = 0.1
"""What noise alone may add. At this rate five in a row within reach of each other do not occur."""

_N_NOISE_FRAMES: Final = 24
_SEED: Final = 107


def choose_min_mass(appearance: Appearance, diameter_px: int, dtype: np.dtype[np.uint8] | np.dtype[np.uint16]) -> float:
    """Return the mass that noise alone reaches in a tenth of the frames.

    The detector looks at frames made of the video's background and its noise, pixel by pixel, with no particle in
    them: all that it finds there is false. (Mirroring the video's own frames would take what is left around a
    cut-out particle for noise: the threshold then rises with the number of particles.)

    Parameters
    ----------
    appearance : Appearance
        What the video looks like.
    diameter_px : int
        Odd spot diameter of the detector.
    dtype : dtype
        Of the video's pixels.
    """
    random = np.random.default_rng(_SEED)
    masses = [
        locate(
            _noise_frame(appearance, random, dtype),
            diameter_px,
            0.0,
            invert=appearance.inverted,
            gain=appearance.detector_gain,
        )[:, 2]
        for _ in range(_N_NOISE_FRAMES)
    ]
    found = np.sort(np.concatenate(masses))[::-1]
    if found.size == 0:
        return 0.0
    # The mass of the rank allowed, between ranks where it is not a whole number.
    return float(np.interp(FALSE_FEATURES_PER_FRAME * _N_NOISE_FRAMES, np.arange(1, found.size + 1), found))


def _noise_frame(
    appearance: Appearance, random: np.random.Generator, dtype: np.dtype[np.uint8] | np.dtype[np.uint16]
) -> Frame:
    noise = random.standard_normal(appearance.background.shape, dtype=np.float32) * appearance.noise_map
    frame: Frame = np.rint(np.clip(appearance.background + noise, 0, appearance.full_scale)).astype(dtype)
    return frame
