"""A day's work: a manifest of samples in, one result folder a sample and one table of all of them out.

The manifest is a CSV with the columns ``day,sample,video,dilution,volume_ml``, one row a video; several rows
with the same sample are its captures. Everything that is wrong with it is said at once, before anything runs.
"""

from __future__ import annotations

from nta.batch.manifest import COLUMNS, MANIFEST_NAME, Manifest, Sample, find_manifest, read_manifest
from nta.batch.run import TABLE_NAME, Batch, Outcome, estimate_cells, folder_names, run_batch, table_columns

__all__ = [
    "COLUMNS",
    "MANIFEST_NAME",
    "TABLE_NAME",
    "Batch",
    "Manifest",
    "Outcome",
    "Sample",
    "estimate_cells",
    "find_manifest",
    "folder_names",
    "read_manifest",
    "run_batch",
    "table_columns",
]
