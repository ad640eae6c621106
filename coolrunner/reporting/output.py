"""The captured output of one experiment: whole lines to print, and an unfinished one to show."""

from __future__ import annotations

import codecs
import re

__all__ = ["Output"]

# Beyond this an unfinished line is a progress bar, of which only the last state matters, or no line.
_LIMIT = 1 << 16
_STYLE_LIMIT = 256
_RESET = b"\x1b[0m"
_STYLE = re.compile(rb"\x1b\[([0-9;:]*)m")


class Output:
    """Takes what an experiment writes, cut anywhere, and gives it back in whole lines.

    The bytes stay as they are. A colour that is still on at the end of a line is switched off there and
    on again before the next one, for other lines may come between them.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._style = b""

    def feed(self, data: bytes) -> bytes:
        """Take some bytes; return the lines that are complete now, ends included."""
        lines, newline, rest = data.rpartition(b"\n")
        if newline:
            complete, self._rest = self._rest + lines + newline, rest
        else:
            complete, self._rest = b"", self._rest + data
        if len(self._rest) > _LIMIT:
            start = self._rest.rfind(b"\r", 0, len(self._rest) - 1)
            if start <= 0:
                complete, self._rest = complete + self._rest + b"\n", b""
            else:
                self._rest = self._rest[start:]
        return self._styled(complete)

    def finish(self) -> bytes:
        """Return what is left, as a line."""
        rest, self._rest = self._rest, b""
        return self._styled(rest + b"\n") if rest else b""

    def unfinished(self) -> str:
        """Return the unfinished line as a terminal would show it: its last state, colours included."""
        state = self._rest.rstrip(b"\r").rpartition(b"\r")[2]
        # A character that is not complete yet is left out, not shown as a broken one.
        return codecs.getincrementaldecoder("utf-8")("replace").decode(self._style + state if state else b"")

    def _styled(self, lines: bytes) -> bytes:
        if b"\x1b" not in lines:
            return self._style + lines + _RESET if lines and self._style else lines
        before = self._style
        for match in _STYLE.finditer(lines):
            resets = match[1].strip(b"0;:") == b""
            kept = self._style if len(self._style) < _STYLE_LIMIT else b""
            self._style = b"" if resets else kept + match[0]
        return before + lines + (_RESET if self._style else b"")
