"""Which keys of rows become the columns of a table, and what stands in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from coolrunner.definition.names import RUNNER_KEYS
from coolrunner.errors import UsageError
from coolrunner.results.groups.repeats import differing
from coolrunner.results.naming import HANDLE, OF_TABLES, key_named, merged
from coolrunner.results.parts import Role
from coolrunner.results.query import KeyPath
from coolrunner.results.rows import Rows

__all__ = [
    "HANDLE",
    "PLACE",
    "Heading",
    "all_headings",
    "cells",
    "columns_of",
    "headings_named",
    "telling_headings",
]

#: Stands for where a row is, which is no value of it.
PLACE: KeyPath = ("", "place")
_AT_ONCE = 2000  # rows: of so many a part of an index is read, of more all of it
_COMPARED = 20_000
_SCALARS = {"int", "float", "str", "bool", "none", "date"}
_ORDER = {Role.PARAMETER: 0, Role.RESULT: 1, Role.INFO: 2}


class Heading(NamedTuple):
    """A column that is to be shown.

    Attributes
    ----------
    name
        What it is called.
    path
        Which key it is.
    role, kinds
        Of that key.
    others
        Keys that are spelled otherwise, and written the same: a nested one, and a flat one with dots. A row
        that lacks the one may have the other.
    """

    name: str
    path: KeyPath
    role: Role
    kinds: frozenset[str]
    others: tuple[KeyPath, ...] = ()


# Names that stand for these where no row has a key of the name.
_OWN = {
    name: Heading(name, path, Role.INFO, frozenset({"str"}))
    for name, path in {**OF_TABLES, "place": PLACE}.items()
}


def _headings(rows: Rows) -> dict[str, Heading]:
    """Return all columns by their names, in the order in which they are first met."""
    headings: dict[str, Heading] = {}
    for path, name, role, kinds in rows.keys:
        known = headings.get(name)
        if known is not None:
            others = (*known.others, path)
            headings[name] = known._replace(kinds=known.kinds | kinds, others=others)
        elif path != HANDLE:
            headings[name] = Heading(name, path, role, kinds)
    return headings


def all_headings(rows: Rows) -> list[Heading]:
    """Return all keys of some rows: parameters, results, and what is kept for the record."""
    return sorted(_headings(rows).values(), key=lambda heading: _ORDER[heading.role])


def headings_named(
    rows: Rows, names: str, label: str = "--columns", *, among: Rows | None = None
) -> list[Heading]:
    """Return the columns that a person named, in that order.

    Parameters
    ----------
    rows
        What is shown.
    names
        Names of keys, with commas: a key, a mapping around keys, a pattern (``optimizer.*``), a heading of
        the table such as ``id`` or ``status``, ``place``, or ``all``. The ``id`` that an argparse script
        has written for the record gives way to the one of the table.
    label
        The option that they were given with, for errors.
    among
        More rows; one that only these have may be named as well, and its column is empty.

    Raises
    ------
    UsageError
        No row has such a key.
    """
    chosen: dict[str, Heading] = {}
    everything = among if among is not None else rows
    wanted = list(filter(None, (part.strip() for part in names.split(","))))
    if not wanted:
        raise UsageError(f"{label}: the name of a key was expected")
    for name in wanted:
        found = _named(rows, name) or _named(everything, name)
        if not found and len(everything):
            if any(sign in name for sign in "*?["):
                raise UsageError(f"{label} {name}: no result has a key like this")
            key_named(everything, name, label)
        chosen |= {heading.name: heading for heading in found if heading.name not in chosen}
    return list(chosen.values())


def _named(rows: Rows, name: str) -> list[Heading]:
    known = _headings(rows)
    if name in known or name in _OWN:
        found = known.get(name) or _OWN[name]
        gives_way = name == "id" and found.role is Role.INFO and any(key.path == HANDLE for key in rows.keys)
        return [_OWN[name] if gives_way else found]
    if name == "all":
        return all_headings(rows)
    inside = f"{name}."
    return [each for each in known.values() if fnmatchcase(each.name, name) or each.name.startswith(inside)]


def telling_headings(rows: Rows) -> list[Heading]:
    """Return the columns that a person wants to see: the name, the parameters that differ, and the results.

    Of a single row these are all parameters. Results that are nothing but lists are left out.
    """
    known = _headings(rows)
    name = [known.pop("Name")] if "Name" in known else []
    given = [heading for heading in known.values() if heading.role is Role.PARAMETER]
    found = [
        heading for heading in known.values() if heading.role is Role.RESULT and heading.kinds & _SCALARS
    ]
    telling = _differing(rows, given)
    telling.sort(key=lambda heading: heading.name.startswith("_"))  # a definition's own helpers come last
    if not telling and len(rows) == 1:
        telling = [heading for heading in given if heading.path[0] not in RUNNER_KEYS]
    return [*name, *telling, *found]


def _differing(rows: Rows, headings: Sequence[Heading]) -> list[Heading]:
    """Return the columns in which rows differ; of a million rows the first ones tell it of most."""
    few = rows.take(range(_COMPARED)) if len(rows) > _COMPARED else rows
    names = [heading.name for heading in headings]
    differ = set(differing(dict(zip(names, columns_of(few, headings), strict=True))))
    for heading in headings if few is not rows else ():
        if heading.name not in differ and differing({"": columns_of(rows, [heading])[0]}):
            differ.add(heading.name)
    return [heading for heading in headings if heading.name in differ]


def cells(rows: Rows, headings: Sequence[Heading]) -> Iterator[tuple[Any, ...]]:
    """Yield the values of some columns, a tuple for each row; only few rows are in memory at a time."""
    for start in range(0, len(rows), _AT_ONCE):
        few = rows.take(range(start, min(start + _AT_ONCE, len(rows))))
        yield from zip(*columns_of(few, headings), strict=True) if headings else iter([()] * len(few))


def columns_of(rows: Rows, headings: Sequence[Heading]) -> list[list[Any]]:
    """Return the values of some columns, a list for each."""
    paths = [path for heading in headings for path in (heading.path, *heading.others) if path != PLACE]
    taken = iter(rows.columns(paths))
    columns = []
    for heading in headings:
        values = list(map(str, rows.places())) if heading.path == PLACE else next(taken)
        columns.append(merged([values, *(next(taken) for _ in heading.others)]))
    return columns
