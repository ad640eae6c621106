"""Which documents a save has: those that stand in the queue word for word, and those that have to be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from coolrunner.errors import Problem, YamlError
from coolrunner.queue.ledger import Ledger
from coolrunner.queue.saves import words_of
from coolrunner.queue.text import Piece, Sheet, Stretch

if TYPE_CHECKING:
    from coolrunner.yamlio import Source

__all__ = ["Documents", "Written", "doubtful"]

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")  # it names files, too
_CONTENT = re.compile(r"^[ \t]*[^ \t#\n]", re.MULTILINE)


def doubtful(ledger: Ledger, sheet: Sheet | None) -> set[str]:
    """Return the waiting experiments that a file is unclear about: all but what stands in it word for word.

    What was added since the file was made stays out of it; None for a file that cannot be read.
    """
    clear = set(sheet.texts) if sheet else set()
    base = ledger.published
    if sheet and sheet.revision is not None:
        base = min(base, sheet.revision)
    return {entry.id for entry in ledger.waiting() if entry.since <= base and entry.text not in clear}


class Written(NamedTuple):
    """A document that does not stand in the queue word for word, or stands in the save twice.

    Attributes
    ----------
    piece
        Where it stands.
    value
        Its data.
    identity
        Its ``ID``; empty for none.
    words
        What it says, see `coolrunner.queue.saves.words_of`.
    """

    piece: Piece
    value: dict[str, Any]
    identity: str
    words: str


class Documents:
    """The documents of a save, by their places in it.

    Parameters
    ----------
    sheet, source
        The save.
    by_text
        The IDs of all experiments by their documents.
    standing
        The IDs of those that the file should show, for the save's `coolrunner.queue.text.Stretch`es.

    Attributes
    ----------
    exact
        For each place the experiment whose document stands there word for word, where it comes first.
    stretches
        The documents that are known to stand where they stood; none where one of them stands twice.
    places
        The places of all others.
    seen
        All of these.
    own
        The other documents.
    problems
        What is wrong with them.
    """

    def __init__(
        self, sheet: Sheet, source: Source, by_text: Mapping[str, str], standing: Sequence[str] = ()
    ) -> None:
        self._sheet = sheet
        self._source = source
        self.exact: list[str | None] = []
        self.stretches = sheet.stretches
        self.places: list[int] = []
        for stretch in (*sheet.stretches, Stretch(len(sheet.texts), 0, 0)):
            first = len(self.exact)
            self.places += range(first, stretch.place)
            self.exact += map(by_text.get, sheet.texts[first : stretch.place])
            self.exact += standing[stretch.number : stretch.number + stretch.length]
        self.seen: set[str] = set(filter(None, self.exact))
        self.problems: list[Problem] = []
        if len(self.exact) - self.exact.count(None) > len(self.seen):
            self._drop_twins()
        self.own: dict[int, Written] = {}
        for place in [place for place in self.places if self.exact[place] is None]:
            written = None if sheet.is_remark(place) else self._parsed(sheet.piece(place))
            if written is not None:
                self.own[place] = written

    def _drop_twins(self) -> None:
        self.stretches, self.places = [], [*range(len(self.exact))]
        first: set[str] = set()
        for place, identity in enumerate(self.exact):
            if identity in first:
                self.exact[place] = None
            elif identity is not None:
                first.add(identity)

    def _parsed(self, piece: Piece) -> Written | None:
        from coolrunner.yamlio import read_text

        line, column = self._sheet.place(piece)
        try:
            value = read_text(" " * (column - 1) + piece.text + "\n", self._source.name, line)
        except YamlError as error:
            self.problems.append(error.problem)
            return None
        if value is None:
            return None
        if not isinstance(value, dict):
            kind = "a list" if isinstance(value, list) else "a single value"
            self._problem(piece, f"a mapping (Key: value) was expected, this document is {kind}")
            return None
        given = value.get("ID")
        identity = "" if given is None else str(given)
        if identity and (isinstance(given, (dict, list)) or not _ID.match(identity)):
            message = f"{identity[:80]!r} cannot be an ID: letters, digits and any of _ . - make one"
            self._problem(piece, message, "leave the ID out, and this experiment gets one", ("ID",))
            return None
        return Written(piece, value, identity, words_of(value))

    def _problem(self, piece: Piece, message: str, hint: str = "", path: tuple[str, ...] = ()) -> None:
        from coolrunner.yamlio import Document

        content = _CONTENT.search(piece.text)
        before = content.start() if content else 0
        line = self._sheet.place(piece)[0] + piece.text.count("\n", 0, before)
        place = self._source.locate(Document(None, line, piece.at + before), path)
        self.problems.append(self._source.problem(message, *place, hint))

    def copies(self, words_at: Callable[[str], str]) -> set[int]:
        """Return the places of documents that have the ``ID`` of another one, which is the experiment.

        Parameters
        ----------
        words_at
            Returns what the document of an experiment said in the file that was edited: of several changed
            ones, one that says this is the experiment, else the first.
        """
        places: dict[str, list[int]] = {}
        for place, written in self.own.items():
            if written.identity:
                places.setdefault(written.identity, []).append(place)
        copies: set[int] = set()
        for identity, same in places.items():
            if identity not in self.seen:
                words = words_at(identity) if len(same) > 1 else ""
                same.remove(next((place for place in same if self.own[place].words == words), same[0]))
            copies.update(same)
        return copies
