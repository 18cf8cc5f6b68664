"""Whole films with one thing wrong, each to the status and the sentence that it must end in."""

from __future__ import annotations

import time

import numpy as np
import pytest
from films_made import SHAPE, brownian_film

import nta
from nta.overlap import refuse_overlapping
from nta.pipeline import measure_capture
from nta.record import Measured
from nta.settings import Settings
from nta.stage_jumps import split_at_jumps
from nta.video import write_video

FPS = 25.0
INSTANT = {"fps": FPS, "mpp": 0.14, "exposure_ms": 0.1}


def written(tmp_path, film, name="film.avi"):
    return write_video(tmp_path / name, film, fps=FPS, codec="raw")


def analyzed(tmp_path, film):
    return nta.analyze(written(tmp_path, film), settings=Settings(**INSTANT))


def linked(tmp_path, film, name="film.avi"):
    """Return detections and tracks, without the sizes and their intervals."""
    (one,) = nta.inputs.inputs_of([written(tmp_path, film, name)])
    found = measure_capture(one, Settings(**INSTANT, search_range_px=14.0))
    assert isinstance(found, Measured)
    return found


def mean_diffusion(tracks):
    """Return the mean over tracks, µm²/s, each by its length."""
    table = nta.estimate_diffusion(tracks).table
    return float(np.average(table["diffusion_um2_s"], weights=table["n_positions"]))


# --- too many, many, none --------------------------------------------------------------------------------


def test_ten_thousand_particles_are_refused_in_bounded_time(tmp_path):
    """Light upon light is taken for noise: 99 of 10,000 spots were found, and D50 read 20 nm with a warning."""
    film = brownian_film(10, 10_000, shape=(480, 640), step_px=4.0)
    start = time.process_time()
    found = analyzed(tmp_path, film)
    assert time.process_time() - start < 20.0
    assert (found.status, found.status_code) == ("rejected", "too_dense")
    assert "no particle stands alone" in found.message
    assert "dilute the sample" in found.message


@pytest.mark.parametrize(("per_frame", "peak"), [(0, 60.0), (40, 60.0), (300, 15.0), (300, 60.0)])
def test_films_in_which_particles_stand_alone_are_not_refused(tmp_path, per_frame, peak):
    film = brownian_film(10, per_frame, peak=peak)
    assert refuse_overlapping(nta.open_video(written(tmp_path, film))) is None


def test_smooth_noise_is_no_light(tmp_path):
    small = brownian_film(25, 0, shape=(120, 160), noise_sd=6.0).astype(float)
    large = np.repeat(np.repeat(small, 2, axis=1), 2, axis=2)  # enlarged by a recorder
    assert refuse_overlapping(nta.open_video(written(tmp_path, large.astype(np.uint8)))) is None


def test_a_film_too_short_to_be_judged_is_not(tmp_path):
    film = brownian_film(4, 3_000)
    assert refuse_overlapping(nta.open_video(written(tmp_path, film))) is None


def test_more_than_100_per_frame_warn_and_are_measured(tmp_path):
    found = analyzed(tmp_path, brownian_film(30, 160))
    assert found.status == "warn"
    (message,) = (flag.message for flag in found.flags if flag.code == "crowded")
    assert "dilute" in message
    assert np.isfinite(found.size.d50.value)


def test_a_blank_buffer_is_below_detection(tmp_path):
    found = analyzed(tmp_path, brownian_film(100, 0))
    assert (found.status, found.status_code) == ("warn", "below_detection")
    assert "for a blank that is good" in found.message
    # Fewer than one false track in 100 frames.
    assert (found.tracks.table.groupby("particle").size() >= 5).sum() < 1


# --- motion ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flow_px_s", [10.0, 100.0])
def test_flow_moves_no_size(tmp_path, flow_px_s):
    """The same Brownian steps at rest and in a flow of 10 px/s, and of an NS300's 4 px a frame: within 3 %."""
    film = {"n_frames": 100, "per_frame": 30}
    rest = linked(tmp_path, brownian_film(**film), "rest.avi").tracks
    flowing = linked(tmp_path, brownian_film(**film, flow_px=flow_px_s / FPS), "flow.avi").tracks
    assert mean_diffusion(flowing) == pytest.approx(mean_diffusion(rest), rel=0.03)
    speed = flowing.captures[0].flow_um_s[0] - rest.captures[0].flow_um_s[0]
    assert speed == pytest.approx(flow_px_s * 0.14, rel=0.05)


def test_vibration_is_said(tmp_path):
    found = analyzed(tmp_path, brownian_film(100, 25, shake_px=1.5))
    assert found.status == "warn"
    (message,) = (flag.message for flag in found.flags if flag.code == "vibration")
    assert "all particles jump together" in message
    assert "record again" in message


@pytest.mark.parametrize("jump_px", [12.0, 60.0])
def test_a_stage_jump_splits_the_tracks_and_is_said(tmp_path, jump_px):
    film = {"n_frames": 80, "per_frame": 25, "step_px": 1.5}
    still = linked(tmp_path, brownian_film(**film), "still.avi")
    jumped = linked(tmp_path, brownian_film(**film, jump=(40, jump_px)), "jumped.avi")
    ends = jumped.tracks.table.groupby("particle")["frame"].agg(["min", "max"])
    assert not ((ends["min"] < 40) & (ends["max"] >= 40)).any()
    assert jumped.tracks.ledger["tracks_cut_at_jumps"] >= 0  # a long one breaks them all by itself
    assert "tracks_cut_at_jumps" not in still.tracks.ledger
    assert mean_diffusion(jumped.tracks) == pytest.approx(mean_diffusion(still.tracks), rel=0.03)
    # The jump itself is no drift.
    x_px = jumped.tracks.captures[0].drift_px[:, 0]
    assert np.abs(np.diff(x_px)).max() < 1.5
    flags = nta.quality.assess(
        [("jumped.avi", jumped.detections)],
        jumped.tracks,
        nta.estimate_diffusion(jumped.tracks),
        nta.concentration.Concentration.missing(),
        {},
        nta.distribution.SizeDistribution.missing(),
    )
    said = [flag.message for flag in flags if flag.code == "stage_jump"]
    said += [fault.message for fault in jumped.detections.faults if fault.code == "stage_jump"]
    assert len(said) == 1
    assert "before frame 40" in said[0]


def test_a_jump_that_only_the_cut_tracks_showed_is_still_said(tmp_path):
    """Nine particles are too few to tell a jump from tracks that all end."""
    film = brownian_film(80, 9, jump=(40, 9.0), seed=1)
    found = linked(tmp_path, film)
    assert [fault.code for fault in found.detections.faults] == ["stage_jump"]
    assert "before frame 40" in found.detections.faults[0].message
    assert "tracks end there" in found.detections.faults[0].message
    assert found.detections.acquisition.n_frames == 80


def test_a_film_without_jumps_stays_as_it_is(tmp_path):
    found = linked(tmp_path, brownian_film(60, 25))
    assert split_at_jumps(found) is found


def test_one_giant_leaves_the_dim_ones(tmp_path):
    """A giant aggregate: at least 95 % of what is found without it, more than its own reach away."""
    film = brownian_film(30, 30, peak=25.0)
    y, x = np.indices(SHAPE)
    light = 4000.0 * np.exp(-((x - 60.0) ** 2 + (y - 60.0) ** 2) / (2 * 8.0**2))
    with_giant = np.clip(film + light, 0, 255).astype(np.uint8)
    far = {}
    for name, stack in (("plain.avi", film), ("giant.avi", with_giant)):
        table = linked(tmp_path, stack, name).detections.table
        far[name] = int((np.hypot(table["x"] - 60.0, table["y"] - 60.0) > 50.0).sum())
    assert far["giant.avi"] >= 0.95 * far["plain.avi"] > 400
