"""What a batch puts on record, in the order that makes every moment a safe one to be killed in.

First the objects, whole or not at all; then the rows that refer to them, in one transaction; then the folder and the
table for people, which a rerun can always make again from the record.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nta.batch import keys
from nta.batch.jobs import CaptureDone, Part
from nta.batch.outcomes import TABLE_NAME, Outcome, table_columns
from nta.batch.plan import CaptureJob, SampleJob
from nta.csvtable import csv_text, write_whole
from nta.errors import FailedError, StoreError
from nta.report.folder import DISTRIBUTION, SUMMARY, save_files
from nta.store import CaptureRecord, MeasurementRecord, Store

PASSING: Final = frozenset(
    {
        "worker_died",
        "timeout",
        "still_changing",
        "source_changed",
        "not_writable",
        "internal_error",
        "usage",
        "settings",
    }
)
"""Codes of failures that say nothing lasting of the file: they are noted, and the job runs again the next time."""

WRITE_POINTS: Final = (
    "plan recorded",
    "objects written",
    "capture added",
    "capture committed",
    "sample added",
    "sample committed",
    "folder written",
    "table written",
)
"""Moments at which :attr:`Recorder.told` is called."""


def tell_nobody(_point: str) -> None:
    """Listen to nothing."""


@dataclass(frozen=True)
class Recorder:
    """The only one that writes.

    Parameters
    ----------
    store : Store
        Where records go.
    told : callable
        Called at each of :data:`WRITE_POINTS`.
    """

    store: Store
    told: Callable[[str], None] = tell_nobody

    def plan(self, samples: Sequence[SampleJob]) -> None:
        """Put on record what the manifest says of every sample."""
        with self.store.writing() as writer:
            for job in samples:
                writer.collection(job.sample.collection)
                for excluded in job.sample.excluded:
                    writer.exclusion(job.sample.identity, str(excluded.video), None, excluded.reason)
        self.told("plan recorded")

    def capture(self, job: CaptureJob, done: CaptureDone) -> str:
        """Put a capture on record and return what stands for it in the inputs of its sample."""
        if done.source is None or done.status_code in PASSING:
            with self.store.writing() as writer:
                writer.attempt("capture", str(job.path), done.status_code or "failed", done.message)
            return f"{done.status_code}: {done.message}"
        spots, tracks = (None if data is None else self.store.objects.put(data) for data in (done.spots, done.tracks))
        self.told("objects written")
        inputs = keys.capture_inputs(done.source.sha256, job.settings, job.sidecar)
        record = CaptureRecord(
            key=keys.key_of(inputs),
            path=str(job.path),
            inputs=inputs,
            status=done.status,
            status_code=done.status_code,
            message=done.message,
            sha256=done.source.sha256,
            n_bytes=done.source.n_bytes,
            spots_sha256=spots,
            tracks_sha256=tracks,
        )
        with self.store.writing() as writer:
            writer.capture(record)
            writer.remember([done.source])
            self.told("capture added")
        self.told("capture committed")
        return record.key

    def part(self, path: Path, key: str, row: Mapping[str, Any] | None) -> Part:
        """Return a capture as its sample needs it."""
        if row is None:
            code, _, message = key.partition(": ")
            return Part(path, None, status_code=code, message=message)
        if row["tracks_sha256"] is None:
            return Part(path, row["sha256"], status_code=row["status_code"], message=row["message"])
        objects = self.store.objects
        return Part(path, row["sha256"], objects.get(row["spots_sha256"]), objects.get(row["tracks_sha256"]))

    def sample(self, job: SampleJob, inputs: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
        """Put an analysis on record, write its folder, and return its row with the decision on it."""
        record = MeasurementRecord(
            sample=job.sample.identity,
            key=keys.key_of(inputs),
            inputs=inputs,
            summary=files[SUMMARY].decode(),
            distribution_csv=files[DISTRIBUTION].decode(),
            files={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
            capture_keys=tuple(key for key in inputs["captures"] if ":" not in key),
            settings=json.dumps(keys.stated(job.settings), sort_keys=True),
            calibration=job.calibration,
        )
        with self.store.writing() as writer:
            writer.measurement(record)
            self.told("sample added")
        self.told("sample committed")
        row = self.store.current(job.sample.identity)
        if row is None:
            raise StoreError(f"{self.store.name} does not hold what was just written to it; check its disk")
        # An analysis that was on record before keeps its own summary: only its folder was lost.
        kept = {**files, SUMMARY: row["summary"].encode()}
        try:
            save_files(kept, job.folder)
        except FailedError as error:  # the disk is full, say: so it will be for the next one
            raise StoreError(f"{error}; what was measured is on record") from error
        self.told("folder written")
        return row

    def failure(self, job: SampleJob, code: str, message: str) -> None:
        """Note that a sample could not be put together."""
        with self.store.writing() as writer:
            writer.attempt("sample", job.sample.name, code, message)

    def table(self, directory: Path, outcomes: Sequence[Outcome]) -> None:
        """Write ``batch.csv``."""
        rows = (outcome.row() for outcome in outcomes)
        try:
            write_whole(directory / TABLE_NAME, csv_text(table_columns(), rows))
        except OSError as error:
            raise StoreError(
                f"cannot write to {str(directory)!r}: {error.strerror or error}; free some space or check its "
                "permissions, and run again: what was stored stays"
            ) from error
        self.told("table written")
