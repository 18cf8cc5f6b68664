"""How long the distribution of sizes takes: the fit, and the 200 draws behind its intervals.

    python benchmarks/sizes.py [--rounds 5]

Simulated exosome tracks; the answer is asserted first. Times are medians; the fit is that of one thread. A bar that is
not reached is printed as MISSED, and the exit code is 1: let nothing else run on the machine.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Final

from accuracy import Bars, machine
from accuracy_tracks import EXOSOMES, simulate_tracks
from wasserstein import distance_nm, of_population

from nta.diffusion import Diffusion, estimate_diffusion
from nta.distribution import N_DRAWS, size_distribution
from nta.size_statistics import cumulative_share
from nta.threads import thread_count

SEED: Final = 500
LARGEST_DISTANCE_NM: Final = 7.0
"""Twice the bar of the mean over many sets of 1000 tracks (benchmarks/accuracy.py): this is one."""

FIT_BAR_S: Final = 0.3
"""For 1000 tracks."""

DRAWS_BAR_S: Final = 10.0
"""For 200 draws of 5000 tracks on two cores."""


def seconds(work: Callable[[], object], rounds: int) -> float:
    """Return the median time of some rounds, s."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Print the times and assert the bars."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each size (default 5)")
    rounds = parser.parse_args().rounds
    bars = Bars()
    print(f"{machine()}; {thread_count()} threads for the draws\n")
    print("| tracks | fit, s | s per 1000 tracks | fit and 200 draws, s |\n|---|---|---|---|")
    for n_tracks in (1000, 5000):
        diffusion = estimate_diffusion(simulate_tracks(EXOSOMES, n_tracks, SEED).tracks)
        _check(diffusion)
        fit = seconds(lambda: size_distribution(diffusion, n_draws=0), rounds)  # noqa: B023  # called at once
        draws = seconds(lambda: size_distribution(diffusion, n_draws=N_DRAWS), min(rounds, 3))  # noqa: B023
        print(f"| {n_tracks} | {fit:.2f} | {fit / n_tracks * 1000:.2f} | {draws:.1f} |", flush=True)
        bars.check(f"fit of {n_tracks} tracks, s per 1000", fit / n_tracks * 1000, FIT_BAR_S)
        bars.check(f"200 draws of {n_tracks} tracks, s", draws, DRAWS_BAR_S)
    sys.exit(1 if bars.missed else 0)


def _check(diffusion: Diffusion) -> None:
    table = size_distribution(diffusion, n_draws=0).table
    diameter_nm, density = (table[name].to_numpy(float) for name in ("diameter_nm", "density_per_nm"))
    distance = distance_nm(diameter_nm, cumulative_share(diameter_nm, density), of_population(EXOSOMES))
    assert distance < LARGEST_DISTANCE_NM, f"W1 is {distance:.1f} nm"


if __name__ == "__main__":
    main()
