"""Options that the measuring commands share, written once: each is a field of `nta.settings.Settings`."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from nta.media import MEDIA
from nta_cli.main import DEBUG

if TYPE_CHECKING:
    from nta.settings import Settings

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def parse_frames(text: str) -> tuple[int, int | None]:
    """Return the frames ``A:B`` as ``(A, B)``; either side may be left open.

    Raises
    ------
    ValueError
        If it is something else, with the form to use.
    """
    try:
        start, stop = _parts(text)
        return int(start or 0), int(stop) if stop else None
    except ValueError:
        raise ValueError(f"{text!r} is not A:B; give frame numbers such as 0:500 or 100:") from None


def parse_size_range(text: str) -> tuple[float, float | None]:
    """Return the sizes ``MIN:MAX`` in nm; MAX may be left open. Raises ValueError with the form to use."""
    try:
        low, high = _parts(text)
        return float(low), float(high) if high else None
    except ValueError:
        raise ValueError(f"{text!r} is not MIN:MAX; give nanometres such as 30:1000 or 50:") from None


def parse_dilutions(text: str) -> tuple[float, ...]:
    """Return the dilutions ``F,F,...`` of a series. Raises ValueError with the form to use."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{text!r} is not F,F,...; give one factor a capture, such as 100,200,400") from None


def _parts(text: str) -> tuple[str, str]:
    start, colon, stop = text.partition(":")
    if not colon:
        raise ValueError(text)
    return start.strip(), stop.strip()


def parse_rectangle(text: str) -> tuple[int, int, int, int]:
    """Return ``X,Y,W,H`` in pixels. Raises ValueError with the form to use."""
    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{text!r} is not X,Y,W,H; give four whole numbers such as 0,0,320,240") from None
    return x, y, width, height


@dataclass(frozen=True, slots=True)
class SettingOption:
    """One field of the settings as an option.

    Parameters
    ----------
    field : str
        Name of the field in :class:`nta.settings.Settings`.
    flag : str
        As click declares it (``--mpp``, ``--invert/--no-invert``).
    kind : click type, type, or parser
        How the text is read; a parser is one of this file's ``parse_`` functions.
    help : str
        What it is, with its unit; also the comment in the settings template.
    example : str
        The value as TOML, for the template.
    multiple : bool
        Whether the option may be given several times.
    """

    field: str
    flag: str
    kind: Any
    help: str
    example: str
    multiple: bool = False

    @property
    def flag_to_type(self) -> str:
        """The flag as a user types it."""
        return self.flag.partition("/")[0]

    def decorate(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Add the option to a command."""
        form: dict[str, Any] = {"type": self.kind}
        if self.kind in _METAVARS:
            form = {"type": str, "metavar": _METAVARS[self.kind], "callback": parsed_with(self.kind)}
        option = click.option(self.flag, self.field, default=None, help=self.help, multiple=self.multiple, **form)
        return option(function)


_METAVARS: Final[dict[Any, str]] = {
    parse_frames: "A:B",
    parse_size_range: "MIN:MAX",
    parse_rectangle: "X,Y,W,H",
}


def parsed_with(parse: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Return the callback of an option whose text one of the ``parse_`` functions reads."""

    def callback(_ctx: click.Context, _param: click.Parameter, value: Any) -> Any:  # noqa: ANN401
        try:
            if isinstance(value, tuple):
                return tuple(parse(text) for text in value)
            return None if value is None else parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return callback


SETTING_OPTIONS: Final[tuple[SettingOption, ...]] = (
    SettingOption("mpp", "--mpp", float, "Micrometres per pixel.", "0.14"),
    SettingOption("fps", "--fps", float, "Frames per second.", "24.9825"),
    SettingOption(
        "exposure_ms", "--exposure-ms", float, "Exposure of one frame, ms; not above the frame time.", "32.5"
    ),
    SettingOption("temperature_c", "--temperature", float, "Temperature of the sample, °C.", "25.0"),
    SettingOption(
        "viscosity_mpas",
        "--viscosity",
        float,
        "Viscosity, mPa·s (= cP); else from medium and temperature.",
        "0.89",
    ),
    SettingOption("medium", "--medium", click.Choice(MEDIA), "Liquid whose viscosity is used; else water.", '"water"'),
    SettingOption(
        "instrument", "--instrument", str, "Preset for what is not known otherwise, such as ns300.", '"ns300"'
    ),
    SettingOption("depth_um", "--depth-um", float, "Depth of the volume in view, µm; nominal.", "10.0"),
    SettingOption(
        "dilution",
        "--dilution",
        float,
        "Factor by which the sample was diluted, such as 1000; 1 = undiluted.",
        "1000.0",
    ),
    SettingOption(
        "dilution_sd_percent",
        "--dilution-sd-percent",
        float,
        "Standard uncertainty of the dilution, %; else it is taken as exact.",
        "2.0",
    ),
    SettingOption(
        "calibration",
        "--calibration",
        str,
        "Calibration file of `nta calibrate`; gives the depth, in place of --depth-um.",
        '"instrument.toml"',
    ),
    SettingOption(
        "frames",
        "--frames",
        parse_frames,
        "Only frames A to B-1, counted from 0; either may be left out.",
        "[0, 500]",
    ),
    SettingOption("roi", "--roi", parse_rectangle, "Only this part of the field, px.", "[0, 0, 320, 240]"),
    SettingOption(
        "exclude",
        "--exclude",
        parse_rectangle,
        "Leave this part of the field out, px; may be given several times.",
        "[[10, 20, 30, 40]]",
        multiple=True,
    ),
    SettingOption(
        "size_range_nm",
        "--size-range",
        parse_size_range,
        "Diameters looked for, nm; MAX may be left out; else 30 and up.",
        "[30.0, 1000.0]",
    ),
    SettingOption("invert", "--invert/--no-invert", bool, "Dark particles on a bright ground, or not.", "false"),
    SettingOption(
        "diameter_px",
        "--diameter-px",
        int,
        "Diameter of a spot, an odd number of px; else from the spots.",
        "11",
    ),
    SettingOption(
        "min_mass",
        "--min-mass",
        float,
        "Least brightness of a spot (trackpy's minmass); else from the noise.",
        "200.0",
    ),
    SettingOption(
        "search_range_px",
        "--search-range-px",
        float,
        "Largest step between frames, px, without the flow; else from the size range.",
        "12.0",
    ),
    SettingOption("memory", "--memory", int, "Frames that a particle may be missing within its track.", "0"),
    SettingOption("min_track", "--min-track", int, "Fewest positions of a track that is sized.", "5"),
    SettingOption(
        "blank",
        "--blank",
        str,
        "Video of the diluent alone, to be subtracted; may be repeated.",
        '["blank.avi"]',
        multiple=True,
    ),
    SettingOption(
        "windows_nm",
        "--window",
        parse_size_range,
        "Report the share of the particles in this window of sizes, nm; may be repeated.",
        "[[50.0, 150.0]]",
        multiple=True,
    ),
    SettingOption(
        "method",
        "--method",
        str,
        "Read-out of the distribution: penalised, or raw, walker, ftla to compare with other programs.",
        '"penalised"',
    ),
    SettingOption("engine", "--engine", str, "Implementation of detection and linking.", '"trackpy"'),
    SettingOption(
        "allow_partial",
        "--allow-partial/--no-allow-partial",
        bool,
        "Measure what can be read of a damaged video, or reject it (default).",
        "false",
    ),
    SettingOption("seed", "--seed", int, "Seed of the resampling behind the intervals; else 0.", "0"),
)


def fields_but(offered: Iterable[str]) -> tuple[str, ...]:
    """Return every field of the settings but those that a command offers."""
    kept = frozenset(offered)
    return tuple(option.field for option in SETTING_OPTIONS if option.field not in kept)


def measuring_options(*, without: Iterable[str] = ()) -> Decorator:
    """Give a command every option of the settings; it receives one argument ``settings``.

    Parameters
    ----------
    without : iterable of str
        Fields that this command does not offer.
    """
    left_out = frozenset(without)
    options = [option for option in SETTING_OPTIONS if option.field not in left_out]

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def with_settings(*args: Any, **params: Any) -> Any:  # noqa: ANN401
            values = {option.field: params.pop(option.field) for option in options}
            return function(*args, settings=settings_from(params.pop("settings_file"), values), **params)

        decorated: Callable[..., Any] = with_settings
        for option in reversed(options):
            decorated = option.decorate(decorated)
        return click.option(
            "--settings",
            "settings_file",
            type=click.Path(path_type=Path),
            metavar="FILE.toml",
            help="Settings file; the command line ranks above it. `nta settings --template` writes one.",
        )(decorated)

    return decorate


def settings_from(path: Path | None, values: dict[str, Any]) -> Settings:
    """Return the settings of a file with the options of the command line above them.

    Raises
    ------
    SettingsError
        In the words of the side on which the fault is: the file's name, or the option's.
    """
    from nta.errors import SettingsError
    from nta.settings import Settings

    # An option that can be given several times is an empty tuple, not None, when it was not given.
    given = {name: value for name, value in values.items() if value is not None and value != ()}
    settings = Settings()
    if path is not None:
        try:
            settings = Settings.from_toml(path)
        except SettingsError as error:
            named = str(error) if str(path) in str(error) else f"{path}: {error}"
            raise SettingsError(named) from None
    try:
        return settings.updated("command_line", given)
    except SettingsError as error:
        raise SettingsError(_with_flags(str(error))) from None


def _with_flags(message: str) -> str:
    """Return a message in which the fields at the start of each fault are named as their options."""
    for option in SETTING_OPTIONS:
        message = re.sub(rf"(^|; ){option.field}(?:\.\d+)*: ", rf"\1{option.flag_to_type}: ", message)
    return message


def _remember_debug(ctx: click.Context, _param: click.Parameter, debug: bool) -> None:
    if debug:
        ctx.meta[DEBUG] = True
        logging.basicConfig(format="%(relativeCreated)6.0f ms %(name)s: %(message)s")
        logging.getLogger("nta").setLevel(logging.DEBUG)


debug_option = click.option(
    "--debug",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_remember_debug,
    help="Print the log, and a stack trace with an error.",
)
json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the result as JSON alone on stdout, everything else on stderr.",
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
store_option = click.option(
    "--store",
    "location",
    metavar="FILE|URL",
    help="Results store: a SQLite file, a folder that holds nta.sqlite, or postgresql://user@host/name.",
)
jobs_option = click.option(
    "-j",
    "--jobs",
    "n_jobs",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    metavar="N",
    help="Processes that measure at the same time, one thread each.",
)
timeout_option = click.option(
    "--timeout-s",
    type=click.FloatRange(min=1.0),
    default=3600.0,
    show_default=True,
    metavar="S",
    help="Longest time for one job, s; then it is stopped and tried once more.",
)
cluster_option = click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Measure on a Dask cluster: the scheduler's tls:// or tcp:// address, or `local` for one of -j workers here.",
)
json_lines_option = click.option(
    "--json-lines", is_flag=True, help="Print every step as one line of JSON on stdout, and the result as the last."
)
