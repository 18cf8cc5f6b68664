"""The whole road on small captures: what is pooled, what is refused, what each option changes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

import nta
from nta.errors import SettingsError, UsageError
from nta.measurement import Measurement
from nta.report import summary_schema
from nta.settings import Settings
from nta.simulation import OneSize, Scene, frames, simulate

VALIDATOR = jsonschema.Draft202012Validator(summary_schema())
SCENE = {
    "population": OneSize(120.0),
    "width_px": 200,
    "height_px": 150,
    "particles_per_frame": 12.0,
    "n_frames": 70,
    "flow_um_s": (12.0, -5.0),
}


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two captures of one sample."""
    folder = tmp_path_factory.mktemp("captures")
    for seed in (1, 2):
        simulate(Scene(**SCENE, seed=seed), folder / f"run_{seed}.avi")
    return [folder / "run_1.avi", folder / "run_2.avi"]


@pytest.fixture(scope="module")
def one(captures: list[Path]) -> Measurement:
    return nta.analyze(captures[0])


@pytest.fixture(scope="module")
def pooled(captures: list[Path]) -> Measurement:
    return nta.analyze(captures, sample="vesicles", dilution=500.0)


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Measurement:
    path = tmp_path_factory.mktemp("blank") / "blank.avi"
    simulate(Scene(**{**SCENE, "particles_per_frame": 0.0}, seed=3), path)
    return nta.analyze(path)


def summary(measurement: Measurement) -> dict[str, Any]:
    """Return the summary as strict JSON, after the schema has seen it."""
    text = json.dumps(measurement.summary(), allow_nan=False)
    values = json.loads(text)
    VALIDATOR.validate(values)
    return values


def everything_but_provenance(measurement: Measurement) -> dict[str, Any]:
    values = summary(measurement)
    del values["provenance"]
    return values


def codes(measurement: Measurement) -> set[str]:
    return {flag.code for flag in measurement.flags}


class TestOneCapture:
    def test_it_is_measured(self, one, captures):
        assert one.status == "warn"  # a few seconds hold too few particles
        assert one.status_code == "few_tracks"
        assert one.sample == "run_1"
        assert one.counts.tracks_used > 40
        assert one.size.d50.low < one.size.d50.value < one.size.d50.high
        assert one.size.d50.value == pytest.approx(120.0, rel=0.15)
        (capture,) = one.captures
        assert capture.path == str(captures[0])
        assert (capture.frames, capture.width, capture.height) == (70, 200, 150)
        assert len(capture.sha256) == 64
        assert capture.flow_um_s == pytest.approx((12.0, -5.0), abs=1.5)
        assert one.concentration.stock is None
        summary(one)

    def test_losses_are_accounted_for(self, one):
        assert one.ledger["tracks_too_short"] == one.counts.tracks - one.counts.tracks_used
        used = int(one.diffusion.table["n_positions"].sum())
        assert one.ledger["spots_not_used"] == one.counts.detections - used
        assert len(one.tracks.table) == one.counts.detections

    def test_assumed_values_say_so(self, one):
        assert {"assumed", "relative_concentration"} <= codes(one)
        origins = {name: value.origin for name, value in one.values.items()}
        assert {origins[name] for name in ("mpp", "exposure_ms", "temperature_c", "viscosity_mpas")} == {"assumed"}
        assert {origins[name] for name in ("fps", "diameter_px", "min_mass", "search_range_px", "invert")} == {"video"}
        assert one.values["min_track"] == (5, "assumed")

    def test_it_says_what_other_thresholds_would_have_said(self, one):
        below, own, above = one.sensitivity.readings
        assert [reading.factor for reading in (below, own, above)] == [0.8, 1.0, 1.2]
        assert (own.d50_nm, own.per_ml) == (one.size.d50.value, one.concentration.measured.value)
        assert own.particles_per_frame == one.counts.particles_per_frame
        assert below.particles_per_frame > own.particles_per_frame > above.particles_per_frame
        assert 0 <= one.values["false_per_frame"].value < 0.1
        assert 0 <= one.values["missed_share_at_5_sd"].value < 0.1
        assert [row["d50_nm"] for row in summary(one)["threshold"]] == [below.d50_nm, own.d50_nm, above.d50_nm]

    def test_again_is_the_same(self, one, captures):
        again = nta.analyze(str(captures[0]))
        assert everything_but_provenance(again) == everything_but_provenance(one)
        pd.testing.assert_frame_equal(again.tracks.table, one.tracks.table)
        pd.testing.assert_frame_equal(again.diffusion.table, one.diffusion.table)
        pd.testing.assert_frame_equal(again.distribution.table, one.distribution.table)

    def test_the_truth_beside_it_is_not_read(self, one, captures, tmp_path):
        copy = tmp_path / captures[0].name
        copy.write_bytes(captures[0].read_bytes())
        copy.with_suffix(".truth.json").write_text('{"scene": {"mpp": 9.0}, "in_view": {"diameter_nm": [500.0]}}')
        there = everything_but_provenance(nta.analyze(copy))
        here = everything_but_provenance(one)
        there["captures"][0]["path"] = here["captures"][0]["path"]
        assert there == here

    def test_progress_passes_through_every_stage(self, captures):
        calls: list[tuple[str, int, int | None]] = []
        nta.analyze(captures[0], settings=Settings(frames=(0, 30)), progress=lambda *call: calls.append(call))
        assert ("detect", 30, 30) in calls
        assert ("link", 2, 2) in calls
        assert all(total is None or done <= total for _, done, total in calls)


class TestSeveralCaptures:
    def test_they_are_pooled(self, pooled, one, captures):
        other = nta.analyze(captures[1])
        assert pooled.sample == "vesicles"
        assert [capture.path for capture in pooled.captures] == [str(path) for path in captures]
        assert pooled.counts.detections == one.counts.detections + other.counts.detections
        assert pooled.counts.tracks_used == pytest.approx(one.counts.tracks_used + other.counts.tracks_used, rel=0.05)
        assert sorted(pooled.tracks.table["capture"].unique()) == [0, 1]
        assert set(pooled.diffusion.table["capture"]) == {0, 1}
        both = sorted((one.size.d50.value, other.size.d50.value))
        assert 0.95 * both[0] < pooled.size.d50.value < 1.05 * both[1]
        summary(pooled)

    def test_values_that_differ_are_listed(self, pooled):
        assert isinstance(pooled.values["min_mass"].value, list)
        assert len(pooled.values["min_mass"].value) == 2
        assert pooled.values["fps"].value == pytest.approx(24.9825)

    def test_the_stock_is_the_cell_times_the_dilution(self, pooled):
        concentration = pooled.concentration
        assert pooled.values["dilution"] == (500.0, "command_line")
        assert concentration.stock.value == pytest.approx(500 * concentration.measured.value)
        assert summary(pooled)["dilution"] == 500.0

    def test_a_bad_one_is_named_and_the_rest_measured(self, captures, one, tmp_path):
        (tmp_path / "bad.avi").write_text("no video")
        measurement = nta.analyze([captures[0], tmp_path / "bad.avi"])
        assert measurement.status == "warn"
        assert measurement.status_code == "capture_rejected"
        assert "bad.avi" in measurement.message
        assert [capture.status for capture in measurement.captures] == ["ok", "rejected"]
        assert measurement.captures[1].frames is None
        assert len(measurement.captures[1].sha256) == 64
        assert summary(measurement)["size_nm"] == summary(one)["size_nm"]
        assert measurement.counts == one.counts

    def test_all_bad_ones_are_a_rejected_sample(self, tmp_path):
        paths = [tmp_path / "one.avi", tmp_path / "two.avi"]
        for path in paths:
            path.write_text(f"{path.name} is text")
        measurement = nta.analyze(paths, mpp=0.2)
        assert measurement.status == "rejected"
        assert measurement.status_code == "not_a_video"
        assert "one.avi" in measurement.message
        assert "\n" not in measurement.message
        values = summary(measurement)
        assert [capture["status"] for capture in values["captures"]] == ["rejected", "rejected"]
        nothing = {"value": None, "low": None, "high": None}
        assert all(values["size_nm"][name] == nothing for name in ("mode", "mean", "sd", "d10", "d50", "d90", "span"))
        assert values["size_nm"]["peaks"] == []
        assert values["concentration_per_ml"]["measured"] == nothing
        assert set(values["counts"].values()) == {None}
        assert values["values"]["mpp"] == {"value": 0.2, "origin": "command_line"}
        assert measurement.distribution.table.empty
        assert measurement.tracks.table.empty
        assert measurement.diffusion.table.empty


class TestBlank:
    def test_it_is_below_detection_and_no_error(self, blank):
        assert blank.status == "warn"
        assert blank.status_code == "below_detection"
        assert "below detection" in blank.message
        assert blank.counts.tracks_used == 0
        assert math.isnan(blank.size.d50.value)
        assert blank.size.peaks == ()
        values = summary(blank)
        assert values["size_nm"]["d50"] == {"value": None, "low": None, "high": None}
        assert values["concentration_per_ml"]["measured"]["value"] is None
        assert values["counts"]["tracks_used"] == 0
        assert values["captures"][0]["frames"] == 70

    def test_it_can_be_saved_and_loaded(self, blank, tmp_path):
        loaded = nta.load(blank.save(tmp_path / "out"))
        assert everything_but_provenance(loaded) == everything_but_provenance(blank)


class TestWrongUse:
    def test_nothing_to_do(self):
        with pytest.raises(UsageError, match="at least one"):
            nta.analyze([])

    def test_a_missing_file(self, captures, tmp_path):
        with pytest.raises(UsageError, match=r"none\.avi"):
            nta.analyze([captures[0], tmp_path / "none.avi"])

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"temperature_c": 298.15}, "kelvin"),
            ({"mpp": 166.0}, "nm"),
            ({"fps": -25.0}, "-25"),
            ({"exposure_ms": 50.0}, "longer than a frame"),
            ({"dilution": 0.001}, "dilution"),
            ({"viscosity_mpas": 0.00089}, "Pa·s"),
        ],
    )
    def test_impossible_values(self, captures, given, words):
        with pytest.raises(SettingsError, match=words) as caught:
            nta.analyze(captures[0], **given)
        assert "\n" not in str(caught.value)

    def test_frames_beyond_the_end(self, captures):
        with pytest.raises(SettingsError, match="70 frames"):
            nta.analyze(captures[0], settings=Settings(frames=(70, 90)))
        some = nta.analyze(captures[0], settings=Settings(frames=(40, 9000)))
        assert some.captures[0].frames == 30


def test_a_video_too_short_to_track_is_rejected(captures):
    measurement = nta.analyze(captures[0], settings=Settings(frames=(0, 4)))
    assert (measurement.status, measurement.status_code) == ("rejected", "too_short")
    summary(measurement)


class TestOrigins:
    """Command line above settings file above video above preset; the value and its origin stand in the result."""

    @pytest.fixture(scope="class")
    @classmethod
    def measurement(cls, captures) -> Measurement:
        settings = Settings(temperature_c=30.0, fps=20.0, mpp=0.2, instrument="ns300", frames=(0, 40))
        return nta.analyze(captures[0], mpp=0.15, settings=settings)

    @pytest.mark.parametrize(
        ("name", "value", "origin"),
        [
            ("mpp", 0.15, "command_line"),
            ("temperature_c", 30.0, "settings"),
            ("fps", 20.0, "settings"),
            ("instrument", "ns300", "settings"),
            ("exposure_ms", 32.5, "preset"),
            ("depth_um", 10.0, "preset"),
            ("medium", "water", "preset"),
            ("dilution", None, "assumed"),
            ("invert", False, "video"),
            ("memory", 0, "assumed"),
            ("min_track", 5, "assumed"),
        ],
    )
    def test_of_each_value(self, measurement, name, value, origin):
        assert measurement.values[name] == (value, origin)
        assert summary(measurement)["values"][name] == {"value": value, "origin": origin}

    def test_nothing_is_assumed_where_the_instrument_is_named(self, measurement):
        assert "assumed" not in codes(measurement)

    def test_what_was_left_out_is_on_record(self, measurement):
        assert measurement.values["frames"] == ([0, 40], "settings")

    def test_a_stack_states_its_own(self, tmp_path):
        simulate(Scene(**{**SCENE, "n_frames": 40, "mpp": 0.17}, seed=4), tmp_path / "stack.tif")
        values = nta.analyze(tmp_path / "stack.tif").values
        assert values["mpp"].origin == "video"
        assert values["mpp"].value == pytest.approx(0.17, rel=1e-6)
        assert values["exposure_ms"] == (32.5, "video")


class TestEveryOptionCounts:
    """An option that is read and ignored is a defect; each is seen in the result, with the origin it came with."""

    @pytest.fixture(scope="class")
    @classmethod
    def short(cls, captures) -> Measurement:
        return nta.analyze(captures[0], settings=Settings(frames=(0, 40)))

    def with_option(self, captures: list[Path], **option: Any) -> Measurement:
        settings = Settings(frames=(0, 40)).updated("command_line", option)
        measurement = nta.analyze(captures[0], settings=settings)
        (name,) = option
        assert measurement.values[name].origin == "command_line"
        return measurement

    def test_roi(self, captures, short):
        found = self.with_option(captures, roi=(50, 20, 120, 100))
        assert found.tracks.table["x"].between(50, 170).all()
        assert found.counts.detections < 0.75 * short.counts.detections
        # half the field, half the volume: about the same number per mL
        ratio = found.concentration.measured.value / short.concentration.measured.value
        assert 0.5 < ratio < 2.0

    def test_exclude(self, captures, short):
        found = self.with_option(captures, exclude=((0, 0, 100, 150),))
        assert (found.tracks.table["x"] >= 99.5).all()
        ratio = found.concentration.measured.value / short.concentration.measured.value
        assert 0.4 < ratio < 2.0

    def test_frames(self, captures, one, short):
        assert one.captures[0].frames == 70
        assert short.captures[0].frames == 40
        assert short.tracks.table["frame"].max() == 39

    def test_min_track(self, captures, short):
        found = self.with_option(captures, min_track=12)
        assert short.diffusion.table["n_positions"].min() == 5
        assert found.diffusion.table["n_positions"].min() >= 12
        assert found.values["min_track"] == (12, "command_line")
        assert 0 < found.counts.tracks_used < short.counts.tracks_used

    def test_diameter_px(self, captures, short):
        found = self.with_option(captures, diameter_px=21)
        assert found.counts.detections < short.counts.detections

    def test_min_mass(self, captures, short):
        found = self.with_option(captures, min_mass=300.0)
        assert found.tracks.table["mass"].min() > 300.0
        assert 0 < found.counts.detections < short.counts.detections

    def test_search_range_px(self, captures, short):
        found = self.with_option(captures, search_range_px=1.5)
        assert found.counts.tracks > 2 * short.counts.tracks

    def test_memory(self, captures, short):
        found = self.with_option(captures, memory=3)
        assert short.tracks.table.groupby("particle")["frame"].diff().max() == 1
        assert found.tracks.table.groupby("particle")["frame"].diff().max() > 1

    def test_invert(self, captures, short):
        found = self.with_option(captures, invert=True)
        places, bright = (m.tracks.table[["frame", "x", "y"]].to_numpy() * [1e3, 1, 1] for m in (found, short))
        assert (cKDTree(bright).query(places)[0] < 2.0).mean() < 0.1

    def test_size_range(self, captures):
        found = self.with_option(captures, size_range_nm=(60.0, 300.0))
        inside = found.distribution.table
        assert inside.loc[inside["density_per_nm"] > 0, "diameter_nm"].between(60, 300).all()

    @pytest.mark.parametrize(
        ("option", "factor"),
        [
            # Stokes-Einstein: d = kT/(3 pi eta D), D in µm² from px², per frame time
            ({"mpp": 0.28}, 1 / 4),
            ({"viscosity_mpas": 0.445}, 2.0),
            ({"temperature_c": 60.0}, 2.13),
            ({"fps": 50.0}, 1 / 2),
            ({"medium": "pbs"}, 1 / 1.0175),
        ],
    )
    def test_physics(self, captures, short, option, factor):
        settings = Settings(frames=(0, 40), size_range_nm=(10.0, None), search_range_px=12.0)
        reference = nta.analyze(captures[0], settings=settings)
        found = nta.analyze(captures[0], settings=settings.updated("command_line", option))
        (name,) = option
        assert found.values[name].origin == "command_line"
        # Median over tracks: exact but for the localisation error in µm and the disc's radius in px.
        medians = [m.diffusion.table["cve_um2_s"].median() for m in (reference, found)]
        if name == "mpp":
            assert medians[1] / medians[0] == pytest.approx(4.0, rel=0.2)
        diameters = [m.diffusion.table["diameter_nm"].median() for m in (reference, found)]
        assert diameters[1] / diameters[0] == pytest.approx(factor, rel=0.15)

    def test_exposure(self, captures, short):
        # Without blur in the model the same steps read as smaller D: d/(1 - 2R), R = 0.135: up to 37 %
        found = self.with_option(captures, exposure_ms=0.0)
        ratio = found.diffusion.table["diameter_nm"].median() / short.diffusion.table["diameter_nm"].median()
        assert 1.05 < ratio < 1.5

    def test_depth(self, captures, short):
        found = self.with_option(captures, depth_um=20.0)
        ratio = found.concentration.measured.value / short.concentration.measured.value
        assert ratio == pytest.approx(0.5, rel=0.35)

    def test_seed(self, captures, short):
        found = self.with_option(captures, seed=7)
        assert found.size.d50.value == pytest.approx(short.size.d50.value, rel=0.02)
        assert (found.size.d50.low, found.size.d50.high) != (short.size.d50.low, short.size.d50.high)

    def test_allow_partial(self, tmp_path):
        path = tmp_path / "cut.avi"
        nta.write_video(path, frames(Scene(**SCENE, seed=1)), fps=25.0)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        refused = nta.analyze(path)
        assert (refused.status, refused.status_code) == ("rejected", "truncated")
        part = nta.analyze(path, settings=Settings(allow_partial=True))
        assert "partial" in codes(part)
        assert 20 < part.captures[0].frames < 50
        assert part.captures[0].status == "warn"


@pytest.mark.parametrize("bits", [12, 16])
def test_deeper_cameras_are_measured(tmp_path, bits):
    scene = Scene(**{**SCENE, "bit_depth": 16, "gain": 1.0, "read_noise": 2.0, "offset": 100.0}, seed=1)
    stack = np.array(list(frames(scene))) * (1 if bits == 12 else 10)
    nta.write_video(tmp_path / "deep.tif", stack, fps=24.9825)
    measurement = nta.analyze(tmp_path / "deep.tif")
    assert measurement.status in ("ok", "warn")
    assert measurement.size.d50.value == pytest.approx(120.0, rel=0.2)


def test_dark_particles_need_no_option(tmp_path, captures, short_of_first):
    video = nta.open_video(captures[0])
    nta.write_video(tmp_path / "dark.avi", (255 - frame for frame in video.frames(0, 40)), fps=24.9825)
    dark = nta.analyze(tmp_path / "dark.avi")
    assert dark.values["invert"] == (True, "video")
    assert dark.counts.detections == pytest.approx(short_of_first.counts.detections, rel=0.03)
    assert dark.size.d50.value == pytest.approx(short_of_first.size.d50.value, rel=0.05)


@pytest.fixture(scope="module")
def short_of_first(captures) -> Measurement:
    return nta.analyze(captures[0], settings=Settings(frames=(0, 40)))
