"""What the motion says against a measurement: memory of the film, exposure, vibration, jumps, flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from nta.diffusion import Diffusion
from nta.lags import CORRELATION_SDS, ExposureCheck, SafeLag, check_exposure
from nta.quality.common_motion import CommonMotion, common_motions, frames_in_field, together
from nta.quality.registry import Flag, flag, listed
from nta.settings import Acquisition, Sourced
from nta.tracking import Tracks

DRIFT_FRAMES: Final = 30.0
"""Frames in the field below which the flow is too strong: tracks of five positions are then a sixth of the way."""

VIBRATION_SDS: Final = 4.0
VIBRATION_SHARE: Final = 0.01
"""Share of the mean square step, and so of the sizes, below which a vibration changes nothing."""

# Positions of crowded spots are worse than their stated errors: that alone makes 5 % in the exosome sample.
_LEAST_DISAGREEMENT: Final = 0.08


def of_motion(names: Sequence[str], tracks: Tracks, diffusion: Diffusion, values: Mapping[str, Sourced]) -> list[Flag]:
    """Return every flag that the tracks themselves raise."""
    return [
        *_of_lags(diffusion.lag, diffusion.min_track),
        *_of_exposure(tracks, diffusion, values),
        *_of_common_motion(names, common_motions(tracks)),
        *_of_flow(names, tracks),
    ]


def _of_common_motion(names: Sequence[str], motions: Sequence[CommonMotion]) -> list[Flag]:
    """Return vibration of the sample or of single captures, and jumps."""
    flags = []
    whole = together(motions)
    shaken = [(name, one) for name, one in zip(names, motions, strict=False) if _shakes(one)]
    if shaken or _shakes(whole):
        worst = max((one for _, one in shaken), key=lambda one: one.share, default=whole)
        where = f" in {listed([name for name, _ in shaken])}" if shaken else ""
        flags.append(
            flag(
                "vibration",
                f"all particles jump together by {worst.rms_um:.2g} µm from frame to frame{where} ({worst.z:.0f} "
                f"standard errors), which makes sizes read up to {worst.share:.0%} small: keep pump, fan and table "
                "still, wait until the flow is steady and record again",
            )
        )
    jumped = [(name, one.jumps[0]) for name, one in zip(names, motions, strict=False) if one.jumps]
    if jumped:
        where = listed([f"{name} before frame {frame}" for name, frame in jumped])
        flags.append(
            flag(
                "stage_jump",
                f"the whole picture moved at once in {where}: the stage or the cell was moved, or frames are missing; "
                "measure the longer part alone with --frames, or record again",
            )
        )
    return flags


def _shakes(motion: CommonMotion) -> bool:
    return motion.z > VIBRATION_SDS and motion.share > VIBRATION_SHARE


def _of_flow(names: Sequence[str], tracks: Tracks) -> list[Flag]:
    found = [
        (name, frames)
        for name, capture in zip(names, tracks.captures, strict=False)
        if (frames := frames_in_field(capture)) < DRIFT_FRAMES
    ]
    if not found:
        return []
    return [
        flag(
            "drift",
            f"the flow carries particles through the field in {min(frames for _, frames in found):.0f} frames in "
            f"{listed([name for name, _ in found])}; {DRIFT_FRAMES:.0f} or more are needed for tracks of any length: "
            "lower the pump's speed, or wait until the liquid is at rest",
        )
    ]


def _of_lags(lag: SafeLag, min_track: int) -> list[Flag]:
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
