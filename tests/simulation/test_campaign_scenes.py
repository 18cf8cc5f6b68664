"""The campaign of the demo: what it puts in, and that the demo holds each day against it."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from batch_work import InlineExecutor
from click.testing import CliRunner
from lot_records import lot_of_days, record

from nta.batch import read_manifest
from nta.errors import UsageError
from nta.estimate import Estimate
from nta.simulation import campaign as campaigns
from nta.simulation.campaign import DAYS, DILUTION_SD_PERCENT, FORECAST, VOLUME_SD_PERCENT, make_campaign
from nta.store import Store
from nta_cli.main import cli


@pytest.fixture
def scenes(monkeypatch):
    """Write no video, only its name and scene."""
    made = {}

    def write(scene, path):
        made[path.name] = scene
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"video {path.name}")

    monkeypatch.setattr(campaigns, "simulate", write)
    return made


def test_each_day_holds_what_is_stated_of_it_within_the_errors_of_volume_and_dilution(scenes, tmp_path):
    campaign = make_campaign(tmp_path / "campaign")
    for day in campaign.days:
        of_day = [scene for name, scene in scenes.items() if name.startswith(f"harvest_{day.day}")]
        assert len(of_day) == 3
        assert len({scene.seed for scene in of_day}) == 3
        particles = of_day[0].concentration_per_ml * day.dilution * day.volume_ml
        sd = math.hypot(VOLUME_SD_PERCENT, DILUTION_SD_PERCENT) / 100.0
        assert 0.0 < abs(math.log(particles / day.particles)) < 4.0 * sd
    assert len({scene.seed for scene in scenes.values()}) == len(scenes) == 4 * (3 + 1) + 1
    bad = [day for day in DAYS if not FORECAST[0] <= day.particles <= FORECAST[1]]
    assert [day.day for day in bad] == ["2026-11-03"]


def test_the_manifest_is_one_that_a_batch_reads(scenes, tmp_path):
    make_campaign(tmp_path / "campaign", lot="L")
    samples = read_manifest(tmp_path / "campaign").samples
    assert [one.role for one in samples] == ["sample"] * 4 + ["beads"] * 4 + ["blank"]
    assert {one.lot for one in samples} == {"L"}
    assert all(len(one.videos) == 3 and one.settings["blank"] for one in samples[:4])
    assert samples[0].facts["volume_in_ml"] == 350.0


def test_a_folder_that_holds_something_is_left_alone(scenes, tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match="not empty"):
        make_campaign(tmp_path)
    assert not scenes


def test_z_is_counted_in_the_intervals_own_standard_uncertainties():
    day = DAYS[0]
    # ln 2 above the truth, of a half-width of 2 ln 2 at 1.96 standard uncertainties: 0.98 of them
    found = Estimate(2.0 * day.particles, 0.5 * day.particles, 8.0 * day.particles)
    assert day.z(found) == pytest.approx(0.98)
    assert day.z(Estimate.missing()) is None


@pytest.mark.parametrize(("third", "code"), [(3.5e11, 0), (9e11, 1)])
def test_the_demo_flags_the_bad_day_and_ends_with_1_where_a_day_is_untrue(scenes, tmp_path, monkeypatch, third, code):
    """A store with the numbers of each day in place of the measuring: what the demo says of them is its own."""

    def measured(manifest, directory, _settings, *, store: Store, executor, listen):
        per_ml = [day.particles / day.volume_ml for day in DAYS]
        per_ml[2] = third / DAYS[2].volume_ml
        samples = lot_of_days(*np.array(per_ml), lot="DEMO-1")
        volumes = {day.day: day.volume_ml for day in DAYS}
        from dataclasses import replace

        record(store, *(replace(one, volume_ml=volumes[one.day] if one.role == "sample" else None) for one in samples))

    monkeypatch.setattr("nta.batch.run_batch", measured, raising=False)
    monkeypatch.setattr("nta.batch.LocalExecutor", InlineExecutor, raising=False)
    monkeypatch.setattr("nta_cli.demo._calibrated", lambda *_: None)
    done = CliRunner().invoke(cli, ["demo", str(tmp_path / "demo"), "--json"])
    assert done.exit_code == code, done.output
    found = json.loads(done.stdout)
    assert found["findings"] == (["below_forecast"] if code == 0 else [])
    assert [abs(row["z"]) < 3.0 for row in found["days"]] == [True, True, code == 0, True]
    assert (tmp_path / "demo" / "report" / "report.pdf").stat().st_size > 10_000


def test_the_demo_as_it_is(tmp_path, long_run):
    if not long_run:
        pytest.skip("takes minutes; NTA_TEST_LONG=1 runs it")
    done = CliRunner().invoke(cli, ["demo", str(tmp_path / "demo"), "--json", "-j", "2"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["findings"] == ["below_forecast"]
