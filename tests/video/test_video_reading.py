"""What is read and what is refused: kinds of files, names, pixel formats, laziness."""

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from lying_avi import GREY_PALETTE, avi, dib_rows
from video_checks import HEIGHT, WIDTH, N, codes, rejected, same

from nta.errors import UsageError
from nta.video import open_video, write_video

# --- what a file is -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "code", "looks"),
    [
        (b"day,sample,video\n1,a,b.avi\n", "not_a_video", "a text file"),
        (b"ffconcat version 1.0\nfile 'other.avi'\n", "not_a_video", "a text file"),
        (b"#EXTM3U\n#EXTINF:1,\nother.avi\n", "not_a_video", "a text file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(30), "not_a_video", "a PNG image"),
        (b"\x00\x05\x16\x07" + bytes(30), "not_a_video", "macOS"),
        (bytes(4096), "not_a_video", "zeros"),
        (b"", "empty", "0 bytes"),
        (b"RIFF\x10\0\0\0AVI " + bytes(8), "unreadable", "header"),
        (b"\0\0\0\x18ftypisom" + bytes(12), "unreadable", "MOV"),
        (b"\x1a\x45\xdf\xa3" + bytes(60), "unreadable", "MATROSKA"),
        (b"II*\0", "truncated", "0"),
    ],
)
def test_what_is_no_video_is_rejected_with_one_line(tmp_path, content, code, looks):
    path = tmp_path / "capture.avi"
    path.write_bytes(content)
    error = rejected(path)
    assert error.code == code
    assert looks in str(error)
    assert "capture.avi" in str(error)


def test_wrong_use_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match=r"no such file: '.*missing\.avi'"):
        open_video(tmp_path / "missing.avi")
    with pytest.raises(UsageError, match="is a folder"):
        open_video(tmp_path)
    os.mkfifo(tmp_path / "pipe.avi")
    with pytest.raises(UsageError, match="not a regular file"):
        open_video(tmp_path / "pipe.avi")


@pytest.mark.parametrize(
    "name",
    [
        "a b.avi",
        "new\nline.avi",
        "%03d.avi",
        "粒子.avi",
        "-y.avi",
        'it\'s "q".avi',
        "concat:a|b.avi",
        "http:x.avi",
    ],
)
@pytest.mark.parametrize("relative", [False, True])
def test_a_name_is_only_a_name(tmp_path, frames, monkeypatch, name, relative):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "plain.avi", frames, fps=25)
    (tmp_path / "plain.avi").rename(tmp_path / name)
    assert same(open_video(Path(name) if relative else tmp_path / name).frames(), frames)


def test_magic_bytes_decide_and_not_the_extension(tmp_path, frames):
    for written, renamed in (("a.tif", "a.avi"), ("b.avi", "b.tif"), ("c.mkv", "c.mp4")):
        write_video(tmp_path / written, frames, fps=25)
        (tmp_path / written).rename(tmp_path / renamed)
        assert same(open_video(tmp_path / renamed).frames(), frames)


# --- pixels ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [43, 44, 45, 46])
@pytest.mark.parametrize("bottom_up", [True, False])
def test_raw_dib_rows_palette_and_direction(tmp_path, frames, width, bottom_up):
    cropped = [np.ascontiguousarray(frame[:, :width]) for frame in frames]
    path = tmp_path / "dib.avi"
    path.write_bytes(
        avi(
            [dib_rows(frame, bottom_up=bottom_up) for frame in cropped],
            width,
            HEIGHT if bottom_up else -HEIGHT,
            fourcc=b"\0\0\0\0",
            palette=GREY_PALETTE,
        )
    )
    video = open_video(path)
    assert (video.width, video.height, video.bit_depth, video.is_lossy) == (width, HEIGHT, 8, False)
    assert same(video.frames(), cropped)


def test_a_reversed_grey_palette_is_followed_and_a_coloured_one_refused(tmp_path, frames):
    reverse = b"".join(GREY_PALETTE[4 * i : 4 * i + 4] for i in reversed(range(256)))
    colour = b"".join(bytes((i, 0, 255 - i, 0)) for i in range(256))
    path = tmp_path / "pal.avi"
    data = [dib_rows(frame) for frame in frames]
    path.write_bytes(avi(data, WIDTH, HEIGHT, fourcc=b"\0\0\0\0", palette=reverse))
    assert same(open_video(path).frames(), [255 - frame for frame in frames])
    path.write_bytes(avi(data, WIDTH, HEIGHT, fourcc=b"\0\0\0\0", palette=colour))
    assert rejected(path).code == "colour"


def test_rgb_with_equal_channels_is_grey_and_otherwise_colour(tmp_path, frames):
    def rgb(frame, blue):
        return dib_rows(np.stack([frame, frame, blue], -1).reshape(HEIGHT, 3 * WIDTH))

    path = tmp_path / "rgb.avi"
    path.write_bytes(avi([rgb(f, f) for f in frames], WIDTH, HEIGHT, fourcc=b"\0\0\0\0", bits=24))
    assert same(open_video(path).frames(), frames)
    path.write_bytes(avi([rgb(f, f // 2) for f in frames], WIDTH, HEIGHT, fourcc=b"\0\0\0\0", bits=24))
    assert rejected(path).code == "colour"


def test_sixteen_bit_raw_avi_is_refused_with_the_format_to_use(tmp_path, frames):
    data = [dib_rows(frame.astype("<u2") * 16) for frame in frames]
    path = tmp_path / "raw16.avi"
    path.write_bytes(avi(data, WIDTH, HEIGHT, fourcc=b"\0\0\0\0", bits=16))
    error = rejected(path)
    assert error.code == "unsupported"
    assert "TIFF" in str(error)


@pytest.mark.parametrize(("bits", "pixel_format"), [(10, "gray10le"), (12, "gray12le"), (16, "gray16le")])
def test_more_than_eight_bits_come_as_uint16_unscaled(tmp_path, bits, pixel_format):
    import av

    rng = np.random.default_rng(bits)
    deep = [rng.integers(0, 2**bits, (HEIGHT, WIDTH), dtype=np.uint16) for _ in range(4)]
    path = tmp_path / "deep.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25, options={"level": "3"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixel_format
        for samples in deep:
            frame = av.VideoFrame(WIDTH, HEIGHT, pixel_format)
            padded = np.zeros((HEIGHT, frame.planes[0].line_size // 2), np.uint16)
            padded[:, :WIDTH] = samples
            frame.planes[0].update(padded.tobytes())
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    video = open_video(path)
    assert video.bit_depth == bits
    assert same(video.frames(), deep)


def test_an_unknown_codec_is_unreadable(tmp_path, frames):
    path = tmp_path / "odd.avi"
    path.write_bytes(avi([frame.tobytes() for frame in frames], WIDTH, HEIGHT, fourcc=b"QQ?!"))
    error = rejected(path)
    assert error.code == "unreadable"
    assert "codec" in str(error)


def test_lossy_codecs_give_the_grey_plane_close_to_the_original(tmp_path, frames):
    smooth = [
        np.clip(frame.astype(float).mean(0)[None, :].repeat(HEIGHT, 0), 0, 255).astype(np.uint8) for frame in frames
    ]
    for name, codec, limited in (("a.avi", "mjpeg", False), ("a.mp4", "h264", True), ("a.mov", "h264", True)):
        video = open_video(write_video(tmp_path / name, smooth, fps=25, codec=codec))
        assert video.is_lossy
        assert codes(video) == {"lossy_source"}
        read = list(video.frames())
        assert len(read) == N == video.n_frames
        # H.264 here stores studio range, 16 to 235; the plane is given as it is stored.
        expected = [16 + frame * (219 / 255) if limited else frame for frame in smooth]
        assert max(np.abs(a.astype(float) - b).mean() for a, b in zip(read, expected, strict=True)) < 2.5


# --- laziness --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "raw"), ("a.avi", "ffv1"), ("a.tif", "ffv1")])
def test_memory_does_not_grow_with_the_length(tmp_path, name, codec):
    rng = np.random.default_rng(0)
    block = rng.integers(0, 255, (10, 96, 128), dtype=np.uint8)

    def peak(count):
        path = write_video(tmp_path / f"{count}{name}", (block[k % 10] for k in range(count)), fps=25, codec=codec)
        video = open_video(path)
        tracemalloc.start()
        try:
            assert sum(1 for _ in video.frames()) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)  # imports and caches
    few, many = peak(50), peak(500)
    # 450 more frames are 5.5 MB; a TIFF keeps the offset of every page, some 100 bytes.
    assert many - few < 0.5e6


def test_reading_can_be_stopped_and_repeated(tmp_path, frames):
    for name in ("a.avi", "a.tif"):
        video = open_video(write_video(tmp_path / name, frames, fps=25))
        early = video.frames()
        next(early)
        early.close()
        assert same(video.frames(), frames)
        assert same(video.frames(3, 7), frames[3:7])
        assert same(video.frames(10), frames[10:])
        assert list(video.frames(5, 5)) == []
        assert [number for number, _ in video.numbered_frames(2, 4)] == [2, 3]
        with pytest.raises(UsageError, match="not a range"):
            list(video.frames(5, 3))


def test_sample_is_even_and_complete(tmp_path, frames):
    for name in ("a.avi", "a.mkv", "a.tif"):
        video = open_video(write_video(tmp_path / name, frames, fps=25))
        assert same(video.sample(4), [frames[k] for k in (1, 4, 7, 10)])
        assert same(video.sample(N), frames)
        assert same(video.sample(100), frames)
        with pytest.raises(UsageError, match="at least 1"):
            video.sample(0)


def test_a_video_can_be_sent_to_another_process(tmp_path, frames):
    import pickle

    for name in ("a.avi", "a.tif"):
        video = open_video(write_video(tmp_path / name, frames, fps=25))
        assert same(pickle.loads(pickle.dumps(video)).frames(), frames)  # noqa: S301


def test_hash_is_that_of_the_bytes(tmp_path, frames):
    import hashlib

    path = write_video(tmp_path / "a.avi", frames, fps=25)
    assert open_video(path).sha256() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_opening_a_video_of_one_kind_does_not_import_the_library_of_the_other(tmp_path, frames):
    path = write_video(tmp_path / "a.avi", frames, fps=25)
    script = f"from nta.video import open_video; open_video({str(path)!r})"
    script = f"import sys; {script}; print('tifffile' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


# --- other people's films --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bulk_water():
    root = os.environ.get("NTA_TEST_DATA")
    if root is None:
        pytest.skip("NTA_TEST_DATA is not set")
    return Path(root) / "bulk_water"


def test_bulk_water_film_has_all_its_frames(bulk_water):
    video = open_video(bulk_water / "bulk-water.mov")
    assert (video.width, video.height, video.codec, video.n_frames) == (640, 424, "h264", 480)
    assert video.fps == pytest.approx(24000 / 1001)
    numbers = [number for number, _ in video.numbered_frames()]
    assert numbers == list(range(480))


def test_bulk_water_stack_has_all_its_frames(bulk_water):
    video = open_video(bulk_water / "bulk_water.tif")
    assert (video.width, video.height, video.n_frames, video.fps, video.mpp) == (640, 424, 300, None, None)
    assert sum(1 for _ in video.frames(0, 40)) == 40
