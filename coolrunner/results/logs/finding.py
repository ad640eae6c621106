"""Logs asked by ``ID``: what stands in one already, and what it says of an experiment.

Only the marks between the records are looked for, ``--- # <ID>`` and ``...``, in a file that is read in
pieces; a record is read as YAML when it is asked for. The file is not mapped into memory: a writer that
mends the end of a log cuts it, and the system kills whoever looks at that part of a map.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from coolrunner.errors import LogError, YamlError
from coolrunner.yamlio import moved, read_text

__all__ = ["LoggedIds", "find_record", "logged_ids", "records_of_study"]

_PIECE = 1 << 20  # bytes
# A pattern that begins with one certain character is searched for five times as fast. The line break
# behind a mark may be the one before the next, so it is left there.
_MARK = re.compile(
    rb"\n(?:--- # (?P<id>\S+)[ \t]*\r?(?=\n)"
    rb"|---(?=[ \t\r\n]|\Z)"
    rb"|(?P<end>\.\.\.)[ \t]*(?:#[^\n]*)?\r?(?=\n|\Z))"
)
_ALIKE_IN_QUOTES = re.compile(r"[A-Za-z0-9_./()+-]+\Z")
_REMEMBERED = 64  # bytes


class _Span(NamedTuple):
    """Where a complete record stands, in bytes of its file: its text, and the end of its last mark."""

    identity: str
    start: int
    stop: int
    end: int


def logged_ids(path: Path | str) -> set[str]:
    """Return the IDs of all complete records of a log; none where there is no such file.

    Raises
    ------
    LogError
        It cannot be read.
    """
    return LoggedIds(path).update()


def find_record(path: Path | str, identity: str) -> dict[str, Any] | None:
    """Return the last complete record of an experiment, as data; None where there is none.

    Raises
    ------
    LogError
        The log, or that record, cannot be read.
    """
    header = re.compile(rb"\n--- # %s[ \t]*\r?(?=\n)" % re.escape(identity.encode()))
    with _reading(path) as file:
        if file is None:
            return None
        places = [
            base + match.start() for base, piece in _pieces(file, 0) for match in header.finditer(piece)
        ]
        for place in reversed(places):
            # Behind a torn record the first complete one is another.
            span = next(_spans(file, place), None)
            if span and span.identity == identity:
                return _record(file, span, path)
    return None


def records_of_study(
    path: Path | str, study: str, warn: Callable[[str], object] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the complete records of a study in a log, in its order, one after the other.

    Parameters
    ----------
    path
        The log; without a file there are no records.
    study
        What stands under ``STUDY``: the definition's file name.
    warn
        Is told, as ``file:line: why``, of a record that cannot be read, which is then left out.

    Raises
    ------
    LogError
        The log cannot be read; or a record cannot, and there is no `warn`.
    """
    # To look for the bytes is much quicker than to read the record.
    sign = study.encode() if _ALIKE_IN_QUOTES.match(study) else b""
    with _reading(path) as file:
        for span in _spans(file, 0) if file else ():
            if file is None or sign not in _between(file, span.start, span.stop):
                continue
            try:
                record = _record(file, span, path)
            except LogError as error:
                if warn is None:
                    raise
                warn(str(error))
                continue
            if record.get("STUDY") == study:
                yield record


class LoggedIds:
    """The IDs of a log that grows: each update reads only what was appended since the last.

    Parameters
    ----------
    path
        The log; it need not exist yet.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = path
        self._ids: set[str] = set()
        self._file = (0, 0)
        self._end = 0  # of the last complete record; what is behind may be torn, and be cut off
        self._last = b""  # what stands before that place

    def __contains__(self, identity: object) -> bool:
        return identity in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def update(self) -> set[str]:
        """Read on; return the IDs of the complete records that were appended.

        A log that was replaced, cut or rewritten is read from its beginning. One that is gone has none.

        Raises
        ------
        LogError
            The log cannot be read; what was known before stays known.
        """
        with _reading(self._path) as file:
            if file is None:
                self._forget()
                return set()
            status = os.fstat(file.fileno())
            identity = (status.st_dev, status.st_ino)
            start = self._end
            if identity != self._file or self._last != _between(file, start - len(self._last), start):
                start = 0
            met, end = set(), start
            for span in _spans(file, start):
                met.add(span.identity)
                end = span.end
            last = _between(file, max(end - _REMEMBERED, 0), end)
        if start == 0:
            self._forget()
        self._ids |= met
        self._file, self._end, self._last = identity, end, last
        return met

    def _forget(self) -> None:
        self._ids, self._file, self._end, self._last = set(), (0, 0), 0, b""


# --- bytes -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def _reading(path: Path | str) -> Iterator[BinaryIO | None]:
    """Open a log; None where there is no file, or something that keeps nothing, such as a device."""
    path = Path(path)
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
        file = path.open("rb") if kind in (stat.S_IFREG, stat.S_IFDIR) else None
    except FileNotFoundError:
        file = None
    except OSError as error:
        raise _unreadable(path, error) from None
    if file is None:
        yield None
        return
    with file:
        try:
            yield file
        except OSError as error:
            raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> LogError:
    return LogError(f"the log {path} cannot be read: {error.strerror}")


def _pieces(file: BinaryIO, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield the file from `start`, a line break or its beginning, in pieces, and where each stands.

    A piece is whole lines and the line break before them; the first line of a file has one at -1.
    """
    base, kept = (start, b"") if start > 0 else (-1, b"\n")
    place = max(start, 0)
    while True:
        file.seek(place)  # who takes the pieces may read elsewhere meanwhile
        chunk = file.read(_PIECE)
        if not chunk:
            break
        place += len(chunk)
        piece = kept + chunk
        cut = piece.rfind(b"\n")
        if cut > 0:
            yield base, piece[: cut + 1]
        base, kept = base + max(cut, 0), piece[max(cut, 0) :]
    yield base, kept


def _spans(file: BinaryIO, start: int) -> Iterator[_Span]:
    """Yield where the complete records stand that begin at `start`, as of `_pieces`, or behind."""
    identity, begin = "", 0
    holes = False
    for base, piece in _pieces(file, start):
        # A power cut may leave zeros where a record was to be.
        holes = holes or b"\0" in piece
        for match in _MARK.finditer(piece):
            kind = match.lastgroup
            if kind == "id":
                identity, begin = match["id"].decode("utf-8", "replace"), base + match.end() + 1
            elif kind is None:
                identity = ""
            elif identity:
                stop = base + match.start() + 1
                if begin < stop and not (holes and b"\0" in _between(file, begin, stop)):
                    yield _Span(identity, begin, stop, base + match.end())
                identity = ""


def _between(file: BinaryIO, start: int, stop: int) -> bytes:
    file.seek(start)
    return file.read(stop - start)


def _record(file: BinaryIO, span: _Span, path: Path | str) -> dict[str, Any]:
    """Return the data of a record."""
    place = f"record {span.identity}"

    def line() -> int:
        return _between(file, 0, span.start).count(b"\n") + 1

    try:
        text = _between(file, span.start, span.stop).decode().replace("\r\n", "\n")
        value = read_text(text, str(path))
    except UnicodeDecodeError as error:
        message = f"{place} is not UTF-8: byte 0x{error.object[error.start]:02x} cannot be read"
        raise LogError(f"{path}:{line()}: {message}") from None
    except YamlError as error:
        raise LogError(str(moved(error, line() - 1))) from None
    if not isinstance(value, dict):
        raise LogError(f"{path}:{line()}: {place} is not a mapping")
    return value
