"""Everything that can go wrong, one sentence each.

A flat family under :class:`NTAError`. The command line turns the class into an exit code and the message
into one line; a batch turns it into a status row. Nothing here is ever raised without saying what to do.
"""

from __future__ import annotations


class NTAError(Exception):
    """Base of every error that nta raises on purpose.

    Attributes
    ----------
    code : str
        Short machine-readable word (``"not_a_video"``), stable across versions.
    """

    code: str = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class UsageError(NTAError):
    """The call itself is wrong: a missing file, an impossible value, an occupied output folder (exit 2)."""

    code = "usage"


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
