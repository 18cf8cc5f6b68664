"""`nta import`: what other programs measured, as records of our own kind and as one table."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nta_cli import options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nta.measurement import Measurement
    from nta.settings import Settings
    from nta.store import CollectionRecord, Role

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
@options.store_option
@click.option("--day", metavar="DAY", help="Collection day under which they go on record in the store.")
@click.option("--lot", metavar="NAME", default="", help="Lot under which they go on record.")
@click.option("--role", type=click.Choice(["sample", "beads", "pool"]), default="sample", help="What they are for.")
@click.option("--volume-ml", type=float, metavar="ML", help="Volume of the undiluted liquid that each stands for, mL.")
@options.measuring_options(without=_NOT_OFFERED)
@options.json_option
@options.quiet_option
@options.debug_option
def import_(
    files: tuple[Path, ...],
    directory: Path | None,
    location: str | None,
    day: str | None,
    lot: str,
    role: Role,
    volume_ml: float | None,
    settings: Settings,
    as_json: bool,
    quiet: bool,
) -> int:
    """Read results of other programs and compare them.

    NanoSight -ExperimentSummary.csv, _Summary.csv, _ParticleData.csv, _AllTracks.csv and .nano; ZetaView size exports
    and positions (_11pos). Each file is a sample. Their numbers stay as they are, and what holds in every good file
    (sum of the bins, standard errors, size times diffusion, viscosity) is checked. Tracks are sized by our own
    estimator: the measuring options are for them.

    With --store and --day they go on record there, and into the reports, trends and comparisons of that store.

    \b
      nta import "harvest 2021-04-01 15-28-16-ExperimentSummary.csv"
      nta import day1-ExperimentSummary.csv day2_size_488.txt -o imported
      nta import day1-ExperimentSummary.csv --store nta.sqlite --lot LOT-7 --day 1 --volume-ml 12
    """  # noqa: D301  # \b keeps lines as they are
    import nta
    from nta.errors import UsageError
    from nta_cli import console

    if (location is None) != (day is None):
        raise UsageError("--store and --day go together: a record needs the day of its sample; give both or neither")
    if volume_ml is not None and not volume_ml > 0.0:
        raise UsageError(f"a volume of {volume_ml:g} mL is not positive; leave --volume-ml out where it is not known")
    with console.progress_bar(quiet=quiet) as progress:
        records = nta.import_results(files, settings, progress=progress)
    if location is not None and day is not None:
        _put_on_record(files, records, location, partial(_collection, lot, day, role, volume_ml))
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


def _collection(lot: str, day: str, role: Role, volume_ml: float | None, name: str) -> CollectionRecord:
    from nta.store import CollectionRecord, SampleIdentity

    return CollectionRecord(SampleIdentity(lot, day, name), role, volume_ml)


def _put_on_record(
    files: Sequence[Path],
    records: Sequence[Measurement],
    location: str,
    collection_of: Callable[[str], CollectionRecord],
) -> None:
    """Put every export that could be read on record, a sample each, by its name."""
    from nta.batch.imported import record_import
    from nta.store import Store

    store = Store.open(location)
    for path, record in zip(files, records, strict=True):
        if record.status not in ("rejected", "failed"):
            record_import(store, path, record, collection_of(record.sample))


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
