"""The shipped videos are what their script makes and what their README says."""

import importlib.util
import itertools
from pathlib import Path

import numpy as np
import pytest

from nta.simulation import Lognormal, Mixture, OneSize, Scene, Truth, frames, observe
from nta.simulation.truth import truth_path
from nta.video import open_video

FOLDER = Path(__file__).parents[2] / "sample_videos"


def scenes() -> dict[str, Scene]:
    spec = importlib.util.spec_from_file_location("make_samples", FOLDER / "make_samples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SCENES


SCENES = scenes()


@pytest.mark.parametrize("name", SCENES)
def test_decoded_frames_and_truth_are_those_of_the_script(name):
    scene = SCENES[name]
    for made, read in itertools.islice(zip(frames(scene), open_video(FOLDER / name).frames(), strict=False), 25):
        np.testing.assert_array_equal(made, read)
    kept, seen = Truth.load(truth_path(FOLDER / name)), observe(scene)
    assert kept.scene == scene
    np.testing.assert_array_equal(kept.frames_in_view, seen.frames_in_view)
    np.testing.assert_allclose(kept.diameter_nm, seen.diameter_nm, atol=5e-4)


@pytest.mark.parametrize("name", SCENES)
def test_acquisition_is_the_default_preset_and_the_liquid_flows(name):
    scene, default = SCENES[name], Scene()
    for field in ("mpp", "fps", "exposure_ms", "temperature_c", "medium", "viscosity_mpas", "sheet_fwhm_um"):
        assert getattr(scene, field) == getattr(default, field)
    assert np.hypot(*scene.flow_um_s) >= 5.0
    assert Truth.load(truth_path(FOLDER / name)).n_distinct >= 150


def test_the_three_are_small_enough_and_the_exosomes_long_enough():
    assert sum((FOLDER / name).stat().st_size for name in SCENES) <= 30e6
    exosomes = SCENES["exosomes_107nm.avi"]
    assert exosomes.population == Lognormal(107.0, 0.275)
    assert exosomes.n_frames >= 600
    assert (exosomes.width_px, exosomes.height_px) == (320, 240)
    assert Truth.load(truth_path(FOLDER / "exosomes_107nm.avi")).n_distinct >= 200
    assert SCENES["beads_100nm.avi"].population == OneSize(100.0)
    assert SCENES["mixture_100_200nm.avi"].population == Mixture((OneSize(100.0), OneSize(200.0)), (1.0, 1.0))
