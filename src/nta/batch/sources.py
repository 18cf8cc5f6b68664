"""From what a manifest names to the files it means: patterns, experiments, folder trees; and which files are one.

A capture is a file, or a folder of numbered images.
"""

from __future__ import annotations

import glob
import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from nta.errors import RejectedError, UsageError
from nta.formats import experiments_in, read_nano, sidecar_of
from nta.store import KnownSource

VIDEO_SUFFIXES: Final = (".avi", ".mp4", ".mov", ".mkv", ".tif", ".tiff", ".npy")

# NanoSight: "<name> 2021-04-01 15-28-16.avi", or "<name>_00.avi" with the date option off.
_STAMP: Final = re.compile(r"[ _-]*(\d{4}-\d{2}-\d{2}) \d{2}-\d{2}-\d{2}$")
_NUMBER: Final = re.compile(r"[ _-]+\d{1,3}$")

_END_BYTES: Final = 1 << 20


def expand(text: str, folder: Path) -> list[Path]:
    """Return the files that a cell means: paths, patterns and ``.nano`` experiments, separated by semicolons.

    Raises
    ------
    ValueError
        If one of them is not there.
    """
    found: list[Path] = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        found += _one(part, folder)
    return found


def _one(text: str, folder: Path) -> list[Path]:
    path = _as_on_disk(text, folder)
    if path.is_dir():
        if is_image_folder(path):
            return [path]
        raise ValueError(f"{text!r} is a folder; name its videos, such as {text.rstrip('/')}/*.avi")
    if path.is_file():
        return captures_of_experiment(path) if path.suffix.lower() == ".nano" else [path]
    if glob.has_magic(text):
        files = next(filter(None, (_matches(form, folder) for form in _ways_to_write(text))), None)
        if files is not None:
            return files
        raise ValueError(f"no file matches {text!r} in {str(folder)!r}")
    raise ValueError(f"there is no file {str(path)!r}")


def _matches(pattern: str, folder: Path) -> list[Path]:
    # Path.glob refuses what begins with a slash; the cell may hold a pattern anywhere on the disk.
    matches = sorted(glob.glob(pattern, root_dir=folder, recursive=True))  # noqa: PTH207
    return [folder / match for match in matches if is_capture(folder / match)]


def _as_on_disk(text: str, folder: Path) -> Path:
    """Return a path as it was written, or in another way to write it."""
    return next((folder / form for form in _ways_to_write(text) if (folder / form).exists()), folder / text)


def _ways_to_write(text: str) -> tuple[str, ...]:
    """Return a path as it was written, then with slashes for backslashes, an accent as one character and as two."""
    plain = text.replace("\\", "/")
    return (text, *(unicodedata.normalize(form, plain) for form in ("NFC", "NFD")))


def is_capture(path: Path) -> bool:
    """Whether a path can be one capture: a file, or a folder of numbered images."""
    return path.is_file() or is_image_folder(path)


def is_image_folder(path: Path) -> bool:
    """Whether a folder is one capture, its images the frames."""
    if not path.is_dir():
        return False
    from nta.video.series import is_series

    return is_series(path)


def captures_of_experiment(nano: Path) -> list[Path]:
    """Return the captures of a NanoSight ``.nano`` experiment; they lie beside it.

    Raises
    ------
    ValueError
        If it names none, or one that is not there.
    """
    try:
        names = [capture.name for capture in read_nano(nano).captures]
    except RejectedError as error:
        raise ValueError(str(error)) from None
    missing = [name for name in names if not (nano.parent / name).is_file()]
    if missing:
        raise ValueError(f"{nano.name!r} names {missing[0]!r}, which is not beside it; copy it there")
    return [nano.parent / name for name in names]


def sidecar_sha256(video: Path, experiments_of: Callable[[Path], Sequence[Path]] = experiments_in) -> str | None:
    """Return a hash of what lies beside a video and goes into its measurement, ``None`` where nothing does.

    ``experiments_of`` lists the ``.nano`` files of a folder; one that remembers spares a look at it for every video.
    """
    beside = sidecar_of(video, experiments_of(video.absolute().parent))
    if beside.experiment is None and not beside.complaints:
        return None
    told = "" if beside.experiment is None else beside.experiment.sha256
    return hashlib.sha256("\n".join((told, *beside.complaints)).encode()).hexdigest()


def find_videos(folder: Path) -> Iterator[Path]:
    """Yield the captures in a folder tree, sorted; hidden files and results of nta are none.

    A folder of numbered images is one capture, and its images are none.

    Raises
    ------
    UsageError
        If a folder cannot be looked into.
    """
    try:
        inside = sorted(folder.iterdir())
    except FileNotFoundError:  # gone since its own folder was listed
        return
    except OSError as error:
        raise UsageError(f"{str(folder)!r} cannot be looked into: {error.strerror}; check its permissions") from None
    for path in inside:
        if path.name.startswith(".") or path.name.endswith("_nta"):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from [path] if is_image_folder(path) else find_videos(path)
        elif path.suffix.lower() in VIDEO_SUFFIXES and path.is_file():
            yield path


def day_and_sample(video: Path, folder: Path) -> tuple[str, str]:
    """Return the day and sample that the place and name of a video say, in a tree without a manifest.

    The first folder is the day, the folders below it a sample. Where there are none, names that differ in a time
    stamp or a last number only are the captures of one sample, and the stamp gives the day.
    """
    parts = video.relative_to(folder).parts[:-1]
    stem = video.stem if video.suffix.lower() in VIDEO_SUFFIXES else video.name
    stamp = _STAMP.search(stem)
    base = _STAMP.sub("", stem) if stamp else _NUMBER.sub("", stem)
    day = parts[0] if parts else stamp[1] if stamp else "undated"
    name = "/".join(parts) if len(parts) > 1 else "/".join([*parts, base or stem])
    return day, name


def content_sha256(path: Path) -> str:
    """Return the SHA-256 of a capture, lower-case hexadecimal: of a file's bytes, or of its images as a whole.

    Raises
    ------
    RejectedError
        If a folder does not hold one series of images.
    """
    if path.is_dir():
        from nta.video import open_video

        return open_video(path).sha256()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def same_content(paths: Iterable[Path]) -> list[tuple[Path, Path]]:
    """Return the captures that hold the same bytes as an earlier one, each with that one.

    Only those of one length whose first and last megabyte agree are read as a whole.
    """
    by_ends: dict[tuple[int, bytes], list[Path]] = {}
    sizes: dict[int, list[Path]] = {}
    for path in paths:
        look = KnownSource.at(path, "")
        if look is not None:
            sizes.setdefault(look.n_bytes, []).append(path)
    for size, alike in sizes.items():
        for path in alike if len(alike) > 1 else ():
            by_ends.setdefault((size, _ends(path, size)), []).append(path)
    found: list[tuple[Path, Path]] = []
    for alike in by_ends.values():
        firsts: dict[str, Path] = {}
        for path in alike if len(alike) > 1 else ():
            first = firsts.setdefault(content_sha256(path), path)
            if first is not path:
                found.append((path, first))
    return found


def _ends(path: Path, size: int) -> bytes:
    if path.is_dir():
        return b""
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(_END_BYTES))
        file.seek(max(0, size - _END_BYTES))
        digest.update(file.read(_END_BYTES))
    return digest.digest()
