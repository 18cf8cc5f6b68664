"""A folder of numbered images as one video: natural order, gaps in the numbers kept as gaps in time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from statistics import median_low
from typing import Any, Final

from nta.errors import RejectedError, UsageError, printable
from nta.video.model import Fault, Frame, Video, damaged, unsupported
from nta.video.sniff import sniff_picture
from nta.video.source import Look, Source, changed, changing

_SUFFIXES: Final = (".tif", ".tiff", ".png", ".bmp", ".jpg", ".jpeg")
# The last run of digits in a name is its number: "run2_0007.png" is image 7 of "run2_".
_NUMBERED: Final = re.compile(r"(?P<before>.*?)(?P<number>[0-9]{1,18})(?P<after>[^0-9]*)", re.DOTALL)
_ONE_SERIES: Final = "put each series in a folder of its own"
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class SeriesReader:
    """Reads images one by one.

    Parameters
    ----------
    folder : Path
        Where they are.
    names : tuple of str
        Their names, in order.
    numbers : tuple of int
        Their frame numbers: 0 for the first one, missing ones counted too.
    shape : tuple of int
        Height and width that all of them have.
    bit_depth : int
        Bits of a sample.
    """

    folder: Path
    names: tuple[str, ...] = field(repr=False)
    numbers: tuple[int, ...] = field(repr=False)
    shape: tuple[int, int]
    bit_depth: int
    is_seekable: bool = True

    def numbered(
        self,
        *,
        start: int = 0,
        allow_partial: bool = False,
        source: Source | None = None,  # noqa: ARG002  # each image is hashed for itself
    ) -> Generator[tuple[int, Frame], None, None]:
        """Yield (frame number, frame) from image ``start`` to the last one.

        Raises
        ------
        RejectedError
            ``damaged`` or whatever an image is rejected for, unless ``allow_partial``; ``unsupported`` when
            one differs in size or type from the first.
        """
        for number, name in zip(self.numbers[start:], self.names[start:], strict=True):
            try:
                yield number, self._read(name)
            except RejectedError:
                if not allow_partial:
                    raise

    def count(self) -> int:
        """Return the number of images."""
        return len(self.names)

    def _read(self, name: str) -> Frame:
        picture = _open_picture(self.folder / name)
        if (picture.height, picture.width, picture.bit_depth) != (*self.shape, self.bit_depth):
            raise unsupported(self.folder, f"images that differ in size or type ({name})", "save all of them alike")
        frames = list(picture.frames())
        if len(frames) != 1:
            raise damaged(self.folder, f"{name} gives {len(frames)} pictures")
        return frames[0]


class SeriesSource(Source):
    """How all images looked when the folder was opened; their hash is that of the list of their hashes.

    Parameters
    ----------
    folder : Path
        Where they are.
    names : tuple of str
        Their names, in order.
    """

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        super().__init__(folder)
        self._names = names
        self._looks = self._look()

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process can have."""
        return super().__getstate__() | {"_names": self._names, "_looks": self._looks}

    def _look(self) -> list[Look | None]:
        return [Look.at(self.path / name) for name in self._names]

    def complete(self) -> None:
        """Do nothing: images are hashed when the hash is wanted."""

    def sha256(self) -> str:
        """Return the SHA-256 of the lines ``<hash>  <name>`` of all images in order, as ``sha256sum`` writes them.

        Raises
        ------
        RejectedError
            ``source_changed`` when an image is not the one that was opened any more.
        """
        digest = hashlib.sha256()
        for name in self._names:
            try:
                with (self.path / name).open("rb") as file:
                    line = f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n"
            except OSError as error:
                raise changed(self.path) from error
            digest.update(line.encode("utf-8", "surrogateescape"))
        if self._look() != self._looks:
            raise changed(self.path)
        return digest.hexdigest()


def is_series(folder: Path) -> bool:
    """Whether a folder holds numbered images of one frame each, so that it is one capture; none of it is waited for.

    A folder of TIFF stacks holds as many captures; one with several series is none that could be measured.
    """
    try:
        _, names = _listed(folder)
        return len(names) > 1 and _open_picture(folder / names[0]).n_frames in (None, 1)
    except (RejectedError, UsageError):
        return False


def open_series(folder: Path, *, allow_partial: bool = False) -> Video:
    """Open a folder of numbered images; see :func:`nta.video.open_video`.

    Raises
    ------
    UsageError
        If there are no numbered images in it.
    RejectedError
        ``unsupported`` for more than one series, and whatever the first image is rejected for.
    """
    numbers, names = _listed(folder)
    source = SeriesSource(folder, names)
    try:
        first = _open_picture(folder / names[0])
    except RejectedError as error:
        if source.is_changing():
            raise changing(folder) from error
        raise
    if source.is_changing():
        raise changing(folder)
    faults = list(first.faults)
    step = median_low([after - before for before, after in pairwise(numbers)]) if len(numbers) > 1 else 1
    placed = [0]
    for before, after in pairwise(numbers):
        placed.append(placed[-1] + max(1, round((after - before) / step)))
    missing = placed[-1] + 1 - len(placed)
    if missing:
        faults.append(
            Fault(
                "dropped_frames",
                f"the numbers of the images leave out {missing} of {placed[-1] + 1}; steps across a gap are not used",
            )
        )
    return replace(
        first,
        path=folder,
        n_frames=len(names),
        container="folder",
        reader=SeriesReader(folder, names, tuple(placed), (first.height, first.width), first.bit_depth),
        faults=tuple(faults),
        allow_partial=allow_partial,
        source=source,
        fps=None,
    )


def _listed(folder: Path) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return numbers and names of the images in the order of their numbers; everything else is left alone."""
    series: dict[tuple[str, str], list[tuple[int, str]]] = {}
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    except OSError as error:
        raise UsageError(f"'{printable(str(folder))}' cannot be looked into: {error.strerror}") from error
    for name in names:
        stem, dot, suffix = name.rpartition(".")
        if name.startswith(".") or f".{suffix.lower()}" not in _SUFFIXES:
            continue
        parts = _NUMBERED.fullmatch(stem)
        if parts is not None:
            series.setdefault((parts["before"], parts["after"] + dot + suffix), []).append((int(parts["number"]), name))
    if not series:
        raise UsageError(
            f"'{printable(str(folder))}' is a folder without numbered images; give a video, or use nta batch for a "
            "folder"
        )
    if len(series) > 1:
        shown = ", ".join(f"{before}*{after}" for before, after in list(series)[:_SHOWN])
        raise unsupported(folder, f"{len(series)} series of images ({shown})", _ONE_SERIES)
    (images,) = series.values()
    images.sort()
    for (one, name), (other, twin) in pairwise(images):
        if one == other:
            raise unsupported(folder, f"two images with the number {one} ({name}, {twin})", "keep one of them")
    numbers, ordered = zip(*images, strict=True)
    return numbers, ordered


def _open_picture(path: Path) -> Video:
    """Open one image as a video of one frame."""
    kind = sniff_picture(path)
    if kind == "tiff":
        from nta.video.tiff import open_tiff

        picture = open_tiff(path)
        if picture.n_frames != 1:
            raise unsupported(
                path, f"a stack of {picture.n_frames} images beside others like it", "give the stacks one by one"
            )
        return picture
    from nta.video.container import open_container

    return open_container(path, kind)
