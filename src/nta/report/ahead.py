"""Imports that writing a result needs, made while its tracks are measured."""

from __future__ import annotations

import importlib
from contextlib import suppress
from threading import Thread
from typing import Final

from nta.progress import Progress
from nta.threads import thread_count

_STAGE: Final = "link"
_MODULES: Final = ("nta.report.figures", "nta.report.page", "nta.report.tables")


def importing_meanwhile(progress: Progress) -> Progress:
    """Return a listener that has a thread import what a result folder is written with, once the first film is searched.

    matplotlib takes half a second, and sizes are fitted in one thread; while films are searched no core is free. For
    callers that will write a result: an import that fails is made again there. With one thread all wait their turn.
    """
    if thread_count() == 1:
        return progress
    threads: list[Thread] = []

    def listen(stage: str, done: int, total: int | None) -> None:
        if stage == _STAGE and not threads:
            threads.append(Thread(target=_import, name="nta-imports", daemon=True))
            threads[0].start()
        progress(stage, done, total)

    return listen


def _import() -> None:
    for name in _MODULES:
        with suppress(ImportError):
            importlib.import_module(name)
