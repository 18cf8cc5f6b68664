"""Daily yield against arithmetic done by hand, theory, and a Monte Carlo experiment."""

from __future__ import annotations

import csv
import math

import pytest

from nta.errors import FailedError, UsageError
from nta.estimate import Estimate
from nta.production import MISSING, DailyYield, Harvest, daily_yield, sum_of
from nta.report.yields import axis_top, render_yields, save_yields

GOOD = Estimate(1.0e10, 0.8e10, 1.3e10)


def harvest(day: str = "1", sample: str = "a", **values: object) -> Harvest:
    given = {"status": "ok", "stock": GOOD, "volume_ml": 350.0, **values}
    return Harvest(day, sample, **given)


def test_particles_are_stock_times_volume_by_hand():
    # 1.0e10 per mL x 350 mL = 3.5e12; the volume is exact: 0.8e10 x 350 = 2.8e12, 1.3e10 x 350 = 4.55e12
    particles = harvest().particles
    assert (particles.value, particles.low, particles.high) == pytest.approx((3.5e12, 2.8e12, 4.55e12))


def test_a_lower_bound_of_zero_stays_zero_and_a_zero_concentration_stays_zero():
    below = harvest(stock=Estimate(1e8, 0.0, 3e8), volume_ml=10.0).particles
    assert (below.value, below.low, below.high) == (1e9, 0.0, 3e9)
    blank = harvest(stock=Estimate(0.0, 0.0, 1e6), volume_ml=10.0).particles
    assert (blank.value, blank.low, blank.high) == (0.0, 0.0, 1e7)


def test_the_sum_by_hand():
    # 3.5e12 + 4.1e12 = 7.6e12; half-widths add: lows 2.8e12 + 3.28e12, highs 4.55e12 + 5.33e12
    yields = daily_yield([harvest("1", "a"), harvest("2", "b", volume_ml=410.0)])
    total = yields.total
    assert (total.value, total.low, total.high) == pytest.approx((7.6e12, 6.08e12, 9.88e12))
    assert yields.missing_days == ()
    assert yields.message == "sum of 2 days, none missing"


def test_the_interval_of_the_sum_holds_for_shared_errors():
    """Ten days with one common error: their sum is as uncertain, relatively, as a single day.

    In quadrature the interval would be sqrt(10) times narrower and cover 46 % in place of 95.
    """
    total = sum_of([GOOD] * 10)
    assert total.high / total.value == pytest.approx(GOOD.high / GOOD.value)
    assert total.low / total.value == pytest.approx(GOOD.low / GOOD.value)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"volume_ml": None}, "no_volume"),
        ({"stock": None}, "no_dilution"),
        ({"stock": None, "is_measured": False}, "no_concentration"),
        ({"stock": Estimate.missing()}, "no_concentration"),
        ({"stock": None, "status": "rejected"}, "no_measurement"),
        ({"stock": GOOD, "status": "failed"}, "no_measurement"),
    ],
)
def test_what_is_missing_is_nan_with_its_reason_and_never_zero(values, code):
    yields = daily_yield([harvest("1", "a"), harvest("2", "b", **values)])
    lacking = yields.harvests[1]
    assert lacking.missing == (code,)
    assert lacking.particles.is_missing
    assert yields.days[1].particles.is_missing
    assert yields.days[1].reasons == (f"b: {MISSING[code]}",)
    assert yields.missing_days == ("2",)
    assert yields.total.value == pytest.approx(3.5e12)
    assert yields.message == "sum of 1 of 2 days; 1 missing and not counted: 2"


def test_a_day_lacks_a_number_when_one_of_its_samples_does():
    yields = daily_yield([harvest("1", "a"), harvest("1", "b", volume_ml=None), harvest("2", "c")])
    assert yields.missing_days == ("1",)
    assert yields.total.value == pytest.approx(3.5e12)


def test_two_samples_of_a_day_are_added():
    (day,) = daily_yield([harvest("1", "a"), harvest("1", "b", volume_ml=50.0)]).days
    assert day.samples == ("a", "b")
    assert day.particles.value == pytest.approx(4.0e12)


def test_nothing_known_at_all_is_no_number():
    for harvests in ([], [harvest(volume_ml=None)]):
        yields = daily_yield(harvests)
        assert yields.total.is_missing
    assert yields.message == "no day has a number of particles (missing: 1)"


@pytest.mark.parametrize("values", [{"volume_ml": 0.0}, {"volume_ml": -3.0}])
def test_an_impossible_volume_is_refused(values):
    with pytest.raises(UsageError):
        harvest(**values)


def three_days(name: str = "b") -> DailyYield:
    return daily_yield(
        [
            harvest("1", "a", is_relative=True),
            harvest("2", name, volume_ml=None),
            harvest("3", "c", volume_ml=900.0),
        ]
    )


def test_the_table_has_every_sample_every_day_and_the_sum(tmp_path):
    save_yields(three_days("=1+1"), tmp_path)
    rows = list(csv.DictReader((tmp_path / "yield.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["level"] for row in rows] == ["sample"] * 3 + ["day"] * 3 + ["sum"]
    first, missing = rows[0], rows[1]
    assert float(first["particles"]) == pytest.approx(3.5e12)
    assert float(first["particles_low"]) == pytest.approx(2.8e12)
    assert missing["sample"] == "'=1+1"
    assert missing["particles"] == missing["particles_low"] == missing["volume_ml"] == ""
    assert float(missing["stock_per_ml"]) == 1e10
    assert rows[-1]["status"] == "incomplete"
    # The first sample, its day, and the sum rest on a nominal depth.
    assert [row["is_relative"] for row in rows] == ["yes", "no", "no"] * 2 + ["yes"]
    # 3.5e12 + 1e10 x 900 = 12.5e12
    assert float(rows[-1]["particles"]) == pytest.approx(12.5e12)


def test_the_page_states_days_intervals_sum_and_what_is_missing():
    page = render_yields(three_days())
    for words in ("3.50 × 10¹²", "2.80 × 10¹² to 4.55 × 10¹²", "1.25 × 10¹³", "1 missing and not counted: 2"):
        assert words in page
    assert MISSING["no_volume"] in page
    assert "Relative." in page
    assert page == render_yields(three_days())
    complete = render_yields(daily_yield([harvest()]))
    assert "Relative." not in complete
    assert "Missing, not counted" not in complete


def test_the_bars_stand_where_the_axis_says():
    yields = three_days()
    # the largest number is the upper end of day 3, 1.3e10 x 900 = 1.17e13; the next round number is 1.5e13
    assert axis_top(yields) == pytest.approx(1.5e13)
    page = render_yields(yields)
    assert 'width="60.0%"' in page  # 9e12 of 1.5e13
    assert 'x2="78.0%"' in page  # 1.17e13 of 1.5e13
    assert math.isnan(axis_top(daily_yield([harvest(volume_ml=None)])))


@pytest.mark.parametrize("harvests", [[], [harvest(volume_ml=None)], [harvest(stock=Estimate(0.0, 0.0, 0.0))]])
def test_a_page_without_a_bar_can_be_drawn(harvests):
    assert "</html>" in render_yields(daily_yield(harvests))


def test_names_are_text_and_nothing_is_fetched():
    hostile = "<script>alert(1)</script>{{7*7}}</style>\n\N{TEST TUBE}" + "x" * 200
    page = render_yields(three_days(hostile), title=hostile)
    assert "<script" not in page
    assert page.count("</style>") == 1
    assert "&lt;script&gt;" in page
    assert "{{7*7}}" in page
    for address in ("http:", "https:", "src=", "@import", "url("):
        assert address not in page


def test_a_folder_that_cannot_be_written_is_one_error(tmp_path):
    with pytest.raises(FailedError, match="cannot write"):
        save_yields(three_days(), tmp_path / "not there")
