"""What goes into the store: one frozen noun for each kind of record."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

Role = Literal["sample", "blank", "beads", "pool", "fluorescence"]
State = Literal["measured", "pending"]


@dataclass(frozen=True, slots=True)
class CaptureRecord:
    """How one capture ended, under its content key.

    Parameters
    ----------
    key : str
        SHA-256 of the bytes of the source, the settings that touch a capture, and the method.
    path : str
        Where the source was found.
    inputs : dict
        What the key is made of, readable: ``sha256``, ``settings``, ``origins``, ``sidecar``, ``method``.
    status, status_code, message
        As in ``summary.json``.
    sha256 : str or None
        Hash of the source.
    n_bytes : int or None
        Its length.
    spots_sha256, tracks_sha256 : str or None
        Hashes of the Parquet files among the objects; ``None`` for a capture that was refused.
    """

    key: str
    path: str
    inputs: Mapping[str, Any]
    status: str
    status_code: str | None
    message: str
    sha256: str | None = None
    n_bytes: int | None = None
    spots_sha256: str | None = None
    tracks_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class SampleIdentity:
    """Which sample: its lot, its day, its name."""

    lot: str
    day: str
    name: str


@dataclass(frozen=True)
class MeasurementRecord:
    """One analysis of one sample.

    Parameters
    ----------
    sample : SampleIdentity
        Of which sample.
    key : str
        SHA-256 of ``inputs``.
    inputs : dict
        Readable: keys of the captures, settings, origins, calibration, blanks, method, remarks.
    summary : str
        The text of ``summary.json``.
    distribution_csv : str
        The text of ``distribution.csv``.
    files : dict
        SHA-256 of every file of the result folder by its name.
    capture_keys : tuple of str
        Keys of the captures in their order; those without a record are left out.
    settings : str
        The settings as canonical JSON.
    calibration : str or None
        The text of the calibration file.
    """

    sample: SampleIdentity
    key: str
    inputs: Mapping[str, Any]
    summary: str
    distribution_csv: str
    files: Mapping[str, str]
    capture_keys: tuple[str, ...]
    settings: str
    calibration: str | None = None


@dataclass(frozen=True, slots=True)
class Assay:
    """One companion assay of a sample: a value with its unit, or pending."""

    name: str
    unit: str
    value: str | None
    state: State = "measured"


@dataclass(frozen=True)
class CollectionRecord:
    """What a manifest says of the liquid that a sample stands for.

    Parameters
    ----------
    sample : SampleIdentity
        Of which sample.
    role : {"sample", "blank", "beads", "pool", "fluorescence"}
        What it is for.
    volume_ml : float or None
        Volume of the undiluted liquid, mL.
    facts : dict
        Culture and process, by the columns of the manifest.
    assays : tuple of Assay
        Companion assays.
    """

    sample: SampleIdentity
    role: Role = "sample"
    volume_ml: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    assays: tuple[Assay, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownSource:
    """How a file looked when its hash was taken; of a folder, all files in it together and the newest of them."""

    path: str
    n_bytes: int
    mtime_ns: int
    inode: int
    sha256: str

    @classmethod
    def at(cls, path: Path, sha256: str) -> Self | None:
        """Look at a file or folder now; ``None`` when it is gone."""
        try:
            found = path.stat()
            inside = [one.stat() for one in path.iterdir() if one.is_file()] if stat.S_ISDIR(found.st_mode) else []
        except OSError:
            return None
        n_bytes = sum(one.st_size for one in inside) if inside else found.st_size
        newest_ns = max(one.st_mtime_ns for one in (found, *inside))
        return cls(storable(str(path.resolve())), n_bytes, newest_ns, found.st_ino, sha256)


def storable(text: str) -> str:
    """Return a text that every database takes: bytes of a file name that are not UTF-8 become their escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\\x00")
