"""Peaks of a density, against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import find_peaks

from nta.size_statistics import summits

# Few levels make flat tops, equal heights and ties with the prominence that is asked for.
LEVELS = st.lists(st.integers(0, 5).map(lambda level: level / 4.0), min_size=2, max_size=60)


@given(LEVELS, st.integers(0, 5).map(lambda level: level / 4.0))
def test_summits_are_scipys_on_steps(levels, prominence):
    values = np.array(levels)
    expected = find_peaks(values, prominence=prominence)[0]
    assert summits(values, prominence).tolist() == expected.tolist()


@pytest.mark.parametrize("seed", range(20))
def test_summits_are_scipys_on_noise(seed):
    values = np.concatenate([[0.0], np.abs(np.random.default_rng(seed).normal(size=1000)), [0.0]])
    for share in (0.0, 0.05, 0.5):
        expected = find_peaks(values, prominence=share * values.max())[0]
        assert summits(values, share * values.max()).tolist() == expected.tolist()
    assert len(summits(values, 0.0)) > 100
