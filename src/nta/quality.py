"""What could be wrong with this measurement, and what to do about it: the one registry of flags."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from nta.concentration import Concentration
from nta.detection import Detections
from nta.diffusion import Diffusion
from nta.kernels import step_products
from nta.settings import Sourced
from nta.tracking import Tracks

Level = Literal["info", "warn", "fail"]

FLAGS: Final[dict[str, tuple[Level, str]]] = {
    "assumed": ("info", "a value that the size depends on was not stated and had to be assumed"),
    "relative_concentration": ("info", "the depth of the volume is nominal, so only ratios are meaningful"),
    "below_detection": ("warn", "fewer particles than a size distribution needs: a blank, or too dilute"),
    "few_tracks": ("warn", "spots were seen but too few could be followed long enough"),
    "outside_range": ("warn", "hardly any particle lies in the size range asked for"),
    "sparse": ("warn", "fewer than 15 particles per frame"),
    "crowded": ("warn", "more than 100 particles per frame"),
    "saturated": ("warn", "a part of the picture is at the top of the camera's range"),
    "short_lags": ("warn", "steps that are not neighbours correlate, which neither blur nor localisation can cause"),
    "capture_rejected": ("warn", "one capture of the sample could not be used"),
    "fps_conflict": ("warn", "two parts of the file state different frame rates"),
    "frame_count": ("warn", "the file holds another number of frames than it states"),
    "dropped_frames": ("warn", "time stamps show that frames are missing"),
    "duplicated_frames": ("warn", "frames repeat the one before, bit for bit, as no camera's do"),
    "lossy_source": ("warn", "the codec threw detail away, which moves centroids"),
    "partial": ("warn", "only a part of a damaged file was read"),
    "pixel_size": ("warn", "the file states a pixel size that cannot be right"),
}
"""Every flag that a result can carry: its level and what it means. A test raises each one."""

SPARSE_PER_FRAME: Final = 15.0
CROWDED_PER_FRAME: Final = 100.0
SATURATED_SHARE: Final = 0.001
MIN_TRACKS_USED: Final = 100
SHORT_LAG_SDS: Final = 4.0

_ASSUMED_NAMES: Final = ("mpp", "fps", "exposure_ms", "temperature_c", "medium", "depth_um")
_STEPS_APART: Final = (2, 3)


@dataclass(frozen=True, slots=True)
class Flag:
    """One remark on a measurement.

    Parameters
    ----------
    code : str
        A key of :data:`FLAGS`.
    level : {"info", "warn", "fail"}
        ``warn`` makes the status ``warn``; ``info`` does not.
    message : str
        What it means and what to do, with the numbers of this measurement.
    """

    code: str
    level: Level
    message: str


def flag(code: str, message: str) -> Flag:
    """Return a flag of the registry with the sentence for this measurement."""
    return Flag(code, FLAGS[code][0], message)


def assess(
    captures: Sequence[tuple[str, Detections]],
    tracks: Tracks,
    diffusion: Diffusion,
    concentration: Concentration,
    values: Mapping[str, Sourced],
) -> tuple[Flag, ...]:
    """Return every flag of a sample that was measured, the gravest first.

    Parameters
    ----------
    captures : sequence of (name, Detections)
        The captures used.
    tracks, diffusion, concentration
        What was made of them.
    values : dict of Sourced
        Every value with its origin.
    """
    flags: list[Flag] = []
    for name, detections in captures:
        flags += _of_picture(name, detections)
    flags += _of_counts(captures, diffusion)
    flags += _of_motion(tracks, diffusion.min_track)
    flags += _of_values(values, concentration)
    order = {"fail": 0, "warn": 1, "info": 2}
    return tuple(sorted(flags, key=lambda found: order[found.level]))


def _of_picture(name: str, detections: Detections) -> list[Flag]:
    share = detections.appearance.saturated_share
    if share <= SATURATED_SHARE:
        return []
    return [
        flag(
            "saturated",
            f"{share:.1%} of the pixels of {name} are saturated: large particles look equally bright and lose "
            "precision; lower the camera level or the shutter",
        )
    ]


def _of_counts(captures: Sequence[tuple[str, Detections]], diffusion: Diffusion) -> list[Flag]:
    per_frame = float(np.mean([detections.particles_per_frame for _, detections in captures]))
    n_tracks = len(diffusion.table)
    if n_tracks < MIN_TRACKS_USED:
        if per_frame < 1.0:
            return [
                flag(
                    "below_detection",
                    f"{n_tracks} tracks and {per_frame:.2f} particles per frame: this is below detection; for a blank "
                    "that is good, otherwise use less dilution or a higher camera level",
                )
            ]
        return [
            flag(
                "few_tracks",
                f"only {n_tracks} particles could be followed for {diffusion.min_track} frames or more; record longer "
                "or more captures: the intervals are as wide as that says",
            )
        ]
    if per_frame < SPARSE_PER_FRAME:
        return [flag("sparse", f"{per_frame:.1f} particles per frame are few; 15 to 100 measure best: dilute less")]
    if per_frame > CROWDED_PER_FRAME:
        return [
            flag("crowded", f"{per_frame:.0f} particles per frame hide each other; 15 to 100 measure best: dilute more")
        ]
    return []


def _of_motion(tracks: Tracks, min_track: int) -> list[Flag]:
    worst = max((short_lag_score(tracks, min_track, apart) for apart in _STEPS_APART), key=lambda score: score[1])
    correlation, z = worst
    if not z > SHORT_LAG_SDS:
        return []
    return [
        flag(
            "short_lags",
            f"steps two or three frames apart correlate by {correlation:+.2f} ({z:.0f} standard errors), which neither "
            "blur nor localisation can cause: the film was compressed or its frames interpolated, or the flow "
            "pulsates; sizes from short lags are wrong here, so record again without compression",
        )
    ]


def short_lag_score(tracks: Tracks, min_track: int, steps_apart: int) -> tuple[float, float]:
    """Return the mean correlation of steps two or more apart and how many standard errors it is from 0.

    Tracks, not steps, are taken as independent. NaN and 0 where there are fewer than 20 tracks.
    """
    products = [
        step_products(flat.offsets, flat.frames, flat.x_m, flat.y_m, flat.drift_x_m, flat.drift_y_m, steps_apart)
        for _, flat in tracks.flat(max(min_track, steps_apart + 2))
    ]
    table = np.concatenate(products) if products else np.empty((0, 2))
    table = table[np.isfinite(table[:, 0])]
    if len(table) < 20:
        return math.nan, 0.0
    spread = math.sqrt(float(np.sum(table[:, 0] ** 2)))
    return float(table[:, 0].sum() / table[:, 1].sum()), abs(float(table[:, 0].sum())) / spread if spread else 0.0


def _of_values(values: Mapping[str, Sourced], concentration: Concentration) -> list[Flag]:
    flags = []
    assumed = [name for name in _ASSUMED_NAMES if name in values and values[name].origin == "assumed"]
    if assumed:
        stated = ", ".join(f"{name} = {values[name].value}" for name in assumed)
        flags.append(
            flag("assumed", f"not stated and therefore assumed: {stated}; give them, because the sizes depend on them")
        )
    if concentration.is_relative:
        flags.append(
            flag(
                "relative_concentration",
                "the concentration rests on a nominal depth: compare it only with samples of the same instrument and "
                "settings, until a bead standard has calibrated the depth",
            )
        )
    return flags
