"""What the tests of other systems' files share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import nta

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def rejected_measurement(tmp_path: Path) -> nta.Measurement:
    """Return the result of a file that is no video."""
    path = tmp_path / "no.avi"
    path.write_text("no video")
    found = nta.analyze(path)
    assert found.status == "rejected"
    path.unlink()
    return found
