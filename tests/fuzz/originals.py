"""The good files that the fuzz tests spoil: one of each kind that is read, small, so that headers are hit often."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile

sys.path.insert(0, str(Path(__file__).parents[1] / "video"))
from lying_avi import GREY_PALETTE, avi, dib_rows, opendml

from nta.video import write_video

N, HEIGHT, WIDTH = 8, 38, 50


class Original(NamedTuple):
    """A kind of file.

    ``payload``: samples lie uncompressed in the file, so that a changed byte there is another picture and no
    reader can know. ``lossy``: the same holds for most bits of the codec.
    """

    suffix: str
    make: Callable[[Path], None]
    payload: bool = False
    lossy: bool = False


def pictures() -> list[np.ndarray]:
    random = np.random.default_rng(7)
    slope = np.linspace(20, 120, WIDTH)[None, :] + np.linspace(0, 40, HEIGHT)[:, None]
    return [(slope + random.normal(0, 6, (HEIGHT, WIDTH))).clip(0, 255).astype(np.uint8) for _ in range(N)]


FRAMES = pictures()
RAW = [frame.tobytes() for frame in FRAMES]
ROWS = [dib_rows(frame) for frame in FRAMES]


def written(codec: str) -> Callable[[Path], None]:
    return lambda path: write_video(path, FRAMES, fps=25, codec=codec) and None


def tiff(**options: object) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        tifffile.imwrite(path, np.stack(FRAMES), photometric="minisblack", **options)

    return make


ORIGINALS: dict[str, Original] = {
    "avi_y800": Original(".avi", lambda path: path.write_bytes(avi(RAW, WIDTH, HEIGHT)) and None, payload=True),
    "avi_dib": Original(
        ".avi",
        lambda path: path.write_bytes(avi(ROWS, WIDTH, HEIGHT, fourcc=b"\0\0\0\0", palette=GREY_PALETTE)) and None,
        payload=True,
    ),
    "avi_opendml": Original(
        ".avi",
        lambda path: path.write_bytes(opendml([RAW[:3], RAW[3:6], RAW[6:]], WIDTH, HEIGHT)) and None,
        payload=True,
    ),
    "avi_ffv1": Original(".avi", written("ffv1")),
    "avi_mjpeg": Original(".avi", written("mjpeg"), lossy=True),
    "mkv_ffv1": Original(".mkv", written("ffv1")),
    "mkv_h264": Original(".mkv", written("h264"), lossy=True),
    "mp4_h264": Original(".mp4", written("h264"), lossy=True),
    "tiff_imagej": Original(".tif", written("ffv1"), payload=True),
    "tiff_pages": Original(".tif", tiff(metadata=None), payload=True),
    "tiff_zlib": Original(".tif", tiff(compression="zlib", metadata=None)),
    "tiff_big": Original(".tif", tiff(bigtiff=True, byteorder=">"), payload=True),
    "npy": Original(".npy", lambda path: np.save(path, np.stack(FRAMES)), payload=True),
}
