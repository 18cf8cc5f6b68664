"""The command as a whole: what it loads, its exit codes, one line an error."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from nta_cli.main import COMMANDS, cli

HEAVY = {"numpy", "pandas", "scipy", "pydantic", "rich", "numba", "trackpy", "matplotlib", "av", "jinja2"}


def run(*args: object) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args])


def modules_after(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after ``code``."""
    code += "\nimport sys, json; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_help_loads_click_and_nothing_heavy():
    loaded = modules_after(
        "from nta_cli.main import cli\n"
        "try:\n    cli(['--help'])\nexcept SystemExit as stop:\n    assert stop.code == 0, stop.code"
    )
    assert "click" in loaded
    assert not loaded & HEAVY


def test_import_nta_loads_nothing_heavy():
    loaded = modules_after("import nta; assert nta.__version__; dir(nta)")
    assert not loaded & (HEAVY | {"click"})


def test_help_of_a_command_does_not_load_the_libraries_that_measure():
    loaded = modules_after(
        "from nta_cli.main import cli\ntry:\n    cli(['analyze', '--help'])\nexcept SystemExit:\n    pass"
    )
    assert not loaded & {"numpy", "pandas", "scipy", "numba", "trackpy", "matplotlib", "av"}


def test_garbage_is_looked_for_seldom_in_the_program_and_as_before_in_what_calls_it():
    code = (
        "import gc, sys; from nta_cli.main import cli\n"
        "first = gc.get_threshold()[0]\n"
        "for given in (['--version'], None):\n"
        "    sys.argv = ['nta', '--version']\n"
        "    try:\n        cli(given)\n    except SystemExit:\n        print(gc.get_threshold()[0] // first)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[2::3] == ["1", "100"]


def test_the_console_script_is_there_and_says_its_version():
    script = Path(sys.executable).with_name("nta")
    if not script.is_file():
        pytest.skip("nta is not installed as a command beside this interpreter")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("nta 0.")


def test_every_command_is_listed_and_loads():
    listed = run("--help").output
    for name in COMMANDS:
        assert f"\n  {name} " in listed
        command = cli.get_command(click.Context(cli), name)
        assert isinstance(command, click.Command)
        shown = run(name, "--help")
        assert shown.exit_code == 0
        assert "\\b" not in shown.output  # click's mark for lines that stay as they are, not read as one


def test_nothing_asked_for_is_wrong_use_and_shows_the_help():
    result = run()
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Commands:" in result.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["analyze", "a.avi", "--temprature", "20"], ["--temprature", "--temperature"]),
        (["analyze", "a.avi", "--temperature", "298"], ["--temperature", "298.0 °C", "kelvin"]),
        (["analyze", "a.avi", "--mpp", "166"], ["--mpp", "166", "nm?", "0.166"]),
        (["analyze", "a.avi", "--fps", "-5"], ["--fps", "-5"]),
        (["analyze", "a.avi", "--fps", "nan"], ["--fps"]),
        (["analyze", "a.avi", "--fps", "many"], ["--fps", "many"]),
        (
            ["analyze", "a.avi", "--fps", "25", "--exposure-ms", "50"],
            ["50 ms", "longer than a frame", "40 ms"],
        ),
        (["analyze", "a.avi", "--dilution", "0.5"], ["--dilution", "below 1"]),
        (["analyze", "a.avi", "--roi", "1,2,3"], ["--roi", "'1,2,3'", "X,Y,W,H"]),
        (["analyze", "a.avi", "--exclude", "0,0,-4,5"], ["--exclude"]),
        (["analyze", "a.avi", "--frames", "9"], ["--frames", "A:B"]),
        (["analyze", "a.avi", "--frames", "9:3"], ["--frames", "9:3"]),
        (["analyze", "a.avi", "--size-range", "200:100"], ["--size-range", "200:100"]),
        (["analyze", "a.avi", "--instrument", "ns900"], ["ns900", "ns300"]),
        (["analyze", "a.avi", "--settings", "none.toml"], ["none.toml"]),
        (["analyze"], ["INPUT"]),
        (["analyse", "a.avi"], ["analyse", "analyze"]),
        (["--nonsense"], ["--nonsense"]),
        (["settings"], ["--template", "--check"]),
        (["batch", "nowhere"], ["nowhere", "manifest.csv"]),
    ],
)
def test_wrong_use_is_one_clear_line_and_exit_code_2(args, words, tmp_path, monkeypatch, pipeline):
    monkeypatch.chdir(tmp_path)
    Path("a.avi").write_text("video")
    result = run(*args)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert result.stderr.startswith("Error: ")
    for word in words:
        assert word in result.stderr
    assert not Path("a_nta").exists()


def test_two_wrong_values_are_said_at_once(tmp_path, pipeline):
    result = run("analyze", tmp_path / "a.avi", "--temperature", "298", "--mpp", "166")
    assert result.exit_code == 2
    assert "--temperature: " in result.stderr
    assert "--mpp: " in result.stderr


def test_debug_adds_the_trace_and_keeps_the_exit_code(tmp_path, pipeline):
    result = run("analyze", tmp_path / "none.avi", "--debug")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("Error: ")


def test_a_file_name_cannot_send_control_characters_to_the_terminal(tmp_path, pipeline):
    result = run("analyze", tmp_path / "a\x1b[2Jb.avi")
    assert result.exit_code == 2
    assert "\x1b" not in result.stderr


def test_a_full_disk_is_one_line_and_exit_code_1(tmp_path, pipeline, monkeypatch):
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nta.measurement.Measurement.save", full)
    video = tmp_path / "a.avi"
    video.write_text("video")
    result = run("analyze", video)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == ["Error: [Errno 28] No space left on device"]


def test_interruption_ends_with_130(tmp_path, pipeline):
    video = tmp_path / "a.avi"
    video.write_text("interrupt")
    result = run("analyze", video)
    assert result.exit_code == 130
    assert result.stderr.strip() == "Error: interrupted"
    assert not (tmp_path / "a_nta").exists()


def test_a_fault_of_the_program_is_one_line_without_debug(tmp_path):
    code = (
        "import sys, types\nfrom nta_cli import main\n"
        "def analyze(*args, **named): raise ZeroDivisionError('division by zero')\n"
        "sys.modules['nta.pipeline'] = module = types.ModuleType('nta.pipeline')\nmodule.analyze = analyze\n"
        "main.cli()"
    )
    command = [sys.executable, "-c", code, "analyze", "a.avi"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "ZeroDivisionError" in done.stderr
    assert "--debug" in done.stderr
    done = subprocess.run([*command, "--debug"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
def test_ctrl_c_ends_the_program_with_130(tmp_path):
    code = (
        # A shell that runs the tests in the background has them ignore SIGINT; the program must not.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys, time, types\nfrom nta_cli import main\n"
        "def analyze(*args, **named):\n    print('waiting', flush=True)\n    time.sleep(30)\n"
        "sys.modules['nta.pipeline'] = module = types.ModuleType('nta.pipeline')\nmodule.analyze = analyze\n"
        "main.cli()"
    )
    command = [sys.executable, "-c", code, "analyze", "a.avi"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in stderr
