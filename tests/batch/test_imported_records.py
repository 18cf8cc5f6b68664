"""Exports of other programs in a store: in yields, pools, trends and reports, and never silently twice."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from exports_made import summary_text, zetaview_text

from nta.batch.dossiers import dossier_of
from nta.batch.recorded import of_lot
from nta.batch.trending import trend_of
from nta.report.lot.saving import files_of
from nta.store import Store
from nta_cli.main import cli


@pytest.fixture
def exports(tmp_path):
    (tmp_path / "day1-ExperimentSummary.csv").write_text(summary_text(), encoding="iso-8859-1")
    (tmp_path / "day2_size_488.txt").write_text(zetaview_text(), encoding="iso-8859-1")
    return tmp_path


def put(folder, name, day, *more):
    arguments = ["import", str(folder / name), "--store", str(folder / "nta.sqlite"), "--day", day, "--lot", "L", *more]
    return CliRunner().invoke(cli, [*arguments, "-q"])


def test_both_makers_records_are_in_the_report_with_their_own_numbers(exports):
    for name, day in (("day1-ExperimentSummary.csv", "2026-11-01"), ("day2_size_488.txt", "2026-11-02")):
        done = put(exports, name, day, "--volume-ml", "12")
        assert done.exit_code == 0, done.output
    store = Store.open(exports)
    records = of_lot(store, "L")
    found = dossier_of(store, records, "L")
    document = json.loads(files_of(found)["report.json"])
    assert document["pool"]["diameter_nm"]
    assert len(document["samples"]) == 2
    assert {flag["code"] for one in document["samples"] for flag in one["flags"]} >= {"imported"}
    for one, day in zip(records, found.lot.yields.days, strict=True):
        stock = one.outcome.estimate("stock")
        # stock x 12 mL, or missing where the export does not state its dilution
        if stock.is_missing:
            assert day.particles.is_missing
            assert "the dilution is not stated" in day.reasons[0]
        else:
            assert day.particles.value == pytest.approx(12.0 * stock.value)
    assert any(not day.particles.is_missing for day in found.lot.yields.days)
    assert len(trend_of(records, "d50_nm").series.measured) == 2


def test_an_export_goes_on_record_once(exports):
    assert put(exports, "day1-ExperimentSummary.csv", "1").exit_code == 0
    head = Store.open(exports).head()
    assert put(exports, "day1-ExperimentSummary.csv", "1").exit_code == 0
    assert Store.open(exports).head() == head
    assert Store.open(exports).verify().holds


def test_the_same_export_on_two_days_is_found(exports):
    for day in ("1", "2"):
        assert put(exports, "day1-ExperimentSummary.csv", day, "--volume-ml", "12").exit_code == 0
    store = Store.open(exports)
    found = dossier_of(store, of_lot(store, None), "L")
    assert "same_video" in {one.code for one in found.findings}
    assert found.lot.yields.total.is_missing


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(["--store", "x.sqlite"], "--store and --day go together"), (["--volume-ml", "-1"], "is not positive")],
)
def test_half_an_address_is_refused(exports, arguments, text):
    done = CliRunner().invoke(cli, ["import", str(exports / "day1-ExperimentSummary.csv"), *arguments])
    assert done.exit_code == 2
    assert text in done.output
    assert not (exports / "x.sqlite").exists()


def test_an_export_that_cannot_be_read_is_not_put_on_record(exports):
    (exports / "bad-ExperimentSummary.csv").write_text("nothing\n")
    assert put(exports, "bad-ExperimentSummary.csv", "1").exit_code == 1
    assert Store.open(exports).rows() == []
