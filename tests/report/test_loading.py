"""What was saved comes back."""

import json
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest
from pandas.testing import assert_frame_equal

from nta.errors import RejectedError, UsageError
from nta.report import load, save


def test_a_measurement_comes_back_whole(tmp_path, measurement):
    back = load(save(measurement, tmp_path / "out"))
    # The summary of a drift with two unknown components and of an unknown drift is the same.
    assert back.summary() == json.loads(json.dumps(measurement.summary()))
    assert_frame_equal(back.distribution.table, measurement.distribution.table, check_exact=True)
    assert_frame_equal(back.tracks.table, measurement.tracks.table, check_exact=True)
    assert_frame_equal(back.diffusion.table, measurement.diffusion.table, check_exact=True)
    assert back.ledger == measurement.ledger
    assert back.distribution.n_tracks == measurement.distribution.n_tracks
    assert back.captures == measurement.captures
    assert back.flags == measurement.flags
    assert back.provenance == measurement.provenance


def test_the_acquisition_and_drift_of_every_capture_come_back(tmp_path, example):
    measurement = example("warn_two_captures")
    back = load(save(measurement, tmp_path / "out"))
    assert len(back.tracks.captures) == 2
    for got, expected in zip(back.tracks.captures, measurement.tracks.captures, strict=True):
        for field in fields(expected):
            left, right = getattr(got, field.name), getattr(expected, field.name)
            same = np.array_equal(left, right, equal_nan=True) if isinstance(right, np.ndarray) else left == right
            assert same, field.name


def test_the_number_behind_each_estimate_comes_back(tmp_path, example):
    measurement = example("two_peaks")
    back = load(save(measurement, tmp_path / "out"))
    assert back.size == measurement.size
    assert back.concentration == measurement.concentration


def test_a_loaded_result_saves_to_the_same_bytes(tmp_path, measurement):
    first = save(measurement, tmp_path / "1")
    second = save(load(first), tmp_path / "2")
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_what_is_not_a_result_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is not a result folder of nta"):
        load(tmp_path)
    (tmp_path / "summary.json").write_text('{"schema": "nta.measurement/99"}')
    with pytest.raises(UsageError, match=r"has the schema 'nta\.measurement/99'; this version of nta reads"):
        load(tmp_path)
    (tmp_path / "summary.json").write_text("{")
    with pytest.raises(RejectedError, match=r"is not JSON .*; run nta analyze again"):
        load(tmp_path)


def test_a_lost_file_is_named(tmp_path, example):
    folder = save(example("ok"), tmp_path / "out")
    (folder / "diffusion.parquet").unlink()
    with pytest.raises(UsageError, match=r"lacks 'diffusion\.parquet'"):
        load(folder)


def test_a_damaged_table_is_named(tmp_path, example):
    folder = save(example("ok"), tmp_path / "out")
    path = folder / "tracks.parquet"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RejectedError, match=r"'tracks\.parquet' .* is damaged"):
        load(folder)


def test_reading_draws_nothing():
    code = (
        "import sys, nta.report; nta.report.load; "
        "print([name for name in ('matplotlib', 'jinja2') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
