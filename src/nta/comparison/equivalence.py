"""The ratio of two sides against stated margins."""

from __future__ import annotations

import math
from typing import Final

from nta.comparison.noun import Equivalence, Verdict
from nta.comparison.uncertain import Uncertain, tail
from nta.errors import UsageError

LEVEL: Final = 0.05
"""Probability of calling equivalent what lies on a margin."""


def checked_margin(percent: float) -> float:
    """Return a margin as a share.

    Raises
    ------
    UsageError
        If it is not between 0 and 100 %.
    """
    if not 0.0 < percent < 100.0:
        raise UsageError(f"a margin of {percent:g} % is not above 0 and below 100; give 20 for 0.8 to 1.2")
    return percent / 100.0


def equivalence_test(quantity: str, log_ratio: Uncertain, margin_percent: float) -> Equivalence:
    """Return the two one-sided tests of a ratio against 1 - m and 1 + m.

    t_low = (ln R - ln(1 - m))/s and t_high = (ln(1 + m) - ln R)/s, p the larger of their upper tails (Schuirmann 1987).

    Parameters
    ----------
    quantity : str
        What is compared.
    log_ratio : Uncertain
        Natural logarithm of B over A.
    margin_percent : float
        m in per cent of A.

    Raises
    ------
    UsageError
        If the margin is not between 0 and 100 %.
    """
    margin = checked_margin(margin_percent)
    low, high = 1.0 - margin, 1.0 + margin
    begin, end = (math.exp(one) for one in log_ratio.ends(1.0 - 2.0 * LEVEL))
    p = math.nan
    if log_ratio.sd > 0.0:
        below = (log_ratio.value - math.log(low)) / log_ratio.sd
        above = (math.log(high) - log_ratio.value) / log_ratio.sd
        p = tail(min(below, above), log_ratio.freedom)
    verdict: Verdict = "cannot_tell"
    if p < LEVEL:
        verdict = "equivalent"
    elif end < low or begin > high:
        verdict = "not_equivalent"
    return Equivalence(quantity, low, high, begin, end, p, verdict)
