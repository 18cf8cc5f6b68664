"""TIFF stacks through tifffile: multi-page, ImageJ, OME-TIFF, BigTIFF; one frame in memory at a time."""

from __future__ import annotations

import logging
import math
import struct
import zlib
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from io import BufferedReader
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray

from nta.errors import RejectedError
from nta.video import tiff_metadata
from nta.video.flat import FlatReader
from nta.video.model import (
    Fault,
    Frame,
    Video,
    check_size,
    coloured,
    damaged,
    float_samples,
    truncated,
    unreadable,
    unsupported,
)
from nta.video.source import HashedFile, Source
from nta.video.tiff_bounds import check_unpacked, overlap
from nta.video.tiff_chain import Directories, read_directories

# tifffile logs what it makes of a broken file and goes on; the counts here find the same and stop.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

# What tifffile and its decoders raise on files that break their own rules.
_BROKEN: Final = (
    tifffile.TiffFileError,
    ValueError,
    LookupError,
    ArithmeticError,
    AssertionError,
    MemoryError,
    ImportError,
    TypeError,
    AttributeError,
    OSError,
    EOFError,
    RuntimeError,
    struct.error,
    zlib.error,
)

# Fax codes hold black and white only, and their decoder makes a picture of any bytes.
_BILEVEL: Final = ("CCITTRLE", "CCITTFAX3", "CCITTFAX4", "CCIRLEW", "JBIG_BW", "JBIG", "JBIG2", "MDI_BINARY")
# Every other one is taken for lossy.
_LOSSLESS: Final = ("NONE", "LZW", "DEFLATE", "ADOBE_DEFLATE", "PACKBITS", "LZMA", "ZSTD", "ZSTD_DEPRECATED", "PNG")

# Thumbnails and the resolutions of a pyramid, and what cameras hide in tags of their own.
_OTHER_IMAGES: Final = ("SubIFDs", "ExifTag", "MakerNote")

# Nothing but the header lies before it; a place or a length of zero means that a page was never written.
_FIRST_BYTE: Final = 8
# Writers begin pages at multiples of 16 bytes; less than this is no page of a film.
_PADDING: Final = 16
_SMALLEST_PAGE: Final = 1024

_INSTEAD: Final = "save 8- or 16-bit unsigned grey"


@dataclass(frozen=True, slots=True)
class PageReader:
    """Reads a TIFF stack page by page, decoding each.

    Parameters
    ----------
    path : Path
        The file.
    n_frames : int
        Frames in it.
    pages : {"series", "file"}
        Whether the frames are the pages of the first series or all pages.
    invert : bool
        Whether zero means white.
    """

    path: Path
    n_frames: int
    pages: Literal["series", "file"]
    invert: bool
    is_seekable: bool = True

    def numbered(
        self, *, start: int = 0, allow_partial: bool = False, source: Source | None = None
    ) -> Generator[tuple[int, Frame], None, None]:
        """Yield (frame number, frame) from frame ``start`` to the end of the file.

        Raises
        ------
        RejectedError
            ``damaged`` or ``truncated``, unless ``allow_partial``; ``colour``, ``unsupported``.
        """
        pages = self._decoded(start, source)
        try:
            for number, samples in enumerate(pages, start):
                frame = _grey(self.path, samples)
                yield number, (np.iinfo(frame.dtype).max - frame if self.invert else frame)
        except RejectedError as error:
            if not (allow_partial and error.code in ("damaged", "truncated")):
                raise
        finally:
            pages.close()

    def count(self) -> int:
        """Return the number of frames."""
        return self.n_frames

    def available(self, tiff: tifffile.TiffFile, n_frames: int, described: Sequence[tuple[int, int]] = ()) -> int:
        """Return how many of the first ``n_frames`` frames lie wholly inside the file.

        Parameters
        ----------
        tiff : TiffFile
            The file.
        n_frames : int
            Frames that are looked at.
        described : sequence of (int, int)
            Place and length of the directories and their values, on which no picture can lie.

        Raises
        ------
        RejectedError
            ``damaged`` where two pages, or a page and a directory, are said to lie in the same place.
        """
        size = self.path.stat().st_size
        pages = self.listed(tiff)
        extents: list[tuple[int, int]] = []
        there = min(n_frames, len(pages))
        for number in range(there):
            page = pages[number]
            parts = [] if page is None else list(zip(page.dataoffsets, page.databytecounts, strict=False))
            is_inside = all(at >= _FIRST_BYTE and length and at + length <= size for at, length in parts)
            if not (parts and is_inside) or _is_short(page):
                there = number
                break
            extents += parts
        if overlap(extents, described):
            raise damaged(self.path, "a page is said to lie where a directory is")
        extents.sort()
        if any(at + length > following for (at, length), (following, _) in pairwise(extents)):
            raise damaged(self.path, "two of its pages are said to lie in the same place")
        return there

    def listed(self, tiff: tifffile.TiffFile) -> Any:  # noqa: ANN401  # two unrelated classes of tifffile
        """Return the pages that hold the frames."""
        return tiff.pages if self.pages == "file" else tiff.series[0].pages

    def _decoded(self, start: int, source: Source | None) -> Generator[NDArray[Any], None, None]:
        with ExitStack() as stack:
            file = None if source is None else stack.enter_context(HashedFile(source))
            tiff = stack.enter_context(_open(self.path, file))
            pages = self.listed(tiff)
            for number in range(start, self.n_frames):
                try:
                    page = pages[number]
                    if page is not None:
                        check_unpacked(self.path, number, page)
                    samples = None if page is None else page.asarray()
                except _BROKEN as error:
                    raise _page_error(self.path, number, error) from error
                if samples is None:
                    raise damaged(self.path, f"frame {number} is missing")
                yield samples


def open_tiff(path: Path, *, allow_partial: bool = False) -> Video:
    """Open a TIFF stack; see :func:`nta.video.open_video`."""
    listed = read_directories(path)
    if not listed.whole and (listed.count == 0 or not allow_partial):
        raise truncated(path, f"its list of pages breaks off or points beyond its end ({listed.count} listed)")
    try:
        with _open(path) as tiff:
            return _describe(path, tiff, listed, allow_partial=allow_partial)
    except _BROKEN as error:
        raise unreadable(path, f"its TIFF structure is broken ({error})") from error


def _open(path: Path, file: HashedFile | None = None) -> tifffile.TiffFile:
    # An OME-TIFF may name other files to read; only this one is opened.
    return tifffile.TiffFile(path.absolute() if file is None else BufferedReader(file), _multifile=False)


def _describe(path: Path, tiff: tifffile.TiffFile, listed: Directories, *, allow_partial: bool) -> Video:
    page = tiff.pages.first
    check_size(path, page.imagewidth, page.imagelength)
    _check_compression(path, page)
    _check_samples(path, page)
    metadata = tiff_metadata.read(tiff)
    reader = _reader(path, tiff, listed.count)
    stated = max(reader.n_frames, metadata.n_frames or 0)
    if listed.whole:
        there = _available(reader, tiff, stated, listed)
    else:
        # The directories at the end are lost, but an ImageJ stack is one block of samples that goes on.
        is_block = tiff.is_imagej and isinstance(reader, FlatReader)
        there = _available(reader, tiff, stated if is_block else reader.n_frames, listed)
    faults = [*metadata.faults, *(_unaccounted(path, tiff, reader, listed.described) if listed.whole else ())]
    if there < stated or not listed.whole:
        detail = f"{there} of {stated} frames are there"
        if not allow_partial:
            raise truncated(path, detail)
        faults.append(Fault("partial", f"the file is cut: {detail}; only these are measured"))
    compression = _name(page.compression)
    if compression not in _LOSSLESS:
        faults.append(Fault("lossy_source", f"the images are compressed with {compression}, which moves centroids"))
    return Video(
        path=path,
        width=page.imagewidth,
        height=page.imagelength,
        bit_depth=8 * page.dtype.itemsize if page.dtype is not None else 8,
        n_frames=there,
        fps=metadata.fps,
        mpp=metadata.mpp,
        exposure_ms=metadata.exposure_ms,
        codec="raw" if compression == "NONE" else compression.lower(),
        container="tiff",
        is_lossy=compression not in _LOSSLESS,
        reader=replace(reader, n_frames=there),
        faults=tuple(faults),
        allow_partial=allow_partial,
    )


def _unaccounted(path: Path, tiff: tifffile.TiffFile, reader: FlatReader | PageReader, described: int) -> list[Fault]:
    """Return the fault of a file with room for frames that no directory lists: its chain ends too early."""
    if any(tag in tiff.pages.first.tags for tag in _OTHER_IMAGES):
        return []
    if isinstance(reader, FlatReader):
        length = math.prod(reader.shape) * np.dtype(reader.dtype).itemsize
        known = reader.n_frames * length
    else:
        listed = reader.listed(tiff)
        known = sum(sum(page.databytecounts) for page in listed if page is not None)
        length = max(known // max(1, reader.n_frames), 1)
    rest = path.stat().st_size - known - described - _PADDING * (reader.n_frames + 1)
    if rest < max(length, _SMALLEST_PAGE):
        return []
    return [
        Fault(
            "frame_count",
            f"{reader.n_frames} frames are listed and {rest} bytes of the file belong to none of them; all that are "
            "listed are measured, check that no page was lost",
        )
    ]


def _available(reader: FlatReader | PageReader, tiff: tifffile.TiffFile, n_frames: int, listed: Directories) -> int:
    """Return how many of the first ``n_frames`` frames lie wholly inside the file."""
    if isinstance(reader, PageReader):
        return reader.available(tiff, n_frames, listed.extents)
    length = math.prod(reader.shape) * np.dtype(reader.dtype).itemsize
    return max(0, min(n_frames, (reader.path.stat().st_size - reader.offset) // length))


def _reader(path: Path, tiff: tifffile.TiffFile, n_pages: int) -> FlatReader | PageReader:
    """Choose between one block of samples, the pages of a series, and simply all pages of the file."""
    page, series = tiff.pages.first, tiff.series[0]
    invert = _name(page.photometric) == "MINISWHITE"
    n_frames = _count(path, series)
    if n_pages > n_frames:
        # Pages that were written one by one each make a series of their own.
        _check_alike(path, tiff, n_pages)
        return PageReader(path, n_pages, "file", invert)
    if series.dataoffset is not None and page.dtype is not None and _is_plain(page):
        shape = (page.imagelength, page.imagewidth)
        length = math.prod(shape) * page.dtype.itemsize
        if series.dataoffset < _FIRST_BYTE or series.dataoffset <= page.offset < series.dataoffset + n_frames * length:
            raise damaged(path, "its samples are said to lie where its directory is")
        if n_pages == n_frames > 1 and tiff.pages[1].aspage().dataoffsets[0] != series.dataoffset + length:
            raise damaged(path, "its first page does not end where its second one begins")
        dtype = page.dtype.newbyteorder(page.parent.byteorder)
        return FlatReader(path, series.dataoffset, dtype.str, shape, n_frames, invert)
    return PageReader(path, n_frames, "series", invert)


def _check_alike(path: Path, tiff: tifffile.TiffFile, n_pages: int) -> None:
    first = tiff.pages.first
    for number in range(1, n_pages):
        page = tiff.pages[number].aspage()
        if (page.shape, page.dtype, page.photometric) != (first.shape, first.dtype, first.photometric):
            raise unsupported(
                path, f"pages that differ in shape or type (page {number})", "save one stack of equal pages"
            )


def _is_short(page: Any) -> bool:  # noqa: ANN401  # a page, or what tifffile keeps of one
    """Return whether an uncompressed page has fewer bytes than its samples: tifffile would make up the rest."""
    return bool(page.compression == 1 and sum(page.databytecounts) < page.nbytes)


def _check_compression(path: Path, page: tifffile.TiffPage) -> None:
    """Refuse a compression whose decoder is not installed or knows no greys, before the first page is asked for."""
    if _name(page.compression) in _BILEVEL:
        raise unsupported(path, f"{_name(page.compression)} compression (black and white only)", _INSTEAD)
    try:
        tifffile.TIFF.DECOMPRESSORS[page.compression]
        if page.predictor != 1:
            tifffile.TIFF.UNPREDICTORS[page.predictor]
    except (KeyError, ImportError, AttributeError) as error:
        raise _needs_imagecodecs(path, _name(page.compression)) from error


def _needs_imagecodecs(path: Path, compression: str) -> RejectedError:
    return unsupported(
        path, f"{compression} compression", "save it uncompressed, or run pip install imagecodecs and try again"
    )


def _check_samples(path: Path, page: tifffile.TiffPage) -> None:
    dtype = page.dtype
    if dtype is None:
        raise unsupported(path, f"{page.bitspersample}-bit samples", _INSTEAD)
    if dtype.kind in "fc":
        raise float_samples(path, dtype, page.asarray(), _INSTEAD)
    if dtype.kind != "u" or page.bitspersample not in (8, 16):
        raise unsupported(path, f"{page.bitspersample}-bit samples of type {dtype}", _INSTEAD)


def _name(value: int) -> str:
    """Return the name of a tag's value, or the number where tifffile has none for it."""
    return str(getattr(value, "name", value))


def _count(path: Path, series: tifffile.TiffPageSeries) -> int:
    """Return the number of frames: the one axis beside rows, columns and colour that is longer than 1."""
    long = [
        (axis, length)
        for axis, length in zip(series.get_axes(False), series.get_shape(False), strict=True)
        if axis not in "YXS" and length > 1
    ]
    if len(long) > 1:
        axes = " x ".join(f"{length} {axis}" for axis, length in long)
        raise unsupported(path, f"a stack of several dimensions ({axes})", "save one channel and one plane over time")
    return long[0][1] if long else 1


def _is_plain(page: tifffile.TiffPage) -> bool:
    """Return whether the samples of a page, once they are uncompressed, are grey levels of whole bytes."""
    return page.samplesperpixel == 1 and page.bitspersample in (8, 16) and _name(page.photometric) != "PALETTE"


def _grey(path: Path, samples: NDArray[Any]) -> Frame:
    """Return native, contiguous grey samples; equal colour channels count as grey."""
    if samples.ndim == 3:
        channels = samples if samples.shape[0] in (3, 4) and samples.shape[2] > 4 else np.moveaxis(samples, -1, 0)
        if len(channels) > 2 and not (
            np.array_equal(channels[0], channels[1]) and np.array_equal(channels[1], channels[2])
        ):
            raise coloured(path)
        samples = channels[0]
    return np.array(samples, dtype=samples.dtype.newbyteorder("="), order="C")


def _page_error(path: Path, number: int, error: BaseException) -> RejectedError:
    if "imagecodecs" in str(error):
        return _needs_imagecodecs(path, "a rare kind of")
    return damaged(path, f"frame {number} cannot be decoded ({error})")
