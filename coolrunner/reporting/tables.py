"""Tables: plain text anywhere, rich where a person sits in front of a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from coolrunner.reporting.streams import Paint, encodable, is_terminal, width_for, write_text
from coolrunner.reporting.text import pad, width_of

__all__ = ["Column", "fit", "is_numeric", "is_rich", "layout", "write_table"]

_GAP = 2


@dataclass(eq=False)
class Column:
    """One column of a table.

    Attributes
    ----------
    header, cells
        What stands in it; every column of a table has as many cells.
    right
        Whether it is set to the right, as numbers are.
    style
        Of its cells, where there are colours: `bold`, `dim`, ...
    rank
        The larger, the sooner it is left out where the table is too wide; 0 never is.
    """

    header: str
    cells: list[str]
    right: bool = False
    style: str = ""
    rank: int = 0

    @property
    def width(self) -> int:
        """The columns of the terminal that it takes."""
        return max(map(width_of, (self.header, *self.cells)))


def is_numeric(values: Iterable[Any]) -> bool:
    """Return whether values are numbers, as far as they are there: such a column is set to the right."""
    return all(value is None or type(value) in (int, float) for value in values)


def fit(columns: Sequence[Column], width: int | None) -> tuple[list[Column], list[Column]]:
    """Return the columns that fit into a width, and those that were left out for it."""
    kept = list(columns)
    left_out: list[Column] = []
    if width is not None:
        total = sum(column.width + _GAP for column in kept) - _GAP
        for column in sorted(columns, key=lambda column: column.rank, reverse=True):
            if total <= width or column.rank == 0:
                break
            kept.remove(column)
            left_out.insert(0, column)
            total -= column.width + _GAP
    return kept, left_out


def layout(columns: Sequence[Column], paint: Paint, dim_rows: Sequence[bool] = ()) -> list[str]:
    """Return the lines of a table as plain text: the header, a rule, and the rows.

    Parameters
    ----------
    columns
        What it shows.
    paint
        Gives the header and the rows in `dim_rows` their style.
    dim_rows
        For each row, whether it matters less; may be empty.
    """
    widths = [column.width for column in columns]
    gap = " " * _GAP

    def line(texts: Sequence[str]) -> str:
        padded = [
            pad(text, width, column.right) for text, width, column in zip(texts, widths, columns, strict=True)
        ]
        return gap.join(padded).rstrip()

    header = line([column.header for column in columns])
    rows = [line(row) for row in zip(*(column.cells for column in columns), strict=True)]
    if dim_rows:
        rows = [paint(row, "dim") if dim else row for row, dim in zip(rows, dim_rows, strict=True)]
    return [paint(header, "bold"), paint("─" * (sum(widths) + _GAP * (len(widths) - 1)), "dim"), *rows]


def is_rich(file: TextIO) -> bool:
    """Return whether rich can draw a table on `file`, lines and all."""
    encoding = getattr(file, "encoding", None)
    return is_terminal(file) and encodable("─", encoding) == "─"


def write_table(
    columns: Sequence[Column],
    file: TextIO,
    paint: Paint,
    *,
    dim_rows: Sequence[bool] = (),
    width: int | None = None,
) -> list[str]:
    """Write a table; return the headers of the columns for which there was no room.

    Parameters
    ----------
    columns, paint, dim_rows
        As in `layout`.
    file
        Where to.
    width
        How wide it may be; the width of the terminal, and any width where there is none, if not given.
    """
    room = width if width is not None else width_for(file)
    kept, left_out = fit(columns, room)
    if is_rich(file):
        _write_rich(kept, file, dim_rows, room)
    else:
        write_text(file, "\n".join(layout(kept, paint, dim_rows)) + "\n")
    return [column.header for column in left_out]


def _write_rich(columns: Sequence[Column], file: TextIO, dim_rows: Sequence[bool], width: int | None) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for column in columns:
        table.add_column(
            Text(column.header),
            justify="right" if column.right else "left",
            style=column.style or None,
            no_wrap=True,
            overflow="ellipsis",
        )
    for place, row in enumerate(zip(*(column.cells for column in columns), strict=True)):
        dim = bool(dim_rows) and dim_rows[place]
        table.add_row(*map(Text, row), style="dim" if dim else None)
    console = Console(file=file, width=width, highlight=False, markup=False, emoji=False)
    console.print(table)
