"""A store -> the samples that are on record in it, as a batch knows them: no video and no result folder is needed."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from nta.batch.manifest import Excluded, Sample
from nta.batch.outcomes import Outcome, outcome_of
from nta.errors import UsageError
from nta.store import Assay, SampleIdentity, Store, summary_of

if TYPE_CHECKING:
    from nta.measurement import Measurement

_COLUMNS: Final = ("diameter_nm", "density_per_nm", "density_low_per_nm", "density_high_per_nm")
_NOT_MEASURED: Final = "no analysis of it is on record; run nta batch again"


@dataclass(frozen=True)
class Recorded:
    """One sample with its current analysis.

    Parameters
    ----------
    outcome : Outcome
        Its numbers, and what the manifest said of it when it was last read.
    summary : mapping or None
        ``summary.json`` as it was written; ``None`` where nothing was measured.
    distribution_csv : str
        Text of ``distribution.csv``; empty where nothing was measured.
    made_utc : str or None
        When the analysis went on record.
    """

    outcome: Outcome
    summary: Mapping[str, Any] | None = None
    distribution_csv: str = ""
    made_utc: str | None = None

    @property
    def curve(self) -> NDArray[np.float64]:
        """Diameter, nm, density and its band, nm⁻¹: (4, n), without columns where nothing was sized."""
        return curve_of(io.StringIO(self.distribution_csv, newline=""))

    def renamed(self, day: str, name: Callable[[str], str]) -> Recorded:
        """Return the same record under another day and name, where several lots stand beside each other."""
        sample = self.outcome.sample
        facts = dict(sample.facts)
        if facts.get("scatter_sample"):
            facts["scatter_sample"] = name(str(facts["scatter_sample"]))
        renamed = replace(sample, day=day, name=name(sample.name), facts=facts)
        return replace(self, outcome=replace(self.outcome, sample=renamed))


def curve_of(file: io.TextIOBase | Any) -> NDArray[np.float64]:  # noqa: ANN401  # whatever csv reads lines from
    """Return the columns of a ``distribution.csv`` as rows (4, n).

    Raises
    ------
    KeyError, ValueError
        If it is none.
    """
    rows = [[float(row[name] or math.nan) for name in _COLUMNS] for row in csv.DictReader(file)]
    return np.array(rows, dtype=np.float64).reshape(-1, 4).T


def recorded_samples(store: Store, wanted: Callable[[str, str], bool] | None = None) -> tuple[Recorded, ...]:
    """Return the samples of a store in the order in which they first went on record.

    Parameters
    ----------
    store : Store
        Opened in any way.
    wanted : callable, optional
        Told lot and day of a sample; all samples when not given.
    """
    rows = [row for row in store.rows() if wanted is None or wanted(row["lot"], row["day"])]
    return tuple(_recorded(store, row) for row in rows)


def of_lot(store: Store, lot: str | None) -> tuple[Recorded, ...]:
    """Return the samples of a lot; that of the store's only lot when none is named.

    Raises
    ------
    UsageError
        If the store does not hold it, or holds several and none is named.
    """
    lots = list(dict.fromkeys(row["lot"] for row in store.rows()))
    if lot is None and len(lots) != 1:
        raise UsageError(f"{store.name} holds {len(lots)} lots ({', '.join(lots)}); name one with --lot")
    name = lots[0] if lot is None else lot
    if name not in lots:
        raise UsageError(f"no sample is of the lot {name!r}; {store.name} has {', '.join(lots) or 'none'}")
    return recorded_samples(store, lambda of, _day: of == name)


def of_days(store: Store, first: date, last: date, lot: str | None = None) -> tuple[Recorded, ...]:
    """Return the samples whose day is a date (2026-11-01) within a range, both ends included.

    Samples of several lots are told apart by their lot in day and name.

    Raises
    ------
    UsageError
        If the range is empty, or no sample is of it.
    """
    if last < first:
        raise UsageError(f"the days {first} to {last} are none; give the earlier one first")

    def wanted(of: str, day: str) -> bool:
        found = date_of(day)
        return found is not None and first <= found <= last and lot in (None, of)

    found = recorded_samples(store, wanted)
    if not found:
        raise UsageError(
            f"no sample of {store.name} is of the days {first} to {last}; days are found by their labels, "
            "written like 2026-11-01"
        )
    lots = {one.outcome.sample.lot for one in found}
    return found if len(lots) == 1 else tuple(_with_lot(one) for one in found)


def measurements_of(store: Store, which: str = "") -> tuple[Measurement, ...]:
    """Return measurements from a store, to be compared: tracks are not among what they hold.

    Parameters
    ----------
    store : Store
        Opened in any way.
    which : str
        Numbers of analyses with commas between them, or the name of a lot; every lot when empty. Of a lot the samples
        of the role ``sample`` that count: not excluded, rejected or failed.

    Raises
    ------
    UsageError
        If there is no such analysis or lot, or nothing in it counts.
    """
    from nta.report.loading import from_record

    numbers = [part.strip() for part in which.split(",")]
    if which and all(part.isdecimal() for part in numbers):
        shown = [store.show(int(part)) for part in numbers]
        return tuple(from_record(summary_of(row), row["distribution_csv"]) for row in shown)
    records = of_lot(store, which) if which else recorded_samples(store)
    found = tuple(
        from_record(dict(one.summary), one.distribution_csv)
        for one in records
        if one.summary is not None
        and one.outcome.sample.role == "sample"
        and one.outcome.status in ("ok", "warn")
        and one.outcome.decision != "excluded"
    )
    if not found:
        raise UsageError(f"nothing that counts is on record in {store.name}; nta list shows what there is")
    return found


def date_of(day: str) -> date | None:
    """Return the date that a label states (2026-11-01), ``None`` for a label of another kind."""
    try:
        return date.fromisoformat(day)
    except ValueError:
        return None


def told_apart(records: Sequence[Recorded]) -> tuple[Recorded, ...]:
    """Return records with the day in the name of those that share one: two manifests may name a sample alike."""
    times = Counter(one.outcome.sample.name for one in records)

    def told_by(day: str) -> Callable[[str], str]:
        return lambda name: f"{name} (day {day})" if times[name] > 1 else name

    return tuple(one.renamed(day, told_by(day)) for one in records for day in (one.outcome.sample.day,))


def _with_lot(one: Recorded) -> Recorded:
    sample = one.outcome.sample
    return one.renamed(f"{sample.lot} / {sample.day}", lambda name: f"{sample.lot} / {name}")


def _recorded(store: Store, row: Mapping[str, Any]) -> Recorded:
    known = store.stated(SampleIdentity(row["lot"], row["day"], row["sample"]))
    if row["id"] is None:
        sample = _sample(row, known, ())
        code, message = _why_not(sample, known)
        return Recorded(Outcome(sample, "failed", code, message, dilution=None))
    shown = store.show(int(row["id"]))
    summary = summary_of(shown)
    sample = _sample(row, known, tuple(Path(capture["path"]) for capture in summary["captures"]))
    outcome = outcome_of(sample, summary, "", shown)
    return Recorded(outcome, summary, shown["distribution_csv"], shown["created_utc"])


def _sample(row: Mapping[str, Any], known: Mapping[str, Any], videos: tuple[Path, ...]) -> Sample:
    left_out = {one["path"]: one["reason"] for one in known["exclusions"] if Path(one["path"]) not in videos}
    newest = {(one["name"], one["unit"]): one for one in known["assays"]}
    return Sample(
        row["day"],
        row["sample"],
        videos,
        volume_ml=row["volume_ml"],
        lot=row["lot"],
        role=row["role"],
        facts=known["facts"],
        assays=tuple(Assay(one["name"], one["unit"], one["value"], one["state"]) for one in newest.values()),
        excluded=tuple(Excluded(Path(path), reason) for path, reason in left_out.items()),
    )


def _why_not(sample: Sample, known: Mapping[str, Any]) -> tuple[str, str]:
    """Return code and sentence of a sample of which nothing was measured."""
    if known["attempt"] is not None:
        return known["attempt"]["status_code"], known["attempt"]["message"]
    if sample.excluded:
        return "excluded", "every capture of it is excluded"
    return "not_measured", _NOT_MEASURED
