"""The hash taken while a file is read, files that somebody writes to, and files that change meanwhile."""

import hashlib
import os
import pickle
import threading
import time

import numpy as np
import pytest
from lying_avi import GREY_PALETTE, avi, chunk, dib_rows
from video_checks import HEIGHT, WIDTH, codes, rejected, same

import nta
from nta.errors import RejectedError
from nta.video import open_video, source, write_video

KINDS = ["y800.avi", "dib.avi", "ffv1.avi", "mjpeg.avi", "ffv1.mkv", "h264.mp4", "raw.tif", "zlib.tif", "array.npy"]


@pytest.fixture
def made(tmp_path, frames):
    """Write a file of one kind, old enough that nobody is writing to it."""

    def make(name):
        path = tmp_path / name
        if name == "y800.avi":
            path.write_bytes(avi([f.tobytes() for f in frames], WIDTH, HEIGHT, between=chunk(b"01wb", b"hiss")))
        elif name == "dib.avi":
            data = [dib_rows(f) for f in frames]
            path.write_bytes(avi(data, WIDTH, HEIGHT, fourcc=b"\0\0\0\0", palette=GREY_PALETTE))
        elif name == "zlib.tif":
            import tifffile

            tifffile.imwrite(path, np.stack(frames), photometric="minisblack", compression="zlib", metadata=None)
        elif name == "array.npy":
            np.save(path, np.stack(frames))
        else:
            codec = "ffv1" if name.endswith(".tif") else name.split(".")[0]
            write_video(path, frames, fps=25, codec=codec)
        old = time.time() - 3600
        os.utime(path, (old, old))
        return path

    return make


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- the hash --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_the_hash_of_the_one_read_is_that_of_the_file(made, name):
    path = made(name)
    video = open_video(path)
    plain = list(video.frames())
    assert same((np.ascontiguousarray(frame) for _, frame in video.numbered_frames(hashed=True)), plain)
    # The bytes were hashed on the way: nothing but the rest is read for it now.
    assert video.source._hashed_to > 0
    assert video.sha256() == digest(path)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(("start", "stop"), [(0, 3), (2, 5), (0, 0)])
def test_the_hash_is_that_of_the_whole_file_whatever_was_read(made, name, start, stop):
    path = made(name)
    video = open_video(path)
    list(video.numbered_frames(start, stop, hashed=True))
    list(video.numbered_frames(hashed=True))
    assert video.sha256() == digest(path)
    assert open_video(path).sha256() == digest(path)


def test_raw_avi_is_read_once_for_frames_and_hash(made, monkeypatch):
    path = made("y800.avi")
    video = open_video(path)
    read = []
    feed = source.Source.feed
    monkeypatch.setattr(
        source.Source, "feed", lambda self, at, data: read.append((at, len(data))) or feed(self, at, data)
    )
    list(video.numbered_frames(hashed=True))
    assert video.sha256() == digest(path)
    # Every byte once, in the order of the file.
    assert [at for at, _ in read] == sorted(at for at, _ in read)


def test_a_half_read_video_can_be_sent_to_another_process(made):
    path = made("y800.avi")
    video = open_video(path)
    list(video.numbered_frames(0, 4, hashed=True))
    assert pickle.loads(pickle.dumps(video)).sha256() == digest(path)  # noqa: S301


# --- files that change -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_a_file_that_changes_while_it_is_read(made, name):
    path = made(name)
    video = open_video(path)
    numbered = video.numbered_frames(hashed=True)
    next(numbered)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    numbered.close()
    with pytest.raises(RejectedError, match="changed while it was read") as caught:
        video.sha256()
    assert caught.value.code == "source_changed"
    assert "measure it again" in str(caught.value)


def test_a_file_that_was_only_touched_is_the_same(made):
    path = made("y800.avi")
    video = open_video(path)
    list(video.numbered_frames(hashed=True))
    os.utime(path)
    assert video.sha256() == digest(path)


@pytest.mark.parametrize("how", ["replaced", "removed", "grown"])
def test_a_file_that_another_one_takes_the_place_of(made, how):
    path = made("y800.avi")
    video = open_video(path)
    list(video.numbered_frames(hashed=True))
    if how == "replaced":
        other = path.with_name("other")
        other.write_bytes(path.read_bytes()[::-1])
        other.replace(path)
    elif how == "removed":
        path.unlink()
    else:
        with path.open("ab") as file:
            file.write(b"more")
    with pytest.raises(RejectedError) as caught:
        video.sha256()
    assert caught.value.code == "source_changed"


@pytest.mark.parametrize("whole", [True, False])
def test_a_file_that_still_grows(made, monkeypatch, whole):
    path = made("y800.avi")
    monkeypatch.setattr(source, "WAIT_S", 0.1)
    if not whole:
        os.truncate(path, path.stat().st_size // 2)
    done = threading.Event()

    def record():
        with path.open("ab", buffering=0) as file:
            while not done.wait(0.01):
                file.write(bytes(512))

    writer = threading.Thread(target=record)
    writer.start()
    try:
        time.sleep(0.03)
        error = rejected(path)
    finally:
        done.set()
        writer.join()
    assert error.code == "still_changing"
    assert "wait until the recording or the copy has ended" in str(error)


def test_an_old_file_is_opened_at_once_and_a_new_one_after_a_second_look(made, monkeypatch):
    path = made("y800.avi")
    waited = []
    monkeypatch.setattr(source.time, "sleep", waited.append)
    open_video(path)
    assert waited == []
    os.utime(path)
    open_video(path)
    assert waited == [source.WAIT_S]


def test_analyze_rejects_a_file_that_changed_and_goes_on(made, monkeypatch):
    path = made("y800.avi")
    monkeypatch.setattr("nta.pipeline.detect_unsaturated", lambda video, *_, **__: os.utime(path, (1, 1)))
    measurement = nta.analyze(path)
    assert (measurement.status, measurement.status_code) == ("rejected", "source_changed")
    assert "y800.avi" in measurement.message


def test_analyze_has_the_hash_of_the_read(tmp_path, frames):
    rng = np.random.default_rng(3)
    path = write_video(tmp_path / "a.avi", rng.normal(20, 2, (20, 64, 64)).astype(np.uint8), fps=25, codec="raw")
    assert nta.analyze(path).captures[0].sha256 == digest(path)
    assert codes(open_video(path)) == set()
