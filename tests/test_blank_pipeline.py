"""A blank from its video to the result: measured as the sample is, subtracted, on record, saved and loaded."""

from __future__ import annotations

import pytest

import nta
from nta.errors import UsageError
from nta.settings import Settings
from nta.simulation import OneSize, Scene, simulate
from nta.standards import Beads, calibrate

SHAPE = {"width_px": 256, "height_px": 192, "n_frames": 150}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A sample of 130 nm particles, dirt of 80 nm as its blank, and a diluent without any particle."""
    folder = tmp_path_factory.mktemp("blank")
    scenes = {
        "sample": Scene(population=OneSize(130.0), particles_per_frame=30.0, seed=5, **SHAPE),
        "dirt": Scene(population=OneSize(80.0), particles_per_frame=6.0, seed=6, **SHAPE),
        "clean": Scene(population=OneSize(80.0), particles_per_frame=0.0, seed=7, **SHAPE),
    }
    for name, scene in scenes.items():
        simulate(scene, folder / f"{name}.avi")
    return folder


def measured(videos, *blanks):
    settings = Settings(
        mpp=0.14,
        exposure_ms=32.5,
        temperature_c=25.0,
        windows_nm=((100.0, None),),
        blank=tuple(str(videos / b) for b in blanks),
    )
    return nta.analyze(videos / "sample.avi", settings=settings)


def test_what_the_diluent_holds_is_taken_from_the_sample(videos, tmp_path):
    gross, net = measured(videos), measured(videos, "dirt.avi")
    assert gross.blank is None
    assert net.blank.before == gross.concentration.measured
    assert 0.05 < net.blank.fraction < 0.45
    expected = gross.concentration.measured.value - net.blank.concentration.value
    assert net.concentration.measured.value == pytest.approx(expected, rel=1e-6)
    loaded = nta.load(net.save(tmp_path / "out"))
    assert loaded.blank.to_dict() == net.blank.to_dict()
    assert loaded.agreement == net.agreement
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Counted, before the blank" in page
    assert "100 nm and more" in page
    (window,) = net.distribution.windows
    assert 0.0 <= window.by_number.low <= window.by_number.value <= window.by_number.high <= 1.0
    assert loaded.distribution.windows == net.distribution.windows


def test_an_empty_diluent_changes_nothing_and_says_how_much_it_could_hold(videos):
    net = measured(videos, "clean.avi")
    assert net.blank.concentration.value == 0.0
    assert net.blank.concentration.high > 0.0
    assert net.concentration.measured.value == pytest.approx(net.blank.before.value)


def test_a_sample_that_is_its_own_blank_is_below_it(videos):
    net = measured(videos, "sample.avi")
    assert "below_blank" in [flag.code for flag in net.flags]
    assert net.concentration.measured.is_missing
    assert net.blank.limit_per_ml > 0.0
    # No sizes are reported, and nothing is said of their volume.
    assert "volume_uncertain" not in [flag.code for flag in net.flags]


def test_a_blank_that_is_not_there_is_said_before_anything_is_measured(videos):
    with pytest.raises(UsageError, match=r"nothere\.avi"):
        measured(videos, "nothere.avi")


def test_a_blank_takes_its_depth_from_the_calibration_of_the_sample(videos, tmp_path):
    beads = Beads((videos / "sample.avi",), 130.0, 1.2e9)
    taken = Settings(mpp=0.14, exposure_ms=32.5, temperature_c=25.0)
    calibrate((beads,), taken).save(tmp_path / "depth.toml")
    settings = taken.updated(
        "command_line", {"calibration": str(tmp_path / "depth.toml"), "blank": (str(videos / "dirt.avi"),)}
    )
    net = nta.analyze(videos / "sample.avi", settings=settings)
    assert net.status in ("ok", "warn"), net.message
    assert net.concentration.volume_source == "calibration"
    assert 0.0 < net.concentration.measured.value < net.blank.before.value
    # of the same kind: a blank by another depth could not be subtracted
    assert "blank_mismatch" not in [flag.code for flag in net.flags]
