"""No spoilt file crashes, hangs, fills the memory, raises anything but NTAError, or gives other frames unsaid.

``NTA_FUZZ_CASES`` is the number of files, 156 when it is not set; the seed of a case is its number, so that
``python tests/fuzz/read_cases.py FOLDER CASE 1`` repeats it. What cannot be found is not asked for:

- a changed byte of an uncompressed picture is another picture (the file's hash tells, if there is an older one);
- JPEG and H.264 have no checksums: a changed bit that still decodes is another picture, and such a video always
  carries the flag ``lossy_source``. FFV1 has one in every slice, and nothing of it passes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

N_CASES = int(os.environ.get("NTA_FUZZ_CASES", "156"))
LIMIT_S = 10.0
LIMIT_MB = 500
READER = Path(__file__).with_name("read_cases.py")


def read(folder: Path, first: int, count: int) -> list[dict]:
    """Read cases in a process of its own; one that ends it is a case like the others."""
    rows: list[dict] = []
    while len(rows) < count:
        at = first + len(rows)
        command = [sys.executable, str(READER), str(folder), str(at), str(count - len(rows))]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 + LIMIT_S * count)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert lines, done.stderr
        rows += lines[1:]
        if done.returncode:
            rows.append(
                {"case": first + len(rows), "result": f"WRONG: ended by {done.returncode}: {done.stderr[-300:]}"}
            )
            rows[-1] |= {"kind": "?", "mutation": "?", "seconds": 0.0, "peak_mb": 0}
    return rows


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return read(tmp_path_factory.mktemp("fuzz"), 0, N_CASES)


def test_no_spoilt_file_gives_other_frames_unsaid_or_any_other_error(rows):
    assert [row for row in rows if row["result"].startswith("WRONG")] == []


def test_none_takes_long_or_much_memory(rows):
    assert max(row["seconds"] for row in rows) < LIMIT_S
    assert max(row["peak_mb"] for row in rows) < LIMIT_MB


def test_most_are_rejected_and_each_way_to_end_occurs(rows):
    ends = Counter(row["result"].split()[0] for row in rows)
    print(json.dumps(ends))
    assert ends["rejected"] > len(rows) / 3
    assert ends["same"] > 0
    assert {row["case"] for row in rows} == set(range(N_CASES))
