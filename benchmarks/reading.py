"""How fast raw AVI is read, against plain reads of the same bytes: the frames must cost little more than the file.

    python benchmarks/reading.py [--frames 400] [--repeats 15]

Writes films of camera noise into a temporary folder, asserts that every frame comes back as it was written,
then lets both read in turn from a warm cache; the median of the ratios counts, so that a machine that is busy
slows both. FFmpeg's reader (PyAV) and the reading with the hash are given for comparison.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import statistics
import struct
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from nta.video import open_video
from nta.video.container import open_container
from nta.video.riff import scan

WIDTH, HEIGHT = 1280, 1024
ASKED_RATIO = 0.8
PALETTE = b"".join(bytes((i, i, i, 0)) for i in range(256))


def chunk(tag: bytes, body: bytes) -> bytes:
    return tag + struct.pack("<I", len(body)) + body


def write(path: Path, frames: np.ndarray, count: int, *, fourcc: bytes, bottom_up: bool) -> None:
    """Write a film of ``count`` frames, taking ``frames`` in turn, a few at a time."""
    _, height, width = frames.shape
    stored = [(frame[::-1] if bottom_up else frame).tobytes() for frame in frames]
    size = height * width
    palette = PALETTE if fourcc == b"\0\0\0\0" else b""
    avih = struct.pack("<14I", 40_000, 0, 0, 0, count, 0, 1, 0, width, height, 0, 0, 0, 0)
    strh = b"vids" + fourcc + struct.pack("<10I", 0, 0, 0, 1, 25, 0, count, 0, 0, 0) + bytes(8)
    strf = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 8, fourcc, 0, 0, 0, 0, 0) + palette
    strl = chunk(b"LIST", b"strl" + chunk(b"strh", strh) + chunk(b"strf", strf))
    hdrl = chunk(b"LIST", b"hdrl" + chunk(b"avih", avih) + strl)
    movi = 4 + count * (size + 8)
    with path.open("wb") as file:
        file.write(b"RIFF" + struct.pack("<I", 4 + len(hdrl) + 8 + movi) + b"AVI " + hdrl)
        file.write(b"LIST" + struct.pack("<I", movi) + b"movi")
        for number in range(count):
            file.write(chunk(b"00db", stored[number % len(stored)]))


def read_plainly(path: Path, offsets: list[int], length: int) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    for offset in offsets:
        os.pread(descriptor, length, offset)
    os.close(descriptor)


def read_frames(path: Path) -> None:
    """Read as the analysis does; the rows of a bottom-up frame come as a view."""
    for _ in open_video(path).numbered_frames():
        pass


def read_with_hash(path: Path) -> None:
    video = open_video(path)
    for _ in video.numbered_frames(hashed=True):
        pass
    video.sha256()


def read_then_hash(path: Path) -> None:
    read_frames(path)
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")


def read_with_pyav(path: Path) -> None:
    for _ in open_container(path, "avi", scan(path)).frames():
        pass


def seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    frames = np.random.default_rng(1).normal(20, 2, (8, HEIGHT, WIDTH)).astype(np.uint8)
    size_mb = options.frames * WIDTH * HEIGHT / 1e6
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, PyAV {version('av')}")
    print(
        f"{options.frames} frames of {WIDTH} x {HEIGHT}, {size_mb:.0f} MB, median of {options.repeats} interleaved runs"
    )
    print("rows        pread MB/s  nta MB/s  ratio   PyAV MB/s   read with hash s   read, then hash s")
    with tempfile.TemporaryDirectory() as folder:
        for name, fourcc, bottom_up in (("top-down", b"Y800", False), ("bottom-up", b"\0\0\0\0", True)):
            path = Path(folder) / f"{name}.avi"
            write(path, frames, options.frames, fourcc=fourcc, bottom_up=bottom_up)
            old = time.time() - 3600  # nobody is writing to it
            os.utime(path, (old, old))
            read = open_video(path)
            assert read.n_frames == options.frames
            assert all(np.array_equal(frame, frames[k % 8]) for k, frame in enumerate(read.frames()))
            offsets = list(scan(path).offsets)
            works = (
                lambda path=path, offsets=offsets: read_plainly(path, offsets, WIDTH * HEIGHT),
                lambda path=path: read_frames(path),
                lambda path=path: read_with_pyav(path),
                lambda path=path: read_with_hash(path),
                lambda path=path: read_then_hash(path),
            )
            times = [[seconds(work) for work in works] for _ in range(options.repeats)]
            plain, ours, pyav, hashed, twice = (statistics.median(column) for column in zip(*times, strict=True))
            ratio = statistics.median(row[0] / row[1] for row in times)
            print(
                f"{name:<11} {size_mb / plain:10.0f} {size_mb / ours:9.0f} {ratio:6.2f} {size_mb / pyav:11.0f} "
                f"{hashed:18.2f} {twice:19.2f}"
            )
            assert ratio >= ASKED_RATIO, f"{ratio:.2f} of the speed of plain reads, {ASKED_RATIO} asked for"


if __name__ == "__main__":
    main()
