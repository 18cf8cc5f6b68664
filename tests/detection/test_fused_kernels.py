"""Every stage of the fused detector against its slow twin."""

from __future__ import annotations

import math

import naive_detection as naive
import numba
import numpy as np
import pytest

from nta.detection.fused_bandpass import box_sums, find_brightest
from nta.detection.fused_engine import DIAMETERS, Locator
from nta.detection.fused_features import keep_separate
from nta.detection.fused_peaks import BLOCK

DTYPES = (np.uint8, np.uint16)


def textured(dtype, seed=0, height=61, width=83, top=None):
    """Noise with bright and dark patches that reach over every edge."""
    random = np.random.default_rng(seed)
    top = np.iinfo(dtype).max if top is None else top
    patches = np.kron(random.random((height // 9 + 1, width // 9 + 1)), np.ones((9, 9)))[:height, :width]
    return np.rint(top * np.clip(patches**3 + random.normal(0, 0.03, (height, width)), 0, 1)).astype(dtype)


def locator(frame, diameter):
    return Locator(*frame.shape, frame.dtype, diameter)


@numba.njit
def called(row, fours, sums, size):
    box_sums(row, fours, sums, size)  # it has no door of its own to Python


@pytest.mark.parametrize("size", DIAMETERS)
def test_box_sums(size):
    row = np.random.default_rng(1).integers(0, 65536, 50 + size - 1).astype(np.uint16)
    sums = np.empty(50, dtype=np.int32)
    called(row, np.empty(row.size, dtype=np.int32), sums, size)
    np.testing.assert_array_equal(sums, naive.box_sums(row.astype(np.int64), size))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("diameter", [3, 7, 9, 15, 31])
def test_bandpass_and_rescaling(dtype, diameter):
    for seed, top in enumerate((None, 100, 30)):
        frame = textured(dtype, seed, top=top)
        ours = locator(frame, diameter)
        scale, image = naive.rescaled(frame, diameter)
        assert ours._bandpass(frame) == scale
        np.testing.assert_array_equal(ours._image, image)
        # What is below the threshold is only cut away with the rescaling.
        exact = naive.bandpassed(frame, diameter)
        lit = exact > 0
        np.testing.assert_allclose(ours._filtered[lit], exact[lit], rtol=5e-7, atol=2.0**-20 * frame.max())
        assert ours._column_maxima.max() == ours._filtered.max()


@pytest.mark.parametrize("dtype", DTYPES)
def test_single_pixels_are_exact_everywhere(dtype):
    from nta.detection.fused_engine import _KERNELS

    frame = textured(dtype, 3, 25, 31)
    ours = locator(frame, 9)
    ours._bandpass(frame)
    places = np.arange(frame.size, dtype=np.int32)
    values = np.empty(frame.size)
    exactly = _KERNELS[frame.dtype.name][1]
    exactly(frame, ours._weights, ours._filtered, places, frame.size, ours._exact_memory, values)
    exact = naive.bandpassed(frame, 9).ravel()
    np.testing.assert_array_equal(np.where(values >= 1, values, 0.0), exact)


def test_brightest_pixels():
    image = np.random.default_rng(4).random((20, 30)).astype(np.float32)
    places = np.empty(image.size, dtype=np.int32)
    n = find_brightest(image, image.max(axis=0), np.float32(0.9), places)
    assert n > 20
    np.testing.assert_array_equal(np.sort(places[:n]), np.flatnonzero(image >= np.float32(0.9)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_threshold(dtype):
    # images from a single lit pixel to all of them, of few and of many levels; some beyond 255 rows
    random = np.random.default_rng(5)
    white = int(np.iinfo(dtype).max)
    for trial in range(60):
        shape = (int(random.integers(8, 40)), int(random.integers(8, 40))) if trial else (600, 9)
        image = random.integers(0, int(random.choice([2, 5, 40, white])), shape, endpoint=True).astype(dtype)
        image[random.random(shape) < random.random()] = 0
        image[int(random.integers(0, shape[0])), 3] = white
        ours = locator(image, 7)
        ours._image[:] = image
        assert ours._threshold() == math.floor(naive.threshold(image))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("diameter", DIAMETERS)
def test_peaks(dtype, diameter):
    random = np.random.default_rng(6)
    for levels in (3, 40):
        image = random.integers(0, levels, (70, 50)).astype(dtype)
        ours = locator(image, diameter)
        ours._image[:] = image
        n = ours._candidates()
        expected = naive.peaks(image, ours._window, diameter // 2, naive.threshold(image))
        np.testing.assert_array_equal(ours._places[:n], expected)
        assert n > 0 or levels == 3


@pytest.mark.parametrize("diameter", [3, 9, 15])
def test_candidates_without_a_heavy_square_in_reach_go(diameter):
    random = np.random.default_rng(11)
    image = random.integers(0, 4, (60, 85)).astype(np.uint8)
    image[20:23, 30:33] = 255  # the sums of a full square of 15 pixels fit too
    image[40:, 70:] = 255 if diameter == 15 else 3
    half, scale = diameter // 2, 1.7
    least = np.sort([naive.heaviest_square(image, diameter, y, 10, 9) for y in range(half, 60 - half)])[-3] / scale
    ours = locator(image, diameter)
    ours._image[:] = image
    middles = np.arange(image.size).reshape(image.shape)[half : 60 - half, half : 85 - half].ravel()
    ours._places[: middles.size] = middles
    left = ours._places[: ours._without_faint(middles.size, scale, least)]
    assert 0 < left.size < middles.size
    assert (np.diff(left) > 0).all()
    # None goes that could be a spot, and none stays that is further from one than blocks reach.
    for reach, kept in ((9, middles), (4 * BLOCK - 1, left)):
        heaviest = [naive.heaviest_square(image, diameter, p // 85, p % 85, reach) for p in kept]
        heavy = kept[np.array(heaviest) / scale > least]
        assert set(heavy) <= set(left)
    assert set(heavy) == set(left)
    # Fewer than one of 200 pixels are not worth it, and stay.
    assert ours._without_faint(20, scale, 1e9) == 20


@pytest.mark.parametrize("separation", [4, 10, 32])
def test_of_close_spots_the_heaviest_stays(separation):
    random = np.random.default_rng(7)
    features = np.zeros((400, 8))
    features[:, :2] = random.uniform(0, 100, (400, 2))
    features[::3, :2] = np.rint(features[::3, :2])
    features[200:250, :2] = features[:50, :2]  # exactly where another one is
    features[:, 2] = random.integers(1, 12, 400)  # many ties
    cells = np.empty((100 // separation + 1,) * 2, dtype=np.int32)
    is_kept = np.empty(400, dtype=np.bool_)
    keep_separate(features, 400, separation, cells, np.empty(400, dtype=np.int32), is_kept)
    np.testing.assert_array_equal(np.flatnonzero(~is_kept), naive.dropped(features, separation))
    assert 0 < is_kept.sum() < 400


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("diameter", [3, 7, 11, 15, 31])
def test_background_and_its_noise(dtype, diameter):
    random = np.random.default_rng(8)
    # A word is 64 pixels: rows that end inside one, with one, and just beyond one.
    for share, width in ((0.0, 83), (0.002, 83), (0.02, 50), (0.002, 64), (0.002, 128), (0.002, 129), (1.0, 83)):
        frame = textured(dtype, 9, width=width)
        ours = locator(frame, diameter)
        ours._image[:] = random.random(frame.shape) < share
        dark = naive.background(ours._image, diameter // 2)
        with np.errstate(invalid="ignore"):
            masses = np.array([4e6, 5e7])
            ep = ours._static_error(frame, masses)
        bits = np.unpackbits(ours._dilation_memory[-1].astype("<u8").view(np.uint8), axis=1, bitorder="little")
        np.testing.assert_array_equal(bits[:, :width], dark)
        if not dark.any():
            assert np.isnan(ep).all()
            continue
        disc = ours._disc_area
        expected = frame[dark].std() / (masses - disc * frame[dark].mean()) * ours._root_sum_squares
        np.testing.assert_allclose(ep, expected, rtol=1e-12)
