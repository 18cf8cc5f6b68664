"""`nta analyze`: what goes to stdout, what to stderr, what to the folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nta_cli.main import cli
from nta_cli.options import SETTING_OPTIONS


def run(*args: object) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args])


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "day 1 é.avi"
    path.write_text("video")
    return path


def test_the_table_is_on_stdout_with_intervals_and_says_where_the_files_are(video, pipeline):
    result = run("analyze", video, "--dilution", "1000")
    assert result.exit_code == 0
    assert result.stderr == ""
    for words in ("D50", "115.0", "103.5 to 126.5", "1e+11", "relative", "assumed", "day 1 é_nta"):
        assert words in result.stdout
    assert (video.with_name("day 1 é_nta") / "summary.json").is_file()


def test_json_is_alone_on_stdout_and_equals_the_file(video, tmp_path, pipeline):
    result = run("analyze", video, "--json", "-o", tmp_path / "deep" / "er")
    assert result.exit_code == 0
    assert result.stdout_bytes == (tmp_path / "deep" / "er" / "summary.json").read_bytes()
    assert json.loads(result.stdout)["schema"] == "nta.measurement/1"
    assert "D50" in result.stderr


def test_quiet_says_nothing(video, pipeline):
    result = run("analyze", video, "--quiet")
    assert result.exit_code == 0
    assert result.output == ""


@pytest.mark.parametrize("extra", [[], ["--quiet"], ["--json"]])
def test_a_rejected_input_is_one_line_exit_code_1_and_still_a_folder(video, pipeline, extra):
    video.write_text("text")
    result = run("analyze", video, *extra)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "rejected (not_a_video)" in result.stderr
    summary = json.loads((video.with_name("day 1 é_nta") / "summary.json").read_text())
    assert summary["status"] == "rejected"
    assert result.stdout == ("" if "--json" not in extra else result.stdout)
    if "--json" in extra:
        assert json.loads(result.stdout) == summary


def test_an_error_that_is_raised_ends_as_its_class_says(video, pipeline):
    video.write_text("raise")
    assert run("analyze", video).exit_code == 1
    video.write_text("usage")
    assert run("analyze", video).exit_code == 2


def test_an_occupied_folder_is_refused_before_anything_is_measured(video, tmp_path, pipeline):
    occupied = tmp_path / "mine"
    occupied.mkdir()
    (occupied / "thesis.txt").write_text("irreplaceable")
    result = run("analyze", video, "-o", occupied)
    assert result.exit_code == 2
    assert pipeline.calls == []
    assert (occupied / "thesis.txt").read_text() == "irreplaceable"
    result = run("analyze", video, "-o", occupied / "thesis.txt")
    assert result.exit_code == 2


def test_an_earlier_result_is_replaced_whole(video, pipeline):
    assert run("analyze", video).exit_code == 0
    folder = video.with_name("day 1 é_nta")
    (folder / "left over.txt").write_text("old")
    assert run("analyze", video).exit_code == 0
    assert not (folder / "left over.txt").exists()


def test_several_captures_are_one_sample(video, tmp_path, pipeline):
    second = tmp_path / "second.avi"
    second.write_text("video")
    assert run("analyze", video, second).exit_code == 0
    ((paths, _, _),) = pipeline.calls
    assert paths == (str(video), str(second))


# What each option must become in the settings. An option without a line here fails the test below.
OPTION_VALUES = {
    "mpp": (["--mpp", "0.2"], 0.2),
    "fps": (["--fps", "30"], 30.0),
    "exposure_ms": (["--exposure-ms", "0"], 0.0),
    "temperature_c": (["--temperature", "0"], 0.0),
    "viscosity_mpas": (["--viscosity", "1.1"], 1.1),
    "medium": (["--medium", "pbs"], "pbs"),
    "instrument": (["--instrument", "ns300"], "ns300"),
    "depth_um": (["--depth-um", "12"], 12.0),
    "dilution": (["--dilution", "200"], 200.0),
    "dilution_sd_percent": (["--dilution-sd-percent", "2"], 2.0),
    "blank": (["--blank", "a.avi", "--blank", "b.avi"], ("a.avi", "b.avi")),
    "windows_nm": (["--window", "50:150", "--window", "150:"], ((50.0, 150.0), (150.0, None))),
    "calibration": (["--calibration", "beads.toml"], "beads.toml"),
    "frames": (["--frames", ":500"], (0, 500)),
    "roi": (["--roi", "0,1,20,10"], (0, 1, 20, 10)),
    "exclude": (["--exclude", "0,0,5,5", "--exclude", "9,9,5,5"], ((0, 0, 5, 5), (9, 9, 5, 5))),
    "size_range_nm": (["--size-range", "50:"], (50.0, None)),
    "invert": (["--no-invert"], False),
    "diameter_px": (["--diameter-px", "9"], 9),
    "min_mass": (["--min-mass", "0"], 0.0),
    "search_range_px": (["--search-range-px", "7.5"], 7.5),
    "memory": (["--memory", "0"], 0),
    "min_track": (["--min-track", "6"], 6),
    "method": (["--method", "METHOD"], "METHOD"),
    "engine": (["--engine", "trackpy"], "trackpy"),
    "allow_partial": (["--allow-partial"], True),
    "seed": (["--seed", "0"], 0),
}


def _method() -> str:
    """Return the first method that the settings know; there may be more of them later."""
    from typing import get_args

    from nta.settings import Settings

    literal = get_args(Settings.model_fields["method"].annotation)[0]
    return str(get_args(literal)[0])


@pytest.mark.parametrize("option", SETTING_OPTIONS, ids=lambda option: option.field)
def test_every_option_reaches_the_settings_as_the_command_line(option, video, pipeline):
    args, value = OPTION_VALUES[option.field]
    args = [_method() if arg == "METHOD" else arg for arg in args]
    result = run("analyze", video, "--quiet", *args)
    assert result.exit_code == 0, result.output
    ((_, settings, _),) = pipeline.calls
    assert getattr(settings, option.field) == (_method() if value == "METHOD" else value)
    assert settings.origin(option.field) == "command_line"
    assert settings.model_fields_set == {option.field}


def test_every_field_of_the_settings_has_an_option():
    from nta.settings import Settings

    assert {option.field for option in SETTING_OPTIONS} == set(Settings.model_fields)


def test_the_command_line_ranks_above_the_file(video, tmp_path, pipeline):
    file = tmp_path / "my.toml"
    file.write_text("mpp = 0.2\nfps = 30.0\n")
    assert run("analyze", video, "--quiet", "--settings", file, "--fps", "20").exit_code == 0
    ((_, settings, _),) = pipeline.calls
    assert (settings.mpp, settings.origin("mpp")) == (0.2, "settings")
    assert (settings.fps, settings.origin("fps")) == (20.0, "command_line")
    assert settings.origin("temperature_c") == "assumed"


def test_a_fault_in_the_file_names_the_file_and_the_field(video, tmp_path, pipeline):
    file = tmp_path / "my.toml"
    file.write_text("mpp = 166\ntemprature_c = 20\n")
    result = run("analyze", video, "--settings", file)
    assert result.exit_code == 2
    for words in ("my.toml", "mpp: ", "temprature_c: there is no such setting"):
        assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_template_sets_nothing_as_it_is_and_is_valid_when_uncommented(tmp_path):
    from nta.settings import Settings

    template = run("settings", "--template").stdout
    file = tmp_path / "template.toml"
    file.write_text(template, encoding="utf-8")
    assert Settings.from_toml(file).model_fields_set == set()
    names = set(Settings.model_fields)
    lines = [
        line.removeprefix("# ") if line.removeprefix("# ").partition(" = ")[0] in names else line
        for line in template.splitlines()
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    assert Settings.from_toml(file).model_fields_set == names
    checked = run("settings", "--check", file)
    assert checked.exit_code == 0
    assert "mpp = 0.14" in checked.stdout


def test_check_says_what_is_wrong(tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text("mpp = ")
    result = run("settings", "--check", file)
    assert result.exit_code == 2
    assert "bad.toml" in result.stderr
