"""Tables that a spreadsheet opens safely; files that are whole or not there."""

from __future__ import annotations

import csv
import math

import pytest

from nta.csvtable import csv_text, json_row, safe_cell, write_whole


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_would_be_a_formula_is_text(start):
    assert safe_cell(f"{start}1+1") == f"'{start}1+1"


@pytest.mark.parametrize("value", [-1.5, -3, 0, 0.0, "a=b", "", "1e5"])
def test_numbers_and_harmless_text_stay_as_they_are(value):
    assert safe_cell(value) == value
    assert type(safe_cell(value)) is type(value)


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_missing_is_an_empty_cell_and_null(value):
    assert safe_cell(value) == ""
    assert json_row({"a": value}) == {"a": None}


def test_a_table_reads_back_as_it_was_written():
    name = 'quote " comma , line\nbreak µ'
    text = csv_text(("a", "b", "c"), [{"a": name, "c": 0.1}, {"b": -2}])
    assert list(csv.reader(text.splitlines(keepends=True))) == [
        ["a", "b", "c"],
        [name, "", "0.1"],
        ["", "-2", ""],
    ]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    file = tmp_path / "table.csv"
    write_whole(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(file, "new \ud800")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
    write_whole(file, "new")
    assert file.read_text() == "new"
