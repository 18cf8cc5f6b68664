"""How many times faster than trackpy.link the fused linker is on one core, with the same partition.

    python benchmarks/linking.py [--repeats 9] [--positions 20000]

Simulated Brownian particles, 10 to 1000 a frame, in a field that grows with their number ("even": 5 % have another
within their range) and in one field of 1280 x 1024 px ("filling": up to 27 %). The partition of all rows is asserted
first; then trackpy and nta take turns, and the median of the ratios of their times counts, so that a machine that
is busy or changes its pace slows both. Times are those of the processor. trackpy runs as `trackpy.link` does by
default: its assignments are compiled by numba where they are not small.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
import pandas as pd
import trackpy
from timing import Turns, in_turns, machine

from nta.tracking.fused_engine import link_positions

PER_FRAME = (10, 30, 100, 300, 1000)
MEMORIES = (0, 2)
RANGE_PX = 10.0
STEP_SD_PX = 2.0
MISSED = 0.02
FIELD_PX = (1280.0, 1024.0)
EVEN_CROWDING = 0.05  # others within the range of a particle
LEAST_RATIO = 40.0
MOST_GROWTH = 1.5  # of the time per position from 10 to 1000 particles a frame, in the even field


def swarm(per_frame: int, n_positions: int, field_px: tuple[float, float], seed: int = 1) -> pd.DataFrame:
    """Return positions sorted by frame and row, as a detector gives them; who leaves enters on the other side."""
    random = np.random.default_rng(seed)
    n_frames = max(n_positions // per_frame, 4)
    places = random.uniform((0, 0), field_px, (per_frame, 2)) + np.cumsum(
        random.normal(0, STEP_SD_PX, (n_frames, per_frame, 2)), axis=0
    )
    places %= field_px
    seen = random.random((n_frames, per_frame)) >= MISSED
    frame = np.broadcast_to(np.arange(n_frames)[:, None], seen.shape)
    table = pd.DataFrame({"frame": frame[seen], "x": places[seen][:, 0], "y": places[seen][:, 1]})
    return table.sort_values(["frame", "y"], ignore_index=True)


def with_trackpy(table: pd.DataFrame, memory: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return trackpy.link(table, RANGE_PX, memory=memory)["particle"].sort_index().to_numpy()


def assert_same_partition(table: pd.DataFrame, memory: int) -> None:
    ours = link_positions(table, RANGE_PX, memory).to_numpy()
    theirs = pd.factorize(with_trackpy(table, memory))[0]
    assert len(np.unique(ours)) < 0.5 * len(table)
    np.testing.assert_array_equal(ours, theirs)


def measure(table: pd.DataFrame, memory: int, repeats: int) -> Turns:
    """Return the times, after asserting that both link the same; trackpy does not print, which takes time."""
    trackpy.quiet()
    assert_same_partition(table, memory)
    return in_turns(
        lambda: with_trackpy(table, memory), lambda: link_positions(table, RANGE_PX, memory), repeats, turns=8
    )


def crowd(name: str, per_frame: int, n_positions: int) -> pd.DataFrame:
    """Return the swarm of the field of that name."""
    side = float(np.sqrt(per_frame * np.pi * RANGE_PX**2 / EVEN_CROWDING))
    return swarm(per_frame, n_positions, FIELD_PX if name == "filling" else (side, side))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--positions", type=int, default=20_000)
    arguments = parser.parse_args()
    print(machine("nta", "trackpy", "numba", "numpy", "pandas", "scipy"))
    print(
        f"range {RANGE_PX:g} px, steps of {STEP_SD_PX:g} px sd per axis, {arguments.positions} positions, one core, "
        f"same partition asserted, medians of {arguments.repeats} interleaved runs"
    )
    print("field    memory  a frame  trackpy µs/position  nta ns/position  ratio")
    least = np.inf
    for name in ("even", "filling"):
        for memory in MEMORIES:
            times = {}
            for per_frame in PER_FRAME:
                table = crowd(name, per_frame, arguments.positions)
                turns = measure(table, memory, arguments.repeats)
                theirs, ours = 1e6 * turns.theirs_s / len(table), 1e9 * turns.ours_s / len(table)
                times[per_frame] = ours
                least = min(least, turns.ratio)
                print(f"{name:<8} {memory:6d} {per_frame:8d} {theirs:20.1f} {ours:16.0f} {turns.ratio:6.0f}")
            growth = times[PER_FRAME[-1]] / times[PER_FRAME[0]]
            print(f"{name:<8} {memory:6d}  time per position, {PER_FRAME[-1]} to {PER_FRAME[0]} a frame: {growth:.2f}")
            assert name != "even" or growth <= MOST_GROWTH, "not linear in the number of particles"
    print(f"least ratio {least:.0f}, wanted {LEAST_RATIO:.0f}")
    assert least >= LEAST_RATIO


if __name__ == "__main__":
    main()
