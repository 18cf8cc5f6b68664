"""What was asked for, checked once: :class:`Settings`."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from nta.errors import SettingsError
from nta.media import Medium
from nta.settings import checks
from nta.settings.origins import Origin
from nta.settings.presets import PRESETS

Method = Literal["penalised", "raw", "walker", "ftla"]
Engine = Literal["fused", "trackpy"]
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
    mpp: Annotated[float, AfterValidator(checks.check_mpp)] | None = None
    """Micrometres per pixel."""
    fps: Annotated[float, AfterValidator(checks.check_fps)] | None = None
    """Frames per second."""
    exposure_ms: Annotated[float, AfterValidator(checks.check_exposure_ms)] | None = None
    """Exposure of one frame, ms."""
    temperature_c: Annotated[float, AfterValidator(checks.check_temperature)] | None = None
    """Temperature of the sample, °C."""
    viscosity_mpas: Annotated[float, AfterValidator(checks.check_viscosity)] | None = None
    """Viscosity of the liquid, mPa·s (= cP); from the medium and the temperature when not given."""
    medium: Medium | None = None
    """Liquid whose viscosity is used when none is given."""
    instrument: str | None = None
    """Name of an instrument preset."""
    depth_um: Annotated[float, Field(gt=0)] | None = None
    """Depth of the volume in view, µm."""
    dilution: Annotated[float, AfterValidator(checks.check_dilution)] | None = None
    """Factor by which the sample was diluted before the measurement; 1 = undiluted."""
    dilution_sd_percent: Annotated[float, Field(ge=0, le=100)] | None = None
    """Standard uncertainty of the dilution, %; taken as exact when not given."""
    calibration: str | None = None
    """Path of a calibration file; its depth takes the place of the nominal one."""

    blank: tuple[str, ...] = ()
    """Videos of the diluent alone, to be subtracted."""

    # What to look at
    frames: Annotated[tuple[int, int | None], AfterValidator(checks.check_frames)] | None = None
    """First frame and the one after the last (A:B, as Python slices)."""
    roi: Rectangle | None = None
    """Only this part of the field: x, y, width, height in px."""
    exclude: tuple[Rectangle, ...] = ()
    """Parts of the field to leave out: x, y, width, height in px."""
    size_range_nm: Annotated[tuple[float, float | None], AfterValidator(checks.check_size_range)] | None = None
    """Smallest and largest diameter looked for, nm; 30 to open when not given."""

    windows_nm: tuple[Annotated[tuple[float, float | None], AfterValidator(checks.check_size_range)], ...] = ()
    """Windows of sizes whose share is reported, nm."""

    # How to find and link; chosen from the video when not given
    invert: bool | None = None
    """Dark particles on a bright ground."""
    diameter_px: Annotated[int, AfterValidator(checks.check_diameter_px)] | None = None
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
    method: Method | None = None
    """Estimator of the distribution."""
    engine: Engine | None = None
    """Program that finds and joins the spots: our fused kernels, or trackpy itself; the result is the same."""
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
            checks.check_exposure_within_frame(self.exposure_ms, self.fps)

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
