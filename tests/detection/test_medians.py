"""Medians by sorting networks and by counting are numpy's."""

from __future__ import annotations

import numpy as np
import pytest

from nta.detection.medians import median_over_frames, rank_of_counts


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("n", [*range(1, 18), 31, 47, 48])
def test_medians_over_frames_are_numpys(n, dtype):
    random = np.random.default_rng(n)
    white = np.iinfo(dtype).max
    for highest in (1, 5, white):
        frames = random.integers(0, highest, (n, 7, 90), dtype=dtype, endpoint=True)
        before = frames.copy()
        np.testing.assert_array_equal(median_over_frames(frames), np.median(frames, axis=0))
        np.testing.assert_array_equal(frames, before)


@pytest.mark.parametrize("n", [1, 6, 11])
def test_zeros_and_ones_in_any_order_are_sorted_as_far_as_the_middle(n):
    """A network that puts these in order puts all values in order (Knuth's principle of zeros and ones)."""
    patterns = (np.arange(2**n)[None, :] >> np.arange(n)[:, None]) & 1
    frames = patterns.astype(np.uint8)[:, None, :]
    np.testing.assert_array_equal(median_over_frames(frames), np.median(frames, axis=0))


def test_the_value_of_a_rank_is_that_of_the_sorted_ones():
    counts = np.array([2, 1, 4])
    assert [rank_of_counts(counts, rank) for rank in range(7)] == [0, 0, 1, 2, 2, 2, 2]
