"""A log that grows, shown as it grows.

The log of a run holds each line in its last state (`coolrunner.runs.collapsing`): what a progress bar drew
before is overwritten, up to 64 lines back. So the last lines of the file are looked at again and again. On
a terminal they are drawn over, as the bars were; elsewhere a line is written once, when it has its end.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

from coolrunner.reporting.text import width_of

__all__ = ["CHANGING", "LineTail", "ScreenTail", "last_lines", "read_settled"]

#: So many whole lines at the end of a log may still change.
CHANGING = 64
#: A line of more bytes is no progress bar, and is not kept back.
_LONG = 1 << 16
_CHUNK = 1 << 16
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


def last_lines(path: Path, count: int) -> int:
    """Return where the last lines of a file begin, in bytes; a missing file begins at 0.

    Parameters
    ----------
    path
        The file; no more of it is read than these lines have.
    count
        How many lines. A last line without a line feed is one.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return 0
    with file:
        place = end = file.seek(0, 2)
        if not count:
            return end
        while place > 0:
            size = min(_CHUNK, place)
            place = file.seek(place - size)
            piece = file.read(size)
            found = len(piece)
            while (found := piece.rfind(b"\n", 0, found)) >= 0:
                if place + found == end - 1:  # it ends the last line, and begins none
                    continue
                count -= 1
                if not count:
                    return place + found + 1
        return 0


def read_settled(path: Path, place: int, limit: int, before: bytes = b"") -> bytes:
    """Return what stands in a file from a place on; empty where there is no such file.

    Parameters
    ----------
    path
        The file.
    place
        In bytes.
    limit
        Bytes that are read at most.
    before
        What was read there last. Where that has not only grown, a line is just being drawn over, and what
        was read in the middle of that is read once more.
    """
    data = _read(path, place, limit)
    for _ in range(3):
        if data.startswith(before):
            break
        time.sleep(0.005)
        before, data = data, _read(path, place, limit)
    return data


def _read(path: Path, place: int, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(place)
            return file.read(limit)
    except FileNotFoundError:
        return b""


class LineTail:
    """Shows whole lines, each once, for other programs and for files."""

    def __init__(self) -> None:
        self._lines: list[bytes] = [b""]
        self._written = 0

    def show(self, data: bytes) -> bytes:
        """Return what is to be written now.

        Parameters
        ----------
        data
            All that stands in the log from a fixed place on, which only `settle` moves.
        """
        self._lines = data.split(b"\n")
        if len(self._lines[-1]) >= _LONG:
            begin, self._written = self._written, len(self._lines)
            return b"\n".join(self._lines[begin:])
        new = self._lines[self._written : -1]
        self._written = max(self._written, len(self._lines) - 1)
        return b"".join(line + b"\n" for line in new)

    def settle(self) -> int:
        """Forget what cannot change any more; return by how many bytes the fixed place moves."""
        moved, lines = _settled(self._lines)
        self._lines = self._lines[lines:] or [b""]
        self._written = max(self._written - lines, 0)
        return moved

    def finish(self) -> bytes:
        """Return what is to be written in the end: a last line that has no line feed."""
        rest = b"\n".join(self._lines[self._written :])
        return rest + b"\n" if rest else b""


class ScreenTail:
    """Shows what there is on a terminal, and draws over what has changed since.

    Parameters
    ----------
    columns, rows
        The size of the terminal.
    """

    def __init__(self, columns: int, rows: int) -> None:
        self._columns = columns
        self._rows = rows
        self._lines: list[bytes] = [b""]

    def show(self, data: bytes) -> bytes:
        """Return what is to be written now; see `LineTail.show`."""
        old, new = self._lines, data.split(b"\n")
        self._lines = new
        same = next(
            (place for place, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), -1
        )
        if same < 0:
            same = min(len(old), len(new)) - 1
        if same == len(old) - 1 and new[same].startswith(old[same]):
            return b"\n".join([new[same][len(old[same]) :], *new[same + 1 :]])
        up = sum(map(self._height, old[same:])) - 1
        # What has left the screen stays as it is.
        while up >= self._rows and same < len(old) - 1:
            up -= self._height(old[same])
            same += 1
        climb = f"\x1b[{up}A".encode() if up else b""
        return b"\r" + climb + b"\x1b[J" + b"\n".join(new[same:])

    def settle(self) -> int:
        """Forget what cannot change any more; see `LineTail.settle`."""
        moved, lines = _settled(self._lines)
        self._lines = self._lines[lines:] or [b""]
        return moved

    def finish(self) -> bytes:
        """Return what is to be written in the end, so that what comes next begins a line."""
        return b"\n" if self._lines[-1] else b""

    def _height(self, line: bytes) -> int:
        text = _COLOUR.sub("", line.decode("utf-8", "replace")).expandtabs()
        return max(-(-width_of(text) // self._columns), 1)


def _settled(lines: list[bytes]) -> tuple[int, int]:
    """Return how many bytes and how many lines from the beginning cannot change any more."""
    if len(lines[-1]) >= _LONG:
        return sum(map(len, lines)) + len(lines) - 1, len(lines)
    count = max(len(lines) - 1 - CHANGING, 0)
    return sum(map(len, lines[:count])) + count, count
