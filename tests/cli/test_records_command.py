"""`nta list`, `show`, `export`, `mark`, `verify`: what is on record, for people and for programs."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from store_records import SUMMARY, capture, collection, measurement, sample

from nta.store import Store
from nta_cli.main import cli


def run(*args: object):
    return CliRunner().invoke(cli, [str(arg) for arg in args])


@pytest.fixture
def location(tmp_path: Path) -> Path:
    """A store with two samples, one of them with an odd name."""
    path = tmp_path / "nta.sqlite"
    store = Store.open(path, who="tester")
    inputs = {"settings": {"dilution": [1000.0, "sidecar"]}, "method": "0.1.0+abc", "captures": []}
    for number, name in enumerate(("=1+1", "harvest 2"), start=1):
        of = sample(name)
        with store.writing() as writer:
            writer.capture(capture(number))
            writer.collection(collection(of))
            text = json.dumps({**SUMMARY, "sample": name})
            writer.measurement(measurement(number, of, summary=text, inputs=inputs))
    return path


def test_the_list_has_a_line_for_every_sample_for_people_and_for_programs(location):
    result = run("list", location)
    assert result.exit_code == 0, result.output
    assert "=1+1" in result.stdout
    assert "102.0" in result.stdout
    rows = json.loads(run("list", location.parent, "--json").stdout)
    assert [(row["id"], row["sample"], row["stock_per_ml"]) for row in rows] == [
        (1, "=1+1", None),
        (2, "harvest 2", None),
    ]


def test_what_rests_on_a_nominal_depth_is_called_relative(tmp_path):
    number = {"value": 2e11, "low": 1e11, "high": 4e11}
    path = tmp_path / "nta.sqlite"
    with Store.open(path).writing() as writer:
        for identity, name, source in ((1, "by eye", "nominal"), (2, "by beads", "calibration")):
            of = sample(name)
            writer.capture(capture(identity))
            writer.collection(collection(of))
            density = {"measured": number, "stock": number, "volume_source": source}
            text = json.dumps({**SUMMARY, "sample": name, "concentration_per_ml": density})
            writer.measurement(measurement(identity, of, summary=text))
    listed = run("list", path).stdout
    assert listed.count("2e+11") == 2
    assert listed.count("relative: the depth in view is nominal") == 1
    rows = json.loads(run("list", path, "--json").stdout)
    assert [row["volume_source"] for row in rows] == ["nominal", "calibration"]
    assert "stock: 2e+11 (1e+11 to 4e+11) particles/mL, relative" in run("show", path, 1).stdout
    assert "relative" not in run("show", path, 2).stdout


def test_everything_of_a_measurement_is_shown(location):
    result = run("show", location, 2)
    assert result.exit_code == 0, result.output
    for words in (
        "measurement 2: harvest 2, day 1, lot lot A",
        "D50: 102.0 (90.0 to 130.0) nm",
        "D90: - nm",
        "stock: not known",
        "capture /data/2.avi: ok, SHA-256 " + f"{1002:064x}",
        "setting dilution = 1000.0 (sidecar)",
        "assay protein: 12.5 ug_per_ml",
    ):
        assert words in result.stdout
    document = json.loads(run("show", location, 2, "--json").stdout)
    assert document["summary"]["sample"] == "harvest 2"
    assert document["collection"]["facts"] == {"bioreactor": "HF-1"}
    missing = run("show", location, 77)
    assert missing.exit_code == 2
    assert "no measurement 77" in missing.stderr


@pytest.mark.parametrize(("table", "n_rows"), [("samples", 2), ("distributions", 100), ("captures", 2), ("audit", 15)])
def test_tables_are_exported_in_three_formats_with_the_same_rows(location, tmp_path, table, n_rows):
    files = {form: tmp_path / f"out.{form}" for form in ("csv", "json", "parquet")}
    for path in files.values():
        result = run("export", location, "--table", table, "-o", path)
        assert result.exit_code == 0, result.output
    rows = json.loads(files["json"].read_text(encoding="utf-8"))
    assert next(csv.DictReader(files["csv"].read_text().splitlines())).keys() == rows[0].keys()
    frame = pd.read_parquet(files["parquet"])
    assert list(frame.columns) == list(rows[0])
    assert len(frame) == len(rows)
    if table != "audit":
        assert len(rows) == n_rows
    else:
        assert len(rows) >= n_rows
    if table == "samples":
        assert rows[0]["sample"] == "=1+1"  # JSON keeps the raw text
        assert files["csv"].read_text().splitlines()[1].split(",")[3] == "'=1+1"  # a spreadsheet must not run it


def test_an_export_needs_a_format_and_a_place(location, tmp_path):
    unknown = run("export", location, "-o", tmp_path / "out.xlsx")
    assert unknown.exit_code == 2
    assert ".csv, .json or .parquet" in unknown.stderr
    assert run("export", location, "-o", tmp_path / "out.txt", "--as", "csv").exit_code == 0
    nowhere = run("export", location, "-o", tmp_path / "none" / "out.csv")
    assert nowhere.exit_code == 1
    assert "cannot write" in nowhere.stderr


def test_a_decision_goes_on_record_with_its_reason(location):
    assert run("mark", location, 1, "excluded").exit_code == 2  # without a reason
    blank = run("mark", location, 1, "excluded", "--reason", " ")
    assert blank.exit_code == 2
    result = run("mark", location, 1, "excluded", "--reason", "air in the cell")
    assert result.exit_code == 0, result.output
    assert "excluded" in run("list", location).stdout
    assert json.loads(run("list", location, "--json").stdout)[0]["reason"] == "air in the cell"
    assert "decision: excluded, air in the cell" in run("show", location, 1).stdout
    assert run("mark", location, 1, "current", "--reason", "seen again").exit_code == 0
    assert json.loads(run("list", location, "--json").stdout)[0]["decision"] == "current"
    assert run("verify", location).exit_code == 0


def test_verify_says_what_holds_and_names_what_does_not(location):
    result = run("verify", location)
    assert result.exit_code == 0
    assert "records, each as it was written" in result.stdout
    head = result.stdout.split()[-1]
    assert run("verify", location, "--head", head, "--quiet").output == ""
    other = run("verify", location, "--head", "f" * 64)
    assert other.exit_code == 1
    assert "not in the chain" in other.stderr
    connection = sqlite3.connect(location)
    connection.execute("DROP TRIGGER measurements_no_update")
    connection.execute("UPDATE measurements SET d50_nm = 102.5 WHERE id = 2")
    connection.commit()
    connection.close()
    broken = run("verify", location)
    assert broken.exit_code == 1
    assert "measurements row 2 has been changed" in broken.stderr


def test_a_missing_object_breaks_the_record(location):
    store = Store.open(location)
    sha256 = store.objects.put(b"tracks")
    with store.writing() as writer:
        writer.capture(capture(9, spots_sha256=sha256, tracks_sha256=sha256))
    assert run("verify", location).exit_code == 0
    store.objects.path(sha256).unlink()
    broken = run("verify", location)
    assert broken.exit_code == 1
    assert "captures row 3" in broken.stderr


@pytest.mark.parametrize("command", [("list",), ("show", 1), ("verify",), ("export", "-o", "x.csv")])
def test_what_is_no_store_ends_with_3_in_one_line(tmp_path, command):
    name, *rest = command
    result = run(name, tmp_path / "none.sqlite", *rest)
    assert result.exit_code == 3
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "none.sqlite").exists()


def test_the_objects_of_a_server_are_looked_at_where_they_are_said_to_be(postgres, tmp_path):
    url = postgres.new_database()
    store = Store.open(url, objects=tmp_path / "objects")
    sha256 = store.objects.put(b"tracks")
    with store.writing() as writer:
        writer.capture(capture(1, spots_sha256=sha256, tracks_sha256=sha256))
    result = run("verify", url)
    assert result.exit_code == 0
    assert "not looked at" in result.stderr
    assert run("verify", url, "--objects", tmp_path / "objects").stderr == ""
    store.objects.path(sha256).write_bytes(b"else")
    assert run("verify", url, "--objects", tmp_path / "objects").exit_code == 1
