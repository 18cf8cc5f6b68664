"""What all tests share: other people's data, named requirements, a database server, a measurement at no cost."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from store_records import PostgresServer

from nta.concentration import Concentration
from nta.diffusion import Diffusion
from nta.distribution import SizeDistribution
from nta.errors import RejectedError, UsageError
from nta.estimate import Estimate
from nta.measurement import Capture, Counts, Measurement, Provenance
from nta.progress import Progress, silent
from nta.quality import Flag
from nta.settings import Settings, resolve
from nta.size_statistics import Peak, SizeStatistics
from nta.tracking import Tracks

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that runs the tests in the background has them ignore Ctrl-C, and so would every program they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def demand(name: str, available: bool, reason: str) -> None:
    """Skip the test when something is not there, or fail it where ``NTA_TEST_REQUIRE`` lists its name."""
    if available:
        return
    if name in os.environ.get("NTA_TEST_REQUIRE", "").split(","):
        pytest.fail(f"{name} is required here: {reason}")
    pytest.skip(f"{name}: {reason}")


def is_long_run() -> bool:
    """Whether ``NTA_TEST_LONG`` asks for the full number of kills and seconds, which take minutes."""
    return os.environ.get("NTA_TEST_LONG", "") not in ("", "0")


@pytest.fixture(scope="session")
def long_run() -> bool:
    """Whether the long form of a test is asked for."""
    return is_long_run()


@pytest.fixture(autouse=True)
def no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open files at once: those of tests are always new, and would each be looked at again a moment later."""
    monkeypatch.setattr("nta.video.source.WAIT_S", 0.0)


@pytest.fixture(scope="session")
def require() -> Callable[[str, bool, str], None]:
    """The function ``require(name, available, reason)``: skips locally, fails where the name is required."""
    return demand


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of other people's data that ``NTA_TEST_DATA`` names."""
    folder = os.environ.get("NTA_TEST_DATA", "")
    demand("data", bool(folder) and Path(folder).is_dir(), "NTA_TEST_DATA names no folder")
    return Path(folder).resolve()


def _estimate(value: float, relative: float = 0.1) -> Estimate:
    return Estimate(value, value * (1 - relative), value * (1 + relative))


def make_measurement(sample: str = "sample", settings: Settings | None = None, path: str = "a.avi") -> Measurement:
    """Return a plausible measurement of 107 nm particles at 1e8 per mL, without any table behind it."""
    settings = settings or Settings()
    size = SizeStatistics(
        *(_estimate(value) for value in (107.0, 120.0, 33.0, 84.0, 115.0, 163.0, 0.69)),
        peaks=(Peak(_estimate(107.0), 1.0, 0.9, 1.0),),
    )
    measured = _estimate(1e8, 0.2)
    dilution = settings.dilution
    stock = None if dilution is None else measured.scaled(dilution)
    acquisition, values = resolve(settings)
    return Measurement(
        status="ok",
        status_code=None,
        message="250 particles sized",
        sample=sample,
        captures=(Capture(path, frames=600, fps=acquisition.fps, mpp=acquisition.mpp),),
        size=size,
        concentration=Concentration(measured, stock, "nominal", 10.0),
        distribution=replace(SizeDistribution.missing(), size=size, n_tracks=250),
        tracks=Tracks(Tracks.empty_table()),
        diffusion=Diffusion(Diffusion.empty_table()),
        counts=Counts(30_000, 50.0, 400, 250),
        values=values,
        flags=(Flag("assumed", "info", "the pixel size was assumed"),),
        provenance=Provenance("0.1.0", settings.sha256(), {}, "2026-01-01T00:00:00Z", "host"),
    )


def make_rejected(sample: str, path: str, settings: Settings | None = None) -> Measurement:
    """Return the measurement of a file that is not a video."""
    return replace(
        make_measurement(sample, settings, path),
        status="rejected",
        status_code="not_a_video",
        message=f"{path!r} is not a video; give an AVI, MP4, MOV or TIFF file",
        size=SizeStatistics.missing(),
        concentration=Concentration.missing(),
        distribution=SizeDistribution.missing(),
        counts=Counts(),
        flags=(),
    )


class FakePipeline:
    """Stands in for ``nta.pipeline``: what a file holds decides how its measurement ends."""

    def __init__(self) -> None:
        self.calls: list[tuple[tuple[str, ...], Settings, str | None]] = []

    def analyze(
        self,
        inputs: Path | str | Sequence[Path | str],
        *,
        settings: Settings | None = None,
        sample: str | None = None,
        progress: Progress | None = None,
        **_given: float | None,
    ) -> Measurement:
        """Return a measurement, or end as the text in the first file says."""
        paths = [Path(inputs)] if isinstance(inputs, str | Path) else [Path(path) for path in inputs]
        settings = settings or Settings()
        self.calls.append((tuple(str(path) for path in paths), settings, sample))
        sample = sample or paths[0].stem
        listen = progress if progress is not None else silent
        for path in paths:
            if not path.is_file():
                raise UsageError(f"there is no file {str(path)!r}")
        text = paths[0].read_text()
        listen("detect", 1, 2)
        listen("detect", 2, 2)
        endings: dict[str, Callable[[], Measurement]] = {
            "text": lambda: make_rejected(sample, str(paths[0]), settings),
            "raise": lambda: _raise(RejectedError("the file ends early; copy it again", code="truncated")),
            "usage": lambda: _raise(UsageError("an exposure of 50 ms is longer than a frame")),
            "bug": lambda: _raise(ZeroDivisionError("division by zero")),
            "interrupt": lambda: _raise(KeyboardInterrupt()),
        }
        return endings.get(text, lambda: make_measurement(sample, settings, str(paths[0])))()


def _raise(error: BaseException) -> Measurement:
    raise error


@pytest.fixture(scope="session")
def a_measurement() -> Callable[..., Measurement]:
    """The function :func:`make_measurement`."""
    return make_measurement


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> FakePipeline:
    """Replace the measuring itself by something instant; reading, saving and printing stay real.

    Only the drawing of figures, a third of a second each, is left out as well.
    """
    monkeypatch.setattr("nta.report.figures.figure_png", lambda _measurement: b"png")
    monkeypatch.setattr("nta.report.page.figure_svg", lambda _measurement: b"<svg/>")
    fake = FakePipeline()
    module = ModuleType("nta.pipeline")
    module.analyze = fake.analyze
    monkeypatch.setitem(sys.modules, "nta.pipeline", module)
    return fake


def _programs() -> Path | None:
    """Return the folder of PostgreSQL's programs: Debian keeps them out of the path."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return installed[-1].parent if installed else None


@pytest.fixture(scope="session")
def postgres(require) -> Iterator[PostgresServer]:
    """A private server on a free port of the loopback, run by a user who is not root."""
    pytest.importorskip("psycopg", reason="postgresql: its driver is not installed")
    programs = _programs()
    require("postgresql", programs is not None, "initdb is not installed")
    assert programs is not None
    folder = Path(tempfile.mkdtemp(prefix="nta-pg-"))
    user = "postgres" if os.getuid() == 0 else None  # the server refuses to be run by root
    if user is not None:
        shutil.chown(folder, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = PostgresServer(programs, folder / "data", port, user)
    try:
        server.run("initdb", "--username=nta", "--auth=trust", "--no-sync", "--pgdata", server.data)
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def small_disk(tmp_path: Path, require) -> Iterator[Path]:
    """A tmpfs of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, text=True)
    require("tmpfs", done.returncode == 0, f"a tmpfs cannot be mounted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
