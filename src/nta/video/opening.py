"""``open_video``: which reader for which file."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from nta.video.model import Video
from nta.video.sniff import sniff


def open_video(path: str | PathLike[str], *, allow_partial: bool = False) -> Video:
    """Open a video without reading its frames.

    AVI, MP4, MOV and MKV with any common codec, and TIFF (multi-page, ImageJ stack, OME-TIFF, BigTIFF), 8- to
    16-bit grey. The first bytes decide what a file is, its name never does.

    Parameters
    ----------
    path : path-like
        The file.
    allow_partial : bool, optional
        Read what is there of a truncated or damaged file, with a fault that says so.

    Returns
    -------
    Video
        Lazy: frames are decoded when they are asked for.

    Raises
    ------
    UsageError
        If there is no such file, or it is a folder.
    RejectedError
        ``empty``, ``not_a_video``, ``unreadable``, ``truncated``, ``too_large``, ``colour``, ``unsupported``,
        ``non_finite``.
    """
    file = Path(path)
    kind = sniff(file)
    if kind == "tiff":
        from nta.video.tiff import open_tiff

        return open_tiff(file, allow_partial=allow_partial)
    from nta.video.container import open_container

    return open_container(file, kind, allow_partial=allow_partial)
