"""Light and camera against theory; every z is (measured - expected)/standard error, |z| < 4."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from nta.errors import MissingExtraError
from nta.simulation import OneSize, Scene
from nta.simulation.camera import Camera
from nta.simulation.motion import Exposure, Particles
from nta.simulation.optics import (
    _mie_table,
    illumination,
    mean_light,
    mie,
    own_brightness,
    photoelectrons,
    rayleigh_gans_debye,
    sheet,
    spots,
)

SMALL = Scene(population=OneSize(100.0), width_px=96, height_px=80, n_frames=1)


def at_rest(scene: Scene, x_px: float, y_px: float, z_um: float) -> Exposure:
    """Return the exposure of one particle of 100 nm that does not diffuse."""
    place = np.array([[x_px * scene.mpp, y_px * scene.mpp, z_um]])
    one = Particles(np.array([7]), np.array([100.0]), np.zeros(1), np.zeros(1), place)
    return Exposure(0, one, np.repeat(place[:, None, :], scene.sub_steps, axis=1))


@pytest.mark.parametrize("z_um", [0.0, 3.0, -5.0])
def test_spot_holds_all_the_light_and_widens_with_defocus(z_um):
    scene = replace(SMALL, gain=1000.0)
    image = mean_light(scene, spots(scene, at_rest(scene, 41.3, 36.8, z_um)))
    y, x = np.indices(image.shape)
    total = image.sum()
    variance = (image * (x - 41.3) ** 2).sum() / total
    assert total == pytest.approx(6000.0 * 0.5 ** ((2 * z_um / 10.0) ** 2), rel=1e-4)
    assert (image * x).sum() / total == pytest.approx(41.3, abs=1e-3)
    assert (image * y).sum() / total == pytest.approx(36.8, abs=1e-3)
    assert variance == pytest.approx((0.2 / 0.14) ** 2 * (1 + (z_um / 3.0) ** 2) + 1 / 12, rel=2e-3)


def test_spots_of_all_particles_add_up_to_the_direct_sum():
    # The slow twin: every pixel, every sub-step, no cut-off
    scene = replace(SMALL, gain=1000.0, particles_per_frame=20.0, width_px=40, height_px=32)
    rng = np.random.default_rng(6)
    n = 12
    start = np.column_stack([rng.uniform(-1, 6.5, n), rng.uniform(-1, 5.5, n), rng.uniform(-6, 6, n)])
    path = start[:, None, :] + rng.normal(0, 0.2, (n, scene.sub_steps, 3))
    particles = Particles(np.arange(n), np.full(n, 100.0), np.full(n, 4.9), np.zeros(n), start)
    of = spots(scene, Exposure(0, particles, path))
    y, x = np.indices((32, 40))
    expected = np.zeros((32, 40))
    for cx, cy, sd, light in zip(of.x_px.flat, of.y_px.flat, of.sd_px.flat, of.light.flat, strict=True):
        squared = (x - cx) ** 2 + (y - cy) ** 2
        expected += light / (2 * np.pi * sd**2) * np.exp(-squared / (2 * sd**2))
    np.testing.assert_allclose(mean_light(scene, of), expected, atol=2e-3)


def test_sheet_falls_to_one_half_at_half_its_width():
    np.testing.assert_allclose(sheet(SMALL, np.array([0.0, 5.0, -5.0])), [1.0, 0.5, 0.5])


def test_gradient_changes_the_light_across_the_field_and_not_at_its_centre():
    scene = replace(SMALL, gradient_x=0.4, gradient_y=-0.2)
    x, y = np.array([-0.5, 47.5, 95.5, 47.5]), np.array([39.5, 39.5, 39.5, 79.5])
    np.testing.assert_allclose(illumination(scene, x, y), [0.8, 1.0, 1.2, 0.9])
    left, right = (mean_light(scene, spots(scene, at_rest(scene, x, 39.5, 0.0))).sum() for x in (23.5, 71.5))
    assert right / left == pytest.approx(1.1 / 0.9, rel=1e-3)


def test_dimming_scales_all_light():
    d = np.array([60.0, 100.0])
    np.testing.assert_allclose(
        photoelectrons(replace(SMALL, dimming=0.7), d), 0.7 * photoelectrons(SMALL, d), rtol=1e-12
    )


def test_equal_and_power_laws():
    d = np.array([50.0, 100.0, 200.0])
    np.testing.assert_allclose(photoelectrons(replace(SMALL, brightness="equal"), d), 6000.0)
    power = replace(SMALL, brightness="power", brightness_exponent=4.0, reference_diameter_nm=200.0)
    np.testing.assert_allclose(photoelectrons(power, d), 6000.0 * (d / 200.0) ** 4)


def test_rayleigh_gans_debye_is_the_interference_within_a_sphere():
    # The amplitude is the integral of cos(q x) over the sphere's slices, area pi (a² - x²)
    d = np.array([20.0, 100.0, 180.0])
    q = 4 * np.pi * 1.3325 / 405.0 * np.sin(np.pi / 4)
    x = np.linspace(-1, 1, 20_001)[None, :] * d[:, None] / 2
    amplitude = np.trapezoid(np.pi * ((d[:, None] / 2) ** 2 - x**2) * np.cos(q * x), x, axis=1)
    got = rayleigh_gans_debye(d, 405.0, 90.0, 1.3325)
    np.testing.assert_allclose(got / got[0], (amplitude / amplitude[0]) ** 2, rtol=1e-6)
    tiny = rayleigh_gans_debye(np.array([1.0, 2.0]), 405.0, 90.0, 1.3325)
    assert tiny[1] / tiny[0] == pytest.approx(64.0, rel=1e-3)


def test_mie_is_miepythons_and_tends_to_rayleigh_gans_debye():
    import miepython

    d = np.array([40.0, 107.0, 300.0, 800.0])
    direct = [
        abs(miepython.S1_S2(1.45 / 1.3325, np.pi * size * 1.3325 / 488.0, np.array([0.0]), norm="wiscombe")[0][0])
        for size in d
    ]
    got = mie(d, 488.0, 90.0, 1.45, 1.3325)
    np.testing.assert_allclose(got / got[0], (np.array(direct) / direct[0]) ** 2, rtol=1e-3)
    soft = mie(d[:3], 488.0, 90.0, 1.3326, 1.3325)
    born = rayleigh_gans_debye(d[:3], 488.0, 90.0, 1.3325)
    np.testing.assert_allclose(soft / soft[0], born / born[0], rtol=5e-3)


def test_mie_without_its_extra_names_the_extra(monkeypatch):
    _mie_table.cache_clear()
    monkeypatch.setitem(sys.modules, "miepython", None)
    with pytest.raises(MissingExtraError, match=r"nta\[mie\]"):
        photoelectrons(replace(SMALL, brightness="mie"), np.array([100.0]))


def test_own_brightness_has_mean_one_and_the_stated_cv():
    # N = 100000, seed 8; fourth moments of the lognormal from the sample itself
    factor = own_brightness(replace(SMALL, brightness_cv=0.4), np.random.default_rng(8).standard_normal(100_000))
    assert abs(factor.mean() - 1) / (factor.std() / np.sqrt(factor.size)) < 4
    squares = (factor - 1) ** 2
    assert abs(squares.mean() - 0.16) / (squares.std() / np.sqrt(factor.size)) < 4
    np.testing.assert_array_equal(own_brightness(SMALL, np.array([-3.0, 2.0])), 1.0)


@pytest.mark.parametrize(("bit_depth", "gain", "read_noise"), [(8, 0.25, 1.0), (16, 1.0, 0.0), (16, 4.0, 12.0)])
@pytest.mark.parametrize("light", [0.0, 3.0, 200.0])
def test_grey_levels_have_poisson_mean_and_variance(bit_depth, gain, read_noise, light):
    # mean offset + g e; variance g² e + read² + 1/12 of rounding (0 where all is whole); N = 307200, seed 9
    scene = Scene(bit_depth=bit_depth, gain=gain, read_noise=read_noise, offset=90.0)
    grey = Camera(scene, np.random.default_rng(9)).capture(np.full((480, 640), light)).astype(float)
    rounding = 1 / 12 if read_noise > 0 else 0.0
    variance = gain**2 * light + read_noise**2 + rounding
    fourth = 3 * variance**2 + gain**4 * light
    assert abs(grey.mean() - (90.0 + gain * light)) <= 4 * np.sqrt(variance / grey.size)
    assert abs(grey.var() - variance) <= 4 * np.sqrt((fourth - variance**2) / grey.size)


def test_stray_light_has_shot_noise_and_follows_the_gradient():
    # N = 307200 pixels, seed 10
    scene = Scene(stray_photoelectrons=40.0, gradient_x=0.5, gain=1.0, read_noise=2.0, offset=10.0)
    grey = Camera(scene, np.random.default_rng(10)).capture(np.zeros((480, 640))).astype(float)
    expected = 40.0 * (1 + 0.5 * ((np.arange(640) + 0.5) / 640 - 0.5))
    variance = expected + 4.0 + 1 / 12
    z = (grey.mean(axis=0) - 10.0 - expected) / np.sqrt(variance / 480)
    assert abs(z.sum()) / np.sqrt(640) < 4
    assert abs((z**2).sum() - 640) / np.sqrt(2 * 640) < 4
    residual = ((grey - 10.0 - expected) ** 2 / variance).mean()
    assert abs(residual - 1) / np.sqrt(2 / grey.size) < 4


@pytest.mark.parametrize(("bit_depth", "dtype", "white"), [(8, np.uint8, 255), (16, np.uint16, 65535)])
def test_light_beyond_the_range_is_clipped(bit_depth, dtype, white):
    scene = Scene(bit_depth=bit_depth)
    light = np.zeros((480, 640))
    light[10:20] = 1e6
    grey = Camera(scene, np.random.default_rng(0)).capture(light)
    assert grey.dtype == dtype
    assert (grey[10:20] == white).all()
    dark = Camera(replace(scene, offset=0.0), np.random.default_rng(0)).capture(np.zeros((480, 640)))
    assert dark.min() == 0
    assert dark.max() < white // 10
