"""Streams of documents as text, cut into documents without being read.

``---`` and ``...`` at the start of a line cannot stand inside a document (YAML 1.1, 9.1.2), so cutting
needs no reading, and a broken document does not hide the next one. A text is cut by `split_documents`; a
file, of any size, piece by piece by `read_stream`, which knows of each document where its bytes are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

__all__ = ["DOCUMENT_LIMIT", "RawDocument", "document_at", "read_stream", "split_documents"]

#: Bytes that a document may have; a longer one is passed over, so that no file fills the memory.
DOCUMENT_LIMIT = 64 << 20

_PIECE = 1 << 20  # bytes
_START = re.compile(r"^---(?:[ \t]+|(?=\r?\n)|\Z)", re.MULTILINE)
_END = re.compile(r"^\.\.\.[ \t]*(?:#.*)?\r?(?:\n|\Z)", re.MULTILINE)
_DIRECTIVE = re.compile(r"^%(?:YAML|TAG)[ \t].*\n", re.MULTILINE)
_BOM = b"\xef\xbb\xbf"
_BEGINS_HERE = re.compile(rb"---(?:[ \t]|\r?\n)")
_BORDER = re.compile(rb"\n(?:(?=---(?:[ \t]|\r?\n))|\.\.\.[ \t]*(?:#[^\n]*)?\r?\n)")
_MARKER = 6  # bytes at the end of a chunk that may be the beginning of a marker
_TOO_LONG = f"a document of more than {DOCUMENT_LIMIT >> 20} MB"


class RawDocument(NamedTuple):
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
    start, stop
        Where `text` stands in the stream: in bytes of a file, in characters of a text.
    end
        Where the next document may begin: behind the ``...`` line, or at the next ``---``.
    fault
        Why there is no text; empty for a document that could be read.
    """

    text: str
    line: int
    comment: str
    ended: bool
    start: int = 0
    stop: int = 0
    end: int = 0
    fault: str = ""

    @property
    def empty(self) -> bool:
        """Whether there is nothing in it but blank lines and comments."""
        return all(not line.strip() or line.lstrip().startswith("#") for line in self.text.split("\n"))

    @property
    def end_line(self) -> int:
        """The line at `end`."""
        return self.line + self.text.count("\n") + self.ended


def split_documents(text: str) -> Iterator[RawDocument]:
    """Cut a stream into the texts of its documents; empty ones are left out."""
    text = text.removeprefix("\ufeff")
    return _documents(text, 1, 0, _without_directives if "%" in text else None)


def read_stream(
    file: BinaryIO, start: int = 0, line: int = 1, stop: int | None = None
) -> Iterator[RawDocument]:
    """Yield the documents of a file of UTF-8, of which a few megabytes and one document are in memory.

    Line ends are plain ones in the texts. Where a byte is no UTF-8 the reading ends, with a document that
    has a `fault`; its `line` is the place, and its `start` is 0 if nothing but blanks is before it.

    Parameters
    ----------
    file
        A file that can be sought in.
    start, line
        Where to begin: at the beginning, or at the end of a document.
    stop
        Where the file ends, in bytes; what comes behind has been added meanwhile.
    """
    for piece, base, lines in _pieces(file, start, stop):
        if piece is None:
            yield RawDocument("", line, "", ended=False, start=base, stop=base, end=base, fault=_TOO_LONG)
            line += lines
            continue
        wrong = None
        try:
            text = piece.decode()
        except UnicodeDecodeError as error:
            # A writer that was killed may have cut a character in two: the documents before are kept.
            borders = [match.end() for match in _BORDER.finditer(piece, 0, error.start)]
            sound = piece[: borders[-1]] if borders else b""
            text = sound.decode()
            end = base + len(sound) if base > len(_BOM) or text.strip() else 0
            place = line + piece.count(b"\n", 0, error.start)
            fault = f"not UTF-8: byte 0x{piece[error.start]:02x} cannot be read"
            wrong = RawDocument("", place, "", ended=False, start=end, stop=end, end=end, fault=fault)
        yield from _placed(text, line, base)
        if wrong is not None:
            yield wrong
            return
        line += piece.count(b"\n")


def document_at(path: str | os.PathLike[str], start: int, stop: int) -> str:
    """Return the text of a document of a file, of which it is known where it stands.

    Raises
    ------
    OSError
        The file cannot be read.
    UnicodeDecodeError
        It has changed since, and is no UTF-8 there.
    """
    with open(path, "rb") as file:  # noqa: PTH123 - of a hundred thousand paths
        file.seek(start)
        return _plain(file.read(stop - start).decode())


# --- pieces of a file ------------------------------------------------------------------------------


def _pieces(file: BinaryIO, start: int, stop: int | None) -> Iterator[tuple[bytes | None, int, int]]:
    """Yield a file in pieces that begin where a document may, and where they stand.

    In the place of a document that is too long stand None and how many lines it has.
    """
    file.seek(start)
    place = base = start
    passing, first, lines = False, 0, 0  # a document that is too long: its beginning, its lines so far
    waiting = bytearray()
    while chunk := file.read(_PIECE if stop is None else min(_PIECE, stop - place)):
        place += len(chunk)
        if place == len(chunk) and chunk.startswith(_BOM):
            chunk, base = chunk[len(_BOM) :], len(_BOM)
        # A marker may stand across the border of two chunks.
        searched = max(len(waiting) - _MARKER, 0)
        waiting += chunk
        if passing and (border := _BORDER.search(waiting)):
            yield None, first, lines + waiting.count(b"\n", 0, border.end())
            passing, lines, searched = False, 0, 0
            base += border.end()
            del waiting[: border.end()]
        cut = 0 if passing else _last_border(waiting, searched)
        if cut:
            yield bytes(waiting[:cut]), base, 0
        elif passing or len(waiting) > DOCUMENT_LIMIT:
            first = first if passing else base
            passing = True
            cut = len(waiting) - _MARKER
            lines += waiting.count(b"\n", 0, cut)
        base += cut
        del waiting[:cut]
    if passing:
        yield None, first, lines + waiting.count(b"\n")
    elif waiting:
        yield bytes(waiting), base, 0


def _last_border(data: bytearray, start: int) -> int:
    """Return the last place behind `start` at which a document may begin; 0 for none."""
    ended = data.rfind(b"\n...\n", start)
    place = data.rfind(b"\n---", start)
    while place >= 0 and not _BEGINS_HERE.match(data, place + 1):
        place = data.rfind(b"\n---", start, place + 3)
    return max(ended + 5 if ended >= 0 else 0, place + 1)


# --- documents of a text ---------------------------------------------------------------------------


def _placed(text: str, line: int, base: int) -> Iterator[RawDocument]:
    """Yield the documents of a piece of a file that begins at byte `base` of it."""
    clean = _plain if "\r" in text or "%" in text else None
    if text.isascii():
        yield from _documents(text, line, base, clean)
        return
    character, byte = 0, base
    for raw in _documents(text, line, 0, clean):
        start = byte + len(text[character : raw.start].encode())
        stop = start + len(text[raw.start : raw.stop].encode())
        character, byte = raw.end, stop + len(text[raw.stop : raw.end].encode())
        yield raw._replace(start=start, stop=stop, end=byte)


def _documents(text: str, line: int, base: int, clean: Callable[[str], str] | None) -> Iterator[RawDocument]:
    start = 0
    for match in _START.finditer(text):
        begin, end = match.span()
        if begin > start or start == 0:
            yield from _cut(text[start:begin], line, base + start, clean, marked=start > 0)
        line += text.count("\n", start, end)
        start = end
    yield from _cut(text[start:], line, base + start, clean, marked=start > 0)


def _cut(
    chunk: str, line: int, place: int, clean: Callable[[str], str] | None, *, marked: bool
) -> Iterator[RawDocument]:
    """Yield the documents that stand between two ``---``; more than one where ``...`` ends them."""
    comment = ""
    if marked:
        first, feed, rest = chunk.partition("\n")
        stripped = first.strip()
        if not stripped or stripped.startswith("#"):
            comment = stripped.removeprefix("#").strip()
            place += len(first) + len(feed)
            line += len(feed)
            chunk = rest
    while chunk:
        size = len(chunk)
        ended = True
        if chunk.endswith("\n...\n") and chunk.find("\n...") == size - 5 and chunk[0] != ".":
            stop, end = size - 4, size
        elif "..." in chunk and (match := _END.search(chunk)):
            stop, end = match.span()
        else:
            stop, end, ended = size, size, False
        body = chunk[:stop] if clean is None else clean(chunk[:stop])
        document = RawDocument(body, line, comment, ended, place, place + stop, place + end)
        if body and (body[0] not in "#\r\n \t" or not document.empty):
            yield document
        line += chunk.count("\n", 0, end)
        place += end
        chunk, comment = chunk[end:], ""


def _plain(text: str) -> str:
    return _without_directives(text.replace("\r\n", "\n"))


def _without_directives(text: str) -> str:
    return _DIRECTIVE.sub("\n", text) if "%" in text else text
