"""Frames picked from a film without decoding the rest are those that decoding everything gives."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from lying_avi import avi
from PIL import Image
from reading_made import FRAMES, HEIGHT, WIDTH, zeroed

from nta.detection import detect
from nta.errors import RejectedError
from nta.settings import Settings
from nta.video import Video, open_video, picking, write_video
from nta.video.container import ContainerReader
from nta.video.jpeg import has_its_tables
from nta.video.patched import patched

N = len(FRAMES)
PICKED = [4, 13, 22, 31, 40, 50, 59, 68, 77, 86, 95]
"""Where 11 frames of 100 lie: the middles of eleven equal stretches."""


def encoded(path: Path, codec: str, **options: str) -> None:
    """Write with FFmpeg's own options."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "yuv420p" if codec == "libx264" else "gray"
        for frame in FRAMES:
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(frame, format="gray").reformat(format=stream.pix_fmt))
            )
        container.mux(stream.encode(None))


def jpegs(*, own_tables: Callable[[int], bool] = lambda _: True) -> list[bytes]:
    """Return pictures of three qualities in turns of ten; those without ``own_tables`` are to be shown with others'."""
    pictures = []
    for number, frame in enumerate(FRAMES):
        file = io.BytesIO()
        Image.fromarray(frame).save(file, "JPEG", quality=(60, 80, 95)[number // 10 % 3])
        data = file.getvalue()
        pictures.append(data if own_tables(number) else without_tables(data))
    return pictures


def without_tables(picture: bytes) -> bytes:
    """Leave out the segments of quantisation and Huffman tables."""
    kept, at = picture[:2], 2
    while picture[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(picture[at + 2 : at + 4], "big")
        kept += b"" if picture[at + 1] in (0xDB, 0xC4) else picture[at:end]
        at = end
    return kept + picture[at:]


def write_jpegs(path: Path, **options: Callable[[int], bool]) -> None:
    path.write_bytes(avi(jpegs(**options), WIDTH, HEIGHT, fourcc=b"MJPG", bits=24))


FILMS: dict[str, tuple[str, Callable[[Path], object], bool]] = {
    # name: (file, how it is made, whether frames are left out)
    "raw avi": ("a.avi", lambda path: write_video(path, FRAMES, fps=25, codec="raw"), False),
    "raw mkv": ("a.mkv", lambda path: write_video(path, FRAMES, fps=25, codec="raw"), False),
    "ffv1 avi, every frame a key": ("a.avi", lambda path: write_video(path, FRAMES, fps=25), True),
    "ffv1 mkv, every frame a key": ("a.mkv", lambda path: write_video(path, FRAMES, fps=25), True),
    "ffv1 avi, every 12th": ("a.avi", lambda path: encoded(path, "ffv1", level="3", slicecrc="1", g="12"), True),
    "ffv1 mkv, every 12th": ("a.mkv", lambda path: encoded(path, "ffv1", level="3", slicecrc="1", g="12"), True),
    "ffv1 mkv, only the first": ("a.mkv", lambda path: encoded(path, "ffv1", level="3", g="1000"), True),
    "ffv1 version 1": ("a.avi", lambda path: encoded(path, "ffv1", level="1", g="12"), True),
    "mjpeg": ("a.avi", lambda path: write_video(path, FRAMES, fps=25, codec="mjpeg"), True),
    "mjpeg of three qualities": ("a.avi", write_jpegs, True),
    "mjpeg, tables now and then": ("a.avi", lambda path: write_jpegs(path, own_tables=lambda n: n % 10 == 0), True),
    "mjpeg, tables once": ("a.avi", lambda path: write_jpegs(path, own_tables=lambda n: n == 0), True),
    "h264 with b frames": ("a.mp4", lambda path: encoded(path, "libx264", bf="3", g="12"), False),
    "h264, open groups": ("a.mkv", lambda path: encoded(path, "libx264", **{"x264-params": "open-gop=1"}), False),
}  # fmt: skip


@pytest.mark.parametrize(("name", "make", "is_picked"), FILMS.values(), ids=list(FILMS))
def test_sampled_frames_are_those_of_a_full_reading(tmp_path, name, make, is_picked):
    path = tmp_path / name
    make(path)
    video = open_video(path)
    every = list(video.frames())
    assert len(every) == N
    if isinstance(video.reader, ContainerReader):
        assert (video.reader.picked(PICKED) is not None) == is_picked
    for start, stop, n, wanted in ((0, None, 11, PICKED), (30, 50, 4, [32, 37, 42, 47]), (97, None, 9, [97, 98, 99])):
        np.testing.assert_array_equal(video.sample(n, start, stop), [every[k] for k in wanted])


def test_a_long_group_of_pictures_does_not_wait_in_memory(tmp_path, monkeypatch):
    encoded(tmp_path / "a.mkv", "ffv1", level="3", g="1000")
    video = open_video(tmp_path / "a.mkv")
    held = []

    def told(self, packet, begins, add=picking._Waiting.add):
        add(self, packet, begins)
        held.append(self.n_bytes)

    monkeypatch.setattr(picking._Waiting, "add", told)
    assert video.reader.picked([N - 1]) is not None
    most, held[:] = max(held), []
    monkeypatch.setattr(picking, "_MOST_HELD", 5000)
    np.testing.assert_array_equal(video.reader.picked([N - 1]), [FRAMES[-1]])
    assert max(held) < 7000 < most / 10


def spoilt(path: Path, wanted: Callable[[int], bool], codec: str = "ffv1") -> int:
    """Write a film with one bit changed in the middle of a frame whose number is ``wanted``; return the number."""
    write_video(path, FRAMES, fps=25, codec=codec)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        number = next(n for n in range(40, N) if wanted(n))
        at = packets[number].pos + 8 + packets[number].size // 2
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)
    return number


def test_damage_in_a_frame_that_is_left_out_shows_when_all_are_read(tmp_path):
    path = tmp_path / "a.avi"
    number = spoilt(path, lambda n: n not in PICKED)
    video = open_video(path)
    np.testing.assert_array_equal(video.sample(11), [FRAMES[k] for k in PICKED])
    for read in (lambda: list(video.frames()), lambda: detect(video, Settings(diameter_px=7))):
        with pytest.raises(RejectedError, match=f"frame {number} cannot be read: its checksum is wrong") as caught:
            read()
        assert caught.value.code == "damaged"


def test_damage_in_a_frame_that_is_picked_is_told_as_ever(tmp_path):
    path = tmp_path / "a.avi"
    number = spoilt(path, lambda n: n in PICKED)
    with pytest.raises(RejectedError, match=f"frame {number} cannot be read: its checksum is wrong") as caught:
        open_video(path).sample(11)
    assert caught.value.code == "damaged"


@pytest.mark.parametrize(("codec", "suffix"), [("ffv1", "avi"), ("ffv1", "mkv"), ("mjpeg", "avi"), ("h264", "mp4")])
@pytest.mark.parametrize("share", [0.35, 0.6])
def test_of_a_spoilt_film_the_same_frames_or_none(tmp_path, codec, suffix, share):
    path = tmp_path / f"a.{suffix}"
    zeroed((path.name, lambda path: write_video(path, FRAMES, fps=25, codec=codec)), share, 300)[1](path)
    video = open_video(path, allow_partial=True)
    every = list(video.frames())
    assert len(every) < N or codec == "mjpeg"  # zeros may be a picture there
    assert_sampled_of_all(video, every)


@pytest.mark.parametrize("name", ["a.avi", "a.mkv"])
def test_of_a_truncated_film_the_same_frames(tmp_path, name):
    path = tmp_path / name
    write_video(path, FRAMES, fps=25)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.7)])
    video = open_video(path, allow_partial=True)
    every = list(video.frames())
    assert 0 < len(every) < N
    assert_sampled_of_all(video, every)


def assert_sampled_of_all(video: Video, every: list[np.ndarray]) -> None:
    """Assert that 11 frames lie where so many would lie in the whole film, as far as it goes."""
    total = video.reader.count() if video.n_frames is None else video.n_frames
    wanted = {int((2 * k + 1) * total / 22) for k in range(11)}
    np.testing.assert_array_equal(video.sample(11), [frame for k, frame in enumerate(every) if k in wanted])


def test_a_film_shorter_than_it_says_is_truncated(tmp_path):
    write_video(tmp_path / "a.mkv", FRAMES, fps=25)
    video = open_video(tmp_path / "a.mkv")
    longer = replace(video, n_frames=2 * N, reader=replace(video.reader, expected=2 * N))
    with pytest.raises(RejectedError, match=f"{N} of {2 * N} frames could be read") as caught:
        longer.sample(11)
    assert caught.value.code == "truncated"


def test_dropped_frames_are_not_counted(tmp_path):
    pictures = jpegs()
    for gone in (3, 4, 50):
        pictures[gone] = b""
    path = tmp_path / "a.avi"
    path.write_bytes(avi(pictures, WIDTH, HEIGHT, fourcc=b"MJPG", bits=24))
    video = open_video(path)
    every = list(video.frames())
    assert len(every) == N - 3
    np.testing.assert_array_equal(video.sample(N - 3), every)
    assert_sampled_of_all(video, every)


def test_a_patched_film_is_picked_from_too(tmp_path):
    spoilt(tmp_path / "a.avi", lambda n: n not in PICKED)
    covered = np.zeros((HEIGHT, WIDTH), dtype=bool)
    covered[5:9, 7:20] = True
    video = open_video(tmp_path / "a.avi")
    plain, hidden = np.stack(video.sample(11)), np.stack(patched(video, covered).sample(11))
    np.testing.assert_array_equal(hidden[:, ~covered], plain[:, ~covered])
    assert (hidden[:, covered] != plain[:, covered]).any()


def test_which_jpeg_pictures_stand_alone():
    file = io.BytesIO()
    Image.fromarray(np.dstack([FRAMES[0]] * 3)).save(file, "JPEG")
    colour, progressive = file.getvalue(), io.BytesIO()
    Image.fromarray(FRAMES[0]).save(progressive, "JPEG", progressive=True)
    (grey,) = jpegs()[:1]
    assert has_its_tables(grey)
    assert has_its_tables(colour)
    assert not has_its_tables(without_tables(grey))
    assert not has_its_tables(progressive.getvalue())
    for marker in (b"\xff\xdb", b"\xff\xc4"):
        # A comment in the place of the last table of a kind.
        at = colour.rindex(marker, 0, colour.index(b"\xff\xda"))
        assert not has_its_tables(colour[:at] + b"\xff\xfe" + colour[at + 2 :])
    for end in range(0, colour.index(b"\xff\xda") + 2):
        assert not has_its_tables(colour[:end])
    assert not has_its_tables(b"")
