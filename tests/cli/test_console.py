"""The progress bar and the tables."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from nta.blank import Blank
from nta.distribution import WindowShare
from nta.estimate import Estimate
from nta_cli import console


@pytest.fixture
def terminal(monkeypatch) -> io.StringIO:
    """Collect what a terminal of 100 columns would get."""
    screen = io.StringIO()
    made = Console(file=screen, force_terminal=True, width=100, markup=False, highlight=False)
    monkeypatch.setattr(console, "make_console", lambda **_options: made)
    return screen


def test_the_bar_shows_frames_per_second_and_time_left(terminal):
    with console.progress_bar(quiet=False) as progress:
        for done in range(0, 501, 50):
            progress("detect", done, 1000)
    shown = terminal.getvalue()
    assert "detect" in shown
    assert "500/1000" in shown
    assert "frames/s" in shown
    assert "0:0" in shown


def test_a_stage_of_unknown_length_is_shown(terminal):
    with console.progress_bar(quiet=False) as progress:
        progress("reading frames", 3, None)
    assert "3/?" in terminal.getvalue()


def test_without_a_terminal_only_a_compilation_is_announced(capsys):
    with console.progress_bar(quiet=False) as progress:
        progress("compiling kernels (first run only)", 0, None)
        progress("compiling kernels (first run only)", 1, None)
        progress("detect", 1, 10)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "compiling kernels (first run only)\n"
    with console.progress_bar(quiet=True) as progress:
        progress("compiling kernels (first run only)", 0, None)
    assert capsys.readouterr().err == ""


def test_what_is_missing_is_a_dash_and_never_zero(terminal, a_measurement):
    measurement = a_measurement()
    missing = replace(measurement.size, d50=Estimate.missing(), sd=Estimate(33.0, math.nan, math.nan))
    console.make_console().print(console.result_table(replace(measurement, size=missing)))
    lines = terminal.getvalue().splitlines()
    (d50,) = (line for line in lines if "D50 " in line and "span" not in line)
    assert [cell.strip() for cell in d50.split("│")[2:4]] == ["-", "-"]
    (sd,) = (line for line in lines if "standard deviation" in line)
    assert [cell.strip() for cell in sd.split("│")[2:4]] == ["33.0", "-"]


def test_a_sample_name_is_text_and_not_markup(a_measurement, capsys):
    console.make_console().print(console.result_table(a_measurement("[bold]x[/nonsense] :boom:")))
    assert "[bold]x[/nonsense] :boom:" in capsys.readouterr().out


def test_windows_and_the_blank_have_rows(terminal, a_measurement):
    one = a_measurement()
    shares = (
        WindowShare(50.0, 150.0, Estimate(0.8125, 0.71, 0.9), Estimate(0.4, 0.3, 0.5)),
        WindowShare(200.0, math.inf, Estimate(0.02, 0.0, 0.05), Estimate(0.3, 0.1, 0.5)),
    )
    blank = Blank("water", ("w.avi",), (None,), Estimate(1.0e7, 0.5e7, 1.5e7), Estimate(6.0e8, 5e8, 7e8), 40)
    shown = replace(one, distribution=replace(one.distribution, windows=shares), blank=blank)
    console.make_console().print(console.result_table(shown))
    cells = [[cell.strip() for cell in line.split("│")[1:4]] for line in terminal.getvalue().splitlines()]
    assert ["share from 50 to 150 nm, by number", "81.2%", "71.0% to 90.0%"] in cells
    assert ["share above 200 nm, by number", "2.0%", "0.0% to 5.0%"] in cells
    assert ["before the blank", "6e+08", "5e+08 to 7e+08"] in cells
    assert ["blank, subtracted", "1e+07", "5e+06 to 1.5e+07"] in cells
