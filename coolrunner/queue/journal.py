"""The journal of a queue: all that has happened to it, one line each, in a file that only grows.

Format, version 1: JSON Lines in UTF-8. The first line is ``{"t":"journal","version":1}``; every other
is a record with its kind in ``t``, as `coolrunner.queue.ledger.Ledger` understands them. A line counts
once its line break is there; what a killed writer left without one is cut off by the next writer. A
line that is no JSON (a power cut may leave zeros) is passed over.

Whoever writes reads to the end first, under a lock on the file. `flock` is that lock: on a local disk it
goes with the process that holds it, and on NFS Linux makes a lock of it that the server keeps.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from coolrunner.errors import QueueError

__all__ = ["Journal"]

HEADER = {"t": "journal", "version": 1}
_CHUNK = 1 << 18  # what is read at once stays in the processor's cache


class Journal:
    """One journal, open for reading and appending.

    Parameters
    ----------
    path
        The file.
    create
        Whether it is made where it is missing.
    writable
        False opens it for reading alone.

    Raises
    ------
    QueueError
        It cannot be opened, is no journal, or one of a later version.
    """

    def __init__(self, path: Path, *, create: bool = False, writable: bool = True) -> None:
        self.path = path
        self.damaged = 0
        self._offset = 0
        self._dirty = False
        self._locked = False
        flags = (os.O_RDWR if writable else os.O_RDONLY) | (os.O_CREAT if create else 0) | os.O_CLOEXEC
        try:
            self._file = os.open(path, flags, 0o666)
        except OSError as error:
            raise QueueError(f"the journal {path} cannot be opened: {error.strerror}") from None
        self._writable = writable
        if create:
            with self.locked():
                if not os.fstat(self._file).st_size:
                    self.append([])

    def close(self) -> None:
        """Bring it to the disk and let go of it."""
        if self._file >= 0:
            with contextlib.suppress(QueueError):
                self.sync()
            os.close(self._file)
            self._file = -1

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock; other runners wait.

        Raises
        ------
        QueueError
            It cannot be locked, is not there any more, or another one stands in its place.
        """
        if self._locked:
            yield
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError as error:
            raise QueueError(f"the journal {self.path} cannot be locked: {error.strerror}") from None
        try:
            self._check_place()
            self._locked = True
            yield
        finally:
            self._locked = False
            with contextlib.suppress(OSError):
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _check_place(self) -> None:
        try:
            there, ours = self.path.stat(), os.fstat(self._file)
        except FileNotFoundError:
            raise QueueError(f"the journal {self.path} is gone; without it nothing more is started") from None
        except OSError as error:
            raise QueueError(f"the journal {self.path} cannot be read: {error.strerror}") from None
        if (there.st_ino, there.st_dev) != (ours.st_ino, ours.st_dev):
            raise QueueError(f"the queue was begun anew by another runner: {self.path} is another file now")
        if ours.st_size < self._offset:
            raise QueueError(f"the journal {self.path} has lost its end; without it nothing more is started")

    def has_more(self) -> bool:
        """Whether there is something to read, if only half a line."""
        return os.fstat(self._file).st_size != self._offset

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield the records that have come since the last time.

        Raises
        ------
        QueueError
            It cannot be read, is no journal, or is of a later version.
        """
        rest = b""  # half a line stays for the next time: it may be another one then
        while True:
            try:
                data = os.pread(self._file, max(_CHUNK, len(rest)), self._offset + len(rest))
            except OSError as error:
                raise QueueError(f"the journal {self.path} cannot be read: {error.strerror}") from None
            if not data:
                return
            lines = (rest + data).split(b"\n")
            rest = lines.pop()
            if not self._offset and lines:
                self._check_header(_parsed(lines[0]))
            for line, record in zip(lines, _parsed_together(lines), strict=True):
                self._offset += len(line) + 1
                if isinstance(record, dict):
                    yield record
                else:
                    self.damaged += 1

    def _check_header(self, record: Any) -> None:
        if not isinstance(record, dict) or record.get("t") != HEADER["t"]:
            raise QueueError(f"{self.path} is no journal of a queue")
        if record.get("version", 0) > HEADER["version"]:
            raise QueueError(f"{self.path} was written by a later version of Coolrunner; update this one")

    def append(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Write records at the end; the lock must be held, and all before must have been read.

        When this returns, no kill of this process can lose them.

        Raises
        ------
        QueueError
            They could not be written (a full disk, say); the journal is as it was before.
        """
        head = b"" if self._offset else _line(HEADER)  # its first writer was killed
        self._write(head + b"".join(map(_line, records)), self._offset)

    def _write(self, data: bytes, offset: int) -> None:
        written = 0
        try:
            if os.fstat(self._file).st_size > offset:
                os.ftruncate(self._file, offset)
            while written < len(data):
                written += os.pwrite(self._file, data[written:], offset + written)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, offset)
            raise QueueError(f"the journal {self.path} cannot be written: {error.strerror}") from None
        self._offset = offset + len(data)
        self._dirty = True

    @property
    def closed(self) -> bool:
        """Whether it was let go of."""
        return self._file < 0

    @property
    def dirty(self) -> bool:
        """Whether something was written that may not be on the disk yet."""
        return self._dirty

    def sync(self) -> None:
        """Bring what was written to the disk.

        Raises
        ------
        QueueError
            The disk reports a failure.
        """
        if self._dirty:
            self._dirty = False
            try:
                os.fsync(self._file)
            except OSError as error:
                raise QueueError(f"the journal {self.path} cannot be written: {error.strerror}") from None


def _parsed_together(lines: Sequence[bytes]) -> Iterable[Any]:
    """Return what `_parsed` does for each line; all at once takes half of the time."""
    with contextlib.suppress(ValueError):
        records: list[Any] = json.loads(b"[%b]" % b",".join(lines))
        if len(records) == len(lines):
            return records
    return map(_parsed, lines)


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _line(record: Mapping[str, Any]) -> bytes:
    return (
        json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"
    )
