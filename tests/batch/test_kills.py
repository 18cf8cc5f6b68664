"""kill -9 at every write point and at random moments: a rerun ends as if nothing had happened."""

from __future__ import annotations

import csv
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import text

from nta.batch.recording import WRITE_POINTS
from nta.store import Store

PATIENCE_S = 600.0
"""A coordinator ends after seconds, but for a machine that has other things to do."""

COORDINATOR = Path(__file__).resolve().parents[1] / "batch_coordinator.py"

# Rows told apart by what they say, not by their numbers or times.
QUERIES = {
    "captures": "SELECT key, sha256, path, status, spots_sha256, tracks_sha256, inputs FROM captures",
    "measurements": "SELECT s.name, m.key, m.status, m.d50_nm, m.stock_per_ml, m.inputs, m.summary "
    "FROM measurements m JOIN samples s ON s.id = m.sample_id",
    "distributions": "SELECT m.key, d.csv FROM distributions d JOIN measurements m ON m.id = d.measurement_id",
    "links": "SELECT m.key, c.key, l.position FROM measured_captures l JOIN measurements m ON m.id = l.measurement_id "
    "JOIN captures c ON c.id = l.capture_id",
    "selections": "SELECT s.name, m.key, x.decision FROM selections x JOIN samples s ON s.id = x.sample_id "
    "JOIN measurements m ON m.id = x.measurement_id",
    "collections": "SELECT s.name, c.volume_ml, c.role, c.facts FROM collections c "
    "JOIN samples s ON s.id = c.sample_id",
    "samples": "SELECT l.name, s.day, s.name FROM samples s JOIN lots l ON l.id = s.lot_id",
    "lots": "SELECT name FROM lots",
    "settings": "SELECT sha256, document FROM settings",
    "assays": "SELECT s.name, a.name, a.unit, a.value, a.state FROM assays a JOIN samples s ON s.id = a.sample_id",
    "exclusions": "SELECT s.name, x.path, x.reason FROM exclusions x JOIN samples s ON s.id = x.sample_id",
}

TIME_STAMP = re.compile(rb'"started_utc": ?"[^"]*"')


def snapshot(location: str | Path, out: Path) -> dict[str, Any]:
    """Return everything that a batch left behind, but for numbers and times."""
    store = Store.open(location, objects=out / "objects")
    verdict = store.verify()
    assert verdict.holds, verdict.broken
    assert list(store.object_faults()) == []
    found: dict[str, Any] = {}
    with store.engine.connect() as connection:
        for name, query in QUERIES.items():
            rows = [tuple(_untimed(value) for value in row) for row in connection.execute(text(query))]
            assert len(rows) == len(set(rows)), f"{name} holds a row twice"
            found[name] = sorted(rows, key=repr)
    table = csv.DictReader((out / "batch.csv").read_text().splitlines())
    found["batch.csv"] = [{**row, "record": ""} for row in table]
    for path in sorted(out.rglob("summary.json")):
        stamped = path.read_bytes()
        assert len(TIME_STAMP.findall(stamped)) == 1
        found[path.relative_to(out).as_posix()] = TIME_STAMP.sub(b"", stamped)  # bytes, but for the time stamp
    files = (path for path in out.rglob("*") if path.is_file() and path != location)
    found["files"] = sorted(path.relative_to(out).as_posix() for path in files)
    return found


def _untimed(value: object) -> object:
    return TIME_STAMP.sub(b"", value.encode()) if isinstance(value, str) else value


def coordinator(campaign: Path, out: Path, location: object, workers: int, *kill: object) -> subprocess.Popen[str]:
    command = [sys.executable, COORDINATOR, campaign, out, location, workers, *kill]
    return subprocess.Popen([str(part) for part in command], stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> int:
    _, error = process.communicate(timeout=PATIENCE_S)
    assert process.returncode in (0, -9) or "StoreError" in error, error
    return process.returncode


@pytest.fixture
def harvests(campaign) -> Path:
    for number in range(8):
        (campaign.folder / f"n{number}.avi").write_text(f"slow {number}")
    (campaign.folder / "left.avi").write_text("left out")
    rows = "".join(f"{n // 4},s{n // 2},n{n}.avi,1000,350,12.5,\n" for n in range(8))
    header = "day,sample,video,dilution,volume_ml,protein_ug_per_ml,exclude\n"
    campaign.write(f"{rows}0,s0,left.avi,,,,bubble\n", header=header)
    return campaign.folder


@pytest.fixture
def places(request, tmp_path) -> Iterator[tuple[Path, Any]]:
    """Yield pairs of an output folder and a store that is not there yet."""

    def make() -> Iterator[tuple[Path, Any]]:
        for number in range(1000):
            out = tmp_path / f"out{number}"
            sqlite = request.param == "sqlite"
            yield out, out / "nta.sqlite" if sqlite else request.getfixturevalue("postgres").new_database()

    return make()


def uninterrupted(harvests: Path, places: Iterator[tuple[Path, Any]], workers: int) -> tuple[dict[str, Any], float]:
    out, location = next(places)
    out.mkdir()
    start = time.monotonic()
    assert finish(coordinator(harvests, out, location, workers)) == 0
    return snapshot(location, out), time.monotonic() - start


@pytest.mark.parametrize("places", ["sqlite", "postgresql"], indirect=True)
def test_a_kill_at_every_write_point_leaves_nothing_half_done(harvests, places, request, long_run):
    expected, _ = uninterrupted(harvests, places, 0)
    assert len(expected["captures"]) == 8
    assert len(expected["measurements"]) == len(expected["assays"]) == 4
    assert len(expected["exclusions"]) == 1
    short = ("capture added", "sample committed") if "sqlite" in request.node.name else ("sample added",)
    for point in WRITE_POINTS if long_run else short:
        once_a_run = point == "plan recorded"
        for occurrence in (1,) if once_a_run else (1, 2) if long_run else (2,):
            out, location = next(places)
            out.mkdir()
            assert finish(coordinator(harvests, out, location, 0, point, occurrence)) == -9, (point, occurrence)
            assert finish(coordinator(harvests, out, location, 0)) == 0
            assert snapshot(location, out) == expected, (point, occurrence)


@pytest.mark.parametrize("places", ["sqlite", "postgresql"], indirect=True)
def test_kills_of_coordinator_and_workers_at_random_moments(harvests, places, long_run):
    """Seed 7: every second kill takes the coordinator, the others a worker."""
    chance = random.Random(7)  # noqa: S311
    expected, seconds = uninterrupted(harvests, places, 2)
    for number in range(30 if long_run else 2):
        out, location = next(places)
        out.mkdir()
        process = coordinator(harvests, out, location, 2)
        time.sleep(chance.uniform(0.1, 0.95) * seconds)
        if process.poll() is None:
            victims = [psutil.Process(process.pid)]
            if number % 2:
                victims = [one for one in victims[0].children() if "spawn_main" in " ".join(_words(one))] or victims
            _kill(chance.choice(victims))
        finish(process)
        assert finish(coordinator(harvests, out, location, 2)) == 0
        assert snapshot(location, out) == expected, number
        assert not [path for path in out.rglob("*") if path.name.endswith((".tmp", "-journal", ".lock"))]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def test_a_restart_of_the_server_in_the_middle(harvests, postgres, tmp_path, long_run):
    locations = iter((tmp_path / f"out{number}", postgres.new_database()) for number in range(100))
    expected, seconds = uninterrupted(harvests, locations, 2)
    for share in (0.3, 0.5, 0.7, 0.9) if long_run else (0.7,):
        out, location = next(locations)
        out.mkdir()
        process = coordinator(harvests, out, location, 2)
        time.sleep(share * seconds)
        postgres.stop("immediate")
        postgres.start()
        finish(process)
        assert finish(coordinator(harvests, out, location, 2)) == 0
        assert snapshot(location, out) == expected
