"""Records of a store -> what is followed over time, with the limits of a baseline that somebody stated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time

from nta.batch.recorded import Recorded, date_of
from nta.errors import UsageError
from nta.report.lot.noun import Trend
from nta.trends import Ewma, Series, baseline_of, control_chart, recorded_series


def trend_of(
    records: Sequence[Recorded],
    attribute: str,
    role: str = "sample",
    baseline: Sequence[Recorded] = (),
    ewma: Ewma | None = None,
) -> Trend:
    """Return one attribute of the samples of a role over time.

    The date is that of the day where its label is one (2026-11-01), else that at which the analysis went on record: the
    point then goes by the day's label. An analysis that is excluded, rejected or failed is a point without a value.

    Parameters
    ----------
    records : sequence of Recorded
        What is judged.
    attribute : str
        A key of :data:`nta.trends.ATTRIBUTES`.
    role : str
        Role of the samples.
    baseline : sequence of Recorded
        What makes the limits, stated by a person; without any there is no chart.
    ewma : Ewma, optional
        Weight and limits of the moving average.

    Raises
    ------
    UsageError
        If the attribute is not known, or the baseline gives no limits.
    """
    stated = [one for one in baseline if _follows(one, role)]
    judged = [one for one in records if _follows(one, role)]
    each = {_record(one): one for one in (*(stated if judged else ()), *judged)}
    dated = [(date_of_record(one), record, _counted(one)) for record, one in each.items()]
    series = recorded_series(attribute, dated)
    points = tuple(replace(point, label=_label(each[point.record])) for point in series.points)
    series = Series(series.attribute + (f", {role}" if role != "sample" else ""), series.unit, points)
    if not baseline or not judged:
        return Trend(series)
    if not stated:
        raise UsageError(f"the baseline has no measured sample of the role {role!r}; name another lot")
    limits = baseline_of(series, [_record(one) for one in stated])
    return Trend(series, control_chart(series, limits, ewma))


def date_of_record(one: Recorded) -> datetime:
    """Return the date of a measured sample: that of its day, else that of its analysis; midnight UTC for a day."""
    day = _date(one)
    if day is not None:
        return datetime.combine(day, time(), tzinfo=UTC)
    return datetime.fromisoformat(one.made_utc or "")


def _date(one: Recorded) -> date | None:
    """Return the date that the day's label states; the lot before a stroke is none of it."""
    return date_of(one.outcome.sample.day.rpartition(" / ")[2])


def _label(one: Recorded) -> str:
    return one.outcome.sample.day if _date(one) is None else ""


def _follows(one: Recorded, role: str) -> bool:
    return one.outcome.sample.role == role and one.made_utc is not None


def _record(one: Recorded) -> str:
    sample = one.outcome.sample
    return f"analysis {one.outcome.record}: {sample.name}, day {sample.day}"


def _counted(one: Recorded) -> dict[str, object]:
    is_counted = one.outcome.status in ("ok", "warn") and one.outcome.decision != "excluded"
    return dict(one.summary or {}) if is_counted else {}
