"""The whole way: same seed, same frames; what was in view stands in the truth."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from nta.errors import UsageError
from nta.simulation import Lognormal, Scene, Truth, frames, observe, simulate
from nta.simulation.motion import Exposure, Particles
from nta.simulation.optics import mean_light, spots
from nta.simulation.truth import POSITION_COLUMNS, Recorder
from nta.video import open_video

SCENE = Scene(width_px=96, height_px=64, particles_per_frame=5.0, n_frames=12, flow_um_s=(10.0, 2.0), seed=3)


def stack(scene: Scene) -> np.ndarray:
    return np.array(list(frames(scene)))


def test_same_seed_gives_the_same_frames_and_another_seed_others():
    np.testing.assert_array_equal(stack(SCENE), stack(SCENE))
    assert (stack(SCENE) != stack(replace(SCENE, seed=4))).mean() > 0.3


def test_a_longer_capture_begins_like_the_shorter_one():
    np.testing.assert_array_equal(stack(replace(SCENE, n_frames=20))[:12], stack(SCENE))


def test_another_camera_sees_the_same_particles():
    one = observe(SCENE, positions=True).positions
    two = observe(replace(SCENE, bit_depth=16, brightness="equal", brightness_cv=0.3), positions=True).positions
    pd.testing.assert_frame_equal(
        one[["frame", "particle", "x", "y", "z_um"]], two[["frame", "particle", "x", "y", "z_um"]]
    )


@pytest.mark.parametrize(("name", "bit_depth"), [("a.avi", 8), ("a.tif", 8), ("a.tif", 16), ("a.mkv", 16)])
def test_video_holds_exactly_the_frames(tmp_path, name, bit_depth):
    scene = replace(SCENE, bit_depth=bit_depth)
    path = tmp_path / "new folder" / name
    simulate(scene, path)
    video = open_video(path)
    for made, read in itertools.zip_longest(frames(scene), video.frames()):
        np.testing.assert_array_equal(made, read)
    assert video.fps == pytest.approx(24.9825, rel=1e-6)


def test_truth_beside_the_video_makes_the_same_video_again(tmp_path):
    truth = simulate(SCENE, tmp_path / "v.avi")
    text = (tmp_path / "v.truth.json").read_text(encoding="utf-8")
    values = json.loads(text, parse_constant=pytest.fail)
    assert values["schema"] == "nta.truth/1"
    again = Truth.load(tmp_path / "v.truth.json")
    assert again.scene == SCENE
    np.testing.assert_array_equal(stack(again.scene), stack(SCENE))
    np.testing.assert_array_equal(again.frames_in_view, truth.frames_in_view)
    np.testing.assert_allclose(again.diameter_nm, truth.diameter_nm, atol=5e-4)
    assert not (tmp_path / "v.truth.parquet").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["v.avi", "v.truth.json"]


def test_truth_is_the_table_of_positions_averaged_over_time(tmp_path):
    truth = simulate(SCENE, tmp_path / "v.tif", positions=True)
    table = pd.read_parquet(tmp_path / "v.truth.parquet")
    pd.testing.assert_frame_equal(table, truth.positions)
    assert tuple(table.columns) == POSITION_COLUMNS
    inside = table.x.between(-0.5, 95.5) & table.y.between(-0.5, 63.5) & (table.z_um.abs() <= 5.0)
    np.testing.assert_array_equal(inside, table.in_view)
    seen = table[table.in_view]
    assert truth.n_distinct == seen.particle.nunique()
    assert truth.per_frame == pytest.approx(len(seen) / 12)
    assert truth.mean_nm == pytest.approx(seen.diameter_nm.mean())
    assert truth.sd_nm == pytest.approx(seen.diameter_nm.std(ddof=0))
    for fraction in (0.1, 0.5, 0.9):
        expected = np.quantile(seen.diameter_nm, fraction, method="inverted_cdf")
        assert truth.quantile_nm(fraction) == pytest.approx(expected)
    volume_ml = 96 * 0.14e-4 * 64 * 0.14e-4 * 10e-4
    assert truth.concentration_per_ml == pytest.approx(len(seen) / 12 / volume_ml)
    saved = json.loads((tmp_path / "v.truth.json").read_text(encoding="utf-8"))["in_view"]
    assert saved["distinct_particles"] == truth.n_distinct
    assert saved["size_nm"]["d50"] == truth.quantile_nm(0.5)
    assert sum(saved["frames_in_view"]) == sum(saved["particles_in_frame"]) == len(seen)


def test_frames_and_observation_tell_the_same_story(tmp_path):
    made, seen = simulate(SCENE, tmp_path / "v.avi", positions=True), observe(SCENE, positions=True)
    np.testing.assert_array_equal(made.frames_in_view, seen.frames_in_view)
    pd.testing.assert_frame_equal(made.positions, seen.positions)


def test_light_lies_where_the_table_says():
    # Single particles that diffuse, without noise: centroid, sum and height of their light; seed 6
    scene = replace(SCENE, brightness="equal", gain=1000.0, gradient_x=0.5)
    rng = np.random.default_rng(6)
    for z_um in np.linspace(-4, 4, 9):
        start = np.array([[6.5, 4.2, z_um]])
        path = start[:, None, :] + np.cumsum(rng.normal(0, 0.1, (1, scene.sub_steps, 3)), axis=1)
        one = Particles(np.array([5]), np.array([90.0]), np.array([5.0]), np.zeros(1), start)
        exposure = Exposure(0, one, path)
        recorder = Recorder(scene, positions=True)
        recorder.add(exposure, spots(scene, exposure))
        row = recorder.truth().positions.iloc[0]
        image = mean_light(scene, spots(scene, exposure))
        y, x = np.indices(image.shape)
        total = image.sum()
        assert total == pytest.approx(row.photoelectrons, rel=1e-3)
        assert (image * x).sum() / total == pytest.approx(row.x_light, abs=0.01)
        assert (image * y).sum() / total == pytest.approx(row.y_light, abs=0.01)
        np.testing.assert_allclose(row[["x", "y"]].to_numpy(float), path.mean(axis=(0, 1))[:2] / scene.mpp)
        assert row.z_um == pytest.approx(path[..., 2].mean())
        # Between the nearest pixel and the light's centre lies at most half a pixel's diagonal of the spot.
        nearest = image[round(row.y_light), round(row.x_light)] * scene.camera_gain
        assert nearest == pytest.approx(row.peak_grey, rel=0.15)


def test_an_empty_liquid_is_a_blank(tmp_path):
    truth = simulate(replace(SCENE, particles_per_frame=0.0), tmp_path / "blank.avi", positions=True)
    assert truth.n_distinct == 0
    assert np.isnan(truth.mean_nm)
    assert np.isnan(truth.quantile_nm(0.5))
    assert truth.positions is not None
    assert truth.positions.empty
    saved = json.loads((tmp_path / "blank.truth.json").read_text(encoding="utf-8"))
    assert saved["in_view"]["size_nm"]["d50"] is None
    # only camera noise: mean and sd of offset 8, read noise 1
    grey = stack(replace(SCENE, particles_per_frame=0.0)).astype(float)
    assert abs(grey.mean() - 8.0) / np.sqrt((1 + 1 / 12) / grey.size) < 4


def test_a_stale_table_of_positions_does_not_survive(tmp_path):
    simulate(SCENE, tmp_path / "v.avi", positions=True)
    simulate(SCENE, tmp_path / "v.avi")
    assert not (tmp_path / "v.truth.parquet").exists()


def test_progress_counts_every_frame(tmp_path):
    calls: list[tuple[str, int, int | None]] = []
    simulate(SCENE, tmp_path / "v.avi", progress=lambda *call: calls.append(call))
    assert calls == [("simulating", done, 12) for done in range(13)]


@pytest.mark.parametrize("name", ["v.mp4", "v", "v.txt"])
def test_formats_that_lose_detail_are_refused(tmp_path, name):
    with pytest.raises(UsageError, match=r"\.avi"):
        simulate(SCENE, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_sixteen_bits_do_not_fit_avi(tmp_path):
    with pytest.raises(UsageError, match="16"):
        simulate(replace(SCENE, bit_depth=16), tmp_path / "v.avi")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_wrong_use(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot write"):
        simulate(SCENE, tmp_path / "file" / "v.avi")


def test_a_file_that_is_no_truth_is_refused(tmp_path):
    (tmp_path / "x.json").write_text('{"schema": "other"}', encoding="utf-8")
    (tmp_path / "y.json").write_text('{"schema": "nta.truth/1", "scene": {}}', encoding="utf-8")
    for name in ("x.json", "y.json", "absent.json"):
        with pytest.raises(UsageError, match=name):
            Truth.load(tmp_path / name)


def test_population_of_the_truth_is_kept():
    truth = observe(replace(SCENE, population=Lognormal(90.0, 0.2)))
    assert truth.to_dict()["scene"]["population"] == {"kind": "lognormal", "mode_nm": 90.0, "cv": 0.2}
