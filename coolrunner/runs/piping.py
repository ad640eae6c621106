"""A pipe in the place of a descriptor: what is written there is logged, and shown where it was shown."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Sequence
from typing import Any, Protocol

__all__ = ["Pipe", "Sink", "same_place"]

# Seconds that the end waits for a thread that cannot get rid of what it has (a terminal held by Ctrl-S),
# and that a stream waits for what came before it.
_PATIENCE, _SETTLING = 2.0, 1.0
_READ = 1 << 16
_PIPE_SIZE = 1 << 20
_WINDOWS = os.name == "nt"


class Sink(Protocol):
    """Where what is captured goes, besides where it is shown."""

    def write(self, data: bytes) -> object:
        """Take bytes, cut anywhere."""


class Pipe:
    """A pipe in the place of one or two descriptors, and the thread that empties it.

    Parameters
    ----------
    files
        The descriptors; they lead to one place, the first of them to where that is shown.
    log
        Where a copy goes.

    Attributes
    ----------
    files
        As given.
    """

    def __init__(self, files: Sequence[int], log: Sink) -> None:
        self.files = files
        self._log: Sink | None = log
        self._before = {file: _copy_of(file) for file in files}
        shown = next((before for before in self._before.values() if before is not None), None)
        self._shown = None if shown is None else os.dup(shown)
        self._read, self._write = os.pipe()
        _enlarge(self._write)
        self._identity = _identity(self._write)
        # Written into the pipe at the end: all that comes before it was printed before it.
        self._mark = os.urandom(16)
        self._ending = self._busy = self._stuck = False
        self._marked = threading.Event()
        self._thread: threading.Thread | None = threading.Thread(
            target=self._empty, name="coolrunner-capture", daemon=True
        )
        self._thread.start()
        for file in files:
            os.dup2(self._write, file)

    # --- in the process ---

    def settle(self) -> None:
        """Wait until what is in the pipe is in the log and shown, unless that takes long."""
        if self._thread is None or self._stuck or _WINDOWS or threading.current_thread() is self._thread:
            return
        until = time.monotonic() + _SETTLING
        # In this order: the thread is busy before it takes something out.
        while _waiting_in(self._read) or self._busy:
            if time.monotonic() > until:
                self._stuck = True  # until the thread comes back
                return
            time.sleep(2e-5)

    def restore(self, others: Sequence[Pipe]) -> None:
        """Let the descriptors lead to where they led before; unless somebody has changed them since.

        Parameters
        ----------
        others
            Pipes that go on. Those that led into this one lead to where it led.
        """
        for file, before in self._before.items():
            with contextlib.suppress(OSError):  # closed meanwhile
                if _identity(file) == self._identity:
                    if before is None:
                        os.close(file)
                    else:
                        os.dup2(before, file)
            if before is None:
                continue
            for other in others:
                for copy in (other._before.get(file), other._shown if file == other.files[0] else None):
                    if copy is not None and _identity(copy) == self._identity:
                        os.dup2(before, copy, inheritable=False)
            os.close(before)
        self._before = {}

    def finish(self) -> None:
        """Wait until the log has all; the thread goes on showing what a child still writes."""
        if self._thread is None:
            return
        until = time.monotonic() + _PATIENCE
        self._ending = True
        try:
            if self._thread.is_alive() and _is_writable(self._write):
                os.write(self._write, self._mark)
                self._marked.wait(max(until - time.monotonic(), 0.0))
        finally:
            self._log = None
            os.close(self._write)
        self._thread.join(0.02)  # at once, but for a child that holds the pipe

    def let_go(self) -> None:
        """Close, in a forked process, what belongs to the thread, so that nobody writes for nobody."""
        self._thread = None
        for file in (self._read, self._write, self._shown):
            if file is not None:
                with contextlib.suppress(OSError):
                    os.close(file)

    # --- in the thread ---

    def _empty(self) -> None:
        held = b""
        while data := self._next():
            if self._ending and not self._marked.is_set():
                before, mark, after = (held + data).partition(self._mark)
                # A part of the mark may be all that is there yet.
                cut = len(before) if mark else max(len(before) - len(self._mark) + 1, 0)
                held = before[cut:]
                self._take(before[:cut])
                if not mark:
                    continue
                self._log = None
                self._marked.set()
                data = after
            self._take(data)
        self._marked.set()
        os.close(self._read)
        if self._shown is not None:
            os.close(self._shown)

    def _next(self) -> bytes:
        self._stuck = self._busy = False
        if not _WINDOWS:
            poll = select.poll()
            poll.register(self._read, select.POLLIN)
            poll.poll()
        self._busy = True
        return os.read(self._read, _READ)

    def _take(self, data: bytes) -> None:
        log = self._log
        if log is not None and data:
            # Whatever goes wrong with a log, the pipe has to be emptied.
            with contextlib.suppress(Exception):
                log.write(data)
        while data and self._shown is not None:
            try:
                data = data[os.write(self._shown, data) :]
            except BlockingIOError:
                time.sleep(0.01)
            except OSError:  # nobody looks any more
                return


# --- descriptors ---


def same_place(one: int, other: int) -> bool:
    """Whether two descriptors lead to the same terminal, pipe or file."""
    try:
        return _identity(one) == _identity(other)
    except OSError:
        return False


def _identity(file: int) -> tuple[int, int]:
    found = os.fstat(file)
    return found.st_dev, found.st_ino


def _copy_of(file: int) -> int | None:
    """Return another descriptor for the same; None for a closed one, which is then taken up."""
    try:
        return os.dup(file)
    except OSError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        if nothing != file:
            os.dup2(nothing, file)
            os.close(nothing)
        return None


def _enlarge(pipe: int) -> None:
    with contextlib.suppress(ImportError, AttributeError, OSError):  # only on Linux, and not for everybody
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)


def _waiting_in(pipe: int) -> bool:
    return bool(_poll(pipe, select.POLLIN, 0.0))


def _is_writable(pipe: int) -> bool:
    return _WINDOWS or bool(_poll(pipe, select.POLLOUT, _PATIENCE))


def _poll(file: int, event: int, seconds: float) -> Any:
    poll = select.poll()
    poll.register(file, event)
    return poll.poll(seconds * 1000)
