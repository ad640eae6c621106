"""What a process prints goes to the log of its run, and is shown where it was shown before.

At the level ``"fd"`` the descriptors 1 and 2 become pipes, which a thread empties: so also what C code and
child processes write is there. Python's own streams that write elsewhere (a notebook's) are listened to.
At the level ``"sys"`` only Python's streams are listened to: they stay the same objects, with the same
descriptor and the same terminal, so that a debugger works.

**Order.** Where both descriptors lead to the same place, which is usual, they share a pipe, and the log
has everything in the order in which it was written. Where they do not, what Python's streams write still
comes after all that was written before it; only what C code or a child writes may come before what was
printed to the other one a moment ago.

**Kills.** What has left the process is in the pipe, and in the log some milliseconds later. A kill takes
with it what is in the pipe at that moment, and what has not left yet: a text without a line feed, which
Python holds back, and what C code holds back (4 kB, usually).

**A limit.** The thread needs Python's lock. C code that keeps the lock and prints more than the pipe
holds (1 MB on Linux) without ever giving it up waits forever. Libraries give it up where they take long;
for one that does not there is ``"sys"``.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from coolrunner.runs.collapsing import CollapsedLog
from coolrunner.runs.piping import Pipe, Sink, same_place

__all__ = ["Capture", "CollapsedLog", "Sink"]

_NAMES = {1: "stdout", 2: "stderr"}
# The last one prints into the one before it.
_running: list[Capture] = []


class Capture:
    """Captures what this process prints, between `start` and `stop` or as a context manager.

    Captures may be nested, and need not end in the order in which they began. One that is still on when
    the interpreter ends is stopped then. In a process that is forked meanwhile it goes on, and what that
    prints goes the same way.

    Parameters
    ----------
    log
        Where it goes; it is not closed.
    level
        ``"fd"`` or ``"sys"``, see above.
    stdout, stderr
        Which of them.

    Raises
    ------
    ValueError
        There is no such level.
    """

    def __init__(
        self, log: Sink, level: Literal["fd", "sys"] = "fd", stdout: bool = True, stderr: bool = True
    ) -> None:
        if level not in ("fd", "sys"):
            raise ValueError(f"the level of a capture is 'fd' or 'sys', not {level!r}")
        self._log = log
        self._level = level
        self._files = [file for file, wanted in ((1, stdout), (2, stderr)) if wanted]
        self._pipes: list[Pipe] = []
        self._hooks: list[_Hook] = []
        self._buffered: list[tuple[Any, bool]] = []
        self._on = False

    def __enter__(self) -> Capture:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin; nothing where it has begun."""
        if self._on:
            return
        self._on = True
        _running.append(self)
        atexit.register(self.stop)
        _flush()
        if self._level == "fd":
            self._buffered = list(_by_line(self._files))
            together = len(self._files) == 2 and same_place(1, 2)
            groups = [self._files] if together else [[file] for file in self._files]
            self._pipes = [Pipe(group, self._log) for group in groups]
        for file in self._files:
            self._listen(file)

    def _listen(self, file: int) -> None:
        stream = getattr(sys, _NAMES[file])
        if any(hook.stream is stream for hook in self._hooks):
            return
        mine = next((pipe for pipe in self._pipes if file in pipe.files and _writes_to(stream, file)), None)
        others = [pipe for pipe in self._pipes if pipe is not mine]
        if mine is None or others:
            # There may be no stream, or one that does not let itself be listened to.
            with contextlib.suppress(AttributeError, TypeError):
                self._hooks.append(_Hook(stream, None if mine else self._log, others))

    def stop(self) -> None:
        """End, after all that was printed is in the log; nothing where it has ended."""
        if not self._on:
            return
        self._on = False
        atexit.unregister(self.stop)
        _flush()
        if self._pipes:
            _flush_c()
        _running.remove(self)
        others = [pipe for capture in reversed(_running) for pipe in capture._pipes]
        for pipe in others:
            pipe.settle()
        for hook in self._hooks:
            hook.remove()
        for pipe in self._pipes:
            pipe.restore(others)
        for pipe in self._pipes:
            pipe.finish()
        for stream, by_line in self._buffered:
            with contextlib.suppress(ValueError, OSError):  # closed meanwhile
                stream.reconfigure(line_buffering=by_line)
        self._pipes, self._hooks, self._buffered = [], [], []

    def after_fork(self) -> None:
        """Let go, in a new process, of what only the thread of the old one reads from."""
        for pipe in self._pipes:
            pipe.let_go()


class _Hook:
    """Listens to what is written to a stream of Python's.

    The stream stays the object that it is: who holds it already (a handler of `logging`) is heard as well,
    and who asks it for its descriptor or its terminal gets them.

    Parameters
    ----------
    stream
        The stream.
    log
        Where a copy goes; None where the stream leads to a pipe.
    pipes
        Those whose content was printed before what is written now.

    Attributes
    ----------
    stream
        As given.

    Raises
    ------
    AttributeError, TypeError
        It is no stream, or does not let itself be listened to.
    """

    def __init__(self, stream: Any, log: Sink | None, pipes: Sequence[Pipe]) -> None:
        self.stream = stream
        self._log = log
        self._pipes = pipes
        self._write: Callable[[str], Any] = stream.write
        self._replaced = vars(stream).get("write")
        self._removed = False
        stream.write = self

    def __call__(self, text: str) -> Any:
        for pipe in self._pipes:
            pipe.settle()
        if self._log is not None:
            with contextlib.suppress(Exception):  # no text, which the stream will say
                self._log.write(text.encode("utf-8", "backslashreplace"))
        return self._write(text)

    def remove(self) -> None:
        """Stop listening; what still comes, from who holds on to this, is passed on."""
        self._log, self._pipes, self._removed = None, (), True
        if vars(self.stream).get("write") is not self:
            return
        replaced = self._replaced
        while isinstance(replaced, _Hook) and replaced._removed:  # those before this one that ended before it
            replaced = replaced._replaced
        if replaced is None:
            del self.stream.write
        else:
            self.stream.write = replaced


def _let_go_in_child() -> None:
    for capture in list(_running):
        capture.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)


# --- streams ---


def _writes_to(stream: Any, file: int) -> bool:
    try:
        return bool(stream.fileno() == file)
    except (AttributeError, OSError, ValueError):  # a stream in memory, a closed one, none
        return False


def _by_line(files: Sequence[int]) -> Iterator[tuple[Any, bool]]:
    """Let Python hold back no whole line; yield the streams, and whether they were so before."""
    for file in files:
        stream = getattr(sys, _NAMES[file])
        if _writes_to(stream, file) and hasattr(stream, "reconfigure"):
            yield stream, stream.line_buffering
            stream.reconfigure(line_buffering=True)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(Exception):  # closed, broken, none
            stream.flush()  # type: ignore[union-attr]


def _flush_c() -> None:
    """Flush what C code has printed and holds back."""
    import ctypes  # takes a few milliseconds

    with contextlib.suppress(Exception):  # another C library
        libc = ctypes.CDLL(None)
        name = "__stdoutp" if sys.platform == "darwin" else "stdout"
        libc.fflush(ctypes.c_void_p.in_dll(libc, name))
