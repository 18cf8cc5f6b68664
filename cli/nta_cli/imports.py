"""`nta import`: what other programs measured, as records of our own kind and as one table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nta_cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nta.measurement import Measurement
    from nta.settings import Settings

# What only pictures have a use for, and what is read nowhere from an export.
_NOT_OFFERED = (
    "blank",
    "calibration",
    "invert",
    "diameter_px",
    "min_mass",
    "memory",
    "engine",
    "allow_partial",
)


@click.command(name="import")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "directory",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for a result folder of each file and comparison.csv; else nothing is written.",
)
@options.measuring_options(without=_NOT_OFFERED)
@options.json_option
@options.quiet_option
@options.debug_option
def import_(files: tuple[Path, ...], directory: Path | None, settings: Settings, as_json: bool, quiet: bool) -> int:
    """Read results of other programs and compare them.

    NanoSight -ExperimentSummary.csv, _Summary.csv, _ParticleData.csv, _AllTracks.csv and .nano; ZetaView size exports
    and positions (_11pos). Each file is a sample. Their numbers stay as they are, and what holds in every good file
    (sum of the bins, standard errors, size times diffusion, viscosity) is checked. Tracks are sized by our own
    estimator: the measuring options are for them.

    \b
      nta import "harvest 2021-04-01 15-28-16-ExperimentSummary.csv"
      nta import day1-ExperimentSummary.csv day2_size_488.txt -o imported
    """  # noqa: D301  # \b keeps lines as they are
    import nta
    from nta_cli import console

    with console.progress_bar(quiet=quiet) as progress:
        records = nta.import_results(files, settings, progress=progress)
    written = _save(files, records, directory) if directory is not None else None
    if as_json:
        document = {"schema": "nta.import/1", "samples": [record.summary() for record in records]}
        click.echo(json.dumps(document, allow_nan=False, ensure_ascii=False, indent=2))
    for record in records:
        if record.status in ("rejected", "failed"):
            console.print_refusal(record)
    if not quiet:
        console.print_comparison(files, records, written, to_stderr=as_json)
    return max(console.EXIT_CODES[record.status] for record in records)


def _save(files: Sequence[Path], records: Sequence[Measurement], directory: Path) -> Path:
    """Write a result folder for each file, named after it, and the comparison."""
    from nta.csvtable import write_whole
    from nta.errors import UsageError
    from nta.importing import comparison_csv

    targets = [directory / file.stem for file in files]
    if len(set(targets)) < len(targets):
        raise UsageError("two files of one name would share a result folder; import them one after the other")
    for record, target in zip(records, targets, strict=True):
        record.save(target)
    write_whole(directory / "comparison.csv", comparison_csv(files, records))
    return directory
