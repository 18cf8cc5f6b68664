"""`nta analyze --dilution-series`: what is measured, said, written and refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nta.simulation import OneSize, Scene, simulate
from nta_cli.main import cli


def run(*args: object) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args])


@pytest.fixture
def videos(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{name}.avi" for name in "abc"]
    for path in paths:
        path.write_text("video")
    return paths


def test_each_dilution_is_measured_with_its_own_factor(videos, pipeline):
    stated = ("--fps", "30", "--blank", "w.avi", "--calibration", "beads.toml", "--dilution-sd-percent", "2")
    result = run("analyze", *videos, "--dilution-series", "400,100,400", *stated, "-q")
    assert result.exit_code == 0, result.output
    assert result.output == ""
    calls = [([Path(path).name for path in paths], settings) for paths, settings, _ in pipeline.calls]
    assert [names for names, _ in calls] == [["b.avi"], ["a.avi", "c.avi"]]
    assert [settings.dilution for _, settings in calls] == [100.0, 400.0]
    assert {settings.origin("dilution") for _, settings in calls} == {"command_line"}
    for _, settings in calls:
        assert (settings.fps, settings.blank, settings.calibration) == (30.0, ("w.avi",), "beads.toml")
        assert settings.dilution_sd_percent == 2.0
    folder = videos[0].with_name("a_series_nta")
    assert json.loads((folder / "dilution_100" / "summary.json").read_text())["dilution"] == 100.0
    assert (folder / "dilution_400" / "report.html").is_file()
    assert (folder / "dilution_series.html").is_file()


def test_the_table_and_the_sentence_are_on_stdout(videos, pipeline):
    # Every capture reads 1e8 per mL whatever its dilution, so that the stocks differ by factors of 2
    result = run("analyze", *videos, "--dilution-series", "100,200,400", "-o", videos[0].with_name("out"))
    assert result.exit_code == 0
    assert result.stderr == ""
    for words in (
        "1:100",
        "1e+08",
        "4e+10",
        "slope of all, 1 is linear: ",
        "0.000 (95 % interval",
        "relative",
        "no usable",
        "out",
    ):
        assert words in result.stdout


def test_json_is_alone_on_stdout_and_equals_the_file(videos, pipeline):
    result = run("analyze", *videos, "--dilution-series", "100,200,400", "--json")
    assert result.exit_code == 0
    assert result.stdout_bytes == (videos[0].with_name("a_series_nta") / "dilution_series.json").read_bytes()
    assert json.loads(result.stdout)["schema"] == "nta.dilution_series/1"
    assert "1:100" in result.stderr


def test_a_rejected_dilution_is_exit_code_1_and_the_others_are_measured(videos, pipeline):
    videos[2].write_text("text")
    result = run("analyze", *videos, "--dilution-series", "100,200,400")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "rejected (not_a_video)" in result.stderr
    assert "1:400 has no concentration" in " ".join(result.stdout.split())
    document = json.loads((videos[0].with_name("a_series_nta") / "dilution_series.json").read_text())
    assert [entry["status"] for entry in document["dilutions"]] == ["ok", "ok", "rejected"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--dilution-series", "100,200"], ["2 dilutions for 3 captures", "one a capture"]),
        (["--dilution-series", "100,200,400,800"], ["4 dilutions for 3 captures"]),
        (["--dilution-series", "100,0.5,400"], ["0.5", "below 1"]),
        (["--dilution-series", "100,many,400"], ["'100,many,400'", "F,F,...", "100,200,400"]),
        (["--dilution-series", ""], ["F,F,..."]),
        (["--dilution-series", "100,nan,400"], ["nan", "no number"]),
        (["--dilution-series", "1:100,1:200,1:400"], ["1:100", "100,200,400"]),
        (["--dilution-series", "100,200,400", "--dilution", "100"], ["--dilution-series", "leave --dilution out"]),
    ],
)
def test_wrong_use_is_one_clear_line_and_exit_code_2(args, words, videos, pipeline):
    result = run("analyze", *videos, *args)
    assert result.exit_code == 2, result.output
    assert len(result.stderr.splitlines()) == 1
    for word in words:
        assert word in result.stderr
    assert pipeline.calls == []
    assert not videos[0].with_name("a_series_nta").exists()


def test_a_missing_file_or_an_occupied_folder_is_said_before_anything_is_measured(videos, tmp_path, pipeline):
    assert run("analyze", *videos[:2], tmp_path / "none.avi", "--dilution-series", "1,2,4").exit_code == 2
    result = run("analyze", *videos, "--dilution-series", "1,2,4", "-o", tmp_path)
    assert result.exit_code == 2
    assert "not empty" in result.stderr
    assert pipeline.calls == []


def test_the_series_of_another_video_is_not_replaced_unasked(videos, tmp_path, pipeline):
    assert run("analyze", *videos, "--dilution-series", "400,200,100", "-q").exit_code == 0
    assert run("analyze", *videos, "--dilution-series", "400,200,50", "-q").exit_code == 0
    folder = tmp_path / "a_series_nta"
    assert sorted(path.name for path in folder.glob("dilution_*0")) == ["dilution_200", "dilution_400", "dilution_50"]
    other = tmp_path / "a.tif"
    other.write_text("video")
    result = run("analyze", other, *videos[1:], "--dilution-series", "400,200,100")
    assert result.exit_code == 2
    assert "not of 'a.tif'; name another folder with -o" in result.stderr


def test_three_simulated_dilutions_end_to_end(tmp_path):
    """Nothing replaced: 48, 24 and 12 particles in view of a small field for 8 s."""
    factors = {100: 48.0, 200: 24.0, 400: 12.0}
    paths = []
    for factor, per_frame in factors.items():
        paths.append(tmp_path / f"d{factor}.avi")
        scene = Scene(
            population=OneSize(100.0), width_px=320, height_px=240, particles_per_frame=per_frame, n_frames=200,
            seed=factor,
        )  # fmt: skip
        simulate(scene, paths[-1])
    out = tmp_path / "out"
    stated = ("--mpp", "0.14", "--temperature", "25", "--exposure-ms", "32.5", "--medium", "water")
    result = run("analyze", *paths, "--dilution-series", "100,200,400", *stated, "-o", out)
    assert result.exit_code == 0, result.output
    document = json.loads((out / "dilution_series.json").read_text())
    for entry, path in zip(document["dilutions"], paths, strict=True):
        in_view = json.loads(path.with_suffix(".truth.json").read_text())["in_view"]["concentration_per_ml"]
        # The nominal depth is 3.5 % off, and particles beyond the edge of the sheet's half light count as well.
        assert entry["measured_per_ml"]["value"] == pytest.approx(in_view, rel=0.15)
        assert entry["stock_per_ml"]["value"] == pytest.approx(entry["measured_per_ml"]["value"] * entry["dilution"])
    slope = document["linearity"]["slope"]
    slope_sd = (slope["high"] - slope["low"]) / (2.0 * 1.96)
    assert abs(slope["value"] - 1.0) < 4.0 * slope_sd
    assert slope_sd < 0.2
    assert document["usable_range"]["dilutions"] == 3
    rows = list(csv.DictReader((out / "dilution_series.csv").read_text().splitlines()))
    assert [float(row["dilution"]) for row in rows] == [100.0, 200.0, 400.0]
    for factor in factors:
        assert json.loads((out / f"dilution_{factor}" / "summary.json").read_text())["dilution"] == factor
