"""How true are the concentrations: calibrated on beads, at other camera levels, minus a blank, and their intervals.

    python benchmarks/concentration.py scenes   [--seeds 8] [--case NAME ...] [--folder KEEP_VIDEOS_HERE]
    python benchmarks/concentration.py levels   [--seeds 8] [--folder KEEP_VIDEOS_HERE]
    python benchmarks/concentration.py blank    [--seeds 8]
    python benchmarks/concentration.py coverage [--seeds 400]

``--jobs N`` spreads the seeds over N processes. Errors are against what was in view of the very video; the intervals
speak of the liquid, whose particles come and go, and are wider by that. A bar that is not reached is printed as MISSED
with its value, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable
from functools import partial

import numpy as np
from accuracy import Bars, machine, spread
from concentration_videos import (
    CALIBRATED_CASES,
    LEVELS,
    CountReading,
    LevelReading,
    read_blank,
    read_levels,
    read_scene,
)
from scenes import EXOSOMES
from simulated_counts import simulate_counts

from nta.concentration import particle_concentration
from nta.diffusion import estimate_diffusion
from nta.distribution import size_distribution
from nta.estimate import Estimate
from nta.simulation import OneSize, Population

DEPTH_RELATIVE_SD = 0.05
LARGEST_Z = 3.0
BEAD_SEED, N_BEADS = 10_000, 8


def scenes(asked: argparse.Namespace, bars: Bars) -> None:
    """Judge calibrated concentrations of simulated captures, and what one fixed bead depth would say."""
    for case in CALIBRATED_CASES:
        if asked.case and case.name not in asked.case:
            continue
        found = spread(asked.jobs, partial(read_scene, case, folder=asked.folder), range(1, asked.seeds + 1))
        print(f"\n### {case.name}\n\n| seed | c/c in view | interval | z | fixed depth |\n|---|---|---|---|---|")
        for one in found:
            print(
                f"| {one.seed} | {one.ratio:.3f} | {one.low:.2f} to {one.high:.2f} | {one.z:+.1f} | {one.fixed:.3f} |"
            )
        _judge(case.name, found, case.bar, bars)
        print(f"  with one fixed bead depth: {np.mean([one.fixed for one in found]) - 1.0:+.1%}")


def _judge(name: str, found: Iterable[CountReading], limit: float, bars: Bars) -> None:
    found = list(found)
    bars.check(f"{name}: mean error", float(np.mean([one.ratio for one in found])) - 1.0, limit)
    worst = max(found, key=lambda one: abs(one.z))
    bars.check(f"{name}: z of the worst seed, {worst.seed}", worst.z, LARGEST_Z)


def levels(asked: argparse.Namespace, bars: Bars) -> None:
    """Judge one sample at three camera levels: 30 % dimmer, as it is, 30 % brighter."""
    found = spread(asked.jobs, partial(read_levels, folder=asked.folder), range(1, asked.seeds + 1))
    names = " | ".join(f"{level:g} ×" for level in LEVELS)
    print(
        f"\n### One sample at three camera levels\n\n| seed | D50: {names} | c/c in view: {names} |\n"
        + "|---" * 7
        + "|"
    )
    for one in found:
        cells = [f"{value:.1f}" for value in one.d50_nm] + [f"{value:.3f}" for value in one.ratio]
        print(f"| {one.seed} | {' | '.join(cells)} |", flush=True)
    for quantity, limit in (("d50_nm", 0.02), ("ratio", 0.06)):
        apart = [_apart(one, quantity) for one in found]
        bars.check(f"{quantity}: largest difference of two levels, mean over seeds", float(np.mean(apart)), limit)


def _apart(one: LevelReading, quantity: str) -> float:
    values = getattr(one, quantity)
    return float((max(values) - min(values)) / np.mean(values))


def blank(asked: argparse.Namespace, bars: Bars) -> None:
    """Judge samples of 5 captures less a blank of a fifth of them, and a blank alone less another one."""
    found = spread(asked.jobs, read_blank, range(1, asked.seeds + 1))
    print("\n### Sample of 5 captures less a blank of a fifth of it\n\n| seed | c/c | interval | z | blank alone |")
    print("|---|---|---|---|---|")
    for one, code in found:
        print(f"| {one.seed} | {one.ratio:.3f} | {one.low:.2f} to {one.high:.2f} | {one.z:+.1f} | {code} |", flush=True)
    _judge("after subtraction", [one for one, _ in found], 0.10, bars)
    bars.check("blanks alone that were not below blank", sum(code != "below_blank" for _, code in found), 0.5)


def coverage(asked: argparse.Namespace, bars: Bars) -> None:
    """Judge how often the 95 % interval of 5 captures holds the concentration of the liquid.

    The depth comes from beads that are simulated likewise, and is then put wrong at random by what it is stated to be
    uncertain by.
    """
    beads = spread(asked.jobs, partial(_counted, OneSize(100.0)), range(BEAD_SEED, BEAD_SEED + N_BEADS))
    depth = float(np.mean([found.value / per_ml for found, per_ml in beads]))
    print(f"\nbeads read {depth:.4f} of their concentration at the nominal depth")
    found = spread(asked.jobs, partial(_one_coverage, depth), range(asked.seeds))
    ratio = np.array([one[0] for one in found])
    held = float(np.mean([one[1] <= 1.0 <= one[2] for one in found]))
    half = float(np.mean([math.log(one[2] / one[1]) / 3.92 for one in found]))
    print(f"\n### Coverage: {asked.seeds} measurements of 5 captures of 30 s, exosomes, 50 per frame, no pixels\n")
    print(f"mean {ratio.mean():.4f}, sd of ln {np.log(ratio).std(ddof=1):.4f}, stated {half:.4f}, covered {held:.1%}")
    bars.check("coverage: distance from 94.75 %", 100.0 * held - 94.75, 3.75 + 1e-9)


def _one_coverage(depth: float, seed: int) -> tuple[float, float, float]:
    """Return measured over true concentration, and the ends of its interval over the true one."""
    found, per_ml = _counted(EXOSOMES, seed)
    off = math.exp(DEPTH_RELATIVE_SD * np.random.default_rng([seed, 77]).standard_normal()) / depth / per_ml
    return found.value * off, found.low * off, found.high * off


def _counted(population: Population, seed: int) -> tuple[Estimate, float]:
    """Return measured and true concentration of 5 captures of 30 s."""
    tracks, per_ml = simulate_counts(population, 50.0, 5, 750, seed)
    diffusion = estimate_diffusion(tracks)
    distribution = size_distribution(diffusion)
    found = particle_concentration(tracks, diffusion, distribution, depth_relative_sd=DEPTH_RELATIVE_SD)
    return found.measured, per_ml


def main() -> None:
    """Run one part and say which bars hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"scenes": (scenes, 8), "levels": (levels, 8), "blank": (blank, 8), "coverage": (coverage, 400)}
    parser.add_argument("part", choices=parts)
    parser.add_argument("--seeds", type=int, help="captures of a scene, or measurements (default 8, 400 for coverage)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--case", action="append", help="only this case of scenes; may be given several times")
    parser.add_argument("--folder", help="keep the videos here, and use those that are there")
    asked = parser.parse_args()
    work, seeds = parts[asked.part]
    asked.seeds = seeds if asked.seeds is None else asked.seeds
    print(machine())
    bars = Bars()
    work(asked, bars)
    print(f"\n{'all bars hold' if not bars.missed else f'{bars.missed} bars missed'}")
    sys.exit(1 if bars.missed else 0)


if __name__ == "__main__":
    main()
