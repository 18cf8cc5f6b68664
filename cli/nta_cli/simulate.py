"""``nta simulate``: a scatter video with known truth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nta.progress import Progress
    from nta.simulation import Population, Truth

# Options that are called as the scene calls them; None leaves the scene's own default.
_SCENE_OPTIONS = (
    "concentration_per_ml",
    "particles_per_frame",
    "width_px",
    "height_px",
    "seed",
    "mpp",
    "fps",
    "exposure_ms",
    "medium",
    "viscosity_mpas",
    "sub_steps",
    "sheet_fwhm_um",
    "psf_sd_um",
    "defocus_um",
    "brightness",
    "brightness_exponent",
    "brightness_cv",
    "reference_diameter_nm",
    "reference_photoelectrons",
    "dimming",
    "wavelength_nm",
    "scattering_angle_deg",
    "particle_index",
    "stray_photoelectrons",
    "gradient_x",
    "gradient_y",
    "gain",
    "read_noise",
    "offset",
)


@click.command("simulate")
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--mode-nm", type=float, multiple=True, help="Mode of the population, nm; again for a mixture. [107]")
@click.option("--cv-percent", type=float, multiple=True, help="Spread of each mode, % (0: one size). [27.5, or 0]")
@click.option("--share", type=float, multiple=True, help="Number share of each mode. [equal]")
@click.option("--population", type=click.Path(path_type=Path), help="CSV with diameter_nm,weight in place of modes.")
@click.option("--concentration-per-ml", type=float, help="Particles per mL.")
@click.option("--particles-per-frame", type=float, help="Mean number in field and sheet, instead. [50]")
@click.option("--duration-s", type=float, help="Length, s. [60]")
@click.option("--n-frames", type=int, help="Length in frames, instead.")
@click.option("--width-px", type=int, help="Width of the field, px. [640]")
@click.option("--height-px", type=int, help="Height of the field, px. [480]")
@click.option("--seed", type=int, help="Same seed, same frames. [0]")
@click.option("--mpp", type=float, help="Micrometres per pixel. [0.14]")
@click.option("--fps", type=float, help="Frames per second. [24.9825]")
@click.option("--exposure-ms", type=float, help="Exposure, ms. [32.5]")
@click.option("--temperature", "temperature_c", type=float, help="Temperature, °C. [25]")
@click.option("--medium", type=click.Choice(["water", "pbs"]), help="Liquid. [water]")
@click.option("--viscosity", "viscosity_mpas", type=float, help="Viscosity, mPa·s. [the liquid's]")
@click.option("--flow-um-s", type=(float, float), metavar="X Y", help="Flow in x and y, µm/s. [0 0]")
@click.option("--sub-steps", type=int, help="Pieces of an exposure, at least 12. [16]")
@click.option("--sheet-fwhm-um", type=float, help="Light sheet, full width at half maximum, µm. [10]")
@click.option("--psf-sd-um", type=float, help="Standard deviation of a spot in focus, µm. [0.2]")
@click.option("--defocus-um", type=float, help="Distance from focus at which a spot is 1.41 times as wide, µm. [3]")
@click.option("--brightness", type=click.Choice(["equal", "power", "rgd", "mie"]), help="Brightness law. [power]")
@click.option("--brightness-exponent", type=float, help="Exponent of the power law. [2.5]")
@click.option("--brightness-cv", type=float, help="Spread of brightness at one size (0.3 = 30 %). [0]")
@click.option("--reference-diameter-nm", type=float, help="Diameter of the next option, nm. [100]")
@click.option("--reference-photoelectrons", type=float, help="Light of that diameter, per exposure. [6000]")
@click.option("--dimming", type=float, help="Factor on all light. [1]")
@click.option("--wavelength-nm", type=float, help="Laser, nm, for rgd and mie. [405]")
@click.option("--scattering-angle-deg", type=float, help="Direction of the camera, degrees, for rgd and mie. [90]")
@click.option("--particle-index", type=float, help="Refractive index of the particles, for mie. [1.40]")
@click.option("--stray-photoelectrons", type=float, help="Background light per pixel and exposure. [0]")
@click.option("--gradient-x", type=float, help="Relative change of illumination from left to right. [0]")
@click.option("--gradient-y", type=float, help="Relative change of illumination from top to bottom. [0]")
@click.option("--bit-depth", type=click.Choice(["8", "16"]), help="Bits of a pixel; 16 needs .tif or .mkv. [8]")
@click.option("--gain", type=float, help="Grey levels per photoelectron. [0.25 at 8 bits, 4 at 16]")
@click.option("--read-noise", type=float, help="Read noise, grey levels. [1 at 8 bits, 12 at 16]")
@click.option("--offset", type=float, help="Grey level without light. [8 at 8 bits, 200 at 16]")
@click.option("--positions", is_flag=True, help="Also write every particle's position: OUT.truth.parquet.")
@click.option("--overwrite", is_flag=True, help="Replace OUT if it exists; else that is refused.")
@click.option("--quiet", is_flag=True, help="No progress bar and no summary.")
def simulate(out: Path, **options: Any) -> None:  # noqa: ANN401  # click hands over some forty options
    """Write a scatter video with known truth to OUT (.avi, .mkv or .tif).

    Without options: 60 s of particles of mode 107 nm as an NS300 films them. What was in view is written
    beside the video, to OUT with the ending .truth.json.
    """
    from nta.errors import UsageError
    from nta.simulation import Scene
    from nta.simulation import simulate as write

    if out.exists() and not options["overwrite"]:
        raise UsageError(f"{str(out)!r} exists and may be a capture; name another file, or give --overwrite")
    scene = Scene.from_dict(_scene_values(options))
    with _progress(quiet=options["quiet"]) as progress:
        truth = write(scene, out, positions=options["positions"], progress=progress)
    if not options["quiet"]:
        click.echo(_summary(out, truth))


def _scene_values(options: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of the scene that were given."""
    from nta.errors import SettingsError
    from nta.simulation import Scene

    values = {name: options[name] for name in _SCENE_OPTIONS if options[name] is not None}
    if options["temperature_c"] is not None:
        values["temperature_c"] = options["temperature_c"]
    if options["bit_depth"] is not None:
        values["bit_depth"] = int(options["bit_depth"])
    if options["flow_um_s"] is not None:
        values["flow_um_s"] = options["flow_um_s"]
    population = _population(options)
    if population is not None:
        values["population"] = population.to_dict()
    if options["n_frames"] is not None and options["duration_s"] is not None:
        raise SettingsError("--n-frames and --duration-s are both given; one follows from the other, give one")
    if options["n_frames"] is not None:
        values["n_frames"] = options["n_frames"]
    elif options["duration_s"] is not None:
        if not 0 < options["duration_s"] <= 1e6:
            raise SettingsError(f"a duration of {options['duration_s']:g} s is outside 0 to 1e6 s")
        values["n_frames"] = max(1, int(options["duration_s"] * values.get("fps", Scene().fps)))
    return values


def _population(options: dict[str, Any]) -> Population | None:
    """Return the population that was asked for, ``None`` for the scene's own."""
    from nta.errors import SettingsError
    from nta.simulation import Table, mixture_of_modes

    by_mode = any(options[name] for name in ("mode_nm", "cv_percent", "share"))
    if options["population"] is not None:
        if by_mode:
            raise SettingsError("--population and --mode-nm, --cv-percent or --share are both given; give one")
        return Table.from_csv(options["population"])
    if not by_mode:
        return None
    modes = options["mode_nm"] or (107.0,)
    return mixture_of_modes(modes, tuple(percent / 100 for percent in options["cv_percent"]), options["share"])


def _summary(out: Path, truth: Truth) -> str:
    """Return what was in view, in two lines."""
    from nta.simulation.truth import truth_path

    size = (
        ", ".join(f"D{percent} {truth.quantile_nm(percent / 100):.1f}" for percent in (10, 50, 90)) + " nm"
        if truth.n_distinct
        else "no particle"
    )
    return (
        f"{out}: {truth.scene.n_frames} frames, {truth.per_frame:.1f} particles in view per frame\n"
        f"in view: {truth.n_distinct} distinct particles, {size}, "
        f"{truth.concentration_per_ml:.3g} particles/mL ({truth_path(out).name})"
    )


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress]:
    """Show a progress bar with frames/s and time left on standard error."""
    from nta.progress import silent

    if quiet:
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("simulating", rate="")

        def report(stage: str, done: int, total: int | None) -> None:
            speed = bar.tasks[0].speed
            rate = "" if speed is None else f"{speed:.0f} frames/s"
            bar.update(task, description=stage, completed=done, total=total, rate=rate)

        yield report
