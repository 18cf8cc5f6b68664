"""Brownian motion of many particles, in three dimensions, in a box that is open to an infinite reservoir."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nta.simulation.scene import Scene

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_UM2_PER_M2: Final = 1e12
_SHEET_SD_PER_FWHM: Final = 1.0 / np.sqrt(8.0 * np.log(2.0))

# Half the box's depth in standard deviations of the sheet: exp(-4²/2) leaves 0.03 % of the light, spread by
# defocus over 30 times the area.
_SHEET_REACH_SD: Final = 4.0
# A particle that enters is first seen one frame later, at most this many standard deviations inside the wall.
_STEP_REACH_SD: Final = 5.0
# Spots of particles outside the field reach into it by this many of their own standard deviations.
_SPOT_REACH_SD: Final = 4.0


@dataclass(frozen=True, slots=True)
class Particles:
    """Particles at one instant.

    Parameters
    ----------
    id : (n,) int64
        Never used twice in one capture.
    diameter_nm : (n,) float64
        Hydrodynamic diameter, nm.
    diffusion_um2_s : (n,) float64
        Diffusion coefficient, µm²/s.
    character : (n,) float64
        One standard normal of each particle's own: where it lies in the spread of brightness at one size.
    position_um : (n, 3) float64
        x, y, z in µm; x = y = 0 at the centre of the top-left pixel, z = 0 in the sheet's centre.
    """

    id: Integers
    diameter_nm: Floats
    diffusion_um2_s: Floats
    character: Floats
    position_um: Floats

    def __len__(self) -> int:
        """Return the number of particles."""
        return self.id.size

    def select(self, chosen: NDArray[np.bool_]) -> Particles:
        """Return the chosen particles, in the same order."""
        return Particles(*(getattr(self, entry.name)[chosen] for entry in fields(self)))

    def joined(self, other: Particles) -> Particles:
        """Return these particles followed by ``other``."""
        return Particles(
            *(np.concatenate((getattr(self, entry.name), getattr(other, entry.name))) for entry in fields(self))
        )


@dataclass(frozen=True, slots=True)
class Exposure:
    """The paths of all particles of the box while the shutter is open.

    Parameters
    ----------
    frame : int
        Frame number from 0.
    particles : Particles
        At the moment when the shutter opens.
    path_um : (n, sub_steps, 3) float64
        Mean position over each sub-step, µm; their mean is the exact mean position over the exposure.
    """

    frame: int
    particles: Particles
    path_um: Floats

    @property
    def mean_position_um(self) -> Floats:
        """Exact mean position over the exposure, µm, shape (n, 3)."""
        mean: Floats = self.path_um.mean(axis=1)
        return mean


def diffusion_um2_s(scene: Scene, diameter_nm: Floats) -> Floats:
    """Return the Stokes-Einstein diffusion coefficients in the scene's liquid, µm²/s."""
    return scene.acquisition.diffusion_m2_s(diameter_nm) * _UM2_PER_M2


class Box:
    """A box of liquid around the field and the sheet, open on all sides to an infinite reservoir.

    Around the box the liquid goes on: the same population at the same number density, spread evenly. What the
    box receives in one frame time is therefore found by letting that outer liquid diffuse: a Poisson number
    of new particles is drawn in a collar around the box, each takes its own exact step, and those that end
    inside have entered. A particle that ends outside is gone.

    This keeps number density and size distribution exactly those of the population at all times, including
    flow and corners. The obvious short cut, to replace each leaver at the opposite wall by a draw from the
    population, does not: small particles cross walls more often (flux proportional to sqrt(D)), so each
    crossing would replace a small particle by an average one and the box would fill up with large ones.
    Newcomers must be drawn from the flux-weighted law and at the depth behind the wall that belongs to their
    own step, which is what the collar does without a formula. The number of particles fluctuates as in a
    real liquid (Poisson; Smoluchowski 1916), it is not held fixed.

    The collar is five standard deviations of the step of the population's smallest particle deep, plus the
    flow; beyond it one newcomer in a million would start.

    Parameters
    ----------
    scene : Scene
        What to simulate.
    rng : numpy.random.Generator
        Source of positions, steps and diameters.
    """

    def __init__(self, scene: Scene, rng: np.random.Generator) -> None:
        self._scene = scene
        self._rng = rng
        self._frame_s = scene.frame_time_s
        self._exposure_s = scene.exposure_s
        self._flow = np.array([*scene.flow_um_s, 0.0])
        self._diffusion_of_one_nm = diffusion_um2_s(scene, np.ones(1))[0]
        longest_step = np.sqrt(2.0 * self._diffusion_of_one_nm / scene.population.smallest_nm * self._frame_s)
        self._collar = _STEP_REACH_SD * longest_step + np.abs(self._flow) * self._frame_s
        self.low_um, self.high_um = _box(scene, self._collar)
        self._next_id = 0
        self._particles = self._draw(self.low_um, self.high_um)

    @property
    def particles(self) -> Particles:
        """The particles in the box at the start of the next exposure."""
        return self._particles

    @property
    def volume_um3(self) -> float:
        """Volume of the box, µm³."""
        return float(np.prod(self.high_um - self.low_um))

    def exposures(self) -> Iterator[Exposure]:
        """Yield one exposure after the other."""
        for frame in range(self._scene.n_frames):
            start = self._particles
            path, end = self._expose(start)
            yield Exposure(frame, start, path)
            self._particles = self._after(replace(start, position_um=end))

    def _expose(self, particles: Particles) -> tuple[Floats, Floats]:
        """Return the mean positions over the sub-steps and the positions when the shutter closes.

        Over a time t the mean position of a free Brownian path of increment u, from x, is x + u/2 plus an
        independent normal of variance D t/6 (the mean of a Brownian bridge, sd² 2 D t/12): drawing it too
        makes the blur of the whole exposure exact, with R in place of R(1 - 1/n²).
        """
        n = self._scene.sub_steps
        dt = self._exposure_s / n
        shape = (len(particles), n, 3)
        sd = np.sqrt(2.0 * particles.diffusion_um2_s * dt)[:, None, None]
        steps = self._rng.standard_normal(shape) * sd + self._flow * dt
        ends = particles.position_um[:, None, :] + np.cumsum(steps, axis=1)
        bridges = self._rng.standard_normal(shape) * (sd / np.sqrt(12.0))
        return ends - 0.5 * steps + bridges, ends[:, -1, :]

    def _after(self, closed: Particles) -> Particles:
        """Return the particles at the start of the next exposure: stayed or entered."""
        moved = self._moved(closed, self._frame_s - self._exposure_s)
        stayed = moved.select(self._inside(moved.position_um))
        return stayed.joined(self._entered())

    def _moved(self, particles: Particles, time_s: float) -> Particles:
        sd = np.sqrt(2.0 * particles.diffusion_um2_s * time_s)[:, None]
        step = self._rng.standard_normal((len(particles), 3)) * sd + self._flow * time_s
        return replace(particles, position_um=particles.position_um + step)

    def _entered(self) -> Particles:
        outer = self._draw(self.low_um - self._collar, self.high_um + self._collar)
        outside = outer.select(~self._inside(outer.position_um))
        moved = self._moved(outside, self._frame_s)
        return moved.select(self._inside(moved.position_um))

    def _draw(self, low_um: Floats, high_um: Floats) -> Particles:
        """Return a Poisson number of new particles, evenly spread between two corners."""
        n = int(self._rng.poisson(self._scene.density_per_um3 * float(np.prod(high_um - low_um))))
        diameter_nm = self._scene.population.sample(self._rng, n)
        position_um = low_um + self._rng.random((n, 3)) * (high_um - low_um)
        identity = np.arange(self._next_id, self._next_id + n, dtype=np.int64)
        self._next_id += n
        diffusion = self._diffusion_of_one_nm / diameter_nm
        return Particles(identity, diameter_nm, diffusion, self._rng.standard_normal(n), position_um)

    def _inside(self, position_um: Floats) -> NDArray[np.bool_]:
        within = (position_um >= self.low_um) & (position_um < self.high_um)
        return within[:, 0] & within[:, 1] & within[:, 2]


def _box(scene: Scene, collar_um: Floats) -> tuple[Floats, Floats]:
    """Return the lower and upper corner of the box, µm: all that can send light to the camera, and a step."""
    z = _SHEET_REACH_SD * scene.sheet_fwhm_um * _SHEET_SD_PER_FWHM
    # At the sheet's half maximum the spot is wide and still bright.
    edge_sd = scene.psf_sd_um * np.hypot(1.0, 0.5 * scene.sheet_fwhm_um / scene.defocus_um)
    reach = np.array([_SPOT_REACH_SD * edge_sd, _SPOT_REACH_SD * edge_sd, z]) + collar_um
    corner = np.array([-0.5 * scene.mpp, -0.5 * scene.mpp, 0.0])
    extent = np.array([scene.width_px * scene.mpp, scene.height_px * scene.mpp, 0.0])
    return corner - reach, corner + extent + reach
