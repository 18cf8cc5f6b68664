"""Jobs in processes of their own: deaths, hangs, threads, and a parent that is gone."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import CancelledError, wait
from dataclasses import replace
from pathlib import Path

import pytest
from batch_work import WORK

from nta.batch import LocalExecutor
from nta.batch.processes import ONE_THREAD, JobTimeout, WorkerDied

TESTS = Path(__file__).resolve().parents[1]


def double(value: int, progress=None) -> int:
    progress("doubling", value, None)
    return 2 * value


def environment(progress=None) -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in ONE_THREAD} | {"pid": str(os.getpid())}


def die(progress=None) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave(progress=None) -> None:
    sys.exit(3)


def hang(progress=None) -> None:
    time.sleep(3600)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def executor():
    made = LocalExecutor(2, timeout_s=20.0)
    yield made
    made.shutdown(cancel_futures=True)


def test_jobs_come_back_with_their_results_and_tell_how_far_they_are(executor):
    told = []
    executor.report = lambda future, *step: told.append(step)
    futures = [executor.submit(double, value) for value in range(6)]
    assert [future.result(timeout=30) for future in futures] == [0, 2, 4, 6, 8, 10]
    assert sorted(told) == [("doubling", value, None) for value in range(6)]


def test_a_worker_has_one_thread_and_the_coordinator_keeps_its_own(executor, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    found = executor.submit(environment).result(timeout=30)
    assert {found[name] for name in ONE_THREAD} == {"1"}
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert int(found["pid"]) != os.getpid()


@pytest.mark.parametrize(("job", "words"), [(die, "killed by signal 9"), (leave, "ended with code 3")])
def test_a_worker_that_dies_fails_its_own_job_alone(executor, job, words):
    futures = [executor.submit(*call) for call in ((double, 1), (job,), (double, 2), (job,), (double, 3), (double, 4))]
    wait(futures, timeout=60)
    results = [future.exception() or future.result() for future in futures]
    assert [result for result in results if isinstance(result, int)] == [2, 4, 6, 8]
    errors = [result for result in results if not isinstance(result, int)]
    assert all(isinstance(error, WorkerDied) and error.code == "worker_died" for error in errors)
    assert all(words in str(error) for error in errors)
    assert len(errors) == 2


def test_a_worker_that_hangs_is_stopped_and_the_rest_go_on():
    executor = LocalExecutor(1, timeout_s=6.0)
    try:
        stuck, after = executor.submit(hang), executor.submit(double, 5)
        error = stuck.exception(timeout=30)
        assert isinstance(error, JobTimeout)
        assert error.code == "timeout"
        assert "6 s" in str(error)
        assert after.result(timeout=60) == 10
    finally:
        executor.shutdown(cancel_futures=True)


def test_a_shutdown_at_once_ends_the_processes_and_cancels_what_waits():
    executor = LocalExecutor(2, timeout_s=60.0)
    pids = {int(executor.submit(environment).result(timeout=30)["pid"]) for _ in range(4)}
    futures = [executor.submit(hang) for _ in range(4)]
    time.sleep(0.5)
    start = time.monotonic()
    executor.shutdown(cancel_futures=True)
    assert time.monotonic() - start < 5
    for future in futures:
        with pytest.raises((CancelledError, WorkerDied)):
            future.result(timeout=5)
    assert not any(is_alive(pid) for pid in pids)


def test_a_shutdown_waits_for_what_is_submitted():
    executor = LocalExecutor(1, timeout_s=60.0)
    futures = [executor.submit(double, value) for value in range(3)]
    executor.shutdown()
    assert [future.result(timeout=1) for future in futures] == [0, 2, 4]


COORDINATOR = """
import sys, os, time
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/batch"]
if __name__ == "__main__":
    from nta.batch import LocalExecutor
    from test_processes import environment, hang
    executor = LocalExecutor(1, timeout_s=60.0)
    print(executor.submit(environment).result()["pid"], flush=True)
    executor.submit(hang)
    time.sleep(60)
"""


def test_workers_end_when_the_coordinator_is_killed(tmp_path):
    script = tmp_path / "coordinator.py"
    script.write_text(COORDINATOR)
    coordinator = subprocess.Popen([sys.executable, script, TESTS], stdout=subprocess.PIPE, text=True)
    assert coordinator.stdout is not None
    worker = int(coordinator.stdout.readline())
    assert is_alive(worker)
    time.sleep(0.3)
    coordinator.kill()
    coordinator.wait()
    coordinator.stdout.close()
    deadline = time.monotonic() + 10
    while is_alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(worker)


def test_in_a_batch_what_dies_or_hangs_is_tried_once_more_and_fails_alone(campaign, tmp_path):
    folder = campaign.folder
    (folder / "die.avi").write_text("die")
    (folder / "hang.avi").write_text("hang")
    (folder / "once.avi").write_text(f"die-once {tmp_path / 'mark'}")
    campaign.write(
        "1,x,a.avi,1000,350\n1,x,die.avi,,\n2,y,hang.avi,1000,350\n3,z,once.avi,1000,350\n4,w,b.avi,1000,350\n"
    )
    batch = campaign.run(executor=LocalExecutor(2, timeout_s=8.0))
    assert [(outcome.status, outcome.status_code) for outcome in batch.outcomes] == [
        ("ok", None),
        ("failed", "timeout"),
        ("ok", None),
        ("ok", None),
    ]
    retried = Counter(Path(event.name).name for event in campaign.events if event.kind == "retried")
    assert retried == {"die.avi": 1, "hang.avi": 1, "once.avi": 1}
    failed = {Path(e.name).name: e.reason for e in campaign.events if e.kind == "finished" and e.status == "failed"}
    assert "tried 2 times" in failed["die.avi"]
    for name in ("die", "hang"):
        (folder / f"{name}.avi").write_text(f"video {name}")
    campaign.run()
    assert sorted(campaign.ran) == ["die.avi", "hang.avi", "x", "y"]  # only what failed


def test_a_worker_that_dies_over_its_first_steps_is_no_reason_to_give_up(campaign):
    campaign.write("1,x,a.avi,1000,350\n")
    work = replace(WORK, warm_up=die)
    assert campaign.run(executor=LocalExecutor(1, timeout_s=20.0), work=work).all_measured


def test_one_worker_and_two_give_the_same_rows(campaign):
    for number in range(12):
        (campaign.folder / f"n{number}.avi").write_text(f"slow {number}")
    campaign.write("".join(f"{n % 4},s{n % 4},n{n}.avi,1000,350\n" for n in range(12)))
    tables = []
    for workers in (1, 2):
        out = campaign.folder.with_name(f"out{workers}")
        campaign.run(executor=LocalExecutor(workers, timeout_s=60.0), out=out, work=WORK)
        rows = csv.DictReader((out / "batch.csv").read_text().splitlines())
        tables.append([{**row, "record": ""} for row in rows])  # numbered as they came
    assert tables[0] == tables[1]
