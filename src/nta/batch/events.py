"""What a batch tells while it runs: one event for every step of every job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["planned", "warned", "started", "progress", "retried", "finished"]
JobKind = Literal["capture", "blank", "sample"]


@dataclass(frozen=True, slots=True)
class Event:
    """One step of one job.

    Parameters
    ----------
    kind : {"planned", "warned", "started", "progress", "retried", "finished"}
        Which step; ``planned`` comes for every job before the first one starts, ``warned`` for what should be looked
        at before.
    job : {"capture", "blank", "sample"}
        Which kind of job; ``blank`` is a capture of the blank of a sample.
    name : str
        Name of the video or sample.
    sample : str
        The sample to which it belongs.
    status : str
        ``done`` or ``run`` of a plan; else as in ``summary.json``; empty while it runs.
    reason : str
        Why it runs, or what came of it.
    stage : str
        What a running job is at.
    done, total : int or None
        Of the stage for ``progress``, of all jobs that run otherwise.
    """

    kind: Kind
    job: JobKind
    name: str
    sample: str
    status: str = ""
    reason: str = ""
    stage: str = ""
    done: int | None = None
    total: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, as ``--json-lines`` prints them."""
        return asdict(self)


Listener = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """Listen to nothing."""
