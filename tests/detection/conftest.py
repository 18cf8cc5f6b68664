"""Small captures for the tests of detection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nta.simulation import Scene, Truth, simulate
from nta.video import Video, open_video, write_video


@pytest.fixture
def film(tmp_path: Path) -> Callable[..., Video]:
    """The function ``film(frames, name="film.mkv")``: a video of given frames."""

    def write(frames: Sequence[np.ndarray] | np.ndarray, name: str = "film.mkv") -> Video:
        return open_video(write_video(tmp_path / name, frames, fps=25.0))

    return write


@pytest.fixture
def filmed(tmp_path: Path) -> Callable[..., tuple[Video, Truth]]:
    """The function ``filmed(**scene)``: a simulated capture, and what was where in it."""

    def capture(**parameters: Any) -> tuple[Video, Truth]:
        path = tmp_path / "capture.mkv"
        truth = simulate(Scene(**parameters), path, positions=True)
        return open_video(path), truth

    return capture
