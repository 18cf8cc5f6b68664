"""How sure the detector is: against frames that this test makes, at thresholds that noise and spots do reach."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from nta.detection.appearance import Appearance, look
from nta.detection.detectability import PEAKS_SD, detectability
from nta.detection.engines import spot_finder
from nta.detection.threshold import FALSE_FEATURES_PER_FRAME, SAFETY, choose_min_mass

DIAMETER_PX = 9
SPOT_SD_PX = 1.9
NOISE_SD = 20.0
LEVEL = 400.0
UINT16 = np.dtype(np.uint16)


def appearance(shape=(240, 320), **changes):
    found = Appearance(
        background=np.full(shape, LEVEL, dtype=np.float32),
        noise_sd=NOISE_SD,
        noise_map=np.full(shape, NOISE_SD, dtype=np.float32),
        spot_sd_px=SPOT_SD_PX,
        inverted=False,
        saturated_share=0.0,
        full_scale=65535,
    )
    return replace(found, **changes)


@pytest.fixture(scope="module")
def threshold():
    """The video's own threshold, chosen on twelve frames of noise."""
    frames = np.random.default_rng(1).normal(LEVEL, NOISE_SD, (12, 240, 320))
    samples = np.rint(frames).astype(np.uint16)
    return choose_min_mass(look(samples, bit_depth=16), DIAMETER_PX, samples)


def one_spot_frames(random, peak_sd, n):
    """Frames of 64 px with one spot at a known place, made without the library."""
    y, x = np.indices((64, 64))
    for _ in range(n):
        centre = random.uniform(24.0, 40.0, 2)
        spot = np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * SPOT_SD_PX**2))
        grey = random.normal(LEVEL, NOISE_SD, (64, 64)) + peak_sd * NOISE_SD * spot
        yield np.rint(grey).astype(np.uint16), centre


@pytest.mark.parametrize("peak_sd", [2.0, 3.0, 4.0])
def test_the_share_is_that_of_spots_one_by_one(threshold, peak_sd):
    """N 400 and 175, seed 2: the middle of the curve, by a threshold moved to where half of the spots are found."""
    least = threshold * peak_sd / 3.0
    found = detectability(appearance(), DIAMETER_PX, least, UINT16).detected[PEAKS_SD.index(peak_sd)]
    find = spot_finder("fused", (64, 64), UINT16, DIAMETER_PX, invert=False, gain=1)
    hits = []
    for frame, centre in one_spot_frames(np.random.default_rng(2), peak_sd, 400):
        spots = find(frame, least)[:, :2]
        hits.append(len(spots) > 0 and np.min(np.hypot(*(spots - centre).T)) <= DIAMETER_PX / 2)
    alone = np.mean(hits)
    assert 0.05 < alone < 0.95  # it is about the part of the curve that says something
    p = (found.value * found.n + sum(hits)) / (found.n + 400)
    assert abs(found.value - alone) < 4 * math.sqrt(p * (1 - p) * (1 / found.n + 1 / 400))
    assert found.low <= found.value <= found.high


def test_what_noise_makes_is_what_noise_makes(threshold):
    """At the mass that the threshold's rule says noise reaches in a tenth of the frames: 120 frames, seed 3."""
    reached = threshold / SAFETY
    find = spot_finder("fused", (240, 320), UINT16, DIAMETER_PX, invert=False, gain=1)
    random = np.random.default_rng(3)
    frames = (np.rint(random.normal(LEVEL, NOISE_SD, (240, 320))).astype(np.uint16) for _ in range(120))
    masses = np.concatenate([find(frame, 0.6 * reached)[:, 2] for frame in frames])
    for least in (0.6 * reached, 0.8 * reached):
        counted = int(np.sum(masses > least))
        assert counted > 50
        rate = detectability(appearance(), DIAMETER_PX, least, UINT16).false_per_frame
        # 40 masses tell the tail's scale to a sixth; where it is continued it is an upper estimate.
        assert 0.5 * counted / 120 < rate < 2.0 * counted / 120
    assert (
        0.1 * FALSE_FEATURES_PER_FRAME
        < detectability(appearance(), DIAMETER_PX, reached, UINT16).false_per_frame
        < 10 * FALSE_FEATURES_PER_FRAME
    )
    assert detectability(appearance(), DIAMETER_PX, threshold, UINT16).false_per_frame < 0.01


def test_false_features_go_with_the_area_and_with_rough_ground(threshold):
    least = 0.5 * threshold
    small, large = (
        detectability(appearance(shape), DIAMETER_PX, least, UINT16).false_per_frame
        for shape in ((240, 320), (480, 640))
    )
    assert large / small == pytest.approx(472 * 632 / (232 * 312), rel=0.25)
    rough = detectability(appearance(), DIAMETER_PX, threshold, UINT16, roughness=1.6).false_per_frame
    smooth = detectability(appearance(), DIAMETER_PX, threshold / 1.6, UINT16).false_per_frame
    assert rough == pytest.approx(smooth)


def test_the_automatic_threshold_sees_five_sd_of_noise(threshold):
    found = detectability(appearance(), DIAMETER_PX, threshold, UINT16)
    assert found.missed_share.value < 0.05
    assert found.missed_share.low <= found.missed_share.value <= found.missed_share.high
    assert found.missed_share.n > 400
    shares = found.detected_share(np.array([0.5, 2.0, 2.5, 3.0, 5.0, 50.0]))
    assert np.all(np.diff(shares) >= 0)
    # The line passes through what was found, half a spot nearer to one half.
    three = found.detected[PEAKS_SD.index(3.0)]
    assert shares[3] == pytest.approx((three.value * three.n + 0.5) / (three.n + 1))
    assert {name: pair.origin for name, pair in found.values().items()} == {
        "false_per_frame": "video",
        "missed_share_at_5_sd": "video",
    }
    assert all(math.isfinite(pair.value) for pair in found.values().values())


def test_a_higher_threshold_misses_more(threshold):
    missed = [
        detectability(appearance(), DIAMETER_PX, factor * threshold, UINT16).missed_share.value
        for factor in (1, 1.6, 4)
    ]
    assert missed[0] < missed[1] < missed[2]
    assert missed[2] == 1.0


def test_dark_spots_are_bright_ones_upside_down(threshold):
    # Noise and light are mirrored by another seed's luck only in the noise: shares agree, not bits.
    bright, dark = (
        detectability(appearance(inverted=inverted), DIAMETER_PX, 0.9 * threshold, UINT16, gain=1)
        for inverted in (False, True)
    )
    for one, other in zip(bright.detected, dark.detected, strict=True):
        assert abs(one.value - other.value) < 4 * math.sqrt(0.5 / one.n)
    assert dark.missed_share.value < 0.1


def test_both_engines_find_the_same(threshold):
    small = appearance((80, 100))
    one, other = (
        detectability(small, DIAMETER_PX, 0.8 * threshold, UINT16, engine=engine) for engine in ("fused", "trackpy")
    )
    assert one == other


def test_it_is_the_same_every_time_and_fits_any_field(threshold):
    small = appearance((4 * DIAMETER_PX, 4 * DIAMETER_PX))
    first, second = (detectability(small, DIAMETER_PX, threshold, UINT16) for _ in range(2))
    assert first == second
    assert sum(found.n for found in first.detected) == 64
    bytes_too = appearance(
        background=np.full((240, 320), 12, dtype=np.float32),
        noise_map=np.ones((240, 320), dtype=np.float32),
        noise_sd=1.0,
        full_scale=255,
    )
    # 16 times less of everything, searched 16 times brighter: a grey level of noise is as good as twenty.
    found = detectability(bytes_too, DIAMETER_PX, threshold / NOISE_SD, np.dtype(np.uint8))
    assert found.missed_share.value < 0.1


def test_the_local_noise_counts():
    noise = np.ones((240, 320), dtype=np.float32) * NOISE_SD
    noise[:, 160:] *= 2.0
    uneven = appearance(noise_map=noise)
    # At one threshold for all, a spot of so many noise sd is twice as bright where the noise is twice as large.
    found = detectability(uneven, DIAMETER_PX, 4.0 * 190.0, UINT16)
    plain = detectability(appearance(), DIAMETER_PX, 4.0 * 190.0, UINT16)
    assert found.false_per_frame > plain.false_per_frame
    assert found.detected[2].value > plain.detected[2].value
