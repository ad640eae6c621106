"""A terminal for tests: a real pseudo-terminal, and a small emulator that says what a person sees."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
import threading
import time
from collections.abc import Callable
from typing import TextIO

_ESCAPE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


class Screen:
    """The lines of a terminal that never runs out of them; colours are left out."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.lines: list[list[str]] = [[]]
        self.row = self.column = 0

    def feed(self, text: str) -> None:
        """Take what a program writes."""
        place = 0
        while place < len(text):
            escape = _ESCAPE.match(text, place)
            if escape is not None:
                self._escape(escape[1], escape[2])
                place = escape.end()
                continue
            self._put(text[place])
            place += 1

    def _escape(self, argument: str, command: str) -> None:
        if command == "A":
            self.row = max(self.row - int(argument or 1), 0)
        elif command == "J":
            del self.lines[self.row][self.column :]
            del self.lines[self.row + 1 :]
        elif command != "m":
            raise AssertionError(f"the emulator does not know ESC[{argument}{command}")

    def _put(self, character: str) -> None:
        if character == "\n":
            self.row, self.column = self.row + 1, 0
        elif character == "\r":
            self.column = 0
        else:
            if self.column == self.columns:
                self.row, self.column = self.row + 1, 0
            while len(self.lines) <= self.row:
                self.lines.append([])
            line = self.lines[self.row]
            line.extend(" " * (self.column + 1 - len(line)))
            line[self.column] = character
            self.column += 1
        while len(self.lines) <= self.row:
            self.lines.append([])

    def narrow(self, columns: int) -> None:
        """Become narrower and break the lines that are too long, as terminals do."""
        self.columns = columns
        lines: list[list[str]] = []
        for number, line in enumerate(self.lines):
            if number == self.row:
                self.row = len(lines)
            lines += [line[start : start + columns] for start in range(0, max(len(line), 1), columns)]
        self.lines = lines

    @property
    def text(self) -> list[str]:
        """What stands on it, without spaces at the ends of lines and without empty lines at its end."""
        return "\n".join("".join(line).rstrip() for line in self.lines).rstrip("\n").split("\n")


class Terminal:
    """A pseudo-terminal: `file` is what a program writes to, `screen` what a person sees.

    Parameters
    ----------
    columns, lines
        Its size.
    """

    def __init__(self, columns: int = 80, lines: int = 24) -> None:
        self._master, slave = pty.openpty()
        self._slave = slave
        self.resize(columns, lines)
        self.file: TextIO = os.fdopen(slave, "w", encoding="utf-8")
        self._data = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def resize(self, columns: int, lines: int = 24) -> None:
        """Change its size."""
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.columns = columns

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return
            if not data:
                return
            self._data += data

    @property
    def raw(self) -> str:
        """All that was written so far."""
        return self._data.decode("utf-8", "replace")

    def screen(self) -> Screen:
        """What a person sees now."""
        screen = Screen(self.columns)
        screen.feed(self.raw)
        return screen

    def wait_for(self, condition: Callable[[list[str]], bool]) -> list[str]:
        """Wait until the lines on the screen meet a condition, and return them."""
        until = time.monotonic() + 20
        while not condition(lines := self.screen().text):
            assert time.monotonic() < until, "\n".join(["it never came; the screen shows:", *lines])
            time.sleep(0.01)
        return lines

    def close(self) -> list[str]:
        """Close it; return what a person saw last."""
        self.file.close()
        self._reader.join()
        os.close(self._master)
        return self.screen().text
