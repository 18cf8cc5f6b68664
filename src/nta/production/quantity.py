"""A positive number with the sources of its error, so that what two numbers share is counted once.

Relative standard uncertainties are carried by the name of their source (GUM, JCGM 100:2008, 5.2, with correlations by
common inputs as in F.1.2.3). In a sum the errors of one source add, those of different sources add in quadrature; in a
ratio a source that both sides share cancels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

from scipy.special import stdtrit

from nta.errors import UsageError
from nta.estimate import NORMAL_95, Estimate

_UPPER_TAIL: Final = 0.975

_REST_BELOW: Final = 0.01  # of the whole: below it the interval is what its parts say it is


@dataclass(frozen=True, slots=True)
class Error:
    """One source's part: its signed relative standard uncertainty, and the degrees of freedom it is known with."""

    relative_sd: float
    freedom: float = math.inf


@dataclass(frozen=True)
class Quantity:
    """A positive number and what its error is made of.

    Parameters
    ----------
    value : float
        In the unit that the field's name states.
    errors : mapping of str to Error
        By the name of the source; a negative uncertainty moves the number against the source.

    Raises
    ------
    UsageError
        If the value is not a positive, finite number.
    """

    value: float
    errors: Mapping[str, Error] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0.0 < self.value < math.inf:
            raise UsageError(f"{self.value:g} is no positive number; leave it out where it is not known")

    @classmethod
    def with_own_error(cls, value: float, relative_sd: float, source: str) -> Self:
        """Return a number whose error has one source, such as a volume read from a scale."""
        return cls(value, {source: Error(relative_sd)} if relative_sd > 0.0 else {})

    @property
    def relative_sd(self) -> float:
        """Relative standard uncertainty, all sources in quadrature."""
        return math.sqrt(math.fsum(error.relative_sd**2 for error in self.errors.values()))

    @property
    def estimate(self) -> Estimate:
        """The number with the 95 % interval of relative errors, as a concentration has it.

        value exp(± t u), t of Student's distribution with the effective degrees of freedom of Welch and Satterthwaite
        (GUM, G.4.1).
        """
        spread = math.exp(self._width() * self.relative_sd)
        return Estimate(self.value, self.value / spread, self.value * spread)

    def _width(self) -> float:
        scatter = math.fsum(error.relative_sd**4 / error.freedom for error in self.errors.values())
        if scatter == 0.0:
            return NORMAL_95
        return float(stdtrit(self.relative_sd**4 / scatter, _UPPER_TAIL))

    def scaled(self, factor: float) -> Quantity:
        """Return the number times an exact, positive ``factor``."""
        return Quantity(self.value * factor, self.errors)

    def times(self, other: Quantity) -> Quantity:
        """Return the product; errors of one source add."""
        return Quantity(self.value * other.value, _summed([(1.0, self), (1.0, other)]))

    def over(self, other: Quantity) -> Quantity:
        """Return the ratio; what both share cancels."""
        return Quantity(self.value / other.value, _summed([(1.0, self), (-1.0, other)]))


def total_of(terms: Iterable[Quantity]) -> Quantity:
    """Return the sum: the errors of one source add with their signs, each weighted by its term's share.

    Raises
    ------
    UsageError
        If there is no term.
    """
    terms = tuple(terms)
    value = math.fsum(term.value for term in terms)
    return Quantity(value, _summed([(term.value / value, term) for term in terms]))


def _summed(weighted: list[tuple[float, Quantity]]) -> dict[str, Error]:
    errors: dict[str, Error] = {}
    for weight, quantity in weighted:
        for source, error in quantity.errors.items():
            before = errors.get(source, Error(0.0, error.freedom))
            errors[source] = replace(before, relative_sd=before.relative_sd + weight * error.relative_sd)
    return errors


def stock_quantity(
    stock: Estimate,
    parts: Mapping[str, float | None],
    n_captures: int,
    name: str,
    calibration: str | None,
    blank: str | None = None,
) -> Quantity | None:
    """Return a stock concentration with the sources of its error; ``None`` where they are not on record.

    Counts, captures and dilution are the sample's own; the depth in view is that of all samples measured with the same
    calibration file, or of all with a nominal depth, and the count of a blank that of all from which it was subtracted.
    What the interval holds beyond these parts is the sample's own as well.

    Parameters
    ----------
    stock : Estimate
        Particles per mL of the undiluted liquid.
    parts : mapping
        ``concentration_per_ml.parts`` of its summary: relative standard uncertainties, ``None`` where not known.
    n_captures : int
        Captures behind ``parts["captures"]``.
    name : str
        By which the sample's own errors are told from those of others.
    calibration : str or None
        Hash of the calibration file; ``None`` for a nominal depth.
    blank : str, optional
        What tells the blank from others, such as the hashes of its captures.
    """
    if not (stock.low > 0.0 and stock.high < math.inf) or parts.get("counting") is None:
        return None
    freedom = {"captures": max(n_captures - 1.0, 1.0)}
    sources = {"volume": f"depth by {calibration or 'nominal'}", "blank": f"blank {blank or f'of {name}'}"}
    errors = {
        sources.get(part, f"{part} of {name}"): Error(sd, freedom.get(part, math.inf))
        for part in ("counting", "captures", "volume", "dilution", "blank")
        if (sd := parts.get(part)) is not None and sd > 0.0
    }
    found = Quantity(stock.value, errors)
    whole = math.log(stock.high / stock.low) / 2.0 / found._width()
    if whole > found.relative_sd * (1.0 + _REST_BELOW):
        errors[f"rest of {name}"] = Error(math.sqrt(whole**2 - found.relative_sd**2))
    return found
