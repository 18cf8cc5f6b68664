"""A store that cannot be used is refused in one line before anything is computed, and its file stays as it was."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from store_records import capture, fill

from nta.errors import MissingExtraError, StoreError
from nta.store import Store, migrations, schema


def refusal(path: Path | str, **how: bool) -> str:
    before = path.read_bytes() if isinstance(path, Path) and path.is_file() else None
    with pytest.raises(StoreError) as error:
        Store.open(path, **how)
    assert "\n" not in str(error.value)
    if before is not None:
        assert path.read_bytes() == before
    return str(error.value)


def test_what_is_no_database_is_refused(tmp_path):
    path = tmp_path / "nta.sqlite"
    path.write_text("day,sample,video\n" * 300)
    assert "not a database" in refusal(path)
    path.unlink()
    path.mkdir()
    assert "nta.sqlite" in str(Store.open(path).location)  # a folder holds its store
    assert "does not exist" in refusal(tmp_path / "none" / "nta.sqlite")


def test_a_file_of_no_bytes_is_what_a_kill_leaves_and_is_used(tmp_path):
    path = tmp_path / "nta.sqlite"
    path.touch()
    fill(Store.open(path), 1)
    assert len(Store.open(path).rows()) == 1


@pytest.mark.parametrize("mark", [0, 4711])
def test_a_database_of_another_program_is_refused(tmp_path, mark):
    path = tmp_path / "other.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name)")
        connection.execute(f"PRAGMA application_id = {mark}")
        connection.commit()
    assert "another program" in refusal(path)
    assert "another program" in refusal(path, read_only=True)


def test_a_foreign_database_of_postgresql_is_refused(postgres, tmp_path):
    import psycopg

    url = postgres.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE recipes (name text)")
    with pytest.raises(StoreError, match="another program"):
        Store.open(url, objects=tmp_path)


def test_a_newer_schema_is_refused(location, tmp_path, monkeypatch):
    (tmp_path / "store").mkdir()
    monkeypatch.setattr(schema, "VERSION", 7)
    Store.open(location, objects=tmp_path)
    monkeypatch.undo()
    assert "newer nta (schema 7" in refusal(location)


@pytest.mark.parametrize("where", ["middle", "header", "end"])
def test_a_damaged_file_is_refused(tmp_path, where):
    path = tmp_path / "nta.sqlite"
    fill(Store.open(path))
    data = bytearray(path.read_bytes())
    if where == "end":
        data = data[: len(data) // 2]
    else:
        start = 4096 * 3 if where == "middle" else 28
        data[start : start + 4000 if where == "middle" else 36] = b"\xff" * (4000 if where == "middle" else 8)
    path.write_bytes(data)
    said = refusal(path)
    assert any(word in said for word in ("damaged", "not a database", "another program"))


def test_an_older_schema_is_backed_up_and_brought_up_and_its_records_stay(location, tmp_path, monkeypatch):
    (tmp_path / "store").mkdir()
    fill(Store.open(location, objects=tmp_path), 1)
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    monkeypatch.setitem(
        migrations.MIGRATIONS, 1, lambda connection: connection.execute(text("CREATE TABLE extra (id int)"))
    )
    assert "older schema 1" in refusal(location, read_only=True)
    store = Store.open(location, objects=tmp_path)
    assert len(store.rows()) == 1
    assert store.verify().holds
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM extra")).scalar() == 0
    if isinstance(location, Path):
        backup = location.with_name("nta.sqlite.schema1.backup")
        monkeypatch.undo()
        assert len(Store.open(backup, read_only=True).rows()) == 1


def test_a_migration_that_fails_leaves_the_old_tables(location, tmp_path, monkeypatch):
    (tmp_path / "store").mkdir()
    fill(Store.open(location, objects=tmp_path), 1)
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)

    def broken(connection):
        connection.execute(text("CREATE TABLE extra (id int)"))
        connection.execute(text("SELECT nothing FROM nowhere"))

    monkeypatch.setitem(migrations.MIGRATIONS, 1, broken)
    with pytest.raises(StoreError):
        Store.open(location, objects=tmp_path)
    monkeypatch.undo()
    store = Store.open(location, objects=tmp_path)
    assert len(store.rows()) == 1
    with store.engine.connect() as connection, pytest.raises(Exception, match="extra"):
        connection.execute(text("SELECT * FROM extra"))


def test_a_server_that_is_not_there_and_a_url_of_another_kind_are_one_line(tmp_path):
    pytest.importorskip("psycopg")
    said = refusal("postgresql://nta:secret@127.0.0.1:1/none")
    assert "cannot be reached" in said
    assert "secret" not in said
    assert "names mysql" in refusal("mysql://user:secret@host/name")


def test_a_driver_that_is_not_installed_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"nta\[postgres\]"):
        Store.open("postgresql://nta@127.0.0.1:1/none")


def unprivileged(code: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run Python as a user for whom permissions hold: root is refused nothing."""
    lines = (
        "import os",
        "from nta.errors import StoreError",
        "from nta.store import Store",
        "Store.open(os.environ['SPARE'] + '/spare.sqlite')  # loads everything",
        "if os.getuid() == 0:",
        "    os.setgid(65534)",
        "    os.setuid(65534)",
        f"location = {str(path)!r}",
        code,
    )
    with tempfile.TemporaryDirectory() as spare:
        environment = {**os.environ, "SPARE": spare}
        return subprocess.run(
            [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, cwd="/", env=environment
        )


def test_a_folder_or_file_that_cannot_be_written_is_said_before_anything_is_computed(tmp_path):
    folder = Path("/tmp") / f"nta-read-only-{os.getpid()}"  # noqa: S108  # pytest's own is closed to other users
    folder.mkdir()
    try:
        path = folder / "nta.sqlite"
        fill(Store.open(path), 1)
        before = path.read_bytes()
        path.chmod(0o444)
        folder.chmod(0o555)
        code = "try:\n    Store.open(location)\nexcept StoreError as error:\n    print(error)"
        done = unprivileged(code, path)
        assert "cannot be written to" in done.stdout, done.stderr
        assert len(done.stdout.splitlines()) == 1
        done = unprivileged(code, folder / "new.sqlite")
        assert "cannot be opened" in done.stdout, done.stderr
        done = unprivileged("print(len(Store.open(location, read_only=True).rows()))", path)
        assert done.stdout == "1\n", done.stderr
        assert path.read_bytes() == before
        assert [entry.name for entry in folder.iterdir()] == ["nta.sqlite"]
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_full_disk_is_one_line_and_what_was_stored_stays(small_disk):
    store = Store.open(small_disk / "nta.sqlite")
    fill(store, 1)
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    with pytest.raises(StoreError, match="disk"):
        fill(store, 40)
    with pytest.raises(StoreError, match=r"disk|opened"):
        Store.open(small_disk / "nta.sqlite")
    with pytest.raises(StoreError, match="free some space"):
        store.objects.put(b"x" * 100_000)
    assert not list(small_disk.rglob("*.tmp"))
    filler.unlink()
    again = Store.open(small_disk / "nta.sqlite")
    assert again.verify().holds
    assert len(again.rows()) >= 1
    fill(again, 3)
    assert again.verify().holds


LIMITED = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from store_records import capture
from nta.errors import StoreError
from nta.store import Store
store = Store.open(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    for number in range(3000):
        with store.writing() as writer:
            writer.capture(capture(number))
except StoreError as error:
    print(error)
"""


def test_a_limit_on_the_size_of_files_is_like_a_full_disk(tmp_path):
    path = tmp_path / "nta.sqlite"
    tests = Path(__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", LIMITED, path, tests], capture_output=True, text=True)
    assert "disk" in done.stdout, done.stderr
    assert len(done.stdout.splitlines()) == 1
    store = Store.open(path)
    assert store.verify().holds
    with store.writing() as writer:
        writer.capture(capture(9999))


def test_what_a_killed_writer_left_half_done_is_taken_back_also_by_a_reader(tmp_path):
    """A copy of file and journal in the middle of a transaction is what a kill leaves."""
    path, copy = tmp_path / "nta.sqlite", tmp_path / "copy"
    store = Store.open(path)
    fill(store, 1)
    copy.mkdir()
    with store.writing() as writer:
        writer.connection.exec_driver_sql("PRAGMA cache_size = 1")
        for number in range(100, 200):
            writer.capture(capture(number, message="x" * 2000))
        for file in (path, path.with_name("nta.sqlite-journal")):
            shutil.copy(file, copy / file.name)
    reader = Store.open(copy / "nta.sqlite", read_only=True)
    assert reader.verify().holds
    assert reader.known_captures([capture(150).key]) == {}
    assert len(reader.rows()) == 1
    assert store.known_captures([capture(150).key])


def test_many_may_make_the_same_store_at_once(location, tmp_path):
    (tmp_path / "store").mkdir()

    def add(number: int) -> None:
        with Store.open(location, objects=tmp_path).writing() as writer:
            writer.capture(capture(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(8)))
    store = Store.open(location, objects=tmp_path)
    assert len(store.known_captures(f"{number:064x}" for number in range(8))) == 8
    assert store.verify().holds
