"""`nta analyze`: one sample, from its videos to a result folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nta_cli import options

if TYPE_CHECKING:
    from nta.settings import Settings


@click.command()
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "directory",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Result folder; else <video>_nta beside the first video. An nta result there is replaced whole.",
)
@options.measuring_options()
@options.json_option
@options.quiet_option
@options.debug_option
def analyze(inputs: tuple[Path, ...], directory: Path | None, settings: Settings, as_json: bool, quiet: bool) -> int:
    """Measure one sample: a video or TIFF stack, several captures of it, a .nano experiment, or a table of tracks.

    Prints a short table and writes a folder: summary.json, distribution.csv, tracks.parquet,
    diffusion.parquet, figure.png and report.html. What is not given is read from the .nano beside the video, else
    from the video, or taken from the instrument preset, and then flagged as assumed.

    \b
      nta analyze capture.avi
      nta analyze day1_*.avi --temperature 23.4 --dilution 1000 -o day1
      nta analyze stack.tif --mpp 0.166 --fps 30 --exposure-ms 15 --json
      nta analyze "harvest 2021-04-01 15-28-16.nano"
      nta analyze capture_AllTracks.csv --mpp 0.14 --fps 24.9825
    """  # noqa: D301  # \b keeps lines as they are
    import nta
    from nta.report import check_directory
    from nta_cli import console

    if directory is None:
        directory = default_directory(inputs[0])
        check_same_capture(directory, inputs[0])
    check_directory(directory, inputs)
    with console.progress_bar(quiet=quiet) as progress:
        measurement = nta.analyze(inputs, settings=settings, progress=progress)
        written = measurement.save(directory)
    if as_json:
        click.echo((written / "summary.json").read_bytes(), nl=False)
    if measurement.status in ("rejected", "failed"):
        console.print_refusal(measurement)
    elif not quiet:
        console.print_measurement(measurement, written, to_stderr=as_json)
    return console.EXIT_CODES[measurement.status]


def default_directory(first_input: Path) -> Path:
    """Return ``<video>_nta`` beside the video."""
    named = first_input.resolve() if first_input.name in ("", ".", "..") else first_input
    return named.with_name(f"{named.stem}_nta")


def check_same_capture(directory: Path, first_input: Path) -> None:
    """Refuse to replace, unasked, the result of another video: x.avi and x.tif share the folder x_nta.

    Raises
    ------
    UsageError
        If the folder holds a result whose first capture has another file name.
    """
    import json

    from nta.errors import UsageError

    try:
        summary = json.loads((directory / "summary.json").read_text(encoding="utf-8"))
        measured = Path(summary["captures"][0]["path"])
        # An experiment stands for its captures.
        experiments = [summary.get("values", {}).get("experiment", {}).get("value")]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return  # no result of ours: the folder's own check says what that means
    if first_input.name not in (measured.name, *experiments):
        raise UsageError(
            f"{str(directory)!r} holds the result of {measured.name!r}, not of {first_input.name!r}; "
            "name another folder with -o"
        )
