"""What the benchmarks of speed share: the lines that name the machine, and runs that take turns."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple


class Turns(NamedTuple):
    """Two ways to do the same, measured in turns.

    Parameters
    ----------
    ratio : float
        Median of theirs over ours: what slows both, as a busy machine does, cancels.
    theirs_s, ours_s : float
        Median times, s.
    """

    ratio: float
    theirs_s: float
    ours_s: float


def seconds(run: Callable[[], object], turns: int = 1, clock: Callable[[], float] = time.thread_time) -> float:
    """Return the time of one run, s: of the processor, which other programs do not lengthen, unless told otherwise."""
    start = clock()
    for _ in range(turns):
        run()
    return (clock() - start) / turns


def in_turns(
    theirs: Callable[[], object],
    ours: Callable[[], object],
    repeats: int,
    turns: int = 1,
    clock: Callable[[], float] = time.thread_time,
) -> Turns:
    """Let both run in turns, ``ours`` so often in a row as ``turns`` says, and return the medians."""
    pairs = [(seconds(theirs, clock=clock), seconds(ours, turns, clock)) for _ in range(repeats)]
    first, second = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Turns(statistics.median(theirs_s / ours_s for theirs_s, ours_s in pairs), first, second)


def processor() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def machine(*libraries: str) -> str:
    """Return two lines: the machine, and the versions of Python and of the libraries."""
    versions = ", ".join(f"{name} {version(name)}" for name in libraries)
    system = f"{platform.system()} {platform.machine()}, {processor()}"
    return f"{system}\nPython {platform.python_version()}, {versions}"
