"""Results for people and for other programs: the result folder, its page, its figure, and the way back.

The names are loaded when they are first used: reading a folder needs neither matplotlib nor jinja2.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOME = {
    "check_directory": "nta.report.folder",
    "save": "nta.report.folder",
    "from_record": "nta.report.loading",
    "load": "nta.report.loading",
    "plot_distribution": "nta.report.figures",
    "render_page": "nta.report.page",
    "summary_schema": "nta.report.schema",
}

__all__ = ["check_directory", "from_record", "load", "plot_distribution", "render_page", "save", "summary_schema"]

if TYPE_CHECKING:
    from nta.report.figures import plot_distribution
    from nta.report.folder import check_directory, save
    from nta.report.loading import from_record, load
    from nta.report.page import render_page
    from nta.report.schema import summary_schema


def __getattr__(name: str) -> Any:  # noqa: ANN401  # the type is that of the name asked for
    if name not in _HOME:
        raise AttributeError(f"module 'nta.report' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
