"""The likelihood of all tracks, computed in threads."""

from __future__ import annotations

import numpy as np
import pytest
from tracks_simulated import acquisition, as_table, simulate

from nta import likelihood
from nta.threads import VARIABLE
from nta.tracking import as_tracks

DIAMETERS_NM = np.geomspace(40.0, 400.0, 12)


@pytest.fixture
def flat():
    """Tracks of 2 to 60 positions, some of the first and last without any."""
    lengths = np.random.default_rng(1).integers(2, 60, 50)
    table = as_table(simulate(np.random.default_rng(2), np.full(50, 100.0), lengths, sigma_m=2e-8))
    ((capture, flat),) = as_tracks(table, acquisition()).flat(min_track=1)
    empty = np.concatenate([[0, 0], flat.offsets, [flat.offsets[-1]] * 2])
    return capture, flat._replace(offsets=empty)


def test_threads_change_no_byte(flat, monkeypatch):
    monkeypatch.setattr(likelihood, "_LEAST_POSITIONS", 100)
    pieces = []
    kernel = likelihood.track_log_likelihood
    monkeypatch.setattr(
        likelihood, "track_log_likelihood", lambda *given: pieces.append(len(given[0]) - 1) or kernel(*given)
    )
    found = {}
    for n_threads in (1, 2, 7):
        pieces.clear()
        monkeypatch.setenv(VARIABLE, str(n_threads))
        found[n_threads] = likelihood.log_likelihood(*flat, DIAMETERS_NM, 0.0)
        assert len(pieces) == n_threads
        assert sum(pieces) == 54
    assert found[1].shape == (54, 12)
    assert found[1].tobytes() == found[2].tobytes() == found[7].tobytes()


def test_one_track_and_none_are_one_piece(flat, monkeypatch):
    monkeypatch.setattr(likelihood, "_LEAST_POSITIONS", 1)
    monkeypatch.setenv(VARIABLE, "2")
    capture, tracks = flat
    for offsets in (tracks.offsets[2:4], np.zeros(1, dtype=np.int64)):
        found = likelihood.log_likelihood(capture, tracks._replace(offsets=offsets), DIAMETERS_NM, 0.0)
        assert found.shape == (len(offsets) - 1, 12)
