"""What the terminal shows of a batch: the plan, how far it is, and the table at the end."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from nta_cli.console import RELATIVE, make_console, number_text, value_and_interval

if TYPE_CHECKING:
    from nta.batch import Batch, Event, Listener, Outcome, Plan
    from nta.production import DailyYield

_LONGEST_WORD: Final = 32

_LINE_EVERY_S: Final = 30.0
"""Where there is no terminal a line this often says how far the batch is."""


@contextmanager
def listener(*, quiet: bool, json_lines: bool) -> Iterator[Listener]:
    """Yield the function that is told every event of a batch."""
    if json_lines:
        yield _print_json
    elif quiet:
        yield lambda _event: None
    elif make_console(stderr=True).is_terminal:
        with _Bars() as bars:
            yield bars.listen
    else:
        yield _Lines().listen


def _print_json(event: Event) -> None:
    click.echo(json.dumps(event.to_dict(), allow_nan=False))


class _Bars:
    """A bar for all jobs with the time left, and one for each job that runs."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=make_console(stderr=True), transient=True)
        self._all: TaskID | None = None
        self._running: dict[tuple[str, str], TaskID] = {}

    def __enter__(self) -> _Bars:
        self._bar.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._bar.stop()

    def listen(self, event: Event) -> None:
        """Show one event."""
        name = (event.job, event.name)
        if event.kind == "planned":
            return
        if event.kind == "warned":
            self._bar.console.print(_sentence(event), soft_wrap=True)
            return
        if event.kind == "progress":
            if name in self._running:
                self._bar.update(
                    self._running[name],
                    description=f"  {Path(event.name).name}: {event.stage}",
                    completed=event.done or 0,
                    total=event.total,
                )
            return
        if self._all is None:
            self._all = self._bar.add_task("jobs", total=event.total)
        self._bar.update(self._all, completed=event.done, total=event.total)
        if event.kind == "started":
            self._running[name] = self._bar.add_task(f"  {Path(event.name).name}", total=None)
        elif name in self._running:
            self._bar.remove_task(self._running.pop(name))
        if event.kind == "retried" or event.status in ("rejected", "failed"):
            self._bar.console.print(_sentence(event), soft_wrap=True)


class _Lines:
    """Why jobs run, what failed, and now and then how far the batch is: short enough for a log."""

    def __init__(self) -> None:
        self._reasons: Counter[str] = Counter()
        self._said = time.monotonic()
        self._is_planned = True

    def listen(self, event: Event) -> None:
        """Print what is worth a line."""
        if event.kind == "planned":
            if event.job == "capture" and event.status == "run":
                self._reasons[event.reason] += 1
            return
        if self._is_planned:
            self._is_planned = False
            for reason, count in self._reasons.most_common():
                click.echo(f"{count} captures run: {reason}", err=True)
        if event.kind in ("warned", "retried") or event.status in ("rejected", "failed"):
            click.echo(_sentence(event), err=True)
        if event.kind == "finished" and time.monotonic() - self._said > _LINE_EVERY_S:
            self._said = time.monotonic()
            click.echo(f"{event.done} of {event.total} jobs done", err=True)


def _sentence(event: Event) -> str:
    what = "tried again" if event.kind == "retried" else event.status
    return f"{event.job} {Path(event.name).name}: {what}: {event.reason}".replace("\n", " ")


def plan_line(event: Event) -> str:
    """Return the line of a dry run for what was found: its status, name and reason."""
    if event.kind == "warned":
        return f"{event.status} {event.reason}"
    indent = "" if event.job == "sample" else "  "
    safe = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in event.name)
    return f"{event.status:8} {event.job:7} {indent}{safe}" + (f": {event.reason}" if event.reason else "")


def count_line(plan: Plan) -> str:
    """Return how many captures and samples there are and how many of them run."""
    captures = sum(job.state == "run" for job in plan.captures)
    samples = sum(job.state == "run" for job in plan.samples)
    if not captures and not samples:
        return (
            f"nothing to do: all {len(plan.captures)} captures and {len(plan.samples)} samples are on record, unchanged"
        )
    return f"{captures} of {len(plan.captures)} captures and {samples} of {len(plan.samples)} samples run"


def print_batch(batch: Batch, yields: DailyYield, *, to_stderr: bool) -> None:
    """Print one line a sample, particles per day, and their sum."""
    console = make_console(stderr=to_stderr)
    samples = Table(title="Samples", title_justify="left", title_style="bold", header_style="bold")
    messages = [_message(outcome) for outcome in batch.outcomes]
    for heading in ("day", "sample", "status", "D50, nm", "stock, per mL"):
        samples.add_column(heading, justify="right" if "," in heading else "left", overflow="fold")
    # Wide enough for its longest word: a code in two halves is found in no documentation.
    words = [word for message in messages for word in message.split() if len(word) <= _LONGEST_WORD]
    samples.add_column("message", overflow="fold", min_width=max(map(len, words), default=0))
    for outcome, message in zip(batch.outcomes, messages, strict=True):
        samples.add_row(
            outcome.sample.day,
            outcome.sample.name,
            outcome.status if outcome.decision != "excluded" else "excluded",
            number_text(outcome.estimate("d50").value, ".1f"),
            number_text(outcome.estimate("stock").value, ".3g"),
            message,
        )
    console.print(samples)
    console.print(_yield_table(yields))
    console.print(yields.message, soft_wrap=True)
    if yields.is_relative:
        console.print(RELATIVE, style="dim", soft_wrap=True)
    console.print(f"Files: {batch.directory}", soft_wrap=True)


def _message(outcome: Outcome) -> str:
    # Several captures may have one fault: its code is looked up once.
    return outcome.message if outcome.status in ("rejected", "failed") else " ".join(dict.fromkeys(outcome.flags))


def _yield_table(yields: DailyYield) -> Table:
    table = Table(title="Particles per day", title_justify="left", title_style="bold", header_style="bold")
    for heading in ("day", "particles", "95 % interval"):
        table.add_column(heading, justify="left" if heading == "day" else "right", overflow="fold")
    for day in yields.days:
        missing = "; ".join(day.reasons)
        table.add_row(day.day, *(("missing", missing) if missing else value_and_interval(day.particles, ".3g")))
    table.add_section()
    table.add_row("sum", *value_and_interval(yields.total, ".3g"))
    return table
