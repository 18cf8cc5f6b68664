"""What goes into the store comes out, is never overwritten, and is on the audit chain; on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from store_records import capture, collection, fill, measurement, sample

from nta.errors import StoreError, UsageError
from nta.store import KnownSource, Store, schema


def test_a_capture_is_added_once_and_found_by_key_path_and_content(store):
    with store.writing() as writer:
        first = writer.capture(capture(1))
    with store.writing() as writer:
        assert writer.capture(capture(1)) == first
        writer.capture(capture(2, path="/data/1.avi"))
    assert set(store.known_captures([f"{n:064x}" for n in (1, 2, 3)])) == {f"{n:064x}" for n in (1, 2)}
    assert store.last_capture(path="/data/1.avi")["key"] == f"{2:064x}"
    found = store.last_capture(sha256=capture(1).sha256)
    assert found["bytes"] == 3_000_000_000
    assert json.loads(found["inputs"])["settings"] == {"mpp": 0.14}
    assert store.last_capture(path="/data/none.avi") is None


def test_a_new_analysis_never_takes_the_place_of_an_old_one_and_one_is_current(store):
    with store.writing() as writer:
        writer.capture(capture(1))
        writer.capture(capture(2))
        old = writer.measurement(measurement(1))
        new = writer.measurement(measurement(2))
    assert old != new
    assert store.current(sample())["id"] == new
    assert store.show(old)["decision"] == "superseded"
    assert store.show(old)["message"] == "analysis 1"
    with store.writing() as writer:
        assert writer.measurement(measurement(1)) == old  # settings changed back: nothing new, but current again
    assert store.current(sample())["id"] == old
    assert [row["measurement_id"] for row in store.show(old)["history"]] == [old, new, old]
    assert store.current(sample("unknown")) is None


def test_everything_of_a_measurement_is_shown(store):
    fill(store)
    rows = store.rows()
    assert [row["sample"] for row in rows] == ["harvest 1", "harvest 2", "harvest 3"]
    assert (rows[0]["d50_nm"], rows[0]["d90_nm"], rows[0]["stock_per_ml"]) == (102.0, None, None)
    assert (rows[0]["volume_ml"], rows[0]["decision"], rows[0]["role"]) == (350.0, "current", "sample")
    shown = store.show(rows[0]["id"])
    assert [row["path"] for row in shown["captures"]] == ["/data/1.avi"]
    assert shown["collection"]["facts"] == {"bioreactor": "HF-1"}
    assert [(row["name"], row["value"]) for row in shown["assays"]] == [("protein", "12.5")]
    assert [row["reason"] for row in shown["exclusions"]] == ["bubble"]
    assert shown["distribution_csv"].startswith("diameter_nm")
    with pytest.raises(UsageError, match="no measurement 999"):
        store.show(999)


def test_a_collection_is_added_again_only_when_it_says_something_new(store):
    said = collection()
    for volume in (350.0, 350.0, 360.0):
        with store.writing() as writer:
            writer.collection(replace(said, volume_ml=volume))
    with store.engine.connect() as connection:
        volumes = connection.execute(text("SELECT volume_ml FROM collections ORDER BY id")).scalars().all()
        assays = connection.execute(text("SELECT count(*) FROM assays")).scalar()
    assert volumes == [350.0, 360.0]
    assert assays == 1


def test_a_decision_needs_a_reason_stands_until_it_is_taken_back_and_is_on_the_audit(store):
    fill(store, 1)
    (row,) = store.rows()
    with pytest.raises(UsageError, match="--reason"):
        store.decide(row["id"], "excluded", "  ")
    store.decide(row["id"], "excluded", "air in the cell")
    with pytest.raises(UsageError, match="already"):
        store.decide(row["id"], "excluded", "again")
    with store.writing() as writer:
        writer.capture(capture(7))
        new = writer.measurement(measurement(7, sample("harvest 1")))
    assert (store.current(sample("harvest 1"))["id"], store.current(sample("harvest 1"))["decision"]) == (
        new,
        "excluded",
    )
    store.decide(new, "current", "measured again, no air")
    assert store.rows()[0]["decision"] == "current"
    with store.engine.connect() as connection:
        last = connection.execute(text("SELECT * FROM audit ORDER BY id DESC")).mappings().first()
    assert (last["who"], last["record"], last["reason"]) == ("tester", "selections", "measured again, no air")
    assert json.loads(last["old"])["decision"] == "excluded"
    assert json.loads(last["new"])["decision"] == "current"
    assert last["at_utc"].endswith("Z")


@pytest.mark.parametrize("table", [table.name for table in schema.RECORDS])
@pytest.mark.parametrize("statement", ["UPDATE {} SET id = id + 100", "DELETE FROM {}"])
def test_the_database_itself_refuses_to_change_or_delete_a_record(store, table, statement):
    fill(store, 1)
    if table == "calibrations":
        with store.writing() as writer:
            writer.measurement(measurement(1, sample("with beads"), calibration="schema = 1"))
    with store.engine.connect() as connection:
        before = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar()
        assert before > 0
    with pytest.raises(DBAPIError, match="only ever added to"), store.engine.begin() as connection:
        connection.execute(text(statement.format(table)))
    with store.engine.connect() as connection:
        assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == before
    assert store.verify().holds


@pytest.mark.parametrize("table", [table.name for table in schema.RECORDS])
def test_postgresql_refuses_to_empty_a_table_of_records(records_of_server, table):
    with pytest.raises(DBAPIError, match="only ever added to"), records_of_server.engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {table} CASCADE"))


@pytest.fixture(scope="module")
def records_of_server(postgres, tmp_path_factory):
    """A store on PostgreSQL that refuses to be emptied, and is whole at the end."""
    store = Store.open(postgres.new_database(), objects=tmp_path_factory.mktemp("objects"))
    fill(store, 1)
    before = store.verify()
    yield store
    assert store.verify() == before
    assert before.entries > 10


def test_what_fails_in_the_middle_leaves_nothing(store):
    with pytest.raises(ZeroDivisionError), store.writing() as writer:  # noqa: PT012  # the point is the block
        writer.capture(capture(1))
        raise ZeroDivisionError
    assert store.known_captures([capture(1).key]) == {}
    assert store.head() == "0" * 64
    fill(store, 1)
    assert store.verify().holds


def test_odd_names_are_kept_as_a_database_can(store):
    odd = os.fsdecode(b"/data/caf\xe9.avi")
    with store.writing() as writer:
        writer.capture(capture(1, path=odd, message="<script>\n\U0001f600"))
        writer.measurement(measurement(1, sample(odd)))
    assert store.last_capture(path=odd)["message"] == "<script>\n\U0001f600"
    assert store.current(sample(odd))["id"] is not None
    assert store.verify().holds


def test_the_hash_of_a_file_is_remembered_as_long_as_the_file_looks_the_same(store, tmp_path):
    video = tmp_path / "a.avi"
    video.write_text("video")
    source = KnownSource.at(video, "1" * 64)
    store.remember([source])
    video.write_text("another video")
    store.remember([KnownSource.at(video, "2" * 64)])
    (known,) = store.known_sources().values()
    assert (known.sha256, known.n_bytes) == ("2" * 64, 13)
    assert KnownSource.at(tmp_path / "none", "1" * 64) is None


def test_objects_are_named_by_their_hash_written_once_and_checked_when_read(store):
    sha256 = store.objects.put(b"spots")
    path = store.objects.path(sha256)
    assert path.read_bytes() == b"spots"
    written = path.stat().st_mtime_ns
    assert store.objects.put(b"spots") == sha256
    assert path.stat().st_mtime_ns == written
    assert store.objects.has(sha256)
    assert not store.objects.has("0" * 64)
    with store.writing() as writer:
        writer.capture(capture(1, spots_sha256=sha256, tracks_sha256=store.objects.put(b"tracks")))
    assert list(store.object_faults()) == []
    path.write_bytes(b"spotz")
    (fault,) = store.object_faults()
    assert "captures row 1" in fault
    assert "changed" in fault
    path.unlink()
    assert "cannot read" in next(store.object_faults())
    with pytest.raises(StoreError):
        store.objects.get(sha256)


def test_a_read_only_store_is_neither_made_nor_written_to(store, location, tmp_path):
    fill(store, 1)
    reader = Store.open(location, read_only=True)
    assert len(reader.rows()) == 1
    if isinstance(location, str):
        return  # PostgreSQL: the rights of its user decide
    mode = location.stat().st_mode
    assert stat.S_ISREG(mode)
    with pytest.raises(StoreError, match="cannot be written"), reader.writing() as writer:
        writer.capture(capture(2))
    with pytest.raises(StoreError, match="nta batch makes one"):
        Store.open(tmp_path / "none.sqlite", read_only=True)
    assert not (tmp_path / "none.sqlite").exists()
