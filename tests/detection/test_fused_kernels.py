"""Every stage of the fused detector against its slow twin."""

from __future__ import annotations

import math

import naive_detection as naive
import numba
import numpy as np
import pytest

from nta.detection import fused_engine
from nta.detection.fused_bandpass import box_sums
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


def holding(image, diameter):
    """A locator whose band-passed frame is this one."""
    ours = locator(image, diameter)
    ours._image[:] = image
    octets = np.packbits(image != 0, axis=1, bitorder="little")
    ours._bits.view(np.uint8)[:, 8 : 8 + octets.shape[1]] = octets
    return ours


def unpacked(bits, width):
    return np.unpackbits(bits.astype("<u8").view(np.uint8), axis=1, bitorder="little")[:, :width].astype(bool)


@numba.njit
def called(row, fours, sums, size):
    box_sums(row, fours, sums, size)  # it has no door of its own to Python


@pytest.mark.parametrize("size", DIAMETERS)
def test_box_sums(size):
    row = np.random.default_rng(1).integers(0, 65536, 50 + size - 1).astype(np.uint16)
    sums = np.empty(50, dtype=np.int32)
    called(row, np.empty(row.size, dtype=np.int32), sums, size)
    np.testing.assert_array_equal(sums, naive.box_sums(row.astype(np.int64), size))


KINDS = ((np.uint8, 1), (np.uint8, 2), (np.uint8, 256), (np.uint16, 1))


def brightened(dtype, gain, diameter, frame):
    """A locator for frames of which a gain makes 16 bits, and the frame that it then searches."""
    searched = frame if gain == 1 else frame.astype(np.uint16) * np.uint16(gain)
    return Locator(*frame.shape, searched.dtype, diameter), searched


@pytest.mark.parametrize(("dtype", "gain"), KINDS)
@pytest.mark.parametrize("diameter", [3, 7, 9, 15, 31])
def test_bandpass(dtype, gain, diameter):
    for seed, top in enumerate((None, 100, 30)):
        frame = textured(dtype, seed, top=top)
        ours, searched = brightened(dtype, gain, diameter, frame)
        scale, image = naive.rescaled(searched, diameter)
        assert ours._bandpass(frame, gain) == scale
        np.testing.assert_array_equal(ours._image, image)
        np.testing.assert_array_equal(unpacked(ours._bits[:, 1:-1], 83), image != 0)


@pytest.mark.parametrize(("dtype", "gain"), KINDS)
def test_single_pixels_are_exact_everywhere(dtype, gain):
    frame = textured(dtype, 3, 25, 31)
    ours, searched = brightened(dtype, gain, 9, frame)
    scale, image = naive.rescaled(searched, 9)
    ground = 7.0 * gain
    places, means = np.arange(frame.size, dtype=np.int32), (naive.running_mean(searched, 9) - ground).ravel()
    ours._image[:], ours._bits[:, 1] = 5, np.uint64(1 << 31) - np.uint64(2)  # what stands there is written over
    settle = fused_engine._KERNELS[frame.dtype.name, searched.dtype.name].settle
    largest = settle(
        frame, ours._weights, gain, ground, scale, places, means.astype(np.float32), frame.size, ours._down,
        ours._image, ours._bits,
    )  # fmt: skip
    assert largest == naive.bandpassed(searched, 9).max()
    np.testing.assert_array_equal(ours._image, image)
    np.testing.assert_array_equal(unpacked(ours._bits[:, 1:-1], 31), image != 0)


@pytest.mark.parametrize(("dtype", "gain"), KINDS)
@pytest.mark.parametrize("shape", [(61, 83), (32, 48), (16, 20)])
def test_the_brightest_pixel_is_found_where_one_stands_out(dtype, gain, shape):
    random = np.random.default_rng(12)
    for trial in range(20):
        frame = random.integers(0, 20, shape).astype(dtype)
        y, x = int(random.integers(0, shape[0])), int(random.integers(0, shape[1]))
        frame[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = 120 + trial
        ours, searched = brightened(dtype, gain, 7, frame)
        promising = fused_engine._KERNELS[frame.dtype.name, searched.dtype.name].promising_maximum
        memory = ours._maximum_memory[frame.dtype.name]
        found = promising(frame, ours._weights, 7, gain, *memory, ours._down)
        assert found == naive.bandpassed(searched, 7).max()


@pytest.mark.parametrize(("dtype", "gain"), KINDS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_wrong_guess_of_the_maximum_changes_nothing(dtype, gain, share, monkeypatch):
    for top in (None, 3, 0):  # also where nothing reaches 2, or 1
        frame = textured(dtype, 6, top=top)
        ours, searched = brightened(dtype, gain, 9, frame)
        kind = frame.dtype.name, searched.dtype.name
        exact = naive.bandpassed(searched, 9).max()
        kernels = fused_engine._KERNELS[kind]._replace(promising_maximum=lambda *_, found=exact: share * found)
        monkeypatch.setitem(fused_engine._KERNELS, kind, kernels)
        scale = ours._bandpass(frame, gain)
        monkeypatch.undo()
        if exact == 0:
            assert scale is None
            continue
        expected, image = naive.rescaled(searched, 9)
        assert scale == expected
        np.testing.assert_array_equal(ours._image, image)


def test_passes_end_although_none_proves_its_maximum(monkeypatch):
    """As if the error of a pixel were larger than its bound: then all pixels are worked out."""
    frame = textured(np.uint16, 6)
    ours, kind = locator(frame, 9), ("uint16", "uint16")
    kernels, tops = fused_engine._KERNELS[kind], []

    def bandpass(*arguments):
        tops.append(float(arguments[9]))
        return kernels.bandpass(*arguments)

    def settle(*arguments):
        return kernels.settle(*arguments) * (1.0 - 0.01 * len(tops) if tops[-1] > 0.0 else 1.0)

    monkeypatch.setitem(fused_engine._KERNELS, kind, kernels._replace(bandpass=bandpass, settle=settle))
    scale, image = naive.rescaled(frame, 9)
    assert ours._bandpass(frame) == scale
    np.testing.assert_array_equal(ours._image, image)
    assert 0.0 in tops
    assert len(tops) <= 5


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
        ours = holding(image, 7)
        assert ours._threshold() == math.floor(naive.threshold(image))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("diameter", DIAMETERS)
def test_peaks(dtype, diameter):
    random = np.random.default_rng(6)
    for levels in (3, 40):
        image = random.integers(0, levels, (70, 50)).astype(dtype)
        ours = holding(image, diameter)
        n = ours._candidates(1.0, -1.0)  # of any mass
        expected = naive.peaks(image, ours._window, diameter // 2, naive.threshold(image))
        np.testing.assert_array_equal(ours._places[:n], expected)
        assert n > 0 or levels == 3


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("diameter", [3, 9, 15])
def test_candidates_without_a_heavy_square_in_reach_go(dtype, diameter):
    random = np.random.default_rng(11)
    white = np.iinfo(dtype).max
    image = random.integers(0, 12, (60, 85)).astype(dtype)
    image[20:23, 30:33] = white  # the sums of a full square of 15 pixels fit too
    image[40:, 70:] = white if diameter == 15 else 11
    scale = 1.7
    least = (naive.heaviest_square(image, diameter, 21, 31, 0) - 1) / scale
    ours, of_any_mass = holding(image, diameter), holding(image, diameter)
    everything = of_any_mass._places[: of_any_mass._candidates(scale, -1.0)]
    left = ours._places[: ours._candidates(scale, least)]
    assert 0 < left.size < everything.size
    assert (np.diff(left) > 0).all()
    assert set(left) <= set(everything)
    # None goes that could be a spot, and none stays that is further from one than blocks reach.
    for reach, bound, kept in (
        (9, naive.heaviest_square, everything), (4 * BLOCK - 1, naive.heaviest_columns, left)
    ):  # fmt: skip
        heaviest = [bound(image, diameter, p // 85, p % 85, reach) for p in kept]
        heavy = kept[np.array(heaviest) / scale > least]
        assert set(heavy) <= set(left)
    assert set(heavy) == set(left)


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
        ours = holding((random.random(frame.shape) < share).astype(dtype), diameter)
        dark = naive.background(ours._image, diameter // 2)
        with np.errstate(invalid="ignore"):
            masses = np.array([4e6, 5e7])
            ep = ours._static_error(frame, masses)
        np.testing.assert_array_equal(unpacked(ours._dilation_memory[-1], width), dark)
        if not dark.any():
            assert np.isnan(ep).all()
            continue
        disc = ours._disc_area
        expected = frame[dark].std() / (masses - disc * frame[dark].mean()) * ours._root_sum_squares
        np.testing.assert_allclose(ep, expected, rtol=1e-12)
