"""A small terminal in memory: the last lines of what was printed, each in its last state.

It follows line feeds, carriage returns, backspaces and the codes with which progress bars move about and
erase (tqdm's bars below each other, rich's lists of them). Colours stay as they are, all other codes are
left out.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["Screen"]

# Lines that the cursor can go back to, and the bytes that they may have; columns that a code may ask for.
_ROWS, _LIMIT, _WIDEST = 64, 1 << 15, 10_000
# The bytes of the longest code.
_LONGEST = 4096

_CONTROL = re.compile(
    rb"""( [\r\n\b]
         | \x1b (?: \[ [0-?]* [ -/]* [@-ln-~]               # a CSI code, but for
                  | \[ [<-?] [0-?]* m                       # colours
                  | \] [^\x07\x1b\n]* (?: \x07 | \x1b\\ )   # titles, links
                  | [ -/]* [0-Z\\^-~] )                     # the short ones
         )""",
    re.VERBOSE,
)
_NOT_A_COLOUR = re.compile(rb"\x1b(?!\[[0-9;:]*m)")
_COLOURS = re.compile(rb"(?:\x1b\[[0-9;:]*m)+")
# A code or a character that goes on in what comes next, and a colour, which belongs to the next character.
_UNFINISHED = re.compile(
    rb"""(?: \x1b\[ [0-9;:]* m )+ \Z
       | \x1b (?: \[ [0-?]* [ -/]* | \] [^\x07\x1b\n]{0,4000} \x1b? | [ -/]* )? \Z
       | [\xc2-\xdf] \Z | [\xe0-\xef] [\x80-\xbf]? \Z | [\xf0-\xf4] [\x80-\xbf]{0,2} \Z""",
    re.VERBOSE,
)
_CELL = re.compile(r"((?:\x1b\[[0-9;:]*m)*)(.?)", re.DOTALL)
# What may take two columns or none; Latin, arrows and the blocks and dots of progress bars take one.
_WIDE_OR_NONE = re.compile("[^\x00-\u02ff\u2190-\u22ff\u2500-\u25fc\u2800-\u28ff]")


class Screen:
    """The last lines, and the cursor in them.

    Attributes
    ----------
    lines
        As they are now, at least one, without line feeds.
    """

    def __init__(self) -> None:
        self.lines = [b""]
        self._row = 0
        self._column: int | None = None  # None is the end of the line
        self._unfinished = b""

    @property
    def size(self) -> int:
        """How many bytes the lines have, line feeds between them included."""
        return sum(map(len, self.lines)) + len(self.lines) - 1

    def is_plain(self, data: bytes) -> bool:
        """Whether all that some bytes do is to go on at the end of the last line."""
        return (
            self._column is None
            and self._row == len(self.lines) - 1
            and not self._unfinished
            and b"\r" not in data
            and b"\b" not in data
            and (b"\x1b" not in data or not _NOT_A_COLOUR.search(data))
        )

    def append(self, data: bytes) -> None:
        """Take bytes that are plain."""
        self.lines[-1:] = (self.lines[-1] + data).split(b"\n")
        self._row = len(self.lines) - 1

    def follow(self, data: bytes) -> int:
        """Take bytes of any kind, cut anywhere; return the first line that is not what it was."""
        data = self._unfinished + data
        unfinished = _UNFINISHED.search(data, max(len(data) - _LONGEST, 0))
        self._unfinished = unfinished[0] if unfinished else b""
        changed = self._row
        pieces = _CONTROL.split(data[: len(data) - len(self._unfinished)])
        for i in range(0, len(pieces), 2):
            if pieces[i]:
                self._put(pieces[i])
            if i + 1 < len(pieces):
                changed = min(changed, self._obey(pieces[i + 1]))
        return changed

    def finish(self) -> int:
        """Show what was held back, but for half a code; return the first line that is not what it was."""
        rest, self._unfinished = self._unfinished, b""
        if rest and (not rest.startswith(b"\x1b") or _COLOURS.fullmatch(rest)):
            self._put(rest)
        return self._row

    def forget(self) -> None:
        """Let go of the lines that are too far up for any cursor, and of most of one that has no end."""
        lines = self.lines
        gone = min(max(len(lines) - _ROWS, 0), self._row)
        size = sum(map(len, lines[gone:]))
        while size > _LIMIT and gone < self._row:
            size -= len(lines[gone])
            gone += 1
        del lines[:gone]
        self._row -= gone
        if size > _LIMIT and len(lines) == 1 and self._column is None:
            lines[0] = lines[0][-_LIMIT // 2 :]

    def _put(self, text: bytes) -> None:
        line, column = self.lines[self._row], self._column
        if column is None or (column == 0 and not line):
            self.lines[self._row] = line + text
            self._column = None
        elif column == 0 and _width(text) >= _width(line):
            self.lines[self._row] = text
            self._column = None
        elif not _COLOURS.fullmatch(text):
            cells, new = _cells(line), _cells(text)
            cells += [" "] * (column - len(cells))
            end = column + len(new)
            cells[column:end] = new
            if end < len(cells) and not cells[end]:
                cells[end] = " "  # the second half of a wide character
            self.lines[self._row] = _joined(cells)
            self._column = end if end < len(cells) else None

    def _obey(self, code: bytes) -> int:
        """Follow one control code; return the first row that may change by it or after it."""
        if code == b"\r":
            self._column = 0
        elif code == b"\n":
            last = self._row
            self._row += 1
            if self._row == len(self.lines):
                self.lines.append(b"")
            self._column = 0 if self.lines[self._row] else None
            return last
        elif code == b"\b":
            self._move(-1)
        elif code.startswith(b"\x1b["):
            first = code[2:-1].partition(b";")[0]
            if not first or first.isdigit():
                self._obey_csi(code[-1:], int(first[:6]) if first else None)
        return self._row

    def _obey_csi(self, final: bytes, number: int | None) -> None:
        """Follow a code of ECMA-48: a letter, and a number before it."""
        count = number or 1
        if final in b"ABEF":
            self._move(0)  # so that the column is a number
            row = self._row + (count if final in b"BE" else -count)
            self._row = min(max(row, 0), len(self.lines) - 1)
            if final in b"EF":
                self._column = 0
            elif self._column == _width(self.lines[self._row]):
                self._column = None
        elif final in b"CD":
            self._move(count if final == b"C" else -count)
        elif final == b"G":
            self._column = min(count - 1, _WIDEST)
        elif final == b"K":
            self._erase(number or 0)
        elif final == b"J" and not number:
            self._erase(0)
            del self.lines[self._row + 1 :]

    def _move(self, by: int) -> None:
        column = _width(self.lines[self._row]) if self._column is None else self._column
        self._column = min(max(column + by, 0), _WIDEST)

    def _erase(self, which: int) -> None:
        """Erase in the line: 0 what is behind the cursor, 1 what is before it, 2 all."""
        if which == 0 and self._column is None:
            return
        self._move(0)
        cells, column = _cells(self.lines[self._row]), self._column or 0
        if which == 0:
            cells = cells[:column]
        elif which == 1:
            cells[: column + 1] = [" "] * min(column + 1, len(cells))
        else:
            cells = []
        self.lines[self._row] = _joined(cells)


def _width(text: bytes) -> int:
    """Return how many columns a text takes."""
    if b"\x1b" not in text:
        if text.isascii():
            return len(text)
        characters = text.decode("utf-8", "surrogateescape")
        if not _WIDE_OR_NONE.search(characters):
            return len(characters)
    return len(_cells(text))


def _cells(text: bytes) -> list[str]:
    """Return what stands in each column, colours included; behind a wide character there is nothing."""
    cells: list[str] = []
    for match in _CELL.finditer(text.decode("utf-8", "surrogateescape")):
        codes, character = match.groups()
        if not character or unicodedata.combining(character):
            cells[-1:] = ["".join(cells[-1:]) + codes + character]
        else:
            cells.append(codes + character)
            if unicodedata.east_asian_width(character) in "WF":
                cells.append("")
    return cells if text else []


def _joined(cells: list[str]) -> bytes:
    return "".join(cells).encode("utf-8", "surrogateescape")
