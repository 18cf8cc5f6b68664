"""From beads to a calibration file and on to a sample: small captures of known truth, and the file's own rules."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

import nta
from nta.calibration import Calibration, HoldsFor, Standard, complaints, with_calibration
from nta.errors import SettingsError, UsageError
from nta.estimate import Estimate
from nta.quality import flag
from nta.settings import Settings
from nta.simulation import OneSize, Scene, simulate
from nta.size_statistics import SizeStatistics
from nta.standards import Beads, _weighted_mean, append_trend, read_bead_manifest, trend_path
from nta.standards.suitability import _check, suitability, warnings_of
from nta.system_check import Check
from nta_cli.calibrate import summary_text
from nta_cli.main import cli

OPTIONS = ("--mpp", "0.166", "--fps", "25", "--exposure-ms", "15", "--temperature", "25", "--quiet")
TAKEN = {"mpp": 0.166, "fps": 25.0, "exposure_ms": 15.0}


def film(folder, seed, **changes):
    """A capture of 100 nm beads, 4 s of 200 x 160 px, and its truth."""
    values = {"width_px": 200, "height_px": 160, "n_frames": 100, "particles_per_frame": 12.0, **TAKEN, **changes}
    scene = Scene(population=OneSize(100.0), seed=seed, **values)
    return folder / f"beads_{seed}.avi", simulate(scene, folder / f"beads_{seed}.avi")


def made(**changes):
    """A calibration as a file would hold it."""
    standard = Standard(100.0, 2.0, 1.2e8, 1.0, ("a.avi", 'b "2".avi'), ("0" * 64, "1" * 64), 11.5, 0.07, 101.2)
    values = {
        "constant_um": 11.5,
        "relative_sd": 0.076,
        "parts": {"counting": 0.04, "captures": math.nan, "stated": 0.058, "standards": 0.07, "transfer": 0.03},
        "holds_for": HoldsFor(0.14, 25.0, 32.5, 1.8, 6.6),
        "mpp_from_beads": 0.1412,
        "mpp_from_beads_sd": 0.001,
        "localisation_error_nm": 31.0,
        "standards": (standard,),
        "suitability": (Check("size_deviation", 0.012, 0.05, 0.10, "pass"),),
        "contradiction": math.nan,
        "made_utc": "2026-03-01T08:00:00Z",
        "nta": "0.1",
    }
    return Calibration(**{**values, **changes})


MADE = datetime(2026, 3, 1, 8, tzinfo=UTC)
ACQUISITION = nta.Acquisition(0.14, 25.0, 32.5, 25.0, 0.89, 10.0)


@pytest.fixture(scope="module")
def round_trip(tmp_path_factory):
    """Two captures of beads (seeds 1, 2), calibrated by the command; a capture of a dimmer sample measured with it."""
    folder = tmp_path_factory.mktemp("beads")
    (first, truth), (second, again) = film(folder, 1), film(folder, 2)
    sample, of_sample = film(folder, 3, dimming=0.6)
    in_cell = (truth.concentration_per_ml + again.concentration_per_ml) / 2
    file = folder / "instrument.toml"
    arguments = [str(first), str(second), "--size-nm", "100", "--concentration", str(in_cell * 50), "--dilution", "50"]
    run = CliRunner()
    calibrated = run.invoke(cli, ["calibrate", *arguments, "-o", str(file), *OPTIONS], standalone_mode=False)
    measured = run.invoke(
        cli,
        ["analyze", str(sample), "--calibration", str(file), "-o", str(folder / "out"), *OPTIONS],
        standalone_mode=False,
    )
    return file, calibrated, measured, json.loads((folder / "out" / "summary.json").read_text()), of_sample


def test_a_calibrated_sample_has_its_true_concentration(round_trip):
    """Seeds 1 and 2 calibrate, 3 is measured: |z| < 4 in the stated uncertainties, which are not wide."""
    file, calibrated, measured, summary, truth = round_trip
    assert calibrated.exception is None
    assert measured.exception is None
    calibration = Calibration.load(file)
    found = summary["concentration_per_ml"]
    assert found["volume_source"] == "calibration"
    assert found["depth_um"] == pytest.approx(calibration.depth_um, abs=1e-5)
    assert found["parts"]["volume"] == calibration.relative_sd
    sd = math.log(found["measured"]["high"] / found["measured"]["low"]) / (2 * 1.96)
    assert sd == pytest.approx(math.hypot(found["parts"]["counting"], calibration.relative_sd), rel=1e-6)
    assert abs(math.log(found["measured"]["value"] / truth.concentration_per_ml)) / sd < 4
    assert sd < 0.4
    codes = {flag["code"] for flag in summary["flags"]}
    assert not codes & {"relative_concentration", "calibration_mismatch", "calibration_old"}
    assert summary["values"]["calibration_sha256"] == {"value": calibration.sha256, "origin": "command_line"}


def test_a_calibration_makes_its_own_beads_right(round_trip):
    """The depth found gives back the concentration that was stated: exactly, but for the second fit's own rounding."""
    file, *_ = round_trip
    calibration = Calibration.load(file)
    (standard,) = calibration.standards
    folder = file.parent
    settings = Settings(calibration=str(file), temperature_c=25.0, **TAKEN)
    again = nta.analyze([folder / name for name in standard.videos], dilution=50.0, settings=settings)
    assert again.concentration.stock.value == pytest.approx(standard.concentration_per_ml, rel=0.01)
    # The sheet is 10 µm wide, A = 10/sqrt(ln 2) = 12.01; counts of 4 s are good to about 15 %.
    assert calibration.constant_um == pytest.approx(12.01, rel=0.4)
    assert calibration.mpp_from_beads == pytest.approx(0.166, rel=0.05)
    assert calibration.holds_for.mpp == 0.166
    assert len(standard.sha256) == 2


def test_every_calibration_leaves_a_line_in_the_record(round_trip):
    file, *_ = round_trip
    rows = list(csv.DictReader(trend_path(file).read_text(encoding="utf-8").splitlines()))
    assert [row["calibration"] for row in rows] == ["instrument.toml"]
    assert float(rows[0]["constant_um"]) == Calibration.load(file).constant_um


def test_the_record_grows_and_is_never_rewritten(tmp_path):
    path = append_trend(made(), tmp_path / "a.toml")
    first = path.read_text(encoding="utf-8")
    append_trend(made(constant_um=12.0), tmp_path / "a.toml")
    assert path.read_text(encoding="utf-8").startswith(first)
    assert len(path.read_text(encoding="utf-8").splitlines()) == 3
    path.write_text("something,else\n", encoding="utf-8")
    with pytest.raises(UsageError, match="no trend record"):
        append_trend(made(), tmp_path / "a.toml")


def test_a_calibration_is_read_as_it_was_written(tmp_path):
    made().save(tmp_path / "a.toml")
    read = Calibration.load(tmp_path / "a.toml")
    assert read.standards == made().standards
    assert read.holds_for == made().holds_for
    assert read.suitability == made().suitability
    assert math.isnan(read.parts["captures"])
    assert math.isnan(read.contradiction)
    assert (read.constant_um, read.relative_sd, read.max_age_days) == (11.5, 0.076, 90.0)
    read.save(tmp_path / "b.toml")
    assert (tmp_path / "a.toml").read_bytes() == (tmp_path / "b.toml").read_bytes()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("schema = 1", "not a calibration"),
        ("no toml", "not a TOML file"),
        ('schema = "nta.calibration/1"', "not complete"),
    ],
)
def test_what_is_no_calibration_is_refused(tmp_path, text, fault):
    (tmp_path / "x.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=fault):
        Calibration.load(tmp_path / "x.toml")
    with pytest.raises(UsageError, match="cannot read"):
        Calibration.load(tmp_path / "none.toml")


def test_an_impossible_depth_is_refused(tmp_path):
    made(constant_um=-1.0).save(tmp_path / "a.toml")
    with pytest.raises(UsageError, match="positive"):
        Calibration.load(tmp_path / "a.toml")


def test_only_a_calibration_is_replaced(tmp_path):
    made().save(tmp_path / "a.toml")
    made(constant_um=12.0).save(tmp_path / "a.toml")
    (tmp_path / "settings.toml").write_text("mpp = 0.14\n", encoding="utf-8")
    with pytest.raises(UsageError, match="is no calibration"):
        made().save(tmp_path / "settings.toml")


def test_a_depth_and_a_calibration_contradict_each_other():
    with pytest.raises(UsageError, match="both given"):
        with_calibration(Settings(depth_um=9.0, calibration="a.toml"))
    assert with_calibration(Settings()) == (Settings(), None)


@pytest.mark.parametrize(
    ("changes", "spot_sd_px", "expected"),
    [
        ({}, 1.8, None),
        ({"mpp": 0.1412}, 1.8, None),
        ({"mpp": 0.142}, 1.8, "0.142 µm per pixel and not 0.14"),
        ({"fps": 30.0}, 1.8, "30 frames per second and not 25"),
        ({"exposure_ms": 15.0}, 1.8, "15 ms of exposure and not 32.5"),
        ({}, 2.4, "2.4 px of spot width and not 1.8"),
    ],
)
def test_another_optical_setting_is_told(changes, spot_sd_px, expected):
    found = complaints(made(), [("x.avi", replace(ACQUISITION, **changes), spot_sd_px)], MADE)
    assert (expected is None) == (not found)
    if expected is not None:
        assert list(found) == ["calibration_mismatch"]
        assert expected in found["calibration_mismatch"]


@pytest.mark.parametrize(("days", "is_old"), [(89, False), (91, True)])
def test_an_old_calibration_is_told(days, is_old):
    found = complaints(made(), [], MADE + timedelta(days=days))
    assert ("calibration_old" in found) == is_old
    assert complaints(None, [], MADE) == {}


@pytest.mark.parametrize(
    ("check", "verdict", "words"),
    [
        (
            ("size_deviation", 0.2),
            "fail",
            "beads read 20.0% off their certificate (above 5.0% warns, above 10.0% fails)",
        ),
        (("tracks", 122.0), "warn", "122 beads were sized (below 500 warns, below 100 fails): record more"),
        (("contradiction", 2.6), "warn", "the standards contradict each other by 2.6 of their standard uncertainties"),
        (("warnings", 2.0), "warn", "the captures of the beads raise 2 warnings (above 0 warns): record beads without"),
    ],
)
def test_a_calibration_that_did_not_pass_is_told_with_what_to_do(check, verdict, words):
    found = made(suitability=(_check(*check), _check("size_cv", 0.02)))
    assert found.verdict == verdict
    told = complaints(found, [], MADE)["calibration_unsuitable"]
    assert f"ended with {verdict}: {words}" in told
    assert "spread" not in told  # what passed is not said
    assert complaints(made(suitability=(_check("size_cv", 0.02),)), [], MADE) == {}


def test_every_check_has_its_words_and_one_of_a_later_version_too():
    beads, one = Beads((), 100.0, 1e9), _beads_measured(flags=())
    for check in suitability([beads], [one], math.nan):
        assert not check.sentence.startswith(check.name)
        assert check.advice
    later = Check("stray_light", 3.0, 1.0, 2.0, "fail")
    assert later.sentence == "stray_light is 3 (above 1 warns, above 2 fails)"


def _beads_measured(flags):
    """What a suitability test reads of a measurement of beads."""
    size = SizeStatistics.missing()
    of_size = {name: Estimate(value, value, value) for name, value in {"d50": 101.0, "mean": 101.0, "sd": 2.0}.items()}
    diffusion = SimpleNamespace(table=range(700))
    captures = (SimpleNamespace(flow_um_s=(3.0, 4.0), tracks=900),)
    rates = SimpleNamespace(captures_per_ml=(1.0, 1.1))
    return SimpleNamespace(
        size=replace(size, **of_size), concentration=rates, diffusion=diffusion, captures=captures, flags=flags
    )


def test_what_the_beads_were_warned_of_is_kept_but_for_what_their_number_says():
    flags = [flag("saturated", "2 %"), flag("few_tracks", "only 80"), flag("assumed", "mpp"), flag("saturated", "2 %")]
    measured = [_beads_measured(flags)]
    assert warnings_of(measured) == ("saturated: 2 %",)
    checks = {check.name: check for check in suitability([Beads((), 100.0, 1e9)], measured, math.nan)}
    assert (checks["warnings"].value, checks["warnings"].verdict) == (1.0, "warn")
    assert checks["drift_um_s"].value == 5.0


def test_the_summary_says_what_the_uncertainty_is_made_of_and_what_to_do():
    found = made(suitability=(_check("tracks", 122.0), _check("size_cv", 0.02)), warnings=("saturated: 2 %",))
    text = summary_text(found, Path("a.toml"), Path("a.trend.csv"))
    assert "Its uncertainty    counting 4.0%, certificate 5.8%, other brightness 3.0%" in text
    assert "warn             122 beads were sized (below 500 warns, below 100 fails): record more or longer" in text
    assert "pass             sizes of the beads spread by 2.0% (above 15.0% warns, above 30.0% fails)\n" in text
    assert "of the captures: saturated: 2 %" in text


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("size_deviation", 0.04, "pass"),
        ("size_deviation", 0.06, "warn"),
        ("size_deviation", 0.11, "fail"),
        ("tracks", 600.0, "pass"),
        ("tracks", 300.0, "warn"),
        ("tracks", 50.0, "fail"),
        ("concentration_cv", math.nan, "pass"),
    ],
)
def test_limits_of_the_suitability(name, value, verdict):
    assert _check(name, value).verdict == verdict


def test_standards_that_agree_are_averaged_and_standards_that_do_not_are_told():
    """Two constants with 5 %: by hand, and N = 2000 pairs of them, seed 21: the contradiction is |normal|."""
    mean, sd, contradiction = _weighted_mean([(10.0, 0.05), (10.0, 0.05)])
    assert (mean, contradiction) == (pytest.approx(10.0), 0.0)
    assert sd == pytest.approx(0.05 / math.sqrt(2))
    # ln 1.3 = 0.26236 apart, 0.05 sqrt(2) = 0.070711 expected: 3.7104 of it, and the error grows by as much
    mean, sd, contradiction = _weighted_mean([(10.0, 0.05), (13.0, 0.05)])
    assert mean == pytest.approx(math.sqrt(130.0))
    assert contradiction == pytest.approx(3.7104, abs=1e-4)
    assert sd == pytest.approx(3.7104 * 0.05 / math.sqrt(2), rel=1e-4)
    random = np.random.default_rng(21)
    found = [_weighted_mean([(10 * math.exp(e), 0.05) for e in random.normal(0, 0.05, 2)])[2] for _ in range(2000)]
    assert np.mean(np.array(found) < 1.96) == pytest.approx(0.95, abs=4 * math.sqrt(0.05 * 0.95 / 2000))


def test_a_manifest_names_several_standards(tmp_path):
    file = tmp_path / "beads.csv"
    file.write_text(
        "video,size_nm,concentration_per_ml,dilution\na.avi,100,1e11,1000\nb.avi,100,1e11,1000\nc.avi,200,2e10,\n",
        encoding="utf-8",
    )
    first, second = read_bead_manifest(file)
    assert first == Beads((tmp_path / "a.avi", tmp_path / "b.avi"), 100.0, 1e11, 1000.0)
    assert (second.dilution, second.in_cell_per_ml) == (1.0, 2e10)
    for text, fault in (
        ("video,size_nm\n", "columns"),
        ("video,size_nm,concentration_per_ml\n", "no row"),
        ("video,size_nm,concentration_per_ml\na.avi,,1e9\n", "row 2"),
        ("video,size_nm,concentration_per_ml\na.avi,1e9,1e9\n", "outside 10 to 10000"),
    ):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match=fault):
            read_bead_manifest(file)


@pytest.mark.parametrize(
    "changes",
    [{"size_nm": 1.0}, {"concentration_per_ml": 1.0}, {"size_sd_nm": 200.0}, {"concentration_sd_percent": -1.0}],
)
def test_impossible_beads_are_refused(changes):
    with pytest.raises(SettingsError):
        Beads(**{"videos": (), "size_nm": 100.0, "concentration_per_ml": 1e9, **changes})


@pytest.mark.parametrize("arguments", [[], ["a.avi"], ["a.avi", "--manifest", "b.csv"]])
def test_the_command_says_what_it_needs(tmp_path, arguments):
    result = CliRunner().invoke(cli, ["calibrate", *arguments, "-o", str(tmp_path / "x.toml")], standalone_mode=False)
    assert result.return_value == 2 or isinstance(result.exception, UsageError)
    assert not (tmp_path / "x.toml").exists()
