"""Verdicts on a lot: each rule with its value, its interval and its records, and what keeps the lot from passing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from nta.errors import UsageError
from nta.estimate import NORMAL_95, Estimate
from nta.production.assays import OUTCOMES
from nta.production.findings import Finding
from nta.production.specification import ATTRIBUTES, Limit, Specification

Result = Literal["pass", "fail", "cannot tell"]

NOT_MEASURED: Final = "not measured; measure it, or take the rule out of the specification"


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known of one attribute.

    Parameters
    ----------
    attribute : str
        One of :data:`nta.production.specification.ATTRIBUTES`.
    value : Estimate or str
        Number with its interval, NaN for the ends where none is known; ``pass`` or ``fail`` for an assay that ends so.
    of : str
        Of what: a day, a sample, the pool.
    records : tuple of str
        Analyses and assays behind it.
    reason : str
        Why it is missing, and what to do.
    window_nm : tuple of float or None
        Window of sizes of ``fraction_percent``, nm.
    """

    attribute: str
    value: Estimate | str
    of: str = ""
    records: tuple[str, ...] = ()
    reason: str = ""
    window_nm: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.attribute not in ATTRIBUTES:
            raise UsageError(f"{self.attribute!r} is no attribute; known are {', '.join(ATTRIBUTES)}")
        if isinstance(self.value, str) != (self.attribute in OUTCOMES) and not self.is_missing:
            raise UsageError(f"{self.attribute} of {self.of!r} is {self.value!r}, which is not of its kind")

    @property
    def is_missing(self) -> bool:
        """Whether there is no value."""
        return not isinstance(self.value, str) and self.value.is_missing


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule held against one observation.

    Parameters
    ----------
    result : {"pass", "fail", "cannot tell"}
        ``cannot tell`` where the interval crosses the limit, or nothing is known.
    limit : Limit
        The rule.
    seen : Observation
        The value, with the interval that was held against the rule, and the records behind it.
    reason : str
        In a sentence.
    """

    result: Result
    limit: Limit
    seen: Observation
    reason: str


@dataclass(frozen=True)
class Assessment:
    """A lot held against a specification.

    Parameters
    ----------
    specification : Specification
        Its name, version and hash stand beside the verdict.
    verdicts : tuple of Verdict
        In the order of the specification: potency before purity.
    overall : {"pass", "fail", "cannot tell"}
        ``fail`` when one rule fails; ``pass`` only when every rule passes and nothing is missing or pending.
    open : tuple of str
        What keeps it from passing, a sentence each.
    """

    specification: Specification
    verdicts: tuple[Verdict, ...]
    overall: Result
    open: tuple[str, ...]


def judge(limit: Limit, seen: Observation) -> Verdict:
    """Hold a value against a rule: it passes or fails when its whole 95 % interval does."""
    if seen.is_missing or limit.attribute in OUTCOMES:
        return _judge_word(limit, seen)
    seen = _with_interval(limit, seen)
    value = seen.value
    if isinstance(value, str) or math.isnan(value.low + value.high):
        reason = "its interval is not known; give sd_percent in the specification (0 takes the value as exact)"
        return Verdict("cannot tell", limit, seen, reason)
    text = f"{value.value:.4g} ({value.low:.4g} to {value.high:.4g})"
    if limit.low <= value.low and value.high <= limit.high:
        return Verdict("pass", limit, seen, f"{text} is within the limits")
    if value.high < limit.low or value.low > limit.high:
        return Verdict("fail", limit, seen, f"{text} is outside of the limits")
    return Verdict("cannot tell", limit, seen, f"the interval of {text} crosses a limit; measure it more exactly")


def _judge_word(limit: Limit, seen: Observation) -> Verdict:
    if seen.is_missing:
        return Verdict("cannot tell", limit, seen, seen.reason or NOT_MEASURED)
    if seen.value == "pass":
        return Verdict("pass", limit, seen, "passed")
    if seen.value == "fail":
        return Verdict("fail", limit, seen, "failed")
    return Verdict("cannot tell", limit, seen, f"{seen.value!r} is neither pass nor fail; write one of them")


def _with_interval(limit: Limit, seen: Observation) -> Observation:
    """Return a value without an interval with that of the specification's uncertainty."""
    value, sd_percent = seen.value, limit.sd_percent
    if isinstance(value, str) or sd_percent is None or not math.isnan(value.low + value.high):
        return seen
    half = NORMAL_95 * sd_percent / 100.0 * abs(value.value)
    return replace(seen, value=Estimate(value.value, value.value - half, value.value + half))


def assess(
    specification: Specification,
    observations: Iterable[Observation],
    pending: Sequence[str] = (),
    findings: Sequence[Finding] = (),
) -> Assessment:
    """Hold a lot against a specification.

    Parameters
    ----------
    specification : Specification
        The rules.
    observations : iterable of Observation
        Every one of an attribute is held against its rule: one for each bead check, for example.
    pending : sequence of str
        Assays that are not there yet.
    findings : sequence of Finding
        On the lot; one of level ``fail`` keeps it from passing.
    """
    observations = tuple(observations)
    verdicts = tuple(verdict for limit in specification.limits for verdict in _judged(limit, observations))
    still_open = [_sentence(one) for one in verdicts if one.result == "cannot tell"]
    still_open += [f"{assay} is pending; wait for its result" for assay in pending]
    still_open += [f"{found.code}: {found.message}" for found in findings if found.level == "fail"]
    results = {verdict.result for verdict in verdicts}
    overall: Result = "fail" if "fail" in results else "cannot tell" if still_open else "pass"
    return Assessment(specification, verdicts, overall, tuple(still_open))


def _judged(limit: Limit, observations: Sequence[Observation]) -> list[Verdict]:
    place = limit.attribute, limit.window_nm
    seen = [one for one in observations if (one.attribute, one.window_nm) == place]
    nothing = Observation(limit.attribute, Estimate.missing(), reason=NOT_MEASURED, window_nm=limit.window_nm)
    return [judge(limit, one) for one in seen or [nothing]]


def _sentence(verdict: Verdict) -> str:
    of = f" of {verdict.seen.of}" if verdict.seen.of else ""
    return f"{verdict.limit.rule}{of}: {verdict.reason}"
