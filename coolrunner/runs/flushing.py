"""Who has something to write is flushed within a second, at the end, and never twice over a fork.

One thread of the process does that. It is there only while there is something, and not while the process
forks: a process that does not log has no thread more, and Python (from 3.12 on) does not warn of a fork.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import warnings
import weakref
from typing import Protocol

__all__ = ["Flushed", "flush_all", "flush_soon", "watch"]

#: Seconds after which is written what was logged.
INTERVAL = 0.5
# The thread goes after so many intervals without work.
_PATIENCE = 4


class Flushed(Protocol):
    """What is flushed."""

    def flush(self, *, quiet: bool = False) -> None:
        """Write what waits; `quiet` raises nothing."""

    def before_fork(self) -> None:
        """Acquire all locks."""

    def after_fork(self, *, child: bool) -> None:
        """Release all locks; in the child, forget what the parent is going to write."""


class _State:
    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.forking = threading.RLock()
        self.waiting: set[Flushed] = set()
        self.pause = threading.Event()
        self.thread: threading.Thread | None = None
        self.process = 0


_state = _State()
_watched: weakref.WeakSet[Flushed] = weakref.WeakSet()
_held: list[Flushed] = []


def watch(flushed: Flushed) -> None:
    """Flush this at the end of the process, and look after it when the process forks."""
    with _state.lock:
        _watched.add(flushed)


def flush_soon(flushed: Flushed) -> None:
    """Flush this within a second."""
    with _state.lock:
        _state.waiting.add(flushed)
        if _state.process != os.getpid():
            _state.process = os.getpid()
            _flush_when_a_worker_ends()
        if _is_working():
            return
        _state.waiting.discard(flushed)
    flushed.flush(quiet=True)


def _is_working() -> bool:
    """Have the thread work, where that can be; needs the lock."""
    if _state.thread is None and not _state.pause.is_set():
        thread = threading.Thread(target=_work, name="coolrunner-metrics", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is about to end, or there are too many threads
            return False
        _state.thread = thread
    return True


def flush_all() -> None:
    """Flush whatever there is; what cannot be written is warned of."""
    for flushed in _all():
        try:
            flushed.flush()
        except OSError as error:
            warnings.warn(str(error), RuntimeWarning, stacklevel=2)


def _all() -> list[Flushed]:
    with _state.lock:
        return list(_watched)


def _work() -> None:
    idle = 0
    while True:
        is_pausing = _state.pause.wait(INTERVAL)
        with _state.lock:
            waiting: set[Flushed] = set()
            if not is_pausing:
                waiting, _state.waiting = _state.waiting, waiting
            idle = 0 if waiting else idle + 1
            if is_pausing or idle >= _PATIENCE:
                _state.thread = None
                return
        while waiting:
            waiting.pop().flush(quiet=True)  # not held here any longer


def _flush_when_a_worker_ends() -> None:
    # The processes of multiprocessing end without atexit.
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, flush_all, exitpriority=0)


def _before_fork() -> None:
    # In the order in which they are acquired elsewhere: a flush that fails asks for another one.
    _state.forking.acquire()
    thread = _state.thread
    if thread is not None and thread is not threading.current_thread():
        _state.pause.set()
        thread.join(1.0)  # it may wait for what a signal handler that forks has interrupted
    with _state.lock:
        waiting, _state.waiting = _state.waiting, set()
    for flushed in waiting:
        flushed.flush(quiet=True)
    _held[:] = _all()
    for flushed in _held:
        flushed.before_fork()
    _state.lock.acquire()


def _after_fork_in_parent() -> None:
    _state.lock.release()
    for flushed in _held:
        flushed.after_fork(child=False)
    _held.clear()
    _state.pause.clear()
    with _state.lock:
        if _state.waiting:  # another thread has logged meanwhile, or the disk is full
            _is_working()
    _state.forking.release()


def _after_fork_in_child() -> None:
    global _state
    _state = _State()
    _held.clear()
    for flushed in _watched:  # also what another thread made since
        flushed.after_fork(child=True)


atexit.register(flush_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
