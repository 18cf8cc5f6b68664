"""Which diameters the particles have: one size, a lognormal, a mixture of them, or a table.

Every population is number-weighted and draws exact, independent diameters in nm.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nta.errors import SettingsError, UsageError

Floats = NDArray[np.float64]

# The largest step of a particle sets how far around the box newcomers are drawn. 5 sd in ln d is met by one
# particle in 3.5 million, and that one then has a collar of a little fewer of its own standard deviations.
_TAIL_SD = 5.0


class Population(Protocol):
    """A number-weighted law of diameters, nm."""

    def sample(self, rng: np.random.Generator, n: int) -> Floats:
        """Draw ``n`` independent diameters, nm, shape (n,)."""

    @property
    def smallest_nm(self) -> float:
        """Diameter below which practically no particle (3e-7) is drawn, nm."""

    def to_dict(self) -> dict[str, Any]:
        """Return what :func:`population_from_dict` reads; JSON types only."""


def _check_diameter(diameter_nm: float) -> None:
    if not 1 <= diameter_nm <= 10_000:
        raise SettingsError(f"a diameter of {diameter_nm:g} nm is outside 1 to 10000 nm")


@dataclass(frozen=True, slots=True)
class OneSize:
    """All particles have the same diameter.

    Parameters
    ----------
    diameter_nm : float
        Hydrodynamic diameter, nm.
    """

    diameter_nm: float

    def __post_init__(self) -> None:
        _check_diameter(self.diameter_nm)

    def sample(self, rng: np.random.Generator, n: int) -> Floats:  # noqa: ARG002  # nothing to draw
        """Return ``n`` times the diameter, nm."""
        return np.full(n, self.diameter_nm)

    @property
    def smallest_nm(self) -> float:
        """The diameter itself, nm."""
        return self.diameter_nm

    def to_dict(self) -> dict[str, Any]:
        """Return the population as JSON types."""
        return {"kind": "one_size", "diameter_nm": self.diameter_nm}


@dataclass(frozen=True, slots=True)
class Lognormal:
    """A lognormal law, stated as people read it off a curve: by its mode and its coefficient of variation.

    With s^2 = ln(1 + CV^2) the density has its mode at exp(mu - s^2), so mu = ln(mode) + s^2.

    Parameters
    ----------
    mode_nm : float
        Position of the maximum of the number density over diameter, nm.
    cv : float
        Standard deviation divided by the mean, above 0 to 2 (0.275 = 27.5 %).
    """

    mode_nm: float
    cv: float

    def __post_init__(self) -> None:
        _check_diameter(self.mode_nm)
        if not 0 < self.cv <= 2:
            raise SettingsError(
                f"a coefficient of variation of {self.cv:g} is outside 0 to 2; 27.5 % is 0.275, and without "
                "a spread the population is one size"
            )

    @property
    def log_sd(self) -> float:
        """Standard deviation of ln(diameter)."""
        return math.sqrt(math.log1p(self.cv**2))

    @property
    def log_mean(self) -> float:
        """Mean of ln(diameter / nm)."""
        return math.log(self.mode_nm) + self.log_sd**2

    def sample(self, rng: np.random.Generator, n: int) -> Floats:
        """Draw ``n`` diameters, nm."""
        return rng.lognormal(self.log_mean, self.log_sd, n)

    @property
    def smallest_nm(self) -> float:
        """Diameter five standard deviations of ln d below the median, nm."""
        return math.exp(self.log_mean - _TAIL_SD * self.log_sd)

    def to_dict(self) -> dict[str, Any]:
        """Return the population as JSON types."""
        return {"kind": "lognormal", "mode_nm": self.mode_nm, "cv": self.cv}


@dataclass(frozen=True, slots=True)
class Table:
    """Discrete diameters with number weights, as a CSV gives them.

    Parameters
    ----------
    diameters_nm : tuple of float
        Diameters, nm.
    weights : tuple of float
        Number of particles of each diameter, in any common unit.
    """

    diameters_nm: tuple[float, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.diameters_nm or len(self.diameters_nm) != len(self.weights):
            raise SettingsError(
                f"a table of {len(self.diameters_nm)} diameters and {len(self.weights)} weights is no "
                "population; give one weight for each diameter"
            )
        for diameter_nm in self.diameters_nm:
            _check_diameter(diameter_nm)
        if not all(math.isfinite(weight) and weight >= 0 for weight in self.weights) or not sum(self.weights) > 0:
            raise SettingsError("the weights of a population must be finite, not negative, and not all zero")

    def sample(self, rng: np.random.Generator, n: int) -> Floats:
        """Draw ``n`` diameters, nm."""
        weights = np.asarray(self.weights, dtype=np.float64)
        drawn: Floats = rng.choice(np.asarray(self.diameters_nm, dtype=np.float64), size=n, p=weights / weights.sum())
        return drawn

    @property
    def smallest_nm(self) -> float:
        """Smallest diameter that has a weight, nm."""
        return min(d for d, weight in zip(self.diameters_nm, self.weights, strict=True) if weight > 0)

    def to_dict(self) -> dict[str, Any]:
        """Return the population as JSON types."""
        return {"kind": "table", "diameters_nm": list(self.diameters_nm), "weights": list(self.weights)}

    @classmethod
    def from_csv(cls, path: str | Path) -> Table:
        """Read a population from a CSV with a header.

        Parameters
        ----------
        path : str or Path
            File with the column ``diameter_nm`` and either ``weight`` (number of particles, any unit) or
            ``density_per_nm`` (as in ``distribution.csv``; evenly spaced diameters).

        Raises
        ------
        UsageError
            If the file is missing or has not these columns.
        SettingsError
            If a diameter or a weight is impossible.
        """
        try:
            with Path(path).open(encoding="utf-8-sig", newline="") as file:
                rows = list(csv.DictReader(file))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UsageError(f"cannot read the population {str(path)!r}: {error}") from None
        names = rows[0].keys() if rows else ()
        weight = next((name for name in ("weight", "density_per_nm") if name in names), None)
        if "diameter_nm" not in names or weight is None:
            raise UsageError(
                f"{str(path)!r} is no population; give the columns diameter_nm and weight (or density_per_nm)"
            )
        try:
            pairs = [(float(row["diameter_nm"]), float(row[weight])) for row in rows]
        except (TypeError, ValueError):
            raise UsageError(f"{str(path)!r} holds something other than numbers below its header") from None
        return cls(tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs))


@dataclass(frozen=True, slots=True)
class Mixture:
    """Several populations in stated number shares.

    Parameters
    ----------
    parts : tuple of Population
        The populations.
    shares : tuple of float
        Number share of each, in any common unit.
    """

    parts: tuple[Population, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.parts or len(self.parts) != len(self.shares):
            raise SettingsError(
                f"a mixture of {len(self.parts)} populations with {len(self.shares)} shares is incomplete; "
                "give one share for each"
            )
        if not all(math.isfinite(share) and share > 0 for share in self.shares):
            raise SettingsError("the shares of a mixture must be positive numbers, such as 1 and 1")

    def sample(self, rng: np.random.Generator, n: int) -> Floats:
        """Draw ``n`` diameters, nm, in random order of the parts."""
        shares = np.asarray(self.shares, dtype=np.float64)
        which = rng.choice(len(self.parts), size=n, p=shares / shares.sum())
        diameters = np.empty(n)
        for index, part in enumerate(self.parts):
            chosen = which == index
            diameters[chosen] = part.sample(rng, int(chosen.sum()))
        return diameters

    @property
    def smallest_nm(self) -> float:
        """Smallest diameter of the parts, nm."""
        return min(part.smallest_nm for part in self.parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the population as JSON types."""
        return {
            "kind": "mixture",
            "parts": [part.to_dict() for part in self.parts],
            "shares": list(self.shares),
        }


def mixture_of_modes(modes_nm: Sequence[float], cvs: Sequence[float] = (), shares: Sequence[float] = ()) -> Population:
    """Return the population with these modes: one size each, or a lognormal where the CV is above zero.

    Parameters
    ----------
    modes_nm : sequence of float
        Modes, nm.
    cvs : sequence of float
        Coefficient of variation of each mode; one for all, or none (0: a single size).
    shares : sequence of float
        Number share of each mode; equal when empty.

    Raises
    ------
    SettingsError
        If the numbers of modes, CVs and shares do not fit.
    """
    if not modes_nm:
        raise SettingsError("a population needs at least one mode, such as 100 nm")
    n = len(modes_nm)
    if len(cvs) not in (0, 1, n) or len(shares) not in (0, n):
        raise SettingsError(
            f"{n} modes with {len(cvs)} coefficients of variation and {len(shares)} shares do not fit; "
            "give one of each for every mode, or a single coefficient of variation for all"
        )
    spreads = list(cvs) * n if len(cvs) == 1 else list(cvs) or [0.0] * n
    parts: list[Population] = [
        OneSize(mode) if cv == 0 else Lognormal(mode, cv) for mode, cv in zip(modes_nm, spreads, strict=True)
    ]
    return parts[0] if n == 1 else Mixture(tuple(parts), tuple(shares) or (1.0,) * n)


def population_from_dict(mapping: Mapping[str, Any]) -> Population:
    """Return the population that ``to_dict`` wrote.

    Raises
    ------
    SettingsError
        If the kind is unknown.
    """
    kind = mapping.get("kind")
    if kind == "one_size":
        return OneSize(mapping["diameter_nm"])
    if kind == "lognormal":
        return Lognormal(mapping["mode_nm"], mapping["cv"])
    if kind == "table":
        return Table(tuple(mapping["diameters_nm"]), tuple(mapping["weights"]))
    if kind == "mixture":
        return Mixture(tuple(population_from_dict(part) for part in mapping["parts"]), tuple(mapping["shares"]))
    raise SettingsError(f"{kind!r} is no kind of population; there are one_size, lognormal, table and mixture")
