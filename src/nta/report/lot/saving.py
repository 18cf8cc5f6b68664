"""Dossier -> a folder with ``report.html``, ``report.pdf``, ``report.csv`` and ``report.json``, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from nta.report.folder import check_directory, holds_schema, write_folder
from nta.report.lot import numbers
from nta.report.lot.html import html_of
from nta.report.lot.noun import Dossier
from nta.report.lot.sections import document_of

PAPERS: Final = ("a4", "letter")
"""Sizes of paper."""

_FAMILY: Final = "nta.lot/"
_JSON: Final = "report.json"


def check_report_directory(directory: str | Path) -> None:
    """Refuse a folder that a report must not replace: any that holds something other than an earlier report.

    Raises
    ------
    UsageError
        If something else is in the way.
    """
    check_directory(directory, replaceable=lambda folder: holds_schema(folder / _JSON, _FAMILY))


def save_report(dossier: Dossier, directory: str | Path, paper: str = "a4") -> Path:
    """Write the report and return its folder; an earlier report there is replaced whole.

    Parameters
    ----------
    dossier : Dossier
        What to report.
    directory : path
        Parents are created.
    paper : str
        One of :data:`PAPERS`.

    Raises
    ------
    UsageError
        If something that is not a report is in the way.
    FailedError
        If the folder cannot be written; what was there before is untouched.
    """
    check_report_directory(directory)
    files = files_of(dossier, paper)

    def write(folder: Path) -> None:
        for name, data in files.items():
            (folder / name).write_bytes(data)

    return write_folder(directory, write)


def files_of(dossier: Dossier, paper: str = "a4") -> dict[str, bytes]:
    """Return the four files of a report by their names."""
    from nta.report.lot.pdf import pdf_of

    document = document_of(dossier)
    text = json.dumps(numbers.document_of(dossier), allow_nan=False, ensure_ascii=False, indent=2)
    return {
        # A file name that is not UTF-8 reaches us as lone surrogates, which a page cannot hold.
        "report.html": html_of(document).encode("utf-8", "replace"),
        "report.pdf": pdf_of(document, paper),
        "report.csv": numbers.csv_of(dossier).encode("utf-8", "replace"),
        _JSON: (text + "\n").encode("utf-8", "replace"),
    }
