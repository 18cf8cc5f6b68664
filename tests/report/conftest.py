"""Synthetic measurements of every kind, and a real browser to look at their pages."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from nta.concentration import Concentration
from nta.diffusion import Diffusion
from nta.distribution import SizeDistribution
from nta.estimate import Estimate
from nta.measurement import Capture, Counts, Measurement, Provenance
from nta.quality import Flag
from nta.settings import Settings, Sourced, resolve
from nta.size_statistics import Peak, SizeStatistics
from nta.tracking import LinkedCapture, Tracks

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE_NAME = ("<script>alert(1)</script> {{7*7}} </style> & \"'\n\U0001f9ea " + "x" * 200)[:200]


def _estimate(value: float, relative: float, n: int | None = None) -> Estimate:
    return Estimate(value, value * (1 - relative), value * (1 + relative), n)


def _distribution(parts: list[tuple[float, float, float]], n_tracks: int) -> SizeDistribution:
    """Return a mixture of lognormals (mode in nm, width of ln d, share)."""
    d = np.arange(30.0, 600.0)
    density = np.zeros_like(d)
    for mode, width, share in parts:
        median = mode * math.exp(width**2)
        density += share * np.exp(-((np.log(d / median) / width) ** 2) / 2) / (d * width * math.sqrt(2 * math.pi))
    density /= np.trapezoid(density, d)
    cumulative = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(d))])
    cumulative /= cumulative[-1]
    half = 1.96 * np.sqrt(density / (0.06 * n_tracks)) * 0.25 + 0.03 * density
    table = pd.DataFrame(
        {
            "diameter_nm": d,
            "density_per_nm": density,
            "density_low_per_nm": np.clip(density - half, 0, None),
            "density_high_per_nm": density + half,
            "cumulative": cumulative,
        }
    )
    keep, first = np.unique(cumulative, return_index=True)
    d10, d50, d90 = np.interp([0.1, 0.5, 0.9], keep, d[first])
    mean = np.trapezoid(density * d, d)
    sd = math.sqrt(np.trapezoid(density * (d - mean) ** 2, d))
    top = [i for i in range(1, d.size - 1) if density[i] > max(density[i - 1], density[i + 1])]
    share = [part[2] for part in parts]
    size = SizeStatistics(
        mode=_estimate(float(d[density.argmax()]), 0.03),
        mean=_estimate(float(mean), 0.02),
        sd=_estimate(sd, 0.09),
        d10=_estimate(float(d10), 0.03),
        d50=_estimate(float(d50), 0.02, n_tracks - 3),
        d90=_estimate(float(d90), 0.04),
        span=_estimate(float((d90 - d10) / d50), 0.07),
        peaks=tuple(Peak(_estimate(float(d[i]), 0.03), s, 0.9 * s, min(1.1 * s, 1.0)) for i, s in zip(top, share, strict=False)),
    )
    return SizeDistribution(table, size, n_tracks)


def _tables(captures: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(11)
    rows, n = Tracks.empty_table(), 40
    data: dict[str, np.ndarray] = {name: rng.normal(50, 9, n) for name in rows.columns}
    data["capture"] = np.repeat(np.arange(captures), n // captures)
    data["particle"] = np.arange(n) // 8
    data["frame"] = np.arange(n) % 8
    data["ep"][3] = math.nan
    tracks = pd.DataFrame(data).astype(rows.dtypes.to_dict())
    empty = Diffusion.empty_table()
    sized = pd.DataFrame({name: rng.normal(50, 9, 5) for name in empty.columns}).astype(empty.dtypes.to_dict())
    return tracks, sized


def _ok() -> Measurement:
    settings = Settings().updated("command_line", {"temperature_c": 25.0, "dilution": 1000.0})
    acquisition, values = resolve(settings)
    values |= {
        "diameter_px": Sourced(9, "video"),
        "min_mass": Sourced(412.7, "video"),
        "search_range_px": Sourced(18.25, "video"),
        "size_range_nm": Sourced([30.0, None], "assumed"),
        "exclude": Sourced([[0, 0, 20, 20]], "settings"),
        "invert": Sourced(False, "assumed"),
    }
    distribution = _distribution([(107.0, 0.27, 1.0)], 1287)
    tracks, diffusion = _tables(1)
    drift_px = np.column_stack([np.arange(4) * 3.1, [0.0, math.nan, 0.2, 0.3]])
    linked = LinkedCapture(acquisition, drift_px, 18.25, (4.0, 4.0, 632.0, 472.0))
    likelihood = -np.arange(20.0).reshape(5, 4) / 7
    likelihood[2, 1] = -math.inf
    libraries = {"numpy": "2.4.0", "trackpy": "0.7"}
    measured = _estimate(1.62e8, 0.14, 1498)
    return Measurement(
        status="ok",
        status_code=None,
        message="1287 particles were sized: mode 107 nm, D50 116 nm, 1.6 × 10⁸ particles/mL in the cell.",
        sample="Day 12 harvest, vial 3",
        captures=(
            Capture("videos/day12_vial3_01.avi", "3f" * 32, 1498, 24.9825, 0.14, 32.5, 640, 480, 48.3, 1904,
                    (11.24, -0.31)),
        ),
        size=distribution.size,
        concentration=Concentration(measured, measured.scaled(1000.0), "nominal", 10.0),
        distribution=distribution,
        tracks=Tracks(tracks, (linked,), {"cut": 44}),
        diffusion=Diffusion(diffusion, np.geomspace(20.0, 700.0, 4), likelihood, (linked,), 7),
        counts=Counts(72353, 48.3, 1904, 1287),
        values=values,
        flags=(Flag("volume_nominal", "info", "The depth of the volume is nominal; calibrate with beads."),),
        provenance=Provenance("0.1.0", "0a" * 32, libraries, "2026-11-20T08:15:00Z", "lab-3"),
        ledger={"tracks_too_short": 617, "links_cut_by_brightness": 44},
    )  # fmt: skip


def _two_captures() -> Measurement:
    one = _ok()
    linked = one.tracks.captures[0]
    unlinked = LinkedCapture(replace(linked.acquisition, n_frames=99), np.zeros((0, 2)))
    second = replace(one.captures[0], path="videos/day12_vial3_02.avi", sha256="c4" * 32, tracks=1850, status="warn")
    tracks, _ = _tables(2)
    return replace(
        one,
        status="warn",
        status_code="flow_differs",
        message="Two captures were measured; they flow at different speeds.",
        captures=(one.captures[0], second),
        tracks=Tracks(tracks, (linked, unlinked)),
        concentration=replace(one.concentration, volume_source="calibration", depth_um=10.25),
        flags=(
            *one.flags,
            Flag("flow_differs", "warn", "Capture 2 flows at 4 µm/s and capture 1 at 11; check the pump."),
        ),
    )


def _two_peaks() -> Measurement:
    distribution = _distribution([(100.0, 0.09, 0.55), (200.0, 0.08, 0.45)], 840)
    values = {**_ok().values, "dilution": Sourced(None, "assumed")}
    concentration = replace(_ok().concentration, stock=None)
    return replace(
        _ok(), sample="Mixture of beads", distribution=distribution, size=distribution.size, values=values,
        concentration=concentration,
    )  # fmt: skip


def _narrow() -> Measurement:
    distribution = _distribution([(100.0, 0.02, 1.0)], 400)
    return replace(_ok(), sample="Beads 100 nm", distribution=distribution, size=distribution.size)


def _blank() -> Measurement:
    one = _ok()
    return replace(
        one,
        status="warn",
        status_code="below_detection",
        message="No particle was found in 1498 frames: this is a blank, or the camera level was too low.",
        sample="Buffer blank",
        captures=(replace(one.captures[0], particles_per_frame=0.0, tracks=0, flow_um_s=None),),
        size=SizeStatistics.missing(),
        concentration=Concentration.missing(),
        distribution=SizeDistribution.missing(),
        tracks=Tracks(Tracks.empty_table(), one.tracks.captures),
        diffusion=Diffusion(Diffusion.empty_table(), np.geomspace(20.0, 700.0, 4), np.empty((0, 4))),
        counts=Counts(0, 0.0, 0, 0),
        flags=(Flag("below_detection", "warn", "Fewer particles than noise gives; raise the camera level."),),
        ledger={},
    )


def _rejected() -> Measurement:
    return replace(
        _blank(),
        status="rejected",
        status_code="not_a_video",
        message="'notes.avi' is text, not a video; export the capture as AVI or TIFF and try again.",
        sample="notes",
        captures=(Capture("notes.avi", status="rejected"),),
        tracks=Tracks(Tracks.empty_table()),
        counts=Counts(),
        flags=(),
    )


def _nothing() -> Measurement:
    return replace(
        _rejected(), status="failed", status_code="no_signal", sample="", captures=(), values={},
        provenance=Provenance("0.1.0", "00" * 32, {}, "2026-11-20T08:15:00Z", ""),
    )  # fmt: skip


def _hostile() -> Measurement:
    name = HOSTILE_NAME
    one = _two_captures()
    return replace(
        one,
        sample=name,
        message=f"Sized {name}",
        captures=(replace(one.captures[0], path=f"/data/{name}.avi"), one.captures[1]),
        values={**one.values, "instrument": Sourced(name, "sidecar")},
        flags=(Flag("odd_name", "fail", f"The name {name} is odd."),),
        ledger={name: 3},
        provenance=replace(one.provenance, host=name, libraries={name: name}),
    )


_BUILDERS: dict[str, Callable[[], Measurement]] = {
    "ok": _ok,
    "warn_two_captures": _two_captures,
    "two_peaks": _two_peaks,
    "narrow": _narrow,
    "blank": _blank,
    "rejected": _rejected,
    "nothing": _nothing,
    "hostile": _hostile,
}


@pytest.fixture(scope="session")
def example() -> Callable[[str], Measurement]:
    """Return a function from the name of an example to its measurement."""
    made: dict[str, Measurement] = {}

    def get(name: str) -> Measurement:
        if name not in made:
            made[name] = _BUILDERS[name]()
        return made[name]

    return get


@pytest.fixture(params=list(_BUILDERS))
def measurement(request: pytest.FixtureRequest, example: Callable[[str], Measurement]) -> Measurement:
    """Every example in turn."""
    return example(request.param)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A real browser without network; its absence skips, or fails where NTA_TEST_REQUIRE asks for it."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        reason = "no chromium on the PATH: apt-get install chromium"
        if "chromium" in os.environ.get("NTA_TEST_REQUIRE", ""):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()
