"""Frames that repeat the one before: left out, counted, said, and too many of them rejected."""

import numpy as np
import pytest

import nta
from nta.errors import RejectedError
from nta.simulation import OneSize, Scene, frames
from nta.video import RepeatFilter, is_noisy, open_video, write_video


def noise(n, seed=0):
    return np.random.default_rng(seed).normal(30, 2, (n, 64, 80)).round().astype(np.uint8)


def passed(stack, *, is_active=True):
    repeats = RepeatFilter(is_active)
    return [number for number, _ in repeats.passed(enumerate(stack))], repeats


def test_repeated_frames_are_left_out_and_the_numbers_stay():
    stack = noise(10)
    stack[3] = stack[2]
    stack[4] = stack[2]
    stack[8] = stack[6]  # equal, but not to the one before
    numbers, repeats = passed(stack)
    assert numbers == [0, 1, 2, 5, 6, 7, 8, 9]
    assert (repeats.n_frames, repeats.n_repeated) == (10, 2)


def test_one_pixel_more_or_less_is_no_repeat():
    stack = noise(4)
    stack[2] = stack[1]
    stack[2, 0, 0] ^= 1
    assert passed(stack)[1].n_repeated == 0


def test_a_film_without_noise_may_repeat_itself():
    dark = np.zeros((10, 64, 80), np.uint8)
    dark[::3, 5, 5] = 9
    assert not is_noisy(dark)
    assert is_noisy(noise(10))
    assert passed(dark, is_active=is_noisy(dark))[1].n_repeated == 0


@pytest.fixture(scope="module")
def film():
    scene = Scene(population=OneSize(150.0), width_px=200, height_px=160, particles_per_frame=12, n_frames=150, seed=5)
    return list(frames(scene))


def test_two_repeats_of_150_warn_and_no_step_goes_across_them(tmp_path, film):
    spoilt = list(film)
    for place in (40, 90):
        spoilt[place] = spoilt[place - 1]
    video = open_video(write_video(tmp_path / "a.avi", spoilt, fps=24.9825, codec="raw"))
    found = nta.detect(video)
    assert [fault.code for fault in found.faults] == ["duplicated_frames"]
    assert "2 of 150 frames" in found.faults[0].message
    assert found.acquisition.n_frames == 148
    assert not set(found.table["frame"]) & {40, 90}
    table = nta.link(found).table.sort_values(["particle", "frame"])
    steps = table.groupby("particle")["frame"].diff().dropna()
    # A track ends there, or goes on with a step of two frames, from which nothing is measured.
    assert set(steps[table["frame"].isin([41, 91])]) <= {2.0}
    measured = nta.analyze(video.path)
    assert "duplicated_frames" in {flag.code for flag in measured.flags}
    assert measured.status == "warn"
    assert measured.captures[0].status == "warn"


def test_a_good_film_has_no_repeats(tmp_path, film):
    assert nta.detect(open_video(write_video(tmp_path / "a.avi", film, fps=25))).faults == ()


def test_more_than_2_percent_are_rejected(tmp_path, film):
    spoilt = list(film)
    for place in (20, 40, 60, 80):
        spoilt[place] = spoilt[place - 1]
    path = write_video(tmp_path / "a.avi", spoilt, fps=25, codec="raw")
    with pytest.raises(RejectedError, match="4 of 150 frames repeat the one before") as caught:
        nta.detect(open_video(path))
    assert caught.value.code == "duplicated_frames"
    measured = nta.analyze(path)
    assert (measured.status, measured.status_code) == ("rejected", "duplicated_frames")
