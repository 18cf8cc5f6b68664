"""How often the 95 % intervals of daily yields, and of their sum, hold the truth.

    python benchmarks/yields.py [--campaigns 100] [--jobs N]

Each campaign has four days of 1e12 to 4e12 particles, three captures of 6 s a day, exosomes, 25 per frame, no pixels
(``simulated_counts.py``). Volumes and dilutions are put wrong at random by what is stated of them, the depth in view
once for all days of a campaign. Days are added up by :func:`nta.production.daily_yield`. The bar: between 90 and 99 %
of the intervals hold the truth. A bar that is not reached is printed as MISSED, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import math
import sys
from functools import partial

import numpy as np
from accuracy import Bars, machine, spread
from scenes import EXOSOMES
from simulated_counts import simulate_counts

from nta.concentration import Concentration, particle_concentration
from nta.diffusion import estimate_diffusion
from nta.distribution import size_distribution
from nta.estimate import Estimate
from nta.production import Harvest, daily_yield
from nta.simulation import OneSize, Population

PARTICLES = (1.0e12, 2.2e12, 4.0e12, 1.6e12)
VOLUME_ML = 12.0
DEPTH_SD, VOLUME_SD, DILUTION_SD = 0.05, 0.01, 0.02
PER_FRAME, N_CAPTURES, N_FRAMES = 25.0, 3, 150
BEAD_SEED, N_BEADS = 10_000, 8
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


def campaign(depth: float, number: int) -> list[tuple[Estimate, float]]:
    """Return each day's particles and their sum, each with the truth."""
    random = np.random.default_rng([number, 7])
    # Relative errors of a positive number: what is used is what is true times exp(error).
    depth_error = math.exp(DEPTH_SD * random.standard_normal())
    harvests, truths = [], []
    for day, particles in enumerate(PARTICLES):
        found, per_ml = counted(EXOSOMES, 1 + len(PARTICLES) * number + day)
        stated = math.exp(VOLUME_SD * random.standard_normal() + DILUTION_SD * random.standard_normal())
        # The day is scaled to its particles: dilution and volume are taken so that the truth is what was wanted.
        scale = particles / (per_ml * 100.0 * VOLUME_ML) * stated * depth_error / depth
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
    return [*zip((day.particles for day in yields.days), truths, strict=True), (yields.total, math.fsum(truths))]


def held(found: list[tuple[Estimate, float]]) -> float:
    """Return how many of the intervals hold the truth, %."""
    return 100.0 * float(np.mean([estimate.low <= truth <= estimate.high for estimate, truth in found]))


def judge(name: str, found: list[tuple[Estimate, float]], bars: Bars) -> None:
    """Print the error, its stated size and the coverage of one kind of interval."""
    errors = np.array([math.log(estimate.value / truth) for estimate, truth in found])
    stated = float(np.mean([math.log(estimate.high / estimate.low) / 3.92 for estimate, _ in found]))
    covered = held(found)
    print(
        f"{name}: n {len(found)}, mean of ln {errors.mean():+.4f}, sd {errors.std(ddof=1):.4f}, "
        f"stated {stated:.4f}, covered {covered:.2f} %"
    )
    middle = (LOW + HIGH) / 2.0
    bars.check(f"{name}: distance from {middle} %", covered - middle, (HIGH - LOW) / 2.0 + 1e-9)


def main() -> None:
    """Run the campaigns and say which bars hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaigns", type=int, default=100, help="campaigns of four days (default 100)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    asked = parser.parse_args()
    print(machine(), flush=True)
    beads = spread(asked.jobs, partial(counted, OneSize(100.0)), range(BEAD_SEED, BEAD_SEED + N_BEADS))
    depth = float(np.mean([found.measured.value / per_ml for found, per_ml in beads]))
    print(f"beads read {depth:.4f} of their concentration at the nominal depth", flush=True)
    found = spread(asked.jobs, partial(campaign, depth), range(asked.campaigns))
    bars = Bars()
    judge("yield of a day", [one for days in found for one in days[:-1]], bars)
    judge("sum of the days", [days[-1] for days in found], bars)
    print("all bars hold" if not bars.missed else f"{bars.missed} bars missed")
    sys.exit(1 if bars.missed else 0)


if __name__ == "__main__":
    main()
