"""JSON of other people: data alone, and never more of it than memory holds.

Read as Python's `json` reads it, so ``NaN`` and ``Infinity`` are numbers. Refused are a key given twice in
one object, more than 200 levels, and numbers of thousands of digits.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from coolrunner.yamlio import to_plain

__all__ = ["BadJsonError", "parse_json", "read_json"]

_DEPTH_LIMIT = 200  # what plain data may have
_NESTED = (dict, list)


class BadJsonError(ValueError):
    """A text is no JSON, or none that is taken; `place` is the line and the column, where they are known."""

    def __init__(self, why: str, place: str = "") -> None:
        super().__init__(why)
        self.place = place

    def at(self, name: str) -> str:
        """Return what is wrong behind the name of the file, the line and the column."""
        return f"{name}:{self.place}: {self}" if self.place else f"{name}: {self}"


def read_json(path: str | Path, limit: int) -> Any:
    """Return what a JSON file in UTF-8 holds.

    Parameters
    ----------
    path
        The file.
    limit
        Bytes that it may have.

    Raises
    ------
    BadJsonError
        It holds none, or is larger.
    OSError
        It cannot be read.
    """
    with Path(path).open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise BadJsonError(f"larger than {limit >> 20} MiB, and not read")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadJsonError(f"not UTF-8: byte 0x{data[error.start]:02x} cannot be read", str(line)) from None
    return parse_json(text)


def parse_json(text: str, line: int = 0) -> Any:
    """Return the plain data that a text is.

    Parameters
    ----------
    text
        JSON.
    line
        The line at which it stands, for the error, where it is one line of many.

    Raises
    ------
    BadJsonError
        It is none; says where.
    """
    here = str(line) if line else ""
    try:
        value = _decode(text)
        if text.count("[") + text.count("{") > _DEPTH_LIMIT and _is_deep(value):
            raise BadJsonError("nested too deeply")
    except json.JSONDecodeError as error:
        words = error.msg.removesuffix(" at")
        why = "empty" if not text.strip() else f"not JSON: {words[:1].lower()}{words[1:]}"
        raise BadJsonError(why, f"{line or error.lineno}:{error.colno}" if text.strip() else here) from None
    except BadJsonError as error:
        raise BadJsonError(str(error), here) from None
    except RecursionError:
        raise BadJsonError("nested too deeply", here) from None
    except ValueError:  # Python reads no whole number of thousands of digits
        raise BadJsonError("a number in it has too many digits", here) from None
    # Halves of characters, which no file can hold, are written \udc80.
    return to_plain(value) if "\\ud" in text or "\\uD" in text else value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        met: set[str] = set()
        for key, _ in pairs:
            if key in met:
                raise BadJsonError(f"the key {key[:60]!r} is given twice in one object")
            met.add(key)
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEPTH_LIMIT):
        inner: list[Any] = []
        for item in level:
            if type(item) is dict:
                inner += [part for part in item.values() if type(part) in _NESTED]
            elif type(item) is list:
                inner += [part for part in item if type(part) in _NESTED]
        if not inner:
            return False
        level = inner
    return True


# Made once: that takes longer than to read a line.
_decode = json.JSONDecoder(object_pairs_hook=_object).decode
