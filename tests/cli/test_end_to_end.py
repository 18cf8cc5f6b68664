"""The real road, from a file on disk to the folder and the exit code; nothing is replaced here."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nta_cli.main import cli

SAMPLE = Path(__file__).resolve().parents[2] / "sample_videos" / "exosomes_107nm.avi"
SHORT = ("--frames", "0:150")


def run(*args: object) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args])


def test_a_missing_file_is_wrong_use(tmp_path):
    result = run("analyze", tmp_path / "none.avi")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "none.avi" in result.stderr


@pytest.mark.parametrize("content", [b"this is not a video, it is text\n" * 40, b"", b"RIFF\x00\x00\x00\x00AVI "])
def test_a_file_that_is_not_a_video_is_rejected_in_one_line_and_still_has_a_summary(tmp_path, content):
    path = tmp_path / "text.avi"
    path.write_bytes(content)
    result = run("analyze", path)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    summary = json.loads((tmp_path / "text_nta" / "summary.json").read_text())
    assert summary["status"] == "rejected"
    assert summary["size_nm"]["d50"] == {"value": None, "low": None, "high": None}
    assert summary["concentration_per_ml"]["measured"]["value"] is None


def test_an_exposure_longer_than_a_frame_of_this_video_is_wrong_use(tmp_path):
    result = run("analyze", SAMPLE, "--exposure-ms", "50", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "longer than a frame" in result.stderr
    assert not (tmp_path / "out").exists()


def everything_but_provenance(folder: Path) -> dict[str, object]:
    summary = json.loads((folder / "summary.json").read_text())
    del summary["provenance"]
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".csv", ".parquet", ".png")}
    return {"summary": summary, **files}


def test_the_same_video_gives_the_same_bytes_and_a_false_truth_changes_nothing(tmp_path):
    video = tmp_path / SAMPLE.name
    shutil.copy(SAMPLE, video)
    first = run("analyze", video, *SHORT, "-o", tmp_path / "first", "--json")
    assert first.exit_code == 0, first.output
    (tmp_path / "exosomes_107nm.truth.json").write_text('{"in_view": {"diameter_nm": [500.0]}}')
    second = run("analyze", video, *SHORT, "-o", tmp_path / "second")
    assert second.exit_code == 0, second.output
    one, other = (everything_but_provenance(tmp_path / name) for name in ("first", "second"))
    assert len(one) == 5
    assert one == other
    assert json.loads(first.stdout)["counts"]["tracks_used"] > 30


def test_a_batch_of_real_videos_goes_on_after_a_bad_one(tmp_path):
    day = tmp_path / "day"
    day.mkdir()
    shutil.copy(SAMPLE, day / "good.avi")
    (day / "bad.avi").write_text("not a video")
    (day / "manifest.csv").write_text(
        "day,sample,video,dilution,volume_ml\n1,good,good.avi,1000,350\n2,bad,bad.avi,1000,350\n"
    )
    result = run("batch", day, "-o", tmp_path / "out", *SHORT)
    assert result.exit_code == 1, result.output
    rows = list(csv.DictReader((tmp_path / "out" / "batch.csv").read_text().splitlines()))
    assert [row["status"] in ("ok", "warn") for row in rows] == [True, False]
    low, value, high = (float(rows[0][f"stock{part}_per_ml"]) for part in ("_low", "", "_high"))
    assert 0 < low < value < high
    yields = list(csv.DictReader((tmp_path / "out" / "yield.csv").read_text().splitlines()))
    (first,) = (row for row in yields if row["level"] == "day" and row["day"] == "1")
    assert float(first["particles"]) == pytest.approx(350 * value)
    assert "1 missing and not counted: 2" in (tmp_path / "out" / "yield.html").read_text(encoding="utf-8")
