"""Plain lines read quickly: the text of a document of a log to data, and to its canonical form.

A log of 100,000 documents is mostly lines such as ``lr: 0.1``. Lines that can mean only one thing are taken
as they stand, their scalars by PyYAML's tables; a document with anything else in it goes to libyaml as a
whole, so both ways agree. What a line says is remembered, for most lines of a log come many times.

A document is read in *blocks*: a line at the margin, with the lines below it that are indented or begin
with ``- ``. One that, read alone, is a single key with its value is that in its document as well.
"""

from __future__ import annotations

import re
from typing import Any

from coolrunner.errors import YamlError
from coolrunner.yamlio.plain import canonical
from coolrunner.yamlio.reading import load, read_documents
from coolrunner.yamlio.scalars import resolve_plain
from coolrunner.yamlio.source import Source, moved

__all__ = ["Item", "canonical_of", "read_items", "read_text", "read_whole", "value_of"]

#: A key, its value, which is shared, and both in their canonical form.
Item = tuple[Any, Any, str]

_LINE = re.compile(r"( *)([A-Za-z_][A-Za-z0-9_.-]{0,99}):(?: (.+))?\Z")  # a simple key is short
_ITEM = re.compile(r"( *)- (.+)\Z")
_INT = re.compile(r"(?:0|-?[1-9][0-9]{0,17})\Z")
_FLOAT = re.compile(r"-?[0-9]+\.[0-9]+(?:e[-+][0-9]+)?\Z")
# A plain scalar that cannot be anything else: no indicator, no ": ", no " #", no end in ":".
_PLAIN = re.compile(r"[A-Za-z0-9_./](?:[A-Za-z0-9_./()+*%-]|:(?! )| (?=[A-Za-z0-9_./]))*(?<!:)\Z")
_FLOW_PLAIN = re.compile(r"[A-Za-z0-9_./](?:[A-Za-z0-9_./()+*%-]| (?=[A-Za-z0-9_./]))*\Z")
_QUOTED = re.compile(r"'((?:[\x20-\x26\x28-\x7e]|'')*)'\Z")
_DOUBLE = re.compile('"(?:[^"\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]|\\\\.)*"\\Z')
# Lines that come but once are mostly one of these four: a float, an integer, a text in quotes, a word. No
# table has a word of more than five letters, or one that begins with another letter than these five.
_SIMPLE = re.compile(
    r"([A-Za-z_][A-Za-z0-9_.-]{0,99}): "
    r"(?:(-?[0-9]{1,40}\.[0-9]{1,40}(?:e[-+][0-9]{1,4})?)"
    r"|(0|-?[1-9][0-9]{0,17})"
    r"|'([\x20-\x26\x28-\x7e]{0,200})'"
    r"|([A-Za-z_/][A-Za-z0-9_./()+*%-]{5,200}|[^\W\dfnotyFNOTY][A-Za-z0-9_./()+*%-]{0,4}))\Z",
    re.ASCII,
)
_COMMENT = re.compile(r" *(?:#.*)?\Z")
_TEXT_LIMIT = 8_000_000  # characters; of a longer text the lines alone fill the memory
_DEPTH_LIMIT = 100
_SCALAR_LIMIT = 10_000  # characters; libyaml reads longer texts in less memory than these patterns
_NESTED = object()
_OTHER = object()
_NOTHING = (0, "", _OTHER)  # a comment, or a blank line

_FOLD = "\x01"  # in place of the line breaks in a block; YAML does not allow it anywhere
_NO_ITEM: Item = (_OTHER, None, "")  # a comment, or a blank line
_blocks: dict[str, Item] = {}
#: Keys that are strings, with the beginning of the canonical form of their items.
_names: dict[str, str] = {}
_NAMES_LIMIT = 10_000
_MEMO_LIMIT = 50_000
_MEMO_LENGTH = 500  # characters; a long block seldom comes twice


class _NotPlain(Exception):
    """It takes more than the few rules here."""


def read_text(text: str, name: str = "text", line: int = 1) -> Any:
    """Return the data of the text of one document.

    Parameters
    ----------
    text
        The text of a `coolrunner.yamlio.RawDocument`.
    name, line
        The file and the line where the text begins, for the error.

    Raises
    ------
    YamlError
        It is not YAML, or gives a key twice.
    """
    items = read_items(text)
    return value_of(items) if items is not None else read_whole(text, name, line)


def read_whole(text: str, name: str = "text", line: int = 1) -> Any:
    """Do what `read_text` does, by libyaml."""
    try:
        documents = list(read_documents(Source(name, text)))
    except YamlError as error:
        raise moved(error, line - 1) from None
    return documents[0].value if documents else None


def read_items(text: str) -> list[Item] | None:
    """Return the items of the mapping that `text` is; None where that takes more than a few rules."""
    if _FOLD in text or len(text) > _TEXT_LIMIT:
        return None
    folded = text.removesuffix("\n").replace("\n ", "\x01 ").replace("\n-", "\x01-")
    known = _blocks.get
    try:
        items = [known(block) or _read_block(block) for block in folded.split("\n")]
    except _NotPlain:
        return None
    keys = {item[0] for item in items}
    if _OTHER in keys:
        items = [item for item in items if item is not _NO_ITEM]
        keys.discard(_OTHER)
    return items if items and len(keys) == len(items) else None


def value_of(items: list[Item]) -> dict[Any, Any]:
    """Return the mapping of some items, which shares nothing with them."""
    return {key: value if type(value) not in _MUTABLE else _copied(value) for key, value, _ in items}


def canonical_of(items: list[Item]) -> str:
    """Return the canonical form of the mapping of some items, as of `coolrunner.yamlio.canonical`."""
    return f"{{{','.join(sorted([form for _, _, form in items]))}}}"


_MUTABLE = frozenset({list, dict})


def _copied(value: Any) -> Any:
    copy = value.copy()
    for place, inner in enumerate(value) if type(value) is list else value.items():
        if type(inner) in _MUTABLE:
            copy[place] = _copied(inner)
    return copy


def _read_block(block: str) -> Item:
    """Return the item that a block is, and remember it."""
    simple = _SIMPLE.match(block)
    if simple is not None and (name := _names.get(simple[1])):
        # The greater part of all lines that come but once, and the same as below in half the time.
        kind = simple.lastindex or 0
        key, text = simple[1], simple[kind]
        value = float(text) if kind == 2 else int(text) if kind == 3 else text
        item = (key, value, f"{name}{value:#x}" if kind == 3 else f"{name}{value!r}")
        if len(_blocks) >= _MEMO_LIMIT:
            _blocks.clear()
        _blocks[block] = item
        return item
    if _FOLD in block:
        mapping = _read_lines(block.replace(_FOLD, "\n"))
        if mapping is _OTHER or len(mapping) != 1:
            raise _NotPlain
        ((key, value),) = mapping.items()
    else:
        line = _read_line(block)
        if line is None or line[0]:
            raise _NotPlain
        _, key, value = line
        if value is _NESTED:
            value = None
        if not key and value is not _OTHER:
            raise _NotPlain  # "- 64" at the beginning of a document
    item = (key, value, f"{key!r}:{canonical(value)}") if key else _NO_ITEM
    if key and len(_names) < _NAMES_LIMIT:
        _names[key] = f"{key!r}:"
    if len(block) <= _MEMO_LENGTH:
        if len(_blocks) >= _MEMO_LIMIT:
            _blocks.clear()
        _blocks[block] = item
    return item


def _read_lines(text: str) -> Any:
    """Return the mapping that a text of several lines is, or `_OTHER`."""
    result: dict[str, Any] = {}
    mapping, level = result, 0
    outer: list[tuple[dict[str, Any], int]] = []
    waiting = ""  # the key of a line such as "optimizer:", whose value may follow
    items: list[Any] | None = None  # the list that "- 64" lines add to, and how far they are indented
    inset = 0
    for line in text.split("\n"):
        item = _read_line(line)
        if item is None:
            return _OTHER
        if item is _NOTHING:
            continue
        indent, key, value = item
        if not key:
            if waiting and indent >= level:
                items, inset = [], indent
                mapping[waiting], waiting = items, ""
            elif items is None or indent != inset:
                return _OTHER
            items.append(value)
            continue
        items = None
        if indent != level:
            if indent > level:
                if not waiting or len(outer) > _DEPTH_LIMIT:
                    return _OTHER
                outer.append((mapping, level))
                inner: dict[str, Any] = {}
                mapping[waiting] = inner
                mapping, level = inner, indent
            else:
                while indent < level and outer:
                    mapping, level = outer.pop()
                if indent != level:
                    return _OTHER
        if key in mapping:
            return _OTHER
        if value is _NESTED:
            waiting = key
            mapping[key] = None
        else:
            waiting = ""
            mapping[key] = value
    return result or _OTHER


def _read_line(line: str) -> tuple[int, str, Any] | None:
    match = _LINE.match(line)
    key = ""
    if match is not None:
        spaces, key, text = match.groups()
        if resolve_plain(key) != key:
            return None  # "yes:" and "null:" are no strings
        if text is None:
            return len(spaces), key, _NESTED
    elif (match := _ITEM.match(line)) is not None:
        spaces, text = match.groups()
    else:
        return _NOTHING if _COMMENT.match(line) else None
    value = _read_flow(text[1:-1]) if text[0] == "[" and text[-1] == "]" else _read_scalar(text, _PLAIN)
    return None if value is _OTHER else (len(spaces), key, value)


def _read_scalar(text: str, plain: re.Pattern[str]) -> Any:
    if len(text) > _SCALAR_LIMIT:
        return _OTHER
    first = text[0]
    if first == "'":
        quoted = _QUOTED.match(text)
        return quoted[1].replace("''", "'") if quoted else _OTHER
    if first == '"':
        return _read_double(text)
    if first in "-0123456789":
        if _FLOAT.match(text):
            return float(text)
        if _INT.match(text):
            return int(text)
    if plain.match(text):
        try:
            return resolve_plain(text)
        except ValueError:
            return _OTHER
    return _OTHER


def _read_double(text: str) -> Any:
    if not _DOUBLE.match(text):
        return _OTHER
    try:
        return load(text)
    except YamlError:
        return _OTHER


def _read_flow(text: str) -> Any:
    if "'" in text or '"' in text or "[" in text or not text:
        return [] if not text else _OTHER
    values = []
    for part in text.split(", "):
        value = _read_scalar(part, _FLOW_PLAIN) if part else _OTHER
        if value is _OTHER:
            return _OTHER
        values.append(value)
    return values
