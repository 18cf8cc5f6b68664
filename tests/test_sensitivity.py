"""What the threshold does to the answer: the same rows as another search, and numbers that follow the light."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from nta.detection import DIMMEST, Detections, detect
from nta.errors import RejectedError
from nta.sensitivity import (
    FACTORS,
    Reading,
    ThresholdSensitivity,
    at_threshold,
    reading_at,
    threshold_sensitivity,
)
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
def detections(video):
    """The search as the result makes it: threshold from the video, what is a little dimmer beside."""
    return detect(video, Settings(diameter_px=DIAMETER_PX))


@pytest.fixture(scope="module")
def own(detections):
    return reading_at(1.0, [detections], Settings(), [None])


@pytest.fixture(scope="module")
def found(detections, own):
    return threshold_sensitivity([detections], own)


def test_the_search_keeps_apart_what_is_dimmer(detections):
    assert detections.table["mass"].min() > detections.min_mass
    assert len(detections.dimmer) > 0
    assert detections.dimmer["mass"].between(DIMMEST * detections.min_mass, detections.min_mass).all()
    assert list(detections.dimmer) == list(detections.table)


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.2, 2.5])
def test_a_cut_is_a_search_at_that_threshold(video, detections, factor):
    cut = at_threshold(detections, factor)
    searched = detect(video, Settings(diameter_px=DIAMETER_PX, min_mass=factor * detections.min_mass))
    assert len(cut.table) > 0
    np.testing.assert_array_equal(cut.table[TRACKPY_COLUMNS], searched.table[TRACKPY_COLUMNS])
    if factor in FACTORS:
        # The dim neighbours that the second localisation now knows of move it by less than its error.
        names = ["y_refined", "x_refined"]
        moved = cut.table[names].to_numpy() - searched.table[names].to_numpy()
        assert np.sqrt(np.mean(moved**2)) < 0.3 * searched.table["sigma_px"].median()
    assert cut.min_mass == searched.min_mass
    assert cut.values["min_mass"].value == searched.values["min_mass"].value


def test_below_a_stated_threshold_nothing_is_looked_for(video, detections):
    stated = Settings(diameter_px=DIAMETER_PX, min_mass=detections.min_mass)
    searched = detect(video, stated)
    assert searched.dimmer.empty
    own = reading_at(1.0, [searched], stated, [None])
    assert [one.factor for one in threshold_sensitivity([searched], own, stated).readings] == [1.0, 1.2]


def test_the_middle_reading_is_the_result_itself(detections, own, found):
    assert [one.factor for one in found.readings] == list(FACTORS)
    assert found.readings[1] is own
    assert own.particles_per_frame == detections.particles_per_frame
    reach_px = link(detections).captures[0].search_range_px
    assert reading_at(1.0, [detections], Settings(), [reach_px]) == own


def test_what_depends_on_the_threshold_is_corrected_for_it(found):
    """Seen deeper, there are more spots; divided by the depth in which they are seen, about as many particles."""
    spots = found.changes("particles_per_frame")
    assert spots[0.8] > 0.05 > -0.05 > spots[1.2]
    assert found.largest_change("per_ml") < 0.7 * found.largest_change("particles_per_frame")
    # 46 independent particles, each known to a fifth: two standard errors of a median, for the tracks are not the same.
    assert found.largest_change("d50_nm") < 2 * 0.2 / math.sqrt(46)
    assert all(math.isfinite(one.d50_nm) and one.tracks_used > 100 for one in found.readings)


def test_captures_are_read_together(detections):
    one, two = (reading_at(1.0, [detections] * n, Settings(), [None] * n) for n in (1, 2))
    assert two.tracks_used == 2 * one.tracks_used
    assert two.particles_per_frame == one.particles_per_frame
    assert two.per_ml == pytest.approx(one.per_ml, rel=0.02)


def test_a_threshold_above_all_spots_leaves_nothing_and_says_so(detections, own):
    empty = replace(detections, table=detections.table[detections.table["mass"] < 1.1 * detections.min_mass])
    found = threshold_sensitivity([empty], own)
    assert (found.readings[2].particles_per_frame, found.readings[2].tracks_used) == (0.0, 0)
    assert math.isnan(found.readings[2].d50_nm)
    assert math.isnan(found.changes("d50_nm")[1.2])
    json.dumps(found.to_dict(), allow_nan=False)
    assert found.to_dict()[2]["per_ml"] is None


def test_what_was_written_is_read_again(found):
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert ThresholdSensitivity.from_dict(json.loads(text)) == found
    missing = ThresholdSensitivity.from_dict([Reading(0.8, 3.0, 0, math.nan, math.nan).to_dict()])
    assert math.isnan(missing.readings[0].per_ml)


def test_too_dense_at_a_lower_threshold_is_an_answer(detections, own, monkeypatch):
    def dense(found: Detections, settings):
        if found.min_mass < 0.9 * detections.min_mass:
            raise RejectedError("too dense", code="too_dense")
        return link(found, settings)

    monkeypatch.setattr("nta.sensitivity.link", dense)
    found = threshold_sensitivity([detections], own)
    assert math.isnan(found.readings[0].d50_nm)
    assert math.isfinite(found.readings[2].d50_nm)


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
