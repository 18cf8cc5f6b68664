"""A value together with where it came from."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

Origin = Literal["command_line", "settings", "sidecar", "video", "preset", "assumed"]
Scalar = float | int | str | bool | None | list[Any]


class Sourced(NamedTuple):
    """A value and where it came from; ``assumed`` means that nobody stated it."""

    value: Scalar
    origin: Origin
