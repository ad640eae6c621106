"""What a program writes: passed on as it comes, and its end kept."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from typing import IO, TextIO

__all__ = ["Tail", "to_descriptor", "to_stream"]

#: How much of the end is kept: as many lines, and not more bytes.
LINES = 20
_BYTES = 1 << 14


class Tail:
    """Reads a pipe to its end, in a thread.

    Parameters
    ----------
    pipe
        What to read; it is closed at its end.
    pass_on
        Is given all that comes.
    """

    def __init__(self, pipe: IO[bytes], pass_on: Callable[[bytes], None]) -> None:
        self._pipe = pipe
        self._pass_on = pass_on
        self._kept = b""
        self._thread = threading.Thread(target=self._read, name="program output", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._pipe:
            while data := self._pipe.read(1 << 16):
                self._kept = (self._kept + data)[-_BYTES:]
                # Who listens may be gone, which is no reason to let the program wait.
                with contextlib.suppress(Exception):
                    self._pass_on(data)

    def finish(self, seconds: float) -> None:
        """Wait for the end, though not longer: a process left behind may keep the pipe open."""
        self._thread.join(seconds)

    @property
    def text(self) -> str:
        """The last lines."""
        lines = self._kept.decode("utf-8", "backslashreplace").splitlines()
        return "\n".join(lines[-LINES:])


def to_descriptor(number: int) -> Callable[[bytes], None]:
    """Return what writes to a file descriptor."""

    def write(data: bytes) -> None:
        while data:
            data = data[os.write(number, data) :]

    return write


def to_stream(stream: TextIO) -> Callable[[bytes], None]:
    """Return what writes to a stream of Python's, which may be a notebook's, or listened to."""
    import codecs

    decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode
    encoding = getattr(stream, "encoding", None) or "utf-8"

    def write(data: bytes) -> None:
        stream.write(decode(data).encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()

    return write
