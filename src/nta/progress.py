"""How long work reports where it stands, without knowing who listens."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]
"""Called as ``progress(stage, done, total)``; ``total`` is ``None`` while it is not known."""


def silent(_stage: str, _done: int, _total: int | None) -> None:
    """Listen to nothing."""
