"""A part of the field that is always white: left out of spots and volume, said, and nothing else is moved by it."""

from __future__ import annotations

import json

import numpy as np
import pytest

import nta
from nta.saturation import detect_unsaturated, saturated_part
from nta.settings import Settings
from nta.simulation import OneSize, Scene, frames
from nta.video import open_video, write_video

HEIGHT, WIDTH, N = 150, 200, 60
EDGE = 60  # 30 % of the width


def scene(**changes):
    given = {"population": OneSize(120.0), "width_px": WIDTH, "height_px": HEIGHT, "n_frames": N, "seed": 1}
    return np.array(list(frames(Scene(**{**given, "particles_per_frame": 20.0, **changes}))))


@pytest.fixture(scope="module")
def film():
    return scene()


def opened(tmp_path, stack, name="film.avi", codec="raw"):
    return open_video(write_video(tmp_path / name, stack, fps=24.9825, codec=codec))


def white(stack, value=255):
    covered = stack.copy()
    covered[:, :, :EDGE] = value
    return covered


def test_30_percent_are_said_and_taken_out_of_the_volume_and_the_rest_measures_alike(tmp_path, film):
    covered = nta.analyze(opened(tmp_path, white(film)).path, exposure_ms=32.5)
    assert (covered.status, covered.status_code) == ("warn", "saturated")
    assert "of the field is at the top of the camera's range in every frame" in covered.message
    assert "left out of the spots and of the volume; find the reflection" in covered.message
    assert [flag.code for flag in covered.flags].count("saturated") == 1
    assert covered.tracks.table["x"].min() > EDGE
    # The same field without the white part, as somebody would exclude it by hand.
    settings = Settings(exclude=[(0, 0, EDGE, HEIGHT)])
    whole = nta.analyze(opened(tmp_path, film, "whole.avi").path, exposure_ms=32.5, settings=settings)
    assert covered.size.d50.value == pytest.approx(whole.size.d50.value, rel=0.05)
    assert covered.concentration.measured.value == pytest.approx(whole.concentration.measured.value, rel=0.1)
    json.dumps(covered.summary(), allow_nan=False)


def test_what_is_found_beside_it_is_what_is_found_without_it(tmp_path, film):
    plain = nta.detect(opened(tmp_path, film))
    found = detect_unsaturated(opened(tmp_path, white(film), "white.avi"))
    assert found.diameter_px == plain.diameter_px
    assert found.min_mass == pytest.approx(plain.min_mass, rel=0.1)
    assert found.ledger["spots_excluded_by_saturation"] > 0
    start = found.table["x"].min()
    assert EDGE < start < EDGE + 25
    beside = plain.table[plain.table["x"] > start + 2]
    assert len(found.table[found.table["x"] > start + 2]) == pytest.approx(len(beside), rel=0.05)
    # The area that is gone is that from which no spot is reported any more, within a pixel.
    rows = HEIGHT - 2 * found.margin_px
    assert found.masked_px / rows == pytest.approx(start - found.margin_px, abs=2)


def test_what_was_excluded_by_hand_is_not_taken_out_twice(tmp_path, film):
    video = opened(tmp_path, white(film))
    both = detect_unsaturated(video, Settings(exclude=[(0, 0, EDGE, HEIGHT)]))
    assert both.masked_px == detect_unsaturated(video).masked_px


def test_a_field_away_from_it_knows_nothing_of_it(tmp_path, film):
    settings = Settings(roi=(EDGE + 30, 0, WIDTH - EDGE - 30, HEIGHT))
    found = detect_unsaturated(opened(tmp_path, white(film)), settings)
    assert (found.masked_px, found.faults) == (0, ())


def test_particles_that_saturate_are_no_such_part(tmp_path, film):
    y, x = np.indices((HEIGHT, WIDTH))
    stuck = film.copy()
    stuck[:, (x - 50) ** 2 + (y - 50) ** 2 < 36] = 255
    passing = film.copy()
    for number, frame in enumerate(passing):
        frame[(x - 20 - 2 * number) ** 2 + (y - 70) ** 2 < 400] = 255
    for number, stack in enumerate((film, stuck, passing)):
        video = opened(tmp_path, stack, f"{number}.avi")
        assert saturated_part(video, Settings()) is None
        assert detect_unsaturated(video).faults == ()


def test_dark_particles_are_seen_in_front_of_white(tmp_path):
    dark = 255 - np.maximum(scene(offset=0.0).astype(int) - 12, 0).astype(np.uint8)
    found = detect_unsaturated(opened(tmp_path, dark))
    assert (found.appearance.inverted, found.masked_px) == (True, 0)
    assert len(found.table) > N


@pytest.mark.parametrize(("top", "is_found"), [(4095, True), (65535, True), (3000, False)])
def test_deeper_cameras(tmp_path, film, top, is_found):
    stack = white(film.astype(np.uint16) * 10, top)
    part = saturated_part(opened(tmp_path, stack, "deep.tif", "ffv1"), Settings())
    assert (part is not None) == is_found
    if part is not None:
        assert part.mean() == pytest.approx(EDGE / WIDTH, abs=0.05)
