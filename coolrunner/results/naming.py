"""Keys by the names that a person gives them; what may be meant where there is none.

Where no row has a key of the name, the headings of the table are understood: ``id``, ``status``, ``started``,
``marks``, ``tags`` and ``note``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from coolrunner.errors import UsageError, nearest
from coolrunner.results.annotations import MARKS, NOTE, TAGS
from coolrunner.results.joining import STATUS
from coolrunner.results.parts import MISSING, Role
from coolrunner.results.query import KeyPath, Query, name_of, spellings
from coolrunner.results.rows import KeyInfo, Rows

__all__ = [
    "HANDLE",
    "OF_TABLES",
    "STARTED",
    "column_named",
    "column_spelled",
    "key_named",
    "known_path",
    "leads",
    "merged",
    "unknown_keys",
]

#: Where the short ids of rows are kept, which no key of a row can be called.
HANDLE: KeyPath = ("", "id")
STARTED: KeyPath = ("STARTED",)
#: The headings that stand in tables for keys of another name.
OF_TABLES: dict[str, KeyPath] = {
    "id": HANDLE,
    "status": STATUS,
    "started": STARTED,
    "marks": MARKS,
    "tags": TAGS,
    "note": NOTE,
}
_LISTED = 10


def key_named(rows: Rows, name: str, label: str) -> KeyInfo:
    """Return a key that a person named.

    Raises
    ------
    UsageError
        No row has it; says what it may be called.
    """
    path = known_path(rows, name)
    if path is None:
        raise UsageError(f"{label} {name}: no result has this key{_hint(rows, name)}")
    return next(key for key in rows.keys if key.path == path)


def known_path(rows: Rows, name: str) -> KeyPath | None:
    """Return the path of the key with a name, or of what tables call so; None where no row has it."""
    known = {key.path for key in rows.keys}
    return next((path for path in (rows.path(name), OF_TABLES.get(name)) if path in known), None)


def _hint(rows: Rows, name: str) -> str:
    """Return which key may be meant."""
    names = list(dict.fromkeys(key.name for key in rows.keys if key.path[0]))
    small = name.lower()
    ways = (
        [each for each in names if each.replace("/", ".").rpartition(".")[2].lower() == small],
        [each for each in names if each.startswith(f"{name}.")],
        [nearest(name, names)],
        [each for each in names if len(small) > 1 and small in each.lower()],
    )
    meant = next((found[:3] for found in ways if any(found)), [])
    if meant:
        return f"; did you mean {' or '.join(meant)}?"
    telling = list(dict.fromkeys(key.name for key in rows.keys if key.role is not Role.INFO))
    return f"; there are {', '.join(telling[:_LISTED])}{', ...' if len(telling) > _LISTED else ''}"


def unknown_keys(rows: Rows, queries: Iterable[Query]) -> list[str]:
    """Return a line for each key of some questions that no row has, with the nearest one."""
    paths = dict.fromkeys(path for query in queries for path in query.paths)
    lines = []
    for path in paths if len(rows) else ():
        spelled = [*spellings(path), *_of_tables(path)]
        if not any(leads(key.path, each) for each in spelled for key in rows.keys):
            name = name_of(path)
            lines.append(f"no result has {name}{_hint(rows, name)}")
    return lines


def leads(key: KeyPath, path: KeyPath) -> bool:
    """Whether one of two paths leads through the other."""
    size = min(len(key), len(path))
    return key[:size] == path[:size]


# --- one column of several keys ---


def column_named(rows: Rows, name: str) -> list[Any]:
    """Return the values of all keys that are written like this: a nested one, and a flat one with dots."""
    paths = [key.path for key in rows.keys if key.name == name]
    return merged(rows.columns(paths or [known_path(rows, name) or rows.path(name)]))


def column_spelled(rows: Rows, path: KeyPath) -> list[Any]:
    """Return the values under a path of a question, however it is spelled in the rows."""
    spelled = [each for each in spellings(path) if any(leads(key.path, each) for key in rows.keys)]
    return merged(rows.columns(spelled or _of_tables(path) or [path]))


def _of_tables(path: KeyPath) -> list[KeyPath]:
    """Return the key that a path means where no row has it, if it is a heading of the table."""
    return [OF_TABLES[path[0]]] if len(path) == 1 and path[0] in OF_TABLES else []


def merged(columns: Sequence[list[Any]]) -> list[Any]:
    """Return one column of several: of each row the first value that it has."""
    if len(columns) == 1:
        return columns[0]
    return [
        next((value for value in values if value is not MISSING), MISSING)
        for values in zip(*columns, strict=True)
    ]
