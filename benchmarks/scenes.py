"""The captures on which accuracy is judged: twelve scenes with known truth, and the bar of each.

640 x 480 px of 0.166 µm, 25 frames per second, 15 ms of exposure, 50 particles per frame in the sheet, brightness
as diameter^2.5, 30 s, unless a scene says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from nta.settings import Settings
from nta.simulation import Lognormal, Mixture, OneSize, Population, Scene

BASE: Final[dict[str, Any]] = {
    "mpp": 0.166,
    "fps": 25.0,
    "exposure_ms": 15.0,
    "width_px": 640,
    "height_px": 480,
    "particles_per_frame": 50.0,
}
EXOSOMES: Final = Lognormal(107.0, 0.275)


def settings_of(scene: Scene) -> Settings:
    """Return the acquisition stated as it was simulated; the depth stays nominal."""
    return Settings(
        mpp=scene.mpp,
        fps=scene.fps,
        exposure_ms=scene.exposure_ms,
        temperature_c=scene.temperature_c,
        viscosity_mpas=scene.viscosity_mpas,
    )


@dataclass(frozen=True, slots=True)
class Case:
    """One scene, and how far the mean over seeds may be off; ``None`` where the scene has no such bar.

    Parameters
    ----------
    name : str
        What people call it.
    population : Population
        Diameters.
    duration_s : float
        Length of the capture, s.
    changes : dict
        What differs from :data:`BASE`.
    mode, quantiles, flow : float or tuple, optional
        Largest relative error of the mode, of (D10, D50, D90), of the flow's larger component.
    wasserstein_nm : float, optional
        Largest mean Wasserstein-1 distance to what was in view, nm.
    peaks_nm : tuple of float
        Where exactly these peaks must be, each within 4 % and with shares within 0.06.
    """

    name: str
    population: Population
    duration_s: float = 30.0
    changes: dict[str, Any] = field(default_factory=dict)
    mode: float | None = None
    quantiles: tuple[float, float, float] | None = None
    flow: float | None = None
    wasserstein_nm: float | None = None
    peaks_nm: tuple[float, ...] = ()

    def scene(self, seed: int) -> Scene:
        """Return the capture of one seed."""
        values = {**BASE, **self.changes}
        n_frames = round(self.duration_s * values["fps"])
        return Scene(population=self.population, n_frames=n_frames, seed=seed, **values)


def _beads(name: str, diameter_nm: float, wasserstein_nm: float, **changes: Any) -> Case:
    return Case(name, OneSize(diameter_nm), changes=changes, mode=0.02, wasserstein_nm=wasserstein_nm)


CASES: Final[tuple[Case, ...]] = (
    _beads("60 nm", 60.0, 2.0),
    _beads("100 nm", 100.0, 2.7),
    _beads("200 nm", 200.0, 4.0),
    _beads("100 nm, 8 °C and 2.2 mPa·s", 100.0, 2.7, temperature_c=8.0, viscosity_mpas=2.2),
    _beads("100 nm, 70 % dimmer", 100.0, 2.7, dimming=0.3),
    _beads("100 nm, flow 12 µm/s", 100.0, 2.7, flow_um_s=(12.0, 0.0)),
    _beads("100 nm, 200 per frame", 100.0, 2.7, particles_per_frame=200.0),
    _beads("100 nm, 12 per frame", 100.0, 3.0, particles_per_frame=12.0),
    Case("80 + 150 nm", Mixture((OneSize(80.0), OneSize(150.0)), (0.5, 0.5)), peaks_nm=(80.0, 150.0)),
    Case("exosomes", EXOSOMES, 60.0, quantiles=(0.04, 0.04, 0.045), wasserstein_nm=3.5),
    Case(
        "exosomes, light as d^6",
        EXOSOMES,
        60.0,
        {"brightness_exponent": 6.0},
        quantiles=(0.10, 0.10, 0.10),
        wasserstein_nm=9.0,
    ),
    Case(
        "NS300-like, flow 11 µm/s",
        EXOSOMES,
        60.0,
        {
            "mpp": 0.14,
            "fps": 24.9825,
            "exposure_ms": 32.5,
            "width_px": 800,
            "height_px": 600,
            "flow_um_s": (11.0, 0.0),
        },
        quantiles=(0.04, 0.04, 0.04),
        flow=0.04,
        wasserstein_nm=3.5,
    ),
)
