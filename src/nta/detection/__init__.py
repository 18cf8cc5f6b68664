"""Video -> Detections: where the spots are in every frame, and how sure each position is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nta.compilation import announce_kernels, load_kernels
from nta.detection.appearance import N_SAMPLE_FRAMES, Appearance, Samples, look
from nta.detection.detectability import Detectability, detectability
from nta.detection.engines import DEFAULT_ENGINE, needs_rare_kernels, spot_finder
from nta.detection.model import DIMMEST, Detections
from nta.detection.rows import Sorting
from nta.detection.search import Search, n_frames_of, search_frames
from nta.detection.threshold import choose_min_mass, compared
from nta.detection.trackpy_engine import margin_px
from nta.errors import RejectedError, SettingsError
from nta.localisation import DISC_RADIUS_UM
from nta.progress import Progress, silent
from nta.settings import Engine, Settings, Sourced, resolve
from nta.threads import thread_count
from nta.video import RepeatFilter, Video, is_noisy

__all__ = ["DIMMEST", "Appearance", "Detections", "detect"]

MIN_FRAMES: Final = 5
"""Fewer frames hold no track that could be sized."""


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
    field_px = _field(video, settings)
    left, top, width, height = field_px
    window = (slice(top, top + height), slice(left, left + width))
    samples: Samples = _sample(video, window, settings)
    load_kernels()  # not before the video has shown that it can be read
    appearance = look(samples, settings.invert, video.bit_depth)
    _reject_without_signal(video, samples, appearance)
    _announce_rare_kernels(appearance, samples[0].dtype, settings, progress)
    repeats = RepeatFilter(is_noisy(samples))
    samples = np.stack([*compared(samples)])  # a copy: memory returns in one piece, which the search has use for
    chosen = _choose(appearance, samples, settings, field_px)
    values |= chosen.values(settings, appearance)
    dtype = samples[0].dtype
    del samples
    finders = [
        spot_finder(
            chosen.engine, (height, width), dtype, chosen.diameter_px,
            invert=appearance.inverted, gain=chosen.gain,
        )
        # trackpy keeps to one thread: nobody promises that two may run it at once.
        for _ in range(thread_count() if chosen.engine == "fused" else 1)
    ]  # fmt: skip
    asked = Search(
        window=window,
        frames=_frames(settings),
        appearance=appearance,
        finders=finders,
        least_mass=chosen.min_mass * (DIMMEST if settings.min_mass is None else 1.0),
        radius_px=max(DISC_RADIUS_UM / acquisition.mpp, chosen.diameter_px / 2.0),
        sorting=Sorting((left, top), settings.exclude, chosen.min_mass),
    )
    found = search_frames(video, asked, repeats, progress)
    return Detections(
        table=found.spots,
        acquisition=replace(acquisition, width_px=width, height_px=height, n_frames=found.n_frames),
        appearance=appearance,
        margin_px=margin_px(chosen.diameter_px),
        field_px=field_px,
        masked_px=_masked_area(settings, field_px, margin_px(chosen.diameter_px)),
        diameter_px=chosen.diameter_px,
        min_mass=chosen.min_mass,
        values=values,
        ledger={"spots_excluded_by_region": found.n_excluded},
        faults=repeats.faults(video),
        dimmer=found.dimmer,
        detectability=chosen.detectability,
    )


def _announce_rare_kernels(
    appearance: Appearance, dtype: np.dtype[Any], settings: Settings, progress: Progress
) -> None:
    """Have the kernels compiled that this video needs and most others do not."""
    gain = appearance.detector_gain if settings.min_mass is None else 1
    engine = DEFAULT_ENGINE if settings.engine is None else settings.engine
    if needs_rare_kernels(engine, dtype, invert=appearance.inverted, gain=gain):
        announce_kernels(progress, with_rare=True)


class _Choice(NamedTuple):
    """What the detector is told."""

    engine: Engine
    diameter_px: int
    min_mass: float
    gain: int
    detectability: Detectability

    def values(self, settings: Settings, appearance: Appearance) -> dict[str, Sourced]:
        """Return what the result states of it, with its origin."""
        told = (
            ("diameter_px", self.diameter_px),
            ("min_mass", round(self.min_mass, 3)),
            ("invert", appearance.inverted),
        )
        values = {
            name: Sourced(value, "video" if getattr(settings, name) is None else settings.origin(name))
            for name, value in told
        }
        values["engine"] = Sourced(self.engine, settings.origin("engine"))
        return values | self.detectability.values()


def _choose(
    appearance: Appearance, samples: Samples, settings: Settings, field_px: tuple[int, int, int, int]
) -> _Choice:
    """Return spot diameter and threshold, from the video unless stated, and how sure the detector then is."""
    *_, width, height = field_px
    diameter_px = settings.diameter_px or appearance.diameter_px
    engine = DEFAULT_ENGINE if settings.engine is None else settings.engine
    if min(width, height) < 4 * diameter_px:
        raise SettingsError(
            f"a field of {width} x {height} px is too small for spots of {diameter_px} px; widen --roi or give "
            "a smaller --diameter-px"
        )
    # A least brightness in trackpy's own units is one for the pixels as they are.
    min_mass, gain = settings.min_mass, 1
    if min_mass is None:
        min_mass, gain = choose_min_mass(appearance, diameter_px, samples, engine), appearance.detector_gain
    sure = detectability(appearance, diameter_px, min_mass, samples[0].dtype, engine=engine, gain=gain)
    return _Choice(engine, diameter_px, min_mass, gain, sure)


def _frames(settings: Settings) -> tuple[int, int | None]:
    return (0, None) if settings.frames is None else settings.frames


def _sample(video: Video, window: tuple[slice, slice], settings: Settings) -> list[NDArray[Any]]:
    """Return a few frames spread over the video, each (height, width)."""
    start, stop = _frames(settings)
    sampled: list[NDArray[Any]] = [*video.sample(N_SAMPLE_FRAMES, start, stop)]
    if not sampled and start > 0:
        raise SettingsError(
            f"{video.path.name} has {n_frames_of(video)} frames and --frames asks for those from {start}: give A:B "
            "with A below that"
        )
    if len(sampled) < MIN_FRAMES:
        raise RejectedError(
            f"{video.path.name} has {len(sampled)} frame(s) to look at; a track needs at least {MIN_FRAMES}: "
            "record a longer video",
            code="too_short",
        )
    for number, frame in enumerate(sampled):
        sampled[number] = np.ascontiguousarray(frame[window])  # one at a time: a cut one keeps the whole alive
    return sampled


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


def _reject_without_signal(video: Video, samples: Samples, appearance: Appearance) -> None:
    lowest = min(int(frame.min()) for frame in samples)
    highest = max(int(frame.max()) for frame in samples)
    if lowest == highest:
        code, what = ("saturated", "white") if lowest >= appearance.full_scale else ("no_signal", "the same grey")
        raise RejectedError(
            f"every pixel of {video.path.name} is {what} ({lowest}): check laser, shutter and focus, and record again",
            code=code,
        )


def _masked_area(settings: Settings, field_px: tuple[int, int, int, int], margin: int) -> int:
    """Return the area that the excluded rectangles take from where spots are reported, overlaps counted once, px²."""
    left, top, width, height = field_px
    mask = np.zeros((height, width), dtype=bool)
    for x, y, w, h in settings.exclude:
        mask[max(0, y - top) : max(0, y + h - top), max(0, x - left) : max(0, x + w - left)] = True
    return int(mask[margin : height - margin, margin : width - margin].sum())
