"""Particles per millilitre: an example computed by hand, and the error of a count that remembers itself."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tracks_simulated import acquisition

from nta.concentration import _relative_variance_of_mean, particle_concentration
from nta.diffusion import Diffusion
from nta.distribution import SizeDistribution
from nta.tracking import LinkedCapture, Tracks

FIELD = (5.5, 5.5, 400.0, 250.0)


def sample(n_frames=10, seen_share=0.8, n_captures=1, field=FIELD, particles=(0, 1, 2)):
    """Particle 0 in every frame, particle 1 in half of them, particle 2 in one frame only and not used."""
    rows = [(0, frame) for frame in range(n_frames)] + [(1, frame) for frame in range(n_frames // 2)] + [(2, 3)]
    table = pd.DataFrame(rows, columns=["particle", "frame"])
    table = pd.concat([table.assign(capture=number, x=1.0, y=1.0) for number in range(n_captures)])
    taken = acquisition(depth_um=10.0, n_frames=n_frames)
    captures = (LinkedCapture(taken, np.zeros((n_frames, 2)), field_px=field),) * n_captures
    used = [(number, particle) for number in range(n_captures) for particle in particles if particle < 2]
    rows_used = pd.DataFrame(used, columns=["capture", "particle"]).reindex(columns=list(Diffusion.COLUMNS))
    distribution = replace(SizeDistribution.missing(), seen_share=seen_share, n_tracks=len(used))
    return Tracks(table, captures), Diffusion(rows_used, captures=captures), distribution


def test_an_example_by_hand():
    found = particle_concentration(*sample())
    # 10 + 5 positions of used tracks in 10 frames: 1.5 per frame; 0.8 of them are in tracks: 1.875 in view.
    # Field 400 x 250 px at 0.1 µm: 40 x 25 µm; depth 10 µm: 10 000 µm³ = 1e-8 mL. 1.875/1e-8 mL = 1.875e8 per
    # mL.
    assert found.measured.value == pytest.approx(1.875e8, rel=1e-12)
    assert found.measured.low < found.measured.value < found.measured.high
    assert found.depth_um == 10.0
    assert found.measured.n == 2


def test_a_nominal_depth_makes_the_result_relative_and_its_interval_wide():
    found = particle_concentration(*sample())
    assert found.volume_source == "nominal"
    assert found.is_relative
    # Of an uncalibrated depth at least 20 % (one sigma) is not known: 95 % is a factor of exp(1.96 x 0.2) =
    # 1.48.
    assert found.measured.high / found.measured.value > 1.48
    assert found.measured.value / found.measured.low == pytest.approx(found.measured.high / found.measured.value)


@pytest.mark.parametrize("dilution", [1.0, 1000.0])
def test_stock_is_measured_times_dilution(dilution):
    found = particle_concentration(*sample(), dilution=dilution)
    assert found.stock == found.measured.scaled(dilution)


def test_without_a_dilution_the_stock_is_not_known():
    assert particle_concentration(*sample()).stock is None


def test_masked_areas_are_not_part_of_the_field():
    whole, masked = (particle_concentration(*sample(), masked_px=area) for area in (None, (25_000,)))
    # 25 000 of 100 000 px² are masked: the same count in three quarters of the volume.
    assert masked.measured.value == pytest.approx(whole.measured.value / 0.75, rel=1e-12)


def test_frames_without_any_particle_count():
    tracks, diffusion, distribution = sample()
    taken = replace(tracks.captures[0].acquisition, n_frames=30)
    longer = Tracks(tracks.table, (replace(tracks.captures[0], acquisition=taken),))
    found = particle_concentration(longer, diffusion, distribution)
    assert found.measured.value == pytest.approx(1.875e8 / 3, rel=1e-12)


def test_captures_are_averaged_and_narrow_the_interval():
    one, four = (particle_concentration(*sample(n_captures=n)) for n in (1, 4))
    assert four.measured.value == pytest.approx(one.measured.value)
    assert four.measured.high < one.measured.high
    assert four.measured.n == 8


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"seen_share": math.nan}, id="nothing sized"),
        pytest.param({"particles": ()}, id="no track used"),
        pytest.param({"n_captures": 0}, id="no capture"),
        pytest.param({"field": (0.0, 0.0, math.inf, math.inf)}, id="field not known"),
    ],
)
def test_what_was_not_measured_is_missing(changes):
    if changes.get("n_captures") == 0:
        tracks, diffusion, distribution = sample()
        found = particle_concentration(Tracks(tracks.table, ()), diffusion, distribution, dilution=10.0)
    else:
        found = particle_concentration(*sample(**changes), dilution=10.0)
    assert found.measured.is_missing
    assert found.stock is None
    assert math.isnan(found.depth_um)


def telegraph_counts(random, n_frames, mean, memory_frames):
    """A count of particles that come and go: each stays with the same probability from frame to frame."""
    stay = math.exp(-1 / memory_frames)
    counts = np.empty(n_frames)
    counts[0] = random.poisson(mean)
    for frame in range(1, n_frames):
        counts[frame] = random.binomial(int(counts[frame - 1]), stay) + random.poisson(mean * (1 - stay))
    return counts


def test_error_of_a_count_that_remembers_itself():
    """N = 200 counts of 1000 frames, seed 71: mean 20, memory 10 frames; predicted against observed scatter.

    The count has variance 20 and correlation exp(-k/10), so that the mean of F frames has the relative
    variance coth(1/20)/(20 F), 20 times that of independent frames, but for the ends.
    """
    random = np.random.default_rng(71)
    n_series, n_frames, mean, memory = 200, 1000, 20.0, 10.0
    series = [telegraph_counts(random, n_frames, mean, memory) for _ in range(n_series)]
    theory = 1 / math.tanh(0.5 / memory) / mean / n_frames
    observed = np.var([counts.mean() for counts in series], ddof=1) / mean**2
    assert abs(observed / theory - 1) / math.sqrt(2 / n_series) < 4
    stated = np.array([_relative_variance_of_mean(counts) for counts in series])
    # The observed scatter of 200 means has a relative standard error of sqrt(2/200) = 10 %.
    error = math.hypot(theory * math.sqrt(2 / n_series), stated.std() / math.sqrt(n_series))
    assert abs(stated.mean() - observed) / error < 4
    assert stated.mean() > 10 / (mean * n_frames)


def test_independent_counts_have_the_error_of_poisson():
    """N = 100 series of 500 frames, seed 72."""
    random = np.random.default_rng(72)
    stated = [_relative_variance_of_mean(random.poisson(20.0, 500).astype(float)) for _ in range(100)]
    assert np.mean(stated) == pytest.approx(1 / (20 * 500), rel=0.15)


def test_a_count_that_never_changes_has_at_least_the_error_of_poisson():
    assert _relative_variance_of_mean(np.full(100, 4.0)) == pytest.approx(1 / 400)
