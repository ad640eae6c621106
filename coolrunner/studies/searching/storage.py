"""Optuna's storage as a file that a killed process cannot harm.

The format is that of Optuna's own journal (``JournalFileBackend``): a JSON object a line. So Optuna and its
dashboard open it as it is. What differs is how it is written: under a lock that ends with its process,
behind a last line that a power cut has torn (which is cut off), and brought to the disk by `sync`, not after
each line.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend

from coolrunner.errors import QueueError

__all__ = ["SearchFile"]


class SearchFile(BaseJournalBackend):
    """A journal of Optuna's, in a file.

    Parameters
    ----------
    path
        The file; it is made where it is missing.

    Raises
    ------
    QueueError
        It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        except OSError as error:
            raise QueueError(f"the search cannot be kept in {path}: {error.strerror}") from None
        self._offsets = [0]  # where each line begins that was read, and the first that was not
        self._dirty = False

    @property
    def size(self) -> int:
        """How many bytes there are, by which one sees that others have written."""
        return os.fstat(self._file).st_size

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the file against all other processes, where the system has such locks; not to be nested."""
        try:
            import fcntl
        except ImportError:  # Windows
            yield
            return
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Yield the records from a number on; half a line at the end is no record yet.

        Raises
        ------
        QueueError
            A line is no record.
        """
        number = min(log_number_from, len(self._offsets) - 1)
        place = self._offsets[number]
        data = os.pread(self._file, os.fstat(self._file).st_size - place, place)
        for line in data[: data.rfind(b"\n") + 1].splitlines(keepends=True):
            place += len(line)
            number += 1
            if number == len(self._offsets):
                self._offsets.append(place)
            if number <= log_number_from:
                continue
            try:
                yield json.loads(line)
            except ValueError:
                message = "is no record of Optuna's; remove this line, or name another file"
                raise QueueError(f"{self._path}:{number}: {message}") from None

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append records, all of them or none.

        Raises
        ------
        QueueError
            The disk did not take them.
        """
        data = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        size = self._mended()
        try:
            written = os.write(self._file, data)
            if written < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            os.ftruncate(self._file, size)
            raise QueueError(f"the search cannot be kept in {self._path}: {error.strerror}") from None
        self._dirty = True

    def _mended(self) -> int:
        """Cut off a line that has no end; return the size of what is whole."""
        size = os.fstat(self._file).st_size
        if not size or os.pread(self._file, 1, size - 1) == b"\n":
            return size
        data = os.pread(self._file, size - self._offsets[-1], self._offsets[-1])
        size = self._offsets[-1] + data.rfind(b"\n") + 1
        os.ftruncate(self._file, size)
        return size

    def sync(self) -> None:
        """Bring to the disk what was appended."""
        if self._dirty:
            self._dirty = False
            with contextlib.suppress(OSError):  # what it cannot do now it says when it is written to
                os.fsync(self._file)

    def close(self) -> None:
        """Let go of the file."""
        self.sync()
        os.close(self._file)
