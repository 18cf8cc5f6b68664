"""What the kernels of tracks cost: mean squared displacements against trackpy.imsd, covariance estimates per position.

    python benchmarks/tracks.py [--repeats 9] [--largest 1000000]

Simulated Brownian tracks without gaps, on one core. That trackpy's displacements and ours agree is asserted first;
then both take turns, and the median of the ratios of their times counts. After that the time per position is
measured for a thousand to a million tracks: it must not grow with their number. Times are those of the processor.
"""

from __future__ import annotations

import argparse
import statistics
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import trackpy
from timing import Turns, in_turns, machine, seconds

from nta.kernels import covariance_estimates, displacement_moments

MAX_LAG = 100
COMPARED, SHORT = 30, 10  # positions of a track: for the comparison with trackpy, for the many
FRAME_TIME_S = 0.04
BLUR = 1.0 / 6.0
LEAST_RATIO = 500.0
MOST_NS = 5.0  # of the covariance estimates, per position
MOST_GROWTH = 1.3  # of the time per position, from a thousand tracks to the largest number

Arrays = tuple[np.ndarray, ...]


def tracks(n_tracks: int, n_positions: int, seed: int = 1) -> Arrays:
    """Return offsets, frames, x, y and a drift of zero, as the kernels take them."""
    random = np.random.default_rng(seed)
    x, y = (np.cumsum(random.normal(0, 1e-7, (n_tracks, n_positions)), axis=1).ravel() for _ in range(2))
    offsets = np.arange(n_tracks + 1, dtype=np.int64) * n_positions
    frames = np.tile(np.arange(n_positions, dtype=np.int64), n_tracks)
    return offsets, frames, x, y, np.zeros(n_positions), np.zeros(n_positions)


def as_table(arrays: Arrays) -> pd.DataFrame:
    offsets, frames, x, y, _, _ = arrays
    particle = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return pd.DataFrame({"frame": frames, "particle": particle, "x": x * 1e6, "y": y * 1e6})


def with_trackpy(table: pd.DataFrame) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return trackpy.imsd(table, 1.0, 1.0, max_lagtime=MAX_LAG)


def assert_equal_displacements(arrays: Arrays, table: pd.DataFrame) -> None:
    """Assert that the means agree: with tracks of one length that over all pairs is that over the tracks."""
    moments = displacement_moments(*arrays, MAX_LAG)
    theirs = with_trackpy(table).mean(axis=1).to_numpy()
    ours = moments[1:COMPARED, 0] / moments[1:COMPARED, 1] * 1e12
    np.testing.assert_allclose(ours, theirs[: COMPARED - 1], rtol=1e-9)


def displacement_turns(repeats: int) -> Turns:
    """Return the times of trackpy's displacements and of ours, after asserting that they agree."""
    arrays = tracks(100, COMPARED)
    table = as_table(arrays)
    assert_equal_displacements(arrays, table)
    return in_turns(lambda: with_trackpy(table), lambda: displacements(arrays), repeats, turns=10)


def against_trackpy(repeats: int) -> float:
    turns = displacement_turns(repeats)
    arrays = tracks(100, COMPARED)
    n_positions = len(arrays[1])
    theirs_us, ours_us = 1e6 * turns.theirs_s / n_positions, 1e6 * turns.ours_s / n_positions
    n_lags = float(displacement_moments(*arrays, MAX_LAG)[:, 1].sum())
    print(f"mean squared displacements up to lag {MAX_LAG}, 100 tracks of {COMPARED}")
    print(f"  trackpy.imsd {theirs_us:.1f} µs per position, nta {1e3 * ours_us:.1f} ns, ratio {turns.ratio:.0f}")
    print(f"  nta {1e3 * ours_us * n_positions / n_lags:.2f} ns per pair of positions")
    return turns.ratio


def displacements(arrays: Arrays) -> object:
    return displacement_moments(*arrays, MAX_LAG)


def covariances(arrays: Arrays) -> object:
    return covariance_estimates(*arrays, FRAME_TIME_S, BLUR)


def per_position(kernel: Callable[[Arrays], object], arrays: Arrays, repeats: int) -> float:
    """Return the median time in ns, of at least 20 ms of work each."""
    turns = max(1, 2_000_000 // len(arrays[1]))
    kernel(arrays)
    return 1e9 * statistics.median(seconds(lambda: kernel(arrays), turns) for _ in range(repeats)) / len(arrays[1])


def growth(name: str, kernel: Callable[[Arrays], object], numbers: list[int], repeats: int) -> tuple[float, float]:
    """Print the time per position for every number of tracks; return the largest, and the last over the first."""
    times = [per_position(kernel, tracks(n, SHORT), repeats if n < 1_000_000 else 3) for n in numbers]
    print(f"{name}, tracks of {SHORT}")
    for n, nanoseconds in zip(numbers, times, strict=True):
        print(f"  {n:>8d} tracks {nanoseconds:6.2f} ns per position")
    return max(times), times[-1] / times[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--largest", type=int, default=1_000_000)
    arguments = parser.parse_args()
    print(machine("nta", "trackpy", "numba", "numpy", "pandas"))
    print(f"one core, equal displacements asserted, medians of {arguments.repeats} interleaved runs")
    ratio = against_trackpy(arguments.repeats)
    numbers = [n for n in (1_000, 10_000, 100_000, 1_000_000) if n <= arguments.largest]

    _, growth_of_displacements = growth("displacement_moments", displacements, numbers, arguments.repeats)
    slowest_ns, growth_of_covariances = growth("covariance_estimates", covariances, numbers, arguments.repeats)
    faults = []
    if ratio < LEAST_RATIO:
        faults.append(f"mean squared displacements {ratio:.0f} x trackpy.imsd, wanted {LEAST_RATIO:.0f}")
    if slowest_ns > MOST_NS:
        faults.append(f"covariance estimates {slowest_ns:.1f} ns per position, wanted {MOST_NS:.0f}")
    if max(growth_of_displacements, growth_of_covariances) > MOST_GROWTH:
        faults.append("time per position grows with the number of tracks")
    assert not faults, "; ".join(faults)


if __name__ == "__main__":
    main()
