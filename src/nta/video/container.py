"""AVI, MP4, MOV and MKV through PyAV: demuxer forced, only this file opened, every frame accounted for."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from statistics import median_low
from typing import Final, Literal

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from nta.errors import RejectedError
from nta.video import bitstream, ffv1, picking, pixels, riff, structure
from nta.video.model import (
    MAX_PIXELS,
    Fault,
    Frame,
    Video,
    check_size,
    damaged,
    truncated,
    unreadable,
)
from nta.video.selftest import check_decoder
from nta.video.source import HashedFile, Source

Demuxer = Literal["avi", "mov", "matroska", "png_pipe", "bmp_pipe", "jpeg_pipe"]

# Codecs that give back the very samples that were put in; every other one is taken for lossy.
_LOSSLESS: Final = frozenset(
    """rawvideo ffv1 huffyuv ffvhuff utvideo lagarith magicyuv png bmp tiff zlib mszh qtrle msrle jpegls
    v210 v410 r210 8bps targa""".split()  # noqa: SIM905  # a list of words reads better as one
)

_LOCAL: Final = {"protocol_whitelist": "file"}
_OPTIONS: Final[dict[str, dict[str, str]]] = {
    "avi": _LOCAL,
    "matroska": _LOCAL,
    # No other file, and every frame of the sample table: an edit list may hide some.
    "mov": _LOCAL | {"enable_drefs": "0", "ignore_editlist": "1"},
    "png_pipe": _LOCAL,
    "bmp_pipe": _LOCAL,
    "jpeg_pipe": _LOCAL,
}
# Codecs with pictures that are stored and never shown: their blocks say nothing of the number of frames.
_HIDDEN_FRAMES: Final = ("vp8", "vp9", "av1")

# Packets looked at to learn the frame time: enough for a median, little enough for gigabyte-a-minute files.
_PROBE: Final = 32
_BUFFER: Final = 1 << 18
# Every check that a decoder can make, and an error instead of a guess at what was meant.
_STRICT: Final = "crccheck+bitstream+buffer+explode"


@dataclass(frozen=True, slots=True)
class ContainerReader:
    """Reads one video stream, packet by packet, one frame in memory at a time.

    Parameters
    ----------
    path : Path
        The file.
    demuxer : str
        FFmpeg's name of the container, from the file's first bytes.
    step : Fraction or None
        Frame time in units of the stream's time base, ``None`` where there are no time stamps.
    expected : int or None
        Frames that must come out, ``None`` where nothing trustworthy says so.
    has_checksums : bool
        Whether every picture carries its checksum (FFV1).
    is_counted : bool
        Whether ``expected`` was counted in the file itself, so that there cannot be more frames either.
    """

    path: Path
    demuxer: Demuxer
    step: Fraction | None
    expected: int | None
    has_checksums: bool = False
    is_counted: bool = False
    is_seekable: bool = False

    def numbered(
        self, *, start: int = 0, allow_partial: bool = False, source: Source | None = None
    ) -> Generator[tuple[int, Frame], None, None]:
        """Yield (frame number, frame) from frame ``start`` to the end of the file; all before it is decoded too.

        Raises
        ------
        RejectedError
            ``damaged`` or ``truncated``, unless ``allow_partial``; ``colour``, ``unsupported``.
        """
        decoded = 0
        number, last_pts = -1, None
        with ExitStack() as stack:
            file = None if source is None else stack.enter_context(HashedFile(source))
            container = stack.enter_context(_open(self.path, self.demuxer, file))
            for pts, frame in _decode(
                self.path, container, has_checksums=self.has_checksums, allow_partial=allow_partial
            ):
                number += self._advance(last_pts, pts)
                last_pts = pts
                decoded += 1
                if self.is_counted and self.expected is not None and decoded > self.expected:
                    # FFmpeg looks for pictures where the chain of chunks has ended, and finds copies.
                    if allow_partial:
                        return
                    raise damaged(self.path, f"it goes on after its {self.expected} frames with pictures in no list")
                if decoded > start:
                    yield number, pixels.grey(self.path, frame)
        if allow_partial or self.expected is None or decoded >= self.expected:
            return
        raise truncated(self.path, f"{decoded} of {self.expected} frames could be read")

    def picked(self, positions: Sequence[int]) -> list[Frame] | None:
        """Return the frames at these positions, ``None`` where all have to be decoded; see :mod:`nta.video.picking`."""
        with _open(self.path, self.demuxer) as container:
            return picking.picked(self.path, container, positions, has_checksums=self.has_checksums)

    def count(self) -> int:
        """Return the number of frames from the packets, without decoding them."""
        if self.expected is not None:
            return self.expected
        with _open(self.path, self.demuxer) as container:
            return sum(1 for packet in container.demux(container.streams.video[0]) if packet.size)

    def _advance(self, last_pts: int | None, pts: int | None) -> int:
        """Return by how many frame times the next frame is later, at least 1.

        Summed from frame to frame, so that a frame time known to a millisecond only does not add up to a
        wrong number over a long video.
        """
        if last_pts is None or pts is None or self.step is None:
            return 1
        return max(1, round((pts - last_pts) / self.step))


def open_container(
    path: Path, demuxer: Demuxer, layout: riff.Layout | None = None, *, allow_partial: bool = False
) -> Video:
    """Open an MP4, MOV or MKV file, or an AVI with its ``layout``; see :func:`nta.video.open_video`."""
    check_decoder()
    matroska = structure.matroska(path) if demuxer == "matroska" else None
    if layout is not None:
        faults = _check_whole(path, layout.cut, None, allow_partial=allow_partial)
    elif matroska is not None:
        faults = _check_whole(path, matroska.cut, matroska.broken, allow_partial=allow_partial)
    else:
        cut = structure.mov_cut(path) if demuxer == "mov" else None
        faults = _check_whole(path, cut, None, allow_partial=allow_partial)
    if layout is not None:
        check_size(path, layout.width, layout.height)
        layout.check_one_size(path)
        faults += layout.faults()
    with _open(path, demuxer) as container:
        stream = container.streams.video[0]
        check_size(path, stream.width, stream.height)
        depth = pixels.bit_depth(path, _pixel_format(path, stream))
        probed = _probe(path, container)
        step = _frame_step(container, stream, probed)
        # One that has them tells for all: the others may be damaged.
        has_checksums = stream.codec_context.name == "ffv1" and any(ffv1.has_checksums(bytes(one)) for one in probed)
        fps = _frame_rate(stream, step)
        codec, width, height = stream.codec_context.name, stream.width, stream.height
        n_frames = stream.frames or None
    if layout is not None:
        n_frames = layout.chunks
        fps = fps if layout.fps is not None else None
    is_counted = layout is not None
    if matroska is not None and matroska.track is not None and codec not in _HIDDEN_FRAMES and not faults:
        n_frames, is_counted = matroska.blocks, True
    if n_frames == 0:
        raise RejectedError(f"'{path.name}' holds no frames, only headers; record it again", code="too_short")
    if codec not in _LOSSLESS:
        faults.append(_lossy(codec))
    return Video(
        path=path,
        width=width,
        height=height,
        bit_depth=depth,
        n_frames=n_frames,
        fps=None if fps is None else float(fps),
        mpp=None,
        exposure_ms=None,
        codec=codec,
        container=demuxer,
        is_lossy=codec not in _LOSSLESS,
        reader=ContainerReader(path, demuxer, step, n_frames, has_checksums, is_counted),
        faults=tuple(faults),
        allow_partial=allow_partial,
    )


def _check_whole(path: Path, cut: str | None, broken: str | None, *, allow_partial: bool) -> list[Fault]:
    """Reject a file that breaks off or is broken, or return the fault that says so."""
    detail = broken if cut is None else cut
    if detail is None:
        return []
    if not allow_partial:
        raise damaged(path, detail) if cut is None else truncated(path, detail)
    return [Fault("partial", f"the file is {'damaged' if cut is None else 'cut'}: {detail}; the rest is measured")]


def _lossy(codec: str) -> Fault:
    return Fault(
        "lossy_source",
        f"the video is compressed with {codec}, which moves centroids; record without loss (raw or FFV1) "
        "where sizes matter",
    )


def _open(path: Path, demuxer: Demuxer, file: HashedFile | None = None) -> InputContainer:
    """Open exactly this file with exactly this demuxer, through ``file`` where its bytes are hashed.

    ``file:`` and an absolute path keep FFmpeg from reading ``concat:a|b`` or ``http:x`` as a protocol and
    ``%03d`` as a series; the whitelist keeps the file from pointing elsewhere.
    """
    try:
        container = av.open(
            f"file:{path.absolute()}" if file is None else file,
            mode="r",
            format=demuxer,
            options=_OPTIONS[demuxer],
            metadata_errors="replace",
            buffer_size=_BUFFER,
        )
    except (FFmpegError, OSError, ValueError) as error:
        raise unreadable(path, f"its {demuxer.upper()} structure is broken ({_reason(error)})") from error
    if not container.streams.video:
        container.close()
        raise RejectedError(f"'{path.name}' holds no video stream; export the video, not the sound", code="not_a_video")
    stream = container.streams.video[0]
    if stream.codec_context is None:  # PyAV's stubs do not say so, but it is None where no decoder exists
        container.close()
        raise unreadable(path, "no decoder understands its codec")
    # One thread: with more, damaged frames come out as if they were right. "explode" makes them raise.
    stream.thread_type = "NONE"
    stream.codec_context.options = {"err_detect": _STRICT, "max_pixels": str(MAX_PIXELS)}
    return container


def _decode(
    path: Path, container: InputContainer, *, has_checksums: bool, allow_partial: bool
) -> Generator[tuple[int | None, av.VideoFrame], None, None]:
    """Yield (time stamp, frame) packet by packet; a bad one rejects, or costs all up to the next key frame.

    AVI has no presentation times: its n-th frame shown gets the place of its n-th chunk with data.
    """
    stream = container.streams.video[0]
    shape = (stream.width, stream.height)
    chunks: deque[int | None] | None = deque() if container.format.name == "avi" else None
    is_possible = bitstream.check_of(stream.codec_context.name, stream.codec_context.extradata)
    waiting_for_key = False
    position = 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            if waiting_for_key and packet.size and not packet.is_keyframe:
                continue
            if has_checksums and packet.size and not ffv1.is_intact(bytes(packet)):
                raise ValueError("its checksum is wrong")
            if not is_possible(bytes(packet)):
                raise ValueError("it holds bytes that no encoder writes")
            frames = packet.decode()
            if any(frame.is_corrupt or (frame.width, frame.height) != shape for frame in frames):
                raise ValueError("it is corrupt")
        except (FFmpegError, ValueError) as error:
            if not allow_partial:
                raise damaged(path, f"frame {position} cannot be read: {_reason(error)}") from error
            waiting_for_key = True
            continue
        waiting_for_key = waiting_for_key and not packet.size
        position += len(frames)
        if chunks is not None and packet.size:
            chunks.append(packet.dts)
        for frame in frames:
            yield (frame.pts if chunks is None else chunks.popleft() if chunks else None), frame


def _pixel_format(path: Path, stream: VideoStream) -> str:
    context = stream.codec_context
    name = context.pix_fmt
    if name is None:
        raise unreadable(path, f"no decoder understands its codec ({context.name or 'unknown'})")
    return name


def _probe(path: Path, container: InputContainer) -> list[Packet[VideoStream]]:
    """Return the first packets with data."""
    try:
        return [packet for packet in islice(container.demux(container.streams.video[0]), _PROBE) if packet.size]
    except FFmpegError as error:
        raise unreadable(path, f"its first frames are broken ({_reason(error)})") from error


def _frame_step(container: InputContainer, stream: VideoStream, probed: list[Packet[VideoStream]]) -> Fraction | None:
    """Return the median time between neighbouring frames, in time-base units, from the first packets."""
    times = (packet.dts if container.format.name == "avi" else packet.pts for packet in probed)
    stamps = sorted(time for time in times if time is not None)
    steps = [after - before for before, after in pairwise(stamps) if after > before]
    if not steps or stream.time_base is None:
        return None
    median = median_low(steps)
    if stream.average_rate:
        nominal = 1 / (stream.average_rate * stream.time_base)
        # Where time stamps are too coarse to tell (MKV rounds to 1 ms), the stated rate is better.
        if abs(nominal - median) < 1:
            return nominal
    return Fraction(median)


def _frame_rate(stream: VideoStream, step: Fraction | None) -> Fraction | None:
    """Return frames per second: the time stamps' where there are some, else the stated average."""
    if step is None or stream.time_base is None:
        return stream.average_rate
    return _simplest(1 / (step * stream.time_base))


def _simplest(rate: Fraction) -> Fraction:
    """Undo the rounding of a frame time to nanoseconds: 24.98249999 was 9993/400."""
    simple = rate.limit_denominator(10_000)
    return simple if abs(simple - rate) < rate * Fraction(1, 10**7) else rate


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).rstrip(".")
