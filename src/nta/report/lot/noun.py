"""What a report is made of: the lot, every sample that is on record of it, the verdicts, the trends, the chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nta.production.assays import Result
from nta.production.findings import Finding
from nta.production.lot import Lot
from nta.production.release import Assessment
from nta.trends import ControlChart, Series


@dataclass(frozen=True)
class Collection:
    """One sample as it is on record.

    Parameters
    ----------
    lot, day, name, role : str
        Labels, and what the sample is for.
    status, message : str
        How the measurement ended, and the sentence for people.
    summary : mapping or None
        ``summary.json`` as it was written; ``None`` where nothing was measured.
    curve : (4, n) float64
        Diameter, nm, density and its 95 % band, nm⁻¹, by number; without columns where nothing was sized.
    volume_ml : float or None
        Volume that it stands for, mL.
    facts : mapping
        Culture and process, by the columns of the manifest.
    assays : tuple of Result
        Companion assays.
    excluded : tuple of (str, str)
        Captures that were left out: path and reason.
    record : int or None
        Number of the analysis in the store.
    made_utc : str or None
        When the analysis went on record.
    decision, reason : str or None
        Whether the analysis counts, and why not.
    """

    lot: str
    day: str
    name: str
    role: str
    status: str
    message: str
    summary: Mapping[str, Any] | None
    curve: NDArray[np.float64]
    volume_ml: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    assays: tuple[Result, ...] = ()
    excluded: tuple[tuple[str, str], ...] = ()
    record: int | None = None
    made_utc: str | None = None
    decision: str = ""
    reason: str | None = None


@dataclass(frozen=True)
class Trend:
    """One attribute over time, with its control chart where a baseline was stated."""

    series: Series
    chart: ControlChart | None = None


@dataclass(frozen=True)
class Chain:
    """The audit chain of the store when the report was made.

    Parameters
    ----------
    store : str
        Name of the store.
    head : str
        Hash of the last entry.
    entries : int
        How many there are.
    broken : str or None
        The first row that is not what it was, ``None`` where all hold.
    """

    store: str
    head: str
    entries: int
    broken: str | None = None


@dataclass(frozen=True)
class Dossier:
    """Everything that a report states.

    Parameters
    ----------
    title : str
        Of the report.
    lot : Lot
        Days, pool, purity, matrix.
    collections : tuple of Collection
        Every sample, blanks, beads and pools among them.
    chain : Chain
        The record behind it.
    assessment : Assessment or None
        Verdicts; ``None`` without a specification.
    forecast : tuple of float or None
        Particles of a day that were expected, lower and upper end.
    outside : tuple of Finding
        Days outside of the forecast.
    trends : tuple of Trend
        What is followed over the days.
    """

    title: str
    lot: Lot
    collections: tuple[Collection, ...]
    chain: Chain
    assessment: Assessment | None = None
    forecast: tuple[float, float] | None = None
    outside: tuple[Finding, ...] = ()
    trends: tuple[Trend, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What could be wrong with the lot, worst first."""
        levels = ("fail", "warn", "info")
        return tuple(sorted((*self.lot.findings, *self.outside), key=lambda found: levels.index(found.level)))

    @property
    def by_day(self) -> tuple[Collection, ...]:
        """The samples in the order of the days of the lot, those of no day of it last."""
        days = [day.day for day in self.lot.yields.days]
        return tuple(sorted(self.collections, key=lambda one: days.index(one.day) if one.day in days else len(days)))
