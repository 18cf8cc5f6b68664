"""Recovery of steps and of their chain, by hand."""

from __future__ import annotations

import math

import pytest

from nta.estimate import Estimate
from nta.production import MISSING, Harvest
from nta.production.steps import Portion, Step, chain_recovery, recovery_of


def sample(name: str, per_ml: float, counting: float, calibration: str = "abc", **given: object) -> Harvest:
    parts = {"counting": counting, "volume": 0.2}
    spread = math.exp(1.96 * math.hypot(counting, 0.2))
    stock = Estimate(per_ml, per_ml / spread, per_ml * spread)
    values = {"stock": stock, "parts": parts, "calibration": calibration, **given}
    return Harvest("1", name, "ok", volume_ml=None, **values)


MEDIUM = sample("medium", 1e9, 0.03, record=1)
CLEAR = sample("clear", 0.9e9, 0.04, record=2)
CONCENTRATE = sample("concentrate", 2e10, 0.05, record=3)
CLARIFICATION = Step("clarification", Portion(MEDIUM, 400.0, 0.01), Portion(CLEAR, 380.0, 0.01))
CONCENTRATION = Step("concentration", Portion(CLEAR, 380.0, 0.01), Portion(CONCENTRATE, 12.0, 0.02))


def relative_sd(estimate: Estimate) -> float:
    return math.log(estimate.high / estimate.low) / 2 / 1.96


def test_a_step_by_hand():
    # out 0.9e9 x 380 = 3.42e11, in 1e9 x 400 = 4e11: 0.855; the depth, 20 %, is of both and cancels
    # sqrt(0.03² + 0.04² + 0.01² + 0.01²) = sqrt(0.0027) = 0.0519615
    found = recovery_of(CLARIFICATION)
    assert found.share.value == pytest.approx(0.855)
    assert relative_sd(found.share) == pytest.approx(0.0519615, rel=1e-5)
    assert found.records == (1, 2)


def test_two_calibrations_do_not_cancel():
    other = Step("clarification", CLARIFICATION.before, Portion(sample("clear", 0.9e9, 0.04, "def"), 380.0, 0.01))
    # sqrt(0.0027 + 2 x 0.2²) = 0.287576
    assert relative_sd(recovery_of(other).share) == pytest.approx(0.287576, rel=1e-5)


def test_the_chain_is_the_product_and_what_lies_between_cancels():
    # out 2e10 x 12 = 2.4e11; 2.4e11/3.42e11 = 0.701754; 0.855 x 0.701754 = 0.6 = 2.4e11/4e11
    # the count of "clear" cancels: sqrt(0.03² + 0.05² + 0.01² + 0.01² + 0.01² + 0.02²) = sqrt(0.0041) = 0.0640312
    each, chain = chain_recovery([CLARIFICATION, CONCENTRATION])
    assert each[1].share.value == pytest.approx(0.701754, rel=1e-5)
    assert chain.share.value == pytest.approx(0.6)
    assert relative_sd(chain.share) == pytest.approx(0.0640312, rel=1e-5)
    assert chain.records == (1, 2, 3)


@pytest.mark.parametrize(
    ("portion", "reason"),
    [
        (Portion(CLEAR, None), "no_volume"),
        (Portion(CLEAR, 0.0), "no_volume"),
        (Portion(sample("clear", 1e9, 0.04, dilution=0.0), 380.0), "zero_dilution"),
        (Portion(Harvest("1", "clear", "failed", None, None), 380.0), "no_measurement"),
    ],
)
def test_a_step_that_lacks_something_says_what_and_so_does_the_chain(portion, reason):
    each, chain = chain_recovery([Step("clarification", CLARIFICATION.before, portion), CONCENTRATION])
    assert each[0].share.is_missing
    assert each[0].reasons == (f"clear: {MISSING[reason]}",)
    assert not each[1].share.is_missing
    assert chain.share.is_missing
    assert chain.reasons == (f"clarification: clear: {MISSING[reason]}",)


def test_without_the_parts_of_an_interval_there_is_no_recovery():
    bare = Portion(Harvest("1", "clear", "ok", Estimate(1e9, 0.8e9, 1.2e9), None), 380.0)
    assert "not on record" in recovery_of(Step("clarification", CLARIFICATION.before, bare)).reasons[0]


def test_no_step_is_no_chain():
    each, chain = chain_recovery([])
    assert each == ()
    assert chain.share.is_missing
    assert "no step is stated" in chain.reasons[0]
