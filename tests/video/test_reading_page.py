"""docs/reading.md says what becomes of every file, and every file ends as it says."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from reading_made import CASES, N

import nta
from nta.settings import Settings

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "reading.md"
TEXT = PAGE.read_text(encoding="utf-8")
FILES = TEXT.partition("### Other inputs")[0]
ROWS = {
    case: (status, sentence)
    for case, status, sentence in re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]*?) ?\|$", FILES, flags=re.MULTILINE)
    if case != "file"
}
# Whether there is anything in the pictures, only a measurement asks.
MEASURED = ("single frame", "all black", "all white", "all of one grey")
FINE = "it was read to its end and nothing looks wrong"


def memory_mb() -> float:
    """Return the most memory that this process had so far; 0 where the system does not say."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+)", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else 0.0


@pytest.fixture(autouse=True)
def _not_new(monkeypatch):
    monkeypatch.setattr("nta.video.source.WAIT_S", 0.0)


def test_the_page_has_a_row_for_every_file():
    assert set(ROWS) == set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_a_file_ends_as_the_page_says(tmp_path, case):
    name, make = CASES[case]
    make(tmp_path / name)
    before, start = memory_mb(), time.process_time()
    found = (nta.analyze if case in MEASURED else nta.inspect_file)(tmp_path / name)
    assert time.process_time() - start < 2.0
    assert memory_mb() - before < 300.0
    status, sentence = ROWS[case]
    assert " ".join(filter(None, (found.status, found.status_code))) == status
    pattern = ".*".join(re.escape(part) for part in (sentence or FINE).split("…"))
    assert re.fullmatch(pattern, found.message), found.message
    assert found.message.isprintable()
    if found.status in ("ok", "warn"):
        assert found.facts["frames_decoded"] == N - {
            "frames dropped, empty chunks": 3,
            "frames dropped, gap in time stamps": 2,
        }.get(case, 0)


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("half")])
def test_half_a_file_is_read_as_far_as_it_goes_on_request(tmp_path, case):
    name, make = CASES[case]
    make(tmp_path / name)
    found = nta.inspect_file(tmp_path / name, Settings(allow_partial=True))
    if case == "half an MP4":  # its index stood at the end
        assert (found.status, found.status_code) == ("rejected", "unreadable")
        return
    assert found.status == "warn"
    assert "partial" in {flag.code for flag in found.flags}
    assert 0 < found.facts["frames_decoded"] <= N


def test_a_missing_rate_is_assumed_and_two_of_them_are_none_once_one_is_given(tmp_path):
    for case in ("no frame rate", "two frame rates"):
        CASES[case][1](tmp_path / case)
    assert "fps" in nta.inspect_file(tmp_path / "no frame rate").assumed
    given = nta.inspect_file(tmp_path / "two frame rates", Settings().updated("command_line", {"fps": 25.0}))
    assert given.values["fps"].value == 25.0


def test_a_link_is_the_file_that_it_leads_to(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "here").mkdir()
    target, link = tmp_path / "elsewhere" / "a.avi", tmp_path / "here" / "b.avi"
    CASES["bottom-up bitmap"][1](target)
    link.symlink_to(target)
    found, own = nta.inspect_file(link), nta.inspect_file(target)
    assert (found.status, found.facts["sha256"]) == ("ok", own.facts["sha256"])
    target.unlink()
    with pytest.raises(nta.errors.UsageError, match="no such file"):
        nta.inspect_file(link)


def test_every_test_that_the_page_names_exists():
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    assert len(named) > 15
    code = "".join(file.read_text(encoding="utf-8") for file in TESTS.rglob("test_*.py"))
    assert {name for name in named if f"def {name}(" not in code} == set()
