"""What the pages of a TIFF may not do: lie on its directories, or unpack to more than they hold."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from nta.video.model import damaged

Extents = Sequence[tuple[int, int]]

_HARMLESS: Final = 1 << 26
"""Bytes that a part of a page may reach unpacked without being looked at before."""


class _Packing(NamedTuple):
    """How much larger than packed data can get, and how they are unpacked up to a limit."""

    most_expansion: int
    unpack: Callable[[bytes, int], bytes]


def _inflated(data: bytes, most: int) -> bytes:
    return zlib.decompressobj().decompress(data, most)


def _unpacked_lzma(data: bytes, most: int) -> bytes:
    return lzma.LZMADecompressor().decompress(data, most)


# Codes of the TIFF tag Compression: deflate under both of its numbers, and LZMA.
_PACKINGS: Final[dict[int, _Packing]] = {
    8: _Packing(1032, _inflated),
    32946: _Packing(1032, _inflated),
    34925: _Packing(10_000, _unpacked_lzma),
}


def overlap(pictures: Extents, described: Extents) -> bool:
    """Return whether a picture lies on a directory or on a value of one; values may share their places.

    Parameters
    ----------
    pictures, described : sequence of (int, int)
        Place and length in bytes.
    """
    if not pictures or not described:
        return False
    starts, lengths = np.array(sorted(pictures), dtype=np.int64).T
    for at, length in described:
        place = int(np.searchsorted(starts, at + length)) - 1
        if place >= 0 and starts[place] + lengths[place] > at:
            return True
    return False


def check_unpacked(path: Path, number: int, page: Any) -> None:  # noqa: ANN401  # two unrelated classes of tifffile
    """Refuse a part of a page that unpacks to more than the page holds, before all of it is in memory.

    Raises
    ------
    RejectedError
        ``damaged``.
    """
    packing = _PACKINGS.get(int(page.compression))
    if packing is None:
        return
    with path.open("rb") as file:
        for at, length in zip(page.dataoffsets, page.databytecounts, strict=False):
            if length * packing.most_expansion <= _HARMLESS:
                continue
            file.seek(at)
            try:
                unpacked = packing.unpack(file.read(length), page.nbytes + 1)
            except (zlib.error, lzma.LZMAError, EOFError) as error:
                raise damaged(path, f"frame {number} cannot be decoded ({error})") from error
            if len(unpacked) > page.nbytes:
                raise damaged(path, f"frame {number} unpacks to more than its {page.nbytes} bytes")
