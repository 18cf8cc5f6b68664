"""Records for the tests of the store, and the PostgreSQL server on which they run too."""

from __future__ import annotations

import itertools
import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nta.store import Assay, CaptureRecord, CollectionRecord, MeasurementRecord, SampleIdentity

SUMMARY: dict[str, Any] = {
    "schema": "nta.measurement/1",
    "status": "ok",
    "status_code": None,
    "message": "250 particles sized",
    "size_nm": {name: {"value": 100.0 + n, "low": 90.0, "high": 130.0} for n, name in enumerate(("mode", "d10", "d50"))}
    | {"d90": {"value": None, "low": None, "high": None}},
    "concentration_per_ml": {"measured": {"value": 1.1e8, "low": 1e8, "high": 1.2e8}, "stock": None},
}


def sample(name: str = "harvest 1", day: str = "1", lot: str = "lot A") -> SampleIdentity:
    return SampleIdentity(lot, day, name)


def capture(number: int = 1, **values: Any) -> CaptureRecord:
    given = {
        "key": f"{number:064x}",
        "path": f"/data/{number}.avi",
        "inputs": {"sha256": f"{number + 1000:064x}", "settings": {"mpp": 0.14}},
        "status": "ok",
        "status_code": None,
        "message": "",
        "sha256": f"{number + 1000:064x}",
        "n_bytes": 3_000_000_000,
        **values,
    }
    return CaptureRecord(**given)


def measurement(number: int = 1, of: SampleIdentity | None = None, **values: Any) -> MeasurementRecord:
    given = {
        "sample": of or sample(),
        "key": f"{number + 5000:064x}",
        "inputs": {"captures": [f"{number:064x}"], "method": "1"},
        "summary": json.dumps({**SUMMARY, "message": f"analysis {number}"}),
        "distribution_csv": "diameter_nm,density_per_nm\n" + "100.0,0.01\n" * 50,
        "files": {"summary.json": "0" * 64},
        "capture_keys": (f"{number:064x}",),
        "settings": '{"mpp":0.14}',
        **values,
    }
    return MeasurementRecord(**given)


def collection(of: SampleIdentity | None = None) -> CollectionRecord:
    return CollectionRecord(
        of or sample(), "sample", 350.0, {"bioreactor": "HF-1"}, (Assay("protein", "ug_per_ml", "12.5"),)
    )


def fill(store: Any, n: int = 3) -> None:
    """Add ``n`` captures and analyses, a collection and an exclusion, as one batch would."""
    for number in range(1, n + 1):
        with store.writing() as writer:
            writer.capture(capture(number))
        with store.writing() as writer:
            of = sample(f"harvest {number}")
            writer.collection(collection(of))
            writer.measurement(measurement(number, of))
    with store.writing() as writer:
        writer.exclusion(sample("harvest 1"), "/data/9.avi", None, "bubble")
        writer.attempt("capture", "/data/8.avi", "worker_died", "killed by signal 9")


_numbers = itertools.count()


@dataclass
class PostgresServer:
    """A PostgreSQL server of the tests' own."""

    programs: Path
    data: Path
    port: int
    user: str | None
    databases: list[str] = field(default_factory=list)

    def run(self, program: str, *args: object) -> None:
        command = [str(self.programs / program), *map(str, args)]
        done = subprocess.run(command, user=self.user, cwd="/", capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr + done.stdout

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self.run("pg_ctl", "start", "-w", "-D", self.data, "-l", self.data / "log", "-o", options)

    def stop(self, mode: str = "immediate") -> None:
        if (self.data / "postmaster.pid").exists():
            self.run("pg_ctl", "stop", "-w", "-m", mode, "-D", self.data)

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        import psycopg

        name = f"nta{next(_numbers)}"
        address = f"postgresql://nta@127.0.0.1:{self.port}"
        with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"{address}/{name}"
