"""The lines at the bottom of a terminal that are drawn over and over, and what scrolls by above them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from coolrunner.reporting.streams import encodable, size_of, write_bytes

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["Region"]

_STYLE_OFF = "\x1b[0m"


class Region:
    """Draws a few lines below all other output of a terminal.

    The cursor stays visible and rests at the begin of the last line: whatever ends the program, even a
    kill, leaves a terminal that works, and a ``^C`` that it echoes does not wrap.

    Parameters
    ----------
    file
        A terminal.
    """

    def __init__(self, file: TextIO) -> None:
        from rich.console import Console

        self._file = file
        self._console: Console = Console(
            file=file, force_terminal=True, highlight=False, markup=False, emoji=False
        )
        self._drawn: list[str] = []
        self._widths: list[int] = []
        self._columns = 0

    def size(self) -> tuple[int, int]:
        """Return how many columns a line may take, and how many lines the terminal has.

        The last column stays free: what is written there makes some terminals begin a new line.
        """
        columns, lines = size_of(self._file)
        return max(columns - 1, 10), lines

    def draw(self, above: bytes, lines: Sequence[Text]) -> None:
        """Write something above the region, as it is, and draw the region anew, all in one write.

        Parameters
        ----------
        above
            Whole lines, or nothing.
        lines
            What the region shows from now on, nothing to take it away; what is too long is cut.
        """
        from rich.console import ConsoleDimensions

        width, height = self.size()
        # The console would ask the standard streams, which need not be this terminal.
        self._console.size = ConsoleDimensions(width, height)
        rendered = [self._rendered(line) for line in lines]
        if not above and rendered == self._drawn and width == self._columns:
            return
        body = "\n".join(rendered) + _STYLE_OFF + "\r" if rendered else ""
        encoding = self._file.encoding or "ascii"
        write_bytes(
            self._file,
            self._erasure(width).encode() + above + encodable(body, encoding).encode(encoding),
        )
        self._drawn, self._columns = rendered, width
        self._widths = [min(line.cell_len, width) for line in lines]

    def _rendered(self, line: Text) -> str:
        with self._console.capture() as capture:
            self._console.print(line, no_wrap=True, overflow="ellipsis", crop=True, end="")
        return capture.get()

    def _erasure(self, width: int) -> str:
        """Return what takes the region away, also where a narrower terminal has broken its lines."""
        if not self._drawn:
            return ""
        columns = width + 1
        # The cursor stands in the first row of the last line.
        rows = sum(max(1, -(-cells // columns)) for cells in self._widths[:-1])
        return "\r" + (f"\x1b[{rows}A" if rows else "") + "\x1b[J"
