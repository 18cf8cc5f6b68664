"""The slow, obvious twin of the fused linker: all distances, all groups by flooding, scipy's assignment."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

NEIGHBOURS, TARGETS = 10, 8
MARGIN = 1e-7


class TooLargeError(Exception):
    """A group that trackpy would not solve."""


def chosen(costs, null_cost):
    """The target of each source, None for none; ``costs`` are infinite where they are no pair."""
    n_sources, n_targets = costs.shape
    alone = np.full((n_sources, n_sources), 1e12)
    np.fill_diagonal(alone, null_cost)
    both = np.hstack([np.where(np.isfinite(costs), costs, 1e12), alone])
    return [int(target) if target < n_targets else None for target in linear_sum_assignment(both)[1]]


def grouped(is_pair):
    """Yield sources and targets of every group that has a target."""
    open_targets = set(range(is_pair.shape[1]))
    while open_targets:
        sources, targets, fresh = set(), set(), {min(open_targets)}
        while fresh:
            targets |= fresh
            sources |= {int(source) for target in fresh for source in np.flatnonzero(is_pair[:, target])}
            fresh = {int(target) for source in sources for target in np.flatnonzero(is_pair[source])} - targets
        open_targets -= targets
        yield sorted(sources), sorted(targets)


def matched(distances, reach, largest, smallest_reach, shrink):
    """Source of each target, as {target: source}, of one group or of a frame; longer pairs are infinite."""
    links = {}
    for sources, targets in grouped(np.isfinite(distances)):
        part = distances[np.ix_(sources, targets)]
        small = len(targets) == 1 or len(sources) == 1 or (len(sources) <= 3 and len(targets) <= 3)
        crowd = max(np.isfinite(part).sum(axis=1), default=0)
        if not sources:
            continue
        if len(sources) == len(targets) == 1:
            links[targets[0]] = sources[0]
        elif len(sources) > largest or (not small and crowd > TARGETS):
            if reach <= smallest_reach:
                raise TooLargeError
            shorter = np.where(part <= reach * shrink, part, np.inf)
            deeper = matched(shorter, reach * shrink, largest, smallest_reach, shrink)
            links |= {targets[target]: sources[source] for target, source in deeper.items()}
        else:
            for source, target in zip(sources, chosen(part**2, reach**2), strict=True):
                if target is not None:
                    links[targets[target]] = source
    return links


def link(frame, y, x, reach, memory, largest=30, smallest_reach=np.inf, shrink=0.9):
    """Track numbers of positions sorted by frame; TooLargeError where a group stays too large."""
    numbers = np.empty(len(frame), dtype=np.int64)
    ends = []
    n_tracks = 0
    for now in np.unique(frame):
        rows = np.flatnonzero(frame == now)
        ends = [row for row in ends if frame[row] >= now - 1 - memory]
        distances = np.hypot(y[ends][:, None] - y[rows], x[ends][:, None] - x[rows])
        distances[distances >= reach + MARGIN] = np.inf
        for target in range(len(rows)):
            distances[np.argsort(distances[:, target])[NEIGHBOURS:], target] = np.inf
        links = matched(distances, reach, largest, smallest_reach, shrink)
        for target, row in enumerate(rows):
            if target in links:
                numbers[row] = numbers[ends[links[target]]]
            else:
                numbers[row] = n_tracks
                n_tracks += 1
        taken = {ends[source] for source in links.values()}
        ends = [row for row in ends if row not in taken] + rows.tolist()
    return numbers


def link_or_shrink(frame, y, x, reach, memory):
    """As :func:`link`; where a group is too large, again with ranges down to a fifth; None if that fails too."""
    for rules in ({}, {"largest": 15, "smallest_reach": 0.2 * reach}):
        try:
            return link(frame, y, x, reach, memory, **rules)
        except TooLargeError:
            continue
    return None
