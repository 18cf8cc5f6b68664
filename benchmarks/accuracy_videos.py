"""Simulated videos through the whole pipeline: ours and the usual ways on the same tracks, against what was in view."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from accuracy_tracks import OURS
from scenes import CASES, settings_of
from wasserstein import distance_nm, of_truth

from nta.alternatives import METHODS, track_squares
from nta.measurement import Measurement
from nta.pipeline import analyze
from nta.simulation import Truth, simulate
from nta.size_statistics import cumulative_share, point_statistics

BESIDE: Final = ("raw", "ftla")
"""Alternatives that stand beside ours: the histogram of slopes of the MSD, and the finite-track adjustment."""


@dataclass(frozen=True, slots=True)
class VideoReading:
    """One capture of one case: what was found and what was in view; nm, µm/s, particles per mL."""

    case: int
    seed: int
    found: dict[str, float]
    in_view: dict[str, float]
    wasserstein: dict[str, float]
    raw_mode: float
    peaks: tuple[tuple[float, float], ...]
    shares_in_view: tuple[float, ...]
    flow: float
    flow_true: float
    concentration_ratio: float
    flags: tuple[str, ...]


def read_video(case: int, seed: int, folder: str | None) -> VideoReading:
    """Make the capture (or take it from ``folder``, and leave it there), analyse it and compare."""
    with tempfile.TemporaryDirectory(prefix="nta_benchmark_") as temporary:
        path = Path(temporary if folder is None else folder) / f"{case:02d}_{seed}.avi"
        if path.exists():
            truth = Truth.load(path.with_suffix(".truth.json"))
        else:
            truth = simulate(CASES[case].scene(seed), path)
        scene = truth.scene
        settings = settings_of(scene).model_copy(update={"depth_um": scene.sheet_fwhm_um})
        return _compared(case, seed, analyze(path, settings=settings), truth)


def _share_near(truth: Truth, peak_nm: float) -> float:
    """Return the share of what was in view within 10 % of a size."""
    near = np.abs(truth.diameter_nm / peak_nm - 1.0) < 0.1
    return float(truth.frames_in_view[near].sum() / truth.frames_in_view.sum())


def _compared(case: int, seed: int, found: Measurement, truth: Truth) -> VideoReading:
    diameter_nm = found.distribution.table["diameter_nm"].to_numpy(np.float64)
    squares = track_squares(found.tracks, found.diffusion)
    densities = {name: METHODS[name](squares, diameter_nm, None) for name in BESIDE}
    densities[OURS] = found.distribution.table["density_per_nm"].to_numpy(np.float64)
    curve = of_truth(truth)
    flow = found.captures[0].flow_um_s or (float("nan"), float("nan"))
    return VideoReading(
        case=case,
        seed=seed,
        found={name: getattr(found.size, name).value for name in ("mode", "d10", "d50", "d90")},
        in_view={f"d{share}": truth.quantile_nm(share / 100.0) for share in (10, 50, 90)},
        wasserstein={
            name: distance_nm(diameter_nm, cumulative_share(diameter_nm, density), curve)
            for name, density in densities.items()
        },
        raw_mode=point_statistics(diameter_nm, densities["raw"])["mode"],
        peaks=tuple((peak.diameter.value, peak.fraction) for peak in found.size.peaks),
        shares_in_view=tuple(_share_near(truth, peak_nm) for peak_nm in CASES[case].peaks_nm),
        flow=float(flow[0]),
        flow_true=truth.scene.flow_um_s[0],
        concentration_ratio=found.concentration.measured.value / truth.concentration_per_ml,
        flags=tuple(flag.code for flag in found.flags if flag.level != "info"),
    )
