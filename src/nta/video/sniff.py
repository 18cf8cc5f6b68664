"""What a file is, by its first bytes and never by its name."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final, Literal

from nta.errors import RejectedError, UsageError, printable

Kind = Literal["avi", "mov", "matroska", "tiff", "npy"]

PictureKind = Literal["tiff", "png_pipe", "bmp_pipe", "jpeg_pipe"]

READABLE: Final = "AVI, MP4, MOV, MKV, TIFF and NPY"

TRACK_COLUMNS: Final = ("particle", "frame", "x", "y")
"""What a text file must have to be read as a table of tracks; :mod:`nta.formats` reads it."""

_TEXT: Final = "a text file"

_HEAD: Final = 512

# Boxes that may open an ISO base media (MP4, QuickTime) file.
_ISO_BOXES: Final = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
_TIFF_MAGIC: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_PICTURES: Final[tuple[tuple[bytes, PictureKind], ...]] = (
    *((magic, "tiff") for magic in _TIFF_MAGIC),
    (b"\x89PNG\r\n\x1a\n", "png_pipe"),
    (b"BM", "bmp_pipe"),
    (b"\xff\xd8\xff", "jpeg_pipe"),
)

_STRANGERS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"\x00\x05\x16\x07", "the companion file that macOS leaves beside the real one"),
    (b"RIFF", "a RIFF file other than AVI"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)


def sniff(path: Path) -> Kind:
    """Return the container that the first bytes of ``path`` announce.

    Raises
    ------
    UsageError
        If there is no such file, it is a folder, or it is not a regular file.
    RejectedError
        ``empty`` for zero bytes, ``unreadable`` without permission, ``not_a_video`` for anything else.
    """
    head = _read_head(path)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if head[4:8] in _ISO_BOXES:
        return "mov"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    if head[:4] in _TIFF_MAGIC:
        return "tiff"
    if head[:6] == b"\x93NUMPY":
        return "npy"
    described = _describe(head)
    tables = f", and tables with the columns {', '.join(TRACK_COLUMNS)} (px)" if described == _TEXT else ""
    raise RejectedError(
        f"'{path.name}' is not a video: it looks like {described}; {READABLE} are read{tables}",
        code="not_a_video",
    )


def sniff_picture(path: Path) -> PictureKind:
    """Return the kind of one image of a series, by its first bytes.

    Raises
    ------
    RejectedError
        ``empty``, ``unreadable``, or ``not_a_video`` for a file that is no image.
    """
    head = _read_head(path)
    for magic, kind in _PICTURES:
        if head.startswith(magic):
            return kind
    raise RejectedError(
        f"'{path.name}' is not an image: it looks like {_describe(head)}; take it out of the folder",
        code="not_a_video",
    )


def _read_head(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"no such file: '{printable(str(path))}'") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"'{printable(str(path))}' cannot be looked at: {error}") from error
    if stat.S_ISDIR(mode):
        raise UsageError(f"'{printable(str(path))}' is a folder; give a video file, or use nta batch for a folder")
    if not stat.S_ISREG(mode):
        raise UsageError(
            f"'{printable(str(path))}' is not a regular file (a pipe or a device); save the video to disk first"
        )
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise RejectedError(
            f"'{path.name}' cannot be read: {error.strerror}; check its permissions", code="unreadable"
        ) from error
    if not head:
        raise RejectedError(f"'{path.name}' is empty (0 bytes); copy it again from the instrument", code="empty")
    return head


def _describe(head: bytes) -> str:
    for magic, name in _STRANGERS:
        if head.startswith(magic):
            return name
    if not any(head):
        return "a file of zeros, as an interrupted copy leaves it"
    readable = sum(byte >= 32 or byte in b"\t\n\r\f" for byte in head)
    if readable == len(head) and 127 not in head:
        return _TEXT
    return "an unknown binary file"
