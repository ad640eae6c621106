"""Python data as JSON and back, types included.

What JSON knows stands there as it is, so that a plain configuration is plain JSON. Everything else is a
mapping of one key that begins with ``!``:

====================================================  ==============================================
``{"!tuple": [1, 2]}``                                also ``!set``, ``!frozenset``
``{"!map": [[0, "a"], [1, "b"]]}``                    a mapping whose keys are not all strings
``{"!float": "nan"}``                                 also ``inf``, ``-inf``
``{"!complex": [1.0, 2.0]}``
``{"!bytes": "AAE="}``                                also ``!bytearray``, in base64
``{"!datetime": "2026-11-21T06:23:29"}``              also ``!date``, ``!time``, in ISO 8601
``{"!timedelta": [1, 2, 3]}``                         days, seconds, microseconds
``{"!decimal": "0.10"}``, ``{"!path": "data/a.txt"}``
====================================================  ==============================================

A type that is derived from one of Python's own (a named tuple, an ordered or a read-only mapping) comes
back as that one. What else there is in the data (arrays, tables, models) is a leaf, and the business of
whoever codes.
"""

from __future__ import annotations

import base64
import datetime
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

__all__ = ["DEEPEST", "decode", "encode", "json_text"]

#: How deep lists and mappings may be nested, before they are taken to be in themselves.
DEEPEST = 200

#: Makes a node of a leaf; it is given the leaf and where it stands.
LeafEncoder = Callable[[Any, tuple[str, ...]], Any]
#: Makes a leaf of a tag and the value that belongs to it; `NotImplemented` where it does not know the tag.
LeafDecoder = Callable[[str, Any], Any]

_UNCHANGED = frozenset({type(None), bool, int, str})
_NUMBERS = frozenset({int, float})
# What has a form of its own, whichever type of it an object is.
_BASES: tuple[Any, ...] = (bool, int, float, str, bytes, bytearray, tuple, list, frozenset, set, complex)


def encode(
    value: Any, leaf: LeafEncoder, *, keys: frozenset[type] = frozenset({str}), place: tuple[str, ...] = ()
) -> Any:
    """Return a value as what JSON can hold.

    Parameters
    ----------
    value
        Any Python object.
    leaf
        What to do with all that is not Python's own data.
    keys
        The types that a key may have in the text that is to be written.
    place
        Where the value stands.

    Raises
    ------
    TypeError
        It is nested too deeply, or in itself.
    """
    return _Encoder(leaf, keys).node(value, place, 0)


class _Encoder:
    def __init__(self, leaf: LeafEncoder, keys: frozenset[type]) -> None:
        self._leaf = leaf
        self._keys = keys

    def node(self, value: Any, place: tuple[str, ...], depth: int) -> Any:
        kind = type(value)
        if kind in _UNCHANGED:
            return value
        if kind is float:
            return value if math.isfinite(value) else {"!float": str(value)}
        if depth > DEEPEST:
            raise TypeError(f"it is nested too deeply, or in itself{_at(place)}")
        if kind is dict:
            return self._mapping(value, place, depth)
        if kind is list:
            return self._items(value, place, depth)
        if kind is tuple:
            return {"!tuple": self._items(value, place, depth)}
        return self._other(value, place, depth)

    def _items(self, values: Iterable[Any], place: tuple[str, ...], depth: int) -> list[Any]:
        values = values if isinstance(values, (list, tuple)) else list(values)
        kinds = set(map(type, values))
        if kinds <= _UNCHANGED or (kinds <= _NUMBERS and _all_finite(values)):
            return list(values)  # a million numbers need not be looked at one by one
        return [
            item if type(item) in _UNCHANGED else self.node(item, (*place, str(i)), depth + 1)
            for i, item in enumerate(values)
        ]

    def _mapping(self, value: Mapping[Any, Any], place: tuple[str, ...], depth: int) -> dict[str, Any]:
        plain = set(map(type, value)) <= self._keys
        if plain and len(value) == 1:
            (key,) = value
            plain = not (type(key) is str and key.startswith("!"))
        if plain:
            return {
                key: item if type(item) in _UNCHANGED else self.node(item, (*place, str(key)), depth + 1)
                for key, item in value.items()
            }
        pairs = []
        for key, item in value.items():
            inside = (*place, str(key))
            pairs.append([self.node(key, inside, depth + 1), self.node(item, inside, depth + 1)])
        return {"!map": pairs}

    def _other(self, value: Any, place: tuple[str, ...], depth: int) -> Any:
        node = self._leaf(value, place)
        if node is not NotImplemented:
            return node
        for base in _BASES:
            if isinstance(value, base):
                if type(value) is base:
                    return self._builtin(value, place, depth)
                # Its own idea of itself (the text of an enumeration) is not asked for.
                return self.node(str.__str__(value) if base is str else base(value), place, depth)
        if isinstance(value, Mapping):
            return self._mapping(value, place, depth)
        if isinstance(value, datetime.datetime):
            return {"!datetime": value.isoformat()}
        if isinstance(value, datetime.date):
            return {"!date": value.isoformat()}
        if isinstance(value, datetime.time):
            return {"!time": value.isoformat()}
        if isinstance(value, datetime.timedelta):
            return {"!timedelta": [value.days, value.seconds, value.microseconds]}
        if isinstance(value, Decimal):
            return {"!decimal": str(value)}
        if isinstance(value, os.PathLike):
            return {"!path": self.node(os.fspath(value), place, depth)}
        from coolrunner.runs.savers.base import type_name

        raise TypeError(f"nothing is known that saves a value of type {type_name(value)}{_at(place)}")

    def _builtin(self, value: Any, place: tuple[str, ...], depth: int) -> Any:
        if isinstance(value, (bytes, bytearray)):
            return {f"!{type(value).__name__}": base64.b64encode(value).decode()}
        if isinstance(value, complex):
            return {"!complex": [self.node(value.real, place, depth), self.node(value.imag, place, depth)]}
        try:
            ordered: Iterable[Any] = sorted(value)  # the same text for the same set
        except TypeError:
            ordered = value
        return {f"!{type(value).__name__}": self._items(ordered, place, depth)}


def _all_finite(values: Iterable[Any]) -> bool:
    try:
        return all(map(math.isfinite, values))
    except OverflowError:  # an integer that no float can be
        return False


def _at(place: tuple[str, ...]) -> str:
    return f" (at {'.'.join(place)[:80]})" if place else ""


def decode(node: Any, leaf: LeafDecoder) -> Any:
    """Return the value that `encode` has made a node of.

    Parameters
    ----------
    node
        As read from JSON or YAML.
    leaf
        What to do with tags that are not Python's own data.

    Raises
    ------
    ValueError, TypeError, KeyError
        A tag has a value that it cannot have.
    """
    if type(node) is list:
        return [decode(item, leaf) if type(item) in _HOLDERS else item for item in node]
    if type(node) is not dict:
        return node
    if len(node) == 1:
        ((key, content),) = node.items()
        if type(key) is str and key.startswith("!"):
            return _tagged(node, key, content, leaf)
    return {key: decode(item, leaf) if type(item) in _HOLDERS else item for key, item in node.items()}


_HOLDERS = frozenset({list, dict})

_MAKERS: dict[str, Callable[[Any], Any]] = {
    "!tuple": tuple,
    "!set": set,
    "!frozenset": frozenset,
    "!float": float,
    "!complex": lambda parts: complex(*parts),
    "!bytes": base64.b64decode,
    "!bytearray": lambda text: bytearray(base64.b64decode(text)),
    "!datetime": datetime.datetime.fromisoformat,
    "!date": datetime.date.fromisoformat,
    "!time": datetime.time.fromisoformat,
    "!timedelta": lambda parts: datetime.timedelta(*parts),
    "!decimal": Decimal,
    "!path": Path,
}


def _tagged(node: dict[str, Any], tag: str, content: Any, leaf: LeafDecoder) -> Any:
    if tag == "!map":
        return {decode(key, leaf): decode(item, leaf) for key, item in content}
    maker = _MAKERS.get(tag)
    if maker is not None:
        return maker(decode(content, leaf))
    value = leaf(tag, content)
    if value is not NotImplemented:
        return value
    return {tag: decode(content, leaf)}  # a file of somebody else's


def json_text(node: Any) -> str:
    """Return what `encode` gave as JSON; a mapping has a line for each of its keys."""
    if type(node) is not dict or not node:
        return _dumped(node) + "\n"
    lines = (f"  {_dumped(key)}: {_dumped(item)}" for key, item in node.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _dumped(node: Any) -> str:
    text = json.dumps(node, ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can escape
        return json.dumps(node, allow_nan=False)
    return text
