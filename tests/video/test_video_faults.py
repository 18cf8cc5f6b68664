"""Truncation, damage, lying headers, dropped frames and frame rates, each with a file made here."""

import struct
import tracemalloc

import numpy as np
import pytest
from lying_avi import avi
from video_checks import HEIGHT, WIDTH, N, codes, rejected, same

from nta.video import open_video, write_video

# --- counts, damage, truncation --------------------------------------------------------------------------


def cut(path, fraction):
    data = path.read_bytes()
    broken = path.with_stem("cut")
    broken.write_bytes(data[: int(len(data) * fraction)])
    return broken


@pytest.mark.parametrize("fraction", [0.5, 0.93])
@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.avi", "raw"),
        ("a.avi", "ffv1"),
        ("a.avi", "mjpeg"),
        ("a.mkv", "ffv1"),
        ("a.mkv", "raw"),
        ("a.tif", "ffv1"),
    ],
)
def test_a_cut_file_is_truncated_and_read_as_far_as_it_goes_on_request(tmp_path, frames, name, codec, fraction):
    whole = write_video(tmp_path / name, frames, fps=25, codec=codec)
    reference = list(open_video(whole).frames())
    broken = cut(whole, fraction)
    error = rejected(broken)
    assert error.code == "truncated"
    assert "--allow-partial" in str(error)
    partial = open_video(broken, allow_partial=True)
    assert "partial" in codes(partial)
    read = list(partial.frames())
    # The last 7 % of a TIFF are its directories: there every sample may still be in place.
    assert 0 < len(read) < N + (name == "a.tif")
    # A frame whose last bytes are missing must not come out half.
    assert same(read, reference[: len(read)])


def test_a_cut_h264_file_is_truncated(tmp_path, frames):
    assert rejected(cut(write_video(tmp_path / "a.mp4", frames, fps=25, codec="h264"), 0.6)).code == "truncated"


@pytest.mark.parametrize("name", ["a.avi", "a.mkv"])
def test_one_flipped_bit_in_ffv1_is_damage(tmp_path, frames, name):
    path = write_video(tmp_path / name, frames, fps=25)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)
    assert rejected(path).code == "damaged"
    numbered = list(open_video(path, allow_partial=True).numbered_frames())
    assert len(numbered) == N - 1
    # The damaged frame is left out and its number with it.
    missing = set(range(N)) - {number for number, _ in numbered}
    assert len(missing) == 1
    assert all(np.array_equal(frame, frames[number]) for number, frame in numbered)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_zeroed_bytes_in_h264_are_damage(tmp_path, frames, name):
    path = write_video(tmp_path / name, frames, fps=25, codec="h264")
    data = bytearray(path.read_bytes())
    at = len(data) // 2
    data[at : at + 300] = bytes(300)
    path.write_bytes(data)
    assert rejected(path).code == "damaged"


@pytest.mark.parametrize("declared", [0, 3, 3000])
@pytest.mark.parametrize("index", [True, False])
def test_a_header_that_lies_about_the_count_is_a_fault_and_all_frames_come(tmp_path, frames, declared, index):
    path = tmp_path / "lie.avi"
    data = [frame.tobytes() for frame in frames]
    path.write_bytes(avi(data, WIDTH, HEIGHT, total_frames=declared, length=declared, index=index))
    video = open_video(path)
    assert video.n_frames == N
    assert codes(video) == {"frame_count"}
    assert same(video.frames(), frames)


def test_a_good_header_raises_no_fault(tmp_path, frames):
    path = tmp_path / "good.avi"
    for index in (True, False):
        path.write_bytes(avi([frame.tobytes() for frame in frames], WIDTH, HEIGHT, index=index))
        assert open_video(path).faults == ()
        assert same(open_video(path).frames(), frames)


def test_interrupted_recording_whose_sizes_were_never_written(tmp_path, frames):
    path = tmp_path / "crash.avi"
    data = [frame.tobytes() for frame in frames]
    path.write_bytes(avi(data, WIDTH, HEIGHT, index=False, riff_size=0, movi_size=0, total_frames=0, length=0))
    assert rejected(path).code == "truncated"
    assert open_video(path, allow_partial=True).n_frames == N


def test_zeroed_chunk_header_does_not_lose_frames_silently(tmp_path, frames):
    data = bytearray(avi([frame.tobytes() for frame in frames], WIDTH, HEIGHT))
    at = data.index(b"00db", len(data) // 2)
    data[at : at + 8] = bytes(8)
    path = tmp_path / "hole.avi"
    path.write_bytes(data)
    assert rejected(path).code == "truncated"


def test_bytes_after_the_end_are_not_part_of_the_video(tmp_path, frames):
    path = tmp_path / "tail.avi"
    path.write_bytes(avi([frame.tobytes() for frame in frames], WIDTH, HEIGHT) + b"appended by a download tool")
    assert open_video(path).faults == ()
    assert same(open_video(path).frames(), frames)


def test_header_without_frames_is_too_short(tmp_path):
    path = tmp_path / "header.avi"
    path.write_bytes(avi([], WIDTH, HEIGHT))
    assert rejected(path).code == "too_short"


def test_dropped_frames_show_as_gaps_in_the_numbers(tmp_path, frames):
    data = [frame.tobytes() for frame in frames]
    for gone in (3, 4, 8):
        data[gone] = b""
    path = tmp_path / "dropped.avi"
    path.write_bytes(avi(data, WIDTH, HEIGHT))
    video = open_video(path)
    assert video.n_frames == N - 3
    assert video.fps == 25
    assert codes(video) == {"dropped_frames"}
    numbered = list(video.numbered_frames())
    assert [number for number, _ in numbered] == [0, 1, 2, 5, 6, 7, 9, 10, 11]
    assert all(np.array_equal(frame, frames[number]) for number, frame in numbered)


@pytest.mark.parametrize("name", ["bomb.avi", "bomb.tif"])
def test_a_header_that_claims_a_huge_frame_is_refused_before_any_memory_is_taken(tmp_path, name):
    path = tmp_path / name
    if name.endswith("avi"):
        path.write_bytes(avi([b"x" * 64] * 3, 60_000, 60_000))
    else:
        import tifffile

        tifffile.imwrite(path, np.zeros((2, 8, 8), np.uint8), photometric="minisblack")
        with tifffile.TiffFile(path, mode="r+") as tiff:
            for tag in ("ImageWidth", "ImageLength"):
                tiff.pages.first.tags[tag].overwrite(60_000)
    tracemalloc.start()
    try:
        assert rejected(path).code == "too_large"
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


def test_an_mjpeg_frame_that_grows_beyond_its_header_is_damage(tmp_path, frames):
    path = write_video(tmp_path / "grow.avi", frames, fps=25, codec="mjpeg")
    data = path.read_bytes()
    at = data.index(b"\xff\xc0", data.index(b"\xff\xd8", len(data) // 2))
    grown = data[: at + 5] + struct.pack(">HH", 60_000, 60_000) + data[at + 9 :]
    path.write_bytes(grown)
    assert rejected(path).code == "damaged"


# --- frame rate ------------------------------------------------------------------------------------------


def test_frame_rate_stated_conflicting_and_missing(tmp_path, frames):
    data = [frame.tobytes() for frame in frames]
    path = tmp_path / "rate.avi"

    def opened(**header):
        path.write_bytes(avi(data, WIDTH, HEIGHT, **header))
        return open_video(path)

    assert opened(scale=400, rate=9993, frame_us=40_028).fps == 24.9825
    assert opened(scale=400, rate=9993, frame_us=40_028).faults == ()
    assert codes(opened(scale=1, rate=30, frame_us=40_000)) == {"fps_conflict"}
    only_main = opened(scale=0, rate=0, frame_us=40_000)
    assert only_main.fps == 25
    # FFmpeg would invent 25 here.
    assert opened(scale=0, rate=0, frame_us=0).fps is None


def test_every_second_frame_dropped_halves_the_frame_rate(tmp_path, frames):
    data = [frame.tobytes() if number % 2 == 0 else b"" for number, frame in enumerate(frames)]
    path = tmp_path / "half.avi"
    path.write_bytes(avi(data, WIDTH, HEIGHT, rate=50, frame_us=20_000))
    video = open_video(path)
    assert video.fps == 25
    assert [number for number, _ in video.numbered_frames()] == list(range(N // 2))


@pytest.mark.parametrize("name", ["a.avi", "a.mkv", "a.tif"])
@pytest.mark.parametrize("fps", [24.9825, 25.0, 30000 / 1001, 7.5])
def test_frame_rate_survives_writing(tmp_path, frames, name, fps):
    video = open_video(write_video(tmp_path / name, frames, fps=fps))
    assert video.fps == pytest.approx(fps, rel=1e-9)
    assert [number for number, _ in video.numbered_frames()] == list(range(N))


def test_checksum_of_the_ffv1_standard():
    """RFC 9043: polynomial 0x04C11DB7 bit by bit, against the mirrored zlib one."""
    from nta.video.ffv1 import is_intact

    def crc(data):
        register = 0
        for byte in data:
            register ^= byte << 24
            for _ in range(8):
                register = (register << 1) ^ (0x04C11DB7 if register & 0x80000000 else 0)
                register &= 0xFFFFFFFF
        return register

    rng = np.random.default_rng(1)
    payload = rng.integers(0, 256, 91, dtype=np.uint8).tobytes()
    body = payload + len(payload).to_bytes(3, "big") + b"\0"
    packet = body + crc(body).to_bytes(4, "big")
    assert is_intact(packet)
    assert is_intact(packet + packet)
    for at in (0, 50, len(packet) - 1):
        broken = bytearray(packet)
        broken[at] ^= 1
        assert not is_intact(bytes(broken))
