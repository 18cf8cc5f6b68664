"""`nta watch`: measure captures as an instrument writes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nta_cli import options
from nta_cli.batch import Output, default_directory, open_executor, open_store, run

if TYPE_CHECKING:
    from nta.settings import Settings


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "-o",
    "--output",
    "directory",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="Folder for the results; else <DIR>_nta beside it.",
)
@options.store_option
@options.jobs_option
@options.timeout_option
@click.option(
    "--every-s", type=click.FloatRange(min=0.1), default=5.0, show_default=True, help="Time between two looks, s."
)
@click.option(
    "--settle-s",
    type=click.FloatRange(min=0.0),
    default=15.0,
    show_default=True,
    help="A capture is measured when it has not changed for so long, s.",
)
@click.option("--once", is_flag=True, help="Measure what is ready within one settling time, and end.")
@options.measuring_options(without=("dilution",))
@options.json_lines_option
@options.quiet_option
@options.debug_option
def watch(
    folder: Path,
    directory: Path | None,
    location: str | None,
    n_jobs: int,
    timeout_s: float,
    every_s: float,
    settle_s: float,
    once: bool,
    settings: Settings,
    json_lines: bool,
    quiet: bool,
) -> int:
    """Measure every capture in DIR as soon as it has stopped growing, until Ctrl-C.

    With a manifest in DIR its samples are measured, patterns in it matching what has come; without one folders
    and names tell day and sample, as in `nta batch`. What is on record is not measured again, so a watch can be
    ended and started at any time.
    """
    from nta.batch.watch import Watch, changes
    from nta_cli.main import EXIT_REJECTED, print_error

    directory = directory if directory is not None else default_directory(folder)
    store = open_store(directory, location)
    if not quiet:
        click.echo(f"watching {folder}; results in {directory}; Ctrl-C ends it", err=True)
    code, has_found = 0, False
    for found in changes(Watch(folder, settle_s), every_s, for_s=settle_s + every_s if once else None):
        has_found = True
        if isinstance(found, str):
            print_error(found)
            code = EXIT_REJECTED
            continue
        executor = open_executor(None, n_jobs, timeout_s)
        code = run(found, directory, settings, store, executor, Output(False, json_lines, quiet))
    if not (has_found or quiet):
        click.echo(f"{folder} holds nothing to measure that has been unchanged for {settle_s:g} s", err=True)
    return code
