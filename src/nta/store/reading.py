"""Asking the store: what there is, and everything that is on record of one analysis."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import Connection, Select, func, select

from nta.store import schema
from nta.store.records import SampleIdentity, storable
from nta.store.writing import last_selection

_SHORT: Final = (
    "status",
    "status_code",
    "message",
    "mode_nm",
    "d10_nm",
    "d50_nm",
    "d90_nm",
    "measured_per_ml",
    "stock_per_ml",
    "created_utc",
)


def _sample_query() -> Select[Any]:
    samples, lots = schema.samples, schema.lots
    return select(samples.c.id, lots.c.name.label("lot"), samples.c.day, samples.c.name.label("sample")).join_from(
        samples, lots
    )


def _sample_id(connection: Connection, sample: SampleIdentity) -> int | None:
    query = (
        select(schema.samples.c.id)
        .join_from(schema.samples, schema.lots)
        .where(schema.lots.c.name == storable(sample.lot))
        .where(schema.samples.c.day == storable(sample.day))
        .where(schema.samples.c.name == storable(sample.name))
    )
    found = connection.execute(query).scalar()
    return None if found is None else int(found)


def current(connection: Connection, sample: SampleIdentity) -> dict[str, Any] | None:
    """Return the current analysis of a sample with the decision on it."""
    sample_id = _sample_id(connection, sample)
    last = None if sample_id is None else last_selection(connection, sample_id)
    if last is None:
        return None
    row = _measurement(connection, int(last["measurement_id"]))
    return {**row, "decision": last["decision"], "reason": last["reason"]}


def _measurement(connection: Connection, measurement_id: int) -> dict[str, Any]:
    table = schema.measurements
    return dict(connection.execute(select(table).where(table.c.id == measurement_id)).mappings().one())


def measurement_by_key(connection: Connection, sample: SampleIdentity, key: str) -> dict[str, Any] | None:
    """Return the analysis of a sample with a key."""
    sample_id = _sample_id(connection, sample)
    table = schema.measurements
    same = select(table).where(table.c.sample_id == sample_id, table.c.key == key)
    row = connection.execute(same).mappings().first()
    return None if row is None else dict(row)


def samples_with(connection: Connection, sha256: Collection[str]) -> dict[str, list[SampleIdentity]]:
    """Return for each content the samples of which some analysis holds it, in the order of their numbers."""
    hashes = schema.captures.c.sha256
    query = (
        select(hashes, schema.lots.c.name, schema.samples.c.day, schema.samples.c.name, schema.samples.c.id)
        .distinct()
        .join_from(schema.captures, schema.measured_captures)
        .join(schema.measurements)
        .join(schema.samples)
        .join(schema.lots)
        .where(hashes.in_(sha256))
        .order_by(schema.samples.c.id)
    )
    found: dict[str, list[SampleIdentity]] = {}
    for content, lot, day, name, _ in connection.execute(query):
        found.setdefault(content, []).append(SampleIdentity(lot, day, name))
    return found


def rows(connection: Connection) -> list[dict[str, Any]]:
    """Return one row for each sample: its current analysis in short, and its collection."""
    newest = select(func.max(schema.selections.c.id)).group_by(schema.selections.c.sample_id).scalar_subquery()
    table, chosen = schema.measurements, schema.selections
    query = (
        select(chosen.c.sample_id, chosen.c.decision, chosen.c.reason, table)
        .join_from(chosen, table, chosen.c.measurement_id == table.c.id)
        .where(chosen.c.id.in_(newest))
    )
    measured = {row["sample_id"]: row for row in connection.execute(query).mappings()}
    collected = _newest(connection)
    found = []
    for sample in connection.execute(_sample_query().order_by(schema.samples.c.id)).mappings():
        row, liquid = measured.get(sample["id"]), collected.get(sample["id"], {})
        found.append(
            {
                "id": None if row is None else row["id"],
                **{name: sample[name] for name in ("lot", "day", "sample")},
                "role": liquid.get("role", "sample"),
                "volume_ml": liquid.get("volume_ml"),
                "decision": None if row is None else row["decision"],
                "reason": None if row is None else row["reason"],
                **{name: None if row is None else row[name] for name in _SHORT},
                "volume_source": None if row is None else _volume_source(row["summary"]),
            }
        )
    return found


def _volume_source(summary: str) -> str | None:
    """Return whether the concentration of a summary rests on a calibrated or a nominal depth; ``None`` without one."""
    density = json.loads(summary).get("concentration_per_ml", {})
    measured = density.get("measured") or {}
    return density.get("volume_source") if measured.get("value") is not None else None


def _newest(connection: Connection) -> dict[int, Mapping[str, Any]]:
    """Return the last collection of every sample; later rows take the place of earlier ones."""
    table = schema.collections
    return {row["sample_id"]: dict(row) for row in connection.execute(select(table).order_by(table.c.id)).mappings()}


def stated(connection: Connection, sample: SampleIdentity) -> dict[str, Any]:
    """Return what is on record of a sample beside its analyses, also of one that was never measured.

    ``facts`` of its newest collection, ``assays`` and ``exclusions`` in the order in which they were added, and
    ``attempt``, the last failure to put it together, ``None`` where there is none.
    """
    sample_id = _sample_id(connection, sample)
    if sample_id is None:
        return {"facts": {}, "assays": [], "exclusions": [], "attempt": None}
    liquid = _newest(connection).get(sample_id)
    table = schema.attempts
    failed = select(table).where(table.c.kind == "sample", table.c.name == storable(sample.name))
    attempt = connection.execute(failed.order_by(table.c.id.desc()).limit(1)).mappings().first()
    return {
        "facts": {} if liquid is None else json.loads(liquid["facts"]),
        "assays": _all_of(connection, schema.assays, sample_id),
        "exclusions": _all_of(connection, schema.exclusions, sample_id),
        "attempt": None if attempt is None else dict(attempt),
    }


def show(connection: Connection, measurement_id: int) -> dict[str, Any] | None:
    """Return everything that is on record of one analysis."""
    table = schema.measurements
    row = connection.execute(select(table).where(table.c.id == measurement_id)).mappings().first()
    if row is None:
        return None
    sample_id = int(row["sample_id"])
    sample = connection.execute(_sample_query().where(schema.samples.c.id == sample_id)).mappings().one()
    last = last_selection(connection, sample_id)
    is_chosen = last is not None and last["measurement_id"] == measurement_id
    liquid = _newest(connection).get(sample_id)
    return {
        **row,
        **{name: sample[name] for name in ("lot", "day", "sample")},
        "decision": last["decision"] if last is not None and is_chosen else "superseded",
        "reason": last["reason"] if last is not None and is_chosen else None,
        "inputs": json.loads(row["inputs"]),
        "files": json.loads(row["files"]),
        "distribution_csv": connection.execute(
            select(schema.distributions.c.csv).where(schema.distributions.c.measurement_id == measurement_id)
        ).scalar_one(),
        "captures": _captures(connection, measurement_id),
        "collection": None if liquid is None else {**liquid, "facts": json.loads(liquid["facts"])},
        "assays": _all_of(connection, schema.assays, sample_id),
        "exclusions": _all_of(connection, schema.exclusions, sample_id),
        "history": _history(connection, sample_id),
    }


def _captures(connection: Connection, measurement_id: int) -> list[dict[str, Any]]:
    link, table = schema.measured_captures, schema.captures
    query = (
        select(table).join_from(link, table).where(link.c.measurement_id == measurement_id).order_by(link.c.position)
    )
    return [{**row, "inputs": json.loads(row["inputs"])} for row in connection.execute(query).mappings()]


def _all_of(connection: Connection, table: Any, sample_id: int) -> list[dict[str, Any]]:  # noqa: ANN401  # a Table
    query = select(table).where(table.c.sample_id == sample_id).order_by(table.c.id)
    return [dict(row) for row in connection.execute(query).mappings()]


def _history(connection: Connection, sample_id: int) -> list[dict[str, Any]]:
    """Return every analysis of a sample and every decision on it, oldest first."""
    table = schema.selections
    query = select(table).where(table.c.sample_id == sample_id).order_by(table.c.id)
    return [dict(row) for row in connection.execute(query).mappings()]
