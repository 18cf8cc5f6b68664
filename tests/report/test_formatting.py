"""Numbers and names for people."""

import math

import pytest

from nta.estimate import Estimate
from nta.report import formatting as fmt


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.62e9, "1.62 × 10⁹"),
        (9.999e8, "1.00 × 10⁹"),
        (-3.2e-12, "−3.20 × 10⁻¹²"),
        (0.0, "0"),
        (math.nan, "—"),
    ],
)
def test_scientific(value, text):
    assert fmt.scientific(value) == text


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(107.04, 1, "107.0"), (12345.6, 0, "12\u202f346"), (-0.31, 1, "−0.3"), (0.0, 1, "0.0"), (None, 1, "—")],
)
def test_fixed(value, decimals, text):
    assert fmt.fixed(value, decimals) == text


def test_a_count_of_zero_is_a_value():
    assert fmt.count(0) == "0"
    assert fmt.count(None) == "—"


def test_intervals():
    assert fmt.interval(Estimate(2.0, 1.25, 3.0), 2) == "1.25 to 3.00"
    assert fmt.interval(Estimate.missing()) == "—"
    assert fmt.scientific_interval(Estimate(0.0, 0.0, 2.5e6)) == "0 to 2.50 × 10⁶"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mpp", ("Pixel size", "µm/px")),
        ("sheet_depth_um", ("Sheet depth", "µm")),
        ("diffusion_um2_s", ("Diffusion", "µm²/s")),
        ("odd_name", ("Odd name", "")),
        ("memory", ("Frames a particle may be missing", "")),
    ],
)
def test_names_become_words_with_their_unit(name, expected):
    assert fmt.label(name) == expected


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        (None, "dilution", "not known"),
        (None, "min_mass", "—"),
        (0.0, "", "0"),
        (False, "", "no"),
        (24.9825, "fps", "24.9825"),
        (0.889997, "viscosity_mpas", "0.89"),
        ([30.0, None], "size_range_nm", "from 30"),
        ((10, 200), "frames", "10 to 200"),
        ([[0, 0, 20, 20], [1, 2, 3, 4]], "exclude", "(0, 0, 20, 20), (1, 2, 3, 4)"),
        ([], "exclude", "none"),
        ("ns300", "instrument", "ns300"),
        (2e7, "", "2e+07"),
    ],
)
def test_any_value_is_text(value, name, text):
    assert fmt.plain(value, name) == (fmt.scientific(2e7, 6) if text == "2e+07" else text)


@pytest.mark.parametrize(
    ("name", "origin", "names", "text"),
    [
        ("dilution", "sidecar", (), "manifest"),
        ("dilution", "sidecar", ("experiment",), ".nano or manifest"),
        ("calibration", "sidecar", ("experiment",), "manifest"),
        ("mpp", "sidecar", ("experiment",), ".nano beside the video"),
        ("dilution", "command_line", (), "command line"),
        ("depth_um", "command_line", (), "command line"),
        ("depth_um", "command_line", ("calibration",), "calibration"),
    ],
)
def test_an_origin_says_which_file_it_was(name, origin, names, text):
    assert fmt.origin_of(name, origin, names) == text
