"""Streams of documents as text: split without reading, read quickly where the text is plain.

A log of 100,000 documents is mostly lines such as ``lr: 0.1``. `split_documents` cuts a stream into
the texts of its documents, which is all that copying needs. `read_text` gives the data of one such
text: lines that can mean only one thing are taken as they stand, their scalars by PyYAML's tables, and
a document with anything else in it goes to libyaml as a whole, so both ways agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from coolrunner.errors import YamlError
from coolrunner.yamlio.reading import read_documents
from coolrunner.yamlio.scalars import resolve_plain
from coolrunner.yamlio.source import Source, moved

__all__ = ["RawDocument", "read_text", "split_documents"]


@dataclass(frozen=True, slots=True)
class RawDocument:
    """The text of one document in a stream.

    Attributes
    ----------
    text
        Its content without markers, ending with a line break unless the stream ends without one.
    line
        The line of the stream at which `text` begins, from 1.
    comment
        What stands behind ``# `` in its ``---`` line; empty for none.
    ended
        Whether a ``...`` line closes it.
    """

    text: str
    line: int
    comment: str
    ended: bool

    @property
    def empty(self) -> bool:
        """Whether there is nothing in it but blank lines and comments."""
        return all(not line.strip() or line.lstrip().startswith("#") for line in self.text.split("\n"))


_START = re.compile(r"^---(?:[ \t]+|(?=\r?\n)|\Z)", re.MULTILINE)
_END = re.compile(r"^\.\.\.[ \t]*(?:#.*)?\r?(?:\n|\Z)", re.MULTILINE)
_DIRECTIVE = re.compile(r"^%(?:YAML|TAG)[ \t].*\n", re.MULTILINE)


def split_documents(text: str) -> Iterator[RawDocument]:
    """Cut a stream into the texts of its documents; empty ones are left out.

    ``---`` and ``...`` at the start of a line cannot stand inside a document (YAML 1.1, 9.1.2), so
    the cut needs no reading, and a broken document does not hide the next one.
    """
    text = text.removeprefix("\ufeff")
    if "\n%" in text or text.startswith("%"):
        text = _DIRECTIVE.sub("\n", text)
    line = 1
    start = 0
    for match in _START.finditer(text):
        if match.start() > start or start == 0:
            yield from _cut(text[start : match.start()], line, marked=start > 0)
        line += text.count("\n", start, match.end())
        start = match.end()
    yield from _cut(text[start:], line, marked=start > 0)


def _cut(chunk: str, line: int, *, marked: bool) -> Iterator[RawDocument]:
    comment = ""
    if marked:
        first, feed, rest = chunk.partition("\n")
        stripped = first.strip()
        if not stripped or stripped.startswith("#"):
            comment = stripped.removeprefix("#").strip()
            chunk = rest
            line += len(feed)
    while chunk:
        if chunk.endswith("\n...\n") and chunk.find("\n...") == len(chunk) - 5:
            body, after, ended = chunk[:-4], "", True
        elif "..." in chunk and (end := _END.search(chunk)):
            body, after, ended = chunk[: end.start()], chunk[end.end() :], True
        else:
            body, after, ended = chunk, "", False
        document = RawDocument(body, line, comment, ended)
        if body and (body[0] not in "#\r\n \t" or not document.empty):
            yield document
        line += chunk.count("\n") - after.count("\n")
        chunk, comment = after, ""


# --- reading one text ------------------------------------------------------------------------------

_LINE = re.compile(r"( *)([A-Za-z_][A-Za-z0-9_.-]{0,99}):(?: (.+))?\Z")  # a simple key is short
_ITEM = re.compile(r"( *)- (.+)\Z")
_INT = re.compile(r"(?:0|-?[1-9][0-9]{0,17})\Z")
_FLOAT = re.compile(r"-?[0-9]+\.[0-9]+(?:e[-+][0-9]+)?\Z")
# A plain scalar that cannot be anything else: no indicator, no ": ", no " #", no end in ":".
_PLAIN = re.compile(r"[A-Za-z0-9_./](?:[A-Za-z0-9_./()+*%-]|:(?! )| (?=[A-Za-z0-9_./]))*(?<!:)\Z")
_FLOW_PLAIN = re.compile(r"[A-Za-z0-9_./](?:[A-Za-z0-9_./()+*%-]| (?=[A-Za-z0-9_./]))*\Z")
_QUOTED = re.compile(r"'((?:[\x20-\x26\x28-\x7e]|'')*)'\Z")
_COMMENT = re.compile(r" *(?:#.*)?\Z")
_NESTED = object()
_OTHER = object()
_NOTHING = (0, "", _OTHER)  # a comment, or a blank line
_lines: dict[str, tuple[int, str, Any] | None] = {}
_MEMO_LIMIT = 100_000
_MEMO_LENGTH = 200  # characters; a long line seldom comes twice


def read_text(text: str, name: str = "text", line: int = 1) -> Any:
    """Return the data of the text of one document.

    Parameters
    ----------
    text
        The text of a `RawDocument`.
    name, line
        The file and the line where the text begins, for the error.

    Raises
    ------
    YamlError
        It is not YAML, or gives a key twice.
    """
    value = _read_lines(text)
    if value is not _OTHER:
        return value
    try:
        documents = list(read_documents(Source(name, text)))
    except YamlError as error:
        raise moved(error, line - 1) from None
    return documents[0].value if documents else None


def _read_lines(text: str) -> Any:
    """Return the mapping that `text` is, or `_OTHER` where that takes more than these few rules."""
    result: dict[str, Any] = {}
    mapping, level = result, 0
    outer: list[tuple[dict[str, Any], int]] = []
    waiting = ""  # the key of a line such as "optimizer:", whose value may follow
    items: list[Any] | None = None  # the list that "- 64" lines add to, and how far they are indented
    inset = 0
    for line in text.removesuffix("\n").split("\n"):
        try:
            item = _lines[line]
        except KeyError:
            item = _read_line(line)
            if len(line) <= _MEMO_LENGTH:
                if len(_lines) >= _MEMO_LIMIT:
                    _lines.clear()
                _lines[line] = item
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
            items.append(value if type(value) is not list else value.copy())
            continue
        items = None
        if indent != level:
            if indent > level:
                if not waiting:
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
            # Lists are never shared between documents.
            mapping[key] = value if type(value) is not list else value.copy()
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
    value = _read_scalar(text, _PLAIN)
    if value is _OTHER and text[0] == "[" and text[-1] == "]":
        value = _read_flow(text[1:-1])
    return None if value is _OTHER else (len(spaces), key, value)


def _read_scalar(text: str, plain: re.Pattern[str]) -> Any:
    if _FLOAT.match(text):
        return float(text)
    if _INT.match(text):
        return int(text)
    if quoted := _QUOTED.match(text):
        return quoted[1].replace("''", "'")
    if plain.match(text):
        try:
            return resolve_plain(text)
        except ValueError:
            return _OTHER
    return _OTHER


def _read_flow(text: str) -> Any:
    if "'" in text or "[" in text or not text:
        return [] if not text else _OTHER
    values = []
    for part in text.split(", "):
        value = _read_scalar(part, _FLOW_PLAIN)
        if value is _OTHER:
            return _OTHER
        values.append(value)
    return values
