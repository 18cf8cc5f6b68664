"""How often the 95 % intervals of daily yields, and of their sum, hold the truth.

    python benchmarks/yields.py [--campaigns 100] [--jobs N] [--keep FILE.jsonl]

Each campaign has four days of 1e12 to 4e12 particles, three captures of 6 s a day, exosomes, 25 per frame, no pixels
(``simulated_counts.py``). Volumes and dilutions are put wrong at random by what is stated of them, the depth in view
once for all days of a campaign: that is the error of its calibration. What beads of 100 nm read of their concentration
is therefore taken from so many sets that its own error, which all campaigns share, is small beside it. Days are added
up by :func:`nta.production.daily_yield`. The bar: between 90 and 99 % of the intervals hold the truth. A bar that is
not reached is printed as MISSED, and the exit code is 1.

``--keep`` writes each set of beads and each campaign down as it is done, and takes what is there as done: a file
belongs to one version.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from accuracy import Bars, machine
from scenes import EXOSOMES
from simulated_counts import simulate_counts

from nta.concentration import Concentration, particle_concentration
from nta.diffusion import estimate_diffusion
from nta.distribution import size_distribution
from nta.production import Harvest, daily_yield
from nta.simulation import OneSize, Population

PARTICLES = (1.0e12, 2.2e12, 4.0e12, 1.6e12)
VOLUME_ML = 12.0
DEPTH_SD, VOLUME_SD, DILUTION_SD = 0.05, 0.01, 0.02
PER_FRAME, N_CAPTURES, N_FRAMES = 25.0, 3, 150
BEAD_SEED, N_BEADS = 10_000, 100  # one set has a counting error of 8 %
LOW, HIGH = 90.0, 99.0


def counted(population: Population, seed: int) -> tuple[Concentration, float]:
    """Return the concentration of three captures of 6 s, diluted a hundredfold, and the true one in the cell."""
    tracks, per_ml = simulate_counts(population, PER_FRAME, N_CAPTURES, N_FRAMES, seed)
    diffusion = estimate_diffusion(tracks)
    distribution = size_distribution(diffusion, n_draws=0)
    found = particle_concentration(
        tracks, diffusion, distribution, dilution=100.0, dilution_relative_sd=DILUTION_SD, depth_relative_sd=DEPTH_SD
    )
    return found, per_ml


def beads(seed: int) -> float:
    """Return what a set of beads reads over its true concentration."""
    found, per_ml = counted(OneSize(100.0), seed)
    return found.measured.value / per_ml


def campaign(number: int) -> list[tuple[float, float, float, float]]:
    """Return each day's particles and their sum at the nominal depth: value, ends of the interval, and the truth."""
    random = np.random.default_rng([number, 7])
    # Relative errors of a positive number: what is used is what is true times exp(error).
    depth_error = math.exp(DEPTH_SD * random.standard_normal())
    harvests, truths = [], []
    for day, particles in enumerate(PARTICLES):
        found, per_ml = counted(EXOSOMES, 1 + len(PARTICLES) * number + day)
        stated = math.exp(VOLUME_SD * random.standard_normal() + DILUTION_SD * random.standard_normal())
        # The day is scaled to its particles: dilution and volume are taken so that the truth is what was wanted.
        scale = particles / (per_ml * 100.0 * VOLUME_ML) * stated * depth_error
        assert found.stock is not None
        harvests.append(
            Harvest(
                str(day),
                f"harvest {day}",
                "ok",
                found.stock.scaled(scale),
                VOLUME_ML,
                volume_relative_sd=VOLUME_SD,
                dilution=100.0,
                parts=found.parts.to_dict(),
                n_captures=N_CAPTURES,
                calibration="beads",
            )
        )
        truths.append(particles)
    yields = daily_yield(harvests)
    estimates = [*(day.particles for day in yields.days), yields.total]
    truths.append(math.fsum(truths))
    return [(one.value, one.low, one.high, truth) for one, truth in zip(estimates, truths, strict=True)]


def judge(name: str, found: Sequence[Sequence[float]], depth: float, bars: Bars) -> None:
    """Print the error, its stated size and the coverage of one kind of interval, with the depth that beads say."""
    value, low, high, truth = np.array(found).T / [[depth], [depth], [depth], [1.0]]
    errors = np.log(value / truth)
    stated = float(np.mean(np.log(high / low))) / 3.92
    covered = 100.0 * float(np.mean((low <= truth) & (truth <= high)))
    print(
        f"{name}: n {len(found)}, mean of ln {errors.mean():+.4f}, sd {errors.std(ddof=1):.4f}, "
        f"stated {stated:.4f}, covered {covered:.2f} %"
    )
    middle = (LOW + HIGH) / 2.0
    bars.check(f"{name}: distance from {middle} %", covered - middle, (HIGH - LOW) / 2.0 + 1e-9)


class Kept:
    """Results by kind and number, in a file of one line each; without a file they are kept for this run alone."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.found: dict[tuple[str, int], Any] = {}
        if path is not None and path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                kind, number, result = json.loads(line)
                self.found[kind, number] = result

    def all_of(self, kind: str, work: Callable[[int], Any], numbers: Sequence[int], jobs: int) -> list[Any]:
        """Return the work of every number in order; what is on file is not done again."""
        left = [number for number in numbers if (kind, number) not in self.found]
        with ProcessPoolExecutor(jobs) as pool:
            for number, result in zip(left, pool.map(work, left), strict=True):
                self._add(kind, number, result)
        return [self.found[kind, number] for number in numbers]

    def _add(self, kind: str, number: int, result: object) -> None:
        self.found[kind, number] = result
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([kind, number, result]) + "\n")


def main() -> None:
    """Run the campaigns and say which bars hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaigns", type=int, default=100, help="campaigns of four days (default 100)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--keep", type=Path, help="file of what is done; a run that was stopped goes on from it")
    asked = parser.parse_args()
    print(machine(), flush=True)
    kept = Kept(asked.keep)
    read = kept.all_of("beads", beads, range(BEAD_SEED, BEAD_SEED + N_BEADS), asked.jobs)
    depth, error = float(np.mean(read)), float(np.std(read, ddof=1)) / math.sqrt(N_BEADS)
    print(f"beads read {depth:.4f} ± {error:.4f} of their concentration at the nominal depth", flush=True)
    found = kept.all_of("campaign", campaign, range(asked.campaigns), asked.jobs)
    bars = Bars()
    judge("yield of a day", [one for days in found for one in days[:-1]], depth, bars)
    judge("sum of the days", [days[-1] for days in found], depth, bars)
    print("all bars hold" if not bars.missed else f"{bars.missed} bars missed")
    sys.exit(1 if bars.missed else 0)


if __name__ == "__main__":
    main()
