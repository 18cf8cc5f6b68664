"""Frames for the tests of reading and writing."""

import numpy as np
import pytest
from video_checks import HEIGHT, WIDTH, N


@pytest.fixture(scope="session")
def frames():
    """Noise on a slope, neither square nor symmetric, so that a flip or a shift cannot pass."""
    rng = np.random.default_rng(20)
    slope = np.linspace(20, 200, WIDTH)[None, :] + np.linspace(0, 30, HEIGHT)[:, None]
    return [(slope + rng.normal(0, 5, (HEIGHT, WIDTH))).clip(0, 255).astype(np.uint8) for _ in range(N)]
