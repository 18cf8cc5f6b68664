"""The flags of the film are rare on good films, speak where they should, and judge the sample, not the capture."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from captures_simulated import detections_of, simulated_capture, together

from nta.diffusion import Diffusion, estimate_diffusion
from nta.quality.common_motion import common_motions, frames_in_field
from nta.quality.counts import of_counts
from nta.quality.motion import of_motion
from nta.quality.picture import of_picture
from nta.settings import Settings
from nta.tracking import Tracks

ZETAVIEW = {
    "n_frames": 40,
    "mpp": 0.713,
    "fps": 30.0,
    "exposure_ms": 10.0,
    "flow_px": (0.1, 0.0),
    "spot_sd_px": 1.2,
}
NO_TRACK = Diffusion(Diffusion.empty_table())


def codes(captures) -> list[str]:
    """Return the codes of what picture, counts and motion of a sample raise."""
    named, tracks = together(captures)
    used = sum(len(flat.particles) for _, flat in tracks.flat(5))
    diffusion = Diffusion(pd.DataFrame({"particle": np.arange(used)}), captures=tracks.captures)
    flags = [
        *of_picture(named, tracks, diffusion),
        *of_counts(named, tracks, diffusion),
        *of_motion([name for name, _ in named], tracks, diffusion, {}),
    ]
    return [found.code for found in flags]


def capture(seed: int = 0, **fault):
    return simulated_capture(np.random.default_rng(seed), **fault)


def test_200_clean_captures_raise_none():
    random = np.random.default_rng(3)
    kinds = (
        {},
        {"flow_px": (0.0, 0.0), "n_frames": 300, "per_frame": 18},
        {"median_nm": 60.0, "exposure_ms": 10.0},
        {"n_frames": 60, "per_frame": 80},
    )
    raised = Counter(
        code for number in range(200) for code in set(codes([simulated_capture(random, **kinds[number % 4])]))
    )
    # Less than 2 % of each: with 200 captures, three at most
    assert all(count <= 3 for count in raised.values()), raised


@pytest.mark.parametrize("per_frame", [5, 30])
def test_many_short_captures_are_one_sample(per_frame):
    """11 positions of 40 frames, as an instrument of 0.713 µm per pixel takes them: nothing is too short or too few."""
    random = np.random.default_rng(per_frame)
    for _ in range(10):
        assert codes([simulated_capture(random, per_frame=per_frame, **ZETAVIEW) for _ in range(11)]) == []


def test_one_of_them_alone_is_too_little():
    assert codes([capture(per_frame=5, **ZETAVIEW)]) == ["few_tracks"]
    assert codes([capture(per_frame=4, n_frames=400, mean_track=10.0)]) == ["sparse"]


def test_the_common_step_of_a_vibration_is_measured():
    """White shaking of 0.5 px: steps share 2 x 0.25 px² per axis, 0.099 µm rms. 20 captures."""
    found = [common_motions(capture(seed, vibration_px=0.5, flow_px=(0.0, 0.0)).tracks)[0] for seed in range(20)]
    variances = np.array([one.products / one.pairs for one in found]) * 1e12
    error = variances.std(ddof=1) / math.sqrt(20)
    # The drift's running mean of 25 frames takes its share of what is common: 1 - 1/25 of it is left.
    expected = 2.0 * 0.25 * 0.14**2 * (1.0 - 1.0 / 25.0)
    assert abs(variances.mean() - expected) < 4 * error + 0.02 * expected


def test_independent_particles_share_no_step():
    """z of 200 clean captures: centred, and no wider than a standard error says."""
    z = np.array([common_motions(capture(seed, n_frames=60, per_frame=12).tracks)[0].z for seed in range(200)])
    assert abs(z.mean()) < 4 * z.std(ddof=1) / math.sqrt(z.size) + 0.3  # the drift takes a little of it away
    assert 0.5 < z.std(ddof=1) < 1.2
    assert z.max() < 4.0


def test_a_vibration_that_changes_no_size_is_none():
    # 0.2 px: 0.4 % of the square of a step of 4.5 px, seen in 1500 frames of 60 particles all the same
    one = capture(1, vibration_px=0.2, n_frames=1500, per_frame=60)
    motion = common_motions(one.tracks)[0]
    assert motion.z > 4.0
    assert motion.share < 0.01
    assert codes([one]) == []


def test_a_vibration_that_no_short_capture_tells_is_told_by_all():
    captures = [capture(seed, vibration_px=0.13, per_frame=12, **ZETAVIEW) for seed in range(11)]
    _, tracks = together(captures)
    assert sum(one.z > 4.0 for one in common_motions(tracks)) < 6
    assert codes(captures) == ["vibration"]


@pytest.mark.parametrize(("jump_px", "seeds"), [(12.0, 10), (60.0, 10)])
def test_a_jump_is_found_where_it_is(jump_px, seeds):
    """Short ones leave all steps long in one frame, long ones break every track."""
    for seed in range(seeds):
        one = capture(seed, jump=(70, jump_px))
        assert common_motions(one.tracks)[0].jumps == (70,)
        assert codes([one]) == ["stage_jump"]


def test_messages_name_captures_and_frames():
    named, tracks = together([capture(0), capture(1, jump=(70, 60.0)), capture(2, vibration_px=0.6)])
    flags = {found.code: found.message for found in of_motion([name for name, _ in named], tracks, NO_TRACK, {})}
    assert "1.avi before frame 70" in flags["stage_jump"]
    assert "in 2.avi" in flags["vibration"]
    assert "0.avi" not in "".join(flags.values())


@pytest.mark.parametrize(("flow_px", "frames"), [((8.0, 0.0), 80.0), ((-8.0, 16.0), 30.0), ((0.0, 0.0), None)])
def test_frames_in_the_field(flow_px, frames):
    found = frames_in_field(capture(flow_px=flow_px, per_frame=100).tracks.captures[0])
    assert found > 500 if frames is None else found == pytest.approx(frames, rel=0.05)


def test_of_tracks_without_a_field_no_flow_is_too_strong():
    tracks = capture(flow_px=(23.0, 0.0)).tracks
    unbounded = replace(tracks.captures[0], field_px=(0.0, 0.0, math.inf, math.inf))
    assert of_motion(["a"], tracks, NO_TRACK, {})[0].code == "drift"
    assert of_motion(["a"], Tracks(tracks.table, (unbounded,)), NO_TRACK, {}) == []


def test_focus_needs_a_known_objective_or_other_captures():
    wide = {"spot_sd_px": 4.2}
    assert codes([capture(**wide)]) == ["focus"]
    # Nobody knows the optics of 0.05 µm per pixel: there 4 px are 0.2 µm.
    assert codes([capture(mpp=0.05, flow_px=(0.0, 0.0), **wide)]) == []
    others = [capture(seed, **ZETAVIEW) for seed in range(5)]
    assert codes([*others, capture(6, **{**ZETAVIEW, "spot_sd_px": 1.8})]) == ["focus"]
    assert codes([capture(size_spread=0.3)]) == ["focus"]


def test_a_threshold_next_to_most_spots_is_noise():
    assert codes([capture(mass_factor=0.1)]) == ["noisy"]


def test_pictures_without_particles_are_judged_by_neither():
    one = capture()
    few = detections_of(one.detections.table.iloc[:40], one.detections.acquisition, spot_sd_px=9.0, noise_sd=20.0)
    assert of_picture([("a", few)], one.tracks, NO_TRACK) == []


def test_likelihoods_do_not_change_what_is_raised():
    """The same captures with their diffusion really estimated."""
    settings = Settings(mpp=0.713, fps=30, exposure_ms=10, temperature_c=25, medium="water", depth_um=10)
    named, tracks = together([capture(seed, per_frame=20, **ZETAVIEW) for seed in range(11)])
    diffusion = estimate_diffusion(tracks, settings)
    names = [name for name, _ in named]
    assert [*of_picture(named, tracks, diffusion), *of_counts(named, tracks, diffusion)] == []
    assert of_motion(names, tracks, diffusion, {}) == []
