"""What the choice of the threshold does to the answer: the same video read at 0.8, 1 and 1.2 times it.

A spot gives way only to a heavier one, so the spots at a threshold are those at a lower one that are heavier than it:
the one search at 0.8 times the threshold holds all three. Each is linked and sized anew, for dim spots make tracks
longer as well as more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from nta.concentration import particle_concentration
from nta.detection import DIMMEST, Detections
from nta.diffusion import estimate_diffusion
from nta.distribution import size_distribution
from nta.errors import RejectedError
from nta.settings import Settings, Sourced
from nta.threads import in_threads
from nta.tracking import Tracks, link

FACTORS: Final = (DIMMEST, 1.0, 1.2)
"""Thresholds that are compared, over the one of the result."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one threshold leads to.

    Parameters
    ----------
    factor : float
        The threshold over that of the result.
    particles_per_frame : float
        Mean number of spots in a frame.
    tracks_used : int
        Tracks that were sized.
    d50_nm, per_ml : float
        D50 (nm) and concentration in the cell; NaN where nothing was sized.
    """

    factor: float
    particles_per_frame: float
    tracks_used: int
    d50_nm: float
    per_ml: float

    def to_dict(self) -> dict[str, float | None]:
        """Return the entry for ``summary.json``, ``None`` for NaN."""
        return {name: value if math.isfinite(value) else None for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class ThresholdSensitivity:
    """The answer at several thresholds, ascending, one the result's own (factor 1); empty where none was tried."""

    readings: tuple[Reading, ...] = ()

    @classmethod
    def from_dict(cls, rows: Sequence[Mapping[str, Any]]) -> Self:
        """Return what :meth:`to_dict` wrote."""
        return cls(tuple(Reading(**{**row, **_as_floats(row)}) for row in rows))

    def changes(self, quantity: str) -> dict[float, float]:
        """Return by how much a field of :class:`Reading` is another at each other threshold, relative, by its factor.

        Parameters
        ----------
        quantity : {"d50_nm", "per_ml", "particles_per_frame", "tracks_used"}
            What is compared. NaN where it is missing at either threshold.
        """
        own = next((getattr(one, quantity) for one in self.readings if one.factor == 1.0), math.nan)
        return {
            one.factor: getattr(one, quantity) / own - 1.0 if own else math.nan
            for one in self.readings
            if one.factor != 1.0
        }

    def largest_change(self, quantity: str) -> float:
        """Return the largest of :meth:`changes` without its sign; NaN where none is known."""
        known = [abs(change) for change in self.changes(quantity).values() if math.isfinite(change)]
        return max(known, default=math.nan)

    def to_dict(self) -> list[dict[str, float | None]]:
        """Return the block for ``summary.json``."""
        return [one.to_dict() for one in self.readings]


def _as_floats(row: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: math.nan if row[name] is None else float(row[name])
        for name in ("factor", "particles_per_frame", "d50_nm", "per_ml")
    }


def at_threshold(detections: Detections, factor: float) -> Detections:
    """Return the spots that a search at another threshold would have found.

    Rows and trackpy's columns are those of that search. The second localisation fits each spot with its neighbours and
    stays what it was with the dim ones among them.

    Parameters
    ----------
    detections : Detections
        With the spots a little below their threshold beside.
    factor : float
        The other threshold over theirs, 0.8 or more.
    """
    table = detections.table
    if factor < 1.0:
        table = pd.concat([table, detections.dimmer]).sort_values(["frame", "y", "x"], kind="stable")
    min_mass = factor * detections.min_mass
    values = dict(detections.values)
    if "min_mass" in values:
        values["min_mass"] = Sourced(round(min_mass, 3), values["min_mass"].origin)
    return replace(
        detections,
        table=table[table["mass"] > min_mass].reset_index(drop=True),
        dimmer=detections.dimmer.iloc[:0],
        min_mass=min_mass,
        values=values,
    )


def threshold_sensitivity(
    captures: Sequence[Detections],
    own: Reading,
    settings: Settings | None = None,
    *,
    reach_px: Sequence[float] | None = None,
) -> ThresholdSensitivity:
    """Return D50 and concentration of one sample at several thresholds, linked anew at each, without intervals.

    All go the way of the result but for the second linking: the search range is what that one chose. Where a threshold
    was stated, nothing below it was looked for, and only the higher one is compared.

    Parameters
    ----------
    captures : sequence of Detections
        Of the sample's captures.
    own : Reading
        What the result itself says, at the factor 1.
    settings : Settings, optional
        Those of the result.
    reach_px : sequence of float, optional
        Search range of each capture, px, from the result's own tracks; chosen by :func:`nta.link` when not given.
    """
    # The default's read-out: another one would only add what it does not correct.
    plain = (Settings() if settings is None else settings).model_copy(update={"method": None, "windows_nm": ()})
    reaches = [None] * len(captures) if reach_px is None else list(reach_px)
    factors = FACTORS if plain.min_mass is None else FACTORS[1:]

    def reading(factor: float) -> Reading:
        return own if factor == 1.0 else reading_at(factor, captures, plain, reaches)

    # The limit that each fit sets is one of the whole process: set here as well, it stands until both have ended.
    with threadpool_limits(limits=1, user_api="blas"):
        return ThresholdSensitivity(tuple(in_threads(reading, factors)))


def reading_at(
    factor: float, captures: Sequence[Detections], settings: Settings, reach_px: Sequence[float | None]
) -> Reading:
    """Return what a threshold leads to; sizes and concentration are NaN where it leaves too little or too much.

    Parameters
    ----------
    factor : float
        The threshold over the result's, 0.8 or more.
    captures : sequence of Detections
        Of the sample's captures.
    settings : Settings
        Those of the result.
    reach_px : sequence of float or None
        Search range of each capture, px; ``None`` lets :func:`nta.link` choose.
    """
    cut = [at_threshold(one, factor) for one in captures]
    per_frame = float(np.mean([one.particles_per_frame for one in cut])) if cut else math.nan
    try:
        linked = [
            link(one, settings if reach is None else settings.model_copy(update={"search_range_px": reach}))
            for one, reach in zip(cut, reach_px, strict=True)
        ]
    except RejectedError:
        # Too dense at this threshold: that is an answer, not a failure of the result's own.
        return Reading(factor, per_frame, 0, math.nan, math.nan)
    tracks = _together(linked)
    diffusion = estimate_diffusion(tracks, settings)
    distribution = size_distribution(diffusion, settings, n_draws=0, with_mixture=False)
    concentration = particle_concentration(
        tracks,
        diffusion,
        distribution,
        masked_px=tuple(one.masked_px for one in cut),
        spot_diameter_px=tuple(one.diameter_px for one in cut),
    )
    return Reading(factor, per_frame, len(diffusion.table), distribution.size.d50.value, concentration.measured.value)


def _together(linked: Sequence[Tracks]) -> Tracks:
    tables = [one.table.assign(capture=np.int64(number)) for number, one in enumerate(linked)]
    return Tracks(pd.concat(tables, ignore_index=True), tuple(one.captures[0] for one in linked))
