"""The least brightness of a spot, from the noise of the whole video."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from nta.detection.appearance import Appearance, Frame
from nta.detection.trackpy_engine import locate

FALSE_FEATURES_PER_FRAME: Final = 0.1
"""What noise alone may add. At this rate five in a row within reach of each other do not occur."""

SAFETY: Final = 1.5
"""Factor above that: spots whose peak is 5 noise sd weigh at least 2.1 times what noise reaches, so this stands midway
for noise that is somewhat more than the background tells (light of particles out of focus, their shot noise).
"""

_N_NOISE_FRAMES: Final = 24
_SEED: Final = 107
_ILLUMINATION_SMOOTHING_PX: Final = 32.0


def choose_min_mass(appearance: Appearance, diameter_px: int, dtype: np.dtype[np.uint8] | np.dtype[np.uint16]) -> float:
    """Return 1.5 times the mass that noise alone reaches in a tenth of the frames.

    The detector looks at frames made of the video's illumination and its noise, place by place, with no particle in
    them, not even one that sticks to the wall: all that it finds there is false. (Mirroring the video's own frames would take what is left around a
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
    illumination = gaussian_filter(appearance.background, _ILLUMINATION_SMOOTHING_PX, mode="nearest")
    masses = [
        locate(
            _noise_frame(illumination, appearance, random, dtype),
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
    return SAFETY * float(np.interp(FALSE_FEATURES_PER_FRAME * _N_NOISE_FRAMES, np.arange(1, found.size + 1), found))


def _noise_frame(
    illumination: NDArray[np.float32],
    appearance: Appearance,
    random: np.random.Generator,
    dtype: np.dtype[np.uint8] | np.dtype[np.uint16],
) -> Frame:
    noise = random.standard_normal(illumination.shape, dtype=np.float32) * appearance.noise_map
    frame: Frame = np.rint(np.clip(illumination + noise, 0, appearance.full_scale)).astype(dtype)
    return frame
