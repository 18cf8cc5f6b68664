"""`nta report`: which samples, which options, what is printed, how it ends."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from lot_records import Made, lot_of_days, new_store, record

from nta.batch.dossiers import dossier_of
from nta.batch.recorded import of_lot
from nta_cli.main import cli
from nta_cli.report import summary_lines

SPECIFICATION = """schema = "nta.specification/1"
name = "bulk"
version = "3"
[[limit]]
attribute = "d50_nm"
low = 90
high = 130
"""


@pytest.fixture
def folder(tmp_path):
    record(new_store(tmp_path), *lot_of_days(1e11, 2e11, 3e10))
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(cli, ["report", *map(str, arguments)])


def test_a_lot_with_everything_that_can_be_asked_for(folder):
    rules = folder / "limits.toml"
    rules.write_text(SPECIFICATION)
    done = run(folder, "--forecast", "1e12:4e12", "--spec", rules, "--paper", "letter", "-o", folder / "r")
    assert done.exit_code == 0, done.output
    assert "sum of 3 days, none missing" in done.output
    assert "verdict: pass" in done.output
    assert "warn: day 2026-11-03: 3.6e+11" in done.output
    assert b"/MediaBox [ 0 0 612 792 ]" in (folder / "r" / "report.pdf").read_bytes()


def test_a_day_without_a_number_is_said_so_and_the_sum_says_what_it_lacks(tmp_path):
    """Day 2 has no volume: 12 mL x (1 + 3)e11 per mL are those of the other two."""
    first, second, third, *beads = lot_of_days(1e11, 2e11, 3e11)
    store = record(new_store(tmp_path), first, replace(second, volume_ml=None), third, *beads)
    lines = summary_lines(dossier_of(store, of_lot(store, None), "LOT-7"))
    assert "  day 2026-11-02: no number of particles" in lines
    assert any(line.startswith("  sum of 2 of 3 days: 4.8e+12 particles (") for line in lines)
    assert any(line.startswith("fail: the pooled distribution lacks 2026-11-02/harvest 2026-11-02:") for line in lines)


def test_json_is_the_file_and_nothing_else(folder):
    done = run(folder / "nta.sqlite", "--json", "-o", folder / "r", "--title", "Lot seven")
    assert json.loads(done.stdout) == json.loads((folder / "r" / "report.json").read_text())
    assert json.loads(done.stdout)["title"] == "Lot seven"


def test_without_a_folder_the_report_is_called_after_its_lot(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert run(folder, "-q").output == ""
    assert (folder / "report-LOT-7" / "report.html").exists()


def test_days_of_a_range(folder):
    done = run(folder, "--from", "2026-11-02", "-o", folder / "r")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("Lot 2026-11-02 to 2026-11-03: sum of 2 days")


def test_a_store_is_not_changed_by_its_report(folder):
    before = (folder / "nta.sqlite").read_bytes()
    assert run(folder, "-o", folder / "r").exit_code == 0
    assert (folder / "nta.sqlite").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--lot", "LOT-9"], "no sample is of the lot 'LOT-9'"),
        (["--from", "soon"], "'soon' is not a date; write it like 2026-11-01"),
        (["--forecast", "much"], "'much' is not LOW:HIGH"),
        (["--forecast", "4e12:1e12"], "give the lower end first"),
        (["--from", "2027-01-01"], "no sample of"),
        (["--baseline", "LOT-9"], "no sample is of the lot 'LOT-9'"),
        (["--spec", "nothere.toml"], "cannot read the specification"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(folder, arguments, text):
    done = run(folder, "-o", folder / "r", *arguments)
    assert done.exit_code == 2
    assert text in done.output
    assert done.output.count("\n") == 1
    assert not (folder / "r").exists()


def test_a_folder_of_something_else_is_refused_before_anything_is_computed(folder):
    (folder / "r").mkdir()
    (folder / "r" / "mine.txt").write_text("x")
    done = run(folder, "-o", folder / "r")
    assert done.exit_code == 2
    assert "holds 'mine.txt'" in done.output


def test_a_store_that_is_none_ends_with_3(tmp_path):
    assert run(tmp_path / "no.sqlite").exit_code == 3


def test_the_names_of_a_lot_cannot_leave_their_folder(tmp_path, monkeypatch):
    record(new_store(tmp_path), Made("1", "a", lot="../../up and away"))
    monkeypatch.chdir(tmp_path)
    assert run(tmp_path, "-q").exit_code == 0
    assert (tmp_path / "report-.._.._up_and_away" / "report.json").exists()
