"""How deep in the sheet a size is seen, from the light of its tracks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tracks_simulated import made_diffusion

from nta.visibility import relative_depth

DIAMETERS = np.array([60.0, 100.0, 160.0])


def depth_of(light, sizes, threshold, seed=31):
    diffusion = made_diffusion(np.random.default_rng(seed), sizes, 10, light=light, threshold=threshold)
    return relative_depth(diffusion, np.log(sizes), DIAMETERS)


def sizes_of(n_tracks, seed=31):
    return np.random.default_rng(seed).lognormal(math.log(100), 0.3, n_tracks)


def test_light_that_is_a_power_of_the_size_gives_the_formula():
    sizes = sizes_of(300)
    depth = depth_of(5.0 * (sizes / 100) ** 3, sizes, 0.5)
    # m0/threshold is 10 at 100 nm: depth = sqrt(ln 10 + 3 ln(d/100)).
    expected = np.sqrt(math.log(10) + 3 * np.log(DIAMETERS / 100))
    assert depth / depth[1] == pytest.approx(expected / expected[1], rel=0.02)


@pytest.mark.parametrize("exponent", [0.0, 2.0, 4.0])
def test_ratio_of_depths_in_a_gaussian_sheet(exponent):
    """N = 4000 particles anywhere in a Gaussian sheet, seed 31, seen where their light exceeds the threshold."""
    random, threshold = np.random.default_rng(31), 1.0
    sizes = sizes_of(20_000)
    centre_light = 20.0 * (sizes / 100) ** exponent
    light = centre_light * np.exp(-(random.uniform(-4, 4, len(sizes)) ** 2))
    seen = np.flatnonzero(light > threshold)[:4000]
    assert len(seen) == 4000
    depth = depth_of(light[seen], sizes[seen], threshold)
    # h = 2 sqrt(ln(m0/threshold)) in units of the sheet's 1/e half-width.
    true = np.sqrt(math.log(20) + exponent * np.log(DIAMETERS / 100))
    assert depth / depth[1] == pytest.approx(true / true[1], rel=0.05)


@pytest.mark.parametrize("exponent", [-3.0, 12.0])
def test_light_that_no_particle_scatters_is_not_believed(exponent):
    """Falling with size or rising faster than Rayleigh's sixth power: noise, not physics."""
    sizes = sizes_of(300)
    depth = depth_of(100.0 * (sizes / 100) ** exponent, sizes, 1.0)
    assert np.all(np.diff(depth) >= -1e-9)
    steepest = np.sqrt(np.maximum(math.log(100) + 6 * np.log(DIAMETERS / 100), 0.1))
    assert depth[2] / depth[0] <= steepest[2] / steepest[0] * 1.2


def test_tracks_without_light_are_all_seen_alike():
    sizes = sizes_of(300)
    assert list(depth_of(None, sizes, math.nan)) == [1.0, 1.0, 1.0]
    assert list(depth_of(np.full(300, 10.0), sizes, math.nan)) == [1.0, 1.0, 1.0]


def test_a_handful_of_tracks_says_nothing_about_light():
    sizes = sizes_of(12)
    assert list(depth_of(5.0 * (sizes / 100) ** 3, sizes, 0.5)) == [1.0, 1.0, 1.0]


def test_light_at_the_threshold_still_gives_a_positive_depth():
    sizes = sizes_of(300)
    depth = depth_of(np.full(300, 1.0), sizes, 5.0)
    assert np.all(depth > 0)
    assert np.all(np.isfinite(depth))
