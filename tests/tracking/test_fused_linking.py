"""The fused linker: the partition is that of ``trackpy.link``, and that of a slow, obvious twin."""

from __future__ import annotations

import itertools
import warnings

import naive_linking
import numba
import numpy as np
import pandas as pd
import pytest
import tifffile
import trackpy

from nta.detection.fused_engine import Locator
from nta.errors import RejectedError, UsageError
from nta.settings import Settings
from nta.tracking import fused_groups as groups
from nta.tracking import link, trackpy_engine
from nta.tracking.fused_engine import link_positions

REACH = 5.0


def make_world(seed, n, n_frames, crowding, *, missed=0.1, empty=0.0, step=1.5):
    """Brownian particles, some of which jump or are missed; ``crowding`` others lie within the range of each."""
    random = np.random.default_rng(seed)
    size = np.sqrt(n * np.pi * REACH**2 / crowding)
    place = random.uniform(0, size, (n, 2))
    frame, parts = 3, []
    for _ in range(n_frames):
        place = place + random.normal(0, step, place.shape)
        jumped = random.random(n) < 0.02
        place[jumped] = random.uniform(0, size, (jumped.sum(), 2))
        seen = place[random.random(n) >= missed]
        frame += 1 + int(random.integers(1, 5) if random.random() < empty else 0)
        parts.append(pd.DataFrame({"frame": frame, "x": seen[:, 0], "y": seen[:, 1]}))
    return pd.concat(parts, ignore_index=True)


def make_still(points, n_frames=3, jitter=0.0, seed=0):
    """Points that stay where they are but for a jitter."""
    random = np.random.default_rng(seed)
    frames = np.concatenate([points + random.normal(0, jitter, points.shape) for _ in range(n_frames)])
    return pd.DataFrame({"frame": np.repeat(np.arange(n_frames), len(points)), "x": frames[:, 0], "y": frames[:, 1]})


def plain_trackpy(table, reach, memory):
    """The partition of ``trackpy.link`` with its defaults, numbered by first appearance."""
    trackpy.quiet()
    with warnings.catch_warnings():
        # trackpy uses keywords that pandas is about to drop.
        warnings.simplefilter("ignore", DeprecationWarning)
        theirs = trackpy.link(table.reset_index(drop=True), reach, memory=memory)["particle"].sort_index()
    order = np.argsort(table["frame"].to_numpy(), kind="stable")
    numbers = np.empty(len(table), dtype=np.int64)
    numbers[order] = pd.factorize(theirs.to_numpy()[order])[0]
    return numbers


def outcome(engine, table, reach, memory):
    """The numbers, or the code and the text of the refusal."""
    try:
        return engine(table, reach, memory).tolist()
    except RejectedError as error:
        return f"{error.code}: {error}"


@pytest.mark.parametrize("memory", range(4))
@pytest.mark.parametrize(("n", "n_frames", "crowding"), [(10, 80, 0.3), (100, 20, 0.6), (1000, 6, 0.4)])
def test_partition_is_that_of_trackpy(n, n_frames, crowding, memory):
    table = make_world(n + memory, n, n_frames, crowding)
    ours = link_positions(table, REACH, memory)
    np.testing.assert_array_equal(ours, plain_trackpy(table, REACH, memory))
    assert ours.nunique() > 1.05 * n  # jumps and misses make tracks end
    assert (ours.value_counts() > 2).sum() > 0.5 * n


@pytest.mark.parametrize("memory", range(4))
def test_missing_and_empty_frames_and_rows_in_any_order(memory):
    table = make_world(memory, 30, 60, 0.5, missed=0.3, empty=0.2)
    assert table["frame"].max() - table["frame"].min() + 1 > table["frame"].nunique()
    shuffled = table.sample(frac=1.0, random_state=memory)
    ours = link_positions(shuffled, REACH, memory)
    np.testing.assert_array_equal(ours, plain_trackpy(shuffled, REACH, memory))
    pd.testing.assert_index_equal(ours.index, shuffled.index)
    gaps = shuffled.assign(particle=ours).sort_values("frame").groupby("particle")["frame"].diff()
    assert gaps.max() == memory + 1


@pytest.mark.parametrize("seed", range(40))
def test_partition_is_that_of_the_twin(seed):
    random = np.random.default_rng(seed)
    crowding = float(random.choice([0.05, 0.5, 1.0, 2.0, 3.0]))
    n, memory = int(random.choice([1, 3, 12, 40])), seed % 4
    table = make_world(seed, n, 12, crowding, missed=0.2, empty=0.1)
    expected = naive_linking.link_or_shrink(*(table[name].to_numpy() for name in ("frame", "y", "x")), REACH, memory)
    assert expected is not None
    np.testing.assert_array_equal(link_positions(table, REACH, memory), expected)


def test_adaptive_range_and_refusal_are_those_of_the_twin():
    # Every position is within reach of 1 to 300 others: groups grow too large, and the range shrinks.
    seen = {"whole": 0, "shrunk": 0, "refused": 0}
    for seed, crowding in itertools.product(range(6), (1.0, 4.0, 8.0, 30.0, 300.0)):
        table = make_world(seed, 80, 3, crowding, missed=0.1)
        columns = [table[name].to_numpy() for name in ("frame", "y", "x")]
        expected = naive_linking.link_or_shrink(*columns, REACH, seed % 2)
        ours = outcome(link_positions, table, REACH, seed % 2)
        if expected is None:
            assert ours.startswith("too_dense: ")
            seen["refused"] += 1
            continue
        assert ours == expected.tolist()
        try:
            naive_linking.link(*columns, REACH, seed % 2)
            seen["whole"] += 1
        except naive_linking.TooLargeError:
            seen["shrunk"] += 1
    assert min(seen.values()) > 0, seen


@pytest.mark.parametrize("length", [15, 16, 29, 30, 31, 32])
def test_chains_up_to_the_largest_group_and_beyond_are_those_of_trackpy(length):
    chain = np.column_stack([0.8 * REACH * np.arange(length), np.zeros(length)])
    table = make_still(chain, jitter=0.05 * REACH, seed=length)
    if length <= 30:
        np.testing.assert_array_equal(link_positions(table, REACH, 0), plain_trackpy(table, REACH, 0))
    else:
        with pytest.raises(trackpy.SubnetOversizeException):
            plain_trackpy(table, REACH, 0)
    assert outcome(link_positions, table, REACH, 0) == outcome(trackpy_engine.link_positions, table, REACH, 0)


@pytest.mark.parametrize("n_targets", [7, 8, 9, 10])
@pytest.mark.parametrize("n_sources", [1, 2, 5])
def test_a_source_with_many_targets_is_as_in_trackpy(n_sources, n_targets):
    # Nine targets of one source are too many for trackpy, but not where the source stands alone. All links are of
    # 0.93 to 0.99 ranges: where the range shrinks there are none.
    random = np.random.default_rng(n_targets)
    sources = random.uniform(0, 0.02 * REACH, (n_sources, 2))
    targets = random.uniform(0, 0.02 * REACH, (n_targets, 2))
    targets[:, 0] += 0.95 * REACH
    table = pd.DataFrame(np.concatenate([sources, targets]), columns=["x", "y"])
    table["frame"] = np.repeat([0, 1], [n_sources, n_targets])
    try:
        expected = plain_trackpy(table, REACH, 0)
    except trackpy.SubnetOversizeException:
        assert n_sources > 1
        assert n_targets > 8
    else:
        np.testing.assert_array_equal(link_positions(table, REACH, 0), expected)
    assert outcome(link_positions, table, REACH, 0) == outcome(trackpy_engine.link_positions, table, REACH, 0)


@pytest.mark.parametrize("n_near", [8, 9, 10, 11])
def test_a_target_is_paired_with_its_ten_nearest_sources(n_near):
    # The nearer sources, on an arc, go to targets beside them; the target in the middle gets the far source in the
    # arc's opening if they are a pair, which they are not where the arc holds ten.
    random = np.random.default_rng(n_near)
    angle = np.radians(np.linspace(50, 310, n_near))
    arc = REACH * np.column_stack([np.cos(angle), np.sin(angle)])
    points = np.concatenate([0.7 * arc, [[0.9 * REACH, 0.0]], 0.75 * arc, [[0.0, 0.0]]])
    table = pd.DataFrame(points + random.normal(0, 1e-3 * REACH, points.shape), columns=["x", "y"])
    table["frame"] = np.repeat([0, 1], n_near + 1)
    numbers = link_positions(table, REACH, 0)
    np.testing.assert_array_equal(numbers, plain_trackpy(table, REACH, 0))
    assert (numbers.iloc[-1] == numbers.iloc[n_near]) == (n_near < 10)


def test_shrunk_ranges_are_those_of_trackpy():
    columns, rows = np.meshgrid(np.arange(7) * 0.7 * REACH, np.arange(7) * 0.7 * REACH)
    table = make_still(np.column_stack([columns.ravel(), rows.ravel()]), jitter=0.12 * REACH, seed=3)
    with pytest.raises(trackpy.SubnetOversizeException):
        plain_trackpy(table, REACH, 0)
    numbers = outcome(link_positions, table, REACH, 0)
    assert numbers == outcome(trackpy_engine.link_positions, table, REACH, 0)
    assert max(numbers) < 1.5 * columns.size


def test_both_engines_refuse_in_the_same_words():
    table = make_world(0, 300, 2, 250.0)
    refusals = [outcome(engine, table, REACH, 0) for engine in (link_positions, trackpy_engine.link_positions)]
    assert refusals[0] == refusals[1]
    assert refusals[0].startswith("too_dense: ")


@pytest.mark.parametrize("memory", [0, 2])
def test_tracks_and_ledger_do_not_depend_on_the_engine(swarm, spotted, memory):
    detections = spotted(swarm(n=40, n_frames=40, flow_px=(6.0, -2.0), missed=0.05, seed=memory), 40)
    tracks = [link(detections, Settings(memory=memory, engine=engine)) for engine in (None, "fused", "trackpy")]
    for others in tracks[1:]:
        pd.testing.assert_frame_equal(others.table, tracks[0].table)
        assert others.ledger == tracks[0].ledger
        np.testing.assert_array_equal(others.captures[0].drift_px, tracks[0].captures[0].drift_px)


@pytest.mark.parametrize("memory", range(4))
def test_real_frames(shared_data, memory):
    video = tifffile.imread(shared_data / "bulk_water" / "bulk_water.tif")[:40]
    locator = Locator(*video.shape[1:], video.dtype, 11)
    found = [locator.locate(frame, 100.0, invert=False)[:, :2] for frame in video]
    table = pd.DataFrame(np.concatenate(found), columns=["y", "x"])
    table["frame"] = np.repeat(np.arange(len(found)), [len(rows) for rows in found])
    assert len(table) > 1000
    for reach in (3.0, 7.0, 12.0):
        ours = outcome(link_positions, table, reach, memory)
        assert ours == outcome(trackpy_engine.link_positions, table, reach, memory)


def test_frame_numbers_may_be_far_apart():
    table = pd.DataFrame({"frame": [0, 1, 10**15, 10**15 + 1], "x": [0.0, 0.1, 0.1, 0.2], "y": 1.0})
    assert link_positions(table, REACH, 3).tolist() == [0, 0, 1, 1]


def test_no_position_and_one_position():
    empty = pd.DataFrame({"frame": pd.Series(dtype=int), "x": pd.Series(dtype=float), "y": pd.Series(dtype=float)})
    assert link_positions(empty, REACH, 0).empty
    assert link_positions(pd.DataFrame({"frame": [7], "x": [1.0], "y": [2.0]}), REACH, 2).tolist() == [0]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_positions_that_are_no_numbers_are_refused(bad):
    with pytest.raises(UsageError, match="not a finite number"):
        link_positions(pd.DataFrame({"frame": [0, 1], "x": [1.0, bad], "y": [2.0, 2.0]}), REACH, 0)


@numba.njit
def solved(n_sources, n_targets, null_cost, wholes, reals):
    groups.assign(n_sources, n_targets, null_cost, wholes, reals)


@pytest.mark.parametrize("share", [0.15, 0.5, 1.0])
def test_assignment_is_that_of_scipy(share):
    random = np.random.default_rng(int(100 * share))
    for _ in range(150):
        n_sources, n_targets = random.integers(1, 31), random.integers(1, 41)
        costs = np.where(random.random((n_sources, n_targets)) < share, random.random((n_sources, n_targets)), np.inf)
        null_cost = random.choice([0.2, 0.6, 1.0])
        wholes = np.full((groups.N_WHOLE_ROWS, 2000), -7, dtype=np.int32)
        reals = np.full((groups.N_REAL_ROWS, 2000), np.nan)
        rows, columns = np.nonzero(np.isfinite(costs))
        wholes[groups.START, : n_sources + 1] = np.searchsorted(rows, np.arange(n_sources + 1))
        wholes[groups.COLUMN, : len(columns)] = columns
        reals[groups.COST, : len(columns)] = costs[rows, columns]
        solved(n_sources, n_targets, null_cost, wholes, reals)
        expected = [groups.NONE if target is None else target for target in naive_linking.chosen(costs, null_cost)]
        assert wholes[groups.CHOSEN, :n_sources].tolist() == expected
