"""Rows into an index."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from coolrunner.results.cache.encoding import INT64, encoded, kind_of, spread, to_json
from coolrunner.results.cache.schema import COLUMNS, SHIFT
from coolrunner.results.parts import Role, Row

__all__ = ["Writer"]

_AT_ONCE = 2_000  # rows
_FIXED = ("id", "shape", "start", "stop", "line", "digest", "comment", "rest")
_LETTERS = {Role.PARAMETER: "p", Role.RESULT: "r", Role.INFO: "i"}


@dataclass(slots=True)
class _Shape:
    """A combination of keys: how rows that have it are written, and what of it is to be written of a part."""

    id: int
    statement: str
    columns: list[int]  # which leaves have a column of their own
    rest: list[tuple[int, int]]  # the others: which leaf, and the id of its key
    first: int = 0
    kinds: list[set[type]] = field(default_factory=list)
    waiting: list[tuple[list[Any], list[Any]]] = field(default_factory=list)  # fixed values, leaves


class Writer:
    """Writes rows of parts, within a transaction that others begin and end.

    Parameters
    ----------
    db
        An open index.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._keys: dict[str, int] = {path: id for id, path in db.execute("SELECT id, path FROM keys")}
        self._columns = sum(row[1].startswith("k") for row in db.execute("PRAGMA table_info(rows)"))
        self._shapes: dict[tuple[Any, ...], _Shape] = {}
        self._made: dict[int, _Shape] = {}

    def remove(self, part: int, behind: int = 0) -> None:
        """Remove the rows of a part, all of them or those behind a number."""
        first, last = span(part)
        gone = self._db.execute("DELETE FROM rows WHERE id BETWEEN ? AND ?", (first + behind + 1, last))
        if not behind:
            self._db.execute("DELETE FROM contents WHERE part = ?", (part,))
        elif gone.rowcount:
            there = "SELECT DISTINCT shape FROM rows WHERE id BETWEEN ? AND ?"
            self._db.execute(
                f"DELETE FROM contents WHERE part = ? AND shape NOT IN ({there})", (part, first, last)
            )

    def extent(self, part: int) -> tuple[int, int]:
        """Return how many rows a part has, and the greatest number of one."""
        first, last = span(part)
        query = "SELECT count(*), coalesce(max(id), ?) FROM rows WHERE id BETWEEN ? AND ?"
        ((count, greatest),) = self._db.execute(query, (first, first, last))
        return count, greatest - first

    def add(self, part: int, rows: Iterable[Row]) -> None:
        """Add rows to a part."""
        met: dict[int, _Shape] = {}
        base = part << SHIFT
        rows = iter(rows)
        while batch := list(itertools.islice(rows, _AT_ONCE)):
            for row in batch:
                shape, leaves = self._shaped(row)
                if shape.id not in met:
                    met[shape.id] = shape
                    shape.first, shape.kinds = row.number, [set() for _ in leaves]
                place = [base + row.number, shape.id, row.start, row.stop, row.line]
                shape.waiting.append(([*place, row.digest or None, row.comment or None], leaves))
            for shape in met.values():
                self._write(shape)
        for shape in met.values():
            self._note(part, shape)

    def _shaped(self, row: Row) -> tuple[_Shape, list[Any]]:
        paths, leaves = spread(row.value)
        signature = (*paths, row.roles)
        shape = self._shapes.get(signature)
        if shape is None:
            shape = self._shape(paths, row)
            if all(type(step) is str for path in paths for step in path):
                self._shapes[signature] = shape
            # 1 and true are equal, and two keys: such shapes are looked up each time.
        return shape, leaves

    def _shape(self, paths: Sequence[tuple[Any, ...]], row: Row) -> _Shape:
        roles = dict(zip(row.value, map(_LETTERS.__getitem__, row.roles), strict=True))
        ids = [self._key(path) for path in paths]
        text = json.dumps([[id, roles[path[0]]] for id, path in zip(ids, paths, strict=True)])
        self._db.execute("INSERT OR IGNORE INTO shapes(keys) VALUES (?)", (text,))
        ((number,),) = self._db.execute("SELECT id FROM shapes WHERE keys = ?", (text,))
        columns = [place for place, id in enumerate(ids) if id <= COLUMNS]
        names = [*_FIXED, *(f"k{ids[place]}" for place in columns)]
        marks = ", ".join("?" * len(names))
        statement = f"INSERT OR REPLACE INTO rows({', '.join(names)}) VALUES ({marks})"
        rest = [(place, id) for place, id in enumerate(ids) if id > COLUMNS]
        return self._made.setdefault(number, _Shape(number, statement, columns, rest))

    def _key(self, path: tuple[Any, ...]) -> int:
        text = to_json(list(path))
        id = self._keys.get(text)
        if id is None:
            id = self._db.execute("INSERT INTO keys(path) VALUES (?)", (text,)).lastrowid or 0
            self._keys[text] = id
        while self._columns < min(id, COLUMNS):
            self._columns += 1
            self._db.execute(f"ALTER TABLE rows ADD COLUMN k{self._columns}")
        return id

    def _write(self, shape: _Shape) -> None:
        if not shape.waiting:
            return
        columns = list(zip(*(leaves for _, leaves in shape.waiting), strict=True))
        types = [set(map(type, column)) for column in columns]
        for kinds, found in zip(shape.kinds, types, strict=True):
            kinds |= found
        own = [_in_sqlite(columns[place], types[place]) for place in shape.columns]
        fixed = list(zip(*(place for place, _ in shape.waiting), strict=True))
        rest: Iterable[Any] = itertools.repeat(None)
        if shape.rest:
            rest = [to_json({id: leaves[place] for place, id in shape.rest}) for _, leaves in shape.waiting]
        self._db.executemany(shape.statement, zip(*fixed, rest, *own))  # noqa: B905 - `rest` may have no end
        shape.waiting = []

    def _note(self, part: int, shape: _Shape) -> None:
        known = self._db.execute(
            "SELECT first, kinds FROM contents WHERE part = ? AND shape = ?", (part, shape.id)
        ).fetchone()
        kinds = [sorted(set(map(kind_of, each))) for each in shape.kinds]
        first = shape.first
        if known:
            first = known[0]
            kinds = [sorted({*old, *new}) for old, new in zip(json.loads(known[1]), kinds, strict=True)]
        text = json.dumps(kinds)
        self._db.execute("INSERT OR REPLACE INTO contents VALUES (?, ?, ?, ?)", (part, shape.id, first, text))
        shape.kinds = []


def _in_sqlite(column: Sequence[Any], types: set[type]) -> Iterable[Any]:
    """Return values as SQLite keeps them; of what most columns are, a look at each value is not needed."""
    if types == {str} and all(map(str.isascii, column)):
        return column
    if types == {int} and min(column) >= -INT64 and max(column) < INT64:
        return column
    return map(encoded, column)


def span(part: int) -> tuple[int, int]:
    """Return the first and the last id that a row of a part can have."""
    return part << SHIFT, (part + 1 << SHIFT) - 1
