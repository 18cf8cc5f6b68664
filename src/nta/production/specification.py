"""The limits of a release: a TOML file with a version, known by the hash of its bytes."""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from nta.errors import UsageError
from nta.production.assays import OUTCOMES

SCHEMA: Final = "nta.specification/1"

ATTRIBUTES: Final[dict[str, str]] = {
    "potency_percent": "% of the reference",
    "sterility": "",
    "mycoplasma": "",
    "endotoxin_eu_per_ml": "EU/mL",
    "concentration_per_ml": "particles/mL",
    "recovery_percent": "%",
    "mode_nm": "nm, by number",
    "d10_nm": "nm, by number",
    "d50_nm": "nm, by number",
    "d90_nm": "nm, by number",
    "span": "",
    "fraction_percent": "% of the particles, by number",
    "cd9_percent": "%",
    "cd63_percent": "%",
    "cd81_percent": "%",
    "particles_per_ug": "particles/µg protein",
    "protein_ug_per_ml": "µg/mL",
    "lipid_ug_per_ml": "µg/mL",
    "rna_ng_per_ml": "ng/mL",
    "cv_percent": "% between captures",
    "bead_d50_nm": "nm, by number",
}
"""What can be limited, with its unit, in the order of a release: potency before purity."""

_KEYS: Final = {"attribute", "low", "high", "label", "tolerance_percent", "window_nm", "sd_percent"}


@dataclass(frozen=True, slots=True)
class Limit:
    """One rule of a specification.

    Parameters
    ----------
    attribute : str
        One of :data:`ATTRIBUTES`.
    low, high : float
        Both belong to what passes; infinite where there is no bound. Of no meaning for an assay that ends with a word,
        which has to be ``pass``.
    window_nm : tuple of float or None
        Window of sizes of ``fraction_percent``, nm.
    sd_percent : float or None
        Relative standard uncertainty of a value that comes without an interval, %; 0 takes it as exact.

    Raises
    ------
    UsageError
        If the rule contradicts itself.
    """

    attribute: str
    low: float = -math.inf
    high: float = math.inf
    window_nm: tuple[float, float] | None = None
    sd_percent: float | None = None

    def __post_init__(self) -> None:
        if self.attribute not in ATTRIBUTES:
            raise UsageError(f"{self.attribute!r} cannot be limited; known are {', '.join(ATTRIBUTES)}")
        is_open = math.isinf(self.low) and math.isinf(self.high)
        if self.attribute in OUTCOMES:
            if not is_open:
                raise UsageError(f"{self.attribute} ends with pass or fail; leave its low and high out")
        elif is_open:
            raise UsageError(f"{self.attribute} has no bound; give low, high, or label with tolerance_percent")
        if not self.low < self.high:
            raise UsageError(f"{self.attribute}: low {self.low:g} is not below high {self.high:g}")
        if (self.window_nm is not None) != (self.attribute == "fraction_percent"):
            raise UsageError(f"{self.attribute}: window_nm goes with fraction_percent, and with nothing else")
        if self.window_nm is not None and not 0.0 <= self.window_nm[0] < self.window_nm[1]:
            raise UsageError(f"{self.attribute}: the window {self.window_nm} is empty; give [lower, upper] in nm")
        if self.sd_percent is not None and not 0.0 <= self.sd_percent < math.inf:
            raise UsageError(f"{self.attribute}: sd_percent {self.sd_percent:g} is negative; give 0 or more")

    @property
    def rule(self) -> str:
        """The rule in words, with its unit."""
        if self.attribute in OUTCOMES:
            return f"{self.attribute} pass"
        window = "" if self.window_nm is None else f" from {self.window_nm[0]:g} to {self.window_nm[1]:g} nm"
        name = f"{self.attribute}{window}"
        if math.isinf(self.high):
            return f"{name} at least {self.low:g}"
        if math.isinf(self.low):
            return f"{name} at most {self.high:g}"
        return f"{name} from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Specification:
    """The rules of a release.

    Parameters
    ----------
    name, version : str
        As written in the file.
    limits : tuple of Limit
        In the order of :data:`ATTRIBUTES`.
    sha256 : str
        Of the file's bytes; empty where it was made in Python.

    Raises
    ------
    UsageError
        If there is no rule, or one attribute (and window) has two.
    """

    name: str
    version: str
    limits: tuple[Limit, ...]
    sha256: str = ""

    def __post_init__(self) -> None:
        if not self.limits:
            raise UsageError(f"the specification {self.name!r} has no limit; write at least one [[limit]]")
        places = [(limit.attribute, limit.window_nm) for limit in self.limits]
        twice = sorted({name for name, window in places if places.count((name, window)) > 1})
        if twice:
            raise UsageError(f"the specification {self.name!r} limits {', '.join(twice)} twice; keep one of them")
        order = list(ATTRIBUTES)
        ordered = sorted(self.limits, key=lambda limit: order.index(limit.attribute))
        object.__setattr__(self, "limits", tuple(ordered))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a specification file.

        Raises
        ------
        UsageError
            If it cannot be read or is no specification; with every fault at once, one a line.
        """
        try:
            content = Path(path).read_bytes()
            values = tomllib.loads(content.decode("utf-8"))
        except OSError as error:
            raise UsageError(f"cannot read the specification {str(path)!r}: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{str(path)!r} is not a TOML file: {error}") from None
        if values.get("schema") != SCHEMA:
            raise UsageError(f"{str(path)!r} is not a specification; its first line has to be schema = {SCHEMA!r}")
        faults = _faults_of_head(values)
        limits = _limits(values.get("limit", []), faults)
        if faults:
            raise UsageError("\n".join([f"the specification {str(path)!r} cannot be used:", *faults]))
        return cls(values["name"], values["version"], limits, hashlib.sha256(content).hexdigest())


def _faults_of_head(values: Mapping[str, Any]) -> list[str]:
    faults = [
        f"{name} is missing or no text; write {name} = '...'"
        for name in ("name", "version")
        if not (isinstance(values.get(name), str) and values[name])
    ]
    unknown = sorted(set(values) - {"schema", "name", "version", "limit"})
    return faults + [f"{name} is not known; rules stand under [[limit]]" for name in unknown]


def _limits(rows: object, faults: list[str]) -> tuple[Limit, ...]:
    if not isinstance(rows, list):
        faults.append("limit is no list of tables; write [[limit]] above each rule")
        return ()
    limits = []
    for number, row in enumerate(rows, 1):
        try:
            limits.append(_limit(row))
        except UsageError as error:
            faults.append(f"limit {number}: {error}")
    return tuple(limits)


def _limit(row: Mapping[str, Any]) -> Limit:
    unknown = sorted(set(row) - _KEYS)
    if unknown:
        raise UsageError(f"{', '.join(unknown)} not known; a limit has {', '.join(sorted(_KEYS))}")
    attribute = str(row.get("attribute", ""))
    sd_percent = _number(row, "sd_percent") if "sd_percent" in row else None
    low, high = _bounds(attribute, row)
    return Limit(attribute, low, high, _window(attribute, row), sd_percent)


def _bounds(attribute: str, row: Mapping[str, Any]) -> tuple[float, float]:
    """Return the bounds as written, or those of a label with its tolerance."""
    if "label" not in row and "tolerance_percent" not in row:
        return _number(row, "low", -math.inf), _number(row, "high", math.inf)
    if not {"label", "tolerance_percent"} <= set(row) or {"low", "high"} & set(row):
        raise UsageError(f"{attribute}: label and tolerance_percent go together, and without low and high")
    label, share = _number(row, "label"), _number(row, "tolerance_percent") / 100.0
    if not (label > 0.0 and 0.0 < share < 1.0):
        raise UsageError(f"{attribute}: a label of {label:g} ± {100.0 * share:g} % is no range; give 0 to 100 %")
    return label * (1.0 - share), label * (1.0 + share)


def _window(attribute: str, row: Mapping[str, Any]) -> tuple[float, float] | None:
    window = row.get("window_nm")
    if window is None:
        return None
    if not (isinstance(window, list) and len(window) == 2 and all(_is_number(end) for end in window)):
        raise UsageError(f"{attribute}: window_nm {window!r} is not [lower, upper] in nm")
    return float(window[0]), float(window[1])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(row: Mapping[str, Any], name: str, default: float = math.nan) -> float:
    value = row.get(name, default)
    if name in row and not _is_number(value):
        raise UsageError(f"{name} is {value!r}; write a finite number")
    return float(value)
