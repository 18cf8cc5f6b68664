"""What the terminal shows: the progress bar and errors on stderr, the table of a result on stdout."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from nta.estimate import NORMAL_95
from nta_cli.main import EXIT_REJECTED, print_error

if TYPE_CHECKING:
    from nta.batch import Batch
    from nta.dilutions import DilutionSeries
    from nta.estimate import Estimate
    from nta.measurement import Measurement
    from nta.production import DailyYield
    from nta.progress import Progress as Listener

EXIT_CODES: Final = {"ok": 0, "warn": 0, "rejected": EXIT_REJECTED, "failed": EXIT_REJECTED}

SAMPLES: Final = "samples"
"""The stage of a batch that counts whole samples and stays on the screen while the others come and go."""

_RELATIVE: Final = "relative: the depth in view is nominal, so only ratios between samples hold"
_LEVEL_STYLES: Final = {"info": "dim", "warn": "yellow", "fail": "bold red"}


def make_console(*, stderr: bool = False) -> Console:
    """Return a console that prints text as it is: a sample named ``[red]`` is not a colour."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=False)


class _SpeedColumn(ProgressColumn):
    """Steps per second; a step is a frame except where whole samples are counted."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if speed is None or task.description == SAMPLES:
            return Text("")
        return Text(f"{speed:.0f} frames/s" if task.fields.get("is_frames") else f"{speed:.0f}/s", style="cyan")


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Listener]:
    """Show on stderr where the work stands; yields the function that the library calls.

    On something that is not a terminal only the notice of a compilation is printed, so that logs stay short.
    """
    console = make_console(stderr=True)
    if quiet or not console.is_terminal:
        yield _compilation_notice(console, quiet=quiet)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _SpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def listen(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                for name in [name for name in tasks if name != SAMPLES]:
                    bar.remove_task(tasks.pop(name))
                tasks[stage] = bar.add_task(stage, total=total, is_frames=is_frame_stage(stage))
            bar.update(tasks[stage], completed=done, total=total)

        yield listen


def is_frame_stage(stage: str) -> bool:
    """Whether a stage counts frames: those that look at pixels."""
    return stage in ("detect", "simulating") or "frame" in stage


def _compilation_notice(console: Console, *, quiet: bool) -> Listener:
    said: set[str] = set()

    def listen(stage: str, _done: int, _total: int | None) -> None:
        if "compil" in stage and stage not in said and not quiet:
            said.add(stage)
            console.print(stage)

    return listen


def print_refusal(measurement: Measurement) -> None:
    """Print in one line why there is no result."""
    code = f" ({measurement.status_code})" if measurement.status_code else ""
    print_error(f"{measurement.sample}: {measurement.status}{code}: {measurement.message}".replace("\n", " "))


def print_measurement(measurement: Measurement, directory: Path, *, to_stderr: bool) -> None:
    """Print the short table of a result, its flags, and where its files are."""
    console = make_console(stderr=to_stderr)
    console.print(result_table(measurement))
    for line in notes(measurement):
        console.print(line)
    console.print(f"Files: {directory}", soft_wrap=True)


def result_table(measurement: Measurement) -> Table:
    """Return sizes, concentrations and counts, each with its 95 % interval where it has one."""
    title = f"{measurement.sample}: {measurement.status}"
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    table.add_column("quantity")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    table.add_column("unit")
    size = measurement.size
    for label, estimate, unit in (
        ("mode, by number", size.mode, "nm"),
        ("mean", size.mean, "nm"),
        ("standard deviation", size.sd, "nm"),
        ("D10", size.d10, "nm"),
        ("D50", size.d50, "nm"),
        ("D90", size.d90, "nm"),
        ("span (D90 - D10)/D50", size.span, ""),
    ):
        table.add_row(label, *_cells(estimate, ".2f" if unit == "" else ".1f"), unit)
    for number, peak in enumerate(size.peaks, start=1):
        share = "" if math.isnan(peak.fraction) else f", {peak.fraction:.0%} by number"
        table.add_row(f"peak {number}{share}", *_cells(peak.diameter, ".1f"), "nm")
    table.add_section()
    concentration = measurement.concentration
    unit = "per mL, relative" if concentration.is_relative else "per mL"
    table.add_row("concentration, cell", *_cells(concentration.measured, ".3g"), unit)
    if concentration.stock is not None:
        table.add_row("concentration, stock", *_cells(concentration.stock, ".3g"), unit)
    table.add_section()
    counts = measurement.counts
    table.add_row("particles per frame", _number(counts.particles_per_frame, ".1f"), "", "")
    table.add_row("tracks, of them sized", f"{_count(counts.tracks)}, {_count(counts.tracks_used)}", "", "")
    return table


def notes(measurement: Measurement) -> Iterator[Text]:
    """Yield one line for what is relative, and one for each flag."""
    if measurement.concentration.is_relative and not measurement.concentration.measured.is_missing:
        yield Text(_RELATIVE, style="dim")
    if measurement.message:
        yield Text(measurement.message)
    for flag in measurement.flags:
        yield Text.assemble((f"{flag.level} {flag.code}: ", _LEVEL_STYLES[flag.level]), flag.message)


def print_series(series: DilutionSeries, directory: Path, *, to_stderr: bool) -> None:
    """Print one line a dilution, the stock of the usable range, the slope, and the sentence."""
    console = make_console(stderr=to_stderr)
    console.print(series_table(series))
    stock, between = _cells(series.stock, ".3g")
    unit = "per mL, relative" if series.is_relative else "per mL"
    console.print(f"stock, from the usable range: {stock} {unit} (95 % interval {between})", soft_wrap=True)
    slope, between = _cells(series.line.slope, ".3f")
    console.print(f"slope of all, 1 is linear: {slope} (95 % interval {between})", soft_wrap=True)
    if series.is_relative:
        console.print(_RELATIVE, style="dim", soft_wrap=True)
    console.print(series.message)
    for one in series.dilutions:
        if one.status != "ok":
            console.print(Text.assemble((f"{one.name} {one.status}: ", _LEVEL_STYLES["warn"]), one.message))
    console.print(f"Files: {directory}", soft_wrap=True)


def series_table(series: DilutionSeries) -> Table:
    """Return what each dilution says; its 95 % interval is that of the errors which the others do not share."""
    title = f"{series.sample}, dilution series: {series.status} (particles per mL)"
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    table.add_column("dilution")
    for heading in ("per frame", "in the cell", "stock", "± 95 %", "from range", "usable"):
        table.add_column(heading, justify="right")
    for one in series.dilutions:
        table.add_row(
            one.name,
            _number(one.particles_per_frame, ".1f"),
            _number(one.measured.value, ".3g"),
            _number(one.stock.value, ".3g"),
            _number(NORMAL_95 * one.own_sd, ".1%"),
            _number(one.deviation, "+.1%"),
            "yes" if one.is_usable else "no",
        )
    return table


def print_batch(batch: Batch, yields: DailyYield, *, to_stderr: bool) -> None:
    """Print one line a sample, particles per day, and their sum."""
    console = make_console(stderr=to_stderr)
    samples = Table(title="Samples", title_justify="left", title_style="bold", header_style="bold")
    for heading in ("day", "sample", "status", "D50, nm", "stock, particles/mL", "message"):
        samples.add_column(heading, justify="right" if "," in heading else "left", overflow="fold")
    for outcome in batch.outcomes:
        stock = outcome.concentration.stock
        message = outcome.message if outcome.status in ("rejected", "failed") else " ".join(outcome.flags)
        samples.add_row(
            outcome.sample.day,
            outcome.sample.name,
            outcome.status,
            _number(outcome.size.d50.value, ".1f"),
            _number(None if stock is None else stock.value, ".3g"),
            message,
        )
    console.print(samples)
    console.print(_yield_table(yields))
    console.print(yields.message, soft_wrap=True)
    if yields.is_relative:
        console.print(_RELATIVE, style="dim", soft_wrap=True)
    console.print(f"Files: {batch.directory}", soft_wrap=True)


def _yield_table(yields: DailyYield) -> Table:
    table = Table(title="Particles per day", title_justify="left", title_style="bold", header_style="bold")
    for heading in ("day", "particles", "95 % interval"):
        table.add_column(heading, justify="left" if heading == "day" else "right", overflow="fold")
    for day in yields.days:
        missing = "; ".join(day.reasons)
        table.add_row(day.day, *(("missing", missing) if missing else _cells(day.particles, ".3g")))
    table.add_section()
    table.add_row("sum", *_cells(yields.total, ".3g"))
    return table


def _number(value: float | None, form: str) -> str:
    return "-" if value is None or math.isnan(value) else format(value, form)


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)


def _cells(estimate: Estimate, form: str) -> tuple[str, str]:
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return _number(estimate.value, form), "-"
    return _number(estimate.value, form), f"{estimate.low:{form}} to {estimate.high:{form}}"
