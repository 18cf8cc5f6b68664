"""Detections: trackpy's features, where they were asked for, with every value and its origin."""

from __future__ import annotations

import warnings

import av
import numpy as np
import pandas as pd
import pytest
import trackpy
from scipy.spatial import cKDTree

from nta.detection import detect
from nta.detection.trackpy_engine import FEATURE_COLUMNS, locate, margin_px
from nta.errors import RejectedError, SettingsError
from nta.settings import Settings
from nta.simulation import Scene, frames
from nta.video import open_video

SCENE = {"width_px": 192, "height_px": 144, "particles_per_frame": 14.0, "n_frames": 24, "seed": 5}


def stack(**parameters) -> np.ndarray:
    return np.array(list(frames(Scene(**{**SCENE, **parameters}))))


def by_trackpy(frame: np.ndarray, diameter: int, min_mass: float, invert: bool) -> pd.DataFrame:
    with warnings.catch_warnings():
        # trackpy uses what pandas is about to drop, and divides by masses that may be 0.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        found = trackpy.locate(frame, diameter, minmass=min_mass, invert=invert)
    return found.sort_values(["y", "x"], ignore_index=True)


@pytest.mark.parametrize(
    ("parameters", "diameter", "min_mass"),
    [
        ({}, 9, 60.0),
        ({}, 11, 0.0),
        ({"bit_depth": 16}, 9, 500.0),
        ({"particles_per_frame": 120.0}, 7, 40.0),
        ({"read_noise": 3.0}, 9, 80.0),
    ],
)
@pytest.mark.parametrize("invert", [False, True])
def test_features_are_those_of_trackpy(parameters, diameter, min_mass, invert):
    images = stack(**parameters, n_frames=4)
    if invert:
        images = np.iinfo(images.dtype).max - images
    for image in images:
        ours = pd.DataFrame(locate(image, diameter, min_mass, invert=invert), columns=list(FEATURE_COLUMNS))
        theirs = by_trackpy(image, diameter, min_mass, invert)
        assert len(theirs) > 5
        pd.testing.assert_frame_equal(
            ours.sort_values(["y", "x"], ignore_index=True)[["y", "x", "mass", "size", "ecc", "signal", "ep"]],
            theirs[["y", "x", "mass", "size", "ecc", "signal", "ep"]],
        )
        # The mask's centre stays inside the margin; the centroid lies up to 0.6 px beside it.
        assert ours[["y", "x"]].min().min() >= margin_px(diameter) - 0.6


def test_positions_of_a_video_are_those_of_trackpy_where_the_threshold_is_stated(film):
    images = stack()
    table = detect(film(images), Settings(diameter_px=9, min_mass=60.0)).table
    for number, image in enumerate(images):
        ours = table.loc[table["frame"] == number, ["y", "x"]].reset_index(drop=True)
        pd.testing.assert_frame_equal(ours, by_trackpy(image, 9, 60.0, False)[["y", "x"]])


def test_amplified_pixels_give_masses_in_grey_levels_of_the_frame():
    image = stack(n_frames=1, read_noise=0.0, offset=0.0, reference_photoelectrons=60000.0, bit_depth=16)[0]
    plain = locate(image, 9, 2000.0, invert=False)
    times_four = locate(image, 9, 2000.0, invert=False, gain=4)
    assert len(plain) == len(times_four) > 3
    np.testing.assert_allclose(times_four[:, :2], plain[:, :2], atol=0.01)
    np.testing.assert_allclose(times_four[:, [2, 5, 6]], plain[:, [2, 5, 6]], rtol=0.02)
    white = np.full((60, 60), 65535, dtype=np.uint16)
    assert len(locate(white, 9, 0.0, invert=False, gain=4)) == 0


def test_nothing_there_gives_an_empty_table_with_every_column(film):
    rng = np.random.default_rng(0)
    video = film(np.rint(rng.normal(20, 2, (20, 96, 128))).astype(np.uint8))
    detections = detect(video)
    assert {"frame", "x", "y", "mass", "x_refined", "y_refined", "sigma_px", "disc_mass"} <= set(detections.table)
    high = detect(video, Settings(min_mass=1e6))
    assert high.table.empty
    assert list(high.table.columns) == list(detections.table.columns)
    assert high.table["frame"].dtype == np.int64
    assert high.particles_per_frame == 0.0


def test_dark_particles_are_recognised_and_found_where_bright_ones_were(film):
    images = stack(read_noise=1.5)
    bright = detect(film(images))
    dark = detect(film(255 - images, "dark.mkv"))
    assert not bright.appearance.inverted
    assert dark.appearance.inverted
    assert dark.values["invert"] == (True, "video")
    assert len(dark.table) == pytest.approx(len(bright.table), rel=0.02)
    places, twins = (found.table[["frame", "x", "y"]].to_numpy() * [1e3, 1, 1] for found in (bright, dark))
    assert (cKDTree(twins).query(places)[0] < 0.05).mean() > 0.95
    assert (dark.table["disc_mass"] > 0).mean() > 0.98


@pytest.mark.parametrize("bits", [12, 16])
def test_cameras_with_more_than_eight_bits(film, bits):
    images = stack(bit_depth=16, gain=1.0, read_noise=2.0, offset=100.0) * (1 if bits == 12 else 10)
    assert (images.max() < 4096) == (bits == 12)
    detections = detect(film(images, "deep.tif"))
    eight = detect(film(stack(), "eight.mkv"))
    assert detections.appearance.full_scale == (4095 if bits == 12 else 65535)
    assert len(detections.table) == pytest.approx(len(eight.table), rel=0.25)


def test_a_dim_video_of_twelve_bits_is_saturated_at_the_top_of_twelve_bits(tmp_path):
    """A bright corner at 1023, the top of 10 bits, is not saturated where the file states 12."""
    images = np.minimum(stack(bit_depth=16, gain=1.0, read_noise=2.0, offset=100.0), 1023)
    images[:, :12, :12] = 1023
    path = tmp_path / "twelve.mkv"
    height, width = images.shape[1:]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25, options={"level": "3"})
        stream.width, stream.height, stream.pix_fmt = width, height, "gray12le"
        for image in images:
            frame = av.VideoFrame(width, height, "gray12le")
            padded = np.zeros((height, frame.planes[0].line_size // 2), np.uint16)
            padded[:, :width] = image
            frame.planes[0].update(padded.tobytes())
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    appearance = detect(open_video(path)).appearance
    assert (appearance.full_scale, appearance.saturated_share) == (4095, 0.0)


def test_refined_positions_lie_closer_to_the_light_than_the_detectors(filmed):
    video, truth = filmed(**{**SCENE, "width_px": 320, "height_px": 240, "particles_per_frame": 8.0})
    table = detect(video).table
    errors = []
    for frame, seen in truth.positions.groupby("frame"):
        spots = table[table["frame"] == frame]
        seen = seen[(seen["peak_grey"] > 10) & (seen["z_um"].abs() < 2)]
        gap = np.hypot(*(spots[[a]].to_numpy() - seen[[b]].to_numpy().T for a, b in (("x", "x"), ("y", "y"))))
        row, column = np.nonzero(gap < 4)
        for kind in ("", "_refined"):
            dx = spots["x" + kind].to_numpy()[row] - seen["x"].to_numpy()[column]
            dy = spots["y" + kind].to_numpy()[row] - seen["y"].to_numpy()[column]
            errors += [(kind, value) for value in np.hypot(dx, dy)]
    median = pd.DataFrame(errors).groupby(0)[1].agg(["median", "size"])
    assert median["size"].min() > 60
    assert median.loc["_refined", "median"] < 0.8 * median.loc["", "median"]
    assert (table["sigma_px"] > 0).all()


class TestWhatToLookAt:
    """Every option that restricts the search does so."""

    @pytest.fixture
    def images(self) -> np.ndarray:
        return stack(particles_per_frame=30.0)

    def test_roi(self, film, images):
        detections = detect(film(images), Settings(roi=(40, 30, 100, 80)))
        assert detections.table["x"].between(40, 139).all()
        assert detections.table["y"].between(30, 109).all()
        assert detections.field_px == (40, 30, 100, 80)
        assert (detections.acquisition.width_px, detections.acquisition.height_px) == (100, 80)
        cut = detect(film(np.ascontiguousarray(images[:, 30:110, 40:140]), "cut.mkv"))
        np.testing.assert_allclose(detections.table[["x", "x_refined"]] - 40, cut.table[["x", "x_refined"]])
        np.testing.assert_allclose(detections.table[["y", "y_refined"]] - 30, cut.table[["y", "y_refined"]])
        assert len(cut.table) > 50

    def test_exclude(self, film, images):
        video = film(images)
        whole = detect(video)
        rectangles = ((0, 0, 60, 50), (40, 20, 50, 60))
        part = detect(video, Settings(exclude=rectangles))
        inside = np.zeros(len(whole.table), dtype=bool)
        for x, y, w, h in rectangles:
            # Pixel x covers x - 0.5 to x + 0.5.
            across = (whole.table["x"] >= x - 0.5) & (whole.table["x"] < x + w - 0.5)
            inside |= (across & (whole.table["y"] >= y - 0.5) & (whole.table["y"] < y + h - 0.5)).to_numpy()
        assert inside.sum() > 20
        pd.testing.assert_frame_equal(part.table, whole.table[~inside].reset_index(drop=True))
        assert part.ledger == {"spots_excluded_by_region": inside.sum()}
        # Only what lies inside the detector's margin was searched: the first rectangle begins in the corner.
        margin = part.margin_px
        assert margin > 0
        assert part.masked_px == (60 - margin) * (50 - margin) + 50 * 60 - 20 * 30

    def test_frames(self, film, images):
        video = film(images)
        part = detect(video, Settings(frames=(4, 16)))
        assert sorted(part.table["frame"].unique()) == list(range(4, 16))
        assert part.acquisition.n_frames == 12
        assert detect(video, Settings(frames=(10, None))).acquisition.n_frames == 14
        assert detect(video, Settings(frames=(10, 1000))).acquisition.n_frames == 14

    def test_stated_values_are_used_and_their_origin_kept(self, film, images):
        video = film(images)
        automatic = detect(video)
        settings = Settings(invert=False).updated("command_line", {"diameter_px": 15, "min_mass": 900.0})
        stated = detect(video, settings)
        assert (stated.diameter_px, stated.min_mass, stated.margin_px) == (15, 900.0, margin_px(15))
        assert stated.table["mass"].min() > 900.0
        assert stated.values["diameter_px"] == (15, "command_line")
        assert stated.values["min_mass"] == (900.0, "command_line")
        assert stated.values["invert"] == (False, "settings")
        assert {automatic.values[name].origin for name in ("diameter_px", "min_mass", "invert")} == {"video"}
        assert automatic.diameter_px != 15
        # Looking for dark spots in a picture of bright ones finds other places.
        other = detect(video, Settings(invert=True))
        assert other.appearance.inverted
        assert not np.isin(other.table["x"].round(6), automatic.table["x"].round(6)).any()

    def test_progress_counts_frames(self, film, images):
        calls: list[tuple[str, int, int | None]] = []
        detect(film(images), Settings(frames=(4, 16)), progress=lambda *call: calls.append(call))
        assert calls == [("detect", n + 1, 12) for n in range(12)]
        calls.clear()
        detect(film(images), Settings(frames=(18, 40)), progress=lambda *call: calls.append(call))
        assert calls == [("detect", n + 1, 6) for n in range(6)]


class TestWhatCannotBeMeasured:
    """One sentence with the value and the way out."""

    def test_too_few_frames(self, film):
        with pytest.raises(RejectedError, match="4 frame") as caught:
            detect(film(stack(n_frames=4)))
        assert caught.value.code == "too_short"

    @pytest.mark.parametrize(("grey", "code"), [(0, "no_signal"), (40, "no_signal"), (255, "saturated")])
    def test_constant_pictures(self, film, grey, code):
        with pytest.raises(RejectedError, match=str(grey)) as caught:
            detect(film(np.full((10, 64, 64), grey, dtype=np.uint8)))
        assert caught.value.code == code

    def test_frames_beyond_the_end(self, film):
        with pytest.raises(SettingsError, match=r"24 frames.*--frames"):
            detect(film(stack()), Settings(frames=(24, None)))
        with pytest.raises(SettingsError, match="24 frames"):
            detect(film(stack()), Settings(frames=(100, 200)))

    def test_roi_beyond_the_frame(self, film):
        with pytest.raises(SettingsError, match="--roi"):
            detect(film(stack()), Settings(roi=(100, 0, 100, 50)))

    def test_field_smaller_than_the_spots(self, film):
        with pytest.raises(SettingsError, match="--diameter-px"):
            detect(film(stack()), Settings(diameter_px=51))
