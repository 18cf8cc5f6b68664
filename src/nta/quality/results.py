"""What the results themselves say against a measurement: distribution, depth, captures, what was assumed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import numpy as np

from nta.agreement import QUANTITIES, Agreement
from nta.calibration import Calibration, complaints
from nta.concentration import Concentration
from nta.detection import Detections
from nta.distribution import SizeDistribution
from nta.quality.registry import Flag, flag
from nta.sensitivity import ThresholdSensitivity
from nta.settings import Sourced
from nta.size_statistics import SizeStatistics

SAMPLING_TOLERANCE: Final = 0.1
SIZE_LIMIT_SHARE: Final = 0.05

SENSITIVE_SIZE: Final = 0.1
"""Least relative change of D50 with the threshold that is said; where its interval is wider, that."""

SENSITIVE_CONCENTRATION: Final = 0.25
"""The same of the concentration, whose nominal depth alone is known to a quarter."""

_ASSUMED_NAMES: Final = ("mpp", "fps", "temperature_c", "medium", "depth_um")  # the exposure has a flag of its own


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
    mean, by_tracks = distribution.size.mean, distribution.mean_by_tracks_nm
    apart = abs(by_tracks - mean.value)
    # The draws are of the default; beyond both 10 % and the interval the two corrections cannot both be right.
    allowed = max(SAMPLING_TOLERANCE * mean.value, (mean.high - mean.low) / 2.0)
    if distribution.method == "penalised" and apart > allowed:
        flags.append(
            flag(
                "sampling_disagrees",
                f"the mean is {mean.value:.0f} nm by positions and {by_tracks:.0f} nm by tracks: particles of some "
                "sizes come and go otherwise than the depth and the flow say; check --depth-um and the flow",
            )
        )
    return flags


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


def of_threshold(sensitivity: ThresholdSensitivity, size: SizeStatistics, concentration: Concentration) -> list[Flag]:
    """Return whether another threshold would have given another answer, beyond what its own interval holds.

    Parameters
    ----------
    sensitivity : ThresholdSensitivity
        The answer at three thresholds.
    size, concentration
        The result's own, with their intervals.
    """
    told = []
    for quantity, name, estimate, least in (
        ("d50_nm", "D50", size.d50, SENSITIVE_SIZE),
        ("per_ml", "the concentration", concentration.measured, SENSITIVE_CONCENTRATION),
    ):
        changes = sensitivity.changes(quantity)
        # To each side by itself: between two peaks D50 may move up to the other peak, and not down at all.
        moved = [change for change in changes.values() if abs(change) > least]
        if any(not estimate.low <= estimate.value * (1.0 + change) <= estimate.high for change in moved):
            each = ", ".join(f"{change:+.0%} at {factor:g} times" for factor, change in changes.items())
            told.append(f"{name} ({each})")
    if not told:
        return []
    return [
        flag(
            "threshold_sensitive",
            f"another threshold would change {' and '.join(told)}: many spots are hardly brighter than the noise; "
            "raise the camera level or the exposure, and compare only with samples measured at the same --min-mass",
        )
    ]


def of_calibration(
    calibration: Calibration | None, captures: Sequence[tuple[str, Detections]], now: datetime
) -> list[Flag]:
    """Return the flags of a calibration that does not fit, is old, or was never good.

    Parameters
    ----------
    calibration : Calibration or None
        The one in use.
    captures : sequence of (name, Detections)
        What was measured with it.
    now : datetime
        Time of the measurement, with its zone.
    """
    seen = [(name, found.acquisition, found.appearance.spot_sd_px) for name, found in captures]
    return [flag(code, message) for code, message in complaints(calibration, seen, now).items()]


def of_agreement(agreement: Agreement) -> list[Flag]:
    """Return which captures stand apart, and whether they all differ by more than their own errors.

    Parameters
    ----------
    agreement : Agreement
        From :func:`nta.agreement.agreement_of`.
    """
    flags = []
    for number, quantities in agreement.outliers.items():
        capture = agreement.captures[number]
        told = " and ".join(
            f"{QUANTITIES[quantity]} ({getattr(capture, quantity).value:.3g}, mean of all "
            f"{agreement.spreads[quantity].mean.value:.3g})"
            for quantity in quantities
        )
        flags.append(
            flag(
                "capture_outlier",
                f"{capture.name} stands apart from the other captures in {told}; it was kept: look at it for bubbles, "
                "dirt or a lost focus, and leave it out by measuring without it",
            )
        )
    if agreement.disagreements:
        told = " and ".join(
            f"{QUANTITIES[quantity]} ({spread.between_sd / spread.mean.value:.0%} between captures, "
            f"{spread.within_sd / spread.mean.value:.0%} within)"
            for quantity in agreement.disagreements
            for spread in (agreement.spreads[quantity],)
        )
        flags.append(
            flag(
                "captures_disagree",
                f"captures differ by more than their own errors in {told}: the sample changed meanwhile (settling, "
                "clumps, warming, focus); mix it, let it come to temperature and record more captures",
            )
        )
    return flags


def of_values(values: Mapping[str, Sourced], concentration: Concentration) -> list[Flag]:
    """Return what was assumed, and whether the depth was."""
    flags = []
    assumed = [name for name in _ASSUMED_NAMES if name in values and values[name].origin == "assumed"]
    if assumed:
        stated = ", ".join(f"{name} = {values[name].value}" for name in assumed)
        flags.append(
            flag("assumed", f"not stated and therefore assumed: {stated}; give them, because the sizes depend on them")
        )
    if concentration.is_relative and not concentration.measured.is_missing:
        flags.append(
            flag(
                "relative_concentration",
                "the concentration rests on a nominal depth: compare it only with samples of the same instrument and "
                "settings, until a bead standard has calibrated the depth",
            )
        )
    return flags
