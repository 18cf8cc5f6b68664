"""A campaign of four days with known truth: harvests of one lot, one of them bad, a blank, beads on every day."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from nta.errors import UsageError
from nta.estimate import NORMAL_95, Estimate
from nta.progress import Progress, silent
from nta.simulation.capture import simulate
from nta.simulation.population import Lognormal, OneSize, Population
from nta.simulation.scene import Scene

MODE_NM: Final = 107.0
CV: Final = 0.275
BEAD_NM: Final = 100.0
FORECAST: Final = (1e12, 4e12)
"""Particles expected of a day."""

VOLUME_SD_PERCENT: Final = 1.0
DILUTION_SD_PERCENT: Final = 2.0

_CAPTURES: Final = 3
_MEDIUM_ML: Final = 350.0
_BEADS_IN_VIEW: Final = 30.0
_BLANK_IN_VIEW: Final = 0.3
_FIELD_PX: Final = (320, 240)


@dataclass(frozen=True, slots=True)
class CampaignDay:
    """One day: how many particles its harvest holds, and what the manifest says of it.

    Parameters
    ----------
    day : str
        Label.
    particles : float
        In the harvest.
    dilution, volume_ml : float
        As the manifest states them; the truth is off by their stated uncertainties.
    """

    day: str
    particles: float
    dilution: float
    volume_ml: float

    def z(self, found: Estimate) -> float | None:
        """Return how far a yield is from the truth, in standard uncertainties of its own interval, in the logarithm.

        ``None`` where nothing was found.
        """
        if not (found.low > 0.0 and found.high < math.inf):
            return None
        return math.log(found.value / self.particles) / (math.log(found.high / found.low) / (2.0 * NORMAL_95))


DAYS: Final = (
    CampaignDay("2026-11-01", 1.6e12, 100.0, 12.0),
    CampaignDay("2026-11-02", 3.4e12, 200.0, 12.5),
    CampaignDay("2026-11-03", 3.5e11, 20.0, 11.5),
    CampaignDay("2026-11-04", 2.5e12, 150.0, 13.0),
)
"""The third of them is the bad one: far below :data:`FORECAST`."""


@dataclass(frozen=True)
class Campaign:
    """A simulated campaign in a folder.

    Parameters
    ----------
    folder : Path
        Holds ``manifest.csv`` and the videos.
    days : tuple of CampaignDay
        With the true particles.
    beads : tuple of Path
        Captures of beads of 100 nm, one a day.
    beads_per_ml : float
        Their concentration in the cell, particles/mL.
    """

    folder: Path
    days: tuple[CampaignDay, ...]
    beads: tuple[Path, ...]
    beads_per_ml: float
    acquisition: dict[str, float] = field(default_factory=dict)


def make_campaign(
    folder: str | Path, *, n_frames: int = 200, seed: int = 1, lot: str = "DEMO-1", progress: Progress | None = None
) -> Campaign:
    """Write the videos and the manifest of a campaign.

    Particles are lognormal with their mode at 107 nm and a spread of 27.5 %, filmed as an NS300 does in a small field.

    Parameters
    ----------
    folder : path
        New or empty; made with its parents.
    n_frames : int
        Length of each capture.
    seed : int
        Same seed, same campaign.
    lot : str
        Name of the lot.
    progress : Progress, optional
        Told the captures that are done.

    Raises
    ------
    UsageError
        If the folder holds something.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{str(folder)!r} is there and not empty; choose another folder")
    plan = tuple(_plan(folder, n_frames, seed))
    for number, (path, scene) in enumerate(plan):
        (progress or silent)("simulating", number, len(plan))
        simulate(scene, path)
    (folder / "manifest.csv").write_text(_manifest(lot), encoding="utf-8")
    scene = plan[0][1]
    taken = {"mpp": scene.mpp, "fps": scene.fps, "exposure_ms": scene.exposure_ms, "temperature_c": scene.temperature_c}
    beads = tuple(folder / f"beads_{day.day}.avi" for day in DAYS)
    return Campaign(folder, DAYS, beads, _BEADS_IN_VIEW / scene.volume_in_view_ml, taken)


def _plan(folder: Path, n_frames: int, seed: int) -> Iterator[tuple[Path, Scene]]:
    """Yield every capture: where it goes, and what is in it."""
    random = np.random.default_rng([seed, 4])
    sizes = Lognormal(MODE_NM, CV)
    number = 1000 * seed
    for day in DAYS:
        volume_ml = day.volume_ml * (1.0 + VOLUME_SD_PERCENT / 100.0 * random.standard_normal())
        dilution = day.dilution * (1.0 + DILUTION_SD_PERCENT / 100.0 * random.standard_normal())
        per_ml = day.particles / volume_ml / dilution
        for capture in range(_CAPTURES):
            number += 1
            path = folder / f"harvest_{day.day}_{capture}.avi"
            yield path, _scene(sizes, n_frames, number, concentration_per_ml=per_ml)
        number += 1
        path = folder / f"beads_{day.day}.avi"
        yield path, _scene(OneSize(BEAD_NM), n_frames, number, particles_per_frame=_BEADS_IN_VIEW)
    yield folder / "blank.avi", _scene(sizes, n_frames, number + 1, particles_per_frame=_BLANK_IN_VIEW)


def _scene(
    population: Population,
    n_frames: int,
    seed: int,
    *,
    concentration_per_ml: float | None = None,
    particles_per_frame: float | None = None,
) -> Scene:
    width, height = _FIELD_PX
    return Scene(
        population=population,
        concentration_per_ml=concentration_per_ml,
        particles_per_frame=particles_per_frame,
        width_px=width,
        height_px=height,
        n_frames=n_frames,
        seed=seed,
    )


def _manifest(lot: str) -> str:
    """Return the manifest: the samples with the blank, beads of every day, the blank itself."""
    columns = (
        "lot,day,sample,role,video,dilution,dilution_sd_percent,volume_ml,volume_sd_percent,blank,step,volume_in_ml,"
    )
    columns += "bioreactor"
    sd = DILUTION_SD_PERCENT, VOLUME_SD_PERCENT
    rows = [
        f"{lot},{day.day},harvest {day.day},sample,harvest_{day.day}_*.avi,{day.dilution:g},{sd[0]:g},"
        f"{day.volume_ml:g},{sd[1]:g},blank.avi,concentration,{_MEDIUM_ML:g},HF-1"
        for day in DAYS
    ]
    rows += [f"{lot},{day.day},beads {day.day},beads,beads_{day.day}.avi,1,,,,,,," for day in DAYS]
    rows.append(f"{lot},{DAYS[0].day},blank,blank,blank.avi,1,,,,,,,")
    return "\n".join([columns, *rows]) + "\n"
