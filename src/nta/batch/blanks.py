"""Captures of blanks: measured when a sample asks for them, once for all samples that ask alike."""

from __future__ import annotations

from pathlib import Path

from nta.batch import keys
from nta.batch.jobs import Part
from nta.batch.plan import CaptureJob, SampleJob, objects_there, with_depth
from nta.batch.recording import Recorder
from nta.batch.sources import sidecar_sha256
from nta.settings import Settings


class Blanks:
    """Which sample waits for which captures of its blank.

    Parameters
    ----------
    recorder : Recorder
        Where captures are on record.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._asked: dict[int, tuple[tuple[Path, str], ...]] = {}
        self._running: set[str] = set()
        self._failed: dict[str, str] = {}

    def ask(self, number: int, job: SampleJob, settings: Settings) -> list[CaptureJob]:
        """Note what a sample needs and return what must run for it: neither on record nor asked for by another.

        Parameters
        ----------
        number : int
            Of the sample.
        job : SampleJob
            Its job, with paths and hashes of the blank.
        settings : Settings
            With which its blank is to be measured.
        """
        touching = keys.for_capture(with_depth(settings))
        wanted = [
            _capture_job(Path(path), number, sha256, touching)
            for path, sha256 in zip(job.settings.blank, job.blank, strict=True)
        ]
        self._asked[number] = tuple((one.path, one.key or "") for one in wanted)
        store = self._recorder.store
        rows = store.known_captures(one.key or "" for one in wanted)
        there = {key for key, row in rows.items() if objects_there(row, store)}
        new = {one.key or "": one for one in wanted if one.key not in there | self._running | set(self._failed)}
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
        return [
            number for number, asked in self._asked.items() if key in (of for _, of in asked) and self.has_all(number)
        ]

    def has_all(self, number: int) -> bool:
        """Whether no capture of a sample's blank is being measured."""
        return all(key not in self._running for _, key in self._asked[number])

    def fault(self, number: int) -> tuple[str, str] | None:
        """Return code and sentence where a capture of the blank failed for a reason that may pass."""
        for path, key in self._asked.get(number, ()):
            if key in self._failed:
                code, _, message = self._failed[key].partition(": ")
                return code, f"the blank {path.name!r} could not be measured: {message}"
        return None

    def parts(self, number: int) -> tuple[Part, ...] | None:
        """Return the captures of a sample's blank, ``None`` where it has not asked for them.

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


def _capture_job(path: Path, sample: int, sha256: str, settings: Settings) -> CaptureJob:
    sidecar = sidecar_sha256(path)
    inputs = keys.capture_inputs(sha256, settings, sidecar)
    return CaptureJob(
        path, sample, 0, settings, sidecar, "run", "the blank of a sample", keys.key_of(inputs), inputs, is_blank=True
    )
