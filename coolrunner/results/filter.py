"""Choosing and ordering experiments: filters and sorts, applied one after the other.

An expression is either one of `coolrunner.results.query` or, where it begins with ``lambda``, a Python
function of the experiment. The first kind can do no harm; the second is run as it stands, so that it
may come from a command line and never from a file of results.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Generic, TypeVar

from coolrunner.errors import Position, Problem, QueryError, nearest
from coolrunner.experiment import freeze
from coolrunner.results.logs import Entry
from coolrunner.results.query import KeyPath, item, parse_query

__all__ = ["Expression", "KeyWatch", "Selection", "compile_expression", "select"]

T = TypeVar("T")
_LAMBDA = re.compile(r"lambda\b[^:]*:")


@dataclass(frozen=True, slots=True)
class Expression:
    """A filter or a sort.

    Attributes
    ----------
    label
        The option that it was given with, ``--filter`` or ``--sort``.
    text
        As it was written.
    paths
        The keys that it looks at, as far as that is known.
    is_lambda
        Whether it is a Python function.
    evaluate
        Gives its value for an experiment.
    """

    label: str
    text: str
    paths: frozenset[KeyPath]
    is_lambda: bool
    evaluate: Callable[[Any], Any]


def compile_expression(text: str, label: str) -> Expression:
    """Compile a filter or a sort.

    Parameters
    ----------
    text
        ``lambda exp: ...``, or an expression over the experiment's keys.
    label
        The option that it was given with, for errors.

    Raises
    ------
    QueryError
        It is not written correctly.
    """
    text = text.strip()
    if not _LAMBDA.match(text):
        query = parse_query(text, label)
        return Expression(label, text, query.paths, False, query.evaluate)
    try:
        function = eval(text, {"math": math, "re": re})
    except SyntaxError as error:
        place = Position(label, 0, error.offset or 1)
        raise QueryError(str(Problem(f"this is no Python: {error.msg}", place, error.text or text))) from None
    except Exception as error:  # in the value of a default, say
        raise QueryError(f"{label} {text!r} fails: {type(error).__name__}: {error}") from None
    return Expression(label, text, frozenset(), True, function)


@dataclass(slots=True)
class KeyWatch:
    """Finds out which of the keys that a person named no experiment has.

    Parameters
    ----------
    wanted
        The keys, step by step.
    """

    wanted: Iterable[KeyPath]
    _shapes: set[tuple[Any, ...]] = field(default_factory=set)
    _names: dict[str, None] = field(default_factory=dict)
    _texts: set[str] = field(default_factory=set)  # of the wanted, those that are values

    def __post_init__(self) -> None:
        self.wanted = set(self.wanted)

    def look(self, experiment: dict[Any, Any]) -> None:
        """Take note of the keys of one experiment."""
        if not self.wanted:
            return
        self.wanted = {path for path in self.wanted if not _has(experiment, path)}
        for path in self.wanted:  # a text without its quotes looks like a key
            if len(path) == 1 and path[0] in experiment.values():
                self._texts.add(path[0])
        shape = tuple(experiment)
        if self.wanted and shape not in self._shapes:
            self._shapes.add(shape)
            self._names.update(dict.fromkeys(".".join(path) for path in _paths(experiment)))

    def warnings(self) -> list[str]:
        """Return a line for each key that nobody had, with the nearest one; none without experiments."""
        lines = []
        for path in sorted(self.wanted, key=str) if self._shapes else ():
            name = ".".join(map(str, path))
            close = f"the text '{name}'" if name in self._texts else nearest(name, self._names)
            lines.append(f"no experiment has {name}" + (f"; did you mean {close}?" if close else ""))
        return lines


def _has(experiment: dict[Any, Any], path: KeyPath) -> bool:
    before: Any = reduce(item, path[:-1], experiment)
    last = path[-1]
    there = last in before if isinstance(before, dict) else item(before, last) is not None
    return there or ".".join(map(str, path)) in experiment


def _paths(mapping: dict[Any, Any], before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in mapping.items():
        path = (*before, str(key))
        yield path
        if isinstance(value, dict):
            yield from _paths(value, path)


@dataclass(slots=True)
class Selection(Generic[T]):
    """What filters and sorts left over.

    Attributes
    ----------
    kept
        The experiments that are left, as they were prepared.
    seen
        How many there were.
    dropped
        How many were left out because an expression failed on them.
    """

    kept: list[T]
    seen: int = 0
    dropped: int = 0


def select(
    entries: Iterable[Entry],
    filters: Sequence[Expression],
    sorts: Sequence[Expression],
    prepare: Callable[[Entry], T],
    *,
    reverse: bool = False,
    skip_errors: bool = False,
    watch: KeyWatch | None = None,
) -> Selection[T]:
    """Return the experiments that pass all the filters, sorted by each sort in turn.

    Parameters
    ----------
    entries
        Experiments, from `coolrunner.results.logs.read_logs`.
    filters
        One after the other; only what passed the first is shown to the second.
    sorts
        One after the other, each stable. What has no value (missing, null, nan) comes last.
    prepare
        Makes of an experiment what is kept of it, so that a hundred thousand need little memory.
    reverse
        Whether each sort is from large to small; what has no value comes last all the same.
    skip_errors
        Whether to leave out an experiment on which an expression fails.
    watch
        Is shown each experiment.

    Raises
    ------
    QueryError
        An expression fails on an experiment, and `skip_errors` is not set; or the values that a
        lambda gave cannot be sorted.
    """
    selection: Selection[T] = Selection([])
    frozen = any(expression.is_lambda for expression in (*filters, *sorts))
    records: list[tuple[list[Any], T]] = []
    for entry in entries:
        selection.seen += 1
        if watch:
            watch.look(entry.value)
        experiment = freeze(entry.value) if frozen else entry.value
        try:
            if all(_value(expression, experiment, entry) for expression in filters):
                keys = [_order(_value(expression, experiment, entry)) for expression in sorts]
                records.append((keys, prepare(entry)))
        except QueryError:
            if not skip_errors:
                raise
            selection.dropped += 1
    for number, expression in enumerate(sorts):
        records = _sorted(records, number, expression, reverse)
    selection.kept = [prepared for _, prepared in records]
    return selection


def _value(expression: Expression, experiment: Any, entry: Entry) -> Any:
    try:
        return expression.evaluate(experiment)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        if isinstance(error, KeyError) and error.args:
            close = nearest(str(error.args[0]), map(str, entry.value))
            reason = f"there is no key {error.args[0]!r}" + (f"; did you mean {close!r}?" if close else "")
        raise QueryError(
            f"{expression.label} {expression.text!r} fails on {entry}: {reason}\n"
            f"    --skip-errors leaves such experiments out"
        ) from None


def _sorted(records: list[Any], number: int, expression: Expression, reverse: bool) -> list[Any]:
    present = [record for record in records if record[0][number] is not None]
    missing = [record for record in records if record[0][number] is None]
    try:
        present.sort(key=lambda record: record[0][number], reverse=reverse)
    except TypeError as error:
        raise QueryError(
            f"{expression.label} {expression.text!r}: its values cannot be sorted: {error}"
        ) from None
    return present + missing


def _order(value: Any) -> tuple[Any, ...] | None:
    """Return what puts plain data of any types in one order; None for what has no place in it.

    Numbers come first, then texts, dates, lists and mappings.
    """
    if value is None or value != value:
        return None
    if isinstance(value, (int, float)):
        return (0, value)
    if isinstance(value, str):
        return (1, value)
    if isinstance(value, datetime.date):
        if not isinstance(value, datetime.datetime):
            value = datetime.datetime(value.year, value.month, value.day)
        return (2, value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc))
    if isinstance(value, (list, tuple)):
        return (3, [_order(part) or (9,) for part in value])
    if isinstance(value, dict):
        return (4, sorted(map(repr, value.items())))
    return (5, value)
