"""How many times faster than trackpy.locate the fused detector is on one core, with equal results.

    python benchmarks/detection.py [--repeats 9]

Simulated frames with 50 particles. Equal results are asserted first; then trackpy and nta take turns on the
same frame, and the median of the ratios of their times counts, so that a machine that is busy or changes its
pace slows both. Times are those of the processor, which other programs on the machine do not lengthen.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import trackpy

from nta.detection.fused_engine import Frame, Locator
from nta.simulation import Scene, frames

SIZES = ((640, 480), (1280, 1024))
READ_NOISES = (0.8, 3.0)  # grey levels of an 8-bit camera
GAINS = (1, 16)  # 16: the frame as the detector sees it when the noise is below a grey level
DIAMETER_PX = 9
MIN_MASS = 150.0  # grey levels: the spots of the larger particles, and hardly any of the noise
COLUMNS = ["y", "x", "mass", "size", "ecc", "signal", "raw_mass", "ep"]


def simulated(width: int, height: int, read_noise: float) -> Frame:
    scene = Scene(width_px=width, height_px=height, n_frames=1, seed=1, read_noise=read_noise, particles_per_frame=50)
    return next(frames(scene))


def with_trackpy(frame: Frame, min_mass: float) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = trackpy.locate(frame, DIAMETER_PX, minmass=min_mass, engine="numba")
    return found[COLUMNS].to_numpy()


def assert_equal(found: np.ndarray, expected: np.ndarray) -> None:
    assert len(expected) > 0
    np.testing.assert_array_equal(found[:, :7], expected[:, :7])
    np.testing.assert_allclose(found[:, 7], expected[:, 7], rtol=1e-9)


def measure(frame: Frame, min_mass: float, repeats: int) -> tuple[int, float, float, float]:
    """Return the number of spots, the median of the ratios, and both medians in ms."""
    locator = Locator(*frame.shape, frame.dtype, DIAMETER_PX)
    rows = locator.locate(frame, min_mass, invert=False)
    assert_equal(rows, with_trackpy(frame, min_mass))
    pairs = []
    for _ in range(repeats):
        start = time.thread_time()
        with_trackpy(frame, min_mass)
        middle = time.thread_time()
        for _ in range(4):
            locator.locate(frame, min_mass, invert=False)
        pairs.append((middle - start, (time.thread_time() - middle) / 4))
    ratio = statistics.median(theirs / ours for theirs, ours in pairs)
    theirs_ms, ours_ms = (1e3 * statistics.median(column) for column in zip(*pairs, strict=True))
    return len(rows), ratio, theirs_ms, ours_ms


def processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    libraries = ", ".join(f"{name} {version(name)}" for name in ("nta", "trackpy", "numba", "numpy", "scipy"))
    print(f"{platform.system()} {platform.machine()}, {processor()}")
    print(f"diameter {DIAMETER_PX} px, one core, equal results asserted, medians of {repeats} interleaved runs")
    print(f"Python {platform.python_version()}, {libraries}")
    print("frame        noise  pixels  spots  trackpy ms  nta ms  ratio")
    for width, height in SIZES:
        for read_noise in READ_NOISES:
            for gain in GAINS:
                frame = simulated(width, height, read_noise)
                frame = frame if gain == 1 else frame.astype(np.uint16) * np.uint16(gain)
                spots, ratio, theirs, ours = measure(frame, MIN_MASS * gain, repeats)
                name = f"{width} x {height}"
                figures = f"{spots:6d} {theirs:11.1f} {ours:7.2f} {ratio:6.1f}"
                print(f"{name:<12} {read_noise:5.1f}  {frame.dtype!s:<6} {figures}")


if __name__ == "__main__":
    main()
