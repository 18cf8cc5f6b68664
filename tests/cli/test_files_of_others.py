"""`nta import`, `nta info`, `nta export`: what they print, write and return."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from nta_cli.main import cli

sys.path.insert(0, str(Path(__file__).parents[1] / "formats"))
from exports_made import summary_text, write_nano, zetaview_text

SAMPLE = Path(__file__).parents[2] / "sample_videos" / "beads_100nm.avi"


def run(*args: object):
    return CliRunner().invoke(cli, [str(arg) for arg in args])


@pytest.fixture
def exports(tmp_path: Path) -> list[Path]:
    summary, zetaview = tmp_path / "a-ExperimentSummary.csv", tmp_path / "b_size_488.txt"
    summary.write_text(summary_text(), encoding="iso-8859-1")
    zetaview.write_text(zetaview_text(), encoding="iso-8859-1")
    return [summary, zetaview]


def test_both_real_exports_make_a_table(shared_data, tmp_path):
    files = [shared_data / "nanosight" / name for name in ("beads.csv", "beads2.csv")]
    result = run("import", *files, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader((tmp_path / "out" / "comparison.csv").read_text().splitlines()))
    samples = [row for row in rows if not row["capture"]]
    assert [(row["captures"], row["mode_nm"]) for row in samples] == [("12", "95.3"), ("5", "98.4")]
    assert [row["stock_per_ml"] for row in samples] == ["", "6090000000000.0"]
    assert len(rows) == 2 + 12 + 5
    assert "95.3" in result.output
    summary = json.loads((tmp_path / "out" / "beads" / "summary.json").read_text())
    assert summary["size_nm"]["mode"]["value"] == 95.3


def test_two_makers_are_compared(exports):
    result = run("import", *exports)
    assert result.exit_code == 0, result.output
    line = next(line for line in result.output.splitlines() if "122.5" in line)
    assert "b_size_488.txt" in line.replace(" ", "") or "b_size" in line
    assert "imported" in result.output


def test_json_is_alone_on_stdout(exports):
    result = run("import", *exports, "--json", "--quiet")
    document = json.loads(result.stdout)
    assert document["schema"] == "nta.import/1"
    assert [one["values"]["program"]["origin"] for one in document["samples"]] == ["import", "import"]


def test_an_export_that_is_cut_is_refused_and_the_others_are_imported(exports, tmp_path):
    cut = tmp_path / "cut-ExperimentSummary.csv"
    cut.write_text(summary_text()[:20_000], encoding="iso-8859-1")
    result = run("import", exports[0], cut, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "cut-ExperimentSummary: rejected (truncated)" in result.stderr
    rows = list(csv.DictReader((tmp_path / "out" / "comparison.csv").read_text().splitlines()))
    assert [row["status"] for row in rows if not row["capture"]] == ["ok", "rejected"]


def test_what_is_no_export_is_refused(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    result = run("import", tmp_path / "x.csv")
    assert result.exit_code == 1
    assert "is no export that is read; there are: NanoSight experiment" in result.stderr
    missing = run("import", tmp_path / "none.csv")
    assert missing.exit_code == 2
    assert "no such file" in missing.stderr


def test_two_files_of_one_name_do_not_share_a_folder(exports, tmp_path):
    (tmp_path / "sub").mkdir()
    other = tmp_path / "sub" / exports[0].name
    other.write_bytes(exports[0].read_bytes())
    result = run("import", exports[0], other, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_info_of_a_video():
    result = run("info", SAMPLE, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["facts"]["frames_declared"] == found["facts"]["frames_decoded"]
    assert found["facts"]["codec"] == "ffv1"
    assert found["facts"]["bit_depth"] == 8
    assert found["values"]["fps"] == {"value": 24.9825, "origin": "video"}
    assert {"mpp", "temperature_c", "exposure_ms"} <= set(found["assumed"])
    told = run("info", SAMPLE, "--mpp", "0.2").output
    assert "frames_decoded" in told
    assert "command_line" in told
    assert "a measurement would assume: instrument, exposure_ms" in " ".join(told.split())


def test_info_says_what_is_cut_and_ends_with_1(tmp_path):
    data = SAMPLE.read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) // 2])
    result = run("info", tmp_path / "cut.avi", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["status_code"] == "truncated"
    told = run("info", tmp_path / "cut.avi").output
    assert "value" not in told  # no empty table
    assert "is truncated" in told
    partial = run("info", tmp_path / "cut.avi", "--json", "--allow-partial")
    assert partial.exit_code == 0
    found = json.loads(partial.stdout)
    assert found["status"] == "warn"
    assert found["facts"]["frames_decoded"] < found["facts"]["frames_declared"]
    told = " ".join(run("info", tmp_path / "cut.avi", "--allow-partial").output.split())
    assert told.count("only what is there is measured") + told.count("the rest is measured") == 1  # said once


def test_info_of_what_others_leave(exports, tmp_path):
    nano = write_nano(tmp_path / "e.nano", ["a.avi"])
    found = json.loads(run("info", nano, "--json").stdout)
    assert found["facts"]["captures_missing"] == ["a.avi"]
    assert found["values"]["temperature_c"] == {"value": 26.173, "origin": "sidecar"}
    assert found["status_code"] == "capture_rejected"
    assert json.loads(run("info", exports[1], "--json").stdout)["kind"] == "ZetaView size export (.txt)"
    (tmp_path / "t.csv").write_text("particle,frame,x,y\n0,0,1,2\n0,1,1,2\n1,0,5,5\n")
    table = json.loads(run("info", tmp_path / "t.csv", "--json").stdout)
    assert (table["facts"]["positions"], table["facts"]["tracks"], table["facts"]["frames"]) == (3, 2, 2)
    assert run("info", tmp_path / "none").exit_code == 2


def test_export_writes_beside_the_result_and_never_over_it(exports, tmp_path):
    assert run("import", exports[0], "-o", tmp_path / "out").exit_code == 0
    folder = tmp_path / "out" / "a-ExperimentSummary"
    result = run("export", folder, "--as", "nanosight")
    assert result.exit_code == 0, result.output
    written = tmp_path / "out" / "a-ExperimentSummary_Summary.csv"
    assert written.is_file()
    again = run("export", folder, "--as", "nanosight")
    assert again.exit_code == 2
    assert "is there already" in again.stderr
    assert run("export", folder, "--as", "parquet", "-o", tmp_path / "d.parquet").exit_code == 0
    assert "holds no tracks" in run("export", folder, "--as", "trackpy").stderr
    neither = run("export", tmp_path, "--as", "parquet", "-o", tmp_path / "x.parquet")
    assert neither.exit_code == 3  # no result, and no store either
    assert str(tmp_path) in neither.stderr
    assert "give --as nanosight, parquet, trackpy, and no --table" in run("export", folder, "--as", "csv").stderr
