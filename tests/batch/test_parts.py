"""A stored capture is the measured one to the last bit, so a batch gives what nta analyze gives."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from batch_work import InlineExecutor, without_times

import nta
from nta.batch import LocalExecutor, read_manifest, run_batch
from nta.batch.parts import from_parquet, to_parquet
from nta.errors import RejectedError, UsageError
from nta.inputs import Input
from nta.pipeline import measure_capture
from nta.record import Measured, Refused
from nta.report.tables import write_noun
from nta.settings import Settings
from nta.tracking import Tracks


def written_whole(tracks: Tracks) -> bytes:
    """Return tracks as stores of earlier versions hold them."""
    buffer = io.BytesIO()
    write_noun(buffer, tracks)
    return buffer.getvalue()


def test_a_capture_comes_back_to_the_last_bit(videos):
    measured = measure_capture(Input(videos / "c0.avi"), Settings(mpp=0.15))
    assert isinstance(measured, Measured)
    back = from_parquet(videos / "c0.avi", *to_parquet(measured))
    pd.testing.assert_frame_equal(back.detections.table, measured.detections.table, check_exact=True)
    pd.testing.assert_frame_equal(back.tracks.table, measured.tracks.table, check_exact=True)
    assert back.detections.values == measured.detections.values
    assert back.detections.acquisition == measured.detections.acquisition
    assert back.detections.ledger == measured.detections.ledger
    assert np.array_equal(back.tracks.captures[0].drift_px, measured.tracks.captures[0].drift_px)
    assert back.video.sha256() == measured.video.sha256()
    spots, tracks = to_parquet(measured)
    assert (spots, tracks) == to_parquet(measured)
    # What both have stands once: a position of a track is its row among the spots.
    assert set(pq.read_table(io.BytesIO(tracks)).column_names) == {"capture", "particle", "spot"}
    assert len(tracks) < len(spots) / 3
    assert list(back.tracks.table.columns) == list(measured.tracks.table.columns)
    assert from_parquet(videos / "c0.avi", spots, written_whole(measured.tracks)).tracks.table.equals(back.tracks.table)
    moved = replace(measured, tracks=replace(measured.tracks, table=measured.tracks.table.assign(y=1.5)))
    again = from_parquet(videos / "c0.avi", *to_parquet(moved)).tracks.table
    pd.testing.assert_frame_equal(again, moved.tracks.table, check_exact=True)
    with pytest.raises(UsageError, match="not kept"):
        next(back.video.frames())
    with pytest.raises(RejectedError, match="damaged"):
        from_parquet(videos / "c0.avi", b"not parquet", b"")


def test_a_refused_capture_says_why(tmp_path):
    (tmp_path / "a.avi").write_text("text, no video")
    refused = measure_capture(Input(tmp_path / "a.avi"), Settings())
    assert isinstance(refused, Refused)
    assert refused.error.code == "not_a_video"
    assert len(refused.sha256) == 64


def test_a_batch_gives_what_analyze_gives(videos, tmp_path):
    (tmp_path / "text.avi").write_text("no video")
    (tmp_path / "manifest.csv").write_text(
        "day,sample,video,dilution,volume_ml,blank\n"
        f"1,one,{videos / 'c0.avi'},1000,350,\n1,one,{videos / 'c1.avi'},,,\n1,one,text.avi,,,\n"
        f"2,two,{videos / 'c2.avi'},500,350,{videos / 'c3.avi'}\n"
    )
    batch = run_batch(read_manifest(tmp_path), tmp_path / "out", executor=InlineExecutor())
    assert [outcome.status for outcome in batch.outcomes] == ["warn", "warn"]
    sidecar = Settings().updated("sidecar", {"dilution": 1000.0})
    one = nta.analyze(
        [videos / "c0.avi", videos / "c1.avi", tmp_path / "text.avi"], settings=sidecar, sample="one"
    ).summary()
    sidecar = Settings().updated("sidecar", {"dilution": 500.0, "blank": (str(videos / "c3.avi"),)})
    two = nta.analyze(videos / "c2.avi", settings=sidecar, sample="two").summary()
    for expected, name in ((one, "one"), (two, "two")):
        found = json.loads((tmp_path / "out" / name / "summary.json").read_text())
        assert without_times(found) == without_times(json.loads(json.dumps(expected)))
        assert list(found["values"]) == list(expected["values"])
    loaded = nta.load(tmp_path / "out" / "one")
    assert loaded.tracks.n_tracks > 0
    assert "capture_rejected" in {flag.code for flag in loaded.flags}


def test_one_process_and_two_give_the_same_bytes(videos, tmp_path):
    (tmp_path / "manifest.csv").write_text(
        "day,sample,video,dilution,volume_ml\n"
        + "".join(f"{n % 2},s{n % 2},{videos / f'c{n}.avi'},1000,350\n" for n in range(4))
    )
    read = read_manifest(tmp_path)
    folders = []
    for workers in (1, 2):
        out = tmp_path / f"out{workers}"
        run_batch(read, out, executor=LocalExecutor(workers, timeout_s=300.0))
        folders.append(out)
    for name in ("s0", "s1"):
        summaries = [json.loads((folder / name / "summary.json").read_text()) for folder in folders]
        assert without_times(summaries[0]) == without_times(summaries[1])
        for file in ("distribution.csv", "tracks.parquet", "diffusion.parquet"):
            assert (folders[0] / name / file).read_bytes() == (folders[1] / name / file).read_bytes()
    objects = [sorted(path.name for path in (folder / "objects").rglob("*.parquet")) for folder in folders]
    assert objects[0] == objects[1]
    assert len(objects[0]) == 8
