"""What a single YAML scalar means, both ways: text to value, and value to text.

PyYAML's tables decide (YAML 1.1: ``yes`` is true, ``0777`` is octal, ``12:30`` is sexagesimal), with
one addition, that numbers such as ``1e-3`` are floats, as YAML 1.2 and every user expect. What is
written is read alike by plain PyYAML and by us, so a string is quoted when either of the two would
take it for something else.
"""

from __future__ import annotations

import datetime
import math
import re
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.nodes import ScalarNode

__all__ = ["FLOAT_WITHOUT_DOT", "Loader", "block_text", "check_length", "resolve_plain", "scalar_text"]

#: Floats that YAML 1.1 overlooks: no dot, or no sign in the exponent.
FLOAT_WITHOUT_DOT = re.compile(r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)[eE][-+]?[0-9]+\Z")


class Loader(yaml.CSafeLoader):
    """libyaml's safe loader, which also takes ``1e-3`` for a float and ``=`` for a string."""


Loader.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT_WITHOUT_DOT, list("-+0123456789."))
for _tag in ("tag:yaml.org,2002:value", "tag:yaml.org,2002:merge"):
    # As a value these two are plain strings; a merge key is seen to before a key is constructed.
    Loader.add_constructor(_tag, SafeConstructor.construct_yaml_str)  # type: ignore[type-var]

_STR = "tag:yaml.org,2002:str"
_resolver: Any = Loader("")  # only its tables and constructors are used; it reads nothing
_BEGINNINGS = frozenset(_resolver.yaml_implicit_resolvers)  # of all that is no string; "" is null
# Names and words that no table claims, in block and in flow context alike.
_PLAIN_WORD = re.compile(r"[A-Za-z_/][A-Za-z0-9_./()+*-]*(?: [A-Za-z0-9_./()+*][A-Za-z0-9_./()+*-]*)*\Z")
# In a block only ": " and " #" mean something in a line that begins with a letter; a list may end in it.
_PLAIN_LINE = re.compile(r"[A-Za-z_](?:[!-9;-~]|:(?=[!-~])| +(?=[!\"$-~]))*\Z")
_BOOLEANS_ELSEWHERE = frozenset("yYnN")  # to YAML 1.1 itself, though not to PyYAML
_QUOTABLE = re.compile(r"[\x20-\x7e]*\Z")
_resolved: dict[str, Any] = {}
_written: dict[str, str] = {}
_DECIMAL_LIMIT = 10**600  # sys.set_int_max_str_digits cannot go lower than 640 digits
_NUMBER_LIMIT = 20_000  # characters
_LIKE_NUMBER = re.compile(r"[-+]?(?:0[bx][0-9a-fA-F_]+|[0-9_:.]+(?:[eE][-+]?[0-9]+)?)\Z")
_MEMO_LIMIT = 200_000  # scalars remembered each way; a study has few distinct ones
_MEMO_LENGTH = 200  # characters; a long text seldom comes twice


def resolve_plain(text: str) -> Any:
    """Return the value of a plain (unquoted) scalar.

    Raises
    ------
    ValueError
        It looks like a date or a number and is none, such as ``2021-13-45``.
    """
    if text[:1] not in _BEGINNINGS:
        return text
    try:
        return _resolved[text]
    except KeyError:
        pass
    check_length(text)
    tag = _resolver.resolve(ScalarNode, text, (True, False))
    value: Any = text
    if tag != _STR:
        value = _resolver.construct_object(ScalarNode(tag, text), deep=True)
        _resolver.constructed_objects.clear()  # PyYAML would keep each for aliases, for ever
    if len(text) <= _MEMO_LENGTH:
        if len(_resolved) >= _MEMO_LIMIT:
            _resolved.clear()
        _resolved[text] = value
    return value


def check_length(text: str) -> None:
    """Raise where a plain scalar is a number so long that to know it takes all memory, or for ever.

    Raises
    ------
    ValueError
        It is.
    """
    if len(text) > _NUMBER_LIMIT and _LIKE_NUMBER.match(text):
        raise ValueError(f"it has more than {_NUMBER_LIMIT:,} characters")


def _string_text(text: str) -> str | None:
    if (
        _PLAIN_WORD.match(text)
        and _resolver.resolve(ScalarNode, text, (True, False)) == _STR
        and text not in _BOOLEANS_ELSEWHERE
    ):
        return text
    if _QUOTABLE.match(text):
        return "'" + text.replace("'", "''") + "'"
    return None


def block_text(value: Any) -> str | None:
    """Return `value` as in `scalar_text`, good in block context alone: there fewer texts need quotes.

    So an expression stays as a person would write it: ``lr: solve E['pretrain'].lr * 2``.
    """
    text = scalar_text(value)
    if (
        text is not None
        and text[:1] == "'"
        and type(value) is str
        and _PLAIN_LINE.match(value)
        and _resolver.resolve(ScalarNode, value, (True, False)) == _STR
        and value not in _BOOLEANS_ELSEWHERE
    ):
        return value
    return text


def scalar_text(value: Any) -> str | None:
    """Return `value` as a YAML scalar on one line, good in block and in flow context.

    Returns None for what is better left to libyaml's emitter: strings with line breaks or characters
    beyond printable ASCII, bytes, and what is no scalar at all.
    """
    kind = type(value)
    if kind is str:
        try:
            return _written[value]
        except KeyError:
            text = _string_text(value)
            if text is not None and len(text) <= _MEMO_LENGTH:
                if len(_written) >= _MEMO_LIMIT:
                    _written.clear()
                _written[value] = text
            return text
    if kind is int:
        # Python refuses to write more than a few thousand decimal digits; YAML 1.1 knows hexadecimals.
        return repr(value) if -_DECIMAL_LIMIT < value < _DECIMAL_LIMIT else hex(value)
    if kind is float:
        return _float_text(value)
    if kind is bool:
        return "true" if value else "false"
    if value is None:
        return "null"
    if kind is datetime.date:
        return str(value.isoformat())
    return None


def _float_text(value: float) -> str:
    if math.isfinite(value):
        text = repr(value)
        if "e" in text and "." not in text:
            text = text.replace("e", ".0e")  # YAML 1.1 knows no 1e-05
        return text
    if math.isnan(value):
        return ".nan"
    return ".inf" if value > 0 else "-.inf"
