"""A manifest, with everything that can be wrong with it said at once, and what its cells mean."""

from __future__ import annotations

import csv
import io
import os
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tifffile
from exports_made import nano_text, write_nano

from nta.batch import Sample, csv_template, find_manifest, read_manifest
from nta.batch.columns import ALL, COLUMNS
from nta.batch.sources import captures_of_experiment, content_sha256, day_and_sample, is_capture, same_content
from nta.errors import UsageError
from nta.store import Assay, KnownSource


def faults(
    campaign, rows: str, header: str = "day,sample,video,dilution,volume_ml\n", name="manifest.csv"
) -> list[str]:
    with pytest.raises(UsageError) as error:
        read_manifest(campaign.write(rows, header=header, name=name))
    first, *rest = str(error.value).splitlines()
    assert name in first
    return rest


def test_rows_with_one_sample_are_its_captures(campaign):
    campaign.write("1,x,a.avi,1000,350\n1,x,b.avi,,\n\n# a remark\n2,y,c.avi,,\n,,,,\n")
    folder = campaign.folder
    assert read_manifest(folder).samples == (
        Sample("1", "x", (folder / "a.avi", folder / "b.avi"), 1000.0, 350.0, lot="campaign 1"),
        Sample("2", "y", (folder / "c.avi",), None, None, lot="campaign 1"),
    )


def test_columns_may_stand_in_any_order_and_the_numbers_may_be_left_out(campaign):
    campaign.write("a.avi,x,1\n", header="\ufeffvideo, sample ,day\n")
    (sample,) = read_manifest(campaign.folder).samples
    assert (sample.day, sample.name, sample.dilution) == ("1", "x", None)


def test_all_faults_are_said_at_once_with_row_and_column(campaign):
    for number in (1, 2):
        (campaign.folder / f"same{number}.avi").write_text("same bytes")
    said = faults(
        campaign,
        "1,x,a.avi,0.5,350\n"  # 2: dilution below 1
        ",y,b.avi,abc,-3\n"  # 3: no day, not a number, negative
        "1,x,none.avi,,\n"  # 4: no such file
        "2,x,c.avi,,\n"  # 5: another day
        "1,z,a.avi,1_000,nan\n"  # 6: the same video again, not plain numbers
        "1,,d.avi,,\n"  # 7: no sample
        "1,w,,,\n"  # 8: no video
        "1,v,e.avi,10,5,9\n"  # 9: too many cells
        "1,u,none*.avi,,\n"  # 10: a pattern that matches nothing
        "1,t,same*.avi,,\n",  # 11: a capture twice in one sample
    )
    expected = {
        "row 2, column dilution": "0.5",
        "row 3, column day": "empty",
        "row 3, column dilution": "'abc'",
        "row 3, column volume_ml": "-3",
        "row 4, column video": "none.avi",
        "row 5, column day": "'2'",
        "row 6, column video": "row 2",
        "row 6, column dilution": "1_000",
        "row 6, column volume_ml": "nan",
        "row 7, column sample": "empty",
        "row 8, column video": "empty",
        "row 9": "6 cells",
        "row 10, column video": "no file matches",
        "row 11, column video": "same bytes as 'same1.avi'",
    }
    places = [line.partition(":")[0] for line in said]
    assert sorted(places) == sorted(expected), "\n".join(said)
    for line in said:
        assert expected[line.partition(":")[0]] in line


def test_a_wrong_header_hides_no_other_fault(campaign):
    header = "sample,video,colour,dilution,dilution\n"
    said = faults(campaign, "x,none.avi,red,0.5,7\n,b.avi,,ten,\ny,a.avi\nz,a.avi,,,\n", header=header)
    assert [line.partition(":")[0] for line in said] == [
        "row 1, column day",  # missing: said once, and not for every row
        "row 1, column colour",
        "row 1, column dilution",  # twice: the first counts
        "row 2, column video",
        "row 2, column dilution",
        "row 3, column sample",
        "row 3, column dilution",
        "row 5, column video",
    ]
    assert "0.5" in said[4]


def test_captures_of_one_sample_cannot_disagree(campaign):
    said = faults(campaign, "1,x,a.avi,1000,350\n1,x,b.avi,200,35\n")
    assert [line.partition(":")[0] for line in said] == ["row 3, column dilution", "row 3, column volume_ml"]
    assert "row 2" in said[0]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("day;sample\n", "column video: missing"),
        ("day,sample\n", "column video: missing"),
        ("day,sample,video,diluton\n", "column diluton: not known"),
        ("day,sample,video,day\n", "column day: stands twice"),
        ("", "missing"),
    ],
)
def test_a_wrong_header_is_said(campaign, header, words):
    assert any(words in line for line in faults(campaign, "", header=header))


def test_what_a_spreadsheet_saves_is_read_as_it_was_meant(campaign):
    """Semicolons, a decimal comma, a byte order mark, Windows line ends, comments in quotes and padded."""
    (campaign.folder / "caf\u00e9 1.avi").write_text("video with an accent")
    text = (
        '\ufeff"# day, sample";;;;\r\nday;sample;video;dilution;temperature_c\r\n'
        '1;x;"a.avi;b.avi";1000;23,5\r\n1;caf\u00e9;caf\u00e9 1.avi;2,5e2;\r\n;;;;\r\n'
    )
    (campaign.folder / "plan.CSV").write_bytes(text.encode())
    first, second = read_manifest(campaign.folder).samples
    assert (len(first.videos), first.dilution, first.settings) == (2, 1000.0, {"temperature_c": 23.5})
    assert (second.name, second.videos[0].name, second.dilution) == ("caf\u00e9", "caf\u00e9 1.avi", 250.0)
    (campaign.folder / "plan.CSV").write_text("day\tsample\tvideo\n1\tx\ta.avi\n")
    assert read_manifest(campaign.folder).samples[0].name == "x"


@pytest.mark.parametrize("cell", ["1.000", "1,000", "12.500.000"])
def test_a_number_that_is_1000_in_one_country_and_1_in_another_is_said(campaign, cell):
    (said,) = faults(campaign, f"1;x;a.avi;{cell}\n", header="day;sample;video;dilution\n")
    assert said.startswith(f"row 2, column dilution: {cell!r} has two meanings")


def test_a_spreadsheet_or_a_video_in_place_of_a_manifest_is_said(campaign):
    (campaign.folder / "Manifest.xlsx").write_bytes(b"PK\x03\x04\0")
    with pytest.raises(UsageError, match=r"'Manifest\.xlsx' .* save it as CSV UTF-8"):
        read_manifest(campaign.folder)
    campaign.write("1,x,a.avi,,\n", name="Manifest.CSV")
    assert read_manifest(campaign.folder).samples[0].name == "x"
    (campaign.folder / "a.avi").write_bytes(b"RIFF\0\0\0\0AVI ")
    with pytest.raises(UsageError, match="is no manifest; give its folder, or measure it alone with nta analyze"):
        read_manifest(campaign.folder / "a.avi")


def test_a_manifest_without_rows_or_of_another_encoding_is_said(campaign):
    assert faults(campaign, "") == ["there is no row below the header; write one for each video"]
    path = campaign.folder / "manifest.csv"
    path.write_bytes(b"day,sample,video\n" + "1,é,a.avi\n".encode("latin-1"))
    with pytest.raises(UsageError, match="UTF-8"):
        read_manifest(campaign.folder)
    path.write_text("day,sample,video\n1," + "x" * 200_000 + ",a.avi\n")
    with pytest.raises(UsageError, match="not a CSV"):
        read_manifest(campaign.folder)


def test_the_manifest_is_found_by_its_name_or_by_its_columns(campaign):
    folder = campaign.folder
    assert find_manifest(folder) is None
    (folder / "notes.csv").write_text("a,b\n1,2\n")
    plan = campaign.write("1,x,a.avi,,\n", name="plan.csv", header="# remark\nday,sample,video,dilution,volume_ml\n")
    assert find_manifest(folder) == plan
    other = campaign.write("1,x,a.avi,,\n", name="other.csv")
    with pytest.raises(UsageError, match=r"2 manifests \(other.csv, plan.csv\)"):
        find_manifest(folder)
    assert find_manifest(other) == other
    assert find_manifest(campaign.write("").parent) == folder / "manifest.csv"
    (folder / "manifest.toml").touch()
    with pytest.raises(UsageError, match="2 manifests"):
        find_manifest(folder)
    with pytest.raises(UsageError, match="does not exist"):
        find_manifest(folder / "none")


def test_a_cell_may_be_a_pattern_several_paths_or_an_experiment(campaign):
    folder = campaign.folder
    write_nano(folder / "run 1.nano", ["D:\\data\\e.avi", "f.avi"])
    (folder / "[odd].avi").write_text("odd")
    campaign.write("1,x,[ab].avi;c.avi,,\n1,y,run 1.nano,,\n1,z,[odd].avi,,\n")
    found = [[video.name for video in sample.videos] for sample in read_manifest(folder).samples]
    assert found == [["a.avi", "b.avi", "c.avi"], ["e.avi", "f.avi"], ["[odd].avi"]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (nano_text([]), "lists no captures"),
        (nano_text(["lost.avi"])[:60], "truncated"),
        (nano_text(["lost.avi"]), "'lost.avi', which is not beside it"),
    ],
)
def test_an_experiment_without_its_captures_is_a_fault(campaign, text, words):
    (campaign.folder / "run.nano").write_text(text)
    (said,) = faults(campaign, "1,x,run.nano,,\n")
    assert words in said
    with pytest.raises(ValueError, match="nano"):
        captures_of_experiment(campaign.folder / "run.nano")


def test_real_experiments_name_their_captures(shared_data):
    for nano in sorted(shared_data.rglob("*.nano")):
        with pytest.raises(ValueError, match="not beside it"):  # the videos themselves are not public
            captures_of_experiment(nano)


def test_a_folder_as_a_video_is_said(campaign):
    (campaign.folder / "day 2").mkdir()
    (said,) = faults(campaign, "1,x,day 2,,\n")
    assert "day 2/*.avi" in said


def images(folder: Path, count: int = 3, value: int = 0) -> Path:
    """Write a folder of numbered images, one frame each."""
    folder.mkdir(parents=True)
    for number in range(count):
        tifffile.imwrite(folder / f"f_{number:04d}.tif", np.full((4, 6), 10 * number + value, np.uint8))
    return folder


def test_a_folder_of_images_is_one_capture_in_a_manifest_and_in_a_tree(campaign, tmp_path):
    folder = campaign.folder
    for name in ("run 1", "run 2"):
        images(folder / "d1" / name, value=len(name))
    images(folder / "d1" / "run 3", value=99)
    said = faults(campaign, "1,x,d1/run 1,,\n1,y,d1/run [23],,\n2,z,d1\\run 2,,\n")
    assert said == ["row 4, column video: 'run 2' stands in row 3 already"]
    campaign.write("1,x,d1/run 1,,\n1,y,d1/run [23],,\n2,z,a.avi,,\n")
    manifest = read_manifest(folder)
    assert [[video.name for video in sample.videos] for sample in manifest.samples] == [
        ["run 1"],
        ["run 2", "run 3"],
        ["a.avi"],
    ]
    (repeat,) = manifest.repeats  # by what is in the images
    assert (repeat.video.name, repeat.first.name) == ("run 2", "run 1")
    tree = tmp_path / "tree"
    shutil.move(folder / "d1", tree / "d1")
    shutil.rmtree(tree / "d1" / "run 2")
    images(tree / "d1" / "run 2", count=4)
    tifffile.imwrite(tree / "stack_01.tif", np.zeros((5, 4, 6), np.uint8), photometric="minisblack")
    found = {sample.name: [video.name for video in sample.videos] for sample in read_manifest(tree).samples}
    assert found == {"d1/run": ["run 1", "run 2", "run 3"], "stack": ["stack_01.tif"]}


def test_a_folder_of_images_is_known_by_all_that_is_in_it(tmp_path):
    folder = images(tmp_path / "run")
    before = KnownSource.at(folder, "0")
    assert before.n_bytes == sum(path.stat().st_size for path in folder.iterdir())
    sha256 = content_sha256(folder)
    with (folder / "f_0001.tif").open("r+b") as file:  # in place: the folder itself looks as before
        file.seek(-1, 2)
        file.write(b"\x07")
    os.utime(folder / "f_0001.tif", ns=(0, before.mtime_ns + 1))
    assert KnownSource.at(folder, "0") != before
    assert content_sha256(folder) != sha256
    (folder / "f_0000.tif").write_text("no picture")
    assert not is_capture(folder)


def test_a_name_may_be_written_in_another_way(campaign):
    """An accent in two characters, as macOS copies it, and a backslash."""
    (campaign.folder / "day").mkdir()
    (campaign.folder / "day" / unicodedata.normalize("NFD", "caf\u00e9.avi")).write_text("x")
    for cell in ("day\\caf\u00e9.avi", "day\\caf\u00e9*.avi", "day\\*.avi"):
        campaign.write(f"1,x,{cell},,\n")
        (sample,) = read_manifest(campaign.folder).samples
        assert [video.suffix for video in sample.videos if video.is_file()] == [".avi"], cell


def test_the_columns_of_a_campaign_reach_their_places(campaign):
    header = (
        "day,sample,video,lot,role,dilution_sd_percent,temperature_c,medium,blank,bioreactor,culture_area_m2,step,"
        "volume_in_ml,protein_ug_per_ml,cd63_percent,sterility,mycoplasma,exclude\n"
    )
    rows = (
        "1,x,a.avi,L7,pool,2,23.5,pbs,e.avi;f.avi,HF-1,2.1,concentration,350,12.5,pending,pass,pending,\n"
        "1,x,b.avi,,,,,,,,,,,,,,,bubble in the cell\n"
    )
    campaign.write(rows, header=header)
    (sample,) = read_manifest(campaign.folder).samples
    folder = campaign.folder
    assert (sample.lot, sample.role, sample.videos) == ("L7", "pool", (folder / "a.avi",))
    assert sample.settings == {
        "dilution_sd_percent": 2.0,
        "temperature_c": 23.5,
        "medium": "pbs",
        "blank": (str(folder / "e.avi"), str(folder / "f.avi")),
    }
    assert sample.facts == {
        "bioreactor": "HF-1",
        "culture_area_m2": 2.1,
        "step": "concentration",
        "volume_in_ml": 350.0,
    }
    assert sample.assays == (
        Assay("protein", "ug_per_ml", "12.5"),
        Assay("cd63", "percent", None, "pending"),
        Assay("sterility", "", "pass"),
        Assay("mycoplasma", "", None, "pending"),
    )
    assert [(one.video.name, one.reason) for one in sample.excluded] == [("b.avi", "bubble in the cell")]


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("role", "bead", "'bead' is not one of sample, blank, beads, pool"),
        ("temperature_c", "298", "kelvin"),
        ("culture_area_m2", "0", "not positive"),
        ("protein_ug_per_ml", "-1", "negative"),
        ("protein_ug_per_ml", "soon", "or pending"),
        ("cd81_percent", "101", "above 100"),
        ("sterility", "ok", "pass, fail, pending"),
        ("dilution_sd_percent", "-1", "-1"),
        ("calibration", "none.toml", "no file"),
        ("blank", "none.avi", "no file"),
    ],
)
def test_what_cannot_be_is_said_with_its_column(campaign, column, cell, words):
    (said,) = faults(campaign, f"1,x,a.avi,{cell}\n", header=f"day,sample,video,{column}\n")
    assert said.startswith(f"row 2, column {column}: ")
    assert words in said


def test_zero_is_a_value_where_it_can_be_one(campaign):
    campaign.write("1,x,a.avi,0,0,0\n", header="day,sample,video,endotoxin_eu_per_ml,hours_since_medium,passage\n")
    (sample,) = read_manifest(campaign.folder).samples
    assert sample.facts == {"hours_since_medium": 0.0, "passage": 0.0}
    assert sample.assays == (Assay("endotoxin", "eu_per_ml", "0.0"),)


def test_toml_says_the_same(campaign):
    campaign.write(
        'lot = "L7"\nvolume_ml = 350\n[[sample]]\nname = "x"\nday = 1\nvideo = ["a.avi", "b.avi"]\ndilution = 1000\n'
        '[[sample]]\nsample = "y"\nday = "2"\nvideo = "c.avi"\nvolume_ml = 410.0\n',
        header="",
        name="manifest.toml",
    )
    folder = campaign.folder
    assert read_manifest(folder).samples == (
        Sample("1", "x", (folder / "a.avi", folder / "b.avi"), 1000.0, 350.0, lot="L7"),
        Sample("2", "y", (folder / "c.avi",), None, 410.0, lot="L7"),
    )


def test_faults_of_toml_name_the_sample_and_the_key(campaign):
    said = faults(
        campaign,
        'diluton = 5\n[[sample]]\nname = "x"\nday = "1"\nvideo = "none.avi"\ndilution = true\n[[sample]]\nnme = "y"\n',
        header="",
        name="manifest.toml",
    )
    places = [line.partition(":")[0] for line in said]
    assert "key diluton" in places
    assert "sample 1, key video" in places
    assert "sample 1, key dilution" in places
    assert "sample 2, key nme" in places
    assert "sample 2, key day" in places
    with pytest.raises(UsageError, match="not a TOML"):
        read_manifest(campaign.write("x = = 1", header="", name="manifest.toml"))
    with pytest.raises(UsageError, match=r"\[\[sample\]\]"):
        read_manifest(campaign.write("sample = 1", header="", name="manifest.toml"))


def test_the_template_is_a_manifest_that_explains_every_column(campaign):
    text = csv_template()
    for column in ALL:
        assert f"# {column.name}: {column.help}" in text
    example = next(line[2:] for line in text.splitlines() if line.startswith("# 1,harvest 1"))
    header = text.splitlines()[-1]
    campaign.write(example.replace("day1_*.avi", "*.avi") + "\n", header=text)
    (sample,) = read_manifest(campaign.folder).samples
    assert (sample.name, sample.lot, sample.dilution, len(sample.videos)) == ("harvest 1", "LOT-7", 1000.0, 6)
    assert next(csv.reader(io.StringIO(header))) == list(COLUMNS)


def test_a_video_of_two_samples_is_a_warning_with_its_place(campaign):
    (campaign.folder / "copy.avi").write_text("video a")
    campaign.write("1,x,a.avi,,\n2,y,copy.avi,,\n3,z,c.avi,,\n")
    (repeat,) = read_manifest(campaign.folder).repeats
    assert (repeat.sample, repeat.first_sample, repeat.place) == ("y", "x", "row 3, column video")
    assert "counted twice" in repeat.message


def test_files_are_the_same_only_when_every_byte_is(tmp_path):
    megabytes = bytes(3_000_000)
    paths = [tmp_path / f"{n}.avi" for n in range(4)]
    for path in paths[:2]:
        path.write_bytes(megabytes)
    paths[2].write_bytes(megabytes[:1_500_000] + b"x" + megabytes[1_500_001:])  # differs in the middle
    paths[3].write_bytes(b"x" + megabytes[1:])  # differs at the start
    assert same_content(paths) == [(paths[1], paths[0])]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("day 1/harvest/c1.avi", ("day 1", "day 1/harvest")),
        ("day 1/EV d200 2021-04-01 15-28-16.avi", ("day 1", "day 1/EV d200")),
        ("EV 2021-04-01 15-28-16.avi", ("2021-04-01", "EV")),
        ("EV_00.avi", ("undated", "EV")),
        ("EV.avi", ("undated", "EV")),
    ],
)
def test_places_and_names_tell_day_and_sample_of_a_tree(tmp_path, path, expected):
    assert day_and_sample(tmp_path / path, tmp_path) == expected


def test_a_tree_without_a_manifest_is_read_by_its_folders(tmp_path):
    for path in ("d1/s1/a.avi", "d1/s1/b.avi", "d1/s2_01.avi", "d2/s2_02.tif", ".hidden/x.avi", "d1_nta/x.avi"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "d1" / "._twin.avi").write_text("macOS")
    (tmp_path / "d1" / "notes.txt").write_text("text")
    found = {(one.day, one.name): [Path(video).name for video in one.videos] for one in read_manifest(tmp_path).samples}
    assert found == {
        ("d1", "d1/s1"): ["a.avi", "b.avi"],
        ("d1", "d1/s2"): ["s2_01.avi"],
        ("d2", "d2/s2"): ["s2_02.tif"],
    }
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"no video and no manifest, it is empty; give a folder with videos \(\.avi"):
        read_manifest(tmp_path / "empty")
    (tmp_path / "empty" / "take.wmv").touch()
    with pytest.raises(UsageError, match=r"no manifest, but 'take\.wmv';"):
        read_manifest(tmp_path / "empty")
