"""In which keys experiments differ, and which of them repeat each other.

Experiments are columns here: a list for each key, one value for each experiment,
`coolrunner.results.parts.MISSING` where it lacks the key. Two values are the same when their data is, as
`coolrunner.results.logs.collect` has it: ``1``, ``1.0`` and ``True`` are three values, ``nan`` is itself, and
the order of the keys in a mapping does not matter. To lack a key is a value as well.
"""

from __future__ import annotations

import operator
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple

from coolrunner.errors import UsageError, nearest
from coolrunner.keys import is_seed
from coolrunner.results.logs.collect import digest
from coolrunner.results.parts import MISSING

__all__ = ["Groups", "differing", "group", "identity"]

Column = Sequence[Any]


class Groups(NamedTuple):
    """Experiments that belong together.

    Attributes
    ----------
    keys
        In what the groups differ from each other.
    values
        For each group what its experiments have under `keys`.
    positions
        For each group where its experiments stand in the columns, ascending.
    """

    keys: list[str]
    values: list[tuple[Any, ...]]
    positions: list[list[int]]


def differing(columns: Mapping[str, Column]) -> list[str]:
    """Return the names of the columns that hold more than one value, in their order."""
    return [name for name, column in columns.items() if _varies(column)]


def group(
    columns: Mapping[str, Column], by: Iterable[str] | None = None, *, ignore: Iterable[str] = ()
) -> Groups:
    """Put experiments together that share everything but what sets repetitions apart.

    Parameters
    ----------
    columns
        All of the same length. Without `by` these are the parameters alone: a result that differs would
        make a group of each experiment.
    by
        What the experiments of a group share. If None, all but `ignore` and the seeds, which are known by
        their names (`coolrunner.keys.is_seed`).
    ignore
        What they need not share either.

    Returns
    -------
    The groups, in the order in which they are first met. Their keys are `by`, or else those of the columns
    that differ, so that no key says the same of every group.

    Raises
    ------
    UsageError
        There is no column of a name in `by` or `ignore`.
    """
    if by is None:
        left_out = {*_known(ignore, columns), *filter(is_seed, columns)}
        keys = differing({name: column for name, column in columns.items() if name not in left_out})
    else:
        keys = list(dict.fromkeys(_known(by, columns)))
    chosen = [columns[name] for name in keys]
    length = len(next(iter(columns.values()), ()))
    same = zip(*map(_identities, chosen), strict=True) if chosen else repeat((), length)
    met: dict[tuple[Hashable, ...], list[int]] = {}
    for position, key in enumerate(same):
        met.setdefault(key, []).append(position)
    positions = list(met.values())
    return Groups(keys, [tuple(column[first] for column in chosen) for first, *_ in positions], positions)


def identity(value: Any) -> Hashable:
    """Return what is equal for equal data, and for nothing else."""
    kind = type(value)
    if kind is str or kind is bool or value is None or value is MISSING:
        return value  # type: ignore[no-any-return]
    if kind is int:
        return (value,)  # 1 == True
    return (repr(value),) if kind is float else digest(value)


#: Of these a column may hold any, and its values tell themselves apart.
_PLAIN: frozenset[type] = frozenset({str, type(None), type(MISSING)})


def _varies(column: Column) -> bool:
    if len(column) < 2:
        return False
    first = column[0]
    kind = type(first)
    if kind in _PLAIN or kind is int or kind is bool or (kind is float and first == first and first):
        # Almost every column that differs is told by the first of these, at once.
        return any(map(operator.ne, column, repeat(first))) or len(set(map(type, column))) > 1
    same = identity(first)
    return any(value is not first and identity(value) != same for value in column)


def _identities(column: Column) -> Iterable[Hashable]:
    """Return the identities of values, or quickly what tells these as well."""
    kinds = set(map(type, column))
    others = kinds - _PLAIN
    if not others or others == {int} or others == {bool}:
        return column
    return map(repr if kinds == {float} else identity, column)


def _known(names: Iterable[str], columns: Mapping[str, Column]) -> Iterable[str]:
    for name in names:
        if name not in columns:
            close = nearest(name, columns)
            hint = f"; did you mean {close!r}?" if close else ""
            raise UsageError(f"there is no key {name!r}{hint}")
        yield name
