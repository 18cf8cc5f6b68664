"""The loop over frames: motion, light, camera, and what was in view."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from nta.errors import UsageError
from nta.progress import Progress, silent
from nta.simulation.camera import Camera, Frame
from nta.simulation.motion import Box
from nta.simulation.optics import mean_light, spots
from nta.simulation.scene import Scene
from nta.simulation.truth import Recorder, Truth, positions_path, truth_path

_LOSSLESS: Final = (".avi", ".mkv", ".tif", ".tiff")


def frames(scene: Scene) -> Iterator[Frame]:
    """Yield the frames of a scene, one at a time.

    Parameters
    ----------
    scene : Scene
        What to simulate.

    Yields
    ------
    (height, width) uint8 or uint16 array
    """
    return _frames(scene, Recorder(scene), silent)


def observe(scene: Scene, *, positions: bool = False) -> Truth:
    """Return what is in view in a scene without making its frames.

    Parameters
    ----------
    scene : Scene
        What to simulate.
    positions : bool
        Keep the position of every particle in every frame (:attr:`Truth.positions`).
    """
    recorder = Recorder(scene, positions=positions)
    for exposure in Box(scene, _generators(scene)[0]).exposures():
        recorder.add(exposure, spots(scene, exposure) if positions else None)
    return recorder.truth()


def simulate(scene: Scene, path: str | Path, *, positions: bool = False, progress: Progress | None = None) -> Truth:
    """Write a video of a scene, and beside it ``<stem>.truth.json``.

    Parameters
    ----------
    scene : Scene
        What to simulate.
    path : str or Path
        Video to write; the suffix chooses the format (.avi, .mkv, .tif). Folders are created.
    positions : bool
        Also write ``<stem>.truth.parquet``: one row for each particle and frame.
    progress : Progress, optional
        Called after every frame.

    Returns
    -------
    Truth
        Every parameter, and what was in view.

    Raises
    ------
    UsageError
        If the file cannot be written or the format cannot hold the frames.
    MissingExtraError
        If the brightness law is ``mie`` and miepython is not installed.
    """
    from nta.video import write_video

    path = Path(path)
    if path.suffix.lower() not in _LOSSLESS:
        raise UsageError(f"'{path.name}' cannot hold lossless frames; name it {', '.join(_LOSSLESS)}")
    recorder = Recorder(scene, positions=positions)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(
            path,
            _frames(scene, recorder, progress or silent),
            fps=scene.fps,
            mpp=scene.mpp,
            exposure_ms=scene.exposure_ms,
        )
        truth = recorder.truth()
        truth.save(truth_path(path))
        # A table of an earlier video of this name would contradict the new one.
        positions_path(path).unlink(missing_ok=True)
        if truth.positions is not None:
            truth.save_positions(positions_path(path))
    except OSError as error:
        raise UsageError(f"cannot write {str(path)!r}: {error.strerror or error}") from None
    return truth


def _generators(scene: Scene) -> tuple[np.random.Generator, np.random.Generator]:
    """Return the generators of motion and camera: another camera sees the same particles."""
    motion, camera = np.random.SeedSequence(scene.seed).spawn(2)
    return np.random.Generator(np.random.PCG64(motion)), np.random.Generator(np.random.PCG64(camera))


def _frames(scene: Scene, recorder: Recorder, progress: Progress) -> Iterator[Frame]:
    motion, noise = _generators(scene)
    camera = Camera(scene, noise)
    progress("simulating", 0, scene.n_frames)
    for exposure in Box(scene, motion).exposures():
        light = spots(scene, exposure)
        recorder.add(exposure, light)
        yield camera.capture(mean_light(scene, light))
        progress("simulating", exposure.frame + 1, scene.n_frames)
