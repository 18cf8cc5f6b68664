"""A folder into which an instrument writes: every capture is measured when it has stopped growing.

Nothing is remembered between two looks but how files looked; what was measured is in the store. So a watch can be
ended at any moment and started again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from nta.batch.manifest import Manifest, find_manifest, manifest_of_tree, read_manifest
from nta.batch.sources import find_videos
from nta.errors import UsageError

EVERY_S: Final = 5.0
SETTLE_S: Final = 15.0


@dataclass
class Watch:
    """What is ready to be measured in a folder.

    Parameters
    ----------
    folder : Path
        Where the instrument writes.
    settle_s : float
        A file is ready when it has looked the same for so long, s.
    clock : callable
        Seconds that only grow; another one for tests.
    """

    folder: Path
    settle_s: float = SETTLE_S
    clock: Callable[[], float] = time.monotonic
    _looks: dict[Path, tuple[tuple[int, int], float]] = field(default_factory=dict)
    _last: tuple[object, ...] = ()

    def ready(self) -> frozenset[Path]:
        """Look at the folder and return the videos that have stopped growing."""
        now = self.clock()
        seen: dict[Path, tuple[tuple[int, int], float]] = {}
        for video in find_videos(self.folder):
            try:
                found = video.stat()
            except OSError:  # gone since it was listed: the instrument renames what it has finished
                continue
            looks = (found.st_size, found.st_mtime_ns)
            before = self._looks.get(video)
            seen[video] = before if before is not None and before[0] == looks else (looks, now)
        self._looks = seen
        return frozenset(video for video, ((size, _), since) in seen.items() if size and now - since >= self.settle_s)

    def look(self) -> Manifest | None:
        """Return what there is to measure, or ``None`` while that is what it was the last time.

        Raises
        ------
        UsageError
            If the manifest of the folder cannot be used; once for each state of it.
        """
        videos = self.ready()
        path = find_manifest(self.folder)
        manifest_looks = None if path is None else (path, path.stat().st_mtime_ns)
        state = (manifest_looks, *sorted((video, self._looks[video][0]) for video in videos))
        if state == self._last or not videos:
            return None
        self._last = state
        if path is None:
            return manifest_of_tree(self.folder, sorted(videos))
        manifest = read_manifest(path)
        resolved = {video.resolve() for video in videos}
        samples = (
            replace(sample, videos=tuple(video for video in sample.videos if video.resolve() in resolved))
            for sample in manifest.samples
        )
        return replace(manifest, samples=tuple(sample for sample in samples if sample.videos or sample.excluded))


def changes(
    watch: Watch, every_s: float, *, for_s: float | None = None, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Manifest | str]:
    """Yield a manifest each time there is something new to measure, or why there cannot be.

    Parameters
    ----------
    watch : Watch
        What is watched.
    every_s : float
        Time between two looks, s.
    for_s : float, optional
        End after so long, s; never when not given.
    sleep : callable
        Another one for tests.
    """
    began = watch.clock()
    said = ""
    while True:
        try:
            found = watch.look()
        except UsageError as error:
            if str(error) != said:
                yield str(error)
            said = str(error)
        else:
            said = ""
            if found is not None and found.samples:
                yield found
        if for_s is not None and watch.clock() - began > for_s:
            return
        sleep(every_s)
