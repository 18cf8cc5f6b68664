"""From a decoded frame to a grey array: the plane as it is, never a colour conversion."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from nta.video.model import Frame, check_scale, coloured, unsupported

if TYPE_CHECKING:
    import av

_GREY: Final = re.compile(r"gr[ae]y(?:8|(?P<bits>9|10|12|14|16)(?P<order>le|be))?$")
# Planar YUV: plane 0 is the grey image, at full resolution.
_YUV: Final = re.compile(r"(?:yuva?j?4[0-9]{2}p|nv[0-9]{2}|p0)(?P<bits>9|10|12|14|16)?(?P<order>le|be)?$")
# Packed formats whose bytes per pixel hold the colour channels at these places.
_PACKED: Final[dict[str, tuple[int, tuple[int, int, int]]]] = {
    "rgb24": (3, (0, 1, 2)),
    "bgr24": (3, (0, 1, 2)),
    "rgba": (4, (0, 1, 2)),
    "bgra": (4, (0, 1, 2)),
    "rgb0": (4, (0, 1, 2)),
    "bgr0": (4, (0, 1, 2)),
    "argb": (4, (1, 2, 3)),
    "abgr": (4, (1, 2, 3)),
    "0rgb": (4, (1, 2, 3)),
    "0bgr": (4, (1, 2, 3)),
}
_LUMA_FIRST: Final = {"yuyv422": 0, "yvyu422": 0, "uyvy422": 1}


def bit_depth(path: Path, pixel_format: str) -> int:
    """Return the significant bits of the grey samples of an FFmpeg pixel format.

    Raises
    ------
    RejectedError
        ``unsupported`` for a format that has no grey plane that can be read without loss.
    """
    match = _GREY.match(pixel_format) or _YUV.match(pixel_format)
    if match is not None:
        return int(match["bits"] or 8)
    if pixel_format in ("pal8", "gbrp") or pixel_format in _PACKED or pixel_format in _LUMA_FIRST:
        return 8
    raise unsupported(
        path, f"pixels of the kind {pixel_format}", "save 8-bit grey AVI, 16-bit grey TIFF, or FFV1 in MKV"
    )


def grey(path: Path, frame: av.VideoFrame) -> Frame:
    """Return the grey samples of a decoded frame.

    Returns
    -------
    ndarray
        Shape (height, width), uint8 or uint16, C-contiguous, native byte order; a copy.

    Raises
    ------
    RejectedError
        ``colour`` when the channels differ, ``unsupported`` for an unknown pixel format.
    """
    name = frame.format.name
    match = _GREY.match(name) or _YUV.match(name)
    if match is not None:
        if match["bits"] is None:
            return _plane(frame, 0)
        order = ">" if match["order"] == "be" else "<"
        samples = _plane(frame, 0, 2).view(f"{order}u2").astype(np.uint16)
        # p010 and its kin keep the significant bits at the top.
        if name.startswith("p0"):
            np.right_shift(samples, 16 - int(match["bits"]), out=samples)
        return samples
    if name in _LUMA_FIRST:
        return np.ascontiguousarray(_plane(frame, 0, 2)[:, _LUMA_FIRST[name] :: 2])
    if name == "pal8":
        return _paletted(path, frame)
    if name == "gbrp":
        return _equal(path, _plane(frame, 0), _plane(frame, 1), _plane(frame, 2))
    if name in _PACKED:
        size, (first, second, third) = _PACKED[name]
        packed = _plane(frame, 0, size).reshape(frame.height, frame.width, size)
        return _equal(path, packed[..., first], packed[..., second], packed[..., third])
    bit_depth(path, name)
    raise AssertionError(name)


def _plane(frame: av.VideoFrame, index: int, bytes_per_sample: int = 1) -> NDArray[np.uint8]:
    """Copy one plane without its row padding."""
    plane = frame.planes[index]
    rows = np.frombuffer(memoryview(plane), np.uint8, count=abs(plane.line_size) * frame.height)
    rows = rows.reshape(frame.height, abs(plane.line_size))
    if plane.line_size < 0:
        rows = rows[::-1]  # a bottom-up bitmap: PyAV hands over the memory from its lowest address
    return rows[:, : frame.width * bytes_per_sample].copy()


def _paletted(path: Path, frame: av.VideoFrame) -> Frame:
    indices = _plane(frame, 0)
    palette = np.frombuffer(memoryview(frame.planes[1]), np.uint8, count=1024).reshape(256, 4)[:, :3]
    used = palette[: int(indices.max()) + 1]
    if not ((used[:, 0] == used[:, 1]).all() and (used[:, 1] == used[:, 2]).all()):
        raise coloured(path)
    check_scale(path, used[:, 0])
    shades = np.ascontiguousarray(palette[:, 0])
    return indices if (shades == np.arange(256)).all() else shades[indices]


def _equal(path: Path, first: NDArray[np.uint8], second: NDArray[np.uint8], third: NDArray[np.uint8]) -> Frame:
    if not (np.array_equal(first, second) and np.array_equal(second, third)):
        raise coloured(path)
    return np.ascontiguousarray(first)
