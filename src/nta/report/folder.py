"""Measurement -> result folder, whole or not at all.

Everything is written into a hidden folder beside the target, flushed to disk, and renamed at the end: a
reader never sees half a result, and a failure leaves an older result as it was.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nta.errors import FailedError, UsageError, way_out

if TYPE_CHECKING:
    from nta.measurement import Measurement

SUMMARY: Final = "summary.json"
DISTRIBUTION: Final = "distribution.csv"
TRACKS: Final = "tracks.parquet"
DIFFUSION: Final = "diffusion.parquet"
FIGURE: Final = "figure.png"
PAGE: Final = "report.html"

_SCHEMA_FAMILY: Final = "nta.measurement/"


def check_directory(
    directory: str | Path, sources: Iterable[str | Path] = (), replaceable: Callable[[Path], bool] | None = None
) -> None:
    """Refuse a folder that a result must not replace; cheap, so that it can be asked before a long analysis.

    Parameters
    ----------
    directory : path
        Where the result shall go. It may be absent, empty, or an earlier nta result.
    sources : iterable of path, optional
        The input files: a folder that holds one of them is never replaced.
    replaceable : callable, optional
        Whether a folder that is not empty may be replaced; :func:`is_result` when not given.

    Raises
    ------
    UsageError
        If it is a file, a folder with something else in it, or holds an input.
    """
    target = Path(directory)
    try:
        if not target.exists():
            _check_parents(target)
            return
        if not target.is_dir():
            raise UsageError(f"{str(target)!r} is a file, not a folder; choose another folder with -o")
        entries = sorted(entry.name for entry in target.iterdir())
    except OSError as error:
        raise UsageError(f"cannot use the folder {str(target)!r}: {error.strerror}; choose another with -o") from None
    if entries and not (is_result if replaceable is None else replaceable)(target):
        raise UsageError(
            f"the folder {str(target)!r} is not empty and is not an nta result of this kind (it holds {entries[0]!r}); "
            "empty it or choose another folder with -o"
        )
    for source in sources:
        if Path(source).resolve().is_relative_to(target.resolve()):
            raise UsageError(
                f"the folder {str(target)!r} holds the input {Path(source).name!r} and would be replaced; "
                "choose another folder with -o"
            )


def _check_parents(target: Path) -> None:
    parent = next(folder for folder in target.absolute().parents if folder.exists())
    if not parent.is_dir():
        raise UsageError(f"{str(parent)!r} is a file, so {str(target)!r} cannot be a folder; choose another with -o")


def is_result(directory: Path) -> bool:
    """Whether ``directory`` is a result folder of nta, of whatever version."""
    return holds_schema(directory / SUMMARY, _SCHEMA_FAMILY)


def holds_schema(path: Path, family: str) -> bool:
    """Whether a file is JSON of a family of schemas, such as ``nta.measurement/``."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and str(document.get("schema", "")).startswith(family)


def save(measurement: Measurement, directory: str | Path) -> Path:
    """Write the result folder and return its path; an earlier nta result there is replaced whole.

    Parameters
    ----------
    measurement : Measurement
        Of any status: a rejected input gets the same files, empty.
    directory : path
        Parents are created.

    Raises
    ------
    UsageError
        If something that is not an nta result is in the way.
    FailedError
        If the folder cannot be written; what was there before is untouched.
    """
    check_directory(directory, (capture.path for capture in measurement.captures))
    return write_folder(directory, lambda folder: write_files(measurement, folder))


def save_files(files: Mapping[str, bytes], directory: str | Path) -> Path:
    """Write the files of a result that was made elsewhere, as :func:`save` does, and return the folder's path.

    Parameters
    ----------
    files : mapping
        Bytes by name, as :func:`files_of` returns them.
    directory : path
        Parents are created.

    Raises
    ------
    UsageError
        If something that is not an nta result is in the way.
    FailedError
        If the folder cannot be written; what was there before is untouched.
    """
    check_directory(directory)

    def write(folder: Path) -> None:
        for name, data in files.items():
            (folder / name).write_bytes(data)

    return write_folder(directory, write)


def files_of(measurement: Measurement) -> dict[str, bytes]:
    """Return every file of a result by its name."""
    with tempfile.TemporaryDirectory(prefix="nta-") as folder:
        write_files(measurement, Path(folder))
        return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def write_folder(directory: str | Path, fill: Callable[[Path], None]) -> Path:
    """Have ``fill`` write into a hidden folder, put that in the place of ``directory``, and return its path.

    Raises
    ------
    FailedError
        If the folder cannot be written; what was there before is untouched.
    """
    target = Path(directory).resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _temporary_sibling(target) as folder:
            fill(folder)
            _flush(folder)
            _put_in_place(folder, target)
        _flush_directory(target.parent)
    except OSError as error:
        raise FailedError(
            f"cannot write the result folder {str(directory)!r}: {error.strerror or error}; "
            f"{way_out(error)} or choose another folder with -o",
            code="not_writable",
        ) from error
    return Path(directory)


def write_files(measurement: Measurement, folder: Path) -> None:
    """Write every file of a result into the existing, empty ``folder``."""
    from nta.report import figures, page, tables

    # What summary.json has no place for travels with the tracks, so that load() gives back all of it.
    beside = {
        "ledger": measurement.ledger,
        "observations": observations(measurement),
        "distribution": tables.fields_but(
            measurement.distribution, "table", "size", "drawn", "mixture", "volume", "windows"
        ),
        "mixture": tables.fields_but(measurement.distribution.mixture, "components"),
        "volume_reason": measurement.distribution.volume.reason,
    }
    tables.write_noun(folder / TRACKS, measurement.tracks, beside)
    tables.write_noun(folder / DIFFUSION, measurement.diffusion)
    csv = tables.distribution_csv(measurement.distribution, measurement.concentration.measured.value)
    (folder / DISTRIBUTION).write_bytes(csv.encode())
    (folder / FIGURE).write_bytes(figures.figure_png(measurement))
    # A file name that is not UTF-8 reaches us as lone surrogates, which a page cannot hold.
    (folder / PAGE).write_bytes(page.render_page(measurement).encode("utf-8", "replace"))
    (folder / SUMMARY).write_bytes(summary_bytes(measurement.summary()))


def summary_bytes(summary: dict[str, Any]) -> bytes:
    """Return ``summary.json`` as strict JSON in UTF-8.

    Raises
    ------
    ValueError
        If a number is NaN or infinite: missing is ``None``.
    """
    text = json.dumps(summary, allow_nan=False, ensure_ascii=False, indent=2) + "\n"
    # The backslash form of a lone surrogate is at the same time its JSON escape.
    return text.encode("utf-8", "backslashreplace")


def observations(measurement: Measurement) -> dict[str, Any]:
    """Return the numbers of observations, which ``summary.json`` has no place for."""
    size, concentration = measurement.size, measurement.concentration
    stock = concentration.stock
    return {
        "size": {name: getattr(size, name).n for name in size.STATISTICS},
        "peaks": [peak.diameter.n for peak in size.peaks],
        "measured": concentration.measured.n,
        "stock": None if stock is None else stock.n,
    }


@contextmanager
def _temporary_sibling(target: Path) -> Iterator[Path]:
    """Make a hidden folder beside ``target`` and remove it, if it is still there, whatever happens."""
    folder = target.parent / f".nta-{secrets.token_hex(6)}.partial"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put_in_place(folder: Path, target: Path) -> None:
    """Rename ``folder`` to ``target``; what was there steps aside first and comes back if that fails."""
    if not target.exists():
        folder.rename(target)
        return
    aside = folder.with_suffix(".old")
    target.rename(aside)
    try:
        folder.rename(target)
    except BaseException:
        aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _flush(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            _flush(path)
            continue
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    _flush_directory(folder)


def _flush_directory(folder: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):  # Windows cannot flush a folder
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
