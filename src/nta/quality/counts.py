"""What the numbers of spots and tracks of a sample say against a measurement, all captures together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
import pandas as pd

from nta.diffusion import DEFAULT_MIN_TRACK, Diffusion
from nta.distribution import MIN_TRACKS
from nta.quality.registry import Flag, flag
from nta.settings import Acquisition
from nta.tracking import Tracks

SPARSE_PER_FRAME: Final = 15.0
CROWDED_PER_FRAME: Final = 100.0
CROWDED_FIELD_PX: Final = 640 * 480
"""Field of which that holds, px²: in one twice as large, twice as many spots are as far apart."""

MIN_TRACKS_USED: Final = 100

VALID_SHARE: Final = 0.5
"""Share of the spots that tracks of five positions or more must hold; 0.83 to 0.98 on simulated films."""

_JUDGED_SPOTS: Final = 500


class Counted(Protocol):
    """The positions of one capture, found in a video or read from a table."""

    @property
    def table(self) -> pd.DataFrame:
        """One row a position."""

    @property
    def acquisition(self) -> Acquisition:
        """How it was taken, with the number of frames."""

    @property
    def particles_per_frame(self) -> float:
        """Mean number of positions in a frame."""


def of_counts(captures: Sequence[tuple[str, Counted]], tracks: Tracks, diffusion: Diffusion) -> list[Flag]:
    """Return whether there were too few spots or tracks, or too many spots."""
    per_frame = _per_frame(captures)
    most = CROWDED_PER_FRAME * max(1.0, _mean_field_px(tracks) / CROWDED_FIELD_PX)
    return [*_of_numbers(captures, per_frame, most, diffusion), *_of_valid_tracks(tracks, per_frame, diffusion)]


def _per_frame(captures: Sequence[tuple[str, Counted]]) -> float:
    """Return the mean number of spots in a frame, every frame of the sample counting once."""
    frames = sum(found.acquisition.n_frames or 0 for _, found in captures)
    return sum(len(found.table) for _, found in captures) / frames if frames else math.nan


def _mean_field_px(tracks: Tracks) -> float:
    """Return the area in which spots are found, px²; 0 where no field is known, as in a table of tracks."""
    areas = [capture.field_px[2] * capture.field_px[3] for capture in tracks.captures]
    known = [area for area in areas if math.isfinite(area)]
    return float(np.mean(known)) if known else 0.0


def _of_numbers(
    captures: Sequence[tuple[str, Counted]], per_frame: float, most: float, diffusion: Diffusion
) -> list[Flag]:
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
        told = (
            "fewer than the sizes and the concentration need: record longer or more captures, or dilute less"
            if n_tracks < MIN_TRACKS
            else "record longer or more captures: the intervals are as wide as that says"
        )
        return [
            flag(
                "few_tracks",
                f"only {n_tracks} particles could be followed for {diffusion.min_track} frames or more; {told}",
            )
        ]
    # Each capture shows another part of the liquid: eleven with 5 particles each are a sample of 55.
    in_all = float(np.sum([found.particles_per_frame for _, found in captures]))
    if in_all < SPARSE_PER_FRAME:
        return [
            flag(
                "sparse",
                f"{in_all:.1f} particles per frame{'' if len(captures) == 1 else ' in all captures together'} are few; "
                "15 to 100 measure best: dilute less, or record more captures",
            )
        ]
    if per_frame > most:
        return [
            flag(
                "crowded",
                f"{per_frame:.0f} particles per frame hide each other; 15 to {most:.0f} measure best: dilute more",
            )
        ]
    return []


def _of_valid_tracks(tracks: Tracks, per_frame: float, diffusion: Diffusion) -> list[Flag]:
    """Return whether most spots are in no track that could be sized, where there are spots enough to say so."""
    if len(tracks.table) < _JUDGED_SPOTS or per_frame < 1.0:
        return []
    # Neither a stated longer least track nor the longer lags of a compressed film are a fault of the spots.
    least = min(DEFAULT_MIN_TRACK, diffusion.min_track)
    lengths = tracks.table.groupby(["capture", "particle"])["frame"].transform("size")
    share = float(np.mean(lengths >= least))
    if share >= VALID_SHARE:
        return []
    return [
        flag(
            "valid_tracks",
            f"only {share:.0%} of the spots are in tracks of {least} frames or more; noise, glare or particles that "
            "come and go too fast are among them: raise the frame rate or --min-mass, or dilute more",
        )
    ]
