"""What ``--dry`` shows: the experiments of a study, and where each value came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from coolrunner.reporting.streams import Paint, painter, width_for, write_text
from coolrunner.reporting.tables import Column, fit, is_numeric, layout, write_table
from coolrunner.reporting.text import brief, cut, one_line, pad, pairs, short_keys, width_of

__all__ = ["PlanRow", "SweepShown", "print_plan", "print_sweeps"]

# rich looks at each cell several times; beyond a few screens nobody looks at its lines any more.
_RICH_LIMIT = 200
_GAP = -1  # the index of a row that stands for several
_NAME = 40
_VALUE = 40


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One experiment of a plan.

    Attributes
    ----------
    index
        Its place in the whole list, from 0; what ``--pick`` counts.
    name
        Its ``Name``.
    runs
        False where it is defined and never run.
    differing
        The keys (dotted) in which it differs from the others, and their values.
    values
        Key, value as text, and place of origin of each parameter; shown by ``--dry -v``.
    left_out
        How many experiments between it and the row above are not shown.
    """

    index: int
    name: str
    runs: bool
    differing: Mapping[str, Any] = field(default_factory=dict)
    values: Sequence[tuple[str, str, str]] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class SweepShown:
    """What one document of a plan varies.

    Attributes
    ----------
    name
        Its ``Name``.
    size
        How many experiments it makes, in words.
    lines
        The part (grid, zip, ...), the key or keys, their values or range, and how deep it is nested.
    """

    name: str
    size: str
    lines: Sequence[tuple[str, str, str, int]]


def print_sweeps(sweeps: Sequence[SweepShown], *, width: int | None = None, file: TextIO) -> None:
    """Print what the sweeps of a plan vary, above its experiments.

    Parameters
    ----------
    width
        How wide it may be; if not given the width of the terminal, or any where there is none.
    """
    paint = painter(file)
    room = width if width is not None else width_for(file)
    for sweep in sweeps:
        text = f"{one_line(sweep.name)}: {sweep.size}\n"
        kinds = [f"{'  ' * depth}{kind}" for kind, _, _, depth in sweep.lines]
        wide = max(map(width_of, kinds), default=0)
        keys = min(max((width_of(keys) for _, keys, _, _ in sweep.lines), default=0), _NAME)
        for kind, (_, names, values, _) in zip(kinds, sweep.lines, strict=True):
            line = f"  {pad(kind, wide)}  {pad(one_line(names), keys)}  {one_line(values)}".rstrip()
            text += f"{paint(line if room is None else cut(line, room), 'dim')}\n"
        write_text(file, text + "\n")


def print_plan(
    rows: Sequence[PlanRow], *, verbose: bool = False, width: int | None = None, file: TextIO
) -> None:
    """Print a plan as a table: index, name, and the keys in which the experiments differ.

    Parameters
    ----------
    rows
        The experiments; all of them are shown.
    verbose
        Whether the values of each, and where they came from, stand below it.
    width
        How wide it may be; if not given the width of the terminal, or any where there is none.
    file
        Where to.
    """
    if not rows:
        return
    paint = painter(file)
    room = width if width is not None else width_for(file)
    rows = [part for row in rows for part in _with_gap(row)]
    columns = _columns(rows, room)
    dimmed = [not row.runs for row in rows]
    if not verbose and len(rows) <= _RICH_LIMIT:
        write_table(columns, file, paint, dim_rows=dimmed, width=width)
        return
    head, rule, *body = layout(columns, paint, dimmed)
    if verbose:
        body = [line for text, row in zip(body, rows, strict=True) for line in (text, *_origins(row, paint))]
    write_text(file, "\n".join([head, rule, *body]) + "\n")


def _with_gap(row: PlanRow) -> Sequence[PlanRow]:
    """Return a row, and before it one that stands for those left out."""
    return (PlanRow(_GAP, f"… {row.left_out:,} more", False), row) if row.left_out else (row,)


def _columns(rows: Sequence[PlanRow], width: int | None) -> list[Column]:
    columns = [
        Column("index", ["…" if row.index == _GAP else str(row.index) for row in rows], right=True),
        Column("Name", [cut(one_line(row.name), _NAME) for row in rows]),
    ]
    keys = list(dict.fromkeys(key for row in rows for key in row.differing))
    if not keys:
        return columns
    names = short_keys(keys) if len(keys) <= 100 else {}
    full = [row.differing for row in rows if row.index != _GAP]
    if names and sum(map(len, full)) * 2 >= len(full) * len(keys):
        own = [_column(rows, key, names[key]) for key in keys]
        if not fit([*columns, *own], width)[1]:
            return [*columns, *own]
    # Nothing is left out of a plan: where columns would be too many or mostly empty, one holds the pairs.
    room = 10_000 if width is None else max(width - sum(column.width + 2 for column in columns), 30)
    return [*columns, Column("differs in", [pairs(row.differing, room) for row in rows])]


def _column(rows: Sequence[PlanRow], key: str, name: str) -> Column:
    cells = [brief(row.differing[key], _VALUE) if key in row.differing else "" for row in rows]
    return Column(one_line(name), cells, right=is_numeric(row.differing.get(key) for row in rows), rank=1)


def _origins(row: PlanRow, paint: Paint) -> list[str]:
    wide = min(max((width_of(key) for key, *_ in row.values), default=0), 30)
    texts = [f"{pad(one_line(key), wide)} = {cut(one_line(text), 60)}" for key, text, _ in row.values]
    aligned = min(max(map(width_of, texts), default=0), 60)
    return [
        f"       {pad(text, aligned)}  {paint(origin, 'dim')}"
        for text, (_, _, origin) in zip(texts, row.values, strict=True)
    ]
