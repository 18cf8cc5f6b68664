"""Disc and fitted spots: against twins, against exact positions, against their own stated errors."""

from __future__ import annotations

import math

import naive
import numpy as np
import pytest

from nta import localisation, spot_equations, spot_fit
from nta.localisation import (
    crowding,
    fit_error_px,
    how_far_px,
    localisation_error_px,
    localise,
    merged_chance,
    soft_disc_centroids,
)
from nta.spot_equations import CENTROID_SHARE
from nta.spot_fit import WIDEST_SD, fit_spots
from nta.spot_pixels import LANES, Patches, patches_around

HEIGHT, WIDTH = 37, 61


def frame_of(spots, sd=2.0, shape=(HEIGHT, WIDTH)):
    """Gaussian spots (y, x, peak) on black, in a frame that is not square."""
    rows, columns = np.indices(shape)
    signal = np.zeros(shape)
    for y, x, peak in spots:
        signal += peak * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sd**2))
    return signal.astype(np.float32)


def around(signal, y, x, reach):
    """Patches of a frame that is light already, with NaN where pixels are saturated."""
    height, width = signal.shape
    raw = np.zeros(signal.shape, dtype=np.uint8)
    places = np.column_stack([y, x]).astype(float)
    found = patches_around(raw, -np.nan_to_num(signal), places, reach, is_dark=False, full_scale=255)
    unsaturated = patches_around(raw, -signal, places, reach, is_dark=False, full_scale=255).light
    return Patches(found.light, unsaturated, found.corners, (height, width))


def disc(signal, y, x, radius=6.0, n_recentres=6, max_shift=4.0):
    cut = around(signal, y, x, math.ceil(radius + max_shift) + 1)
    starts = np.column_stack([y, x]).astype(float)
    return soft_disc_centroids(cut.light, cut.corners, starts, radius, n_recentres, max_shift)


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
    slow = naive.soft_disc_centroids(signal, y + 0.4, x - 0.3, radius, n_recentres, 4.0)
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


SPOT = np.array([70.0, 17.3, 29.6, 5.0, 3.5, 1.1])
"""Peak, y, x, variance in y, in x, covariance: neither round nor along an axis."""


def light_of(spot, shape=(HEIGHT, WIDTH)):
    return naive.light_of(spot, shape)


def window_of(spot, reach, shape=(HEIGHT, WIDTH)):
    return naive.window_of(spot, reach, 50.0, shape)


def noisy(seed, clean, noise=2.0):
    return (clean + np.random.default_rng(seed).normal(0, noise, clean.shape)).astype(np.float32)


def fitted(signal, y, x, noise=2.0, sd=2.0, order=None):
    cut = around(signal, y, x, math.ceil(WIDEST_SD * sd + 4.0) + 1)
    starts = np.column_stack([y, x]).astype(float)
    order = np.arange(len(y)) if order is None else order
    downwards = np.argsort(starts[:, 0], kind="stable")
    return fit_spots(cut.unsaturated, cut.corners, starts, order, downwards, noise**2, sd, 4.0)


def localised(signal, detected, noise, sd, radius):
    cut = around(signal, detected[:, 0], detected[:, 1], how_far_px(sd, radius))
    return localise(cut, detected, noise, sd, radius)


def with_lanes(signal):
    """A patch that is the whole frame, as the inner kernels read it."""
    return np.pad(np.asarray(signal, float), ((0, 0), (0, LANES)), constant_values=np.nan)


@pytest.fixture
def inner(monkeypatch):
    """The two modules with their inner kernels as plain functions: compiled, only kernels can call them."""
    for module in (spot_equations, spot_fit):
        for name, function in vars(module).items():
            if hasattr(function, "py_func") and name != "fit_spots":
                monkeypatch.setattr(module, name, function.py_func)
    return spot_fit


def slopes(spot):
    """The derivative of the light by each parameter, by differences."""
    change = 1e-5
    steps = change * np.eye(6)
    return np.array([(light_of(spot + step) - light_of(spot - step)) / (2 * change) for step in steps])


def test_spot_is_taken_away_like_its_twin(inner):
    image = np.full((HEIGHT, WIDTH), 3.0)
    elsewhere = SPOT + np.array([0, 5, -7, 0, 0, 0])
    inner.take_away(image, elsewhere, -5, 7, 50.0)
    expected = 3.0 - light_of(SPOT) * window_of(SPOT, 4.0)
    np.testing.assert_allclose(image, expected, rtol=1e-9, atol=1e-9)


def test_a_step_equals_its_twin(inner):
    """Against J'WJ and J'Wr of numerical slopes; a neighbour, saturated pixels, noise of seed 21."""
    others = light_of(np.array([40.0, 22.0, 34.0, 4.0, 4.0, 0.0]))
    signal = noisy(21, 1.1 * light_of(SPOT) + others)
    saturated = np.random.default_rng(22).random(signal.shape) < 0.1
    matrix, step, squares, residuals = np.empty((6, 6)), np.empty(6), np.empty((5, 5)), np.empty((3, 3))
    light, columns, shape = with_lanes(signal - others), np.empty(10 * LANES), np.empty((3, 3))
    light[:, :WIDTH][saturated] = np.nan
    inner.moments(light, SPOT, 4.0, 2.5, 50.0, columns, squares, residuals)
    inner.normal_equations(SPOT, squares, residuals, 4.5, 0.7, shape, matrix, step)
    inner.solve(matrix, step)
    inner.step_of(SPOT, shape, step)
    own = light_of(SPOT)
    weight = window_of(SPOT, 2.5) * ~saturated / (4.0 + CENTROID_SHARE * SPOT[0] * own)
    jacobian = slopes(SPOT)
    prior = np.diag([0, 0, 0, 1, 1, 2]) / (0.7 * 4.5) ** 2
    normal = np.einsum("ihw,hw,jhw->ij", jacobian, weight, jacobian) + prior
    right = np.einsum("ihw,hw->i", jacobian, weight * (signal - others - own))
    right += prior @ (np.array([0, 0, 0, 4.5, 4.5, 0]) - SPOT)
    np.testing.assert_allclose(step, np.linalg.solve(normal, right), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sd", [1.0, 2.3, 4.0])
def test_fit_equals_its_twin(sd):
    """Alone, in pairs and in a row, at edges and corners, dim, wide, saturated, where there is no light; seed 28."""
    random = np.random.default_rng(28)
    shape = (70, 95)
    at = [(12, 14), (15, 20), (0.3, 40.2), (69, 94), (35, 0), (40, 47), (41, 52), (43, 58), (60, 70), (22, 80)]
    peaks = [90, 60, 80, 70, 50, 200, 100, 40, 4, 0]
    y, x = np.array(at, float).T + random.uniform(-0.5, 0.5, (2, len(at)))
    spots = [*zip(y, x, peaks, strict=True), (45.0, 20.0, 60.0)]
    signal = noisy(random, frame_of(spots, sd=sd, shape=shape))
    signal[signal > 120] = np.nan
    y, x = y + random.uniform(-0.6, 0.6, len(y)), x + random.uniform(-0.6, 0.6, len(x))
    order = np.argsort(-np.array(peaks), kind="stable")
    fast = fitted(signal, y, x, sd=sd, order=order)
    slow = naive.fit_spots(signal, y, x, order, 4.0, sd, 4.0)
    # Peaks in grey levels, places and variances in px and px²; what camera noise does to them in px².
    np.testing.assert_allclose(fast[:, :8], slow[:, :8], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(fast[:, 8:], slow[:, 8:], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("is_dark", [False, True])
@pytest.mark.parametrize("reach", [4, 25])
def test_patches_equal_their_twin(dtype, is_dark, reach):
    """Inside, at edges and corners, over pixels at both ends of the range; frames smaller than a patch; seed 29."""
    random = np.random.default_rng(29)
    frame = random.integers(0, 256, (HEIGHT, WIDTH)).astype(dtype)
    background = random.uniform(0, 255, (HEIGHT, WIDTH)).astype(np.float32)
    y, x = np.array([[0.0, 36.0, 18.4, 18.5, 36.0, 3.2], [0.0, 60.0, 30.6, 30.5, 0.0, 57.5]])
    found = patches_around(frame, background, np.column_stack([y, x]), reach, is_dark=is_dark, full_scale=250)
    for k, (light, unsaturated, corner) in enumerate(
        naive.patches_around(frame, background, y, x, reach, is_dark, 250)
    ):
        np.testing.assert_array_equal(found.light[k], light)
        np.testing.assert_array_equal(found.unsaturated[k], unsaturated)
        assert tuple(found.corners[k]) == corner
    assert found.frame_shape == (HEIGHT, WIDTH)


def test_patches_without_a_saturated_pixel_are_not_held_twice():
    frame = np.full((HEIGHT, WIDTH), 9, dtype=np.uint8)
    cut = patches_around(frame, frame.astype(np.float32), np.array([[5.0, 5.0]]), 4, is_dark=False, full_scale=255)
    assert cut.unsaturated is cut.light


@pytest.mark.parametrize("covariance", [-2.0, -0.7, 0.3, 1.1, 2.3])
def test_judgement_of_one_row_of_pixels_tells_of_one_axis_only(inner, covariance):
    # All others are saturated, and the two slopes of a tilted spot are in proportion along a row.
    spot = SPOT.copy()
    spot[1], spot[5] = np.rint(spot[1]), covariance
    light, verdict = with_lanes(noisy(24, light_of(spot))), np.empty(2)
    light[np.arange(HEIGHT) != spot[1]] = np.nan
    inner.judge(light, spot, 4.0, 50.0, np.empty(10 * LANES), verdict)
    assert verdict[0] == np.inf


def test_judgement_equals_its_twin(inner):
    signal = noisy(23, 1.1 * light_of(SPOT))
    verdict = np.empty(2)
    inner.judge(with_lanes(signal), SPOT, 4.0, 50.0, np.empty(10 * LANES), verdict)
    inside, light, jacobian = window_of(SPOT, 3.0), light_of(SPOT), slopes(SPOT)[1:3]
    weight = inside / (4.0 + CENTROID_SHARE * SPOT[0] * light)
    inverse = np.linalg.inv(np.einsum("ihw,hw,jhw->ij", jacobian, weight, jacobian))
    scatter = np.einsum("ihw,hw,jhw->ij", jacobian, 4.0 * weight**2, jacobian)
    unexplained = np.sum(((signal - light) ** 2 - 4.0)[inside])
    assert verdict[0] == pytest.approx(0.5 * np.trace(inverse @ scatter @ inverse), rel=1e-5)
    assert verdict[1] == pytest.approx(unexplained / np.sum(light[inside] ** 2), rel=1e-5)


@pytest.mark.parametrize("peak", [15.0, 60.0])
def test_noise_scatters_the_fit_by_the_error_that_it_states(peak):
    """N = 400 spots of 7.5 and 30 noise sd, seed 24, both axes; a dim one's free width costs up to 15 % in variance."""
    clean = frame_of([(18.2, 30.7, peak)])
    random = np.random.default_rng(24)
    fits = np.array([fitted(noisy(random, clean), [18.5], [30.3])[0] for _ in range(400)])
    squared = (fits[:, 1:3] - [18.2, 30.7]) ** 2
    ratio = squared.mean() / fits[:, 8].mean()
    standard_error = math.sqrt(1 / 400)
    assert 1 - 4 * standard_error < ratio < 1.15 + 4 * standard_error


def test_fit_of_a_wide_slanted_spot_finds_it_exactly():
    found = fitted(light_of(SPOT).astype(np.float32), [17.9], [29.1])[0]
    np.testing.assert_allclose(found[1:3], SPOT[1:3], atol=0.01)


def test_neighbours_are_fitted_together():
    """Two spots 3.5 sd apart: a disc is drawn to the neighbour by more than a pixel, the fit by less than 0.05."""
    signal = frame_of([(18.0, 27.0, 100.0), (18.0, 34.0, 60.0)])
    found = fitted(signal, [18.2, 17.8], [27.3, 33.6])
    np.testing.assert_allclose(found[:, 1:3], [[18.0, 27.0], [18.0, 34.0]], atol=0.05)
    assert disc(signal, [18.2], [27.3])[0, 1] > 28


def test_saturated_pixels_do_not_count():
    signal = frame_of([(18.0, 30.0, 100.0)])
    saturated = signal > 60
    signal[saturated] = np.nan
    found = fitted(signal, [18.3], [30.2])[0]
    np.testing.assert_allclose(found[1:3], [18.0, 30.0], atol=0.02)


def test_a_neighbour_that_was_not_detected_draws_the_position_less_than_the_disc():
    """A crowded frame of 100 noise sd, seed 26: 24 detected pairs, the dimmer one 3 to 4 sd away and not detected."""
    random = np.random.default_rng(26)
    places = np.array([(y, x) for y in range(25, 240, 40) for x in range(25, 180, 40)], float)
    angle, away = random.uniform(0, 2 * math.pi, len(places)), random.uniform(6, 8, len(places))
    hidden = places + away[:, None] * np.column_stack([np.sin(angle), np.cos(angle)])
    spots = [(y, x, 100.0) for y, x in places] + [(y, x, 50.0) for y, x in hidden]
    signal = noisy(random, frame_of(spots, shape=(260, 190)), 1.0)
    y, x = (places + random.normal(0, 0.1, places.shape)).T.copy()
    detected = np.column_stack([y, x, np.full(len(places), 100.0)])
    found = localised(signal, detected, 1.0, 2.0, 7.0)
    plain = disc(signal, y, x, radius=7.0)
    error, disc_error = (np.hypot(*(at[:, :2] - places).T) for at in (found, plain))
    assert np.sqrt(np.mean(error**2)) < 0.5 * np.sqrt(np.mean(disc_error**2))
    assert np.mean(error**2 / 2 / found[:, 2] ** 2) < 4


def test_positions_of_a_frame_are_the_same_each_time_and_far_spots_do_not_matter():
    signal = noisy(27, frame_of([(10, 10, 80.0), (26, 50, 60.0)]))
    both = fitted(signal, [10.2, 25.8], [9.9, 50.3])
    np.testing.assert_array_equal(both, fitted(signal, [10.2, 25.8], [9.9, 50.3]))
    np.testing.assert_array_equal(both[1], fitted(signal, [25.8], [50.3])[0])


def test_where_no_fit_holds_the_discs_position_stays():
    signal = frame_of([(18, 30, 1.0)])
    found = localised(signal, np.array([[18.4, 29.7, 5.0]]), 2.0, 2.0, 6.0)[0]
    plain = disc(signal, [18.4], [29.7])[0]
    np.testing.assert_array_equal(found[[0, 1, 3]], plain[:3])
    assert 0 < found[2] <= 6.0


def test_all_saturated_gives_a_finite_position_and_the_largest_error():
    signal = frame_of([])
    found = localised(np.full_like(signal, np.nan), np.array([[18.4, 29.7, 5.0]]), 2.0, 2.0, 6.0)[0]
    assert list(found[:2]) == [18.4, 29.7]
    assert found[2] == 6.0


def test_localise_without_a_spot_gives_an_empty_table():
    signal = frame_of([])
    assert localised(signal, np.empty((0, 3)), 2.0, 2.0, 6.0).shape == (0, 4)


def test_chance_and_error_equal_their_twin():
    fits = np.array([[50.0, 10, 10, 9.0, 6.0, 1.0, 9.8, 10.1, 0.01, 0.02], [9.0, 5, 5, 3.0, 4.0, 0.0, 5, 5, 0.1, 0.0]])
    crowd = crowding(50, (480, 640), 2.0)
    assert crowd == pytest.approx(50 * math.pi * 64 / 307200)
    chance = merged_chance(fits, 1.0, 2.0, crowd)
    apart = np.array([0.3, 0.8])
    sigmas = fit_error_px(fits, chance, apart, 2.0, crowd)
    always, crowded = localisation.DISAGREEMENT_SHARES
    for row, share, distance, sigma in zip(fits, chance, apart, sigmas, strict=True):
        minor, major = np.linalg.eigvalsh([[row[3], row[5]], [row[5], row[4]]])
        odds = math.exp(localisation.MERGED_POWERS[0])
        causes = (minor / 4, row[0], (minor + major) / 8, crowd, row[9] + 3e-4)
        for cause, power in zip(causes, localisation.MERGED_POWERS[1:], strict=True):
            odds *= cause**power
        assert share == pytest.approx(odds / (1 + odds), rel=1e-9)
        between = (row[6] - row[1]) ** 2 + (row[7] - row[2]) ** 2
        variance = localisation.NOISE_VARIANCE_FACTOR * row[8] + localisation.UNEXPLAINED_SHARE_PX2 * row[9]
        variance += localisation.MERGED_SHARE * share * 4 + share * (1 - share) * between / 2
        variance += (always + crowded * crowd) * distance**2 / 2
        assert sigma == pytest.approx(math.sqrt(variance), rel=1e-9)
