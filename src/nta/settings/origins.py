"""A value together with where it came from."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

Origin = Literal["command_line", "settings", "sidecar", "video", "preset", "assumed", "import"]
ORIGINS: Final[tuple[Origin, ...]] = (
    "assumed",
    "preset",
    "import",
    "video",
    "sidecar",
    "settings",
    "command_line",
)
"""From the least sure to the surest."""

Scalar = float | int | str | bool | None | list[Any]


class Sourced(NamedTuple):
    """A value and where it came from: ``assumed`` if nobody stated it, ``import`` if it is another program's."""

    value: Scalar
    origin: Origin
