"""Particles that move as they should, without pictures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from nta.detection import Appearance, Detections
from nta.settings import Acquisition

WIDTH, HEIGHT = 320, 240


def make_swarm(
    n: int = 30,
    n_frames: int = 60,
    step_px: float = 2.0,
    flow_px: tuple[float, float] = (0.0, 0.0),
    seed: int = 0,
    missed: float = 0.0,
) -> pd.DataFrame:
    """Return spots of Brownian particles in a flow, each with its ``truth``; who leaves on one side enters anew.

    ``x_free``, ``y_free`` are the same positions without the flow.
    """
    random = np.random.default_rng(seed)
    free = random.uniform((0, 0), (WIDTH, HEIGHT), (n, 2))[None] + np.concatenate(
        [np.zeros((1, n, 2)), np.cumsum(random.normal(0, step_px, (n_frames - 1, n, 2)), axis=0)]
    )
    moved = free + np.arange(n_frames)[:, None, None] * np.array(flow_px)
    # The box is a torus of which the field is a part: a particle that comes back is another one.
    size = np.array([WIDTH + 80.0, HEIGHT + 80.0])
    box = np.floor((moved + 40) / size)
    seen = moved - box * size
    who = np.broadcast_to(np.arange(n), (n_frames, n))
    truth = who + n * (np.cumsum(np.any(np.diff(box, axis=0, prepend=box[:1]) != 0, axis=2), axis=0))
    frame = np.broadcast_to(np.arange(n_frames)[:, None], (n_frames, n))
    inside = np.all((seen > 5) & (seen < np.array([WIDTH - 5, HEIGHT - 5])), axis=2)
    inside &= random.random(inside.shape) >= missed
    shift = np.arange(n_frames)[:, None, None] * np.array(flow_px)
    flow_free = seen - shift
    table = pd.DataFrame(
        {
            "frame": frame[inside],
            "x": seen[inside, 0],
            "y": seen[inside, 1],
            "x_free": flow_free[inside, 0],
            "y_free": flow_free[inside, 1],
            "truth": truth[inside],
        }
    )
    return table.sort_values(["frame", "y", "x"], ignore_index=True)


def make_acquisition(n_frames: int = 60, **changes: float) -> Acquisition:
    """Return the acquisition of the ns300 preset on a field of 320 x 240 px."""
    values = {
        "mpp": 0.14,
        "fps": 25.0,
        "exposure_ms": 32.5,
        "temperature_c": 25.0,
        "viscosity_mpas": 0.89,
        "depth_um": 10.0,
    }
    return Acquisition(**{**values, **changes}, width_px=WIDTH, height_px=HEIGHT, n_frames=n_frames)


def as_detections(table: pd.DataFrame, n_frames: int = 60, **acquisition: float) -> Detections:
    """Return a table of spots as the detector would: every column there, every spot of equal brightness."""
    flat = np.zeros((HEIGHT, WIDTH), dtype=np.float32)
    appearance = Appearance(flat, 1.0, flat + 1, 2.0, False, 0.0, 255)
    equal = {
        "mass": 100.0,
        "size": 2.0,
        "ecc": 0.1,
        "signal": 10.0,
        "raw_mass": 100.0,
        "ep": 0.1,
        "sigma_px": 0.1,
        "disc_mass": 100.0,
    }
    full = {**equal, "x_refined": table["x"], "y_refined": table["y"], **{name: table[name] for name in table}}
    return Detections(
        table=pd.DataFrame(full).astype({"frame": "int64"}),
        acquisition=make_acquisition(n_frames, **acquisition),
        appearance=appearance,
        margin_px=5,
        field_px=(0, 0, WIDTH, HEIGHT),
        masked_px=0,
        diameter_px=9,
        min_mass=50.0,
    )


@pytest.fixture(scope="session")
def swarm() -> Callable[..., pd.DataFrame]:
    """The function :func:`make_swarm`."""
    return make_swarm


@pytest.fixture(scope="session")
def spotted() -> Callable[..., Detections]:
    """The function :func:`as_detections`."""
    return as_detections
