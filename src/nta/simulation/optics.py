"""From paths to light: brightness of a diameter, the sheet, and the spot that widens out of focus."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nta.errors import MissingExtraError
from nta.simulation.motion import Exposure
from nta.simulation.rendering import add_spots
from nta.simulation.scene import Scene

Floats = NDArray[np.float64]

# What a spot adds to a pixel below this many grey levels, over the whole exposure, is left out.
_FLOOR_GREY: Final = 0.02
# Mean light is rounded to this fraction of a photoelectron, so that another processor's last bit of an
# exponential cannot change a frame.
_LIGHT_STEP: Final = 2.0**-10
# A square pixel adds the variance of a uniform law one pixel wide, px².
_PIXEL_VARIANCE: Final = 1.0 / 12.0
_MIE_GRID_NM: Final = np.geomspace(1.0, 10_000.0, 4001)


def rayleigh_gans_debye(diameter_nm: Floats, wavelength_nm: float, angle_deg: float, medium_index: float) -> Floats:
    """Return the light that a sphere scatters into one direction, in relative units: d^6 P(q d/2).

    P(u) = [3 (sin u - u cos u)/u³]², q = (4 pi n/lambda) sin(theta/2) (Bohren & Huffman 1983, section 6.1),
    for spheres of one material whose index is close to that of the liquid.

    Parameters
    ----------
    diameter_nm : (n,) float64
        Diameters, nm.
    wavelength_nm : float
        Wavelength in vacuum, nm.
    angle_deg : float
        Scattering angle, degrees.
    medium_index : float
        Refractive index of the liquid.
    """
    q_per_nm = 4.0 * np.pi * medium_index / wavelength_nm * np.sin(np.radians(angle_deg) / 2.0)
    u = np.maximum(0.5 * q_per_nm * diameter_nm, 1e-3)
    # Below u = 0.05 the numerator cancels; the first terms of its series are exact to 1e-9 there.
    small = 1.0 - u**2 / 10.0 + u**4 / 280.0
    form = np.where(u < 0.05, small, 3.0 * (np.sin(u) - u * np.cos(u)) / u**3)
    result: Floats = diameter_nm**6 * form**2
    return result


@lru_cache(maxsize=8)
def _mie_table(wavelength_nm: float, angle_deg: float, particle_index: float, medium_index: float) -> Floats:
    """Return |S1|² over the diameters of the grid (light polarised across the plane of scattering)."""
    try:
        import miepython
    except ImportError:
        raise MissingExtraError(
            "the brightness law 'mie' needs miepython: pip install 'nta[mie]', or take the law 'rgd'"
        ) from None
    cosine = np.cos(np.radians(angle_deg))
    sizes = np.pi * _MIE_GRID_NM * medium_index / wavelength_nm
    amplitudes = [
        miepython.S1_S2(particle_index / medium_index, x, np.array([cosine]), norm="wiscombe")[0][0] for x in sizes
    ]
    intensities: Floats = np.abs(np.array(amplitudes)) ** 2
    return intensities


def mie(
    diameter_nm: Floats, wavelength_nm: float, angle_deg: float, particle_index: float, medium_index: float
) -> Floats:
    """Return the light that a sphere of any index scatters into one direction, in relative units: |S1|².

    Parameters
    ----------
    diameter_nm : (n,) float64
        Diameters, nm; interpolated in a table of 0.23 % steps.
    wavelength_nm : float
        Wavelength in vacuum, nm.
    angle_deg : float
        Scattering angle, degrees.
    particle_index, medium_index : float
        Refractive indices.

    Raises
    ------
    MissingExtraError
        If miepython is not installed.
    """
    table = _mie_table(wavelength_nm, angle_deg, particle_index, medium_index)
    return np.exp(np.interp(np.log(diameter_nm), np.log(_MIE_GRID_NM), np.log(table)))


def _relative(scene: Scene, diameter_nm: Floats) -> Floats:
    if scene.brightness == "equal":
        return np.ones_like(diameter_nm)
    if scene.brightness == "power":
        result: Floats = diameter_nm**scene.brightness_exponent
        return result
    angle, index = scene.scattering_angle_deg, scene.index_of_medium
    if scene.brightness == "rgd":
        return rayleigh_gans_debye(diameter_nm, scene.wavelength_nm, angle, index)
    return mie(diameter_nm, scene.wavelength_nm, angle, scene.particle_index, index)


def photoelectrons(scene: Scene, diameter_nm: Floats) -> Floats:
    """Return the photoelectrons per exposure of a particle at the sheet's centre, without its own spread.

    Parameters
    ----------
    scene : Scene
        Law and scale.
    diameter_nm : (n,) float64
        Diameters, nm.
    """
    reference = _relative(scene, np.array([scene.reference_diameter_nm]))[0]
    light: Floats = scene.dimming * scene.reference_photoelectrons * _relative(scene, diameter_nm) / reference
    return light


def sheet(scene: Scene, z_um: Floats) -> Floats:
    """Return the sheet's intensity relative to its centre: exp(-4 ln 2 z²/FWHM²)."""
    intensity: Floats = np.exp(-4.0 * np.log(2.0) * (z_um / scene.sheet_fwhm_um) ** 2)
    return intensity


def spot_sd_um(scene: Scene, z_um: Floats) -> Floats:
    """Return the standard deviation of the spot at a distance from focus: s0 sqrt(1 + (z/z_R)²), µm."""
    return scene.psf_sd_um * np.hypot(1.0, z_um / scene.defocus_um)


def illumination(scene: Scene, x_px: Floats, y_px: Floats) -> Floats:
    """Return the illumination at positions in the field relative to its centre; never below zero."""
    across = (x_px + 0.5) / scene.width_px - 0.5
    down = (y_px + 0.5) / scene.height_px - 0.5
    return np.maximum(1.0 + scene.gradient_x * across + scene.gradient_y * down, 0.0)


def own_brightness(scene: Scene, character: Floats) -> Floats:
    """Return each particle's own factor on its light: lognormal, mean 1, the same in every frame.

    Parameters
    ----------
    scene : Scene
        ``brightness_cv``.
    character : (n,) float64
        Standard normals.
    """
    log_variance = np.log1p(scene.brightness_cv**2)
    factor: Floats = np.exp(np.sqrt(log_variance) * character - 0.5 * log_variance)
    return factor


@dataclass(frozen=True, slots=True)
class Spots:
    """What the particles of one exposure send to the camera, sub-step by sub-step.

    Parameters
    ----------
    x_px, y_px : (n, sub_steps) float64
        Centres, px.
    sd_px : (n, sub_steps) float64
        Standard deviations on the pixels, px (motion within the sub-step and the pixel itself included).
    light : (n, sub_steps) float64
        Mean photoelectrons of the whole spot.
    """

    x_px: Floats
    y_px: Floats
    sd_px: Floats
    light: Floats


def spots(scene: Scene, exposure: Exposure) -> Spots:
    """Return the spots of an exposure: brightness follows the sheet, and width the focus, at every sub-step.

    The particle moves within a sub-step too: about its mean position by D t/3 on average (the variance of a
    Brownian path of duration t about its own mean), which widens the spot.
    """
    x, y = (np.ascontiguousarray(exposure.path_um[:, :, axis]) / scene.mpp for axis in (0, 1))
    z = np.ascontiguousarray(exposure.path_um[:, :, 2])
    particles = exposure.particles
    wander = particles.diffusion_um2_s[:, None] * (scene.exposure_s / scene.sub_steps) / 3.0
    sd = np.sqrt((spot_sd_um(scene, z) ** 2 + wander) / scene.mpp**2 + _PIXEL_VARIANCE)
    full = photoelectrons(scene, particles.diameter_nm) * own_brightness(scene, particles.character)
    light = full[:, None] / scene.sub_steps * sheet(scene, z) * illumination(scene, x, y)
    return Spots(x, y, sd, light)


def mean_light(scene: Scene, of: Spots) -> Floats:
    """Return the mean photoelectrons that the particles send to each pixel, (height, width) float64."""
    image = np.zeros((scene.height_px, scene.width_px))
    floor = _FLOOR_GREY / scene.camera_gain / scene.sub_steps
    add_spots(image, of.x_px.ravel(), of.y_px.ravel(), of.sd_px.ravel(), of.light.ravel(), floor)
    rounded: Floats = np.rint(image / _LIGHT_STEP) * _LIGHT_STEP
    return rounded
