"""What the picture says against a measurement: saturation, noise, focus."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from nta.detection import Detections
from nta.diffusion import Diffusion
from nta.quality.registry import Flag, flag, listed
from nta.settings import PRESETS
from nta.tracking import Tracks

SATURATED_SHARE: Final = 0.001

NOISE_SHARE: Final = 0.02
"""Noise over the camera's range: a spot must be 4 times as high to be seen, and large particles need the rest."""

NEAR_THRESHOLD: Final = 1.5
"""Brightness over the threshold that half of the tracked spots must reach."""

FOCUS_FACTOR: Final = 1.75
"""Spot width over what the optics and the motion during the exposure make: particles 3 times out of focus."""

WIDTH_RANGE: Final = 0.6
"""Range of the middle 80 % of the spots' widths over their median; 0.27 to 0.35 on simulated sheets."""

BETWEEN_CAPTURES: Final = 0.4
"""Relative difference of a capture's spot width from that of the sample."""

_JUDGED_SPOTS: Final = 100
_JUDGED_PER_FRAME: Final = 1.0
_IN_TRACKS: Final = 5
_SPOT_SD_UM: Final = 0.2  # an objective of NA 0.4 at 405 to 488 nm
_PRESET_TOLERANCE: Final = 0.25
_WINDOW_SDS: Final = 4.5  # of a spot, that the detector's window should hold
_TYPICAL_NM: Final = 100.0

Captures = Sequence[tuple[str, Detections]]


def of_picture(captures: Captures, tracks: Tracks, diffusion: Diffusion) -> list[Flag]:
    """Return every flag that the pictures raise; noise and focus only where there are particles to judge them by."""
    judged = [
        (number, name, found)
        for number, (name, found) in enumerate(captures)
        if found.particles_per_frame >= _JUDGED_PER_FRAME
    ]
    return [
        *_of_saturation(captures),
        *_of_noise([(name, found, _tracked(tracks, number)) for number, name, found in judged]),
        *_of_focus(
            [(name, found, _expected_sd_px(found, tracks, number, diffusion)) for number, name, found in judged]
        ),
    ]


def _of_saturation(captures: Captures) -> list[Flag]:
    """Return one flag for all captures: what is said eleven times is not read once."""
    shares = [found.appearance.saturated_share for _, found in captures]
    over = [name for (name, _), share in zip(captures, shares, strict=True) if share > SATURATED_SHARE]
    if not over:
        return []
    up_to = "up to " if len(over) > 1 else ""
    return [
        flag(
            "saturated",
            f"{up_to}{max(shares):.1%} of the pixels of {listed(over)} are saturated: large particles look "
            "equally bright and lose precision; lower the camera level or the shutter",
        )
    ]


def _tracked(tracks: Tracks, number: int) -> pd.DataFrame:
    """Return the spots of a capture that are in tracks of five or more: noise is in none."""
    mine = tracks.table[tracks.table["capture"] == number]
    return mine[mine.groupby("particle")["frame"].transform("size") >= _IN_TRACKS]


def _of_noise(captures: Sequence[tuple[str, Detections, pd.DataFrame]]) -> list[Flag]:
    reasons: dict[str, list[str]] = {}
    for name, found, tracked in captures:
        share = found.appearance.noise_sd / found.appearance.full_scale
        if share > NOISE_SHARE:
            reasons.setdefault(f"the noise is {share:.1%} of the camera's range", []).append(name)
        elif "mass" in tracked and len(tracked) >= _JUDGED_SPOTS and found.min_mass > 0.0:
            above = float(tracked["mass"].median()) / found.min_mass
            if above < NEAR_THRESHOLD:
                reasons.setdefault(f"half of the spots are within {above:.2g} of the threshold", []).append(name)
    if not reasons:
        return []
    seen = " and ".join(f"{reason} in {listed(names)}" for reason, names in reasons.items())
    return [
        flag(
            "noisy",
            f"{seen}: dim particles, the small ones first, are hidden; raise the laser power or the exposure, lower "
            "the camera's gain, and leave --min-mass out",
        )
    ]


def _expected_sd_px(found: Detections, tracks: Tracks, number: int, diffusion: Diffusion) -> float:
    """Return the spot width (sd, px) of optics in focus, pixels, and motion during the exposure; NaN: optics unknown.

    The objective is known by the pixel size only: that of a preset, within a quarter.
    """
    acquisition = found.acquisition
    if all(abs(acquisition.mpp / preset.mpp - 1.0) > _PRESET_TOLERANCE for preset in PRESETS.values()):
        return math.nan
    each = diffusion.table.get("diffusion_um2_s", pd.Series(dtype=float)).dropna()
    um2_s = float(each.median()) if len(each) else float(acquisition.diffusion_m2_s(_TYPICAL_NM)) * 1e12
    speed_um_s = math.hypot(*tracks.captures[number].flow_um_s) if number < len(tracks.captures) else 0.0
    smear_um = speed_um_s * acquisition.exposure_s if math.isfinite(speed_um_s) else 0.0
    # A Brownian path of duration t lies about its own mean with a variance of D t/3.
    variance_um2 = _SPOT_SD_UM**2 + um2_s * acquisition.exposure_s / 3.0 + smear_um**2 / 12.0
    return math.sqrt(variance_um2 / acquisition.mpp**2 + 1.0 / 12.0)


def _of_focus(captures: Sequence[tuple[str, Detections, float]]) -> list[Flag]:
    if not captures:
        return []
    reasons: dict[str, list[str]] = {}
    typical = float(np.median([found.appearance.spot_sd_px for _, found, _ in captures]))
    for name, found, expected in captures:
        width = found.appearance.spot_sd_px
        spread = _width_range(found)
        if width > FOCUS_FACTOR * expected:
            reasons.setdefault(f"spots are {width / expected:.1f} times as wide as in focus", []).append(name)
        elif _WINDOW_SDS * width > found.diameter_px + 1.0:
            reasons.setdefault(f"spots are wider than the detector's window of {found.diameter_px} px", []).append(name)
        elif abs(width / typical - 1.0) > BETWEEN_CAPTURES:
            reasons.setdefault(f"spots are {width / typical:.1f} times as wide as in the others", []).append(name)
        elif spread > WIDTH_RANGE:
            reasons.setdefault(f"the widths of four in five spots spread over {spread:.0%} of their median", []).append(
                name
            )
    if not reasons:
        return []
    seen = " and ".join(f"{reason} in {listed(names)}" for reason, names in reasons.items())
    return [
        flag("focus", f"{seen}: dim particles are lost and positions are worse; focus again where most spots are sharp")
    ]


def _width_range(found: Detections) -> float:
    if "size" not in found.table or len(found.table) < _JUDGED_SPOTS:
        return math.nan
    low, middle, high = np.quantile(found.table["size"].to_numpy(np.float64), (0.1, 0.5, 0.9))
    return float((high - low) / middle)
