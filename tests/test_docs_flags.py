"""docs/flags.md names every flag of the registry, with its level, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from nta.quality import FLAGS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "flags.md"


def documented() -> list[tuple[str, str]]:
    """Return code and level of every row of the page's tables."""
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(r"^\| `(\w+)` \| (info|warn|fail) \|", text, flags=re.MULTILINE)


def test_every_flag_of_the_registry_is_documented_with_its_level():
    assert dict(documented()) == {code: level for code, (level, _) in FLAGS.items()}


def test_no_flag_is_documented_twice():
    codes = [code for code, _ in documented()]
    assert len(codes) == len(set(codes))


def test_every_flag_is_explained():
    text = PAGE.read_text(encoding="utf-8")
    for code, level in documented():
        (row,) = re.findall(rf"^\| `{code}` \| {level} \| (.*) \| (.*) \|$", text, flags=re.MULTILINE)
        assert all(len(cell) > 20 for cell in row), f"{code}: say when it is raised and what to do"
