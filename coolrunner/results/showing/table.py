"""Experiments as a table for people: fitted to a terminal, or in full where there is none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from coolrunner.definition.names import GIVEN_NAMES
from coolrunner.results.showing.formats import cell, columns_of

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["fitted_table", "plain_table"]

_GAP = 2
_WIDEST = 32  # of one column in a terminal; longer texts are folded
_BOOKKEEPING = {*GIVEN_NAMES, "RND_IDX", "Repeat", "YamlLog"}
_OBJECT = re.compile(r"solve\s+(?:\w+\.)+(\w+)\s*")


def plain_table(rows: Sequence[dict[str, Any]], wanted: Sequence[str] = ()) -> Iterator[str]:
    """Yield the lines of a table in which nothing is cut off; numbers are flush right.

    Parameters
    ----------
    rows
        From `coolrunner.results.showing.formats.flatten`.
    wanted
        Keys whose columns come first, in this order.
    """
    columns = columns_of(rows, wanted)
    texts = [[_line(cell(row.get(column))) for column in columns] for row in rows]
    numeric = [_is_numeric(row.get(column) for row in rows) for column in columns]
    widths = [max([len(name), *(len(line[i]) for line in texts)]) for i, name in enumerate(columns)]
    for line in [columns, *texts]:
        parts = zip(line, widths, numeric, strict=True)
        padded = [text.rjust(width) if right else text.ljust(width) for text, width, right in parts]
        yield (" " * _GAP).join(padded).rstrip() + "\n"


def fitted_table(
    rows: Sequence[dict[str, Any]], width: int, wanted: Sequence[str] = (), looked_at: Sequence[str] = ()
) -> tuple[Table, list[str]]:
    """Return a table that fits into a terminal, and the columns that did not.

    Without `wanted`, the name comes first, then what was `looked_at`, then the columns in which the
    experiments differ, so that what is left out is what they have in common. An importable object
    (``solve torch.optim.Adam``) is named by its last part.

    Parameters
    ----------
    rows
        From `coolrunner.results.showing.formats.flatten`.
    width
        Columns of the terminal.
    wanted
        Keys whose columns come first, in this order.
    looked_at
        Keys by which the experiments were chosen and sorted: a person wants to see those.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    columns = columns_of(rows, wanted)
    texts = {column: [_line(_short(row.get(column))) for row in rows] for column in columns}
    if not wanted:
        leading = ["Name", *looked_at]
        alike = {column for column in columns if len(rows) > 1 and len(set(texts[column])) == 1}
        columns.sort(key=lambda column: (_place(column, leading), column in alike, column in _BOOKKEEPING))
    shown: list[str] = []
    room = width
    for column in columns:
        room -= min(max(map(len, [column, *texts[column]])), _WIDEST) + _GAP
        if room < 0 and shown:
            break
        shown.append(column)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for column in shown:
        side: Literal["left", "right"] = "right" if _is_numeric(row.get(column) for row in rows) else "left"
        table.add_column(Text(column), justify=side, overflow="fold", max_width=_WIDEST)
    for number in range(len(rows)):
        table.add_row(*(Text(texts[column][number]) for column in shown))
    return table, columns[len(shown) :]


def _place(column: str, leading: Sequence[str]) -> int:
    """Return which of the `leading` keys a column belongs to; how many there are where it is none."""
    matching = (place for place, key in enumerate(leading) if f"{column}.".startswith(f"{key}."))
    return next(matching, len(leading))


def _is_numeric(values: Iterable[Any]) -> bool:
    return all(isinstance(value, (int, float, type(None))) for value in values)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    found = _OBJECT.fullmatch(value) if isinstance(value, str) else None
    return found[1] if found else cell(value)


def _line(text: str) -> str:
    # Line breaks would tear a table, and what logs hold must not steer a terminal.
    return text if text.isprintable() else "".join(sign if sign.isprintable() else " " for sign in text)
