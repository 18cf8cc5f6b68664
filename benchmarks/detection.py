"""How many times faster than trackpy.locate the fused detector is on one core, with equal results.

    python benchmarks/detection.py [--repeats 9]

Simulated frames with 50 particles. Equal results are asserted first; then trackpy and nta take turns on the
same frame, and the median of the ratios of their times counts, so that a machine that is busy or changes its
pace slows both. Times are those of the processor, which other programs on the machine do not lengthen.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
import trackpy
from timing import Turns, in_turns, machine

from nta.detection.fused_engine import Frame, Locator
from nta.simulation import Scene, frames

SIZES = ((640, 480), (1280, 1024))
READ_NOISES = (0.8, 3.0)  # grey levels of an 8-bit camera
GAINS = (1, 16)  # 16: the frame as the detector sees it when the noise is below a grey level
DIAMETER_PX = 9
MIN_MASS = 150.0  # grey levels: the spots of the larger particles, and hardly any of the noise
COLUMNS = ["y", "x", "mass", "size", "ecc", "signal", "raw_mass", "ep"]


def simulated(width: int, height: int, read_noise: float, per_frame: float = 50.0) -> Frame:
    scene = Scene(
        width_px=width,
        height_px=height,
        n_frames=1,
        seed=1,
        read_noise=read_noise,
        particles_per_frame=per_frame,
    )
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


def measure(frame: Frame, min_mass: float, repeats: int) -> tuple[int, Turns]:
    """Return the number of spots and the times, after asserting that both find the same."""
    locator = Locator(*frame.shape, frame.dtype, DIAMETER_PX)
    rows = locator.locate(frame, min_mass, invert=False)
    assert_equal(rows, with_trackpy(frame, min_mass))
    turns = in_turns(
        lambda: with_trackpy(frame, min_mass), lambda: locator.locate(frame, min_mass, invert=False), repeats, 4
    )
    return len(rows), turns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    print(machine("nta", "trackpy", "numba", "numpy", "scipy"))
    print(f"diameter {DIAMETER_PX} px, one core, equal results asserted, medians of {repeats} interleaved runs")
    print("frame        noise  pixels  spots  trackpy ms  nta ms  ratio")
    for width, height in SIZES:
        for read_noise in READ_NOISES:
            for gain in GAINS:
                frame = simulated(width, height, read_noise)
                frame = frame if gain == 1 else frame.astype(np.uint16) * np.uint16(gain)
                spots, turns = measure(frame, MIN_MASS * gain, repeats)
                name = f"{width} x {height}"
                figures = f"{spots:6d} {1e3 * turns.theirs_s:11.1f} {1e3 * turns.ours_s:7.2f} {turns.ratio:6.1f}"
                print(f"{name:<12} {read_noise:5.1f}  {frame.dtype!s:<6} {figures}")


if __name__ == "__main__":
    main()
