"""Tables of tracks: read strictly, and sized by our own estimator as tracks of ours would be."""

from __future__ import annotations

import math

import jsonschema
import numpy as np
import pandas as pd
import pytest
from captures_simulated import simulated_capture
from exports_made import all_tracks_text, particles_text, write_nano

import nta
from nta.errors import RejectedError, SettingsError, UsageError
from nta.formats import kind_of, read_foreign, read_tracks
from nta.formats.record import record_of
from nta.report import summary_schema
from nta.settings import Settings

STATED = {"mpp": 0.14, "fps": 25.0, "exposure_ms": 32.5, "temperature_c": 25.0, "viscosity_mpas": 0.89}


@pytest.fixture(scope="module")
def linked() -> pd.DataFrame:
    """Positions of 100 nm (median) particles in a flow of 3 px per frame."""
    table = simulated_capture(np.random.default_rng(5), n_frames=200, per_frame=30).tracks.table
    return table[["particle", "frame", "x", "y"]].reset_index(drop=True)


@pytest.fixture(scope="module")
def of_nanosight(linked, tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "ev 2021-04-01 15-28-20_AllTracks.csv"
    path.write_text(all_tracks_text(linked), encoding="utf-8-sig")
    return path


@pytest.fixture(scope="module")
def measured(of_nanosight):
    return nta.analyze(of_nanosight, **STATED)


def test_tracks_of_nanosight_are_sized_by_our_estimator(measured, linked):
    # Median 100 nm by number; 1500 independent particles at best, and no correction for the field.
    assert measured.size.d50.low < 100.0 < measured.size.d50.high
    assert measured.size.d50.value == pytest.approx(100.0, rel=0.08)
    assert measured.counts.detections == len(linked)
    assert measured.counts.tracks == linked["particle"].nunique()
    assert measured.captures[0].flow_um_s[0] == pytest.approx(3.0 * 0.14 * 25.0, rel=0.05)
    assert len(measured.captures[0].sha256) == 64
    jsonschema.validate(measured.summary(), summary_schema())


def test_without_a_field_there_is_no_concentration(measured):
    assert math.isnan(measured.concentration.measured.value)
    (told,) = [one for one in measured.flags if one.code == "tracks_from_table"]
    assert "--roi 0,0,WIDTH,HEIGHT" in told.message
    assert "nanosight columns" in told.message


def test_with_the_field_there_is_one(of_nanosight):
    found = nta.analyze(of_nanosight, settings=Settings(**STATED, roi=(0, 0, 640, 480), search_range_px=15.0))
    # 30 in view of 640 x 480 px and 10 µm: 5e8 per mL.
    assert found.concentration.measured.value == pytest.approx(30 / (640 * 480 * 0.14**2 * 10) * 1e12, rel=0.35)
    assert found.captures[0].width == 640


def test_the_result_can_be_saved_loaded_and_measured_again(measured, tmp_path):
    measured.save(tmp_path / "out")
    assert nta.load(tmp_path / "out").summary() == measured.summary()
    again = nta.analyze(tmp_path / "out" / "tracks.parquet", **STATED)
    assert again.size.d50.value == pytest.approx(measured.size.d50.value, rel=1e-6)


def test_trackpys_columns_are_read_with_and_without_an_index(linked, tmp_path, measured):
    table = linked.assign(mass=100.0, size=2.0, ep=np.nan, frame=linked["frame"].astype(float))
    for name, index in (("a.csv", True), ("b.csv", False)):
        table.to_csv(tmp_path / name, index=index)
        given = read_tracks(tmp_path / name)
        assert given.kind == "trackpy"
        assert "ep" not in given.table
        assert given.table["frame"].dtype == np.int64
        pd.testing.assert_frame_equal(
            given.table[["particle", "frame", "x", "y"]], linked.sort_values(["particle", "frame"], ignore_index=True)
        )


def test_several_tables_are_captures_of_one_sample(of_nanosight, linked, tmp_path):
    other = tmp_path / "second.csv"
    linked.to_csv(other, index=False)
    found = nta.analyze([of_nanosight, other], **STATED)
    assert len(found.captures) == 2
    assert found.counts.tracks == 2 * linked["particle"].nunique()
    assert len(found.agreement.captures) == 2


def test_a_spoilt_table_among_several_is_left_out_and_said(of_nanosight, tmp_path):
    (tmp_path / "bad.csv").write_text("particle,frame,x,y\n0,0,1,2\n0,1,x,2\n")
    found = nta.analyze([of_nanosight, tmp_path / "bad.csv"], **STATED)
    assert "capture_rejected" in {one.code for one in found.flags}
    assert [one.status for one in found.captures] == ["ok", "rejected"]
    alone = nta.analyze(tmp_path / "bad.csv")
    assert (alone.status, alone.status_code) == ("rejected", "damaged")


def test_the_experiment_beside_a_table_states_how_it_was_taken(linked, tmp_path):
    write_nano(tmp_path / "e.nano", ["cap 1.avi"], temperature=25, viscosity=0.89, fps=25, frames=400)
    path = tmp_path / "cap 1_AllTracks.csv"
    path.write_text(all_tracks_text(linked))
    found = nta.analyze(path)
    assert {found.values[name].origin for name in ("mpp", "fps", "temperature_c", "viscosity_mpas")} == {"sidecar"}
    assert found.captures[0].frames == 400
    assert "pixel_size_unverified" in {one.code for one in found.flags}


def test_frames_and_regions_are_chosen(of_nanosight, linked):
    found = nta.analyze(of_nanosight, settings=Settings(**STATED, frames=(50, 100), exclude=((0, 0, 100, 480),)))
    kept = linked[linked["frame"].between(50, 99) & (linked["x"] >= 99.5)]
    assert found.counts.detections == len(kept)
    assert found.captures[0].frames == 50
    with pytest.raises(SettingsError, match="no position of the table"):
        nta.analyze(of_nanosight, settings=Settings(**STATED, frames=(5000, None)))


def test_options_of_pictures_are_refused(of_nanosight):
    with pytest.raises(UsageError, match="invert, diameter_px cannot be used with a table of tracks"):
        nta.analyze(of_nanosight, settings=Settings(invert=False, diameter_px=9))


def test_a_table_and_a_video_are_no_sample(of_nanosight, tmp_path):
    (tmp_path / "v.avi").write_bytes(b"RIFF")
    with pytest.raises(UsageError, match="cannot be one sample"):
        nta.analyze([of_nanosight, tmp_path / "v.avi"])


GOOD = "particle,frame,x,y\n0,0,1.5,2.5\n0,1,1.6,2.4\n"


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (GOOD + "0,2,1.5\n", "damaged", "row 3 of its table has 3 cells for 4 columns"),
        (GOOD + "0,2,1.5,2,7\n", "damaged", "has 5 cells"),
        (GOOD + "0,2,abc,2\n", "damaged", "x in row 3 is 'abc'"),
        (GOOD + "0,2,inf,2\n", "damaged", "x in row 3 is 'inf'"),
        (GOOD + "0,2,,2\n", "damaged", "x in row 3 is ''"),
        (GOOD + "0,2.5,1,2\n", "damaged", "frame holds numbers that are not whole"),
        (GOOD + "0,-1,1,2\n", "damaged", "frame holds numbers that are not whole and positive"),
        (GOOD + "0,1,1,2\n", "damaged", "two places in one frame"),
        (GOOD + "0,99000000,1,2\n", "damaged", r"frame reaches 9.9e\+07"),
        (GOOD + "0,2,1e9,2\n", "damaged", r"x reaches 1e\+09"),
        ("particle,frame,x,y\n", "truncated", "a head and no position"),
        ("particle,frame,x,y,x\n0,0,1,2,3\n", "damaged", "two columns"),
    ],
)
def test_a_spoilt_table_is_rejected(tmp_path, text, code, said):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(RejectedError, match=said) as caught:
        read_tracks(path)
    assert caught.value.code == code


@pytest.mark.parametrize("keep", [12, 200, 0.5, 0.95])
def test_a_cut_parquet_is_rejected(linked, tmp_path, keep):
    path = tmp_path / "t.parquet"
    linked.to_parquet(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if keep < 1 else keep])
    with pytest.raises(RejectedError, match="cannot be read as Parquet"):
        read_tracks(path)


@pytest.mark.parametrize("marks", [("True", "False"), ("TRUE", "FALSE"), ("1", "0"), ("Yes", "No")])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252"])
def test_particle_data_in_every_spelling(tmp_path, marks, encoding):
    size_nm = np.random.default_rng(3).lognormal(math.log(100), 0.2, 500)
    path = tmp_path / "ev_ParticleData.csv"
    path.write_bytes(particles_text(size_nm, included=marks[0], excluded=marks[1]).encode(encoding))
    assert kind_of(path) == "particles"
    record = record_of(read_foreign(path))
    kept = np.round(size_nm, 2)[np.arange(500) % 10 != 9]
    assert record.size.d50.value == pytest.approx(np.median(kept))
    assert record.size.mean.value == pytest.approx(kept.mean())
    assert (record.counts.tracks, record.counts.tracks_used) == (500, 450)
    assert math.isnan(record.size.mode.value)
    assert math.isnan(record.concentration.measured.value)
    jsonschema.validate(record.summary(), summary_schema())


def test_sizes_that_do_not_belong_to_their_diffusion_are_flagged(tmp_path):
    text = particles_text(np.full(50, 100.0))
    path = tmp_path / "ev_ParticleData.csv"
    path.write_text(text.replace("\n7,100.00", "\n7,140.00"))
    (complaint,) = read_foreign(path).complaints
    assert "2% of the particles do not belong to one liquid" in complaint


def test_sizes_of_another_liquid_than_the_experiments_are_flagged(tmp_path):
    write_nano(tmp_path / "e.nano", ["ev.avi"], temperature=25, viscosity=1.2)
    path = tmp_path / "ev_ParticleData.csv"
    path.write_text(particles_text(np.full(50, 100.0)))
    assert any("at the stated temperature" in complaint for complaint in read_foreign(path).complaints)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("\n7,100.00", "\n7,-1"), "has no size"),
        (lambda text: text.replace("\n7,100.00", "\n7,3473804.2"), "3.474e.06 nm is above the limit of 100000 nm"),
        (lambda text: text.replace("True", "Maybe", 1), "neither True nor False"),
        (lambda text: text.partition("\n")[0] + "\n", "a head and no particle"),
    ],
)
def test_spoilt_particle_data_is_rejected(tmp_path, change, said):
    path = tmp_path / "ev_ParticleData.csv"
    path.write_text(change(particles_text(np.full(50, 100.0))))
    with pytest.raises(RejectedError, match=said):
        read_foreign(path)


def test_a_table_without_particles_is_told_which_columns_tracks_have(tmp_path):
    path = tmp_path / "spots.csv"
    path.write_text("frame,x,y\n0,1,2\n")
    found = nta.analyze(path)
    assert (found.status, found.status_code) == ("rejected", "not_a_video")
    assert "tables with the columns particle, frame, x, y (px)" in found.message
