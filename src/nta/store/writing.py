"""Adding records: every row together with its audit entry, in one transaction."""

from __future__ import annotations

import getpass
import json
import math
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Table, and_, select

from nta.store import chain, schema
from nta.store.records import CaptureRecord, CollectionRecord, KnownSource, MeasurementRecord, SampleIdentity, storable

_NUMBERS: Final = {
    "mode_nm": ("size_nm", "mode"),
    "d10_nm": ("size_nm", "d10"),
    "d50_nm": ("size_nm", "d50"),
    "d90_nm": ("size_nm", "d90"),
    "measured_per_ml": ("concentration_per_ml", "measured"),
    "stock_per_ml": ("concentration_per_ml", "stock"),
}
"""Columns of a measurement that can be asked for in SQL, and where they stand in ``summary.json``."""


def now_utc() -> str:
    """Return the time as ISO 8601 to the second, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def current_user() -> str:
    """Return the login name, or a word that says that there is none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "unknown"


@dataclass(frozen=True)
class Writer:
    """A transaction that adds records.

    Parameters
    ----------
    connection : Connection
        Under the lock of :func:`nta.store.engine.writing`.
    who : str
        Who adds them.
    """

    connection: Connection
    who: str

    def add(self, table: Table, values: Mapping[str, Any], *, old: str | None = None, reason: str | None = None) -> int:
        """Add one row and its audit entry; return the row's id."""
        row = {name: storable(value) if isinstance(value, str) else value for name, value in values.items()}
        if "created_utc" in table.c:
            row["created_utc"] = now_utc()
        row_id = self._insert(table, row)
        # Read back: the audit describes what the database holds, not what it was told.
        held = self.connection.execute(select(table).where(table.c.id == row_id)).mappings().one()
        entry: dict[str, Any] = {
            "at_utc": now_utc(),
            "who": storable(self.who),
            "host": storable(platform.node()),
            "record": table.name,
            "record_id": row_id,
            "old": old,
            "new": chain.image(dict(held)),
            "reason": None if reason is None else storable(reason),
            "previous": chain.head(self.connection),
        }
        self.connection.execute(schema.audit.insert().values(**entry, hash=chain.entry_hash(entry)))
        return row_id

    def _insert(self, table: Table, row: Mapping[str, Any]) -> int:
        done = self.connection.execute(table.insert().values(**row).returning(table.c.id))
        return int(done.scalar_one())

    def add_once(self, table: Table, values: Mapping[str, Any], by: tuple[str, ...]) -> int:
        """Return the id of the row with these values in the columns ``by``; add it when there is none."""
        same = and_(*(table.c[name] == values[name] for name in by))
        found = self.connection.execute(select(table.c.id).where(same)).scalar()
        return self.add(table, values) if found is None else int(found)

    def sample(self, sample: SampleIdentity) -> int:
        """Return the id of a sample, added with its lot when it is new."""
        lot_id = self.add_once(schema.lots, {"name": storable(sample.lot)}, ("name",))
        row = {"lot_id": lot_id, "day": storable(sample.day), "name": storable(sample.name)}
        return self.add_once(schema.samples, row, ("lot_id", "day", "name"))

    def capture(self, record: CaptureRecord) -> int:
        """Add a capture, or return the id of the one with its key: what was committed once stays."""
        row = {
            "key": record.key,
            "sha256": record.sha256,
            "path": record.path,
            "bytes": record.n_bytes,
            "status": record.status,
            "status_code": record.status_code,
            "message": record.message,
            "spots_sha256": record.spots_sha256,
            "tracks_sha256": record.tracks_sha256,
            "inputs": chain.canonical(record.inputs),
        }
        return self.add_once(schema.captures, row, ("key",))

    def measurement(self, record: MeasurementRecord) -> int:
        """Add an analysis with its distribution and captures, and make it the current one of its sample."""
        sample_id = self.sample(record.sample)
        table = schema.measurements
        same = and_(table.c.sample_id == sample_id, table.c.key == record.key)
        found = self.connection.execute(select(table.c.id).where(same)).scalar()
        measurement_id = int(found) if found is not None else self._new_measurement(sample_id, record)
        self.select(sample_id, measurement_id)
        return measurement_id

    def _new_measurement(self, sample_id: int, record: MeasurementRecord) -> int:
        summary = json.loads(record.summary)
        settings = {"sha256": chain.sha256_of(record.settings), "document": record.settings}
        calibration_id = None
        if record.calibration is not None:
            document = {"sha256": chain.sha256_of(record.calibration), "document": record.calibration}
            calibration_id = self.add_once(schema.calibrations, document, ("sha256",))
        row = {
            "sample_id": sample_id,
            "key": record.key,
            "status": summary["status"],
            "status_code": summary["status_code"],
            "message": summary["message"],
            **{name: _value(summary, *place) for name, place in _NUMBERS.items()},
            "settings_id": self.add_once(schema.settings, settings, ("sha256",)),
            "calibration_id": calibration_id,
            "inputs": chain.canonical(record.inputs),
            "files": chain.canonical(record.files),
            "summary": record.summary,
        }
        measurement_id = self.add(schema.measurements, row)
        self.add(schema.distributions, {"measurement_id": measurement_id, "csv": record.distribution_csv})
        for position, key in enumerate(record.capture_keys):
            capture_id = self.connection.execute(
                select(schema.captures.c.id).where(schema.captures.c.key == key)
            ).scalar_one()
            link = {"measurement_id": measurement_id, "capture_id": capture_id, "position": position}
            self.add(schema.measured_captures, link)
        return measurement_id

    def select(self, sample_id: int, measurement_id: int, decision: str = "current", reason: str | None = None) -> None:
        """Say that an analysis is the current one of its sample, or that the sample is excluded or included again."""
        last = last_selection(self.connection, sample_id)
        if last is not None and (last["measurement_id"], last["decision"]) == (measurement_id, decision):
            return
        # A decision of a person stands until a person takes it back.
        if last is not None and last["decision"] == "excluded" and reason is None:
            decision, reason = "excluded", last["reason"]
            if last["measurement_id"] == measurement_id:
                return
        row = {"sample_id": sample_id, "measurement_id": measurement_id, "decision": decision, "reason": reason}
        self.add(schema.selections, row, old=None if last is None else chain.image(last), reason=reason)

    def collection(self, record: CollectionRecord) -> None:
        """Add what a manifest says of a sample, where it says something new."""
        sample_id = self.sample(record.sample)
        row = {
            "sample_id": sample_id,
            "volume_ml": record.volume_ml,
            "role": record.role,
            "facts": chain.canonical(record.facts),
        }
        self._add_if_new(schema.collections, row, ("sample_id",))
        for assay in record.assays:
            values = {"sample_id": sample_id, "name": assay.name, "unit": assay.unit}
            self._add_if_new(schema.assays, {**values, "value": assay.value, "state": assay.state}, tuple(values))

    def _add_if_new(self, table: Table, row: Mapping[str, Any], identity: tuple[str, ...]) -> None:
        same = and_(*(table.c[name] == row[name] for name in identity))
        newest = select(table).where(same).order_by(table.c.id.desc()).limit(1)
        last = self.connection.execute(newest).mappings().first()
        held = {name: storable(value) if isinstance(value, str) else value for name, value in row.items()}
        if last is None or any(last[name] != value for name, value in held.items()):
            self.add(table, row, old=None if last is None else chain.image(dict(last)))

    def exclusion(self, sample: SampleIdentity, path: str, sha256: str | None, reason: str) -> None:
        """Add that a capture was left out, and why."""
        sample_id = self.sample(sample)
        row = {"sample_id": sample_id, "path": path, "sha256": sha256, "reason": reason}
        table = schema.exclusions
        same = and_(table.c.sample_id == sample_id, table.c.path == storable(path), table.c.reason == storable(reason))
        if self.connection.execute(select(table.c.id).where(same)).first() is None:
            self.add(table, row, reason=reason)

    def remember(self, sources: Iterable[KnownSource]) -> None:
        """Keep the hashes of files, so that they need not be read again: no record."""
        table = schema.sources
        for one in sources:
            self.connection.execute(table.delete().where(table.c.path == one.path))
            values = (one.path, one.n_bytes, one.mtime_ns, one.inode, one.sha256)
            self.connection.execute(table.insert().values(dict(zip(table.c.keys(), values, strict=True))))

    def attempt(self, kind: str, name: str, code: str, message: str) -> None:
        """Add that a job was given up, for a reason that may not hold the next time."""
        self.add(schema.attempts, {"kind": kind, "name": name, "status_code": code, "message": message})


def last_selection(connection: Connection, sample_id: int) -> Mapping[str, Any] | None:
    """Return the last decision on which analysis of a sample counts, ``None`` before the first."""
    table = schema.selections
    query = select(table).where(table.c.sample_id == sample_id).order_by(table.c.id.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return None if row is None else dict(row)


def _value(summary: Mapping[str, Any], block: str, name: str) -> float | None:
    estimate = summary[block][name]
    value = None if estimate is None else estimate["value"]
    return float(value) if value is not None and math.isfinite(value) else None
