"""Other people's film and other people's answer: 1 µm spheres in water (see README.md in this folder)."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import trackpy
from click.testing import CliRunner

import nta
from nta.detection import Detections
from nta.errors import NTAError
from nta.lags import short_lag_score
from nta.measurement import Measurement
from nta.settings import Settings
from nta.tracking import Tracks
from nta.tracking.flow import drift_from_links
from nta.tracking.trackpy_engine import link_positions
from nta_cli.main import cli

MPP, FPS = 0.35088, 24.0
OPTIONS = ("--invert", "--mpp", MPP, "--fps", FPS, "--temperature", 20)


@pytest.fixture(scope="module")
def folder(shared_data: Path, require) -> Path:
    path = shared_data / "bulk_water"
    require("data", (path / "bulk_water.tif").is_file(), f"there is no bulk_water.tif in {path}")
    return path


@pytest.fixture(scope="module")
def walkthrough(folder: Path) -> Detections:
    """The features of all 300 frames with the walkthrough's own parameters."""
    settings = Settings(invert=True, mpp=100 / 285, fps=FPS, temperature_c=20, diameter_px=11, min_mass=20.0)
    return nta.detect(nta.open_video(folder / "bulk_water.tif"), settings)


@pytest.fixture(scope="module")
def film(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Measurement, dict]:
    """The compressed film, measured by the command, and what the command printed; its first 5 seconds."""
    out = tmp_path_factory.mktemp("film") / "out"
    arguments = ["analyze", folder / "bulk-water.mov", *OPTIONS, "--frames", "0:120", "-o", out, "--json"]
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return nta.load(out), json.loads(result.stdout)


@pytest.fixture(scope="module")
def stack(folder: Path) -> Measurement:
    """The lossless stack made of that film, measured with nothing stated but the acquisition; 5 seconds."""
    settings = Settings(mpp=MPP, fps=FPS, temperature_c=20, frames=(0, 120))
    return nta.analyze(folder / "bulk_water.tif", settings=settings)


def power_law(msd: pd.DataFrame) -> tuple[float, float]:
    """Return n and A of A t^n, a straight line through the logarithms (as trackpy.utils.fit_powerlaw)."""
    n, log_a = np.polyfit(np.log(msd["lag_s"]), np.log(msd["msd_um2"]), 1)
    return float(n), float(np.exp(log_a))


def diffusion_um2_s(tracks: Tracks) -> float:
    """Return D from the slope of the mean squared displacement over lags of 5 to 24 frames."""
    msd = nta.ensemble_msd(tracks)
    straight = msd[msd["lag_s"].between(4.5 / FPS, 24.5 / FPS)]
    assert len(straight) == 20
    return float(np.polyfit(straight["lag_s"], straight["msd_um2"], 1)[0] / 4)


def as_in_the_walkthrough(linked: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that the walkthrough keeps: tracks of 25 frames, then spots by mass, size and roundness."""
    kept = linked[linked.groupby("particle")["frame"].transform("size") >= 25]
    return kept[(kept["mass"] > 50) & (kept["size"] < 2.6) & (kept["ecc"] < 0.3)]


@pytest.mark.parametrize("number", [0, 150, 299])
def test_positions_are_those_of_trackpy(walkthrough, folder, number):
    frame = next(iter(nta.open_video(folder / "bulk_water.tif").frames(number, number + 1)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        theirs = trackpy.locate(frame, 11, minmass=20, invert=True)
    ours = walkthrough.table[walkthrough.table["frame"] == number]
    assert len(theirs) > 500
    columns = ["y", "x", "mass", "size", "ecc"]
    pd.testing.assert_frame_equal(
        ours[columns].sort_values(["y", "x"], ignore_index=True),
        theirs[columns].sort_values(["y", "x"], ignore_index=True),
    )


def test_the_published_power_law_is_reproduced(walkthrough):
    # Published: n = 1.080, A = 1.602 (µm² at 1 s). link 5 px, memory 3; stubs under 25 frames; drift taken out.
    table = walkthrough.table
    linked = table.assign(particle=link_positions(table[["frame", "x", "y"]], 5.0, 3))
    kept = as_in_the_walkthrough(linked).sort_values(["particle", "frame"], ignore_index=True)
    assert kept["particle"].nunique() == pytest.approx(1035, rel=0.01)
    assert len(kept) / 300 == pytest.approx(254, rel=0.01)
    drift = drift_from_links(kept, 300, FPS)
    still = kept[["frame", "particle", "x", "y"]].assign(
        x=kept["x"] - drift[kept["frame"], 0], y=kept["y"] - drift[kept["frame"], 1]
    )
    n, a = power_law(nta.ensemble_msd(still, walkthrough.acquisition))
    assert n == pytest.approx(1.080, rel=0.02)
    assert a == pytest.approx(1.602, rel=0.02)


def test_our_linking_gives_that_power_law_too(walkthrough):
    # The same cuts after nta's own linking, in the moving frame and with improbable links cut
    tracks = nta.link(walkthrough, Settings(search_range_px=5.0, memory=3))
    kept = as_in_the_walkthrough(tracks.table)
    plain = kept[["capture", "particle", "frame", "x", "y"]]
    n, a = power_law(nta.ensemble_msd(replace(tracks, table=plain)))
    assert n == pytest.approx(1.080, rel=0.02)
    assert a == pytest.approx(1.602, rel=0.05)
    assert 0.41 < diffusion_um2_s(replace(tracks, table=plain)) < 0.45


def test_the_film_is_measured_and_does_not_go_unnoticed(film):
    measurement, printed = film
    assert 200 < printed["counts"]["particles_per_frame"] < 500
    assert {"short_lags", "lossy_source", "crowded"} <= {flag["code"] for flag in printed["flags"]}
    assert printed["status"] == "warn"
    assert 0.41 < diffusion_um2_s(measurement.tracks) < 0.45
    assert printed["counts"]["tracks_used"] > 500


def test_the_stack_is_measured_and_does_not_go_unnoticed(stack):
    assert 200 < stack.counts.particles_per_frame < 500
    assert "short_lags" in {flag.code for flag in stack.flags}
    assert stack.values["invert"] == (True, "video")
    assert 0.41 < diffusion_um2_s(stack.tracks) < 0.45
    # Steps two apart correlate by +0.08: no blur can do that.
    correlation, z = short_lag_score(list(stack.tracks.flat(5)), 2)
    assert correlation == pytest.approx(0.08, abs=0.03)
    assert z > 4


def test_short_lags_read_low_and_long_ones_do_not(stack):
    # Stokes-Einstein for 1 µm at 20 °C: 0.4286 µm²/s; lag 1 reads 0.24 to 0.40 here
    msd = nta.ensemble_msd(stack.tracks)
    first = float(msd["msd_um2"].iloc[0] / (4 * msd["lag_s"].iloc[0]))
    assert first < 0.9 * diffusion_um2_s(stack.tracks)


def test_the_spheres_of_the_film_are_sized_all_the_same(film):
    # 1 µm latex; single steps, R from the exposure, would read 1.4
    measurement, printed = film
    for name in ("mode", "d50"):
        assert 950 < printed["size_nm"][name]["value"] < 1050
    check_lag(measurement)


def test_the_spheres_of_the_stack_are_sized_all_the_same(stack):
    for size in (stack.size.mode, stack.size.d50):
        assert 950 < size.value < 1050
    check_lag(stack)


def check_lag(measurement: Measurement) -> None:
    """Sizes come from steps of several frames; the flag says which, and what D is there."""
    lag = measurement.diffusion.lag
    assert lag.is_safe
    assert 4 <= lag.frames <= 12
    assert measurement.diffusion.table["n_positions"].min() >= 2 * lag.frames + 1
    # The mean over all that is tracked, the slow ones too; published for 1 µm at 20 °C: 0.4286
    assert 0.40 < lag.diffusion_um2_s < 0.45
    (message,) = (flag.message for flag in measurement.flags if flag.code == "short_lags")
    assert f"steps of {lag.frames} frames" in message
    assert f"{lag.diffusion_um2_s:.2g} µm²/s" in message


def test_parameters_chosen_from_the_film_are_those_of_its_spots(film, stack):
    # The spheres are 1 µm = 2.85 px wide, drawn by the microscope 8 to 11 px wide; the walkthrough takes 11.
    for values in (film[0].values, stack.values):
        assert 7 <= values["diameter_px"].value <= 13
        assert 20 < values["min_mass"].value < 150
        assert values["diameter_px"].origin == values["min_mass"].origin == "video"
        assert values["search_range_px"].value < 12


def test_an_unstated_pixel_size_is_assumed_and_said_so(folder):
    try:
        measurement = nta.analyze(folder / "bulk_water.tif", settings=Settings(frames=(0, 10), roi=(0, 0, 200, 200)))
    except NTAError as error:  # pragma: no cover - a defect, with its own words
        pytest.fail(str(error))
    assert measurement.values["mpp"].origin == "assumed"
    assert "assumed" in {flag.code for flag in measurement.flags}
