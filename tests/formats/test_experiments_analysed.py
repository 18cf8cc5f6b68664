"""``nta analyze x.nano``: the captures of an experiment, each with its own values; and what a video finds beside it."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from exports_made import write_nano

import nta
from nta.errors import UsageError
from nta.inputs import Input, flags_of_inputs, settings_beside
from nta.report import summary_schema
from nta.settings import Settings, Sourced
from nta.simulation import OneSize, Scene, simulate

NAMES = ("ev d200 2021-04-01 15-28-20.avi", "ev d200 2021-04-01 15-29-30.avi")
N_FRAMES = 70


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two captures of one experiment, as an instrument leaves them."""
    folder = tmp_path_factory.mktemp("experiment")
    for seed, name in enumerate(NAMES):
        scene = Scene(
            population=OneSize(120.0),
            width_px=200,
            height_px=150,
            particles_per_frame=12.0,
            n_frames=N_FRAMES,
            seed=seed + 1,
        )
        simulate(scene, folder / name)
    values = {"temperature": [26.1, 24.4], "viscosity": [0.867, 0.901], "frames": N_FRAMES}
    write_nano(folder / "ev d200 2021-04-01 15-28-16.nano", NAMES, **values)
    return folder


@pytest.fixture(scope="module")
def experiment(folder):
    return nta.analyze(folder / "ev d200 2021-04-01 15-28-16.nano")


def codes(measurement):
    return [one.code for one in measurement.flags]


def test_an_experiment_is_its_captures_with_their_own_values(experiment, folder):
    assert [Path(one.path).name for one in experiment.captures] == list(NAMES)
    assert experiment.sample == "harvest 3"
    assert experiment.values["temperature_c"] == Sourced([26.1, 24.4], "sidecar")
    assert experiment.values["viscosity_mpas"] == Sourced([0.867, 0.901], "sidecar")
    for name, value in (("mpp", 0.14), ("fps", 24.9825), ("exposure_ms", 32.5)):
        assert experiment.values[name] == Sourced(value, "sidecar")
    taken = [one.acquisition for one in experiment.tracks.captures]
    assert [one.temperature_c for one in taken] == [26.1, 24.4]
    assert experiment.values["experiment"] == Sourced("ev d200 2021-04-01 15-28-16.nano", "sidecar")
    assert experiment.values["diluent"].value == "PBS"
    assert experiment.values["time_captured"].value == "2021-04-01T15:28:16"
    jsonschema.validate(experiment.summary(), summary_schema())


def test_its_pixel_size_is_unverified_and_its_dilution_not_recorded(experiment):
    assert "pixel_size_unverified" in codes(experiment)
    assert experiment.values["dilution"].value is None
    assert experiment.concentration.stock is None
    (proposal,) = [one for one in experiment.flags if one.code == "dilution_in_name"]
    assert "--dilution 200" in proposal.message
    assert "exposure_unknown" not in codes(experiment)


def test_a_stated_dilution_ends_the_proposal(folder):
    found = nta.analyze(folder / NAMES[0], dilution=200)
    assert "dilution_in_name" not in codes(found)
    assert found.concentration.stock.value == pytest.approx(200 * found.concentration.measured.value)


def test_a_video_beside_an_experiment_takes_its_values(folder):
    found = nta.analyze(folder / NAMES[1])
    assert found.values["temperature_c"] == Sourced(24.4, "sidecar")
    assert found.sample == Path(NAMES[1]).stem


def test_the_command_line_ranks_above_the_experiment(folder):
    found = nta.analyze(folder / NAMES[1], temperature_c=30.0, mpp=0.15)
    assert found.values["temperature_c"] == Sourced(30.0, "command_line")
    assert found.values["mpp"] == Sourced(0.15, "command_line")
    # The viscosity that was written down belongs to 24.4 °C.
    assert found.values["viscosity_mpas"].value == pytest.approx(0.797, abs=0.002)
    assert "pixel_size_unverified" not in codes(found)


def copied(folder: Path, target: Path, *names: str) -> None:
    for name in names:
        (target / name).write_bytes((folder / name).read_bytes())


def test_a_capture_that_is_not_there_is_said_and_the_others_are_measured(folder, tmp_path):
    copied(folder, tmp_path, NAMES[0])
    write_nano(tmp_path / "e.nano", NAMES, frames=N_FRAMES)
    found = nta.analyze(tmp_path / "e.nano")
    assert [one.status for one in found.captures] == ["ok", "rejected"]
    (told,) = [one for one in found.flags if one.code == "capture_rejected"]
    assert f"{NAMES[1]!r} is listed in 'e.nano' and does not lie beside it" in told.message


def test_an_experiment_without_any_capture_is_rejected(tmp_path):
    write_nano(tmp_path / "e.nano", NAMES)
    found = nta.analyze(tmp_path / "e.nano")
    assert (found.status, found.status_code) == ("rejected", "missing_capture")
    jsonschema.validate(found.summary(), summary_schema())


def test_a_damaged_experiment_is_rejected(tmp_path):
    (tmp_path / "e.nano").write_text("[Filenames]\na.avi\n[Details]\nnonsense\n")
    found = nta.analyze(tmp_path / "e.nano")
    assert (found.status, found.status_code) == ("rejected", "damaged")


def test_frame_rates_that_disagree_are_a_conflict_unless_one_is_stated(folder, tmp_path):
    copied(folder, tmp_path, NAMES[0])
    write_nano(tmp_path / "e.nano", NAMES[:1], fps=30, shutter=32.5, frames=N_FRAMES)
    found = nta.analyze(tmp_path / NAMES[0])
    (told,) = [one for one in found.flags if one.code == "fps_conflict"]
    assert "e.nano states 30 frames per second and the video 24.98" in told.message
    assert found.values["fps"] == Sourced(30.0, "sidecar")
    for agreeing in (24.9825, 30.0):
        found = nta.analyze(tmp_path / NAMES[0], fps=agreeing)
        assert not {"fps_conflict", "fps_overridden"}.intersection(codes(found))


def test_a_frame_rate_that_no_file_states_is_told_with_what_it_does_to_sizes(folder, tmp_path):
    copied(folder, tmp_path, NAMES[0])
    (told,) = [one for one in nta.analyze(tmp_path / NAMES[0], fps=500).flags if one.code == "fps_overridden"]
    # 24.9825/500 = 0.0500: the same steps in a twentieth of the time are those of particles a twentieth as large.
    assert "recorded at 24.9825 frames per second" in told.message
    assert "every size is 0.05 times" in told.message


def test_frames_that_are_missing_against_the_experiment_are_said(folder, tmp_path):
    copied(folder, tmp_path, NAMES[0])
    write_nano(tmp_path / "e.nano", NAMES[:1], frames=100)
    (told,) = [one for one in nta.analyze(tmp_path / NAMES[0]).flags if one.code == "frame_count"]
    assert "states 100 frames and the video holds 70" in told.message


def test_a_value_that_cannot_be_right_is_not_used_and_said(folder, tmp_path):
    copied(folder, tmp_path, NAMES[0])
    write_nano(tmp_path / "e.nano", NAMES[:1], frames=N_FRAMES, temperature=299.25)
    found = nta.analyze(tmp_path / NAMES[0])
    assert found.values["temperature_c"].origin == "assumed"
    (told,) = [one for one in found.flags if one.code == "sidecar_unused"]
    assert "is it in kelvin" in told.message
    assert found.status == "warn"


@pytest.mark.parametrize(("fps", "origin", "flagged"), [(500.0, "video", True), (500.0, "sidecar", True),
                                                        (2.0, "video", True), (500.0, "command_line", False),
                                                        (60.0, "video", False)])  # fmt: skip
def test_an_unlikely_frame_rate_is_said_unless_it_was_stated(fps, origin, flagged):
    flags = flags_of_inputs([Input(Path("a.avi"))], {"fps": Sourced(fps, origin)}, "a")
    assert [one.code for one in flags if one.code == "unlikely_frame_rate"] == ["unlikely_frame_rate"] * flagged


def test_an_export_is_no_capture(tmp_path):
    from exports_made import summary_text

    (tmp_path / "x.csv").write_text(summary_text())
    with pytest.raises(UsageError, match="read it with nta import"):
        nta.analyze(tmp_path / "x.csv")


def test_a_capture_without_anything_beside_it_keeps_its_settings():
    settings = Settings(mpp=0.2)
    assert settings_beside(Input(Path("a.avi")), settings) == settings


def test_beads_confirm_the_pixel_size():
    from types import SimpleNamespace

    values = {"mpp": Sourced(0.14, "sidecar")}
    for measured, confirmed in ((0.1405, True), (0.16, False)):
        beads = SimpleNamespace(mpp_from_beads=measured, mpp_from_beads_sd=0.0005)
        flags = flags_of_inputs([Input(Path("a.avi"))], values, "a", beads)  # type: ignore[arg-type]
        assert ("pixel_size_unverified" in [one.code for one in flags]) is not confirmed


def test_again_into_the_same_folder(folder, tmp_path):
    from click.testing import CliRunner

    from nta_cli.main import cli

    nano = folder / "ev d200 2021-04-01 15-28-16.nano"
    for _ in range(2):
        result = CliRunner().invoke(cli, ["analyze", str(nano), "--quiet"])
        assert result.exit_code == 0, result.output
    out = folder / "ev d200 2021-04-01 15-28-16_nta"
    assert json.loads((out / "summary.json").read_text())["sample"] == "harvest 3"
