"""``coolrunner results``: what was chosen, as a table for people."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

from coolrunner.cli.results_choice import Choice
from coolrunner.cli.results_writing import write_pieces
from coolrunner.keys import is_seed
from coolrunner.reporting.runs import escaped
from coolrunner.reporting.streams import painter, width_for, write_text
from coolrunner.reporting.tables import Column, layout
from coolrunner.reporting.text import cut, width_of

if TYPE_CHECKING:
    from coolrunner.results.rows import Rows
    from coolrunner.results.showing.choosing import Heading

__all__ = ["print_groups", "print_rows"]

_VALUE = 24
_NAME = 30
# The larger, the sooner a column is left out. The first results and the time come before the parameters, of
# which each comes before one more result. What few of the rows have comes behind what most have.
_NAMED, _LOOKED_AT, _STATUS, _ERROR, _MARKS, _RESULTS = 1, 10, 100, 101, 110, 200
_FIRST_RESULTS = 3
_STARTED = _RESULTS + _FIRST_RESULTS
_IN_TURN = _STARTED + 1
_NOTE, _SEEDS, _SPARSE = 1500, 2000, 4000
_GAP = "  "
_LISTED = 8
_COMPARED = 20_000  # results, in which repeated ones are looked for


class _Shown(NamedTuple):
    """A column before its cells are written: what it is called, its values, and when it is left out."""

    name: str
    values: Sequence[Any]
    rank: int
    is_age: bool = False
    is_long: bool = False  # it takes the room that is left


def print_rows(choice: Choice) -> None:
    """Print results as a table: fitted to a terminal, and whole where there is none."""
    from coolrunner.results.showing.choosing import cells

    headings = choice.headings
    if headings is None:
        table = _telling(choice)
    else:
        values = list(zip(*cells(choice.rows, headings), strict=True)) or [()] * len(headings)
        table = [
            _Shown(heading.name, column, place)
            for place, (heading, column) in enumerate(zip(headings, values, strict=True))
        ]
    _print(table)
    if choice.by:
        _dim(f"by {choice.by}, the best first")
    if len(choice.rows) < choice.matching:
        _dim(f"... {choice.matching - len(choice.rows):,} more (-n 0 shows all)")


def print_groups(choice: Choice, *, by_keys: bool) -> None:
    """Print groups as a table: their keys, and what their results come to.

    Parameters
    ----------
    choice
        The groups.
    by_keys
        Whether the keys were named; otherwise the groups are repetitions.
    """
    from coolrunner.results.logs.sources import counted

    summary = choice.summary
    assert summary is not None
    columns = summary.compact() if width_for(sys.stdout) is not None else summary.columns()
    keys = [name for name in columns if name in summary.keys and (by_keys or _share(columns[name]))]
    if not by_keys:  # what few groups have comes last
        keys.sort(key=lambda name: _if_sparse(columns[name]))
    table = [
        _Shown(name, columns[name], _rank_of_parameter(place, columns[name]) if place else 0)
        for place, name in enumerate(keys)
    ]
    results = [name for name in columns if name not in summary.keys]
    for place, name in enumerate(results):
        rank = _LOOKED_AT if name == choice.by else _rank_of_result(place, columns[name])
        if name.endswith(" n"):  # how many values there are tells less than what they come to
            rank = _SEEDS + place + _if_sparse([count or None for count in columns[name]])
        table.append(_Shown(name, columns[name], rank))
    _print(table)
    parts = [f"{counted(choice.matching, 'group')} of {counted(len(choice.rows), 'result')}"]
    if summary.pair:
        parts.append(f"± is {summary.pair[1]}")
    if choice.by:
        parts.append(f"by {choice.by}, the best first")
    _dim("; ".join(parts))
    lacking = summary.has_numbers.count(False)
    if lacking and summary.results:
        have = "has" if lacking == 1 else "have"
        _dim(f"{counted(lacking, 'group')} {have} no number under {' or '.join(summary.results)}")
    again = _run_again(choice.rows)
    if again:
        had = "was given what another one was" if again == 1 else "were given what others were"
        _dim(f"{again:,} of them {had}, seeds included: they are no evidence of their own")
    if not by_keys and choice.matching == len(choice.rows) > 1:
        _dim("no two of them share all parameters but a seed; --group-by KEY,... says what a group shares")
    if len(summary.sizes) < choice.matching:
        _dim(f"... {choice.matching - len(summary.sizes):,} more (-n 0 shows all)")


def _run_again(rows: Rows) -> int:
    """Return how many results another one repeats, with the same seed: a study that was run twice."""
    from coolrunner.results.parts import MISSING, Role
    from coolrunner.results.showing.choosing import all_headings, columns_of

    given = [heading for heading in all_headings(rows) if heading.role is Role.PARAMETER]
    seeds = [place for place, heading in enumerate(given) if is_seed(heading.name)]
    if not seeds or len(rows) > _COMPARED:
        return 0
    met = Counter(
        repr(values)
        for values in zip(*columns_of(rows, given), strict=True)
        if any(values[place] not in (None, MISSING) for place in seeds)
    )
    return sum(met.values()) - len(met)


def _telling(choice: Choice) -> list[_Shown]:
    """Return the columns that a person wants to see."""
    from coolrunner.results.annotations import MARKS, NOTE, TAGS
    from coolrunner.results.asking import STARTED
    from coolrunner.results.joining import STATUS
    from coolrunner.results.parts import Role
    from coolrunner.results.showing.choosing import HANDLE, all_headings, columns_of, telling_headings

    rows = choice.rows
    telling = telling_headings(rows)
    name = [heading for heading in telling if heading.path == ("Name",)]
    rest = [heading for heading in telling if heading.path != ("Name",)]
    by_name = {heading.name: heading for heading in all_headings(rows)}
    wanted = [by_name[key] for key in dict.fromkeys(choice.looked_at) if key in by_name]
    wanted = [heading for heading in wanted if heading not in name and heading.path != HANDLE]
    rest = [heading for heading in rest if heading not in wanted]
    first = [heading for heading in wanted if heading.role is not Role.RESULT]
    last = [heading for heading in wanted if heading.role is Role.RESULT]
    results = [heading for heading in rest if heading.role is Role.RESULT]
    parameters = [heading for heading in rest if heading.role is not Role.RESULT]

    values = iter(columns_of(rows, [*name, *first, *parameters, *last, *results]))
    told = (HANDLE, STATUS, MARKS, TAGS, NOTE, STARTED, ("ERROR",))
    ids, statuses, marks, tags, notes, started, errors = rows.columns(told)

    def of(headings: Sequence[Heading], rank: Callable[[int, Sequence[Any]], int]) -> Iterator[_Shown]:
        for place, (heading, column) in enumerate(zip(headings, values, strict=False)):
            is_last = is_seed(heading.name) or heading.name.startswith("_")
            yield _Shown(heading.name, column, _SEEDS + place if is_last else rank(place, column))

    table = [
        _Shown("id", ids, 0),
        *of(name, lambda place, _: _NAMED),
        *of(first, lambda place, _: _LOOKED_AT + place),
        *(shown for shown in of(parameters, _rank_of_parameter) if _share(shown.values)),
        *of(last, lambda place, _: _LOOKED_AT + place),
        *of(results, _rank_of_result),
    ]
    met = {shown.name for shown in table}
    if any(status not in (None, "done") and type(status) is str for status in statuses):
        table.append(_Shown("status", statuses, _STATUS))
    for place, (title, column) in enumerate((("marks", marks), ("tags", tags))):
        if any(column):
            table.append(_Shown(title, column, _MARKS + place))
    if any(type(value) is str for value in started) and "STARTED" not in met:
        table.append(_Shown("started", started, _STARTED, is_age=True))
    if any(notes) and "NOTE" not in met:
        table.append(_Shown("note", notes, _NOTE, is_long=True))
    if _share(errors) and "ERROR" not in met:  # of many rows a few errors are not what is asked for
        table.append(_Shown("error", errors, _ERROR + _if_sparse(errors), is_long=True))
    return table


def _share(values: Sequence[Any]) -> float:
    """Return which share of rows has a value."""
    from coolrunner.results.parts import MISSING

    there = sum(value is not None and value is not MISSING for value in values)
    return there / max(len(values), 1)


def _if_sparse(values: Sequence[Any]) -> int:
    return _SPARSE if _share(values) < 0.5 else 0


def _rank_of_result(place: int, values: Sequence[Any]) -> int:
    behind = place - _FIRST_RESULTS
    return (_RESULTS + place if behind < 0 else _IN_TURN + 2 * behind + 1) + _if_sparse(values)


def _rank_of_parameter(place: int, values: Sequence[Any]) -> int:
    return _IN_TURN + 2 * place + _if_sparse(values)


# --- cells ---


def _print(table: Sequence[_Shown]) -> None:
    """Print columns, as many as there is room for, and say which there are besides."""
    width = width_for(sys.stdout)
    if width is None:
        _print_whole(table)
        return
    columns = list(map(_fitted, table))
    kept = _fitting(columns, width)
    if len(kept) < len(columns):
        for column in columns:
            column.header = _shortened(column.header)
        kept = _fitting(columns, width)
    _narrow(kept, width)
    _widen([(shown, column) for shown, column in zip(table, columns, strict=True) if column in kept], width)
    write_text(sys.stdout, "\n".join(layout(kept, painter(sys.stdout))) + "\n")
    left_out = [shown.name for shown, column in zip(table, columns, strict=True) if column not in kept]
    if left_out:
        names = ", ".join(left_out[:_LISTED])
        more = f" and {len(left_out) - _LISTED} more" if len(left_out) > _LISTED else ""
        _dim(f"not shown: {names}{more} (--columns chooses)")


def _fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """Return the columns for which there is room; the first one in any case."""
    room = width + len(_GAP)
    chosen: list[int] = []
    for place, column in sorted(enumerate(columns), key=lambda item: item[1].rank):
        needed = column.width + len(_GAP)
        if needed <= room or not chosen:
            chosen.append(place)
            room -= needed
    return [columns[place] for place in sorted(chosen)]


def _shortened(name: str) -> str:
    """Return the last part of the name of a nested key: ``…lr``."""
    before, _, last = name.rpartition(".")
    return f"…{last}" if before and last else name


def _narrow(columns: Sequence[Column], width: int) -> None:
    """Cut a column that alone is wider than the terminal."""
    if len(columns) == 1 and columns[0].width > width:
        columns[0].cells = [cut(text, width) for text in columns[0].cells]
        columns[0].header = cut(columns[0].header, width)


def _widen(kept: Sequence[tuple[_Shown, Column]], width: int) -> None:
    """Give what is left of the terminal to long texts."""
    room = width - sum(column.width + len(_GAP) for _, column in kept) + len(_GAP)
    for shown, column in kept:
        if shown.is_long and room > 0:
            before = column.width
            column.cells = [cut(_text(value), before + room) for value in shown.values]
            room -= column.width - before


def _fitted(shown: _Shown) -> Column:
    from coolrunner.results.showing.export import is_numeric, texts_of

    limit = _NAME if shown.name in ("Name", "id") else _VALUE
    texts = list(map(_age, shown.values)) if shown.is_age else texts_of(list(map(_joined, shown.values)))
    right = not shown.is_age and is_numeric(shown.values)
    return Column(
        cut(_text(shown.name), _VALUE), [cut(text, limit) for text in texts], right, rank=shown.rank
    )


def _print_whole(table: Sequence[_Shown]) -> None:
    from coolrunner.results.parts import MISSING
    from coolrunner.results.showing.digits import Spread
    from coolrunner.results.showing.export import is_numeric, one_line
    from coolrunner.results.showing.formats import cell

    def whole(value: Any) -> str:
        if value is MISSING:
            return ""
        return str(value) if isinstance(value, Spread) else one_line(cell(value))

    columns = []
    for shown in table:
        texts = [one_line(shown.name), *map(whole, shown.values)]
        width = max(map(width_of, texts))
        right = is_numeric(shown.values)
        columns.append([text.rjust(width) if right else text.ljust(width) for text in texts])
    write_pieces(_GAP.join(line).rstrip() + "\n" for line in zip(*columns, strict=True))


def _text(value: Any) -> str:
    from coolrunner.results.showing.export import shown

    return shown(value)


def _joined(value: Any) -> Any:
    """Return a list of texts, such as tags, as one."""
    is_list = type(value) is list and value and all(type(item) is str for item in value)
    return ", ".join(value) if is_list else value


def _age(value: Any) -> str:
    """Return how long ago something was: ``3h ago``; after two months its date."""
    from coolrunner.results.query.times import moment, now

    try:
        started = moment(value)
    except (TypeError, ValueError, OverflowError):
        return _text(value)
    seconds = (now() - started).total_seconds()
    if not -60 < seconds < 60 * 86400:
        return started.date().isoformat()
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit} ago"
    return f"{max(int(seconds), 0)}s ago"


def _dim(text: str) -> None:
    """Write a remark below a table on a terminal."""
    width = width_for(sys.stdout)
    if width is not None:
        paint = painter(sys.stdout)
        lines = wrap(escaped(text), max(width, 20), break_long_words=False, break_on_hyphens=False)
        write_text(sys.stdout, "".join(paint(line, "dim") + "\n" for line in lines))
