"""TIFF stacks through tifffile: multi-page, ImageJ, OME-TIFF, BigTIFF; one frame in memory at a time."""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray

from nta.errors import RejectedError
from nta.video import tiff_metadata
from nta.video.model import (
    Fault,
    Frame,
    Video,
    check_size,
    coloured,
    damaged,
    truncated,
    unreadable,
    unsupported,
)
from nta.video.tiff_chain import count_directories

# tifffile logs what it makes of a broken file and goes on; the counts here find the same and stop.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

# What tifffile and its decoders raise on files that break their own rules.
_BROKEN: Final = (
    tifffile.TiffFileError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OSError,
    EOFError,
    RuntimeError,
    struct.error,
    zlib.error,
)

_LOSSY: Final = frozenset({"JPEG", "OJPEG", "JPEG_LOSSY", "WEBP", "JPEGXR", "APERIO_JP2000_RGB", "JPEG2000"})

_INSTEAD: Final = "save 8- or 16-bit unsigned grey"


@dataclass(frozen=True, slots=True)
class _Raw:
    """Uncompressed frames that follow one another in the file."""

    offset: int
    dtype: str
    shape: tuple[int, int]

    @property
    def itemsize(self) -> int:
        """Bytes of a sample."""
        return np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True)
class TiffReader:
    """Reads a TIFF stack frame by frame.

    Parameters
    ----------
    path : Path
        The file.
    n_frames : int
        Frames in it.
    raw : _Raw or None
        Where the samples lie when they are contiguous; otherwise pages are decoded.
    pages : {"series", "file"}
        Whether the frames are the pages of the first series or all pages.
    invert : bool
        Whether zero means white.
    """

    path: Path
    n_frames: int
    raw: _Raw | None
    pages: Literal["series", "file"]
    invert: bool

    def numbered(self, *, allow_partial: bool) -> Generator[tuple[int, Frame], None, None]:
        """Yield (frame number, frame) to the end of the file.

        Raises
        ------
        RejectedError
            ``damaged`` or ``truncated``, unless ``allow_partial``; ``colour``, ``unsupported``.
        """
        source = self._contiguous() if self.raw is not None else self._pages()
        number = -1
        try:
            for number, samples in enumerate(source):
                frame = _grey(self.path, samples)
                yield number, (np.iinfo(frame.dtype).max - frame if self.invert else frame)
        except RejectedError as error:
            if not (allow_partial and error.code in ("damaged", "truncated")):
                raise
            return
        finally:
            source.close()
        if number + 1 < self.n_frames and not allow_partial:
            raise truncated(self.path, f"{number + 1} of {self.n_frames} frames could be read")

    def count(self) -> int:
        """Return the number of frames."""
        return self.n_frames

    def available(self, tiff: tifffile.TiffFile, n_frames: int) -> int:
        """Return how many of the first ``n_frames`` frames lie wholly inside the file."""
        size = self.path.stat().st_size
        if self.raw is not None:
            height, width = self.raw.shape
            return max(0, min(n_frames, (size - self.raw.offset) // (height * width * self.raw.itemsize)))
        pages = self._source(tiff)
        for number in range(min(n_frames, len(pages))):
            page = pages[number]
            if page is None or any(
                offset + length > size for offset, length in zip(page.dataoffsets, page.databytecounts, strict=False)
            ):
                return number
        return min(n_frames, len(pages))

    def _source(self, tiff: tifffile.TiffFile) -> Any:  # noqa: ANN401  # two unrelated classes of tifffile
        return tiff.pages if self.pages == "file" else tiff.series[0].pages

    def _contiguous(self) -> Generator[NDArray[Any], None, None]:
        assert self.raw is not None  # noqa: S101  # the caller chose this road because of it
        height, width = self.raw.shape
        dtype = np.dtype(self.raw.dtype)
        with self.path.open("rb") as file:
            file.seek(self.raw.offset)
            length = width * height * dtype.itemsize
            for _ in range(self.n_frames):
                data = file.read(length)
                if len(data) < length:
                    return
                yield np.frombuffer(data, dtype).reshape(height, width)

    def _pages(self) -> Generator[NDArray[Any], None, None]:
        with _open(self.path) as tiff:
            pages = self._source(tiff)
            for number in range(self.n_frames):
                try:
                    page = pages[number]
                    samples = None if page is None else page.asarray()
                except _BROKEN as error:
                    raise _page_error(self.path, number, error) from error
                if samples is None:
                    raise damaged(self.path, f"frame {number} is missing")
                yield samples


def open_tiff(path: Path, *, allow_partial: bool = False) -> Video:
    """Open a TIFF stack; see :func:`nta.video.open_video`."""
    n_pages, whole = count_directories(path)
    if not whole and (n_pages == 0 or not allow_partial):
        raise truncated(path, f"its list of pages breaks off or points beyond its end ({n_pages} listed)")
    try:
        with _open(path) as tiff:
            return _describe(path, tiff, n_pages, whole, allow_partial=allow_partial)
    except _BROKEN as error:
        raise unreadable(path, f"its TIFF structure is broken ({error})") from error


def _open(path: Path) -> tifffile.TiffFile:
    # An OME-TIFF may name other files to read; only this one is opened.
    return tifffile.TiffFile(path.absolute(), _multifile=False)


def _describe(path: Path, tiff: tifffile.TiffFile, n_pages: int, whole: bool, *, allow_partial: bool) -> Video:
    page = tiff.pages.first
    check_size(path, page.imagewidth, page.imagelength)
    _check_samples(path, page)
    metadata = tiff_metadata.read(tiff)
    reader = _reader(path, tiff, n_pages)
    stated = max(reader.n_frames, metadata.n_frames or 0)
    if whole:
        there = reader.available(tiff, stated)
    else:
        # The directories at the end are lost, but an ImageJ stack is one block of samples that goes on.
        there = reader.available(tiff, stated if tiff.is_imagej and reader.raw else reader.n_frames)
    faults = list(metadata.faults)
    if there < stated or not whole:
        detail = f"{there} of {stated} frames are there"
        if not allow_partial:
            raise truncated(path, detail)
        faults.append(Fault("partial", f"the file is cut: {detail}; only these are measured"))
    compression = _name(page.compression)
    if compression in _LOSSY:
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
        is_lossy=compression in _LOSSY,
        reader=replace(reader, n_frames=there),
        faults=tuple(faults),
        allow_partial=allow_partial,
    )


def _reader(path: Path, tiff: tifffile.TiffFile, n_pages: int) -> TiffReader:
    """Choose between one block of samples, the pages of a series, and simply all pages of the file."""
    page, series = tiff.pages.first, tiff.series[0]
    invert = _name(page.photometric) == "MINISWHITE"
    n_frames = _count(path, series)
    if n_pages > n_frames:
        # Pages that were written one by one each make a series of their own.
        _check_alike(path, tiff, n_pages)
        return TiffReader(path, n_pages, None, "file", invert)
    return TiffReader(path, n_frames, _raw(series, page), "series", invert)


def _check_alike(path: Path, tiff: tifffile.TiffFile, n_pages: int) -> None:
    first = tiff.pages.first
    for number in range(1, n_pages):
        page = tiff.pages[number].aspage()
        if page.shape != first.shape or page.dtype != first.dtype:
            raise unsupported(
                path, f"pages that differ in shape or type (page {number})", "save one stack of equal pages"
            )


def _check_samples(path: Path, page: tifffile.TiffPage) -> None:
    dtype = page.dtype
    if dtype is None:
        raise unsupported(path, f"{page.bitspersample}-bit samples", _INSTEAD)
    if dtype.kind in "fc":
        if not np.isfinite(page.asarray()).all():
            raise RejectedError(
                f"'{path.name}' holds samples that are not numbers (NaN or infinity); {_INSTEAD}",
                code="non_finite",
            )
        raise unsupported(path, f"floating-point samples ({dtype})", _INSTEAD)
    if dtype.kind != "u" or dtype.itemsize > 2 or page.bitspersample < 8:
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


def _raw(series: tifffile.TiffPageSeries, page: tifffile.TiffPage) -> _Raw | None:
    """Return where the samples lie when they are uncompressed, contiguous, and plain grey."""
    if (
        series.dataoffset is None
        or page.dtype is None
        or page.samplesperpixel != 1
        or _name(page.photometric) == "PALETTE"
    ):
        return None
    dtype = page.dtype.newbyteorder(page.parent.byteorder)
    return _Raw(series.dataoffset, dtype.str, (page.imagelength, page.imagewidth))


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
        return unsupported(
            path,
            "TIFF compression that needs another library",
            "save it uncompressed, or install imagecodecs",
        )
    return damaged(path, f"frame {number} cannot be decoded ({error})")
