"""What spoilt files could once do without a word: found by fuzzing, each made here by hand."""

from __future__ import annotations

import lzma
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from lying_avi import avi

import nta
from nta.errors import FailedError, RejectedError, UsageError
from nta.quality import flag
from nta.video import open_video, selftest, write_video

sys.path.insert(0, str(Path(__file__).parents[1] / "fuzz"))
from mutations import mutated
from originals import ORIGINALS

NAMES = list(ORIGINALS)


@pytest.mark.parametrize(("case", "code"), [(199611, "damaged"), (217194, "damaged")])
def test_a_case_that_fuzzing_found_is_rejected(tmp_path, case, code):
    original = ORIGINALS[NAMES[case % len(NAMES)]]
    path = tmp_path / f"a{original.suffix}"
    original.make(path)
    path.write_bytes(mutated(case, path.read_bytes())[0])
    with pytest.raises(RejectedError) as caught:
        list(open_video(path).frames())
    assert caught.value.code == code


def pages(path: Path, **options: object) -> np.ndarray:
    stack = np.random.default_rng(1).integers(0, 255, (6, 40, 64), dtype=np.uint8)
    tifffile.imwrite(path, stack, photometric="minisblack", metadata=None, **options)
    return stack


def moved(path: Path, page: int, by: int) -> None:
    """Move the strip of a page."""
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tag = tiff.pages[page].tags["StripOffsets"]
        tag.overwrite(tiff.pages[page].dataoffsets[0] + by)


@pytest.mark.parametrize("page", [0, 2, 5])
@pytest.mark.parametrize("by", [-64, 64])
def test_a_page_that_lies_on_a_directory_is_rejected(tmp_path, page, by):
    path = tmp_path / "a.tif"
    # Pages of different descriptions cannot be written as one block of samples.
    stack = np.random.default_rng(1).integers(0, 255, (6, 40, 64), dtype=np.uint8)
    with tifffile.TiffWriter(path) as tiff:
        for number, picture in enumerate(stack):
            tiff.write(picture, photometric="minisblack", metadata=None, description="x" * (20 + number))
    assert np.array_equal(list(open_video(path).frames()), stack)
    moved(path, page, by)
    with pytest.raises(RejectedError) as caught:
        list(open_video(path).frames())
    assert caught.value.code in ("damaged", "truncated")


BOMB = 400 << 20


@pytest.mark.parametrize(("compression", "packer"), [("zlib", zlib), ("lzma", lzma)])
def test_a_small_page_that_unpacks_to_hundreds_of_megabytes_is_rejected(tmp_path, compression, packer):
    path = tmp_path / "bomb.tif"
    pages(path, compression=compression, rowsperstrip=40)
    bomb = packer.compress(bytes(BOMB))
    with tifffile.TiffFile(path, mode="r+") as tiff:
        page = tiff.pages[3]
        tiff.filehandle.seek(0, 2)
        at = tiff.filehandle.tell()
        tiff.filehandle.write(bomb)
        page.tags["StripOffsets"].overwrite(at)
        page.tags["StripByteCounts"].overwrite(len(bomb))
    tracemalloc.start()
    with pytest.raises(RejectedError, match="frame 3 unpacks to more than its 2560 bytes") as caught:
        list(open_video(path).frames())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.code == "damaged"
    assert peak < 50e6


def test_packed_pages_are_read_as_before(tmp_path):
    stack = pages(tmp_path / "a.tif", compression="zlib")
    assert np.array_equal(list(open_video(tmp_path / "a.tif").frames()), stack)


def test_pictures_after_the_last_one_of_the_list_are_left_out_where_a_part_is_wanted(tmp_path):
    original = ORIGINALS["avi_ffv1"]
    path = tmp_path / "a.avi"
    original.make(path)
    path.write_bytes(mutated(217194, path.read_bytes())[0])
    assert len(list(open_video(path, allow_partial=True).frames())) == 8


@pytest.mark.parametrize("name", ["new\nline.avi", "bell\a.avi", "esc\x1b[31mred.avi", "tab\t.avi", "back\x08.avi"])
def test_names_with_control_characters_make_one_line(tmp_path, name):
    path = tmp_path / name
    path.write_text("no video")
    with pytest.raises(RejectedError) as caught:
        open_video(path)
    assert str(caught.value).isprintable()
    found = nta.analyze(path)
    assert found.message.isprintable()
    with pytest.raises(UsageError) as missing:
        open_video(tmp_path / f"no {name}")
    assert str(missing.value).isprintable()
    assert flag("partial", f"{name}: cut").message.isprintable()


def test_names_in_other_scripts_stay_as_they_are(tmp_path):
    path = tmp_path / "样品 µ 😀.avi"
    path.write_text("no video")
    with pytest.raises(RejectedError, match="样品 µ 😀"):
        open_video(path)


def test_a_terminal_is_sent_no_control_characters(tmp_path):
    from click.testing import CliRunner

    from nta_cli.main import cli

    random = np.random.default_rng(0)
    frames = random.integers(10, 30, (8, 64, 64), dtype=np.uint8)
    path = write_video(tmp_path / "esc\x1b[31m.avi", frames, fps=25)
    for command in (["analyze", str(path)], ["info", str(path)]):
        result = CliRunner().invoke(cli, command)
        assert "\x1b" not in result.output


def test_headers_that_disagree_are_no_conflict_once_the_rate_is_stated(tmp_path):
    frames = np.random.default_rng(0).integers(10, 30, (30, 64, 64), dtype=np.uint8)
    path = tmp_path / "a.avi"
    path.write_bytes(avi([frame.tobytes() for frame in frames], 64, 64, scale=1, rate=30, frame_us=40_000))
    codes = {one.code for one in nta.analyze(path).flags}
    assert "fps_conflict" in codes
    stated = nta.analyze(path, fps=25)
    assert "fps_conflict" not in {one.code for one in stated.flags}
    assert stated.captures[0].status == "ok"


def test_a_decoder_that_turns_pictures_is_found(monkeypatch):
    selftest.check_decoder.__wrapped__()
    monkeypatch.setattr(selftest.pixels, "grey", lambda _path, frame: np.flipud(frame.to_ndarray(format="gray")))
    with pytest.raises(FailedError, match="turns bottom-up bitmaps into other pictures") as caught:
        selftest.check_decoder.__wrapped__()
    assert caught.value.code == "decoder"
