"""How many threads one analysis may use, and work handed out to them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from nta.errors import SettingsError

VARIABLE: Final = "NTA_THREADS"

_Item = TypeVar("_Item")
_Done = TypeVar("_Done")


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


def in_threads(
    work: Callable[[_Item], _Done], items: Iterable[_Item], *, is_one_beside: bool = False
) -> Iterator[_Done]:
    """Yield ``work`` of every item, in the order of the items, done in all threads of the analysis.

    Items are taken here, one after the other, and no more of them than one a thread wait: memory stays that of a few.
    Numpy and the kernels compute while another thread computes; what is plain Python does not. With ``is_one_beside``
    one thread does the work while the items are made here: each thread keeps memory of its own.
    """
    n_threads = thread_count()
    if n_threads == 1:
        yield from map(work, items)
        return
    if is_one_beside:
        n_threads = 1
    waiting: deque[Future[_Done]] = deque()
    with ThreadPoolExecutor(n_threads) as pool:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > n_threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
