"""Captures of blanks: measured when a sample asks for them, once for all samples that ask alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nta.batch import keys
from nta.batch.jobs import Part
from nta.batch.plan import CaptureJob, SampleJob, objects_there, with_depth
from nta.batch.recording import Recorder
from nta.batch.sources import sidecar_sha256
from nta.settings import Settings
from nta.store import Store

ForBlank = Callable[[Settings, Sequence[Path]], Settings | None]
"""As :func:`nta.batch.jobs.settings_for_blank`."""


def captures_of_blank(
    number: int, job: SampleJob, capture_keys: Sequence[str], store: Store, for_blank: ForBlank
) -> tuple[CaptureJob, ...] | None:
    """Return the captures of a sample's blank, each with its state; ``None`` where the sample reads it itself.

    Parameters
    ----------
    number : int
        Of the sample.
    job : SampleJob
        Its job, with paths and hashes of the blank.
    capture_keys : sequence of str
        The keys of its own captures, which are on record: the width of their spots is that of the blank's.
    store : Store
        Where captures are on record.
    for_blank : callable
        Says how the blank is to be measured.

    Raises
    ------
    NTAError
        If a file of the sample's captures is damaged, or the blank cannot be one.
    """
    if not job.settings.blank:
        return None
    rows = store.known_captures(capture_keys)
    own = (rows[key]["spots_sha256"] for key in capture_keys if key in rows)
    settings = for_blank(job.settings, [store.objects.path(sha256) for sha256 in own if sha256 is not None])
    if settings is None:
        return None
    touching = keys.for_capture(with_depth(settings))
    captures = [
        _capture_job(Path(path), number, sha256, touching)
        for path, sha256 in zip(job.settings.blank, job.blank, strict=True)
    ]
    known = store.known_captures(one.key or "" for one in captures)
    return tuple(_with_state(one, known.get(one.key or ""), store) for one in captures)


def _capture_job(path: Path, sample: int, sha256: str, settings: Settings) -> CaptureJob:
    sidecar = sidecar_sha256(path)
    inputs = keys.capture_inputs(sha256, settings, sidecar)
    return CaptureJob(
        path, sample, 0, settings, sidecar, "run", "the blank of a sample", keys.key_of(inputs), inputs, is_blank=True
    )


def _with_state(job: CaptureJob, row: Mapping[str, Any] | None, store: Store) -> CaptureJob:
    is_there = row is not None and objects_there(row, store)
    return replace(job, state="done", reason="") if is_there else job


class Blanks:
    """Which sample waits for which captures of its blank.

    Parameters
    ----------
    recorder : Recorder
        Where captures are on record.
    for_blank : callable
        Says how the blank of a sample is to be measured.
    """

    def __init__(self, recorder: Recorder, for_blank: ForBlank) -> None:
        self._recorder = recorder
        self._for_blank = for_blank
        self._asked: dict[int, tuple[tuple[Path, str], ...] | None] = {}
        self._running: set[str] = set()
        self._failed: dict[str, str] = {}

    def is_asked(self, number: int, job: SampleJob) -> bool:
        """Whether a sample has no blank, or :meth:`ask` knows it already."""
        return not job.settings.blank or number in self._asked

    def ask(self, number: int, job: SampleJob, capture_keys: Sequence[str]) -> list[CaptureJob]:
        """Note what a sample needs and return what must run for it: neither on record nor asked for by another.

        Parameters and errors are those of :func:`captures_of_blank`.
        """
        wanted = captures_of_blank(number, job, capture_keys, self._recorder.store, self._for_blank)
        if wanted is None:
            self._asked[number] = None
            return []
        self._asked[number] = tuple((one.path, one.key or "") for one in wanted)
        met = self._running | set(self._failed)
        new = {one.key or "": one for one in wanted if one.state == "run" and one.key not in met}
        self._running |= set(new)
        return list(new.values())

    def finished(self, job: CaptureJob, stands_for: str) -> list[int]:
        """Take the end of a capture, and return the samples that have asked for it and wait for none any more.

        Parameters
        ----------
        job : CaptureJob
            From :meth:`ask`.
        stands_for : str
            Its key, or why it has none.
        """
        key = job.key or ""
        self._running.discard(key)
        if stands_for != key:
            is_fault = ":" in stands_for
            changed = "source_changed: it is no longer the file that it was when the batch began"
            self._failed[key] = stands_for if is_fault else changed
        return [number for number in self._asked if key in self._keys(number) and self.has_all(number)]

    def _keys(self, number: int) -> list[str]:
        return [key for _, key in self._asked.get(number) or ()]

    def has_all(self, number: int) -> bool:
        """Whether no capture of a sample's blank is being measured."""
        return self._running.isdisjoint(self._keys(number))

    def fault(self, number: int) -> tuple[str, str] | None:
        """Return code and sentence where a capture of the blank failed for a reason that may pass."""
        for path, key in self._asked.get(number) or ():
            if key in self._failed:
                code, _, message = self._failed[key].partition(": ")
                return code, f"the blank {path.name!r} could not be measured: {message}"
        return None

    def parts(self, number: int) -> tuple[Part, ...] | None:
        """Return the captures of a sample's blank, ``None`` where it has none or reads them itself.

        Raises
        ------
        StoreError
            If their files are gone or have been changed.
        """
        asked = self._asked.get(number)
        if asked is None:
            return None
        rows = self._recorder.store.known_captures(key for _, key in asked)
        return tuple(self._recorder.part(path, key, rows.get(key)) for path, key in asked)
