"""Every choice a run can make, validated once, with the origin of every value.

Three nouns:

* :class:`Settings` holds what was *asked for*. ``None`` means "choose for me".
* :class:`Sourced` is a value together with where it came from.
* :class:`Acquisition` holds how one capture was taken, all values known; :func:`resolve` makes it from the
  settings, what the video says of itself, and the instrument preset, in this order.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Protocol, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from nta.errors import SettingsError
from nta.media import ZERO_CELSIUS_K, Medium, viscosity_pa_s

Origin = Literal["command_line", "settings", "sidecar", "video", "preset", "assumed"]
Scalar = float | int | str | bool | None | list[Any]


class Sourced(NamedTuple):
    """A value and where it came from; ``assumed`` means that nobody stated it."""

    value: Scalar
    origin: Origin


@dataclass(frozen=True, slots=True)
class Preset:
    """What an instrument does when nothing else is known.

    Parameters
    ----------
    mpp : float
        Micrometres per pixel.
    fps : float
        Frames per second.
    exposure_ms : float
        Exposure of one frame, ms.
    depth_um : float
        Nominal depth of the volume in view, µm; not a calibration.
    """

    mpp: float
    fps: float
    exposure_ms: float
    depth_um: float
    temperature_c: float = 25.0
    medium: Medium = "water"


PRESETS: Final[dict[str, Preset]] = {
    # Pixel size, frame rate and shutter as 152 real NS300 captures state them; 10 µm is the maker's
    # nominal thickness of the laser beam in the cell.
    "ns300": Preset(mpp=0.14, fps=24.9825, exposure_ms=32.5, depth_um=10.0),
}
DEFAULT_INSTRUMENT: Final = "ns300"

# A frame rate is written with four digits or fewer; an exposure equal to the frame time must not fail on them.
_FRAME_TIME_TOLERANCE: Final = 1.001


def _check_mpp(mpp: float) -> float:
    if not mpp > 0:
        raise ValueError(f"{mpp:g} µm per pixel must be positive, such as 0.14")
    if mpp > 10:
        raise ValueError(f"{mpp:g} µm per pixel is above 10: is it in nm? Then give {mpp / 1000:g}")
    if mpp < 0.005:
        raise ValueError(f"{mpp:g} µm per pixel is below 0.005; a scatter microscope has 0.05 to 1")
    return mpp


def _check_fps(fps: float) -> float:
    if not 0 < fps <= 100_000:
        raise ValueError(f"{fps:g} frames per second is outside 0 to 100000; give the camera's rate, such as 25")
    return fps


def _check_exposure_ms(exposure_ms: float) -> float:
    if exposure_ms < 0:
        raise ValueError(f"{exposure_ms:g} ms is negative; give the shutter time of one frame, such as 32.5")
    if 0 < exposure_ms < 0.1:
        raise ValueError(
            f"{exposure_ms:g} ms is too short to see a particle: is it in s? Then give {exposure_ms * 1e3:g}"
        )
    return exposure_ms


def _check_temperature(temperature_c: float) -> float:
    if 253.15 <= temperature_c <= 373.15:
        raise ValueError(f"{temperature_c:.1f} °C: is it in kelvin? Then give {temperature_c - ZERO_CELSIUS_K:.1f}")
    if not -20 <= temperature_c <= 110:
        raise ValueError(f"{temperature_c:g} °C is outside -20 to 110 °C")
    return temperature_c


def _check_viscosity(viscosity_mpas: float) -> float:
    if not viscosity_mpas > 0:
        raise ValueError(f"{viscosity_mpas:g} mPa·s must be positive; water at 25 °C has 0.89")
    if viscosity_mpas < 0.1:
        raise ValueError(
            f"{viscosity_mpas:g} mPa·s is thinner than any liquid: is it in Pa·s? Then give {viscosity_mpas * 1000:g}"
        )
    if viscosity_mpas > 1e5:
        raise ValueError(f"{viscosity_mpas:g} mPa·s is above 100000: nothing moves in it")
    return viscosity_mpas


def _check_dilution(dilution: float) -> float:
    if dilution < 1:
        raise ValueError(
            f"a dilution of {dilution:g} is below 1; give the factor by which the sample was diluted, "
            "such as 1000 (1 = undiluted)"
        )
    return dilution


def _check_size_range(size_range_nm: tuple[float, float | None]) -> tuple[float, float | None]:
    low, high = size_range_nm
    if not 1 <= low <= 10_000:
        raise ValueError(f"a smallest size of {low:g} nm is outside 1 to 10000 nm")
    if high is not None and not low + 2.0 <= high:
        raise ValueError(f"the size range {low:g}:{high:g} nm is empty; give MIN:MAX with MIN below MAX")
    return size_range_nm


def _check_frames(frames: tuple[int, int | None]) -> tuple[int, int | None]:
    start, stop = frames
    if start < 0 or (stop is not None and stop <= start):
        raise ValueError(f"frames {start}:{stop} is empty; give A:B with 0 <= A < B")
    return frames


def _check_diameter_px(diameter_px: int) -> int:
    if diameter_px < 3 or diameter_px > 101 or diameter_px % 2 == 0:
        raise ValueError(f"a spot diameter of {diameter_px} px must be an odd number from 3 to 101")
    return diameter_px


Rectangle = tuple[
    Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)], Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]
]


class Settings(BaseModel):
    """What was asked for; every field left ``None`` is chosen by nta and reported with its origin.

    Raises
    ------
    SettingsError
        With every fault at once, each with the value, the limit and the way out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    # How the capture was taken
    mpp: Annotated[float, AfterValidator(_check_mpp)] | None = None
    """Micrometres per pixel."""
    fps: Annotated[float, AfterValidator(_check_fps)] | None = None
    """Frames per second."""
    exposure_ms: Annotated[float, AfterValidator(_check_exposure_ms)] | None = None
    """Exposure of one frame, ms."""
    temperature_c: Annotated[float, AfterValidator(_check_temperature)] | None = None
    """Temperature of the sample, °C."""
    viscosity_mpas: Annotated[float, AfterValidator(_check_viscosity)] | None = None
    """Viscosity of the liquid, mPa·s (= cP); from the medium and the temperature when not given."""
    medium: Medium | None = None
    """Liquid whose viscosity is used when none is given."""
    instrument: str | None = None
    """Name of an instrument preset."""
    depth_um: Annotated[float, Field(gt=0)] | None = None
    """Depth of the volume in view, µm."""
    dilution: Annotated[float, AfterValidator(_check_dilution)] | None = None
    """Factor by which the sample was diluted before the measurement; 1 = undiluted."""

    # What to look at
    frames: Annotated[tuple[int, int | None], AfterValidator(_check_frames)] | None = None
    """First frame and the one after the last (A:B, as Python slices)."""
    roi: Rectangle | None = None
    """Only this part of the field: x, y, width, height in px."""
    exclude: tuple[Rectangle, ...] = ()
    """Parts of the field to leave out: x, y, width, height in px."""
    size_range_nm: Annotated[tuple[float, float | None], AfterValidator(_check_size_range)] | None = None
    """Smallest and largest diameter looked for, nm; 30 to open when not given."""

    # How to find and link; chosen from the video when not given
    invert: bool | None = None
    """Dark particles on a bright ground."""
    diameter_px: Annotated[int, AfterValidator(_check_diameter_px)] | None = None
    """Odd diameter of a spot, px (trackpy's ``diameter``)."""
    min_mass: Annotated[float, Field(ge=0)] | None = None
    """Least integrated brightness of a spot (trackpy's ``minmass``)."""
    search_range_px: Annotated[float, Field(gt=0)] | None = None
    """Largest step between two frames, px, after flow is taken out."""
    memory: Annotated[int, Field(ge=0, le=10)] | None = None
    """Frames a particle may be missing and still keep its track."""
    min_track: Annotated[int, Field(ge=3)] | None = None
    """Fewest positions of a track that is sized."""

    # How to compute
    method: Literal["penalised"] | None = None
    """Estimator of the distribution."""
    engine: Literal["fused", "trackpy"] | None = None
    """Program that finds the spots: our fused kernels, or trackpy itself; the result is the same."""
    allow_partial: bool = False
    """Read what is there of a damaged video."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the bootstrap."""

    _origins: dict[str, Origin] = PrivateAttr(default_factory=dict)

    def __init__(self, **values: Any) -> None:  # noqa: ANN401  # pydantic's own signature
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingsError(_all_faults(error)) from None

    def model_post_init(self, context: Any, /) -> None:  # noqa: ANN401, D102
        super().model_post_init(context)
        if self.instrument is not None and self.instrument not in PRESETS:
            raise ValueError(f"instrument: {self.instrument!r} is not known; there are {', '.join(sorted(PRESETS))}")
        if self.fps is not None and self.exposure_ms is not None:
            _check_exposure(self.exposure_ms, self.fps)

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read a settings file: TOML with the names of the fields of this class.

        Raises
        ------
        SettingsError
            If the file is missing, is not TOML, or holds an unknown key or an impossible value.
        """
        try:
            values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(f"cannot read the settings file {str(path)!r}: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{str(path)!r} is not a TOML file: {error}") from None
        return cls(**values)

    def updated(self, origin: Origin, values: Mapping[str, Any]) -> Settings:
        """Return settings in which ``values`` (those not ``None``) replace the present ones and remember ``origin``."""
        given = {name: value for name, value in values.items() if value is not None}
        settings = Settings(**{**self.model_dump(exclude_unset=True), **given})
        settings._origins.update(self._origins)
        settings._origins.update(dict.fromkeys(given, origin))
        return settings

    def origin(self, name: str) -> Origin:
        """Return where the field ``name`` came from: what :meth:`updated` said, ``settings``, or ``assumed``."""
        if getattr(self, name) is None:
            return "assumed"
        if name in self._origins:
            return self._origins[name]
        return "settings" if name in self.model_fields_set else "assumed"

    def sha256(self) -> str:
        """Return the SHA-256 of everything asked for, as canonical JSON."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _all_faults(error: ValidationError) -> str:
    """Return every fault of a validation in one line."""
    faults = []
    for fault in error.errors():
        message = fault["msg"].removeprefix("Value error, ")
        name = ".".join(str(part) for part in fault["loc"] if not str(part).startswith("function-"))
        if fault["type"] == "extra_forbidden":
            message = "there is no such setting"
        elif fault["type"] != "value_error":
            message = f"{fault['input']!r} is not possible here: {message[:1].lower()}{message[1:]}"
        faults.append(f"{name}: {message}" if name else message)
    return "; ".join(dict.fromkeys(faults))


def _check_exposure(exposure_ms: float, fps: float) -> None:
    frame_ms = 1000.0 / fps
    if exposure_ms > frame_ms * _FRAME_TIME_TOLERANCE:
        raise ValueError(
            f"an exposure of {exposure_ms:g} ms is longer than a frame ({frame_ms:.4g} ms at {fps:g} fps); "
            "check --exposure-ms and --fps"
        )


class CaptureMetadata(Protocol):
    """What a video says of itself; ``None`` where it is silent. :class:`nta.video.Video` is one."""

    @property
    def fps(self) -> float | None:
        """Frames per second."""

    @property
    def mpp(self) -> float | None:
        """Micrometres per pixel."""

    @property
    def exposure_ms(self) -> float | None:
        """Exposure of one frame, ms."""


@dataclass(frozen=True, slots=True)
class Acquisition:
    """How one capture was taken; every later noun carries it along.

    Parameters
    ----------
    mpp : float
        Micrometres per pixel.
    fps : float
        Frames per second.
    exposure_ms : float
        Exposure of one frame, ms, from 0 to the frame time.
    temperature_c : float
        Temperature, °C.
    viscosity_mpas : float
        Dynamic viscosity, mPa·s (= cP).
    depth_um : float
        Depth of the volume in view, µm (nominal unless calibrated).
    width_px, height_px : int or None
        Size of the field, px; ``None`` for a track table whose field is not known.
    n_frames : int or None
        Frames that were looked at.
    """

    mpp: float
    fps: float
    exposure_ms: float
    temperature_c: float
    viscosity_mpas: float
    depth_um: float
    width_px: int | None = None
    height_px: int | None = None
    n_frames: int | None = None

    @property
    def frame_time_s(self) -> float:
        """Time from one frame to the next, s."""
        return 1.0 / self.fps

    @property
    def exposure_s(self) -> float:
        """Exposure of one frame, s; never longer than a frame."""
        return min(self.exposure_ms / 1000.0, self.frame_time_s)

    @property
    def blur_coefficient(self) -> float:
        """Motion blur coefficient R = (exposure / frame time)/6 of a rectangular shutter (Berglund 2010)."""
        return self.exposure_s / self.frame_time_s / 6.0

    @property
    def temperature_k(self) -> float:
        """Temperature, K."""
        return self.temperature_c + ZERO_CELSIUS_K

    @property
    def viscosity_pa_s(self) -> float:
        """Dynamic viscosity, Pa·s."""
        return self.viscosity_mpas / 1000.0


_ACQUISITION_NAMES: Final = ("mpp", "fps", "exposure_ms", "temperature_c", "medium", "depth_um")


def resolve(
    settings: Settings,
    video: CaptureMetadata | None = None,
    sidecar: Mapping[str, Any] | None = None,
) -> tuple[Acquisition, dict[str, Sourced]]:
    """Choose every acquisition value by rank and remember where it came from.

    Settings come first (with the origin they carry), then the sidecar, the video's own metadata, and the
    instrument preset. A preset that nobody named is an assumption and says so.

    Parameters
    ----------
    settings : Settings
        What was asked for.
    video : CaptureMetadata, optional
        What the video says of itself.
    sidecar : mapping, optional
        Values of a file beside the video, by the names of :class:`Settings`.

    Returns
    -------
    acquisition : Acquisition
        Without field size and number of frames: those belong to the reader of the pixels.
    values : dict of Sourced
        Every value by its name, ``dilution`` and ``viscosity_mpas`` included.

    Raises
    ------
    SettingsError
        If the exposure is longer than a frame.
    """
    preset = PRESETS[settings.instrument or DEFAULT_INSTRUMENT]
    preset_origin: Origin = "assumed" if settings.instrument is None else "preset"
    values: dict[str, Sourced] = {
        "instrument": Sourced(settings.instrument or DEFAULT_INSTRUMENT, settings.origin("instrument"))
    }
    for name in (*_ACQUISITION_NAMES, "viscosity_mpas", "dilution"):
        candidates: tuple[tuple[Any, Origin], ...] = (
            (getattr(settings, name), settings.origin(name)),
            ((sidecar or {}).get(name), "sidecar"),
            (getattr(video, name, None), "video"),
            (getattr(preset, name, None), preset_origin),
        )
        values[name] = next((Sourced(*pair) for pair in candidates if pair[0] is not None), Sourced(None, "assumed"))
    if values["viscosity_mpas"].value is None:
        values["viscosity_mpas"] = _viscosity_of_medium(values)
    else:
        # With the viscosity known it does not matter which liquid it is.
        values["medium"] = Sourced(settings.medium, values["viscosity_mpas"].origin)
    if values["exposure_ms"].origin == preset_origin:
        # A shutter that nobody stated follows the frame rate that somebody did.
        longest_ms = 1000.0 / _number(values, "fps") * preset.exposure_ms * preset.fps / 1000.0
        values["exposure_ms"] = Sourced(min(preset.exposure_ms, round(longest_ms, 6)), preset_origin)
    numbers = {name: _number(values, name) for name in (*_ACQUISITION_NAMES, "viscosity_mpas") if name != "medium"}
    try:
        _check_exposure(numbers["exposure_ms"], numbers["fps"])
    except ValueError as error:
        raise SettingsError(str(error)) from None
    acquisition = Acquisition(
        mpp=numbers["mpp"],
        fps=numbers["fps"],
        exposure_ms=numbers["exposure_ms"],
        temperature_c=numbers["temperature_c"],
        viscosity_mpas=numbers["viscosity_mpas"],
        depth_um=numbers["depth_um"],
    )
    return acquisition, values


def _number(values: Mapping[str, Sourced], name: str) -> float:
    value = values[name].value
    if not isinstance(value, (int, float)):
        raise SettingsError(f"{name} is not known and no preset states it; give it")
    return float(value)


def _viscosity_of_medium(values: Mapping[str, Sourced]) -> Sourced:
    """Return the viscosity in mPa·s; it is as sure as the less sure of medium and temperature."""
    temperature, medium = values["temperature_c"], values["medium"]
    name: Medium = "pbs" if medium.value == "pbs" else "water"
    eta = viscosity_pa_s(name, _number(values, "temperature_c") + ZERO_CELSIUS_K)
    # From the least sure to the surest.
    ranks: tuple[Origin, ...] = ("assumed", "preset", "video", "sidecar", "settings", "command_line")
    origin = min(temperature.origin, medium.origin, key=ranks.index)
    return Sourced(round(eta * 1000.0, 6), origin)
