"""`nta trends`: the samples of a store over time, with limits from a stated lot."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from click.testing import CliRunner
from lot_records import lot_of_days, new_store, record

from nta_cli.main import cli

# D50 of the baseline: 107, 108, 107, ... nm: mean moving range 1, s = 1/1.128 = 0.886, limits 107.5 ± 2.66
BASELINE = lot_of_days(*[1e11] * 6)


@pytest.fixture
def folder(tmp_path):
    later = [
        replace(one, day=one.day.replace("-11-", "-12-"), d50_nm=d50_nm)
        for one, d50_nm in zip(lot_of_days(1e11, 1e11, lot="LOT-8"), (107.5, 115.0), strict=False)
    ]
    record(new_store(tmp_path), *BASELINE, *later)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(cli, ["trends", *map(str, arguments)])


def test_a_lot_gives_the_limits_and_the_rule_is_named_at_the_point(folder):
    document = json.loads(run(folder, "--baseline", "LOT-7", "--json").stdout)
    assert document["schema"] == "nta.trend/1"
    assert document["individuals"]["centre"] == pytest.approx(107.5)
    assert document["individuals"]["high"] == pytest.approx(107.5 + 3.0 / 1.128379, abs=1e-4)
    assert len(document["baseline"]["records"]) == 6
    assert [one["date"][:10] for one in document["points"]][-2:] == ["2026-12-01", "2026-12-02"]
    assert document["points"][-1]["rules"] == [1]
    assert all(1 not in one["rules"] for one in document["points"][:-1])
    shown = run(folder, "--baseline", "LOT-7").output
    assert "Nelson" in shown
    assert "provisional" in shown


def test_a_day_that_is_no_date_goes_by_its_name(folder):
    record(new_store(folder), replace(BASELINE[0], day="third", name="late", lot="LOT-8"))
    rows = [line for line in run(folder, "--baseline", "LOT-7").output.splitlines() if "third" in line]
    assert any(re.match(r"\W*third\W", row) for row in rows)
    assert any(re.match(r"\W*2026-11-01\W", line) for line in run(folder).output.splitlines())


def test_without_a_baseline_the_values_are_listed_without_limits(folder):
    shown = run(folder)
    assert shown.exit_code == 0, shown.output
    assert "no baseline is stated" in shown.output
    assert "115" in shown.output
    document = json.loads(run(folder, "--role", "beads", "--json").stdout)
    assert document["attribute"] == "D50, beads"
    assert "individuals" not in document


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--attribute", "colour"], "no attribute 'colour' can be followed"),
        (["--baseline", "LOT-9"], "no sample is of the lot 'LOT-9'"),
        (["--baseline", "LOT-7", "--role", "pool"], ""),
    ],
)
def test_what_cannot_be_followed(folder, arguments, text):
    done = run(folder, *arguments)
    assert done.exit_code == (2 if text else 0)
    assert text in done.output
