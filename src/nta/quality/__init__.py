"""What could be wrong with this measurement, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from nta.concentration import Concentration
from nta.detection import Detections
from nta.diffusion import Diffusion, smallest_diameter_nm
from nta.distribution import SizeDistribution
from nta.quality.counts import Counted, of_counts
from nta.quality.motion import of_motion
from nta.quality.picture import of_picture
from nta.quality.registry import FLAGS, Flag, Level, flag
from nta.quality.results import of_agreement, of_calibration, of_read_out, of_size_limit, of_threshold, of_values
from nta.settings import Sourced
from nta.tracking import Tracks

__all__ = [
    "FLAGS",
    "Counted",
    "Flag",
    "Level",
    "assess",
    "assess_tracks",
    "by_gravity",
    "flag",
    "of_agreement",
    "of_calibration",
    "of_read_out",
    "of_size_limit",
    "of_threshold",
]


def assess(
    captures: Sequence[tuple[str, Detections]],
    tracks: Tracks,
    diffusion: Diffusion,
    concentration: Concentration,
    values: Mapping[str, Sourced],
    distribution: SizeDistribution,
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
    distribution : SizeDistribution
        The sizes.
    """
    return by_gravity(
        [
            *of_picture(captures, tracks, diffusion),
            *assess_tracks(captures, tracks, diffusion, concentration, values, distribution),
        ]
    )


def assess_tracks(
    captures: Sequence[tuple[str, Counted]],
    tracks: Tracks,
    diffusion: Diffusion,
    concentration: Concentration,
    values: Mapping[str, Sourced],
    distribution: SizeDistribution,
) -> tuple[Flag, ...]:
    """Return the flags of :func:`assess` that need no picture."""
    return by_gravity(
        [
            *of_counts(captures, tracks, diffusion),
            *of_motion([name for name, _ in captures], tracks, diffusion, values),
            *of_size_limit(distribution, smallest_diameter_nm(tracks)),
            *of_read_out(distribution),
            *of_values(values, concentration),
        ]
    )


def by_gravity(flags: Iterable[Flag]) -> tuple[Flag, ...]:
    """Return the flags, the gravest first, otherwise in their order."""
    order = {"fail": 0, "warn": 1, "info": 2}
    return tuple(sorted(flags, key=lambda found: order[found.level]))
