"""Read spoilt files, one after the other, and say in one line of JSON what became of each.

    python tests/fuzz/read_cases.py FOLDER FIRST COUNT

Run by test_fuzz_reading.py as a process of its own, because a crash or a hang must not end the tests.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np
from mutations import mutated
from originals import ORIGINALS, Original

from nta.errors import NTAError
from nta.video import RepeatFilter, open_video, source

LIMIT_S = 10
ADDRESS_SPACE = 4 << 30

source.WAIT_S = 0.0


def first_kind(path: Path) -> list[tuple[int, np.ndarray]]:
    return list(open_video(path).numbered_frames())


def outcome(path: Path, original: Original, expected: list[tuple[int, np.ndarray]], n_changed: int) -> str:
    """Return ``rejected CODE``, ``same``, or how what was read differs from what was written."""
    try:
        video = open_video(path)
        reading = RepeatFilter(is_active=False)
        read = list(reading.passed(video.numbered_frames()))
    except NTAError as error:
        return f"rejected {error.code}" if "\n" not in str(error) else f"WRONG: two lines: {error}"
    faults = {fault.code for fault in (*video.faults, *reading.faults(video))}
    if len(read) == len(expected) and all(
        one == other and np.array_equal(a, b) for (one, a), (other, b) in zip(read, expected, strict=True)
    ):
        return "same"
    if original.lossy and len(read) == len(expected):
        return "lossy" if "lossy_source" in faults else "WRONG: lossy and not said"
    if len(read) != len(expected):
        known = [frame for _, frame in expected]
        is_part = all(any(np.array_equal(frame, other) for other in known) for _, frame in read)
        if faults & {"frame_count", "dropped_frames"} and (is_part or original.payload or original.lossy):
            return "fewer, and said"
        return f"WRONG: {len(read)} of {len(expected)} frames, {sorted(faults)}"
    if any(a.shape != b.shape or a.dtype != b.dtype for (_, a), (_, b) in zip(read, expected, strict=True)):
        return f"WRONG: frames of {read[0][1].shape} {read[0][1].dtype}, {sorted(faults)}"
    if all(np.array_equal(a, b) for (_, a), (_, b) in zip(read, expected, strict=True)):
        return "other times"  # one time stamp is another one: a gap, and no step is taken across it
    pixels = sum(int(np.count_nonzero(a != b)) for (_, a), (_, b) in zip(read, expected, strict=True))
    turned = sum(int(np.count_nonzero(a != 255 - b)) for (_, a), (_, b) in zip(read, expected, strict=True))
    if original.payload and turned < n_changed:
        return "white and black exchanged"  # one bit of a TIFF says which is which
    if original.payload and pixels <= n_changed:
        return "pixels changed in place"
    if faults & {"dropped_frames", "frame_count"}:
        return "other frames, and said"
    return f"WRONG: {pixels} pixels differ after {n_changed} changed bytes, {sorted(faults)}"


def peak_memory_mb() -> float:
    """Return the most memory that this process had; what getrusage says is the parent's as well."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def changed_bytes(data: bytes, original: bytes) -> int:
    """Return how many bytes differ in place."""
    length = min(len(data), len(original))
    a, b = (np.frombuffer(one, np.uint8, count=length) for one in (data, original))
    return int(np.count_nonzero(a != b))


def main() -> None:
    folder, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    known = {}
    for name, original in ORIGINALS.items():
        path = folder / f"original_{name}{original.suffix}"
        if not path.exists():
            original.make(path)
        known[name] = (path.read_bytes(), first_kind(path))
    print(json.dumps({"ready": True}), flush=True)
    names = list(ORIGINALS)
    for case in range(first, first + count):
        name = names[case % len(names)]
        original = ORIGINALS[name]
        good, expected = known[name]
        data, done = mutated(case, good)
        path = folder / f"case{original.suffix}"
        path.write_bytes(data)
        # The default action ends the process: nothing in C can hold it up.
        signal.alarm(LIMIT_S)
        start = time.perf_counter()
        try:
            result = outcome(path, original, expected, changed_bytes(data, good))
        except Exception as error:  # noqa: BLE001  # whatever comes through is what is looked for
            result = f"WRONG: {type(error).__name__}: {error}"
        signal.alarm(0)
        peak_mb = peak_memory_mb()
        line = {"case": case, "kind": name, "mutation": done, "result": result, "peak_mb": round(peak_mb)}
        print(json.dumps(line | {"seconds": round(time.perf_counter() - start, 3)}), flush=True)


if __name__ == "__main__":
    main()
