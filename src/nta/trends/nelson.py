"""The eight tests of Nelson (1984, Journal of Quality Technology 16, 237-239) for points that chance does not make.

Each names the point that completes its pattern. "Beyond" is strict: a point on a line is not beyond it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]

NELSON_RULES: Final[dict[int, str]] = {
    1: "a point beyond 3 standard deviations",
    2: "9 points in a row on one side of the centre",
    3: "6 points in a row rising, or falling",
    4: "14 points in a row rising and falling in turn",
    5: "2 of 3 points in a row beyond 2 standard deviations, on one side",
    6: "4 of 5 points in a row beyond 1 standard deviation, on one side",
    7: "15 points in a row within 1 standard deviation",
    8: "8 points in a row beyond 1 standard deviation, on both sides",
}
"""What each rule says of the point at which it is raised."""


def nelson_rules(values: Floats, centre: float, sd: float) -> tuple[tuple[int, ...], ...]:
    """Return for every point the rules that it completes, ascending.

    Parameters
    ----------
    values : (n,) float64
        By date, none missing.
    centre, sd : float
        Of the baseline, in the unit of the values.
    """
    z = (np.asarray(values, dtype=np.float64) - centre) / sd
    raised = {number: test(z) for number, test in _TESTS.items()}
    return tuple(tuple(number for number in NELSON_RULES if raised[number][at]) for at in range(z.size))


def _last_of(members: Truths, length: int, need: int) -> Truths:
    """Return where a member is the last of ``length`` points in a row of which ``need`` are members."""
    found = np.zeros(members.size, dtype=np.bool_)
    if members.size < need:
        return found
    # Patterns that need fewer than all may be complete before as many points have been seen.
    padded = np.concatenate([np.zeros(length - 1, dtype=np.bool_), members])
    counts = np.lib.stride_tricks.sliding_window_view(padded, length).sum(axis=1)
    found[:] = members & (counts >= need)
    return found


def _on_one_side(z: Floats, beyond: float, length: int, need: int) -> Truths:
    return _last_of(z > beyond, length, need) | _last_of(z < -beyond, length, need)


def _steps_in_a_row(steps: Truths, n_points: int) -> Truths:
    """Return where ``n_points`` points end of which every step is one of ``steps``, (n - 1,)."""
    ends = _last_of(steps, n_points - 1, n_points - 1)
    return np.concatenate([[False], ends])


def _rule_3(z: Floats) -> Truths:
    steps = np.diff(z)
    return (_steps_in_a_row(steps > 0, 6) | _steps_in_a_row(steps < 0, 6))[: z.size]


def _rule_4(z: Floats) -> Truths:
    steps = np.sign(np.diff(z))
    turns = steps[1:] * steps[:-1] < 0
    # 14 points have 13 steps and 12 turns between them.
    return np.concatenate([[False, False], _last_of(turns, 12, 12)])[: z.size]


def _rule_8(z: Floats) -> Truths:
    both = np.zeros(z.size, dtype=np.bool_)
    for at in range(7, z.size):
        last = z[at - 7 : at + 1]
        both[at] = bool(np.any(last > 1.0) and np.any(last < -1.0))
    return both & _last_of(np.abs(z) > 1.0, 8, 8)


_TESTS: Final[dict[int, Callable[[Floats], Truths]]] = {
    1: lambda z: np.abs(z) > 3.0,
    2: lambda z: _on_one_side(z, 0.0, 9, 9),
    3: _rule_3,
    4: _rule_4,
    5: lambda z: _on_one_side(z, 2.0, 3, 2),
    6: lambda z: _on_one_side(z, 1.0, 5, 4),
    7: lambda z: _last_of(np.abs(z) < 1.0, 15, 15),
    8: _rule_8,
}
