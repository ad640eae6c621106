"""Logs by way of the index: the experiments that reading them gives, and their texts, in much less time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from coolrunner.errors import LogError
from coolrunner.results.logs.reading import Entry, document_text, wrap_document
from coolrunner.results.logs.sources import LogFile, Report
from coolrunner.results.logs.yamllog import HEADER
from coolrunner.results.parts import Part, stamp_of
from coolrunner.results.rows import Cache, KeyPath, Rows, index_for, name_of, rows_of
from coolrunner.results.showing.formats import Format, YamlFormat
from coolrunner.yamlio import RawDocument, read_text
from coolrunner.yamlio.stream import document_at

__all__ = [
    "collect_rows",
    "document_texts",
    "entries",
    "first_values",
    "log_rows",
    "prepared",
    "texts_of",
    "title",
]

_PIECE = 1 << 20  # bytes


def log_rows(
    files: Sequence[LogFile],
    names: Sequence[str],
    report: Report,
    cache: Cache | str = "auto",
    *,
    values: bool = True,
) -> Rows | None:
    """Return the experiments of some logs; None where no index is kept of them, so that they are to be read.

    Parameters
    ----------
    files
        From `coolrunner.results.logs.sources.find_logs`.
    names
        The paths that a person gave.
    report
        Takes note of what is met in the logs.
    cache
        As for `coolrunner.results.rows.find_rows`.
    values
        Whether the data of the experiments is wanted; for `collect_rows` and `first_values` it is not.
    """
    if cache == "never" or any(file.path is None for file in files):
        return None
    parts = [
        Part("log", os.path.abspath(file.path), file.name, (stamp_of(file.path),))  # noqa: PTH100 - links stay
        for file in files
        if file.path
    ]
    path, base = index_for(names, parts, cache)
    if path is None:
        return None
    return rows_of(parts, report, path, base, values=values)


def title(rows: Rows, position: int) -> str:
    """Return what an experiment is called in messages."""
    rows = rows.take([position])
    ((value, comment),) = rows.commented(lambda path: True)
    place = rows.place(0)
    return str(Entry(value, RawDocument("", place.line, comment, True), place.name, place.number))


def entries(rows: Rows, names: Sequence[str] = ()) -> Iterator[Entry]:
    """Yield the experiments as reading their logs would, but for their texts and places.

    Parameters
    ----------
    rows
        From `log_rows`.
    names
        Keys, as a person gave them; with some, only what belongs to these is in the experiments.
    """
    for value, comment in rows.commented(_belongs_to(names)):
        yield Entry(value, RawDocument("", 0, comment, True), "", 0)


def _belongs_to(names: Sequence[str]) -> Callable[[KeyPath], bool]:
    def belongs(path: KeyPath) -> bool:
        key = f"{name_of(path)}."
        return not names or any(key.startswith(f"{name}.") or f"{name}.".startswith(key) for name in names)

    return belongs


def prepared(rows: Rows, form: Format, names: Sequence[str]) -> Iterator[Any]:
    """Yield what a format keeps of each experiment.

    Parameters
    ----------
    rows
        From `log_rows`.
    form
        How they will be written.
    names
        The keys that will be; without any, all.
    """
    if isinstance(form, YamlFormat) and not names:
        return document_texts(rows)
    return map(form.prepare, entries(rows, names))


def texts_of(rows: Rows) -> Callable[[str], bool]:
    """Return what tells whether a text is the value of a key of an experiment, outside of any mapping."""
    keys = [key.path for key in rows.keys if len(key.path) == 1 and "str" in key.kinds]
    return lambda text: any(text in rows.column(key) for key in keys)


def document_texts(rows: Rows) -> Iterator[str]:
    """Yield the experiments as documents of a log, in their own text where that can stand anywhere.

    Raises
    ------
    LogError
        A log was changed after the index was brought up to date.
    """
    with contextlib.closing(_Texts()) as texts:
        for part, start, stop, comment, _ in rows.documents():
            yield texts.document(part, start, stop, comment)


def first_values(rows: Rows, count: int) -> Iterator[dict[Any, Any]]:
    """Yield the first experiments, read from their logs."""
    for text in document_texts(rows.take(range(min(count, len(rows))))):
        yield read_text(text.partition("\n")[2].removesuffix("...\n"))


def collect_rows(rows: Rows, write: Callable[[str], object]) -> int:
    """Do the same as `coolrunner.results.logs.collect.collect` with the experiments of an index.

    Raises
    ------
    LogError
        A log was changed after the index was brought up to date.
    """
    met: set[bytes] = set()
    with contextlib.closing(_Texts()) as texts:
        for part, start, stop, comment, digest in rows.documents():
            if digest not in met:
                if not met:
                    write(HEADER)
                met.add(digest)
                write(texts.document(part, start, stop, comment))
    return len(met)


class _Texts:
    """The texts of documents; the log of the last one stays open, and is read in pieces."""

    def __init__(self) -> None:
        self._part: Part | None = None
        self._file: BinaryIO | None = None
        self._piece, self._start = b"", 0

    def document(self, part: Part, start: int, stop: int, comment: str) -> str:
        """Return a document of a log; `start` and `stop` are bytes."""
        if part is not self._part:
            self._open(part)
        offset = start - self._start
        if offset < 0 or stop - self._start > len(self._piece):
            self._read(start, stop)
            offset = 0
        data = self._piece[offset : offset + stop - start]
        if data[-1:] == b"\n" and b"\r" not in data and b"%" not in data:
            return wrap_document(data.decode(), comment)
        text = document_at(part.path, start, stop)
        return document_text(Entry(read_text(text), RawDocument(text, 0, comment, True), part.name, 0))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _read(self, start: int, stop: int) -> None:
        assert self._file is not None
        self._file.seek(start)
        self._piece, self._start = self._file.read(max(_PIECE, stop - start)), start

    def _open(self, part: Part) -> None:
        self.close()
        try:
            self._file = Path(part.path).open("rb")  # noqa: SIM115 - `close` does it
        except OSError as error:
            raise LogError(f"the log {part.name} cannot be read: {error.strerror}") from None
        self._part = part
        self._piece, self._start = b"", 0
        (known,), now = part.stamps, stamp_of(part.path)
        if now != known and (now.inode != known.inode or now.size <= known.size):
            raise LogError(f"the log {part.name} was changed just now: please try again")
