"""How numbers and names are written for people: one place for digits, units and words."""

from __future__ import annotations

import math
from collections.abc import Container
from typing import Final

from nta.estimate import Estimate

MISSING: Final = "\N{EM DASH}"
_NARROW_SPACE: Final = "\N{NARROW NO-BREAK SPACE}"
_SUPERSCRIPTS: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

# Suffix of a name -> unit. The longest suffix wins.
_UNITS: Final[dict[str, str]] = {
    "um2_s": "µm²/s",
    "um_s": "µm/s",
    "per_ml_per_nm": "mL⁻¹ nm⁻¹",
    "per_ml": "mL⁻¹",
    "per_nm": "nm⁻¹",
    "mpas": "mPa·s",
    "nm": "nm",
    "um": "µm",
    "px": "px",
    "ms": "ms",
    "c": "°C",
    "s": "s",
}

_LABELS: Final[dict[str, tuple[str, str]]] = {
    "mpp": ("Pixel size", "µm/px"),
    "fps": ("Frame rate", "frames/s"),
    "exposure_ms": ("Exposure", "ms"),
    "temperature_c": ("Temperature", "°C"),
    "viscosity_mpas": ("Viscosity", "mPa·s"),
    "medium": ("Medium", ""),
    "depth_um": ("Depth in view", "µm"),
    "dilution": ("Dilution", ""),
    "instrument": ("Instrument preset", ""),
    "invert": ("Dark particles on bright ground", ""),
    "diameter_px": ("Spot diameter", "px"),
    "min_mass": ("Least brightness of a spot", "grey levels"),
    "false_per_frame": ("Spots that noise makes in a frame, at most", ""),
    "missed_share_at_5_sd": ("Share of spots of 5 noise sd that is missed", ""),
    "search_range_px": ("Search range", "px"),
    "memory": ("Frames a particle may be missing", ""),
    "min_track": ("Fewest positions of a track", ""),
    "size_range_nm": ("Sizes looked for", "nm"),
    "frames": ("Frames used", ""),
    "roi": ("Region used (x, y, w, h)", "px"),
    "exclude": ("Regions left out (x, y, w, h)", "px"),
    "seed": ("Seed of the bootstrap", ""),
}

ORIGINS: Final[dict[str, str]] = {
    "command_line": "command line",
    "settings": "settings",
    "sidecar": ".nano beside the video",
    "video": "video",
    "preset": "instrument preset",
    "assumed": "assumed",
    "import": "imported file",
}
_OF_MANIFESTS: Final = ("dilution_sd_percent", "blank", "calibration", "calibration_sha256", "depth_um", "medium")
_OF_EITHER: Final = ("dilution", "temperature_c", "viscosity_mpas")
DEFAULT: Final = "default"
"""Origin of a value that nobody stated and that says nothing about how the capture was taken."""

_RANGES: Final = ("frames", "size_range_nm")

# The formulas behind these are not good to more digits.
_DIGITS: Final[dict[str, int]] = {"viscosity_mpas": 4, "depth_um": 4, "false_per_frame": 2}


def origin_of(name: str, origin: str, names: Container[str]) -> str:
    """Return where a value came from, in words, by the ``names`` of all values of its measurement.

    A depth beside a calibration is that one's; what lies beside a video is its .nano or the manifest.
    """
    if name == "depth_um" and "calibration" in names:
        return "calibration"
    if origin != "sidecar":
        return ORIGINS[origin]
    if name in _OF_MANIFESTS or "experiment" not in names:
        return "manifest"
    return ".nano or manifest" if name in _OF_EITHER else ORIGINS[origin]


def is_number(value: object) -> bool:
    """Whether ``value`` is a finite number; a truth value is not one."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def fixed(value: float | None, decimals: int = 1) -> str:
    """Return ``value`` with this many decimals, a dash when it is missing."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:,.{decimals}f}".replace(",", _NARROW_SPACE).replace("-", "−")


def count(value: int | None) -> str:
    """Return a whole number in groups of three, a dash when it is missing."""
    return MISSING if value is None else fixed(value, 0)


def general(value: float | None, digits: int = 6) -> str:
    """Return ``value`` with up to ``digits`` significant digits, a dash when it is missing."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:.{digits}g}"
    if "e" in text:
        return scientific(value, digits)
    return text.replace("-", "−")


def scientific(value: float | None, digits: int = 3) -> str:
    """Return ``value`` as ``1.62 × 10⁹`` with this many significant digits, a dash when it is missing."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa.replace('-', '−')} × 10{str(int(exponent)).translate(_SUPERSCRIPTS)}"


def interval(estimate: Estimate, decimals: int = 1) -> str:
    """Return ``104.1 to 110.6``, a dash when the interval is missing."""
    return _between(fixed(estimate.low, decimals), fixed(estimate.high, decimals))


def scientific_interval(estimate: Estimate) -> str:
    """Return ``1.21 × 10⁹ to 2.05 × 10⁹``, a dash when the interval is missing."""
    return _between(scientific(estimate.low), scientific(estimate.high))


def _between(low: str, high: str) -> str:
    return MISSING if low == high == MISSING else f"{low} to {high}"


def unit_of(name: str) -> str:
    """Return the unit that the name of a value or column ends in, or the empty string."""
    suffixes = sorted(_UNITS, key=len, reverse=True)
    return next((_UNITS[suffix] for suffix in suffixes if name.endswith(f"_{suffix}")), "")


def label(name: str) -> tuple[str, str]:
    """Return the words and the unit for the value ``name``; unknown names are spelt out."""
    if name in _LABELS:
        return _LABELS[name]
    unit = unit_of(name)
    if unit:
        suffix = next(key for key in sorted(_UNITS, key=len, reverse=True) if name.endswith(f"_{key}"))
        name = name.removesuffix(f"_{suffix}")
    return words(name), unit


def words(name: str) -> str:
    """Return a name of the code as words: ``too_short`` becomes ``Too short``."""
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def plain(value: object, name: str = "") -> str:
    """Return any value of the settings as text, without its unit."""
    if value is None:
        return "not known" if name == "dilution" else MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        if name in _RANGES:
            return _range(*value)
        parts = (f"({plain(part)})" if isinstance(part, (list, tuple)) else plain(part, name) for part in value)
        return ", ".join(parts) or "none"
    if isinstance(value, int):
        return str(value).replace("-", "−")
    return general(value, _DIGITS.get(name, 6)) if isinstance(value, float) else str(value)


def _range(low: object, high: object) -> str:
    return f"from {plain(low)}" if high is None else f"{plain(low)} to {plain(high)}"
