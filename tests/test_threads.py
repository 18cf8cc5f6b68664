"""Threads change the time that an analysis takes, and nothing else."""

from __future__ import annotations

import os

import pytest
from pandas.testing import assert_frame_equal

import nta
from nta.detection import detect
from nta.errors import SettingsError
from nta.simulation import OneSize, Scene, simulate
from nta.threads import in_threads, thread_count
from nta.video import open_video


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("threads") / "beads.avi"
    simulate(Scene(population=OneSize(100.0), width_px=192, height_px=160, n_frames=60, particles_per_frame=20.0), path)
    return path


def test_as_many_as_the_process_may_use(monkeypatch):
    monkeypatch.delenv("NTA_THREADS", raising=False)
    assert 1 <= thread_count() <= (os.cpu_count() or 1)


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", ""])
def test_a_number_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.setenv("NTA_THREADS", text)
    with pytest.raises(SettingsError, match="NTA_THREADS="):
        thread_count()


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_work_comes_back_in_order_and_few_items_wait(monkeypatch, n_threads):
    monkeypatch.setenv("NTA_THREADS", str(n_threads))
    taken, done = [], []

    def items():
        for number in range(20):
            taken.append(number)
            yield number

    for square in in_threads(lambda number: number**2, items()):
        done.append(square)
        assert len(taken) - len(done) <= n_threads
    assert done == [number**2 for number in range(20)]
    assert list(in_threads(str, [])) == []


def test_what_fails_in_a_thread_fails_here(monkeypatch):
    monkeypatch.setenv("NTA_THREADS", "2")
    with pytest.raises(ZeroDivisionError):
        list(in_threads(lambda number: 1 / number, [1, 0, 1, 1, 1]))


def test_one_two_and_three_threads_find_the_same_to_the_last_bit(monkeypatch, video):
    found = []
    for n_threads in (1, 2, 3):
        monkeypatch.setenv("NTA_THREADS", str(n_threads))
        found.append(detect(open_video(video)).table)
    assert len(found[0]) > 600
    for other in found[1:]:
        assert_frame_equal(other, found[0], check_exact=True)


def test_one_and_two_threads_measure_the_same(monkeypatch, video):
    summaries = []
    for n_threads in (1, 2):
        monkeypatch.setenv("NTA_THREADS", str(n_threads))
        summaries.append({k: v for k, v in nta.analyze(video).summary().items() if k != "provenance"})
    assert summaries[0] == summaries[1]
