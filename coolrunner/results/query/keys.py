"""Where a key leads in plain data: ``optimizer.lr``, whether it is nested or written flat.

A key is a path of steps. Text steps lead into mappings; where no nested mapping has them, neighbouring
steps joined with dots are looked for, so that ``optimizer.lr`` also finds what a flat table calls
``optimizer.lr``. A step that is a whole number leads into a list, a text, or a mapping with such keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from typing import Any

from coolrunner.results.parts import MISSING

__all__ = ["KeyPath", "column_of", "item", "key_path", "lookup", "name_of", "spellings"]

KeyPath = tuple[Any, ...]

_JOINED = 5  # steps of which every joining is looked for; there are 16 of so many


def key_path(name: str) -> KeyPath:
    """Return the path that a name such as ``optimizer.lr`` stands for."""
    return tuple(name.split("."))


def name_of(path: KeyPath) -> str:
    """Return the name of a path, as a person would write it."""
    return ".".join(map(str, path))


def column_of(path: KeyPath) -> KeyPath:
    """Return the part of a path that names a column: the first step, and text steps after it."""
    return (*path[:1], *takewhile(lambda step: type(step) is str, path[1:]))


def spellings(path: KeyPath) -> list[KeyPath]:
    """Return the paths that are tried for a path, in this order: nested before flat.

    Of a path with more than five steps only the nested and the flat one are.

    >>> spellings(("a", "b", "c"))
    [('a', 'b', 'c'), ('a', 'b.c'), ('a.b', 'c'), ('a.b.c',)]
    """
    if len(path) < 2 or not all(type(step) is str for step in path):
        return [path]
    if len(path) > _JOINED:
        return [path, (".".join(path),)]
    return [
        (".".join(path[:count]), *rest) for count in range(1, len(path)) for rest in spellings(path[count:])
    ] + [(".".join(path),)]


def lookup(data: Mapping[Any, Any], path: KeyPath) -> Any:
    """Return what stands under a path; `MISSING` where there is nothing, None where there is null."""
    column = column_of(path)
    for spelling in spellings(column):
        value: Any = data
        for step in spelling:
            if not isinstance(value, Mapping) or step not in value:
                break
            value = value[step]
        else:
            for step in path[len(column) :]:
                value = item(value, step)
            return value
    return MISSING


def item(value: Any, step: Any) -> Any:
    """Return what stands under a key or an index of plain data; None where there is nothing."""
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, (list, str)) and type(step) is int and -len(value) <= step < len(value):
        return value[step]
    return None
