"""The text of a queue file: how it is written, and how what a person saved is taken apart.

Format, version 1: comments (what the file is, what may be done, ``# revision <number>``, and whatever a
person adds), then the waiting experiments as YAML documents, each after a line ``---``, its ``ID`` among
its keys, and a last line ``...``, YAML's mark for the end, by which a whole file is known from a
half-written one. Comments by themselves between two such lines (a document that was commented out, say)
stay where they are. Where nothing stands in the file, a comment says so in place of documents and mark.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress, count, islice
from operator import itemgetter, ne
from typing import NamedTuple

__all__ = ["FIRST_LINE", "Piece", "Sheet", "Stretch", "compose", "compose_bytes", "take_apart"]

FIRST_LINE = "# Coolrunner queue, version 1"
_HELP = """\
# Edit it at any time: delete, reorder, change, copy (without the ID) or add documents, each after a
# line "---". "Hold: true" keeps one back, "Priority: 5" brings it forward. What runs already is not here.
"""
_EMPTY = "# nothing waits\n"
_BETWEEN = "\n---\n"
_SLICE = 1000
# A person who removes a line of these does not get the others twice.
_OURS = frozenset([*_HELP.splitlines(keepends=True), _EMPTY])
_REVISION = re.compile(r"# revision ([0-9]{1,15})[ \t]*$")
_MARKER = re.compile(r"^(---|\.\.\.)(?:[ \t]+([^\n]*))?$", re.MULTILINE)
_CONTENT = re.compile(r"^[ \t]*[^ \t#\n]", re.MULTILINE)
_DIRECTIVE = re.compile(r"^%(?:YAML|TAG)[ \t].*\n?", re.MULTILINE)


class Piece(NamedTuple):
    """A stretch of a file as it was saved: a document, or comments by themselves.

    Attributes
    ----------
    text
        Without the last line break.
    at
        Where it begins in the text of the file.
    is_remark
        Whether it is comments alone.
    """

    text: str
    at: int
    is_remark: bool = False


class Stretch(NamedTuple):
    """Documents of a file that are word for word those that it should show, in that order.

    Attributes
    ----------
    place
        Of the first one among the texts of the file.
    number
        Of the first one among those that it should show.
    length
        How many they are.
    """

    place: int
    number: int
    length: int


@dataclass(slots=True)
class Sheet:
    """A queue file taken apart.

    Attributes
    ----------
    text
        All of it.
    revision
        The revision that it was made from; None where it does not say.
    preamble
        What a person wrote above the documents.
    texts
        The documents, and comments between them, without their last line breaks.
    whole
        Whether it ends as a whole file does.
    appended
        Whether something was written behind the mark of the end.
    open_end
        Whether it ends where a document should begin.
    stretches
        What a person left as it is, as far as that could be seen at once: above and below all changes.
    """

    text: str
    revision: int | None = None
    preamble: str = ""
    texts: list[str] = field(default_factory=list)
    whole: bool = False
    appended: bool = False
    open_end: bool = False
    stretches: list[Stretch] = field(default_factory=list)
    # Most of 100,000 documents are never asked for, so only the odd ones are kept one by one.
    _odd: dict[int, Piece] = field(default_factory=dict)
    _runs: list[tuple[int, int]] = field(default_factory=list)
    _counted: tuple[int, int] = (0, 1)

    def piece(self, number: int) -> Piece:
        """Return one of the texts with its place."""
        if number in self._odd:
            return self._odd[number]
        first, at = self._runs[bisect_right(self._runs, number, key=itemgetter(0)) - 1]
        before = self.texts[first:number]
        return Piece(self.texts[number], at + sum(map(len, before)) + len(before) * len(_BETWEEN))

    def is_remark(self, number: int) -> bool:
        """Whether one of the texts is comments alone."""
        return number in self._odd and self._odd[number].is_remark

    @property
    def pieces(self) -> list[Piece]:
        """All texts with their places."""
        found: list[Piece] = []
        starts = dict(self._runs)
        at = 0
        for number, text in enumerate(self.texts):
            at = starts.get(number, at)
            found.append(self._odd.get(number) or Piece(text, at))
            at += len(text) + len(_BETWEEN)
        return found

    def place(self, piece: Piece) -> tuple[int, int]:
        """Return line and column (from 1) at which a piece begins; quick for one after the other."""
        at, line = self._counted if self._counted[0] <= piece.at else (0, 1)
        line += self.text.count("\n", at, piece.at)
        self._counted = (piece.at, line)
        return line, piece.at - self.text.rfind("\n", 0, piece.at)

    def _add(self, chunks: Sequence[str], at: int, number: int, unchanged: Iterable[Stretch]) -> int:
        """Add texts that need no second look; return where the next one begins.

        Parameters
        ----------
        number
            The place of the first one among all chunks of the file.
        unchanged
            Which of all chunks are as they were.
        """
        if chunks:
            before = len(self.texts) - number
            for stretch in unchanged:
                if number <= stretch.place < number + len(chunks):
                    self.stretches.append(stretch._replace(place=stretch.place + before))
            self._runs.append((len(self.texts), at))
            self.texts += chunks
        return at + sum(map(len, chunks)) + len(chunks) * len(_BETWEEN)


def compose(study: str, revision: int, preamble: str, texts: Iterable[str]) -> str:
    """Return the text of a queue file.

    Parameters
    ----------
    study
        The name of the study.
    revision
        Its number.
    preamble
        A person's comments.
    texts
        The documents, and comments between them, without their last line breaks.
    """
    return _BETWEEN.join(_parts(study, revision, preamble, texts))


def compose_bytes(study: str, revision: int, preamble: str, texts: Iterable[str]) -> bytes:
    """Return what `compose` does, as it is written; that all of it stands in memory once is much quicker."""
    parts = _parts(study, revision, preamble, texts)
    slices = (parts[first : first + _SLICE] for first in range(0, len(parts), _SLICE))
    return _BETWEEN.encode().join(_BETWEEN.join(part).encode("utf-8", "surrogatepass") for part in slices)


def _parts(study: str, revision: int, preamble: str, texts: Iterable[str]) -> list[str]:
    of = f" of {study}" if study else ""
    head = f"{FIRST_LINE}: the experiments{of} that wait, in order.\n{_HELP}# revision {revision}\n{preamble}"
    parts = list(texts)
    if not parts:
        return [head + _EMPTY]
    parts[0] = f"{head}---\n{parts[0]}"
    parts[-1] += "\n...\n"
    return parts


def take_apart(text: str, known: Container[str] = (), shown: Sequence[str] = ()) -> Sheet:
    """Take a queue file apart, as far as that goes without reading its documents.

    Parameters
    ----------
    text
        With ``\\n`` as its line breaks, and no byte order mark.
    known
        Texts of documents that need no second look.
    shown
        The documents that it should show, where these are without comments between them.
    """
    sheet = Sheet(text)
    head, at, done, mark, content, ended = "", 0, 0, "", False, False
    chunks = text.split(_BETWEEN)
    chunks[-1] = chunks[-1].removesuffix("\n")
    unchanged = _unchanged(chunks, shown)
    for number in [number for number in _changed(len(chunks), unchanged) if chunks[number] not in known]:
        at = sheet._add(chunks[done:number], at, done, unchanged)
        for before, part, start in _cut(chunks[number], "---" if number else ""):
            mark = before
            ended = ended or mark == "..."
            if mark != "---" and "%" in part:
                part = _DIRECTIVE.sub("", part)
            found = _CONTENT.search(part)
            content = found is not None
            if not mark:
                start = found.start() if found else len(part)
                head, part = part[:start], part[start:]
                head = head.removesuffix("\n") if found else head
            elif not content and FIRST_LINE in part:  # a whole file was put behind another one
                part = _split_head(part)[1]
            if content or part.strip():
                sheet._odd[len(sheet.texts)] = Piece(part, at + start, not content)
                sheet.texts.append(part)
        at += len(chunks[number]) + len(_BETWEEN)
        done = number + 1
    if done < len(chunks):
        sheet._add(chunks[done:], at, done, unchanged)
        mark, content = "---", True
    sheet.revision, sheet.preamble = _split_head(head)
    sheet.whole = (mark == "..." and not content) or (not sheet.texts and not mark and _EMPTY in head + "\n")
    sheet.appended = ended and not sheet.whole
    sheet.open_end = mark == "---" and not content
    return sheet


def _unchanged(chunks: Sequence[str], shown: Sequence[str]) -> list[Stretch]:
    """Return which chunks of a file are as they were, above the first change and below the last one.

    The first chunk is the comments at the top, and the last one has the mark of the end.
    """
    most = min(len(chunks) - 2, len(shown) - 1)
    if most < 1:
        return []
    differ = map(ne, islice(chunks, 1, None), islice(shown, most))
    above = next(compress(count(), differ), most)
    differ = map(ne, islice(reversed(chunks), 1, None), islice(reversed(shown), 1, 1 + most - above))
    below = next(compress(count(), differ), most - above)
    found = Stretch(1, 0, above), Stretch(len(chunks) - 1 - below, len(shown) - 1 - below, below)
    return [stretch for stretch in found if stretch.length]


def _changed(chunks: int, unchanged: Iterable[Stretch]) -> Iterator[int]:
    """Yield the numbers of the other chunks."""
    done = 0
    for stretch in unchanged:
        yield from range(done, stretch.place)
        done = stretch.place + stretch.length
    yield from range(done, chunks)


def _cut(chunk: str, mark: str) -> Iterator[tuple[str, str, int]]:
    """Yield what stands between marks: the mark before it, its text, and where it begins."""
    start = 0
    if "\n---" in chunk or "\n..." in chunk or chunk[:3] in ("---", "..."):
        for match in _MARKER.finditer(chunk):
            if match.start() or not mark:
                yield mark, chunk[start : max(match.start() - 1, start)], start
            mark, rest = match[1], match[2]
            # What stands behind a mark is a comment or a document in braces; it begins there.
            start = match.start(2) if rest and rest.strip() else min(match.end() + 1, len(chunk))
    yield mark, chunk[start:], start


def _split_head(head: str) -> tuple[int | None, str]:
    """Return the revision that comments at the top of a file name, and what a person wrote there.

    Parameters
    ----------
    head
        The comments without the last line break.
    """
    revision: int | None = None
    rest: list[str] = []
    for line in head.split("\n") if head else ():
        if line.startswith(FIRST_LINE) or f"{line}\n" in _OURS:
            continue
        if revision is None and (match := _REVISION.match(line)):
            revision = int(match[1])
            continue
        rest.append(f"{line}\n")
    preamble = "".join(rest)
    return revision, preamble if preamble.strip() else ""
