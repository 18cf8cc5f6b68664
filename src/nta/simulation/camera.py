"""From photoelectrons to grey levels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nta.simulation.optics import illumination
from nta.simulation.scene import Scene

Frame = NDArray[np.uint8] | NDArray[np.uint16]


class Camera:
    """A linear camera: grey = offset + gain * (Poisson of the light) + read noise, rounded and clipped.

    The light of the particles is drawn from the exact Poisson law. Stray light lies on every pixel, where
    that would cost more than all the rest: it is drawn as a normal of the same mean and variance, together
    with the read noise.

    Parameters
    ----------
    scene : Scene
        Gain, noise, offset, bit depth and stray light.
    rng : numpy.random.Generator
        Source of the noise.
    """

    def __init__(self, scene: Scene, rng: np.random.Generator) -> None:
        self._rng = rng
        self._gain = scene.camera_gain
        self._white = scene.white
        x, y = np.meshgrid(np.arange(scene.width_px, dtype=np.float64), np.arange(scene.height_px, dtype=np.float64))
        stray = scene.dimming * scene.stray_photoelectrons * illumination(scene, x, y)
        self._level = (scene.camera_offset + self._gain * stray).astype(np.float32)
        self._noise_sd = np.sqrt(scene.camera_read_noise**2 + self._gain**2 * stray).astype(np.float32)

    def capture(self, light: NDArray[np.float64]) -> Frame:
        """Return one frame of the camera's bit depth.

        Parameters
        ----------
        light : (height, width) float64
            Mean photoelectrons of the particles on each pixel.
        """
        grey = self._rng.standard_normal(light.shape, dtype=np.float32)
        grey *= self._noise_sd
        grey += self._level
        lit = np.flatnonzero(light)
        grey.ravel()[lit] += (self._gain * self._rng.poisson(light.ravel()[lit])).astype(np.float32)
        np.rint(grey, out=grey)
        np.clip(grey, 0, self._white, out=grey)
        return grey.astype(np.uint8) if self._white == 255 else grey.astype(np.uint16)
