"""Reading logs: files to experiments, whatever is broken in between.

A log is a stream of mappings. One that Coolrunner wrote has a header, and its documents begin with
``--- # <ID>`` and end with ``...``; logs written by hand or by other tools have plain ``---`` lines.
A document that cannot be used is left out and named, all others are kept: documents are cut apart
without being read, so a broken one does not hide those after it.

A file is read piece by piece, so it may be larger than the memory; and one that was appended to can be read
on from where the reading before it ended (`LogReading`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, TypedDict, cast

from coolrunner.definition.names import RUNNER_KEYS
from coolrunner.errors import YamlError
from coolrunner.results.logs.bytes import between, has_end, opened, print_of
from coolrunner.results.logs.sources import DEFINITION, QUEUE, LogFile, Report
from coolrunner.yamlio import RawDocument, canonical, dump, read_text
from coolrunner.yamlio.lines import Item, canonical_of, read_items, read_whole, value_of
from coolrunner.yamlio.stream import read_stream

__all__ = ["Entry", "LogReading", "LogState", "document_text", "read_logs", "wrap_document"]

_VERSION = 1
_HEADER = re.compile(rb"# Coolrunner log, version ([0-9]+)\b")
_QUEUE = re.compile(rb"# Coolrunner queue\b")
_BOM = b"\xef\xbb\xbf"
_MARK = re.compile(rb"---(?:[ \t]|\r?\n)")
_ID = re.compile(r"\S+\Z")
# A key by which results are known, at the beginning of a line of a document that cannot be read.
_MARKED = re.compile(r"""^["']?(?:Name|YamlLog|[A-Z][A-Z0-9_]*)["']?[ \t]*:""", re.MULTILINE)
_LOOKED_AT = 1 << 16  # characters of it
_KINDS = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "a truth value"}


@dataclass(slots=True, eq=False)
class Entry:
    """One experiment of a log.

    Attributes
    ----------
    raw
        Its text.
    file
        The file's name.
    number
        Its place in the file, from 1.
    """

    _value: dict[Any, Any] | None
    raw: RawDocument
    file: str
    number: int
    _items: list[Item] | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Return its name, ``ID`` and place, for messages."""
        name = self.value.get("Name")
        identity = self.value.get("ID", self.raw.comment)
        title = f"experiment {str(name)!r}" if name is not None else "an experiment without a name"
        known = f"ID {identity}, " if identity else ""
        return f"{title} ({known}number {self.number} in its file, {self.place})"

    @property
    def value(self) -> dict[Any, Any]:
        """Its data."""
        if self._value is None:
            self._value = value_of(self._items or [])
        return self._value

    @property
    def place(self) -> str:
        """``file:line`` of its first line."""
        return f"{self.file}:{self.raw.line}"

    @property
    def canonical(self) -> str:
        """Its data as a text that equal experiments share, as of `coolrunner.yamlio.canonical`."""
        return canonical(self._value) if self._items is None else canonical_of(self._items)


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
        yield from LogReading(file, report)


class LogState(TypedDict):
    """How far a log has been read, as plain data; documents behind `offset` may yet become others.

    `print` tells whether what is before `seen` is still the same.
    """

    offset: int
    line: int
    number: int
    found: int
    ours: bool
    broken: list[tuple[int, str]]
    others: list[tuple[int, str]]
    seen: int
    print: str
    marked: bool


class LogReading:
    """One reading of one log; the experiments come by iterating over it, once.

    Parameters
    ----------
    file
        What may be a log.
    report
        Takes note, at the end, of what was met in all of it, also where only its end was read.
    state
        Of the reading before this one. Where the file has not only been appended to since, or what was
        appended could change what came before, it is read from its beginning.
    remember
        Whether `state` will be asked for.

    Attributes
    ----------
    kept
        How many documents at the beginning of the log stand as they were known (0: it is read from its
        beginning). The experiments whose number is greater come now, and none of those that were known
        before count any more.
    state
        After the iteration: with what the next reading goes on; None where it has to begin again.
    marked
        After the iteration: whether the file says itself that it is a log: Coolrunner wrote it, or a
        document has ``Name``, ``YamlLog`` or a key in capitals, such as ``ID``, ``REP`` or a result.
    """

    def __init__(
        self, file: LogFile, report: Report, state: LogState | None = None, *, remember: bool = False
    ) -> None:
        self._log = file
        self._report = report
        self._remember = remember
        self._error: OSError | None = None
        self._file: BinaryIO | None = None
        self._stop: int | None = None
        self._ours = False
        self._foreign = ""
        self._skipped = ""
        self.state: LogState | None = None
        self._begun = LogState(
            offset=0,
            line=1,
            number=0,
            found=0,
            ours=False,
            broken=[],
            others=[],
            seen=0,
            print="",
            marked=False,
        )
        try:
            self._file, self._stop = opened(file.path)
            self._look(state)
        except OSError as error:
            self._error = error
        self.kept = self._begun["number"]
        # What cannot be read, or is something else by its first line, is told as that.
        self.marked = (
            self._ours or self._begun["marked"] or bool(self._error or self._skipped or self._foreign)
        )

    def _look(self, state: LogState | None) -> None:
        """Find out what the file is, and where to begin."""
        file = cast("BinaryIO", self._file)
        head = file.read(64).removeprefix(_BOM)
        if _QUEUE.match(head):
            self._skipped = QUEUE
            return
        if header := _HEADER.match(head):
            if int(header[1]) > _VERSION:
                self._foreign = (
                    f"a log of version {int(header[1])}, from a newer Coolrunner; this one reads {_VERSION}"
                )
                return
            self._ours = True
        if state is not None and (
            state["seen"] > (self._stop or 0) or state["print"] != print_of(file, state["seen"])
        ):
            state = None
        # In a file without any of its marks, "--- # baseline" is a person's remark and no ID.
        seen = state["offset"] if state is not None and not state["ours"] else 0
        self._ours = self._ours or has_end(file, seen, self._stop)
        if state is not None and state["ours"] is self._ours:
            self._begun = state

    def __iter__(self) -> Iterator[Entry]:
        """Yield the experiments, from the first that is not known yet."""
        report, name = self._report, self._log.name
        if self._skipped:
            report.skip(self._skipped, name)
        elif self._foreign:
            report.foreign.append(f"{name}: {self._foreign}")
        try:
            if self._file is not None and self._error is None and not self._skipped and not self._foreign:
                yield from self._read(self._file)
        except OSError as error:
            self._error, self.state = error, None
        finally:
            if self._file is not None:
                self._file.close()
        if self._error is not None:
            report.broken.append(f"{name}: cannot be read: {self._error.strerror}")

    def _mark(self, is_marked: bool) -> None:
        self.marked = self.marked or is_marked

    def _read(self, file: BinaryIO) -> Iterator[Entry]:
        name, ours, report, known = self._log.name, self._ours, self._report, self._begun
        number, found = known["number"], known["found"]
        broken, others = list(known["broken"]), list(known["others"])
        report.broken += [f"{name}:{line}: {why}" for line, why in broken]
        report.documents += found

        def leave_out(line: int, why: str) -> None:
            broken.append((line, why))
            report.broken.append(f"{name}:{line}: {why}")

        last: RawDocument | None = None
        before: RawDocument | None = None  # what comes behind it was read, with so many documents before
        counts = number, found, len(broken), len(others), self.marked
        for raw in read_stream(file, known["offset"], known["line"], self._stop):
            if last is not None and not last.fault:
                before, counts = last, (number, found, len(broken), len(others), self.marked)
            last = raw
            number += 1
            if raw.fault:
                self._mark(_MARKED.search(raw.text, 0, _LOOKED_AT) is not None)
                if raw.start:
                    leave_out(raw.line, raw.fault)
                else:
                    report.foreign.append(f"{name}:{raw.line}: {raw.fault}")
                continue
            if ours and not raw.ended and _ID.match(raw.comment):
                leave_out(raw.line, _TORN.format(raw.comment))
                continue
            items = read_items(raw.text)
            value = None
            if items is None:
                try:
                    value = read_whole(raw.text, name, raw.line)
                except YamlError as error:
                    self._mark(_MARKED.search(raw.text, 0, _LOOKED_AT) is not None)
                    position = error.problem.position
                    leave_out(
                        position.line if position and position.line else raw.line, error.problem.message
                    )
                    continue
                if type(value) is not dict:
                    if value is not None:
                        kind = _KINDS.get(type(value), f"a {type(value).__name__}")
                        others.append((raw.line, kind))
                    continue
            entry = Entry(value, raw, name, number, items)
            if number == 1 and _begins_definition(entry.value, ours):
                report.skip(DEFINITION, name)
                self.marked = True
                return
            if not self.marked:
                self._mark(_has_mark(entry.value))
            found += 1
            report.documents += 1
            yield entry
        if found:
            report.files += 1
            report.broken += [f"{name}:{line}: {kind}, not a mapping" for line, kind in others]
        elif others:
            report.foreign.append(f"{name}: no log: it holds {others[0][1]}, not mappings")
        if not self._remember:
            return
        if last is not None and last.ended and not last.fault and _has_break(file, last.end):
            before, counts = last, (number, found, len(broken), len(others), self.marked)
        if before is None:
            self.state = known if known["number"] else None
        else:
            self.state = self._state_behind(file, before, counts, broken, others)

    def _state_behind(
        self,
        file: BinaryIO,
        document: RawDocument,
        counts: tuple[int, int, int, int, bool],
        broken: list[tuple[int, str]],
        others: list[tuple[int, str]],
    ) -> LogState:
        """Return what a reading goes on with behind a document; `counts` is what there was up to it."""
        offset, line = document.end, document.end_line
        number, found, sound, strange, marked = counts
        # The document has no end but the mark behind it.
        mark = _MARK.match(between(file, offset, offset + 5))
        seen = offset + (mark.end() if mark else 0)
        return LogState(
            offset=offset,
            line=line,
            number=number,
            found=found,
            ours=self._ours,
            broken=broken[:sound],
            others=others[:strange],
            seen=seen,
            print=print_of(file, seen),
            marked=marked,
        )


def _has_break(file: BinaryIO, end: int) -> bool:
    return between(file, end - 1, end) == b"\n"


_TORN = (
    "torn: no '...' line closes experiment {}, so its writer was stopped on the way or is still at it "
    "(if it is complete, add that line)"
)


def _begins_definition(first: dict[Any, Any], ours: bool) -> bool:
    """Whether a document is the default config of a definition; only what has a ``Name`` is ever logged."""
    return "Global" in first or not (ours or "Name" in first or first.keys().isdisjoint(RUNNER_KEYS))


def _has_mark(value: dict[Any, Any]) -> bool:
    """Whether a mapping is a result by one of its keys: one of a log, or one in capitals."""
    return any(type(key) is str and (key.isupper() or key == "Name" or key == "YamlLog") for key in value)


# --- writing ---------------------------------------------------------------------------------------


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
