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
@click.option(
    "--dilution-series",
    "dilutions",
    type=str,
    metavar="F,F,...",
    callback=options.parsed_with(options.parse_dilutions),
    help="The captures are one sample at several dilutions: the factor of each, in their order; not with --dilution.",
)
@options.measuring_options()
@options.json_option
@options.quiet_option
@options.debug_option
def analyze(
    inputs: tuple[Path, ...],
    directory: Path | None,
    dilutions: tuple[float, ...] | None,
    settings: Settings,
    as_json: bool,
    quiet: bool,
) -> int:
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

    With --dilution-series it tests whether what is measured is proportional to the dilution, names the usable
    range and states the stock from it. The folder, else named after the first video with _series_nta, then holds
    a result folder a dilution, dilution_series.json, dilution_series.csv and dilution_series.html. Captures of
    equal dilution are one sample.

    \b
      nta analyze a.avi b.avi c.avi --dilution-series 100,200,400 -o series
    """  # noqa: D301  # \b keeps lines as they are
    import nta
    from nta.report import check_directory
    from nta.report.ahead import importing_meanwhile
    from nta_cli import console

    if dilutions is not None:
        return analyze_series(inputs, dilutions, directory, settings, as_json=as_json, quiet=quiet)
    if directory is None:
        directory = default_directory(inputs[0])
        check_same_capture(directory, inputs[0])
    check_directory(directory, inputs)
    with console.progress_bar(quiet=quiet) as progress:
        measurement = nta.analyze(inputs, settings=settings, progress=importing_meanwhile(progress))
        written = measurement.save(directory)
    if as_json:
        click.echo((written / "summary.json").read_bytes(), nl=False)
    if measurement.status in ("rejected", "failed"):
        console.print_refusal(measurement)
    elif not quiet:
        console.print_measurement(measurement, written, to_stderr=as_json)
    return console.EXIT_CODES[measurement.status]


def analyze_series(
    inputs: tuple[Path, ...],
    factors: tuple[float, ...],
    directory: Path | None,
    settings: Settings,
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Measure a dilution series, write its folder, print it, and return the exit code."""
    from nta.dilutions import captures_by_dilution, dilution_series, measure_dilutions
    from nta.report.dilutions import DOCUMENT, check_series_directory, save_series
    from nta_cli import console

    captures_by_dilution(inputs, factors, settings)  # wrong use is said before the folder is looked at
    if directory is None:
        directory = default_directory(inputs[0], "_series_nta")
        check_same_capture(directory, inputs[0])
    check_series_directory(directory, inputs)
    with console.progress_bar(quiet=quiet) as progress:
        measurements = measure_dilutions(inputs, factors, settings, progress)
        series = dilution_series(measurements)
        written = save_series(series, measurements, directory)
    if as_json:
        click.echo((written / DOCUMENT).read_bytes(), nl=False)
    for measurement in measurements:
        if measurement.status in ("rejected", "failed"):
            console.print_refusal(measurement)
    if not quiet:
        console.print_series(series, written, to_stderr=as_json)
    return max(console.EXIT_CODES[measurement.status] for measurement in measurements)


def default_directory(first_input: Path, suffix: str = "_nta") -> Path:
    """Return ``<video>_nta`` beside the video."""
    named = first_input.resolve() if first_input.name in ("", ".", "..") else first_input
    return named.with_name(f"{named.stem}{suffix}")


def check_same_capture(directory: Path, first_input: Path) -> None:
    """Refuse to replace, unasked, the result of another video: x.avi and x.tif share the folder x_nta.

    A series holds it in the folder of one of its dilutions.

    Raises
    ------
    UsageError
        If the folder holds a result whose first capture has another file name.
    """
    from nta.errors import UsageError

    summaries = (directory / "summary.json", *sorted(directory.glob("dilution_*/summary.json")))
    found = [names for path in summaries if (names := first_capture(path))]
    if found and first_input.name not in {name for names in found for name in names}:
        raise UsageError(
            f"{str(directory)!r} holds the result of {found[0][0]!r}, not of {first_input.name!r}; "
            "name another folder with -o"
        )


def first_capture(summary: Path) -> tuple[str, ...]:
    """Return the file name of the first capture of a result and of its experiment; none where it is no result."""
    import json

    try:
        values = json.loads(summary.read_text(encoding="utf-8"))
        measured = Path(values["captures"][0]["path"]).name
        # An experiment stands for its captures.
        experiment = values.get("values", {}).get("experiment", {}).get("value")
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return ()  # the folder's own check says what that means
    return (
        (measured,)
        if experiment is None
        else (measured, *([experiment] if isinstance(experiment, str) else experiment))
    )
