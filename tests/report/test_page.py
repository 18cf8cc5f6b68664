"""The page: self-contained, escaped, honest, and readable in a real browser on screen and paper."""

import html.parser
import re
from dataclasses import replace

import pytest

from nta.agreement import CaptureResult, Reading, agreement_of
from nta.blank import Blank
from nta.concentration import Concentration, Parts
from nta.estimate import Estimate
from nta.report import render_page, save
from nta.report.figures import figure_svg
from nta.report.page import value_row
from nta.sensitivity import Reading as Line
from nta.sensitivity import ThresholdSensitivity
from nta.settings import Sourced

_ATTRIBUTES_THAT_FETCH = {"src", "href", "srcset", "data", "action", "poster", "background", "xlink:href"}


class _Page(html.parser.HTMLParser):
    """Every tag with its attributes, and the text that a reader sees."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def test_the_page_fetches_nothing_and_runs_nothing(measurement):
    page = _Page(render_page(measurement))
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in _ATTRIBUTES_THAT_FETCH:
                assert value.startswith("data:image/svg+xml;base64,")
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_names_are_shown_as_they_are_and_never_obeyed(example):
    name = example("hostile").sample
    text = render_page(example("hostile"))
    page = _Page(text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert " ".join(name.split()) in page.text
    assert "{{7*7}}" in text
    assert ">49<" not in text
    assert len(name) == 200


def test_the_first_screen_says_what_matters(example):
    text = _Page(render_page(example("ok"))).text
    order = (
        "Day 12 harvest, vial 3",
        "1287 particles were sized",
        "Assumed, not read:",
        "number-weighted",
        "Concentration relative",
        "Conditions",
    )
    positions = [text.index(words) for words in order]
    assert positions == sorted(positions)
    assert "pixel size 0.14 µm/px" in text
    assert "Span = (D90 − D10)/D50" in text


def test_numbers_have_their_interval_and_their_n(example):
    text = _Page(render_page(example("ok"))).text
    size = example("ok").size
    assert f"Mode {size.mode.value:.1f} nm {size.mode.low:.1f} to {size.mode.high:.1f} 1 287" in text
    d50 = size.d50
    assert f"D50 (median) {d50.value:.1f} nm {d50.low:.1f} to {d50.high:.1f} 1 284" in text
    assert "Stock, undiluted 1.62 × 10¹¹ 1.39 × 10¹¹ to 1.85 × 10¹¹" in text


def test_a_calibrated_volume_is_not_called_relative(example):
    text = _Page(render_page(example("warn_two_captures"))).text
    assert "Concentration relative" not in text
    assert "from a calibration" in text


def test_the_parts_of_the_concentrations_uncertainty_are_listed(example):
    text = _Page(render_page(example("ok"))).text
    assert "relative standard uncertainties Counting 4.0 % particles come and go" in text
    assert "Captures — one capture does not tell it Depth in view 25.0 % nominal" in text
    assert "Dilution — not stated, taken as exact" in text
    assert "Depth in view 25.0 % what the calibration states" in _Page(render_page(example("warn_two_captures"))).text
    stated = replace(example("ok").concentration, parts=Parts(counting=0.04, volume=0.25, dilution=0.02, blank=0.015))
    text = _Page(render_page(replace(example("ok"), concentration=stated, blank=_blank(None)))).text
    assert "Blank 1.5 % the count of the blank, over what is left of the sample Dilution 2.0 % in the stock" in text
    assert "Blank: water_1.avi, water_2.avi; 21 tracks sized; 20 % of what was counted." in text
    assert "made of" not in _Page(render_page(example("blank"))).text


def _blank(limit_per_ml):
    paths = ("/data/water_1.avi", "/data/water_2.avi")
    return Blank("blank", paths, (None, None), Estimate(4e7, 3e7, 5e7), Estimate(2e8, 1e8, 3e8), 21, limit_per_ml)


def test_below_blank_stands_in_place_of_both_numbers_and_is_relative_too(example):
    none = replace(Concentration.missing(), parts=Parts())
    text = _Page(render_page(replace(example("ok"), concentration=none, blank=_blank(3e7)))).text
    assert "Concentration relative" in text
    assert "Measured, in the cell below blank: at most 3.00 × 10⁷" in text
    assert "Stock, undiluted below blank: at most 3.00 × 10¹⁰" in text  # diluted 1:1000
    assert "made of" not in text


def test_every_concentration_of_the_page_is_called_relative(example):
    one = example("ok")
    captures = tuple(
        CaptureResult(name, 100, 90, *(Reading(value, 0.05 * value) for value in (100.0, 99.0, 1e8, 30.0)))
        for name in ("a.avi", "b.avi")
    )
    sensitivity = ThresholdSensitivity(tuple(Line(factor, 30.0, 90, 100.0, 1e8) for factor in (0.8, 1.0, 1.2)))
    both = replace(one, agreement=agreement_of(captures), sensitivity=sensitivity)
    text = _Page(render_page(both)).text
    assert text.count("Particles per mL, relative") == 2
    calibrated = replace(both, concentration=replace(one.concentration, volume_source="calibration"))
    assert "relative Spots" not in _Page(render_page(calibrated)).text
    assert "per mL, relative" not in _Page(render_page(calibrated)).text


def test_an_unknown_dilution_says_what_to_do(example):
    assert "Stock, undiluted dilution not known; give --dilution" in _Page(render_page(example("two_peaks"))).text


@pytest.mark.parametrize("name", ["blank", "rejected", "nothing"])
def test_without_a_result_the_page_says_what_to_do_and_shows_no_number(example, name):
    measurement = example(name)
    text = _Page(render_page(measurement)).text
    assert measurement.message in text
    assert f"({measurement.status_code})" in text
    assert "Nothing was sized" in text
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)
    assert "Mode — nm — —" in text


def test_every_value_flag_loss_and_capture_is_there(example):
    measurement = example("warn_two_captures")
    text = _Page(render_page(measurement)).text
    for flag in measurement.flags:
        assert flag.message in text
    for capture in measurement.captures:
        assert capture.path in text
        assert capture.sha256 in text
    assert "Tracks too short 617" in text
    assert "Search range 18.25 px video" in text
    assert "Dilution 1000 command line" in text


def test_only_what_is_said_of_the_capture_is_assumed_and_the_rest_is_a_default(example):
    measurement = example("ok")
    computed = {
        "engine": Sourced("fused", "assumed"),
        "memory": Sourced(0, "assumed"),
        "min_track": Sourced(5, "assumed"),
    }
    measurement = replace(measurement, values={**measurement.values, **computed})
    text = _Page(render_page(measurement)).text
    head = text[text.index("Assumed, not read:") : text.index("Give what you know")]
    assert "pixel size 0.14" in head
    for words in ("engine", "fewest positions", "frames a particle", "sizes looked for"):
        assert words not in head
    assert "Engine fused default" in text
    assert "Fewest positions of a track 5 default" in text
    assert "Pixel size 0.14 µm/px assumed" in text


def test_the_figure_is_inside_the_page(example):
    import base64

    source = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', render_page(example("ok")))
    assert base64.b64decode(source.group(1)) == figure_svg(example("ok"))


@pytest.mark.parametrize("name", ["ok", "two_peaks", "hostile", "nothing"])
def test_a_browser_shows_it_whole_on_wide_and_narrow_screens(tmp_path, example, chromium, name):
    page_file = save(example(name), tmp_path / "out") / "report.html"
    complaints, requests = [], []
    page = chromium.new_page()
    try:
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: requests.append(request.url))
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 800})
            page.goto(page_file.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate("document.querySelector('figure img').naturalWidth") > 0
            assert page.locator("h1").inner_text().strip()
        assert complaints == []
        assert {url for url in requests if not url.startswith("data:")} == {page_file.as_uri()}
    finally:
        page.close()


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_it_prints(tmp_path, example, chromium, paper):
    page_file = save(example("ok"), tmp_path / "out") / "report.html"
    page = chromium.new_page()
    try:
        page.goto(page_file.as_uri())
        pdf = page.pdf(format=paper, prefer_css_page_size=False)
    finally:
        page.close()
    assert pdf.startswith(b"%PDF")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 3


def test_the_key_numbers_stand_on_the_first_screen(tmp_path, example, chromium):
    page_file = save(example("ok"), tmp_path / "out") / "report.html"
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    try:
        page.goto(page_file.as_uri())
        for selector in ("#status", ".attention", "#size", "#concentration", "figure img"):
            box = page.locator(selector).bounding_box()
            assert box["y"] + box["height"] <= 900, selector
    finally:
        page.close()


def test_each_capture_of_the_blank_stands_with_its_hash(example):
    blank = replace(_blank(None), paths=("day 1/diluent.avi", "diluent_2.avi"), sha256=("ab" * 32, None))
    text = _Page(render_page(replace(example("ok"), blank=blank))).text
    assert f"diluent.avi blank, subtracted day 1/diluent.avi SHA-256 {'ab' * 32}" in text
    assert "diluent_2.avi blank, subtracted" in text


def test_a_depth_from_a_calibration_says_so():
    depth = Sourced(9.761375, "command_line")
    assert (value_row("depth_um", depth).origin, value_row("depth_um", depth).text) == ("command line", "9.761")
    assert value_row("depth_um", depth, {"calibration"}).origin == "calibration"
    assert value_row("false_per_frame", Sourced([1.16e-7, 9.1e-8], "video")).text == "1.2 × 10⁻⁷, 9.1 × 10⁻⁸"
