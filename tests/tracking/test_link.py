"""Who is who: the partition is trackpy's in the moving frame, whatever the flow."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import trackpy

from nta.errors import RejectedError
from nta.settings import Acquisition, Settings
from nta.tracking import Tracks, link, search_range, values_of_linking
from nta.tracking.trackpy_engine import link_positions


def pairs(table: pd.DataFrame, column: str = "particle") -> set[tuple[int, int]]:
    """Return the links as pairs of row numbers."""
    ordered = table.sort_values([column, "frame"])
    rows = ordered["row"].to_numpy()
    same = ordered[column].to_numpy()[1:] == ordered[column].to_numpy()[:-1]
    return set(zip(rows[:-1][same].tolist(), rows[1:][same].tolist(), strict=True))


def linked_by_trackpy(positions: pd.DataFrame, reach: float) -> pd.DataFrame:
    """Return trackpy's own answer; it uses keywords that pandas is about to drop."""
    trackpy.quiet()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return trackpy.link(positions, reach)


def with_rows(tracks: Tracks, table: pd.DataFrame) -> pd.DataFrame:
    """Return the tracks with the row number that each position had in ``table``."""
    known = table[["frame", "x", "y"]].assign(row=np.arange(len(table)))
    return tracks.table.merge(known, on=["frame", "x", "y"], validate="one_to_one")


@pytest.mark.parametrize("flow", [(0.0, 0.0), (10.0, 0.0), (0.0, -6.0), (-17.0, 8.0)])
def test_links_in_the_moving_frame_are_those_of_trackpy_without_flow(swarm, spotted, flow):
    table = swarm(n=40, n_frames=50, flow_px=flow, step_px=2.0, seed=1)
    tracks = link(spotted(table, 50), Settings(search_range_px=8.0))
    still = table.assign(x=table["x_free"], y=table["y_free"])
    theirs = linked_by_trackpy(still, 8.0).assign(row=table.index)
    ours = with_rows(tracks, table)
    assert len(ours) == len(table)
    links, reference = pairs(ours), pairs(theirs)
    n_cut = sum(tracks.ledger.values())
    # The flow is known to a few hundredths of a pixel: a step that ends at the rim of the range may fall either way.
    assert len(links - reference) <= 2
    assert len(reference - links) <= n_cut + 2
    assert n_cut <= 0.005 * len(reference)
    true = pairs(table.assign(row=table.index), "truth")
    assert len(links & true) > 0.97 * len(links)


def test_two_passes_end_where_they_are(swarm, spotted):
    detections = spotted(swarm(flow_px=(5.0, 1.0), seed=2))
    one, two = link(detections), link(detections)
    pd.testing.assert_frame_equal(one.table, two.table)
    assert list(one.table.columns) == list(Tracks.COLUMNS)
    assert {name: str(dtype) for name, dtype in one.table.dtypes.items()} == Tracks.COLUMNS
    keys = one.table[["capture", "particle", "frame"]]
    pd.testing.assert_frame_equal(keys, keys.sort_values(["capture", "particle", "frame"]).reset_index(drop=True))


def test_tracks_are_numbered_by_first_appearance_in_every_run(swarm):
    # trackpy's own numbers follow memory addresses: each run gives others
    table = swarm(n=60, n_frames=20, seed=10)
    shuffled = table.sample(frac=1.0, random_state=1)
    first = link_positions(table[["frame", "x", "y"]], 10.0, 0)
    firsts = first.groupby(first).apply(lambda track: track.index.min())
    assert list(firsts.index) == list(range(len(firsts)))
    assert (table.loc[firsts, "frame"].diff().dropna() >= 0).all()
    keep = []
    for _ in range(3):
        keep.append([object() for _ in range(1000)])
        pd.testing.assert_series_equal(link_positions(table[["frame", "x", "y"]], 10.0, 0), first)
    again = link_positions(shuffled[["frame", "x", "y"]], 10.0, 0).reindex(table.index)
    pairs_of = [set(map(tuple, np.column_stack([first, again]).tolist()))]
    assert len(pairs_of[0]) == first.nunique() == again.nunique()


def test_range_by_hand():
    # D = kT/(3 pi eta d) = 1.380649e-23 * 298.15 / (3 pi * 0.89e-3 * 30e-9) = 1.6358e-11 m²/s;
    # sqrt(2 D/25) = 1.1440 µm = 6.8915 px of 0.166 µm; 3.7 of them are 25.50 px, and 1 px of margin
    acquisition = Acquisition(0.166, 25.0, 15.0, 25.0, 0.89, 10.0)
    assert search_range(acquisition, 30.0) == pytest.approx(25.50 + 1.0, abs=0.01)
    # P(miss) = exp(-3.7²/2) = 0.1 %: of a million steps of this particle 1065 are longer
    random = np.random.default_rng(3)
    steps = np.hypot(*random.normal(0, 6.8915, (2, 1_000_000)))
    missed = (steps > search_range(acquisition, 30.0) - 1.0).sum()
    assert abs(missed - 1e6 * np.exp(-(3.7**2) / 2)) < 4 * np.sqrt(1065)


def test_range_follows_the_smallest_size_wanted(swarm, spotted):
    detections = spotted(swarm())
    expected = {None: 40.0, (100.0, None): 100.0, (200.0, 800.0): 200.0}
    for size_range, smallest in expected.items():
        tracks = link(detections, Settings(size_range_nm=size_range))
        assert tracks.captures[0].search_range_px == pytest.approx(search_range(detections.acquisition, smallest))
    tracks = link(detections, smallest_nm=60.0)
    assert tracks.captures[0].search_range_px == pytest.approx(search_range(detections.acquisition, 60.0))
    # never below the radius of a spot
    assert link(detections, smallest_nm=1e6).captures[0].search_range_px == detections.diameter_px / 2


def test_a_stated_range_is_used(swarm, spotted):
    detections = spotted(swarm(step_px=3.0, seed=4))
    narrow, wide = (link(detections, Settings(search_range_px=reach)) for reach in (3.0, 12.0))
    assert narrow.captures[0].search_range_px == 3.0
    assert narrow.n_tracks > 5 * wide.n_tracks
    steps = narrow.table.groupby("particle")[["x", "y"]].diff().dropna().to_numpy()
    steps -= np.diff(narrow.captures[0].drift_px, axis=0).mean(axis=0)
    assert np.hypot(*steps.T).max() < 3.6
    values = values_of_linking(narrow, Settings().updated("command_line", {"search_range_px": 3.0, "memory": 2}))
    assert values == {"search_range_px": (3.0, "command_line"), "memory": (2, "command_line")}
    assert values_of_linking(wide, Settings())["memory"] == (0, "assumed")
    assert values_of_linking(wide, Settings())["search_range_px"].origin == "video"


def test_memory_bridges_missed_frames(swarm, spotted):
    table = swarm(n=12, n_frames=60, step_px=1.0, missed=0.1, seed=5)
    tracks = {memory: link(spotted(table), Settings(search_range_px=8.0, memory=memory)) for memory in (0, 1, 3)}
    gaps = {memory: int(linked.table.groupby("particle")["frame"].diff().max()) for memory, linked in tracks.items()}
    assert gaps[0] == 1
    assert gaps[1] == 2
    assert 2 <= gaps[3] <= 4
    assert tracks[3].n_tracks < tracks[1].n_tracks < tracks[0].n_tracks
    assert tracks[0].n_tracks - tracks[1].n_tracks > 30


def test_a_group_too_large_for_the_full_range_is_linked_within_a_smaller_one():
    # 60 particles on a lattice of 4 px that stay where they are: every one is within 30 px of most others
    x, y = np.meshgrid(np.arange(8) * 4.0, np.arange(8) * 4.0)
    frame = np.repeat(np.arange(3), x.size)
    random = np.random.default_rng(6)
    jitter = random.normal(0, 0.05, (3 * x.size, 2))
    positions = pd.DataFrame(
        {"frame": frame, "x": np.tile(x.ravel(), 3) + jitter[:, 0], "y": np.tile(y.ravel(), 3) + jitter[:, 1]}
    )
    with pytest.raises(trackpy.SubnetOversizeException):
        linked_by_trackpy(positions, 15.0)
    numbers = link_positions(positions, 15.0, 0).to_numpy().reshape(3, -1)
    assert (numbers == numbers[0]).all()


def test_a_field_too_dense_to_follow_is_refused_in_bounded_time(spotted):
    random = np.random.default_rng(7)
    n = 1500
    table = pd.DataFrame(
        {
            "frame": np.repeat(np.arange(4), n),
            "x": random.uniform(5, 315, 4 * n),
            "y": random.uniform(5, 235, 4 * n),
        }
    )
    with pytest.raises(RejectedError, match=r"^1500 particles per frame .*dilute") as caught:
        link(spotted(table, 4), Settings(search_range_px=40.0))
    assert caught.value.code == "too_dense"
    assert "\n" not in str(caught.value)


def test_progress_is_told(swarm, spotted):
    calls: list[tuple[str, int, int | None]] = []
    link(spotted(swarm()), progress=lambda *call: calls.append(call))
    assert calls == [("link", 1, 2), ("link", 2, 2)]
