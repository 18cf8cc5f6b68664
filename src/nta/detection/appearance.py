"""What a video looks like before anybody searches it: background, noise, spot width, which way is bright.

Everything comes from a few dozen frames spread over the whole video, never from one frame and never from an
operator; the numbers scale with camera gain, so that two camera levels lead to the same choices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Frame = NDArray[np.uint8] | NDArray[np.uint16]

N_SAMPLE_FRAMES: Final = 48
"""Enough for a background whose noise adds 1 % to the variance of a centroid."""

_CLIP_SD: Final = 3.0
# Standard deviation of a normal distribution cut at 3 sd, in units of its own: sqrt(1 - 6 phi(3)/(2 Phi(3) - 1)).
_CLIPPED_SD: Final = 0.98658
_BACKGROUND_SMOOTHING_PX: Final = 4.0
_NOISE_SMOOTHING_PX: Final = 32.0
_DEFAULT_SPOT_SD_PX: Final = 1.35
_MAX_LAG_PX: Final = 8
_INVERTED_SKEWNESS: Final = -0.5
_DETECTOR_NOISE_LEVELS: Final = 16.0


@dataclass(frozen=True)
class Appearance:
    """What a video looks like.

    Parameters
    ----------
    background : (height, width) float32
        Grey level without particles.
    noise_sd : float
        Standard deviation of one pixel from frame to frame, grey levels.
    noise_map : (height, width) float32
        The same, place by place: it follows the illumination.
    spot_sd_px : float
        Standard deviation of a Gaussian that is as wide as the spots, px; a default where neighbouring pixels share
        no light beyond chance.
    inverted : bool
        Whether the particles are darker than the ground.
    saturated_share : float
        Share of pixels at the top of the camera's range.
    full_scale : int
        The top of the camera's range, grey levels.
    """

    background: NDArray[np.float32]
    noise_sd: float
    noise_map: NDArray[np.float32]
    spot_sd_px: float
    inverted: bool
    saturated_share: float
    full_scale: int

    @property
    def diameter_px(self) -> int:
        """Odd spot diameter for the detector, 7 to 21 px: 2.25 standard deviations to each side.

        The width is that of all spots together, blurred and out of focus; a wider window would take two close
        particles for one.
        """
        return 2 * min(max(round(2.25 * self.spot_sd_px), 3), 10) + 1

    @property
    def detector_gain(self) -> int:
        """Power of two by which pixels are multiplied for the detector, so that its integers do not swallow the noise.

        trackpy's band-pass cuts its running mean to whole grey levels and then drops what lies below one of them:
        about one grey level on every other pixel. Where the noise is no larger than that, plateaus of it weigh
        more than a particle of 5 noise sd.
        """
        wanted = 2 ** math.ceil(math.log2(max(_DETECTOR_NOISE_LEVELS / self.noise_sd, 1.0)))
        room = (2**16 - 1) // self.full_scale
        return int(min(wanted, 2 ** int(math.log2(room))))

    def signal(self, frame: Frame) -> NDArray[np.float32]:
        """Return the light of the particles in ``frame``: positive for particles of either kind."""
        difference = frame - self.background
        return -difference if self.inverted else difference


def look(
    samples: NDArray[np.uint8] | NDArray[np.uint16], inverted: bool | None = None, bit_depth: int | None = None
) -> Appearance:
    """Describe a video from frames spread over it.

    Parameters
    ----------
    samples : (n, height, width) uint8 or uint16
        Frames, in order, far enough apart that particles have moved.
    inverted : bool, optional
        Whether particles are dark; found from the skewness of the pixels when not given.
    bit_depth : int, optional
        Significant bits of a sample as the file states them.
    """
    noise_sd = _noise_sd(samples)
    background = _background(samples, noise_sd)
    residuals = samples - background
    if inverted is None:
        inverted = _skewness(residuals) < _INVERTED_SKEWNESS
    full_scale = _full_scale(samples, bit_depth)
    return Appearance(
        background=background,
        noise_sd=noise_sd,
        noise_map=_noise_map(samples, noise_sd),
        spot_sd_px=_spot_sd_px(residuals, noise_sd),
        inverted=inverted,
        saturated_share=float(np.mean(samples >= full_scale)),
        full_scale=full_scale,
    )


def _full_scale(samples: NDArray[np.uint8] | NDArray[np.uint16], bit_depth: int | None) -> int:
    """Return the largest value the camera could give: 10-, 12- and 14-bit cameras do not fill 16 bits.

    A file that states fewer bits than its samples have room for is believed unless a sample is beyond them; 16 bits
    may only be how a camera of fewer was stored.
    """
    if samples.dtype == np.uint8:
        return 255
    brightest = int(samples.max(initial=0))
    if bit_depth is not None and bit_depth < 16 and brightest < 1 << bit_depth:
        return (1 << bit_depth) - 1
    return next(2**bits - 1 for bits in (10, 12, 14, 16) if brightest < 2**bits)


def _noise_sd(samples: NDArray[np.uint8] | NDArray[np.uint16]) -> float:
    """Return the noise of one pixel from differences between frames, cut at 3 sd until it stands.

    The second moment of integers is not quantised as their median absolute deviation is.
    """
    if len(samples) < 2:
        return 1.0
    differences = np.diff(samples.astype(np.float32), axis=0) / np.float32(math.sqrt(2.0))
    differences -= np.median(differences, axis=(1, 2), keepdims=True)
    return max(core_sd(differences, least=0.2), 1.0 / math.sqrt(12.0))


def core_sd(values: NDArray[np.float32], least: float = 1e-6) -> float:
    """Return the standard deviation of the bulk of ``values``: cut at 3 sd until it stands, and made good for the cut.

    ``least`` is the smallest one to cut at.
    """
    sd = float(np.std(values))
    for _ in range(30):
        core = values[np.abs(values) <= _CLIP_SD * max(sd, least)]
        last, sd = sd, float(np.std(core, dtype=np.float64)) / _CLIPPED_SD
        if abs(sd - last) <= 1e-4 * last:
            break
    return max(sd, least)


def _noise_map(samples: NDArray[np.uint8] | NDArray[np.uint16], noise_sd: float) -> NDArray[np.float32]:
    """Return the noise place by place, from the same differences cut at 3 sd, smoothed over about a spot distance."""
    if len(samples) < 2:
        return np.full(samples.shape[1:], noise_sd, dtype=np.float32)
    differences = np.diff(samples.astype(np.float32), axis=0) / np.float32(math.sqrt(2.0))
    core = np.abs(differences) <= _CLIP_SD * noise_sd
    total = gaussian_filter(np.sum(differences**2, axis=0, where=core), _NOISE_SMOOTHING_PX, mode="nearest")
    count = gaussian_filter(np.sum(core, axis=0, dtype=np.float32), _NOISE_SMOOTHING_PX, mode="nearest")
    local = np.sqrt(total / np.maximum(count, 1e-3)) / _CLIPPED_SD
    smallest = np.float32(1.0 / math.sqrt(12.0))
    noise: NDArray[np.float32] = np.maximum(local, smallest).astype(np.float32)
    return noise


def _background(samples: NDArray[np.uint8] | NDArray[np.uint16], noise_sd: float) -> NDArray[np.float32]:
    """Return the mean of what lies within 3 sd of the temporal median, smoothed; a median alone is an integer."""
    median = np.median(samples, axis=0).astype(np.float32)
    near = np.abs(samples - median) <= _CLIP_SD * noise_sd
    total = np.sum(samples, axis=0, where=near, dtype=np.float64)
    count = np.sum(near, axis=0)
    mean = np.where(count > 0, total / np.maximum(count, 1), median)
    smooth: NDArray[np.float32] = gaussian_filter(mean, _BACKGROUND_SMOOTHING_PX, mode="nearest").astype(np.float32)
    return smooth


def _skewness(residuals: NDArray[np.float32]) -> float:
    centred = residuals - np.mean(residuals)
    sd = float(np.std(centred))
    # Products: a third power of 15 million pixels takes thirty times as long.
    return 0.0 if sd == 0 else float(np.mean(centred * centred * centred, dtype=np.float64)) / sd**3


def _spot_sd_px(residuals: NDArray[np.float32], noise_sd: float) -> float:
    """Return the spot width from the covariance of pixels r apart, A exp(-r²/(4 s²)); camera noise has none.

    Pixels count by brightness squared, so bright spots decide and dim ones only add noise.
    """
    lags = np.arange(1, _MAX_LAG_PX + 1)
    centred = residuals - np.mean(residuals, axis=(1, 2), keepdims=True)
    covariance = np.array([_covariance(centred, int(lag)) for lag in lags])
    standard_error = noise_sd**2 / math.sqrt(2 * centred.size)
    if covariance[0] <= 8.0 * standard_error:
        return _DEFAULT_SPOT_SD_PX
    falling = np.minimum.accumulate(covariance) > 0.15 * covariance[0]
    if falling.sum() < 2:
        return 0.7
    slope = np.polyfit(lags[falling] ** 2.0, np.log(covariance[falling]), 1)[0]
    return math.sqrt(-0.25 / slope) if slope < 0 else _DEFAULT_SPOT_SD_PX


def _covariance(centred: NDArray[np.float32], lag: int) -> float:
    across = np.mean(centred[:, :, lag:] * centred[:, :, :-lag], dtype=np.float64)
    down = np.mean(centred[:, lag:, :] * centred[:, :-lag, :], dtype=np.float64)
    return float(across + down) / 2.0
