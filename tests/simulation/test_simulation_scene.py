import json
from fractions import Fraction

import pytest

from nta.errors import SettingsError
from nta.settings import PRESETS, Settings, resolve
from nta.simulation import Lognormal, OneSize, Scene


def test_defaults_are_the_ns300_preset():
    scene, preset = Scene(), PRESETS["ns300"]
    known = resolve(Settings())[0]
    got = scene.acquisition
    for name in ("mpp", "fps", "exposure_ms", "temperature_c", "viscosity_mpas", "depth_um"):
        assert getattr(got, name) == getattr(known, name)
    assert (scene.mpp, scene.fps, scene.exposure_ms) == (preset.mpp, preset.fps, preset.exposure_ms)
    assert Fraction(scene.fps).limit_denominator(100_000) == Fraction(9993, 400)


def test_concentration_and_particles_per_frame_are_two_words_for_one_thing():
    scene = Scene(particles_per_frame=50.0)
    per_ml = 50.0 / (640 * 0.14e-4 * 480 * 0.14e-4 * 10e-4)
    assert scene.density_per_um3 * 1e12 == pytest.approx(per_ml)
    assert Scene(concentration_per_ml=per_ml).in_view_mean == pytest.approx(50.0)


def test_scene_survives_json():
    scene = Scene(population=OneSize(80.0), flow_um_s=(1.0, 2.0), bit_depth=16, gain=2.0, concentration_per_ml=1e8)
    assert Scene.from_dict(json.loads(json.dumps(scene.to_dict()))) == scene


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature_c": 298.0}, "kelvin"),
        ({"mpp": 166.0}, "nm"),
        ({"fps": -1.0}, "frames per second"),
        ({"exposure_ms": 41.0}, "longer than a frame"),
        ({"viscosity_mpas": 0.00089}, r"Pa·s"),
        ({"concentration_per_ml": 1e8, "particles_per_frame": 50.0}, "give one"),
        ({"concentration_per_ml": -1.0}, "below 0"),
        ({"concentration_per_ml": 1e13}, "20000"),
        ({"sub_steps": 8}, "below 12"),
        ({"width_px": 4}, "width_px"),
        ({"n_frames": 0}, "n_frames"),
        ({"seed": -1}, "seed"),
        ({"sheet_fwhm_um": 0.0}, "above zero"),
        ({"psf_sd_um": float("nan")}, "finite"),
        ({"flow_um_s": (float("inf"), 0.0)}, "finite"),
        ({"brightness": "bright"}, "rgd"),
        ({"scattering_angle_deg": 0.0}, "180"),
        ({"gradient_x": 2.0}, "1.9"),
        ({"gradient_x": 1.0, "gradient_y": -1.0}, "corner"),
        ({"bit_depth": 12}, "neither 8 nor 16"),
        ({"offset": 256.0}, "255"),
        ({"gain": 0.0}, "above zero"),
        ({"read_noise": -1.0}, "read_noise"),
        ({"particle_index": 0.9}, "particle_index"),
        ({"dimming": -0.1}, "dimming"),
    ],
)
def test_impossible_scenes_are_refused_with_a_way_out(change, message):
    with pytest.raises(SettingsError, match=message):
        Scene(**change)


def test_unknown_parameters_are_refused():
    with pytest.raises(SettingsError, match="wind"):
        Scene.from_dict({"wind": 3})


def test_default_population_is_the_exosome_case():
    assert Scene().population == Lognormal(107.0, 0.275)
