"""Simulated tracks: our density, our alternatives and saspt on the same tracks, against the population."""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from simulated_tracks import SimulatedTracks, simulate_tracks
from wasserstein import GRID_NM, distance_nm, of_particles, of_population

from nta.alternatives import METHODS, track_squares
from nta.diffusion import estimate_diffusion
from nta.distribution import size_distribution
from nta.estimate import Estimate
from nta.simulation import Lognormal, Mixture, OneSize, Population
from nta.size_statistics import cumulative_share, point_statistics, size_statistics

Floats = NDArray[np.float64]

EXOSOMES: Final = Lognormal(107.0, 0.275)
POPULATIONS: Final[dict[str, Population]] = {
    "100 nm": OneSize(100.0),
    "lognormal 107 nm": EXOSOMES,
    "100 + 200 nm": Mixture((OneSize(100.0), OneSize(200.0)), (0.5, 0.5)),
    "80 + 120 nm": Mixture((OneSize(80.0), OneSize(120.0)), (0.5, 0.5)),
}
RESOLVED_NM: Final = {"100 + 200 nm": (100.0, 200.0), "80 + 120 nm": (80.0, 120.0)}
OURS: Final = "penalised"
PERFECT: Final = "perfect sizing"
SASPT: Final = "saspt"
COVERED: Final = ("mode", "mean", "d10", "d50", "d90")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one method said of one set, nm."""

    wasserstein: float
    mode: float = float("nan")
    d10: float = float("nan")
    d50: float = float("nan")
    d90: float = float("nan")
    resolved: bool | None = None


def read_set(
    name: str, n_tracks: int, seed: int, *, exposure_ms: float, alternatives: bool, with_saspt: bool
) -> dict[str, Reading]:
    """Return what each method says of one set of simulated tracks; saspt takes most of a minute for one."""
    population = POPULATIONS[name]
    simulated = simulate_tracks(population, n_tracks, seed, exposure_ms=exposure_ms)
    truth = of_population(population)
    diffusion = estimate_diffusion(simulated.tracks)
    found = size_distribution(diffusion, n_draws=0)
    diameter_nm = found.table["diameter_nm"].to_numpy(np.float64)
    readings = {PERFECT: Reading(_perfect_nm(simulated, truth))}
    densities = {OURS: found.table["density_per_nm"].to_numpy(np.float64)}
    if alternatives:
        squares = track_squares(simulated.tracks, diffusion)
        densities |= {method: estimate(squares, diameter_nm, None) for method, estimate in METHODS.items()}
    for method, density in densities.items():
        readings[method] = _reading(name, diameter_nm, density, truth)
    if with_saspt and importlib.util.find_spec("saspt"):
        readings[SASPT] = _saspt(simulated, truth)
    return readings


def _perfect_nm(simulated: SimulatedTracks, truth: Floats) -> float:
    """Return W1 of the very particles of the set, each with its exact size, by positions."""
    own = of_particles(simulated.diameter_nm, simulated.n_positions.astype(np.float64))
    return distance_nm(GRID_NM, own, truth)


def _reading(name: str, diameter_nm: Floats, density: Floats, truth: Floats) -> Reading:
    point = point_statistics(diameter_nm, density)
    peaks = size_statistics(diameter_nm, density, np.empty((0, diameter_nm.size)), 0).peaks
    wanted = RESOLVED_NM.get(name, ())
    resolved = len(peaks) == len(wanted) and all(
        abs(peak.diameter.value / size - 1.0) < 0.1 for peak, size in zip(peaks, wanted, strict=True)
    )
    return Reading(
        distance_nm(diameter_nm, cumulative_share(diameter_nm, density), truth),
        *(point[key] for key in ("mode", "d10", "d50", "d90")),
        resolved,
    )


def _saspt(simulated: SimulatedTracks, truth: Floats) -> Reading:
    """Return what saspt's state array says; it knows no motion blur, and its grid is its own."""
    import matplotlib

    # saspt 0.4.0 imports a function that matplotlib has since moved.
    matplotlib.cm.get_cmap = matplotlib.colormaps.get_cmap
    from saspt import RBME, StateArray

    taken = simulated.tracks.captures[0].acquisition
    table = simulated.tracks.table
    numbered = table.assign(trajectory=table.groupby(["capture", "particle"]).ngroup())
    detections = numbered[["frame", "trajectory", "y", "x"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings = {
            "likelihood_type": RBME,
            "pixel_size_um": taken.mpp,
            "frame_interval": taken.frame_time_s,
            "focal_depth": taken.depth_um,
            "progress_bar": False,
            "sample_size": 100_000,
            "diff_coefs": taken.diffusion_m2_s(np.geomspace(700.0, 20.0, 100)) * 1e12,
        }
        array = StateArray.from_detections(detections, **settings)
        diffusion = np.asarray(array.diff_coefs, dtype=np.float64)
        occupation = np.asarray(array.posterior_occs, dtype=np.float64)
    share = occupation.sum(axis=tuple(range(1, occupation.ndim))) if occupation.ndim > 1 else occupation
    diameter_nm = (taken.diffusion_m2_s(1.0) * 1e12 / diffusion)[::-1]
    cumulative = np.cumsum(share[::-1]) / share.sum()
    density = np.gradient(cumulative, diameter_nm)
    top = float(diameter_nm[int(np.argmax(density))])
    return Reading(distance_nm(diameter_nm, cumulative, truth), top)


def coverage_of(seed: int, n_tracks: int) -> dict[str, tuple[Estimate, float]]:
    """Return mode, mean and percentiles of one exosome set with their intervals, each with the truth."""
    simulated = simulate_tracks(EXOSOMES, n_tracks, seed)
    size = size_distribution(estimate_diffusion(simulated.tracks)).size
    return {name: (getattr(size, name), true_value(name)) for name in COVERED}


def true_value(name: str) -> float:
    """Return a statistic of the exosome population, nm."""
    curve = of_population(EXOSOMES)
    if name == "mode":
        return EXOSOMES.mode_nm
    if name == "mean":
        return float(np.trapezoid(1.0 - curve, GRID_NM)) + float(GRID_NM[0])
    return float(np.interp(int(name[1:]) / 100.0, curve, GRID_NM))
