"""Every flag of the registry is raised by what it is meant for, and by nothing else."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tracks_simulated import acquisition, as_table, simulate

import nta.pipeline
import nta.video
from nta.concentration import Concentration
from nta.detection import Appearance, Detections
from nta.diffusion import Diffusion
from nta.distribution import SizeDistribution
from nta.estimate import Estimate
from nta.quality import FLAGS, Flag, assess, flag, short_lag_score
from nta.settings import Settings, resolve
from nta.tracking import Tracks, as_tracks, link
from nta.video import open_video, write_video
from nta.video.model import Fault

N_FRAMES = 50
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
    appearance = Appearance(flat, 1.0, flat + 1, 2.0, True, False, saturated_share, 255)
    table = pd.DataFrame({"frame": np.arange(round(per_frame * N_FRAMES)) % N_FRAMES})
    taken = replace(acquisition(), n_frames=N_FRAMES)
    return Detections(table, taken, appearance, 5, (0, 0, 40, 40), 0, 9, 50.0)


def diffusion(n_tracks: int = 300) -> Diffusion:
    return Diffusion(pd.DataFrame({"particle": np.arange(n_tracks)}))


STATED = Settings(mpp=0.14, fps=25, exposure_ms=32.5, temperature_c=25, medium="water", depth_um=10)
CALIBRATED = Concentration(Estimate(1e8, 9e7, 1.1e8), None, "calibration", 10.0)


def flags_of(
    *,
    per_frame: float = 30.0,
    saturated_share: float = 0.0,
    n_tracks: int = 300,
    tracks: Tracks | None = None,
    settings: Settings = STATED,
    concentration: Concentration = CALIBRATED,
) -> list[Flag]:
    """Return the flags of a capture in which nothing is wrong but what is asked for."""
    return list(
        assess(
            [("a.avi", detections(per_frame, saturated_share))],
            Tracks(Tracks.empty_table()) if tracks is None else tracks,
            diffusion(n_tracks),
            concentration,
            resolve(settings)[1],
        )
    )


def walkers(seed: int, exposure_share: float, n: int = 250, smoothed: bool = False, mean_nm: float = 100.0) -> Tracks:
    """Return tracks of 5 to 40 frames, blurred and with localisation error; optionally through a smoothed film."""
    random = np.random.default_rng(seed)
    lengths = random.integers(5, 40, n)
    sizes = random.lognormal(np.log(mean_nm), 0.3, n)
    table = as_table(simulate(random, sizes, lengths, sigma_m=15e-9, exposure_share=exposure_share))
    if smoothed:
        table[["x", "y"]] = (
            table.groupby("particle")[["x", "y"]]
            .transform(lambda path: path.rolling(3, center=True, min_periods=1).mean())
            .to_numpy()
        )
    return as_tracks(table, acquisition(exposure_share * 40.0))


def outside_range_flags():
    diffusion = Diffusion(pd.DataFrame({name: np.zeros(200) for name in Diffusion.COLUMNS}))
    return list(nta.pipeline._outside_range(diffusion, SizeDistribution.missing(), Settings(size_range_nm=(800, None))))


CASES: dict[str, Callable[[], list[Flag]]] = {
    "outside_range": lambda: outside_range_flags(),
    "assumed": lambda: flags_of(settings=Settings(mpp=0.14)),
    "relative_concentration": lambda: flags_of(concentration=replace_source(CALIBRATED)),
    "below_detection": lambda: flags_of(n_tracks=3, per_frame=0.4),
    "few_tracks": lambda: flags_of(n_tracks=99),
    "sparse": lambda: flags_of(per_frame=14.0),
    "crowded": lambda: flags_of(per_frame=101.0),
    "saturated": lambda: flags_of(saturated_share=0.02),
    "short_lags": lambda: flags_of(tracks=walkers(1, 1.0, smoothed=True)),
}


def replace_source(concentration: Concentration) -> Concentration:
    return replace(concentration, volume_source="nominal")


@pytest.mark.parametrize("code", CASES)
def test_each_fault_raises_its_flag_and_no_other(code):
    flags = CASES[code]()
    assert [found.code for found in flags] == [code]
    assert flags[0].level == FLAGS[code][0]


def test_a_good_capture_has_no_flag():
    assert flags_of(tracks=walkers(2, 0.81)) == []


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
    assert raised | set(CASES) == set(FLAGS)


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


@pytest.mark.parametrize("exposure_share", [0.81, 1.0])
@pytest.mark.parametrize("seed", range(6))
def test_blur_and_localisation_alone_do_not_correlate_steps_two_apart(exposure_share, seed):
    tracks = walkers(seed, exposure_share)
    for apart in (2, 3):
        correlation, z = short_lag_score(tracks, 5, apart)
        assert abs(correlation) < 0.1
        assert z < 4


@pytest.mark.parametrize("seed", range(3))
def test_a_smoothed_film_correlates_them(seed):
    correlation, z = short_lag_score(walkers(seed, 0.81, smoothed=True), 5, 2)
    assert correlation > 0.05
    assert z > 4


def test_the_score_is_a_standard_normal_number_for_clean_tracks():
    # 40 captures of 120 tracks: the mean square of 40 standard normal numbers is 1 ± 0.22
    scores = [short_lag_score(walkers(100 + seed, 0.9, n=120), 5, 2)[1] for seed in range(40)]
    assert 1 - 4 * 0.224 < np.mean(np.square(scores)) < 1 + 4 * 0.224


def test_few_tracks_have_no_score():
    correlation, z = short_lag_score(walkers(1, 1.0, n=19), 5, 2)
    assert np.isnan(correlation)
    assert z == 0.0
    assert short_lag_score(Tracks(Tracks.empty_table()), 5, 2)[1] == 0.0


@pytest.fixture(scope="module")
def clean_frames() -> np.ndarray:
    from nta.simulation import OneSize, Scene, frames

    scene = Scene(
        population=OneSize(150.0), width_px=240, height_px=180, particles_per_frame=14.0, n_frames=140, seed=9
    )
    return np.array(list(frames(scene)))


def score_of(path: Path, frames: np.ndarray) -> float:
    tracks = link(nta.detect(open_video(write_video(path, frames, fps=24.9825))))
    return max(short_lag_score(tracks, 5, apart)[1] for apart in (2, 3))


def test_pictures_of_a_clean_capture_pass_and_those_of_a_smoothed_film_do_not(tmp_path, clean_frames):
    assert score_of(tmp_path / "clean.avi", clean_frames) < 4
    grey = clean_frames.astype(float)
    smooth = np.rint((grey[:-2] + 2 * grey[1:-1] + grey[2:]) / 4).astype(np.uint8)
    assert score_of(tmp_path / "smooth.avi", smooth) > 4
