"""Errors of positions on simulated spots: trackpy's, nta's, the bound; and whether ``sigma_px`` is honest.

``python benchmarks/localisation.py [--frames N]``. Three captures of the ``ns300`` preset with 6, 50 and 100
particles per frame, analysed by :func:`nta.detect` with no option. A spot belongs to the brightest true
particle within 5 px of where trackpy saw it; its error is the distance to that particle's mean position over
the exposure, which is what the likelihood of a track is about. Errors are per axis, in px, rms where they
are not called median (then of normal errors with that median).

The bound is that of an isolated Gaussian spot of known shape at rest (Cramér-Rao): with peak A, camera noise
n and gain g grey levels per photoelectron, the information of one axis is
2 pi A² int u exp(-2u)/(n² + g A exp(-u)) du; without photon noise the error is sqrt(2/pi) n/A, whatever the
width of the spot.

*Share* is the part of the distance between the two positions that, added to the rest of ``sigma_px`` in
quadrature, makes it honest: what ``DISAGREEMENT_SHARE`` of :mod:`nta.localisation` stands for. Spots whose
``sigma_px`` is above 2 px (faint light inside the disc) are left out of it.

Asserted: in every scene nta's error is below trackpy's, and within a factor 1.5 of ``sigma_px``; at 50
particles per frame the share is 0.25 to 0.6 wherever the distance is 0.4 to 4 px.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import math
import os
import platform
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

import nta
from nta.detection import detect
from nta.localisation import DISAGREEMENT_SHARE
from nta.simulation import Lognormal, Scene, simulate
from nta.video import open_video

Floats = NDArray[np.float64]

PARTICLES_PER_FRAME: Final = (6.0, 50.0, 100.0)
N_FRAMES: Final = 150
REACH_PX: Final = 5.0
FEWEST: Final = 30

PEAK_BINS: Final = (0.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, math.inf)
DEPTH_BINS_UM: Final = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0, math.inf)
_OF_SIGMA: Final = ("sigma_px", "error/sigma_px", "share")
DISAGREEMENT_BINS_PX: Final = (0.0, 0.1, 0.2, 0.4, 0.8, 1.5, 2.5, 4.01)


def scene(particles_per_frame: float, n_frames: int) -> Scene:
    """Return an exosome capture as ``benchmarks/exosomes.py`` takes it, with another concentration."""
    return Scene(
        population=Lognormal(107.0, 0.275),
        particles_per_frame=particles_per_frame,
        n_frames=n_frames,
        flow_um_s=(10.0, 2.0),
        seed=1,
    )


def camera_noise(capture: Scene) -> float:
    """Return the noise of a pixel without particles, grey levels: reading, stray light, whole numbers."""
    stray = capture.camera_gain**2 * capture.stray_photoelectrons
    return math.sqrt(capture.camera_read_noise**2 + stray + 1.0 / 12.0)


def bound_px(peak: Floats, noise: float, gain: float) -> Floats:
    """Return the Cramér-Rao bound per axis of Gaussian spots of these peaks (grey levels), px."""
    u = np.linspace(0.0, 20.0, 2001)
    variance = noise**2 + gain * peak[:, None] * np.exp(-u)
    information = 2.0 * math.pi * peak**2 * np.trapezoid(u * np.exp(-2.0 * u) / variance, u, axis=1)
    bound: Floats = 1.0 / np.sqrt(information)
    return bound


def matched(particles_per_frame: float, n_frames: int) -> tuple[pd.DataFrame, int]:
    """Return one row a spot with its true particle, and the number of spots without one."""
    capture = scene(particles_per_frame, n_frames)
    with tempfile.TemporaryDirectory(prefix="nta_benchmark_") as folder:
        path = Path(folder) / "spots.avi"
        truth = simulate(capture, path, positions=True).positions
        spots = detect(open_video(path)).table
    assert truth is not None
    of_frame = dict(iter(truth.groupby("frame")))
    parts = [_of_one_frame(rows, of_frame[frame]) for frame, rows in spots.groupby("frame")]
    table = pd.concat(parts, ignore_index=True)
    table["noise"] = camera_noise(capture)
    table["bound"] = bound_px(table["peak"].to_numpy(np.float64), camera_noise(capture), capture.camera_gain)
    return table, len(spots) - len(table)


def _of_one_frame(spots: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    at = truth[["x", "y"]].to_numpy(np.float64)
    peak = truth["peak_grey"].to_numpy(np.float64)
    tree = cKDTree(at)
    near = [tree.query_ball_point(place, REACH_PX) for place in spots[["x", "y"]].to_numpy(np.float64)]
    own = np.array([places[int(np.argmax(peak[places]))] if places else -1 for places in near])
    rows, own = spots[own >= 0], own[own >= 0]
    return pd.DataFrame(
        {
            "trackpy": np.hypot(rows["x"] - at[own, 0], rows["y"] - at[own, 1]) / math.sqrt(2.0),
            "disc": np.hypot(rows["x_refined"] - at[own, 0], rows["y_refined"] - at[own, 1]) / math.sqrt(2.0),
            "sigma": rows["sigma_px"],
            "disagreement": np.hypot(rows["x_refined"] - rows["x"], rows["y_refined"] - rows["y"]),
            "peak": np.maximum(peak[own], 1e-3),
            "depth": np.abs(truth["z_um"].to_numpy(np.float64)[own]),
        }
    )


def rms(values: pd.Series[float]) -> float:
    """Return the root of the mean square."""
    return float(np.sqrt(np.mean(np.asarray(values, dtype=np.float64) ** 2)))


def share_needed(table: pd.DataFrame) -> float:
    """Return the share of the positions' distance that makes ``sigma_px`` honest; NaN if none does."""
    part = table[table["sigma"] < 2.0]
    squared = part["disagreement"] ** 2
    others = part["sigma"] ** 2 - DISAGREEMENT_SHARE**2 * squared
    needed = float((part["disc"] ** 2 - others).mean() / squared.mean())
    return math.sqrt(needed) if needed > 0 else math.nan


def typical(distance: pd.Series[float]) -> float:
    """Return the error per axis of normal errors with this median: a Rayleigh median times 1/sqrt(2 ln 2)."""
    return float(distance.median()) * math.sqrt(2.0) / math.sqrt(2.0 * math.log(2.0))


def show(table: pd.DataFrame, name: str, values: pd.Series[float], bins: Sequence[float]) -> list[tuple[float, float]]:
    """Print the errors by bins of ``values``; return each bin's lower end and the share it needs."""
    columns = (name, "spots", "trackpy", "nta", "trackpy, median", "nta, median", "bound, median", *_OF_SIGMA)
    print(f"\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    shares = []
    for low, high in pairwise(bins):
        part = table[(values >= low) & (values < high)]
        if len(part) < FEWEST:
            continue
        label = f"{low:g} and more" if math.isinf(high) else f"{low:g} to {high:g}"
        shares.append((low, share_needed(part)))
        print(
            f"| {label} | {len(part)} | {rms(part['trackpy']):.3f} | {rms(part['disc']):.3f} "
            f"| {typical(part['trackpy']):.3f} | {typical(part['disc']):.3f} | {part['bound'].median():.3f} "
            f"| {rms(part['sigma']):.3f} "
            f"| {rms(part['disc'] / part['sigma']):.2f} | {shares[-1][1]:.2f} |"
        )
    return shares


def report(particles_per_frame: float, n_frames: int) -> None:
    """Measure one scene, print its tables, assert."""
    table, n_alone = matched(particles_per_frame, n_frames)
    spots = f"{len(table)} spots, {n_alone} without a particle"
    print(f"\n## {particles_per_frame:.0f} particles per frame: {spots}")
    show(table, "peak/noise", table["peak"] / table["noise"], PEAK_BINS)
    show(table, "depth, µm", table["depth"], DEPTH_BINS_UM)
    shares = show(table, "positions apart, px", table["disagreement"], DISAGREEMENT_BINS_PX)
    honesty = rms(table["disc"] / table["sigma"])
    print(
        f"\nAll spots: trackpy {rms(table['trackpy']):.3f}, nta {rms(table['disc']):.3f}, sigma_px "
        f"{rms(table['sigma']):.3f} px; medians {typical(table['trackpy']):.3f} and "
        f"{typical(table['disc']):.3f} px; error/sigma_px {honesty:.2f}"
    )
    assert rms(table["disc"]) < rms(table["trackpy"]), "trackpy's positions are better here"
    assert 1.0 / 1.5 < honesty < 1.5, f"error/sigma_px is {honesty:.2f}"
    if particles_per_frame == 50.0:
        assert all(0.25 <= share <= 0.6 for low, share in shares if low >= 0.4), f"shares {shares}"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=N_FRAMES, help="frames of each capture (default 150)")
    n_frames = parser.parse_args().frames
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "numba", "trackpy"))
    print(
        f"nta {nta.__version__}, Python {platform.python_version()}, {versions}; {platform.machine()}, "
        f"{os.cpu_count()} cores, {platform.system()}"
    )
    for particles_per_frame in PARTICLES_PER_FRAME:
        report(particles_per_frame, n_frames)


if __name__ == "__main__":
    main()
