"""Paths against theory: every z is (measured - expected)/standard error, N and seed stated, |z| < 4."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kstest, lognorm, norm

from nta.simulation import Lognormal, OneSize, Scene, observe
from nta.simulation.motion import Box, diffusion_um2_s

FLOWS = [(0.0, 0.0), (30.0, -12.0)]


def box_of(scene: Scene) -> Box:
    return Box(scene, np.random.default_rng(scene.seed))


def crowd(**changes) -> Scene:
    """Return some 2000 particles of 80 nm in view in a wide, deep box: N independent paths in few frames."""
    scene = Scene(
        population=OneSize(80.0),
        width_px=400,
        height_px=400,
        sheet_fwhm_um=40.0,
        particles_per_frame=2000.0,
        n_frames=4,
        flow_um_s=(15.0, -7.0),
        seed=11,
    )
    return replace(scene, **changes)


def mean_paths(scene: Scene) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ids, exposure means (frames, n, 3) and sub-step paths of those that cannot have left the box."""
    box = box_of(scene)
    exposures = list(box.exposures())
    reach = 8 * np.sqrt(2 * exposures[0].particles.diffusion_um2_s[0] * scene.n_frames * scene.frame_time_s) + 3
    start = exposures[0].particles.position_um
    safe = ((start > box.low_um + reach) & (start < box.high_um - reach)).all(axis=1)
    ids = exposures[0].particles.id[safe]
    rows = [{int(i): row for row, i in enumerate(e.particles.id)} for e in exposures]
    means = np.array([e.mean_position_um[[row[int(i)] for i in ids]] for e, row in zip(exposures, rows, strict=True)])
    return ids, means, exposures[0].path_um[safe]


@pytest.mark.parametrize("exposure_ms", [32.5, 40.02801, 0.0])
@pytest.mark.parametrize("lag", [1, 2, 3])
def test_displacement_has_the_blurred_variance_of_brownian_motion(exposure_ms, lag):
    # E u² = 2 D (n tau - tE/3) per axis (Berglund 2010); N = 3 axes x > 1500 particles, one displacement each
    scene = crowd(exposure_ms=exposure_ms)
    _, means, _ = mean_paths(scene)
    drift = np.array([*scene.flow_um_s, 0.0]) * lag * scene.frame_time_s
    u = (means[lag] - means[0] - drift).ravel()
    d = diffusion_um2_s(scene, np.array([80.0]))[0]
    expected = 2 * d * (lag * scene.frame_time_s - scene.exposure_s / 3)
    assert u.size > 4500
    assert abs(np.mean(u**2) / expected - 1) / np.sqrt(2 / u.size) < 4
    assert abs(np.mean(u)) / np.sqrt(expected / u.size) < 4


def test_neighbouring_displacements_correlate_as_blur_says_and_distant_ones_do_not():
    # C_1 = 2 R D tau = D tE/3, C_2 = 0; seed 12, N > 4500
    scene = crowd(seed=12)
    _, means, _ = mean_paths(scene)
    drift = np.array([*scene.flow_um_s, 0.0]) * scene.frame_time_s
    u = np.diff(means, axis=0) - drift
    d = diffusion_um2_s(scene, np.array([80.0]))[0]
    for lag, expected in ((1, d * scene.exposure_s / 3), (2, 0.0)):
        products = (u[0] * u[lag]).ravel()
        assert abs(products.mean() - expected) / (products.std() / np.sqrt(products.size)) < 4


@pytest.mark.parametrize("sub_steps", [12, 16, 48])
def test_blur_does_not_depend_on_the_number_of_sub_steps(sub_steps):
    # Spread of the sub-steps about their mean plus the spread within one, 2 D tE/6 (1 - 1/n) + 2 D tE/(6 n)
    scene = crowd(sub_steps=sub_steps, n_frames=1)
    exposure = next(box_of(scene).exposures())
    moving = exposure.path_um - np.array([*scene.flow_um_s, 0.0]) * scene.exposure_s * (
        (np.arange(sub_steps) + 0.5)[None, :, None] / sub_steps
    )
    d = diffusion_um2_s(scene, np.array([80.0]))[0]
    between = ((moving - moving.mean(axis=1, keepdims=True)) ** 2).mean(axis=1).ravel()
    total = between.mean() + d * scene.exposure_s / sub_steps / 3
    assert abs(total - d * scene.exposure_s / 3) / (between.std() / np.sqrt(between.size)) < 4


def test_steps_are_normal():
    # Kolmogorov-Smirnov on independent displacements; seed 11, N > 4500
    scene = crowd(flow_um_s=(0.0, 0.0))
    _, means, _ = mean_paths(scene)
    d = diffusion_um2_s(scene, np.array([80.0]))[0]
    sd = np.sqrt(2 * d * (scene.frame_time_s - scene.exposure_s / 3))
    assert kstest(((means[1] - means[0]) / sd).ravel(), "norm").pvalue > 1e-4


def small_box(seed: int, flow: tuple[float, float]) -> Scene:
    return Scene(
        population=Lognormal(70.0, 0.5),
        width_px=64,
        height_px=64,
        sheet_fwhm_um=4.0,
        particles_per_frame=8.0,
        n_frames=80,
        flow_um_s=flow,
        seed=seed,
    )


@pytest.mark.parametrize("flow", FLOWS)
def test_box_keeps_density_sizes_and_evenness_of_the_population(flow):
    # 12 boxes (seeds 0 to 11) after 80 frames; N about 3000 particles, most of them newcomers
    count, expected, log_d, where, fresh = 0, 0.0, [], [], 0
    for seed in range(12):
        box = box_of(small_box(seed, flow))
        first = box.particles.id.max()
        for _ in box.exposures():
            pass
        particles = box.particles
        count += len(particles)
        expected += box.volume_um3 * small_box(seed, flow).density_per_um3
        fresh += int((particles.id > first).sum())
        log_d.append(np.log(particles.diameter_nm))
        where.append((particles.position_um - box.low_um) / (box.high_um - box.low_um))
    population = small_box(0, flow).population
    sizes, places = np.concatenate(log_d), np.concatenate(where)
    assert fresh > 0.5 * count
    assert abs(count - expected) / np.sqrt(expected) < 4
    assert abs(sizes.mean() - population.log_mean) / (population.log_sd / np.sqrt(count)) < 4
    assert abs(sizes.var() / population.log_sd**2 - 1) / np.sqrt(2 / count) < 4
    for axis in range(3):
        assert kstest(places[:, axis], "uniform").pvalue > 1e-4
    # Small and large particles are equally even: what enters is right at every depth behind the walls.
    near_wall = (np.minimum(places, 1 - places) < 0.1).any(axis=1)
    difference = sizes[near_wall].mean() - sizes[~near_wall].mean()
    error = population.log_sd * np.sqrt(1 / near_wall.sum() + 1 / (~near_wall).sum())
    assert abs(difference) / error < 4


def test_drawing_each_leaver_anew_from_the_population_would_bias_the_sizes():
    # Why the box has a collar: the short cut (re-entry opposite, size redrawn) drifts to large particles.
    rng, population, length = np.random.default_rng(5), Lognormal(70.0, 0.5), 10.0
    d = population.sample(rng, 3000)
    x = rng.random((3000, 3)) * length
    for _ in range(400):
        x += rng.standard_normal(x.shape) * np.sqrt(2 * 490.0 / d * 0.04)[:, None]
        left = ((x < 0) | (x >= length)).any(axis=1)
        d[left] = population.sample(rng, int(left.sum()))
        x %= length
    assert (np.log(d).mean() - population.log_mean) / (population.log_sd / np.sqrt(d.size)) > 6


def inside_both(length_um: float, sd_um: float, shift_um: float) -> float:
    """Return P(in [0, L] later | evenly spread in it now) for a normal displacement."""

    def weight(u: float) -> float:
        return (1 - abs(u) / length_um) * norm.pdf(u, shift_um, sd_um)

    return quad(weight, -length_um, 0)[0] + quad(weight, 0, length_um)[0]


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("lag", [1, 12])
def test_residence_in_field_and_sheet_is_that_of_brownian_motion(flow, lag):
    # 10 µm sheet, 100 nm, 3000 in view (seed 3): those in view in both frames are Poisson about n P
    scene = Scene(
        population=OneSize(100.0),
        width_px=320,
        height_px=240,
        particles_per_frame=3000.0,
        n_frames=lag + 1,
        flow_um_s=flow,
        seed=3,
    )
    time_s = lag * scene.frame_time_s
    d = diffusion_um2_s(scene, np.array([100.0]))[0]
    sd = np.sqrt(2 * d * (time_s - scene.exposure_s / 3))
    shift = np.array([*flow, 0.0]) * time_s
    lengths = (scene.width_px * scene.mpp, scene.height_px * scene.mpp, scene.sheet_fwhm_um)
    stay = np.prod([inside_both(length, sd, v) for length, v in zip(lengths, shift, strict=True)])
    positions = observe(scene, positions=True).positions
    seen = positions[positions.in_view]
    first, last = (set(seen.particle[seen.frame == frame]) for frame in (0, lag))
    assert abs(len(first & last) - 3000 * stay) / np.sqrt(3000 * stay) < 4
    assert abs(len(first) - 3000) / np.sqrt(3000) < 4
    assert abs(len(last) - 3000) / np.sqrt(3000) < 4


def test_particle_numbers_are_never_used_twice():
    box = box_of(small_box(1, (30.0, 0.0)))
    seen: dict[int, float] = {}
    for exposure in box.exposures():
        for i, d in zip(exposure.particles.id, exposure.particles.diameter_nm, strict=True):
            assert seen.setdefault(int(i), float(d)) == d


def test_in_view_sizes_agree_with_the_population():
    # Distinct particles of one instant are independent draws: seed 4, N about 3000
    scene = Scene(particles_per_frame=3000.0, n_frames=1, seed=4)
    truth = observe(scene)
    law = lognorm(scene.population.log_sd, scale=np.exp(scene.population.log_mean))
    assert kstest(truth.diameter_nm, law.cdf).pvalue > 1e-4
