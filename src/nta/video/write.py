"""``write_video``: lossless, atomic, and the same bytes for the same frames."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from nta.errors import UsageError
from nta.video.model import Frame

Codec = Literal["ffv1", "raw", "mjpeg", "h264"]

_MUXERS: Final = {".avi": "avi", ".mkv": "matroska", ".mp4": "mp4", ".mov": "mov"}
_TIFF: Final = (".tif", ".tiff")
_ENCODERS: Final = {"ffv1": "ffv1", "raw": "rawvideo", "mjpeg": "mjpeg", "h264": "libx264"}
_OPTIONS: Final[dict[str, dict[str, str]]] = {
    # Version 3 with a checksum in every slice: damage is found, not shown. One thread and a fixed number of
    # slices make the bytes a function of the frames alone. Golomb-Rice (coder 0) is twice as fast as the
    # range coder and no larger on camera noise; 16-bit samples get the range coder whatever is asked.
    "ffv1": {"level": "3", "coder": "0", "context": "0", "g": "1", "slices": "4", "slicecrc": "1"},
    "raw": {},
    "mjpeg": {"qmin": "2", "qmax": "2"},
    "h264": {"crf": "18", "preset": "fast"},
}
# AVI keeps rate and scale as 32-bit integers, and players expect small ones.
_MAX_DENOMINATOR: Final = 100_000
# A classic TIFF has 32-bit offsets; the rest is for the directories at its end.
_MAX_TIFF_BYTES: Final = 4_200_000_000
_MOST_FRAMES: Final = 10**9


def write_video(
    path: str | PathLike[str],
    frames: Iterable[NDArray[Any]],
    *,
    fps: float,
    mpp: float | None = None,
    exposure_ms: float | None = None,
    codec: Codec = "ffv1",
) -> Path:
    """Write grey frames to AVI, MKV, MP4, MOV (by PyAV) or TIFF (ImageJ stack), the extension decides.

    The file appears under its name only when it is complete; the same frames give the same bytes.

    Parameters
    ----------
    path : path-like
        ``.avi`` (8-bit), ``.mkv`` (8- or 16-bit), ``.mp4``, ``.mov`` (h264), ``.tif`` or ``.tiff``
        (8- or 16-bit). Its folder must exist.
    frames : iterable of ndarray
        Shape (height, width), all alike, uint8 or uint16; taken one at a time.
    fps : float
        Frames per second.
    mpp : float, optional
        Micrometres per pixel; only TIFF can keep it.
    exposure_ms : float, optional
        Exposure of one frame, ms; only TIFF can keep it.
    codec : {"ffv1", "raw", "mjpeg", "h264"}, optional
        ``ffv1`` is lossless and compressed, ``raw`` is uncompressed 8-bit grey; the others lose detail.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    UsageError
        For an unknown extension or codec, no frames, frames of another shape or type, or an fps that is not
        positive.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in _MUXERS and suffix not in _TIFF:
        raise UsageError(f"'{target.name}' cannot be written; use one of {', '.join((*_MUXERS, *_TIFF))}")
    if codec not in _ENCODERS:
        raise UsageError(f"codec '{codec}' is not known; use one of {', '.join(_ENCODERS)}")
    if not fps > 0 or not np.isfinite(fps):
        raise UsageError(f"{fps} frames per second must be positive, such as 25")
    checked = _checked(frames)
    first = next(checked, None)
    if first is None:
        raise UsageError(f"'{target.name}' would have no frames; give at least one")
    if suffix not in _TIFF and codec != "ffv1" and first.dtype != np.uint8:
        raise UsageError(f"16-bit frames cannot be written with codec '{codec}'; use ffv1 in .mkv, or .tif")
    if suffix == ".avi" and first.dtype != np.uint8:
        raise UsageError("AVI holds 8-bit frames here; write 16-bit frames as .mkv or .tif")
    if codec in ("h264", "mjpeg") and (first.shape[0] % 2 or first.shape[1] % 2):
        raise UsageError(f"{codec} needs an even width and height; these frames are {first.shape[::-1]}")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder '{target.parent}'; create it first")
    temporary = _temporary_beside(target)
    try:
        if suffix in _TIFF:
            _write_tiff(temporary, chain([first], checked), fps, mpp, exposure_ms)
        else:
            _write_container(temporary, chain([first], checked), first, _MUXERS[suffix], codec, fps)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _temporary_beside(target: Path) -> Path:
    """Return a new empty file in the same folder, so that the rename cannot cross a file system."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".nta-", suffix=".partial")
    os.close(handle)
    temporary = Path(name)
    umask = os.umask(0)
    os.umask(umask)
    # mkstemp is private to the user; a video is as readable as any file that the user makes.
    temporary.chmod(0o666 & ~umask)
    return temporary


def _checked(frames: Iterable[NDArray[Any]]) -> Iterator[Frame]:
    """Pass frames on that are alike, 2-D and uint8 or uint16, as native and contiguous arrays."""
    shape: tuple[int, ...] | None = None
    dtype: np.dtype[Any] | None = None
    for number, frame in enumerate(frames):
        if frame.ndim != 2 or frame.dtype.kind != "u" or frame.dtype.itemsize > 2:
            raise UsageError(f"frame {number} has shape {frame.shape} and type {frame.dtype}; give 2-D uint8 or uint16")
        if shape is None or dtype is None:
            shape, dtype = frame.shape, frame.dtype.newbyteorder("=")
        if frame.shape != shape or frame.dtype.newbyteorder("=") != dtype:
            raise UsageError(
                f"frame {number} is {frame.shape} of {frame.dtype} and the first one {shape} of {dtype}; "
                "give frames that are alike"
            )
        yield np.ascontiguousarray(frame, dtype=dtype)


def _write_container(path: Path, frames: Iterable[Frame], first: Frame, muxer: str, codec: Codec, fps: float) -> None:
    import av

    rate = Fraction(fps).limit_denominator(_MAX_DENOMINATOR)
    source = "gray" if first.dtype == np.uint8 else "gray16le"
    target = {"mjpeg": "yuvj420p", "h264": "yuv420p"}.get(codec, source)
    with av.open(f"file:{path.absolute()}", mode="w", format=muxer, options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(_ENCODERS[codec], rate=rate, options=dict(_OPTIONS[codec]))
        if not isinstance(stream, av.VideoStream):
            raise TypeError(codec)
        stream.height, stream.width = first.shape
        stream.pix_fmt = target
        stream.codec_context.thread_count = 1
        stream.codec_context.thread_type = "NONE"
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        stream.codec_context.time_base = 1 / rate
        for number, samples in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(samples, format=source)
            if target != source:
                frame = frame.reformat(format=target, dst_color_range="JPEG" if codec == "mjpeg" else None)
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _write_tiff(path: Path, frames: Iterable[Frame], fps: float, mpp: float | None, exposure_ms: float | None) -> None:
    """Write an ImageJ stack: one contiguous block of samples, with the values in ImageJ's own words."""
    import tifffile

    lines = ["hyperstack=true", f"finterval={1 / fps!r}", "tunit=sec"]
    if mpp is not None:
        lines.append("unit=micron")
    if exposure_ms is not None:
        lines.append(f"exposure_ms={exposure_ms!r}")
    count = 0
    with tifffile.TiffWriter(path) as tiff:
        for frame in frames:
            if (count + 1) * frame.nbytes > _MAX_TIFF_BYTES:
                raise UsageError(f"{count} frames fill a TIFF of 4 GB; write .avi or .mkv in its place")
            tiff.write(
                frame,
                contiguous=True,
                photometric="minisblack",
                metadata=None,
                description=_imagej(_MOST_FRAMES, lines),
                software=False,
                resolution=None if mpp is None else (1 / mpp, 1 / mpp),
                resolutionunit=None if mpp is None else "NONE",
            )
            count += 1
    with tifffile.TiffFile(path, mode="r+") as written:
        # The number of frames is known only now; the text was reserved with room for it.
        written.pages.first.tags["ImageDescription"].overwrite(_imagej(count, lines))


def _imagej(count: int, lines: list[str]) -> str:
    return "\n".join(["ImageJ=1.54f", f"images={count}", f"frames={count}", *lines, ""])
