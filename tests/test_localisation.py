"""The soft disc: against its twin, against exact positions, against its own stated error."""

from __future__ import annotations

import math

import naive
import numpy as np
import pytest

from nta import localisation
from nta.localisation import localisation_error_px, soft_disc_centroids

HEIGHT, WIDTH = 37, 61


def frame_of(spots, sd=2.0, shape=(HEIGHT, WIDTH)):
    """Gaussian spots (y, x, peak) on black, in a frame that is not square."""
    rows, columns = np.indices(shape)
    signal = np.zeros(shape)
    for y, x, peak in spots:
        signal += peak * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sd**2))
    return signal.astype(np.float32)


def disc(signal, y, x, radius=6.0, n_recentres=6, max_shift=4.0, kernel=soft_disc_centroids):
    return kernel(signal, np.asarray(y, float), np.asarray(x, float), radius, n_recentres, max_shift)


@pytest.mark.parametrize("radius", [2.5, 6.0, 7.14])
@pytest.mark.parametrize("n_recentres", [1, 6])
def test_soft_disc_equals_its_twin(radius, n_recentres):
    """Spots inside, at edges, dim, dark (negative light), beside a bright neighbour; noise of seed 11."""
    random = np.random.default_rng(11)
    y = np.array([10.3, 0.2, 35.9, 20.0, 20.0, 5.0, 30.0])
    x = np.array([12.8, 30.1, 60.4, 0.0, 55.2, 50.0, 33.3])
    spots = [*zip(y, x, [80.0, 60.0, 60.0, 40.0, 3.0, -50.0, 20.0], strict=True), (33.0, 28.0, 200.0)]
    signal = (frame_of(spots) + random.normal(0, 2, (HEIGHT, WIDTH))).astype(np.float32)
    fast = disc(signal, y + 0.4, x - 0.3, radius, n_recentres)
    slow = disc(signal, y + 0.4, x - 0.3, radius, n_recentres, kernel=naive.soft_disc_centroids)
    np.testing.assert_allclose(fast, slow, rtol=1e-10, atol=1e-10)


def test_centroid_finds_exact_positions_from_a_detector_that_was_off():
    """N = 12 noiseless spots of sd 2 px at random subpixel positions, seed 12: within 0.005 px."""
    random = np.random.default_rng(12)
    for _ in range(12):
        y, x = random.uniform(12, HEIGHT - 12), random.uniform(12, WIDTH - 12)
        found = disc(frame_of([(y, x, 100.0)]), [y + 0.6], [x - 0.7])[0]
        assert abs(found[0] - y) < 0.005
        assert abs(found[1] - x) < 0.005
        # 2 pi sd² peak = 2513 grey levels; a disc of 3 sd holds 1 - exp(-4.5) = 98.9 % of it.
        assert found[2] == pytest.approx(2 * math.pi * 4 * 100, rel=0.02)


def test_rows_and_columns_are_not_confused():
    found = disc(frame_of([(9.0, 50.0, 100.0)]), [9.3], [49.8])[0]
    assert found[:2] == pytest.approx([9.0, 50.0], abs=0.005)


@pytest.mark.parametrize("radius", [4.0, 6.0, 8.0])
def test_noise_scatters_the_centroid_by_the_error_that_it_states(radius):
    """N = 600 spots of sd 2 px and peak 100, noise 3 grey levels, seed 13; both axes give 1200 numbers."""
    n_spots, noise = 600, 3.0
    random = np.random.default_rng(13)
    clean = frame_of([(18.2, 30.7, 100.0)])
    found = np.array(
        [
            disc((clean + random.normal(0, noise, clean.shape)).astype(np.float32), [18.2], [30.7], radius)[0]
            for _ in range(n_spots)
        ]
    )
    error = found[:, :2] - [18.2, 30.7]
    stated = disc(clean, [18.2], [30.7], radius)[0, 3] * noise
    # The mean of 2 N squared normal numbers has a relative standard error of sqrt(2/(2 N)).
    assert abs(np.mean(error**2) / stated**2 - 1) / math.sqrt(1 / n_spots) < 4


def test_stated_error_falls_with_light():
    bright, dim = (disc(frame_of([(18, 30, peak)]), [18.0], [30.0])[0, 3] for peak in (200.0, 20.0))
    assert dim == pytest.approx(10 * bright, rel=1e-5)


def test_where_there_is_no_light_the_detectors_position_stays_and_the_error_is_infinite():
    dark = disc(frame_of([(18, 30, -40.0)]), [17.6], [30.2])[0]
    assert list(dark[:2]) == [17.6, 30.2]
    assert dark[2] < 0
    assert math.isinf(dark[3])


def test_a_centroid_that_ran_to_a_neighbour_is_given_up():
    signal = frame_of([(18, 38, 3000.0), (18, 30, 5.0)])
    free = disc(signal, [18.0], [30.0], max_shift=100.0)[0]
    assert free[1] > 36
    held = disc(signal, [18.0], [30.0], max_shift=4.0)[0]
    assert list(held[:2]) == [18.0, 30.0]


def test_a_spot_does_not_depend_on_those_before_it():
    signal = frame_of([(18, 30, 100.0), (10, 10, -30.0)])
    together = disc(signal, [10.0, 18.0], [10.0, 30.2])
    np.testing.assert_array_equal(together[1], disc(signal, [18.0], [30.2])[0])


def test_no_spot_gives_an_empty_table():
    assert disc(frame_of([]), [], []).shape == (0, 4)


def test_error_to_reckon_with_equals_its_twin():
    noise, apart = np.array([0.0, 0.1, 0.3, 1.0]), np.array([0.0, 0.2, 0.0, 2.0])
    found = localisation_error_px(noise, apart)
    constants = (localisation.NOISE_FACTOR, localisation.DISAGREEMENT_SHARE, localisation.ERROR_FLOOR_PX)
    np.testing.assert_allclose(found, naive.localisation_error_px(noise, apart, *constants), rtol=1e-12)
    assert found[0] > 0
    assert np.all(found >= noise)
