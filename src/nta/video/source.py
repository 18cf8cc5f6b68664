"""The file behind a video: whether it is still the one that was opened, and its hash, taken while it is read."""

from __future__ import annotations

import hashlib
import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from nta.errors import RejectedError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

RECENT_S: Final = 2.0
"""A file that was written to less long ago than this is looked at twice before it is opened."""

WAIT_S = 0.1
"""Time between the two looks: longer than a recorder or a copy takes from one write to the next."""

_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Look:
    """What the file system says of a file without reading it.

    Parameters
    ----------
    size : int
        Bytes.
    mtime_ns : int
        Time of the last write, ns.
    inode, device : int
        Which file it is: another one may have taken the name.
    """

    size: int
    mtime_ns: int
    inode: int
    device: int

    @classmethod
    def at(cls, path: Path) -> Look | None:
        """Look at a file; ``None`` when it is gone."""
        try:
            found = path.stat()
        except OSError:
            return None
        return cls(found.st_size, found.st_mtime_ns, found.st_ino, found.st_dev)


class Source:
    """How a file looked when it was opened, and the hash of the bytes that were read of it since.

    The hash grows with what is fed to it in the order of the file; what no reader asked for (an index at the
    end, say) is read when the hash is wanted. Readers that jump ahead are ignored until the order is right
    again, so any order of reading gives the right hash, and the file's own order gives it for one read.

    Parameters
    ----------
    path : Path
        The file.

    Attributes
    ----------
    left_out : int
        Frames that the last reading to the end did not give, of those that the file holds.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.opened = Look.at(path)
        self.left_out = 0
        self._digest = hashlib.sha256()
        self._hashed_to = 0
        self._hex: str | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process can have: a hash that is half done cannot be sent."""
        return {"path": self.path, "opened": self.opened, "_hex": self._hex}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take it over."""
        self.__dict__.update(state)
        self._digest, self._hashed_to, self.left_out = hashlib.sha256(), 0, 0

    def is_changing(self) -> bool:
        """Return whether somebody is writing to the file: two looks at it differ.

        Waits :data:`WAIT_S` between them where the file was written to within :data:`RECENT_S`.
        """
        if self.opened is None or Look.at(self.path) != self.opened:
            return True
        if abs(time.time() - self.opened.mtime_ns * 1e-9) > RECENT_S:
            return False
        time.sleep(WAIT_S)
        return Look.at(self.path) != self.opened

    def feed(self, offset: int, data: ReadableBuffer) -> None:
        """Take bytes that were just read at ``offset`` into the hash, as far as they continue what it has."""
        view = memoryview(data).cast("B")
        if offset <= self._hashed_to < offset + len(view):
            self._digest.update(view[self._hashed_to - offset :])
            self._hashed_to = offset + len(view)

    def is_little_behind(self, offset: int) -> bool:
        """Return whether a reader at ``offset`` left out so little that it is better read for the hash at once."""
        return 0 < offset - self._hashed_to <= _BLOCK

    def catch_up(self, file: BinaryIO | io.FileIO, offset: int) -> None:
        """Read and hash what lies between the bytes hashed so far and ``offset``."""
        file.seek(self._hashed_to)
        while self._hashed_to < offset and (block := file.read(min(_BLOCK, offset - self._hashed_to))):
            self.feed(self._hashed_to, block)

    def sha256(self) -> str:
        """Return the SHA-256 of the whole file, lower-case hexadecimal, of the bytes as they were read.

        Raises
        ------
        RejectedError
            ``source_changed`` when the file is not the one that was opened any more.
        """
        if self._hex is None:
            was_complete = self._is_complete
            self.complete()
            if Look.at(self.path) != self.opened and not (was_complete and self._is_same()):
                raise changed(self.path)
            self._hex = self._digest.hexdigest()
        return self._hex

    def complete(self) -> None:
        """Read and hash what no reader asked for, up to the end that the file had when it was opened.

        Raises
        ------
        RejectedError
            ``source_changed`` when the file is gone.
        """
        if self._is_complete or self._hex is not None:
            return
        try:
            with self.path.open("rb") as file:
                self.catch_up(file, self.opened.size if self.opened else 0)
        except OSError as error:
            raise changed(self.path) from error

    @property
    def _is_complete(self) -> bool:
        return self.opened is not None and self._hashed_to >= self.opened.size

    def _is_same(self) -> bool:
        """Return whether the file, read again, is what it was: somebody may only have touched it."""
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest() == self._digest.digest()
        except OSError:
            return False


class HashedFile(io.RawIOBase):
    """A file for a library that reads by itself: whatever it reads is also hashed.

    Parameters
    ----------
    source : Source
        The file and its hash.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._file = source.path.open("rb", buffering=0)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in the file and return it."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place in the file."""
        return self._file.tell()

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read into ``buffer`` and return how many bytes there were."""
        at = self._file.tell()
        view = memoryview(buffer).cast("B")
        if self._source.is_little_behind(at):
            self._source.catch_up(self._file, at)
            self._file.seek(at)
        length = self._file.readinto(view)
        self._source.feed(at, view[:length])
        return length

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def changing(path: Path) -> RejectedError:
    """Return the error for a file that somebody is writing to."""
    return RejectedError(
        f"'{path.name}' is still being written; wait until the recording or the copy has ended",
        code="still_changing",
    )


def changed(path: Path) -> RejectedError:
    """Return the error for a file that was changed between its opening and the end of its reading."""
    return RejectedError(
        f"'{path.name}' changed while it was read, so what was measured is no longer there; measure it again when "
        "nobody writes to it",
        code="source_changed",
    )
