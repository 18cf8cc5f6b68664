"""One file for each way in which a file can be wrong, under the name that docs/reading.md gives it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import tifffile
from lying_avi import GREY_PALETTE, avi, dib_rows, opendml

from nta.video import write_video

N, HEIGHT, WIDTH = 100, 30, 46


def pictures(n: int = N) -> list[np.ndarray]:
    """Noise on a slope, neither square nor symmetric."""
    random = np.random.default_rng(20)
    slope = np.linspace(20, 200, WIDTH)[None, :] + np.linspace(0, 30, HEIGHT)[:, None]
    return [(slope + random.normal(0, 5, (HEIGHT, WIDTH))).clip(0, 255).astype(np.uint8) for _ in range(n)]


FRAMES = pictures()
RAW = [frame.tobytes() for frame in FRAMES]
Make = Callable[[Path], object]


def data(name: str, content: bytes) -> tuple[str, Make]:
    return name, lambda path: path.write_bytes(content)


def raw(name: str = "a.avi", frames: list[bytes] = RAW, **lies: object) -> tuple[str, Make]:
    return name, lambda path: path.write_bytes(avi(frames, WIDTH, HEIGHT, **lies))


def film(name: str, codec: str = "ffv1", n: int = N) -> tuple[str, Make]:
    return name, lambda path: write_video(path, FRAMES[:n], fps=25, codec=codec)


def tiff(name: str, stack: np.ndarray, **options: object) -> tuple[str, Make]:
    options = {"photometric": "minisblack", "metadata": None, **options}
    return name, lambda path: tifffile.imwrite(path, stack, **options)


def half(made: tuple[str, Make]) -> tuple[str, Make]:
    name, make = made

    def cut(path: Path) -> None:
        make(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return name, cut


def zeroed(made: tuple[str, Make], share: float, length: int) -> tuple[str, Make]:
    """Set ``length`` bytes to zero, as a bad sector does."""
    name, make = made

    def spoil(path: Path) -> None:
        make(path)
        content = bytearray(path.read_bytes())
        at = int(len(content) * share)
        content[at : at + length] = bytes(length)
        path.write_bytes(content)

    return name, spoil


def _bomb(path: Path) -> None:
    """An MJPEG of small frames, one of which says of itself that it has 60000 x 60000 pixels."""
    write_video(path, FRAMES[:10], fps=25, codec="mjpeg")
    content = path.read_bytes()
    at = content.index(b"\xff\xc0", content.index(b"\xff\xd8", len(content) // 2))
    path.write_bytes(content[: at + 5] + struct.pack(">HH", 60_000, 60_000) + content[at + 9 :])


def _deep_mkv(path: Path) -> None:
    write_video(path, [frame.astype(np.uint16) * 16 for frame in FRAMES], fps=25)


def _gaps(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "gray"
        for number in (number for number in range(N) if number not in (30, 31)):
            frame = av.VideoFrame.from_ndarray(FRAMES[number], format="gray")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


STACK = np.stack(FRAMES)
DROPPED = [b"" if number in (3, 4, 8) else one for number, one in enumerate(RAW)]
REPEATED = [FRAMES[number - 1] if number in (40,) else frame for number, frame in enumerate(FRAMES)]
MANY_REPEATED = [FRAMES[number - number % 10] if number % 10 == 1 else frame for number, frame in enumerate(FRAMES)]
DIB = {"fourcc": b"\0\0\0\0", "palette": GREY_PALETTE}
COLOUR = b"".join(bytes((i, 0, 255 - i, 0)) for i in range(256))
NAN = STACK.astype(np.float32)
NAN[0, 0, 0] = np.nan


def rgb(blue: float) -> list[bytes]:
    return [
        dib_rows(np.stack([one, one, (one * blue).astype(np.uint8)], -1).reshape(HEIGHT, 3 * WIDTH)) for one in FRAMES
    ]


CASES: dict[str, tuple[str, Make]] = {
    # what the file is
    "zero bytes": data("a.avi", b""),
    "text named .avi": data("a.avi", b"day,sample,video\n1,a,b.avi\n"),
    "list of other files (ffconcat) named .avi": data("a.avi", b"ffconcat version 1.0\nfile 'other.avi'\n"),
    "list of other files (HLS) named .avi": data("a.avi", b"#EXTM3U\n#EXTINF:1,\nother.avi\n"),
    "PNG named .avi": data("a.avi", b"\x89PNG\r\n\x1a\n" + bytes(30)),
    "zeros": data("a.avi", bytes(4096)),
    "AVI header alone": raw(frames=[]),
    "AVI without its header": data("a.avi", b"RIFF\x10\0\0\0AVI " + bytes(8)),
    "TIFF named .avi": tiff("a.avi", STACK),
    "AVI named .tif": raw("a.tif"),
    "name that is an address": raw("http:x.avi"),
    "name with a pattern": raw("%03d.avi"),
    "name of two files": raw("concat:a|b.avi"),
    "name like an option": raw("-y.avi"),
    "name in other letters, with quotes": raw("样品 😀 'a \"b\".avi"),
    "name of two lines": raw("two\nlines.avi"),
    # whole or not
    "half a raw AVI": half(raw()),
    "half an FFV1 AVI": half(film("a.avi")),
    "half an MKV": half(film("a.mkv")),
    "half an MP4": half(film("a.mp4", "h264")),
    "half a TIFF, multi-page": half(tiff("a.tif", STACK)),
    "half a TIFF, ImageJ": half(film("a.tif")),
    "half a TIFF, zlib": half(tiff("a.tif", STACK, compression="zlib")),
    "recording that was interrupted": raw(index=False, riff_size=0, movi_size=0, total_frames=0, length=0),
    "AVI 2.0 that lacks its last part": half(
        ("a.avi", lambda path: path.write_bytes(opendml([RAW[:40], RAW[40:]], WIDTH, HEIGHT)))
    ),
    # counts and times
    "header claims 0 frames": raw(total_frames=0, length=0),
    "header claims 30 frames": raw(total_frames=30, length=30),
    "header claims 3000 frames": raw(total_frames=3000, length=3000),
    "two frame rates": raw(scale=1, rate=30, frame_us=40_000),
    "no frame rate": raw(scale=0, rate=0, frame_us=0),
    "frames dropped, empty chunks": raw(frames=DROPPED),
    "frames dropped, gap in time stamps": ("a.mkv", _gaps),
    "one frame in a hundred repeated": ("a.avi", lambda path: write_video(path, REPEATED, fps=25, codec="raw")),
    "one frame in ten repeated": ("a.avi", lambda path: write_video(path, MANY_REPEATED, fps=25, codec="raw")),
    # damage
    "damaged MJPEG": zeroed(film("a.avi", "mjpeg"), 0.504, 60),
    "damaged H.264": zeroed(film("a.mp4", "h264"), 0.5, 300),
    "damaged FFV1": zeroed(film("a.mkv"), 0.5, 8),
    "damaged zlib TIFF": zeroed(tiff("a.tif", STACK, compression="zlib"), 0.5, 8),
    # pixels
    "bottom-up bitmap": raw(frames=[dib_rows(frame) for frame in FRAMES], **DIB),
    "palette of colours": raw(
        frames=[dib_rows(frame) for frame in FRAMES], **(DIB | {"palette": COLOUR})
    ),
    "planes of colour, raw": raw(
        frames=[one + bytes([128]) * (HEIGHT * WIDTH // 2) for one in RAW], fourcc=b"I420", bits=12
    ),
    "16-bit raw AVI": raw(
        frames=[dib_rows(frame.astype("<u2") * 16) for frame in FRAMES], fourcc=b"\0\0\0\0", bits=16
    ),
    "RGB, equal channels": raw(frames=rgb(1.0), fourcc=b"\0\0\0\0", bits=24),
    "RGB, colour": raw(frames=rgb(0.5), fourcc=b"\0\0\0\0", bits=24),
    "12 bits in 16, big-endian TIFF": tiff("a.tif", STACK.astype(">u2") * 16, byteorder=">"),
    "16-bit MKV": ("a.mkv", _deep_mkv),
    "signed": tiff("a.tif", STACK.astype(np.int16)),
    "floating point": tiff("a.tif", STACK.astype(np.float32)),
    "NaN": tiff("a.tif", NAN),
    "fax TIFF": ("a.tif", lambda path: _fax(path)),
    "MJPEG": film("a.avi", "mjpeg"),
    "H.264": film("a.mp4", "h264"),
    "header of 60000 x 60000": ("a.avi", lambda path: path.write_bytes(avi([b"x" * 64] * 3, 60_000, 60_000))),
    "MJPEG that grows to 60000 x 60000": ("a.avi", _bomb),
    # pictures
    "single frame": raw(frames=RAW[:1]),
    "all black": raw(frames=[bytes(HEIGHT * WIDTH)] * 50),
    "all white": raw(frames=[b"\xff" * (HEIGHT * WIDTH)] * 50),
    "all of one grey": raw(frames=[b"\x40" * (HEIGHT * WIDTH)] * 50),
}  # fmt: skip


def _fax(path: Path) -> None:
    tifffile.imwrite(path, STACK, photometric="minisblack", metadata=None)
    with tifffile.TiffFile(path, mode="r+") as opened:
        opened.pages.first.tags["Compression"].overwrite(3)
