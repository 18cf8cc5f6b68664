"""A day's work, a campaign, a laboratory: a manifest in, every sample on record and in a folder of its own out.

One capture is one job, known by a content key; so is one sample, put together from its captures. What is on record
under its key is not computed again.
"""

from __future__ import annotations

from nta.batch.events import Event, Listener
from nta.batch.manifest import MANIFEST_NAME, TOML_NAME, Manifest, Repeat, Sample, find_manifest, read_manifest
from nta.batch.outcomes import TABLE_NAME, Batch, Outcome, estimate_cells, folder_names, harvests_of, table_columns
from nta.batch.plan import Plan, make_plan
from nta.batch.processes import LocalExecutor
from nta.batch.run import DEFAULT_TIMEOUT_S, JobExecutor, Work, announce, prepare_directory, run_batch
from nta.batch.template import csv_template

__all__ = [
    "DEFAULT_TIMEOUT_S",
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
    "announce",
    "csv_template",
    "estimate_cells",
    "find_manifest",
    "folder_names",
    "harvests_of",
    "make_plan",
    "prepare_directory",
    "read_manifest",
    "run_batch",
    "table_columns",
]
