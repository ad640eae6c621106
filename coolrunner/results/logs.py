"""Reading logs: files to experiments, whatever is broken in between.

A log is a stream of mappings. One that Coolrunner wrote has a header, and its documents begin with
``--- # <ID>`` and end with ``...``; logs written by hand or by other tools have plain ``---`` lines.
A document that cannot be used is left out and named, all others are kept: documents are cut apart
without being read, so a broken one does not hide those after it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from coolrunner.definition.names import RUNNER_KEYS
from coolrunner.errors import YamlError
from coolrunner.results.sources import DEFINITION, QUEUE, LogFile, Report
from coolrunner.yamlio import RawDocument, dump, read_text, split_documents

__all__ = ["Entry", "document_text", "read_logs", "wrap_document"]

_VERSION = 1
_HEADER = re.compile(r"# Coolrunner log, version ([0-9]+)\b")
_DOCUMENT = re.compile(r"^---(?=\s)", re.MULTILINE)
_QUEUE = re.compile(r"# Coolrunner queue\b")
_ID = re.compile(r"\S+\Z")
_KINDS = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "a truth value"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One experiment of a log.

    Attributes
    ----------
    value
        Its data.
    raw
        Its text.
    file
        The file's name.
    number
        Its place in the file, from 1.
    """

    value: dict[Any, Any]
    raw: RawDocument
    file: str
    number: int

    def __str__(self) -> str:
        """Return its name, ``ID`` and place, for messages."""
        name = self.value.get("Name")
        identity = self.value.get("ID", self.raw.comment)
        title = f"experiment {str(name)!r}" if name is not None else "an experiment without a name"
        known = f"ID {identity}, " if identity else ""
        return f"{title} ({known}number {self.number} in its file, {self.place})"

    @property
    def place(self) -> str:
        """``file:line`` of its first line."""
        return f"{self.file}:{self.raw.line}"


def read_logs(files: Iterable[LogFile], report: Report) -> Iterator[Entry]:
    """Yield the experiments of logs, in their order.

    Parameters
    ----------
    files
        Files that may be logs.
    report
        Takes note of what was read, skipped, and broken.
    """
    for file in files:
        text = _text_of(file, report)
        if _QUEUE.match(text):
            report.skip(QUEUE, file.name)
        elif (header := _HEADER.match(text)) and int(header[1]) > _VERSION:
            newer = f"a log of version {header[1]}, from a newer Coolrunner; this one reads {_VERSION}"
            report.foreign.append(f"{file.name}: {newer}")
        else:
            yield from _read_stream(text, file, report)


def _text_of(file: LogFile, report: Report) -> str:
    """Return the text of a file, with plain line ends; an empty one if it cannot be read."""
    try:
        data = file.path.read_bytes() if file.path else sys.stdin.buffer.read()
    except OSError as error:
        report.broken.append(f"{file.name}: cannot be read: {error.strerror}")
        return ""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"{file.name}:{line}: not UTF-8: byte 0x{data[error.start]:02x} cannot be read"
        # A writer that was killed may have cut a character in two: the documents before are kept.
        text = data[: error.start].decode("utf-8-sig")
        text = text[: max((match.start() for match in _DOCUMENT.finditer(text)), default=0)]
        (report.broken if text.strip() else report.foreign).append(problem)
    return text.replace("\r\n", "\n") if "\r" in text else text


def _read_stream(text: str, file: LogFile, report: Report) -> Iterator[Entry]:
    others: list[tuple[int, str]] = []
    number = found = 0
    # In a file without any of its marks, "--- # baseline" is a person's remark and no ID.
    ours = "\n...\n" in text or _HEADER.match(text) is not None
    for raw in split_documents(text):
        number += 1
        if ours and not raw.ended and _ID.match(raw.comment):
            report.broken.append(
                f"{file.name}:{raw.line}: torn: no '...' line closes experiment {raw.comment}, so its writer "
                f"was stopped on the way or is still at it (if it is complete, add that line)"
            )
            continue
        try:
            value = read_text(raw.text, file.name, raw.line)
        except YamlError as error:
            position = error.problem.position
            line = position.line if position and position.line else raw.line
            report.broken.append(f"{file.name}:{line}: {error.problem.message}")
            continue
        if type(value) is dict:
            if number == 1 and _begins_definition(value, ours):
                report.skip(DEFINITION, file.name)
                return
            found += 1
            report.documents += 1
            yield Entry(value, raw, file.name, number)
        elif value is not None:
            others.append((raw.line, _KINDS.get(type(value), f"a {type(value).__name__}")))
    if found:
        report.files += 1
        report.broken += [f"{file.name}:{line}: {kind}, not a mapping" for line, kind in others]
    elif others:
        report.foreign.append(f"{file.name}: no log: it holds {others[0][1]}, not mappings")


def _begins_definition(first: dict[Any, Any], ours: bool) -> bool:
    """Whether a document is the default config of a definition; only what has a ``Name`` is ever logged."""
    return "Global" in first or not (ours or "Name" in first or first.keys().isdisjoint(RUNNER_KEYS))


def document_text(entry: Entry) -> str:
    """Return an experiment as a document of a log, in its own text where that can stand anywhere."""
    text = entry.raw.text
    if not text.endswith("\n"):
        # At the very end of a file a block text without a line break is another text with one.
        text += "\n"
        if repr(read_text(text)) != repr(entry.value):
            text = dump(entry.value)
    return wrap_document(text, entry.raw.comment)


def wrap_document(text: str, comment: str) -> str:
    """Return the text of a document between its markers, with what stood behind the first one."""
    return f"--- # {comment}\n{text}...\n" if comment else f"---\n{text}...\n"
