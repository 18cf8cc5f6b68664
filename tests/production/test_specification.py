"""Specification files and the verdicts on a lot, each rule by hand."""

from __future__ import annotations

import hashlib
import math

import pytest

from nta.errors import UsageError
from nta.estimate import Estimate
from nta.production.findings import finding
from nta.production.release import NOT_MEASURED, Observation, assess, judge
from nta.production.specification import ATTRIBUTES, Limit, Specification

TEXT = """schema = "nta.specification/1"
name = "EV bulk"
version = "3"

[[limit]]
attribute = "particles_per_ug"
low = 3e10

[[limit]]
attribute = "concentration_per_ml"
label = 1e11
tolerance_percent = 20

[[limit]]
attribute = "fraction_percent"
window_nm = [50, 400]
low = 90

[[limit]]
attribute = "potency_percent"
low = 80
high = 125
sd_percent = 5

[[limit]]
attribute = "sterility"
"""


def specification(tmp_path, text: str = TEXT) -> Specification:
    path = tmp_path / "limits.toml"
    path.write_text(text, encoding="utf-8")
    return Specification.load(path)


def test_a_file_gives_its_rules_with_potency_before_purity_and_its_hash(tmp_path):
    found = specification(tmp_path)
    assert (found.name, found.version) == ("EV bulk", "3")
    assert [limit.attribute for limit in found.limits] == [
        "potency_percent",
        "sterility",
        "concentration_per_ml",
        "fraction_percent",
        "particles_per_ug",
    ]
    # 1e11 +- 20 %
    assert (found.limits[2].low, found.limits[2].high) == pytest.approx((0.8e11, 1.2e11))
    assert found.limits[3].window_nm == (50.0, 400.0)
    assert found.sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    assert found.limits[3].rule == "fraction_percent from 50 to 400 nm at least 90"


def test_potency_stands_first_of_all_attributes():
    order = list(ATTRIBUTES)
    assert order[0] == "potency_percent"
    assert order.index("potency_percent") < order.index("particles_per_ug")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('schema = "nta.specification/1"', "", "not a specification"),
        ('version = "3"', "", "version is missing"),
        ('name = "EV bulk"', "name = 3", "name is missing or no text"),
        ('version = "3"', 'version = "3"\nowner = "x"', "owner is not known"),
        ("low = 3e10", "lwo = 3e10", "limit 1: lwo not known"),
        ("low = 3e10", "", "limit 1: particles_per_ug has no bound"),
        ("low = 3e10", "low = nan", "limit 1: low is nan"),
        ("low = 3e10", "low = true", "limit 1: low is True"),
        ('"particles_per_ug"', '"colour"', "limit 1: 'colour' cannot be limited"),
        ("tolerance_percent = 20", "", "limit 2: concentration_per_ml: label and tolerance_percent go together"),
        ("tolerance_percent = 20", "tolerance_percent = 200", "is no range"),
        ("window_nm = [50, 400]", "window_nm = [400, 50]", "is empty"),
        ("window_nm = [50, 400]", "window_nm = 50", "is not \\[lower, upper\\]"),
        ("window_nm = [50, 400]", "", "limit 3: fraction_percent: window_nm goes with"),
        ("high = 125", "high = 60", "low 80 is not below high 60"),
        ("sd_percent = 5", "sd_percent = -5", "sd_percent -5 is negative"),
        ('"sterility"', '"sterility"\nlow = 1', "limit 5: sterility ends with pass or fail"),
        ('"sterility"', '"potency_percent"\nlow = 1', "limits potency_percent twice"),
        ("[[limit]]", "[limit", "is not a TOML file"),
    ],
)
def test_a_fault_of_a_file_is_said(tmp_path, old, new, words):
    assert old in TEXT
    with pytest.raises(UsageError, match=words):
        specification(tmp_path, TEXT.replace(old, new))


def test_all_faults_of_a_file_are_said_at_once(tmp_path):
    with pytest.raises(UsageError) as caught:
        specification(tmp_path, TEXT.replace("low = 3e10", "").replace("high = 125", "high = 60"))
    assert [line.split(":")[0] for line in str(caught.value).splitlines()[1:]] == ["limit 1", "limit 4"]


def test_a_specification_without_a_rule_is_refused(tmp_path):
    with pytest.raises(UsageError, match="has no limit"):
        specification(tmp_path, TEXT.split("[[")[0])
    with pytest.raises(UsageError, match="cannot read"):
        Specification.load(tmp_path / "not there.toml")


D50 = Limit("d50_nm", 95.0, 120.0)


@pytest.mark.parametrize(
    ("low", "value", "high", "result"),
    [
        (95.0, 107.0, 120.0, "pass"),  # the limits belong to what passes
        (94.9, 107.0, 119.0, "cannot tell"),
        (96.0, 107.0, 120.1, "cannot tell"),
        (90.0, 94.0, 94.9, "fail"),
        (90.0, 94.0, 95.0, "cannot tell"),
        (120.1, 130.0, 140.0, "fail"),
        (80.0, 107.0, 140.0, "cannot tell"),  # wider than the limits on both sides
        (math.nan, 107.0, math.nan, "cannot tell"),
        (96.0, 107.0, math.inf, "cannot tell"),
    ],
)
def test_a_verdict_is_that_of_the_whole_interval(low, value, high, result):
    verdict = judge(D50, Observation("d50_nm", Estimate(value, low, high), "pool", ("analysis 7",)))
    assert verdict.result == result
    assert (verdict.limit, verdict.seen.records) == (D50, ("analysis 7",))


def test_a_verdict_names_value_and_interval():
    verdict = judge(D50, Observation("d50_nm", Estimate(107.0, 99.0, 115.0)))
    assert verdict.limit.rule == "d50_nm from 95 to 120"
    assert verdict.reason == "107 (99 to 115) is within the limits"


@pytest.mark.parametrize(
    # 90 +- 1.96 x sd of 90: at 5 % 81.18 to 98.82, at 6 % 79.42
    ("sd_percent", "result"),
    [(None, "cannot tell"), (0.0, "pass"), (5.0, "pass"), (6.0, "cannot tell")],
)
def test_a_typed_value_has_the_uncertainty_that_the_rule_states(sd_percent, result):
    limit = Limit("potency_percent", 80.0, 125.0, sd_percent=sd_percent)
    assert judge(limit, Observation("potency_percent", Estimate(90.0, math.nan, math.nan))).result == result


def test_an_interval_that_was_measured_is_not_replaced():
    limit = Limit("d50_nm", 95.0, 120.0, sd_percent=0.0)
    assert judge(limit, Observation("d50_nm", Estimate(107.0, 80.0, 130.0))).result == "cannot tell"


@pytest.mark.parametrize(("word", "result"), [("pass", "pass"), ("fail", "fail"), ("maybe", "cannot tell")])
def test_an_assay_that_ends_with_a_word(word, result):
    assert judge(Limit("sterility"), Observation("sterility", word)).result == result


def good(tmp_path) -> tuple[Specification, list[Observation]]:
    exact = {"potency_percent": 100.0, "concentration_per_ml": 1e11, "particles_per_ug": 4e10}
    seen = [Observation(name, Estimate(value, 0.95 * value, 1.05 * value)) for name, value in exact.items()]
    seen.append(Observation("fraction_percent", Estimate(95.0, 93.0, 97.0), window_nm=(50.0, 400.0)))
    return specification(tmp_path), [*seen, Observation("sterility", "pass")]


def test_a_lot_passes_when_every_rule_does(tmp_path):
    found = assess(*good(tmp_path))
    assert (found.overall, found.open) == ("pass", ())
    assert [verdict.limit for verdict in found.verdicts] == list(found.specification.limits)


@pytest.mark.parametrize("left_out", range(5))
def test_a_lot_that_lacks_anything_does_not_pass(tmp_path, left_out):
    rules, seen = good(tmp_path)
    found = assess(rules, seen[:left_out] + seen[left_out + 1 :])
    assert found.overall == "cannot tell"
    assert len(found.open) == 1
    assert NOT_MEASURED in found.open[0]


def test_what_is_pending_or_found_keeps_a_lot_from_passing(tmp_path):
    assert assess(*good(tmp_path), pending=["mycoplasma"]).open == ("mycoplasma is pending; wait for its result",)
    grave = finding("day_missing", "day 2: no volume")
    assert assess(*good(tmp_path), pending=["mycoplasma"]).overall == "cannot tell"
    assert assess(*good(tmp_path), findings=[grave]).overall == "cannot tell"
    assert assess(*good(tmp_path), findings=[finding("volume_exact", "a")]).overall == "pass"


def test_one_failure_fails_the_lot_whatever_is_missing(tmp_path):
    rules, seen = good(tmp_path)
    assert assess(rules, [*seen[1:-1], Observation("sterility", "fail")], pending=["mycoplasma"]).overall == "fail"


def test_every_observation_of_a_rule_is_judged(tmp_path):
    rules, seen = good(tmp_path)
    low = Observation("potency_percent", Estimate(50.0, 40.0, 60.0), "sample b")
    found = assess(rules, [*seen, low])
    assert [verdict.result for verdict in found.verdicts][:2] == ["pass", "fail"]
    assert found.overall == "fail"


def test_another_window_is_another_attribute(tmp_path):
    rules, seen = good(tmp_path)
    seen[3] = Observation("fraction_percent", Estimate(95.0, 93.0, 97.0), window_nm=(50.0, 300.0))
    assert assess(rules, seen).overall == "cannot tell"


def test_an_observation_of_another_kind_is_refused():
    with pytest.raises(UsageError, match="no attribute"):
        Observation("colour", "red")
    with pytest.raises(UsageError, match="not of its kind"):
        Observation("d50_nm", "pass")
    with pytest.raises(UsageError, match="not of its kind"):
        Observation("sterility", Estimate(1.0, 1.0, 1.0))
