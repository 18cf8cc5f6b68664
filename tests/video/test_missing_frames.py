"""Frames that a file lacks, told from its time stamps and its structure: said, and kept out of every step."""

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import tifffile
from video_checks import HEIGHT, WIDTH, N, codes, rejected

import nta
from nta.settings import Settings
from nta.simulation import OneSize, Scene
from nta.simulation import frames as simulated
from nta.video import RepeatFilter, open_video, write_video
from nta.video.bitstream import check_of

sys.path.insert(0, str(Path(__file__).parents[1] / "fuzz"))
from mutations import mutated
from originals import ORIGINALS


def written_with_gaps(path, frames, gone, codec="ffv1"):
    """Write frames with their own time stamps, some left out, as a recorder that drops them does."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = frames[0].shape
        stream.pix_fmt = "gray"
        stream.codec_context.time_base = Fraction(1, 25)
        for number, samples in enumerate(frames):
            if number not in gone:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(samples), format="gray")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read(path, **options):
    """Return the frame numbers, and the codes and messages of what is said of them."""
    video = open_video(path, **options)
    reading = RepeatFilter(is_active=False)
    numbers = [number for number, _ in reading.passed(video.numbered_frames())]
    return numbers, {fault.code: fault.message for fault in (*video.faults, *reading.faults(video))}


@pytest.mark.parametrize("gone", [{5}, {3, 4, 8}])
def test_a_gap_between_time_stamps_is_said_and_no_step_goes_across_it(tmp_path, frames, gone):
    numbers, said = read(written_with_gaps(tmp_path / "a.mkv", frames, gone))
    assert numbers == [number for number in range(N) if number not in gone]
    assert set(said) == {"dropped_frames"}
    assert f"{len(gone)} of {N} frames are missing; steps across a gap are not used" in said["dropped_frames"]


def test_a_film_without_gaps_says_nothing(tmp_path, frames):
    assert read(written_with_gaps(tmp_path / "a.mkv", frames, set()))[1] == {}


def test_five_percent_dropped_change_no_size(tmp_path):
    """Counted by index 5 % of dropped frames are -4.8 % of every size."""
    scene = Scene(population=OneSize(150.0), width_px=200, height_px=160, particles_per_frame=12, n_frames=150, seed=5)
    film, gone = list(simulated(scene)), set(range(7, 150, 20))
    sizes = []
    for name, missing in (("whole.mkv", set()), ("spoilt.mkv", gone)):
        found = nta.detect(open_video(written_with_gaps(tmp_path / name, film, missing)))
        assert [fault.code for fault in found.faults] == (["dropped_frames"] if missing else [])
        assert not set(found.table["frame"]) & missing
        table = nta.estimate_diffusion(nta.link(found)).table
        sizes.append(1.0 / np.average(table["diffusion_um2_s"], weights=table["n_positions"]))
    assert sizes[1] == pytest.approx(sizes[0], rel=0.02)


def test_a_picture_under_the_name_of_a_number_is_not_lost_without_a_word(tmp_path, frames):
    """One bit makes a block (A3) a position (A7) or a size (AB): its picture was gone, and no count told."""
    path = write_video(tmp_path / "a.mkv", frames, fps=25)
    data = path.read_bytes()
    block = data.index(b"\xa3", len(data) // 2)
    while data[block + 1] & 0xF0 not in (0x40, 0x20):  # the size of a picture of a few hundred bytes or more
        block = data.index(b"\xa3", block + 1)
    for name in (0xA7, 0xAB, 0xAF):
        path.write_bytes(data[:block] + bytes([name]) + data[block + 1 :])
        error = rejected(path)
        assert error.code == "damaged"
        assert "where a picture may have been" in str(error) or "breaks off" in str(error)


@pytest.mark.parametrize("name", ["a.avi", "a.mkv"])
@pytest.mark.parametrize("place", [0.5, 0.97])
def test_damaged_frames_that_are_left_out_on_request_are_counted_and_said(tmp_path, frames, name, place):
    path = write_video(tmp_path / name, frames, fps=25)
    data = bytearray(path.read_bytes())
    packets = len(data) if name == "a.mkv" else data.rindex(b"idx1")
    data[int(packets * place)] ^= 0x10
    path.write_bytes(data)
    assert rejected(path).code == "damaged"
    numbers, said = read(path, allow_partial=True)
    assert len(numbers) == N - 1
    assert "1 frames are damaged or missing and were left out; copy the file again" in said["partial"]
    info = nta.inspect_file(path, Settings(allow_partial=True))
    assert (info.status, info.status_code) == ("warn", "partial")


def test_a_damaged_picture_of_h264_costs_all_up_to_the_next_key_frame(tmp_path, frames):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=25, options={"x264-params": "keyint=4:scenecut=0:bframes=0:qp=12"}
        )
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for samples in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(samples, format="gray").reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    whole = list(open_video(path).frames())
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    at = data.index(packets[5]) + len(packets[5]) // 2
    data[at : at + 40] = bytes(40)
    path.write_bytes(data)
    error = rejected(path)
    assert error.code == "damaged"
    assert "frame 5 cannot be read: it holds bytes that no encoder writes" in str(error)
    video = open_video(path, allow_partial=True)
    numbered = list(video.numbered_frames())
    assert [number for number, _ in numbered] == [0, 1, 2, 3, 4, 8, 9, 10, 11]
    assert all(np.array_equal(frame, whole[number]) for number, frame in numbered)
    assert "3 frames are damaged or missing" in read(path, allow_partial=True)[1]["partial"]


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.mkv", "h264"), ("a.avi", "h264")])
def test_zeros_in_the_place_of_a_picture_are_damage(tmp_path, name, codec):
    """A decoder makes a picture of most of them: of 40 zeros in H.264 without any error."""
    random = np.random.default_rng(4)
    stack = random.integers(0, 255, (8, 64, 64), dtype=np.uint8)
    path = write_video(tmp_path / name, stack, fps=25, codec=codec)
    assert len(list(open_video(path).frames())) == 8
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    data = path.read_bytes()
    for number in range(8):
        at = data.index(packets[number]) + len(packets[number]) * 2 // 3
        path.write_bytes(data[:at] + bytes(40) + data[at + 40 :])
        assert rejected(path).code == "damaged"


def test_units_are_told_apart_by_lengths_or_start_codes():
    unit = b"\x65\x88\x00\x00\x03\x01\x80"
    with_length, with_code = len(unit).to_bytes(4, "big") + unit, b"\0\0\0\x01" + unit
    by_length = check_of("h264", b"\x01\x64\x00\x0a\xff\xe1")
    by_code = check_of("h264", None)
    assert by_length(with_length * 3)
    assert by_code(with_code * 3 + b"\0\0")
    for spoilt in (with_length[:-1], with_length + b"\0\0\0\0", (2).to_bytes(4, "big") + unit):
        assert not by_length(spoilt)
    assert not by_length((9).to_bytes(4, "big") + b"\x65\x88\0\0\0" + unit[:4])
    assert not by_code(with_code + b"\0\0\x02")
    assert not by_code(with_code + b"\0\0\0\0\x05")
    assert check_of("ffv1", None)(bytes(64))


def test_a_dark_mjpeg_film_may_be_zeros(tmp_path):
    """Its Huffman codes are made for it: no run of zeros in the scan is damage."""
    path = write_video(tmp_path / "a.avi", np.zeros((8, 256, 256), np.uint8), fps=25, codec="mjpeg")
    assert len(list(open_video(path).frames())) == 8


def test_a_part_of_a_good_video_lacks_nothing(tmp_path, frames):
    video = open_video(write_video(tmp_path / "a.mkv", frames, fps=25), allow_partial=True)
    reading = RepeatFilter(is_active=False)
    assert len(list(reading.passed(video.numbered_frames(2, 6)))) == 4
    assert reading.faults(video) == ()


@pytest.mark.parametrize("compression", [2, 3, 4])
def test_a_compression_for_black_and_white_is_refused(tmp_path, compression):
    """One bit of the tag makes an uncompressed stack a fax, of which imagecodecs decoded noise."""
    path = tmp_path / "a.tif"
    stack = np.random.default_rng(2).integers(0, 255, (6, HEIGHT, WIDTH), dtype=np.uint8)
    tifffile.imwrite(path, stack, photometric="minisblack", metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        for page in tiff.pages:
            page.tags["Compression"].overwrite(compression)
    error = rejected(path)
    assert error.code == "unsupported"
    assert "(black and white only), which is not read" in str(error)
    assert "save 8- or 16-bit unsigned grey" in str(error)


@pytest.mark.parametrize("case", [1022939])
def test_a_case_that_fuzzing_found_later(tmp_path, case):
    original = ORIGINALS[list(ORIGINALS)[case % len(ORIGINALS)]]
    path = tmp_path / f"a{original.suffix}"
    original.make(path)
    path.write_bytes(mutated(case, path.read_bytes())[0])
    assert rejected(path).code == "unsupported"


def test_compressions_that_lose_detail_are_said(tmp_path):
    pytest.importorskip("imagecodecs")
    stack = np.random.default_rng(2).integers(100, 130, (6, HEIGHT, WIDTH), dtype=np.uint8)
    for compression, lossy in (("jpeg", True), ("jpeg2000", True), ("zstd", False), ("packbits", False)):
        tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", compression=compression, metadata=None)
        video = open_video(tmp_path / "a.tif")
        assert (video.is_lossy, "lossy_source" in codes(video)) == (lossy, lossy)
