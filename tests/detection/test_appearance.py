"""What a video looks like: noise, background, spot width and polarity, against what was put in."""

from __future__ import annotations

import numpy as np
import pytest

from nta.detection.appearance import look
from nta.spot_pixels import patches_around


def noise_frames(sd: float, n: int = 24, level: float = 20.0, seed: int = 0, shape=(120, 160)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(np.rint(rng.normal(level, sd, (n, *shape))), 0, 65535).astype(np.uint16)


def spotted(sd_px: float, peak: float, n: int = 24, seed: int = 0, noise: float = 2.0, level: float = 60.0):
    """Frames of 12 Gaussian spots each, at places that are new in every frame."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((120, 160))
    frames = rng.normal(level, noise, (n, 120, 160))
    for frame in frames:
        for row, column in rng.uniform((10, 10), (110, 150), (12, 2)):
            frame += peak * np.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * sd_px**2))
    return np.clip(np.rint(frames), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("sd", [0.5, 0.66, 1.0, 2.7, 3.0, 3.4, 12.0, 40.0])
def test_noise_is_not_quantised(sd):
    # 460800 values: a relative error of 0.1 %; integers add 1/12 to the variance
    appearance = look(noise_frames(sd, level=400.0))
    assert appearance.noise_sd == pytest.approx(np.sqrt(sd**2 + 1 / 12), rel=0.02)
    assert appearance.spot_sd_px == 1.35  # the default: camera noise has no width
    assert not appearance.inverted


def test_noise_and_background_follow_the_illumination():
    rng = np.random.default_rng(1)
    level = np.linspace(40, 160, 160)[None, None, :] * np.ones((48, 120, 1))
    frames = np.rint(level + rng.normal(0, np.sqrt(level / 8))).astype(np.uint8)
    appearance = look(frames)
    inner = slice(20, -20)
    np.testing.assert_allclose(appearance.background[:, inner], level[0][:, inner], atol=1.0)
    expected = np.sqrt(level[0] / 8 + 1 / 12)
    np.testing.assert_allclose(appearance.noise_map[:, inner], expected[:, inner], rtol=0.12)
    assert appearance.noise_map[:, -20:].mean() > 1.5 * appearance.noise_map[:, :20].mean()


@pytest.mark.parametrize("sd_px", [1.2, 2.0, 3.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_spots_tell_their_width_and_their_side(sd_px, sign):
    level = 60.0 if sign > 0 else 190.0
    appearance = look(spotted(sd_px, sign * 100.0, level=level))
    assert appearance.inverted == (sign < 0)
    assert appearance.spot_sd_px == pytest.approx(sd_px, rel=0.1)
    assert appearance.diameter_px == 2 * max(round(2.25 * appearance.spot_sd_px), 3) + 1
    # 12 spots reach, at 3 sd of theirs, over 2 to 16 % of the frame; their rims pass for noise
    np.testing.assert_allclose(appearance.background, level, atol=3.0)
    assert 1.98 < appearance.noise_sd < 2.0 * (1.05, 1.1, 1.2)[round(sd_px) - 1]


def test_a_stated_polarity_is_kept():
    assert look(spotted(2.0, 100.0), inverted=True).inverted
    dark = spotted(2.0, -100.0, level=190.0)
    assert not look(dark, inverted=False).inverted
    seen = look(dark)
    whole = np.array([[0.0, 0.0]])
    light = patches_around(
        dark[0], seen.background, whole, max(dark[0].shape), is_dark=seen.inverted, full_scale=255
    ).light
    assert light.max() > 80
    assert light.min() > -20


def test_the_detector_sees_the_noise_in_sixteen_grey_levels_where_there_is_room():
    for sd in (0.5, 1.0, 3.0, 12.0, 40.0):
        appearance = look(noise_frames(sd, level=400.0))
        assert appearance.full_scale == 1023
        gain = appearance.detector_gain
        assert gain * appearance.full_scale <= 65535
        assert gain * appearance.noise_sd >= 16 or gain == 64
        assert gain == 1 or gain * appearance.noise_sd < 32
    assert look(noise_frames(0.5).astype(np.uint8)).detector_gain == 32


@pytest.mark.parametrize(("brightest", "full_scale"), [(900, 1023), (4095, 4095), (9000, 16383), (60000, 65535)])
def test_cameras_of_ten_to_sixteen_bits(brightest, full_scale):
    frames = noise_frames(3.0, level=100.0)
    frames[0, 5, 5] = brightest
    appearance = look(frames)
    assert appearance.full_scale == full_scale
    assert appearance.saturated_share == (brightest == full_scale) / frames.size


def test_the_bits_that_a_file_states_are_believed_unless_a_sample_is_beyond_them():
    frames = noise_frames(3.0, level=100.0)
    assert look(frames).full_scale == 1023
    assert look(frames, bit_depth=12).full_scale == 4095
    assert look(frames, bit_depth=16).full_scale == 1023
    frames[0, 5, 5] = 9000
    assert look(frames, bit_depth=12).full_scale == 16383
    assert look(frames.astype(np.uint8), bit_depth=8).full_scale == 255


def test_saturated_share_of_eight_bits():
    frames = noise_frames(3.0).astype(np.uint8)
    frames[:, :12, :] = 255
    assert look(frames).saturated_share == pytest.approx(0.1)
