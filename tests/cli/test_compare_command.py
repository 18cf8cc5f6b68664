"""`nta compare` from saved results and from a maker's exports: what it prints, writes and returns."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nta.concentration import Concentration
from nta.size_statistics import SizeStatistics
from nta_cli.main import cli

sys.path.insert(0, str(Path(__file__).parents[1] / "comparison"))
sys.path.insert(0, str(Path(__file__).parents[1] / "formats"))
from exports_made import summary_text
from samples_made import counted, lognormal, sized, stated_settings


def run(*args: object) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args])


@pytest.fixture
def folders(a_measurement, tmp_path: Path) -> list[Path]:
    """Three saved results: two fresh of 100 and 102 nm at 1e8 and 1.04e8 per mL in the cell, one rehydrated."""
    paths = []
    for name, d50, rate in (("fresh1", 100.0, 1e8), ("fresh2", 102.0, 1.04e8), ("rehydrated", 104.0, 0.9e8)):
        one = a_measurement(name, stated_settings(dilution=1000.0), f"{name}.avi")
        counted_one = counted(sized(one, d50, 1.0, curve=lognormal(d50)), rate, 0.03, 1000.0)
        paths.append(counted_one.save(tmp_path / name))
    return paths


def test_two_saved_results_end_to_end(folders, tmp_path):
    fresh, _, rehydrated = folders
    target = tmp_path / "new" / "comparison.json"
    options = ("--volumes-ml", 1, 1.05, "--margin-percent", 20, "--size-margin-percent", 10)
    result = run("compare", fresh, rehydrated, *options, "-o", target)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    document = json.loads(target.read_text())
    assert document["schema"] == "nta.comparison/1"
    assert (document["a"], document["b"]) == (["fresh1"], ["rehydrated"])
    assert document["d50_nm"]["difference"]["value"] == pytest.approx(4.0)
    # exp(0.2²/2) = 1.0202 times 4 nm
    assert document["shift_nm"]["value"] == pytest.approx(4.08, abs=0.02)
    assert document["concentration_per_ml"]["basis"] == "stock"
    assert document["concentration_per_ml"]["ratio"]["value"] == pytest.approx(0.9)
    assert document["recovery"]["value"] == pytest.approx(0.945)
    verdicts = {test["quantity"]: test["verdict"] for test in document["equivalence"]}
    assert verdicts == {"mode": "equivalent", "d50": "equivalent", "recovery": "equivalent"}
    assert document["common"] == ["mpp", "medium", "exposure_ms", "depth_um"]
    for words in (
        "A: fresh1",
        "B: rehydrated",
        "x 0.900",
        "stock/mL, relative",
        "only ratios between samples hold",
        "94.5%",
        "D50: equivalent",
        "recovery: equivalent within 0.8 to 1.2 of A",
    ):
        assert words in result.stdout


def test_json_is_alone_on_stdout(folders):
    result = run("compare", folders[0], folders[2], "--json")
    assert json.loads(result.stdout)["equivalence"] == []
    assert "shift (Wasserstein), nm" in result.stderr
    assert run("compare", folders[0], folders[2], "-q").output == ""


def test_groups_are_named_with_against(folders):
    result = run("compare", folders[2], "--against", folders[0], "--against", folders[1], "--json", "-q")
    document = json.loads(result.stdout)
    assert (document["a"], document["b"]) == (["fresh1", "fresh2"], ["rehydrated"])
    assert document["d50_nm"]["a"]["value"] == pytest.approx(101.0)
    assert any(note.startswith("B is one measurement") for note in document["notes"])


def test_two_instruments_share_no_error(folders):
    document = json.loads(run("compare", folders[0], folders[2], "--different-instruments", "--json", "-q").stdout)
    assert document["common"] == []
    one = json.loads(run("compare", folders[0], folders[2], "--json", "-q").stdout)
    apart, together = (found["concentration_per_ml"]["ratio"] for found in (document, one))
    assert apart["high"] > 1.5 * together["high"]


def test_our_analysis_against_the_makers_export(folders, tmp_path):
    export = tmp_path / "a-ExperimentSummary.csv"
    export.write_text(summary_text(), encoding="iso-8859-1")
    result = run("compare", folders[0], export, "--json", "-q")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["common"] == []
    assert document["d50_nm"]["ratio"]["value"] == pytest.approx(document["d50_nm"]["b"]["value"] / 100.0)
    assert any("imported results" in note for note in document["notes"])


def test_the_real_exports_of_one_bead_standard(shared_data):
    files = [shared_data / "nanosight" / name for name in ("beads.csv", "beads2.csv")]
    document = json.loads(run("compare", *files, "--size-margin-percent", 10, "--json", "-q").stdout)
    # The modes that the exports state
    assert (document["mode_nm"]["a"]["value"], document["mode_nm"]["b"]["value"]) == (95.3, 98.4)
    assert [test["verdict"] for test in document["equivalence"]] == ["equivalent", "equivalent"]
    assert document["concentration_per_ml"]["ratio"]["value"] is None  # one file states no dilution


def test_nothing_to_compare_is_exit_code_1(a_measurement, folders, tmp_path):
    one = a_measurement("blank", stated_settings(), "blank.avi")
    blank = replace(one, size=SizeStatistics.missing(), concentration=Concentration.missing())
    result = run("compare", folders[0], blank.save(tmp_path / "blank"))
    assert result.exit_code == 1
    assert "no sizes were measured in blank" in result.stdout


def test_a_hostile_name_is_shown_and_not_sent(a_measurement, folders, tmp_path):
    name = "[red]\x1b[31m<script>\n" + "x" * 200
    path = a_measurement(name, stated_settings(), "c.avi").save(tmp_path / "hostile")
    result = run("compare", folders[0], path)
    assert result.exit_code == 0, result.output
    assert "\x1b[31m" not in result.stdout
    assert "[red]" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fresh1"], "samples given: 1; give two"),
        (["fresh1", "fresh2", "rehydrated"], "name the reference group with --against"),
        (["fresh1", "absent"], "absent"),
        (["fresh1", "rehydrated", "--margin-percent", "120"], "a margin of 120 %"),
        (["fresh1", "rehydrated", "-o", "fresh1/summary.json"], "already there"),
    ],
)
def test_wrong_use_is_exit_code_2_and_one_line(folders, monkeypatch, arguments, words):
    monkeypatch.chdir(folders[0].parent)
    result = run("compare", *arguments)
    assert result.exit_code == 2, result.output
    assert len(result.stderr.splitlines()) == 1
    assert words in result.stderr
    assert result.stdout == ""


def test_an_export_that_cannot_be_read_is_exit_code_1(folders, tmp_path):
    export = tmp_path / "b-ExperimentSummary.csv"
    export.write_text("nothing")
    result = run("compare", folders[0], export)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
