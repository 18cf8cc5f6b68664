"""One changed byte, in whichever row, breaks the chain, and the first row that is not what it was is named."""

from __future__ import annotations

from sqlalchemy import Connection, Text, text
from store_records import capture, fill, measurement, sample

from nta.store import Store, chain, schema


def without_triggers(connection: Connection, table: str) -> None:
    """Do what only the owner of the database can: switch the refusal off."""
    if connection.dialect.name == "sqlite":
        for verb in ("update", "delete"):
            connection.execute(text(f"DROP TRIGGER {table}_no_{verb}"))
        connection.execute(text("PRAGMA foreign_keys = OFF"))
    else:
        connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))


def filled(store: Store) -> Store:
    fill(store)
    with store.writing() as writer:
        writer.capture(capture(4))
        writer.measurement(measurement(4, sample("beads"), calibration="[nta]\n"))
    return store


def columns() -> list[tuple[str, str]]:
    return [
        (table.name, column.name)
        for table in schema.RECORDS
        for column in table.columns
        if isinstance(column.type, Text) or column.name.endswith(("_nm", "_ml", "position", "bytes"))
    ]


def test_a_sound_chain_holds_and_its_head_moves_with_every_record(store):
    filled(store)
    verdict = store.verify()
    assert verdict.holds
    assert verdict.head == store.head() != chain.GENESIS
    with store.engine.connect() as connection:
        total = sum(connection.execute(text(f"SELECT count(*) FROM {table.name}")).scalar() for table in schema.AUDITED)
    assert verdict.entries == total > 20
    with store.writing() as writer:
        writer.capture(capture(9))
    assert store.head() != verdict.head
    assert store.verify(verdict.head).holds  # a head noted earlier is still in the chain


def test_one_changed_byte_in_any_column_is_found_and_its_row_named_in_both_databases(store):
    """Every column of every record table, each in its last row; undone by rolling back."""
    filled(store)
    missed = []
    for table, column in columns():
        with store.engine.connect() as connection, connection.begin() as transaction:
            without_triggers(connection, table)
            row_id, value = connection.execute(
                text(f"SELECT id, {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY id DESC LIMIT 1")
            ).first() or (None, None)
            if row_id is not None:
                changed = value[:-1] + chr(ord(value[-1]) ^ 1) if isinstance(value, str) and value else 7
                where = {"value": changed, "id": row_id}
                connection.execute(text(f"UPDATE {table} SET {column} = :value WHERE id = :id"), where)
                verdict = chain.verify(connection)
                named = f"{table} row {row_id} " if table != "audit" else f"audit row {row_id} "
                if verdict.broken is None or named not in verdict.broken:
                    missed.append((table, column, verdict.broken))
            transaction.rollback()
    assert not missed
    assert len(columns()) > 50
    assert store.verify().holds


def test_a_deleted_an_added_and_a_reordered_row_are_found(store):
    filled(store)
    head = store.head()
    with store.engine.connect() as connection, connection.begin() as transaction:
        for table in ("attempts", "audit"):
            without_triggers(connection, table)
        connection.execute(text("DELETE FROM attempts"))
        assert "attempts row 1 has been deleted" in chain.verify(connection).broken
        transaction.rollback()
    with store.engine.connect() as connection, connection.begin() as transaction:
        connection.execute(text("INSERT INTO lots (id, name) VALUES (999, 'slipped in')"))
        assert "lots: " in chain.verify(connection).broken
        transaction.rollback()
    with store.engine.connect() as connection, connection.begin() as transaction:
        without_triggers(connection, "audit")
        connection.execute(text("DELETE FROM audit WHERE id = 3"))
        assert "audit row 4 does not follow" in chain.verify(connection).broken
        transaction.rollback()
    with store.engine.connect() as connection, connection.begin() as transaction:
        for table in ("lots", "samples", "settings", "calibrations", "measurements", "distributions", "selections"):
            without_triggers(connection, table)
        for table in ("measured_captures", "audit"):
            without_triggers(connection, table)
        last = connection.execute(text("SELECT record, record_id, id FROM audit ORDER BY id DESC LIMIT 1")).one()
        connection.execute(text(f"DELETE FROM {last.record} WHERE id = {last.record_id}"))
        connection.execute(text(f"DELETE FROM audit WHERE id = {last.id}"))
        assert chain.verify(connection).holds  # the end, cut off together with its record, leaves no trace but the head
        assert "cut off" in chain.verify(connection, head).broken
        transaction.rollback()
    assert store.verify(head).holds


def test_two_databases_describe_the_same_row_in_the_same_words(tmp_path, postgres):
    images = []
    for location in (tmp_path / "nta.sqlite", postgres.new_database()):
        store = Store.open(location, objects=tmp_path, who="tester")
        filled(store)
        with store.engine.connect() as connection:
            rows = connection.execute(text("SELECT record, record_id, new FROM audit ORDER BY id")).all()
        images.append([(record, number, words) for record, number, words in rows if "created_utc" not in words])
    assert images[0] == images[1]
    assert len(images[0]) > 10
