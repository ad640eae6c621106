"""The one way to results: `find_rows`, and what it finds, `Rows`: rows in order, with columns on demand."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from coolrunner.results.cache.encoding import kind_of
from coolrunner.results.cache.place import CACHE, Cache, index_for, prepare
from coolrunner.results.cache.reading import Stored
from coolrunner.results.cache.schema import DAMAGE, SHIFT, is_damage, remove
from coolrunner.results.cache.syncing import Index
from coolrunner.results.discovery import find_parts
from coolrunner.results.loaders import KINDS
from coolrunner.results.logs.sources import Exclusion, Report
from coolrunner.results.parts import MISSING, Missing, Part, Role

__all__ = [
    "CACHE",
    "MISSING",
    "Cache",
    "KeyInfo",
    "KeyPath",
    "Place",
    "Rows",
    "find_rows",
    "index_for",
    "name_of",
    "rows_of",
]

KeyPath = tuple[Any, ...]


class KeyInfo(NamedTuple):
    """A key of some rows.

    Attributes
    ----------
    path
        Its steps.
    name
        The same as a text, such as ``optimizer.lr``.
    role
        What it is in the first row that has it.
    kinds
        The types of what stands under it: int, float, str, bool, none, list, map, date, bytes.
    """

    path: KeyPath
    name: str
    role: Role
    kinds: frozenset[str]


class Place(NamedTuple):
    """Where a row stands.

    Attributes
    ----------
    kind
        Of the loader that read it.
    path
        Of its file or directory, absolute.
    name
        The same, as it was reached.
    number
        Which one of that file it is, from 1.
    start, stop
        The bytes of its text there; 0 and 0 where it is no piece of a file.
    line
        At which its text begins, from 1; 0 for none.
    """

    kind: str
    path: str
    name: str
    number: int
    start: int
    stop: int
    line: int

    def __str__(self) -> str:
        return f"{self.name}:{self.line}" if self.line else self.name


def name_of(path: KeyPath) -> str:
    """Return a path as a person writes it: ``optimizer.lr``."""
    return ".".join(map(str, path))


class Rows:
    """Rows in an order of their own; a selection of them is another `Rows`.

    Attributes
    ----------
    report
        What was met when they were read: what was skipped, and what is broken.
    """

    def __init__(
        self,
        stored: Stored,
        parts: Mapping[int, Part],
        report: Report,
        positions: Sequence[int] | None = None,
        computed: Mapping[KeyPath, tuple[Role, Sequence[Any]]] | None = None,
        index: Index | None = None,
    ) -> None:
        self._stored = stored
        self._parts = parts
        self._positions = positions
        # Values by the position in `stored`.
        self._computed = dict(computed or {})
        self._index = index
        self._keys: list[KeyInfo] | None = None
        self.report = report

    def __len__(self) -> int:
        return len(self._stored.ids) if self._positions is None else len(self._positions)

    @property
    def keys(self) -> list[KeyInfo]:
        """The keys that any of the rows has, nested mappings spread, in the order first met."""
        if self._keys is None:
            found = self._stored.keys
            if self._positions is not None and len(self._positions) < len(self._stored.ids):
                by_path = {each.path: each for each in found}
                found = [by_path[path] for path in self._stored.shapes(self._positions) if path in by_path]
            keys = {
                each.path: KeyInfo(each.path, name_of(each.path), each.role, each.kinds) for each in found
            }
            for path, (role, values) in self._computed.items():
                kinds = set(map(type, self._picked(values))) - {Missing}
                if kinds:
                    keys[path] = KeyInfo(path, name_of(path), role, frozenset(map(kind_of, kinds)))
            self._keys = list(keys.values())
        return self._keys

    def path(self, name: str) -> KeyPath:
        """Return the path that a name means: that of a key of this name, else its parts between dots."""
        if (name,) in self._computed:
            return (name,)
        for key in self.keys:
            if key.name == name:
                return key.path
        return tuple(name.split("."))

    def column(self, key: str | KeyPath) -> list[Any]:
        """Return the values of a key, one for each row; `MISSING` where a row does not have it.

        Parameters
        ----------
        key
            A name or a path; of a mapping around keys it gives mappings.
        """
        return self.columns([key])[0]

    def columns(self, keys: Sequence[str | KeyPath]) -> list[list[Any]]:
        """Return the values of several keys, a list for each of them."""
        paths = [self.path(key) if isinstance(key, str) else key for key in keys]
        stored = [path for path in paths if path not in self._computed]
        found = iter(self._stored.columns(stored, self._positions) if stored else ())
        return [
            self._picked(self._computed[path][1]) if path in self._computed else next(found) for path in paths
        ]

    def table(self, keys: Sequence[str | KeyPath]) -> Iterator[tuple[Any, ...]]:
        """Yield a tuple for each row: its values of some keys."""
        return zip(*self.columns(keys), strict=True) if keys else iter([()] * len(self))

    def values(
        self, wanted: Callable[[KeyPath], bool] = lambda path: True, *, without: Collection[KeyPath] = ()
    ) -> Iterator[dict[Any, Any]]:
        """Yield the rows, whole, nested as they were; what is computed is at their end.

        Parameters
        ----------
        wanted
            Tells of a key whether it is to be among them; all are by default.
        without
            Computed keys that are to be left out; what a row has under them itself stays.
        """
        columns = [
            (path, self._picked(values))
            for path, (_, values) in self._computed.items()
            if path not in without
        ]
        for number, (value, _) in enumerate(self._stored.records(self._positions, wanted)):
            for path, computed in columns:
                if computed[number] is not MISSING:
                    value[name_of(path)] = computed[number]
            yield value

    def value(self, number: int) -> dict[Any, Any]:
        """Return one row, whole; `number` counts from 0."""
        return next(self.take([number]).values())

    def places(self) -> Iterator[Place]:
        """Yield where the rows stand."""
        for id, start, stop, line in self._stored.facts(("id", "start", "stop", "line"), self._positions):
            part = self._parts[id >> SHIFT]
            yield Place(part.kind, part.path, part.name, id & ((1 << SHIFT) - 1), start, stop, line)

    def place(self, number: int) -> Place:
        """Return where one row stands; `number` counts from 0."""
        return next(self.take([number]).places())

    def roles(self, number: int) -> dict[KeyPath, Role]:
        """Return what the keys of one row are."""
        position = number if self._positions is None else self._positions[number]
        roles = self._stored.roles(position)
        for path, (role, values) in self._computed.items():
            if values[position] is not MISSING:
                roles[path] = role
        return roles

    def take(self, numbers: Iterable[int]) -> Rows:
        """Return some of the rows, in the order given; they count from 0."""
        positions = list(numbers)
        if self._positions is not None:
            positions = [self._positions[number] for number in positions]
        return Rows(self._stored, self._parts, self.report, positions, self._computed, self._index)

    def with_columns(self, columns: Mapping[KeyPath, tuple[Role, Sequence[Any]]]) -> Rows:
        """Return the same rows with columns that are computed: their roles and values, one for each row."""
        computed = dict(self._computed)
        for path, (role, values) in columns.items():
            if self._positions is None:
                computed[path] = role, values
            else:
                spread: list[Any] = [MISSING] * len(self._stored.ids)
                for position, value in zip(self._positions, values, strict=True):
                    spread[position] = value
                computed[path] = role, spread
        return Rows(self._stored, self._parts, self.report, self._positions, computed, self._index)

    def documents(self) -> Iterator[tuple[Part, int, int, str, bytes]]:
        """Yield of rows of logs what copying them takes: the log, start, stop, comment and digest."""
        names = ("id", "start", "stop", "comment", "digest")
        parts = self._parts
        for id, start, stop, comment, digest in self._stored.facts(names, self._positions):
            yield parts[id >> SHIFT], start, stop, comment or "", digest

    def commented(self, wanted: Callable[[KeyPath], bool]) -> Iterator[tuple[dict[Any, Any], str]]:
        """Yield rows of logs as `values` does, without what is computed, and what stands behind ``--- #``."""
        for value, (comment,) in self._stored.records(self._positions, wanted, ("comment",)):
            yield value, comment or ""

    def ids(self) -> list[int]:
        """Return what tells each row from all others that were found with it."""
        ids = self._stored.ids
        return list(ids) if self._positions is None else [ids[position] for position in self._positions]

    def parts(self) -> list[Part]:
        """Return the part that each row was read from."""
        return [self._parts[id >> SHIFT] for id in self.ids()]

    def all_parts(self) -> list[Part]:
        """Return the parts that were found, whichever rows were chosen since."""
        return list(self._parts.values())

    def having(self, path: KeyPath, values: Collection[str]) -> list[tuple[Part, Any]] | None:
        """Return for each row that has one of some texts under a key its part, and which text it is.

        None where that cannot be had without a look at all rows.
        """
        found = None if path in self._computed else self._stored.having(path, values)
        if found is None:
            return None
        if self._positions is not None:
            wanted = dict(found)
            found = [(position, wanted[position]) for position in self._positions if position in wanted]
        ids = self._stored.ids
        return [(self._parts[ids[position] >> SHIFT], value) for position, value in found]

    def repeated(self) -> list[list[int]]:
        """Return the numbers of the rows of logs that have the same content, a list for each, ascending."""
        found = self._stored.repeated()
        if self._positions is None or not found:
            return found
        among = {position: place for place, numbers in enumerate(found) for position in numbers}
        chosen: list[list[int]] = [[] for _ in found]
        for number, position in enumerate(self._positions):
            if position in among:
                chosen[among[position]].append(number)
        return [numbers for numbers in chosen if len(numbers) > 1]

    def shapes(self) -> list[int]:
        """Return a number for each row; rows of one number have the same keys, with the same roles."""
        return [shape for (shape,) in self._stored.facts(("shape",), self._positions)]

    def close(self) -> None:
        """Let go of the index; the rows cannot be asked any more."""
        if self._index is not None:
            self._index.close()

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _picked(self, values: Sequence[Any]) -> list[Any]:
        return list(values) if self._positions is None else [values[place] for place in self._positions]

    def __repr__(self) -> str:
        return f"<Rows: {len(self):,}>"


def find_rows(
    paths: Sequence[str | os.PathLike[str]] = (".",),
    *,
    exclude: Exclusion | Sequence[str] = (),
    cache: Cache | str = "auto",
    kinds: Sequence[str] = KINDS,
    progress: Callable[[int, int], object] = lambda *_: None,
) -> Rows:
    """Find and read results of whatever kind.

    Parameters
    ----------
    paths
        Files and directories.
    exclude
        What is not wanted, as for ``collect --exclude``.
    cache
        Whether an index is kept: ``auto`` where it pays, ``never``, ``always``, or in the file given. The
        environment variable ``COOLRUNNER_CACHE`` says it for all that ask with ``auto``.
    kinds
        Of the results that are wanted.
    progress
        Called with how many parts of how many that have to be read are read.

    Raises
    ------
    UsageError
        A path is missing, or the file that is given as an index is something else.
    """
    names = [os.fspath(path) for path in paths]
    report = Report()
    exclusion = exclude if isinstance(exclude, Exclusion) else Exclusion(exclude)
    parts = list(find_parts(names, report, exclusion, kinds))
    return rows_of(parts, report, *index_for(names, parts, cache), progress)


def rows_of(
    parts: Sequence[Part],
    report: Report,
    path: Path | None,
    base: Path,
    progress: Callable[[int, int], object] = lambda *_: None,
    *,
    values: bool = True,
) -> Rows:
    """Read the rows of some parts.

    Parameters
    ----------
    parts
        Of what a person named.
    report
        What was met when they were found; takes note of what is met in them.
    path, base
        From `index_for`.
    progress
        As for `find_rows`.
    values
        Whether the values of the rows are wanted; without them only `Rows.documents` may be asked.
    """
    index, stored, inside = _synced(path, base, parts, progress, values)
    report.take_in(inside)
    return Rows(stored, dict(zip(index.parts, index.present, strict=True)), report, index=index)


def _synced(
    path: Path | None,
    base: Path,
    parts: Sequence[Part],
    progress: Callable[[int, int], object],
    values: bool,
) -> tuple[Index, Stored, Report]:
    """Return an index that is up to date, and its rows; one in memory where none can be kept."""
    if path is not None:
        for _ in range(2):
            index = None
            try:
                prepare(path)
                index = Index(path, base)
                report = index.sync(parts, progress, values=values)
                return index, index.rows(), report
            except (*DAMAGE, OSError) as error:
                if index is not None:
                    index.close()
                if not is_damage(error):
                    break
                remove(path)
    index = Index(None, base)
    report = index.sync(parts, progress, values=values)
    return index, index.rows(), report
