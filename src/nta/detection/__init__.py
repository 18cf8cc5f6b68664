"""Video -> Detections: where the spots are in every frame, and how sure each position is."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nta.compilation import load_kernels
from nta.detection.appearance import N_SAMPLE_FRAMES, Appearance, look
from nta.detection.engines import DEFAULT_ENGINE, Finder, spot_finder
from nta.detection.threshold import choose_min_mass
from nta.detection.trackpy_engine import FEATURE_COLUMNS, margin_px
from nta.errors import RejectedError, SettingsError
from nta.localisation import DISC_RADIUS_UM, localise
from nta.progress import Progress, silent
from nta.settings import Acquisition, Settings, Sourced, resolve
from nta.threads import thread_count
from nta.video import Fault, RepeatFilter, Video, is_noisy

__all__ = ["Appearance", "Detections", "detect"]

MIN_FRAMES: Final = 5
"""Fewer frames hold no track that could be sized."""

_AHEAD: Final = 2
"""Frames that wait for each thread: enough to keep it busy, few enough for the memory."""

_COLUMNS: Final = (*FEATURE_COLUMNS, "y_refined", "x_refined", "sigma_px", "disc_mass")
_NO_ROWS: Final = np.empty((0, len(_COLUMNS) + 1))


@dataclass(frozen=True)
class Detections:
    """The spots of one capture.

    Parameters
    ----------
    table : DataFrame
        One row a spot, sorted by ``frame``: trackpy's columns (``y``, ``x``, ``mass``, ``size``, ``ecc``, ``signal``,
        ``raw_mass``, ``ep``, in px and grey levels), ``frame``, and the second localisation on the raw pixels:
        ``y_refined``, ``x_refined`` and ``sigma_px`` (px, standard error per axis), ``disc_mass`` (grey levels).
    acquisition : Acquisition
        How the capture was taken, with the field's size and the number of frames looked at.
    appearance : Appearance
        What the video looks like.
    margin_px : int
        Width of the strip along the edges in which no spot is reported, px.
    field_px : tuple of int
        Left, top, width, height of the part of the field that was searched, px.
    masked_px : int
        Area inside it that was left out, px².
    diameter_px, min_mass : int, float
        What the detector was told.
    values : dict of Sourced
        Every value used so far, with its origin.
    ledger : dict
        Spots left out, by reason.
    faults : tuple of Fault
        What is wrong with the video and shows only when all of it is read.
    """

    table: pd.DataFrame
    acquisition: Acquisition
    appearance: Appearance
    margin_px: int
    field_px: tuple[int, int, int, int]
    masked_px: int
    diameter_px: int
    min_mass: float
    values: dict[str, Sourced] = field(default_factory=dict)
    ledger: dict[str, int] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()

    @property
    def particles_per_frame(self) -> float:
        """Mean number of spots in a frame."""
        n_frames = self.acquisition.n_frames
        return math.nan if not n_frames else len(self.table) / n_frames


def detect(
    video: Video,
    settings: Settings | None = None,
    *,
    progress: Progress = silent,
) -> Detections:
    """Find the spots of every frame.

    trackpy finds them; the positions are then estimated again on the raw pixels (:mod:`nta.localisation`).
    Spot diameter, threshold and polarity come from the video unless the settings state them.

    Parameters
    ----------
    video : Video
        From :func:`nta.open_video`.
    settings : Settings, optional
        What was asked for.
    progress : callable, optional
        Told ``("detect", frames done, frames in all)``.

    Returns
    -------
    Detections
        With an empty table where nothing was found.

    Raises
    ------
    RejectedError
        If the video has too few frames, cannot be read to its end, or repeats more than 2 % of its frames.
    SettingsError
        If a setting does not fit this video.
    """
    settings = Settings() if settings is None else settings
    acquisition, values = resolve(settings, video)
    left, top, width, height = _field(video, settings)
    window = (slice(top, top + height), slice(left, left + width))
    start, stop = (0, None) if settings.frames is None else settings.frames
    load_kernels()
    sampled = video.sample(N_SAMPLE_FRAMES, start, stop)
    if not sampled and start > 0:
        raise SettingsError(
            f"{video.path.name} has {_count(video)} frames and --frames asks for those from {start}: give A:B with A "
            "below that"
        )
    if len(sampled) < MIN_FRAMES:
        raise RejectedError(
            f"{video.path.name} has {len(sampled)} frame(s) to look at; a track needs at least {MIN_FRAMES}: "
            "record a longer video",
            code="too_short",
        )
    samples: NDArray[Any] = np.stack([frame[window] for frame in sampled])
    del sampled
    appearance = look(samples, settings.invert, video.bit_depth)
    _reject_without_signal(video, samples, appearance)
    diameter_px = settings.diameter_px or appearance.diameter_px
    engine = DEFAULT_ENGINE if settings.engine is None else settings.engine
    if min(width, height) < 4 * diameter_px:
        raise SettingsError(
            f"a field of {width} x {height} px is too small for spots of {diameter_px} px; widen --roi or give "
            "a smaller --diameter-px"
        )
    min_mass = (
        choose_min_mass(appearance, diameter_px, samples, engine) if settings.min_mass is None else settings.min_mass
    )
    # A least brightness in trackpy's own units is one for the pixels as they are.
    gain = appearance.detector_gain if settings.min_mass is None else 1
    for name, value in (
        ("diameter_px", diameter_px),
        ("min_mass", round(min_mass, 3)),
        ("invert", appearance.inverted),
    ):
        stated = getattr(settings, name) is not None
        values[name] = Sourced(value, settings.origin(name) if stated else "video")
    finders = [
        spot_finder(engine, (height, width), samples.dtype, diameter_px, invert=appearance.inverted, gain=gain)
        # trackpy keeps to one thread: nobody promises that two may run it at once.
        for _ in range(thread_count() if engine == "fused" else 1)
    ]
    values["engine"] = Sourced(engine, settings.origin("engine"))
    repeats = RepeatFilter(is_noisy(samples))
    del samples
    radius_px = max(DISC_RADIUS_UM / acquisition.mpp, diameter_px / 2.0)
    rows, n_frames = _search(video, window, (start, stop), repeats, appearance, finders, min_mass, radius_px, progress)
    faults = repeats.faults(video)
    table, ledger = _table(rows, (left, top), settings)
    return Detections(
        table=table,
        acquisition=replace(acquisition, width_px=width, height_px=height, n_frames=n_frames),
        appearance=appearance,
        margin_px=margin_px(diameter_px),
        field_px=(left, top, width, height),
        masked_px=_masked_area(settings, (left, top, width, height), margin_px(diameter_px)),
        diameter_px=diameter_px,
        min_mass=min_mass,
        values=values,
        ledger=ledger,
        faults=faults,
    )


def _count(video: Video) -> int:
    return video.reader.count() if video.n_frames is None else video.n_frames


def _field(video: Video, settings: Settings) -> tuple[int, int, int, int]:
    if settings.roi is None:
        return 0, 0, video.width, video.height
    left, top, width, height = settings.roi
    if left + width > video.width or top + height > video.height:
        raise SettingsError(
            f"the region {left},{top},{width},{height} reaches beyond the frame of {video.width} x {video.height} px; "
            "give --roi X,Y,W,H inside it"
        )
    return settings.roi


def _reject_without_signal(video: Video, samples: NDArray[Any], appearance: Appearance) -> None:
    lowest, highest = int(samples.min()), int(samples.max())
    if lowest == highest:
        code, what = ("saturated", "white") if lowest >= appearance.full_scale else ("no_signal", "the same grey")
        raise RejectedError(
            f"every pixel of {video.path.name} is {what} ({lowest}): check laser, shutter and focus, and record again",
            code=code,
        )


def _search(
    video: Video,
    window: tuple[slice, slice],
    frames: tuple[int, int | None],
    repeats: RepeatFilter,
    appearance: Appearance,
    finders: Sequence[Finder],
    min_mass: float,
    radius_px: float,
    progress: Progress,
) -> tuple[NDArray[np.float64], int]:
    """Return one row a spot, (n, columns + frame), and the number of frames looked at.

    Frames are decoded here and searched in as many threads as there are finders, a few at a time, so that memory does
    not grow with the video; their rows are put together in the order of the frames.
    """
    start, stop = frames
    held = _count(video)
    total = (held if stop is None else min(stop, held)) - start
    idle: SimpleQueue[Finder] = SimpleQueue()
    for finder in finders:
        idle.put(finder)

    def search(number: int, frame: NDArray[Any]) -> NDArray[np.float64]:
        find = idle.get()
        try:
            features = find(frame, min_mass)
        finally:
            idle.put(find)
        return _localised(features, frame, appearance, radius_px, number) if len(features) else _NO_ROWS

    found: list[NDArray[np.float64]] = []
    waiting: deque[Future[NDArray[np.float64]]] = deque()

    def collect(room: int) -> None:
        while len(waiting) > room:
            found.append(waiting.popleft().result())
            progress("detect", repeats.n_frames - len(waiting), total)

    with ThreadPoolExecutor(len(finders)) as pool:
        for number, raw in repeats.passed(video.numbered_frames(start, stop, hashed=True)):
            # A copy: readers may fill the same buffer again.
            waiting.append(pool.submit(search, number, np.array(raw[window])))
            collect(_AHEAD * len(finders))
        collect(0)
    return np.concatenate([_NO_ROWS, *found]), len(found)


def _localised(
    features: NDArray[np.float64], frame: NDArray[Any], appearance: Appearance, radius_px: float, number: int
) -> NDArray[np.float64]:
    """Return the features of one frame with their second localisation and the frame number in the last column."""
    signal = np.ascontiguousarray(appearance.signal(frame), dtype=np.float32)
    saturated = frame <= 0 if appearance.inverted else frame >= appearance.full_scale
    places = localise(signal, saturated, features, appearance.noise_sd, appearance.spot_sd_px, radius_px)
    return np.column_stack([features, places, np.full(len(features), float(number))])


def _table(
    rows: NDArray[np.float64], origin: tuple[int, int], settings: Settings
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the table in the video's own pixels, without spots in excluded rectangles."""
    table = pd.DataFrame(rows[:, :-1], columns=list(_COLUMNS))
    table["frame"] = rows[:, -1].astype(np.int64)
    left, top = origin
    for name, shift in (("x", left), ("y", top), ("x_refined", left), ("y_refined", top)):
        table[name] += shift
    inside = np.zeros(len(table), dtype=bool)
    for x, y, width, height in settings.exclude:
        # Pixel centres are whole numbers: the rectangle reaches half a pixel beyond the first and last one.
        across = table["x"].between(x - 0.5, x + width - 0.5, inclusive="left")
        down = table["y"].between(y - 0.5, y + height - 0.5, inclusive="left")
        inside |= (across & down).to_numpy()
    kept = table[~inside].sort_values(["frame", "y", "x"], kind="stable", ignore_index=True)
    return kept, {"spots_excluded_by_region": int(inside.sum())}


def _masked_area(settings: Settings, field_px: tuple[int, int, int, int], margin: int) -> int:
    """Return the area that the excluded rectangles take from where spots are reported, overlaps counted once, px²."""
    left, top, width, height = field_px
    mask = np.zeros((height, width), dtype=bool)
    for x, y, w, h in settings.exclude:
        mask[max(0, y - top) : max(0, y + h - top), max(0, x - left) : max(0, x + w - left)] = True
    return int(mask[margin : height - margin, margin : width - margin].sum())
