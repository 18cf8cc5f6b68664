"""How many threads one analysis may use."""

from __future__ import annotations

import os
from typing import Final

from nta.errors import SettingsError

VARIABLE: Final = "NTA_THREADS"


def thread_count() -> int:
    """Return the threads for one analysis: the environment's ``NTA_THREADS``, else the cores this process may use.

    Results do not depend on it, to the last byte.

    Raises
    ------
    SettingsError
        If ``NTA_THREADS`` is not a whole number above 0.
    """
    stated = os.environ.get(VARIABLE)
    if stated is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not stated.isdecimal() or int(stated) < 1:
        raise SettingsError(f"{VARIABLE}={stated!r} is not a number of threads; give 1 or more")
    return int(stated)
