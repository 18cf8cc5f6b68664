"""Every flag of the registry is raised by what it is meant for, and by nothing else."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from captures_simulated import Simulated, simulated_capture, together
from tracks_simulated import acquisition, as_table, simulate

import nta.pipeline
import nta.video
from nta.agreement import CaptureResult, Reading, agreement_of
from nta.calibration import Calibration, HoldsFor
from nta.concentration import Concentration
from nta.detection import Appearance, Detections
from nta.diffusion import Diffusion
from nta.distribution import SizeDistribution
from nta.estimate import Estimate
from nta.formats import Sidecar
from nta.inputs import Input, flags_of_inputs
from nta.lags import SafeLag, find_safe_lag, short_lag_score
from nta.quality import FLAGS, Flag, assess, flag, of_agreement, of_calibration, of_size_limit, of_threshold
from nta.quality.counts import of_counts
from nta.quality.picture import of_picture
from nta.sensitivity import Reading as AtThreshold
from nta.sensitivity import ThresholdSensitivity
from nta.settings import Settings, Sourced, resolve
from nta.size_statistics import SizeStatistics
from nta.system_check import Check, Verdict
from nta.tracking import Tracks, as_tracks, link
from nta.video import open_video, write_video
from nta.video.model import Fault
from nta.weighting import VolumeSizes

N_FRAMES = 50
BLANK_FLAGS = {"below_blank", "blank_high", "blank_mismatch"}  # raised in test_blank.py
IMPORT_FLAGS = {"imported", "import_inconsistent", "maker_alert", "tracks_from_table"}  # raised in tests/formats
BATCH_FLAGS = {"duplicate_content"}  # raised in batch/test_run_batch.py
INPUT_FLAGS = {"fps_overridden"}  # raised in formats/test_experiments_analysed.py
VIDEO_FAULTS = (
    "fps_conflict",
    "frame_count",
    "dropped_frames",
    "duplicated_frames",
    "lossy_source",
    "partial",
    "pixel_size",
)


def detections(per_frame: float = 30.0, saturated_share: float = 0.0) -> Detections:
    flat = np.zeros((40, 40), dtype=np.float32)
    appearance = Appearance(flat, 1.0, flat + 1, 2.0, False, saturated_share, 255)
    table = pd.DataFrame({"frame": np.arange(round(per_frame * N_FRAMES)) % N_FRAMES})
    taken = replace(acquisition(), n_frames=N_FRAMES)
    return Detections(table, taken, appearance, 5, (0, 0, 40, 40), 0, 9, 50.0)


def diffusion(n_tracks: int = 300, tracks: Tracks | None = None) -> Diffusion:
    lag = SafeLag() if tracks is None else find_safe_lag(list(tracks.flat(5)))
    return Diffusion(pd.DataFrame({"particle": np.arange(n_tracks)}), min_track=max(5, lag.min_positions), lag=lag)


STATED = Settings(mpp=0.14, fps=25, exposure_ms=32.5, temperature_c=25, medium="water", depth_um=10)
EXPOSURE_UNKNOWN = Settings(mpp=0.14, fps=25, temperature_c=25, medium="water", depth_um=10)
CALIBRATED = Concentration(Estimate(1e8, 9e7, 1.1e8), None, "calibration", 10.0)


def flags_of(
    *,
    per_frame: float = 30.0,
    saturated_share: float = 0.0,
    n_tracks: int = 300,
    tracks: Tracks | None = None,
    settings: Settings = STATED,
    concentration: Concentration = CALIBRATED,
    distribution: SizeDistribution | None = None,
) -> list[Flag]:
    """Return the flags of a capture in which nothing is wrong but what is asked for."""
    return list(
        assess(
            [("a.avi", detections(per_frame, saturated_share))],
            Tracks(Tracks.empty_table()) if tracks is None else tracks,
            diffusion(n_tracks, tracks),
            concentration,
            resolve(settings)[1],
            SizeDistribution.missing() if distribution is None else distribution,
        )
    )


def walkers(
    seed: int,
    exposure_share: float,
    n: int = 250,
    smoothed: bool = False,
    stated_share: float | None = None,
    reach_px: float = math.inf,
) -> Tracks:
    """Return tracks of 5 to 40 frames, blurred and with localisation error; optionally through a smoothed film."""
    random = np.random.default_rng(seed)
    lengths = random.integers(5, 40, n)
    sizes = random.lognormal(np.log(100.0), 0.3, n)
    table = as_table(simulate(random, sizes, lengths, sigma_m=15e-9, exposure_share=exposure_share))
    if smoothed:
        table[["x", "y"]] = (
            table.groupby("particle")[["x", "y"]]
            .transform(lambda path: path.rolling(3, center=True, min_periods=1).mean())
            .to_numpy()
        )
    stated = acquisition((exposure_share if stated_share is None else stated_share) * 40.0)
    tracks = as_tracks(table, stated)
    return replace(tracks, captures=(replace(tracks.captures[0], search_range_px=reach_px),))


def sizes_around(mean_nm: float) -> SizeDistribution:
    """Return a distribution of equal shares from 0.5 to 1.5 times a size."""
    diameter_nm = np.linspace(0.5 * mean_nm, 1.5 * mean_nm, 101)
    table = pd.DataFrame({"diameter_nm": diameter_nm, "cumulative": np.linspace(0.0, 1.0, 101)})
    return replace(SizeDistribution.missing(), table=table)


def flags_of_calibration(mpp: float = 0.1, days: float = 1.0, verdict: Verdict = "pass") -> list[Flag]:
    """Return the flags of a calibration of beads of 0.1 µm per pixel, 25 frames per second and 40 ms a day ago."""
    now = datetime(2026, 5, 4, 12, tzinfo=UTC)
    calibration = Calibration(
        constant_um=12.0,
        relative_sd=0.05,
        parts={},
        holds_for=HoldsFor(mpp, 25.0, 40.0, 2.0, 6.0),
        mpp_from_beads=mpp,
        mpp_from_beads_sd=0.001,
        localisation_error_nm=30.0,
        standards=(),
        suitability=(Check("size_cv", 0.2, 0.15, 0.3, verdict),),
        contradiction=math.nan,
        made_utc=(now - timedelta(days=days)).isoformat(),
        nta="0.1",
    )
    return of_calibration(calibration, [("a.avi", detections())], now)


def flags_of_captures(*captures: Simulated) -> list[Flag]:
    """Return the flags of simulated captures, every value stated and the depth calibrated."""
    named, tracks = together(captures)
    flats = list(tracks.flat(5))
    found = Diffusion(
        pd.DataFrame({"particle": np.arange(sum(len(flat.particles) for _, flat in flats))}),
        captures=tracks.captures,
        lag=find_safe_lag(flats),
    )
    return list(assess(named, tracks, found, CALIBRATED, resolve(STATED)[1], SizeDistribution.missing()))


def flags_of_capture(**fault: Any) -> list[Flag]:
    return flags_of_captures(simulated_capture(np.random.default_rng(8), **fault))


def flags_of_results(d50_nm: tuple[float, ...], sd_nm: float) -> list[Flag]:
    """Return the flags of captures whose sizes are these, each with the same error."""
    results = [CaptureResult(f"{d50:g}.avi", 400, 200, d50_nm=Reading(d50, sd_nm)) for d50 in d50_nm]
    return of_agreement(agreement_of(results))


def flags_of_thresholds(d50_nm: float, per_ml: float) -> list[Flag]:
    """Return the flags of a result of 100 nm and 1e8 per mL that a lower threshold makes these."""
    found = ThresholdSensitivity((AtThreshold(0.8, 33.0, 320, d50_nm, per_ml), AtThreshold(1.0, 30.0, 300, 100.0, 1e8)))
    size = replace(SizeStatistics.missing(), d50=Estimate(100.0, 95.0, 105.0))
    return of_threshold(found, size, CALIBRATED)


def outside_range_flags():
    diffusion = Diffusion(pd.DataFrame({name: np.zeros(200) for name in Diffusion.COLUMNS}))
    return list(nta.pipeline._outside_range(diffusion, SizeDistribution.missing(), Settings(size_range_nm=(800, None))))


def spoken_against(**changes) -> SizeDistribution:
    """Return a distribution around 100 nm with something changed that speaks against it."""
    sized = Estimate(100.0, 95.0, 105.0)
    size = replace(SizeStatistics.missing(), mean=sized)
    return replace(sizes_around(100.0), size=size, mean_by_tracks_nm=100.0, **changes)


FEW_LARGE = VolumeSizes(SizeStatistics.missing(), 3.0, 10.0, "a tenth of the volume lies where 3 particles were seen")


def beside(sample: str = "a", complaints: tuple[str, ...] = (), **values: Sourced) -> list[Flag]:
    """Return the flags of what is stated beside a capture."""
    given = Input(Path("a.avi"), sidecar=Sidecar(complaints=complaints))
    return list(flags_of_inputs([given], values, sample))


CASES: dict[str, Callable[[], list[Flag]]] = {
    "pixel_size_unverified": lambda: beside(mpp=Sourced(0.14, "sidecar")),
    "unlikely_frame_rate": lambda: beside(fps=Sourced(500.0, "video")),
    "dilution_in_name": lambda: beside(sample="ev d200"),
    "sidecar_unused": lambda: beside(complaints=("a.nano: Temperature = 299 is not used",)),
    "volume_uncertain": lambda: flags_of(distribution=spoken_against(volume=FEW_LARGE)),
    "comparison_method": lambda: flags_of(distribution=spoken_against(method="ftla")),
    "sampling_disagrees": lambda: flags_of(distribution=replace(spoken_against(), mean_by_tracks_nm=115.0)),
    "outside_range": lambda: outside_range_flags(),
    "assumed": lambda: flags_of(settings=Settings(mpp=0.14, exposure_ms=32.5)),
    "exposure_unknown": lambda: flags_of(settings=EXPOSURE_UNKNOWN, tracks=walkers(2, 0.81)),
    "wrong_exposure": lambda: flags_of(tracks=walkers(3, 0.81, stated_share=0.1)),
    "size_limit": lambda: flags_of(tracks=walkers(2, 0.81, reach_px=20.0), distribution=sizes_around(20.0)),
    "relative_concentration": lambda: flags_of(concentration=replace_source(CALIBRATED)),
    "calibration_mismatch": lambda: flags_of_calibration(mpp=0.14),
    "calibration_old": lambda: flags_of_calibration(days=91),
    "calibration_unsuitable": lambda: flags_of_calibration(verdict="fail"),
    "below_detection": lambda: flags_of(n_tracks=3, per_frame=0.4),
    "few_tracks": lambda: flags_of(n_tracks=99),
    "sparse": lambda: flags_of(per_frame=14.0),
    "crowded": lambda: flags_of(per_frame=101.0),
    "saturated": lambda: flags_of(saturated_share=0.02),
    "short_lags": lambda: flags_of(tracks=walkers(1, 1.0, smoothed=True)),
    "vibration": lambda: flags_of_capture(vibration_px=0.6),
    "stage_jump": lambda: flags_of_capture(jump=(70, 60.0)),
    "drift": lambda: flags_of_capture(flow_px=(23.0, 0.0)),
    "focus": lambda: flags_of_capture(spot_sd_px=5.0),
    "threshold_sensitive": lambda: flags_of_thresholds(125.0, 1e8),
    "noisy": lambda: flags_of_capture(noise_sd=6.0),
    "valid_tracks": lambda: flags_of_capture(mean_track=3.0),
    "capture_outlier": lambda: flags_of_results((100.0, 101.0, 99.0, 100.5, 110.2), 2.5),
    "captures_disagree": lambda: flags_of_results((100.0, 112.0, 91.0, 95.0, 106.0), 2.5),
}


def replace_source(concentration: Concentration) -> Concentration:
    return replace(concentration, volume_source="nominal")


@pytest.mark.parametrize("code", CASES)
def test_each_fault_raises_its_flag_and_no_other(code):
    flags = CASES[code]()
    assert [found.code for found in flags] == [code]
    assert flags[0].level == FLAGS[code][0]


def test_a_threshold_may_move_the_answer_within_its_interval():
    assert flags_of_thresholds(109.0, 1.2e8) == []
    assert "the concentration (+30% at 0.8 times)" in flags_of_thresholds(100.0, 1.3e8)[0].message
    nothing = of_threshold(ThresholdSensitivity(), SizeStatistics.missing(), Concentration.missing())
    assert nothing == []


def test_a_good_capture_has_no_flag():
    assert flags_of(tracks=walkers(2, 0.81), distribution=sizes_around(100.0)) == []
    assert flags_of(tracks=walkers(2, 0.81, reach_px=40.0), distribution=sizes_around(100.0)) == []


def test_the_flag_of_short_lags_says_which_lags_were_used_and_what_they_gave():
    sized, unsized = CASES["short_lags"]()[0].message, flags_of(tracks=walkers(1, 1.0, n=60, smoothed=True))[0].message
    lag = find_safe_lag(list(walkers(1, 1.0, smoothed=True).flat(5)))
    assert f"steps of {lag.frames} frames in tracks of {lag.min_positions} positions" in sized
    assert f"D is {lag.diffusion_um2_s:.2g} µm²/s (steps of one frame read {lag.short_diffusion_um2_s:.2g})" in sized
    assert "the sizes are wrong" in unsized


def test_an_assumed_exposure_that_does_not_fit_is_told_with_both_sizes():
    agreed = CASES["exposure_unknown"]()[0].message
    assert "32.4 ms is assumed" in agreed
    assert "steps of four" not in agreed
    doubted = flags_of(settings=EXPOSURE_UNKNOWN, tracks=walkers(3, 0.1, n=1000, stated_share=0.9))
    assert [found.code for found in doubted] == ["exposure_unknown"]
    found = re.search(
        r"one frame read ([\d.]+) nm, steps of four, .*, ([\d.]+) nm; ([\d.]+) ms would", doubted[0].message
    )
    assert found
    short, long, exposure_ms = (float(group) for group in found.groups())
    assert short < 0.85 * long
    assert exposure_ms == pytest.approx(4.0, abs=5.0)
    both = flags_of(settings=EXPOSURE_UNKNOWN, tracks=walkers(3, 0.9, n=1000, stated_share=0.0))
    assert [found.code for found in both] == ["wrong_exposure", "exposure_unknown"]


def test_an_assumed_exposure_hardly_matters_where_the_blur_was_fitted():
    flags = flags_of(settings=EXPOSURE_UNKNOWN, tracks=walkers(1, 1.0, smoothed=True))
    assert [found.code for found in flags] == ["short_lags", "exposure_unknown"]
    assert "hardly matters" in flags[1].message


def test_more_blur_than_a_whole_frame_is_no_exposure():
    # Sharp pictures averaged two by two: only neighbouring steps correlate, by 1/2 of their variance, R = 1/4
    table = walkers(4, 0.0).table
    table[["x", "y"]] = (
        table.groupby("particle")[["x", "y"]].transform(lambda path: path.rolling(2, min_periods=1).mean()).to_numpy()
    )
    flags = flags_of(tracks=as_tracks(table, acquisition(40.0)))
    assert [found.code for found in flags] == ["wrong_exposure"]
    assert "or of any other exposure" in flags[0].message


@pytest.mark.parametrize(("limit_nm", "is_raised"), [(54.0, False), (56.0, True), (math.inf, True), (math.nan, False)])
def test_a_twentieth_of_the_particles_may_lie_below_the_limit(limit_nm, is_raised):
    assert bool(of_size_limit(sizes_around(100.0), limit_nm)) == is_raised
    assert of_size_limit(SizeDistribution.missing(), limit_nm) == []


def film(path: Path, n_frames: int = 30, seed: int = 0) -> Path:
    frames = np.random.default_rng(seed).normal(20, 2, (n_frames, 64, 64))
    return write_video(path, np.rint(frames).astype(np.uint8), fps=25.0)


@pytest.fixture
def flags_of_the_road(tmp_path, monkeypatch) -> list[Flag]:
    """The flags of a sample of two captures: one with every fault that a video can have, one that is no video."""

    def faulty(path: Path, **options: Any) -> Any:
        return replace(open_video(path, **options), faults=tuple(Fault(code, "it is so") for code in VIDEO_FAULTS))

    monkeypatch.setattr(nta.pipeline, "open_video", faulty)
    (tmp_path / "bad.avi").write_text("text")
    return list(nta.analyze([film(tmp_path / "a.avi"), tmp_path / "bad.avi"]).flags)


def test_every_flag_of_the_registry_is_raised_here(flags_of_the_road):
    raised = {found.code for found in flags_of_the_road}
    assert {*VIDEO_FAULTS, "capture_rejected", "below_detection"} <= raised
    assert raised | set(CASES) | BLANK_FLAGS | IMPORT_FLAGS | BATCH_FLAGS | INPUT_FLAGS == set(FLAGS)


def test_the_faults_of_videos_are_in_the_registry():
    folder = Path(inspect.getfile(nta.video)).parent
    source = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))
    assert set(re.findall(r"\bFault\(\s*\"(\w+)\"", source)) == set(VIDEO_FAULTS)


def test_flags_come_gravest_first_and_say_one_sentence(flags_of_the_road):
    order = ["fail", "warn", "info"]
    ranks = [order.index(found.level) for found in flags_of_the_road]
    assert ranks == sorted(ranks)
    for found in [*flags_of_the_road, *(one for case in CASES.values() for one in case())]:
        assert found.level == FLAGS[found.code][0]
        assert "\n" not in found.message
        assert not found.message.endswith(".")
        assert ". " not in found.message
        assert "  " not in found.message


def test_messages_have_the_numbers_of_this_measurement():
    assert "2.0%" in CASES["saturated"]()[0].message
    assert "101" in CASES["crowded"]()[0].message
    assert "14.0" in CASES["sparse"]()[0].message
    assert "99" in CASES["few_tracks"]()[0].message
    assert "0.40" in CASES["below_detection"]()[0].message
    assumed = CASES["assumed"]()[0].message
    assert "temperature_c = 25.0" in assumed
    assert "mpp" not in assumed


def test_an_unknown_flag_cannot_be_raised():
    with pytest.raises(KeyError):
        flag("no_such_flag", "it is so")


@pytest.mark.parametrize("seed", range(3))
def test_a_smoothed_film_correlates_them(seed):
    correlation, z = short_lag_score(list(walkers(seed, 0.81, smoothed=True).flat(5)), 2)
    assert correlation > 0.05
    assert z > 4


@pytest.fixture(scope="module")
def clean_frames() -> np.ndarray:
    from nta.simulation import OneSize, Scene, frames

    scene = Scene(
        population=OneSize(150.0), width_px=240, height_px=180, particles_per_frame=14.0, n_frames=140, seed=9
    )
    return np.array(list(frames(scene)))


def score_of(path: Path, frames: np.ndarray) -> float:
    tracks = link(nta.detect(open_video(write_video(path, frames, fps=24.9825))))
    return max(short_lag_score(list(tracks.flat(5)), apart)[1] for apart in (2, 3))


def test_pictures_of_a_clean_capture_pass_and_those_of_a_smoothed_film_do_not(tmp_path, clean_frames):
    assert score_of(tmp_path / "clean.avi", clean_frames) < 4
    grey = clean_frames.astype(float)
    smooth = np.rint((grey[:-2] + 2 * grey[1:-1] + grey[2:]) / 4).astype(np.uint8)
    assert score_of(tmp_path / "smooth.avi", smooth) > 4


def test_a_threshold_that_stays_within_the_interval_is_no_flag():
    """Half 100, half 200 nm: D50 may be either, which its interval says. It reaches up: a fall by a tenth is told."""
    both = replace(SizeStatistics.missing(), d50=Estimate(100.0, 95.0, 201.0))

    def flags_at(d50_nm: float) -> list[Flag]:
        readings = AtThreshold(0.8, 33.0, 320, d50_nm, 1e8), AtThreshold(1.0, 30.0, 300, 100.0, 1e8)
        return of_threshold(ThresholdSensitivity(readings), both, CALIBRATED)

    assert flags_at(195.0) == []
    assert [found.code for found in flags_at(85.0)] == ["threshold_sensitive"]


def test_a_larger_field_holds_more_before_it_is_crowded():
    """150 in 640 x 480 are crowded, in 1280 x 1024 (4.27 times the area) as far apart as 35; 450 there are 105."""
    fields = {"small": (0.0, 0.0, 640.0, 480.0), "large": (0.0, 0.0, 1280.0, 1024.0)}

    def told(per_frame, field):
        empty = Tracks(Tracks.empty_table(), (replace(walkers(2, 0.81).captures[0], field_px=fields[field]),))
        return [one.message for one in of_counts([("a.avi", detections(per_frame))], empty, diffusion(300))]

    assert "15 to 100 measure best" in told(150.0, "small")[0]
    assert told(150.0, "large") == []
    assert "15 to 427 measure best" in told(450.0, "large")[0]
    # A field that is not known, as in a table of tracks, and a smaller one are judged as 640 x 480.
    assert [one.code for one in flags_of(per_frame=101.0)] == ["crowded"]


def test_saturation_of_several_captures_is_said_once():
    shares = (0.0, 0.02, 0.03, 0.004, 0.05)
    found = of_picture([(f"{n}.avi", detections(30.0, share)) for n, share in enumerate(shares)], *_nothing_linked())
    assert [one.code for one in found] == ["saturated"]
    assert found[0].message.startswith("up to 5.0% of the pixels of 1.avi, 2.avi, 3.avi and 1 more are saturated")


def _nothing_linked():
    return Tracks(Tracks.empty_table()), diffusion(300)


def test_too_few_for_any_number_does_not_speak_of_intervals():
    assert "fewer than the sizes and the concentration need" in flags_of(n_tracks=9)[0].message
    assert "the intervals are as wide as that says" in flags_of(n_tracks=10)[0].message


def test_without_a_concentration_nothing_is_relative():
    assert flags_of(concentration=Concentration.missing()) == []
