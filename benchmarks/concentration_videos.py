"""Concentrations of simulated videos, calibrated on simulated beads of the same optics."""

from __future__ import annotations

import math
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from scenes import CASES, EXOSOMES, Case, settings_of

from nta.calibration import Calibration
from nta.estimate import NORMAL_95, Estimate
from nta.measurement import Measurement
from nta.pipeline import analyze
from nta.simulation import OneSize, Truth, simulate
from nta.standards import Beads, calibrate

BEADS: Final = Case("100 nm", OneSize(100.0))
LEVELS: Final = (0.7, 1.0, 1.3)
SAMPLE_PER_FRAME: Final = 50.0
BLANK_SHARE: Final = 0.2
N_CAPTURES: Final = 5
_FLOW_UM_S: Final = (12.0, 0.0)
_BEAD_SEED: Final = 100  # the beads that calibrate are never those that are measured


@dataclass(frozen=True, slots=True)
class CalibratedCase:
    """A scene, the beads that calibrate it, and how far the mean over seeds may be off."""

    case: Case
    beads: Case
    bar: float

    @property
    def name(self) -> str:
        """What people call it."""
        return self.case.name


def _case(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def _level(level: float) -> Case:
    return Case(f"100 nm, light x {level:g}", OneSize(100.0), changes={"dimming": level})


_NS300: Final = _case("NS300-like, flow 11 µm/s")
_NS300_BEADS: Final = replace(_NS300, name="NS300-like beads", population=OneSize(100.0), duration_s=30.0)
CALIBRATED_CASES: Final = (
    CalibratedCase(_case("100 nm"), BEADS, 0.05),
    CalibratedCase(_level(1.3), BEADS, 0.07),
    CalibratedCase(_level(0.7), BEADS, 0.07),
    CalibratedCase(_case("100 nm, 70 % dimmer"), BEADS, 0.07),
    CalibratedCase(_case("60 nm"), BEADS, 0.05),
    CalibratedCase(_case("200 nm"), BEADS, 0.05),
    CalibratedCase(_case("100 nm, 200 per frame"), BEADS, 0.05),
    CalibratedCase(_case("100 nm, 12 per frame"), BEADS, 0.10),
    CalibratedCase(_case("exosomes"), BEADS, 0.07),
    CalibratedCase(_case("exosomes, light as d^6"), BEADS, 0.12),
    CalibratedCase(_NS300, _NS300_BEADS, 0.05),
)


@dataclass(frozen=True, slots=True)
class CountReading:
    """One measurement: measured over true concentration, its interval, and what one fixed bead depth would say.

    ``z`` is the logarithm of the ratio over the interval's standard error.
    """

    seed: int
    ratio: float
    low: float
    high: float
    z: float
    fixed: float


@dataclass(frozen=True, slots=True)
class LevelReading:
    """One sample at the camera levels :data:`LEVELS`."""

    seed: int
    d50_nm: tuple[float, ...]
    ratio: tuple[float, ...]


def _video(case: Case, seed: int, folder: Path) -> tuple[Path, Truth]:
    """Return a capture and its truth, made unless the folder holds it; a stack of pages is the quickest to read."""
    path = folder / f"{''.join(c if c.isalnum() else '_' for c in case.name)}_{seed}.tif"
    if path.exists():
        return path, Truth.load(path.with_suffix(".truth.json"))
    return path, simulate(case.scene(seed), path)


def _calibration(beads: Case, seed: int, folder: Path) -> tuple[Calibration, Path, float]:
    """Return the calibration of a seed, its file, and the depth in which its beads were seen over the sheet's, fixed.

    The beads' true concentration is stated as certified to 1 %.
    """
    path, truth = _video(beads, _BEAD_SEED + seed, folder)
    file = path.with_suffix(".toml")
    if file.exists():
        calibration = Calibration.load(file)
    else:
        standard = Beads((path,), 100.0, truth.concentration_per_ml, concentration_sd_percent=1.0)
        calibration = calibrate([standard], settings_of(truth.scene))
        calibration.save(file)
    return calibration, file, math.sqrt(math.log(calibration.holds_for.light_ratio))


def _reading(seed: int, found: Estimate, true_per_ml: float, fixed: float) -> CountReading:
    sd = math.log(found.high / found.low) / (2.0 * NORMAL_95)
    ratio = found.value / true_per_ml
    return CountReading(seed, ratio, found.low / true_per_ml, found.high / true_per_ml, math.log(ratio) / sd, fixed)


def _at_fixed_depth(found: Measurement, bead_depth: float) -> float:
    """Return what the concentration would be in the depth of the beads, whatever the light of the particles."""
    return found.concentration.measured.value * found.distribution.seen_share / bead_depth


def read_scene(case: CalibratedCase, seed: int, folder: str | None) -> CountReading:
    """Calibrate on beads, measure the scene with that calibration, and compare with what was in view."""
    with ExitStack() as stack:
        place = _place(stack, folder)
        _, file, bead_depth = _calibration(case.beads, seed, place)
        path, truth = _video(case.case, seed, place)
        found = analyze(path, settings=settings_of(truth.scene).model_copy(update={"calibration": str(file)}))
    true_per_ml = truth.concentration_per_ml
    return _reading(seed, found.concentration.measured, true_per_ml, _at_fixed_depth(found, bead_depth) / true_per_ml)


def read_levels(seed: int, folder: str | None) -> LevelReading:
    """Measure one sample at each camera level, with one calibration at the middle one."""
    d50_nm, ratio = [], []
    with ExitStack() as stack:
        place = _place(stack, folder)
        _, file, _ = _calibration(BEADS, seed, place)
        for level in LEVELS:
            case = Case(f"exosomes, light x {level:g}", EXOSOMES, 60.0, changes={"dimming": level})
            path, truth = _video(case, seed, place)
            found = analyze(path, settings=settings_of(truth.scene).model_copy(update={"calibration": str(file)}))
            d50_nm.append(found.size.d50.value)
            ratio.append(found.concentration.measured.value / truth.concentration_per_ml)
    return LevelReading(seed, tuple(d50_nm), tuple(ratio))


def read_blank(seed: int) -> tuple[CountReading, str | None]:
    """Measure a sample less its blank, 5 captures each with flow, and the blank less another one: its status code."""
    with tempfile.TemporaryDirectory(prefix="nta_benchmark_") as temporary:
        place = Path(temporary)
        _, file, _ = _calibration(BEADS, seed, place)
        total, blank_per_frame = SAMPLE_PER_FRAME, BLANK_SHARE * SAMPLE_PER_FRAME
        sample = _captures("sample", total, 1000 * seed, place)
        blank = _captures("blank", blank_per_frame, 1000 * seed + 100, place)
        other = _captures("other blank", blank_per_frame, 1000 * seed + 200, place)
        settings = settings_of(sample[1][0].scene).model_copy(
            update={"calibration": str(file), "blank": tuple(map(str, blank[0]))}
        )
        found = analyze(sample[0], settings=settings)
        alone = analyze(other[0], settings=settings)
    own = _mean_per_ml(sample[1]) - _mean_per_ml(blank[1])
    return _reading(seed, found.concentration.measured, own, math.nan), alone.status_code


def _captures(name: str, per_frame: float, first_seed: int, folder: Path) -> tuple[list[Path], list[Truth]]:
    changes: dict[str, Any] = {"particles_per_frame": per_frame, "flow_um_s": _FLOW_UM_S}
    made = [_video(Case(name, EXOSOMES, 30.0, changes), first_seed + k, folder) for k in range(N_CAPTURES)]
    return [path for path, _ in made], [truth for _, truth in made]


def _mean_per_ml(truths: list[Truth]) -> float:
    return sum(truth.concentration_per_ml for truth in truths) / len(truths)


def _place(stack: ExitStack, folder: str | None) -> Path:
    """Return the folder for the videos: the one asked for, or one that is gone afterwards."""
    if folder is not None:
        return Path(folder)
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nta_benchmark_")))
