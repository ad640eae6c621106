"""Rows out of an index: columns on demand, whole rows, places."""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from coolrunner.results.cache.encoding import decode_all, decoded, from_json, gathered
from coolrunner.results.cache.schema import COLUMNS, SHIFT
from coolrunner.results.cache.writing import span
from coolrunner.results.parts import MISSING, Role

__all__ = ["Found", "Stored"]

Path = tuple[Any, ...]

_ROLES = {"p": Role.PARAMETER, "r": Role.RESULT, "i": Role.INFO}
_FEW = 2_000  # rows that are fetched one by one; of more all are read
_AT_ONCE = 500


class Found(NamedTuple):
    """A key of some rows: its path, its role, and the types of what stands under it."""

    path: Path
    role: Role
    kinds: frozenset[str]


class _Shape(NamedTuple):
    paths: list[Path]
    ids: list[int]
    roles: list[Role]


class Stored:
    """The rows of some parts of an index, in the order of the parts; positions count from 0.

    Parameters
    ----------
    db
        The index.
    parts
        The ids of the parts.
    """

    def __init__(self, db: sqlite3.Connection, parts: Sequence[int]) -> None:
        self._db = db
        self._keys: dict[Path, int] = {}
        self._shapes: dict[int, _Shape] = {}
        known = [id for (id,) in db.execute("SELECT id FROM parts ORDER BY id")]
        self._whole = known == list(parts)
        if not self._whole:
            # Its name is its own: several selections of one index may be in use.
            self._asked = f"asked_{id(self):x}"
            db.execute(f"CREATE TEMP TABLE {self._asked}(position INTEGER PRIMARY KEY, part INTEGER)")
            db.executemany(f"INSERT INTO {self._asked} VALUES (?, ?)", enumerate(parts))

    # --- which rows and keys there are ---

    @cached_property
    def ids(self) -> array[int]:
        """The id of each row."""
        return array("q", (id for (id,) in self._all("rows.id")))

    @cached_property
    def keys(self) -> list[Found]:
        """The keys of the rows, in the order in which they first come."""
        if self._whole:
            query = (
                "SELECT shape, kinds, min(part), min(first) FROM contents GROUP BY shape, kinds ORDER BY 3, 4"
            )
        else:
            query = (
                f"SELECT shape, kinds, min(position), min(first) FROM {self._asked} JOIN contents"
                " USING (part) GROUP BY shape, kinds ORDER BY 3, 4"
            )
        roles: dict[Path, Role] = {}
        kinds: dict[Path, set[str]] = {}
        for number, text, *_ in self._db.execute(query).fetchall():
            shape = self._shape(number)
            for path, role, found in zip(shape.paths, shape.roles, json.loads(text), strict=True):
                roles.setdefault(path, role)
                kinds.setdefault(path, set()).update(found)
        return [Found(path, role, frozenset(kinds[path])) for path, role in roles.items()]

    # --- columns ---

    def columns(self, paths: Sequence[Path], positions: Sequence[int] | None = None) -> list[list[Any]]:
        """Return the values under some keys, a list for each of them, `MISSING` where a row has none.

        Parameters
        ----------
        paths
            Of keys, of mappings around keys, or of what is in the value of a key.
        positions
            Of the rows; all of them by default.
        """
        wanted = [_Wanted(path, self._known) for path in paths]
        names = [name for each in wanted for name in each.columns]
        raw: list[Sequence[Any]]
        if positions is None or len(positions) > _FEW:
            raw = _by_column(self._all(*names).fetchall(), len(names)) if names else []
            if positions is not None:
                raw = [[column[position] for position in positions] for column in raw]
        else:
            by_id = dict(self._some(names, positions))
            raw = _by_column([by_id[self.ids[position]] for position in positions], len(names))
        count = len(self.ids) if positions is None else len(positions)
        taken = iter(raw)
        return [each.values([next(taken) for _ in each.columns], count) for each in wanted]

    def records(
        self,
        positions: Sequence[int] | None = None,
        wanted: Callable[[Path], bool] = lambda path: True,
        facts: Sequence[str] = (),
    ) -> Iterator[tuple[dict[Any, Any], tuple[Any, ...]]]:
        """Yield whole rows, nested, in their own order, each with what else is asked of it.

        Parameters
        ----------
        positions
            Of the rows; all of them by default.
        wanted
            Tells of a key whether it is to be among them; all are by default.
        facts
            As for `facts`.
        """
        ids = [id for id in range(1, self._columns + 1) if wanted(self._path(id))]
        names = ["rows.shape", "rows.rest", *(f"rows.{name}" for name in facts)]
        places = {id: place for place, id in enumerate(ids, start=len(names))}
        end = len(names)
        chosen: dict[int, tuple[list[Path], list[int]]] = {}
        for record in self._rows([*names, *(f"rows.k{id}" for id in ids)], positions):
            if record[0] not in chosen:
                shape = self._shape(record[0])
                kept = [(path, id) for path, id in zip(shape.paths, shape.ids, strict=True) if wanted(path)]
                chosen[record[0]] = [path for path, _ in kept], [id for _, id in kept]
            paths, numbers = chosen[record[0]]
            rest = from_json(record[1]) if record[1] and numbers and max(numbers) > COLUMNS else {}
            leaves = [decoded(record[places[id]]) if id <= COLUMNS else rest[id] for id in numbers]
            yield gathered(paths, leaves), record[2:end]

    def facts(
        self, names: Sequence[str], positions: Sequence[int] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """Yield what is known of rows beside their values: of id, start, stop, line, digest, comment."""
        return self._rows([f"rows.{name}" for name in names], positions)

    def roles(self, position: int) -> dict[Any, Role]:
        """Return the roles of the keys of a row, by their paths."""
        ((number,),) = self._rows(["rows.shape"], [position])
        shape = self._shape(number)
        return dict(zip(shape.paths, shape.roles, strict=True))

    def shapes(self, positions: Sequence[int]) -> list[Path]:
        """Return the paths of the keys that some rows have, in the order in which they first come."""
        numbers = dict.fromkeys(number for (number,) in self._rows(["rows.shape"], positions))
        return list(dict.fromkeys(path for number in numbers for path in self._shape(number).paths))

    # --- how it is asked ---

    def _rows(self, names: Sequence[str], positions: Sequence[int] | None) -> Iterator[tuple[Any, ...]]:
        if positions is None:
            yield from self._all(*names)
        elif len(positions) > _FEW and list(positions) == sorted(positions):
            wanted = iter(positions)
            place = next(wanted, -1)
            for position, record in enumerate(self._all(*names)):
                if position == place:
                    yield record
                    place = next(wanted, -1)
        else:
            for start in range(0, len(positions), _AT_ONCE):
                chunk = positions[start : start + _AT_ONCE]
                by_id = dict(self._some(names, chunk))
                for position in chunk:
                    yield by_id[self.ids[position]]

    def _all(self, *names: str) -> sqlite3.Cursor:
        columns = ", ".join(names)
        if self._whole:
            return self._db.execute(f"SELECT {columns} FROM rows ORDER BY rows.id")
        low = f"({self._asked}.part << {SHIFT})"
        return self._db.execute(
            f"SELECT {columns} FROM {self._asked} CROSS JOIN rows"
            f" ON rows.id BETWEEN {low} AND {low} + {span(0)[1]} ORDER BY position, rows.id"
        )

    def _some(self, names: Sequence[str], positions: Sequence[int]) -> Iterator[tuple[int, tuple[Any, ...]]]:
        columns = ", ".join(["rows.id", *names])
        for start in range(0, len(positions), _AT_ONCE):
            ids = [self.ids[position] for position in positions[start : start + _AT_ONCE]]
            marks = ", ".join("?" * len(ids))
            for record in self._db.execute(f"SELECT {columns} FROM rows WHERE id IN ({marks})", ids):
                yield record[0], record[1:]

    @cached_property
    def _columns(self) -> int:
        """How many keys have a column of their own."""
        return sum(row[1].startswith("k") for row in self._db.execute("PRAGMA table_info(rows)"))

    @cached_property
    def _known(self) -> dict[Path, int]:
        """The ids of the keys that the rows have."""
        ids: dict[Path, int] = {}
        wanted = {_typed(found.path) for found in self.keys}
        for id, text in self._db.execute("SELECT id, path FROM keys"):
            path = tuple(from_json(text))
            if _typed(path) in wanted:
                ids.setdefault(path, id)
        return ids

    def _shape(self, number: int) -> _Shape:
        shape = self._shapes.get(number)
        if shape is None:
            ((text,),) = self._db.execute("SELECT keys FROM shapes WHERE id = ?", (number,))
            ids = [id for id, _ in json.loads(text)]
            roles = [_ROLES[letter] for _, letter in json.loads(text)]
            shape = self._shapes[number] = _Shape([self._path(id) for id in ids], ids, roles)
        return shape

    def _path(self, id: int) -> Path:
        ((text,),) = self._db.execute("SELECT path FROM keys WHERE id = ?", (id,))
        return tuple(from_json(text))


def _by_column(records: Sequence[tuple[Any, ...]], count: int) -> list[Sequence[Any]]:
    # Quicker than zip(*records), which takes each record for an argument.
    return [[record[place] for record in records] for place in range(count)]


def _typed(path: Path) -> tuple[Any, ...]:
    return (*path, *map(type, path))


class _Wanted:
    """A path, and how its values come from columns of the index.

    Rows may have it as a key, as a mapping around keys, or within the list or the large mapping that stands
    under a key; each of these is a *way*.
    """

    def __init__(self, path: Path, keys: dict[Path, int]) -> None:
        self.columns: list[str] = []
        self._ways: list[Callable[[list[Sequence[Any]], int], list[Any]]] = []
        if path in keys:
            self._ways.append(self._leaf(keys[path]))
        size = len(path)
        inside = [key for key in keys if len(key) > size and key[:size] == path]
        if inside:
            leaves = [self._leaf(keys[key]) for key in inside]
            steps = [key[size:] for key in inside]

            def mapping(raw: list[Sequence[Any]], count: int) -> list[Any]:
                columns = [leaf(raw, count) for leaf in leaves]
                return [_gathered(steps, values) for values in zip(*columns, strict=True)]

            self._ways.append(mapping)
        for end in range(1, size):
            if path[:end] in keys:
                around, rest = self._leaf(keys[path[:end]]), path[end:]

                def within(
                    raw: list[Sequence[Any]],
                    count: int,
                    around: Callable[..., list[Any]] = around,
                    rest: Path = rest,
                ) -> list[Any]:
                    return [_inside(value, rest) for value in around(raw, count)]

                self._ways.append(within)

    def _leaf(self, id: int) -> Callable[[list[Sequence[Any]], int], list[Any]]:
        place = len(self.columns)
        self.columns.append(f"rows.k{id}" if id <= COLUMNS else "rows.rest")
        if id <= COLUMNS:
            return lambda raw, count: decode_all(raw[place])
        return lambda raw, count: [
            from_json(text).get(id, MISSING) if text else MISSING for text in raw[place]
        ]

    def values(self, raw: list[Sequence[Any]], count: int) -> list[Any]:
        """Return a value a row from the columns that were asked for."""
        if not self._ways:
            return [MISSING] * count
        columns = [way(raw, count) for way in self._ways]
        if len(columns) == 1:
            return columns[0]
        return [
            next((value for value in values if value is not MISSING), MISSING)
            for values in zip(*columns, strict=True)
        ]


def _gathered(steps: Sequence[Path], values: Sequence[Any]) -> Any:
    there = [place for place, value in enumerate(values) if value is not MISSING]
    if not there:
        return MISSING
    return gathered([steps[place] for place in there], [values[place] for place in there])


def _inside(value: Any, steps: Path) -> Any:
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step, MISSING)
        elif isinstance(value, list) and type(step) is int and -len(value) <= step < len(value):
            value = value[step]
        else:
            return MISSING
    return value
