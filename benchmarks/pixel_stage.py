"""The pixel stage as a whole: strict decoding with the hash, detection and linking, on one core or two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import numpy as np
import pandas as pd
import trackpy

from nta.detection.engines import Finder, spot_finder
from nta.simulation import OneSize, Scene, frames
from nta.tracking.fused_engine import link_positions
from nta.video import open_video, write_video

DIAMETER_PX = 9
MIN_MASS = 150.0
RANGE_PX = 10.0
FPS = 25.0
WIDTH, HEIGHT = 1280, 1024
BEADS_NM = 100.0
_N_DIFFERENT = 25  # frames that are simulated; longer films repeat them
_AHEAD = 2

# Run in a process of its own, whose peak is that of this work alone; /proc knows what is resident after the imports.
_MEMORY = """
import json, sys
from nta import Settings, open_video
from nta.compilation import load_kernels
from nta.detection import detect
import av, trackpy
def kilobytes(name):
    return int(next(line for line in open("/proc/self/status") if line.startswith(name)).split()[1])
load_kernels()
resident = kilobytes("VmRSS")
found = detect(open_video(sys.argv[1]), Settings())
peak = kilobytes("VmHWM")  # not ru_maxrss, which a process inherits from the one that started it
used = [int(table.memory_usage(deep=True).sum()) for table in (found.table, found.dimmer)]
print(json.dumps([(peak - resident) * 1024 / 1e6, used[0] / len(found.table), sum(used) / 1e6, len(found.table)]))
"""
_FIRST_FRAME = """
import sys, time
import nta
from nta.video import Video
class Seen(Exception): pass
def told(self, *asked, frames=Video.numbered_frames, **named):
    for one in frames(self, *asked, **named):
        print(time.clock_gettime(time.CLOCK_MONOTONIC))
        raise Seen
Video.numbered_frames = told
try: nta.analyze(sys.argv[1])
except Seen: pass
"""
_ANALYZE = """
import json, sys, time
import nta
nta.detect, nta.link
from nta.compilation import load_kernels
load_kernels()
start = time.perf_counter()
found = nta.analyze(sys.argv[1], mpp=float(sys.argv[2]), fps=float(sys.argv[3]))
found.save(sys.argv[4])
print(json.dumps([time.perf_counter() - start, found.size.d50.value]))
"""


def film(path: Path, n_frames: int, *, codec: str, width: int = WIDTH, height: int = HEIGHT) -> Path:
    """Write a film of simulated frames, the same few over and over."""
    scene = Scene(width_px=width, height_px=height, n_frames=_N_DIFFERENT, seed=1, particles_per_frame=50)
    write_video(path, islice(cycle(list(frames(scene))), n_frames), fps=FPS, codec=codec)
    return settled(path)


def capture(path: Path, n_frames: int) -> tuple[Path, float]:
    """Simulate a raw capture of beads that can be sized; return it and its µm per pixel."""
    scene = Scene(width_px=WIDTH, height_px=HEIGHT, n_frames=n_frames, fps=FPS, seed=1, population=OneSize(BEADS_NM))
    write_video(path, frames(scene), fps=FPS, codec="raw")
    return settled(path), scene.mpp


def settled(path: Path) -> Path:
    """Make a file old: one that was written a moment ago may still be growing."""
    an_hour_ago = path.stat().st_mtime - 3600
    os.utime(path, (an_hour_ago, an_hour_ago))
    return path


def decode(path: Path) -> None:
    """Decode strictly, with the hash, as an analysis does."""
    video = open_video(path)
    for _ in video.numbered_frames(hashed=True):
        pass
    video.sha256()


def find_and_link(path: Path, n_threads: int) -> pd.DataFrame:
    """Return the spots of a film with their particles; a few frames wait for each thread, no more."""
    video = open_video(path)
    idle: SimpleQueue[Finder] = SimpleQueue()
    for _ in range(n_threads):
        shape = (video.height, video.width)
        idle.put(spot_finder("fused", shape, np.dtype(np.uint8), DIAMETER_PX, invert=False, gain=1))

    def search(frame: np.ndarray) -> np.ndarray:
        find = idle.get()
        try:
            return find(frame, MIN_MASS)
        finally:
            idle.put(find)

    found: list[np.ndarray] = []
    waiting: deque[Future[np.ndarray]] = deque()
    with ThreadPoolExecutor(n_threads) as pool:
        for _, frame in video.numbered_frames(hashed=True):
            waiting.append(pool.submit(search, np.array(frame)))
            if len(waiting) > _AHEAD * n_threads:
                found.append(waiting.popleft().result())
        found += [one.result() for one in waiting]
    video.sha256()
    rows = np.concatenate(found)
    table = pd.DataFrame(rows[:, :3], columns=["y", "x", "mass"])
    table["frame"] = np.repeat(np.arange(len(found)), [len(one) for one in found])
    table["particle"] = link_positions(table, RANGE_PX, 0)
    return table


def with_trackpy(pixels: np.ndarray, processes: int = 2) -> pd.DataFrame:
    """Return the same from trackpy, whose frames are in memory already."""
    trackpy.quiet()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = trackpy.batch(pixels, DIAMETER_PX, minmass=MIN_MASS, engine="numba", processes=processes)
        return trackpy.link(found, RANGE_PX, memory=0)


def assert_equal(ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    """Assert the same spots, to the bit, and the same tracks."""
    assert len(ours) > 0
    order = ["frame", "y", "x"]
    ours, theirs = (table.sort_values(order, ignore_index=True) for table in (ours, theirs))
    np.testing.assert_array_equal(ours[["frame", "y", "x", "mass"]], theirs[["frame", "y", "x", "mass"]])
    np.testing.assert_array_equal(pd.factorize(ours["particle"])[0], pd.factorize(theirs["particle"])[0])


class Memory(NamedTuple):
    """What detection takes.

    Parameters
    ----------
    peak_mb : float
        Peak of the process above what it holds after its imports, MB.
    per_row : float
        Bytes of the table for each detection.
    tables_mb : float
        All tables of detections, MB.
    n_rows : int
        Detections.
    """

    peak_mb: float
    per_row: float
    tables_mb: float
    n_rows: int


def memory(path: Path) -> Memory:
    """Return what detection in a film takes, in a process of its own."""
    return Memory(*json.loads(_alone(_MEMORY, str(path))))


def first_frame_s(path: Path, started_s: float) -> float:
    """Return how long after ``started_s`` (monotonic clock) an analysis in a new process has decoded one frame."""
    return float(_alone(_FIRST_FRAME, str(path))) - started_s


def whole_analysis(path: Path, mpp: float, folder: Path) -> tuple[float, float]:
    """Return the time of an analysis with its report, s, and the median diameter found, nm."""
    elapsed, d50_nm = json.loads(_alone(_ANALYZE, str(path), repr(mpp), repr(FPS), str(folder)))
    return float(elapsed), float(d50_nm)


def _alone(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return done.stdout
