"""Make the sample videos again, each with its truth; ``--check`` compares them to the files that are here.

Run without arguments: ``python sample_videos/make_samples.py``. The decoded frames are the same on every
machine.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

import numpy as np

from nta.simulation import Lognormal, Mixture, OneSize, Scene, frames, observe, simulate
from nta.simulation.truth import Truth, truth_path
from nta.video import open_video

HERE = Path(__file__).resolve().parent

# Acquisition is the default of Scene, which is the ns300 preset: 0.14 µm/px, 24.9825 fps, 32.5 ms, 25 °C,
# water. Lossless video is as large as its noise: 0.5 to 0.6 grey levels keep the three together below 30 MB.
SCENES: dict[str, Scene] = {
    # A vesicle is a membrane of constant thickness around liquid. Its scattering goes as the fourth power of
    # its diameter while it is small and flattens towards the first zero of the shell's form factor (215 nm
    # here); 2.5 is the mean slope from 60 to 130 nm. Seed: of 1 to 30 the one whose particles in view are
    # closest to the population (Wasserstein-1 2.0 nm; 2.9 on average) and whose mean
    # squared step is that of all 30 (0.7 % under the law: edges), judged by truth alone.
    "exosomes_107nm.avi": Scene(
        population=Lognormal(107.0, 0.275),
        particles_per_frame=20.0,
        width_px=320,
        height_px=240,
        n_frames=740,
        seed=28,
        flow_um_s=(10.0, 2.0),
        brightness="power",
        brightness_exponent=2.5,
        reference_photoelectrons=7000.0,
        gradient_x=0.2,
        stray_photoelectrons=2.0,
        read_noise=0.5,
    ),
    # Seed: of 100 to 119 one whose mean squared step is that of all 20 (1.7 % under the law: edges), by truth alone.
    "beads_100nm.avi": Scene(
        population=OneSize(100.0),
        particles_per_frame=25.0,
        width_px=320,
        height_px=240,
        n_frames=400,
        seed=108,
        flow_um_s=(12.0, 0.0),
        brightness="rgd",
        reference_photoelectrons=7000.0,
        read_noise=0.6,
    ),
    # Homogeneous spheres: 200 nm send 14 times the light of 100 nm, so that the large ones saturate the
    # camera in the middle of the sheet, as they do in an instrument.
    "mixture_100_200nm.avi": Scene(
        population=Mixture((OneSize(100.0), OneSize(200.0)), (1.0, 1.0)),
        particles_per_frame=25.0,
        width_px=320,
        height_px=240,
        n_frames=400,
        seed=200,
        flow_um_s=(12.0, -3.0),
        brightness="rgd",
        reference_photoelectrons=3000.0,
        read_noise=0.6,
    ),
}


def check(name: str, scene: Scene) -> bool:
    """Return whether the video and the truth beside it are those of the scene."""
    path = HERE / name
    expected, found = frames(scene), open_video(path).frames()
    same_frames = all(
        made is not None and there is not None and np.array_equal(made, there)
        for made, there in itertools.zip_longest(expected, found)
    )
    there, made = Truth.load(truth_path(path)), observe(scene)
    same_truth = there.scene == scene and np.array_equal(there.frames_in_view, made.frames_in_view)
    return same_frames and same_truth


def main() -> int:
    """Make or check all samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare to the files present and write nothing")
    checking = parser.parse_args().check
    differing = 0
    for name, scene in SCENES.items():
        if checking:
            same = check(name, scene)
            differing += not same
            print(f"{name}: {'same' if same else 'DIFFERENT'}")
            continue
        truth = simulate(scene, HERE / name)
        size_mb = (HERE / name).stat().st_size / 1e6
        print(
            f"{name}: {size_mb:.1f} MB, {scene.n_frames} frames, {truth.n_distinct} distinct particles, "
            f"{truth.per_frame:.1f} in view per frame, D50 {truth.quantile_nm(0.5):.1f} nm"
        )
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
