"""Links that one particle cannot have made are cut; those that it made are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nta.tracking.cuts import MAX_LOG_MASS_RATIO, STEP_PROBABILITY, cut_links


def walkers(n: int, length: int, seed: int, step: float = 2.0, log_mass_sd: float = 0.15) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    xy = np.cumsum(random.normal(0, step, (n, length, 2)), axis=1)
    mass = 100 * np.exp(random.normal(0, log_mass_sd, (n, length)))
    return pd.DataFrame(
        {
            "particle": np.repeat(np.arange(n), length),
            "frame": np.tile(np.arange(length), n),
            "x_refined": xy[..., 0].ravel(),
            "y_refined": xy[..., 1].ravel(),
            "mass": mass.ravel(),
        }
    )


def still(n_frames: int) -> np.ndarray:
    return np.zeros((n_frames, 2))


def test_a_jump_to_a_neighbour_is_cut_where_it_is():
    table = walkers(10, 30, seed=1)
    later = (table["particle"] == 4) & (table["frame"] >= 17)
    table.loc[later, "x_refined"] += 25.0
    cut, ledger = cut_links(table, still(30))
    assert cut["particle"].nunique() == 11
    assert ledger == {"links_cut_brightness": 0, "links_cut_distance": 1}
    lengths = cut.groupby("particle").size()
    assert list(lengths[4:6]) == [17, 13]
    # Nothing but the number of the track has changed.
    pd.testing.assert_frame_equal(cut.drop(columns="particle"), table.drop(columns="particle"))


def test_a_change_of_brightness_is_cut_where_it_is():
    table = walkers(10, 30, seed=2)
    table.loc[(table["particle"] == 7) & (table["frame"] >= 5), "mass"] *= np.exp(2.0)
    cut, ledger = cut_links(table, still(30))
    assert ledger == {"links_cut_brightness": 1, "links_cut_distance": 0}
    assert list(cut.groupby("particle").size()[7:9]) == [5, 25]


def test_two_particles_taken_for_one_are_told_apart_by_their_brightness_or_distance():
    # Every other track goes on as another one 20 px away, half of them three times as bright; N = 100
    table = walkers(100, 20, seed=3)
    swapped = (table["particle"] % 2 == 0) & (table["frame"] >= 10)
    table.loc[swapped, "y_refined"] -= 20.0
    table.loc[swapped & (table["particle"] % 4 == 0), "mass"] *= 3.0
    cut, _ = cut_links(table, still(20))
    first = cut[cut["frame"] == 9].set_index(table.loc[cut["frame"] == 9, "particle"])["particle"]
    after = cut[cut["frame"] == 10].set_index(table.loc[cut["frame"] == 10, "particle"])["particle"]
    parted = (first != after)[::2]
    assert parted.mean() > 0.95


@pytest.mark.parametrize("length", [3, 5, 10, 40])
def test_true_links_are_left_alone(length):
    # The probability per step is 1e-4, looked at twice; N = 20000 steps
    n = 20_000 // (length - 1)
    cut, ledger = cut_links(walkers(n, length, seed=length), still(length))
    assert ledger["links_cut_brightness"] <= 3
    steps = n * (length - 1) if length > 3 else 0
    expected = STEP_PROBABILITY * steps
    assert ledger["links_cut_distance"] <= 2 * expected + 4 * np.sqrt(2 * expected)
    assert cut["particle"].nunique() == n + sum(ledger.values())


def test_the_flow_is_no_jump():
    table = walkers(40, 20, seed=6)
    drift = np.cumsum(np.outer(np.where(np.arange(20) == 9, 30.0, 0.0), (1.0, -1.0)), axis=0)
    table["x_refined"] += drift[table["frame"], 0]
    table["y_refined"] += drift[table["frame"], 1]
    _, ledger = cut_links(table, drift)
    assert ledger["links_cut_distance"] <= 1
    _, ledger = cut_links(table, np.zeros_like(drift))
    assert ledger["links_cut_distance"] > 20


def test_a_missed_frame_lets_a_step_be_longer():
    table = walkers(300, 30, seed=7)
    gapped = table[~((table["frame"] > 10) & (table["frame"] < 16))].reset_index(drop=True)
    _, ledger = cut_links(gapped, still(30))
    assert ledger["links_cut_distance"] <= 6


def test_a_short_track_cannot_judge_its_steps():
    table = walkers(50, 3, seed=8)
    table.loc[table["frame"] == 2, "x_refined"] += 50
    _, ledger = cut_links(table, still(3))
    assert ledger["links_cut_distance"] == 0


def test_the_limit_of_brightness_is_the_published_one():
    table = walkers(2, 2, seed=9, log_mass_sd=0.0)
    for factor, cuts in ((0.99, 0), (1.01, 1)):
        one = table.assign(mass=np.where((table.particle == 0) & (table.frame == 1), np.exp(0.9 * factor), 1.0))
        assert cut_links(one, still(2))[1]["links_cut_brightness"] == cuts
    assert MAX_LOG_MASS_RATIO == 0.9


def test_nothing_to_cut():
    cut, ledger = cut_links(walkers(1, 1, seed=0), still(1))
    assert len(cut) == 1
    assert sum(ledger.values()) == 0
