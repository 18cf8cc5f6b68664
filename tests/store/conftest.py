"""Stores for the tests: the same ones run on SQLite and on a PostgreSQL server of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from nta.store import Store


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request, tmp_path: Path) -> str | Path:
    """A place where no store is yet."""
    if request.param == "sqlite":
        return tmp_path / "store" / "nta.sqlite"
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture
def store(location, tmp_path: Path) -> Store:
    (tmp_path / "store").mkdir()
    return Store.open(location, objects=tmp_path / "store" / "objects", who="tester")
