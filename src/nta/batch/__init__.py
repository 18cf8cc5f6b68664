"""A day's work, a campaign, a laboratory: a manifest in, every sample on record and in a folder of its own out.

One capture is one job, known by a content key; so is one sample, put together from its captures. What is on record
under its key is not computed again.

The names are loaded when they are first used: a worker process needs few of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOME = {
    "Event": "events",
    "Listener": "events",
    "MANIFEST_NAME": "manifest",
    "TOML_NAME": "manifest",
    "Manifest": "manifest",
    "Repeat": "manifest",
    "Sample": "manifest",
    "find_manifest": "manifest",
    "read_manifest": "manifest",
    "TABLE_NAME": "outcomes",
    "Batch": "outcomes",
    "Outcome": "outcomes",
    "folder_names": "outcomes",
    "harvests_of": "outcomes",
    "table_columns": "outcomes",
    "lot_of": "lots",
    "Plan": "plan",
    "make_plan": "plan",
    "Work": "jobs",
    "LocalExecutor": "processes",
    "JobExecutor": "run",
    "planned": "listing",
    "prepare_directory": "run",
    "run_batch": "run",
    "csv_template": "template",
}

__all__ = [
    "MANIFEST_NAME",
    "TABLE_NAME",
    "TOML_NAME",
    "Batch",
    "Event",
    "JobExecutor",
    "Listener",
    "LocalExecutor",
    "Manifest",
    "Outcome",
    "Plan",
    "Repeat",
    "Sample",
    "Work",
    "csv_template",
    "find_manifest",
    "folder_names",
    "harvests_of",
    "lot_of",
    "make_plan",
    "planned",
    "prepare_directory",
    "read_manifest",
    "run_batch",
    "table_columns",
]

if TYPE_CHECKING:
    from nta.batch.events import Event, Listener
    from nta.batch.jobs import Work
    from nta.batch.listing import planned
    from nta.batch.lots import lot_of
    from nta.batch.manifest import MANIFEST_NAME, TOML_NAME, Manifest, Repeat, Sample, find_manifest, read_manifest
    from nta.batch.outcomes import (
        TABLE_NAME,
        Batch,
        Outcome,
        folder_names,
        harvests_of,
        table_columns,
    )
    from nta.batch.plan import Plan, make_plan
    from nta.batch.processes import LocalExecutor
    from nta.batch.run import JobExecutor, prepare_directory, run_batch
    from nta.batch.template import csv_template


def __getattr__(name: str) -> Any:  # noqa: ANN401  # the type is that of the name asked for
    if name not in _HOME:
        raise AttributeError(f"module 'nta.batch' has no attribute {name!r}")
    return getattr(importlib.import_module(f"nta.batch.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
