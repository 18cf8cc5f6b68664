"""The Python interface as it is documented: these lines work as they are written."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import nta
from nta.simulation import OneSize, Scene, simulate


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    scene = Scene(population=OneSize(120.0), width_px=220, height_px=160, particles_per_frame=12, n_frames=80, seed=8)
    simulate(scene, folder / "video.avi")
    return folder


def test_from_a_video_to_a_measurement_and_back(folder, monkeypatch):
    monkeypatch.chdir(folder)
    m = nta.analyze("video.avi", mpp=0.14)
    assert isinstance(m, nta.Measurement)
    assert m.size.d50.low < m.size.d50.value < m.size.d50.high
    assert m.concentration.stock is None
    assert {"diameter_nm", "density_per_nm"} <= set(m.distribution.table.columns)
    assert {"frame", "particle", "x", "y"} <= set(m.tracks.table.columns)
    assert m.values["mpp"] == (0.14, "command_line")

    m.save("out")
    back = nta.load("out")
    assert back.size.d50.value == pytest.approx(m.size.d50.value)
    pd.testing.assert_frame_equal(back.tracks.table, m.tracks.table)

    figure = m.plot()
    assert figure.axes
    msd = nta.ensemble_msd(m.tracks)
    assert list(msd.columns) == ["lag_s", "msd_um2", "n_pairs"]
    assert msd["msd_um2"].iloc[:5].is_monotonic_increasing


def test_the_steps_one_by_one(folder):
    video = nta.open_video(folder / "video.avi")
    tracks = nta.link(nta.detect(video))
    dist = nta.size_distribution(nta.estimate_diffusion(tracks))
    assert isinstance(tracks, nta.Tracks)
    assert isinstance(dist, nta.SizeDistribution)
    assert dist.size.d50.value == pytest.approx(120.0, rel=0.2)
    density = dist.table
    assert np.trapezoid(density["density_per_nm"], density["diameter_nm"]) == pytest.approx(1.0, abs=1e-6)


def test_every_argument_of_analyze(folder):
    settings = nta.Settings(frames=(0, 40))
    m = nta.analyze(
        folder / "video.avi",
        mpp=0.14,
        fps=25.0,
        temperature_c=25.0,
        viscosity_mpas=0.89,
        exposure_ms=32.5,
        dilution=100.0,
        settings=settings,
    )
    assert {m.values[name].origin for name in ("mpp", "fps", "temperature_c", "viscosity_mpas", "exposure_ms")} == {
        "command_line"
    }
    assert m.concentration.stock.value == pytest.approx(100 * m.concentration.measured.value)
    assert m.captures[0].frames == 40


def test_a_track_table_made_elsewhere_goes_straight_in(folder):
    import warnings

    import trackpy

    trackpy.quiet()
    video = nta.open_video(folder / "video.avi")
    with warnings.catch_warnings():
        # trackpy uses what pandas is about to drop
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        found = [trackpy.locate(frame, 11, minmass=150).assign(frame=n) for n, frame in enumerate(video.frames())]
        table = trackpy.link(pd.concat(found, ignore_index=True), 14)
    diffusion = nta.estimate_diffusion(table)
    assert isinstance(diffusion, nta.Diffusion)
    sizes = nta.size_distribution(diffusion).size
    assert sizes.d50.value == pytest.approx(120.0, rel=0.3)
    acquisition = nta.detect(video).acquisition
    assert len(nta.ensemble_msd(table, acquisition)) > 10


def test_every_public_name_is_there():
    for name in nta.__all__:
        assert getattr(nta, name) is not None
    assert set(nta.__all__) <= set(dir(nta))
    with pytest.raises(AttributeError, match="no_such_name"):
        nta.no_such_name  # noqa: B018


def test_importing_costs_nothing():
    code = "import nta, sys; print(any(m in sys.modules for m in ('numpy', 'pandas', 'trackpy', 'numba')))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "False"
