"""NumPy arrays (``.npy``) as videos: shape (frames, height, width), read frame by frame.

The header is numpy's; the samples are read with plain reads. A memory map would be as fast, and would kill the
process when somebody shortens the file meanwhile.

References
----------
NEP 1, "A Simple File Format for NumPy Arrays"; ``numpy.lib.format``.
"""

from __future__ import annotations

import math
from pathlib import Path
from tokenize import TokenError
from typing import Final

import numpy as np
from numpy.lib import format as npy_format

from nta.video.flat import FlatReader
from nta.video.model import (
    Fault,
    Video,
    check_size,
    float_samples,
    truncated,
    unreadable,
    unsupported,
)

_AXES: Final = "save one array of shape (frames, height, width)"
_INSTEAD: Final = "save 8- or 16-bit unsigned grey (uint8 or uint16)"
# What numpy raises on headers that it cannot make sense of.
_BROKEN: Final = (ValueError, TypeError, SyntaxError, TokenError, EOFError, OSError, MemoryError, RecursionError)
_HEADERS: Final = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}


def open_npy(path: Path, *, allow_partial: bool = False) -> Video:
    """Open an array of frames; see :func:`nta.video.open_video`."""
    shape, is_fortran, dtype, offset = _header(path)
    if dtype.hasobject:
        raise unsupported(path, "Python objects", _INSTEAD)
    if len(shape) != 3:
        raise unsupported(path, f"an array of shape {shape}", _AXES)
    n_frames, height, width = shape
    if is_fortran:
        raise unsupported(path, "an array in Fortran order", "save numpy.ascontiguousarray of it")
    check_size(path, width, height)
    held, stated = path.stat().st_size - offset, math.prod(shape) * dtype.itemsize
    if held > stated:
        raise unreadable(path, f"its header states {stated} bytes of samples and {held} follow")
    there = held // (width * height * max(1, dtype.itemsize))
    faults = []
    if there < n_frames:
        detail = f"{there} of {n_frames} frames are there"
        if not allow_partial or not there:
            raise truncated(path, detail)
        faults.append(Fault("partial", f"the file is cut: {detail}; only these are measured"))
    reader = FlatReader(path, offset, dtype.str, (height, width), min(there, n_frames))
    if dtype.kind in "fc":
        raise float_samples(path, dtype, np.fromfile(path, dtype, math.prod(shape[1:]), offset=offset), _INSTEAD)
    if dtype.kind != "u" or dtype.itemsize > 2:
        raise unsupported(path, f"samples of type {dtype}", _INSTEAD)
    return Video(
        path=path,
        width=width,
        height=height,
        bit_depth=8 * dtype.itemsize,
        n_frames=reader.n_frames,
        fps=None,
        mpp=None,
        exposure_ms=None,
        codec="raw",
        container="npy",
        is_lossy=False,
        reader=reader,
        faults=tuple(faults),
        allow_partial=allow_partial,
    )


def _header(path: Path) -> tuple[tuple[int, ...], bool, np.dtype[np.generic], int]:
    """Return shape, Fortran order, type and where the samples begin. Nothing in the header is executed."""
    with path.open("rb") as file:
        try:
            version = npy_format.read_magic(file)
            if version not in _HEADERS:
                raise unsupported(path, f"an array of format version {version[0]}.{version[1]}", _INSTEAD)
            shape, is_fortran, dtype = _HEADERS[version](file)
        except _BROKEN as error:
            raise unreadable(path, "the header of its array is broken") from error
        if any(length < 0 for length in shape):
            raise unreadable(path, f"its array claims the shape {shape}")
        return shape, is_fortran, dtype, file.tell()
