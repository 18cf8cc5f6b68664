"""Every bar of speed in one table, on this machine: nta against trackpy, against real time, against its own limits.

    python benchmarks/speed.py [--quick] [--only detect,link,tracks,pixels,analysis,memory,start]

Equal answers are asserted first; then both take turns and the median of the ratios counts, so that a machine that is
busy slows both. The rows of pixels and analysis need two cores of their own: other work on the machine lowers them.
`--quick` takes a tenth of the frames. Exits with 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import detection
import linking
import numpy as np
import pixel_stage
import tracks
from timing import in_turns, machine

from nta.detection.fused_engine import Locator
from nta.video import open_video

_COLD = """
import time, resource
import numpy, pandas
import nta.settings
from nta.compilation import load_kernels
start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
load_kernels()
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
cpu = sum(one.ru_utime + one.ru_stime for one in used) - before.ru_utime - before.ru_stime
print(time.perf_counter() - start, cpu)
"""


class Row(NamedTuple):
    """One line of the table; the bar is a least value, or a largest one."""

    what: str
    value: float
    unit: str
    bar: float
    at_least: bool

    @property
    def is_held(self) -> bool:
        """Return whether the bar is reached."""
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        return (
            f"| {self.what} | {self.value:.3g} {self.unit} | {sign} {self.bar:g} | {'yes' if self.is_held else 'NO'} |"
        )


class Extent(NamedTuple):
    """How much is measured."""

    repeats: int
    frames: int
    folder: Path


def detect_rows(extent: Extent) -> Iterator[Row]:
    for width, height in detection.SIZES:
        for gain, bits in ((1, 8), (16, 16)):
            ratios = []
            for noise in detection.READ_NOISES:
                frame = detection.simulated(width, height, noise)
                frame = frame if gain == 1 else frame.astype(np.uint16) * np.uint16(gain)
                ratios.append(detection.measure(frame, detection.MIN_MASS * gain, extent.repeats)[1].ratio)
            yield Row(f"detect, {width} x {height}, {bits} bit, against trackpy.locate", min(ratios), "x", 20, True)
    yield from _growth_rows(extent.repeats)


def _growth_rows(repeats: int) -> Iterator[Row]:
    few, many = (detection.simulated(1280, 1024, 0.8, per_frame) for per_frame in (10.0, 1000.0))
    small, large = (detection.simulated(*size, 0.8) for size in ((640, 480), (2048, 2048)))
    crowded = in_turns(_search(many), _search(few), 3 * repeats).ratio
    yield Row("detect, 1000 over 10 particles per frame", crowded, "x", 1.5, False)
    wide = in_turns(_search(large), _search(small), 3 * repeats).ratio * small.size / large.size
    yield Row("detect, ns per pixel, 2048 x 2048 over 640 x 480", wide, "x", 1.3, False)


def _search(frame: np.ndarray) -> Callable[[], object]:
    locator = Locator(*frame.shape, frame.dtype, detection.DIAMETER_PX)
    locator.locate(frame, detection.MIN_MASS, invert=False)
    return lambda: locator.locate(frame, detection.MIN_MASS, invert=False)


def link_rows(extent: Extent) -> Iterator[Row]:
    for field in ("even", "filling"):
        ratios, per_position = [], {}
        for memory in linking.MEMORIES:
            for per_frame in (10, 100, 1000):
                table = linking.crowd(field, per_frame, 10_000)
                turns = linking.measure(table, memory, extent.repeats)
                ratios.append(turns.ratio)
                per_position[memory, per_frame] = turns.ours_s / len(table)
        yield Row(f"link, 10 to 1000 per frame, {field} field, against trackpy.link", min(ratios), "x", 40, True)
        if field == "even":
            growth = max(per_position[memory, 1000] / per_position[memory, 10] for memory in linking.MEMORIES)
            yield Row("link, time of a position, 1000 over 10 per frame", growth, "x", 1.5, False)


def track_rows(extent: Extent) -> Iterator[Row]:
    yield Row("MSD against trackpy.imsd", tracks.displacement_turns(extent.repeats).ratio, "x", 500, True)
    few, many = (tracks.tracks(n, tracks.SHORT) for n in (1_000, 1_000_000))
    slowest = max(tracks.per_position(tracks.covariances, one, extent.repeats) for one in (few, many))
    yield Row("CVE of a position, 1e3 to 1e6 tracks", slowest, "ns", tracks.MOST_NS, False)


def pixel_rows(extent: Extent) -> Iterator[Row]:
    wall = time.perf_counter
    path = pixel_stage.film(extent.folder / "raw.avi", extent.frames, codec="raw")
    pixels = np.stack([np.array(frame) for frame in open_video(path).frames()])
    pixel_stage.assert_equal(pixel_stage.find_and_link(path, 2), pixel_stage.with_trackpy(pixels))
    turns = in_turns(lambda: pixel_stage.with_trackpy(pixels), lambda: _stage(path, 2), 1, 5, clock=wall)
    what = f"decode, detect, link, raw, {extent.frames} frames, 2 cores"
    yield Row(f"{what}, against trackpy on 2", turns.ratio, "x", 20, True)
    yield Row(f"{what}, against real time", extent.frames / pixel_stage.FPS / turns.ours_s, "x", 15, True)
    if hasattr(os, "sched_setaffinity"):  # elsewhere a process cannot be kept to one core
        two = in_turns(lambda: _on_one_core(path), lambda: _stage(path, 2), extent.repeats, clock=wall)
        yield Row("the same, 2 cores over 1", two.ratio, "x", 1.6, True)
    for codec, suffix, bar in (("mjpeg", "avi", 0.8), ("h264", "mp4", 0.9)):
        packed = pixel_stage.film(extent.folder / f"{codec}.{suffix}", extent.frames // 2, codec=codec)
        share = in_turns(
            lambda path=packed: pixel_stage.decode(path), lambda path=packed: _stage(path, 2), 3, clock=wall
        )
        yield Row(f"{codec}, share of strict decoding alone", share.ratio, "", bar, True)


def analysis_rows(extent: Extent) -> Iterator[Row]:
    n_frames = 3 * extent.frames
    path, mpp = pixel_stage.capture(extent.folder / "capture.avi", n_frames)
    elapsed, d50_nm = pixel_stage.whole_analysis(path, mpp, extent.folder / "result")
    assert abs(d50_nm / pixel_stage.BEADS_NM - 1.0) < 0.1, f"D50 {d50_nm:.1f} nm of {pixel_stage.BEADS_NM:g} nm beads"
    yield Row(f"analysis with report, {n_frames} frames, real time", n_frames / pixel_stage.FPS / elapsed, "x", 5, True)


def memory_rows(extent: Extent) -> Iterator[Row]:
    stages, per_frame = [], []
    for n_frames in (50, extent.frames, 6 * extent.frames):
        path = pixel_stage.film(extent.folder / f"{n_frames}.avi", n_frames, codec="raw", width=640, height=480)
        # The middle one of three: a peak moves by 5 MB with what the threads happen to hold.
        stage = sorted(pixel_stage.memory(path) for _ in range(3))[1]
        path.unlink()
        stages.append(stage)
        per_frame.append(stage.n_rows / n_frames)
        # The frames repeat, and so must what is found in them.
        assert 0.9 < per_frame[-1] / per_frame[0] < 1.1, f"{per_frame} spots in a frame"
        what = f"peak of the pixel stage above the imports, 640 x 480, {n_frames} frames"
        yield Row(f"{what}, its tables with it", stage.peak_mb, "MB", 150, False)
        yield Row(f"table, {n_frames} frames, of a detection", stage.per_row, "bytes", 200, False)
    path = pixel_stage.film(extent.folder / "large.avi", extent.frames, codec="raw")
    large = pixel_stage.memory(path)
    yield Row(f"peak, 1280 x 1024, {extent.frames} frames, its tables with it", large.peak_mb, "MB", 150, False)
    # Two ways to take the tables off: what their bar allows them, and what they take, which flatters less.
    allowed = [stage.peak_mb - 200e-6 * stage.n_rows for stage in stages]
    without = [stage.peak_mb - stage.tables_mb for stage in stages]
    what = "peak, growth from the shortest to the longest"
    yield Row(f"{what}, 200 bytes a detection taken off", 100 * (allowed[-1] / allowed[0] - 1), "%", 5, False)
    yield Row(f"{what}, the tables' own bytes taken off", 100 * (without[-1] / without[0] - 1), "%", 5, False)


def start_rows(extent: Extent) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as cache:
        wall, cpu = _kernels_s(cache)
        warm = statistics.median(_kernels_s(cache)[0] for _ in range(extent.repeats))
    yield Row("compiling what an analysis calls, wait", wall, "s", 8, False)
    yield Row("compiling what an analysis calls, processor", cpu, "s", 8, False)
    yield Row("loading cached kernels", warm, "s", 0.3, False)
    path = pixel_stage.film(extent.folder / "short.avi", 100, codec="raw")
    pixel_stage.first_frame_s(path, time.monotonic())
    first = statistics.median(pixel_stage.first_frame_s(path, time.monotonic()) for _ in range(extent.repeats))
    yield Row("first frame decoded, from the start of Python", first, "s", 1.5, False)


def _kernels_s(cache: str) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-c", _COLD],
        env={**os.environ, "NTA_CACHE_DIR": cache},
        capture_output=True,
        text=True,
        check=True,
    )
    wall, cpu = done.stdout.split()
    return float(wall), float(cpu)


def _stage(path: Path, n_threads: int) -> object:
    return pixel_stage.find_and_link(path, n_threads)


def _on_one_core(path: Path) -> None:
    """Run the stage with one thread for searching, which decodes and searches in turn: threads keep to the core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        _stage(path, 1)
    finally:
        os.sched_setaffinity(0, cores)


PARTS = {
    "detect": detect_rows,
    "link": link_rows,
    "tracks": track_rows,
    "pixels": pixel_rows,
    "analysis": analysis_rows,
    "memory": memory_rows,
    "start": start_rows,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default=",".join(PARTS))
    arguments = parser.parse_args()
    print(machine("nta", "trackpy", "numba", "numpy", "pandas", "scipy", "av"))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start\n")
    print("| what | measured | bar | held |\n|---|---|---|---|")
    is_held = True
    for part in arguments.only.split(","):
        with tempfile.TemporaryDirectory() as folder:
            extent = Extent(3 if arguments.quick else 9, 50 if arguments.quick else 500, Path(folder))
            for row in PARTS[part](extent):
                print(row, flush=True)
                is_held = is_held and row.is_held
    return 0 if is_held else 1


if __name__ == "__main__":
    sys.exit(main())
