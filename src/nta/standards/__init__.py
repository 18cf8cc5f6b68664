"""Bead standards -> Calibration: the depth of an instrument from particles whose number is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

import nta
from nta.calibration import DEFAULT_MAX_AGE_DAYS, Calibration, HoldsFor, Standard
from nta.counting import COUNTED_TRACK, depth_share_behind, mean_share_in_tracks, sizes_and_weights
from nta.errors import RejectedError, UsageError
from nta.estimate import NORMAL_95
from nta.measurement import Measurement
from nta.pipeline import analyze
from nta.progress import Progress
from nta.settings import Settings
from nta.standards.beads import Beads, read_bead_manifest
from nta.standards.suitability import append_trend, suitability, trend_path, warnings_of, worst
from nta.visibility import FULL_WIDTH_PER_CONSTANT

__all__ = ["Beads", "append_trend", "calibrate", "read_bead_manifest", "trend_path"]

TRANSFER_RELATIVE_SD: Final = 0.03
"""By how much the constant differs between particles of other brightness at one optical setting (docs/method.md)."""


def calibrate(
    standards: Sequence[Beads],
    settings: Settings | None = None,
    *,
    max_age_days: float = DEFAULT_MAX_AGE_DAYS,
    progress: Progress | None = None,
) -> Calibration:
    """Measure bead standards and return the depth constant that makes their concentrations right.

    Each standard is measured as a sample; A is that at which the count, over the volume in which beads of their
    brightness are seen and the share of them that tracks catch, gives the stated concentration. Several standards give
    several A: their mean, weighted by what is known of each, and how well they agree.

    Parameters
    ----------
    standards : sequence of Beads
        One or more, all captured at one optical setting.
    settings : Settings, optional
        How the captures were taken; without ``calibration`` and ``depth_um``.
    max_age_days : float
        Age from which the calibration is to be renewed.
    progress : callable, optional
        Told ``(stage, done, total)``.

    Raises
    ------
    UsageError
        If nothing is given, or captures of different settings.
    RejectedError
        If a standard cannot be measured.
    """
    settings = Settings() if settings is None else settings
    if not standards:
        raise UsageError("there is no bead standard; give captures of beads")
    if settings.calibration is not None or settings.depth_um is not None or settings.size_range_nm is not None:
        raise UsageError(
            "a calibration finds the depth from all beads; leave --calibration, --depth-um, --size-range out"
        )
    # Another program's read-out, or a window, says nothing of the depth.
    settings = settings.model_copy(update={"method": None, "windows_nm": ()})
    now = datetime.now(UTC)
    measured = [_measured(beads, settings, progress) for beads in standards]
    _check_one_setting(measured)
    found = [_standard(beads, one) for beads, one in zip(standards, measured, strict=True)]
    constant_um, own_sd, contradiction = _weighted_mean([(one.constant_um, one.relative_sd) for one in found])
    parts = {
        "counting": worst([one.concentration.parts.counting for one in measured]),
        "captures": worst([one.concentration.parts.captures for one in measured]),
        "stated": worst([beads.stated_relative_sd for beads in standards]),
        "standards": own_sd,
        "transfer": TRANSFER_RELATIVE_SD,
    }
    mpp, mpp_sd = _mpp_from_beads(standards, measured)
    return Calibration(
        constant_um=constant_um,
        relative_sd=math.hypot(own_sd, TRANSFER_RELATIVE_SD),
        parts=parts,
        holds_for=_holds_for(measured),
        mpp_from_beads=mpp,
        mpp_from_beads_sd=mpp_sd,
        localisation_error_nm=float(
            np.median(np.concatenate([one.diffusion.table["localisation_error_nm"] for one in measured]))
        ),
        standards=tuple(found),
        suitability=suitability(standards, measured, contradiction),
        contradiction=contradiction,
        made_utc=now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        nta=nta.__version__,
        max_age_days=max_age_days,
        warnings=warnings_of(measured),
    )


def _measured(beads: Beads, settings: Settings, progress: Progress | None) -> Measurement:
    one = analyze(list(beads.videos), dilution=beads.dilution, settings=settings, progress=progress)
    if one.status in ("rejected", "failed"):
        raise RejectedError(f"beads of {beads.size_nm:g} nm: {one.message}", code=one.status_code or "rejected")
    if one.concentration.measured.is_missing or one.distribution.table.empty:
        raise RejectedError(
            f"beads of {beads.size_nm:g} nm: too few could be followed to count them; dilute less or record longer",
            code="few_tracks",
        )
    return one


def _check_one_setting(measured: Sequence[Measurement]) -> None:
    """Refuse captures of different pixel sizes, frame rates or exposures: one constant cannot hold for them."""
    taken = sorted(
        {
            (acquisition.mpp, acquisition.fps, acquisition.exposure_ms)
            for measurement in measured
            for acquisition in (capture.acquisition for capture in measurement.diffusion.captures)
        }
    )
    if len(taken) > 1:
        shown = ", ".join(f"{mpp:g} µm/px {fps:g} fps {exposure_ms:g} ms" for mpp, fps, exposure_ms in taken)
        raise UsageError(f"the captures were taken at {len(taken)} settings ({shown}); calibrate each by itself")


def _depth_share(one: Measurement) -> float:
    """Return the depth in which the beads were seen over the nominal one."""
    sizes, weights = _sizes(one)
    seen_share = one.distribution.seen_share * one.distribution.share_within
    return depth_share_behind(seen_share, one.diffusion.captures, sizes, weights, one.diffusion.min_track)


def _sizes(one: Measurement) -> tuple[Any, Any]:
    table = one.distribution.table
    return sizes_and_weights(one.diffusion, table["diameter_nm"].to_numpy(), table["density_per_nm"].to_numpy())


def _standard(beads: Beads, one: Measurement) -> Standard:
    """Return what one standard says: the constant at which its concentration is the stated one.

    c goes as 1/(x q(x)), x the depth in which beads are seen and q the share of them in tracks that are counted.
    """
    sizes, weights = _sizes(one)
    captures = one.diffusion.captures
    counted = min(COUNTED_TRACK, one.diffusion.min_track)
    nominal = _depth_share(one)
    seen = nominal * mean_share_in_tracks(captures, sizes, weights, nominal, counted)
    wanted = seen * one.concentration.measured.value / beads.in_cell_per_ml
    width_um = one.concentration.depth_um * depth_share_behind(wanted, captures, sizes, weights, counted) / nominal
    parts = one.concentration.parts
    between = parts.captures if math.isfinite(parts.captures) else 0.0
    return Standard(
        size_nm=float(beads.size_nm),
        size_sd_nm=float(beads.size_sd_nm),
        concentration_per_ml=float(beads.concentration_per_ml),
        dilution=float(beads.dilution),
        videos=tuple(Path(video).name for video in beads.videos),
        sha256=tuple(capture.sha256 or "" for capture in one.captures),
        constant_um=width_um / FULL_WIDTH_PER_CONSTANT,
        relative_sd=math.sqrt(parts.counting**2 + between**2 + beads.stated_relative_sd**2),
        measured_nm=one.size.d50.value,
    )


def _weighted_mean(found: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """Return mean, relative standard uncertainty and contradiction of positive values with relative uncertainties.

    The mean is that of the logarithms, because the errors are relative. Its uncertainty grows by the Birge ratio where
    the values differ by more than theirs explain (Birge 1932).
    """
    logs, sds = np.log([value for value, _ in found]), np.array([sd for _, sd in found])
    weights = 1.0 / sds**2
    mean, sd = float(weights @ logs / weights.sum()), math.sqrt(1.0 / float(weights.sum()))
    if len(found) == 1:
        return found[0][0], sd, math.nan
    chi2 = float(weights @ (logs - mean) ** 2)
    birge = max(1.0, math.sqrt(chi2 / (len(found) - 1)))
    # Each value is a part of the mean: the variance of the difference is that of the value less that of the mean.
    contradiction = float(np.max(np.abs(logs - mean) / np.sqrt(sds**2 - sd**2)))
    return math.exp(mean), birge * sd, contradiction


def _mpp_from_beads(standards: Sequence[Beads], measured: Sequence[Measurement]) -> tuple[float, float]:
    """Return the pixel size that makes the beads right, µm, and its standard uncertainty: sizes go as mpp^-2."""
    found = []
    for beads, one in zip(standards, measured, strict=True):
        mpp = float(one.captures[0].mpp or math.nan)
        d50 = one.size.d50
        relative_sd = math.hypot((d50.high - d50.low) / (2.0 * NORMAL_95) / d50.value, beads.size_sd_nm / beads.size_nm)
        found.append((mpp * math.sqrt(d50.value / beads.size_nm), max(0.5 * relative_sd, 1e-4)))
    mean, relative_sd, _ = _weighted_mean(found)
    return mean, relative_sd * mean


def _holds_for(measured: Sequence[Measurement]) -> HoldsFor:
    acquisition = measured[0].diffusion.captures[0].acquisition
    widths = [np.mean(np.asarray(one.values["spot_sd_px"].value, dtype=np.float64)) for one in measured]
    ratios = [math.exp((_depth_share(one) * FULL_WIDTH_PER_CONSTANT) ** 2) for one in measured]
    return HoldsFor(
        mpp=acquisition.mpp,
        fps=acquisition.fps,
        exposure_ms=acquisition.exposure_ms,
        spot_sd_px=round(float(np.mean(widths)), 4),
        light_ratio=round(float(np.median(ratios)), 4),
    )
