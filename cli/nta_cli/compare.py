"""`nta compare`: what two samples, or two groups of them, differ by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from nta_cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nta.comparison import Comparison, Equivalence
    from nta.measurement import Measurement

_VERDICTS: Final = {"equivalent": "equivalent", "not_equivalent": "not equivalent", "cannot_tell": "cannot tell"}
_LABELS: Final = {"d50": "D50"}


@click.command()
@click.argument("samples", metavar="SAMPLE...", nargs=-1, required=True)
@click.option(
    "--against",
    multiple=True,
    metavar="SAMPLE",
    help="A sample of the reference group; may be given several times. All others are compared with that group.",
)
@click.option(
    "--margin-percent",
    type=float,
    metavar="PERCENT",
    help="Test whether the concentration (with --volumes-ml the recovery) is equivalent within ± PERCENT.",
)
@click.option(
    "--size-margin-percent",
    type=float,
    metavar="PERCENT",
    help="Test whether mode and D50 are equivalent within ± PERCENT.",
)
@click.option(
    "--volumes-ml",
    type=float,
    nargs=2,
    metavar="A B",
    help="Volumes of the reference and of what is compared with it, mL, for the recovery.",
)
@click.option(
    "--different-instruments",
    is_flag=True,
    help="They were measured with different instruments: no error cancels, even of equal values.",
)
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="JSON file to write; it must not be there yet.",
)
@options.json_option
@options.quiet_option
@options.debug_option
def compare(
    samples: tuple[str, ...],
    against: tuple[str, ...],
    margin_percent: float | None,
    size_margin_percent: float | None,
    volumes_ml: tuple[float, float] | None,
    different_instruments: bool,
    file: Path | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Compare two samples or groups: size shift, fold change, recovery, equivalence, each with its interval.

    SAMPLE is a result folder, an export of another program, or a store: all its samples that count, STORE#LOT those of
    one lot, STORE#12,13 analyses by their numbers. Of two samples the first is the reference; with
    --against any number on either side. Ends with 1 where nothing could be compared.

    \b
      nta compare fresh_nta rehydrated_nta --volumes-ml 1 1 --margin-percent 20
      nta compare b1_nta b2_nta b3_nta --against f1_nta --against f2_nta --against f3_nta
      nta compare capture_nta maker-ExperimentSummary.csv
      nta compare nta.sqlite#FLASKS nta.sqlite#REACTOR --margin-percent 20
    """  # noqa: D301  # \b keeps lines as they are
    import nta
    from nta.csvtable import write_whole
    from nta.errors import UsageError
    from nta_cli import console

    if file is not None and file.exists():
        raise UsageError(f"{str(file)!r} is already there; choose another file with -o")
    reference, others = (against, samples) if against else (samples[:1], samples[1:])
    if not against and len(samples) != 2:
        raise UsageError(f"samples given: {len(samples)}; give two, or name the reference group with --against")
    found = nta.compare(
        _read(reference),
        _read(others),
        size_margin_percent=size_margin_percent,
        margin_percent=margin_percent,
        volumes_ml=volumes_ml,
        is_one_instrument=not different_instruments,
    )
    text = json.dumps(found.to_dict(), allow_nan=False, ensure_ascii=False, indent=2)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text + "\n")
    if as_json:
        click.echo(text)
    if not quiet:
        _print(found, file, to_stderr=as_json)
    return console.EXIT_CODES["rejected" if found.is_missing else "ok"]


def _read(names: Sequence[str]) -> list[Measurement]:
    """Return the measurements of each result folder, export or store.

    Raises
    ------
    UsageError
        If one of them is neither.
    RejectedError
        If an export cannot be read.
    """
    import nta
    from nta.batch.recorded import measurements_of
    from nta.errors import RejectedError
    from nta.store import Store

    found: list[Measurement] = []
    for name in names:
        path = Path(name)
        store, which = (name, "") if path.exists() else _store_and_which(name)
        if _is_store(store):
            found += measurements_of(Store.open(store, read_only=True), which)
            continue
        if path.is_dir():
            found.append(nta.load(path))
            continue
        (record,) = nta.import_results([path])
        if record.status in ("rejected", "failed"):
            raise RejectedError(f"{str(path)!r} holds nothing to compare: {record.message}")
        found.append(record)
    return found


def _store_and_which(name: str) -> tuple[str, str]:
    store, _, which = name.partition("#")
    return store, which


def _is_store(name: str) -> bool:
    """Whether a name is that of a store: a URL, a folder that holds one, or its file."""
    from nta.store import DEFAULT_NAME, is_url

    if is_url(name):
        return True
    path = Path(name)
    if path.is_dir():
        return (path / DEFAULT_NAME).is_file()
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def _print(found: Comparison, file: Path | None, *, to_stderr: bool) -> None:
    """Print both sides, what they differ by, the tests and what the intervals do not hold."""
    from rich.table import Table

    from nta.errors import printable
    from nta_cli.console import RELATIVE, make_console, number_text, value_and_interval

    console = make_console(stderr=to_stderr)
    title = "\n".join(f"{side}: {printable(', '.join(names))}" for side, names in (("A", found.a), ("B", found.b)))
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    table.add_column("by number")
    for heading in ("A", "B", "change", "95 % interval"):
        table.add_column(heading, justify="right")
    for name, change in (("mode, nm", found.mode_nm), ("D50, nm", found.d50_nm)):
        sides = (number_text(one.value, ".1f") for one in (change.a, change.b))
        table.add_row(name, *sides, *value_and_interval(change.difference, "+.1f"))
    table.add_row("shift (Wasserstein), nm", "", "", *value_and_interval(found.shift_nm, ".1f"))
    change = found.concentration_per_ml
    sides = (number_text(one.value, ".3g") for one in (change.a, change.b))
    where = "stock" if found.basis == "stock" else "cell"
    what = f"{where}/mL, relative" if found.is_relative else f"particles/mL, {where}"
    ratio, interval = value_and_interval(change.ratio, ".3f")
    table.add_row(what, *sides, f"x {ratio}" if ratio != "-" else ratio, interval)
    if not found.recovery.is_missing:
        table.add_row("recovery", "", "", *value_and_interval(found.recovery, ".1%"))
    console.print(table)
    for test in found.equivalence:
        console.print(_sentence(test))
    console.print(f"errors in common, which cancel: {', '.join(found.common) or 'none'}")
    if found.is_relative:
        console.print(RELATIVE)
    for note in found.notes:
        console.print(printable(note))
    if file is not None:
        console.print(f"File: {printable(str(file))}", soft_wrap=True)


def _sentence(test: Equivalence) -> str:
    from nta_cli.console import number_text

    interval = f"{number_text(test.low, '.3f')} to {number_text(test.high, '.3f')}"
    return (
        f"{_LABELS.get(test.quantity, test.quantity)}: {_VERDICTS[test.verdict]} within {test.margin_low:g} to "
        f"{test.margin_high:g} of A (90 % interval {interval}, p = {number_text(test.p, '.2g')})"
    )
