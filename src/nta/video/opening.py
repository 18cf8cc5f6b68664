"""``open_video``: which reader for which file."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path

from nta.errors import RejectedError
from nta.video.model import Video
from nta.video.sniff import sniff
from nta.video.source import Source, changing


def open_video(path: str | PathLike[str], *, allow_partial: bool = False) -> Video:
    """Open a video without reading its frames.

    AVI, MP4, MOV and MKV with any common codec, TIFF (multi-page, ImageJ stack, OME-TIFF, BigTIFF), NumPy arrays
    (``.npy``), and folders of numbered images; 8- to 16-bit grey. The first bytes decide what a file is, its
    name never does.

    Parameters
    ----------
    path : path-like
        The file, or a folder that holds one series of numbered images.
    allow_partial : bool, optional
        Read what is there of a truncated or damaged file, with a fault that says so.

    Returns
    -------
    Video
        Lazy: frames are decoded when they are asked for.

    Raises
    ------
    UsageError
        If there is no such file, or it is a folder without images.
    RejectedError
        ``empty``, ``not_a_video``, ``unreadable``, ``truncated``, ``damaged``, ``too_large``, ``too_short``,
        ``colour``, ``unsupported``, ``non_finite``, ``still_changing``.
    """
    file = Path(path)
    if file.is_dir():
        from nta.video.series import open_series

        return open_series(file, allow_partial=allow_partial)
    source = Source(file)
    try:
        video = _open(file, allow_partial=allow_partial)
    except RejectedError as error:
        # A recording that is still going on looks like one that broke off.
        if source.is_changing():
            raise changing(file) from error
        raise
    if source.is_changing():
        raise changing(file)
    return replace(video, source=source)


def _open(file: Path, *, allow_partial: bool) -> Video:
    kind = sniff(file)
    if kind == "tiff":
        from nta.video.tiff import open_tiff

        return open_tiff(file, allow_partial=allow_partial)
    if kind == "npy":
        from nta.video.npy import open_npy

        return open_npy(file, allow_partial=allow_partial)
    layout = None
    if kind == "avi":
        from nta.video import raw_avi, riff

        layout = riff.scan(file)
        raw_avi.refuse_sixteen_bits(file, layout)
        if raw_avi.is_raw_grey(layout):
            return raw_avi.open_raw(file, layout, allow_partial=allow_partial)
    from nta.video.container import open_container

    return open_container(file, kind, layout, allow_partial=allow_partial)


def frames_declared(video: Video) -> int | None:
    """Return the number of frames that the headers of a file claim, which may not be how many there are."""
    if video.container == "avi":
        from nta.video import riff

        return riff.scan(video.path).declared
    return video.n_frames
