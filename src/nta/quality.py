"""What could be wrong with this measurement, and what to do about it: the one registry of flags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Level = Literal["info", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Flag:
    """One remark on a measurement.

    Parameters
    ----------
    code : str
        A key of :data:`FLAGS`.
    level : {"info", "warn", "fail"}
        ``warn`` makes the status ``warn``; ``info`` does not.
    message : str
        What it means and what to do, with the numbers of this measurement.
    """

    code: str
    level: Level
    message: str
