"""What ``coolrunner queue`` shows: the experiments of a queue, those who work on it, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from coolrunner.reporting.streams import painter, width_for, write_text
from coolrunner.reporting.tables import Column, fit, is_numeric, layout
from coolrunner.reporting.text import brief, cut, duration, one_line, pairs, short_keys, size

__all__ = [
    "QueueRow",
    "QueueStatus",
    "RunnerRow",
    "RunningRow",
    "counted",
    "print_queue",
    "print_reasons",
    "print_status",
]

_NAME = 30
_VALUE = 24
_NOTE = 22
_LEAST = 16  # columns for what differs, also where there is not much room
_HOST = 24
_TEXT = 100  # columns of a paragraph where nobody says how wide it may be
_INDENTED: dict[str, Any] = {
    "initial_indent": "  - ",
    "subsequent_indent": "    ",
    "break_long_words": False,
    "break_on_hyphens": False,
}
#: What runners lend, beside a number of jobs, as it is headed.
_SHARES = {"gpus": "GPUs", "cpus": "CPUs", "memory": "memory"}
#: Where a person has to do something, or nobody can.
_DIMMED = frozenset({"held", "done", "removed", "skipped"})
#: How experiments may stand, in the order in which they are counted up.
STANDINGS = (
    "running",
    "stale?",
    "lost",
    "waiting",
    "held",
    "blocked",
    "interrupted",
    "failed",
    "done",
    "removed",
    "skipped",
)


@dataclass(slots=True)
class QueueRow:
    """One experiment of a queue.

    Attributes
    ----------
    standing
        ``waiting``, ``held``, ``running``, ...
    id, name, priority
        Its own; the ID is empty where it has none yet.
    note
        What else there is to say: for how long it runs, why it failed.
    differing
        The keys (dotted) in which it differs from the others, and their values.
    """

    standing: str
    id: str
    name: str
    priority: float = 0
    note: str = ""
    differing: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunnerRow:
    """One runner.

    Attributes
    ----------
    where, state
        How its process is called, and how it is with it.
    running, age
        How many experiments it runs, and seconds since it began.
    lends, used
        What it has for experiments, and how much of that they have: ``jobs``, ``cpus``, ``gpus``,
        ``memory`` in bytes, each as far as it is known.
    """

    where: str
    state: str
    running: int
    age: float
    lends: Mapping[str, float] = field(default_factory=dict)
    used: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunningRow:
    """One running experiment: how it is called, its runner, for how many seconds, and what is to say."""

    standing: str
    id: str
    name: str
    where: str
    age: float
    note: str


@dataclass(slots=True)
class QueueStatus:
    """How it stands with a queue.

    Attributes
    ----------
    title
        The queue and its study.
    counts
        How many experiments there are of each standing.
    runners, running
        Who works on it, and on what.
    remarks
        What a person should know, the most urgent first, and what they may do, each a line or several.
    outlook
        How long the rest may take; empty where that is not known.
    """

    title: str
    counts: Mapping[str, int]
    runners: Sequence[RunnerRow] = ()
    running: Sequence[RunningRow] = ()
    remarks: Sequence[str] = ()
    outlook: str = ""


def counted(counts: Mapping[str, int]) -> str:
    """Return how many experiments there are of each standing: ``8 waiting, 1 held, 400 done``."""
    return ", ".join(f"{counts[standing]} {standing}" for standing in STANDINGS if counts.get(standing))


def print_queue(rows: Sequence[QueueRow], *, file: TextIO, width: int | None = None) -> None:
    """Print experiments as a table, in the order given.

    Parameters
    ----------
    rows
        The experiments; all of them are shown.
    file
        Where to.
    width
        How wide it may be; if not given the width of the terminal, or any where there is none.
    """
    if not rows:
        return
    room = width if width is not None else width_for(file)
    columns = [
        Column("standing", [row.standing for row in rows]),
        Column("ID", [row.id or "(new)" for row in rows]),
        Column("Name", [cut(one_line(row.name), _NAME) for row in rows]),
    ]
    if any(row.priority for row in rows):
        columns.append(Column("priority", [brief(row.priority) for row in rows], right=True))
    longest = max(len(row.note) for row in rows)
    left = None if room is None else room - sum(column.width + 2 for column in columns)
    for_note = longest if left is None else min(longest, max(_NOTE, left // 3))
    columns += _differing(rows, None if left is None else left - (for_note + 2 if for_note else 0))
    if longest:
        if room is not None:
            for_note = room - sum(column.width + 2 for column in columns)
        columns.append(Column("", [cut(one_line(row.note), max(for_note, _LEAST)) for row in rows]))
    lines = layout(columns, painter(file), [row.standing in _DIMMED for row in rows])
    write_text(file, "\n".join(lines) + "\n")


def _differing(rows: Sequence[QueueRow], room: int | None) -> list[Column]:
    """Return the columns for what differs: one for each key, or one for all where those are too many."""
    keys = list(dict.fromkeys(key for row in rows for key in row.differing))
    if not keys:
        return []
    names = short_keys(keys) if len(keys) <= 100 else {}
    filled = sum(len(row.differing) for row in rows)
    if names and filled * 2 >= len(rows) * len(keys):
        own = [_column(rows, key, names[key]) for key in keys]
        if not fit(own, room)[1]:
            return own
    limit = 10_000 if room is None else max(room, _LEAST)
    return [Column("differs in", [pairs(row.differing, limit) for row in rows])]


def _column(rows: Sequence[QueueRow], key: str, name: str) -> Column:
    cells = [brief(row.differing[key], _VALUE) if key in row.differing else "" for row in rows]
    return Column(one_line(name), cells, right=is_numeric(row.differing.get(key) for row in rows), rank=1)


def print_status(status: QueueStatus, *, file: TextIO, width: int | None = None) -> None:
    """Print how it stands with a queue: counts, who works on it, what runs, and what is wrong."""
    paint = painter(file)
    room = width if width is not None else width_for(file)
    lines = [paint(status.title, "bold"), counted(status.counts) or "nothing is in it"]
    lines += [paint(text, "yellow") for remark in status.remarks for text in remark.split("\n")]
    if status.runners:
        lines += ["", *layout(_runners(status.runners, room), paint)]
    if status.running:
        lines += ["", *layout(_running(status.running, room), paint)]
    if status.outlook:
        lines += ["", status.outlook]
    write_text(file, "\n".join(lines) + "\n")


def _runners(rows: Sequence[RunnerRow], room: int | None) -> list[Column]:
    columns = [
        Column("runner", [cut(row.where, _HOST) for row in rows]),
        Column("", [row.state for row in rows]),
        Column("runs", [_share(row, "jobs") or str(row.running) for row in rows], right=True),
        Column("for", [duration(row.age) for row in rows], right=True),
    ]
    for rank, (key, header) in enumerate(_SHARES.items(), 1):
        cells = [_share(row, key) for row in rows]
        if any(cells):
            columns.append(Column(header, cells, right=True, rank=rank))
    return fit(columns, room)[0]


def _share(row: RunnerRow, key: str) -> str:
    """Return how much of what it lends is in use: ``2 of 16``; empty where it lends none."""
    if not row.lends.get(key):
        return ""
    shown = size if key == "memory" else brief
    return f"{shown(row.used.get(key, 0))} of {shown(row.lends[key])}"


def _running(rows: Sequence[RunningRow], room: int | None) -> list[Column]:
    columns = [
        Column("standing", [row.standing for row in rows]),
        Column("ID", [row.id for row in rows]),
        Column("Name", [cut(one_line(row.name), _NAME) for row in rows]),
        Column("for", [duration(row.age) for row in rows], right=True),
        Column("", [row.note for row in rows]),
        Column("runner", [cut(row.where, _HOST) for row in rows], rank=1),
    ]
    return fit(columns, room)[0]


def print_reasons(
    title: str, reasons: Sequence[tuple[str, str]], *, file: TextIO, width: int | None = None
) -> None:
    """Print why an experiment is not running: what is so, and what a person may type about it.

    Parameters
    ----------
    title
        The experiment and how it stands.
    reasons
        Texts, and commands (empty for none).
    """
    import textwrap

    paint = painter(file)
    room = max((width if width is not None else width_for(file)) or _TEXT, 2 * _LEAST)
    lines = [paint(title, "bold")]
    for text, command in reasons:
        # The lines of a mistake stand below each other for a reason.
        lines += text.split("\n") if "\n" in text else textwrap.wrap(text, room, **_INDENTED)
        if command:
            lines.append(f"      {command}")
    write_text(file, "\n".join(lines) + "\n")
