"""A dilution series in words: is it linear, from where to where, which end departs, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from nta.dilutions.noun import Dilution, Line, UsableRange
from nta.dilutions.usable import TOLERANCE, UNUSABLE, unusable_flag

_CONCENTRATED, _DILUTE = "concentrated", "dilute"

_CAUSES: Final[dict[tuple[str, str], str]] = {
    (_CONCENTRATED, "low"): "particles hide each other there, so dilute more",
    (_CONCENTRATED, "high"): "crowding would read low, so check mixing and the steps of the dilution",
    (_DILUTE, "high"): "there the diluent's own particles weigh most, so dilute less, filter it, or give --blank",
    (_DILUTE, "low"): "particles are lost there, on walls or in the steps of the dilution, so dilute less",
}
_CAUSE_BEYOND_BLANK: Final = (
    "there the diluent's own particles weigh most, and the blank that was taken off is not all of them, so dilute less"
)
_ADVICE: Final[dict[str, str]] = {
    "crowded": "particles hide each other, so dilute more",
    "sparse": "too few for a count, so dilute less or record more captures",
    "few_tracks": "dilute less or record longer",
    "below_detection": "dilute less",
    "below_blank": "dilute less, or with a cleaner diluent",
}


def message_of(dilutions: Sequence[Dilution], line: Line, usable: UsableRange | None, has_blank: bool) -> str:
    """Return the sentence for people.

    Parameters
    ----------
    dilutions : sequence of Dilution
        All of them in order, with their deviations from the usable range.
    line : Line
        Of those that have a concentration.
    usable : UsableRange or None
        The range.
    has_blank : bool
        Whether the diluent was measured and subtracted.
    """
    n_known = sum(one.is_known for one in dilutions)
    parts = [_verdict(dilutions, usable, n_known), *_left_out(dilutions, usable, has_blank), *_barely(dilutions)]
    if usable is None and n_known >= 2:
        parts += _disagreement(dilutions, line)
    if 1 <= n_known <= 2:
        parts.append("measure three dilutions or more: fewer hardly test linearity")
    return "; ".join(parts)


def _verdict(dilutions: Sequence[Dilution], usable: UsableRange | None, n_known: int) -> str:
    if n_known == 0:
        return "no dilution has a concentration, so there is nothing to compare"
    if n_known == 1:
        return "only one dilution has a concentration, so linearity is not tested"
    if usable is None:
        return "no two neighbouring dilutions agree and are neither crowded nor sparse, so there is no usable range"
    names = [one.name for one in dilutions if one.is_usable]
    share = f"all {len(names)}" if len(names) == len(dilutions) else f"{len(names)} of {len(dilutions)}"
    within = "their errors" if usable.is_within_errors else f"{TOLERANCE:.0%}, though not within their errors"
    return (
        f"usable from {names[0]} to {names[-1]}: the stocks of {share} dilutions agree within {within}, "
        f"slope {_slope(usable.line)}"
    )


def _left_out(dilutions: Sequence[Dilution], usable: UsableRange | None, has_blank: bool) -> list[str]:
    """Return a part of the sentence for each group of neighbours that is left out for the same reason."""
    out = [one for one in dilutions if not one.is_usable]
    if usable is None:
        out = [one for one in out if not one.is_known or unusable_flag(one) is not None]
    groups = [(reason, list(each)) for reason, each in groupby(out, key=lambda one: _reason(one, usable))]
    return [_remark(end, kind, each, has_blank) for (end, kind), each in groups]


def _reason(one: Dilution, usable: UsableRange | None) -> tuple[str, str]:
    """Return the end at which a dilution lies, and why it is left out."""
    end = "" if usable is None else _CONCENTRATED if one.factor < usable.first else _DILUTE
    flagged = unusable_flag(one)
    if flagged is not None:
        return end, flagged
    if not one.is_known:
        return end, "missing"
    return end, "low" if one.deviation < 0.0 else "high"


def _remark(end: str, kind: str, dilutions: Sequence[Dilution], has_blank: bool) -> str:
    names = _listed([one.name for one in dilutions])
    is_or_are, verb = ("is", "reads") if len(dilutions) == 1 else ("are", "read")
    if kind == "missing":
        return f"{names} {'has' if len(dilutions) == 1 else 'have'} no concentration: {dilutions[0].message}"
    if kind in UNUSABLE:
        off = _listed([f"{one.deviation:+.0%}" for one in dilutions])
        beside = f" ({off} beside the range)" if end and all(one.is_known for one in dilutions) else ""
        return f"{names} {is_or_are} {UNUSABLE[kind]}{beside}: {_ADVICE[kind]}"
    by = _listed([f"{abs(one.deviation):.0%}" for one in dilutions])
    cause = _CAUSE_BEYOND_BLANK if (end, kind, has_blank) == (_DILUTE, "high", True) else _CAUSES[end, kind]
    return f"at the {end} end {names} {verb} {by} {'too low' if kind == 'low' else 'too high'}: {cause}"


def _disagreement(dilutions: Sequence[Dilution], line: Line) -> list[str]:
    """Return what the slope says where no neighbours agree."""
    used = [one for one in dilutions if one.is_known and unusable_flag(one) is None]
    if len(used) < 2:
        return []
    slope = f"the slope is {_slope(line)}"
    if line.slope.high < 1.0:
        return [
            f"{slope}: either the concentrated end {used[0].name} reads too low, because particles hide each other, or "
            f"the dilute end {used[-1].name} too high, because of the diluent's own particles; measure dilutions "
            "between, and a --blank"
        ]
    if line.slope.low > 1.0:
        return [
            f"{slope}: the dilute end {used[-1].name} reads too low beside {used[0].name}, because particles are lost "
            "on walls or in the steps of the dilution; prepare it anew, in fewer steps"
        ]
    return [f"{slope}: the stocks scatter, so check mixing and pipetting, and state --dilution-sd-percent"]


def _barely(dilutions: Sequence[Dilution]) -> list[str]:
    """Return which dilution of the range is furthest off, where only a large error lets it stay."""
    used = [one for one in dilutions if one.is_usable]
    furthest = max(used, key=lambda one: abs(one.deviation), default=None)
    if furthest is None or abs(furthest.deviation) <= TOLERANCE:
        return []
    return [
        f"{furthest.name} reads {abs(furthest.deviation):.0%} too {'low' if furthest.deviation < 0.0 else 'high'}, "
        f"which its own standard error of {furthest.own_sd:.0%} allows: record more captures of it to be sure"
    ]


def _slope(line: Line) -> str:
    return f"{line.slope.value:.2f} ({line.slope.low:.2f} to {line.slope.high:.2f})"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
