"""Questions to rows: which of them, in which order, the best of them.

Only the columns that a question looks at are read, so that it may be asked of a million rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import repeat
from typing import Any

from coolrunner.errors import QueryError, UsageError, nearest
from coolrunner.keys import lower_is_better, main_result
from coolrunner.results.annotations import MARKS, TAGS
from coolrunner.results.groups.statistics import is_number, main_column
from coolrunner.results.joining import STATUS
from coolrunner.results.naming import (
    STARTED,
    column_named,
    column_spelled,
    key_named,
    known_path,
    unknown_keys,
)
from coolrunner.results.parts import MISSING, Role
from coolrunner.results.query import KeyPath, Query, ordered, parse_query
from coolrunner.results.query.times import moment, now
from coolrunner.results.rows import Rows

__all__ = [
    "STARTED",
    "arranged",
    "ask",
    "best_first",
    "direction",
    "narrowed",
    "newest_first",
    "ranking_result",
    "sorted_by",
    "where_true",
    "with_status",
]

_NUMBERS = {"int", "float"}
_RANKED: set[type] = {int, float, bool, type(None), type(MISSING)}


def ask(
    rows: Rows,
    *,
    where: str | Iterable[str] = (),
    status: str | Collection[str] = (),
    marked: str | None = None,
    tag: str | None = None,
    sort: str | Iterable[str] = (),
    reverse: bool = False,
    by: str | None = None,
    largest: bool | None = None,
    top: int | None = None,
    skip_errors: bool = False,
) -> Rows:
    """Return the rows that a question is about, in the order that it asks for.

    Parameters
    ----------
    rows
        What is asked.
    where, status, marked, tag
        Which of them, as of `narrowed`.
    sort, reverse, by, largest, top
        In which order, as of `arranged`.
    skip_errors
        Whether to leave out rows on which an expression fails.

    Raises
    ------
    QueryError
        An expression is wrong, or fails on a row.
    UsageError
        There is no such key, status, mark or tag; or nothing to rank by.
    """
    rows = narrowed(rows, where=where, status=status, marked=marked, tag=tag, skip_errors=skip_errors)
    return arranged(
        rows, sort=sort, reverse=reverse, by=by, largest=largest, top=top, skip_errors=skip_errors
    )


def narrowed(
    rows: Rows,
    *,
    where: str | Iterable[str] = (),
    status: str | Collection[str] = (),
    marked: str | None = None,
    tag: str | None = None,
    skip_errors: bool = False,
) -> Rows:
    """Return the rows that a question is about, in the order in which they are.

    Parameters
    ----------
    rows
        What is asked.
    where
        Questions as of `coolrunner.results.query`; all have to be true.
    status
        Only rows that stand so: ``done``, ``failed``, ...
    marked
        Only rows with this mark, or with one nested in it; with any, if it is empty.
    tag
        Only rows with this tag.
    skip_errors
        Whether to leave out rows on which a question fails.

    Raises
    ------
    QueryError
        A question is wrong, or fails on a row.
    UsageError
        There is no such status, mark or tag.
    """
    at = now()  # the same for all
    queries = [parse_query(text, "--where", at) for text in _several(where)]
    if status:
        rows = with_status(rows, [status] if isinstance(status, str) else status)
    if marked is not None:
        rows = _among(rows, MARKS, marked, "mark")
    if tag is not None:
        rows = _among(rows, TAGS, tag, "tag")
    for query in queries:
        rows = where_true(rows, query, skip_errors=skip_errors)
    return rows


def arranged(
    rows: Rows,
    *,
    sort: str | Iterable[str] = (),
    reverse: bool = False,
    by: str | None = None,
    largest: bool | None = None,
    top: int | None = None,
    skip_errors: bool = False,
) -> Rows:
    """Return rows in the order that a question asks for; by default the newest first.

    Parameters
    ----------
    rows
        What is asked.
    sort
        Keys or expressions, applied in the order given, each stable; missing values last.
    reverse
        Whether each of these is from large to small.
    by
        The key that ranks: best first. With `top` alone it is `ranking_result`.
    largest
        Whether more of it is better; what its name says if None.
    top
        How many of the best are wanted; rows in which `by` is no number are not among them.
    skip_errors
        Whether to put rows on which an expression fails last.

    Raises
    ------
    QueryError
        An expression is wrong, or fails on a row.
    UsageError
        There is no such key, or nothing to rank by.
    """
    sorts = _several(sort)
    if not len(rows):
        return rows
    if by is None and top is None and not sorts:
        return newest_first(rows)
    for text in sorts:
        rows = sorted_by(rows, text, reverse=reverse, skip_errors=skip_errors)
    if by is not None or not sorts:
        return best_first(rows, by or ranking_result(rows), largest=largest, top=top)
    return rows if top is None else rows.take(range(min(top, len(rows))))


def _several(texts: str | Iterable[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)


# --- which rows ---


def where_true(rows: Rows, query: Query, *, label: str = "--where", skip_errors: bool = False) -> Rows:
    """Return the rows for which the answer to a question is true.

    Raises
    ------
    QueryError
        It fails on a row, and `skip_errors` is not set; names the row.
    """
    answers = _answers(rows, query, label, skip_errors)
    kept = [number for number, answer in enumerate(answers) if answer]
    return rows if len(kept) == len(rows) else rows.take(kept)


def _answers(rows: Rows, query: Query, label: str, skip_errors: bool) -> Iterator[Any]:
    """Yield the answers to a question, None for a row on which it fails."""
    table: Iterable[Any]
    if query.whole:
        table, evaluate = rows.values(), query.evaluate
    else:
        evaluate = query.over(query.paths)
        columns = [column_spelled(rows, path) for path in query.paths]
        table = zip(*columns, strict=True) if columns else repeat((), len(rows))
    for number, row in enumerate(table):
        try:
            yield evaluate(row)
        except Exception as error:
            if not skip_errors:
                hint = "\n    --skip-errors leaves such rows out" if label.startswith("--") else ""
                raise QueryError(
                    f"{label} {query.text!r} fails on {rows.place(number)}: {error}{hint}"
                ) from None
            yield None


def with_status(rows: Rows, wanted: Collection[str]) -> Rows:
    """Return the rows that stand in one of some ways.

    Raises
    ------
    UsageError
        No row stands so, and no run could.
    """
    column = [value if type(value) is str else "" for value in rows.column(STATUS)]
    known = {*filter(None, column), "running", "done", "failed", "interrupted", "lost"}
    for word in wanted:
        if word not in known:
            close = nearest(word, known)
            hint = f"did you mean {close}?" if close else f"there are {', '.join(sorted(known))}"
            raise UsageError(f"--status: nothing is {word!r}; {hint}")
    return rows.take([number for number, value in enumerate(column) if value in wanted])


def _among(rows: Rows, path: KeyPath, wanted: str, what: str) -> Rows:
    """Return the rows whose list under a key has something; an empty text is anything."""
    column = [value if isinstance(value, list) else [] for value in rows.column(path)]
    inner = f"{wanted.rstrip('/')}/"
    kept = [
        number
        for number, has in enumerate(column)
        if has and (not wanted or any(each == wanted or f"{each}/".startswith(inner) for each in has))
    ]
    if wanted and not kept:
        known = sorted({each for has in column for each in has})
        close = nearest(wanted, known)
        few = f"there are {', '.join(known[:10])}" if known else f"none has any; 'coolrunner results {what}'"
        hint = f"did you mean {close}?" if close else few
        raise UsageError(f"no result has the {what} {wanted!r}; {hint}")
    return rows.take(kept)


# --- in which order ---


def newest_first(rows: Rows) -> Rows:
    """Return rows, the one that was started last first; where that is not known, the last one of its file."""
    backwards = range(len(rows) - 1, -1, -1)
    started = rows.column(STARTED)
    texts = [value for value in started if type(value) is str]
    if not texts:
        return rows.take(backwards)
    # Of one zone, the texts are in the order of the times.
    times = started if len({text[-6:] for text in texts}) == 1 and texts[0][-6] in "+-" else None
    keys: list[Any] = (
        [value if type(value) is str else None for value in times]
        if times is not None
        else [_moment(value) for value in started]
    )
    known = [number for number in backwards if keys[number] is not None]
    known.sort(key=keys.__getitem__, reverse=True)
    if len(known) < len(rows):
        known += [number for number in backwards if keys[number] is None]
    return rows.take(known)


def _moment(value: Any) -> Any:
    try:
        return moment(value)
    except (TypeError, ValueError, OverflowError):
        return None


def sorted_by(
    rows: Rows, text: str, *, label: str = "--sort", reverse: bool = False, skip_errors: bool = False
) -> Rows:
    """Return rows in the order of a key or an expression; equal ones stay as they are, missing ones are last.

    Parameters
    ----------
    rows
        What is sorted.
    text
        The name of a key, ``val/acc``, which wins; or an expression, ``-ACC``.
    label
        What it is called in errors.
    reverse
        Whether from large to small.
    skip_errors
        Whether to put rows on which the expression fails last, too.

    Raises
    ------
    QueryError
        The expression is wrong, or fails on a row.
    UsageError
        No row has any of its keys.
    """
    if known_path(rows, text) is not None:
        values = column_named(rows, text)
    else:
        query = parse_query(text, label)
        if query.paths and len(unknown_keys(rows, [query])) == len(query.paths):
            raise UsageError(f"{label} {text}: {unknown_keys(rows, [query])[0]}")
        values = list(_answers(rows, query, label, skip_errors))
    return rows.take(ordered(values, reverse=reverse))


def best_first(rows: Rows, name: str, *, largest: bool | None = None, top: int | None = None) -> Rows:
    """Return rows, the best first.

    Parameters
    ----------
    rows
        What is ranked.
    name
        The key of a number.
    largest
        Whether more of it is better; what its name says if None (`coolrunner.keys.lower_is_better`).
    top
        How many; rows without a number are then not among them, and last otherwise.

    Raises
    ------
    UsageError
        There is no such key, or no number under it.
    """
    if not len(rows):
        return rows
    values = column_named(rows, key_named(rows, name, "--by").name)
    if not set(map(type, values)) <= _RANKED:
        values = [value if is_number(value) else None for value in values]
    best = ordered(values, reverse=direction(name, largest), first=top)
    if top != 0 and not is_number(values[best[0]]):
        raise UsageError(f"--by {name}: this is no number in any of {len(rows):,} results")
    if top is not None:
        best = [number for number in best if is_number(values[number])]
    return rows.take(best)


def direction(name: str, largest: bool | None = None) -> bool:
    """Return whether more of a result is better: as it was said, or else as its name says."""
    return largest if largest is not None else not lower_is_better(name)


def ranking_result(rows: Rows) -> str:
    """Return the name of the result that ranks where none was named: `coolrunner.keys.main_result`.

    Raises
    ------
    UsageError
        No result is a number.
    """
    names = {key.name: key.path for key in rows.keys if key.role is Role.RESULT and key.kinds & _NUMBERS}
    if not names:
        raise UsageError("no result is a number that could rank them; --by KEY names one")
    main = main_result(names)
    if len(names) == 1 or 2 * sum(map(is_number, rows.column(names[main]))) >= len(rows):
        return main
    return main_column(dict(zip(names, rows.columns(list(names.values())), strict=True)))
