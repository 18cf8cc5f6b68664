"""How one capture was taken: :class:`Acquisition`, and :func:`resolve`, which finds every value of it by rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from nta.errors import SettingsError
from nta.media import ZERO_CELSIUS_K, Medium, viscosity_pa_s
from nta.settings.checks import check_exposure_within_frame
from nta.settings.model import Settings
from nta.settings.origins import ORIGINS, Origin, Sourced
from nta.settings.presets import DEFAULT_INSTRUMENT, PRESETS

Diameters = TypeVar("Diameters", float, NDArray[np.float64])

_NM: Final = 1e-9
_UM_PER_M: Final = 1e6


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

    def diffusion_m2_s(self, diameter_nm: Diameters) -> Diameters:
        """Return the Stokes-Einstein diffusion coefficient of a diameter in this liquid, m²/s.

        Parameters
        ----------
        diameter_nm : float or (n,) float64
            Hydrodynamic diameter, nm.
        """
        from nta.kernels import stokes_einstein_diffusion_m2_s  # settings are read before anything is compiled

        # D d is one constant of the liquid.
        return stokes_einstein_diffusion_m2_s(_NM, self.temperature_k, self.viscosity_pa_s) / diameter_nm

    def step_sd_um(self, diameter_nm: Diameters) -> Diameters:
        """Return the standard deviation per axis of the step between two frames, sqrt(2 D tau), µm.

        Parameters
        ----------
        diameter_nm : float or (n,) float64
            Hydrodynamic diameter, nm.
        """
        step: Diameters = np.sqrt(2.0 * self.diffusion_m2_s(diameter_nm) * self.frame_time_s) * _UM_PER_M
        return step


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
        check_exposure_within_frame(numbers["exposure_ms"], numbers["fps"])
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
    origin = min(temperature.origin, medium.origin, key=ORIGINS.index)
    return Sourced(round(eta * 1000.0, 6), origin)
