"""The folder, the table and the page of a dilution series."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest

from nta.concentration import Concentration, Parts
from nta.dilutions import dilution_series
from nta.errors import FailedError, UsageError
from nta.estimate import Estimate
from nta.quality import flag
from nta.report import folder as folders
from nta.report import save
from nta.report.dilution_figure import dilution_svg
from nta.report.dilutions import COLUMNS, folder_name, percent, render_series, save_series
from nta.settings import Sourced

RATIOS = {50.0: 0.6, 100.0: 1.0, 200.0: 1.02, 400.0: 0.99}


@pytest.fixture
def measurements(example):
    """Four dilutions of one sample, the first of them crowded and too low."""
    one, made = example("ok"), []
    for factor, ratio in RATIOS.items():
        measured = Estimate(1e11 / factor * ratio, 0.8e11 / factor * ratio, 1.25e11 / factor * ratio, 800)
        concentration = Concentration(measured, measured.scaled(factor), "nominal", 10.0, Parts(0.04, volume=0.1))
        flags = (flag("crowded", "140 particles per frame hide each other"),) if factor == 50.0 else ()
        made.append(
            replace(
                one,
                status="warn" if flags else "ok",
                message=flags[0].message if flags else "fine",
                concentration=concentration,
                flags=flags,
                values={**one.values, "dilution": Sourced(factor, "command_line")},
            )
        )
    return made


@pytest.fixture
def written(measurements, tmp_path):
    series = dilution_series(measurements)
    return series, save_series(series, measurements, tmp_path / "a" / "out")


def test_the_folder_holds_a_result_a_dilution_and_the_series(written):
    _, directory = written
    results = {f"dilution_{factor:g}" for factor in RATIOS}
    assert {path.name for path in directory.iterdir()} == results | {
        "dilution_series.json", "dilution_series.csv", "dilution_series.html",
    }  # fmt: skip
    for name in results:
        assert folders.is_result(directory / name)
    assert [path.name for path in directory.parent.iterdir()] == ["out"]
    assert folder_name(12.5) == "dilution_12.5"
    assert folder_name(1e6) == "dilution_1000000"


def test_json_and_table_hold_the_same_numbers(written):
    series, directory = written
    document = json.loads((directory / "dilution_series.json").read_text(encoding="utf-8"))
    assert document["schema"] == "nta.dilution_series/1"
    assert document["message"] == series.message
    assert (document["usable_range"]["first_dilution"], document["usable_range"]["last_dilution"]) == (100.0, 400.0)
    assert document["stock_per_ml"] == document["usable_range"]["stock_per_ml"] == series.stock.to_dict()
    assert document["linearity"]["slope"]["high"] < 1.0
    rows = list(csv.DictReader((directory / "dilution_series.csv").read_text(encoding="utf-8").splitlines()))
    assert tuple(rows[0]) == COLUMNS
    for row, entry in zip(rows, document["dilutions"], strict=True):
        assert float(row["dilution"]) == entry["dilution"]
        assert float(row["measured_high_per_ml"]) == entry["measured_per_ml"]["high"]
        assert float(row["deviation"]) == entry["deviation"]
        assert row["is_usable"] == ("yes" if entry["is_usable"] else "no")
        assert row["is_relative"] == ("yes" if entry["is_relative"] else "no")
        assert row["folder"] == entry["folder"]
    assert [row["is_usable"] for row in rows] == ["no", "yes", "yes", "yes"]
    assert rows[0]["flags"] == "crowded"


def test_the_page_states_the_range_the_slope_and_what_departs(written):
    series, directory = written
    page = (directory / "dilution_series.html").read_text(encoding="utf-8")
    for words in ("usable from 1:100 to 1:400", "1:50 is crowded", "Relative.", "1:400", "−40.", "not used"):
        assert words in page
    assert 'href="dilution_200/report.html"' in page
    for address in ("http:", "https:", "<script", "@import", "url("):
        assert address not in page
    assert 'src="data:image/svg+xml;base64,' in page
    assert page == render_series(series)
    assert dilution_svg(series) == dilution_svg(series)


def test_the_figure_changes_with_the_range(measurements):
    series = dilution_series(measurements)
    assert dilution_svg(series) != dilution_svg(replace(series, usable=None))
    assert b"<svg" in dilution_svg(replace(series, usable=None))


def test_names_are_text(measurements, example):
    hostile = example("hostile").sample
    page = render_series(dilution_series(measurements, hostile))
    assert "<script" not in page
    assert page.count("</style>") == 1
    assert "{{7*7}}" in page


def test_a_series_without_a_number_has_a_page_too(measurements, tmp_path):
    nothing = [replace(one, concentration=Concentration.missing(), status="rejected") for one in measurements]
    series = dilution_series(nothing)
    directory = save_series(series, nothing, tmp_path / "out")
    page = (directory / "dilution_series.html").read_text(encoding="utf-8")
    assert "Rejected" in page
    assert "Relative." not in page
    assert percent(float("nan")) == "—"
    assert percent(0.0, signed=True) == "0.0 %"
    rows = list(csv.DictReader((directory / "dilution_series.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["measured_per_ml"] for row in rows} == {row["deviation"] for row in rows} == {""}


def test_an_earlier_series_is_replaced_whole_and_nothing_else_is(written, measurements, tmp_path, example):
    series, directory = written
    (directory / "left over.txt").write_text("old")
    save_series(series, measurements, directory)
    assert not (directory / "left over.txt").exists()
    save(example("ok"), tmp_path / "result")
    with pytest.raises(UsageError, match="is not an nta result of this kind"):
        save_series(series, measurements, tmp_path / "result")
    with pytest.raises(UsageError, match="is not an nta result of this kind"):
        save(example("ok"), directory)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("irreplaceable")
    with pytest.raises(UsageError, match=r"thesis\.txt"):
        save_series(series, measurements, tmp_path / "mine")


def test_a_failure_leaves_the_earlier_series_as_it_was(written, measurements, monkeypatch):
    series, directory = written
    before = (directory / "dilution_series.json").read_bytes()

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folders, "write_files", full)
    with pytest.raises(FailedError, match="cannot write"):
        save_series(series, measurements, directory)
    assert (directory / "dilution_series.json").read_bytes() == before
    assert [path.name for path in directory.parent.iterdir()] == ["out"]
