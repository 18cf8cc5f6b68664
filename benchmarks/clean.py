"""How often does something seem wrong where nothing is: flags of 200 clean simulated captures, and of their samples.

    python benchmarks/clean.py [--samples 40] [--duration-s 10] [--jobs 2]

Samples of five captures each, of four kinds in turn, with everything stated. Each capture is measured alone, and the
five of a sample together. A flag of level ``warn`` or ``fail`` may stand on fewer than 2 % of either; what is printed
names it with its count. A bar that is not reached is printed as MISSED with its value, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from accuracy import Bars, machine, spread
from scenes import BASE, EXOSOMES, settings_of

from nta.inputs import inputs_of
from nta.measurement import Measurement
from nta.pipeline import measure_capture, measure_sample
from nta.simulation import Mixture, OneSize, Population, Scene, simulate

N_CAPTURES: Final = 5
RARE: Final = 0.02
_FIRST_SEED: Final = 50_000


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of good sample, and what of its captures differs from the ordinary scene."""

    population: Population
    changes: dict[str, Any]


KINDS: Final = {
    "100 nm": Kind(OneSize(100.0), {}),
    "exosomes, flow 12 µm/s": Kind(EXOSOMES, {"flow_um_s": (12.0, 0.0)}),
    "80 + 150 nm, 30 per frame": Kind(
        Mixture((OneSize(80.0), OneSize(150.0)), (0.5, 0.5)), {"particles_per_frame": 30.0}
    ),
    "exosomes, NS300-like, flow 11 µm/s": Kind(
        EXOSOMES,
        {"mpp": 0.14, "fps": 24.9825, "exposure_ms": 32.5, "width_px": 800, "height_px": 600, "flow_um_s": (11.0, 0.0)},
    ),
}


@dataclass(frozen=True, slots=True)
class Said:
    """The codes of the complaints about the captures of a sample, each alone, and about the sample."""

    kind: str
    alone: tuple[tuple[str, ...], ...]
    together: tuple[str, ...]


def complaints(duration_s: float, number: int) -> Said:
    """Return what is said of one clean sample."""
    kind = tuple(KINDS)[number % len(KINDS)]
    values = {**BASE, **KINDS[kind].changes}
    started = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="nta_benchmark_") as folder:
        paths = [Path(folder) / f"{capture}.tif" for capture in range(N_CAPTURES)]
        for capture, path in enumerate(paths):
            seed = _FIRST_SEED + N_CAPTURES * number + capture
            scene = Scene(
                population=KINDS[kind].population, n_frames=round(duration_s * values["fps"]), seed=seed, **values
            )
            simulate(scene, path)
        settings = settings_of(scene)
        inputs = inputs_of(paths)
        found = [measure_capture(one, settings) for one in inputs]
        alone = [
            measure_sample("alone", [one], [its], settings, started=started)
            for one, its in zip(inputs, found, strict=True)
        ]
        together = measure_sample("together", inputs, found, settings, started=started)
    return Said(kind, tuple(map(_codes, alone)), _codes(together))


def _codes(found: Measurement) -> tuple[str, ...]:
    assert found.status in ("ok", "warn"), found.message
    return tuple(sorted({one.code for one in found.flags if one.level != "info"}))


def judge(name: str, said: Iterable[tuple[str, ...]], bars: Bars) -> None:
    """Print how often each flag was raised, and hold the commonest to the bar."""
    said = list(said)
    counted = Counter(code for codes in said for code in codes)
    print(f"\n### {name}: {len(said)}, with a complaint {sum(map(bool, said))}\n\n| flag | raised |\n|---|---|")
    for code, n in counted.most_common():
        print(f"| `{code}` | {n} |")
    commonest, n = counted.most_common(1)[0] if counted else ("none", 0)
    bars.check(f"share of {name} with the commonest flag, {commonest}", n / len(said), RARE)


def main() -> None:
    """Measure the samples and say which bars hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=40, help="samples of five captures (default 40)")
    parser.add_argument("--duration-s", type=float, default=10.0, help="length of a capture (default 10)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    asked = parser.parse_args()
    print(machine())
    found = spread(asked.jobs, partial(complaints, asked.duration_s), range(asked.samples))
    for one in found:
        told = [f"{number}: {', '.join(codes)}" for number, codes in enumerate(one.alone) if codes]
        if told or one.together:
            print(f"{one.kind}: {'; '.join(told)}; together: {', '.join(one.together)}")
    bars = Bars()
    judge("captures alone", (codes for one in found for codes in one.alone), bars)
    judge("samples of five captures", (one.together for one in found), bars)
    print(f"\n{'all bars hold' if not bars.missed else f'{bars.missed} bars missed'}")
    sys.exit(1 if bars.missed else 0)


if __name__ == "__main__":
    main()
