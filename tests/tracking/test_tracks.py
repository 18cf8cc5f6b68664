"""The noun, and what is read off it: tables from elsewhere, flat arrays, mean squared displacements."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tracks_simulated import acquisition, as_table, diffusion_m2_s, simulate

import nta
from nta.errors import SettingsError
from nta.tracking import LinkedCapture, Tracks, as_tracks, ensemble_msd, flatten


def simple(**columns: object) -> pd.DataFrame:
    return pd.DataFrame(
        {"frame": [0, 1, 2, 5, 6], "particle": [3, 3, 3, 8, 8], "x": [1.0, 2, 3, 7, 9], "y": 4.0, **columns}
    )


@pytest.mark.parametrize("name", ["frame", "particle", "x", "y"])
def test_a_missing_column_is_named(name):
    with pytest.raises(SettingsError, match=f"lacks the column.* {name};"):
        as_tracks(simple().drop(columns=name), acquisition())


@pytest.mark.parametrize("frames", [[0, 0.5, 1, 2, 3], [-1, 0, 1, 2, 3], [np.nan, 0, 1, 2, 3]])
def test_frame_numbers_that_are_none_are_refused(frames):
    with pytest.raises(SettingsError, match="whole and positive"):
        as_tracks(simple(frame=frames), acquisition())


def test_a_particle_in_two_places_is_refused():
    with pytest.raises(SettingsError, match="two places"):
        as_tracks(simple(frame=[0, 0, 1, 2, 3]), acquisition())


def test_a_table_from_elsewhere_needs_four_columns():
    tracks = as_tracks(simple(frame=[0.0, 1, 2, 5, 6]), acquisition())
    assert tracks.n_tracks == 2
    ((capture, flat),) = tracks.flat(3)
    assert list(flat.particles) == [3]
    np.testing.assert_allclose(flat.x_m, np.array([1, 2, 3]) * 0.1e-6)
    np.testing.assert_array_equal(flat.sigma_m, 0)
    assert capture.field_px == (0.0, 0.0, np.inf, np.inf)
    bounded = as_tracks(simple(), acquisition(width_px=100, height_px=50)).captures[0]
    assert bounded.field_px == (-0.5, -0.5, 100.0, 50.0)
    assert bounded.volume_um == pytest.approx((10.0, 10.0, 5.0))


def test_captures_of_a_table_stay_apart():
    table = pd.concat([simple(capture=0), simple(capture=1)], ignore_index=True)
    tracks = as_tracks(table, acquisition())
    assert len(tracks.captures) == 2
    assert tracks.n_tracks == 4
    assert [len(flat.particles) for _, flat in tracks.flat(2)] == [2, 2]


def test_flat_arrays_prefer_the_second_localisation_and_count_from_the_field():
    table = simple(x_refined=[1.5, 2.5, 3.5, 7.5, 9.5], y_refined=6.0, sigma_px=0.25).sample(frac=1, random_state=1)
    capture = LinkedCapture(acquisition(), np.array([[0.0, 0.0]] * 7), field_px=(1.0, 2.0, 50.0, 50.0))
    flat = flatten(table, capture, 2)
    np.testing.assert_array_equal(flat.offsets, [0, 3, 5])
    np.testing.assert_array_equal(flat.frames, [0, 1, 2, 5, 6])
    np.testing.assert_allclose(flat.x_m / 0.1e-6, [0.5, 1.5, 2.5, 6.5, 8.5])
    np.testing.assert_allclose(flat.y_m / 0.1e-6, 4.0)
    np.testing.assert_allclose(flat.sigma_m, 0.025e-6)


def test_an_empty_table_has_every_column_and_no_track():
    empty = Tracks.empty_table()
    assert list(empty.columns) == list(Tracks.COLUMNS)
    tracks = Tracks(empty)
    assert tracks.n_tracks == 0
    assert list(tracks.flat(5)) == []
    msd = ensemble_msd(tracks)
    assert msd.empty
    assert list(msd.columns) == ["lag_s", "msd_um2", "n_pairs"]


def test_mean_squared_displacement_is_that_of_free_diffusion_with_blur_and_noise():
    # 4 D (t - t_E/3) + 4 sigma²; 300 tracks of 80 frames, seed 1. Lags of one track are not independent: its pairs
    # count as (length - lag)/lag.
    n, length, diameter, sigma = 300, 80, 100.0, 30e-9
    made = simulate(np.random.default_rng(1), np.full(n, diameter), length, sigma_m=sigma)
    msd = ensemble_msd(as_table(made), acquisition(), max_lag=20)
    diffusion = float(diffusion_m2_s(diameter)) * 1e12
    lag_s = msd["lag_s"].to_numpy()
    np.testing.assert_allclose(lag_s, np.arange(1, 21) / 25)
    expected = 4 * diffusion * (lag_s - 0.04 / 3) + 4 * (sigma * 1e6) ** 2
    independent = n * (length - lag_s * 25) / (lag_s * 25)
    z = (msd["msd_um2"] / expected - 1) * np.sqrt(independent)
    assert z.abs().max() < 4
    np.testing.assert_array_equal(msd["n_pairs"], n * (length - np.arange(1, 21)))


def test_flow_does_not_reach_the_mean_squared_displacement(swarm, spotted):
    table = swarm(n=40, n_frames=60, step_px=2.0, flow_px=(10.0, -4.0), seed=8)
    msd = ensemble_msd(nta.link(spotted(table)), max_lag=5)
    expected = 4 * (2.0 * 0.14) ** 2 / 2 * np.arange(1, 6)
    np.testing.assert_allclose(msd["msd_um2"], expected, rtol=0.12)


def test_msd_of_a_table_with_gaps_uses_true_lags():
    table = pd.DataFrame({"frame": [0, 1, 3], "particle": 0, "x": [0.0, 1.0, 3.0], "y": 0.0})
    msd = ensemble_msd(table, acquisition())
    np.testing.assert_allclose(msd["lag_s"] * 25, [1, 2, 3])
    np.testing.assert_allclose(msd["msd_um2"] / 0.01, [1, 4, 9])
    assert ensemble_msd(table, acquisition(), max_lag=1)["n_pairs"].tolist() == [1]
