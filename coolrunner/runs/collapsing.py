"""The log of what a run prints: of a line that is drawn over and over only its last state."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import weakref
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from coolrunner.runs.screen import Screen

__all__ = ["CollapsedLog"]

_SLICE = 1 << 18
_DRAWN_OVER = re.compile(rb"[^\r\n]*\r+(?=[^\r\n])")

_logs: weakref.WeakSet[CollapsedLog] = weakref.WeakSet()


class CollapsedLog:
    """A log file that always holds what has been written so far, each line in its last state.

    What is written is with the operating system when `write` returns, unless another thread is writing at
    that moment, which then does it. Memory is bounded, whatever is written: a cursor can go back 64 lines,
    and a line of more than 32 kB is no progress bar, a carriage return in it begins a new one behind it.

    Parameters
    ----------
    path
        The file; it is made, or gone on with. Nobody else writes to it, but for processes forked from
        this one.

    Attributes
    ----------
    path
        As given.
    error
        What the disk said when it last refused something. The log goes on as soon as it can, and says how
        much is missing.

    Raises
    ------
    OSError
        It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.error: OSError | None = None
        self._open(os.O_RDWR)
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque()
        self._missing = 0
        # Whether other processes write to the file as well, and whether this is one of those.
        self._shared = self._copied = False
        self._anchor()
        _logs.add(self)

    def write(self, data: bytes) -> None:
        """Take what was printed, cut anywhere. What the disk says is not raised, see `error`."""
        self._waiting.append(data)
        # A signal handler may print while this very thread is writing: what comes then waits for it.
        while self._waiting and self._lock.acquire(blocking=False):
            try:
                while self._waiting:
                    self._take(self._waiting.popleft())
            finally:
                self._lock.release()

    def close(self) -> None:
        """Close the file; what is written later is ignored."""
        with self._lock:
            if self._closer.alive:
                with contextlib.suppress(OSError):
                    if not self._copied and os.fstat(self._file).st_size == self._size:
                        self._render(self._size - self._screen.size, self._screen.finish())
                self._closer()

    # --- the file ---

    def _open(self, flags: int) -> None:
        self._file = os.open(self.path, flags | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        self._closer = weakref.finalize(self, os.close, self._file)

    def _anchor(self) -> None:
        """Begin anew at the end of the file."""
        self._screen = Screen()
        self._size = os.lseek(self._file, 0, os.SEEK_END)
        # What was killed, or did not fit on the disk, ended anywhere.
        self._torn = False
        if self._size:
            os.lseek(self._file, -1, os.SEEK_END)
            self._torn = os.read(self._file, 1) != b"\n"

    def _take(self, data: bytes) -> None:
        if not self._closer.alive:
            return
        try:
            with _locked(self._file) if self._shared else contextlib.nullcontext():
                if self._copied:
                    _write(self._file, _DRAWN_OVER.sub(b"", data))
                    return
                if os.fstat(self._file).st_size != self._size:  # somebody emptied it, or wrote to it
                    self._anchor()
                if self._missing:
                    reason = self.error.strerror if self.error else ""
                    self._append(f"[{self._missing} bytes are missing here: {reason}]\n".encode())
                    self._missing = 0
                for start in range(0, len(data), _SLICE):
                    self._take_slice(data[start : start + _SLICE])
        except OSError as error:
            self.error = error
            self._missing += len(data)
            self._size = -1

    def _take_slice(self, data: bytes) -> None:
        if b"\r\n" in data:
            data = data.replace(b"\r\n", b"\n")
        if self._torn:
            self._append(b"")
        if self._screen.is_plain(data):
            self._append(data)
        else:
            begin = self._size - self._screen.size
            self._render(begin, self._screen.follow(data))
        self._screen.forget()

    def _append(self, data: bytes) -> None:
        if self._torn:
            data, self._torn = b"\n" + data, False
        self._write_at(self._size, data)
        self._screen.append(data)

    def _render(self, begin: int, changed: int) -> None:
        """Write the lines from the first that has changed; the first of all begins at `begin`."""
        lines = self._screen.lines
        place = begin + sum(len(line) + 1 for line in lines[:changed])
        self._write_at(place, b"\n".join(lines[changed:]))

    def _write_at(self, place: int, data: bytes) -> None:
        os.lseek(self._file, place, os.SEEK_SET)
        _write(self._file, data)
        end = place + len(data)
        if end < self._size:
            os.ftruncate(self._file, end)
        self._size = end

    # --- a fork ---

    def share(self, copied: bool) -> None:
        """Go on after a fork; `copied`: in the new process, which only adds to the end."""
        self._shared = True
        if not copied:
            return
        self._lock = threading.Lock()
        self._waiting.clear()
        if self._closer.alive and not self._copied:
            self._closer()
            with contextlib.suppress(OSError):
                self._open(os.O_WRONLY | os.O_APPEND)
            self._copied = True


def _share_all(copied: bool) -> None:
    for log in list(_logs):
        log.share(copied)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=lambda: _share_all(False), after_in_child=lambda: _share_all(True))


def _write(file: int, data: bytes) -> None:
    written = os.write(file, data)
    while written < len(data):
        written += os.write(file, memoryview(data)[written:])


@contextlib.contextmanager
def _locked(file: int) -> Iterator[None]:
    import fcntl  # where there is a fork, there is this

    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
