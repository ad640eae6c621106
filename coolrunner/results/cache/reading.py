"""Rows out of an index: columns on demand, whole rows, places."""

from __future__ import annotations

import json
import sqlite3
from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cached_property, wraps
from inspect import isgeneratorfunction
from itertools import islice
from operator import itemgetter
from pathlib import Path as File
from typing import Any, NamedTuple, TypeVar, cast

from coolrunner.errors import UserError
from coolrunner.results.cache.encoding import decoded, from_json, gathered
from coolrunner.results.cache.schema import COLUMNS, DAMAGE, SHIFT, is_damage, remove
from coolrunner.results.cache.wanted import REST, Wanted
from coolrunner.results.cache.writing import span
from coolrunner.results.parts import Role

__all__ = ["Found", "Stored"]

Path = tuple[Any, ...]
_Method = TypeVar("_Method", bound=Callable[..., Any])

_ROLES = {"p": Role.PARAMETER, "r": Role.RESULT, "i": Role.INFO}
_AT_ONCE = 500  # rows that are fetched one by one
_TURNED = 1_000  # rows that are turned into columns together
_SHARE = 8  # of so many rows one is wanted: below that they are fetched one by one, and above all are read


def _of_sound_index(method: _Method) -> _Method:
    """Return a method of `Stored` that says so where the index turns out to be damaged."""

    @wraps(method)
    def called(self: Stored, *args: Any, **options: Any) -> Any:
        try:
            return method(self, *args, **options)
        except DAMAGE as error:
            raise self._refused(error) from error

    @wraps(method)
    def iterated(self: Stored, *args: Any, **options: Any) -> Any:
        try:
            yield from method(self, *args, **options)
        except DAMAGE as error:
            raise self._refused(error) from error

    return cast("_Method", iterated if isgeneratorfunction(method) else called)


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
    file
        Of the index; None for one that is forgotten with the process. A damaged one is removed.
    """

    def __init__(self, db: sqlite3.Connection, parts: Sequence[int], file: File | None = None) -> None:
        self._db = db
        self._file = file
        self._keys: dict[Path, int] = {}
        self._shapes: dict[int, _Shape] = {}
        extents = {id: extent for id, *extent in db.execute("SELECT id, count, last FROM parts ORDER BY id")}
        self._whole = list(extents) == list(parts)
        self._extents = [(id, *extents.get(id, (0, 0))) for id in parts]
        if not self._whole:
            # Its name is its own: several selections of one index may be in use.
            self._asked = f"asked_{id(self):x}"
            db.execute(f"CREATE TEMP TABLE {self._asked}(position INTEGER PRIMARY KEY, part INTEGER)")
            db.executemany(f"INSERT INTO {self._asked} VALUES (?, ?)", enumerate(parts))

    # --- which rows and keys there are ---

    @cached_property
    @_of_sound_index
    def ids(self) -> array[int]:
        """The id of each row."""
        ids = array("q")
        for part, count, last in self._extents:
            if count == last:
                # Without gaps, as almost all are, their rows need not be looked at.
                ids.extend(range((part << SHIFT) + 1, (part << SHIFT) + 1 + count))
            else:
                query = "SELECT id FROM rows WHERE id BETWEEN ? AND ? ORDER BY id"
                ids.extend(map(itemgetter(0), self._db.execute(query, span(part))))
        return ids

    @cached_property
    @_of_sound_index
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

    @_of_sound_index
    def repeated(self) -> list[list[int]]:
        """Return the positions of the rows that have the same content, a list for each; of logs alone."""
        several = "SELECT digest FROM rows WHERE digest IS NOT NULL GROUP BY digest HAVING count(*) > 1"
        found = dict(self._db.execute(f"SELECT id, digest FROM rows WHERE digest IN ({several})"))
        together: dict[bytes, list[int]] = {}
        for position in self._positions_of(found):
            together.setdefault(found[self.ids[position]], []).append(position)
        return [positions for positions in together.values() if len(positions) > 1]

    @_of_sound_index
    def having(self, path: Path, values: Collection[str]) -> list[tuple[int, Any]] | None:
        """Return the positions of the rows that have one of some texts under a key, and which one.

        None where the key has no column of its own, so that all rows have to be looked at.
        """
        id = self._known.get(path)
        if id is None or id > COLUMNS or len(values) > _AT_ONCE:
            return None
        marks = ", ".join("?" * len(values))
        found = dict(self._db.execute(f"SELECT id, k{id} FROM rows WHERE k{id} IN ({marks})", tuple(values)))
        return [(position, found[self.ids[position]]) for position in self._positions_of(found)]

    # --- columns ---

    @_of_sound_index
    def columns(self, paths: Sequence[Path], positions: Sequence[int] | None = None) -> list[list[Any]]:
        """Return the values under some keys, a list for each of them, `MISSING` where a row has none.

        Parameters
        ----------
        paths
            Of keys, of mappings around keys, or of what is in the value of a key.
        positions
            Of the rows; all of them by default.
        """
        wanted = [Wanted(path, self._known) for path in paths]
        names = list(dict.fromkeys(name for each in wanted for name in each.columns))
        columns: list[Sequence[Any]]
        if positions is None or self._are_many(positions):
            columns = _by_column(self._all(*names), len(names)) if names else []
            if positions is not None:
                columns = [[column[position] for position in positions] for column in columns]
        else:
            by_id = dict(self._some(names, positions))
            columns = _by_column((by_id[self.ids[position]] for position in positions), len(names))
        count = len(self.ids) if positions is None else len(positions)
        raw = dict(zip(names, columns, strict=True))
        if REST in raw:
            raw[REST] = [from_json(text) if text else {} for text in raw[REST]]
        return [each.values(raw, count) for each in wanted]

    @_of_sound_index
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
        names = ["rows.shape", REST, *(f"rows.{name}" for name in facts)]
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

    @_of_sound_index
    def facts(
        self, names: Sequence[str], positions: Sequence[int] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """Yield what is known of rows beside their values: of id, start, stop, line, digest, comment."""
        yield from self._rows([f"rows.{name}" for name in names], positions)

    @_of_sound_index
    def roles(self, position: int) -> dict[Any, Role]:
        """Return the roles of the keys of a row, by their paths."""
        ((number,),) = self._rows(["rows.shape"], [position])
        shape = self._shape(number)
        return dict(zip(shape.paths, shape.roles, strict=True))

    @_of_sound_index
    def shapes(self, positions: Sequence[int]) -> list[Path]:
        """Return the paths of the keys that some rows have, in the order in which they first come."""
        numbers = self._shapes_there
        if len(numbers) > 1 or not positions:
            numbers = list(dict.fromkeys(number for (number,) in self._rows(["rows.shape"], positions)))
        return list(dict.fromkeys(path for number in numbers for path in self._shape(number).paths))

    # --- how it is asked ---

    def _positions_of(self, ids: Collection[int]) -> Iterable[int]:
        """Return where the rows of some ids stand, ascending; what is not asked for is left out."""
        if self._whole:
            return (bisect_left(self.ids, id) for id in sorted(ids))
        return (position for position, id in enumerate(self.ids if ids else ()) if id in ids)

    def _refused(self, error: Exception) -> Exception:
        """Return what is to be said of an index that cannot be read."""
        if self._file is None:
            return error
        if not is_damage(error):
            return UserError(f"{self._file} cannot be read: {error}")
        remove(self._file)
        return UserError(
            f"{self._file} was damaged and has been removed; it is made anew where you ask once more"
        )

    def _rows(self, names: Sequence[str], positions: Sequence[int] | None) -> Iterator[tuple[Any, ...]]:
        if positions is None:
            yield from self._all(*names)
        elif self._are_many(positions) and list(positions) == sorted(positions):
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

    def _are_many(self, positions: Sequence[int]) -> bool:
        return len(positions) > max(len(self.ids) // _SHARE, _AT_ONCE)

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
    def _shapes_there(self) -> list[int]:
        """Which combinations of keys the rows have."""
        parts = "" if self._whole else f" WHERE part IN (SELECT part FROM {self._asked})"
        return [number for (number,) in self._db.execute(f"SELECT DISTINCT shape FROM contents{parts}")]

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


def _by_column(records: Iterable[tuple[Any, ...]], count: int) -> list[Sequence[Any]]:
    """Return records as columns; only some of them are in memory at a time."""
    columns: list[list[Any]] = [[] for _ in range(count)]
    records = iter(records)
    while some := list(islice(records, _TURNED)):
        for place, column in enumerate(columns):
            column += map(itemgetter(place), some)
    return list(columns)


def _typed(path: Path) -> tuple[Any, ...]:
    return (*path, *map(type, path))
