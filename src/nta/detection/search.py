"""Every frame of a video through finder and second localisation, in several threads, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nta.detection.appearance import Appearance
from nta.detection.engines import Finder
from nta.detection.rows import COLUMNS, Columns, FrameRows, Sorting
from nta.localisation import how_far_px, localise
from nta.progress import Progress
from nta.spot_pixels import patches_around
from nta.threads import thread_count
from nta.video import RepeatFilter, Video

_AHEAD: Final = 2
"""Frames that wait for each thread: enough to keep it busy, few enough for the memory."""

_NOTHING: Final = FrameRows(np.empty((0, len(COLUMNS) + 1)), np.empty((0, len(COLUMNS) + 1)), 0)


@dataclass(frozen=True)
class Search:
    """What is looked for in every frame, and how.

    Parameters
    ----------
    window : tuple of slice
        Rows and columns of the frame that are searched.
    frames : tuple of int
        First frame, and the one after the last; ``None`` for the end of the video.
    appearance : Appearance
        What the video looks like.
    finders : sequence of Finder
        One for each thread.
    least_mass : float
        Least light of a spot, grey levels.
    radius_px : float
        Radius of the disc of the second localisation, px.
    sorting : Sorting
        Which of them are spots, dimmer ones, or left out.
    """

    window: tuple[slice, slice]
    frames: tuple[int, int | None]
    appearance: Appearance
    finders: Sequence[Finder]
    least_mass: float
    radius_px: float
    sorting: Sorting


class Found(NamedTuple):
    """What all frames hold.

    Parameters
    ----------
    spots, dimmer : DataFrame
        One row a spot, with :data:`~nta.detection.rows.COLUMNS` and ``frame``, sorted by ``frame``, ``y`` and ``x``.
    n_excluded : int
        Spots in excluded rectangles.
    n_frames : int
        Frames looked at.
    """

    spots: pd.DataFrame
    dimmer: pd.DataFrame
    n_excluded: int
    n_frames: int


def search_frames(video: Video, asked: Search, repeats: RepeatFilter, progress: Progress) -> Found:
    """Return the spots of all frames.

    Frames are decoded here and searched in as many threads as there are finders, a few at a time, so that memory does
    not grow with the video but for the rows of spots; those are put together in the order of the frames, whose numbers
    rise.
    """
    start, stop = asked.frames
    held = n_frames_of(video)
    total = (held if stop is None else min(stop, held)) - start
    idle: SimpleQueue[Finder] = SimpleQueue()
    for finder in asked.finders:
        idle.put(finder)

    def search(number: int, frame: NDArray[Any]) -> FrameRows:
        find = idle.get()
        try:
            features = find(frame, asked.least_mass)
        finally:
            idle.put(find)
        return asked.sorting.sorted(_localised(features, frame, asked, number)) if len(features) else _NOTHING

    spots, dimmer = Columns(), Columns()
    n_excluded = n_frames = 0
    waiting: deque[Future[FrameRows]] = deque()

    def collect(room: int) -> None:
        nonlocal n_excluded, n_frames
        while len(waiting) > room:
            rows = waiting.popleft().result()
            spots.append(rows.spots)
            dimmer.append(rows.dimmer)
            n_excluded += rows.n_excluded
            n_frames += 1
            progress("detect", repeats.n_frames - len(waiting), total)

    # One thread is one: a batch gives each of its processes a core, and what decodes beside would take another's.
    ahead = _AHEAD * len(asked.finders) if thread_count() > 1 else 0
    with ThreadPoolExecutor(len(asked.finders)) as pool:
        for number, raw in repeats.passed(video.numbered_frames(start, stop, hashed=True)):
            # A copy: readers may fill the same buffer again.
            waiting.append(pool.submit(search, number, np.array(raw[asked.window])))
            collect(ahead)
        collect(0)
    return Found(spots.table(), dimmer.table(), n_excluded, n_frames)


def n_frames_of(video: Video) -> int:
    """Return how many frames a video holds, counted where it does not say."""
    return video.reader.count() if video.n_frames is None else video.n_frames


def _localised(features: NDArray[np.float64], frame: NDArray[Any], asked: Search, number: int) -> NDArray[np.float64]:
    """Return the features of one frame with their second localisation and the frame number in the last column."""
    appearance = asked.appearance
    patches = patches_around(
        frame,
        appearance.background,
        features[:, :2],
        how_far_px(appearance.spot_sd_px, asked.radius_px),
        is_dark=appearance.inverted,
        full_scale=appearance.full_scale,
    )
    places = localise(patches, features, appearance.noise_sd, appearance.spot_sd_px, asked.radius_px)
    return np.column_stack([features, places, np.full(len(features), float(number))])
