"""How a batch scales: two processes against one, the coordinator's memory, and what each record costs.

    python benchmarks/batch.py speed [--captures 16] [--frames 300]
    python benchmarks/batch.py memory [--captures 1000]
    python benchmarks/batch.py records [--captures 2000]

``speed`` measures simulated captures with 1 and with 2 processes, asserts that they give the same bytes, and prints
the ratio of the times; the bar of 1.7 holds on two quiet cores. ``memory`` runs jobs that only hand back bytes, so
that what grows is the coordinator; its resident memory after 20 % of the captures and at the end must agree within
5 %. ``records`` times what bounds a large campaign: writing, planning, hashing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import psutil

from nta.batch import Event, LocalExecutor, keys, read_manifest, run_batch
from nta.batch.plan import make_plan
from nta.batch.sources import content_sha256
from nta.compilation import load_kernels
from nta.settings import Settings
from nta.simulation import Scene, simulate
from nta.store import CaptureRecord, KnownSource, Store

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

ASKED_RATIO = 1.7
ASKED_GROWTH = 0.05
PER_SAMPLE = 5


def manifest(folder: Path, count: int) -> None:
    rows = [f"{n // 15 + 1},s{n // PER_SAMPLE:05d},c{n:05d}.avi,1000,350" for n in range(count)]
    (folder / "manifest.csv").write_text("\n".join(["day,sample,video,dilution,volume_ml", *rows]) + "\n")


def summaries(out: Path) -> dict[str, object]:
    found = {path.parent.name: json.loads(path.read_text()) for path in out.rglob("summary.json")}
    return {name: {**document, "provenance": None} for name, document in found.items()}


def cpu_s() -> tuple[float, float]:
    """Return the processor time of this process and of its children that have ended."""
    own, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime, theirs.ru_utime + theirs.ru_stime


def speed(captures: int, frames: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "campaign"
        for number in range(captures):
            scene = Scene(width_px=320, height_px=240, n_frames=frames, particles_per_frame=20.0, seed=number)
            simulate(scene, folder / f"c{number:05d}.avi")
        manifest(folder, captures)
        read = read_manifest(folder)
        load_kernels()  # compiled in the first run, they would make the second one look fast
        seconds, cpu = {}, {}
        for workers in (1, 2):
            out = Path(place) / f"out{workers}"
            start, before = time.perf_counter(), cpu_s()
            run_batch(read, out, executor=LocalExecutor(workers, timeout_s=600.0))
            seconds[workers] = time.perf_counter() - start
            cpu[workers] = tuple(now - then for now, then in zip(cpu_s(), before, strict=True))
        start = time.perf_counter()
        again = run_batch(read, Path(place) / "out2")
        idle = time.perf_counter() - start
        assert again.jobs_run == 0
        assert summaries(Path(place) / "out1") == summaries(Path(place) / "out2")
    ratio = seconds[1] / seconds[2]
    load = os.getloadavg()[0]
    print(f"{captures} captures of {frames} frames: 1 process {seconds[1]:.1f} s, 2 processes {seconds[2]:.1f} s")
    for workers, (own, theirs) in cpu.items():
        print(f"{workers}: {own:.1f} s of processor time in the coordinator, {theirs:.1f} s in the workers")
    print(f"ratio {ratio:.2f} (bar {ASKED_RATIO} on two quiet cores; load {load:.1f}); nothing to do: {idle:.2f} s")


def memory(captures: int) -> None:
    from batch_work import WORK

    resident: list[int] = []

    def listen(event: Event) -> None:
        if event.kind == "finished" and event.job == "capture":
            resident.append(psutil.Process().memory_info().rss)

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "campaign"
        folder.mkdir()
        for number in range(captures):
            (folder / f"c{number:05d}.avi").write_bytes(b"video %d" % number + os.urandom(50_000).hex().encode())
        manifest(folder, captures)
        start = time.perf_counter()
        batch = run_batch(
            read_manifest(folder),
            Path(place) / "out",
            executor=LocalExecutor(1, timeout_s=60.0),
            listen=listen,
            work=WORK,
        )
        seconds = time.perf_counter() - start
    assert len(resident) == captures
    assert batch.all_measured
    early, late = resident[captures // 5], resident[-1]
    growth = late / early - 1.0
    print(f"{captures} captures in {seconds:.0f} s: {early / 1e6:.0f} MB after a fifth, {late / 1e6:.0f} MB at the end")
    print(f"growth {growth:+.1%} (bar {ASKED_GROWTH:.0%})")
    assert growth < ASKED_GROWTH


def records(captures: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "campaign"
        folder.mkdir()
        store = Store.open(Path(place) / "nta.sqlite")
        start = time.perf_counter()
        for number in range(captures):
            path = folder / f"c{number:05d}.avi"
            path.write_text(f"video {number}")
            source = KnownSource.at(path, content_sha256(path))
            assert source is not None
            inputs = keys.capture_inputs(source.sha256, keys.for_capture(Settings()), None)
            record = CaptureRecord(
                keys.key_of(inputs), str(path), inputs, "ok", None, "", source.sha256, source.n_bytes
            )
            with store.writing() as writer:
                writer.capture(record)
                writer.remember([source])
        write_ms = (time.perf_counter() - start) / captures * 1e3
        manifest(folder, captures)
        start = time.perf_counter()
        plan = make_plan(read_manifest(folder), Path(place) / "out", Settings(), store)
        plan_ms = (time.perf_counter() - start) / captures * 1e3
        assert [capture.state for capture in plan.captures] == ["done"] * captures
        start = time.perf_counter()
        assert store.verify().holds
        verify_ms = (time.perf_counter() - start) / captures * 1e3
        big = Path(place) / "big.avi"
        big.write_bytes(bytes(200_000_000))
        start = time.perf_counter()
        content_sha256(big)
        rate = 0.2 / (time.perf_counter() - start)
        size = (Path(place) / "nta.sqlite").stat().st_size / captures
    print(f"per capture: record {write_ms:.2f} ms, plan {plan_ms:.2f} ms, verify {verify_ms:.2f} ms, {size:.0f} bytes")
    print(f"hashing {rate:.2f} GB/s from a warm cache")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["speed", "memory", "records"])
    parser.add_argument("--captures", type=int)
    parser.add_argument("--frames", type=int, default=300)
    given = parser.parse_args()
    print(f"nta {version('nta')}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    if given.part == "speed":
        speed(given.captures or 16, given.frames)
    elif given.part == "memory":
        memory(given.captures or 1000)
    else:
        records(given.captures or 2000)


if __name__ == "__main__":
    main()
