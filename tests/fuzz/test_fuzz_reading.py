"""No spoilt file crashes, hangs, fills the memory, raises anything but NTAError, or gives other frames unsaid.

``NTA_FUZZ_CASES`` is the number of files, 240 when it is not set: two in three are videos, one in three is an export or
a table. The seed of a case is its number, so that ``python tests/fuzz/read_cases.py FOLDER CASE 1`` repeats a video and
``read_texts.py`` the others. What cannot be found is not asked for:

- a changed byte of an uncompressed picture is another picture (the file's hash tells, if there is an older one);
- JPEG and H.264 have no checksums: a changed bit that still decodes is another picture, and such a video always
  carries the flag ``lossy_source``. FFV1 has one in every slice, and nothing of it passes;
- a changed digit in a text is another number, where no identity of the file tells.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

N_ALL = int(os.environ.get("NTA_FUZZ_CASES", "240"))
N_TEXTS = N_ALL // 3
N_CASES = N_ALL - N_TEXTS
LIMIT_S = 10.0
LIMIT_MB = 500
VIDEOS = Path(__file__).with_name("read_cases.py")
TEXTS = Path(__file__).with_name("read_texts.py")


def read(reader: Path, folder: Path, first: int, count: int) -> list[dict]:
    """Read cases in a process of its own; one that ends it is a case like the others."""
    rows: list[dict] = []
    while len(rows) < count:
        at = first + len(rows)
        command = [sys.executable, str(reader), str(folder), str(at), str(count - len(rows))]
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
    return read(VIDEOS, tmp_path_factory.mktemp("fuzz"), 0, N_CASES)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return read(TEXTS, tmp_path_factory.mktemp("fuzz_texts"), 0, N_TEXTS)


def test_no_spoilt_file_gives_other_frames_unsaid_or_any_other_error(rows):
    assert [row for row in rows if row["result"].startswith("WRONG")] == []


def test_no_spoilt_text_has_fewer_captures_or_bins_unsaid_or_any_other_error(texts):
    assert [row for row in texts if row["result"].startswith("WRONG")] == []


def test_none_takes_long_or_much_memory(rows, texts):
    assert max(row["seconds"] for row in rows + texts) < LIMIT_S
    assert max(row["peak_mb"] for row in rows + texts) < LIMIT_MB


def test_most_are_rejected_and_each_way_to_end_occurs(rows):
    ends = Counter(row["result"].split()[0] for row in rows)
    print(json.dumps(ends))
    assert ends["rejected"] > len(rows) / 3
    assert ends["same"] > 0
    assert {row["case"] for row in rows} == set(range(N_CASES))


def test_texts_end_in_each_way(texts):
    ends = Counter(row["result"].split()[0] for row in texts)
    print(json.dumps(ends))
    assert ends["rejected"] > len(texts) / 4
    assert ends["same"] > 0
    assert {row["case"] for row in texts} == set(range(N_TEXTS))
