"""A store -> everything that a report of a lot, or of a range of days, states."""

from __future__ import annotations

from collections.abc import Sequence

from nta.batch.lots import lot_of_records, result_of
from nta.batch.recorded import Recorded, of_lot, told_apart
from nta.batch.trending import trend_of
from nta.production.lot import assess_lot
from nta.production.specification import Specification
from nta.production.yields import against_forecast
from nta.report.lot.noun import Chain, Collection, Dossier, Trend
from nta.store import Store

FOLLOWED = (("d50_nm", "sample"), ("stock_per_ml", "sample"), ("d50_nm", "beads"))
"""What a report follows over its days: attribute and role."""


def dossier_of(
    store: Store,
    records: Sequence[Recorded],
    name: str,
    *,
    title: str | None = None,
    specification: Specification | None = None,
    forecast: tuple[float, float] | None = None,
    baseline_lot: str | None = None,
) -> Dossier:
    """Return everything that a report states of some samples; the audit chain is walked for it.

    Parameters
    ----------
    store : Store
        Where they are on record.
    records : sequence of Recorded
        Those of a lot (:func:`nta.batch.recorded.of_lot`) or of a range of days.
    name : str
        Of the lot.
    title : str, optional
        Of the report; the lot's name when not given.
    specification : Specification, optional
        Limits to hold the lot against.
    forecast : tuple of float, optional
        Particles of a day that were expected, lower and upper end.
    baseline_lot : str, optional
        Lot whose samples make the baseline of the trends; without one there are no limits.

    Raises
    ------
    UsageError
        If more than one sample of the lot is its pool, the forecast is empty, or there is no such baseline lot.
    """
    records = told_apart(records)
    is_one_lot = len({one.outcome.sample.lot for one in records}) == 1
    # The pool of one of several lots is no pool of them all.
    lot = lot_of_records([one for one in records if is_one_lot or one.outcome.sample.role != "pool"], name)
    verdict = store.verify()
    return Dossier(
        title or f"Lot {name}",
        lot,
        tuple(_collection(one) for one in records),
        Chain(store.name, verdict.head, verdict.entries, verdict.broken),
        None if specification is None else assess_lot(lot, specification),
        forecast,
        () if forecast is None else against_forecast(lot.yields, *forecast),
        _trends(store, records, baseline_lot),
    )


def _collection(one: Recorded) -> Collection:
    outcome, sample = one.outcome, one.outcome.sample
    return Collection(
        sample.lot,
        sample.day,
        sample.name,
        sample.role,
        outcome.status,
        outcome.message,
        one.summary,
        one.curve,
        sample.volume_ml,
        sample.facts,
        tuple(result_of(sample.name, assay) for assay in sample.assays),
        tuple((str(left_out.video), left_out.reason) for left_out in sample.excluded),
        outcome.record,
        one.made_utc,
        outcome.decision,
        outcome.reason,
    )


def _trends(store: Store, records: Sequence[Recorded], baseline_lot: str | None) -> tuple[Trend, ...]:
    """Return what is followed; without limits where the baseline lot has no sample of the role."""
    baseline = () if baseline_lot is None else of_lot(store, baseline_lot)
    found = []
    for attribute, role in FOLLOWED:
        stated = [one for one in baseline if one.outcome.sample.role == role and one.summary is not None]
        trend = trend_of([one for one in records if one.outcome.sample.role == role], attribute, role, stated)
        if trend.series.measured:
            found.append(trend)
    return tuple(found)
