"""The fused detector against trackpy.locate: every row, every column, none excused."""

from __future__ import annotations

import os

import naive_detection as naive
import numpy as np
import pytest
from scipy import ndimage

from nta.detection import fused_engine, trackpy_engine
from nta.detection.engines import needs_rare_kernels, spot_finder
from nta.detection.fused_engine import Locator, locate
from nta.errors import UsageError
from nta.simulation import Scene, frames

DIAMETERS = (7, 9, 11, 13, 15)
N_EXACT = 7  # all columns but ep, which trackpy gets from a standard deviation summed in numpy's own order


def assert_same(frame, diameter, min_mass, invert=False, at_least=0):
    """Compare with trackpy and return the number of rows."""
    expected = naive.locate(frame, diameter, min_mass, invert)
    assert len(expected) >= at_least, "the frame does not test what it should"
    found = locate(frame, diameter, min_mass, invert=invert)
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found[:, :N_EXACT], expected[:, :N_EXACT])
    np.testing.assert_allclose(found[:, N_EXACT], expected[:, N_EXACT], rtol=1e-9, atol=0.0)
    return len(expected)


def spots(height, width, n, noise, peak, offset, seed, sd=1.6):
    """A frame in float64: round spots of many brightnesses on noise."""
    random = np.random.default_rng(seed)
    frame = random.normal(offset, noise, (height, width))
    y, x = np.arange(height)[:, None], np.arange(width)[None, :]
    for _ in range(n):
        at_y, at_x = random.uniform(0, height), random.uniform(0, width)
        brightness = peak * random.uniform(0.1, 1.0)
        frame += brightness * np.exp(-((y - at_y) ** 2) / (2 * sd**2)) * np.exp(-((x - at_x) ** 2) / (2 * sd**2))
    return frame


def pixels(frame, dtype, gain=1):
    return np.clip(np.rint(frame * gain), 0, np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize("diameter", DIAMETERS)
@pytest.mark.parametrize("bits", [8, 16])
def test_simulated_frames(diameter, bits):
    scene = Scene(width_px=320, height_px=240, n_frames=2, seed=5, bit_depth=bits, particles_per_frame=30)
    for frame in frames(scene):
        assert assert_same(frame, diameter, 0.0, at_least=30) > assert_same(frame, diameter, 200.0, at_least=5)
        assert_same(frame, diameter, 200.0, invert=True)


@pytest.mark.parametrize("noise", [0.3, 0.8, 3.0])
@pytest.mark.parametrize(("dtype", "gain"), [(np.uint8, 1), (np.uint16, 1), (np.uint16, 16), (np.uint16, 256)])
def test_noise_and_depth(noise, dtype, gain):
    # 16: a 12-bit camera; 256: the full range, with clipped spots
    frame = pixels(spots(200, 310, 25, noise, 300.0, 12.0, seed=1), dtype, gain)
    for diameter in DIAMETERS:
        assert_same(frame, diameter, 100.0 * gain, at_least=5)
    assert_same(frame, 9, 0.0, at_least=50)
    assert_same(np.iinfo(dtype).max - frame, 11, 100.0 * gain, invert=True, at_least=5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("diameter", [3, 5, 17, 23, 31])
def test_every_odd_diameter(dtype, diameter):
    gain = 1 if dtype == np.uint8 else 50
    frame = pixels(spots(150, 170, 12, 1.0, 90.0, 12.0, seed=2), dtype, gain)
    assert_same(frame, diameter, 0.0, at_least=4)
    assert_same(frame, diameter, 0.0, invert=True, at_least=4)


@pytest.mark.parametrize("diameter", DIAMETERS)
def test_real_frames(shared_data, diameter):
    import tifffile

    with tifffile.TiffFile(shared_data / "bulk_water" / "bulk_water.tif") as file:
        real = [file.pages[i].asarray() for i in (0, len(file.pages) - 1)]
    for frame in real:
        assert frame.dtype == np.uint8
        assert_same(frame, diameter, 0.0, invert=True, at_least=100)
        assert_same(frame, diameter, 100.0, invert=True, at_least=5)
        assert_same(frame, diameter, 300.0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_thousand_particles(dtype):
    frame = pixels(spots(480, 640, 1000, 1.0, 100.0, 12.0, seed=3), dtype, 1 if dtype == np.uint8 else 16)
    for diameter in (7, 11):
        assert_same(frame, diameter, 100.0, at_least=450)


def test_no_particle_and_one():
    assert assert_same(pixels(spots(120, 130, 1, 0.0, 80.0, 12.0, seed=4), np.uint8), 9, 0.0) == 1
    single = np.zeros((60, 60), dtype=np.uint8)
    single[30, 31] = 255
    for diameter in DIAMETERS:
        assert_same(single, diameter, 0.0, at_least=1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_blank_frames(dtype):
    white = np.iinfo(dtype).max
    for level in (0, 1, 77, white // 2, white):
        frame = np.full((64, 80), level, dtype=dtype)
        for invert in (False, True):
            for diameter in DIAMETERS:
                assert_same(frame, diameter, 0.0, invert)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_saturated_frames(dtype):
    white = np.iinfo(dtype).max
    bright = pixels(spots(160, 200, 40, 2.0, 900.0, 30.0, seed=6), dtype, white // 255)
    assert (bright == white).sum() > 200
    black_and_white = np.where(np.random.default_rng(7).random((90, 110)) < 0.5, white, 0).astype(dtype)
    stripes = np.zeros((100, 120), dtype=dtype)
    stripes[:, ::12] = white
    squares = np.kron(np.indices((8, 9)).sum(axis=0) % 2, np.ones((13, 13))).astype(dtype) * dtype(white)
    for frame in (bright, black_and_white, stripes, squares):
        for diameter in DIAMETERS:
            assert_same(frame, diameter, 0.0, at_least=1)
            assert_same(frame, diameter, 0.0, invert=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pure_noise_has_thousands_of_plateaus(dtype):
    frame = np.rint(np.random.default_rng(8).normal(10.0, 0.6, (300, 400))).astype(dtype)
    for diameter in (7, 9, 15):
        assert_same(frame, diameter, 0.0, at_least=100)
        assert_same(frame, diameter, 30.0)
    everything = np.random.default_rng(9).integers(0, np.iinfo(dtype).max, (120, 150), dtype, endpoint=True)
    assert_same(everything, 9, 0.0, at_least=40)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_one_huge_aggregate(dtype):
    frame = spots(240, 260, 20, 0.8, 60.0, 12.0, seed=10)
    y, x = np.indices(frame.shape)
    frame += 900.0 * np.exp(-((y - 120.0) ** 2 + (x - 140.0) ** 2) / (2 * 25.0**2))
    for diameter in DIAMETERS:
        assert_same(pixels(frame, dtype), diameter, 0.0, at_least=10)
        assert_same(pixels(frame, dtype), diameter, 150.0, invert=True)


@pytest.mark.parametrize(
    "shape", [(2, 2), (2, 60), (60, 2), (5, 7), (7, 7), (8, 9), (9, 8), (12, 10), (16, 300), (301, 17)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiny_and_narrow_frames(shape, dtype):
    frame = np.random.default_rng(11).integers(0, 200, shape).astype(dtype)
    for diameter in DIAMETERS:
        assert_same(frame, diameter, 0.0)
    if min(shape) >= 7:
        frame //= 10
        frame[shape[0] // 2, shape[1] // 2] = 220
        assert_same(frame, 7, 0.0, at_least=1)


def test_frames_of_one_row_hold_nothing():
    # trackpy takes them for one-dimensional and refuses
    for shape in ((1, 1), (1, 50), (50, 1)):
        assert locate(np.full(shape, 9, dtype=np.uint8), 7, 0.0, invert=False).shape == (0, 8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_many_small_frames(dtype):
    # 40 frames of noise and spots each, seeds 100 to 139
    n_rows = 0
    for seed in range(100, 140):
        random = np.random.default_rng(seed)
        height, width = random.integers(30, 75, 2)
        top = int(random.choice([20, 255])) if dtype == np.uint8 else int(random.choice([90, 4095, 65535]))
        level = random.uniform(0.0, 0.5) * top
        frame = spots(height, width, 4, random.uniform(0.0, 0.1) * top, top, level, seed)
        frame = np.clip(np.rint(frame), 0, top).astype(dtype)
        diameter = int(random.choice(DIAMETERS))
        n_rows += assert_same(frame, diameter, float(random.choice([0.0, 2.0 * top])), bool(random.random() < 0.3))
    assert n_rows > 100


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_random_frames(dtype):
    # Of any size, ground, noise and diameter; four in ten flat as films that were compressed with loss, where many
    # pixels of the band-passed frame lie within a rounding of 1. 240 of both types, or NTA_FUZZ_CASES of them.
    random = np.random.default_rng(12 + np.dtype(dtype).itemsize)
    n_rows, n_frames = 0, int(os.environ.get("NTA_FUZZ_CASES", "240")) // 2
    gain = 1.0 if dtype == np.uint8 else 16.0
    for number in range(n_frames):
        height, width = (int(size) for size in random.integers(40, 200, 2))
        noise, ground = random.choice([0.0, 0.3, 0.8, 3.0, 10.0]), random.choice([0.0, 3.0, 10.0, 60.0, 150.0])
        frame = spots(
            height, width, int(random.integers(0, 20)), noise, random.choice([20.0, 100.0, 400.0]), ground, number
        )
        if random.random() < 0.4:
            step = random.choice([1.0, 2.0, 4.0])
            frame = step * np.rint(ndimage.gaussian_filter(frame, random.choice([0.5, 1.0, 2.0])) / step)
        diameter = int(random.choice([3, 5, 7, 9, 9, 11, 11, 13, 15, 23, 31]))
        min_mass = gain * random.choice([0.0, 1.0, 20.0, 150.0, 1000.0])
        n_rows += assert_same(pixels(frame, dtype, gain), diameter, min_mass, invert=bool(random.random() < 0.2))
    assert n_rows > 10 * n_frames


@pytest.mark.parametrize("gain", [1, 2, 16])
def test_gain_is_that_of_the_other_engine(gain):
    frame = pixels(spots(120, 140, 15, 1.0, 90.0, 12.0, seed=12), np.uint8)
    expected = trackpy_engine.locate(frame, 9, 60.0, invert=False, gain=gain)
    found = locate(frame, 9, 60.0, invert=False, gain=gain)
    assert len(expected) >= 8
    np.testing.assert_array_equal(found[:, :N_EXACT], expected[:, :N_EXACT])
    np.testing.assert_allclose(found[:, N_EXACT], expected[:, N_EXACT], rtol=1e-9)


def test_memory_carries_nothing_from_frame_to_frame():
    series = [
        pixels(spots(90, 101, n, noise, 90.0, 12.0, seed=n), np.uint8) for n, noise in ((30, 3.0), (2, 0.0), (9, 1.0))
    ]
    series.insert(1, np.full((90, 101), 255, dtype=np.uint8))
    for diameter in (7, 15):
        kept = Locator(90, 101, np.dtype(np.uint8), diameter)
        for invert in (False, True):
            for frame in (*series, *series[::-1]):
                alone = locate(frame, diameter, 0.0, invert=invert)
                np.testing.assert_array_equal(kept.locate(frame, 0.0, invert=invert), alone)


def test_frame_stays_as_it_is_and_may_be_any_view():
    whole = pixels(spots(200, 220, 30, 1.0, 90.0, 12.0, seed=13), np.uint8)
    view = whole[5:180:2, 3:200]
    copy = np.ascontiguousarray(view)
    copy.flags.writeable = False
    before = whole.copy()
    for invert in (False, True):
        expected = locate(view.copy(), 9, 0.0, invert=invert)
        assert len(expected)
        np.testing.assert_array_equal(locate(view, 9, 0.0, invert=invert), expected)
        np.testing.assert_array_equal(locate(copy, 9, 0.0, invert=invert), expected)
    np.testing.assert_array_equal(whole, before)


@pytest.mark.parametrize("diameter", [1, 8, 33])
def test_other_diameters_are_refused(diameter):
    with pytest.raises(UsageError, match="odd number from 3 to 31"):
        locate(np.zeros((40, 40), dtype=np.uint8), diameter, 0.0, invert=False)


def test_other_pixels_are_refused():
    with pytest.raises(UsageError, match="float32"):
        Locator(40, 40, np.dtype(np.float32), 9)
    with pytest.raises(UsageError, match="does not fit"):
        Locator(40, 40, np.dtype(np.uint8), 9).locate(np.zeros((40, 41), dtype=np.uint8), 0.0, invert=False)


@pytest.mark.parametrize(
    ("dtype", "gain"), [(np.uint8, 1), (np.uint8, 2), (np.uint8, 256), (np.uint16, 1), (np.uint16, 4)]
)
@pytest.mark.parametrize("invert", [False, True])
def test_rare_kernels_are_those_of_other_frames_than_8_bits_with_a_gain(dtype, gain, invert, monkeypatch):
    used = []

    class Kinds(dict):
        def __getitem__(self, kind):
            used.append(kind)
            return super().__getitem__(kind)

    monkeypatch.setattr(fused_engine, "_KERNELS", Kinds(fused_engine._KERNELS))
    frame = pixels(spots(60, 70, 5, 1.0, 90.0, 12.0, seed=14), dtype)
    find = spot_finder("fused", frame.shape, frame.dtype, 9, invert=invert, gain=gain)
    find(frame, 5.0)
    of_raw_pixels = [kind for kind in used if kind[0] == "uint8" and kind[1] == "uint16"]
    assert needs_rare_kernels("fused", frame.dtype, invert=invert, gain=gain) == (not of_raw_pixels)
    assert not needs_rare_kernels("trackpy", frame.dtype, invert=invert, gain=gain)
