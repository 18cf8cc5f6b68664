"""The store as the rest of nta sees it: open it, add to it, ask it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Engine, select

from nta.errors import UsageError
from nta.store import chain, reading, schema
from nta.store import engine as engines
from nta.store.chain import Verdict
from nta.store.objects import FOLDER, Objects
from nta.store.opening import open_engine
from nta.store.records import KnownSource, SampleIdentity, storable
from nta.store.writing import Writer, current_user, last_selection


class Store:
    """A results store: a SQLite file or a PostgreSQL database, and the folder of objects beside it.

    Parameters
    ----------
    engine : Engine
        From :func:`nta.store.opening.open_engine`.
    location : str or Path
        Where it is.
    objects : Objects
        The Parquet files to which its records refer.
    who : str, optional
        Who adds records; the login name when not given.
    is_read_only : bool
        Whether it was opened only to be asked.
    """

    def __init__(
        self,
        engine: Engine,
        location: str | Path,
        objects: Objects,
        who: str | None = None,
        *,
        is_read_only: bool = False,
    ) -> None:
        self.is_read_only = is_read_only
        self.engine = engine
        self.location = location
        self.name = engines.shown(location)
        self.objects = objects
        self.who = who if who is not None else current_user()

    @classmethod
    def open(
        cls, location: str | Path, *, objects: Path | None = None, read_only: bool = False, who: str | None = None
    ) -> Self:
        """Open a store, or make it.

        Parameters
        ----------
        location : path or URL
            A SQLite file, a folder with ``nta.sqlite`` in it, or ``postgresql://user@host/name``.
        objects : Path, optional
            Folder of the objects; beside a SQLite file, and in the working folder for a URL, when not given.
        read_only : bool, optional
            Neither make nor update nor add to it.
        who : str, optional
            Who adds records.

        Raises
        ------
        StoreError
            If it cannot be used.
        """
        if not engines.is_url(location):
            location = Path(location)
            if location.is_dir():
                location = location / engines.DEFAULT_NAME
        parent = location.parent if isinstance(location, Path) else Path()
        opened = open_engine(location, read_only=read_only)
        return cls(
            opened, location, Objects(objects if objects is not None else parent / FOLDER), who, is_read_only=read_only
        )

    @contextlib.contextmanager
    def writing(self) -> Iterator[Writer]:
        """Yield the only writer; what it added is there when the block ends, all of it or nothing."""
        with engines.writing(self.engine, self.name) as connection:
            yield Writer(connection, self.who)

    def known_captures(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the captures with these content keys, by key."""
        return self._by_key(schema.captures, keys)

    def _by_key(self, table: Any, keys: Iterable[str]) -> dict[str, dict[str, Any]]:  # noqa: ANN401  # a Table
        found: dict[str, dict[str, Any]] = {}
        wanted = list(keys)
        with engines.reading(self.engine, self.name) as connection:
            for start in range(0, len(wanted), 500):
                query = select(table).where(table.c.key.in_(wanted[start : start + 500]))
                found |= {row["key"]: dict(row) for row in connection.execute(query).mappings()}
        return found

    def last_capture(self, *, path: str | None = None, sha256: str | None = None) -> dict[str, Any] | None:
        """Return the newest capture of a path or of a content."""
        table = schema.captures
        same = table.c.path == storable(path) if path is not None else table.c.sha256 == sha256
        with engines.reading(self.engine, self.name) as connection:
            row = connection.execute(select(table).where(same).order_by(table.c.id.desc()).limit(1)).mappings().first()
        return None if row is None else dict(row)

    def current(self, sample: SampleIdentity) -> dict[str, Any] | None:
        """Return the current analysis of a sample with the decision on it, ``None`` before the first."""
        with engines.reading(self.engine, self.name) as connection:
            return reading.current(connection, sample)

    def measurement(self, sample: SampleIdentity, key: str) -> dict[str, Any] | None:
        """Return the analysis of a sample with a key."""
        with engines.reading(self.engine, self.name) as connection:
            return reading.measurement_by_key(connection, sample, key)

    def samples_with(self, sha256: Collection[str]) -> dict[str, list[SampleIdentity]]:
        """Return for each content the samples of which some analysis holds it."""
        with engines.reading(self.engine, self.name) as connection:
            return reading.samples_with(connection, sha256)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each sample: its current analysis in short, and its collection."""
        with engines.reading(self.engine, self.name) as connection:
            return reading.rows(connection)

    def show(self, measurement_id: int) -> dict[str, Any]:
        """Return everything that is on record of one analysis.

        Raises
        ------
        UsageError
            If there is none with this number.
        """
        with engines.reading(self.engine, self.name) as connection:
            found = reading.show(connection, measurement_id)
        if found is None:
            raise UsageError(f"{self.name} holds no measurement {measurement_id}; nta list shows which there are")
        return found

    def stated(self, sample: SampleIdentity) -> dict[str, Any]:
        """Return what is on record of a sample beside its analyses (:func:`nta.store.reading.stated`)."""
        with engines.reading(self.engine, self.name) as connection:
            return reading.stated(connection, sample)

    def decide(self, measurement_id: int, decision: str, reason: str) -> None:
        """Exclude an analysis, include it again, or make it the current one of its sample.

        Raises
        ------
        UsageError
            If there is no such analysis, no reason, or nothing to decide.
        """
        if not reason.strip():
            raise UsageError("a decision on a record needs its reason; give --reason TEXT")
        row = self.show(measurement_id)
        with self.writing() as writer:
            last = last_selection(writer.connection, row["sample_id"])
            if last is not None and (last["measurement_id"], last["decision"]) == (measurement_id, decision):
                raise UsageError(
                    f"measurement {measurement_id} is {decision} already: {last['reason'] or 'by default'}"
                )
            writer.select(row["sample_id"], measurement_id, decision, reason.strip())

    def verify(self, expected_head: str | None = None) -> Verdict:
        """Walk the audit chain over all records; the objects are looked at by :meth:`object_faults`."""
        with engines.reading(self.engine, self.name) as connection:
            return chain.verify(connection, expected_head)

    def head(self) -> str:
        """Return the hash of the last audit entry."""
        with engines.reading(self.engine, self.name) as connection:
            return chain.head(connection)

    def object_faults(self) -> Iterator[str]:
        """Yield what is wrong with the Parquet files to which the records refer, one clause each."""
        table = schema.captures
        query = select(table.c.id, table.c.spots_sha256, table.c.tracks_sha256).where(
            table.c.tracks_sha256.is_not(None)
        )
        with engines.reading(self.engine, self.name) as connection:
            rows = connection.execute(query.order_by(table.c.id)).all()
        for capture_id, *hashes in rows:
            for sha256 in hashes:
                fault = self.objects.fault(sha256)
                if fault is not None:
                    yield f"captures row {capture_id}: {fault}"

    def known_sources(self) -> dict[str, KnownSource]:
        """Return every file whose hash is remembered, by its path."""
        with engines.reading(self.engine, self.name) as connection:
            return {row[0]: KnownSource(*row) for row in connection.execute(select(schema.sources))}

    def remember(self, sources: Iterable[KnownSource]) -> None:
        """Keep the hashes of files, so that they need not be read again."""
        with self.writing() as writer:
            writer.remember(sources)


def summary_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``summary.json`` of an analysis as it was written."""
    return dict(json.loads(row["summary"]))
