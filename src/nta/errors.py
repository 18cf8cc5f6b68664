"""Everything that can go wrong, one sentence each.

A flat family under :class:`NTAError`. The command line turns the class into an exit code and the message
into one line; a batch turns it into a status row. Nothing here is ever raised without saying what to do.
"""

from __future__ import annotations

import errno


def printable(text: str) -> str:
    """Return a text on one line, control characters shown and never sent: file names may hold any of them."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def way_out(error: OSError) -> str:
    """Return what to do where a file cannot be written: room is the cause of two errors, permission of most others."""
    return "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "check its permissions"


class NTAError(Exception):
    """Base of every error that nta raises on purpose.

    Attributes
    ----------
    code : str
        Short machine-readable word (``"not_a_video"``), stable across versions.
    """

    code: str = "error"
    _has_lines = False

    def __init__(self, message: str, *, code: str | None = None) -> None:
        lines = message.split("\n") if self._has_lines else [message]
        super().__init__("\n".join(printable(line) for line in lines))
        if code is not None:
            self.code = code


class UsageError(NTAError):
    """The call itself is wrong: a missing file, an impossible value, an occupied output folder (exit 2)."""

    code = "usage"
    # All faults of a manifest are said at once, a line each.
    _has_lines = True


class SettingsError(UsageError):
    """A setting is unknown, out of range, or contradicts another one (exit 2)."""

    code = "settings"


class RejectedError(NTAError):
    """The input was understood and must not be measured: truncated, not a video, too short (exit 1)."""

    code = "rejected"


class FailedError(NTAError):
    """The measurement broke down although the input looked right (exit 1)."""

    code = "failed"


class MissingExtraError(UsageError):
    """An optional dependency is not installed; the message names the extra that brings it (exit 2)."""

    code = "missing_extra"


class StoreError(NTAError):
    """The results store cannot be used: unreachable, damaged, of another program or a newer version (exit 3)."""

    code = "store"
