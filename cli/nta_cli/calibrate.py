"""`nta calibrate`: from captures of beads to a calibration file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nta_cli import options

if TYPE_CHECKING:
    from nta.calibration import Calibration
    from nta.settings import Settings
    from nta.standards import Beads

_NOT_OFFERED = ("calibration", "depth_um", "size_range_nm", "dilution_sd_percent", "windows_nm", "method")

# The part `standards` is made of the others.
_PARTS = {
    "counting": "counting",
    "captures": "between captures",
    "stated": "certificate",
    "transfer": "other brightness",
}


@click.command()
@click.argument("videos", metavar="VIDEO...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--size-nm", type=float, help="Certified diameter of the beads, nm.")
@click.option("--size-sd", "size_sd_nm", type=float, help="Its standard uncertainty, nm; else 0.")
@click.option(
    "--concentration", "concentration_per_ml", type=float, help="Stated particles per mL of the stock, such as 1.2e8."
)
@click.option("--concentration-sd-percent", type=float, help="Its standard uncertainty, %; else 5.8 (limits of 10 %).")
@click.option(
    "--manifest",
    type=click.Path(path_type=Path),
    metavar="FILE.csv",
    help="Several standards: a row for each capture, columns video,size_nm,concentration_per_ml and, if wanted, "
    "dilution,size_sd_nm,concentration_sd_percent.",
)
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.toml",
    help="Calibration file; an older calibration there is replaced.",
)
@click.option(
    "--max-age-days",
    type=click.FloatRange(min=0, min_open=True),
    default=90.0,
    show_default=True,
    help="Days after which a measurement with this calibration is flagged.",
)
@options.measuring_options(without=_NOT_OFFERED)
@options.quiet_option
@options.debug_option
def calibrate(
    videos: tuple[Path, ...],
    size_nm: float | None,
    size_sd_nm: float | None,
    concentration_per_ml: float | None,
    concentration_sd_percent: float | None,
    manifest: Path | None,
    file: Path,
    max_age_days: float,
    settings: Settings,
    quiet: bool,
) -> int:
    """Calibrate the depth in view from captures of beads of known concentration.

    Writes a calibration file, which `nta analyze --calibration` uses, and appends a line to the trend record beside it
    (FILE.trend.csv). Ends with 1 where the suitability test fails; the file is written then too, and says so.

    \b
      nta calibrate beads_*.avi --size-nm 100 --concentration 1.2e11 --dilution 1000 -o ns300.toml
      nta calibrate --manifest beads.csv --mpp 0.14 -o ns300.toml
      nta analyze sample.avi --calibration ns300.toml
    """  # noqa: D301  # \b keeps lines as they are
    from nta import standards
    from nta.calibration import check_replaceable
    from nta.errors import UsageError
    from nta_cli import console

    check_replaceable(file)
    if manifest is not None:
        if videos or size_nm is not None or concentration_per_ml is not None or settings.dilution is not None:
            raise UsageError("give videos with their beads, or --manifest, and only one of them")
        beads: tuple[Beads, ...] = standards.read_bead_manifest(manifest)
    elif not videos or size_nm is None or concentration_per_ml is None:
        raise UsageError("give VIDEO... with --size-nm and --concentration of the beads, or --manifest FILE.csv")
    else:
        dilution = 1.0 if settings.dilution is None else settings.dilution
        beads = (
            standards.Beads(
                videos, size_nm, concentration_per_ml, dilution, size_sd_nm or 0.0, concentration_sd_percent
            ),
        )
    with console.progress_bar(quiet=quiet) as progress:
        found = standards.calibrate(beads, settings, max_age_days=max_age_days, progress=progress)
    found.save(file)
    trend = standards.append_trend(found, file)
    if not quiet:
        click.echo(summary_text(found, file, trend))
    return console.EXIT_CODES["rejected"] if found.verdict == "fail" else console.EXIT_CODES["ok"]


def summary_text(found: Calibration, file: Path, trend: Path) -> str:
    """Return what is said at the end: the constant, the checks, the files."""
    parts = ", ".join(f"{_PARTS[name]} {sd:.1%}" for name, sd in found.parts.items() if name in _PARTS and sd > 0.0)
    lines = [
        f"Depth constant     {found.constant_um:.2f} µm (± {found.relative_sd:.1%}); width {found.depth_um:.2f} µm",
        f"Its uncertainty    {parts}",
        f"Pixel size         {found.holds_for.mpp:g} µm used; the beads say "
        f"{found.mpp_from_beads:.4f} ± {found.mpp_from_beads_sd:.4f}",
        f"Localisation       {found.localisation_error_nm:.0f} nm per position",
    ]
    lines += [
        f"Standard           {one.size_nm:g} nm measured {one.measured_nm:.1f}, constant {one.constant_um:.2f} µm "
        f"(± {one.relative_sd:.1%})"
        for one in found.standards
    ]
    lines.append(f"Suitability        {found.verdict}")
    lines += [
        f"  {check.verdict:<16} {check.sentence}" + ("" if check.verdict == "pass" else f": {check.advice}")
        for check in found.suitability
        if check.value == check.value
    ]
    lines += [f"  of the captures: {warning}" for warning in found.warnings]
    return "\n".join([*lines, f"Written            {file}, {trend}"])
