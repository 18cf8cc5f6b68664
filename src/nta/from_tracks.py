"""The road from tables of tracks to a measurement: what others linked, sized by our own estimator.

Without a picture there is no field, no noise and no light: sizes are corrected for what tracks miss as far as the
tracks tell, and the concentration is missing unless ``roi`` says which field they come from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd

from nta.agreement import agreement_of, capture_results
from nta.concentration import particle_concentration
from nta.diffusion import Diffusion, estimate_diffusion
from nta.distribution import size_distribution
from nta.errors import NTAError, SettingsError, UsageError
from nta.formats import TrackTable, read_tracks
from nta.inputs import Input, flags_of_inputs, settings_beside, values_beside
from nta.measurement import Capture, Counts, Measurement, Provenance
from nta.progress import Progress
from nta.quality import Flag, assess_tracks, flag, of_agreement
from nta.record import (
    Results,
    concluded,
    dilution_of,
    found_by_the_way,
    hash_of,
    least_sure,
    on_record,
    refused,
    status_of,
)
from nta.settings import Acquisition, Settings, Sourced, resolve
from nta.tracking import LinkedCapture, Tracks, as_tracks, drift_from_links
from nta.uncertainty import systematic_relative_sd

_OF_PICTURES: Final = ("invert", "diameter_px", "min_mass", "memory", "engine", "calibration")


@dataclass(frozen=True)
class LinkedTable:
    """One table on its way: what was read, and what is made of it."""

    given: TrackTable
    tracks: Tracks
    acquisition: Acquisition
    values: dict[str, Sourced]

    @property
    def table(self) -> pd.DataFrame:
        """Its positions."""
        return self.tracks.table

    @property
    def particles_per_frame(self) -> float:
        """Mean number of positions in a frame."""
        n_frames = self.acquisition.n_frames
        return math.nan if not n_frames else len(self.table) / n_frames


def measure_tables(
    name: str, inputs: Sequence[Input], settings: Settings, provenance: Provenance, progress: Progress
) -> Measurement:
    """Measure one sample from tables of tracks, one for each capture.

    Parameters
    ----------
    name : str
        Name of the sample.
    inputs : sequence of Input
        The tables.
    settings : Settings
        What was asked for; ``roi`` is the field, ``search_range_px`` the largest step that whoever linked allowed.
    provenance : Provenance
        Program, time and host.
    progress : callable
        Told ``(stage, done, total)``.

    Raises
    ------
    UsageError
        If videos are among the inputs, or an option is given that only pictures have a use for.
    """
    _check_settings(inputs, settings)
    linked: list[LinkedTable] = []
    captures: list[Capture] = []
    refusals: list[NTAError] = []
    for one in inputs:
        try:
            done = _linked(one, settings)
        except UsageError:
            raise
        except NTAError as error:
            refusals.append(error)
            captures.append(Capture(str(one.path), hash_of(one.path), status=status_of(error)))
        else:
            linked += done
            captures += [_capture_of(capture) for capture in done]
    if not linked:
        return refused(name, captures, refusals[0], settings, provenance)
    return _sized(name, inputs, captures, linked, refusals, settings, provenance, progress)


def _check_settings(inputs: Sequence[Input], settings: Settings) -> None:
    if any(one.kind != "tracks" for one in inputs):
        raise UsageError("videos and tables of tracks cannot be one sample; measure them one after the other")
    useless = [name for name in _OF_PICTURES if getattr(settings, name) is not None]
    useless += ["blank"] if settings.blank else []
    if useless:
        raise UsageError(
            f"{', '.join(useless)} cannot be used with a table of tracks, which has no picture; leave it out"
        )


def _linked(one: Input, settings: Settings) -> list[LinkedTable]:
    """Return the captures of one table, each with its common drift measured, as after linking."""
    given = read_tracks(one.path)
    acquisition, values = resolve(settings_beside(one, settings))
    field = LinkedCapture.field_px
    if settings.roi is not None:
        left, top, width, height = settings.roi
        acquisition = replace(acquisition, width_px=width, height_px=height)
        field = (left - 0.5, top - 0.5, float(width), float(height))
    reach_px = math.inf
    if settings.search_range_px is not None:
        reach_px = settings.search_range_px
        values["search_range_px"] = Sourced(reach_px, settings.origin("search_range_px"))
    found = []
    for table in _captures_of(_chosen(given.table, settings)):
        n_frames = int(table["frame"].max()) + 1
        taken = replace(acquisition, n_frames=_frames_looked_at(one, settings, n_frames))
        tracks = as_tracks(table, taken)
        drift = drift_from_links(tracks.table, n_frames, taken.fps)
        capture = LinkedCapture(taken, drift, reach_px, field)
        found.append(LinkedTable(given, replace(tracks, captures=(capture,)), taken, values))
    return found


def _captures_of(table: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the positions of each capture of a table; a table that tells none apart holds one."""
    if "capture" not in table:
        return [table]
    return [mine.drop(columns="capture").reset_index(drop=True) for _, mine in table.groupby("capture")]


def _chosen(table: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Return the positions in the frames and in the part of the field that were asked for.

    Raises
    ------
    SettingsError
        If there are none.
    """
    kept = np.ones(len(table), dtype=bool)
    if settings.frames is not None:
        start, stop = settings.frames
        kept &= table["frame"].between(start, math.inf if stop is None else stop - 1).to_numpy()
    if settings.roi is not None:
        kept &= _inside(table, settings.roi)
    for rectangle in settings.exclude:
        kept &= ~_inside(table, rectangle)
    if not kept.any():
        raise SettingsError("no position of the table lies in the --frames and the --roi asked for; widen them")
    return table[kept].reset_index(drop=True)


def _inside(table: pd.DataFrame, rectangle: tuple[int, int, int, int]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    x, y, width, height = rectangle
    # Pixel centres are whole numbers: the rectangle reaches half a pixel beyond the first and last one.
    across = table["x"].between(x - 0.5, x + width - 0.5, inclusive="left")
    down = table["y"].between(y - 0.5, y + height - 0.5, inclusive="left")
    return np.asarray(across & down, dtype=np.bool_)


def _frames_looked_at(one: Input, settings: Settings, n_frames: int) -> int:
    """Return how many frames were looked at: those of the experiment, else up to the last position."""
    stated = None if one.sidecar.capture is None else one.sidecar.capture.n_frames
    start, stop = (0, None) if settings.frames is None else settings.frames
    last = max(n_frames, stated or 0)
    return max(0, (last if stop is None else min(stop, last)) - start)


def _capture_of(one: LinkedTable) -> Capture:
    acquisition = one.acquisition
    return Capture(
        path=str(one.given.path),
        sha256=one.given.sha256,
        frames=acquisition.n_frames,
        fps=acquisition.fps,
        mpp=acquisition.mpp,
        exposure_ms=acquisition.exposure_ms,
        width=acquisition.width_px,
        height=acquisition.height_px,
        particles_per_frame=one.particles_per_frame,
        tracks=one.tracks.n_tracks,
        flow_um_s=one.tracks.captures[0].flow_um_s,
        status="warn" if one.given.complaints else "ok",
    )


def _together(linked: Sequence[LinkedTable]) -> Tracks:
    tables = [one.table.assign(capture=np.int64(number)) for number, one in enumerate(linked)]
    return Tracks(pd.concat(tables, ignore_index=True), tuple(one.tracks.captures[0] for one in linked))


def _sized(
    name: str,
    inputs: Sequence[Input],
    captures: list[Capture],
    linked: Sequence[LinkedTable],
    refusals: list[NTAError],
    settings: Settings,
    provenance: Provenance,
    progress: Progress,
) -> Measurement:
    tracks = _together(linked)
    values = least_sure([one.values for one in linked]) | on_record(settings)
    diffusion = estimate_diffusion(tracks, settings)
    systematic = systematic_relative_sd(values, diffusion.lag.frames)
    distribution = size_distribution(
        diffusion, settings, tracks=tracks, systematic_relative_sd=systematic, progress=progress
    )
    dilution, dilution_relative_sd = dilution_of(values, settings)
    concentration = particle_concentration(
        tracks, diffusion, distribution, dilution=dilution, dilution_relative_sd=dilution_relative_sd
    )
    values |= found_by_the_way(tracks, diffusion) | values_beside(inputs)
    named = [(one.given.path.name, one) for one in linked]
    agreement = agreement_of(
        capture_results([capture for capture, _ in named], tracks, diffusion, distribution, settings)
    )
    flags = (
        *(flag("capture_rejected", str(error)) for error in refusals),
        *(flag("import_inconsistent", f"{file}: {text}") for file, one in named for text in one.given.complaints),
        *flags_of_inputs(inputs, values, name),
        *of_agreement(agreement),
        *assess_tracks(named, tracks, diffusion, concentration, values, distribution),
        _origin_of_tracks(linked, settings),
    )
    found = Results(tracks, diffusion, distribution, concentration, agreement)
    losses = {"tracks_too_short": tracks.n_tracks - len(diffusion.table)}
    return concluded(name, captures, found, _counts(linked, tracks, diffusion), values, flags, provenance, losses)


def _counts(linked: Sequence[LinkedTable], tracks: Tracks, diffusion: Diffusion) -> Counts:
    return Counts(
        detections=len(tracks.table),
        particles_per_frame=float(np.mean([one.particles_per_frame for one in linked])),
        tracks=tracks.n_tracks,
        tracks_used=len(diffusion.table),
    )


def _origin_of_tracks(linked: Sequence[LinkedTable], settings: Settings) -> Flag:
    kinds = sorted({one.given.kind for one in linked})
    lacking = [
        text
        for text, stated in (
            ("the field is not known, so there is no concentration and slow losses at its edges are not corrected: "
             "give --roi 0,0,WIDTH,HEIGHT", settings.roi),
            ("nor is the largest step that was allowed: give --search-range-px if small particles matter",
             settings.search_range_px),
        )
        if stated is None
    ]  # fmt: skip
    return flag(
        "tracks_from_table",
        f"positions and links come from another program ({', '.join(kinds)} columns)"
        + "".join(f"; {text}" for text in lacking),
    )
