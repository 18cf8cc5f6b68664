"""`nta batch`: the samples of a manifest on record, one result folder each, and particles per day."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nta_cli import options

if TYPE_CHECKING:
    from nta.batch import Batch, JobExecutor, Manifest
    from nta.production import DailyYield
    from nta.settings import Settings
    from nta.store import Store


def _print_template(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted:
        from nta.batch import csv_template

        click.echo(csv_template(), nl=False)
        ctx.exit(0)


@dataclass(frozen=True, slots=True)
class Output:
    """What is printed, and where."""

    as_json: bool
    json_lines: bool
    quiet: bool


@click.command()
@click.argument("manifest", metavar="DIR|MANIFEST", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "directory",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="Folder for the results; else <DIR>_nta beside it. What is on record there is not measured again.",
)
@options.store_option
@options.jobs_option
@options.cluster_option
@options.timeout_option
@click.option("--dry-run", is_flag=True, help="List every capture and sample with its status, and measure nothing.")
@click.option(
    "--template",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_template,
    help="Print a commented manifest with every column, and end.",
)
@options.measuring_options(without=("dilution",))
@options.json_option
@options.json_lines_option
@options.quiet_option
@options.debug_option
def batch(
    manifest: Path,
    directory: Path | None,
    location: str | None,
    n_jobs: int,
    cluster: str | None,
    timeout_s: float,
    dry_run: bool,
    settings: Settings,
    as_json: bool,
    json_lines: bool,
    quiet: bool,
) -> int:
    """Measure the samples of a manifest, and state the particles of each day.

    The manifest is a CSV with one row a video, or a pattern of several; the rows of one sample are its captures:

    \b
      day,sample,video,dilution,volume_ml
      1,harvest 1,day1_*.avi,1000,350
      2,harvest 2,day2_a.avi,1000,410

    DIR holds it as manifest.csv or manifest.toml; videos are relative to it. `--template` lists all columns. A
    tree of videos without a manifest is read by its folders and names. OUT gets batch.csv (one row a sample,
    failures included), yield.csv, yield.html, a result folder a sample, and nta.sqlite with all that was ever
    measured. Run again, it measures only what is missing or has changed, and says why. A capture that fails
    does not stop the others; the exit code is then 1.
    """  # noqa: D301  # \b keeps lines as they are
    from nta.batch import read_manifest

    read = read_manifest(manifest)
    if read.path.is_dir() and not (quiet or as_json or json_lines):
        click.echo(
            f"there is no manifest in {manifest}: day and sample are told by folders and names, the dilution only by "
            "--settings, and no volume is known; nta batch --template prints a manifest",
            err=True,
        )
    directory = directory if directory is not None else default_directory(manifest)
    if dry_run:
        return _dry_run(read, directory, settings, location, as_json=as_json)
    store = open_store(directory, location)
    executor = open_executor(cluster, n_jobs, timeout_s)
    return run(read, directory, settings, store, executor, Output(as_json, json_lines, quiet))


def default_directory(manifest: Path) -> Path:
    """Return ``<DIR>_nta`` beside the folder of the manifest."""
    folder = manifest.resolve() if manifest.is_dir() else manifest.resolve().parent
    return folder.with_name(f"{folder.name}_nta")


def open_store(directory: Path, location: str | None) -> Store:
    """Return the store of a batch: the one that was named, else the one in its folder."""
    from nta.batch import prepare_directory
    from nta.store import DEFAULT_NAME, Store

    prepare_directory(directory)
    place = location or directory / DEFAULT_NAME
    return Store.open(place, objects=objects_folder(place, directory))


def objects_folder(place: str | Path, directory: Path) -> Path | None:
    """Return where the objects of a batch lie: beside a store that is a file, else in the folder of the results."""
    from nta.store import is_url

    return directory / "objects" if is_url(place) else None


def open_executor(cluster: str | None, n_jobs: int, timeout_s: float) -> JobExecutor:
    """Return where the jobs run: processes of this machine, or a cluster."""
    if cluster is None:
        from nta.batch import LocalExecutor

        return LocalExecutor(n_jobs, timeout_s=timeout_s)
    from nta.cluster import connect

    return connect(cluster, n_workers=n_jobs, timeout_s=timeout_s)


def _dry_run(manifest: Manifest, directory: Path, settings: Settings, location: str | None, *, as_json: bool) -> int:
    from nta.batch import Work, make_plan, planned
    from nta.store import DEFAULT_NAME, Store, is_url
    from nta_cli import batch_console

    place = location or directory / DEFAULT_NAME
    with tempfile.TemporaryDirectory() as nothing:
        exists = is_url(place) or Path(place).exists()
        # Without a store everything is new: an empty one, away from the data, says so.
        store = Store.open(
            place if exists else Path(nothing) / DEFAULT_NAME,
            objects=objects_folder(place, directory),
            read_only=exists,
        )
        plan = make_plan(manifest, directory, settings, store)
        for event in planned(plan, store, Work()):
            click.echo(json.dumps(event.to_dict()) if as_json else batch_console.plan_line(event))
    if not as_json:
        click.echo(batch_console.count_line(plan))
    return 0


def run(
    manifest: Manifest, directory: Path, settings: Settings, store: Store, executor: JobExecutor, output: Output
) -> int:
    """Run a batch and print what came of it; return the exit code."""
    from nta.batch import harvests_of, run_batch
    from nta.production import daily_yield
    from nta.report.yields import save_yields
    from nta_cli import batch_console
    from nta_cli.main import EXIT_REJECTED

    try:
        with batch_console.listener(quiet=output.quiet or output.as_json, json_lines=output.json_lines) as listen:
            done = run_batch(manifest, directory, settings, store=store, executor=executor, listen=listen)
    except KeyboardInterrupt:
        click.echo("what was measured is on record; the same command goes on from there", err=True)
        raise
    yields = daily_yield(harvests_of(done))
    save_yields(yields, directory, title=f"Daily yield – {manifest.path.resolve().parent.name}")
    if output.as_json or output.json_lines:
        click.echo(batch_json(done, yields, in_one_line=output.json_lines))
    elif not output.quiet:
        if not done.jobs_run:
            click.echo(
                f"nothing to do: all {sum(len(sample.videos) for sample in manifest.samples)} captures and "
                f"{len(manifest.samples)} samples are on record, unchanged"
            )
        batch_console.print_batch(done, yields, to_stderr=False)
    return 0 if done.all_measured else EXIT_REJECTED


def batch_json(batch: Batch, yields: DailyYield, *, in_one_line: bool = False) -> str:
    """Return the rows of ``batch.csv`` and ``yield.csv`` as strict JSON; missing is ``null``."""
    from nta.csvtable import json_row
    from nta.report.yields import table_rows

    document = {
        "schema": "nta.batch/1",
        "jobs_run": batch.jobs_run,
        "samples": [json_row(outcome.row()) for outcome in batch.outcomes],
        "yield": [json_row(row) for row in table_rows(yields)],
    }
    return json.dumps(document, allow_nan=False, ensure_ascii=False, indent=None if in_one_line else 2)
