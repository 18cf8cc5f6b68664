"""Everything that a simulated capture depends on, with units in the names, validated once."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self, get_args

from nta.errors import SettingsError
from nta.media import UM3_PER_ML, Medium, refractive_index
from nta.settings import DEFAULT_INSTRUMENT, PRESETS, Acquisition, Settings, resolve
from nta.simulation.population import Lognormal, Population, population_from_dict

BrightnessLaw = Literal["equal", "power", "rgd", "mie"]
_PRESET: Final = PRESETS[DEFAULT_INSTRUMENT]

# A camera is not the same instrument at 8 and at 16 bits. Gain (grey levels per photoelectron), read noise
# and offset (grey levels) where the scene states none.
_CAMERAS: Final = {8: (0.25, 1.0, 8.0), 16: (4.0, 12.0, 200.0)}

# Sampling an exposure at n points blurs like R(1 - 1/n^2); below 12 the loss also shows in the spots' shape.
_FEWEST_SUB_STEPS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One capture of particles that diffuse through a light sheet.

    Coordinates as everywhere in nta: the centre of the top-left pixel is the origin, x right, y down; z is
    the distance from the plane that is both in focus and at the centre of the sheet.

    Parameters
    ----------
    population : Population
        Number-weighted law of diameters.
    concentration_per_ml : float, optional
        Particles per mL of liquid.
    particles_per_frame : float, optional
        The same, stated as the mean number inside the field and the sheet's full width at half maximum.
        At most one of the two; 50 per frame when neither is given.
    width_px, height_px : int
        Field, px.
    n_frames : int
        Frames.
    seed : int
        Same scene, same frames.
    mpp, fps, exposure_ms : float
        µm per pixel, frames per second, ms; by default those of the ``ns300`` preset.
    temperature_c : float
        °C.
    medium : {"water", "pbs"}
        Liquid; sets viscosity and refractive index.
    viscosity_mpas : float, optional
        Viscosity, mPa·s, in place of the medium's.
    flow_um_s : tuple of float
        Velocity of the liquid in x and y, µm/s.
    sub_steps : int
        Pieces of an exposure that are drawn one by one, at least 12.
    sheet_fwhm_um : float
        Full width at half maximum of the sheet's intensity over z, µm.
    psf_sd_um : float
        Standard deviation s0 of the Gaussian spot in focus, µm; about 0.21 wavelength/NA.
    defocus_um : float
        z_R in s(z)^2 = s0^2 (1 + (z/z_R)^2), µm.
    brightness : {"equal", "power", "rgd", "mie"}
        How much light a diameter sends to the camera.
    brightness_exponent : float
        Exponent of the power law.
    brightness_cv : float
        Spread between particles of one size (lognormal, mean 1); 0 for none.
    reference_diameter_nm : float
        Diameter, nm, that sends ``reference_photoelectrons``.
    reference_photoelectrons : float
        Photoelectrons per exposure, over the whole spot, from a particle of the reference diameter at the
        sheet's centre.
    dimming : float
        Factor on all light, such as 0.7 for a lower laser power.
    wavelength_nm, scattering_angle_deg : float
        Laser and direction of the camera, for ``rgd`` and ``mie``.
    particle_index : float
        Refractive index of the particles, for ``mie``.
    medium_index : float, optional
        Refractive index of the liquid; the medium's when not given.
    stray_photoelectrons : float
        Mean background light per pixel and exposure.
    gradient_x, gradient_y : float
        Relative change of the illumination from the left (top) edge of the field to the right (bottom) one,
        -1.9 to 1.9; the centre stays as it is.
    bit_depth : {8, 16}
        Bits of a pixel; higher levels are clipped.
    gain : float, optional
        Grey levels per photoelectron; 0.25 at 8 bits and 4 at 16 when not given.
    read_noise : float, optional
        Standard deviation, grey levels; 1 at 8 bits and 12 at 16 when not given.
    offset : float, optional
        Grey level without light; 8 at 8 bits and 200 at 16 when not given.

    Raises
    ------
    SettingsError
        If a value is impossible; the message has the value, the limit and the way out.
    """

    population: Population = field(default_factory=lambda: Lognormal(107.0, 0.275))
    concentration_per_ml: float | None = None
    particles_per_frame: float | None = None
    width_px: int = 640
    height_px: int = 480
    n_frames: int = 1498
    seed: int = 0
    mpp: float = _PRESET.mpp
    fps: float = _PRESET.fps
    exposure_ms: float = _PRESET.exposure_ms
    temperature_c: float = _PRESET.temperature_c
    medium: Medium = _PRESET.medium
    viscosity_mpas: float | None = None
    flow_um_s: tuple[float, float] = (0.0, 0.0)
    sub_steps: int = 16
    sheet_fwhm_um: float = _PRESET.depth_um
    psf_sd_um: float = 0.2
    defocus_um: float = 3.0
    brightness: BrightnessLaw = "power"
    brightness_exponent: float = 2.5
    brightness_cv: float = 0.0
    reference_diameter_nm: float = 100.0
    reference_photoelectrons: float = 6000.0
    dimming: float = 1.0
    wavelength_nm: float = 405.0
    scattering_angle_deg: float = 90.0
    particle_index: float = 1.40
    medium_index: float | None = None
    stray_photoelectrons: float = 0.0
    gradient_x: float = 0.0
    gradient_y: float = 0.0
    bit_depth: int = 8
    gain: float | None = None
    read_noise: float | None = None
    offset: float | None = None

    def __post_init__(self) -> None:
        self._check_finite()
        self._check_counts()
        self._check_optics()
        self._check_camera()
        # The acquisition's own checks, with their own messages: kelvin for °C, nm for µm, long exposures.
        _ = self.acquisition

    def _check_finite(self) -> None:
        for entry in dataclasses.fields(self):
            value = getattr(self, entry.name)
            numbers = value if isinstance(value, tuple) else (value,)
            if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
                raise SettingsError(f"{entry.name}: {value} is not a finite number")

    def _check_counts(self) -> None:
        if self.concentration_per_ml is not None and self.particles_per_frame is not None:
            raise SettingsError(
                f"{self.concentration_per_ml:g} particles per mL and {self.particles_per_frame:g} per frame "
                "are both given; one follows from the other, give one"
            )
        _at_least("concentration_per_ml", self.concentration_per_ml, 0)
        _at_least("particles_per_frame", self.particles_per_frame, 0)
        if self.in_view_mean > 20_000:
            raise SettingsError(
                f"{self.in_view_mean:.3g} particles per frame are more than 20000; lower the concentration or the field"
            )
        for name in ("width_px", "height_px"):
            size = getattr(self, name)
            if not 16 <= size <= 8192:
                raise SettingsError(f"{name}: {size} px is outside 16 to 8192 px")
        _at_least("n_frames", self.n_frames, 1)
        _at_least("seed", self.seed, 0)
        _at_least("sub_steps", self.sub_steps, _FEWEST_SUB_STEPS)

    def _check_optics(self) -> None:
        for name in ("sheet_fwhm_um", "psf_sd_um", "defocus_um", "reference_diameter_nm", "wavelength_nm"):
            _above_zero(name, getattr(self, name))
        for name in ("reference_photoelectrons", "dimming", "stray_photoelectrons", "brightness_cv"):
            _at_least(name, getattr(self, name), 0)
        for name in ("particle_index", "medium_index"):
            _at_least(name, getattr(self, name), 1)
        if self.brightness not in get_args(BrightnessLaw):
            raise SettingsError(
                f"brightness: {self.brightness!r} is no law; there are {', '.join(get_args(BrightnessLaw))}"
            )
        if not 0 < self.scattering_angle_deg < 180:
            raise SettingsError(
                f"scattering_angle_deg: {self.scattering_angle_deg:g} is outside 0 to 180; a light-sheet "
                "microscope looks from 90"
            )
        for name in ("gradient_x", "gradient_y"):
            if not abs(getattr(self, name)) <= 1.9:
                raise SettingsError(f"{name}: {getattr(self, name):g} is outside -1.9 to 1.9; no light is below zero")
        if abs(self.gradient_x) + abs(self.gradient_y) > 1.9:
            raise SettingsError("gradient_x and gradient_y together are above 1.9: a corner would have no light")

    def _check_camera(self) -> None:
        if self.bit_depth not in _CAMERAS:
            raise SettingsError(f"bit_depth: {self.bit_depth} is neither 8 nor 16")
        _above_zero("gain", self.camera_gain)
        _at_least("read_noise", self.read_noise, 0)
        if not 0 <= self.camera_offset <= self.white:
            raise SettingsError(f"offset: {self.camera_offset:g} is outside 0 to {self.white}, the camera's range")

    @property
    def acquisition(self) -> Acquisition:
        """How the capture is taken, as an analysis would know it."""
        settings = Settings(
            mpp=self.mpp,
            fps=self.fps,
            exposure_ms=self.exposure_ms,
            temperature_c=self.temperature_c,
            viscosity_mpas=self.viscosity_mpas,
            medium=self.medium,
            depth_um=self.sheet_fwhm_um,
        )
        return dataclasses.replace(
            resolve(settings)[0], width_px=self.width_px, height_px=self.height_px, n_frames=self.n_frames
        )

    @property
    def frame_time_s(self) -> float:
        """Time from one frame to the next, s."""
        return 1.0 / self.fps

    @property
    def exposure_s(self) -> float:
        """Exposure, s; never longer than a frame."""
        return min(self.exposure_ms / 1000.0, self.frame_time_s)

    @property
    def camera_gain(self) -> float:
        """Grey levels per photoelectron."""
        return _CAMERAS[self.bit_depth][0] if self.gain is None else self.gain

    @property
    def camera_read_noise(self) -> float:
        """Standard deviation of the read noise, grey levels."""
        return _CAMERAS[self.bit_depth][1] if self.read_noise is None else self.read_noise

    @property
    def camera_offset(self) -> float:
        """Grey level without light."""
        return _CAMERAS[self.bit_depth][2] if self.offset is None else self.offset

    @property
    def white(self) -> int:
        """Highest grey level of the camera."""
        return 255 if self.bit_depth == 8 else 65_535

    @property
    def index_of_medium(self) -> float:
        """Refractive index of the liquid."""
        return refractive_index(self.medium) if self.medium_index is None else self.medium_index

    @property
    def volume_in_view_ml(self) -> float:
        """Field times the sheet's full width at half maximum, mL."""
        return self.width_px * self.height_px * self.mpp**2 * self.sheet_fwhm_um / UM3_PER_ML

    @property
    def in_view_mean(self) -> float:
        """Expected number of particles inside field and sheet."""
        if self.concentration_per_ml is not None:
            return self.concentration_per_ml * self.volume_in_view_ml
        return 50.0 if self.particles_per_frame is None else self.particles_per_frame

    @property
    def density_per_um3(self) -> float:
        """Expected number of particles per µm³ of liquid."""
        return self.in_view_mean / (self.volume_in_view_ml * UM3_PER_ML)

    def to_dict(self) -> dict[str, Any]:
        """Return every parameter as JSON types; :meth:`from_dict` reads it."""
        values = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        return {**values, "population": self.population.to_dict(), "flow_um_s": list(self.flow_um_s)}

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> Self:
        """Return the scene that :meth:`to_dict` wrote.

        Raises
        ------
        SettingsError
            If a parameter is unknown or impossible.
        """
        known = {entry.name for entry in dataclasses.fields(cls)}
        unknown = sorted(set(mapping) - known)
        if unknown:
            raise SettingsError(f"{', '.join(unknown)}: there is no such parameter of a scene")
        values = dict(mapping)
        if "population" in values:
            values["population"] = population_from_dict(values["population"])
        if "flow_um_s" in values:
            values["flow_um_s"] = tuple(values["flow_um_s"])
        return cls(**values)


def _at_least(name: str, value: float | None, limit: float) -> None:
    if value is not None and not value >= limit:
        raise SettingsError(f"{name}: {value:g} is below {limit:g}; give {limit:g} or more")


def _above_zero(name: str, value: float) -> None:
    if not value > 0:
        raise SettingsError(f"{name}: {value:g} must be above zero")
