"""Results on record: samples, captures, measurements, decisions, and the audit chain over all of them.

SQLite in one file by default, PostgreSQL by URL. This is the only door to SQLAlchemy.
"""

from __future__ import annotations

from nta.store.chain import Verdict
from nta.store.engine import DEFAULT_NAME, is_url
from nta.store.objects import Objects
from nta.store.records import (
    Assay,
    CaptureRecord,
    CollectionRecord,
    KnownSource,
    MeasurementRecord,
    Role,
    SampleIdentity,
    storable,
)
from nta.store.store import Store, summary_of
from nta.store.writing import Writer

__all__ = [
    "DEFAULT_NAME",
    "Assay",
    "CaptureRecord",
    "CollectionRecord",
    "KnownSource",
    "MeasurementRecord",
    "Objects",
    "Role",
    "SampleIdentity",
    "Store",
    "Verdict",
    "Writer",
    "is_url",
    "storable",
    "summary_of",
]
