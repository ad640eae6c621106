"""What many runs share, kept once: contents under the name of their SHA-256.

::

    store/ab/abcdef0123...      the whole content, never changed

A content appears under its name by rename, whole, whoever else is putting the same one at that moment, on
this host or on another. Nothing here is fsynced: what a power cut leaves short is noticed on reading, and
written anew by the next who has it.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from coolrunner.errors import RunError, RunWriteError
from coolrunner.runs.directory import write_whole

__all__ = ["Store", "digest_of", "read_json"]

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


def digest_of(data: bytes) -> str:
    """Return the name of a content: its SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


class Store:
    """Contents by their SHA-256.

    Parameters
    ----------
    path
        The directory; made when something is put there.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def put(self, data: bytes) -> str:
        """Keep a content; return its digest.

        Raises
        ------
        RunWriteError
            The disk does not take it; nothing half written is left under its name.
        """
        digest = digest_of(data)
        path = self._path(digest)
        if _holds(path, data):
            return digest
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, data)
        except RunWriteError:
            # Windows does not replace a file that another process has open: one that has just put it.
            if not _holds(path, data):
                raise
        except OSError as error:
            raise RunWriteError(f"{path.parent} cannot be made: {error.strerror}") from None
        return digest

    def get(self, digest: str) -> bytes:
        """Return a content.

        Raises
        ------
        RunError
            There is none, or what is there is not what was put there.
        """
        path = self._path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise RunError(f"{path} is not there; was the store of these runs moved or pruned?") from None
        except OSError as error:
            raise RunError(f"{path} cannot be read: {error.strerror}") from None
        if digest_of(data) != digest:
            raise RunError(f"{path} is damaged: its content is not what its name says")
        return data

    def has(self, digest: str) -> bool:
        """Whether there is a file of that name; `get` is what verifies it."""
        return self._path(digest).is_file()

    def _path(self, digest: str) -> Path:
        # What is asked for was read from a file, which might say anything.
        if not _DIGEST.match(digest):
            raise RunError(f"{self.path}: {digest[:80]!r} names no content (64 hexadecimal digits do)")
        return self.path / digest[:2] / digest


def read_json(store: Store, digest: str, what: str, version: int | None = None) -> dict[str, Any]:
    """Return a JSON object that is kept in a store.

    Parameters
    ----------
    store, digest
        Where it is.
    what
        What it is, for the error.
    version
        The version of the format; None where it has none of its own.

    Raises
    ------
    RunError
        It is not there or damaged, no JSON object, or of a later version.
    """
    import json

    try:
        data = json.loads(store.get(digest))
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise RunError(f"{store.path}: {digest} does not hold {what}")
    if version is not None and data.get("version") != version:
        raise RunError(
            f"{store.path}: {digest} holds {what} in version {data.get('version')!r}, and this Coolrunner "
            f"reads version {version}"
        )
    return data


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False
