"""Jobs of a batch on other machines: the form of :mod:`concurrent.futures` over a Dask cluster.

A task is one capture that its worker streams from a disk that all of them see, or one sample put together. Only the
coordinator writes: results come back over the connection. This is the only door to dask.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final
from urllib.parse import urlsplit

from nta.batch.keys import method_version
from nta.batch.processes import ONE_THREAD, JobTimeout, Report, WorkerDied
from nta.errors import FailedError, MissingExtraError, UsageError

logger = logging.getLogger(__name__)

LOCAL: Final = "local"

_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_CONNECT_S: Final = 30.0
_WATCH_S: Final = 0.5

_GO_ON: Final = "run the same command again: what was measured is on record"


def connect(address: str, *, n_workers: int, timeout_s: float) -> ClusterExecutor:
    """Return an executor on a Dask cluster whose workers all run this version of nta.

    Parameters
    ----------
    address : str
        The scheduler's: ``tls://host:port``, or ``tcp://`` on this machine; ``local`` starts a cluster here.
    n_workers : int
        Workers of a local cluster.
    timeout_s : float
        Longest time for one job, s.

    Raises
    ------
    UsageError
        If the address is open to others, nobody answers there, or a worker runs something else.
    MissingExtraError
        If dask is not installed.
    """
    try:
        distributed: Any = importlib.import_module("distributed")  # its functions have no types
    except ImportError:
        raise MissingExtraError('--cluster needs dask; pip install "nta[cluster]"') from None
    if not logger.isEnabledFor(logging.DEBUG):
        # Of a connection that is lost it prints a stack trace; what it means is said in one line here.
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    cluster = None
    if address == LOCAL:
        cluster = distributed.LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            env=dict(ONE_THREAD),
            silence_logs=logging.ERROR,
        )
    else:
        check_address(address)
    try:
        client = distributed.Client(
            cluster if cluster is not None else address, timeout=_CONNECT_S, set_as_default=False
        )
    except (OSError, TimeoutError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"no Dask scheduler answers at {address!r} ({reason}); check the address and its TLS"
        ) from None
    executor = ClusterExecutor(client, cluster, timeout_s=timeout_s)
    try:
        executor.check_workers()
    except UsageError:
        executor.shutdown(cancel_futures=True)
        raise
    return executor


def check_address(address: str) -> None:
    """Refuse an address over which others could read or send jobs.

    Raises
    ------
    UsageError
        Unless it is ``tls://``, or on this machine.
    """
    try:
        parts = urlsplit(address)
        is_local = parts.hostname in _LOOPBACK
        port = parts.port
    except ValueError:
        parts, is_local, port = urlsplit(""), False, None
    if parts.scheme not in ("tcp", "tls") or port is None:
        raise UsageError(f"{address!r} is not the address of a Dask scheduler; give tls://host:8786, or local")
    if parts.scheme == "tcp" and not is_local:
        raise UsageError(
            f"{address!r} is neither encrypted nor on this machine: whoever reaches it can run programs there; start "
            "the scheduler with TLS and give tls://"
        )


class ClusterExecutor:
    """A Dask cluster as a batch sees it.

    Parameters
    ----------
    client : distributed.Client
        Connected.
    cluster : distributed.LocalCluster or None
        Ended together with the executor.
    timeout_s : float
        Longest time for one job, s; a worker that takes longer is started anew.

    Attributes
    ----------
    n_workers : int
        Threads of all workers when the batch began.
    timeout_s : float
        As given; another one holds for what is submitted from then on.
    report : callable or None
        Never told: a cluster says only when a job has ended.
    """

    def __init__(self, client: Any, cluster: Any, *, timeout_s: float) -> None:  # noqa: ANN401  # dask has no types
        self.report: Report | None = None
        self.n_workers = max(1, sum(client.nthreads().values()))
        self._client, self._cluster, self.timeout_s = client, cluster, timeout_s
        self._executor = client.get_executor(pure=False)
        self._running: dict[str, tuple[Future[Any], Future[Any], float]] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def check_workers(self) -> None:
        """Ask every worker for the version that it runs, before the first job.

        Raises
        ------
        UsageError
            If there is no worker, or one that runs another version of nta or none.
        """
        mine = method_version()
        try:
            versions = self._client.run(_version, on_error="return")
        except (OSError, TimeoutError) as error:
            raise UsageError(f"the workers of the cluster do not answer: {error}") from None
        if not versions:
            raise UsageError("the cluster has no worker; start one, or wait until it has")
        for worker, version in sorted(versions.items()):
            if version != mine:
                raise UsageError(
                    f"worker {worker} runs nta {version}, this is {mine}; install the same version on every worker"
                )

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:  # noqa: ANN401  # as Executor.submit
        """Run ``fn(*args)`` on some worker; a worker that joined since is checked too.

        Raises
        ------
        FailedError
            If the connection to the scheduler is lost.
        """
        if self._is_lost():
            raise _lost()
        outer: Future[Any] = Future()
        outer.set_running_or_notify_cancel()
        key = f"nta-{uuid.uuid4().hex}"
        inner = self._executor.submit(_checked, method_version(), fn, *args, key=key)
        with self._lock:
            self._running[key] = (outer, inner, time.monotonic() + self.timeout_s)
        inner.add_done_callback(lambda done: self._hand_on(key, outer, done))
        return outer

    def _hand_on(self, key: str, outer: Future[Any], inner: Future[Any]) -> None:
        with self._lock:
            given_up = self._running.pop(key, None) is None
        if given_up:
            return
        if inner.cancelled():
            dropped = WorkerDied("the cluster dropped the job; is a worker short of memory?")
            outer.set_exception(_lost() if self._is_lost() else dropped)
            return
        error = inner.exception()
        if error is None:
            outer.set_result(inner.result())
        elif type(error).__name__ in ("KilledWorker", "CancelledError", "FutureCancelledError"):
            outer.set_exception(WorkerDied(f"the workers that measured it died: {error}"))
        else:
            outer.set_exception(error)

    def _watch(self) -> None:
        """Give up jobs that take too long, and start their workers anew: a thread of Dask cannot be stopped."""
        while not self._ended.wait(_WATCH_S):
            now = time.monotonic()
            with self._lock:
                late = {key: futures for key, (*futures, deadline) in self._running.items() if deadline < now}
                for key in late:
                    del self._running[key]
            for key, (outer, inner) in late.items():
                self._give_up(key, outer, inner)

    def _give_up(self, key: str, outer: Future[Any], inner: Future[Any]) -> None:
        error: FailedError = JobTimeout(f"gave no result within {self.timeout_s:g} s; raise --timeout-s")
        try:
            workers = self._client.processing()
            if not workers:  # nor will there be one for the next job
                error = FailedError(f"the cluster has no worker any more; start some, and {_GO_ON}", code="no_workers")
            inner.cancel()  # or the scheduler would give it to the next worker
            busy = [worker for worker, keys in workers.items() if key in keys]
            if busy:
                self._client.restart_workers(busy, timeout=_CONNECT_S, raise_for_error=False)
        except BaseException as failure:  # noqa: BLE001  # whatever Dask says, somebody waits for an answer
            logger.warning("the worker of a job that took too long could not be started anew: %r", failure)
            error = _lost() if self._is_lost() else error
        outer.set_exception(error)

    def _is_lost(self) -> bool:
        return not self._ended.is_set() and self._client.status != "running"

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster; a local one ends."""
        self._ended.set()
        if wait:
            self._watcher.join()
        with contextlib.suppress(TimeoutError, OSError):
            self._executor.shutdown(wait=not cancel_futures)
        with contextlib.suppress(TimeoutError, OSError):
            self._client.close()
        if self._cluster is not None:
            self._cluster.close()


def _lost() -> FailedError:
    return FailedError(
        f"the connection to the scheduler of the cluster is lost; start it, and {_GO_ON}", code="no_scheduler"
    )


def _version() -> str:
    return method_version()


def _checked(version: str, fn: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401  # whatever the job returns
    """Run a job on a worker, unless another version runs there: its numbers would not belong together."""
    mine = method_version()
    if mine != version:
        raise FailedError(
            f"a worker runs nta {mine}, the batch {version}; install the same version on every worker",
            code="worker_version",
        )
    return fn(*args)
