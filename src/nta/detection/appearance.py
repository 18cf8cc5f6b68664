"""What a video looks like before anybody searches it: background, noise, spot width, which way is bright.

Everything comes from a few dozen frames spread over the whole video, never from one frame and never from an
operator; the numbers scale with camera gain, so that two camera levels lead to the same choices.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from nta.detection.medians import median_over_frames, rank_of_counts
from nta.detection.smoothing import wide_gaussian
from nta.detection.streams import CLIP_SD, CLIPPED_SD, core_sd_of_counts
from nta.threads import in_threads

Frame = NDArray[np.uint8] | NDArray[np.uint16]
Samples: TypeAlias = list[NDArray[Any]] | NDArray[Any]
"""Frames spread over a video: a list of (height, width), or one array (n, height, width)."""

N_SAMPLE_FRAMES: Final = 48
"""Enough for a background whose noise adds 1 % to the variance of a centroid."""

_BACKGROUND_SMOOTHING_PX: Final = 4.0
_NOISE_SMOOTHING_PX: Final = 32.0
_ILLUMINATION_SMOOTHING_PX: Final = 32.0
_DEFAULT_SPOT_SD_PX: Final = 1.35
_MAX_LAG_PX: Final = 8
_INVERTED_SKEWNESS: Final = -0.5
_DETECTOR_NOISE_LEVELS: Final = 16.0
_BAND_PIXELS: Final = 1 << 15


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

    @cached_property
    def illumination(self) -> NDArray[np.float32]:
        """Background without what sticks to the wall, (height, width)."""
        return wide_gaussian(self.background, _ILLUMINATION_SMOOTHING_PX)


def look(samples: Samples, inverted: bool | None = None, bit_depth: int | None = None) -> Appearance:
    """Describe a video from frames spread over it, in little more memory than they take.

    Parameters
    ----------
    samples : list of (height, width), or (n, height, width), uint8 or uint16
        Frames, in order, far enough apart that particles have moved.
    inverted : bool, optional
        Whether particles are dark; found from the skewness of the pixels when not given.
    bit_depth : int, optional
        Significant bits of a sample as the file states them.
    """
    noise_sd = _noise_sd(samples)
    background = _background(samples, noise_sd)
    if inverted is None:
        inverted = _skewness(samples, background) < _INVERTED_SKEWNESS
    full_scale = _full_scale(samples, bit_depth)
    return Appearance(
        background=background,
        noise_sd=noise_sd,
        noise_map=_noise_map(samples, noise_sd),
        spot_sd_px=_spot_sd_px(samples, background, noise_sd),
        inverted=inverted,
        saturated_share=sum(int(np.sum(frame >= full_scale)) for frame in samples) / (len(samples) * background.size),
        full_scale=full_scale,
    )


def _full_scale(samples: Samples, bit_depth: int | None) -> int:
    """Return the largest value the camera could give: 10-, 12- and 14-bit cameras do not fill 16 bits.

    A file that states fewer bits than its samples have room for is believed unless a sample is beyond them; 16 bits
    may only be how a camera of fewer was stored.
    """
    if samples[0].dtype == np.uint8:
        return 255
    brightest = max(int(frame.max(initial=0)) for frame in samples)
    if bit_depth is not None and bit_depth < 16 and brightest < 1 << bit_depth:
        return (1 << bit_depth) - 1
    return next(2**bits - 1 for bits in (10, 12, 14, 16) if brightest < 2**bits)


def _noise_sd(samples: Samples) -> float:
    """Return the noise of one pixel from differences between frames, cut at 3 sd until it stands.

    The second moment of integers is not quantised as their median absolute deviation is. There are few of them that
    differ: how often each is there says all.
    """
    if len(samples) < 2:
        return 1.0
    values, counts = zip(*map(_centred_differences, pairwise(samples)), strict=True)
    noise = core_sd_of_counts(np.concatenate(values), np.concatenate(counts), least=0.2)
    return max(noise, 1.0 / math.sqrt(12.0))


def _centred_differences(pair: tuple[Frame, Frame]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return what the pixels changed by, less its median, with the noise of one frame: values and how often."""
    before, after = pair
    steps = np.subtract(after, before, dtype=np.int32).reshape(-1)
    lowest = int(steps.min())
    steps -= lowest
    counts = np.bincount(steps)
    levels = np.flatnonzero(counts)
    counts = counts[levels]
    values = (levels + lowest).astype(np.float32) / np.float32(math.sqrt(2.0))
    middle = [rank_of_counts(counts, rank) for rank in ((steps.size - 1) // 2, steps.size // 2)]
    return values - np.mean(values[middle]), counts


def _difference(before: Frame, after: Frame) -> NDArray[np.float32]:
    """Return what changed, with the noise of one frame."""
    difference: NDArray[np.float32] = (after.astype(np.float32) - before) / np.float32(math.sqrt(2.0))
    return difference


def _bands(frame: NDArray[Any], n_frames: int = 1) -> list[slice]:
    """Return bands of rows that are small enough, in so many frames, for the processor's cache."""
    height, width = frame.shape
    step = max(1, _BAND_PIXELS // (n_frames * width))
    return [slice(top, top + step) for top in range(0, height, step)]


def _noise_map(samples: Samples, noise_sd: float) -> NDArray[np.float32]:
    """Return the noise place by place, from the same differences cut at 3 sd, smoothed over about a spot distance."""
    shape = samples[0].shape
    if len(samples) < 2:
        return np.full(shape, noise_sd, dtype=np.float32)
    total, count = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)

    def add(rows: slice) -> None:
        for before, after in pairwise(samples):
            difference = _difference(before[rows], after[rows])
            core = np.abs(difference) <= CLIP_SD * noise_sd
            difference *= difference
            difference *= core  # quicker than to add some of them only
            total[rows] += difference
            count[rows] += core

    deque(in_threads(add, _bands(samples[0])), maxlen=0)
    # Here, not in threads, whose memory does not come back for other use.
    total, count = (wide_gaussian(one, _NOISE_SMOOTHING_PX) for one in (total, count))
    local = np.sqrt(total / np.maximum(count, 1e-3)) / CLIPPED_SD
    smallest = np.float32(1.0 / math.sqrt(12.0))
    noise: NDArray[np.float32] = np.maximum(local, smallest).astype(np.float32)
    return noise


def _background(samples: Samples, noise_sd: float) -> NDArray[np.float32]:
    """Return the mean of what lies within 3 sd of the temporal median, smoothed; a median alone is an integer."""
    mean = np.empty(samples[0].shape)
    for rows in _bands(samples[0], 2):
        band = np.stack([frame[rows] for frame in samples])
        median = median_over_frames(band)
        total, count = _sum_near(band, median, np.float32(CLIP_SD * noise_sd))
        mean[rows] = np.where(count > 0, total / np.maximum(count, 1), median)
    smooth: NDArray[np.float32] = gaussian_filter(mean, _BACKGROUND_SMOOTHING_PX, mode="nearest").astype(np.float32)
    return smooth


def _sum_near(
    band: NDArray[Any], median: NDArray[np.float32], reach: np.float32
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return the sum of each pixel's values within ``reach`` of its median, and how many they are."""
    white = np.iinfo(band.dtype).max
    low, high = (
        np.clip(limit, 0, white).astype(band.dtype)
        for limit in (np.ceil(median.astype(np.float64) - reach), np.floor(median.astype(np.float64) + reach))
    )
    total, count = (np.zeros(median.shape, dtype=np.uint32) for _ in range(2))
    for row in band:
        near = (row >= low) & (row <= high)
        total += row * near
        count += near
    return total, count


def _skewness(samples: Samples, background: NDArray[np.float32]) -> float:
    """Return the skewness of what is left without the background."""
    n_pixels = len(samples) * background.size
    ground = float(np.sum(background, dtype=np.float64))
    mean = np.float32(sum(_sum_of(frame) - ground for frame in samples) / n_pixels)

    def moments_of(frame: Frame) -> NDArray[np.float64]:
        moments = np.zeros(3)
        for rows in _bands(frame):
            centred = (frame[rows] - background[rows]) - mean
            square = centred * centred
            # Products: a third power takes thirty times as long. Sums in pairs are exact enough.
            moments += [float(np.sum(one)) for one in (centred, square, square * centred)]
        return moments

    first, second, third = sum(in_threads(moments_of, samples), np.zeros(3)) / n_pixels
    variance = second - first**2
    return 0.0 if variance <= 0.0 else float(third / variance**1.5)


def _sum_of(frame: Frame) -> int:
    return int(np.sum(frame, dtype=np.uint64))


def _spot_sd_px(samples: Samples, background: NDArray[np.float32], noise_sd: float) -> float:
    """Return the spot width from the covariance of pixels r apart, A exp(-r²/(4 s²)); camera noise has none.

    Pixels count by brightness squared, so bright spots decide and dim ones only add noise.
    """
    lags = np.arange(1, _MAX_LAG_PX + 1)
    covariance = _covariances(samples, background)
    standard_error = noise_sd**2 / math.sqrt(2 * len(samples) * background.size)
    if covariance[0] <= 8.0 * standard_error:
        return _DEFAULT_SPOT_SD_PX
    falling = np.minimum.accumulate(covariance) > 0.15 * covariance[0]
    if falling.sum() < 2:
        return 0.7
    slope = np.polyfit(lags[falling] ** 2.0, np.log(covariance[falling]), 1)[0]
    return math.sqrt(-0.25 / slope) if slope < 0 else _DEFAULT_SPOT_SD_PX


def _covariances(samples: Samples, background: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the covariance of pixels 1, 2, ... px apart, across and down."""
    height, width = background.shape
    lags = np.arange(1, _MAX_LAG_PX + 1)
    n_products = len(samples) * np.stack([height * np.maximum(width - lags, 0), np.maximum(height - lags, 0) * width])
    total = np.zeros((2, _MAX_LAG_PX))
    for products in in_threads(partial(_products, background, float(np.mean(background, dtype=np.float64))), samples):
        total += products
    covariance: NDArray[np.float64] = np.mean(total / n_products, axis=0)
    return covariance


def _products(background: NDArray[np.float32], ground: float, frame: Frame) -> NDArray[np.float64]:
    """Return the sums of the products of pixels 1, 2, ... px apart, across and down, a band of rows at a time."""
    mean = np.float32(_sum_of(frame) / frame.size - ground)
    total = np.zeros((2, _MAX_LAG_PX))
    for rows in _bands(frame):
        reached = slice(rows.start, rows.stop + _MAX_LAG_PX)
        band = frame[reached] - background[reached] - mean
        own = band[: rows.stop - rows.start]
        for lag in range(1, _MAX_LAG_PX + 1):
            below = band[lag : lag + len(own)]
            total[0, lag - 1] += np.einsum("ij,ij->", own[:, lag:], own[:, :-lag])
            total[1, lag - 1] += np.einsum("ij,ij->", below, own[: len(below)])
    return total
