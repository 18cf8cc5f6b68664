"""What the terminal shows: the progress bar and errors on stderr, the table of a result on stdout."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
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

from nta.errors import printable
from nta.estimate import NORMAL_95
from nta_cli.main import EXIT_REJECTED, print_error

if TYPE_CHECKING:
    from nta.dilutions import DilutionSeries
    from nta.distribution import WindowShare
    from nta.estimate import Estimate
    from nta.inspection import FileInfo
    from nta.measurement import Measurement
    from nta.progress import Progress as Listener

EXIT_CODES: Final = {"ok": 0, "warn": 0, "rejected": EXIT_REJECTED, "failed": EXIT_REJECTED}

RELATIVE: Final = "relative: the depth in view is nominal, so only ratios between samples hold"
_LEVEL_STYLES: Final = {"info": "dim", "warn": "yellow", "fail": "bold red"}


def make_console(*, stderr: bool = False) -> Console:
    """Return a console that prints text as it is: a sample named ``[red]`` is not a colour."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=False)


class _SpeedColumn(ProgressColumn):
    """Steps per second; a step is mostly a frame."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if speed is None:
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
                while tasks:
                    bar.remove_task(tasks.popitem()[1])
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
    console.print(f"Files: {printable(str(directory))}", soft_wrap=True)


def result_table(measurement: Measurement) -> Table:
    """Return sizes, concentrations and counts, each with its 95 % interval where it has one."""
    title = f"{printable(measurement.sample)}: {measurement.status}"
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
        table.add_row(label, *value_and_interval(estimate, ".2f" if unit == "" else ".1f"), unit)
    for number, peak in enumerate(size.peaks, start=1):
        share = "" if math.isnan(peak.fraction) else f", {peak.fraction:.0%} by number"
        table.add_row(f"peak {number}{share}", *value_and_interval(peak.diameter, ".1f"), "nm")
    for window in measurement.distribution.windows:
        label = f"share {window_text(window)} nm, by number"
        table.add_row(label, *value_and_interval(window.by_number, ".1%"), "")
    table.add_section()
    unit = "per mL, relative" if measurement.concentration.is_relative else "per mL"
    for label, value, between in _concentration_rows(measurement):
        table.add_row(label, value, between, unit)
    table.add_section()
    counts = measurement.counts
    table.add_row("particles per frame", number_text(counts.particles_per_frame, ".1f"), "", "")
    table.add_row("tracks, of them sized", f"{_count(counts.tracks)}, {_count(counts.tracks_used)}", "", "")
    return table


def _concentration_rows(measurement: Measurement) -> Iterator[tuple[str, str, str]]:
    concentration, limits = measurement.concentration, measurement.below_blank()
    if limits is not None:
        # At most 0: by more than both errors below it, which no upper limit says.
        for where, limit in zip(("cell", "stock"), limits, strict=True):
            if limit is not None:
                yield f"concentration, {where}", "below blank", f"at most {limit:.3g}" if limit > 0.0 else "-"
    else:
        yield "concentration, cell", *value_and_interval(concentration.measured, ".3g")
    if concentration.stock is not None:
        yield "concentration, stock", *value_and_interval(concentration.stock, ".3g")
    if measurement.blank is not None:
        yield "before the blank", *value_and_interval(measurement.blank.before, ".3g")
        yield "blank, subtracted", *value_and_interval(measurement.blank.concentration, ".3g")


def window_text(window: WindowShare) -> str:
    """Return a window of sizes as people say it, without the unit."""
    if math.isinf(window.high_nm):
        return f"above {window.low_nm:g}"
    return f"from {window.low_nm:g} to {window.high_nm:g}"


def notes(measurement: Measurement) -> Iterator[Text]:
    """Yield one line for what is relative, and one for each flag."""
    if measurement.is_relative:
        yield Text(RELATIVE, style="dim")
    if measurement.message:
        yield Text(measurement.message)
    for flag in measurement.flags:
        yield Text.assemble((f"{flag.level} {flag.code}: ", _LEVEL_STYLES[flag.level]), flag.message)


def print_series(series: DilutionSeries, directory: Path, *, to_stderr: bool) -> None:
    """Print one line a dilution, the stock of the usable range, the slope, and the sentence."""
    console = make_console(stderr=to_stderr)
    console.print(series_table(series))
    stock, between = value_and_interval(series.stock, ".3g")
    unit = "per mL, relative" if series.is_relative else "per mL"
    console.print(f"stock, from the usable range: {stock} {unit} (95 % interval {between})", soft_wrap=True)
    slope, between = value_and_interval(series.line.slope, ".3f")
    console.print(f"slope of all, 1 is linear: {slope} (95 % interval {between})", soft_wrap=True)
    if series.is_relative:
        console.print(RELATIVE, style="dim", soft_wrap=True)
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
            number_text(one.particles_per_frame, ".1f"),
            number_text(one.measured.value, ".3g"),
            number_text(one.stock.value, ".3g"),
            number_text(NORMAL_95 * one.own_sd, ".1%"),
            number_text(one.deviation, "+.1%"),
            "yes" if one.is_usable else "no",
        )
    return table


def print_comparison(
    files: Sequence[Path], records: Sequence[Measurement], directory: Path | None, *, to_stderr: bool
) -> None:
    """Print one line for each imported sample, and its flags."""
    console = make_console(stderr=to_stderr)
    table = Table(
        title="Imported: sizes in nm, by number", title_justify="left", title_style="bold", header_style="bold"
    )
    for heading in ("file", "captures", "mode", "D10", "D50", "D90", "cell/mL", "stock/mL"):
        table.add_column(heading, justify="left" if heading == "file" else "right", overflow="fold")
    for file, record in zip(files, records, strict=True):
        size, stock = record.size, record.concentration.stock
        table.add_row(
            printable(file.name),
            str(len(record.captures)),
            *(number_text(one.value, ".1f") for one in (size.mode, size.d10, size.d50, size.d90)),
            number_text(record.concentration.measured.value, ".3g"),
            number_text(None if stock is None else stock.value, ".3g"),
        )
    console.print(table)
    for file, record in zip(files, records, strict=True):
        for flag in record.flags:
            level = (f"{flag.level} {flag.code}: ", _LEVEL_STYLES[flag.level])
            console.print(Text.assemble(f"{printable(file.name)}: ", level, flag.message))
    if directory is not None:
        console.print(f"Files: {printable(str(directory))}", soft_wrap=True)


def print_info(info: FileInfo) -> None:
    """Print what a file holds and states, where each value comes from, and what is wrong with it."""
    console = make_console()
    title = f"{printable(info.path.name)}: {info.status}"
    if info.facts or info.values:
        console.print(_facts_table(info, title))
    else:
        console.print(Text(title, style="bold"))
    if info.message not in [flag.message for flag in info.flags]:
        console.print(Text(info.message))
    for flag in info.flags:
        console.print(Text.assemble((f"{flag.level} {flag.code}: ", _LEVEL_STYLES[flag.level]), flag.message))
    if info.assumed:
        console.print(Text(f"a measurement would assume: {', '.join(info.assumed)}"))


def _facts_table(info: FileInfo, title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for heading in ("", "value", "from"):
        table.add_column(heading, overflow="fold")
    for name, value in info.facts.items():
        table.add_row(name, _told(value), "")
    if info.values:
        table.add_section()
    for name, sourced in info.values.items():
        table.add_row(name, _told(sourced.value), sourced.origin if sourced.value is not None else "")
    return table


def _told(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_told(one) for one in value)
    return "-" if value is None else f"{value:.10g}" if isinstance(value, float) else printable(str(value))


def number_text(value: float | None, form: str) -> str:
    """Return a number in a form, a dash where there is none."""
    return "-" if value is None or math.isnan(value) else format(value, form)


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)


def value_and_interval(estimate: Estimate, form: str) -> tuple[str, str]:
    """Return an estimate as two cells."""
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return number_text(estimate.value, form), "-"
    return number_text(estimate.value, form), f"{estimate.low:{form}} to {estimate.high:{form}}"
