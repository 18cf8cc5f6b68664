"""What could be wrong with this measurement, and what to do about it: the one registry of flags."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from nta.concentration import Concentration
from nta.detection import Detections
from nta.diffusion import Diffusion, smallest_diameter_nm
from nta.distribution import SizeDistribution
from nta.lags import CORRELATION_SDS, ExposureCheck, SafeLag, check_exposure
from nta.settings import Acquisition, Sourced
from nta.tracking import Tracks

Level = Literal["info", "warn", "fail"]

FLAGS: Final[dict[str, tuple[Level, str]]] = {
    "assumed": ("info", "a value that the size depends on was not stated and had to be assumed"),
    "relative_concentration": ("info", "the depth of the volume is nominal, so only ratios are meaningful"),
    "below_detection": ("warn", "fewer particles than a size distribution needs: a blank, or too dilute"),
    "few_tracks": ("warn", "spots were seen but too few could be followed long enough"),
    "volume_uncertain": ("info", "a tenth of the volume rests on fewer than five particles"),
    "comparison_method": ("info", "the curve is another program's read-out, not corrected for what a video misses"),
    "sampling_disagrees": ("warn", "two ways to correct for particles that leave and come back disagree"),
    "outside_range": ("warn", "hardly any particle lies in the size range asked for"),
    "sparse": ("warn", "fewer than 15 particles per frame"),
    "crowded": ("warn", "more than 100 particles per frame"),
    "saturated": ("warn", "a part of the picture is at the top of the camera's range"),
    "short_lags": ("warn", "steps that are not neighbours correlate, which neither blur nor localisation can cause"),
    "wrong_exposure": ("warn", "neighbouring steps correlate by more than motion blur of this exposure can cause"),
    "exposure_unknown": ("info", "the exposure had to be assumed, and motion blur moves sizes by that of it"),
    "size_limit": ("warn", "a part of the particles moves too fast for the search range of the linker"),
    "capture_rejected": ("warn", "one capture of the sample could not be used"),
    "fps_conflict": ("warn", "two parts of the file state different frame rates"),
    "frame_count": ("warn", "the file holds another number of frames than it states"),
    "dropped_frames": ("warn", "time stamps show that frames are missing"),
    "duplicated_frames": ("warn", "frames repeat the one before, bit for bit, as no camera's do"),
    "lossy_source": ("warn", "the codec threw detail away, which moves centroids"),
    "partial": ("warn", "only a part of a damaged file was read"),
    "pixel_size": ("warn", "the file states a pixel size that cannot be right"),
}
"""Every flag that a result can carry: its level and what it means. A test raises each one."""

SPARSE_PER_FRAME: Final = 15.0
CROWDED_PER_FRAME: Final = 100.0
SATURATED_SHARE: Final = 0.001
SAMPLING_TOLERANCE: Final = 0.1
MIN_TRACKS_USED: Final = 100
SIZE_LIMIT_SHARE: Final = 0.05

_ASSUMED_NAMES: Final = ("mpp", "fps", "temperature_c", "medium", "depth_um")  # the exposure has a flag of its own
# Positions of crowded spots are worse than their stated errors: that alone makes 5 % in the exosome sample.
_LEAST_DISAGREEMENT: Final = 0.08


@dataclass(frozen=True, slots=True)
class Flag:
    """One remark on a measurement.

    Parameters
    ----------
    code : str
        A key of :data:`FLAGS`.
    level : {"info", "warn", "fail"}
        ``warn`` makes the status ``warn``; ``info`` does not.
    message : str
        What it means and what to do, with the numbers of this measurement.
    """

    code: str
    level: Level
    message: str


def flag(code: str, message: str) -> Flag:
    """Return a flag of the registry with the sentence for this measurement."""
    return Flag(code, FLAGS[code][0], message)


def assess(
    captures: Sequence[tuple[str, Detections]],
    tracks: Tracks,
    diffusion: Diffusion,
    concentration: Concentration,
    values: Mapping[str, Sourced],
    distribution: SizeDistribution,
) -> tuple[Flag, ...]:
    """Return every flag of a sample that was measured, the gravest first.

    Parameters
    ----------
    captures : sequence of (name, Detections)
        The captures used.
    tracks, diffusion, concentration
        What was made of them.
    values : dict of Sourced
        Every value with its origin.
    distribution : SizeDistribution
        The sizes.
    """
    flags: list[Flag] = []
    for name, detections in captures:
        flags += _of_picture(name, detections)
    flags += _of_counts(captures, diffusion)
    flags += _of_motion(diffusion.lag, diffusion.min_track)
    flags += _of_exposure(tracks, diffusion, values)
    flags += of_size_limit(distribution, smallest_diameter_nm(tracks))
    flags += of_read_out(distribution)
    flags += _of_values(values, concentration)
    order = {"fail": 0, "warn": 1, "info": 2}
    return tuple(sorted(flags, key=lambda found: order[found.level]))


def of_read_out(distribution: SizeDistribution) -> list[Flag]:
    """Return what the distribution itself says against it: its volume, its method, its two corrections."""
    flags = []
    if distribution.volume.reason is not None:
        flags.append(flag("volume_uncertain", distribution.volume.reason))
    if distribution.method != "penalised":
        flags.append(
            flag(
                "comparison_method",
                f"the curve is the read-out {distribution.method}, for comparison with other programs; leave --method "
                "out for the sizes of the particles in the liquid",
            )
        )
    d50, by_tracks = distribution.size.d50, distribution.d50_by_tracks_nm
    apart = abs(by_tracks - d50.value)
    # The draws are of the default; beyond both 10 % and the interval the two corrections cannot both be right.
    if distribution.method == "penalised" and apart > max(SAMPLING_TOLERANCE * d50.value, (d50.high - d50.low) / 2.0):
        flags.append(
            flag(
                "sampling_disagrees",
                f"D50 is {d50.value:.0f} nm by positions and {by_tracks:.0f} nm by tracks: particles of some sizes "
                "come and go otherwise than the depth and the flow say; check --depth-um and the flow",
            )
        )
    return flags


def _of_picture(name: str, detections: Detections) -> list[Flag]:
    share = detections.appearance.saturated_share
    if share <= SATURATED_SHARE:
        return []
    return [
        flag(
            "saturated",
            f"{share:.1%} of the pixels of {name} are saturated: large particles look equally bright and lose "
            "precision; lower the camera level or the shutter",
        )
    ]


def _of_counts(captures: Sequence[tuple[str, Detections]], diffusion: Diffusion) -> list[Flag]:
    per_frame = float(np.mean([detections.particles_per_frame for _, detections in captures]))
    n_tracks = len(diffusion.table)
    if n_tracks < MIN_TRACKS_USED:
        if per_frame < 1.0:
            return [
                flag(
                    "below_detection",
                    f"{n_tracks} tracks and {per_frame:.2f} particles per frame: this is below detection; for a blank "
                    "that is good, otherwise use less dilution or a higher camera level",
                )
            ]
        return [
            flag(
                "few_tracks",
                f"only {n_tracks} particles could be followed for {diffusion.min_track} frames or more; record longer "
                "or more captures: the intervals are as wide as that says",
            )
        ]
    if per_frame < SPARSE_PER_FRAME:
        return [flag("sparse", f"{per_frame:.1f} particles per frame are few; 15 to 100 measure best: dilute less")]
    if per_frame > CROWDED_PER_FRAME:
        return [
            flag("crowded", f"{per_frame:.0f} particles per frame hide each other; 15 to 100 measure best: dilute more")
        ]
    return []


def _of_motion(lag: SafeLag, min_track: int) -> list[Flag]:
    if not lag.z > CORRELATION_SDS:
        return []
    seen = (
        f"steps two or three frames apart correlate by {lag.correlation:+.2f} ({lag.z:.0f} standard errors), which "
        "neither blur nor localisation can cause: the film was compressed or its frames interpolated, or the flow "
        "pulsates"
    )
    if lag.frames == 1:
        return [
            flag(
                "short_lags",
                f"{seen}; no longer steps were found that do not, or too few tracks hold them, so the sizes are wrong: "
                "record again without compression",
            )
        ]
    return [
        flag(
            "short_lags",
            f"{seen}; sizes therefore come from steps of {lag.frames} frames in tracks of {min_track} positions or "
            f"more, where the mean D is {lag.diffusion_um2_s:.2g} µm²/s (steps of one frame read "
            f"{lag.short_diffusion_um2_s:.2g}); record without compression for all tracks and a finer answer",
        )
    ]


def _of_exposure(tracks: Tracks, diffusion: Diffusion, values: Mapping[str, Sourced]) -> list[Flag]:
    """Return what the motion says about the exposure: nothing where short lags are not to be trusted."""
    if "exposure_ms" not in values or not tracks.captures:
        return []
    is_assumed = values["exposure_ms"].origin == "assumed"
    acquisition = tracks.captures[0].acquisition
    trusted = not diffusion.lag.z > CORRELATION_SDS
    check = check_exposure(list(tracks.flat(diffusion.min_track))) if trusted else ExposureCheck()
    flags = []
    if check.z > CORRELATION_SDS:
        flags.append(flag("wrong_exposure", _too_much_blur(acquisition, check, is_assumed)))
    if is_assumed and diffusion.lag.frames > 1:
        fitted = "it hardly matters here, because the blur of the longer steps was fitted to them"
        flags.append(flag("exposure_unknown", f"the exposure is not stated: {fitted}"))
    elif is_assumed:
        flags.append(flag("exposure_unknown", _unknown_exposure(acquisition) + _two_lags(acquisition, check)))
    return flags


def _too_much_blur(acquisition: Acquisition, check: ExposureCheck, is_assumed: bool) -> str:
    found = (
        f"neighbouring steps correlate by {check.correlation:.3f} ({check.z:.0f} standard errors) more than motion "
        f"blur of the {'assumed' if is_assumed else 'stated'} {acquisition.exposure_ms:.3g} ms can cause"
    )
    if check.longest_share > 1.0:
        return f"{found}, or of any other exposure: frames were averaged or interpolated, so record without that"
    return f"{found}: give --exposure-ms, {_share_ms(acquisition, check.longest_share)} ms or more would fit"


def _unknown_exposure(acquisition: Acquisition) -> str:
    """Return by how much every size would move if the exposure were as short or as long as can be."""
    blurred = 1.0 - 2.0 * acquisition.blur_coefficient
    return (
        f"the exposure is not stated and {acquisition.exposure_ms:.3g} ms is assumed; were it next to nothing, sizes "
        f"would be up to {1.0 / blurred - 1.0:.0%} larger, were it the whole frame, up to "
        f"{1.0 - 2.0 / 3.0 / blurred:.0%} smaller: give --exposure-ms"
    )


def _two_lags(acquisition: Acquisition, check: ExposureCheck) -> str:
    """Return what to add where steps of one frame and of four disagree about the size."""
    if abs(check.sizes_z) <= CORRELATION_SDS or abs(check.short_nm / check.long_nm - 1.0) < _LEAST_DISAGREEMENT:
        return ""
    told = (
        f" (steps of one frame read {check.short_nm:.3g} nm, steps of four, where blur matters less, "
        f"{check.long_nm:.3g} nm"
    )
    if not 0.0 <= check.reconciling_share <= 1.0:
        return f"{told}, and no exposure reconciles them)"
    return f"{told}; {_share_ms(acquisition, check.reconciling_share)} ms would reconcile them)"


def _share_ms(acquisition: Acquisition, share: float) -> str:
    return f"{share * acquisition.frame_time_s * 1e3:.3g}"


def of_size_limit(distribution: SizeDistribution, limit_nm: float) -> list[Flag]:
    """Return the flag of a distribution of which more than 5 % lies where the linker loses 1 % of the steps.

    Parameters
    ----------
    distribution : SizeDistribution
        The sizes.
    limit_nm : float
        From :func:`nta.diffusion.smallest_diameter_nm`; NaN raises nothing.
    """
    if distribution.table.empty or math.isnan(limit_nm):
        return []
    share = float(np.interp(limit_nm, distribution.table["diameter_nm"], distribution.table["cumulative"]))
    if share <= SIZE_LIMIT_SHARE:
        return []
    return [
        flag(
            "size_limit",
            f"{share:.0%} of the particles are smaller than {limit_nm:.0f} nm, where the search range loses 1 % of "
            "the steps or more: raise --search-range-px or lower the lower end of --size-range",
        )
    ]


def _of_values(values: Mapping[str, Sourced], concentration: Concentration) -> list[Flag]:
    flags = []
    assumed = [name for name in _ASSUMED_NAMES if name in values and values[name].origin == "assumed"]
    if assumed:
        stated = ", ".join(f"{name} = {values[name].value}" for name in assumed)
        flags.append(
            flag("assumed", f"not stated and therefore assumed: {stated}; give them, because the sizes depend on them")
        )
    if concentration.is_relative:
        flags.append(
            flag(
                "relative_concentration",
                "the concentration rests on a nominal depth: compare it only with samples of the same instrument and "
                "settings, until a bead standard has calibrated the depth",
            )
        )
    return flags
