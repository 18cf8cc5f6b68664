"""`nta list`, `show`, `mark` and `verify`: what is on record in a results store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nta_cli import options

if TYPE_CHECKING:
    from nta.store import Store

store_argument = click.argument("location", metavar="STORE")


def _open(location: str, *, read_only: bool = True) -> Store:
    """Open a store named by its file, its folder or its URL; objects lie beside a file."""
    from nta.store import Store

    return Store.open(location, read_only=read_only)


def _print_json(document: Any) -> None:  # noqa: ANN401  # any record
    click.echo(json.dumps(document, allow_nan=False, ensure_ascii=False, indent=2))


@click.command("list")
@store_argument
@options.json_option
@options.debug_option
def list_records(location: str, as_json: bool) -> int:
    """List the samples of a store: for each its current measurement, in short.

    STORE is a file, the folder of a batch, or postgresql://user@host/name.
    """
    rows = _open(location).rows()
    if as_json:
        _print_json(rows)
        return 0
    from rich.table import Table

    from nta_cli.console import RELATIVE, make_console, number_text

    table = Table(header_style="bold")
    for heading in ("id", "lot", "day", "sample", "status", "D50, nm", "stock, particles/mL", "decision"):
        table.add_column(heading, justify="right" if "," in heading else "left", overflow="fold")
    for row in rows:
        decision = row["decision"] or "not measured"
        table.add_row(
            "-" if row["id"] is None else str(row["id"]),
            row["lot"],
            row["day"],
            row["sample"],
            row["status"] or "-",
            number_text(row["d50_nm"], ".1f"),
            number_text(row["stock_per_ml"], ".3g") + _relative(row["volume_source"], row["stock_per_ml"]),
            decision + (f": {row['reason']}" if row["reason"] else ""),
        )
    make_console().print(table)
    if any(row["volume_source"] == "nominal" for row in rows):
        make_console().print(RELATIVE, soft_wrap=True)
    return 0


def _relative(volume_source: str | None, per_ml: float | None) -> str:
    """Return what stands behind a concentration that rests on a nominal depth."""
    return ", relative" if volume_source == "nominal" and per_ml is not None else ""


@click.command()
@store_argument
@click.argument("number", metavar="ID", type=int)
@options.json_option
@options.debug_option
def show(location: str, number: int, as_json: bool) -> int:
    """Show everything that is on record of one measurement: numbers, captures, settings, decisions.

    ID is the number that `nta list` shows.
    """
    found = _open(location).show(number)
    summary = json.loads(found.pop("summary"))
    if as_json:
        found.pop("distribution_csv")
        _print_json({**found, "summary": summary})
        return 0
    click.echo(f"measurement {number}: {found['sample']}, day {found['day']}, lot {found['lot']}")
    click.echo(f"{found['status']}: {found['message']}")
    click.echo(f"decision: {found['decision']}" + (f", {found['reason']}" if found["reason"] else ""))
    for name in ("mode", "d10", "d50", "d90"):
        click.echo(f"{name.upper() if name != 'mode' else name}: {_interval(summary['size_nm'][name], '.1f')} nm")
    for name in ("measured", "stock"):
        block = summary["concentration_per_ml"][name]
        is_known = block is not None and block["value"] is not None
        relative = _relative(summary["concentration_per_ml"].get("volume_source"), block["value"] if is_known else None)
        known = "not known" if block is None else f"{_interval(block, '.3g')} particles/mL{relative}"
        click.echo(f"{name}: {known}")
    for capture in found["captures"]:
        click.echo(f"capture {capture['path']}: {capture['status']}, SHA-256 {capture['sha256']}")
    for excluded in found["exclusions"]:
        click.echo(f"excluded {excluded['path']}: {excluded['reason']}")
    for name, (value, origin) in sorted(found["inputs"]["settings"].items()):
        click.echo(f"setting {name} = {value} ({origin})")
    for assay in found["assays"]:
        click.echo(f"assay {assay['name']}: {assay['value'] or assay['state']} {assay['unit']}")
    click.echo(f"method {found['inputs']['method']}, measured {found['created_utc']}")
    return 0


def _interval(block: dict[str, float | None], form: str) -> str:
    value, low, high = block["value"], block["low"], block["high"]
    if value is None:
        return "-"
    return f"{value:{form}}" + ("" if low is None or high is None else f" ({low:{form}} to {high:{form}})")


@click.command()
@store_argument
@click.argument("number", metavar="ID", type=int)
@click.argument("decision", type=click.Choice(["excluded", "current"]))
@click.option("--reason", required=True, metavar="TEXT", help="Why; goes on record with your name and the time.")
@options.debug_option
def mark(location: str, number: int, decision: str, reason: str) -> int:
    """Exclude a measurement from all that is computed of its sample, or make it the current one again.

    Nothing is deleted: the decision, its reason, who and when are added to the record.
    """
    _open(location, read_only=False).decide(number, decision, reason)
    click.echo(f"measurement {number} is {decision}: {reason}")
    return 0


@click.command()
@store_argument
@click.option(
    "--objects",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the stored tracks; beside a store that is a file, needed to check those of a URL.",
)
@click.option("--head", metavar="HASH", help="A head noted earlier, in a report say: it must be in the chain.")
@options.quiet_option
@options.debug_option
def verify(location: str, objects: Path | None, head: str | None, quiet: bool) -> int:
    """Walk the audit chain of a store over every record, and check the stored tracks against their hashes.

    Exit code 0 when all is as it was written, 1 with the first row that is not.
    """
    from nta.store import Store, is_url
    from nta_cli.main import EXIT_REJECTED, print_error

    store = Store.open(location, objects=objects, read_only=True)
    verdict = store.verify(head)
    if not verdict.holds:
        print_error(f"the record is broken: {verdict.broken}")
        return EXIT_REJECTED
    can_look = objects is not None or not is_url(location)
    fault = next(store.object_faults(), None) if can_look else None
    if fault is not None:
        print_error(f"the record is broken: {fault}")
        return EXIT_REJECTED
    if not quiet:
        if not can_look:
            click.echo("the stored tracks were not looked at: give their folder with --objects", err=True)
        click.echo(f"{verdict.entries} records, each as it was written\nhead {verdict.head}")
    return 0
