"""The YamlLog: an append-only stream of experiments and their results, shared by any number of runners.

Format, version 1::

    # Coolrunner log, version 1
    --- # k7f3q2ma            the experiment's ID
    Name: vgg
    ...                       (its parameters, its results, what the runner adds)
    TIME_ELAPSED: 12.5
    ...

Each document ends with YAML's document end marker, so that a record whose writer was killed in the
middle is known for sure: it has the first line and not the last. The next writer turns it into
comments; a reader leaves it out.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from coolrunner.errors import LogError
from coolrunner.yamlio import dump

__all__ = ["HEADER", "LogBook", "YamlLog", "failed_log", "locked", "record_text"]

HEADER = "# Coolrunner log, version 1\n"
#: Seconds within which an announced result is on the disk.
SYNC_INTERVAL = 0.5

#: How many logs a study keeps open; a study of thousands may have a log for each experiment.
MAX_OPEN = 64

_TAIL = 1 << 16
_TORN = b"# torn record: its writer was killed, or the disk was full\n"
_END = re.compile(rb"^\.\.\.[ \t]*(?:#.*)?\r?(?:\n|\Z)", re.MULTILINE)
_BEGIN = re.compile(rb"^--- # \S+[ \t]*\r?\n", re.MULTILINE)
# Comments, and then the first line of a record that breaks off.
_BEGIN_CUT = re.compile(rb"(?:[ \t]*(?:#.*)?\r?\n)*(-(?:-(?:-(?: (?:#(?: \S*)?)?)?)?)?)\Z")


def failed_log(path: str) -> str:
    """Return the log of failures that belongs to a YamlLog: ``log.failed.yaml`` beside ``log.yaml``."""
    log = Path(path)
    return str(log.with_name(f"{log.stem}.failed.yaml"))


def record_text(identity: str, record: Mapping[str, Any]) -> str:
    """Return one document of a log.

    Parameters
    ----------
    identity
        The experiment's ``ID``.
    record
        Plain data.
    """
    return f"--- # {identity}\n{dump(record)}...\n"


class YamlLog:
    """One log, to append to; opened when it is needed.

    Parameters
    ----------
    path
        The file; it and its directory are made when they are missing.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = -1
        self._end = -1  # where our own last record ended; another size means that others wrote too
        self._guard = threading.Lock()  # `sync` comes from another thread

    @staticmethod
    def check(path: str) -> None:
        """Raise a `LogError` where a log at `path` could not be written; makes its directory."""
        log = Path(path)
        try:
            if log.is_dir():
                raise LogError(f"the log {path} cannot be written: it is a directory")
            log.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LogError(f"the log {path} cannot be written: {error.strerror}") from None
        if not os.access(log if log.exists() else log.parent, os.W_OK):
            raise LogError(f"the log {path} cannot be written: no permission")

    def append(self, identity: str, record: Mapping[str, Any]) -> None:
        """Add one document; when this returns, no kill of this process can lose it.

        Raises
        ------
        LogError
            It could not be written (a full disk, say); the log is as it was before.
        """
        data = record_text(identity, record).encode()
        try:
            # A person may have moved the log away, or an editor replaced it on saving, before the
            # lock was had or while the record was written: it belongs into the file of that name.
            while True:
                if self._file < 0:
                    self._open()
                with locked(self._file):
                    if self._in_place():
                        self._write(data)
                        if self._in_place():
                            return
                self.close()
        except OSError as error:
            raise LogError(f"the log {self.path} cannot be written: {error.strerror}") from None

    def sync(self) -> None:
        """Bring what was appended to the disk."""
        with self._guard:
            if self._file < 0:
                return
            copy = os.dup(self._file)
        try:
            _fsync(copy)
        finally:
            os.close(copy)

    def close(self) -> None:
        """Sync and close."""
        with self._guard:
            file, self._file, self._end = self._file, -1, -1
        if file >= 0:
            try:
                _fsync(file)
            finally:
                os.close(file)

    def _open(self) -> None:
        Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        self._file = os.open(self.path, flags, 0o666)

    def _in_place(self) -> bool:
        try:
            there, here = Path(self.path).stat(), os.fstat(self._file)
        except FileNotFoundError:
            return False
        return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)

    def _write(self, data: bytes) -> None:
        size = os.fstat(self._file).st_size
        if size and size != self._end:
            size = _mend(self._file, size)
        if size == 0:
            data = HEADER.encode() + data
        try:
            _write_all(self._file, data)
        except OSError:
            # Half a record must not stay: take it back while the lock is held.
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, size)
            raise
        self._end = size + len(data)


def _write_all(file: int, data: bytes) -> None:
    written = os.write(file, data)
    while written < len(data):
        written += os.write(file, data[written:])


def _fsync(file: int) -> None:
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a device such as /dev/null
            raise


# --- what a writer that was killed has left --------------------------------------------------------


def _mend(file: int, size: int) -> int:
    """Make the end of a log fit for another record; return its size."""
    start, tail = _tail(file, size)
    sound, kept = _mended(tail, whole=start == 0)
    if len(sound) < len(tail):
        os.ftruncate(file, start + len(sound))
    _write_all(file, kept)
    return start + len(sound) + len(kept)


def _tail(file: int, size: int) -> tuple[int, bytes]:
    """Return the end of a log from before the end of its last complete record, and where it begins."""
    length = _TAIL
    while length < size:
        tail = os.pread(file, length, size - length)
        _, _, lines = tail.partition(b"\n")
        if _END.search(lines):
            return size - len(lines), lines
        length *= 16
    return 0, os.pread(file, size, 0)


def _mended(tail: bytes, *, whole: bool) -> tuple[bytes, bytes]:
    """Return what stays of a log's end as it is, and what is to come after it.

    Parameters
    ----------
    tail
        The end of a log, as of `_tail`.
    whole
        Whether it is all of the log.
    """
    tail = tail.rstrip(b"\0")  # after a power cut: a length that was written, and nothing else
    header = HEADER.encode()
    if whole and header.startswith(tail):
        return b"", b""  # the header itself is cut: it is written again
    end = 0
    for match in _END.finditer(tail):
        end = match.end()
    if not end and not tail.startswith(header):
        return tail, _closing(tail)
    if begin := _BEGIN.search(tail, end):
        place = begin.start()
    elif cut := _BEGIN_CUT.match(tail, end):
        place = cut.start(1)
    else:
        return tail, b"" if tail.endswith(b"\n") else b"\n"
    torn = tail[place:].decode("utf-8", "backslashreplace").rstrip("\n")
    return tail[:place], _TORN + b"".join(_commented(line) for line in torn.split("\n"))


def _closing(text: bytes) -> bytes:
    """Return what closes the last document of a log that a person or another program has begun.

    From then on it has an end marker, and a record of ours that is torn is known by the lack of one.
    """
    newline = b"" if text.endswith(b"\n") else b"\n"
    lines = (line.strip() for line in text.split(b"\n"))
    holds_data = any(line and not line.startswith(b"#") for line in lines)
    return newline + (b"...\n" if holds_data else b"")


def _commented(line: str) -> bytes:
    # What YAML does not allow, or takes for a line break, may be anywhere in a broken piece.
    shown = "".join(c if c.isprintable() or c == "\t" else ascii(c)[1:-1] for c in line)
    return f"# {shown}\n".encode()


@contextlib.contextmanager
def locked(file: int) -> Iterator[None]:
    """Hold the file's lock, which other runners on this or another host respect."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        os.lseek(file, 0, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
        try:
            yield
        finally:
            os.lseek(file, 0, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined]
        return
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


class LogBook:
    """The logs of a study, by path; brings what was appended to the disk in the background."""

    def __init__(self) -> None:
        self._logs: dict[str, YamlLog] = {}
        self._open: dict[str, None] = {}  # the paths in use, the latest last
        self._dirty: set[str] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._broken: OSError | None = None

    @property
    def paths(self) -> list[str]:
        """The logs that were written to, in the order of the first write."""
        return list(self._logs)

    def append(self, path: str, identity: str, record: Mapping[str, Any]) -> None:
        """Add a document to the log at `path`.

        Raises
        ------
        LogError
            It could not be written, or what was written before could not be brought to the disk.
        """
        if self._broken is not None:  # nothing more may be acknowledged that a power cut would take
            raise LogError(f"the log {path} cannot be brought to the disk: {self._broken.strerror}")
        log = self._logs.get(path) or YamlLog(path)
        log.append(identity, record)
        self._logs[path] = log
        self._open.pop(path, None)
        self._open[path] = None
        if len(self._open) > MAX_OPEN:
            self._close(next(iter(self._open)))
        with self._lock:
            self._dirty.add(path)
        if self._thread is None:
            self._thread = threading.Thread(target=self._sync_forever, name="log-sync", daemon=True)
            self._thread.start()
        self._wake.set()

    def close(self) -> None:
        """Bring everything to the disk and close the logs.

        Raises
        ------
        LogError
            A log could not be brought to the disk; the others were.
        """
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        for path in list(self._open):
            self._close(path)
        if self._broken is not None:
            raise LogError(f"a log cannot be brought to the disk: {self._broken.strerror}")

    def _close(self, path: str) -> None:
        del self._open[path]
        try:
            self._logs[path].close()
        except OSError as error:
            self._broken = error

    def _sync_forever(self) -> None:
        while not self._stop.is_set():
            self._wake.wait()
            self._wake.clear()
            with self._lock:
                dirty, self._dirty = self._dirty, set()
            for path in dirty:
                try:
                    self._logs[path].sync()
                except OSError as error:
                    self._broken = error
            # Grouped: whatever comes within the interval shares the next sync.
            self._stop.wait(SYNC_INTERVAL)
