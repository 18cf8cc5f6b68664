"""Two samples or groups -> Comparison: size shift, fold change, recovery, equivalence, each with its interval.

For storage (fresh against rehydrated), scale-up (flasks against bioreactor), instrument against instrument, our
analysis against the maker's. Section "Comparing two samples" of docs/conventions.md has the interval arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from nta.comparison.cancelling import DEPTH, values_in_common
from nta.comparison.equivalence import checked_margin, equivalence_test
from nta.comparison.noun import Basis, Change, Comparison, Equivalence
from nta.comparison.sides import Side, SizeName, is_imported
from nta.comparison.uncertain import Uncertain, quantile, with_errors
from nta.errors import UsageError
from nta.estimate import Estimate
from nta.measurement import Measurement

__all__ = ["Change", "Comparison", "Equivalence", "compare"]

_UPPER: Final = 0.975
_NOT_STATED: Final = "no dilution is stated on either side: the concentrations in the cell are compared"
_ONE_SIDED: Final = (
    "the dilution is stated for some samples only: no concentration is compared; state it for all (1 = undiluted)"
)


def compare(
    a: Sequence[Measurement],
    b: Sequence[Measurement],
    *,
    size_margin_percent: float | None = None,
    margin_percent: float | None = None,
    volumes_ml: tuple[float, float] | None = None,
    is_one_instrument: bool = True,
) -> Comparison:
    """Return what B differs by from A.

    Parameters
    ----------
    a, b : sequence of Measurement
        The reference and what is compared with it, one measurement or several of each.
    size_margin_percent, margin_percent : float, optional
        Margins of the equivalence tests of mode and D50, and of the concentration (of the recovery where volumes are
        stated), per cent of A.
    volumes_ml : (float, float), optional
        Liquid of A and of B, mL, taken as exact; for the recovery.
    is_one_instrument : bool
        Whether both were measured with one instrument: errors of equal values then cancel.

    Raises
    ------
    UsageError
        If a side is empty, one measurement is on both, a margin is not between 0 and 100 %, or a volume not positive.
    """
    _check(a, b, (size_margin_percent, margin_percent), volumes_ml)
    side_a, side_b = Side(tuple(a)), Side(tuple(b))
    common = values_in_common([*a, *b], is_one_instrument=is_one_instrument)
    sizes = {name: _size_ratio(side_a, side_b, name, common) for name in ("mode", "d50")}
    basis, estimates = _concentrations(side_a, side_b)
    log_a, log_b = side_a.log_concentration(estimates[0]), side_b.log_concentration(estimates[1])
    fold = _log_fold(side_a, side_b, log_a, log_b, common)
    amount, amount_ratio = "concentration", fold
    if volumes_ml is not None:
        amount, amount_ratio = "recovery", _shifted(fold, math.log(volumes_ml[1] / volumes_ml[0]))
    tests = _tests({**sizes, amount: amount_ratio}, size_margin_percent, margin_percent)
    return Comparison(
        a=side_a.names,
        b=side_b.names,
        mode_nm=_size_change(side_a, side_b, "mode", sizes["mode"], common),
        d50_nm=_size_change(side_a, side_b, "d50", sizes["d50"], common),
        shift_nm=_shift(side_a, side_b, common),
        concentration_per_ml=_concentration_change(side_a, side_b, log_a, log_b, fold),
        basis=basis,
        recovery=Estimate.missing() if volumes_ml is None else amount_ratio.exponential(),
        equivalence=tests,
        common=common,
        notes=_notes(side_a, side_b, basis, estimates),
        is_relative=any(one.is_relative for one in (*a, *b)),
    )


def _check(
    a: Sequence[Measurement],
    b: Sequence[Measurement],
    margins_percent: tuple[float | None, ...],
    volumes_ml: tuple[float, float] | None,
) -> None:
    if not a or not b:
        raise UsageError("one side of the comparison is empty; name at least one sample on each")
    if any(one is other for one in a for other in b):
        raise UsageError("one measurement is on both sides of the comparison; leave it out of one")
    for percent in margins_percent:
        if percent is not None:
            checked_margin(percent)
    for volume in volumes_ml or ():
        if not 0.0 < volume < math.inf:
            raise UsageError(
                f"a volume of {volume:g} mL is not positive; leave the volumes out where they are not known"
            )


def _value_errors(a: Side, b: Side, common: Sequence[str]) -> tuple[list[tuple[float, float]], float]:
    """Return the relative errors (A, B) of diameters from each value not in common, and that of those in common."""
    of_a, of_b = a.value_sds(), b.value_sds()
    own = [(of_a.get(name, 0.0), of_b.get(name, 0.0)) for name in {**of_a, **of_b} if name not in common]
    return own, math.hypot(*(max(of_a.get(name, 0.0), of_b.get(name, 0.0)) for name in common))


def _size_ratio(a: Side, b: Side, name: SizeName, common: Sequence[str]) -> Uncertain:
    """Return ln(B/A) of a diameter. What is common multiplies both and leaves the ratio as it is."""
    one, other = a.size(name), b.size(name)
    if math.isnan(one.value) or math.isnan(other.value):
        return Uncertain()
    own, _ = _value_errors(a, b, common)
    errors = [(side.sd / side.value, side.freedom) for side in (one, other)]
    return with_errors(math.log(other.value / one.value), [*errors, *((math.hypot(*pair), math.inf) for pair in own)])


def _size_change(a: Side, b: Side, name: SizeName, log_ratio: Uncertain, common: Sequence[str]) -> Change:
    """Return a diameter of both sides. What is common stretches the difference itself, which is small."""
    one, other = a.size(name), b.size(name)
    own, shared = _value_errors(a, b, common)
    difference = with_errors(
        other.value - one.value,
        [
            (one.sd, one.freedom),
            (other.sd, other.freedom),
            *((math.hypot(sd_a * one.value, sd_b * other.value), math.inf) for sd_a, sd_b in own),
            (shared * abs(other.value - one.value), math.inf),
        ],
    )
    each = (_absolute(a, one).estimate(), _absolute(b, other).estimate())
    return Change(name, each[0], each[1], difference.estimate(), log_ratio.exponential())


def _absolute(side: Side, own: Uncertain) -> Uncertain:
    """Return a diameter of one side alone, nm: nothing cancels."""
    values = ((sd * own.value, math.inf) for sd in side.value_sds().values())
    return with_errors(own.value, [(own.sd, own.freedom), *values])


def _shift(a: Side, b: Side, common: Sequence[str]) -> Estimate:
    """Return the Wasserstein-1 distance, the mean over all shares p of |Q_B(p) - Q_A(p)|, nm.

    Its error is at most the mean of |e(p)|, e the error of the difference at p, and that is widest when all e(p) move
    together: t times the mean of their standard errors. The distance of two equal distributions is positive too, so an
    interval that begins at 0 shows no shift.
    """
    curves_a, curves_b = a.diameters_nm(), b.diameters_nm()
    if curves_a is None or curves_b is None:
        return Estimate.missing()
    (size_a, sd_a, freedom_a), (size_b, sd_b, freedom_b) = curves_a, curves_b
    own, shared = _value_errors(a, b, common)
    variance = sd_a**2 + sd_b**2 + (shared * (size_b - size_a)) ** 2
    for relative_a, relative_b in own:
        variance = variance + (relative_a * size_a) ** 2 + (relative_b * size_b) ** 2
    distance = float(np.mean(np.abs(size_b - size_a)))
    own_sds = [(float(np.mean(sd_a)), freedom_a), (float(np.mean(sd_b)), freedom_b)]
    rest = math.sqrt(max(float(np.mean(variance - sd_a**2 - sd_b**2)), 0.0))
    freedom = with_errors(distance, [*own_sds, (rest, math.inf)]).freedom
    half = quantile(_UPPER, freedom) * float(np.mean(np.sqrt(variance)))
    low = max(distance - half, 0.0) if math.isfinite(half) else math.nan
    return Estimate(distance, low, distance + half)


def _concentrations(a: Side, b: Side) -> tuple[Basis, tuple[list[Estimate], list[Estimate]]]:
    """Return which concentration both sides have, and that of every measurement; all missing where some have none."""
    measurements = [one for side in (a, b) for one in side.measurements if not one.concentration.measured.is_missing]
    stocks = [one.concentration.stock for side in (a, b) for one in side.measurements]
    n_stocks = sum(stock is not None for stock in stocks)
    if n_stocks == 0:
        return "measured", _each(a, b, is_stock=False)
    if any(one.concentration.stock is None for one in measurements):
        missing = [[Estimate.missing() for _ in side.measurements] for side in (a, b)]
        return "stock", (missing[0], missing[1])
    return "stock", _each(a, b, is_stock=True)


def _each(a: Side, b: Side, *, is_stock: bool) -> tuple[list[Estimate], list[Estimate]]:
    def of(side: Side) -> list[Estimate]:
        found = [one.concentration.stock if is_stock else one.concentration.measured for one in side.measurements]
        return [Estimate.missing() if one is None else one for one in found]

    return of(a), of(b)


def _log_fold(a: Side, b: Side, one: Uncertain, other: Uncertain, common: Sequence[str]) -> Uncertain:
    """Return ln(B/A) of the concentration; a depth in common cancels."""
    if math.isnan(one.value) or math.isnan(other.value):
        return Uncertain()
    depth = 0.0 if DEPTH in common else math.hypot(a.depth_sd(), b.depth_sd())
    errors = [(one.sd, one.freedom), (other.sd, other.freedom), (depth, math.inf)]
    return with_errors(other.value - one.value, errors)


def _concentration_change(a: Side, b: Side, one: Uncertain, other: Uncertain, fold: Uncertain) -> Change:
    """Return a concentration of both sides. Of concentrations ratios hold; no difference is given."""
    each = (_absolute_log(a, one).exponential(), _absolute_log(b, other).exponential())
    return Change("concentration", each[0], each[1], Estimate.missing(), fold.exponential())


def _absolute_log(side: Side, own: Uncertain) -> Uncertain:
    """Return a logarithm of one side alone: the depth does not cancel."""
    return with_errors(own.value, [(own.sd, own.freedom), (side.depth_sd(), math.inf)])


def _shifted(ratio: Uncertain, by: float) -> Uncertain:
    return Uncertain(ratio.value + by, ratio.sd, ratio.freedom)


def _tests(
    ratios: dict[str, Uncertain], size_margin_percent: float | None, margin_percent: float | None
) -> tuple[Equivalence, ...]:
    margins = {"mode": size_margin_percent, "d50": size_margin_percent}
    return tuple(
        equivalence_test(name, ratio, margin)
        for name, ratio in ratios.items()
        if (margin := margins.get(name, margin_percent)) is not None
    )


def _notes(a: Side, b: Side, basis: Basis, estimates: tuple[list[Estimate], list[Estimate]]) -> tuple[str, ...]:
    """Return what the intervals do not hold, and what is missing."""
    notes = []
    everything = [*a.measurements, *b.measurements]
    alone = [label for label, side in (("A", a), ("B", b)) if len(side.measurements) == 1]
    if alone:
        notes.append(
            f"{' and '.join(alone)} {'is' if len(alone) == 1 else 'are'} one measurement: the intervals do not hold "
            "what another vial, dilution or loading would change; measure at least three of each"
        )
    if any(is_imported(one) for one in everything):
        notes.append("the intervals of imported results hold the scatter of their captures alone, no scale, no depth")
    sized = [one.sample for one in everything if one.size.d50.is_missing]
    if sized:
        notes.append(f"no sizes were measured in {', '.join(sized)}")
    if basis == "measured":
        notes.append(_NOT_STATED)
    elif all(estimate.is_missing for side in estimates for estimate in side):
        notes.append(_ONE_SIDED)
    counted = [
        one.sample for one in everything if one.concentration.measured.is_missing and one.concentration.stock is None
    ]
    if counted:
        notes.append(f"no concentration was measured in {', '.join(counted)}")
    return tuple(notes)
