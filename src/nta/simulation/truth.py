"""What a perfect tool would say of a simulated capture."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

import nta
from nta.errors import UsageError
from nta.simulation.motion import Exposure
from nta.simulation.optics import Spots
from nta.simulation.rendering import own_peaks
from nta.simulation.scene import Scene

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

TRUTH_SCHEMA: Final = "nta.truth/1"

POSITION_COLUMNS: Final = (
    "frame",
    "particle",
    "x",
    "y",
    "z_um",
    "x_light",
    "y_light",
    "diameter_nm",
    "photoelectrons",
    "peak_grey",
    "in_view",
)
"""Columns of the table of positions; x and y in px, as everywhere.

``x``, ``y``, ``z_um`` are means over the exposure, ``x_light``, ``y_light`` the same weighted by the light
sent. ``photoelectrons`` is the mean light of the whole spot, ``peak_grey`` the particle's own grey levels
above the background at (``x_light``, ``y_light``), both without noise.
"""


def truth_path(video: str | Path) -> Path:
    """Return the path of the truth beside a video: ``<stem>.truth.json``."""
    return Path(video).with_suffix(".truth.json")


def positions_path(video: str | Path) -> Path:
    """Return the path of the table of positions beside a video: ``<stem>.truth.parquet``."""
    return Path(video).with_suffix(".truth.parquet")


@dataclass(frozen=True, slots=True)
class Truth:
    """A scene and what of it was in view.

    In view is a particle whose mean position over the exposure lies in the field and within half the sheet's
    full width at half maximum of its centre.

    Parameters
    ----------
    scene : Scene
        Every parameter.
    diameter_nm : (n,) float64
        Diameters of the distinct particles that were in view at least once, ascending, nm.
    frames_in_view : (n,) int64
        In how many frames each was in view.
    in_view : (n_frames,) int64
        Number in view in each frame.
    positions : DataFrame or None
        Columns :data:`POSITION_COLUMNS`, where they were asked for.
    """

    scene: Scene
    diameter_nm: Floats
    frames_in_view: Integers
    in_view: Integers
    positions: pd.DataFrame | None = None

    @property
    def n_distinct(self) -> int:
        """Number of distinct particles that were in view."""
        return self.diameter_nm.size

    @property
    def per_frame(self) -> float:
        """Mean number in view."""
        return float(self.in_view.mean())

    @property
    def concentration_per_ml(self) -> float:
        """Time-averaged number density in field times sheet, particles/mL."""
        return self.per_frame / self.scene.volume_in_view_ml

    @property
    def mean_nm(self) -> float:
        """Mean of the time-averaged diameters in view, nm; NaN when nothing was in view."""
        return float(np.average(self.diameter_nm, weights=self.frames_in_view)) if self.n_distinct else float("nan")

    @property
    def sd_nm(self) -> float:
        """Standard deviation of the time-averaged diameters in view, nm; NaN when nothing was in view."""
        if not self.n_distinct:
            return float("nan")
        return float(np.sqrt(np.average((self.diameter_nm - self.mean_nm) ** 2, weights=self.frames_in_view)))

    def quantile_nm(self, fraction: float) -> float:
        """Return the diameter below which ``fraction`` of the time-averaged particles in view lie, nm.

        Parameters
        ----------
        fraction : float
            0 to 1.

        Returns
        -------
        float
            Inverse of the weighted step distribution; NaN when nothing was in view.
        """
        if not self.n_distinct:
            return float("nan")
        cumulative = np.cumsum(self.frames_in_view)
        index = int(np.searchsorted(cumulative, fraction * cumulative[-1], side="left"))
        return float(self.diameter_nm[min(index, self.n_distinct - 1)])

    def to_dict(self) -> dict[str, Any]:
        """Return the truth as strict JSON types; missing is ``None``."""
        size = {"mean": self.mean_nm, "sd": self.sd_nm} | {f"d{p}": self.quantile_nm(p / 100) for p in (10, 50, 90)}
        return {
            "schema": TRUTH_SCHEMA,
            "nta": nta.__version__,
            "scene": self.scene.to_dict(),
            "derived": {
                "concentration_per_ml": self.scene.in_view_mean / self.scene.volume_in_view_ml,
                "viscosity_mpas": self.scene.acquisition.viscosity_mpas,
                "frame_time_s": self.scene.frame_time_s,
                "gain": self.scene.camera_gain,
                "read_noise": self.scene.camera_read_noise,
                "offset": self.scene.camera_offset,
            },
            "in_view": {
                "what": "mean position over the exposure inside the field and |z| <= sheet_fwhm_um/2",
                "volume_ml": self.scene.volume_in_view_ml,
                "particles_per_frame": self.per_frame,
                "concentration_per_ml": self.concentration_per_ml,
                "distinct_particles": self.n_distinct,
                "size_nm": {name: None if np.isnan(value) else value for name, value in size.items()},
                "diameter_nm": [round(float(d), 3) for d in self.diameter_nm],
                "frames_in_view": self.frames_in_view.tolist(),
                "particles_in_frame": self.in_view.tolist(),
            },
        }

    def save(self, path: str | Path) -> None:
        """Write the truth as JSON, whole or not at all."""
        path = Path(path)
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_text(json.dumps(self.to_dict(), allow_nan=False) + "\n", encoding="utf-8")
        temporary.replace(path)

    def save_positions(self, path: str | Path) -> None:
        """Write the table of positions as Parquet, whole or not at all."""
        if self.positions is None:
            raise UsageError("no positions were kept; ask for them with positions=True")
        path = Path(path)
        temporary = path.with_name(f".{path.name}.tmp")
        self.positions.to_parquet(temporary, index=False)
        temporary.replace(path)

    @classmethod
    def load(cls, path: str | Path) -> Truth:
        """Read what :meth:`save` wrote (diameters to 0.001 nm).

        Raises
        ------
        UsageError
            If the file is missing or is no truth file.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot read the truth {str(path)!r}: {error}") from None
        if not isinstance(values, dict) or values.get("schema") != TRUTH_SCHEMA:
            raise UsageError(f"{str(path)!r} is not a truth file of schema {TRUTH_SCHEMA}")
        try:
            scene, view = Scene.from_dict(values["scene"]), values["in_view"]
            diameter_nm = np.array(view["diameter_nm"], dtype=np.float64)
            counts = [np.array(view[name], dtype=np.int64) for name in ("frames_in_view", "particles_in_frame")]
        except (KeyError, TypeError) as error:
            raise UsageError(f"the truth {str(path)!r} is not complete: {error}") from None
        return cls(scene, diameter_nm, counts[0], counts[1])


class Recorder:
    """Collects what is in view, frame by frame."""

    def __init__(self, scene: Scene, *, positions: bool = False) -> None:
        self._scene = scene
        self._ids: list[Integers] = []
        self._diameters: list[Floats] = []
        self._rows: list[dict[str, Any]] | None = [] if positions else None

    def add(self, exposure: Exposure, light: Spots | None) -> None:
        """Note one exposure; ``light`` is needed where positions are kept."""
        mean = exposure.mean_position_um
        x, y = mean[:, 0] / self._scene.mpp, mean[:, 1] / self._scene.mpp
        scene = self._scene
        in_field = (x >= -0.5) & (x < scene.width_px - 0.5) & (y >= -0.5) & (y < scene.height_px - 0.5)
        in_view = in_field & (np.abs(mean[:, 2]) <= 0.5 * scene.sheet_fwhm_um)
        self._ids.append(exposure.particles.id[in_view])
        self._diameters.append(exposure.particles.diameter_nm[in_view])
        if self._rows is not None and light is not None:
            columns = _position_columns(scene, exposure, light, mean) | {"in_view": in_view}
            self._rows.append({name: columns[name][in_field] for name in POSITION_COLUMNS})

    def truth(self) -> Truth:
        """Return the truth of all exposures noted so far."""
        ids, first, counts = np.unique(np.concatenate(self._ids), return_index=True, return_counts=True)
        diameters = np.concatenate(self._diameters)[first]
        order = np.lexsort((ids, diameters))
        in_view = np.array([frame_ids.size for frame_ids in self._ids], dtype=np.int64)
        return Truth(self._scene, diameters[order], counts[order].astype(np.int64), in_view, self._table())

    def _table(self) -> pd.DataFrame | None:
        if self._rows is None:
            return None
        import pandas as pd

        return pd.DataFrame({name: np.concatenate([row[name] for row in self._rows]) for name in POSITION_COLUMNS})


def _position_columns(scene: Scene, exposure: Exposure, light: Spots, mean_um: Floats) -> dict[str, Any]:
    """Return the columns of every particle of the box, ``in_view`` left out."""
    total = light.light.sum(axis=1)
    # A particle without any light has no light-weighted position; its mean position is the limit.
    weights = np.where(total[:, None] > 0, light.light, 1.0)
    weights = weights / weights.sum(axis=1, keepdims=True)
    x_light, y_light = (light.x_px * weights).sum(axis=1), (light.y_px * weights).sum(axis=1)
    peak = own_peaks(light.x_px, light.y_px, light.sd_px, light.light, x_light, y_light)
    return {
        "frame": np.full(total.size, exposure.frame, dtype=np.int64),
        "particle": exposure.particles.id,
        "x": mean_um[:, 0] / scene.mpp,
        "y": mean_um[:, 1] / scene.mpp,
        "z_um": mean_um[:, 2],
        "x_light": x_light,
        "y_light": y_light,
        "diameter_nm": exposure.particles.diameter_nm,
        "photoelectrons": total,
        "peak_grey": scene.camera_gain * peak,
    }
