import pytest
from click.testing import CliRunner

from nta.errors import SettingsError, UsageError
from nta.simulation import Lognormal, Mixture, OneSize, Scene, Table, Truth
from nta_cli.simulate import simulate

SHORT = ["--n-frames", "5", "--width-px", "64", "--height-px", "48", "--particles-per-frame", "3"]


def run(*arguments, ok=True):
    result = CliRunner().invoke(simulate, [str(a) for a in arguments])
    if ok:
        assert result.exit_code == 0, (result.output, result.exception)
    return result


def test_defaults_are_those_of_the_scene(tmp_path):
    result = run(tmp_path / "a.avi", *SHORT)
    expected = Scene(n_frames=5, width_px=64, height_px=48, particles_per_frame=3.0)
    assert Truth.load(tmp_path / "a.truth.json").scene == expected
    assert "in view" in result.stdout


def test_every_option_reaches_the_scene(tmp_path):
    population = tmp_path / "p.csv"
    population.write_text("diameter_nm,weight\n90,1\n110,2\n", encoding="utf-8")
    numbers = {
        "concentration_per_ml": 2e9,
        "seed": 5,
        "mpp": 0.166,
        "fps": 25.0,
        "exposure_ms": 15.0,
        "viscosity_mpas": 0.9,
        "sub_steps": 20,
        "sheet_fwhm_um": 8.0,
        "psf_sd_um": 0.25,
        "defocus_um": 2.5,
        "brightness_exponent": 3.0,
        "brightness_cv": 0.1,
        "reference_diameter_nm": 110.0,
        "reference_photoelectrons": 5000.0,
        "dimming": 0.8,
        "wavelength_nm": 488.0,
        "scattering_angle_deg": 80.0,
        "particle_index": 1.45,
        "stray_photoelectrons": 3.0,
        "gradient_x": 0.1,
        "gradient_y": -0.1,
        "gain": 3.0,
        "read_noise": 10.0,
        "offset": 150.0,
        "width_px": 64,
        "height_px": 48,
    }
    names = {"viscosity_mpas": "viscosity"}
    options = [f"--{names.get(k, k).replace('_', '-')}={v}" for k, v in numbers.items()]
    others = ["--temperature=21", "--medium=pbs", "--brightness=rgd", "--bit-depth=16", "--duration-s=0.2"]
    flow = ["--flow-um-s", "4", "-3"]
    run(tmp_path / "a.tif", *options, *others, *flow, "--population", population, "--positions", "--quiet")
    scene = Truth.load(tmp_path / "a.truth.json").scene
    assert scene == Scene(
        **numbers,
        population=Table((90.0, 110.0), (1.0, 2.0)),
        temperature_c=21.0,
        medium="pbs",
        brightness="rgd",
        bit_depth=16,
        n_frames=5,
        flow_um_s=(4.0, -3.0),
    )
    assert (tmp_path / "a.truth.parquet").exists()


@pytest.mark.parametrize(
    ("options", "population"),
    [
        (["--mode-nm", "100"], OneSize(100.0)),
        (["--mode-nm", "100", "--cv-percent", "10"], Lognormal(100.0, 0.1)),
        (["--cv-percent", "0"], OneSize(107.0)),
        (
            ["--mode-nm", "100", "--mode-nm", "200", "--share", "1", "--share", "3"],
            Mixture((OneSize(100.0), OneSize(200.0)), (1.0, 3.0)),
        ),
    ],
)
def test_modes_make_the_population(tmp_path, options, population):
    run(tmp_path / "a.avi", *SHORT, "--quiet", *options)
    assert Truth.load(tmp_path / "a.truth.json").scene.population == population


def test_quiet_says_nothing(tmp_path):
    assert run(tmp_path / "a.avi", *SHORT, "--quiet").output == ""


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--temperature", "298"], SettingsError),
        (["--mpp", "166"], SettingsError),
        (["--n-frames", "5", "--duration-s", "1"], SettingsError),
        (["--duration-s", "-1"], SettingsError),
        (["--population", "absent.csv"], UsageError),
        (["--population", "absent.csv", "--mode-nm", "100"], SettingsError),
    ],
)
def test_wrong_use_is_one_of_our_errors_and_writes_nothing(tmp_path, options, error):
    result = run(tmp_path / "a.avi", *options, ok=False)
    assert isinstance(result.exception, error)
    assert list(tmp_path.iterdir()) == []


def test_help_states_units_and_defaults():
    text = run("--help").output
    for word in (
        "[0.14]",
        "[24.9825]",
        "[32.5]",
        "µm/s",
        "per mL",
    ):
        assert word in text


def test_a_file_that_is_there_is_not_replaced_unasked(tmp_path):
    video = tmp_path / "capture.avi"
    video.write_bytes(b"an original")
    result = run(video, *SHORT, ok=False)
    assert isinstance(result.exception, UsageError)
    assert "exists and may be a capture" in str(result.exception)
    assert video.read_bytes() == b"an original"
    run(video, *SHORT, "--overwrite")
    assert video.stat().st_size > 100
