"""What ``coolrunner runs`` shows: a list of runs, and all there is to say of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from coolrunner.reporting.streams import painter, width_for, write_text
from coolrunner.reporting.tables import Column, fit, is_numeric, layout
from coolrunner.reporting.text import brief, cut, duration, one_line, pad, width_of

__all__ = ["RunRow", "escaped", "print_runs", "print_sheet"]

_NAME = 30
_VALUE = 24
_NOTE = 22
# The larger, the sooner a column is left out: parameters, results, and what every run has.
_PARAMETERS, _RESULTS = 2000, 1000
_LISTED = 20


@dataclass(slots=True)
class RunRow:
    """One run of a list.

    Attributes
    ----------
    id
        Its number; None where it cannot be read.
    status, name
        How it stands, and what the person called it.
    started
        When it began, ISO 8601; empty where that is not known.
    elapsed
        For how many seconds it has run, if that is known.
    marks
        Its marks.
    note
        Why it failed, or why it cannot be read.
    results, parameters
        What it gave, and in what it differs from the other runs of the list.
    root
        Where it is, where there are several roots.
    """

    id: int | None
    status: str
    name: str = ""
    started: str = ""
    elapsed: float | None = None
    marks: Sequence[str] = ()
    note: str = ""
    results: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    root: str = ""


def escaped(text: str) -> str:
    """Return a text with what a terminal would not show, or would obey, as an escape: ``\\x1b``."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def print_runs(rows: Sequence[RunRow], *, file: TextIO, width: int | None = None) -> list[str]:
    """Print runs as a table, in the order given; return the columns for which there was no room.

    Parameters
    ----------
    rows
        The runs; all of them are shown.
    file
        Where to.
    width
        How wide it may be; if not given the width of the terminal, or any where there is none.
    """
    room = width if width is not None else width_for(file)
    columns = [
        *_optional("root", [row.root for row in rows]),
        Column("id", ["?" if row.id is None else str(row.id) for row in rows], right=True),
        Column("status", [row.status for row in rows]),
        *_optional("name", [cut(escaped(row.name), _NAME) for row in rows]),
        Column("started", [escaped(row.started[:16].replace("T", " ")) for row in rows], rank=2),
        *_optional("time", ["" if row.elapsed is None else duration(row.elapsed) for row in rows], rank=3),
        *_optional("marks", [cut(escaped(", ".join(row.marks)), _VALUE) for row in rows], rank=1),
        *_values([row.results for row in rows], _RESULTS),
        *_values([row.parameters for row in rows], _PARAMETERS),
    ]
    notes = [one_line(row.note) for row in rows]
    longest = max(map(width_of, notes), default=0)
    for_note = longest if room is None else min(longest, _NOTE)
    kept, left_out = fit(columns, None if room is None else room - (for_note + 2 if for_note else 0))
    if longest:
        if room is not None:
            for_note = max(room - sum(column.width + 2 for column in kept), for_note)
        kept.append(Column("", [cut(escaped(note), for_note) for note in notes]))
    write_text(file, "\n".join(layout(kept, painter(file))) + "\n")
    return [column.header for column in left_out]


def _optional(header: str, cells: list[str], rank: int = 0) -> list[Column]:
    """Return a column, or none where there is nothing in it."""
    return [Column(header, cells, rank=rank)] if any(cells) else []


def _values(mappings: Sequence[Mapping[str, Any]], rank: int) -> list[Column]:
    """Return a column for each key, those of the first run first."""
    keys = list(dict.fromkeys(key for mapping in mappings for key in mapping))
    columns = []
    for place, key in enumerate(keys):
        values = [mapping.get(key) for mapping in mappings]
        cells = ["" if key not in mapping else _cell(mapping[key]) for mapping in mappings]
        right = is_numeric(values)
        columns.append(Column(cut(escaped(key), _VALUE), cells, right=right, rank=rank + place))
    return columns


def _cell(value: Any) -> str:
    return escaped(brief(value, _VALUE))


def print_sheet(
    title: str,
    facts: Mapping[str, str],
    sections: Mapping[str, Sequence[str] | Mapping[str, str]],
    remark: str = "",
    *,
    file: TextIO,
) -> None:
    """Print all there is to say of one run.

    Parameters
    ----------
    title
        The first line.
    facts
        What it is, by what that is called.
    sections
        What it holds: lines, or texts by name, of which the first ones are shown. Those that are empty are
        left out.
    remark
        The last line.
    file
        Where to.
    """
    lines = [title, *_pairs(facts)]
    for heading, section in sections.items():
        if section:
            lines += ["", heading]
            if isinstance(section, Mapping):
                shown = dict(list(section.items())[:_LISTED])
                lines += _pairs(shown)
                lines += [f"  and {len(section) - len(shown)} more"] if len(shown) < len(section) else []
            else:
                lines += [f"  {escaped(line)}" for line in section]
    if remark:
        lines += ["", remark]
    write_text(file, "\n".join(lines) + "\n")


def _pairs(pairs: Mapping[str, str]) -> Iterable[str]:
    names = {key: escaped(key) for key in pairs}
    width = max(map(width_of, names.values()), default=0)
    return [f"  {pad(names[key], width)}  {escaped(text)}".rstrip() for key, text in pairs.items()]
