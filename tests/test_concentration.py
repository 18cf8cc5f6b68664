"""Particles per millilitre: an example computed by hand, and what its interval is made of."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tracks_simulated import acquisition

from nta.concentration import Parts, particle_concentration
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


def test_the_error_of_the_share_seen_is_part_of_the_counts():
    tracks, diffusion, distribution = sample()
    exact = particle_concentration(tracks, diffusion, distribution)
    unsure = particle_concentration(tracks, diffusion, replace(distribution, seen_relative_sd=0.12))
    assert unsure.measured.value == exact.measured.value
    assert unsure.parts.counting == pytest.approx(math.hypot(exact.parts.counting, 0.12), rel=1e-12)


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


def test_hidden_spots_are_made_good():
    whole = particle_concentration(*sample())
    with_spots = particle_concentration(*sample(), spot_diameter_px=(9,))
    # 16 spots in 10 frames, 1.6 x pi 10^2 = 502.65 of 100 000 px² taken: -ln(1 - 0.0050265)/0.0050265 = 1.0025217
    assert with_spots.measured.value / whole.measured.value == pytest.approx(1.0025217, abs=1e-7)


def test_a_calibrated_depth_is_not_relative_and_brings_its_own_uncertainty():
    found = particle_concentration(*sample(), depth_relative_sd=0.04)
    assert (found.volume_source, found.is_relative, found.parts.volume) == ("calibration", False, 0.04)
    spread = math.exp(1.96 * math.hypot(found.parts.counting, 0.04))
    assert found.measured.high / found.measured.value == pytest.approx(spread)


def test_the_uncertainty_of_the_dilution_is_in_the_stock_alone():
    exact = particle_concentration(*sample(), dilution=100.0)
    stated = particle_concentration(*sample(), dilution=100.0, dilution_relative_sd=0.3)
    assert stated.measured == exact.measured
    assert stated.stock.value == exact.stock.value
    assert stated.stock.high > exact.stock.high
    assert math.isnan(exact.parts.dilution)
    parts = stated.parts
    spread = math.exp(1.96 * math.sqrt(parts.counting**2 + parts.volume**2 + 0.3**2))
    assert stated.stock.high / stated.stock.value == pytest.approx(spread)


def test_captures_that_agree_add_nothing_and_captures_that_differ_do():
    four = particle_concentration(*sample(n_captures=4))
    assert four.parts.captures == 0.0
    assert four.captures_per_ml == pytest.approx([1.875e8] * 4)
    assert math.isnan(particle_concentration(*sample()).parts.captures)
    tracks, diffusion, distribution = sample(n_captures=4)
    # Captures 2 and 3 each hold a thousand particles more: the four differ by far more than counts do.
    extra = pd.concat(
        [
            pd.DataFrame(
                {"particle": np.repeat(np.arange(10, 1010), 10), "frame": np.tile(np.arange(10), 1000)}
            ).assign(capture=number, x=1.0, y=1.0)
            for number in (2, 3)
        ]
    )
    differing = Tracks(pd.concat([tracks.table, extra]), tracks.captures)
    found = particle_concentration(differing, diffusion, distribution)
    rates = np.array(found.captures_per_ml)
    # sd/(mean sqrt(4)) of (1.5, 1.5, 1001.5, 1001.5)/0.8: 577.35/501.5/2 = 0.5756
    assert np.std(rates, ddof=1) / rates.mean() / 2 == pytest.approx(0.57562, abs=1e-4)
    assert found.parts.captures == pytest.approx(0.5756, rel=0.01)
    # Student's t: with three degrees of freedom and what else is not known, wider than the normal's 1.96
    total = math.sqrt(found.parts.counting**2 + found.parts.captures**2 + found.parts.volume**2)
    assert math.log(found.measured.high / found.measured.value) > 2.5 * total


def test_parts_are_written_and_read():
    parts = Parts(counting=0.1, volume=0.25)
    assert parts.to_dict() == {"counting": 0.1, "captures": None, "volume": 0.25, "dilution": None, "blank": None}
    assert Parts.from_dict(parts.to_dict()).to_dict() == parts.to_dict()
