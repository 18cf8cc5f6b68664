"""The tables of a result folder: exact columns, exact numbers, units inside, same bytes."""

import io
import math

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from nta.diffusion import Diffusion
from nta.errors import RejectedError
from nta.estimate import Estimate
from nta.report import tables
from nta.settings import Acquisition
from nta.tracking import Tracks

HEADER = "diameter_nm,density_per_nm,density_low_per_nm,density_high_per_nm,cumulative,concentration_per_ml_per_nm"


def _csv(measurement) -> str:
    return tables.distribution_csv(measurement.distribution, measurement.concentration.measured.value)


def test_distribution_csv_has_exactly_the_columns_of_the_contract(measurement):
    lines = _csv(measurement).splitlines()
    assert lines[0] == HEADER
    assert len(lines) == 1 + len(measurement.distribution.table)


def test_an_empty_distribution_is_the_header_only(example):
    assert _csv(example("blank")) == HEADER + "\n"


@pytest.mark.parametrize("name", ["ok", "two_peaks", "narrow"])
def test_the_numbers_of_the_csv_agree_with_the_summary(example, name):
    measurement = example(name)
    table = pd.read_csv(io.StringIO(_csv(measurement)))
    d = table["diameter_nm"].to_numpy()
    assert np.array_equal(np.diff(d), np.ones(d.size - 1))
    assert np.trapezoid(table["density_per_nm"], d) == pytest.approx(1.0, abs=1e-6)
    total = np.trapezoid(table["concentration_per_ml_per_nm"], d)
    assert total == pytest.approx(measurement.concentration.measured.value, rel=1e-6)
    cumulative = table["cumulative"].to_numpy()
    assert cumulative[0] == 0.0
    assert cumulative[-1] == 1.0
    assert np.all(np.diff(cumulative) >= 0)
    for quantile, estimate in (
        (0.1, measurement.size.d10),
        (0.5, measurement.size.d50),
        (0.9, measurement.size.d90),
    ):
        assert np.interp(quantile, cumulative, d) == pytest.approx(estimate.value, abs=1e-6)


def test_a_missing_concentration_is_an_empty_cell_and_not_zero(example):
    text = tables.distribution_csv(example("ok").distribution, math.nan)
    assert all(line.endswith(",") for line in text.splitlines()[1:])


def test_parquet_is_the_same_bytes_twice_and_carries_units(tmp_path, example):
    tracks = example("ok").tracks
    for name in ("a", "b"):
        tables.write_noun(tmp_path / name, tracks, {"a": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    schema = pq.read_schema(tmp_path / "a")
    units = {field.name: (field.metadata or {}).get(b"unit") for field in schema}
    assert units["x"] == b"px"
    assert units["mass"] == b"grey levels"
    assert None not in units.values()


def test_every_column_of_the_diffusion_table_states_its_unit(tmp_path, example):
    tables.write_noun(tmp_path / "d", example("ok").diffusion)
    units = {field.name: (field.metadata or {}).get(b"unit") for field in pq.read_schema(tmp_path / "d")}
    assert units["diffusion_low_um2_s"] == "µm²/s".encode()
    assert units["diameter_nm"] == b"nm"
    assert None not in units.values()


def test_a_table_keeps_its_types_also_when_it_is_empty(tmp_path, measurement):
    for noun in (measurement.tracks, measurement.diffusion):
        tables.write_noun(tmp_path / "t", noun, {"kept": (1, 2)})
        back, beside = tables.read_noun(tmp_path / "t", type(noun))
        assert beside == {"kept": (1, 2)}
        assert_frame_equal(back.table, noun.table.reset_index(drop=True), check_exact=True)


def test_the_index_of_a_table_made_elsewhere_is_left_out(tmp_path):
    table = pd.DataFrame({"frame": [0, 1], "x": [1.5, 2.5]}).set_index("frame", drop=False)
    tables.write_noun(tmp_path / "t", Tracks(table))
    assert list(tables.read_noun(tmp_path / "t", Tracks)[0].table.columns) == ["frame", "x"]


def test_the_likelihood_of_every_track_comes_back_exactly(tmp_path, example):
    for name in ("ok", "blank"):
        diffusion = example(name).diffusion
        tables.write_noun(tmp_path / "d", diffusion)
        back, _ = tables.read_noun(tmp_path / "d", Diffusion)
        assert back.log_likelihood.shape == diffusion.log_likelihood.shape
        assert np.array_equal(back.log_likelihood, diffusion.log_likelihood, equal_nan=True)
        assert np.array_equal(back.diameters_nm, diffusion.diameters_nm)
        assert back.min_track == diffusion.min_track


@pytest.mark.parametrize(
    "value",
    [
        None, 3, "µ", True, math.inf, -math.inf, (1, (2.5, None)), {"a": {"type": "x"}},
        Estimate(1.0, math.inf, 2.0), Acquisition(0.14, 25.0, 15.0, 25.0, 0.89, 10.0, n_frames=7),
    ],
)  # fmt: skip
def test_the_context_comes_back_as_it_went(value):
    assert tables.decode(tables.encode(value)) == value


def test_arrays_and_tables_in_the_context_come_back_exactly():
    array = np.array([[1.1, math.nan], [3.3, math.inf]])
    back = tables.decode(tables.encode(array))
    assert np.array_equal(back, array, equal_nan=True)
    assert back.dtype == array.dtype
    assert tables.decode(tables.encode(np.zeros((0, 2)))).shape == (0, 2)
    table = pd.DataFrame({"n": [1, 2], "x": [0.1, math.nan]}, index=[4, 9])
    assert_frame_equal(tables.decode(tables.encode(table)), table, check_exact=True)


def test_only_known_types_are_built_from_a_file():
    with pytest.raises(KeyError):
        tables.decode({"type": "Popen", "fields": {"type": "dict", "items": {"args": "true"}}})


@pytest.mark.parametrize("content", [b"", b"PAR1 not really", b"text"])
def test_a_damaged_table_is_rejected_in_one_line(tmp_path, content):
    path = tmp_path / "tracks.parquet"
    path.write_bytes(content)
    with pytest.raises(RejectedError, match=r"'tracks\.parquet' .* is damaged .*; run nta analyze again"):
        tables.read_noun(path, Tracks)
    with pytest.raises(RejectedError, match="damaged"):
        tables.read_distribution(path)
