"""Content keys: two jobs with one key give the same bytes, so the second need not run; and why one must."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import nta
from nta.settings import Settings

SAMPLE_ONLY: Final = frozenset(
    {"dilution", "dilution_sd_percent", "blank", "calibration", "windows_nm", "method", "seed"}
)
"""Settings that do not touch a capture: searching and linking neither see them nor what follows from them."""

_NOT_MEASURING: Final = ("batch", "store", "report", "simulation", "production", "standards")

_LONGEST_REASON: Final = 3


@cache
def method_version() -> str:
    """Return the version of nta with a hash of the code that measures: another one may give other numbers."""
    package = Path(nta.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package)
        if inside.parts[0] not in _NOT_MEASURING:
            digest.update(inside.as_posix().encode() + b"\0" + path.read_bytes())
    return f"{nta.__version__}+{digest.hexdigest()[:12]}"


def key_of(inputs: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what a job depends on."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read(text: str) -> dict[str, Any]:
    """Return inputs as the store keeps them."""
    return dict(json.loads(text))


def for_capture(settings: Settings) -> Settings:
    """Return the settings that touch a capture, the others at their defaults."""
    return settings.model_copy(update={name: Settings.model_fields[name].default for name in SAMPLE_ONLY})


def stated(settings: Settings) -> dict[str, Any]:
    """Return every setting that is not at its default, with where it came from: both stand in a result."""
    values = settings.model_dump(mode="json", exclude_defaults=True)
    return {name: [value, settings.origin(name)] for name, value in values.items()}


def capture_inputs(sha256: str, settings: Settings, sidecar: str | None) -> dict[str, Any]:
    """Return what the result of a capture depends on."""
    return {
        "sha256": sha256,
        "settings": stated(for_capture(settings)),
        "sidecar": sidecar,
        "method": method_version(),
    }


def sample_inputs(
    captures: Sequence[str], settings: Settings, calibration: str | None, blank: Sequence[str], remarks: Sequence[str]
) -> dict[str, Any]:
    """Return what the result of a sample depends on: the keys of its captures, and all that they do not see.

    Where a calibration or a blank lies does not matter; what is in it does.
    """
    values = stated(settings)
    values.pop("calibration", None)
    values.pop("blank", None)
    return {
        "captures": list(captures),
        "settings": values,
        "calibration": calibration,
        "blank": list(blank),
        "remarks": list(remarks),
        "method": method_version(),
    }


def why(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> str:
    """Return in a clause why a job runs again: what differs from the last time."""
    if old is None:
        return "new"
    reasons = []
    if old.get("sha256") != new.get("sha256"):
        reasons.append("the file has changed")
    if old.get("captures") != new.get("captures"):
        reasons.append("its captures have changed")
    reasons += _changed_settings(old.get("settings", {}), new.get("settings", {}))
    for name in ("sidecar", "calibration", "blank", "remarks"):
        if old.get(name) != new.get(name):
            reasons.append(f"{name} has changed")
    if old.get("method") != new.get("method"):
        reasons.append(f"nta has changed: {old.get('method')} -> {new.get('method')}")
    shown = reasons[:_LONGEST_REASON]
    return "; ".join(shown) + ("; …" if len(reasons) > len(shown) else "") if reasons else "the same again"


def _changed_settings(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    found = []
    for name in sorted({*old, *new}):
        before, now = (side.get(name, [None, None]) for side in (old, new))
        if before[0] != now[0]:
            found.append(f"{name} {_shown(before[0])} -> {_shown(now[0])}")
        elif before[1] != now[1]:
            found.append(f"{name} is stated elsewhere ({before[1]} -> {now[1]})")
    return found


def _shown(value: Any) -> str:  # noqa: ANN401  # any setting
    return "not stated" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
