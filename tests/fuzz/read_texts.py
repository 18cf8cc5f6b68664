"""Read spoilt exports and tables, one after the other, and say in one line of JSON what became of each.

    python tests/fuzz/read_texts.py FOLDER FIRST COUNT

The twin of read_cases.py for files without pictures. A changed digit is another number, and only the identities of a
file can tell; what must never pass is a file with fewer captures or bins.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from mutations import mutated
from read_cases import ADDRESS_SPACE, LIMIT_S, peak_memory_mb

sys.path.insert(0, str(Path(__file__).parents[1]))
from exports_made import POSITIONS, all_tracks_text, nano_text, particles_text, summary_text, zetaview_text

from nta.errors import NTAError
from nta.formats import kind_of, read_foreign, read_tracks
from nta.formats.record import record_of


class Found(NamedTuple):
    """What was read: everything, its structure, and whether something was said against it."""

    content: str
    structure: tuple[int, ...]
    is_flagged: bool


def of_export(path: Path) -> Found:
    foreign = read_foreign(path)
    record = record_of(foreign)
    summary = record.summary()
    del summary["provenance"], summary["values"]["export_sha256"]
    structure = (len(foreign.captures), len(foreign.histogram.diameter_nm))
    return Found(json.dumps(summary, allow_nan=False, default=str), structure, record.status != "ok")


def of_tracks(path: Path) -> Found:
    given = read_tracks(path)
    return Found(given.table.to_csv(), (), bool(given.complaints))


class Text(NamedTuple):
    """A kind of file; ``fixed`` are the parts of its structure that no change may alter unsaid."""

    suffix: str
    data: bytes
    read: Callable[[Path], Found]
    fixed: int = 2


def walk() -> pd.DataFrame:
    random = np.random.default_rng(2)
    steps = random.normal(0, 2, (40, 12, 2)).cumsum(axis=1) + random.uniform(0, 300, (40, 1, 2))
    particle, frame = np.divmod(np.arange(480), 12)
    return pd.DataFrame({"particle": particle, "frame": frame, "x": steps[..., 0].ravel(), "y": steps[..., 1].ravel()})


TEXTS: dict[str, Text] = {
    "nano": Text(".nano", nano_text([f"cap_{k:02d}.avi" for k in range(5)]).encode("iso-8859-1"), of_export, 1),
    "summary": Text(".csv", summary_text(weightings=True, diffusion=True).encode("iso-8859-1"), of_export),
    "zetaview": Text(".txt", zetaview_text(crlf=True).encode("iso-8859-1"), of_export),
    "positions": Text(".txt", POSITIONS.encode("iso-8859-1"), of_export, 0),
    "particles": Text(
        ".csv", particles_text(np.random.default_rng(1).lognormal(4.6, 0.2, 200)).encode("utf-8-sig"), of_export, 1
    ),
    "tracks": Text(".csv", all_tracks_text(walk()).encode("utf-8-sig"), of_tracks),
    "trackpy": Text(".csv", walk().to_csv().encode(), of_tracks),
}


def outcome(path: Path, kind: Text, expected: Found) -> str:
    """Return ``rejected CODE``, ``same``, ``said``, ``other numbers``, or what is wrong."""
    try:
        if kind.read is of_tracks and kind_of(path) != "tracks":
            return "rejected no table of tracks"
        found = kind.read(path)
    except NTAError as error:
        return f"rejected {error.code}" if str(error).isprintable() else f"WRONG: not one line: {error!r}"
    if found.content == expected.content:
        return "same"
    if found.is_flagged:
        return "said"
    if found.structure[: kind.fixed] != expected.structure[: kind.fixed]:
        return f"WRONG: {found.structure} in place of {expected.structure}"
    return "other numbers"


def main() -> None:
    folder, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    known = {}
    for name, kind in TEXTS.items():
        path = folder / f"case{kind.suffix}"
        path.write_bytes(kind.data)
        known[name] = kind.read(path)
    print(json.dumps({"ready": True}), flush=True)
    for case in range(first, first + count):
        name = list(TEXTS)[case % len(TEXTS)]
        kind = TEXTS[name]
        data, done = mutated(case, kind.data)
        path = folder / f"case{kind.suffix}"
        path.write_bytes(data)
        signal.alarm(LIMIT_S)
        start = time.perf_counter()
        try:
            result = outcome(path, kind, known[name])
        except Exception as error:  # noqa: BLE001  # whatever comes through is what is looked for
            result = f"WRONG: {type(error).__name__}: {error}"
        signal.alarm(0)
        line = {"case": case, "kind": name, "mutation": done, "result": result, "peak_mb": round(peak_memory_mb())}
        print(json.dumps(line | {"seconds": round(time.perf_counter() - start, 3)}), flush=True)


if __name__ == "__main__":
    main()
