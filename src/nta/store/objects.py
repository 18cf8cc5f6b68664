"""Files named by the hash of their bytes: what is too large for a database, and never changes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from nta.errors import StoreError

FOLDER: Final = "objects"


class Objects:
    """A folder of files, each named by its SHA-256.

    Parameters
    ----------
    folder : Path
        Made when the first file is put into it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        """Return where the file of a hash lies, or would lie."""
        return self.folder / sha256[:2] / f"{sha256}.parquet"

    def has(self, sha256: str | None) -> bool:
        """Whether the file is there; its bytes are not looked at."""
        return sha256 is not None and self.path(sha256).is_file()

    def put(self, data: bytes) -> str:
        """Keep bytes and return their hash; whole or not at all, and only once.

        Raises
        ------
        StoreError
            If the folder cannot be written to.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        target = self.path(sha256)
        if target.is_file():
            return sha256
        temporary = target.with_name(f".{sha256}.{os.getpid()}.tmp")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StoreError(
                f"cannot write to {str(self.folder)!r}: {error.strerror or error}; free some space or check its "
                "permissions, and run again: what was stored stays"
            ) from error
        return sha256

    def get(self, sha256: str) -> bytes:
        """Return the bytes of a hash.

        Raises
        ------
        StoreError
            If the file is gone, or is not what it was.
        """
        path = self.path(sha256)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise StoreError(f"cannot read {str(path)!r}: {error.strerror}; run the batch again") from None
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreError(f"{str(path)!r} has been changed since it was written; remove it and run the batch again")
        return data

    def fault(self, sha256: str) -> str | None:
        """Return in a clause what is wrong with a file, ``None`` where nothing is."""
        try:
            self.get(sha256)
        except StoreError as error:
            return str(error)
        return None
