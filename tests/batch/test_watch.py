"""A watched folder: a capture is measured when it has stopped growing, once, also over restarts."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from batch_work import WORK, InlineExecutor
from click.testing import CliRunner

from nta.batch import Manifest, run_batch
from nta.batch.watch import Watch, changes
from nta.errors import UsageError
from nta_cli.main import cli


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "instrument"
    path.mkdir()
    return path


def names(manifest: Manifest | None) -> list[str]:
    assert manifest is not None
    return sorted(video.name for sample in manifest.samples for video in sample.videos)


def test_a_capture_is_ready_when_it_has_stopped_growing(folder, clock):
    watch = Watch(folder, 10.0, clock)
    growing, whole = folder / "EV_00.avi", folder / "EV_01.avi"
    growing.write_bytes(b"x")
    whole.write_bytes(b"y")
    (folder / "empty.avi").touch()
    assert watch.look() is None
    for length in range(2, 6):
        clock.now += 4
        growing.write_bytes(b"x" * length)
        found = watch.look()
        if clock.now >= 110:
            break
    assert names(found) == ["EV_01.avi"]
    assert watch.look() is None  # nothing new
    clock.now += 4
    assert watch.look() is None
    clock.now += 10
    assert names(watch.look()) == ["EV_00.avi", "EV_01.avi"]
    growing.write_bytes(b"written over by somebody")
    clock.now += 1
    assert names(watch.look()) == ["EV_01.avi"]


def test_a_file_that_goes_away_does_no_harm(folder, clock):
    watch = Watch(folder, 1.0, clock)
    (folder / "a.avi").write_bytes(b"x")
    watch.look()
    (folder / "a.avi").rename(folder / "b.avi")
    clock.now += 2
    assert watch.look() is None
    clock.now += 2
    assert names(watch.look()) == ["b.avi"]


def test_a_manifest_says_the_samples_and_its_patterns_match_what_has_come(folder, clock):
    watch = Watch(folder, 1.0, clock)
    (folder / "manifest.csv").write_text("day,sample,video,dilution\n1,x,d1_*.avi,1000\n")
    (folder / "d1_1.avi").write_bytes(b"1")
    watch.look()
    clock.now += 2
    assert names(watch.look()) == ["d1_1.avi"]
    (folder / "d1_2.avi").write_bytes(b"2")
    watch.look()
    clock.now += 2
    found = watch.look()
    assert names(found) == ["d1_1.avi", "d1_2.avi"]
    assert found.samples[0].dilution == 1000.0


def test_a_manifest_that_cannot_be_used_is_said_once_until_it_changes(folder, clock):
    (folder / "a.avi").write_bytes(b"1")
    manifest = folder / "manifest.csv"
    manifest.write_text("day,sample,video\n1,x,missing.avi\n")
    watch = Watch(folder, 0.0, clock)
    with pytest.raises(UsageError, match=r"missing\.avi"):
        watch.look()
    assert watch.look() is None
    said = list(changes(Watch(folder, 0.0, clock), 1.0, for_s=5.0, sleep=clock.sleep))
    assert len(said) == 1
    assert "missing.avi" in said[0]
    manifest.write_text("day,sample,video\n1,x,a.avi\n")
    assert names(watch.look()) == ["a.avi"]


def test_what_comes_later_is_measured_alone_and_a_restart_measures_nothing_again(folder, clock, tmp_path):
    out = tmp_path / "out"
    ran = []
    for restart in range(2):
        for found in changes(Watch(folder, 3.0, clock), 1.0, for_s=20.0, sleep=clock.sleep):
            executor = InlineExecutor()
            run_batch(found, out, executor=executor, work=WORK)
            ran.append([call.path.name for call in executor.calls if hasattr(call, "path")])
        if restart == 0:
            assert ran == []
            (folder / "d1").mkdir()
            (folder / "d1" / "a.avi").write_text("video a")
    assert ran == [["a.avi"]]
    (folder / "d1" / "b.avi").write_text("video b")
    for found in changes(Watch(folder, 3.0, clock), 1.0, for_s=20.0, sleep=clock.sleep):
        executor = InlineExecutor()
        batch = run_batch(found, out, executor=executor, work=WORK)
        ran.append([call.path.name for call in executor.calls if hasattr(call, "path")])
    assert ran[1:] == [["b.avi"]]
    assert batch.all_measured


def test_the_command_measures_what_is_ready_and_ends(campaign, cheap_jobs):
    result = CliRunner().invoke(
        cli, ["watch", str(campaign.folder), "--once", "--settle-s", "0.2", "--every-s", "0.1", "--quiet"]
    )
    assert result.exit_code == 0, result.output
    assert (campaign.out / "batch.csv").is_file()
    assert sum(len(executor.calls) for executor in cheap_jobs()) == 12
    (campaign.folder / "manifest.csv").write_text("day,sample,video\n1,x,missing.avi\n")
    result = CliRunner().invoke(cli, ["watch", str(campaign.folder), "--once", "--settle-s", "0.1", "--every-s", "0.1"])
    assert result.exit_code == 1
    assert "missing.avi" in result.stderr


def test_a_watch_once_over_nothing_says_so(folder):
    options = ("--once", "--settle-s", "0", "--every-s", "0.1")
    result = CliRunner().invoke(cli, ["watch", str(folder), *options])
    assert result.exit_code == 0
    assert "holds nothing to measure" in result.stderr


def test_ctrl_c_ends_a_watch_with_130(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", "from nta_cli.main import cli; cli()", "watch", folder, "--every-s", "0.2"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "watching" in process.stderr.readline()
    time.sleep(0.3)
    process.send_signal(2)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 130, error
    assert "Traceback" not in error
