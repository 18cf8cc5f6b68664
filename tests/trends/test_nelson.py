"""Each of Nelson's eight rules: a hand-made series that raises it at a stated point, and a neighbour that does not.

Values are in standard deviations from the centre; points are counted from 1.
"""

from __future__ import annotations

import numpy as np
import pytest

from nta.trends import NELSON_RULES, nelson_rules

UP, DOWN = 0.5, -0.5

CASES = {
    # rule: (series, points at which it is raised, neighbour in which it is raised nowhere)
    1: ([0.1, 3.1, -0.1, -3.1], [2, 4], [0.1, 3.0, -0.1, -3.0]),
    # Nine above; in the neighbour the fifth lies on the centre, which is neither side
    2: ([DOWN] + [UP, 0.6] * 4 + [UP, 0.7], [10, 11], [DOWN] + [UP, 0.6] * 2 + [0.0] + [UP, 0.6] * 2),
    # Six rising; in the neighbour two of them are equal
    3: ([0.5, -0.5, -0.3, -0.1, 0.1, 0.3, 0.5], [7], [0.5, -0.5, -0.3, -0.1, -0.1, 0.3, 0.5]),
    # Fourteen in turn; in the neighbour thirteen, then a step the same way
    4: ([UP, DOWN] * 7, [14], [UP, DOWN] * 6 + [UP, 0.9]),
    # Two of three above 2; in the neighbour on two sides
    5: ([0.0, 2.1, 0.3, 2.2], [4], [0.0, 2.1, 0.3, -2.2]),
    # Four of five below -1; in the neighbour three and one on the line
    6: ([0.0, -1.1, -1.2, 0.2, -1.3, -1.1], [6], [0.0, -1.1, -1.2, 0.2, -1.3, -1.0]),
    # Fifteen within 1; in the neighbour the eighth lies on the line
    7: ([UP, 0.6, DOWN] * 5, [15], [UP, 0.6, DOWN, UP, 0.6, DOWN, UP, 1.0, DOWN] + [UP, 0.6, DOWN] * 2),
    # Eight beyond 1 on both sides; in the neighbour one of them within
    8: ([1.2, -1.2, 1.3, -1.3] * 2, [8], [1.2, -1.2, 1.3, -1.3, 1.2, 0.9, 1.3, -1.3]),
}


def raised(values, rule, centre=0.0, sd=1.0):
    found = nelson_rules(np.array(values), centre, sd)
    return [number for number, rules in enumerate(found, 1) if rule in rules]


@pytest.mark.parametrize("rule", NELSON_RULES)
def test_the_rule_is_raised_at_the_point_that_completes_it(rule):
    values, expected, _ = CASES[rule]
    assert raised(values, rule) == expected


@pytest.mark.parametrize("rule", NELSON_RULES)
def test_the_neighbour_does_not_raise_it(rule):
    assert raised(CASES[rule][2], rule) == []


@pytest.mark.parametrize("rule", NELSON_RULES)
def test_the_mirror_image_in_other_units_raises_it_at_the_same_point(rule):
    values, expected, _ = CASES[rule]
    assert raised([107.0 - 4.0 * value for value in values], rule, 107.0, 4.0) == expected


@pytest.mark.parametrize("rule", NELSON_RULES)
def test_a_series_too_short_for_it_does_not(rule):
    values, expected, _ = CASES[rule]
    assert raised(values[: expected[0] - 1], rule) == []


def test_eight_beyond_one_side_are_not_rule_8():
    assert raised([1.2] * 8, 8) == []


def test_rule_5_is_complete_with_the_second_of_two_points():
    assert raised([2.1, 2.1], 5) == [2]


def test_rule_5_is_not_raised_at_a_point_within():
    assert raised([2.1, 2.1, 0.0], 5) == [2]


def test_no_value_raises_nothing():
    assert nelson_rules(np.array([]), 0.0, 1.0) == ()
    assert nelson_rules(np.array([0.1]), 0.0, 1.0) == ((),)


def test_false_alarms_of_normal_values_are_as_often_as_theory_says():
    """Rules 1 and 2 have closed forms; n = 200 000, seed 9.

    Rule 1: 2 (1 - Phi(3)) = 0.0027 of the points. Rule 2: the last nine on one side, 2/2^9 of the points; neighbours
    hang together with covariance p 2^-k - p² at distance k up to 8.
    """
    n = 200_000
    found = nelson_rules(np.random.default_rng(9).normal(size=n), 0.0, 1.0)
    for rule, p in ((1, 0.0026998), (2, 2.0**-8)):
        together = sum(p * 2.0**-k - p**2 for k in range(1, 9)) if rule == 2 else 0.0
        sd = np.sqrt((p * (1 - p) + 2.0 * together) / n)
        z = (sum(rule in rules for rules in found) / n - p) / sd
        assert abs(z) < 4.0
