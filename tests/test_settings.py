"""Every choice is checked once, and every value knows where it came from."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from nta.errors import SettingsError
from nta.settings import PRESETS, Acquisition, Settings, resolve


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"mpp": 166}, ["mpp", "166", "nm?", "0.166"]),
        ({"mpp": 0.0}, ["mpp", "positive"]),
        ({"mpp": 0.001}, ["mpp", "0.005"]),
        ({"fps": -5}, ["fps", "-5"]),
        ({"fps": 0.0}, ["fps", "0"]),
        ({"temperature_c": 298.0}, ["temperature_c", "298.0 °C", "kelvin"]),
        ({"temperature_c": -40.0}, ["temperature_c", "-20 to 110"]),
        ({"viscosity_mpas": 0.00089}, ["viscosity_mpas", "Pa·s", "0.89"]),
        ({"viscosity_mpas": 0.0}, ["viscosity_mpas", "positive"]),
        ({"fps": 25.0, "exposure_ms": 50.0}, ["50 ms", "longer than a frame", "40 ms"]),
        ({"exposure_ms": -1.0}, ["exposure_ms"]),
        ({"dilution": 0.0}, ["dilution", "below 1"]),
        ({"depth_um": 0.0}, ["depth_um"]),
        ({"frames": (5, 5)}, ["frames", "5:5"]),
        ({"size_range_nm": (200.0, 100.0)}, ["size_range_nm", "200:100"]),
        ({"size_range_nm": (0.1, None)}, ["size_range_nm", "1 to 10000"]),
        ({"diameter_px": 8}, ["diameter_px", "odd"]),
        ({"roi": (0, 0, 0, 5)}, ["roi"]),
        ({"memory": -1}, ["memory"]),
        ({"min_track": 2}, ["min_track"]),
        ({"seed": -1}, ["seed"]),
        ({"mpp": math.nan}, ["mpp"]),
        ({"fps": math.inf}, ["fps"]),
        ({"instrument": "ns900"}, ["ns900", "ns300"]),
        ({"medium": "blood"}, ["medium", "water"]),
        ({"method": "best"}, ["method", "'penalised'", "'raw'", "'walker'", "'ftla'"]),
        ({"temprature_c": 20.0}, ["temprature_c", "no such setting"]),
    ],
)
def test_an_impossible_value_says_the_value_the_limit_and_the_way_out(values, words):
    with pytest.raises(SettingsError) as fault:
        Settings(**values)
    message = str(fault.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_all_faults_are_said_at_once():
    with pytest.raises(SettingsError) as fault:
        Settings(mpp=166, fps=-1, foo=3)
    for name in ("mpp: ", "fps: ", "foo: "):
        assert name in str(fault.value)


def test_zero_is_a_value():
    settings = Settings(temperature_c=0.0, exposure_ms=0.0, min_mass=0.0, memory=0)
    assert (settings.temperature_c, settings.exposure_ms, settings.min_mass, settings.memory) == (
        0.0,
        0.0,
        0.0,
        0,
    )
    acquisition, values = resolve(settings.updated("command_line", {"exposure_ms": 0.0}))
    assert (acquisition.exposure_ms, values["exposure_ms"]) == (0.0, (0.0, "command_line"))
    assert (acquisition.temperature_c, values["temperature_c"]) == (0.0, (0.0, "settings"))


def test_settings_cannot_be_changed():
    with pytest.raises(Exception, match="frozen"):
        Settings().mpp = 0.2


def test_nothing_known_is_the_preset_and_all_of_it_assumed():
    acquisition, values = resolve(Settings())
    assert (acquisition.mpp, acquisition.fps, acquisition.exposure_ms) == (0.14, 24.9825, 32.5)
    assert {values[name].origin for name in ("mpp", "fps", "exposure_ms", "temperature_c", "viscosity_mpas")} == {
        "assumed"
    }
    assert values["dilution"].value is None


def test_a_named_preset_is_not_an_assumption():
    _, values = resolve(Settings(instrument="ns300"))
    assert {values[name].origin for name in ("mpp", "fps", "exposure_ms", "depth_um")} == {"preset"}


def test_values_rank_command_line_settings_sidecar_video_preset():
    video = SimpleNamespace(fps=30.0, mpp=0.1, exposure_ms=None)
    settings = Settings(mpp=0.2).updated("command_line", {"temperature_c": 37.0})
    _, values = resolve(settings, video, {"fps": 20.0, "mpp": 0.3, "temperature_c": 21.0, "exposure_ms": 15.0})
    assert values["temperature_c"] == (37.0, "command_line")
    assert values["mpp"] == (0.2, "settings")
    assert values["fps"] == (20.0, "sidecar")
    assert values["exposure_ms"] == (15.0, "sidecar")
    _, values = resolve(Settings(), video)
    assert values["fps"] == (30.0, "video")
    assert values["depth_um"] == (PRESETS["ns300"].depth_um, "assumed")


def test_an_assumed_exposure_fits_the_frame_that_was_stated():
    acquisition, values = resolve(Settings(fps=100.0))
    assert acquisition.exposure_ms <= 10.0
    assert values["exposure_ms"].origin == "assumed"


def test_an_exposure_longer_than_the_frame_of_the_video_is_refused():
    video = SimpleNamespace(fps=50.0, mpp=None, exposure_ms=None)
    with pytest.raises(SettingsError, match="longer than a frame"):
        resolve(Settings(exposure_ms=32.5), video)


def test_viscosity_is_as_sure_as_the_temperature_and_the_medium():
    given = {"temperature_c": 20.0, "medium": "water"}
    _, values = resolve(Settings().updated("command_line", given))
    assert values["viscosity_mpas"].origin == "command_line"
    # 1.0016 mPa·s: IAPWS SR6-08 at 20 °C
    assert values["viscosity_mpas"].value == pytest.approx(1.0016, abs=1e-4)
    _, values = resolve(Settings().updated("command_line", {"temperature_c": 20.0}))
    assert values["viscosity_mpas"].origin == "assumed"
    _, values = resolve(Settings(viscosity_mpas=1.2))
    assert values["viscosity_mpas"] == (1.2, "settings")


def test_a_file_is_read_with_the_names_of_the_fields(tmp_path):
    file = tmp_path / "my.toml"
    file.write_text('mpp = 0.2\nmedium = "pbs"\nframes = [0, 500]\nroi = [0, 0, 20, 10]\n')
    settings = Settings.from_toml(file)
    assert (settings.mpp, settings.medium, settings.frames, settings.roi) == (
        0.2,
        "pbs",
        (0, 500),
        (0, 0, 20, 10),
    )
    assert settings.origin("mpp") == "settings"
    assert settings.origin("fps") == "assumed"


@pytest.mark.parametrize("content", [b"mpp = ", b"\xff\xfe", None])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, content):
    file = tmp_path / "my.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"my\.toml") as fault:
        Settings.from_toml(file)
    assert "\n" not in str(fault.value)


def test_the_fingerprint_depends_on_what_is_asked_and_not_on_who_asked():
    assert Settings(mpp=0.2).sha256() == Settings().updated("command_line", {"mpp": 0.2}).sha256()
    assert Settings(mpp=0.2).sha256() != Settings(mpp=0.21).sha256()


def test_an_exposure_in_seconds_is_guessed():
    with pytest.raises(SettingsError, match=r"0\.0325 ms is too short .* is it in s\? Then give 32\.5"):
        Settings(exposure_ms=0.0325)
    assert Settings(exposure_ms=0.0).exposure_ms == 0.0


def test_a_value_that_a_type_refuses_is_named():
    with pytest.raises(
        SettingsError, match=r"min_track: 2 is not possible here: input should be greater than or equal"
    ):
        Settings(min_track=2)


def test_diffusion_and_step_are_those_of_stokes_and_einstein():
    """kB 1.380649e-23, 298.15 K, 0.89 mPa·s, 100 nm: D = 4.90746 µm²/s, sqrt(2 D 0.04 s) = 0.626575 µm."""
    taken = Acquisition(mpp=0.1, fps=25.0, exposure_ms=0.0, temperature_c=25.0, viscosity_mpas=0.89, depth_um=10.0)
    assert taken.diffusion_m2_s(100.0) == pytest.approx(4.90746e-12, rel=2e-6)
    assert taken.step_sd_um(100.0) == pytest.approx(0.626575, rel=2e-6)
    # Four times the size: a quarter of D, half the step.
    np.testing.assert_allclose(taken.diffusion_m2_s(np.array([100.0, 400.0])) / taken.diffusion_m2_s(100.0), [1, 0.25])
    np.testing.assert_allclose(taken.step_sd_um(np.array([100.0, 400.0])) / taken.step_sd_um(100.0), [1, 0.5])
