"""The values under one path of rows, out of the columns of an index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from coolrunner.results.cache.encoding import decode_all, gathered
from coolrunner.results.cache.schema import COLUMNS
from coolrunner.results.parts import MISSING

__all__ = ["REST", "Raw", "Wanted"]

Path = tuple[Any, ...]
#: Columns of an index by their names; what is in `REST` as mappings.
Raw = dict[str, Sequence[Any]]
#: The column that keys share which have none of their own.
REST = "rows.rest"
_Way = Callable[[Raw], list[Any]]


class Wanted:
    """A path, and how its values come from columns of the index.

    Rows may have it as a key, as a mapping around keys, or within the list or the large mapping that stands
    under a key; each of these is a *way*.
    """

    def __init__(self, path: Path, keys: dict[Path, int]) -> None:
        self.columns: list[str] = []
        self._ways: list[_Way] = []
        if path in keys:
            self._ways.append(self._leaf(keys[path]))
        size = len(path)
        inside = [key for key in keys if len(key) > size and key[:size] == path]
        if inside:
            leaves = [self._leaf(keys[key]) for key in inside]
            steps = [key[size:] for key in inside]

            def mapping(raw: Raw) -> list[Any]:
                columns = [leaf(raw) for leaf in leaves]
                return [_gathered(steps, values) for values in zip(*columns, strict=True)]

            self._ways.append(mapping)
        for end in range(1, size):
            if path[:end] in keys:
                around, rest = self._leaf(keys[path[:end]]), path[end:]

                def within(raw: Raw, around: _Way = around, rest: Path = rest) -> list[Any]:
                    return [_inside(value, rest) for value in around(raw)]

                self._ways.append(within)

    def _leaf(self, id: int) -> _Way:
        name = f"rows.k{id}" if id <= COLUMNS else REST
        self.columns.append(name)
        if id <= COLUMNS:
            return lambda raw: decode_all(raw[name])
        return lambda raw: [rest.get(id, MISSING) for rest in raw[name]]

    def values(self, raw: Raw, count: int) -> list[Any]:
        """Return a value a row from the columns that were asked for."""
        if not self._ways:
            return [MISSING] * count
        columns = [way(raw) for way in self._ways]
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
