"""Blocks of the bootstrap: squares of the liquid, in the frame that moves with the flow."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from tracks_simulated import acquisition, made_diffusion

from nta.resampling import MIN_BLOCKS, N_CELLS, block_weights, liquid_blocks
from nta.tracking import LinkedCapture

N_FRAMES = 500


def diffusion_at(places, first_frames, drift_px=(0.0, 0.0), captures=1):
    """Tracks of 12 positions whose middle is at these places (px)."""
    random = np.random.default_rng(7)
    n_tracks = len(places)
    drift = np.arange(N_FRAMES)[:, None] * np.asarray(drift_px)
    linked = tuple(LinkedCapture(acquisition(), drift, field_px=(0.0, 0.0, 640.0, 480.0)) for _ in range(captures))
    diffusion = made_diffusion(random, np.full(n_tracks, 100.0), 12, captures=linked)
    x, y = np.asarray(places, dtype=float).T
    return replace(diffusion, table=diffusion.table.assign(x=x, y=y, first_frame=first_frames))


def scattered(n_tracks=400, seed=3):
    random = np.random.default_rng(seed)
    return random.uniform((0, 0), (640, 480), (n_tracks, 2)), random.integers(0, N_FRAMES - 20, n_tracks)


def test_a_still_field_has_its_squares():
    places, frames = scattered()
    blocks = liquid_blocks(diffusion_at(places, frames))
    side = math.sqrt(640 * 480 / N_CELLS)
    assert N_CELLS <= len(np.unique(blocks)) <= math.ceil(640 / side) * math.ceil(480 / side)
    for block in np.unique(blocks):
        assert np.all(np.ptp(places[blocks == block], axis=0) <= side)


def test_a_particle_that_the_flow_carried_on_is_in_its_block():
    """2 px per frame along x: at frame 100 the liquid of x = 10 px is at 210 px."""
    places, frames = scattered()
    middle = 6
    places[0], frames[0] = (10.0, 100.0), 0
    places[1], frames[1] = (10.0 + 2.0 * 100, 100.0), 100
    places[2], frames[2] = (10.0, 100.0), 100 + middle
    blocks = liquid_blocks(diffusion_at(places, frames, drift_px=(2.0, 0.0)))
    assert blocks[0] == blocks[1]
    assert blocks[0] != blocks[2]


def test_captures_share_no_block():
    places, frames = scattered()
    diffusion = diffusion_at(places, frames, captures=2)
    blocks = liquid_blocks(diffusion)
    first = (diffusion.table["capture"] == 0).to_numpy()
    assert not set(blocks[first]) & set(blocks[~first])


def test_tracks_in_one_place_are_drawn_one_by_one():
    places = np.full((40, 2), 100.0)
    blocks = liquid_blocks(diffusion_at(places, np.zeros(40, dtype=int)))
    assert len(np.unique(blocks)) == 40 > MIN_BLOCKS


def test_weights_are_spread_for_the_number_of_blocks_and_shared_within_one():
    """N = 400 draws of 12 equal blocks, seed 5: mean and variance within 4 standard errors of what is due.

    By hand: t of 11 degrees at 0.975 is 2.201; 12/11 (2.201/1.96)² = 1.3757.
    """
    blocks = np.repeat(np.arange(12), 3)
    drawn = np.array(list(block_weights(blocks, np.full(36, 20.0), 400, seed=5)))
    assert np.all(drawn[:, 0::3] == drawn[:, 1::3])
    numbers = drawn[:, 0::3].ravel()
    assert abs(numbers.mean() - 1.0) < 4.0 * math.sqrt(1.3757 / numbers.size)
    squares = (numbers - numbers.mean()) ** 2
    assert abs(squares.mean() - 1.3757) < 4.0 * squares.std() / math.sqrt(numbers.size)


def test_many_blocks_are_poisson():
    """N = 4 draws of 20,000 blocks, seed 6: variance 1 within 4 standard errors, sqrt(3/n) each."""
    blocks = np.arange(20_000)
    drawn = np.array(list(block_weights(blocks, np.full(20_000, 20.0), 4, seed=6)))
    assert abs(drawn.var() - 1.0) < 4.0 * math.sqrt(3.0 / drawn.size)


def test_intervals_of_a_mean_of_few_blocks_cover():
    """A mean of 12 normal numbers, N = 1000 sets of 400 draws, seed 7: 95 % percentile intervals hold 0 in 95 %.

    Four standard errors of that share are 2.8 %; Poisson numbers alone hold it in 90 %.
    """
    random = np.random.default_rng(7)
    blocks, held = np.arange(12), 0
    drawn = np.array(list(block_weights(blocks, np.ones(12), 400, seed=7)), dtype=float)
    usable = drawn[drawn.sum(axis=1) > 0]
    for _ in range(1000):
        means = usable @ random.standard_normal(12) / usable.sum(axis=1)
        low, high = np.quantile(means, (0.025, 0.975))
        held += low <= 0.0 <= high
    assert abs(held / 1000 - 0.95) < 4.0 * math.sqrt(0.95 * 0.05 / 1000)


def test_same_seed_same_weights():
    blocks = np.arange(30)
    one, two, other = (np.array(list(block_weights(blocks, np.ones(30), 5, seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert np.any(one != other)
