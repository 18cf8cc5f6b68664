"""Dossier -> the report of a lot or of a range of days: a page, a PDF, a table and a JSON file with the same numbers.

The names are loaded when they are first used: a dossier needs neither matplotlib nor reportlab.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOME = {
    "Collection": "noun",
    "Dossier": "noun",
    "Trend": "noun",
    "PAPERS": "saving",
    "check_report_directory": "saving",
    "save_report": "saving",
}

__all__ = ["PAPERS", "Collection", "Dossier", "Trend", "check_report_directory", "save_report"]

if TYPE_CHECKING:
    from nta.report.lot.noun import Collection, Dossier, Trend
    from nta.report.lot.saving import PAPERS, check_report_directory, save_report


def __getattr__(name: str) -> Any:  # noqa: ANN401  # the type is that of the name asked for
    if name not in _HOME:
        raise AttributeError(f"module 'nta.report.lot' has no attribute {name!r}")
    return getattr(importlib.import_module(f"nta.report.lot.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
