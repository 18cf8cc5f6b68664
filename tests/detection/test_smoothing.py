"""Wide smoothing from every fourth row and column, against scipy's from all of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from nta.detection.smoothing import wide_gaussian


@pytest.mark.parametrize("shape", [(200, 333), (37, 61), (5, 300), (1, 1), (129, 128)])
@pytest.mark.parametrize("sd", [16.0, 32.0, 45.0])
def test_wide_gaussian_equals_its_twin(shape, sd):
    """Noise, a step, and single pixels that outshine all others, in a corner and inside; seed 30."""
    image = np.random.default_rng(30).uniform(0, 40, shape).astype(np.float32)
    image[:, shape[1] // 2 :] += 200.0
    image[0, 0] = image[shape[0] // 2, shape[1] // 3] = 3e4
    expected = gaussian_filter(image.astype(np.float64), sd, mode="nearest")
    error = np.abs(wide_gaussian(image, sd) - expected)
    assert error.max() <= 1e-5 * np.ptp(expected) + 3e-7 * expected.max()


def test_a_constant_image_stays():
    np.testing.assert_allclose(wide_gaussian(np.full((70, 90), 7.5), 32.0), 7.5, rtol=3e-7)
