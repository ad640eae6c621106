"""Plain data in SQLite: what it knows itself as it is, everything else as JSON in a blob.

Integers of 64 bits, floats and texts are SQLite's own. Truth values, null, nan, larger integers, lists,
mappings, dates and bytes are JSON in a blob, in which mappings are ``{"map": [[key, value], ...]}`` (their
keys may be of any type), dates ``{"date": "2026-11-21"}``, times ``{"time": ...}``, bytes ``{"bytes": ...}``
in base64, and integers beyond all measure ``{"int": "0x..."}``. A key that a row lacks is SQLite's null.
"""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Sequence
from typing import Any

from coolrunner.results.parts import MISSING

__all__ = [
    "INT64",
    "decode_all",
    "decoded",
    "encoded",
    "from_json",
    "gathered",
    "kind_of",
    "spread",
    "to_json",
]

Path = tuple[Any, ...]

#: A nested mapping with more keys than this is one value, such as a list is.
WIDEST = 256
#: So is one that is nested more deeply.
DEEPEST = 16

#: The first integer that does not fit into 64 bits.
INT64 = 1 << 63
_WIDEST_INT = 10**600  # Python reads and writes no more than a few thousand decimal digits
_NUMBERS = frozenset({int, float})
_MODERATE = 500
_MEMO = 1_000
_AS_THEY_ARE = frozenset({str, float, bool, type(None)})
_SCALARS = _AS_THEY_ARE | {int}
_OWN = frozenset({str, int, float})
_NONE = type(None)
_from_json = json.JSONDecoder().decode
_to_json = json.JSONEncoder(separators=(",", ":")).encode
_BLOBS: dict[bytes, Any] = {b"true": True, b"false": False, b"null": None, b"NaN": float("nan")}
_KINDS = {
    str: "str",
    int: "int",
    float: "float",
    bool: "bool",
    type(None): "none",
    list: "list",
    dict: "map",
    bytes: "bytes",
    datetime.date: "date",
    datetime.datetime: "date",
}


def kind_of(kind: type) -> str:
    """Return what a type of plain data is called in a table: int, float, str, bool, none, list, ..."""
    return _KINDS.get(kind, kind.__name__)


def spread(value: dict[Any, Any]) -> tuple[list[Path], list[Any]]:
    """Return the leaves of a nested mapping: their paths and their values, in its own order.

    Empty mappings, those with more than `WIDEST` keys, and those deeper than `DEEPEST`, are leaves.
    """
    paths: list[Path] = []
    leaves: list[Any] = []
    for key, item in value.items():
        if type(item) is dict and item:
            _spread(item, (key,), paths, leaves)
        else:
            paths.append((key,))
            leaves.append(item)
    return paths, leaves


def _spread(value: dict[Any, Any], before: Path, paths: list[Path], leaves: list[Any]) -> None:
    if len(value) > WIDEST or len(before) >= DEEPEST:
        paths.append(before)
        leaves.append(value)
        return
    for key, item in value.items():
        if type(item) is dict and item:
            _spread(item, (*before, key), paths, leaves)
        else:
            paths.append((*before, key))
            leaves.append(item)


def gathered(paths: Sequence[Path], leaves: Sequence[Any]) -> dict[Any, Any]:
    """Return the nested mapping that `spread` was given."""
    value: dict[Any, Any] = {}
    for path, leaf in zip(paths, leaves, strict=True):
        if len(path) == 1:
            value[path[0]] = leaf
            continue
        inner = value
        for step in path[:-1]:
            inner = inner.setdefault(step, {})
        inner[path[-1]] = leaf
    return value


def encoded(value: Any) -> int | float | str | bytes | None:
    """Return a value as SQLite keeps it."""
    kind = type(value)
    if kind is float:
        return b"NaN" if value != value else value if value else to_json(value).encode()
    if kind is int and -INT64 <= value < INT64:
        return int(value)
    if kind is bool:
        return b"true" if value else b"false"
    if kind is str:
        try:
            value.encode()
        except UnicodeEncodeError:  # half of a surrogate pair
            return to_json(value).encode()
        return str(value)
    if value is MISSING:
        return None
    if kind is list and _NUMBERS.issuperset(map(type, value)):
        # Quicker by half, and JSON but for nan, inf and what is beyond all measure.
        text = repr(value)
        if len(text) < _MODERATE and "n" not in text:
            return text.encode()
    return to_json(value).encode()


def decoded(value: Any) -> Any:
    """Return what `encoded` was given."""
    if type(value) is bytes:
        try:
            return _BLOBS[value]
        except KeyError:
            return from_json(value)
    return MISSING if value is None else value


def to_json(value: Any) -> str:
    """Return plain data as JSON, from which `from_json` makes the same again."""
    return _to_json(_tagged(value))


def from_json(text: str | bytes) -> Any:
    """Return what `to_json` was given."""
    if isinstance(text, bytes):
        text = text.decode()
    value = _from_json(text)
    return _untagged(value) if "{" in text else value


def _tagged(value: Any) -> Any:
    kind = type(value)
    if kind is list:
        if _AS_THEY_ARE.issuperset(map(type, value)):
            return value
        return [_tagged(item) for item in value]
    if kind is dict:
        return {"map": [[_tagged(key), _tagged(item)] for key, item in value.items()]}
    if kind is datetime.datetime:
        return {"time": value.isoformat()}
    if kind is datetime.date:
        return {"date": value.isoformat()}
    if kind is int and not -_WIDEST_INT < value < _WIDEST_INT:
        return {"int": hex(value)}
    if kind is bytes:
        return {"bytes": base64.b64encode(value).decode()}
    if kind is tuple:  # as the key of a mapping
        return {"tuple": [_tagged(item) for item in value]}
    return value


def _untagged(value: Any) -> Any:
    if type(value) is list:
        return [_untagged(item) for item in value]
    if type(value) is not dict:
        return value
    ((tag, inner),) = value.items()
    if tag == "map":
        return {_untagged(key): _untagged(item) for key, item in inner}
    if tag == "time":
        return datetime.datetime.fromisoformat(inner)
    if tag == "date":
        return datetime.date.fromisoformat(inner)
    if tag == "int":
        return int(inner, 16)
    if tag == "bytes":
        return base64.b64decode(inner)
    return tuple(_untagged(item) for item in inner)


def decode_all(values: Sequence[Any]) -> list[Any]:
    """Return what `encoded` was given, of many values; quicker than one by one."""
    kinds = set(map(type, values))
    if bytes not in kinds:
        return [MISSING if value is None else value for value in values] if _NONE in kinds else list(values)
    known: dict[bytes, list[Any]] = {}  # lists of numbers or texts, many of which are the same
    return [value if type(value) in _OWN else _decoded_again(value, known) for value in values]


def _decoded_again(value: Any, known: dict[bytes, list[Any]]) -> Any:
    if type(value) is not bytes:
        return decoded(value)
    if value in known:
        return known[value].copy()
    found = decoded(value)
    if type(found) is list and len(known) < _MEMO and _SCALARS.issuperset(map(type, found)):
        known[value] = found.copy()
    return found
