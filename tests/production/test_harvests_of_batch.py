"""What a manifest and the records of a batch say of a day reaches the yield."""

from __future__ import annotations

from pathlib import Path

import pytest

from nta.batch import Sample, harvests_of
from nta.batch.manifest import Manifest
from nta.batch.outcomes import Batch, Outcome, outcome_of
from nta.production import daily_yield

NUMBER = {"value": 1e10, "low": 0.8e10, "high": 1.25e10}
SUMMARY = {
    "status": "ok",
    "status_code": None,
    "message": "",
    "size_nm": dict.fromkeys(("mode", "mean", "sd", "d10", "d50", "d90", "span"), NUMBER),
    "concentration_per_ml": {
        "measured": NUMBER,
        "stock": NUMBER,
        "volume_source": "calibration",
        "parts": {"counting": 0.03, "captures": 0.02, "volume": 0.1, "dilution": 0.02},
        "captures": [1.0, 2.0, 3.0],
    },
    "counts": {"particles_per_frame": 30.0, "tracks_used": 1000},
    "captures": [{"sha256": "v"}, {"sha256": None}],
    "values": {"calibration_sha256": {"value": "abc", "origin": "settings"}},
    "dilution": 1000.0,
    "flags": [],
}


def outcome(day: str, name: str, volume_ml: float | None = 350.0, **facts: object) -> Outcome:
    return outcome_of(Sample(day, name, (), volume_ml=volume_ml, facts=facts), SUMMARY, name, {"id": 7})


def harvests(*outcomes: Outcome):
    return harvests_of(Batch(Manifest(Path("m.csv"), ()), Path(), outcomes))


def test_a_record_gives_the_sources_of_its_error():
    (found,) = harvests(outcome("1", "a", volume_sd_percent=2.0, step="concentration"))
    assert (found.n_captures, found.calibration, found.videos, found.record) == (3, "abc", ("v",), 7)
    assert (found.dilution, found.volume_relative_sd, found.step) == (1000.0, 0.02, "concentration")
    assert set(found.concentration.errors) >= {"counting of 1/a", "captures of 1/a", "depth by abc", "dilution of 1/a"}
    assert found.concentration.errors["captures of 1/a"].freedom == 2


def test_the_culture_of_a_day():
    first = outcome("1", "a", hours_since_medium=24.0, culture_area_m2=2.1, cells_seeded=3e8)
    second = outcome("2", "b", hours_since_medium=48.0, culture_area_m2=2.1, cells_seeded=3e8)
    one, two = (found.culture for found in harvests(first, second))
    assert (one.medium_ml, one.area_m2, one.cells_seeded, one.hours) == (350.0, 2.1, 3e8, 24.0)
    assert two.hours == 24.0


def test_a_manifest_may_state_no_cells_and_no_hours():
    (found,) = harvests(outcome("1", "a", hours_since_medium=0.0))
    assert (found.culture.hours, found.culture.cells_seeded) == (None, None)


def test_the_medium_is_what_went_into_the_first_step_or_all_samples_of_the_day():
    steps = harvests(
        outcome("1", "raw", 400.0, step="clarification", volume_in_ml=420.0),
        outcome("1", "end", 12.0, step="concentration", volume_in_ml=400.0),
    )
    assert {found.culture.medium_ml for found in steps} == {420.0}
    # 350 + 50 mL
    plain = harvests(outcome("1", "a"), outcome("1", "b", 50.0))
    assert {found.culture.medium_ml for found in plain} == {400.0}
    assert {one.culture.medium_ml for one in harvests(outcome("1", "a"), outcome("1", "b", None))} == {None}


def test_the_same_capture_in_two_samples_reaches_the_yield():
    yields = daily_yield(harvests(outcome("1", "a"), outcome("2", "b")))
    assert yields.total.is_missing
    assert "same_video" in [found.code for found in yields.findings]


@pytest.mark.parametrize("role", ["blank", "beads", "pool"])
def test_what_is_no_sample_is_no_harvest(role):
    other = outcome_of(Sample("1", "x", (), role=role), SUMMARY, "x", {"id": 8})
    assert harvests(other) == ()


def test_days_with_one_blank_share_its_error():
    density = SUMMARY["concentration_per_ml"]
    parts = {**density["parts"], "blank": 0.05}
    blank = {"sha256": ["b2", "b1"]}
    summary = {**SUMMARY, "concentration_per_ml": {**density, "parts": parts}, "blank": blank}
    outcomes = [outcome_of(Sample(day, day, (), volume_ml=1.0, facts={}), summary, day, {"id": 1}) for day in "12"]
    first, second = harvests(*outcomes)
    assert first.blank == second.blank == "b1 b2"
    assert "blank b1 b2" in first.concentration.errors.keys() & second.concentration.errors.keys()
    assert harvests(outcome("1", "a"))[0].blank is None
