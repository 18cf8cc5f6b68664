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
