"""TIFF stacks: layouts, sample types, what the tags say, and files that break off."""

import numpy as np
import pytest
import tifffile

from nta.errors import RejectedError
from nta.video import open_video

N, HEIGHT, WIDTH = 9, 31, 43


def stack(dtype):
    return np.random.default_rng(5).integers(0, np.iinfo(dtype).max, (N, HEIGHT, WIDTH), dtype=dtype)


def same(video, expected):
    read = list(video.frames())
    return len(read) == len(expected) == video.n_frames and all(
        np.array_equal(a, b) and a.dtype == b.dtype and a.dtype.isnative and a.flags.c_contiguous
        for a, b in zip(read, expected, strict=True)
    )


def rejected(path):
    with pytest.raises(RejectedError) as caught:
        for _ in open_video(path).frames():
            pass
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"imagej": True, "metadata": {"axes": "TYX"}},
        {"ome": True, "metadata": {"axes": "TYX"}},
        {"ome": True, "metadata": {"axes": "ZYX"}, "compression": "zlib"},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"byteorder": ">", "compression": "zlib"},
        {"compression": "zlib", "predictor": True},
        {"tile": (32, 32)},
        {"metadata": None},
        {"rowsperstrip": 7, "metadata": None},
    ],
)
def test_layouts_give_the_same_native_frames(tmp_path, dtype, options):
    frames = stack(dtype)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, frames, photometric="minisblack", **options)
    video = open_video(path)
    assert (video.width, video.height, video.container) == (WIDTH, HEIGHT, "tiff")
    assert video.bit_depth == 8 * np.dtype(dtype).itemsize
    assert video.faults == ()
    assert same(video, frames)


@pytest.mark.parametrize("metadata", [None, {}])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_pages_written_one_by_one_are_one_film(tmp_path, metadata, compression):
    frames = stack(np.uint8)
    path = tmp_path / "pages.tif"
    with tifffile.TiffWriter(path) as writer:
        for frame in frames:
            writer.write(frame, photometric="minisblack", metadata=metadata, compression=compression)
    assert same(open_video(path), frames)


def test_white_is_zero_is_turned_round(tmp_path):
    frames = stack(np.uint8)
    tifffile.imwrite(tmp_path / "w.tif", frames, photometric="miniswhite")
    assert same(open_video(tmp_path / "w.tif"), 255 - frames)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_rgb_with_equal_channels_is_grey_and_otherwise_colour(tmp_path, planar):
    frames = stack(np.uint8)
    axis = -1 if planar == "contig" else 1
    path = tmp_path / "rgb.tif"
    tifffile.imwrite(path, np.stack([frames] * 3, axis), photometric="rgb", planarconfig=planar)
    assert same(open_video(path), frames)
    tifffile.imwrite(path, np.stack([frames, frames, frames // 2], axis), photometric="rgb", planarconfig=planar)
    assert rejected(path).code == "colour"


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (stack(np.uint8).astype("f4"), "unsupported"),
        (np.where(stack(np.uint8) > 250, np.nan, 1.0), "non_finite"),
        (np.where(stack(np.uint8) > 250, np.inf, 1.0), "non_finite"),
        (stack(np.uint8).astype("i2"), "unsupported"),
        (stack(np.uint8).astype("u4"), "unsupported"),
        (stack(np.uint8) > 3, "unsupported"),
        (stack(np.uint8)[:8].reshape(2, 4, HEIGHT, WIDTH), "unsupported"),
    ],
)
def test_other_samples_are_refused(tmp_path, frames, code):
    tifffile.imwrite(tmp_path / "a.tif", frames, photometric="minisblack")
    assert rejected(tmp_path / "a.tif").code == code


def test_pages_that_differ_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(stack(np.uint8)[0], photometric="minisblack")
        writer.write(stack(np.uint8)[0, :20], photometric="minisblack")
    error = rejected(tmp_path / "a.tif")
    assert error.code == "unsupported"
    assert "page 1" in str(error)


@pytest.mark.parametrize("fraction", [0.3, 0.5, 0.9, 0.999])
@pytest.mark.parametrize(
    "options",
    [
        {"imagej": True},
        {"ome": True, "compression": "zlib"},
        {},
        {"compression": "zlib"},
        {"bigtiff": True, "metadata": None},
        {"compression": "zlib", "metadata": None},
    ],
)
def test_a_cut_stack_is_truncated(tmp_path, options, fraction):
    frames = stack(np.uint16)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, frames, photometric="minisblack", **options)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * fraction)])
    assert rejected(path).code == "truncated"
    try:
        partial = open_video(path, allow_partial=True)
    except RejectedError as error:
        # tifffile gives up on a directory that is cut in its middle.
        assert error.code == "unreadable"  # noqa: PT017
        return
    assert [fault.code for fault in partial.faults] == ["partial"]
    read = list(partial.frames())
    assert 0 < len(read) <= N
    assert all(np.array_equal(a, b) for a, b in zip(read, frames, strict=False))


def test_damaged_compression_is_damage(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stack(np.uint8), photometric="minisblack", compression="zlib", metadata=None)
    with tifffile.TiffFile(path) as tiff:
        at = tiff.pages[4].dataoffsets[0]
    data = bytearray(path.read_bytes())
    data[at : at + 20] = bytes(20)
    path.write_bytes(data)
    error = rejected(path)
    assert error.code == "damaged"
    assert "frame 4" in str(error)


def test_directories_that_point_at_each_other_end(tmp_path):
    path = tmp_path / "loop.tif"
    # One directory without entries whose successor is itself.
    path.write_bytes(b"II*\0" + (8).to_bytes(4, "little") + bytes(2) + (8).to_bytes(4, "little"))
    assert rejected(path).code == "truncated"


# --- what the tags say -----------------------------------------------------------------------------------


def written(path, **options):
    tifffile.imwrite(path, stack(np.uint8), photometric="minisblack", **options)
    return open_video(path)


@pytest.mark.parametrize(
    ("unit", "per_unit"),
    [("micron", 1 / 0.14), ("um", 1 / 0.14), ("\\u00B5m", 1 / 0.14), ("nm", 1 / 140), ("mm", 1 / 0.00014)],
)
def test_imagej_pixel_size_and_interval(tmp_path, unit, per_unit):
    metadata = {"axes": "TYX", "unit": unit, "finterval": 0.04}
    video = written(tmp_path / "a.tif", imagej=True, resolution=(per_unit, per_unit), metadata=metadata)
    assert video.mpp == pytest.approx(0.14, rel=1e-5)
    assert video.fps == pytest.approx(25)
    assert video.exposure_ms is None


def test_imagej_interval_in_milliseconds_and_no_interval(tmp_path):
    metadata = {"axes": "TYX", "finterval": 40.0, "tunit": "ms"}
    assert written(tmp_path / "a.tif", imagej=True, metadata=metadata).fps == pytest.approx(25)
    # fps alone is the speed of the player, and 0 means that it was not set.
    metadata = {"axes": "TYX", "finterval": 0.0, "fps": 7.0}
    assert written(tmp_path / "b.tif", imagej=True, metadata=metadata).fps is None


@pytest.mark.parametrize(
    ("resolution", "unit", "mpp"),
    [
        ((72, 72), "INCH", None),
        ((72, 72), "CENTIMETER", None),
        ((10_000 / 0.14,) * 2, "CENTIMETER", 0.14),
        ((1 / 0.14,) * 2, "NONE", None),
    ],
)
def test_resolution_tags_of_a_printer_are_not_a_scale(tmp_path, resolution, unit, mpp):
    video = written(tmp_path / "a.tif", resolution=resolution, resolutionunit=unit)
    assert video.mpp == (None if mpp is None else pytest.approx(mpp, rel=1e-5))
    assert video.fps is None


def test_pixels_that_are_not_square_are_a_fault(tmp_path):
    video = written(tmp_path / "a.tif", imagej=True, resolution=(7, 8), metadata={"axes": "TYX", "unit": "um"})
    assert video.mpp is None
    assert [fault.code for fault in video.faults] == ["pixel_size"]


@pytest.mark.parametrize(("size", "unit"), [(0.14, "µm"), (140, "nm"), (0.00014, "mm")])
@pytest.mark.parametrize(("interval", "time_unit"), [(0.04, "s"), (40.0, "ms")])
def test_ome_pixel_size_interval_and_exposure(tmp_path, size, unit, interval, time_unit):
    metadata = {
        "axes": "TYX",
        "PhysicalSizeX": size,
        "PhysicalSizeXUnit": unit,
        "PhysicalSizeY": size,
        "PhysicalSizeYUnit": unit,
        "TimeIncrement": interval,
        "TimeIncrementUnit": time_unit,
        "Plane": {"ExposureTime": [32.5] * N, "ExposureTimeUnit": ["ms"] * N},
    }
    video = written(tmp_path / "a.ome.tif", ome=True, metadata=metadata)
    assert video.mpp == pytest.approx(0.14)
    assert video.fps == pytest.approx(25)
    assert video.exposure_ms == pytest.approx(32.5)


def test_ome_that_names_another_file_reads_only_its_own(tmp_path):
    frames = stack(np.uint8)
    tifffile.imwrite(tmp_path / "a.ome.tif", frames, ome=True, photometric="minisblack", metadata={"axes": "TYX"})
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        xml = tiff.ome_metadata
    other = '<TiffData FirstT="0" IFD="0"><UUID FileName="/etc/passwd">urn:uuid:1</UUID></TiffData>'
    start, end = xml.index("<TiffData"), xml.index("</Pixels>")
    with tifffile.TiffFile(tmp_path / "a.ome.tif", mode="r+") as tiff:
        tiff.pages.first.tags["ImageDescription"].overwrite(xml[:start] + other + xml[end:])
    assert same(open_video(tmp_path / "a.ome.tif"), frames)


# --- compression, layouts and counts that need more than the samples -------------------------------------


def lzw(data):
    """Compress as TIFF's LZW does, in its dullest form: 9-bit codes, the table cleared before it grows."""
    bits = "".join(("100000000" if k % 200 == 0 else "") + f"{byte:09b}" for k, byte in enumerate(data)) + "100000001"
    return bytes(int(bits[k : k + 8].ljust(8, "0"), 2) for k in range(0, len(bits), 8))


def lzw_stack(path, frames):
    """Write a TIFF of LZW pages by hand: an uncompressed one whose strips are exchanged."""
    tifffile.imwrite(path, frames, photometric="minisblack", metadata=None, rowsperstrip=HEIGHT)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        for number, page in enumerate(tiff.pages):
            tiff.filehandle.seek(0, 2)
            packed = lzw(frames[number].tobytes())
            at = tiff.filehandle.tell()
            tiff.filehandle.write(packed)
            page.tags["Compression"].overwrite(5)
            page.tags["StripOffsets"].overwrite(at)
            page.tags["StripByteCounts"].overwrite(len(packed))


def test_lzw_is_read_where_imagecodecs_is_installed(tmp_path):
    pytest.importorskip("imagecodecs")
    lzw_stack(tmp_path / "lzw.tif", stack(np.uint8))
    assert same(open_video(tmp_path / "lzw.tif"), stack(np.uint8))


def test_lzw_without_imagecodecs_is_refused_with_what_to_install(tmp_path):
    import subprocess
    import sys

    path = tmp_path / "lzw.tif"
    lzw_stack(path, stack(np.uint8))
    script = (
        "import sys; sys.modules['imagecodecs'] = None\n"
        "from nta.errors import RejectedError; from nta.video import open_video\n"
        f"try: open_video({str(path)!r})\n"
        "except RejectedError as error: print(error.code, '|', error)"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    code, _, message = out.stdout.strip().partition(" | ")
    assert code == "unsupported", out.stderr
    assert "LZW" in message
    assert "pip install imagecodecs" in message


def test_zlib_needs_no_other_library(tmp_path):
    import subprocess
    import sys

    path = tmp_path / "zlib.tif"
    tifffile.imwrite(path, stack(np.uint16), photometric="minisblack", compression="zlib", predictor=True)
    script = (
        "import sys; sys.modules['imagecodecs'] = None\n"
        f"from nta.video import open_video; print(sum(int(f.sum()) for f in open_video({str(path)!r}).frames()))"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert out.stdout.strip() == str(int(stack(np.uint16).astype(np.int64).sum())), out.stderr


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_twelve_bits_in_sixteen_come_as_they_are(tmp_path, order, bigtiff, compression):
    frames = stack(np.uint16) >> 4
    options = {"byteorder": order, "bigtiff": bigtiff, "compression": compression, "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", frames, photometric="minisblack", **options)
    assert same(open_video(tmp_path / "a.tif"), frames)


def test_samples_packed_into_twelve_bits_are_not_taken_for_sixteen(tmp_path):
    path = tmp_path / "packed.tif"
    tifffile.imwrite(path, stack(np.uint16)[:, :, :42], photometric="minisblack", metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        for page in tiff.pages:
            page.tags["BitsPerSample"].overwrite(12)
            page.tags["StripByteCounts"].overwrite(HEIGHT * 42 * 12 // 8)
    error = rejected(path)
    assert error.code == "unsupported"
    assert "holds 12-bit samples" in str(error)
    assert "save 8- or 16-bit unsigned grey" in str(error)


def test_a_chain_of_pages_that_ends_too_early_is_said(tmp_path):
    frames = stack(np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, frames, photometric="minisblack", metadata=None)
    assert open_video(path).faults == ()
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[4]
        entries = len(page.tags)
    data = bytearray(path.read_bytes())
    data[page.offset + 2 + 12 * entries : page.offset + 6 + 12 * entries] = bytes(4)
    path.write_bytes(data)
    video = open_video(path)
    assert [fault.code for fault in video.faults] == ["frame_count"]
    assert "5 frames are listed" in video.faults[0].message
    assert same(video, frames[:5])


@pytest.mark.parametrize(
    ("tag", "compression"), [("StripOffsets", None), ("StripOffsets", "zlib"), ("StripByteCounts", "zlib")]
)
def test_pages_that_were_never_written_are_not_black(tmp_path, tag, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stack(np.uint8), photometric="minisblack", metadata=None, compression=compression)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages[3].tags[tag].overwrite(0)
    assert rejected(path).code in ("truncated", "damaged", "unreadable")


def test_ome_that_states_more_frames_than_there_are_pages(tmp_path):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, stack(np.uint8), ome=True, photometric="minisblack", metadata={"axes": "TYX"})
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages.first.tags["ImageDescription"].overwrite(tiff.ome_metadata.replace('SizeT="9"', 'SizeT="30"'))
    error = rejected(path)
    assert error.code == "truncated"
    assert "9 of 30" in str(error)
