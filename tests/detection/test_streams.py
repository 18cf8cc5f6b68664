"""A part at a time gives the bits of one array, and takes the memory of a part."""

from __future__ import annotations

import tracemalloc

import naive_appearance as naive
import numpy as np
import pytest

from nta.detection.appearance import Appearance, look
from nta.detection.streams import core_sd, core_sd_of_counts
from nta.detection.threshold import choose_min_mass
from nta.simulation import Scene, frames

SHAPES = ((48, 120, 161), (9, 97, 64), (5, 200, 301), (2, 31, 33))


def scene(shape: tuple[int, int, int], **told) -> np.ndarray:
    n, height, width = shape
    return np.stack(list(frames(Scene(width_px=width, height_px=height, n_frames=n, seed=3, **told))))


def cut(values: np.ndarray, random: np.random.Generator) -> list[np.ndarray]:
    """Cut into parts of any length, none among them."""
    return np.split(values, np.sort(random.integers(0, values.size + 1, 9)))


@pytest.mark.parametrize("n", [3, 7, 128, 32_767, 32_768, 100_003, 400_000])
def test_parts_have_the_noise_of_the_whole(n):
    random = np.random.default_rng(n)
    values = random.normal(3.0, 1e3, n).astype(np.float32)
    assert core_sd(cut(values, random)) == pytest.approx(naive.core_sd(values), rel=1e-9)


@pytest.mark.parametrize("sd", [0.7, 3.0, 40.0])
def test_counts_say_what_the_numbers_do(sd):
    random = np.random.default_rng(5)
    numbers = np.concatenate([np.rint(random.normal(0.3, sd, 60_000)), random.integers(-9 * sd, 9 * sd, 900)])
    numbers = numbers.astype(np.float32) / np.float32(3.0)
    values, counts = np.unique(numbers, return_counts=True)
    assert core_sd_of_counts(values, counts) == pytest.approx(naive.core_sd(numbers), rel=1e-14)
    halves = core_sd_of_counts(np.repeat(values, 2), np.stack([counts // 2, counts - counts // 2], axis=1).reshape(-1))
    assert halves == pytest.approx(naive.core_sd(numbers), rel=1e-14)
    same = np.zeros(3, dtype=np.float32)
    assert core_sd_of_counts(same[:1], np.array([3])) == naive.core_sd(same) == 1e-6


@pytest.mark.parametrize("gain", [1, 16])
@pytest.mark.parametrize("shape", SHAPES)
def test_frames_one_by_one_look_as_they_do_in_one_array(shape, gain):
    samples = scene(shape, particles_per_frame=20, read_noise=1.0)
    samples = samples if gain == 1 else samples.astype(np.uint16) * np.uint16(gain)
    assert_equal(look(samples), samples)
    assert_equal(look(list(samples)), samples)
    assert look(list(samples.max() - samples)).inverted


def assert_equal(found: Appearance, samples: np.ndarray) -> None:
    assert found.noise_sd == pytest.approx(naive.noise_sd(samples), rel=1e-14)  # counted, in another order
    np.testing.assert_array_equal(found.background, naive.background(samples, found.noise_sd))
    # Smoothed at every fourth row and column.
    np.testing.assert_allclose(found.noise_map, naive.noise_map(samples, found.noise_sd), rtol=1e-5)
    # Sums of a band at a time, in single precision.
    assert found.spot_sd_px == pytest.approx(naive.spot_sd_px(samples, found.background, found.noise_sd), rel=1e-6)
    assert found.saturated_share == np.mean(samples >= found.full_scale)


def test_looking_takes_the_memory_of_a_few_frames():
    """All frames in float32 would be 192 bytes a pixel, and their sums as much again."""
    samples = scene((48, 240, 320))
    look(samples)
    tracemalloc.start()
    try:
        appearance = look(samples)
        looking = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        choose_min_mass(appearance, appearance.diameter_px, samples[::4])
        choosing = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    n_pixels = samples[0].size
    band = 2.5e6  # bytes that do not grow with the frame: a band of rows of all samples, and its sums
    assert looking - band < 40 * n_pixels
    assert choosing - band < 100 * n_pixels  # twelve frames in float32 are 48
