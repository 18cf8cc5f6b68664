"""`nta export`: a result in the layout of another program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nta_cli import options

if TYPE_CHECKING:
    from nta.formats import Layout

_LAYOUTS = ("nanosight", "parquet", "trackpy")


@click.command()
@click.argument("result", metavar="RESULT", type=click.Path(path_type=Path))
@click.option(
    "--as",
    "layout",
    type=click.Choice(_LAYOUTS),
    required=True,
    help="nanosight: summary CSV; parquet: the distribution; trackpy: the positions as CSV.",
)
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File to write, not there yet; else <RESULT>_Summary.csv, _distribution.parquet or _tracks.csv.",
)
@options.quiet_option
@options.debug_option
def export(result: Path, layout: Layout, file: Path | None, quiet: bool) -> None:
    """Write a result folder in the layout that another program reads.

    \b
      nta export capture_nta --as nanosight
      nta export capture_nta --as trackpy -o positions.csv
    """  # noqa: D301  # \b keeps lines as they are
    import nta
    from nta.errors import printable
    from nta.formats.writers import SUFFIXES

    measurement = nta.load(result)
    folder = result.resolve()
    target = file if file is not None else folder.with_name(f"{folder.name}{SUFFIXES[layout]}")
    written = nta.export(measurement, target, layout)
    if not quiet:
        click.echo(f"File: {printable(str(written))}")
