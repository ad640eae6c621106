"""Any Python value to plain data: what YAML, JSON and a table can hold.

numpy and torch are recognised by what their values can do, never by importing them.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Mapping
from typing import Any

from coolrunner.errors import NotPlainError

__all__ = ["canonical", "to_plain"]

_SCALARS = frozenset({type(None), bool, int, float, str, bytes, datetime.date, datetime.datetime})
_SUBCLASSED: tuple[Any, ...] = (int, float, str, bytes)  # by numpy's float64, IntEnum
_DEPTH_LIMIT = 200


def canonical(value: Any) -> str:
    """Return a text that two values of plain data share only if they are equal.

    The order of keys does not matter at any level, the order in lists does; ``1``, ``1.0`` and ``true`` are
    three values, and ``nan`` is itself.
    """
    kind = type(value)
    if kind is dict:
        pairs = [f"{canonical(key)}:{canonical(item)}" for key, item in value.items()]
        return f"{{{','.join(sorted(pairs))}}}"
    if kind is list:
        return f"[{','.join(map(canonical, value))}]"
    # Python writes no integer of thousands of digits in decimals.
    return f"{value:#x}" if kind is int else repr(value)


def to_plain(value: Any, otherwise: Callable[[Any, str], Any] | None = None) -> Any:
    """Return `value` as plain data that shares no list or mapping with it.

    Tuples become lists; numpy and torch scalars and arrays numbers and lists; enumerations their
    value; paths strings; named subclasses of the plain types the plain type itself.

    Parameters
    ----------
    value
        Anything.
    otherwise
        Called with a part that has no plain form and the key path that leads to it (``a.b[0]``); gives
        what stands for it. Without it such a part is an error.

    Raises
    ------
    NotPlainError
        A part has no plain form and `otherwise` is not given.
    """
    return _plain(value, "", otherwise, 0)


def _plain(value: Any, path: str, otherwise: Callable[[Any, str], Any] | None, depth: int) -> Any:
    kind = type(value)
    if kind in _SCALARS:
        if kind is str and not value.isascii():
            return value.encode("utf-8", "backslashreplace").decode()  # lone surrogates have no UTF-8
        if kind is datetime.datetime and value.tzinfo is not None:
            return datetime.datetime.fromisoformat(value.isoformat())  # zones of zoneinfo and the like
        return value
    if depth > _DEPTH_LIMIT:
        return _give_up(value, path, otherwise)
    if isinstance(value, Mapping):
        result: dict[Any, Any] = {}
        for key, item in value.items():
            place = f"{path}.{key}" if path else str(key)
            result[_plain_key(key, place, otherwise)] = _plain(item, place, otherwise, depth + 1)
        return result
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{path}[{i}]", otherwise, depth + 1) for i, item in enumerate(value)]
    simple = _simplified(value)
    if simple is not value:
        return _plain(simple, path, otherwise, depth + 1)
    return _give_up(value, path, otherwise)


def _simplified(value: Any) -> Any:
    """Return a simpler thing that stands for `value`, or `value` itself where there is none."""
    for base in _SUBCLASSED:
        if isinstance(value, base):
            return str.__str__(value) if base is str else base(value)
    if isinstance(value, datetime.datetime):
        return datetime.datetime.fromisoformat(value.isoformat())
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    kind = type(value)
    module = kind.__module__.partition(".")[0]
    try:
        if hasattr(value, "detach") and module == "torch":
            value = value.detach().cpu()
        if hasattr(value, "tolist") and hasattr(value, "shape"):  # numpy, torch, jax, pandas' arrays
            return value.tolist()
        if module in ("tensorflow", "jax", "jaxlib") and hasattr(value, "__array__"):
            return value.__array__().tolist()
        if module == "pandas" and hasattr(value, "to_dict"):
            return value.to_dict()
    except Exception:  # a tensor on a lost device, an array of a strange type: it has no plain form
        return value
    enum_value = getattr(value, "_value_", value)
    return enum_value if enum_value is not value else value


def _plain_key(key: Any, place: str, otherwise: Callable[[Any, str], Any] | None) -> Any:
    plain = _plain(key, place, otherwise, 0)
    return str(key) if isinstance(plain, (list, dict)) else plain


def _give_up(value: Any, path: str, otherwise: Callable[[Any, str], Any] | None) -> Any:
    if otherwise is not None:
        return otherwise(value, path)
    kind = type(value)
    where = f" at {path}" if path else ""
    if isinstance(value, (Mapping, list, tuple)):
        raise NotPlainError(f"the value{where[:80]} is nested too deeply, or in itself, and is no plain data")
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    raise NotPlainError(f"a value of type {name}{where} is no plain data")
