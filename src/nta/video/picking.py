"""A few frames of a compressed film without decoding those between, where its packets tell where decoding can begin.

FFV1 and JPEG give one frame for each packet, in order. H.264 and its like do not; and of its groups of pictures, 250
frames long as a rule, few hold none of 48 frames spread over a film: such films are decoded from the first frame on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from av import VideoFrame
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from nta.video import ffv1, jpeg, pixels
from nta.video.model import Frame

# Whether decoding can begin with a packet, by codec. Containers are not asked: those without an index do not know.
_BEGINS: Final[dict[str, Callable[[bytes], bool]]] = {"ffv1": ffv1.is_key, "mjpeg": jpeg.has_its_tables}

_MOST_HELD: Final = 16 << 20
"""Bytes of packets that wait until it is known whether they are needed; beyond it they are decoded."""


def picked(
    path: Path, container: InputContainer, positions: Sequence[int], *, has_checksums: bool
) -> list[Frame] | None:
    """Return the frames at ascending positions, each as decoding everything gives it.

    Parameters
    ----------
    path : Path
        The file.
    container : InputContainer
        The same, opened for strict reading.
    positions : sequence of int
        Counted from 0 among the frames that are there.
    has_checksums : bool
        Whether every packet carries its checksum.

    Returns
    -------
    list of Frame, or None
        None where the codec does not tell, or anything met is not as it should be: decoding everything then gives the
        verdict. What is wrong with frames that are left out is not seen.
    """
    stream = container.streams.video[0]
    begins = _BEGINS.get(stream.codec_context.name)
    if begins is None or not positions:
        return None
    waiting = _Waiting((stream.width, stream.height), has_checksums)
    wanted, found = set(positions), []
    try:
        for position, packet in enumerate(container.demux(stream)):
            waiting.add(packet, begins)
            # The first one in any case: what a decoder learns from it may hold for all.
            if position == 0 or position in wanted or waiting.n_bytes > _MOST_HELD:
                frame = waiting.decoded()
                if position in wanted:
                    found.append(pixels.grey(path, frame))
            if position == positions[-1]:
                return found
    except (FFmpegError, ValueError):
        return None
    return None


class _Waiting:
    """The packets since the last one with which decoding can begin, as far as they are not decoded yet."""

    def __init__(self, shape: tuple[int, int], has_checksums: bool) -> None:
        self.n_bytes = 0
        self._shape = shape
        self._has_checksums = has_checksums
        self._packets: list[Packet[VideoStream]] = []
        self._must_be_key = True

    def add(self, packet: Packet[VideoStream], begins: Callable[[bytes], bool]) -> None:
        """Let a packet wait, and nothing before it if decoding can begin there.

        Raises
        ------
        ValueError
            If it is empty: a dropped frame, or the end of the film.
        """
        if not packet.size:
            raise ValueError("it is empty")
        if self._packets and begins(bytes(packet)):
            self._packets.clear()
            self.n_bytes = 0
            self._must_be_key = True
        self._packets.append(packet)
        self.n_bytes += packet.size

    def decoded(self) -> VideoFrame:
        """Decode what waits and return the last frame of it.

        Raises
        ------
        ValueError
            If a packet does not give one good frame, or needs others that were left out.
        """
        frames = [self._frame(packet) for packet in self._packets]
        self._packets.clear()
        self.n_bytes = 0
        return frames[-1]

    def _frame(self, packet: Packet[VideoStream]) -> VideoFrame:
        if self._has_checksums and not ffv1.is_intact(bytes(packet)):
            raise ValueError("its checksum is wrong")
        (frame,) = packet.decode()
        if frame.is_corrupt or (frame.width, frame.height) != self._shape:
            raise ValueError("it is corrupt")
        if self._must_be_key and not frame.key_frame:
            raise ValueError("it needs frames that were left out")
        self._must_be_key = False
        return frame
