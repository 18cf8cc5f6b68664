"""Jobs that cost nothing, for the tests of batches: what a file holds says how its measurement ends.

They run in spawned processes too, so nothing heavy is imported here.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nta.batch.jobs import CaptureDone, CaptureTask, SampleDone, SampleTask, Work
from nta.settings import Settings
from nta.store import KnownSource


def estimate(value: float | None) -> dict[str, float | None]:
    if value is None:
        return {"value": None, "low": None, "high": None}
    return {"value": value, "low": value * 0.8, "high": value * 1.2}


def summary(name: str, *, status: str = "ok", code: str | None = None, **values: Any) -> dict[str, Any]:
    good = status in ("ok", "warn")
    dilution = values.get("dilution")
    sizes = ("mode", "mean", "sd", "d10", "d50", "d90", "span")
    return {
        "schema": "nta.measurement/1",
        "status": status,
        "status_code": code,
        "message": values.get("message", "sized"),
        "sample": name,
        "captures": values.get("captures", []),
        "size_nm": {one: estimate(115.0 if good else None) for one in sizes},
        "concentration_per_ml": {
            "measured": estimate(1e8 if good else None),
            "stock": estimate(1e8 * dilution) if good and dilution is not None else None,
            "volume_source": "nominal",
            "depth_um": 10.0,
        },
        "counts": {"particles_per_frame": 50.0, "tracks_used": 250},
        "dilution": dilution,
        "flags": [{"code": one, "level": "warn", "message": text} for one, text in values.get("remarks", ())],
        "provenance": {"started_utc": datetime.now(UTC).isoformat()},
    }


def capture(task: CaptureTask, progress: Any = None) -> CaptureDone:
    """End as the first word of the file says."""
    data = task.path.read_bytes()
    word, _, rest = data.decode("utf-8", "replace").partition(" ")
    if progress is not None:
        progress("detect", 1, 2)
    source = KnownSource.at(task.path, hashlib.sha256(data).hexdigest())
    if word == "text":
        return CaptureDone("rejected", "not_a_video", "it is not a video", source)
    if word == "growing":
        return CaptureDone("rejected", "still_changing", "somebody writes to it", source)
    if word == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "die-once":
        _once(Path(rest.strip()))
    if word == "hang":
        time.sleep(3600)
    if word == "slow":
        time.sleep(0.3)
    if word == "interrupt":
        raise KeyboardInterrupt
    settings = task.settings.model_dump_json(exclude_defaults=True).encode()
    return CaptureDone("ok", None, "", source, b"spots " + data + settings, b"tracks " + data)


def _once(mark: Path) -> None:
    """Die the first time, and leave a mark of it."""
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def sample(task: SampleTask, progress: Any = None) -> SampleDone:
    """Return the files of a result that depends on every input."""
    if task.name == "broken":
        return SampleDone(None, "internal_error", "nta broke down")
    good = [part for part in task.parts if part.tracks is not None]
    captures = [{"path": str(part.path), "sha256": part.sha256} for part in task.parts]
    first = task.parts[0]
    document = summary(
        task.name,
        status="ok" if good else "failed" if first.status_code in ("worker_died", "timeout") else "rejected",
        code=None if good else first.status_code,
        message="sized" if good else first.message,
        captures=captures,
        dilution=task.settings.dilution,
        remarks=task.remarks,
    )
    document["seen"] = [part.spots.decode() for part in (*good, *(task.blank or ())) if part.spots is not None]
    files = {
        "summary.json": json.dumps(document, indent=2).encode(),
        "distribution.csv": b"diameter_nm,density_per_nm\n",
        "tracks.parquet": b"".join(part.tracks for part in good),
    }
    return SampleDone(files)


def for_blank(settings: Settings, spots: Sequence[Path]) -> Settings | None:
    """Say that the spots are 11 px wide."""
    assert all(path.read_bytes().startswith(b"spots") for path in spots)
    return settings.model_copy(update={"blank": (), "dilution": None, "diameter_px": 11}) if spots else None


def warm_up(progress: Any = None) -> str:
    """Say which method this is: none."""
    return "test"


WORK = Work(capture, sample, for_blank, warm_up)


class InlineExecutor:
    """Runs jobs at once in this process."""

    n_workers = 1
    report = None

    def __init__(self, *_given: Any, **_named: Any) -> None:
        self.calls: list[Any] = []
        self.is_shut_down = False

    def submit(self, fn: Any, /, *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if args:
            self.calls.append(args[0])
        report = self.report
        future.set_result(fn(*args, progress=lambda *step: report(future, *step) if report is not None else None))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.is_shut_down = True


def without_times(document: dict[str, Any]) -> dict[str, Any]:
    """Return a summary without what two equal runs may differ in."""
    return {**document, "provenance": None}
