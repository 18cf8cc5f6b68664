"""What the threshold does to the answer: the same rows as another search, and numbers that follow the light."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from nta.detection import Detections, detect
from nta.errors import RejectedError
from nta.sensitivity import FACTORS, LOWEST, Reading, ThresholdSensitivity, cut_at, threshold_sensitivity
from nta.settings import Settings
from nta.simulation import OneSize, Scene, simulate
from nta.tracking import link
from nta.video import open_video

TRACKPY_COLUMNS = ["frame", "y", "x", "mass", "size", "ecc", "signal", "raw_mass"]
DIAMETER_PX = 11


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Dim beads, all equally bright: 256 x 192 px, 120 frames, seed 11."""
    path = tmp_path_factory.mktemp("sensitivity") / "capture.mkv"
    scene = Scene(
        population=OneSize(100.0),
        particles_per_frame=30.0,
        width_px=256,
        height_px=192,
        n_frames=120,
        seed=11,
        brightness="equal",
        bit_depth=16,
        gain=4.0,
        read_noise=20.0,
        reference_photoelectrons=1500.0,
    )
    simulate(scene, path)
    return open_video(path)


@pytest.fixture(scope="module")
def threshold(video):
    return detect(video, Settings(diameter_px=DIAMETER_PX)).min_mass


@pytest.fixture(scope="module")
def low(video, threshold):
    """The search at 0.8 times the threshold."""
    return detect(video, Settings(diameter_px=DIAMETER_PX, min_mass=LOWEST * threshold))


@pytest.fixture(scope="module")
def found(low):
    return threshold_sensitivity([low])


@pytest.mark.parametrize("factor", [1.0, 1.2, 2.5])
def test_a_cut_is_a_search_at_that_threshold(video, threshold, low, factor):
    cut = cut_at(low, factor * threshold)
    searched = detect(video, Settings(diameter_px=DIAMETER_PX, min_mass=factor * threshold))
    assert 0 < len(cut.table) < len(low.table)
    np.testing.assert_array_equal(cut.table[TRACKPY_COLUMNS], searched.table[TRACKPY_COLUMNS])
    if factor in FACTORS:
        # The dim neighbours that the second localisation now knows of move it by less than its error.
        names = ["y_refined", "x_refined"]
        moved = cut.table[names].to_numpy() - searched.table[names].to_numpy()
        assert np.sqrt(np.mean(moved**2)) < 0.3 * searched.table["sigma_px"].median()
    assert cut.min_mass == searched.min_mass
    assert cut.values["min_mass"] == searched.values["min_mass"]


def test_the_middle_reading_is_the_result_itself(low, threshold, found):
    cut = cut_at(low, low.min_mass / LOWEST)
    tracks = link(cut)
    assert [one.factor for one in found.readings] == list(FACTORS)
    assert found.readings[1].particles_per_frame == cut.particles_per_frame
    by_hand = threshold_sensitivity([low], reach_px=[tracks.captures[0].search_range_px], factors=[1.0]).readings[0]
    assert by_hand == found.readings[1]


def test_what_depends_on_the_threshold_is_corrected_for_it(found):
    """Seen deeper, there are more spots; divided by the depth in which they are seen, about as many particles."""
    spots = found.changes("particles_per_frame")
    assert spots[0.8] > 0.05 > -0.05 > spots[1.2]
    assert found.largest_change("per_ml") < 0.7 * found.largest_change("particles_per_frame")
    # 46 independent particles, each known to a fifth: two standard errors of a median, for the tracks are not the same.
    assert found.largest_change("d50_nm") < 2 * 0.2 / math.sqrt(46)
    assert all(math.isfinite(one.d50_nm) and one.tracks_used > 100 for one in found.readings)


def test_captures_are_read_together(low):
    one, two = (threshold_sensitivity([low] * n, factors=[1.0]).readings[0] for n in (1, 2))
    assert two.tracks_used == 2 * one.tracks_used
    assert two.particles_per_frame == one.particles_per_frame
    assert two.per_ml == pytest.approx(one.per_ml, rel=0.02)


def test_a_threshold_above_all_spots_leaves_nothing_and_says_so(low):
    empty = replace(low, table=low.table[low.table["mass"] < 1.1 * low.min_mass])
    found = threshold_sensitivity([empty])
    assert (found.readings[2].particles_per_frame, found.readings[2].tracks_used) == (0.0, 0)
    assert math.isnan(found.readings[2].d50_nm)
    assert math.isnan(found.changes("d50_nm")[1.2])
    json.dumps(found.to_dict(), allow_nan=False)
    assert found.to_dict()[2]["per_ml"] is None


def test_too_dense_at_a_lower_threshold_is_an_answer(low, monkeypatch):
    def dense(detections: Detections, settings):
        if detections.min_mass < 0.9 * low.min_mass / LOWEST:
            raise RejectedError("too dense", code="too_dense")
        return link(detections, settings)

    monkeypatch.setattr("nta.sensitivity.link", dense)
    found = threshold_sensitivity([low], factors=[0.8, 1.0])
    assert math.isnan(found.readings[0].d50_nm)
    assert math.isfinite(found.readings[1].d50_nm)


def test_changes_are_relative_to_the_results_own():
    readings = (
        Reading(0.8, 12.0, 110, 99.0, 1e8),
        Reading(1.0, 10.0, 100, 110.0, 2e8),
        Reading(1.2, 9.0, 0, math.nan, math.nan),
    )
    found = ThresholdSensitivity(readings)
    assert found.changes("particles_per_frame") == pytest.approx({0.8: 0.2, 1.2: -0.1})
    assert found.changes("d50_nm")[0.8] == pytest.approx(-0.1)
    assert found.largest_change("d50_nm") == pytest.approx(0.1)
    assert math.isnan(ThresholdSensitivity(readings[1:]).largest_change("d50_nm"))
    nothing = ThresholdSensitivity((Reading(0.8, 0.0, 0, 1.0, 1.0), Reading(1.0, 0.0, 0, 1.0, 1.0)))
    assert math.isnan(nothing.largest_change("tracks_used"))
