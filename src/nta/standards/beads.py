"""What the certificate of a bead standard says, and the table that names several of them."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nta.errors import NTAError, SettingsError, UsageError

STATED_RELATIVE_SD: Final = 0.058
"""Standard uncertainty of a concentration whose certificate gives none: limits of 10 %, any value in them alike."""


@dataclass(frozen=True, slots=True)
class Beads:
    """Captures of one bead standard, and what its certificate says.

    Parameters
    ----------
    videos : tuple of Path
        The captures.
    size_nm : float
        Diameter, nm.
    concentration_per_ml : float
        Particles per mL of the stock.
    dilution : float
        Factor by which the stock was diluted; 1 = undiluted.
    size_sd_nm : float
        Standard uncertainty of the diameter, nm; 0 where none is stated.
    concentration_sd_percent : float or None
        Standard uncertainty of the concentration, %; 5.8 where none is stated.

    Raises
    ------
    SettingsError
        If a value is impossible.
    """

    videos: tuple[Path, ...]
    size_nm: float
    concentration_per_ml: float
    dilution: float = 1.0
    size_sd_nm: float = 0.0
    concentration_sd_percent: float | None = None

    def __post_init__(self) -> None:
        if not 10.0 <= self.size_nm <= 10_000.0:
            raise SettingsError(f"a bead size of {self.size_nm:g} nm is outside 10 to 10000 nm")
        if not 1e3 <= self.concentration_per_ml <= 1e18:
            raise SettingsError(
                f"a bead concentration of {self.concentration_per_ml:g} per mL is outside 1e3 to 1e18; give particles "
                "per mL of the stock"
            )
        if not 0.0 <= self.size_sd_nm < self.size_nm:
            raise SettingsError(f"an uncertainty of {self.size_sd_nm:g} nm does not fit beads of {self.size_nm:g} nm")
        percent = self.concentration_sd_percent
        if percent is not None and not 0.0 <= percent <= 100.0:
            raise SettingsError(f"a concentration uncertainty of {percent:g} % is outside 0 to 100 %")

    @property
    def in_cell_per_ml(self) -> float:
        """Particles per mL in the measuring cell."""
        return self.concentration_per_ml / self.dilution

    @property
    def stated_relative_sd(self) -> float:
        """Relative standard uncertainty of the concentration."""
        percent = self.concentration_sd_percent
        return STATED_RELATIVE_SD if percent is None else percent / 100.0


_REQUIRED: Final = ("video", "size_nm", "concentration_per_ml")
_OPTIONAL: Final = ("dilution", "size_sd_nm", "concentration_sd_percent")


def read_bead_manifest(path: str | Path) -> tuple[Beads, ...]:
    """Read a CSV with a row for each capture of beads; rows that state the same beads are captures of one standard.

    Parameters
    ----------
    path : path
        Columns ``video`` (relative to the folder of the file), ``size_nm``, ``concentration_per_ml``, and if wanted
        ``dilution``, ``size_sd_nm``, ``concentration_sd_percent``.

    Raises
    ------
    UsageError
        If it cannot be read, or a row is not complete; the message has the row (the header is row 1).
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the bead manifest {str(path)!r}: {error}") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    header = tuple(reader.fieldnames or ())
    if not set(_REQUIRED) <= set(header) or not set(header) <= {*_REQUIRED, *_OPTIONAL}:
        raise UsageError(
            f"the bead manifest {str(path)!r} has the columns {','.join(header) or '(none)'}; it needs "
            f"{','.join(_REQUIRED)} and may have {','.join(_OPTIONAL)}"
        )
    stated: dict[tuple[tuple[str, float], ...], list[Path]] = {}
    for number, row in enumerate(reader, start=2):
        try:
            numbers = tuple(
                (name, float(row[name])) for name in header if name != "video" and (row[name] or "").strip()
            )
            if not (row["video"] or "").strip() or not {"size_nm", "concentration_per_ml"} <= dict(numbers).keys():
                raise ValueError("a cell that every row needs is empty")
        except (TypeError, ValueError) as error:
            raise UsageError(f"the bead manifest {str(path)!r}, row {number}: {error}") from None
        stated.setdefault(numbers, []).append(path.parent / row["video"].strip())
    if not stated:
        raise UsageError(f"the bead manifest {str(path)!r} holds no row below its header; write one for each capture")
    try:
        return tuple(Beads(tuple(videos), **dict(numbers)) for numbers, videos in stated.items())
    except NTAError as error:
        raise UsageError(f"the bead manifest {str(path)!r}: {error}") from None
