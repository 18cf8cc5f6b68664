"""How fast each particle moves: recovery, intervals, the fitted localisation error, the table's contract."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from tracks_simulated import acquisition, as_table, diffusion_m2_s, simulate

from nta.diffusion import DEFAULT_MIN_TRACK, Diffusion, estimate_diffusion
from nta.errors import SettingsError
from nta.settings import Settings
from nta.tracking import LinkedCapture, Tracks


def estimate(tracks, exposure_ms=40.0, settings=None, *, with_sigma=True, **changes):
    table = as_table(tracks)
    if not with_sigma:
        table = table.drop(columns="sigma_px")
    return estimate_diffusion(table, settings, acquisition=acquisition(exposure_ms, **changes))


def test_each_track_is_found_and_its_interval_holds_the_truth_in_95_of_100_cases():
    """N = 600 tracks of 60 frames, seed 51, 100 nm, full exposure, 30 nm error: |z| < 4 for the binomial."""
    n_tracks, true = 600, diffusion_m2_s(100.0).item() * 1e12
    table = estimate(simulate(np.random.default_rng(51), np.full(n_tracks, 100.0), 60, sigma_m=30e-9)).table
    held = (table["diffusion_low_um2_s"] < true) & (true < table["diffusion_high_um2_s"])
    assert abs(held.mean() - 0.95) / math.sqrt(0.95 * 0.05 / n_tracks) < 4
    # The 2-D track of L frames has a relative error of about 1/sqrt(L - 1); blur adds to it, 60 % at most
    # here.
    log_ratio = np.log(table["diffusion_um2_s"] / true)
    assert 0.9 < log_ratio.std() * math.sqrt(59) < 1.6
    # Maximum likelihood of ln D is biased by less than 1/L.
    assert abs(log_ratio.mean()) < 1 / 60 + 4 * log_ratio.std() / math.sqrt(n_tracks)


def test_diameter_and_diffusion_coefficient_are_one_stokes_einstein_apart():
    table = estimate(simulate(np.random.default_rng(52), np.geomspace(60, 300, 20), 20, sigma_m=2e-8)).table
    expected = diffusion_m2_s(table["diameter_nm"].to_numpy()) * 1e12
    np.testing.assert_allclose(table["diffusion_um2_s"], expected, rtol=1e-9)
    assert (table["diffusion_low_um2_s"] < table["diffusion_um2_s"]).all()
    assert (table["diffusion_um2_s"] < table["diffusion_high_um2_s"]).all()


def test_sizes_become_diffusion_coefficients_in_the_liquid_of_the_capture():
    sizes = np.array([50.0, 100.0])
    water = acquisition().diffusion_m2_s(sizes)
    np.testing.assert_allclose(water, diffusion_m2_s(sizes), rtol=1e-12)
    np.testing.assert_allclose(acquisition(viscosity_mpas=1.78).diffusion_m2_s(sizes), water / 2, rtol=1e-12)


@pytest.mark.parametrize("missed", [0.0, 0.2])
def test_gaps_do_not_move_the_answer(missed):
    """N = 400 tracks of 30 frames, seed 53: median of ln D within 4 standard errors (1.25 of the mean's)."""
    tracks = simulate(np.random.default_rng(53), np.full(400, 150.0), 30, sigma_m=2e-8, gap_share=missed)
    log_ratio = np.log(estimate(tracks).table["diffusion_um2_s"] / (diffusion_m2_s(150.0).item() * 1e12))
    assert abs(log_ratio.median()) < 1 / 30 + 4 * 1.25 * log_ratio.std() / math.sqrt(400)


def test_exposure_of_the_capture_is_taken_into_account():
    """Blur ignored at full exposure reads d/(1 - 2R) = 1.5 d from single steps, less from whole tracks."""
    tracks = simulate(np.random.default_rng(54), np.full(300, 100.0), 10, sigma_m=1e-9)
    right, wrong = (estimate(tracks, exposure_ms).table["diameter_nm"].median() for exposure_ms in (40.0, 0.0))
    assert right == pytest.approx(100, rel=0.06)
    assert wrong > 1.1 * right


def test_localisation_error_is_found_where_none_is_stated():
    """Sharp frames, N = 400 tracks of 15 positions, seed 55: 150 nm within one candidate's step (26 %).

    It shows in the correlation of neighbouring steps, here -sigma²/(2 D tau + 2 sigma²) = -0.06, known to
    1/sqrt(400 x 13 x 2) = 0.01.
    """
    tracks = simulate(np.random.default_rng(55), np.full(400, 120.0), 15, sigma_m=150e-9, exposure_share=0.0)
    table = estimate(tracks, 0.0, with_sigma=False).table
    assert table["localisation_error_nm"].nunique() == 1
    assert table["localisation_error_nm"].iloc[0] == pytest.approx(150, rel=0.3)
    assert table["diameter_nm"].median() == pytest.approx(120, rel=0.06)


def test_stated_errors_are_used_and_reported():
    tracks = simulate(np.random.default_rng(56), np.full(40, 100.0), 8, sigma_m=25e-9)
    tracks["sigma"][:8] = np.array([10, 20, 30, 40] * 2) * 1e-9
    errors = estimate(tracks).table["localisation_error_nm"]
    # rms of 10, 20, 30, 40: sqrt((100 + 400 + 900 + 1600)/4) = sqrt(750) = 27.386
    assert errors.iloc[0] == pytest.approx(27.386, abs=1e-3)
    assert errors.iloc[1:].to_numpy() == pytest.approx(25.0)


def test_covariance_estimate_is_reported_beside():
    """N = 500 tracks of 30 frames, seed 57; mean of the estimates within 4 of their standard errors."""
    table = estimate(simulate(np.random.default_rng(57), np.full(500, 100.0), 30, sigma_m=3e-8)).table
    found = table["cve_um2_s"]
    assert abs(found.mean() - diffusion_m2_s(100.0).item() * 1e12) < 4 * found.std() / math.sqrt(500)


def test_table_has_its_columns_and_one_row_a_track():
    lengths = [3, 5, 9, 4, 12]
    diffusion = estimate(simulate(np.random.default_rng(58), np.full(5, 100.0), lengths, sigma_m=2e-8))
    table = diffusion.table
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == Diffusion.COLUMNS
    assert diffusion.min_track == DEFAULT_MIN_TRACK == 5
    assert table["particle"].tolist() == [1, 2, 4]
    assert table["n_positions"].tolist() == [5, 9, 12]
    assert diffusion.log_likelihood.shape == (3, diffusion.diameters_nm.size)
    ratios = diffusion.diameters_nm[1:] / diffusion.diameters_nm[:-1]
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-9)
    assert table["mass"].isna().all()


def test_shortest_track_can_be_chosen():
    tracks = simulate(np.random.default_rng(58), np.full(5, 100.0), [3, 5, 9, 4, 12], sigma_m=2e-8)
    diffusion = estimate(tracks, settings=Settings(min_track=3))
    assert diffusion.table["n_positions"].tolist() == [3, 5, 9, 4, 12]
    assert diffusion.min_track == 3


def test_rows_in_any_order_give_the_same_bytes():
    table = as_table(simulate(np.random.default_rng(59), np.full(10, 100.0), 8, sigma_m=2e-8))
    shuffled = table.sample(frac=1, random_state=1)
    a, b = (estimate_diffusion(one, acquisition=acquisition()) for one in (table, shuffled))
    assert a.log_likelihood.tobytes() == b.log_likelihood.tobytes()
    pd.testing.assert_frame_equal(a.table, b.table, rtol=1e-12)


@pytest.mark.parametrize("rows", [0, 3])
def test_tracks_that_are_too_few_or_too_short_give_an_empty_table(rows):
    table = as_table(simulate(np.random.default_rng(60), [100.0], 3)).iloc[:rows]
    diffusion = estimate_diffusion(table, acquisition=acquisition())
    assert list(diffusion.table.columns) == list(Diffusion.COLUMNS)
    assert len(diffusion.table) == 0
    assert diffusion.log_likelihood.shape == (0, diffusion.diameters_nm.size)


def test_grid_widens_for_large_particles_and_for_what_was_asked():
    large = estimate(simulate(np.random.default_rng(61), np.full(50, 2000.0), 40, sigma_m=1e-9))
    assert large.diameters_nm[-1] > 3000
    assert large.table["diameter_nm"].median() == pytest.approx(2000, rel=0.15)
    small = simulate(np.random.default_rng(62), np.full(20, 50.0), 10, sigma_m=1e-9)
    asked = estimate(small, settings=Settings(size_range_nm=(10.0, 900.0))).diameters_nm
    assert asked[0] < 10
    assert asked[-1] > 900


def test_an_interval_that_the_sizes_do_not_close_is_missing():
    """Particles of 15 nm are smaller than the grid of 20 nm: no lower end of the size, no upper one of D."""
    table = estimate(simulate(np.random.default_rng(63), np.full(20, 15.0), 40, sigma_m=1e-9)).table
    assert table["diffusion_high_um2_s"].isna().all()


def test_captures_keep_their_own_acquisition():
    """The same path at twice the viscosity belongs to a particle of half the size."""
    table = as_table(simulate(np.random.default_rng(64), np.full(30, 200.0), 30, sigma_m=1e-9))
    both = pd.concat([table.assign(capture=0), table.assign(capture=1)], ignore_index=True)
    drift = np.zeros((100, 2))
    captures = tuple(LinkedCapture(acquisition(viscosity_mpas=eta), drift) for eta in (0.89, 1.78))
    found = estimate_diffusion(Tracks(both, captures))
    first, second = (found.table.loc[found.table["capture"] == number, "diameter_nm"] for number in (0, 1))
    np.testing.assert_allclose(first.to_numpy() / second.to_numpy(), 2.0, rtol=2e-3)
    assert found.captures == captures


def test_common_drift_is_taken_out():
    tracks = simulate(np.random.default_rng(65), np.full(20, 100.0), 12, sigma_m=2e-8)
    table = as_table(tracks)
    drift = np.outer(np.arange(12), [4.0, -1.0])
    moved = table.assign(x=table["x"] + drift[table["frame"], 0], y=table["y"] + drift[table["frame"], 1])
    still, moving = (
        estimate_diffusion(Tracks(one.assign(capture=0), (LinkedCapture(acquisition(), path),)))
        for one, path in ((table, np.zeros((12, 2))), (moved, drift))
    )
    np.testing.assert_allclose(still.log_likelihood, moving.log_likelihood, rtol=1e-9)


def test_second_localisation_ranks_before_the_detectors():
    table = as_table(simulate(np.random.default_rng(66), np.full(5, 100.0), 8, sigma_m=2e-8))
    moved = table.assign(x_refined=table["x"], y_refined=table["y"], x=0.0, y=0.0)
    a, b = (estimate_diffusion(one, acquisition=acquisition()) for one in (table, moved))
    assert a.log_likelihood.tobytes() == b.log_likelihood.tobytes()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"frame": 0.5}, "frame"),
        ({"frame": 0}, "two places"),
    ],
)
def test_impossible_tables_are_refused_in_one_sentence(change, word):
    table = as_table(simulate(np.random.default_rng(67), [100.0], 6)).assign(**change)
    with pytest.raises(SettingsError, match=word):
        estimate_diffusion(table, acquisition=acquisition())


def test_a_missing_column_is_named():
    table = as_table(simulate(np.random.default_rng(67), [100.0], 6)).drop(columns="x")
    with pytest.raises(SettingsError, match=r"column.* x;"):
        estimate_diffusion(table, acquisition=acquisition())


def test_settings_state_how_a_tables_video_was_taken():
    table = as_table(simulate(np.random.default_rng(68), np.full(200, 100.0), 20, sigma_m=2e-8))
    settings = Settings(mpp=0.1, fps=25.0, exposure_ms=40.0, temperature_c=25.0, viscosity_mpas=0.89)
    assert estimate_diffusion(table, settings).table["diameter_nm"].median() == pytest.approx(100, rel=0.06)
