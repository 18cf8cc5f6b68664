"""``.nano`` experiments and what lies beside a capture: read strictly, and never used where it cannot be right."""

from __future__ import annotations

import pytest
from exports_made import nano_text, write_nano

from nta.errors import RejectedError, UsageError
from nta.formats import dilution_in, proposed_dilution, read_nano, sidecar_of
from nta.formats.kinds import kind_of

NAMES = ("ev 2021-04-01 15-28-20.avi", "ev 2021-04-01 15-29-30.avi")


def test_an_experiment_states_every_value_of_each_capture(tmp_path):
    path = write_nano(tmp_path / "ev 2021-04-01 15-28-16.nano", NAMES, temperature=[26.1, 26.4], dilution=[0, 500])
    read = read_nano(path)
    assert [one.name for one in read.captures] == list(NAMES)
    assert read.captures[0].values == {
        "mpp": 0.14,
        "temperature_c": 26.1,
        "viscosity_mpas": 0.865438,
        "fps": 24.9825,
        "exposure_ms": 32.5,
    }
    assert read.captures[1].values["temperature_c"] == 26.4
    assert read.captures[1].values["dilution"] == 500
    assert read.captures[0].n_frames == 1498
    assert read.sample == "harvest 3"
    assert read.details == {
        "sample_name": "harvest 3",
        "diluent": "PBS",
        "operator": "Ada",
        "remarks": "0.2 µm filtered",
        "program": "NTA 3.4 Build 3.4.003",
        "time_captured": "2021-04-01T15:28:16",
    }
    assert kind_of(path) == "nano"


def test_a_dilution_of_zero_is_not_recorded(tmp_path):
    read = read_nano(write_nano(tmp_path / "a.nano", NAMES[:1], dilution=0))
    assert "dilution" not in read.captures[0].values


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "iso-8859-1"])
def test_any_encoding_and_line_ending(tmp_path, encoding):
    path = tmp_path / "a.nano"
    path.write_bytes(nano_text(NAMES).replace("\n", "\r\n").encode(encoding))
    assert read_nano(path).details["remarks"] == "0.2 µm filtered"


def test_folders_of_the_instruments_computer_are_left_out(tmp_path):
    read = read_nano(write_nano(tmp_path / "a.nano", ["C:\\NTA\\..\\secret\\x.avi"]))
    assert read.captures[0].name == "x.avi"


def test_the_name_of_the_sample_without_one_is_that_of_the_file(tmp_path):
    assert read_nano(write_nano(tmp_path / "ev 2021-04-01 15-28-16.nano", NAMES, sample="")).sample == "ev"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (nano_text(NAMES, fps="24.9825"[:4]).replace("24.9,24.9", "24.9"), "1 values of framespersecond for 2"),
        (nano_text(NAMES).replace("Shutter=32.5,32.5", "Shutter=32.5,3x"), "shutter is '3x', which is no number"),
        (nano_text(NAMES).replace("Shutter=32.5", "Shutter=nan"), "shutter is 'nan', which is no number"),
        (nano_text((NAMES[0], NAMES[0])), "is stated twice"),
        (nano_text(NAMES).partition("[CurrentView]")[0], r"ends before its section \[CurrentView\]"),
        (nano_text(NAMES).partition("[Details]")[0], r"ends before its section \[CaptureSettings\]"),
        (nano_text(NAMES).replace("[CurrentView]", "[Details]"), r"the section \[details\] stands in it twice"),
        (nano_text(NAMES).replace("\n".join(NAMES), ""), "lists no captures"),
        (nano_text(NAMES).replace("Gain=", "Gain "), "is no KEY=VALUE"),
        ("PixelSize=140\n" + nano_text(NAMES), "stands before every section"),
    ],
)
def test_a_damaged_experiment_is_rejected(tmp_path, text, said):
    path = tmp_path / "a.nano"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RejectedError, match=said) as caught:
        read_nano(path)
    assert caught.value.code == ("truncated" if "ends before" in said else "damaged")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("data", "code"), [(b"", "empty"), (b"[Filenames]\na\0b.avi\n", "not_text")])
def test_what_is_no_text_is_rejected(tmp_path, data, code):
    path = tmp_path / "a.nano"
    path.write_bytes(data)
    with pytest.raises(RejectedError) as caught:
        read_nano(path)
    assert caught.value.code == code


def test_a_missing_experiment_is_wrong_use(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        read_nano(tmp_path / "a.nano")


@pytest.mark.parametrize(
    ("values", "name", "said"),
    [
        ({"pixel": 14000000}, "mpp", "pixelsize = 1.4e\\+07 is not used"),
        ({"temperature": 299.3}, "temperature_c", "is it in kelvin"),
        ({"fps": -25}, "fps", "framespersecond = -25 is not used"),
    ],
)
def test_a_value_that_cannot_be_right_is_said_and_not_used(tmp_path, values, name, said):
    read = read_nano(write_nano(tmp_path / "a.nano", NAMES, **values))
    assert all(name not in one.values for one in read.captures)
    (complaint,) = read.complaints
    assert __import__("re").search(said, complaint)


def test_a_video_takes_its_values_from_the_experiment_that_lists_it(tmp_path):
    write_nano(tmp_path / "other.nano", ["unlike.avi"], fps=30)
    write_nano(tmp_path / "ev 2021-04-01 15-28-16.nano", NAMES, temperature=[26.1, 26.4])
    write_nano(tmp_path / "._ev 2021-04-01 15-28-16.nano", NAMES, temperature=[1, 2])
    found = sidecar_of(tmp_path / NAMES[1])
    assert found.values["temperature_c"] == 26.4
    assert not found.complaints
    assert sidecar_of(tmp_path / "unknown.avi").values == {}


@pytest.mark.parametrize("ending", ["_AllTracks.csv", "_ParticleData.csv"])
def test_a_table_of_a_capture_takes_the_values_of_its_video(tmp_path, ending):
    write_nano(tmp_path / "e.nano", NAMES, temperature=[26.1, 26.4])
    assert sidecar_of(tmp_path / NAMES[1].replace(".avi", ending)).values["temperature_c"] == 26.4


def test_two_experiments_that_disagree_are_not_used(tmp_path):
    write_nano(tmp_path / "a.nano", NAMES)
    write_nano(tmp_path / "b.nano", NAMES, fps=30)
    found = sidecar_of(tmp_path / NAMES[0])
    assert found.values == {}
    assert "a.nano and b.nano state different values" in found.complaints[0]


def test_a_copy_that_says_the_same_is_no_dispute(tmp_path):
    write_nano(tmp_path / "a.nano", NAMES)
    write_nano(tmp_path / "combined.nano", NAMES)
    assert sidecar_of(tmp_path / NAMES[0]).values["fps"] == 24.9825


def test_a_damaged_experiment_of_the_same_name_is_said(tmp_path):
    (tmp_path / "ev 2021-04-01 15-28-16.nano").write_text("[Filenames]\n[Details]\nx\n")
    assert "damaged" in sidecar_of(tmp_path / NAMES[0]).complaints[0]
    assert not sidecar_of(tmp_path / "unlike.avi").complaints


@pytest.mark.parametrize(
    ("name", "dilution"),
    [
        ("EV_d200_05", 200),
        ("beads D1000", 1000),
        ("ev dil 500 b", 500),
        ("ev_1:250", 250),
        ("ev 1 to 50", 50),
        ("ev_200x_b", 200),
        ("ev d10k", 10_000),
        ("day1_a", None),
        ("d3 harvest", None),
        ("ev d200 d400", None),
        ("ev 2021-04-01 15-28-16", None),
        ("std_10000_yes", None),
        ("cd63", None),
        ("add200", None),
        ("1280x1024", None),
    ],
)
def test_a_dilution_in_a_name_is_proposed(name, dilution):
    assert dilution_in(name) == dilution


def test_names_that_state_different_dilutions_propose_none():
    assert proposed_dilution(["ev d200", "ev d400"]) is None
    assert proposed_dilution(["ev", "ev d200_00", "ev d200_01"]) == ("ev d200_00", 200)
