"""A batch goes on, computes only what is missing or changed, says why, and puts everything on record."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from batch_work import WORK, InlineExecutor
from exports_made import write_nano
from sqlalchemy import text

from nta.batch import Sample, folder_names, harvests_of, table_columns
from nta.batch.jobs import settings_for_blank
from nta.batch.outcomes import SIZES
from nta.errors import RejectedError, StoreError, UsageError
from nta.formats import experiments_in
from nta.production import daily_yield
from nta.quality import FLAGS
from nta.settings import Settings
from nta.size_statistics import SizeStatistics
from nta.store import Store


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def reasons(campaign) -> dict[str, str]:
    return {Path(event.name).name: event.reason for event in campaign.events if event.kind == "planned"}


def test_a_batch_goes_on_and_every_sample_has_its_row(campaign):
    for name, words in {"text": "text", "growing": "growing"}.items():
        (campaign.folder / f"{name}.avi").write_text(words)
    campaign.write(
        "1,x,a.avi,1000,350\n1,x,b.avi,,\n2,rejected,text.avi,1000,350\n2,half,c.avi,,\n2,half,growing.avi,,\n"
        "3,broken,d.avi,10,1\n6,=last,e.avi,,\n"
    )
    batch = campaign.run(Settings(mpp=0.2))
    assert [outcome.status for outcome in batch.outcomes] == ["ok", "rejected", "ok", "failed", "ok"]
    assert not batch.all_measured
    rows = read(campaign.out / "batch.csv")
    assert [row["sample"] for row in rows] == ["x", "rejected", "half", "broken", "'=last"]
    assert [row["status_code"] for row in rows] == ["", "not_a_video", "", "internal_error", ""]
    assert float(rows[0]["d50_nm"]) == 115.0
    assert float(rows[0]["stock_per_ml"]) == pytest.approx(1e11)
    assert rows[0]["captures"] == "2"
    for row in (rows[1], rows[3]):
        assert row["d50_nm"] == row["stock_per_ml"] == row["measured_low_per_ml"] == ""
        assert row["message"]
    assert json.loads((campaign.out / "x" / "summary.json").read_text())["sample"] == "x"
    assert json.loads((campaign.out / "rejected" / "summary.json").read_text())["status"] == "rejected"
    captures = [call for call in campaign.executor.calls if hasattr(call, "path")]
    assert captures[0].settings.mpp == 0.2
    assert all(call.settings.dilution is None for call in captures)  # a capture does not depend on it
    sample = next(call for call in campaign.executor.calls if getattr(call, "name", "") == "x")
    assert (sample.settings.dilution, sample.settings.origin("dilution")) == (1000.0, "sidecar")
    assert campaign.executor.is_shut_down


def test_a_second_run_does_nothing(campaign):
    campaign.write("1,x,a.avi,1000,350\n1,x,b.avi,,\n2,y,c.avi,1000,350\n")
    first = campaign.run()
    assert first.jobs_run == 5
    before = {path: path.stat().st_mtime_ns for path in campaign.out.rglob("*") if path.name != "batch.csv"}
    head = Store.open(campaign.out).head()
    second = campaign.run()
    assert second.jobs_run == 0
    assert campaign.ran == []
    assert [outcome.row() for outcome in second.outcomes] == [outcome.row() for outcome in first.outcomes]
    after = {path: path.stat().st_mtime_ns for path in campaign.out.rglob("*") if path.name != "batch.csv"}
    assert {path for path in before if before[path] != after.get(path)} <= {campaign.out / "nta.sqlite"}
    assert Store.open(campaign.out).head() == head


@pytest.mark.parametrize(
    ("change", "expected", "why"),
    [
        ({"rows": "1,x,a.avi,500,350\n1,x,b.avi,,\n2,y,c.avi,1000,350\n"}, ["x"], "dilution 1000 -> 500"),
        ({"rows": "1,x,a.avi,1000,360\n1,x,b.avi,,\n2,y,c.avi,1000,350\n"}, [], ""),  # the yield alone
        ({"settings": Settings(seed=7)}, ["x", "y"], "seed not stated -> 7"),
        ({"settings": Settings(windows_nm=((50.0, 150.0),))}, ["x", "y"], "windows_nm not stated"),
        ({"settings": Settings(mpp=0.2)}, ["a.avi", "b.avi", "c.avi", "x", "y"], "mpp not stated -> 0.2"),
        ({"touch": "a.avi"}, [], ""),
        ({"move": ("c.avi", "moved.avi")}, [], ""),
        ({"edit": "c.avi"}, ["c.avi", "y"], "the file has changed"),
        ({"remove_object": True}, ["a.avi", "x"], "objects"),
        ({"remove_folder": "x"}, ["x"], "folder is missing"),
        ({"method": "another"}, ["a.avi", "b.avi", "c.avi", "x", "y"], "nta has changed"),
        ({"nano": "c.avi"}, ["c.avi", "y"], "sidecar has changed"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_change_runs_exactly_what_it_touches_and_says_why(campaign, change, expected, why, monkeypatch):
    rows = "1,x,a.avi,1000,350\n1,x,b.avi,,\n2,y,c.avi,1000,350\n"
    campaign.write(rows)
    campaign.run()
    folder = campaign.folder
    if "touch" in change:
        os.utime(folder / change["touch"], (1, 1))
    if "move" in change:
        (folder / change["move"][0]).rename(folder / change["move"][1])
        rows = rows.replace(*change["move"])
    if "edit" in change:
        (folder / change["edit"]).write_text("another video")
    if "remove_object" in change:
        store = Store.open(campaign.out)
        store.objects.path(store.last_capture(path=str(folder / "a.avi"))["tracks_sha256"]).unlink()
    if "remove_folder" in change:
        shutil.rmtree(campaign.out / change["remove_folder"])
    if "method" in change:
        monkeypatch.setattr("nta.batch.keys.method_version", lambda: change["method"])
    if "nano" in change:
        write_nano(folder / "run.nano", [change["nano"]])
    campaign.write(change.get("rows", rows))
    campaign.run(change.get("settings"))
    ran = campaign.ran
    if "remove_object" in change:  # which of the two is told by the reason; the sample's bytes are the same again
        assert "a.avi" in ran
        assert "b.avi" not in ran
    else:
        assert Counter(ran) == Counter(expected)
    if expected:
        assert any(why in reason for reason in reasons(campaign).values()), reasons(campaign)
    campaign.run(change.get("settings"))
    assert campaign.ran == []
    assert Store.open(campaign.out).verify().holds


def test_settings_changed_and_changed_back_compute_the_sample_once_more_at_most(campaign):
    campaign.write("1,x,a.avi,1000,350\n")
    campaign.run()
    first = json.loads((campaign.out / "x" / "summary.json").read_text())
    campaign.run(Settings(mpp=0.2))
    store = Store.open(campaign.out)
    assert store.rows()[0]["id"] == 2
    campaign.run()
    assert store.rows()[0]["id"] == 1  # the old analysis is current again, and no third one was made
    assert json.loads((campaign.out / "x" / "summary.json").read_text()) == first
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM measurements")).scalar() == 2
    assert store.verify().holds


def test_a_calibration_or_a_blank_counts_by_what_is_in_it(campaign, monkeypatch):
    for room in ("plan", "blanks"):
        monkeypatch.setattr(f"nta.batch.{room}.with_depth", lambda settings: settings)
    beads = campaign.folder / "beads.toml"
    beads.write_text("depth = 9\n")
    header = "day,sample,video,calibration,blank\n"
    campaign.write("1,x,a.avi,beads.toml,e.avi\n", header=header)
    campaign.run()
    beads.rename(campaign.folder / "beads 2.toml")
    campaign.write("1,x,a.avi,beads 2.toml,e.avi\n", header=header)
    campaign.run()
    assert campaign.ran == []
    (campaign.folder / "beads 2.toml").write_text("depth = 8\n")
    campaign.run()
    assert set(campaign.ran) == {"x"}
    assert "calibration has changed" in reasons(campaign)["x"]
    (campaign.folder / "e.avi").write_text("another blank")
    assert campaign.run().jobs_run == 2
    assert campaign.ran == ["e.avi", "x"]
    assert "blank has changed" in reasons(campaign)["x"]
    shown = Store.open(campaign.out).show(1)
    assert shown["calibration_id"] is not None


BLANK_HEADER = "day,sample,video,dilution,blank\n"


def test_a_blank_that_several_samples_share_is_measured_once(campaign):
    campaign.write("1,x,a.avi,10,e.avi\n1,y,b.avi,10,e.avi\n2,z,c.avi,10,e.avi;f.avi\n", header=BLANK_HEADER)
    first = campaign.run()
    assert first.all_measured
    assert sorted(campaign.ran) == ["a.avi", "b.avi", "c.avi", "e.avi", "f.avi", "x", "y", "z"]
    assert first.jobs_run == 8
    started = Counter(event.job for event in campaign.events if event.kind == "started")
    assert started == {"capture": 3, "blank": 2, "sample": 3}
    last = [event for event in campaign.events if event.kind == "finished"][-1]
    assert (last.done, last.total) == (8, 8)
    seen = json.loads((campaign.out / "z" / "summary.json").read_text())["seen"]
    assert ["video e" in seen[1], "video f" in seen[2]] == [True, True]
    campaign.run()
    assert campaign.ran == []
    campaign.write("1,x,a.avi,20,e.avi\n1,y,b.avi,10,e.avi\n2,z,c.avi,10,e.avi;f.avi\n", header=BLANK_HEADER)
    assert campaign.run().jobs_run == 1
    assert campaign.ran == ["x"]  # what was measured of the blank is on record
    store = Store.open(campaign.out)
    store.objects.path(store.last_capture(path=str(campaign.folder / "f.avi"))["spots_sha256"]).unlink()
    campaign.write("1,x,a.avi,20,e.avi\n1,y,b.avi,10,e.avi\n2,z,c.avi,30,e.avi;f.avi\n", header=BLANK_HEADER)
    campaign.run()
    assert campaign.ran == ["f.avi", "z"]
    assert store.verify().holds


def test_what_is_found_of_a_blank_is_listed_with_its_own_state(campaign):
    """As well as it can be known: before the captures of a sample are measured nobody knows how wide its spots are."""

    def blanks() -> list[tuple[str, str, str]]:
        listed = [event for event in campaign.events if event.kind == "planned" and event.job == "blank"]
        return [(Path(event.name).name, event.status, event.reason) for event in listed]

    rows = "1,x,a.avi,10,e.avi\n1,y,b.avi,10,e.avi;f.avi\n"
    campaign.write(rows.replace("e.avi;f.avi", "e.avi"), header=BLANK_HEADER)
    campaign.run()
    assert blanks() == [("e.avi", "run", "unless it is on record; once for all samples")] * 2
    campaign.run()
    assert blanks() == [("e.avi", "done", "")] * 2
    campaign.write(rows, header=BLANK_HEADER)
    campaign.run()
    assert blanks() == [("e.avi", "done", ""), ("e.avi", "done", ""), ("f.avi", "run", "the blank of a sample")]
    assert campaign.ran == ["f.avi", "y"]
    (campaign.folder / "e.avi").write_text("another blank")
    campaign.run()
    assert [state for _, state, _ in blanks()] == ["run", "run", "done"]
    assert blanks()[1][2] == "once for all samples"
    assert campaign.ran.count("e.avi") == 1


def test_a_sample_whose_spots_are_damaged_says_so_and_the_rest_go_on(campaign, videos):
    """The width of its spots stands in the file of its capture; how its blank is measured depends on it."""
    with pytest.raises(RejectedError, match="is damaged"):
        settings_for_blank(Settings(blank=(str(videos / "c0.avi"),)), [campaign.folder / "a.avi"])

    def for_blank(settings: Settings, spots: list[Path]) -> Settings | None:
        if b"video a" in spots[0].read_bytes():
            raise RejectedError("spots are damaged", code="unreadable")
        return WORK.for_blank(settings, spots)

    campaign.write("1,x,a.avi,10,e.avi\n1,y,b.avi,10,e.avi\n", header=BLANK_HEADER)
    batch = campaign.run(work=replace(WORK, for_blank=for_blank))
    assert [(outcome.status, outcome.message) for outcome in batch.outcomes] == [
        ("failed", "spots are damaged"),
        ("ok", "sized"),
    ]
    assert campaign.run().all_measured
    assert campaign.ran == ["x"]


def test_a_blank_that_fails_for_now_fails_its_samples_for_now(campaign):
    (campaign.folder / "e.avi").write_text("growing")
    campaign.write("1,x,a.avi,10,e.avi\n1,y,b.avi,10,e.avi;f.avi\n2,z,c.avi,10,\n", header=BLANK_HEADER)
    batch = campaign.run()
    assert [outcome.status_code for outcome in batch.outcomes] == ["still_changing", "still_changing", None]
    assert "the blank 'e.avi' could not be measured" in batch.outcomes[0].message
    assert campaign.ran.count("e.avi") == 1
    (campaign.folder / "e.avi").write_text("video, whole now")
    assert campaign.run().all_measured
    assert set(campaign.ran) == {"e.avi", "x", "y"}


def test_an_experiment_as_the_blank_means_its_captures(campaign):
    write_nano(campaign.folder / "water.nano", ["e.avi", "f.avi"])
    campaign.write("1,x,a.avi,10,\n", header=BLANK_HEADER)
    blank = (str(campaign.folder / "water.nano"),)
    campaign.run(Settings(blank=blank))
    assert set(campaign.ran) == {"a.avi", "e.avi", "f.avi", "x"}
    (campaign.folder / "f.avi").write_text("another blank")
    campaign.run(Settings(blank=blank))
    assert set(campaign.ran) == {"f.avi", "x"}
    (campaign.folder / "f.avi").unlink()
    with pytest.raises(UsageError, match="not beside it"):
        campaign.run(Settings(blank=blank))


def test_a_folder_of_many_captures_is_looked_into_once(campaign, monkeypatch):
    """Once for every capture, a campaign of 100,000 in one folder would be planned for hours."""
    looks: list[Path] = []

    def counted(folder: Path) -> list[Path]:
        looks.append(folder)
        return experiments_in(folder)

    monkeypatch.setattr("nta.batch.plan.experiments_in", counted)
    campaign.write("".join(f"1,x,{name}.avi,1000,350\n" for name in "abcdef"))
    write_nano(campaign.folder / "day.nano", ["a.avi"])
    campaign.run()
    assert looks == [campaign.folder]
    campaign.run()
    assert campaign.ran == []
    write_nano(campaign.folder / "evening.nano", ["b.avi"])
    campaign.run()
    assert campaign.ran == ["b.avi", "x"]


def test_the_command_line_ranks_above_the_manifest_and_the_manifest_above_a_settings_file(campaign):
    campaign.write("1,x,a.avi,21\n2,y,b.avi,\n", header="day,sample,video,temperature_c\n")
    campaign.run(Settings(temperature_c=30.0))
    assert [call.settings.temperature_c for call in campaign.executor.calls if hasattr(call, "path")] == [21.0, 30.0]
    campaign.run(Settings().updated("command_line", {"temperature_c": 25.0}))
    assert {call.settings.temperature_c for call in campaign.executor.calls if hasattr(call, "path")} == {25.0}


def test_the_dilution_of_the_settings_fills_only_what_the_manifest_leaves_open(campaign):
    campaign.write("1,x,a.avi,1000,\n2,y,b.avi,,\n")
    assert [outcome.dilution for outcome in campaign.run(Settings(dilution=5.0)).outcomes] == [1000.0, 5.0]


def test_what_may_pass_is_noted_and_tried_again_the_next_time(campaign):
    (campaign.folder / "a.avi").write_text("growing")
    campaign.write("1,x,a.avi,1000,350\n")
    campaign.run()
    campaign.run()
    assert campaign.ran == ["a.avi"]  # the sample's inputs are the same again
    (campaign.folder / "a.avi").write_text("video, whole now")
    assert campaign.run().all_measured
    with Store.open(campaign.out).engine.connect() as connection:
        codes = connection.execute(text("SELECT status_code FROM attempts")).scalars().all()
        assert connection.execute(text("SELECT count(*) FROM captures")).scalar() == 1
    assert set(codes) == {"still_changing"}


def test_an_interrupted_batch_leaves_what_was_done_and_goes_on_from_there(campaign):
    (campaign.folder / "c.avi").write_text("interrupt")
    campaign.write("1,x,a.avi,,\n2,y,b.avi,,\n3,z,c.avi,,\n")
    with pytest.raises(KeyboardInterrupt):
        campaign.run()
    assert campaign.executor.is_shut_down
    (campaign.folder / "c.avi").write_text("video")
    assert campaign.run().all_measured
    assert "a.avi" not in campaign.ran
    assert len(read(campaign.out / "batch.csv")) == 3


def test_two_samples_of_the_same_bytes_are_flagged_on_both(campaign):
    (campaign.folder / "copy.avi").write_text("video a")
    campaign.write("1,x,a.avi,1000,350\n2,y,copy.avi,1000,350\n3,z,c.avi,1000,350\n")
    batch = campaign.run()
    assert [outcome.flags for outcome in batch.outcomes] == [("duplicate_content",), ("duplicate_content",), ()]
    assert "duplicate_content" in FLAGS


def test_bytes_that_an_earlier_batch_measured_as_another_sample_are_flagged(campaign, tmp_path):
    campaign.write("1,x,a.avi,1000,350\n")
    store = tmp_path / "laboratory.sqlite"
    campaign.run(store=Store.open(store, objects=tmp_path / "objects"))
    shutil.copy(campaign.folder / "a.avi", campaign.folder / "copied.avi")
    campaign.write("9,other,copied.avi,1000,350\n9,own,b.avi,1000,350\n")
    batch = campaign.run(store=Store.open(store, objects=tmp_path / "objects"), out=tmp_path / "second")
    assert [outcome.flags for outcome in batch.outcomes] == [("duplicate_content",), ()]
    campaign.run(store=Store.open(store, objects=tmp_path / "objects"), out=tmp_path / "second")
    assert campaign.ran == []


def test_an_exclusion_is_listed_on_record_and_not_measured(campaign):
    header = "day,sample,video,exclude\n"
    campaign.write("1,x,a.avi,\n1,x,b.avi,bubble\n2,y,c.avi,spilt\n", header=header)
    batch = campaign.run()
    assert campaign.ran == ["a.avi", "x"]
    assert [outcome.status_code for outcome in batch.outcomes] == [None, "excluded"]
    rows = read(campaign.out / "batch.csv")
    assert [row["excluded"] for row in rows] == ["b.avi: bubble", "c.avi: spilt"]
    excluded = [(event.job, event.reason) for event in campaign.events if event.status == "excluded"]
    assert sorted(excluded) == [
        ("capture", "bubble"),
        ("capture", "spilt"),
        ("sample", "every capture of it is excluded"),
    ]
    shown = Store.open(campaign.out).show(1)
    assert [row["reason"] for row in shown["exclusions"]] == ["bubble"]


def test_an_excluded_measurement_is_missing_in_the_yield_with_its_reason(campaign):
    campaign.write("1,x,a.avi,1000,350\n2,y,b.avi,1000,350\n")
    campaign.run()
    Store.open(campaign.out).decide(1, "excluded", "air in the cell")
    yields = daily_yield(harvests_of(campaign.run()))
    assert campaign.ran == []
    assert yields.missing_days == ("1",)
    assert [harvest.missing for harvest in yields.harvests] == [("excluded",), ()]
    assert read(campaign.out / "batch.csv")[0]["decision_reason"] == "air in the cell"


def test_a_batch_becomes_harvests_with_their_reasons_and_beads_are_none(campaign):
    (campaign.folder / "text.avi").write_text("text")
    rows = "1,x,a.avi,1000,350,\n2,y,b.avi,,350,\n3,z,c.avi,1000,,\n4,w,text.avi,1000,350,\n4,s,d.avi,1,350,beads\n"
    campaign.write(rows, header="day,sample,video,dilution,volume_ml,role\n")
    yields = daily_yield(harvests_of(campaign.run()))
    assert [harvest.missing for harvest in yields.harvests] == [
        (),
        ("no_dilution",),
        ("no_volume",),
        ("no_measurement",),
    ]
    # 1e8 per mL in the cell x 1000 x 350 mL = 3.5e13, +- 20 %
    assert yields.total.value == pytest.approx(3.5e13)
    assert yields.total.low == pytest.approx(2.8e13)
    assert yields.missing_days == ("2", "3", "4")
    assert yields.is_relative


def test_every_step_is_told_with_how_far_the_batch_is(campaign):
    campaign.write("1,x,a.avi,,\n1,x,b.avi,,\n2,y,c.avi,,\n")
    campaign.run()
    kinds = Counter((event.kind, event.job) for event in campaign.events)
    assert kinds[("planned", "capture")] == kinds[("finished", "capture")] == 3
    assert kinds[("planned", "sample")] == kinds[("finished", "sample")] == kinds[("started", "sample")] == 2
    finished = [(event.done, event.total) for event in campaign.events if event.kind == "finished"]
    assert finished == [(done, 5) for done in range(1, 6)]
    assert all(json.dumps(event.to_dict(), allow_nan=False) for event in campaign.events)


def test_a_folder_with_other_things_is_refused_before_anything_runs(campaign):
    campaign.write("1,x,a.avi,,\n")
    for occupied in (campaign.folder, campaign.folder / "a.avi"):
        with pytest.raises(UsageError, match="give "):
            campaign.run(out=occupied)
        assert campaign.ran == []
    (campaign.out / "x").mkdir(parents=True)
    (campaign.out / "batch.csv").touch()
    (campaign.out / "x" / "notes.txt").write_text("mine")
    batch = campaign.run()
    assert batch.outcomes[0].status == "failed"
    assert "notes.txt" in batch.outcomes[0].message
    assert (campaign.out / "x" / "notes.txt").read_text() == "mine"


def test_a_table_that_a_killed_run_had_begun_to_write_is_in_nobodys_way(campaign):
    campaign.write("1,x,a.avi,,\n")
    campaign.out.mkdir()
    begun = campaign.out / ".batch.csv.4711.tmp"
    begun.write_text("day,sam")
    campaign.run(store=Store.open(campaign.folder / "nta.sqlite"))
    assert not begun.exists()
    assert (campaign.out / "batch.csv").is_file()
    # Other files that begin with a full stop are somebody's.
    other = campaign.folder / "other"
    other.mkdir()
    (other / ".notes.tmp").touch()
    with pytest.raises(UsageError, match="holds other files"):
        campaign.run(out=other)


def test_a_store_that_cannot_be_used_stops_a_batch_before_anything_is_computed(campaign):
    campaign.write("1,x,a.avi,,\n")
    campaign.out.mkdir()
    (campaign.out / "batch.csv").touch()
    (campaign.out / "nta.sqlite").write_text("not a database" * 100)
    with pytest.raises(StoreError, match="not a database"):
        campaign.run()
    assert campaign.ran == []


def test_a_folder_that_cannot_be_written_to_is_refused_although_the_store_lies_elsewhere(campaign, monkeypatch):
    campaign.write("1,x,a.avi,1000,350\n")
    store = Store.open(campaign.folder / "nta.sqlite")
    monkeypatch.setattr("os.access", lambda path, mode: path != campaign.out)
    with pytest.raises(StoreError, match="cannot be written to"):
        campaign.run(store=store)
    assert campaign.ran == []
    assert not any(campaign.out.iterdir())


def test_a_batch_with_its_store_elsewhere_goes_on_however_early_it_was_ended(campaign):
    """The folder of the results is known by its table, so that must be there before anything else."""
    (campaign.folder / "c.avi").write_text("interrupt")
    campaign.write("1,x,a.avi,1000,350\n2,y,b.avi,1000,350\n3,z,c.avi,1000,350\n")
    store = Store.open(campaign.folder / "nta.sqlite", objects=campaign.out / "objects")
    with pytest.raises(KeyboardInterrupt):
        campaign.run(store=store)
    assert any(store.objects.folder.iterdir())
    (campaign.folder / "c.avi").write_text("video")
    assert campaign.run(store=store).all_measured
    assert "a.avi" not in campaign.ran


def test_an_object_that_was_changed_is_not_used(campaign):
    campaign.write("1,x,a.avi,1000,350\n")
    campaign.run()
    store = Store.open(campaign.out)
    store.objects.path(store.last_capture(path=str(campaign.folder / "a.avi"))["spots_sha256"]).write_bytes(b"else")
    batch = campaign.run(Settings(seed=3))
    assert batch.outcomes[0].status_code == "store"
    assert "has been changed" in batch.outcomes[0].message


def test_folder_names_are_portable_and_different():
    names = folder_names([Sample("1", name, ()) for name in ("A b", "a/b", "a_b", "../..", "=1", "é\n漢", "x" * 300)])
    assert names == ("A_b", "a_b-2", "a_b-3", "sample", "1", "é_漢", "x" * 80)
    assert folder_names([Sample("1", "objects", ())]) == ("objects-2",)


def test_the_columns_are_those_of_every_row():
    assert len(set(table_columns())) == len(table_columns())
    assert SIZES == SizeStatistics.STATISTICS
    assert table_columns()[:4] == ("lot", "day", "sample", "role")
    for name in ("mode_nm", "mode_low_nm", "mode_high_nm", "span", "span_low", "stock_high_per_ml", "record"):
        assert name in table_columns()


def test_odd_names_of_files_and_samples_do_no_harm(campaign):
    for name in ("漢字 é.avi", "a'b\"c.avi", "new\nline.avi", "%03d.avi", "-y.avi", "x;y.avi"):
        (campaign.folder / name).write_text(f"video {name}")
    assert len({video.name for video in campaign.folder.iterdir()}) == 12
    InlineExecutor()
    batch = campaign.run()  # no manifest: a tree
    assert batch.all_measured
    campaign.run()
    assert campaign.ran == []
    assert Store.open(campaign.out).verify().holds


def test_a_full_disk_stops_a_batch_and_what_was_stored_stays(campaign, small_disk):
    campaign.write("".join(f"{n},s{n},{name}.avi,1000,350\n" for n, name in enumerate("abcdef")))
    out = small_disk / "out"
    filler = small_disk / "filler"
    full: list[str] = []

    def fill_up(point: str) -> None:
        full.append(point)
        if full.count("sample committed") == 2 and not filler.exists():
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(b"x" * 512)

    with pytest.raises(StoreError, match="free some space") as error:
        campaign.run(out=out, told=fill_up)
    assert "\n" not in str(error.value)
    filler.unlink()
    assert campaign.run(out=out).all_measured
    assert 0 < len([name for name in campaign.ran if name.endswith(".avi")]) < 6
    store = Store.open(out)
    assert store.verify().holds
    assert list(store.object_faults()) == []
    campaign.run(out=out)
    assert campaign.ran == []
