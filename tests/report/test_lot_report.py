"""The report of a lot: the same numbers in four files, what was assumed or flagged in front, no harm done."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from lot_records import Made, lot_of_days, new_store, record

from nta.batch.dossiers import dossier_of
from nta.batch.recorded import of_lot
from nta.errors import UsageError
from nta.estimate import Estimate
from nta.production.specification import Limit, Specification
from nta.report import formatting as fmt
from nta.report.lot import save_report
from nta.report.lot.blocks import Notes, Pictures, Table
from nta.report.lot.charts import rendered, trend_figure
from nta.report.lot.noun import Chain
from nta.report.lot.numbers import csv_of, document_of, numbers_of
from nta.report.lot.pdf import SIZES, pdf_of, story_of
from nta.report.lot.saving import files_of
from nta.report.lot.sections import document_of as sections_of

HOSTILE = ("<script>alert(1)</script> {{7*7}} </style> & \"'\n\U0001f9ea 外泌体 " + "x" * 200)[:200]
FORECAST = (1e12, 4e12)


def dossier(store, **how):
    records = of_lot(store, how.pop("lot", None))
    return dossier_of(store, records, records[0].outcome.sample.lot, **how)


@pytest.fixture
def store(tmp_path):
    """Four days of 12 mL: 1.2e12, 2.4e12, 3.6e11 (bad) and 3.6e12 particles."""
    return record(new_store(tmp_path), *lot_of_days(1e11, 2e11, 3e10, 3e11))


@pytest.fixture
def small(tmp_path):
    """One day: what is drawn is little."""
    return record(new_store(tmp_path), *lot_of_days(1e11))


def words_of(document):
    """Return everything that is written, as one text."""
    texts = [document.title, document.verdict, document.sentence, document.foot]
    for section in document.sections:
        texts.append(section.heading)
        for block in section.blocks:
            texts += [str(part) for part in re.findall(r"'((?:[^'\\]|\\.)*)'", repr(block))]
    return "\n".join(texts)


def first_notes(found):
    return [note for block in sections_of(found).sections[0].blocks if isinstance(block, Notes) for note in block.notes]


def test_all_four_files_state_the_same_numbers(store):
    found = dossier(store, forecast=FORECAST)
    files = files_of(found)
    document = json.loads(files["report.json"])
    assert document["schema"] == "nta.lot/1"
    rows = list(csv.DictReader(io.StringIO(files["report.csv"].decode())))
    assert len(rows) == len(document["numbers"]) == len(numbers_of(found))
    for row, number in zip(rows, document["numbers"], strict=True):
        assert (row["quantity"], row["day"]) == (number["quantity"], number["day"] or "")
        for end in ("value", "low", "high"):
            assert row[end] == ("" if number[end] is None else str(number[end]))
    page = files["report.html"].decode()
    story = "\n".join(text_of(flowable) for flowable in story_of(sections_of(found), 400.0))
    (total,) = [one for one in document["numbers"] if one["level"] == "lot"]
    # 12 mL x (1 + 2 + 0.3 + 3)e11 per mL
    assert total["value"] == pytest.approx(7.56e12)
    days = [one for one in document["numbers"] if one["level"] == "day" and one["quantity"] == "particles"]
    sizes = [one for one in document["numbers"] if one["level"] == "pool" and one["quantity"] == "d50"]
    shown = [fmt.scientific(one["value"]) for one in (total, *days)]
    shown += [fmt.scientific_interval(Estimate.from_dict(one)) for one in (total, *days)]
    shown += [fmt.fixed(one["value"]) for one in sizes]
    for text in shown:
        assert text in page
        assert text.replace("\N{NARROW NO-BREAK SPACE}", "\N{NO-BREAK SPACE}") in story


def text_of(flowable):
    """Return what is written in a flowable, tables and what is kept together included."""
    if hasattr(flowable, "_cellvalues"):
        return "\n".join(text_of(cell) for row in flowable._cellvalues for cell in row)
    if hasattr(flowable, "_content"):
        return "\n".join(text_of(one) for one in flowable._content)
    return flowable.getPlainText() if hasattr(flowable, "getPlainText") else ""


def test_the_bad_day_and_nothing_else_is_flagged(store):
    notes = first_notes(dossier(store, forecast=FORECAST))
    assert [(note.level, note.head) for note in notes] == [("warn", "Below forecast")]
    assert "2026-11-03" in notes[0].text


def test_what_is_assumed_flagged_or_left_out_stands_on_the_first_page(tmp_path):
    assumed = {"mpp": {"value": 0.14, "origin": "assumed"}, "seed": {"value": 0, "origin": "assumed"}}
    flags = [("drift", "warn", "it flows"), ("volume_uncertain", "info", "a tenth"), ("blank_used", "info", "less b")]
    harvest = Made("1", "h", values=assumed, flags=flags, excluded=[("/data/z.avi", "bubble")], facts={})
    blank = Made("1", "b", role="blank", status="warn", flags=[("few_tracks", "warn", "5"), ("drift", "warn", "flow")])
    found = dossier(record(new_store(tmp_path), harvest, blank))
    texts = {f"{note.head}: {note.text}" for note in first_notes(found)}
    assert "h: Drift: it flows" in texts
    assert "b: Drift: flow" in texts  # few tracks are what a blank should have
    assert not any("Few tracks" in text for text in texts)
    assert "Noted on the pages of samples: volume uncertain (h); blank used (h)" in texts
    assert "Assumed, not read: Pixel size 0.14 µm/px (h)" in texts
    assert not any("Seed" in text for text in texts)  # a default, not a guess at how it was filmed
    assert any("Volume exact" in text for text in texts)
    assert any("No bead check" in text for text in texts)
    written = words_of(sections_of(found))
    assert "bubble" in written
    assert "z.avi" in written


def test_an_excluded_analysis_is_said_with_its_reason_and_counts_nowhere(store):
    store.decide(1, "excluded", "dropped vial")
    found = dossier(store)
    assert found.lot.yields.missing_days == ("2026-11-01",)
    assert any("dropped vial" in note.text for note in first_notes(found))
    assert "dropped vial" in words_of(sections_of(found))


def test_every_source_setting_and_assay_is_listed(store):
    document = sections_of(dossier(store))
    by_heading = {section.heading: section for section in document.sections}
    hashes = {row[2] for block in by_heading["Sources"].blocks if isinstance(block, Table) for row in block.rows}
    assert hashes == {one["sha256"] for made in lot_of_days(1, 2, 3, 4) for one in made.captures}
    assert ("Pixel size", "0.14 µm/px", "command line", "all") in by_heading["Settings"].blocks[0].rows
    assays = [row[0] for row in by_heading["Assays"].blocks[1].rows]
    assert assays[0].startswith("Potency")
    assert "harvest 2026-11-01 – day 2026-11-01" in by_heading
    assert sum(section.is_new_page for section in document.sections) == 8 + 4


def test_the_recovery_of_every_step_and_of_their_chain_stands_in_front(tmp_path):
    """300 mL of 4e9 = 1.2e12; 290 mL of 4e9 = 1.16e12 (96.7 %); 10 mL of 5.8e10 of it = 5.8e11 (50 %); chain 48.3 %."""
    steps = (
        Made("1", "raw", 4e9, volume_ml=300.0),
        Made("1", "clear", 4e9, facts={"step": "clarification", "volume_in_ml": 300.0, "volume_out_ml": 290.0}),
        Made("1", "end", 5.8e10, facts={"step": "concentration", "volume_in_ml": 290.0, "volume_out_ml": 10.0}),
    )
    found = dossier(record(new_store(tmp_path), *steps))
    rows = [
        (one.level, one.day, round(one.estimate.value, 2)) for one in numbers_of(found) if one.quantity == "recovery"
    ]
    expected = [
        ("day", "day 1", 48.33),
        ("step", "day 1, clarification", 96.67),
        ("step", "day 1, concentration", 50.0),
    ]
    assert rows == expected
    tables = [block for block in sections_of(found).sections[0].blocks if isinstance(block, Table)]
    (table,) = [one for one in tables if one.caption.startswith("Recovery")]
    assert [row[:2] for row in table.rows] == [
        ("day 1, clarification", "96.7"),
        ("day 1, concentration", "50.0"),
        ("day 1, all", "48.3"),
    ]


def test_verdicts_are_those_of_the_specification_and_say_what_is_open(store):
    rules = Specification("x", "1", (Limit("d50_nm", 90.0, 130.0), Limit("potency_percent", 80.0)), "a" * 64)
    found = dossier(store, specification=rules)
    document = document_of(found)
    assert document["overall"] == "cannot tell"
    verdicts = {one["quantity"]: one["result"] for one in document["numbers"] if one["level"] == "verdict"}
    assert verdicts == {"potency_percent": "cannot tell", "d50_nm": "pass"}
    assert sections_of(found).verdict == "Cannot tell"
    assert "a" * 64 in words_of(sections_of(found))
    assert any(note.head == "Keeps the lot from passing" for note in first_notes(found))


def test_a_broken_record_is_said_first(store):
    found = replace(dossier(store), chain=Chain("s", "0" * 64, 3, "measurements row 1 has been changed"))
    assert first_notes(found)[0].head == "The record is broken"
    assert document_of(found)["store"]["broken"] == "measurements row 1 has been changed"


def test_the_head_of_the_chain_stands_in_every_file(small):
    found = dossier(small)
    files = files_of(found)
    assert found.chain.head == small.head()
    assert found.chain.head in files["report.html"].decode()
    assert json.loads(files["report.json"])["store"]["head"] == found.chain.head
    assert found.chain.head in sections_of(found).foot


def test_the_same_records_give_the_same_bytes(small):
    assert files_of(dossier(small, forecast=FORECAST)) == files_of(dossier(small, forecast=FORECAST))


@pytest.mark.parametrize("paper", SIZES)
def test_the_pdf_has_the_paper_and_a_page_for_every_section(store, paper):
    document = sections_of(dossier(store))
    data = pdf_of(document, paper)
    width, height = SIZES[paper]
    assert data.startswith(b"%PDF")
    boxes = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", data)
    assert {tuple(round(float(end)) for end in box) for box in boxes} == {(round(width), round(height))}
    assert len(boxes) >= 1 + sum(section.is_new_page for section in document.sections)
    # one foot for each page refers to the number of all pages, which is there once
    assert len(re.findall(rb"/FormXob\.nPages \d+ 0 R", data)) >= len(boxes)


def test_names_of_any_kind_do_no_harm(tmp_path):
    made = Made("=1+1", HOSTILE, lot=HOSTILE, message=HOSTILE, flags=[("drift", "warn", HOSTILE)])
    files = files_of(dossier(record(new_store(tmp_path), made), title=HOSTILE))
    page = files["report.html"].decode()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "{{7*7}}" in page
    assert files["report.pdf"].startswith(b"%PDF")
    rows = list(csv.DictReader(io.StringIO(files["report.csv"].decode(), newline="")))
    assert {row["day"] for row in rows} == {"", "'=1+1"}
    assert json.loads(files["report.json"])["lot"] == HOSTILE


def test_letters_that_the_pdf_lacks_are_numbers_and_no_boxes(tmp_path):
    made = Made("日 1", "\U0001f9ea", message="naïve\nfür 外泌", flags=[("drift", "warn", "外泌体")])
    found = dossier(record(new_store(tmp_path), made), title="Charge 外泌体")
    story = "\n".join(text_of(flowable) for flowable in story_of(sections_of(found), 400.0))
    assert "Charge <U+5916 U+6CCC U+4F53>" in story
    assert "<U+1F9EA> – day <U+65E5> 1" in story
    assert "□" not in story
    assert "外" not in story
    (pictures,) = [block for block in sections_of(found).sections[0].blocks if isinstance(block, Pictures)]
    (label,) = pictures.pictures[0].draw().axes[0].get_xticklabels()
    assert label.get_text() == "<U+65E5> 1"


def test_a_figure_names_its_axes_and_days_differ_by_more_than_colour(store):
    document = sections_of(dossier(store, forecast=FORECAST))
    (pictures,) = [block for block in document.sections[0].blocks if isinstance(block, Pictures)]
    bars, pool = [picture.draw().axes[0] for picture in pictures.pictures]
    assert bars.get_ylabel() == "Particles, 10¹² (95 % interval)"
    assert pool.get_xlabel() == "Hydrodynamic diameter (nm)"
    hatches = [patch.get_hatch() for patch in bars.patches]
    assert [bool(hatch) for hatch in hatches] == [False, False, True, False]
    assert [round(patch.get_height(), 3) for patch in bars.patches] == [1.2, 2.4, 0.36, 3.6]
    assert rendered(pictures.pictures[0].draw(), "png") == rendered(pictures.pictures[0].draw(), "png")


def test_a_report_replaces_only_a_report(small, tmp_path):
    target = save_report(dossier(small), tmp_path / "report")
    assert sorted(path.name for path in target.iterdir()) == ["report.csv", "report.html", "report.json", "report.pdf"]
    save_report(dossier(small), target)
    (target / "report.json").write_text('{"schema": "nta.measurement/1"}')
    with pytest.raises(UsageError, match="not an nta result of this kind"):
        save_report(dossier(small), target)


def test_a_baseline_gives_the_trends_their_limits(store):
    more = lot_of_days(1.05e11, 1e11, lot="LOT-8")[:2]
    record(store, *(replace(one, day=one.day.replace("-11-", "-12-")) for one in more))
    found = dossier(store, lot="LOT-8", baseline_lot="LOT-7")
    (d50, _stock) = found.trends
    assert d50.chart is not None
    assert len(d50.chart.baseline.records) == 4
    assert [point.record for point in d50.series.points][-1].endswith("day 2026-12-02")
    assert dossier(store, lot="LOT-8").trends[0].chart is None
    assert "provisional" in words_of(sections_of(found))


def test_the_trend_figure_draws_three_charts_and_marks_what_breaks_a_rule(store):
    """LOT-7 has D50 of 107, 108, 107, 108 nm: centre 107.5, s = 1/1.128, limits 107.5 ± 2.66."""
    later = lot_of_days(1e11, lot="LOT-8")[0]
    record(store, replace(later, day="last", name="x", d50_nm=115.0), replace(later, day="2026-12-01", name="y"))
    (trend, *_) = dossier(store, lot="LOT-8", baseline_lot="LOT-7").trends
    figure = trend_figure(trend)
    individuals, ranges, averages = figure.axes
    assert individuals.get_ylabel() == "D50\n(nm)"
    assert (ranges.get_ylabel(), averages.get_ylabel()) == ("Moving range\n(nm)", "EWMA\n(nm)")
    assert averages.get_xlabel() == "Day"
    # By the date of the analysis, which is before December, and by the name that its day has
    shown = [text.get_text() for text in averages.get_xticklabels()]
    assert shown == ["2026-11-01", "2026-11-02", "2026-11-03", "2026-11-04", "last", "2026-12-01"]
    assert {"104.8", "107.5", "110.2", "1"} <= {text.get_text() for text in individuals.texts}
    # 115 - 108 = 7 nm, limit 3.27 nm; EWMA 0.2 x 115 + 0.8 x 107.6 = 109.1, limits 107.5 ± 0.84
    squares = [
        [list(line.get_xdata()) for line in axes.lines if line.get_marker() == "s"]
        for axes in (individuals, ranges, averages)
    ]
    assert squares[:2] == [[[4]], [[4, 5]]]
    assert 4 in squares[2][0]


def test_the_csv_is_the_numbers_with_the_name_of_the_lot(store):
    rows = list(csv.DictReader(io.StringIO(csv_of(dossier(store)))))
    assert {row["lot"] for row in rows} == {"LOT-7"}


def test_a_browser_shows_it_whole_whatever_the_names_are(tmp_path, chromium):
    made = [Made(f"{number} {HOSTILE}", f"{number} {HOSTILE}", lot=HOSTILE, message=HOSTILE) for number in range(2)]
    file = save_report(dossier(record(new_store(tmp_path), *made), title=HOSTILE), tmp_path / "out") / "report.html"
    complaints, requests = [], []
    page = chromium.new_page()
    try:
        page.on("console", lambda message: complaints.append(message.text))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: requests.append(request.url))
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 800})
            page.goto(file.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert complaints == []
        assert {url for url in requests if not url.startswith("data:")} == {file.as_uri()}
    finally:
        page.close()
