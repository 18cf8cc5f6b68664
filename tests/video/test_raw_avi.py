"""Our own reader of uncompressed grey AVI: every layout, every lie of its headers, files beyond 4 GB."""

import os
import struct
import sys

import numpy as np
import pytest
from lying_avi import GREY_PALETTE, avi, chunk, dib_rows, headers, index_entries, opendml
from video_checks import HEIGHT, WIDTH, N, codes, rejected, same

from nta.video import open_video, riff, write_video
from nta.video.container import open_container
from nta.video.raw_avi import RawReader

BITMAP = b"\0\0\0\0"


@pytest.fixture
def film(tmp_path, frames):
    """Write an AVI with lies and open it; the frames are rows of grey unless they are given."""

    def write(data=None, *, width=WIDTH, height=HEIGHT, **lies):
        path = tmp_path / "film.avi"
        path.write_bytes(avi([frame.tobytes() for frame in frames] if data is None else data, width, height, **lies))
        return path

    return write


def by_pyav(path):
    return list(open_container(path, "avi", riff.scan(path)).numbered_frames())


def agrees_with_pyav(path):
    video, theirs = open_video(path), by_pyav(path)
    ours = list(video.numbered_frames())
    return (
        [n for n, _ in ours] == [n for n, _ in theirs]
        and same(video.frames(), [f for _, f in theirs])
        and all(np.array_equal(a, b) for (_, a), (_, b) in zip(ours, theirs, strict=True))
    )


# --- layouts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fourcc", [b"Y800", b"GREY", b"Y8  ", b"y800"])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("width", [43, 44, 46])
def test_grey_codes(film, frames, fourcc, padded, width):
    cropped = [np.ascontiguousarray(frame[:, :width]) for frame in frames]
    path = film([dib_rows(f, bottom_up=False) if padded else f.tobytes() for f in cropped], width=width, fourcc=fourcc)
    video = open_video(path)
    assert isinstance(video.reader, RawReader)
    assert (video.codec, video.bit_depth, video.is_lossy, video.faults) == ("rawvideo", 8, False, ())
    assert same(video.frames(), cropped)
    if fourcc.isupper():  # FFmpeg knows no small letters here
        assert agrees_with_pyav(path)


@pytest.mark.parametrize("bottom_up", [True, False])
@pytest.mark.parametrize("width", [43, 44, 45, 46])
@pytest.mark.parametrize("palette", ["grey", "reversed", "none"])
def test_bitmaps(film, frames, bottom_up, width, palette):
    cropped = [np.ascontiguousarray(frame[:, :width]) for frame in frames]
    entries = {
        "grey": GREY_PALETTE,
        "reversed": b"".join(GREY_PALETTE[4 * i : 4 * i + 4] for i in reversed(range(256))),
        "none": b"",
    }[palette]
    path = film(
        [dib_rows(f, bottom_up=bottom_up) for f in cropped],
        width=width,
        height=HEIGHT if bottom_up else -HEIGHT,
        fourcc=BITMAP,
        palette=entries,
    )
    assert isinstance(open_video(path).reader, RawReader)
    assert same(open_video(path).frames(), [255 - f for f in cropped] if palette == "reversed" else cropped)
    if palette != "none":  # without one FFmpeg shows black
        assert agrees_with_pyav(path)


@pytest.mark.parametrize("fourcc", [b"DIB ", b"RGB "])
def test_a_bitmap_under_another_name_is_a_bitmap(film, frames, fourcc):
    data = [dib_rows(frame) for frame in frames]
    assert same(open_video(film(data, fourcc=fourcc, palette=GREY_PALETTE)).frames(), frames)


def test_a_short_palette_serves_the_levels_that_it_has(film, frames):
    dark = [frame // 8 for frame in frames]
    data = [dib_rows(frame) for frame in dark]
    assert same(open_video(film(data, fourcc=BITMAP, palette=GREY_PALETTE[: 4 * 32])).frames(), dark)
    data[5] = dib_rows(frames[5])
    error = rejected(film(data, fourcc=BITMAP, palette=GREY_PALETTE[: 4 * 32]))
    assert error.code == "damaged"
    assert "frame 5" in str(error)
    assert (
        len(list(open_video(film(data, fourcc=BITMAP, palette=GREY_PALETTE[:128]), allow_partial=True).frames())) == 11
    )


def test_a_palette_that_rises_and_falls_is_refused(film, frames):
    palette = GREY_PALETTE[: 4 * 100] + bytes(4 * 20) + GREY_PALETTE[4 * 120 :]
    error = rejected(film([dib_rows(frame) for frame in frames], fourcc=BITMAP, palette=palette))
    assert error.code == "unsupported"
    assert "without a palette" in str(error)


@pytest.mark.parametrize(
    "lies", [{"bitmap_header": 296}, {"colours_used": 256, "palette": GREY_PALETTE[:512]}], ids=str
)
def test_a_palette_with_fewer_colours_than_stated_is_refused(film, frames, lies):
    error = rejected(film([dib_rows(f) for f in frames], **({"fourcc": BITMAP, "palette": GREY_PALETTE} | lies)))
    assert error.code == "unreadable"
    assert "of 256 colours" in str(error)


def test_a_bitmap_without_palette_whose_stream_says_grey_is_refused(film, frames):
    error = rejected(film([dib_rows(frame) for frame in frames], fourcc=BITMAP, handler=b"Y800"))
    assert (error.code, "which row comes first" in str(error)) == ("unreadable", True)


def test_a_palette_that_changes_on_the_way_is_not_read_by_us(film, frames):
    change = chunk(b"00pc", struct.pack("<BBH", 0, 1, 0) + bytes((0, 0, 255, 0)))
    path = film([dib_rows(f) for f in frames], fourcc=BITMAP, palette=GREY_PALETTE, between=change)
    assert not isinstance(open_video(path).reader, RawReader)


@pytest.mark.parametrize(
    "lies", [{"fourcc": BITMAP, "bits": 16}, {"fourcc": b"Y16 ", "bits": 16}, {"fourcc": b"DIB ", "bits": 16}]
)
def test_sixteen_bits_are_refused_with_the_format_to_use(film, frames, lies):
    error = rejected(film([dib_rows(f.astype("<u2")) for f in frames], **lies))
    assert error.code == "unsupported"
    assert "16-bit grey TIFF or FFV1 in MKV" in str(error)


def test_planes_of_colour_give_the_grey_one(film, frames):
    even = [np.ascontiguousarray(f[:, :44]) for f in frames]
    chroma = bytes([128]) * (22 * 15 * 2)
    for fourcc in (b"I420", b"YV12"):
        video = open_video(film([f.tobytes() + chroma for f in even], width=44, fourcc=fourcc, bits=12))
        assert same(video.frames(), even)


def test_sound_padding_and_lists_between_the_frames(film, frames):
    for between in (chunk(b"01wb", b"hiss!"), chunk(b"JUNK", bytes(99)), chunk(b"ix00", bytes(24))):
        path = film(between=between, index=False)
        assert open_video(path).faults == ()
        assert same(open_video(path).frames(), frames)
    data = [frame.tobytes() for frame in frames]
    records = b"".join(chunk(b"LIST", b"rec " + chunk(b"00db", one) + chunk(b"01wb", b"hiss")) for one in data)
    body = b"AVI " + headers(WIDTH, HEIGHT, N) + chunk(b"LIST", b"movi" + records)
    path.write_bytes(chunk(b"RIFF", body))
    assert same(open_video(path).frames(), frames)


def test_frames_are_rounded_up_to_sectors_by_some_recorders(film, frames):
    wide = [np.ascontiguousarray(f[:, :44]) for f in frames]
    data = [f.tobytes() + bytes(-f.size % 512) for f in wide]
    assert same(open_video(film(data, width=44)).frames(), wide)
    # With rows that need padding themselves nobody can tell where the next one begins.
    data = [f.tobytes() + bytes(-f.size % 512) for f in frames]
    assert rejected(film(data)).code == "unreadable"


# --- AVI 2.0, and beyond 4 GB ----------------------------------------------------------------------------


@pytest.mark.parametrize("index", [True, False])
def test_avi_2_is_read_through_all_its_parts(tmp_path, frames, index):
    data = [frame.tobytes() for frame in frames]
    path = tmp_path / "two.avi"
    path.write_bytes(opendml([data[:5], data[5:9], data[9:]], WIDTH, HEIGHT, index=index))
    video = open_video(path)
    assert (video.n_frames, video.faults) == (N, ())
    assert same(video.frames(), frames)
    assert agrees_with_pyav(path)


def test_avi_2_that_lacks_its_last_part_is_not_whole(tmp_path, frames):
    data = [frame.tobytes() for frame in frames]
    whole = opendml([data[:5], data[5:9], data[9:]], WIDTH, HEIGHT)
    path = tmp_path / "cut.avi"
    path.write_bytes(whole[: whole.rindex(b"RIFF")])
    assert codes(open_video(path)) == {"frame_count"}
    path.write_bytes(whole[:-1000])
    assert rejected(path).code == "truncated"


def _sparse(path, width, height, count, *, wraps):
    """Write a film of frames that are holes on the disk, each with its number in its first pixels."""
    size = width * height
    head = headers(width, height, count)
    movi = 4 + count * (size + 8)
    riff_size = 4 + len(head) + 8 + movi
    with path.open("wb") as file:
        file.write(b"RIFF" + struct.pack("<I", riff_size & 0xFFFFFFFF) + b"AVI " + head)
        file.write(b"LIST" + struct.pack("<I", movi & 0xFFFFFFFF) + b"movi")
        for number in range(count):
            file.write(b"00db" + struct.pack("<I", size) + struct.pack("<I", number))
            file.seek(size - 4, os.SEEK_CUR)
        file.truncate(file.tell())
    assert (path.stat().st_size > 2**32) == wraps


@pytest.mark.skipif(sys.platform != "linux", reason="files with holes")
@pytest.mark.parametrize(("count", "wraps"), [(24, False), (45, True)])
def test_files_over_2_and_4_gigabytes(tmp_path, count, wraps):
    """Recorders without AVI 2.0 let the 32-bit sizes of the lists wrap round and go on writing."""
    path = tmp_path / "large.avi"
    _sparse(path, 10_000, 10_000, count, wraps=wraps)
    video = open_video(path)
    assert (video.n_frames, video.faults) == (count, ())
    for number in (0, count // 2, count - 1):
        (frame,) = video.frames(number, number + 1)
        assert int.from_bytes(frame[0, :4].tobytes(), "little") == number
    path.unlink()


# --- lies ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "index",
    [
        pytest.param(lambda data: index_entries(data, shift=4), id="shifted"),
        pytest.param(lambda data: index_entries(data, shift=-10_000), id="before the file"),
        pytest.param(lambda data: index_entries(data, stretch=999), id="sizes"),
        pytest.param(lambda data: index_entries(data[:3]), id="too few"),
        pytest.param(lambda data: index_entries(data, tag=b"01wb"), id="another stream"),
        pytest.param(lambda data: bytes(16 * N), id="zeros"),
        pytest.param(lambda data: b"odd", id="no entry"),
        pytest.param(lambda data: False, id="none"),
    ],
)
def test_no_index_and_lying_ones_change_nothing(film, frames, index):
    path = film(index=index([frame.tobytes() for frame in frames]))
    assert open_video(path).faults == ()
    assert same(open_video(path).frames(), frames)


def test_an_index_that_lists_more_frames_than_the_file_holds_is_said(film, frames):
    data = [frame.tobytes() for frame in frames]
    path = film(index=index_entries([*data, *data]))
    assert codes(open_video(path)) == {"frame_count"}
    assert same(open_video(path).frames(), frames)
    # With the header on its side frames are missing.
    path = film(data[:8], index=index_entries(data), total_frames=N)
    assert rejected(path).code == "truncated"


@pytest.mark.parametrize(
    "lies",
    [
        {"riff_size": 100},
        {"movi_size": 500},
        {"riff_size": 3000, "movi_size": 2000},
        {"handler": b"MJPG"},
        {"planes": 7},
        {"image_bytes": 1},
        {"bits": 24},
        {"flags": 0xFFFFFFFF},
        {"start": 9},
        {"streams": 0},
        {"length": 1},
        {"rectangle": (1, 1)},
        {"main_height": 0},
    ],
    ids=str,
)
def test_headers_that_lie_where_it_does_not_matter(film, frames, lies):
    path = film(**lies)
    assert open_video(path).faults == ()
    assert same(open_video(path).frames(), frames)


@pytest.mark.parametrize(
    ("lies", "code"),
    [
        ({"width": WIDTH * 2}, "unreadable"),
        ({"width": WIDTH - 2}, "unreadable"),
        ({"width": HEIGHT, "height": WIDTH, "main_width": WIDTH, "main_height": HEIGHT}, "unreadable"),
        ({"width": 0}, "unreadable"),
        ({"width": -WIDTH}, "too_large"),
        ({"height": 2 * HEIGHT}, "unreadable"),
        ({"main_width": 0}, "unreadable"),
        ({"stream_kind": b"auds"}, "unreadable"),
        ({"width": 60_000, "height": 60_000}, "too_large"),
        ({"main_width": 60_000, "main_height": 60_000}, "too_large"),
        ({"movi_size": 0}, "truncated"),
        ({"riff_size": 0}, "truncated"),
        ({"riff_size": 0x7FFFFFFF}, "truncated"),
        ({"movi_size": 0x7FFFFFFF}, "truncated"),
    ],
    ids=str,
)
def test_headers_that_lie_where_it_does_matter(film, lies, code):
    error = rejected(film(**lies))
    assert error.code == code
    assert "film.avi" in str(error)


def test_one_frame_of_another_size_is_damage(film, frames):
    data = [frame.tobytes() for frame in frames]
    data[4] = data[4][:-6]
    error = rejected(film(data))
    assert error.code == "damaged"
    assert "frame 4" in str(error)
    partial = open_video(film(data), allow_partial=True)
    assert codes(partial) == {"partial"}
    assert [n for n, _ in partial.numbered_frames()] == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11]
    assert same(partial.frames(), frames[:4] + frames[5:])


def test_lists_nested_without_end_are_no_video(tmp_path):
    path = tmp_path / "deep.avi"
    inner = b""
    for _ in range(3000):
        inner = chunk(b"LIST", b"movi" + inner)
    path.write_bytes(chunk(b"RIFF", b"AVI " + headers(WIDTH, HEIGHT, 1) + inner))
    assert rejected(path).code == "truncated"


def test_a_file_that_shrinks_while_it_is_read_is_truncated(film):
    path = film()
    reading = open_video(path).frames()
    next(reading)
    os.truncate(path, path.stat().st_size // 2)
    from nta.errors import RejectedError

    with pytest.raises(RejectedError, match="of 12 frames could be read") as caught:
        list(reading)
    assert caught.value.code == "truncated"


# --- how it reads ----------------------------------------------------------------------------------------


def test_it_is_the_reader_of_what_write_video_writes_raw(tmp_path, frames):
    path = write_video(tmp_path / "a.avi", frames, fps=25, codec="raw")
    assert isinstance(open_video(path).reader, RawReader)
    assert agrees_with_pyav(path)


def test_dropped_frames_have_the_numbers_that_pyav_gives_them(film, frames):
    data = [frame.tobytes() for frame in frames]
    for gone in ((3, 4, 8), (1, 3, 5, 7, 9, 11), (0, 1), (10, 11)):
        path = film([b"" if n in gone else one for n, one in enumerate(data)])
        assert agrees_with_pyav(path)


def test_frames_belong_to_the_caller(film, frames):
    video = open_video(film())
    held = []
    for frame in video.frames():
        held.append(frame)
        assert frame.flags.owndata
    assert same(held, frames)
    held[0][:] = 0
    assert same(video.frames(), frames)


def test_a_sample_reads_only_its_frames(film, frames, monkeypatch):
    video = open_video(film())
    read = []
    from nta.video import raw_avi

    fill = raw_avi.fill
    monkeypatch.setattr(raw_avi, "fill", lambda file, offset, rows: read.append(offset) or fill(file, offset, rows))
    assert same(video.sample(3), [frames[k] for k in (2, 6, 10)])
    assert len(read) == 3


def test_raw_avi_needs_no_ffmpeg(film):
    import subprocess

    path = film()
    script = f"import sys; from nta.video import open_video; list(open_video({str(path)!r}).frames())"
    out = subprocess.run(
        [sys.executable, "-c", f"{script}; print('av' in sys.modules)"], capture_output=True, text=True
    )
    assert out.stdout.strip() == "False"
