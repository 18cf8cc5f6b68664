"""The blank: errors that add and one that is shared, sizes that are never negative, and a sample that is not there."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.stats import norm
from tracks_simulated import acquisition

from nta.blank import Blank, difference, nonnegative_difference, subtract_blank
from nta.concentration import Concentration, Parts
from nta.diffusion import Diffusion
from nta.distribution import SizeDistribution
from nta.errors import UsageError
from nta.estimate import Estimate
from nta.settings import Sourced
from nta.size_statistics import cumulative_share, point_statistics, size_statistics
from nta.tracking import LinkedCapture, Tracks

GRID = np.arange(30.0, 301.0)
FIELD = (0.0, 0.0, 400.0, 250.0)  # at 0.1 µm per pixel and 10 µm deep: 1e-8 mL


def lognormal(median_nm, log_sd, grid=GRID):
    density = norm.pdf(np.log(grid / median_nm) / log_sd) / grid
    return density / np.trapezoid(density, grid)


def concentration(per_ml, counting=0.05, volume=0.25, captures=math.nan, stock=None, **changes):
    spread = math.exp(1.96 * math.hypot(counting, volume))
    measured = Estimate(per_ml, per_ml / spread, per_ml * spread)
    parts = Parts(counting=counting, captures=captures, volume=volume)
    found = Concentration(measured, stock, "nominal", 10.0, parts, (per_ml,))
    return replace(found, **changes)


def distribution(density, drawn=(), grid=GRID, n_tracks=500):
    density = density / np.trapezoid(density, grid)
    drawn = np.array(drawn).reshape(-1, grid.size)
    columns = (grid, density, density, density, cumulative_share(grid, density))
    return SizeDistribution(
        pd.DataFrame(dict(zip(SizeDistribution.COLUMNS, columns, strict=True))),
        size_statistics(grid, density, drawn, n_tracks),
        n_tracks,
        drawn=drawn,
        n_particles=0.8 * n_tracks,
    )


def tracked(n_tracks, n_frames=100, diameter_nm=100.0):
    captures = (LinkedCapture(acquisition(n_frames=n_frames), np.zeros((n_frames, 2)), field_px=FIELD),)
    table = pd.DataFrame({"particle": range(n_tracks), "diameter_nm": diameter_nm}, dtype=float)
    return Tracks(Tracks.empty_table(), captures), Diffusion(table.reindex(columns=list(Diffusion.COLUMNS)))


@pytest.fixture
def measured(a_measurement):
    """The function ``measured(density, per_ml, **concentration)``: a sample of known sizes and number."""

    def make(density, per_ml, *, drawn=(), n_tracks=500, values=None, grid=GRID, **changes):
        found = distribution(density, drawn, grid, n_tracks) if per_ml else SizeDistribution.missing()
        tracks, diffusion = tracked(n_tracks)
        plain = a_measurement()
        return replace(
            plain,
            distribution=found,
            size=found.size,
            tracks=tracks,
            diffusion=diffusion,
            concentration=concentration(per_ml, **changes) if per_ml else Concentration.missing(),
            values={**plain.values, **{name: Sourced(value, "video") for name, value in (values or {}).items()}},
        )

    return make


# --- The number --------------------------------------------------------------------------------------------


def test_normal_intervals_add_in_quadrature():
    found = difference(Estimate(10.0, 7.0, 13.0), Estimate(4.0, 0.0, 8.0))
    assert (found.value, found.low, found.high) == (6.0, 1.0, 11.0)


def test_the_interval_holds_with_counts_of_their_own_and_one_volume_for_both(measured):
    """N 1000, seed 1: Poisson counts of mean 200 and 100, one depth for both that is wrong by 10 %."""
    random = np.random.default_rng(1)
    truth, held = 100.0, 0
    sample, blank = measured(lognormal(110, 0.25), 1.0), measured(lognormal(70, 0.25), 1.0)
    n = 1000
    for _ in range(n):
        depth = math.exp(0.1 * random.standard_normal())
        counts = random.poisson(200), random.poisson(100)
        one, other = (
            concentration(count * depth, counting=1 / math.sqrt(count), volume=0.1, captures_per_ml=())
            for count in counts
        )
        found = subtract_blank(
            replace(sample, concentration=one), replace(blank, concentration=other, distribution=blank.distribution)
        ).measurement.concentration.measured
        held += found.low <= truth <= found.high
    # With the depth's error in both, as if they were two, the interval would be 1.4 times as wide and hold 99.4 %.
    assert abs(held / n - 0.95) < 4 * math.sqrt(0.95 * 0.05 / n)


def test_the_parts_are_those_of_the_difference(measured):
    sample = measured(lognormal(110, 0.25), 3e8, counting=0.06, stock=Estimate(3e10, 2e10, 4e10))
    blank = measured(lognormal(70, 0.25), 1e8, counting=0.12)
    found = subtract_blank(sample, blank).measurement.concentration
    assert found.measured.value == pytest.approx(2e8)
    # over the 2e8 that are left: 3e8 x 6 % and, common to all samples with this blank, 1e8 x 12 %
    assert (found.parts.counting, found.parts.blank) == pytest.approx((0.09, 0.06))
    assert found.parts.volume == 0.25
    assert found.stock.value == pytest.approx(2e10)
    assert found.stock.high / found.stock.value == pytest.approx(found.measured.high / found.measured.value)
    # Log-normal where counts are well known: about the quadrature of the relative errors.
    spread = 1.96 * math.hypot(found.parts.counting, found.parts.blank, 0.25)
    assert math.log(found.measured.high / found.measured.low) / 2 == pytest.approx(spread, rel=0.03)


def test_captures_that_differ_widen_the_difference_by_students_t(measured):
    sample = measured(lognormal(110, 0.25), 3e8, captures_per_ml=(2.7e8, 3.3e8), captures=0.1)
    blank = measured(lognormal(70, 0.25), 1e8)
    alone = measured(lognormal(110, 0.25), 3e8, captures_per_ml=(3e8, 3e8), captures=0.0)
    found, plain = (subtract_blank(one, blank).measurement.concentration for one in (sample, alone))
    assert found.parts.captures == pytest.approx(0.15)
    # At one and a half degrees of freedom t is above 4.
    total = math.sqrt(sum(part**2 for part in (found.parts.counting, found.parts.blank, 0.15, 0.25)))
    assert math.log(found.measured.high / found.measured.value) > 1.96 * total
    assert found.measured.high > plain.measured.high


def test_two_depths_are_two_errors(measured):
    sample, blank = measured(lognormal(110, 0.25), 3e8), measured(lognormal(70, 0.25), 1e8)
    other = replace(blank, concentration=replace(blank.concentration, depth_um=20.0))
    common, apart = (subtract_blank(sample, one).measurement.concentration for one in (blank, other))
    assert apart.parts.volume == pytest.approx(math.hypot(3, 1) / 2 * 0.25)
    assert apart.measured.low < common.measured.low


@pytest.mark.parametrize("blank_per_ml", [1.05e8, 2e8, 1e8])
def test_a_sample_that_is_not_above_its_blank_has_a_limit_in_place_of_a_number(measured, blank_per_ml):
    sample = measured(lognormal(110, 0.25), 1e8, counting=0.1, stock=Estimate(1e9, 5e8, 2e9))
    found = subtract_blank(sample, measured(lognormal(70, 0.25), blank_per_ml, counting=0.1))
    assert found.measurement.concentration.measured.is_missing
    assert found.measurement.concentration.stock is None
    assert found.measurement.distribution.table.empty
    assert found.measurement.size.d50.is_missing
    assert set(found.complaints) == {"below_blank"}
    # Counts of 1 ± 0.1 and 2 ± 0.2 differ by 4 of their errors: nothing can be left.
    assert (found.blank.limit_per_ml > 0) == (blank_per_ml < 2e8)
    assert ("at most" in found.complaints["below_blank"]) == (blank_per_ml < 2e8)
    json.dumps(found.blank.to_dict(), allow_nan=False)


def test_of_two_captures_of_one_diluent_few_are_above_the_other(measured):
    """N = 1000 pairs of Poisson counts of mean 200, seed 5: the 95 % interval lies above 0 in one of forty."""
    random = np.random.default_rng(5)
    sample, blank = measured(lognormal(110, 0.25), 1e8), measured(lognormal(110, 0.25), 1e8)
    above = 0
    for counts in random.poisson(200, (1000, 2)):
        one, other = (concentration(n * 1e6, counting=1 / math.sqrt(n), captures_per_ml=()) for n in counts)
        pair = replace(sample, concentration=one), replace(blank, concentration=other)
        above += not subtract_blank(*pair).measurement.concentration.measured.is_missing
    assert abs(above / 1000 - 0.025) < 4 * math.sqrt(0.025 * 0.975 / 1000)


# --- A blank of which nothing was sized --------------------------------------------------------------------


def test_no_particle_in_the_blank_is_zero_with_the_upper_limit_of_poisson(measured):
    sample, blank = measured(lognormal(110, 0.25), 1e8), measured(None, 0.0, n_tracks=0)
    found = subtract_blank(sample, blank)
    # 500 tracks of 400 particles make 1e8 per mL: one particle in as many frames is 2.5e5; -ln 0.025 = 3.689 of them.
    assert found.blank.concentration.value == 0.0
    assert found.blank.concentration.low == 0.0
    assert found.blank.concentration.high == pytest.approx(3.6889 * 2.5e5, rel=1e-4)
    assert found.measurement.distribution is sample.distribution
    assert found.measurement.concentration.measured.value == 1e8
    assert found.measurement.concentration.measured.low < sample.concentration.measured.low
    assert not found.complaints
    assert found.blank.to_dict()["fraction"] == 0.0


def test_a_blank_looked_at_for_half_as_long_knows_half_as_much(measured):
    sample, blank = measured(lognormal(110, 0.25), 1e8), measured(None, 0.0, n_tracks=0)
    shorter = replace(blank, tracks=tracked(0, n_frames=50)[0])
    limits = [subtract_blank(sample, one).blank.concentration.high for one in (blank, shorter)]
    assert limits[1] == pytest.approx(2 * limits[0])


def test_a_few_tracks_count_as_those_of_the_sample(measured):
    sample, blank = measured(lognormal(110, 0.25), 1e8), measured(None, 0.0, n_tracks=5)
    found = subtract_blank(sample, blank).blank.concentration
    assert found.value == pytest.approx(1e6)
    # Garwood's interval for 4 particles: 1.0899 to 10.2416
    assert found.low == pytest.approx(1.0899 * 2.5e5, rel=1e-4)
    assert found.high == pytest.approx(10.2416 * 2.5e5, rel=1e-4)
    outside = replace(blank, diffusion=tracked(5, diameter_nm=500.0)[1])
    assert subtract_blank(sample, outside).blank.concentration.value == 0.0


# --- The sizes ---------------------------------------------------------------------------------------------


def ascending_by_every_window(values):
    """Isotonic regression by its min-max formula: the slow twin of pooling."""
    n = len(values)
    return np.array([max(min(values[j : k + 1].mean() for k in range(i, n)) for j in range(i + 1)) for i in range(n)])


def test_the_difference_is_the_ascending_cumulative_that_is_nearest():
    random = np.random.default_rng(2)
    grid = np.arange(50.0, 110.0)
    wanted = lognormal(85, 0.15, grid) * 3 + random.normal(0, 0.02, grid.size)
    found = nonnegative_difference(grid, wanted)
    cumulative = np.concatenate([[0], np.cumsum((wanted[1:] + wanted[:-1]) / 2)])
    nearest = np.clip(ascending_by_every_window(cumulative), 0, cumulative[-1])
    assert np.all(found >= 0)
    assert np.trapezoid(found, grid) == pytest.approx(1)
    # Of a mean density of 3/60 per nm, what is cut at the end of a pool is half a nanometre.
    ours = cumulative_share(grid, found) * cumulative[-1]
    assert np.max(np.abs(ours - nearest)) < 0.05
    cut = np.maximum(wanted, 0) / np.trapezoid(np.maximum(wanted, 0), grid)
    assert np.sum((ours - cumulative) ** 2) < np.sum((cumulative_share(grid, cut) * cumulative[-1] - cumulative) ** 2)


def test_a_known_mixture_is_taken_apart(measured):
    own, dirt = lognormal(120, 0.2), lognormal(60, 0.2)
    found = subtract_blank(measured(0.7 * own + 0.3 * dirt, 1e8), measured(dirt, 3e7)).measurement
    table = found.distribution.table
    np.testing.assert_allclose(table["density_per_nm"], own, atol=1e-6)
    assert found.size.d50.value == pytest.approx(point_statistics(GRID, own)["d50"], abs=0.01)
    assert np.trapezoid(table["density_per_nm"], table["diameter_nm"]) == pytest.approx(1, abs=1e-9)
    assert found.distribution.n_particles == pytest.approx(0.7 * 400)
    assert not found.distribution.mixture.components
    assert found.size is found.distribution.size


def test_grids_of_other_ends_are_laid_side_by_side(measured):
    longer = np.arange(25.0, 350.0)
    own, dirt = lognormal(120, 0.2), lognormal(60, 0.2, longer)
    mixed = 0.7 * own + 0.3 * np.interp(GRID, longer, dirt)
    found = subtract_blank(measured(mixed, 1e8), measured(dirt, 3e7, grid=longer)).measurement
    diameter = found.distribution.table["diameter_nm"].to_numpy()
    np.testing.assert_array_equal(diameter, longer)
    assert found.size.d50.value == pytest.approx(point_statistics(GRID, own)["d50"], abs=0.1)


def drawn_density(random, density, n_particles, n_draws):
    """A smoothed histogram of Poisson counts, and others of it again as a bootstrap makes them."""
    expected = density * n_particles
    counts = random.poisson(expected)
    draws = random.poisson(np.broadcast_to(counts, (n_draws, GRID.size)))
    rows = gaussian_filter1d(np.vstack([counts, draws]).astype(float), 4.0, axis=1, mode="constant")
    return counts.sum(), rows / np.trapezoid(rows, GRID, axis=1)[:, None]


def test_the_interval_of_the_difference_holds_the_truth(measured):
    """N 120, seed 3: 600 particles, 30 % of them the blank's, of which 180 are seen again in the blank."""
    random = np.random.default_rng(3)
    own, dirt = lognormal(120, 0.25), lognormal(70, 0.25)
    smoothed = gaussian_filter1d(own, 4.0, mode="constant")
    truth = point_statistics(GRID, smoothed / np.trapezoid(smoothed, GRID))["d50"]
    d50, held, before = [], 0, []
    for _ in range(120):
        n, rows = drawn_density(random, 0.7 * own + 0.3 * dirt, 600, 60)
        n_blank, rows_blank = drawn_density(random, dirt, 180, 60)
        sample = measured(rows[0], 1e6 * n, drawn=rows[1:], counting=1 / math.sqrt(n))
        blank = measured(rows_blank[0], 1e6 * n_blank, drawn=rows_blank[1:], counting=1 / math.sqrt(n_blank))
        found = subtract_blank(sample, blank).measurement.size.d50
        d50.append(found.value)
        before.append(sample.size.d50.value)
        # Scale, temperature and exposure are exact here; their part in the interval is taken out.
        held += found.low <= truth <= found.high
    assert np.mean(before) < truth - 10  # there is something to subtract
    z = (np.mean(d50) - truth) / (np.std(d50) / math.sqrt(len(d50)))
    assert abs(z) < 4
    assert held / 120 > 0.95 - 4 * math.sqrt(0.95 * 0.05 / 120)


def test_the_small_end_is_right_on_average():
    """N 200, seed 6: 600 particles, 60 % of them the blank's; cut at 0 and made to sum up, D10 would be 6 nm low."""
    random = np.random.default_rng(6)
    own, dirt = lognormal(120, 0.25), lognormal(70, 0.25)
    smoothed = gaussian_filter1d(own, 4.0, mode="constant")
    truth = point_statistics(GRID, smoothed)["d10"]
    found = []
    for _ in range(200):
        both, alone = (
            gaussian_filter1d(random.poisson(expected).astype(float), 4.0, mode="constant")
            for expected in ((0.4 * own + 0.6 * dirt) * 600, 0.6 * dirt * 600)
        )
        found.append(point_statistics(GRID, nonnegative_difference(GRID, both - alone))["d10"])
    assert abs(np.mean(found) - truth) < 4 * np.std(found) / math.sqrt(len(found))
    assert abs(np.mean(found) - truth) < 4.0


def test_without_draws_there_is_no_interval(measured):
    found = subtract_blank(measured(lognormal(110, 0.25), 1e8), measured(lognormal(70, 0.25), 2e7)).measurement
    assert math.isfinite(found.size.d50.value)
    assert math.isnan(found.size.d50.low)
    assert found.distribution.table["density_low_per_nm"].isna().all()


def test_the_same_sample_and_blank_give_the_same_draws(measured):
    random = np.random.default_rng(4)
    sample, blank = (
        measured(rows[0], per_ml, drawn=rows[1:])
        for per_ml, median in ((1e8, 120), (3e7, 70))
        for _, rows in [drawn_density(random, lognormal(median, 0.2), 500, 30)]
    )
    first, second = (subtract_blank(sample, blank).measurement.distribution for _ in range(2))
    assert first.drawn.shape == (30, GRID.size)
    np.testing.assert_array_equal(first.drawn, second.drawn)
    other = replace(sample, values={**sample.values, "seed": Sourced(5, "settings")})
    assert not np.array_equal(subtract_blank(other, blank).measurement.distribution.drawn, first.drawn)


# --- What is to be said ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("blank_per_ml", "flagged"), [(1.9e7, False), (2.1e7, True), (5e7, True)])
def test_a_blank_of_more_than_a_fifth_is_high(measured, blank_per_ml, flagged):
    found = subtract_blank(measured(lognormal(110, 0.25), 1e8), measured(lognormal(70, 0.25), blank_per_ml))
    assert ("blank_high" in found.complaints) == flagged
    assert found.measurement.concentration.measured.low > 0.0


SETTINGS = {
    "mpp": 0.1,
    "fps": 25.0,
    "exposure_ms": 15.0,
    "min_mass": 100.0,
    "medium": "water",
    "diameter_px": 9,
    "invert": False,
    "depth_um": 10.0,
}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, None),
        ({"min_mass": 120.0}, None),
        ({"mpp": 0.1005}, None),
        ({"mpp": 0.102}, "mpp"),
        ({"fps": 30.0}, "fps"),
        ({"exposure_ms": 20.0}, "exposure_ms"),
        ({"min_mass": 130.0}, "min_mass"),
        ({"min_mass": [100.0, 70.0]}, "min_mass"),
        ({"medium": "pbs"}, "medium"),
        ({"invert": True}, "invert"),
        ({"size_range_nm": [50.0, None]}, "size_range_nm"),
    ],
)
def test_a_blank_taken_otherwise_is_named(measured, changes, named):
    sample = measured(lognormal(110, 0.25), 1e8, values=SETTINGS)
    found = subtract_blank(sample, measured(lognormal(70, 0.25), 1e7, values={**SETTINGS, **changes})).complaints
    assert set(found) == (set() if named is None else {"blank_mismatch"})
    assert named is None or f"{named} " in found["blank_mismatch"]


def test_another_spot_diameter_is_named_without_its_threshold(measured):
    sample = measured(lognormal(110, 0.25), 1e8, values=SETTINGS)
    blank = measured(lognormal(70, 0.25), 1e7, values={**SETTINGS, "diameter_px": 7, "min_mass": 40.0})
    text = subtract_blank(sample, blank).complaints["blank_mismatch"]
    assert "diameter_px 7 and not 9" in text
    assert "min_mass" not in text


def test_one_of_the_samples_own_values_is_no_other(measured):
    sample = measured(lognormal(110, 0.25), 1e8, values={**SETTINGS, "min_mass": [100.0, 200.0]})
    blank = measured(lognormal(70, 0.25), 1e7, values={**SETTINGS, "min_mass": 190.0})
    assert not subtract_blank(sample, blank).complaints


def test_a_sample_without_a_number_stays_as_it_is(measured):
    sample = measured(None, 0.0, n_tracks=3)
    found = subtract_blank(sample, measured(lognormal(70, 0.25), 1e7))
    assert found.measurement is sample
    assert found.blank.to_dict()["fraction"] is None
    both = subtract_blank(sample, measured(None, 0.0, n_tracks=0)).blank.to_dict()
    json.dumps(both, allow_nan=False)


def test_a_blank_that_could_not_be_measured_is_refused(measured):
    sample = measured(lognormal(110, 0.25), 1e8)
    with pytest.raises(UsageError, match="could not be measured"):
        subtract_blank(sample, replace(measured(None, 0.0, n_tracks=0), status="rejected"))
    unknown = replace(measured(None, 0.0, n_tracks=0), tracks=Tracks(Tracks.empty_table()))
    with pytest.raises(UsageError, match="volume"):
        subtract_blank(sample, unknown)


def test_the_record_is_written_and_read(measured):
    found = subtract_blank(measured(lognormal(110, 0.25), 1e8), measured(lognormal(70, 0.25), 3e7)).blank
    assert found.fraction == pytest.approx(0.3)
    again = Blank.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again == found
    assert found.to_dict()["before_per_ml"]["value"] == 1e8


def test_no_interval_leaves_its_value_out(measured):
    """200 pairs of any size and error, above the blank and hardly so, one depth or two; seed 8."""
    random = np.random.default_rng(8)
    one, other = (measured(lognormal(size, 0.25), 1.0) for size in (110, 70))
    n_left = 0
    for _ in range(200):
        per_ml, share = 10 ** random.uniform(6, 10), random.uniform(0.01, 1.2)
        errors = random.uniform(0.01, 0.5, 5)
        own = concentration(per_ml, errors[0], errors[1], stock=Estimate(per_ml * 1e3, per_ml, per_ml * 1e6))
        taken = concentration(per_ml * share, errors[2], errors[3], depth_um=random.choice([10.0, 20.0]))
        found = subtract_blank(
            replace(one, concentration=own), replace(other, concentration=taken)
        ).measurement.concentration
        if found.measured.is_missing:
            continue
        assert share < 1.0
        n_left += 1
        for estimate in (found.measured, found.stock):
            assert 0.0 < estimate.low <= estimate.value <= estimate.high < math.inf
        # It holds at least the error of the sample's depth.
        assert math.log(found.measured.high / found.measured.value) >= 1.9599 * errors[1]
    assert n_left > 60


def test_a_sample_below_its_blank_says_at_most_how_much_in_cell_and_stock(measured):
    low, high = measured(lognormal(110, 0.25), 1e8), measured(lognormal(70, 0.25), 1.1e8)
    found = subtract_blank(low, high)
    below = replace(found.measurement, blank=found.blank)
    assert below.is_relative  # the limit rests on the nominal depth too
    limit = found.blank.limit_per_ml
    assert below.below_blank() == (limit, None)
    diluted = replace(below, values={**below.values, "dilution": Sourced(500.0, "command_line")})
    assert diluted.below_blank() == (limit, 500.0 * limit)
    assert low.below_blank() is None
