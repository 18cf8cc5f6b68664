"""`nta batch`: the samples of a manifest, one result folder each, and particles per day."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nta_cli import options

if TYPE_CHECKING:
    from nta.batch import Batch
    from nta.production import DailyYield
    from nta.settings import Settings


@click.command()
@click.argument("manifest", metavar="DIR|MANIFEST", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "directory",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="Folder for the results; else <DIR>_nta beside it. An earlier batch there is written over.",
)
@options.measuring_options(without=("dilution",))
@options.json_option
@options.quiet_option
@options.debug_option
def batch(manifest: Path, directory: Path | None, settings: Settings, as_json: bool, quiet: bool) -> int:
    """Measure the samples of a manifest, and state the particles of each day.

    The manifest is a CSV with one row a video; the rows of one sample are its captures:

    \b
      day,sample,video,dilution,volume_ml
      1,harvest 1,day1_a.avi,1000,350
      1,harvest 1,day1_b.avi,1000,350
      2,harvest 2,day2_a.avi,1000,410

    DIR holds it as manifest.csv; videos are relative to it. A dilution or volume that is not known stays
    empty. OUT gets batch.csv (one row a sample, failures included), yield.csv, yield.html, and a result
    folder a sample. A sample that fails does not stop the others; the exit code is then 1.
    """  # noqa: D301  # \b keeps lines as they are
    from nta.batch import read_manifest, run_batch
    from nta.production import daily_yield, harvests_of
    from nta.report.yields import save_yields
    from nta_cli import console
    from nta_cli.main import EXIT_REJECTED

    read = read_manifest(manifest)
    directory = directory if directory is not None else default_directory(manifest)
    with console.progress_bar(quiet=quiet) as progress:
        done = run_batch(read, directory, settings, progress)
    yields = daily_yield(harvests_of(done))
    save_yields(yields, directory, title=f"Daily yield – {read.path.resolve().parent.name}")
    if as_json:
        click.echo(batch_json(done, yields), nl=False)
    if not quiet:
        console.print_batch(done, yields, to_stderr=as_json)
    return 0 if done.all_measured else EXIT_REJECTED


def default_directory(manifest: Path) -> Path:
    """Return ``<DIR>_nta`` beside the folder of the manifest."""
    folder = manifest.resolve() if manifest.is_dir() else manifest.resolve().parent
    return folder.with_name(f"{folder.name}_nta")


def batch_json(batch: Batch, yields: DailyYield) -> str:
    """Return the rows of ``batch.csv`` and ``yield.csv`` as strict JSON; missing is ``null``."""
    from nta.csvtable import json_row
    from nta.report.yields import table_rows

    document = {
        "schema": "nta.batch/1",
        "samples": [json_row(outcome.row()) for outcome in batch.outcomes],
        "yield": [json_row(row) for row in table_rows(yields)],
    }
    return json.dumps(document, allow_nan=False, ensure_ascii=False, indent=2) + "\n"
