"""The same jobs on a Dask cluster: the same bytes, nothing lost with a killed worker, nobody else let in."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future

import pytest
from batch_work import WORK, without_times
from sqlalchemy import text

from nta.batch import LocalExecutor, read_manifest, run_batch
from nta.batch.processes import JobTimeout, WorkerDied
from nta.cluster import ClusterExecutor, check_address, connect
from nta.errors import FailedError, MissingExtraError, UsageError
from nta.store import Store

distributed = pytest.importorskip("distributed", reason="cluster: dask is not installed")


PATIENCE_S = 300.0
"""Nothing takes so long but on a machine that has other things to do: a process of Dask loads for seconds."""


def worker_pid() -> int:
    return os.getpid()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang() -> None:
    time.sleep(3600)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("tcp://10.1.2.3:8786", "neither encrypted nor on this machine"),
        ("tcp://scheduler:8786", "neither encrypted"),
        ("scheduler:8786", "not the address"),
        ("http://127.0.0.1:8786", "not the address"),
        ("tls://host", "not the address"),
        ("tcp://127.0.0.1:port", "not the address"),
    ],
)
def test_an_address_open_to_others_is_refused(address, words):
    with pytest.raises(UsageError, match=words):
        check_address(address)


def test_addresses_that_are_safe_are_taken_and_one_where_nobody_answers_is_one_line(monkeypatch):
    for address in ("tls://scheduler.example:8786", "tcp://127.0.0.1:8786", "tcp://localhost:8786", "tcp://[::1]:8786"):
        check_address(address)
    monkeypatch.setattr("nta.cluster._CONNECT_S", 1.0)
    with pytest.raises(UsageError, match="no Dask scheduler answers"):
        connect("tcp://127.0.0.1:1", n_workers=1, timeout_s=10.0)
    assert not logging.getLogger("distributed.client").isEnabledFor(logging.ERROR)  # nor does Dask print its trace


def test_dask_that_is_not_installed_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"nta\[cluster\]"):
        connect("local", n_workers=1, timeout_s=10.0)


def test_a_cluster_of_two_gives_the_bytes_of_one_process(videos, tmp_path):
    (tmp_path / "manifest.csv").write_text(
        "day,sample,video,dilution,volume_ml\n"
        + "".join(f"{n % 2},s{n % 2},{videos / f'c{n}.avi'},1000,350\n" for n in range(4))
    )
    read = read_manifest(tmp_path)
    run_batch(read, tmp_path / "one", executor=LocalExecutor(1, timeout_s=300.0))
    run_batch(read, tmp_path / "two", executor=connect("local", n_workers=2, timeout_s=300.0))
    for name in ("s0", "s1"):
        summaries = [json.loads((tmp_path / out / name / "summary.json").read_text()) for out in ("one", "two")]
        assert without_times(summaries[0]) == without_times(summaries[1])
        for file in ("distribution.csv", "tracks.parquet", "diffusion.parquet"):
            assert (tmp_path / "one" / name / file).read_bytes() == (tmp_path / "two" / name / file).read_bytes()
    keys = []
    for out in ("one", "two"):
        with Store.open(tmp_path / out).engine.connect() as connection:
            keys.append(sorted(connection.execute(text("SELECT key, spots_sha256, tracks_sha256 FROM captures")).all()))
    assert keys[0] == keys[1]


def test_a_killed_worker_loses_nothing(campaign, monkeypatch):
    for number in range(12):
        (campaign.folder / f"n{number}.avi").write_text(f"slow {number}")
    campaign.write("".join(f"{n // 6},s{n // 2},n{n}.avi,1000,350\n" for n in range(12)))
    executor = connect("local", n_workers=2, timeout_s=PATIENCE_S)
    pid = executor.submit(worker_pid).result(timeout=PATIENCE_S)
    timer = threading.Timer(0.7, os.kill, (pid, signal.SIGKILL))
    timer.start()
    batch = campaign.run(executor=executor, work=WORK)
    timer.join()
    assert batch.all_measured
    assert len(batch.outcomes) == 6
    campaign.run()
    assert campaign.ran == []


def test_a_job_that_hangs_fails_alone():
    """However slow the machine is: the time of a job counts only once its worker has answered another one."""
    executor = connect("local", n_workers=1, timeout_s=PATIENCE_S)
    try:
        pid = executor.submit(worker_pid).result(timeout=PATIENCE_S)
        executor.timeout_s = 2.0
        late = executor.submit(hang)
        error = late.exception(timeout=PATIENCE_S)
        assert isinstance(error, JobTimeout)
        assert "2 s" in str(error)
        executor.timeout_s = PATIENCE_S
        assert executor.submit(worker_pid).result(timeout=PATIENCE_S) != pid  # its worker was started anew
    finally:
        executor.shutdown(cancel_futures=True)


def test_a_job_that_kills_every_worker_fails_alone():
    executor = connect("local", n_workers=1, timeout_s=PATIENCE_S)
    try:
        assert isinstance(executor.submit(die).exception(timeout=PATIENCE_S), WorkerDied)
        assert isinstance(executor.submit(worker_pid).result(timeout=PATIENCE_S), int)
    finally:
        executor.shutdown(cancel_futures=True)


class Client:
    """A client of Dask whose jobs never end, and that says what a test lets it say."""

    def __init__(self) -> None:
        self.status = "running"
        self.says = dict
        self.waiting: list[Future] = []

    def nthreads(self) -> dict[str, int]:
        return {"tcp://worker": 1}

    def processing(self) -> dict[str, list[str]]:
        return self.says()

    def get_executor(self, *, pure: bool) -> Client:
        return self

    def submit(self, *_job: object, key: str) -> Future:
        self.waiting.append(Future())
        return self.waiting[-1]

    def shutdown(self, *, wait: bool) -> None: ...

    def close(self) -> None: ...


def closed() -> dict[str, list[str]]:
    raise RuntimeError("the event loop is closed")


def test_whatever_dask_says_a_late_job_is_told_and_the_watch_goes_on(caplog):
    client = Client()
    executor = ClusterExecutor(client, None, timeout_s=0.1)
    try:
        client.says = closed
        for _ in range(2):  # a watch that had ended would leave the second one waiting for ever
            assert isinstance(executor.submit(worker_pid).exception(timeout=PATIENCE_S), JobTimeout)
        assert "the event loop is closed" in caplog.text
        client.says = dict
        error = executor.submit(worker_pid).exception(timeout=PATIENCE_S)
        assert (type(error), error.code) == (FailedError, "no_workers")
        assert "what was measured is on record" in str(error)
    finally:
        executor.shutdown(cancel_futures=True)


def test_a_scheduler_that_is_gone_ends_the_batch_in_one_sentence(campaign):
    """And not as so many captures whose workers died."""

    class Vanishing(Client):
        def submit(self, *job: object, key: str) -> Future:
            future = super().submit(*job, key=key)
            if len(self.waiting) == 1:
                future.set_result("test")  # the kernels
            else:
                self.status = "connecting"
                future.cancel()
            return future

    campaign.write("1,x,a.avi,1000,350\n2,y,b.avi,1000,350\n")
    with pytest.raises(FailedError, match="connection to the scheduler of the cluster is lost") as raised:
        campaign.run(executor=ClusterExecutor(Vanishing(), None, timeout_s=PATIENCE_S))
    assert raised.value.code == "no_scheduler"
    campaign.run()
    assert sorted(campaign.ran) == ["a.avi", "b.avi", "x", "y"]
    with Store.open(campaign.out).engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM attempts")).scalar() == 0


def test_a_worker_of_another_version_is_refused_before_the_first_job_and_after(monkeypatch):
    executor = connect("local", n_workers=1, timeout_s=PATIENCE_S)
    try:
        monkeypatch.setattr("nta.cluster.method_version", lambda: "0.0.1+other")
        with pytest.raises(UsageError, match=r"runs nta 0\..*, this is 0\.0\.1\+other"):
            executor.check_workers()
        error = executor.submit(worker_pid).exception(timeout=PATIENCE_S)
        assert error.code == "worker_version"
    finally:
        executor.shutdown(cancel_futures=True)


def test_a_scheduler_with_tls_is_used_with_the_keys_of_the_configuration(tmp_path):
    """A certificate of our own, a scheduler and a worker with it, and a client by its address."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1",
         "-keyout", key, "-out", certificate], capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    import dask

    names = {"ca-file": str(certificate)}
    for role in ("scheduler", "worker", "client"):
        names |= {f"{role}.cert": str(certificate), f"{role}.key": str(key)}
    with dask.config.set({f"distributed.comm.tls.{name}": value for name, value in names.items()}):
        security = distributed.Security()
        with distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            protocol="tls://",
            security=security,
            dashboard_address="127.0.0.1:0",
        ) as cluster:
            assert cluster.scheduler_address.startswith("tls://")
            executor = connect(cluster.scheduler_address, n_workers=1, timeout_s=PATIENCE_S)
            try:
                assert executor.submit(worker_pid).result(timeout=PATIENCE_S) != os.getpid()
            finally:
                executor.shutdown()
