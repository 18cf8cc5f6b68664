"""`nta export`: a result in the layout of another program, or the records of a store as tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import click

from nta_cli import options

if TYPE_CHECKING:
    from nta.formats import Layout
    from nta.store.export import Form

_LAYOUTS: Final = ("nanosight", "parquet", "trackpy")
_FORMS: Final = ("csv", "json", "parquet")
_TABLES: Final = ("samples", "distributions", "captures", "audit")


@click.command()
@click.argument("source", metavar="RESULT|STORE")
@click.option(
    "--as",
    "form",
    type=click.Choice(list(dict.fromkeys((*_LAYOUTS, *_FORMS)))),
    help="Of a result: nanosight (summary CSV), parquet (the distribution) or trackpy (the positions as CSV); of a "
    "store: csv, json or parquet, else by the ending of FILE.",
)
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File to write; a result's has a name of its own beside the folder if not told, and must not be there yet.",
)
@click.option(
    "--table",
    type=click.Choice(_TABLES),
    help="Of a store: one row a sample with its current measurement (default), their distributions, all captures, or "
    "the audit.",
)
@options.quiet_option
@options.debug_option
def export(source: str, form: str | None, file: Path | None, table: str | None, quiet: bool) -> None:
    """Write a result folder, or the records of a store, for other programs.

    A folder with a summary.json is a result; a file, the folder of a batch, or postgresql://user@host/name a store.

    \b
      nta export capture_nta --as nanosight
      nta export capture_nta --as trackpy -o positions.csv
      nta export results --table captures -o captures.csv
    """  # noqa: D301  # \b keeps lines as they are
    from nta.errors import printable

    is_result = (Path(source) / "summary.json").is_file()
    told = _export_result(Path(source), form, file, table) if is_result else _export_store(source, form, file, table)
    if not quiet:
        click.echo(printable(told))


def _export_result(result: Path, form: str | None, file: Path | None, table: str | None) -> str:
    import nta
    from nta.errors import UsageError
    from nta.formats.writers import SUFFIXES

    if form not in _LAYOUTS or table is not None:
        raise UsageError(f"{str(result)!r} is one result: give --as {', '.join(_LAYOUTS)}, and no --table")
    layout = cast("Layout", form)
    measurement = nta.load(result)
    folder = result.resolve()
    target = file if file is not None else folder.with_name(f"{folder.name}{SUFFIXES[layout]}")
    return f"File: {nta.export(measurement, target, layout)}"


def _export_store(location: str, form: str | None, file: Path | None, table: str | None) -> str:
    from nta.errors import UsageError
    from nta.store import Store
    from nta.store.export import export as write

    store = Store.open(location, read_only=True)
    if file is None:
        raise UsageError("say where to with -o FILE")
    chosen = form or file.suffix.lower().removeprefix(".")
    if chosen not in _FORMS:
        raise UsageError(f"{file.name!r} does not say which format; end it with .csv, .json or .parquet, or give --as")
    rows = write(store, table or _TABLES[0], cast("Form", chosen), file)
    return f"{rows} rows: {file}"
