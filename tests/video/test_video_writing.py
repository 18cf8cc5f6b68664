"""What ``write_video`` writes: the same samples, the same bytes, all or nothing."""

import numpy as np
import pytest

from nta.errors import UsageError
from nta.video import open_video, write_video

N = 8


def noise(dtype=np.uint8, shape=(30, 47)):
    rng = np.random.default_rng(3)
    return [rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True) for _ in range(N)]


@pytest.mark.parametrize("shape", [(30, 44), (31, 45), (29, 46), (33, 47), (5, 3)])
@pytest.mark.parametrize(
    ("name", "codec", "dtype"),
    [
        ("a.avi", "ffv1", np.uint8),
        ("a.avi", "raw", np.uint8),
        ("a.mkv", "ffv1", np.uint8),
        ("a.mkv", "ffv1", np.uint16),
        ("a.tif", "ffv1", np.uint8),
        ("a.tiff", "ffv1", np.uint16),
    ],
)
def test_lossless_round_trip_and_equal_bytes(tmp_path, shape, name, codec, dtype):
    frames = noise(dtype, shape)
    first = write_video(tmp_path / name, frames, fps=24.9825, codec=codec)
    video = open_video(first)
    read = list(video.frames())
    assert len(read) == N
    assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(read, frames, strict=True))
    assert (video.height, video.width) == shape
    assert video.bit_depth == 8 * np.dtype(dtype).itemsize
    assert not video.is_lossy
    assert video.faults == ()
    second = write_video(tmp_path / f"again{first.suffix}", iter(frames), fps=24.9825, codec=codec)
    assert first.read_bytes() == second.read_bytes()


def test_lossy_codecs_give_equal_bytes_too(tmp_path):
    for name, codec in (("a.avi", "mjpeg"), ("a.mp4", "h264"), ("a.avi", "h264")):
        path = tmp_path / name
        once = write_video(path, noise(shape=(30, 46)), fps=25, codec=codec).read_bytes()
        assert write_video(path, noise(shape=(30, 46)), fps=25, codec=codec).read_bytes() == once
        assert [number for number, _ in open_video(path).numbered_frames()] == list(range(N))


def test_tiff_keeps_scale_rate_and_exposure(tmp_path):
    video = open_video(write_video(tmp_path / "a.tif", noise(), fps=24.9825, mpp=0.14, exposure_ms=32.5))
    assert video.fps == pytest.approx(24.9825, rel=1e-12)
    assert video.mpp == pytest.approx(0.14, rel=1e-8)
    assert video.exposure_ms == 32.5
    bare = open_video(write_video(tmp_path / "b.tif", noise(), fps=25))
    assert (bare.mpp, bare.exposure_ms) == (None, None)


def test_other_byte_orders_and_strides_are_written_as_their_values(tmp_path):
    frames = noise(np.uint16)
    odd = [np.asfortranarray(frame.astype(">u2")) for frame in frames]
    for name in ("a.mkv", "a.tif"):
        read = open_video(write_video(tmp_path / name, odd, fps=25)).frames()
        assert all(np.array_equal(a, b) for a, b in zip(read, frames, strict=True))


@pytest.mark.parametrize("name", ["a.avi", "a.mkv", "a.tif"])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, name):
    path = write_video(tmp_path / name, noise(), fps=25)
    before = path.read_bytes()

    def breaks():
        yield from noise()[:3]
        raise RuntimeError("the camera stopped")

    with pytest.raises(RuntimeError, match="camera"):
        write_video(path, breaks(), fps=25)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "frames", "options", "message"),
    [
        ("a.xyz", noise(), {}, "cannot be written"),
        ("a.avi", noise(), {"codec": "divx"}, "is not known"),
        ("a.avi", noise(), {"fps": 0.0}, "must be positive"),
        ("a.avi", noise(), {"fps": float("nan")}, "must be positive"),
        ("a.avi", [], {}, "at least one"),
        ("a.avi", noise(np.uint16), {}, ".mkv or .tif"),
        ("a.mkv", noise(np.uint16), {"codec": "raw"}, "16-bit"),
        ("a.avi", [np.zeros((3, 4, 3), np.uint8)], {}, "2-D uint8 or uint16"),
        ("a.avi", [np.zeros((3, 4))], {}, "2-D uint8 or uint16"),
        ("a.avi", [noise()[0], noise()[1][:5]], {}, "alike"),
        ("a.avi", noise(), {"codec": "mjpeg"}, "even width"),
        ("missing/a.avi", noise(), {}, "there is no folder"),
    ],
)
def test_wrong_use_is_said_in_one_line(tmp_path, name, frames, options, message):
    with pytest.raises(UsageError, match=message):
        write_video(tmp_path / name, frames, **({"fps": 25.0} | options))
    assert list(tmp_path.iterdir()) == []
