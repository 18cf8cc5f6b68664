"""Jobs in processes of their own: one that dies or hangs takes its own job with it and nothing else."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing as mp
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from multiprocessing.connection import Connection, wait
from typing import Any, Final

from nta.errors import FailedError

Report = Callable[[Future[Any], str, int, int | None], None]
"""Called as ``report(future, stage, done, total)``, from a thread of the executor."""

ONE_THREAD: Final = {
    "NTA_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""What a worker is told before it loads anything: as many threads as there are workers are enough."""

_REPORT_EVERY_S: Final = 0.2
_START_S: Final = 300.0
_END_S: Final = 5.0

# Other threads start processes too, and the environment belongs to all of them.
_starting = threading.Lock()


class WorkerDied(FailedError):  # noqa: N818  # what happened, as its code says
    """The process that ran a job ended without an answer: killed, out of memory, or broken."""

    code = "worker_died"


class JobTimeout(FailedError):  # noqa: N818  # as above
    """A job ran longer than it may."""

    code = "timeout"


class LocalExecutor(Executor):
    """A pool of spawned processes with one thread each, in the form of :mod:`concurrent.futures`.

    Parameters
    ----------
    n_workers : int
        Processes; each is started when it is first needed, and again after it died.
    timeout_s : float
        Longest time for one job, s.

    Attributes
    ----------
    report : callable or None
        Told how far the running jobs are.
    """

    def __init__(self, n_workers: int, *, timeout_s: float) -> None:
        self.n_workers = n_workers
        self.report: Report | None = None
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]] | None]
        self._jobs = queue.SimpleQueue()
        self._slots = [_Slot(self._jobs, timeout_s, self._told) for _ in range(n_workers)]

    def _told(self, future: Future[Any], stage: str, done: int, total: int | None) -> None:
        if self.report is not None:
            self.report(future, stage, done, total)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401  # the base's
        """Run ``fn(*args, progress=...)`` in one of the processes.

        Returns
        -------
        Future
            Its exception is :class:`WorkerDied` or :class:`JobTimeout` when the process gave no answer.
        """
        if kwargs:
            raise TypeError("jobs take positional arguments only")
        future: Future[Any] = Future()
        self._jobs.put((future, fn, args))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes: after what is submitted, or at once with ``cancel_futures``."""
        if cancel_futures:
            with contextlib.suppress(queue.Empty):
                while True:
                    entry = self._jobs.get_nowait()
                    if entry is not None:
                        entry[0].cancel()
        for slot in self._slots:
            self._jobs.put(None)
            if cancel_futures:
                slot.kill()
        if wait:
            for slot in self._slots:
                slot.thread.join()


class _Slot:
    """One process, and the thread that gives it jobs and watches it."""

    def __init__(self, jobs: queue.SimpleQueue[Any], timeout_s: float, report: Report) -> None:
        self._jobs = jobs
        self._timeout_s = timeout_s
        self._report = report
        self._process: mp.process.BaseProcess | None = None
        self._pipe: Connection | None = None
        self._closed = False
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while (entry := self._jobs.get()) is not None:
            future, fn, args = entry
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._run(future, fn, args))
            except BaseException as error:  # noqa: BLE001  # whatever it is, it is the answer
                future.set_exception(error)
        self._stop()

    def _run(self, future: Future[Any], fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:  # noqa: ANN401
        try:
            pipe = self._ready()
            deadline = time.monotonic() + self._timeout_s
            pipe.send((fn, args))
            while True:
                if not wait([pipe], max(0.0, deadline - time.monotonic())):
                    self.kill()
                    self._stop()
                    raise JobTimeout(f"gave no result within {self._timeout_s:g} s; raise --timeout-s, or look at it")
                kind, *rest = pipe.recv()
                if kind == "done":
                    return rest[0]
                self._report(future, *rest)
        except (EOFError, OSError) as error:
            code = self._stop()
            raise WorkerDied(f"the process that measured it {_end(code)}; is there enough memory?") from error

    def _ready(self) -> Connection:
        """Return the pipe to a living process."""
        if self._closed:
            raise WorkerDied("the batch is being ended")
        if self._process is not None and self._process.is_alive() and self._pipe is not None:
            return self._pipe
        self._stop()
        context = mp.get_context("spawn")  # a fork after numba or BLAS have started threads hangs or dies
        self._pipe, other = context.Pipe()
        with _starting, _environment(ONE_THREAD):
            self._process = context.Process(target=serve, args=(other,), daemon=True)
            self._process.start()
        other.close()
        # Loading the libraries is no part of a job's time.
        if not self._pipe.poll(_START_S):
            self.kill()
            self._stop()
            raise JobTimeout(f"the process did not start within {_START_S:g} s; is the machine overloaded?")
        self._pipe.recv()
        return self._pipe

    def _stop(self) -> int | None:
        """End the process, if there is one, and return its exit code."""
        process, pipe = self._process, self._pipe
        self._process = self._pipe = None
        if pipe is not None:
            pipe.close()
        if process is None:
            return None
        process.join(_END_S)
        if process.is_alive():
            process.kill()
            process.join()
        code = process.exitcode
        process.close()
        return code

    def kill(self) -> None:
        """End the process in the middle of its job."""
        process = self._process
        if process is not None:
            with contextlib.suppress(ValueError):  # closed by the slot's own thread meanwhile
                process.kill()


def _end(code: int | None) -> str:
    if code is None:
        return "ended"
    return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def serve(pipe: Connection) -> None:
    """Run jobs until the pipe is closed: the main function of a worker."""
    # Ctrl-C goes to the whole group; the coordinator alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = mp.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    importlib.import_module("nta.batch.jobs")
    with contextlib.suppress(EOFError, OSError):
        pipe.send("ready")
        while True:
            fn, args = pipe.recv()
            # A job answers with whatever went wrong; what it raises all the same ends this process, and is seen.
            pipe.send(("done", fn(*args, progress=_Throttle(pipe))))


def _end_with(sentinel: int) -> None:
    """End this process when its parent has: nobody waits for the result any more."""
    wait([sentinel])
    os._exit(1)


class _Throttle:
    """A progress listener that sends a message five times a second at most, and every change of stage."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._stage = ""
        self._last = 0.0

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if stage != self._stage or now - self._last >= _REPORT_EVERY_S:
            self._stage, self._last = stage, now
            self._pipe.send(("progress", stage, done, total))
