"""The number-weighted size distribution: its table's contract, statistics, intervals and corrections."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tracks_simulated import acquisition, made_diffusion

from nta.diffusion import estimate_diffusion
from nta.distribution import MIN_TRACKS, SizeDistribution, size_distribution
from nta.fitting import fit_density
from nta.sampling import share_in_tracks
from nta.settings import Settings, Sourced
from nta.size_statistics import SizeStatistics, point_statistics
from nta.tracking import LinkedCapture, Tracks
from nta.uncertainty import systematic_relative_sd

MEDIAN_NM, LOG_SD = 110.0, 0.27
N_DRAWS = 40


def lognormal(n_tracks, seed=81):
    return np.random.default_rng(seed).lognormal(math.log(MEDIAN_NM), LOG_SD, n_tracks)


def diffusion_of(sizes, n_positions=20, seed=82, **changes):
    return made_diffusion(np.random.default_rng(seed), sizes, n_positions, **changes)


def distribution_of(sizes, settings=None, n_draws=N_DRAWS, n_positions=20, **changes):
    return size_distribution(diffusion_of(sizes, n_positions), settings, n_draws=n_draws, **changes)


@pytest.fixture(scope="module")
def of_lognormal():
    return distribution_of(lognormal(600))


@pytest.fixture(scope="module")
def of_mixture():
    return distribution_of(np.where(np.arange(600) % 2 == 0, 100.0, 200.0), n_positions=30)


# --- The table ---------------------------------------------------------------------------------------------


def test_table_keeps_its_contract(of_lognormal, of_mixture):
    for distribution in (of_lognormal, of_mixture):
        table = distribution.table
        assert list(table.columns) == list(SizeDistribution.COLUMNS)
        diameter, density = table["diameter_nm"].to_numpy(), table["density_per_nm"].to_numpy()
        np.testing.assert_array_equal(np.diff(diameter), 1.0)
        assert np.all(diameter == np.round(diameter))
        assert np.all(density >= 0)
        assert np.trapezoid(density, diameter) == pytest.approx(1, abs=1e-6)
        cumulative = table["cumulative"].to_numpy()
        assert cumulative[0] == 0
        assert cumulative[-1] == pytest.approx(1, abs=1e-12)
        assert np.all(np.diff(cumulative) >= 0)
        assert (table["density_low_per_nm"] <= density).all()
        assert (density <= table["density_high_per_nm"]).all()
        assert table.notna().all(axis=None)


def test_percentiles_are_interpolations_of_the_table(of_lognormal, of_mixture):
    for distribution in (of_lognormal, of_mixture):
        table, size = distribution.table, distribution.size
        for share, estimate in ((0.1, size.d10), (0.5, size.d50), (0.9, size.d90)):
            found = np.interp(share, table["cumulative"], table["diameter_nm"])
            assert estimate.value == pytest.approx(found, rel=1e-9)


def test_statistics_follow_from_the_table(of_lognormal):
    table, size = of_lognormal.table, of_lognormal.size
    diameter, density = table["diameter_nm"].to_numpy(), table["density_per_nm"].to_numpy()
    mean = np.trapezoid(diameter * density, diameter)
    assert size.mean.value == pytest.approx(mean, rel=1e-6)
    assert size.sd.value == pytest.approx(math.sqrt(np.trapezoid((diameter - mean) ** 2 * density, diameter)), rel=1e-6)
    assert abs(size.mode.value - diameter[np.argmax(density)]) <= 1
    assert size.span.value == pytest.approx((size.d90.value - size.d10.value) / size.d50.value)


def test_intervals_are_ordered_and_not_empty(of_lognormal, of_mixture):
    for distribution in (of_lognormal, of_mixture):
        for name in SizeStatistics.STATISTICS:
            estimate = getattr(distribution.size, name)
            assert estimate.low <= estimate.value <= estimate.high
            assert estimate.low < estimate.high
            assert estimate.n == distribution.n_tracks == 600


# --- What it finds -----------------------------------------------------------------------------------------


def test_a_lognormal_is_found_again(of_lognormal):
    """N = 600 tracks, seeds 81 and 82: each statistic within 4 of its stated standard errors."""
    size = of_lognormal.size
    mu, sd = math.log(MEDIAN_NM), LOG_SD
    truth = {
        "mode": math.exp(mu - sd**2),
        "mean": math.exp(mu + sd**2 / 2),
        "d10": math.exp(mu - 1.2816 * sd),
        "d50": MEDIAN_NM,
        "d90": math.exp(mu + 1.2816 * sd),
    }
    for name, expected in truth.items():
        estimate = getattr(size, name)
        error = (estimate.high - estimate.low) / (2 * 1.96)
        assert abs(estimate.value - expected) < 4 * error, name
        assert error < 0.05 * expected, name
    assert len(size.peaks) == 1
    assert size.peaks[0].fraction == pytest.approx(1, abs=1e-9)


def test_a_mixture_shows_two_peaks_in_ascending_order_with_their_shares(of_mixture):
    peaks = of_mixture.size.peaks
    assert [peak.diameter.value for peak in peaks] == pytest.approx([100, 200], rel=0.05)
    assert [peak.fraction for peak in peaks] == pytest.approx([0.5, 0.5], abs=0.08)
    assert sum(peak.fraction for peak in peaks) == pytest.approx(1, abs=1e-9)
    for peak in peaks:
        assert peak.diameter.low <= peak.diameter.value <= peak.diameter.high


def test_an_interval_narrows_with_the_root_of_the_number_of_tracks(of_lognormal):
    few = distribution_of(lognormal(60)).size.d50
    many = of_lognormal.size.d50
    # Ten times the tracks: sqrt(10) = 3.2; 40 draws know a width to 11 % only.
    assert 1.5 < (few.high - few.low) / (many.high - many.low) < 7


def test_systematic_uncertainty_widens_sizes_but_not_the_span():
    sizes = lognormal(200)
    without, with_ = (distribution_of(sizes, systematic_relative_sd=sd) for sd in (0.0, 0.1))
    a, b = without.size.d50, with_.size.d50
    # In quadrature: 1.96 x 10 % of the value beside what the bootstrap says.
    assert b.high - b.value == pytest.approx(math.hypot(a.high - a.value, 0.196 * a.value), rel=1e-6)
    assert b.value - b.low == pytest.approx(math.hypot(a.value - a.low, 0.196 * a.value), rel=1e-6)
    assert with_.size.span == without.size.span
    assert with_.size.peaks[0].diameter.high > without.size.peaks[0].diameter.high


def test_long_tracks_count_by_their_positions():
    """Half of the positions are those of 300 nm although only a fifth of the tracks is."""
    sizes = np.repeat([75.0, 300.0], [200, 50])
    lengths = np.repeat([40, 160], [200, 50])
    endless = (LinkedCapture(acquisition(0.0, depth_um=math.inf), np.zeros((500, 2))),)
    table = size_distribution(diffusion_of(sizes, lengths, captures=endless), n_draws=0).table
    below = np.interp(150, table["diameter_nm"], table["cumulative"])
    assert below == pytest.approx(0.5, abs=0.03)


# --- Corrections -------------------------------------------------------------------------------------------


def test_what_leaves_the_sheet_is_put_back():
    """In a sheet of finite depth the density is that of the positions over q_m, which is 1 in an endless one."""
    endless, thin = (
        diffusion_of(lognormal(300), 8, captures=(LinkedCapture(acquisition(0.0, depth_um=depth), np.zeros((500, 2))),))
        for depth in (math.inf, 4.0)
    )
    assert size_distribution(endless, n_draws=0).seen_share == pytest.approx(1, abs=1e-6)
    corrected = size_distribution(thin, n_draws=0)
    diameter, density = (corrected.table[name].to_numpy() for name in ("diameter_nm", "density_per_nm"))
    q = share_in_tracks(thin.captures[0].acquisition.step_sd_um(diameter), thin.captures[0].volume_um, 8)
    assert 0.05 < q.min() < q.max() - 0.1
    in_view = np.exp(fit_density(thin).best.log_density(np.log(diameter))) / diameter
    in_view /= np.trapezoid(in_view, diameter)
    np.testing.assert_allclose(density * q, corrected.seen_share * in_view, rtol=1e-6, atol=1e-12)
    assert 0.05 < corrected.seen_share < 1
    # The share of positions seen, averaged over the particles in the liquid.
    assert np.trapezoid(q * density, diameter) == pytest.approx(corrected.seen_share, rel=1e-6)


def test_bright_particles_are_not_counted_more_often_than_they_are():
    """N = 400 tracks, seed 83, light as the fourth power of the size: large ones are seen deeper.

    The light of 100 nm is 5 times the threshold at the centre of the sheet. Corrected, the median is that of
    the liquid within 4 of its standard errors; taken as it was seen it is far above.
    """
    random, endless = (
        np.random.default_rng(83),
        LinkedCapture(acquisition(0.0, depth_um=math.inf), np.zeros((500, 2))),
    )
    log_d = math.log(100) + random.normal(0, 0.3, 8000)
    log_light = 3 + math.log(5) + 4 * (log_d - math.log(100)) - random.uniform(-3, 3, 8000) ** 2
    seen = np.flatnonzero(log_light > 3)[:400]
    sizes, light = np.exp(log_d[seen]), np.exp(log_light[seen] + random.normal(0, 0.1, 400))
    corrected, as_seen = (
        size_distribution(
            diffusion_of(sizes, 30, captures=(endless,), light=of_tracks, threshold=math.exp(3)),
            n_draws=N_DRAWS,
        ).size.d50
        for of_tracks in (light, None)
    )
    error = (corrected.high - corrected.low) / (2 * 1.96)
    assert abs(corrected.value - 100) < 4 * error
    assert error < 3
    assert as_seen.value > 108


# --- Limits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_tracks", [0, 1, MIN_TRACKS - 1])
def test_too_few_tracks_give_columns_without_rows_and_no_number(n_tracks):
    some = diffusion_of(lognormal(20))
    few = type(some)(
        some.table.iloc[:n_tracks],
        some.diameters_nm,
        some.log_likelihood[:n_tracks],
        some.captures,
        some.min_track,
    )
    distribution = size_distribution(few, n_draws=5)
    assert list(distribution.table.columns) == list(SizeDistribution.COLUMNS)
    assert len(distribution.table) == 0
    assert all(getattr(distribution.size, name).is_missing for name in SizeStatistics.STATISTICS)
    assert distribution.size.peaks == ()
    assert math.isnan(distribution.seen_share)


def test_ten_tracks_give_a_distribution():
    distribution = distribution_of(lognormal(MIN_TRACKS), n_draws=5)
    assert distribution.n_tracks == MIN_TRACKS
    assert not distribution.size.d50.is_missing


def test_intervals_of_few_tracks_hold_the_truth():
    """11 tracks of a lognormal, 40 sets (seeds 100 to 139): the 95 % interval of D50 holds the median, |z| < 4.

    Draws that leave fewer tracks than a distribution asks for belong to it; without them 16 of 40 held it.
    """
    held = 0
    for seed in range(100, 140):
        found = size_distribution(diffusion_of(lognormal(11, seed), seed=seed), n_draws=60)
        assert len(found.drawn) >= 55
        held += found.size.d50.low <= MEDIAN_NM <= found.size.d50.high
    assert held / 40 > 0.95 - 4.0 * math.sqrt(0.05 * 0.95 / 40)


def test_another_method_leaves_the_liquid_behind_the_concentration_alone(monkeypatch):
    """A read-out that calls every size alike is in the table, and not in what the concentration rests on."""

    def flat(_squares, diameter_nm, weights):
        return np.ones(diameter_nm.size if weights is None else (len(weights), diameter_nm.size))

    monkeypatch.setattr("nta.distribution.METHODS", {"raw": flat})
    monkeypatch.setattr("nta.distribution.track_squares", lambda *_: None)
    diffusion = diffusion_of(lognormal(300))
    tracks = Tracks(pd.DataFrame(), diffusion.captures)
    other = size_distribution(diffusion, Settings(method="raw"), tracks=tracks, n_draws=5)
    own = size_distribution(diffusion, n_draws=5)
    assert np.ptp(other.table["density_per_nm"]) == 0.0
    np.testing.assert_array_equal(other.liquid_per_nm, own.table["density_per_nm"])
    assert other.seen_share == own.seen_share


def test_the_share_seen_has_an_error_where_sizes_are_seen_unlike():
    """Of 300 tracks in a sheet of 4 µm the share seen scatters, as the sizes do; of beads of one size less."""
    thin = (LinkedCapture(acquisition(0.0, depth_um=4.0), np.zeros((500, 2)), field_px=(0.0, 0.0, 640.0, 480.0)),)
    broad, beads = (
        size_distribution(diffusion_of(sizes, captures=thin), n_draws=N_DRAWS).seen_relative_sd
        for sizes in (lognormal(300), np.full(300, MEDIAN_NM))
    )
    assert 0.0 < beads < broad < 0.1


@pytest.mark.parametrize(
    ("asked", "first", "last"), [((60.0, 180.0), 60, 180), ((60.5, 180.5), 61, 180), ((45.0, None), 45, 700)]
)
def test_size_range_is_honoured(asked, first, last):
    distribution = distribution_of(lognormal(100), Settings(size_range_nm=asked), n_draws=5)
    table = distribution.table
    assert (table["diameter_nm"].iloc[0], table["diameter_nm"].iloc[-1]) == (first, last)
    assert np.trapezoid(table["density_per_nm"], table["diameter_nm"]) == pytest.approx(1, abs=1e-6)
    assert first <= distribution.size.d10.low < distribution.size.d90.high <= last


def test_size_range_cuts_and_does_not_bend():
    """Inside the range the density is that of the whole, but for one factor."""
    sizes = lognormal(100)
    whole, cut = (
        distribution_of(sizes, settings, n_draws=0).table.set_index("diameter_nm")["density_per_nm"]
        for settings in (None, Settings(size_range_nm=(80.0, 140.0)))
    )
    ratio = cut / whole.loc[cut.index]
    np.testing.assert_allclose(ratio, ratio.iloc[0], rtol=1e-9)
    assert ratio.iloc[0] > 1


# --- Determinism -------------------------------------------------------------------------------------------


def test_same_seed_same_bytes_other_seed_other_intervals():
    sizes = lognormal(100)
    a, b, c = (distribution_of(sizes, Settings(seed=seed), n_draws=10) for seed in (1, 1, 2))
    assert a.table.to_csv() == b.table.to_csv()
    assert a.size == b.size
    assert c.size.d50.value == a.size.d50.value
    assert c.size.d50.low != a.size.d50.low
    pd.testing.assert_series_equal(a.table["density_per_nm"], c.table["density_per_nm"], check_exact=True)


def test_progress_is_told():
    told = []
    distribution_of(lognormal(20), n_draws=4, progress=lambda *what: told.append(what))
    assert told == [("intervals", done, 4) for done in (1, 2, 3, 4)]


def test_without_draws_there_is_no_interval_but_a_value():
    distribution = distribution_of(lognormal(50), n_draws=0)
    assert math.isfinite(distribution.size.d50.value)
    assert math.isnan(distribution.size.d50.low)
    assert distribution.table["density_low_per_nm"].isna().all()


# --- Statistics of a known density -------------------------------------------------------------------------


def test_statistics_of_a_triangle_by_hand():
    # Density 1 - |d - 100|/10 from 90 to 110: mean = mode = d50 = 100, variance 10²/6; below 90 + x lie
    # x²/200, so d10 = 90 + sqrt(20) = 94.472 and, by symmetry, d90 = 105.528; span (105.528 - 94.472)/100 =
    # 0.11056.
    diameter = np.arange(80.0, 121.0)
    density = np.maximum(1 - np.abs(diameter - 100) / 10, 0) / 10
    found = point_statistics(diameter, density)
    assert found["mean"] == pytest.approx(100)
    assert found["mode"] == pytest.approx(100)
    assert found["d50"] == pytest.approx(100)
    assert found["sd"] == pytest.approx(math.sqrt(100 / 6), rel=0.01)
    # The table is a polygon of 1 nm: within 0.05 nm of the parabola.
    assert found["d10"] == pytest.approx(94.472, abs=0.05)
    assert found["d90"] == pytest.approx(105.528, abs=0.05)
    assert found["span"] == pytest.approx(0.11056, abs=0.001)


@pytest.mark.parametrize("mode_nm", [107.0, 107.3, 107.5])
def test_mode_lies_between_the_points_of_the_grid(mode_nm):
    """A normal density has a parabola for its logarithm: exact."""
    diameter = np.arange(50.0, 200.0)
    assert point_statistics(diameter, np.exp(-0.5 * ((diameter - mode_nm) / 20) ** 2))["mode"] == pytest.approx(mode_nm)


@pytest.mark.parametrize("slope", [-1.0, 1.0])
def test_mode_at_the_end_of_the_grid_is_that_end(slope):
    diameter = np.arange(50.0, 100.0)
    found = point_statistics(diameter, np.exp(slope * diameter / 20))["mode"]
    assert found == (diameter[-1] if slope > 0 else diameter[0])


# --- Where the systematic part comes from ------------------------------------------------------------------


def test_assumed_values_are_less_sure_than_stated_ones():
    def sd(origin):
        names = ("mpp", "temperature_c", "medium", "exposure_ms")
        return systematic_relative_sd({name: Sourced(1.0, origin) for name in names})

    # Two per cent of mpp would be four of the size; a kelvin is 2.6 %.
    assert 0.005 < sd("command_line") < 0.03
    assert sd("assumed") > 1.5 * sd("command_line")
    one_assumed = {"mpp": Sourced(0.14, "assumed"), "temperature_c": Sourced(25.0, "settings")}
    assert sd("command_line") < systematic_relative_sd(one_assumed) < sd("assumed")


def test_a_size_range_counts_what_lies_in_it_and_invents_nothing():
    random = np.random.default_rng(12)
    diffusion = made_diffusion(random, np.repeat([80.0, 200.0], 150), 60)
    whole = size_distribution(diffusion, n_draws=0)
    large = size_distribution(diffusion, Settings(size_range_nm=(130, None)), n_draws=0)
    # The concentration goes with 1/seen_share: above 130 nm lies what the whole distribution has there.
    above = 1.0 - np.interp(130.0, whole.table["diameter_nm"], whole.table["cumulative"])
    assert whole.seen_share / large.seen_share == pytest.approx(above, rel=0.03)
    assert 0.4 < above < 0.6
    nothing = size_distribution(diffusion, Settings(size_range_nm=(900, None)), n_draws=0)
    assert nothing.table.empty
    assert nothing.size.d50.is_missing


def test_the_share_in_a_window_is_that_of_the_table_with_an_interval(of_lognormal):
    inside = of_lognormal.fraction_between(80.0, 150.0)
    table = of_lognormal.table
    below, above = np.interp((80.0, 150.0), table["diameter_nm"], table["cumulative"])
    assert inside.value == pytest.approx(above - below, abs=1e-12)
    expected = np.diff(stats.norm.cdf(np.log([80.0, 150.0]), math.log(MEDIAN_NM), LOG_SD))[0]
    assert inside.low < expected < inside.high
    assert SizeDistribution.missing().fraction_between(80.0, 150.0).is_missing


@pytest.mark.parametrize("window", [(5.0, 25.0), (800.0, 2000.0)])
def test_of_sizes_that_are_not_reported_no_share_is_known(of_lognormal, window):
    assert of_lognormal.fraction_between(*window).is_missing


def test_counting_tracks_and_counting_positions_agree_where_both_are_right():
    """In tracks that all have the same length both ways differ by the visibility of the sizes alone."""
    capture = LinkedCapture(replace(acquisition(0.0), n_frames=500), np.zeros((500, 2)))
    made = diffusion_of(lognormal(400), captures=(capture,))
    distribution = size_distribution(made, n_draws=0)
    assert distribution.mean_by_tracks_nm == pytest.approx(distribution.size.mean.value, rel=0.15)


def test_a_population_at_the_lower_end_is_reported_whole():
    """Beads of 30 nm, N = 600 tracks of 20 positions: half of them may read below where the table starts else."""
    found = distribution_of(np.full(600, 30.0), n_draws=0)
    assert found.table["diameter_nm"].iloc[0] < 30.0
    # One track knows ln d to 1/sqrt(19).
    assert found.size.d50.value == pytest.approx(30.0, rel=4 / math.sqrt(19 * 600))
    assert distribution_of(lognormal(600), n_draws=0).table["diameter_nm"].iloc[0] == 30.0


def test_positions_without_any_track_in_them_are_sized_without_a_crash():
    """60 tracks of 20 positions anywhere in the field: what a wrong table is, sized at the small end of the grid."""
    random = np.random.default_rng(1)
    rows = {"frame": np.tile(np.arange(20), 60), "particle": np.repeat(np.arange(60), 20)}
    places = {"x": random.uniform(0, 640, 1200), "y": random.uniform(0, 480, 1200)}
    diffusion = estimate_diffusion(pd.DataFrame({**rows, **places}), acquisition=acquisition(15.0))
    found = size_distribution(diffusion, n_draws=20)
    assert found.size.d50.value < 30.0
