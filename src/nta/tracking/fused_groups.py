"""Who is who from one frame to the next, once the pairs that may be one particle are known.

Words: a *source* is the last position of a track that may go on, a *target* a position of the new frame, a *pair*
is one of each within the search range, a *group* is all that hangs together by pairs (trackpy's subnet). In each
group the assignment with the least sum of squared distances is found, where a source without a target costs the
square of the range (Crocker & Grier 1996, J. Colloid Interface Sci. 179, 298).

trackpy tries one assignment after the other; here shortest augmenting paths find the same one (Jonker & Volgenant
1987, Computing 38, 325), whose time cannot explode. trackpy's limits on a group are kept. The assignment has
its slow twin in ``tests/tracking/naive_linking.py``.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nta.compilation import inner_kernel

Places = NDArray[np.int32]
Floats = NDArray[np.float64]

MAX_SOURCES: Final = 30
"""Sources of the largest group that is solved."""

MAX_TARGETS: Final = 8
"""Targets that a source may have in a group of more than three by three."""

NONE: Final = -1
_OPEN: Final = -2

# Rows of the memory for sources and for targets.
FIRST: Final = 0  # a pair of the source, or NONE; the pairs of target t are FIRST[t] to FIRST[t + 1]
MATCH: Final = 1  # source of a target, or NONE; of a source 1 if it has got a target
GROUP: Final = 2  # number of the group, 0 before it has one
MEMBER: Final = 3  # list of those in the group
DEGREE: Final = 4  # number of pairs of a source
PLACE: Final = 4  # of a target in the list of its group
CELL: Final = 5  # of a source in the grid
N_POINT_ROWS: Final = 6

# Rows of the memory for pairs.
SOURCE: Final = 0
TARGET: Final = 1
FOLLOWING: Final = 2  # next pair of the same source, or NONE
N_PAIR_ROWS: Final = 3

# Rows of the memory for one assignment, whole numbers and floats; "candidates" are the pairs of its sources.
START: Final = 0  # of each source's candidates, and the end of the last
COLUMN: Final = 1  # target of each candidate
CHOSEN: Final = 2  # target of each source, NONE, or _OPEN
TAKER: Final = 3  # source of each target, or NONE
PATH: Final = 4  # source from which a target was reached
STATE: Final = 5  # of a target: 0 not reached, 1 reached, 2 settled
REACHED: Final = 6  # list of the targets reached
N_WHOLE_ROWS: Final = 7
COST: Final = 0  # of each candidate
SOURCE_PRICE: Final = 1
TARGET_PRICE: Final = 2
DISTANCE: Final = 3  # to a target, along the shortest path
N_REAL_ROWS: Final = 4


@inner_kernel
def gather_group(
    seed: int,
    group: int,
    limit: float,
    sources: Places,
    targets: Places,
    pairs: Places,
    squares: Floats,
) -> tuple[int, int]:
    """List all that hangs together with the target ``seed`` by pairs whose squared distance is not above ``limit``.

    They are the first of MEMBER on their side; their GROUP becomes ``group``, and PLACE of a target its place in the
    list. Only who has no group yet is reached.

    Returns
    -------
    tuple of int
        Number of sources and of targets.
    """
    n_sources, n_targets, n_done = 0, 1, 0
    targets[MEMBER, 0] = seed
    targets[GROUP, seed], targets[PLACE, seed] = group, 0
    while n_done < n_targets:
        target = targets[MEMBER, n_done]
        n_done += 1
        for pair in range(targets[FIRST, target], targets[FIRST, target + 1]):
            source = pairs[SOURCE, pair]
            if sources[GROUP, source] != 0 or squares[pair] > limit:
                continue
            sources[GROUP, source] = group
            sources[MEMBER, n_sources] = source
            n_sources += 1
            other = sources[FIRST, source]
            while other != NONE:
                reached = pairs[TARGET, other]
                if targets[GROUP, reached] == 0 and squares[other] <= limit:
                    targets[GROUP, reached], targets[PLACE, reached] = group, n_targets
                    targets[MEMBER, n_targets] = reached
                    n_targets += 1
                other = pairs[FOLLOWING, other]
    return n_sources, n_targets


@inner_kernel
def augment(open_source: int, null_cost: float, wholes: Places, reals: Floats) -> None:
    """Give ``open_source`` a target, or none, along the shortest path through the assignment so far.

    Prices are kept such that cost - price of the source - price of the target is never negative, and 0 where they
    are assigned to each other; nobody else than a source itself can take its place without a target, whose price
    therefore stays 0.
    """
    source, n_reached, total = open_source, 0, 0.0
    nobody, nobody_total = open_source, math.inf
    while True:
        without = total + null_cost - reals[SOURCE_PRICE, source]
        if without < nobody_total:
            nobody, nobody_total = source, without
        for candidate in range(wholes[START, source], wholes[START, source + 1]):
            target = wholes[COLUMN, candidate]
            value = total + reals[COST, candidate] - reals[SOURCE_PRICE, source] - reals[TARGET_PRICE, target]
            if wholes[STATE, target] == 0:
                wholes[STATE, target], wholes[REACHED, n_reached] = 1, target
                n_reached += 1
            elif wholes[STATE, target] == 2 or value >= reals[DISTANCE, target]:
                continue
            reals[DISTANCE, target], wholes[PATH, target] = value, source
        end, total = NONE, nobody_total
        for place in range(n_reached):
            target = wholes[REACHED, place]
            if wholes[STATE, target] == 1 and reals[DISTANCE, target] < total:
                end, total = target, reals[DISTANCE, target]
        if end == NONE:
            break
        wholes[STATE, end] = 2
        if wholes[TAKER, end] == NONE:
            break
        source = wholes[TAKER, end]
    reals[SOURCE_PRICE, open_source] += total
    for place in range(n_reached):
        target = wholes[REACHED, place]
        if wholes[STATE, target] == 2:
            reals[TARGET_PRICE, target] -= total - reals[DISTANCE, target]
            if wholes[TAKER, target] != NONE:
                reals[SOURCE_PRICE, wholes[TAKER, target]] += total - reals[DISTANCE, target]
        wholes[STATE, target] = 0
    if end == NONE:
        end, wholes[CHOSEN, nobody] = wholes[CHOSEN, nobody], NONE
    while end >= 0:
        source = wholes[PATH, end]
        wholes[TAKER, end] = source
        end, wholes[CHOSEN, source] = wholes[CHOSEN, source], end


@inner_kernel
def assign(n_sources: int, n_targets: int, null_cost: float, wholes: Places, reals: Floats) -> None:
    """Write to CHOSEN who gets whom at the least sum of costs; a source without a target costs ``null_cost``.

    Parameters
    ----------
    n_sources, n_targets : int
        Size of the group.
    null_cost : float
        Cost of a source without a target.
    wholes, reals : (7, n) int32, (4, n) float64
        START, COLUMN and COST are given, CHOSEN is the result, the rest is scratch.
    """
    for target in range(n_targets):
        wholes[TAKER, target], wholes[STATE, target] = NONE, 0
        reals[TARGET_PRICE, target] = 0.0
    for source in range(n_sources):
        nearest, least = NONE, null_cost
        for candidate in range(wholes[START, source], wholes[START, source + 1]):
            if reals[COST, candidate] < least:
                nearest, least = wholes[COLUMN, candidate], reals[COST, candidate]
        reals[SOURCE_PRICE, source] = least
        if nearest != NONE and wholes[TAKER, nearest] != NONE:
            nearest = _OPEN
        elif nearest != NONE:
            wholes[TAKER, nearest] = source
        wholes[CHOSEN, source] = nearest
    for source in range(n_sources):
        if wholes[CHOSEN, source] == _OPEN:
            augment(source, null_cost, wholes, reals)


@inner_kernel
def solve_group(
    n_sources: int,
    n_targets: int,
    limit: float,
    null_cost: float,
    sources: Places,
    targets: Places,
    pairs: Places,
    squares: Floats,
    wholes: Places,
    reals: Floats,
) -> bool:
    """Write MATCH of a group of at most thirty sources; pairs whose squared distance exceeds ``limit`` do not count.

    Returns
    -------
    bool
        False, and nothing is written, where a source has too many targets.
    """
    is_small = n_sources == 1 or n_targets == 1 or (n_sources <= 3 and n_targets <= 3)
    n_candidates = 0
    for place in range(n_sources):
        wholes[START, place] = n_candidates
        pair = sources[FIRST, sources[MEMBER, place]]
        while pair != NONE:
            if squares[pair] <= limit:
                if not is_small and n_candidates - wholes[START, place] == MAX_TARGETS:
                    return False
                wholes[COLUMN, n_candidates] = targets[PLACE, pairs[TARGET, pair]]
                reals[COST, n_candidates] = squares[pair]
                n_candidates += 1
            pair = pairs[FOLLOWING, pair]
    wholes[START, n_sources] = n_candidates
    assign(n_sources, n_targets, null_cost, wholes, reals)
    for place in range(n_sources):
        if wholes[CHOSEN, place] != NONE:
            targets[MATCH, targets[MEMBER, wholes[CHOSEN, place]]] = sources[MEMBER, place]
            sources[MATCH, sources[MEMBER, place]] = 1
    return True


@inner_kernel
def match_targets(
    n_targets: int,
    search_range: float,
    smallest_range: float,
    shrink: float,
    max_sources: int,
    ranges: Floats,
    sources: Places,
    targets: Places,
    pairs: Places,
    squares: Floats,
    wholes: Places,
    reals: Floats,
) -> bool:
    """Write MATCH of all targets of a frame.

    A group that is too large is tried again with its range times ``shrink``, which parts it, until the range is not
    above ``smallest_range``.

    Returns
    -------
    bool
        False where a group stays too large.
    """
    for target in range(n_targets):
        ranges[target] = search_range
    group = 0
    for seed in range(n_targets):
        first = targets[FIRST, seed]
        n_pairs = targets[FIRST, seed + 1] - first
        if n_pairs == 0:
            continue
        source = pairs[SOURCE, first]
        if n_pairs == 1 and sources[DEGREE, source] == 1:
            targets[MATCH, seed], sources[MATCH, source] = source, 1
            continue
        while targets[GROUP, seed] == 0:
            radius = ranges[seed]
            limit = math.inf if radius == search_range else radius * radius
            group += 1
            n_in, n_out = gather_group(seed, group, limit, sources, targets, pairs, squares)
            # trackpy links a pair that stands alone without asking what the link costs.
            null_cost = math.inf if n_in == n_out == 1 else radius * radius
            if n_in <= max_sources and solve_group(
                n_in, n_out, limit, null_cost, sources, targets, pairs, squares, wholes, reals
            ):
                continue
            if radius <= smallest_range:
                return False
            for place in range(n_in):
                sources[GROUP, sources[MEMBER, place]] = 0
            for place in range(n_out):
                targets[GROUP, targets[MEMBER, place]] = 0
                ranges[targets[MEMBER, place]] = radius * shrink
    return True
