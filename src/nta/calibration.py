"""What beads say of an instrument: the depth constant, the settings it holds for, and the file that keeps it.

The file is TOML (schema ``nta.calibration/1``), made by :func:`nta.standards.calibrate` and read by every measurement
that names it.
"""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from nta.csvtable import write_whole
from nta.errors import UsageError
from nta.settings import Acquisition, Settings, Sourced
from nta.system_check import Check, Verdict
from nta.visibility import FULL_WIDTH_PER_CONSTANT

SCHEMA: Final = "nta.calibration/1"
DEFAULT_MAX_AGE_DAYS: Final = 90.0


@dataclass(frozen=True, slots=True)
class HoldsFor:
    """The optical setting for which a depth constant holds.

    Parameters
    ----------
    mpp, fps, exposure_ms : float
        µm per pixel, frames per second, ms.
    spot_sd_px : float
        Width of the beads' spots (standard deviation of a Gaussian), px.
    light_ratio : float
        Light of the beads at the centre of the sheet over that at which detection ends.
    """

    mpp: float
    fps: float
    exposure_ms: float
    spot_sd_px: float
    light_ratio: float


TOLERANCES: Final[dict[str, float]] = {"mpp": 0.01, "fps": 0.01, "exposure_ms": 0.05, "spot_sd_px": 0.25}
"""Relative differences from the beads' settings beyond which a calibration does not hold. The spots' width is the
widest: it differs between samples too (1.73 px for 100 nm beads, 1.88 px for 60 nm and 200 nm in the benchmarks)."""


@dataclass(frozen=True, slots=True)
class Standard:
    """One bead standard as it was measured.

    Parameters
    ----------
    size_nm, size_sd_nm : float
        Certified diameter and its standard uncertainty, nm.
    concentration_per_ml : float
        Stated concentration of the stock.
    dilution : float
        Factor by which it was diluted.
    videos, sha256 : tuple of str
        Names of the captures and hashes of their bytes.
    constant_um : float
        The depth constant A of this standard alone, µm.
    relative_sd : float
        Its standard uncertainty: counts, captures, and the stated concentration's.
    measured_nm : float
        D50 of the beads with the pixel size that was used, nm.
    """

    size_nm: float
    size_sd_nm: float
    concentration_per_ml: float
    dilution: float
    videos: tuple[str, ...]
    sha256: tuple[str, ...]
    constant_um: float
    relative_sd: float
    measured_nm: float


@dataclass(frozen=True)
class Calibration:
    """The depth of one instrument at one optical setting, from beads.

    Parameters
    ----------
    constant_um : float
        A of h = A sqrt(ln(m0/threshold)), µm.
    relative_sd : float
        Its relative standard uncertainty, the standards' disagreement included.
    parts : dict
        That uncertainty's parts by name.
    holds_for : HoldsFor
        The setting.
    mpp_from_beads, mpp_from_beads_sd : float
        Pixel size that would make the beads as large as certified, and its standard uncertainty, µm.
    localisation_error_nm : float
        Median localisation error of a bead's position, nm.
    standards : tuple of Standard
        What it rests on.
    suitability : tuple of Check
        Whether the system was fit for it.
    warnings : tuple of str
        What the captures of the beads were warned of: ``code: sentence``.
    contradiction : float
        Largest difference of a standard from the mean in its standard uncertainties; NaN for one standard.
    made_utc : str
        ISO 8601.
    max_age_days : float
        Age from which a measurement that uses it is flagged.
    nta : str
        Version that made it.
    """

    constant_um: float
    relative_sd: float
    parts: dict[str, float]
    holds_for: HoldsFor
    mpp_from_beads: float
    mpp_from_beads_sd: float
    localisation_error_nm: float
    standards: tuple[Standard, ...]
    suitability: tuple[Check, ...]
    contradiction: float
    made_utc: str
    nta: str
    max_age_days: float = DEFAULT_MAX_AGE_DAYS
    warnings: tuple[str, ...] = ()
    sha256: str = field(default="", compare=False)
    """Of the file it was read from; empty before it is written."""

    @property
    def depth_um(self) -> float:
        """The sheet's full width at half maximum that goes with the constant, µm."""
        return self.constant_um * FULL_WIDTH_PER_CONSTANT

    @property
    def verdict(self) -> Verdict:
        """The gravest of the checks."""
        found = {check.verdict for check in self.suitability}
        return "fail" if "fail" in found else "warn" if "warn" in found else "pass"

    def save(self, path: str | Path) -> None:
        """Write the calibration as TOML, whole or not at all.

        Raises
        ------
        UsageError
            If there is a file of another kind at ``path``.
        """
        path = Path(path)
        check_replaceable(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, _toml(self))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        UsageError
            If the file is missing, no calibration, or not complete.
        """
        try:
            content = Path(path).read_bytes()
            values = tomllib.loads(content.decode("utf-8"))
        except OSError as error:
            raise UsageError(f"cannot read the calibration {str(path)!r}: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{str(path)!r} is not a TOML file: {error}") from None
        if values.get("schema") != SCHEMA:
            raise UsageError(f"{str(path)!r} is not a calibration of schema {SCHEMA}; make one with nta calibrate")
        try:
            calibration = cls(**_fields(values), sha256=hashlib.sha256(content).hexdigest())
            datetime.fromisoformat(calibration.made_utc)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"the calibration {str(path)!r} is not complete: {error}") from None
        if not (0.0 < calibration.constant_um < math.inf and 0.0 <= calibration.relative_sd < math.inf):
            raise UsageError(
                f"the calibration {str(path)!r} states a depth constant of {calibration.constant_um:g} µm, relative "
                f"uncertainty {calibration.relative_sd:g}; both must be positive numbers"
            )
        return calibration

    def mismatches(self, acquisition: Acquisition, spot_sd_px: float) -> tuple[str, ...]:
        """Return what of a capture is not as it was with the beads, one phrase each.

        Parameters
        ----------
        acquisition : Acquisition
            How the capture was taken.
        spot_sd_px : float
            Width of its spots, px.
        """
        found = {
            "mpp": (acquisition.mpp, "µm per pixel"),
            "fps": (acquisition.fps, "frames per second"),
            "exposure_ms": (acquisition.exposure_ms, "ms of exposure"),
            "spot_sd_px": (spot_sd_px, "px of spot width"),
        }
        return tuple(
            f"{value:.4g} {unit} and not {getattr(self.holds_for, name):.4g}"
            for name, (value, unit) in found.items()
            if abs(value - getattr(self.holds_for, name)) > TOLERANCES[name] * getattr(self.holds_for, name)
        )

    def age_days(self, now: datetime) -> float:
        """Return its age at ``now`` (with a time zone), days."""
        made = datetime.fromisoformat(self.made_utc)
        return (now - (made if made.tzinfo else made.replace(tzinfo=UTC))).total_seconds() / 86400.0

    def values(self, settings: Settings) -> dict[str, Sourced]:
        """Return what a measurement keeps of it: the file as it was named, and the hash of its bytes."""
        origin = settings.origin("calibration")
        return {
            "calibration": Sourced(settings.calibration, origin),
            "calibration_sha256": Sourced(self.sha256, origin),
        }


def with_calibration(settings: Settings) -> tuple[Settings, Calibration | None]:
    """Return settings with the depth of the calibration that they name, and the calibration.

    Raises
    ------
    UsageError
        If the file cannot be used, or a depth is stated beside it.
    """
    if settings.calibration is None:
        return settings, None
    if settings.depth_um is not None:
        raise UsageError(
            f"a depth of {settings.depth_um:g} µm and the calibration {settings.calibration!r} are both given; leave "
            "one of them out"
        )
    calibration = Calibration.load(settings.calibration)
    origin = settings.origin("calibration")
    return settings.updated(origin, {"depth_um": round(calibration.depth_um, 6)}), calibration


def complaints(
    calibration: Calibration | None, captures: Sequence[tuple[str, Acquisition, float]], now: datetime
) -> dict[str, str]:
    """Return what speaks against a calibration, by the code of its flag.

    Parameters
    ----------
    calibration : Calibration or None
        The one in use.
    captures : sequence of (name, Acquisition, spot width in px)
        The captures measured with it.
    now : datetime
        Time of the measurement.
    """
    if calibration is None:
        return {}
    found = {}
    differences = [
        f"{name} has {', '.join(mismatches)}"
        for name, acquisition, spot_sd_px in captures
        if (mismatches := calibration.mismatches(acquisition, spot_sd_px))
    ]
    if differences:
        found["calibration_mismatch"] = (
            f"the calibration was made at another optical setting: {'; '.join(differences)}; the concentration can be "
            "off by 10 % and more: calibrate with beads at this setting"
        )
    age_days = calibration.age_days(now)
    if age_days > calibration.max_age_days:
        found["calibration_old"] = (
            f"the calibration is {age_days:.0f} days old and was meant for {calibration.max_age_days:g}: measure the "
            "beads again with nta calibrate"
        )
    if calibration.verdict != "pass":
        told = "; ".join(f"{one.sentence}: {one.advice}" for one in calibration.suitability if one.verdict != "pass")
        found["calibration_unsuitable"] = (
            f"the suitability test of the calibration ended with {calibration.verdict}: {told}; then calibrate again"
        )
    return found


def check_replaceable(path: Path) -> None:
    """Refuse a path at which there is something other than a calibration.

    Raises
    ------
    UsageError
        If so.
    """
    if not path.exists():
        return
    try:
        is_ours = path.is_file() and tomllib.loads(path.read_text(encoding="utf-8")).get("schema") == SCHEMA
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        is_ours = False
    if not is_ours:
        raise UsageError(f"{str(path)!r} is there and is no calibration; name another file with -o")


def _toml(calibration: Calibration) -> str:
    """Return the file: values, then tables, then the lists of tables, each in the order of the fields."""
    values = {"schema": SCHEMA, **asdict(calibration)}
    del values["sha256"]
    values["suitability"] = [check for check in values["suitability"] if not math.isnan(check["value"])]
    lines = ["# Made by nta calibrate. depth = constant_um * sqrt(ln(light/threshold)); max_age_days may be edited."]
    lines += [
        f"{name} = {_literal(value)}"
        for name, value in values.items()
        if not isinstance(value, dict) and not _rows(value)
    ]
    for name, value in values.items():
        for row in [value] if isinstance(value, dict) else value if _rows(value) else ():
            heading = f"[{name}]" if isinstance(value, dict) else f"[[{name}]]"
            lines += ["", heading, *(f"{key} = {_literal(item)}" for key, item in row.items())]
    return "\n".join(lines) + "\n"


def _rows(value: Any) -> bool:  # noqa: ANN401  # any field
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], dict)


def _literal(value: Any) -> str:  # noqa: ANN401  # any field
    """Return a value as TOML writes it; text as JSON writes it, which TOML reads."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_literal(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False)


def _fields(values: dict[str, Any]) -> dict[str, Any]:
    """Return what the constructor takes from the tables of a file; the numbers as floats."""
    standards = tuple(
        Standard(**{**row, "videos": tuple(row["videos"]), "sha256": tuple(row["sha256"])})
        for row in values["standards"]
    )
    numbers = (
        "constant_um",
        "relative_sd",
        "mpp_from_beads",
        "mpp_from_beads_sd",
        "localisation_error_nm",
        "contradiction",
        "max_age_days",
    )
    return {
        **{name: float(values[name]) for name in numbers},
        "parts": {str(name): float(value) for name, value in values["parts"].items()},
        "holds_for": HoldsFor(**{name: float(value) for name, value in values["holds_for"].items()}),
        "standards": standards,
        "suitability": tuple(Check(**row) for row in values.get("suitability", [])),
        "made_utc": str(values["made_utc"]),
        "nta": str(values["nta"]),
        "warnings": tuple(str(warning) for warning in values.get("warnings", [])),
    }
