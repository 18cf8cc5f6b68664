"""ZetaView text exports: numbers of the file, the dilution beside them, a failed run, the table of positions."""

from __future__ import annotations

import math

import jsonschema
import numpy as np
import pytest
from exports_made import POSITIONS, nano_text, particles_text, zetaview_text

import nta
from nta.errors import RejectedError
from nta.formats import kind_of, read_foreign
from nta.formats.record import record_of
from nta.report import summary_schema


def written(tmp_path, text, name="20210401_0001_ev_size_488.txt", encoding="iso-8859-1"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("crlf", [False, True])
def test_a_size_export_is_read(tmp_path, crlf):
    path = written(tmp_path, zetaview_text(crlf=crlf))
    assert kind_of(path) == "zetaview"
    found = read_foreign(path)
    (one,) = found.captures
    assert found.sample == "ev day 3"
    assert found.program == "ZetaView (version 8.06.01 SP1)"
    assert one.values == {"temperature_c": 23.46, "viscosity_mpas": 0.92, "mpp": 0.713, "fps": 30.0}
    assert one.size_nm["d50"] == 122.5
    assert (one.tracks, one.per_frame) == (3120, 121.5)
    assert found.dilution == 1000
    assert len(found.histogram.diameter_nm) == 1200  # the logarithmic bins are the same particles again
    assert found.details["diluent"] == "PBS"
    assert found.details["time_captured"] == "2021-04-01T15:28:16"
    assert "cell_check" not in found.details  # 1904-01-01: never checked
    assert found.complaints == ()


def test_the_sum_of_its_bins_is_that_of_the_cell_and_the_stock_is_diluted_once(tmp_path):
    found = read_foreign(written(tmp_path, zetaview_text()))
    rows = [line.split("\t") for line in zetaview_text().splitlines()]
    start = next(place for place, row in enumerate(rows) if row[0].startswith("Size"))
    total = sum(float(row[2]) for row in rows[start + 1 : start + 1201])
    record = record_of(found)
    assert record.concentration.measured.value == pytest.approx(total, rel=1e-12)
    assert record.concentration.stock is not None
    assert record.concentration.stock.value == pytest.approx(1000 * total)
    jsonschema.validate(record.summary(), summary_schema())
    table = record.distribution.table
    assert np.diff(table["diameter_nm"]) == pytest.approx(1.0)
    assert np.trapezoid(table["density_per_nm"], table["diameter_nm"]) == pytest.approx(1.0, abs=1e-6)


def test_a_failed_run_is_missing_and_not_zero(tmp_path):
    record = record_of(read_foreign(written(tmp_path, zetaview_text(failed=True, median=0.0))))
    assert (record.status, record.status_code) == ("rejected", "no_result")
    assert math.isnan(record.concentration.measured.value)
    assert record.summary()["size_nm"]["d50"]["value"] is None
    jsonschema.validate(record.summary(), summary_schema())


def test_a_dilution_of_zero_is_none(tmp_path):
    assert record_of(read_foreign(written(tmp_path, zetaview_text(dilution=0)))).concentration.stock is None


def test_a_median_that_the_bins_cannot_have_is_flagged(tmp_path):
    record = record_of(read_foreign(written(tmp_path, zetaview_text(median=300.0))))
    assert record.status_code == "import_inconsistent"
    assert "stated as 300 nm" in record.message


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (lambda text: text[: text.index("-1.000E+0")], "truncated", "before the row of -1"),
        (lambda text: text[: len(text) // 2], "truncated", "before the row of -1|of 5 columns"),
        (
            lambda text: text.replace("\n5.9975E+03", "\n-1.000E+0\t1\t1\t1\t1\n5.9975E+03"),
            "truncated",
            "end at 5992.5",
        ),
        (lambda text: text.replace("\n1.1250E+02", "\n1.1350E+02"), "damaged", "not of one width"),
        (lambda text: text.replace("\n1.1250E+02\t4", "\n1.1250E+02\t-4"), "damaged", "missing or negative"),
        (
            lambda text: text.replace(text.partition("Area / nm^2\n")[2].partition("\n1.2500E+01")[0], ""),
            "damaged",
            "begin at",
        ),
        (lambda text: text.replace("Temperature:\t23.46", "Temperature:\tx3.46"), "damaged", "which is no number"),
    ],
)
def test_a_spoilt_export_is_rejected(tmp_path, change, code, said):
    changed = change(zetaview_text())
    assert changed != zetaview_text()
    with pytest.raises(RejectedError, match=said) as caught:
        read_foreign(written(tmp_path, changed))
    assert caught.value.code == code


@pytest.mark.parametrize("encoding", ["iso-8859-1", "utf-8-sig"])
def test_positions_are_captures_and_those_that_were_taken_out_are_not(tmp_path, encoding):
    path = written(tmp_path, POSITIONS, "20210401_0001_ev_size_488_11pos.txt", encoding)
    assert kind_of(path) == "positions"
    found = read_foreign(path)
    assert [one.name for one in found.captures] == ["position 1", "position 2", "position 4"]
    record = record_of(found)
    assert record.size.d50.value == 123.0
    assert record.size.mode.value == 112.0
    assert record.concentration.measured.value == 1.2e8
    assert record.summary()["size_nm"]["d10"]["value"] is None
    assert record.distribution.table.empty
    jsonschema.validate(record.summary(), summary_schema())


def test_positions_without_their_mean_are_cut(tmp_path):
    with pytest.raises(RejectedError, match="before the row of means"):
        read_foreign(written(tmp_path, POSITIONS[: POSITIONS.index("\tMean")]))


@pytest.mark.parametrize("kind", ["size", "failed", "positions", "nano", "particles"])
def test_every_kind_of_record_is_saved_and_loaded(tmp_path, kind):
    texts = {
        "size": zetaview_text(),
        "failed": zetaview_text(failed=True),
        "positions": POSITIONS,
        "nano": nano_text(["a.avi", "b.avi"], temperature=[22, 23]),
        "particles": particles_text(np.random.default_rng(1).lognormal(4.6, 0.2, 200)),
    }
    record = record_of(read_foreign(written(tmp_path, texts[kind], "x.txt")))
    record.save(tmp_path / "out")
    assert nta.load(tmp_path / "out").summary() == record.summary()
    assert (tmp_path / "out" / "report.html").stat().st_size > 1000
    jsonschema.validate(record.summary(), summary_schema())


def test_an_experiment_is_a_record_without_a_result(tmp_path):
    record = record_of(read_foreign(written(tmp_path, nano_text(["a.avi"]), "x.nano")))
    assert record.size.d50.is_missing
    assert record.captures[0].mpp == 0.14
    assert "holds no result: measure them with nta analyze" in record.flags[0].message
