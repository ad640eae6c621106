"""What a text in a table means: a number where it is written as one, and otherwise itself.

- A whole number is written without leading zeros and without a plus: ``42``, ``-7``. ``007`` and ``+5`` are
  codes, and stay texts.
- Any other number has a point or an exponent, or both: ``0.5``, ``1e-3``, ``.5``, ``-2.5E+10``; ``nan``,
  ``inf`` and ``-inf`` in any case are numbers too.
- ``true`` and ``false`` are truth values, also as ``True`` and ``TRUE``.
- A list is one in JSON: ``[64, 64]``, as Coolrunner writes it.
- An empty text is a missing value. Everything else is a text, with the spaces around it.
"""

from __future__ import annotations

import re
from typing import Any

from coolrunner.results.loaders.jsontext import BadJsonError, parse_json

__all__ = ["is_code", "typed"]

_INT = re.compile(r"(?:0|-?[1-9][0-9]{0,599})\Z")
_FLOAT = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")
_CODE = re.compile(r"(?:\+[0-9.]|-?0[0-9])[0-9.]*(?:[eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NOT_FINITE = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}
_LIST_LIMIT = 100_000  # characters of a list


def typed(text: str) -> Any:
    """Return the value that a text which is not empty stands for."""
    first = text[:1]
    if first in "-.0123456789" and first:
        if _INT.match(text):
            return int(text)
        if _FLOAT.match(text):
            return float(text)
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= 4 and text.lower() in _NOT_FINITE:
        return _NOT_FINITE[text.lower()]
    if first == "[" and text[-1] == "]" and len(text) <= _LIST_LIMIT:
        try:
            return parse_json(text)
        except BadJsonError:
            return text
    return text


def is_code(text: str) -> bool:
    """Tell whether a text looks like a number, but is written as no number is: ``007``, ``+5``."""
    return _CODE.match(text) is not None
