"""A campaign of files that cost nothing to measure, and a batch over it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from batch_work import WORK, InlineExecutor

from nta.batch import Batch, Event, read_manifest, run_batch
from nta.settings import Settings
from nta.simulation import Scene, simulate

HEADER = "day,sample,video,dilution,volume_ml\n"


class Campaign:
    """A folder with videos and a manifest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder.with_name(f"{folder.name}_nta")
        self.events: list[Event] = []
        folder.mkdir()
        for name in "abcdef":
            (folder / f"{name}.avi").write_text(f"video {name}")

    def write(self, rows: str, header: str = HEADER, name: str = "manifest.csv") -> Path:
        path = self.folder / name
        path.write_text(header + rows, encoding="utf-8")
        return path

    def run(self, settings: Settings | None = None, **how: Any) -> Batch:
        self.executor = how.pop("executor", None) or InlineExecutor()
        self.events = []
        return run_batch(
            read_manifest(self.folder),
            how.pop("out", self.out),
            settings,
            executor=self.executor,
            listen=self.events.append,
            work=how.pop("work", WORK),
            **how,
        )

    @property
    def ran(self) -> list[str]:
        """What the last run computed: file names of captures, names of samples."""
        return [call.path.name if hasattr(call, "path") else call.name for call in self.executor.calls]


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    return Campaign(tmp_path / "campaign 1")


@pytest.fixture
def cheap_jobs(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[InlineExecutor]]:
    """Let the command run jobs that cost nothing, in its own process; call it for the executors so far."""
    made: list[InlineExecutor] = []

    def make(*given: Any, **named: Any) -> InlineExecutor:
        made.append(InlineExecutor())
        return made[-1]

    monkeypatch.setattr("nta.batch.LocalExecutor", make, raising=False)
    monkeypatch.setattr("nta.batch.run.Work", lambda: WORK)
    return lambda: made


@pytest.fixture(scope="session")
def videos(tmp_path_factory) -> Path:
    """Four small captures."""
    folder = tmp_path_factory.mktemp("captures") / "campaign"
    for seed in range(4):
        scene = Scene(width_px=160, height_px=120, n_frames=50, particles_per_frame=12.0, seed=seed)
        simulate(scene, folder / f"c{seed}.avi")
    return folder
