"""A plan in; every job that must run, run; what came of it, on record."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol

from nta.batch import keys
from nta.batch.blanks import Blanks
from nta.batch.events import Event, JobKind, Listener, ignore
from nta.batch.jobs import CaptureDone, CaptureTask, SampleDone, SampleTask, Work
from nta.batch.listing import planned
from nta.batch.manifest import Manifest
from nta.batch.outcomes import TABLE_NAME, Batch, Outcome, outcome_of
from nta.batch.plan import CaptureJob, Plan, SampleJob, folder_is_whole, make_plan, remarks_of_store
from nta.batch.processes import JobTimeout, LocalExecutor, Report, WorkerDied
from nta.batch.recording import Recorder, tell_nobody
from nta.csvtable import unfinished
from nta.errors import NTAError, StoreError, UsageError
from nta.settings import Settings
from nta.store import DEFAULT_NAME, Store, summary_of

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT_S: Final = 3600.0

_ATTEMPTS: Final = 2
_POLL_S: Final = 0.2
_TABLE_EVERY_S: Final = 10.0


class JobExecutor(Protocol):
    """Where jobs run: local processes or a cluster, both in the form of :mod:`concurrent.futures`."""

    n_workers: int
    report: Report | None

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:  # noqa: ANN401
        """Run ``fn(*args)`` somewhere."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers, at once with ``cancel_futures``."""


def prepare_directory(directory: Path) -> None:
    """Make the folder of the results, or refuse one that holds something else.

    What an earlier run that was killed had begun to write there is no such thing, and goes.

    Raises
    ------
    UsageError
        If it is a file, or holds something and neither a ``batch.csv`` nor a store.
    StoreError
        If it cannot be made, or nothing can be written to it.
    """
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{str(directory)!r} is a file; give a folder for the results")
    for begun in unfinished(directory / TABLE_NAME):
        with suppress(OSError):  # a folder that cannot be written to is told of below
            begun.unlink()
    known = (TABLE_NAME, DEFAULT_NAME)
    if directory.is_dir() and any(directory.iterdir()) and not any((directory / name).is_file() for name in known):
        raise UsageError(f"{str(directory)!r} holds other files and no {TABLE_NAME}; give another folder")
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot make the folder {str(directory)!r}: {error.strerror}; choose another with -o"
        ) from None
    if not os.access(directory, os.W_OK | os.X_OK):
        raise StoreError(f"the folder {str(directory)!r} cannot be written to; check it, or choose another with -o")


def run_batch(
    manifest: Manifest,
    directory: str | Path,
    settings: Settings | None = None,
    *,
    store: Store | None = None,
    executor: JobExecutor | None = None,
    listen: Listener = ignore,
    work: Work | None = None,
    told: Callable[[str], None] = tell_nobody,
) -> Batch:
    """Measure what is missing or changed of a manifest; what fails becomes a row, and the rest go on.

    Parameters
    ----------
    manifest : Manifest
        What to measure.
    directory : path
        Where ``batch.csv`` and one result folder a sample go; made when it is not there.
    settings : Settings, optional
        For all samples. The manifest ranks above a settings file and below the command line.
    store : Store, optional
        Where results are put on record; ``nta.sqlite`` in ``directory`` when not given.
    executor : JobExecutor, optional
        Where the jobs run; one local process when not given. It is shut down at the end.
    listen : callable, optional
        Told every :class:`Event`.
    work : Work, optional
        The functions that do the jobs.
    told : callable, optional
        Told when something was written (:data:`nta.batch.recording.WRITE_POINTS`).

    Raises
    ------
    UsageError
        If ``directory`` is a file or holds something else, or a calibration or a blank is missing.
    StoreError
        If results cannot be put on record; what was recorded before stays, and a rerun goes on from there.
    """
    directory = Path(directory)
    prepare_directory(directory)
    store = store if store is not None else Store.open(directory / DEFAULT_NAME)
    plan = make_plan(manifest, directory, settings or Settings(), store)
    recorder = Recorder(store, told)
    recorder.plan(plan.samples)
    work = work or Work()
    for event in planned(plan, store, work):
        listen(event)
    run = _Run(manifest, directory, plan, recorder, work, listen)
    if not (directory / TABLE_NAME).exists():
        run.finish()  # by it the next run knows this folder, however early this one is killed
    if not plan.is_done:
        run.execute(executor if executor is not None else LocalExecutor(1, timeout_s=DEFAULT_TIMEOUT_S))
    elif executor is not None:
        executor.shutdown()
    return run.finish()


@dataclass(slots=True)
class _Running:
    """A job that somebody works on, and how often it was tried before."""

    job: CaptureJob | int
    attempt: int = 1


class _Run:
    """The state of a batch while it runs; everything here happens in one thread."""

    def __init__(
        self, manifest: Manifest, directory: Path, plan: Plan, recorder: Recorder, work: Work, listen: Listener
    ) -> None:
        self.manifest, self.directory, self.plan = manifest, directory, plan
        self.recorder, self.work, self.listen = recorder, work, listen
        self.store = recorder.store
        self.blanks = Blanks(recorder, work.for_blank)
        self.others = {sample.identity for sample in manifest.samples}
        self.keys: list[list[str]] = [[""] * len(job.sample.videos) for job in plan.samples]
        self.missing = [0] * len(plan.samples)
        self.outcomes: dict[int, Outcome] = {}
        self.captures: deque[_Running] = deque()
        self.samples: deque[_Running] = deque()
        self.running: dict[Future[Any], _Running] = {}
        self.reports: SimpleQueue[tuple[Future[Any], str, int, int | None]] = SimpleQueue()
        self.done = 0
        self.table_written = time.monotonic()
        self._queue_up()

    def _queue_up(self) -> None:
        for capture in self.plan.captures:
            self.keys[capture.sample][capture.position] = capture.key or ""
            if capture.state == "run":
                self.missing[capture.sample] += 1
                self.captures.append(_Running(capture))
        for number, job in enumerate(self.plan.samples):
            if job.state == "excluded":
                self.outcomes[number] = Outcome(job.sample, "rejected", "excluded", job.reason)
            elif job.state == "done":
                self._settle(number, self.store.current(job.sample.identity))
            elif not self.missing[number]:
                self.samples.append(_Running(number))
        waiting = sum(missing > 0 for missing in self.missing)
        self.total = len(self.captures) + len(self.samples) + waiting

    def execute(self, executor: JobExecutor) -> None:
        """Run all jobs; an interruption ends the workers at once and leaves what was recorded."""
        executor.report = lambda *report: self.reports.put(report)
        finished = False
        try:
            self._warm_up(executor)
            while self.captures or self.samples or self.running:
                self._start(executor)
                done, _ = wait(self.running, timeout=_POLL_S, return_when=FIRST_COMPLETED)
                self._pass_on_reports()
                # In the order in which they were started: what finishes together is recorded in one order.
                for future in [future for future in self.running if future in done]:
                    self._finished(self.running.pop(future), future)
                if time.monotonic() - self.table_written > _TABLE_EVERY_S:
                    self.finish()
            finished = True
        finally:
            executor.shutdown(cancel_futures=not finished)

    def _warm_up(self, executor: JobExecutor) -> None:
        """Let one worker compile the kernels for all; one that dies over it is no reason to give up the jobs."""
        for _ in range(_ATTEMPTS):
            error = executor.submit(self.work.warm_up).exception()
            if error is None:
                return
            if not isinstance(error, WorkerDied | JobTimeout):
                raise error

    def _start(self, executor: JobExecutor) -> None:
        # One more than there are workers, so that none waits while the last result is written.
        while len(self.running) <= executor.n_workers and (self.samples or self.captures):
            one = (self.samples or self.captures).popleft()
            future = self._submit(executor, one)
            if future is not None:
                self.running[future] = one
                self._tell("started", one)

    def _submit(self, executor: JobExecutor, one: _Running) -> Future[Any] | None:
        if isinstance(one.job, CaptureJob):
            return executor.submit(self.work.capture, CaptureTask(one.job.path, one.job.settings))
        job = self.plan.samples[one.job]
        inputs = self._inputs(one.job)
        known = self.store.measurement(job.sample.identity, keys.key_of(inputs))
        if known is not None and self._is_there_again(job, known):
            self.done += 1
            self._settle(one.job, self.store.current(job.sample.identity))
            return None
        fault = self.blanks.fault(one.job)
        if fault is not None:
            self._sample_failed(one, *fault)
            return None
        if not self.blanks.is_asked(one.job, job):
            self._ask_for_blank(one, one.job, job)
            return None
        rows = self.store.known_captures(self.keys[one.job])
        try:
            parts = tuple(
                self.recorder.part(path, key, rows.get(key))
                for path, key in zip(job.sample.videos, self.keys[one.job], strict=True)
            )
            blank = self.blanks.parts(one.job)
        except StoreError as error:
            self._sample_failed(one, "store", str(error))
            return None
        remarks = (*job.remarks, *self._remarks(one.job))
        return executor.submit(self.work.sample, SampleTask(job.sample.name, job.settings, parts, remarks, blank))

    def _is_there_again(self, job: SampleJob, known: dict[str, Any]) -> bool:
        """Make an analysis current that is on record already, where its folder still holds it."""
        if not folder_is_whole(job.folder, known):
            return False
        with self.store.writing() as writer:
            writer.select(known["sample_id"], known["id"])
        return True

    def _settle(self, number: int, row: Mapping[str, Any] | None) -> None:
        """Keep the outcome of a sample that is on record."""
        job = self.plan.samples[number]
        if row is not None:
            self.outcomes[number] = outcome_of(job.sample, summary_of(row), job.folder.name, row)

    def _remarks(self, number: int) -> tuple[tuple[str, str], ...]:
        return remarks_of_store(self.plan.samples[number], self.keys[number], self.store, self.others)

    def _inputs(self, number: int) -> dict[str, Any]:
        return self.plan.samples[number].inputs(self.keys[number], self._remarks(number))

    def _finished(self, one: _Running, future: Future[Any]) -> None:
        error = future.exception()
        if isinstance(error, WorkerDied | JobTimeout):
            if one.attempt < _ATTEMPTS:
                self._tell("retried", one, error.code, str(error))
                (self.captures if isinstance(one.job, CaptureJob) else self.samples).append(
                    replace(one, attempt=one.attempt + 1)
                )
                return
            result: Any = _given_up(one, error)
        elif error is not None:
            raise error
        else:
            result = future.result()
        if isinstance(one.job, CaptureJob):
            self._capture_finished(one, one.job, result)
        else:
            self._sample_finished(one, one.job, result)

    def _capture_finished(self, one: _Running, job: CaptureJob, result: CaptureDone) -> None:
        stands_for = self.recorder.capture(job, result)
        if job.is_blank:
            self.samples += [_Running(number) for number in self.blanks.finished(job, stands_for)]
        else:
            self.keys[job.sample][job.position] = stands_for
            self.missing[job.sample] -= 1
            if not self.missing[job.sample]:
                self.samples.append(_Running(job.sample))
        self._tell("finished", one, result.status, result.message)

    def _sample_finished(self, one: _Running, number: int, result: SampleDone) -> None:
        job = self.plan.samples[number]
        if result.files is None:
            self._sample_failed(one, result.status_code or "failed", result.message)
            return
        try:
            row = self.recorder.sample(job, self._inputs(number), result.files)
        except UsageError as error:  # something else lies in the way of its folder
            self._sample_failed(one, error.code, str(error))
            return
        self._settle(number, row)
        self._tell("finished", one, row["status"], row["message"])

    def _ask_for_blank(self, one: _Running, number: int, job: SampleJob) -> None:
        """Let a sample wait for the captures of its blank, which other samples may have asked for before."""
        try:
            new = self.blanks.ask(number, job, self.keys[number])
        except NTAError as error:
            self._sample_failed(one, error.code, str(error))
            return
        self.captures.extendleft(_Running(capture) for capture in reversed(new))
        self.total += len(new)
        if self.blanks.has_all(number):
            self.samples.append(_Running(number))

    def _sample_failed(self, one: _Running, code: str, message: str) -> None:
        number = one.job
        if isinstance(number, CaptureJob):
            raise TypeError("a capture is no sample")
        job = self.plan.samples[number]
        self.recorder.failure(job, code, message)
        self.outcomes[number] = Outcome(job.sample, "failed", code, message, dilution=job.settings.dilution)
        self._tell("finished", one, "failed", message)

    def _tell(self, kind: str, one: _Running, status: str = "", reason: str = "") -> None:
        if kind == "finished":
            self.done += 1
        job, name, sample = self._names(one)
        if kind == "started":
            reason = one.job.reason if isinstance(one.job, CaptureJob) else self.plan.samples[one.job].reason
        self.listen(Event(kind, job, name, sample, status, reason, done=self.done, total=self.total))  # type: ignore[arg-type]

    def _names(self, one: _Running) -> tuple[JobKind, str, str]:
        """Return what kind of job it is, its name, and that of its sample."""
        if isinstance(one.job, CaptureJob):
            sample = self.plan.samples[one.job.sample].sample.name
            return "blank" if one.job.is_blank else "capture", str(one.job.path), sample
        sample = self.plan.samples[one.job].sample.name
        return "sample", sample, sample

    def _pass_on_reports(self) -> None:
        while True:
            try:
                future, stage, done, total = self.reports.get_nowait()
            except Empty:
                return
            one = self.running.get(future)
            if one is not None:
                self.listen(Event("progress", *self._names(one), stage=stage, done=done, total=total))

    def finish(self) -> Batch:
        """Write ``batch.csv`` with every sample that has an outcome so far, and return them."""
        outcomes = [self.outcomes[number] for number in sorted(self.outcomes)]
        self.recorder.table(self.directory, outcomes)
        self.table_written = time.monotonic()
        return Batch(self.manifest, self.directory, tuple(outcomes), self.done)


def _given_up(one: _Running, error: NTAError) -> CaptureDone | SampleDone:
    message = f"{error}; it was tried {one.attempt} times"
    if isinstance(one.job, CaptureJob):
        return CaptureDone("failed", error.code, message)
    return SampleDone(None, error.code, message)
