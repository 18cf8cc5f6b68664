"""`nta compare` on stores: all that counts, one lot, or analyses by their numbers."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from exports_made import summary_text, zetaview_text

import nta
from nta.batch.imported import record_import
from nta.batch.recorded import measurements_of
from nta.errors import UsageError
from nta.store import CollectionRecord, SampleIdentity, Store
from nta_cli.main import cli


@pytest.fixture
def folder(tmp_path):
    """Two lots of imported records: A of one maker (twice), B of the other."""
    (tmp_path / "a-ExperimentSummary.csv").write_text(summary_text(), encoding="iso-8859-1")
    (tmp_path / "b_size_488.txt").write_text(zetaview_text(), encoding="iso-8859-1")
    store = Store.open(tmp_path / "nta.sqlite")
    for name, lot, sample in (
        ("a-ExperimentSummary.csv", "A", "one"),
        ("a-ExperimentSummary.csv", "A", "two"),
        ("b_size_488.txt", "B", "three"),
    ):
        (record,) = nta.import_results([tmp_path / name])
        record_import(store, tmp_path / name, record, CollectionRecord(SampleIdentity(lot, "1", sample)))
    return tmp_path


def compared(*samples):
    return CliRunner().invoke(cli, ["compare", *map(str, samples), "--json", "-q"])


def test_a_record_is_compared_as_its_export_is(folder):
    ours = compared(f"{folder / 'nta.sqlite'}#1", f"{folder}#3")
    theirs = compared(folder / "a-ExperimentSummary.csv", folder / "b_size_488.txt")
    assert ours.exit_code == theirs.exit_code == 0, ours.output + theirs.output
    assert json.loads(ours.stdout)["d50_nm"] == json.loads(theirs.stdout)["d50_nm"]
    assert json.loads(ours.stdout)["concentration_per_ml"] == json.loads(theirs.stdout)["concentration_per_ml"]


def test_a_lot_is_a_group_of_its_samples(folder):
    done = compared(f"{folder}#A", f"{folder}#B")
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)["a"]) == 2


def test_what_does_not_count_is_not_compared(folder):
    store = Store.open(folder)
    assert len(measurements_of(store)) == 3
    store.decide(1, "excluded", "dropped")
    assert len(measurements_of(store, "A")) == 1
    store.decide(2, "excluded", "dropped")
    with pytest.raises(UsageError, match="nothing that counts"):
        measurements_of(store, "A")


@pytest.mark.parametrize(("which", "text"), [("#C", "no sample is of the lot 'C'"), ("#99", "no measurement 99")])
def test_what_is_not_on_record_is_said(folder, which, text):
    done = compared(f"{folder}{which}", f"{folder}#B")
    assert done.exit_code == 2
    assert text in done.output
