"""Choosing and ordering experiments: filters and sorts, applied one after the other.

An expression is either one of `coolrunner.results.query` or, where it begins with ``lambda``, a Python
function of the experiment. The first kind can do no harm; the second is run as it stands, so that it
may come from a command line and never from a file of results.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from coolrunner.errors import Position, Problem, QueryError, nearest
from coolrunner.experiment import freeze
from coolrunner.results.keywatch import KeyWatch
from coolrunner.results.logs.reading import Entry
from coolrunner.results.query import KeyPath, Query, ordered, parse_query

__all__ = [
    "Expression",
    "Selection",
    "Table",
    "choose",
    "compile_expression",
    "select",
]

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
    evaluate
        Gives its value for an experiment.
    query
        What it was compiled to; None for a Python function.
    """

    label: str
    text: str
    evaluate: Callable[[Any], Any]
    query: Query | None = None

    @property
    def is_lambda(self) -> bool:
        """Whether it is a Python function."""
        return self.query is None

    @property
    def paths(self) -> tuple[KeyPath, ...]:
        """The keys that it looks at, as far as that is known."""
        return self.query.paths if self.query else ()

    @property
    def whole(self) -> bool:
        """Whether it needs all keys of an experiment; `paths` alone will do otherwise."""
        return self.query is None or self.query.whole


def compile_expression(text: str, label: str, at: datetime.datetime | None = None) -> Expression:
    """Compile a filter or a sort.

    Parameters
    ----------
    text
        ``lambda exp: ...``, or a question about the experiment (`coolrunner.results.query`).
    label
        The option that it was given with, for errors.
    at
        What ``now()`` is, with a zone; the present without it.

    Raises
    ------
    QueryError
        It is not written correctly.
    """
    text = text.strip()
    if not _LAMBDA.match(text):
        query = parse_query(text, label, at)
        return Expression(label, text, query.evaluate, query)
    try:
        function = eval(text, {"math": math, "re": re})
    except SyntaxError as error:
        place = Position(label, 0, error.offset or 1)
        raise QueryError(str(Problem(f"this is no Python: {error.msg}", place, error.text or text))) from None
    except Exception as error:  # in the value of a default, say
        raise QueryError(f"{label} {text!r} fails: {type(error).__name__}: {error}") from None
    return Expression(label, text, function)


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
        Experiments, from `coolrunner.results.logs.reading.read_logs`.
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
    frozen = any(expression.is_lambda for expression in (*filters, *sorts))
    sieve = _Sieve(
        [_Step(each, each.evaluate) for each in filters],
        [_Step(each, each.evaluate) for each in sorts],
        lambda entry: (entry.value, str(entry)),
        skip_errors,
    )
    kept: list[T] = []
    seen = 0
    for entry in entries:
        seen += 1
        if watch:
            watch.look(entry.value)
        if sieve.passes(freeze(entry.value) if frozen else entry.value, entry):
            kept.append(prepare(entry))
    return Selection([kept[i] for i in sieve.order(reverse, None)], seen, sieve.dropped)


class Table(Protocol):
    """Experiments of which single columns can be had, such as `coolrunner.results.rows.Rows`."""

    def __len__(self) -> int:
        """Return how many experiments there are."""

    def table(self, paths: Sequence[KeyPath]) -> Iterable[Sequence[Any]]:
        """Iterate over the values of some keys, experiment by experiment; `MISSING` where there is none."""

    def values(self) -> Iterable[dict[Any, Any]]:
        """Iterate over whole experiments."""

    def value(self, position: int) -> dict[Any, Any]:
        """Return a whole experiment."""


def choose(
    table: Table,
    filters: Sequence[Expression],
    sorts: Sequence[Expression],
    title: Callable[[int], str],
    *,
    reverse: bool = False,
    skip_errors: bool = False,
    first: int | None = None,
) -> Selection[int]:
    """Do the same as `select` with a table, and return the positions of the experiments in it.

    Only the columns that are asked for are read; whole experiments where an expression needs them.

    Parameters
    ----------
    table
        The experiments.
    filters, sorts, reverse, skip_errors
        As `select` takes them.
    title
        Returns what an experiment is called in an error, by its position.
    first
        How many are wanted; all without it.

    Raises
    ------
    QueryError
        As of `select`.
    """
    expressions = [*filters, *sorts]
    paths = list(dict.fromkeys(path for each in expressions if not each.whole for path in each.paths))
    # Where the first question needs whole experiments, all are read, which is quickest in a row.
    stream = iter(table.values()) if expressions and expressions[0].whole else None
    frozen = any(each.is_lambda for each in expressions)
    here, experiment = -1, None

    def whole_experiment() -> Any:
        nonlocal experiment
        if experiment is None:
            experiment = table.value(here)
            experiment = freeze(experiment) if frozen else experiment
        return experiment

    def asked(expression: Expression) -> _Step:
        evaluate = expression.evaluate
        if expression.query is None or expression.whole:
            return _Step(expression, lambda row: evaluate(whole_experiment()))
        return _Step(expression, expression.query.over(paths))

    sieve = _Sieve(
        list(map(asked, filters)),
        list(map(asked, sorts)),
        lambda position: (table.value(position), title(position)),
        skip_errors,
    )
    kept = []
    for here, row in enumerate(table.table(paths) if paths else repeat((), len(table))):
        experiment = None
        if stream:
            experiment = freeze(next(stream)) if frozen else next(stream)
        if sieve.passes(row, here):
            kept.append(here)
    return Selection([kept[i] for i in sieve.order(reverse, first)], len(table), sieve.dropped)


class _Step(NamedTuple):
    expression: Expression
    ask: Callable[[Any], Any]


class _Sieve:
    """Asks each experiment the questions, and keeps what those that pass are sorted by."""

    def __init__(
        self,
        filters: list[_Step],
        sorts: list[_Step],
        describe: Callable[[Any], tuple[dict[Any, Any], str]],
        skip_errors: bool,
    ) -> None:
        self._filters = filters
        self._sorts = sorts
        self._describe = describe
        self._skip_errors = skip_errors
        self._keys: list[list[Any]] = [[] for _ in sorts]
        self._passed = 0
        self.dropped = 0

    def passes(self, subject: Any, case: Any) -> bool:
        """Ask about a subject; `case` is what `describe` takes where a question fails."""
        keys = []
        try:
            for step in self._filters:
                if not step.ask(subject):
                    return False
            for step in self._sorts:
                keys.append(step.ask(subject))
        except Exception as error:
            if not self._skip_errors:
                raise _failure(step.expression, error, *self._describe(case)) from None
            self.dropped += 1
            return False
        self._passed += 1
        for column, key in zip(self._keys, keys, strict=True):
            column.append(key)
        return True

    def order(self, reverse: bool, first: int | None) -> list[int]:
        """Return the order of those that passed, by each sort in turn."""
        order = list(range(self._passed))
        for place, (expression, _) in enumerate(self._sorts):
            column = self._keys[place]
            # An earlier sort cannot tell which will be the first ones.
            count = first if place == len(self._sorts) - 1 else None
            try:
                places = ordered([column[i] for i in order], reverse=reverse, first=count)
            except (TypeError, ValueError) as error:
                raise QueryError(
                    f"{expression.label} {expression.text!r}: its values cannot be sorted: {error}"
                ) from None
            order = [order[i] for i in places]
        return order[:first]


def _failure(expression: Expression, error: Exception, value: dict[Any, Any], title: str) -> QueryError:
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, KeyError) and error.args:
        close = nearest(str(error.args[0]), map(str, value))
        reason = f"there is no key {error.args[0]!r}" + (f"; did you mean {close!r}?" if close else "")
    return QueryError(
        f"{expression.label} {expression.text!r} fails on {title}: {reason}\n"
        f"    --skip-errors leaves such experiments out"
    )
