"""A manifest, with everything that can be wrong with it; a batch that goes on; what it writes."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner

from nta.batch import Sample, find_manifest, folder_names, read_manifest, run_batch, table_columns
from nta.errors import UsageError
from nta.production import daily_yield, harvests_of
from nta.settings import Settings
from nta_cli.main import cli

HEADER = "day,sample,video,dilution,volume_ml\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with videos; what each holds tells the pipeline of the tests how its measurement ends."""
    path = tmp_path / "campaign 1"
    path.mkdir()
    for name in ("a", "b", "c", "d", "e", "f"):
        (path / f"{name}.avi").write_text(f"video {name}")
    for name in ("text", "raise", "usage", "bug", "interrupt"):
        (path / f"{name}.avi").write_text(name)
    return path


def write(folder: Path, rows: str, name: str = "manifest.csv", header: str = HEADER) -> Path:
    path = folder / name
    path.write_text(header + rows, encoding="utf-8")
    return path


def faults(folder: Path, rows: str, header: str = HEADER) -> list[str]:
    with pytest.raises(UsageError) as error:
        read_manifest(write(folder, rows, header=header))
    first, *rest = str(error.value).splitlines()
    assert "manifest.csv" in first
    return rest


def test_rows_with_one_sample_are_its_captures(folder):
    write(folder, "1,x,a.avi,1000,350\n1,x,b.avi,,\n\n2,y,c.avi,,\n,,,,\n")
    manifest = read_manifest(folder)
    assert manifest.samples == (
        Sample("1", "x", (folder / "a.avi", folder / "b.avi"), 1000.0, 350.0),
        Sample("2", "y", (folder / "c.avi",), None, None),
    )


def test_columns_may_stand_in_any_order_and_the_numbers_may_be_left_out(folder):
    write(folder, "a.avi,x,1\n", header="\ufeffvideo, sample ,day\n")
    assert read_manifest(folder).samples == (Sample("1", "x", (folder / "a.avi",)),)


def test_all_faults_are_said_at_once_with_row_and_column(folder):
    said = faults(
        folder,
        "1,x,a.avi,0.5,350\n"  # 2: dilution below 1
        ",y,b.avi,abc,-3\n"  # 3: no day, not a number, negative
        "1,x,none.avi,,\n"  # 4: no such file
        "2,x,c.avi,,\n"  # 5: another day
        "1,z,a.avi,1_000,nan\n"  # 6: the same video again, not plain numbers
        "1,,d.avi,,\n"  # 7: no sample
        "1,w,,,\n"  # 8: no video
        "1,v,e.avi,10,5,9\n",  # 9: too many cells
    )
    expected = [
        ("row 2, column dilution:", "0.5"),
        ("row 3, column day:", "empty"),
        ("row 3, column dilution:", "'abc'"),
        ("row 3, column volume_ml:", "-3"),
        ("row 4, column video:", "none.avi"),
        ("row 5, column day:", "'2'"),
        ("row 6, column video:", "row 2"),
        ("row 6, column dilution:", "1_000"),
        ("row 6, column volume_ml:", "nan"),
        ("row 7, column sample:", "empty"),
        ("row 8, column video:", "empty"),
        ("row 9:", "6 cells"),
    ]
    assert len(said) == len(expected), "\n".join(said)
    for line, (place, words) in zip(said, expected, strict=True):
        assert line.startswith(place)
        assert words in line


def test_captures_of_one_sample_cannot_disagree(folder):
    said = faults(folder, "1,x,a.avi,1000,350\n1,x,b.avi,200,35\n")
    assert [line.partition(":")[0] for line in said] == ["row 3, column dilution", "row 3, column volume_ml"]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("day;sample;video\n", "semicolons"),
        ("day,sample\n", "column video: missing"),
        ("day,sample,video,diluton\n", "column diluton: not known"),
        ("day,sample,video,day\n", "column day: stands twice"),
        ("", "missing"),
    ],
)
def test_a_wrong_header_is_said(folder, header, words):
    assert any(words in line for line in faults(folder, "", header=header))


def test_a_manifest_without_rows_or_of_another_encoding_is_said(folder):
    assert faults(folder, "") == ["there is no row below the header; write one for each video"]
    (folder / "manifest.csv").write_bytes(HEADER.encode() + "1,é,a.avi,,\n".encode("latin-1"))
    with pytest.raises(UsageError, match="UTF-8"):
        read_manifest(folder)


def test_the_manifest_is_found_by_its_name_or_by_its_columns(folder):
    with pytest.raises(UsageError, match="holds no CSV"):
        find_manifest(folder)
    (folder / "notes.csv").write_text("a,b\n1,2\n")
    plan = write(folder, "1,x,a.avi,,\n", name="plan.csv")
    assert find_manifest(folder) == plan
    other = write(folder, "1,x,a.avi,,\n", name="other.csv")
    with pytest.raises(UsageError, match=r"2 manifests \(other.csv, plan.csv\)"):
        find_manifest(folder)
    assert find_manifest(other) == other
    assert find_manifest(write(folder, "", name="manifest.csv").parent) == folder / "manifest.csv"
    with pytest.raises(UsageError, match="does not exist"):
        find_manifest(folder / "none")


def test_folder_names_are_portable_and_different():
    names = folder_names([Sample("1", name, ()) for name in ("A b", "a/b", "a_b", "../..", "=1", "é\n漢", "x" * 300)])
    assert names == ("A_b", "a_b-2", "a_b-3", "sample", "1", "é_漢", "x" * 80)
    assert len({name.casefold() for name in names}) == len(names)


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_a_batch_goes_on_and_every_sample_has_its_row(folder, tmp_path, pipeline):
    write(
        folder,
        "1,x,a.avi,1000,350\n1,x,b.avi,,\n2,rejected,text.avi,1000,350\n3,raised,raise.avi,10,1\n"
        "4,wrong,usage.avi,,\n5,broken,bug.avi,,\n6,=last,c.avi,,\n",
    )
    stages: list[tuple[str, int, int | None]] = []
    batch = run_batch(read_manifest(folder), tmp_path / "out", Settings(mpp=0.2), lambda *stage: stages.append(stage))
    assert [outcome.status for outcome in batch.outcomes] == [
        "ok",
        "rejected",
        "failed",
        "failed",
        "failed",
        "ok",
    ]
    assert not batch.all_measured
    rows = read(tmp_path / "out" / "batch.csv")
    assert [row["sample"] for row in rows] == ["x", "rejected", "raised", "wrong", "broken", "'=last"]
    assert [row["status_code"] for row in rows] == [
        "",
        "not_a_video",
        "truncated",
        "usage",
        "internal_error",
        "",
    ]
    assert float(rows[0]["d50_nm"]) == 115.0
    assert float(rows[0]["stock_per_ml"]) == pytest.approx(1e11)
    assert rows[0]["captures"] == "2"
    for row in rows[1:5]:
        assert row["d50_nm"] == row["stock_per_ml"] == row["measured_low_per_ml"] == row["tracks_used"] == ""
        assert row["message"]
    assert rows[5]["stock_per_ml"] == ""
    assert json.loads((tmp_path / "out" / "x" / "summary.json").read_text())["sample"] == "x"
    assert json.loads((tmp_path / "out" / "rejected" / "summary.json").read_text())["status"] == "rejected"
    assert [stage for stage in stages if stage[0] == "samples"] == [("samples", done, 6) for done in range(7)]
    inputs, settings, name = pipeline.calls[0]
    assert (inputs, name) == ((str(folder / "a.avi"), str(folder / "b.avi")), "x")
    assert (settings.mpp, settings.dilution, settings.origin("dilution")) == (0.2, 1000.0, "sidecar")


def test_the_dilution_of_the_settings_fills_only_what_the_manifest_leaves_open(folder, tmp_path, pipeline):
    write(folder, "1,x,a.avi,1000,\n2,y,b.avi,,\n")
    batch = run_batch(read_manifest(folder), tmp_path / "out", Settings(dilution=5.0))
    assert [outcome.dilution for outcome in batch.outcomes] == [1000.0, 5.0]


def test_an_interrupted_batch_leaves_what_was_done_and_can_be_run_again(folder, tmp_path, pipeline):
    write(folder, "1,x,a.avi,,\n2,y,interrupt.avi,,\n3,z,b.avi,,\n")
    with pytest.raises(KeyboardInterrupt):
        run_batch(read_manifest(folder), tmp_path / "out")
    assert [row["sample"] for row in read(tmp_path / "out" / "batch.csv")] == ["x"]
    (folder / "interrupt.avi").write_text("video")
    assert run_batch(read_manifest(folder), tmp_path / "out").all_measured
    assert len(read(tmp_path / "out" / "batch.csv")) == 3


def test_a_folder_with_other_things_is_refused_before_anything_runs(folder, tmp_path, pipeline):
    write(folder, "1,x,a.avi,,\n")
    manifest = read_manifest(folder)
    for occupied in (folder, folder / "a.avi"):
        with pytest.raises(UsageError, match="give "):
            run_batch(manifest, occupied)
    assert pipeline.calls == []


def test_the_columns_are_those_of_every_row():
    assert len(set(table_columns())) == len(table_columns())
    assert table_columns()[:3] == ("day", "sample", "status")
    for name in ("mode_nm", "mode_low_nm", "mode_high_nm", "span", "span_low", "stock_high_per_ml"):
        assert name in table_columns()


def test_a_batch_becomes_harvests_with_their_reasons(folder, tmp_path, pipeline):
    write(folder, "1,x,a.avi,1000,350\n2,y,b.avi,,350\n3,z,c.avi,1000,\n4,w,text.avi,1000,350\n")
    yields = daily_yield(harvests_of(run_batch(read_manifest(folder), tmp_path / "out")))
    assert [harvest.missing for harvest in yields.harvests] == [
        (),
        ("no_dilution",),
        ("no_volume",),
        ("no_measurement",),
    ]
    # 1e8 per mL in the cell x 1000 x 350 mL = 3.5e13, +- 20 %
    assert yields.total.value == pytest.approx(3.5e13)
    assert yields.total.low == pytest.approx(2.8e13)
    assert yields.missing_days == ("2", "3", "4")
    assert yields.is_relative


def run(*args: object):
    return CliRunner().invoke(cli, [str(arg) for arg in args])


def test_the_command_writes_tables_page_and_folders(folder, pipeline):
    write(folder, "1,x,a.avi,1000,350\n2,y,b.avi,1000,410\n")
    result = run("batch", folder)
    assert result.exit_code == 0, result.output
    out = folder.with_name("campaign 1_nta")
    assert {path.name for path in out.iterdir()} == {"batch.csv", "yield.csv", "yield.html", "x", "y"}
    assert "7.6e+13" in result.stdout
    assert "none missing" in result.stdout
    assert result.stderr == ""


def test_the_command_ends_with_1_when_a_sample_failed_and_with_2_for_a_wrong_manifest(folder, tmp_path, pipeline):
    write(folder, "1,x,text.avi,1000,350\n2,y,b.avi,1000,\n")
    result = run("batch", folder, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "no day has a number" in result.stdout
    assert run("batch", folder, "-o", tmp_path / "out2", "--quiet").output == ""
    write(folder, "1,x,none.avi,1000,350\n")
    result = run("batch", folder, "-o", tmp_path / "out3")
    assert result.exit_code == 2
    assert "row 2, column video" in result.stderr
    assert not (tmp_path / "out3").exists()


def test_the_command_prints_strict_json_alone(folder, tmp_path, pipeline):
    write(folder, "1,=x,a.avi,1000,350\n2,y,text.avi,1000,410\n")
    result = run("batch", folder, "-o", tmp_path / "out", "--json")
    document = json.loads(result.stdout, parse_constant=lambda name: math.nan if name else None)
    assert document["schema"] == "nta.batch/1"
    first, second = document["samples"]
    assert first["sample"] == "=x"  # JSON keeps the raw text
    assert (first["d50_nm"], second["d50_nm"], second["status"]) == (115.0, None, "rejected")
    assert document["yield"][-1]["level"] == "sum"
    assert "NaN" not in result.stdout
