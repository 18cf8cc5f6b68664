"""Results in other programs' layouts: what is written is what was measured, and our own readers agree."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from captures_simulated import simulated_capture
from exports_made import all_tracks_text

import nta
from nta.errors import UsageError
from nta.formats import read_foreign, read_tracks
from nta.formats.record import record_of
from nta.settings import Settings


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    table = simulated_capture(np.random.default_rng(8), n_frames=150, per_frame=30).tracks.table
    path = tmp_path_factory.mktemp("written") / "=cap, 1.csv"
    path.write_text(all_tracks_text(table))
    settings = Settings(mpp=0.14, fps=25.0, exposure_ms=32.5, temperature_c=25, dilution=50, roi=(0, 0, 640, 480))
    return nta.analyze(path, settings=settings)


def test_a_summary_is_read_back_with_the_same_numbers(measured, tmp_path):
    path = nta.export(measured, tmp_path / "x_Summary.csv", "nanosight")
    found = read_foreign(path)
    assert found.complaints == ()
    record = record_of(found)
    for name in ("mode", "mean", "sd", "d10", "d50", "d90"):
        assert getattr(record.size, name).value == pytest.approx(getattr(measured.size, name).value, rel=1e-9)
    assert record.concentration.stock.value == pytest.approx(measured.concentration.stock.value, rel=1e-9)
    assert record.concentration.measured.value == pytest.approx(measured.concentration.measured.value, rel=1e-9)
    assert record.counts.tracks_used == measured.counts.tracks_used
    assert record.values["temperature_c"].value == 25
    # Half a nanometre: bins in place of a curve.
    assert np.interp(0.5, record.distribution.table["cumulative"], record.distribution.table["diameter_nm"]) == (
        pytest.approx(measured.size.d50.value, abs=0.6)
    )


def test_names_cannot_run_as_formulas_or_break_the_table(measured, tmp_path):
    text = nta.export(measured, tmp_path / "x.csv", "nanosight").read_text(encoding="utf-8")
    assert '"\'=cap, 1"' in text
    assert "\n=cap" not in text


def test_positions_in_trackpys_columns_are_measured_alike(measured, tmp_path):
    path = nta.export(measured, tmp_path / "x.csv", "trackpy")
    table = pd.read_csv(path)
    assert {"y", "x", "mass", "frame", "particle", "capture"} <= set(table)
    np.testing.assert_array_equal(table["x"], measured.tracks.table["x"])
    assert read_tracks(path).kind == "trackpy"
    again = nta.analyze(path, mpp=0.14, fps=25.0, exposure_ms=32.5, temperature_c=25.0)
    assert again.size.d50.value == pytest.approx(measured.size.d50.value, rel=0.02)


def test_particles_of_several_captures_stay_apart(measured, tmp_path):
    table = measured.tracks.table
    both = replace(measured.tracks, table=pd.concat([table, table.assign(capture=1)], ignore_index=True))
    path = nta.export(replace(measured, tracks=both), tmp_path / "x.csv", "trackpy")
    assert pd.read_csv(path)["particle"].nunique() == 2 * measured.counts.tracks


def test_parquet_holds_the_curve_and_the_summary(measured, tmp_path):
    path = nta.export(measured, tmp_path / "x.parquet", "parquet")
    arrow = pq.read_table(path)
    table = arrow.to_pandas()
    np.testing.assert_array_equal(table["density_per_nm"], measured.distribution.table["density_per_nm"])
    total = np.trapezoid(table["concentration_per_ml_per_nm"], table["diameter_nm"])
    assert total == pytest.approx(measured.concentration.measured.value, rel=1e-6)
    assert json.loads(arrow.schema.metadata[b"nta_summary"]) == measured.summary()


def test_nothing_is_written_over(measured, tmp_path):
    (tmp_path / "x.csv").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        nta.export(measured, tmp_path / "x.csv", "trackpy")
    with pytest.raises(UsageError, match="there is no folder"):
        nta.export(measured, tmp_path / "no" / "x.csv", "trackpy")
    with pytest.raises(UsageError, match="no layout"):
        nta.export(measured, tmp_path / "y.csv", "excel")  # type: ignore[arg-type]
    assert [path.name for path in Path(tmp_path).iterdir()] == ["x.csv"]


def test_an_empty_result_has_nothing_to_export(rejected_measurement, tmp_path):
    with pytest.raises(UsageError, match="nothing was sized"):
        nta.export(rejected_measurement, tmp_path / "x.csv", "nanosight")
    with pytest.raises(UsageError, match="holds no tracks"):
        nta.export(rejected_measurement, tmp_path / "x.csv", "trackpy")
