"""A lot from its store alone: what a batch knows of it, and every gap in it as a flag, never as a number."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from lot_records import Made, lot_of_days, new_store, record

from nta.batch.dossiers import dossier_of
from nta.batch.lots import lot_of_records
from nta.batch.recorded import date_of, of_days, of_lot
from nta.batch.trending import trend_of
from nta.errors import UsageError
from nta.report.lot.numbers import document_of
from nta.store import Assay, SampleIdentity


@pytest.fixture
def store(tmp_path):
    return new_store(tmp_path)


def reported(store, **how):
    records = of_lot(store, None)
    return document_of(dossier_of(store, records, "LOT-7", **how))


def findings(document):
    return {(one["quantity"], one["result"]) for one in document["numbers"] if one["level"] == "finding"}


def particles(document, day=None):
    level = "lot" if day is None else "day"
    (found,) = [
        one["value"]
        for one in document["numbers"]
        if (one["level"], one["day"], one["quantity"]) == (level, day, "particles")
    ]
    return found


def test_a_lot_is_what_its_records_say(store):
    pool = Made("2", "the pool", 1.5e11, role="pool", volume_ml=24.0, assays=(Assay("sterility", "", "pass"),))
    record(store, *lot_of_days(1e11, 2e11), pool)
    lot = lot_of_records(of_lot(store, "LOT-7"), "LOT-7")
    # 1e11 x 12 + 2e11 x 12
    assert lot.yields.total.value == pytest.approx(3.6e12)
    assert dict(lot.pool.shares) == pytest.approx(
        {"2026-11-01/harvest 2026-11-01": 1 / 3, "2026-11-02/harvest 2026-11-02": 2 / 3}
    )
    assert lot.concentration.value == 1.5e11
    assert lot.matrix.cell("sterility", "the pool").value == "pass"
    assert [check.day for check in lot.beads] == ["2026-11-01", "2026-11-02"]
    assert lot.pool_check == ()  # 1.5e11 x 24 = 3.6e12


def test_what_was_said_last_counts(store):
    harvest = Made("1", "h", 1e11, assays=(Assay("sterility", "", None, "pending"),))
    record(store, harvest)
    record(store, replace(harvest, volume_ml=20.0, assays=(Assay("sterility", "", "pass"),)))
    (one,) = of_lot(store, None)
    assert one.outcome.sample.volume_ml == 20.0
    assert [assay.value for assay in one.outcome.sample.assays] == ["pass"]


def test_a_missing_volume_is_a_flag_and_no_number(store):
    first, second, *beads = lot_of_days(1e11, 2e11)
    document = reported(record(store, first, replace(second, volume_ml=None), *beads))
    assert ("day_missing", "fail") in findings(document)
    assert particles(document, second.day) is None
    assert particles(document) == pytest.approx(1.2e12)
    assert document["missing_days"] == [second.day]
    (message,) = [one["message"] for one in document["numbers"] if one["quantity"] == "day_missing"]
    assert "write volume_ml into the manifest" in message


def test_a_dilution_of_zero_is_a_flag_and_no_number(store):
    first, second, *beads = lot_of_days(1e11, 2e11)
    document = reported(record(store, first, replace(second, dilution=0.0), *beads))
    assert ("day_missing", "fail") in findings(document)
    assert particles(document, second.day) is None
    (message,) = [one["message"] for one in document["numbers"] if one["quantity"] == "day_missing"]
    assert "stated as 0 or less" in message


def test_a_dilution_that_is_not_known_is_a_flag_and_no_number(store):
    first, second, *beads = lot_of_days(1e11, 2e11)
    document = reported(record(store, first, replace(second, stock_per_ml=None, dilution=None), *beads))
    assert particles(document, second.day) is None
    (message,) = [one["message"] for one in document["numbers"] if one["quantity"] == "day_missing"]
    assert "the dilution is not stated" in message


def test_a_day_without_a_bead_check_is_flagged(store):
    *others, _last = lot_of_days(1e11, 2e11)
    document = reported(record(store, *others))
    assert findings(document) & {("no_bead_check", "warn")}
    (message,) = [one["message"] for one in document["numbers"] if one["quantity"] == "no_bead_check"]
    assert message.startswith("day 2026-11-02")


def test_beads_that_failed_are_no_bead_check(store):
    *others, last = lot_of_days(1e11, 2e11)
    document = reported(record(store, *others, replace(last, status="rejected")))
    assert ("no_bead_check", "warn") in findings(document)


def test_a_lot_without_a_measurement_has_no_number_at_all(store):
    document = reported(record(store, *(replace(one, status="rejected") for one in lot_of_days(1e11, 2e11))))
    assert ("lot_without_measurement", "fail") in findings(document)
    assert particles(document) is None
    assert document["pool"] is None
    assert all(one["value"] is None for one in document["numbers"] if one["level"] in ("day", "lot", "pool"))


def test_a_sample_that_was_only_planned_is_a_missing_day(store):
    record(store, *lot_of_days(1e11))
    planned = Made("2026-11-02", "not yet")
    with store.writing() as writer:
        from nta.store import CollectionRecord

        writer.collection(CollectionRecord(SampleIdentity("LOT-7", planned.day, planned.name), "sample", 12.0, {}))
        writer.attempt("sample", planned.name, "worker_died", "killed by signal 9")
    document = reported(store)
    assert document["missing_days"] == ["2026-11-02"]
    assert [one["message"] for one in document["samples"] if one["name"] == "not yet"] == ["killed by signal 9"]


def test_the_same_video_on_two_days_counts_on_neither(store):
    first, second, *beads = lot_of_days(1e11, 2e11)
    same = [replace(one, videos=("same.avi",)) for one in (first, second)]
    document = reported(record(store, *same, *beads))
    assert ("same_video", "fail") in findings(document)
    assert particles(document, first.day) is None
    assert particles(document, second.day) is None
    assert particles(document) is None


def test_two_manifests_may_name_their_samples_alike(store):
    record(store, Made("1", "harvest", 1e11, videos=("a",)), Made("2", "harvest", 3e11, videos=("b",)))
    document = reported(store)
    assert particles(document) == pytest.approx(4.8e12)
    assert [one["name"] for one in document["samples"]] == ["harvest (day 1)", "harvest (day 2)"]


def test_a_lot_is_named_where_there_are_several(store):
    record(store, Made("1", "a"), Made("1", "b", lot="LOT-8"))
    with pytest.raises(UsageError, match=r"2 lots \(LOT-7, LOT-8\); name one with --lot"):
        of_lot(store, None)
    with pytest.raises(UsageError, match="no sample is of the lot 'LOT-9'"):
        of_lot(store, "LOT-9")
    assert [one.outcome.sample.name for one in of_lot(store, "LOT-8")] == ["b"]


def test_a_range_of_days_holds_the_days_of_all_lots_told_apart(store):
    days = lot_of_days(1e11, 2e11, 3e11)
    record(store, *days, Made("2026-11-02", "other", 4e11, lot="LOT-8"), Made("soon", "later", 9e11))
    found = of_days(store, date(2026, 11, 2), date(2026, 11, 3))
    document = document_of(dossier_of(store, found, "days"))
    assert document["days"] == ["LOT-7 / 2026-11-02", "LOT-7 / 2026-11-03", "LOT-8 / 2026-11-02"]
    assert particles(document) == pytest.approx(12 * 9e11)
    one_lot = of_days(store, date(2026, 11, 2), date(2026, 11, 3), "LOT-7")
    assert {one.outcome.sample.day for one in one_lot} == {"2026-11-02", "2026-11-03"}
    with pytest.raises(UsageError, match=r"no sample of .* is of the days"):
        of_days(store, date(2027, 1, 1), date(2027, 1, 2))
    with pytest.raises(UsageError, match="give the earlier one first"):
        of_days(store, date(2026, 11, 3), date(2026, 11, 2))


def test_a_renamed_sample_counts_once_its_old_name_is_excluded(store):
    """2 days of 12 mL: 1.2e12 and 2.4e12; the second goes by another name and day now."""
    first, second, *beads = lot_of_days(1e11, 2e11)
    video = (f"{second.name}.avi",)
    record(store, first, second, *beads, replace(second, day="2026-11-03", name="renamed", videos=video))
    document = reported(store)
    assert particles(document) == pytest.approx(1.2e12)
    (message,) = [one["message"] for one in document["numbers"] if one["quantity"] == "same_video"]
    assert "2026-11-02/harvest 2026-11-02 (analysis 2), 2026-11-03/renamed (analysis 5)" in message
    assert "nta mark" in message
    store.decide(2, "excluded", "renamed")
    document = reported(store)
    assert {code for code, level in findings(document) if level == "fail"} == set()
    assert document["days"] == ["2026-11-01", "2026-11-03"]
    assert particles(document) == pytest.approx(3.6e12)
    # Of what is excluded without a namesake the day is missing
    store.decide(5, "excluded", "dropped")
    assert "2026-11-03" in reported(store)["missing_days"]


def test_a_renamed_pool_is_one_pool(store):
    pool = Made("2026-11-01", "pool", 1e11, role="pool", videos=("pool.avi",))
    record(store, *lot_of_days(1e11), pool, replace(pool, name="the pool"))
    with pytest.raises(UsageError, match="has 2 pools"):
        reported(store)
    store.decide(3, "excluded", "renamed")
    assert [one["value"] for one in reported(store)["numbers"] if one["quantity"] == "concentration"] == [1e11]


def test_only_a_date_is_a_date():
    assert date_of("2026-11-01") == date(2026, 11, 1)
    assert date_of("1") is None


def test_what_does_not_count_is_a_point_without_a_value(store):
    record(store, *lot_of_days(1e11, 2e11, 3e11))
    store.decide(2, "excluded", "dropped")
    series = trend_of(of_lot(store, None), "stock_per_ml").series
    assert list(series.values()) == [1e11, 3e11]
    assert series.missing == ("analysis 2: harvest 2026-11-02, day 2026-11-02",)
    with pytest.raises(UsageError, match="no attribute 'nonsense'"):
        trend_of(of_lot(store, None), "nonsense")
