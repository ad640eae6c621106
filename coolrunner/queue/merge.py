"""What a person's save of the queue file means: a merge of three texts.

A save was made from some revision of the file, named in its header. Comparing the saved text with what
that revision showed tells what the person did; what has happened since (experiments that were taken,
added, changed by others) stays as it is. So a stale save is harmless: it deletes only what its own
revision showed, changes only what its person changed, and starts nothing a second time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from coolrunner.errors import DefinitionError, YamlError
from coolrunner.queue.base import Facts, Status
from coolrunner.queue.entries import Entry, Remark
from coolrunner.queue.ledger import Ledger
from coolrunner.queue.places import arrange, moved_places, place_remarks
from coolrunner.queue.saves import Adopt, Draft, Refused, Save, words_of
from coolrunner.queue.text import Piece, Sheet
from coolrunner.yamlio import Document, Source, read_text

__all__ = ["Adopt", "Draft", "Refused", "Save", "doubtful", "read_save"]

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")  # it names files, too
_CONTENT = re.compile(r"^[ \t]*[^ \t#\n]", re.MULTILINE)


def doubtful(ledger: Ledger, sheet: Sheet | None) -> set[str]:
    """Return the waiting experiments that a file is unclear about: all but what stands in it word for word.

    What was added since the file was made stays out of it; None for a file that cannot be read.
    """
    clear = {piece.text for piece in sheet.pieces} if sheet else set()
    base = ledger.published
    if sheet and sheet.revision is not None:
        base = min(base, sheet.revision)
    return {entry.id for entry in ledger.waiting() if entry.since <= base and entry.text not in clear}


def read_save(
    ledger: Ledger,
    sheet: Sheet,
    source: Source,
    adopt: Adopt,
    new_id: Callable[[], str],
    *,
    base: int | None = None,
) -> Save:
    """Return what a save means to the queue as it is now; changes nothing.

    Parameters
    ----------
    sheet, source
        The saved file, taken apart, and its text.
    adopt
        Completes what a person wrote.
    new_id
        Gives IDs.
    base
        The revision that it was made from at the latest, where the file does not say: the last one.
    """
    return _Reading(ledger, sheet, source, adopt, new_id, base).read()


class _Written(NamedTuple):
    """A document that does not stand in the queue word for word, or stands in the save twice."""

    piece: Piece
    value: dict[str, Any]
    identity: str
    words: str


#: A new experiment: ID, text, facts as data, order, and what was written.
_Row = list[Any]


class _Reading:
    def __init__(
        self,
        ledger: Ledger,
        sheet: Sheet,
        source: Source,
        adopt: Adopt,
        new_id: Callable[[], str],
        base: int | None,
    ) -> None:
        self._ledger = ledger
        self._sheet = sheet
        self._source = source
        self._adopt = adopt
        self._new_id = new_id
        given = sheet.revision if sheet.revision is not None else base
        self._given = ledger.published if given is None else given
        self._base = min(self._given, ledger.published)
        self._save = Save()
        #: What the file shows, in its order: waiting experiments, new ones, and comments.
        self._shown: list[str | _Row | Piece] = []
        self._seen: set[str] = set()
        self._edits: list[_Row] = []
        self._restored: list[str] = []
        self._groups: dict[tuple[str, ...], int] = {}
        self._index = ledger.next_index

    def read(self) -> Save:
        by_text, entries = self._ledger.by_text, self._ledger.entries
        pieces = self._sheet.pieces
        exact = [by_text.get(piece.text) for piece in pieces]
        own = self._documents(exact)
        if self._sheet.revision is None:
            self._base = self._latest_base(own)
        holders = self._holders(own, {identity for identity in exact if identity})
        for place, (piece, identity) in enumerate(zip(pieces, exact, strict=True)):
            if piece.is_remark:
                self._shown.append(piece)
            elif place not in own:
                if identity is not None:
                    self._seen.add(identity)
                    self._read_unchanged(piece, entries[identity])
            elif own[place].identity in self._seen or holders.get(own[place].identity, place) != place:
                self._read_copy(own[place])
            else:
                self._read_document(own[place])
        if self._save.problems:
            return self._save
        self._write_record()
        return self._save

    # --- what documents there are ---

    def _documents(self, exact: list[str | None]) -> dict[int, _Written]:
        """Return the documents that have to be read, by their places; an ID that stands twice is one."""
        found: dict[int, _Written] = {}
        first: set[str] = set()
        for place, (piece, identity) in enumerate(zip(self._sheet.pieces, exact, strict=True)):
            if identity is not None and identity not in first:
                first.add(identity)
            elif not piece.is_remark:
                document = self._parsed(piece)
                if document is not None:
                    found[place] = document
        return found

    def _parsed(self, piece: Piece) -> _Written | None:
        line, column = self._sheet.place(piece)
        try:
            value = read_text(" " * (column - 1) + piece.text + "\n", self._source.name, line)
        except YamlError as error:
            self._save.problems.append(error.problem)
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
        return _Written(piece, value, identity, words_of(value))

    def _latest_base(self, own: Mapping[int, _Written]) -> int:
        """Return the revision from which a save without a header can have been made at the latest.

        It shows an experiment that was taken since as it was, so it was made before that.
        """
        base = self._base
        entries = self._ledger.entries
        ours = (entries.get(document.identity) for document in own.values())
        texts = (self._ledger.by_text.get(piece.text, "") for piece in self._sheet.pieces)
        for entry in [*ours, *(entries.get(identity) for identity in texts)]:
            if entry and entry.status not in (Status.WAITING, Status.REMOVED, Status.SKIPPED):
                base = min(base, entry.since - 1)
        return base

    def _holders(self, own: Mapping[int, _Written], exact: set[str]) -> dict[str, int]:
        """Return which of several documents of one ID is the experiment: one that was not changed."""
        holders: dict[str, int] = {}
        places: dict[str, list[int]] = {}
        for place, document in own.items():
            if document.identity:
                places.setdefault(document.identity, []).append(place)
        for identity, same in places.items():
            if identity in exact:
                holders[identity] = -1
            elif len(same) > 1:
                entry = self._ledger.entries.get(identity)
                words = words_of(entry.text_at(self._base)) if entry else ""
                holders[identity] = next((place for place in same if own[place].words == words), same[0])
        return holders

    # --- one document ---

    def _read_unchanged(self, piece: Piece, entry: Entry) -> None:
        if entry.status is Status.WAITING:
            self._shown.append(entry.id)
        elif entry.since > self._base:
            self._say_removed(entry)  # a stale save
        elif entry.status is Status.REMOVED:
            self._shown.append(entry.id)
            self._restored.append(entry.id)
        else:
            self._refuse(piece, entry)

    def _read_copy(self, document: _Written) -> None:
        """Two of one ID: equal ones are one, a changed one is an experiment of its own."""
        entry = self._ledger.entries.get(document.identity)
        known = {row[4] for row in self._shown if isinstance(row, list) and row[0] == document.identity}
        if entry is not None:
            known |= {words_of(entry.text_at(self._base)), words_of(entry.text)}
        known |= {row[3] for row in self._edits if row[0] == document.identity}
        if document.words not in known:
            self._read_new(document, "")

    def _read_document(self, document: _Written) -> None:
        entry = self._ledger.entries.get(document.identity)
        if entry is None or entry.status is Status.SKIPPED:
            self._read_new(document, "" if entry else document.identity)
        else:
            self._seen.add(entry.id)
            self._read_known(document, entry)

    def _read_known(self, document: _Written, entry: Entry) -> None:
        shown = entry.text_at(self._base)
        now = words_of(entry.text)
        words = document.words
        edited = words not in (words_of(shown), now) and not entry.was_written(words, self._base)
        put_back = entry.status is not Status.WAITING and entry.since <= self._base
        if entry.status is Status.WAITING or (put_back and entry.status is Status.REMOVED):
            self._shown.append(entry.id)
            if put_back:
                self._restored.append(entry.id)
            if edited:
                self._edit(document, entry)
            elif document.piece.text != shown and words == now:  # a comment, or the form
                self._edits.append([entry.id, document.piece.text, None, words])
        elif entry.status is Status.REMOVED:
            if edited:  # somebody deleted it, somebody else wants it in another form
                self._read_new(document, "")
            else:
                self._say_removed(entry)
        elif put_back or edited:
            self._refuse(document.piece, entry)

    def _edit(self, document: _Written, entry: Entry) -> None:
        # What its person wrote after the file was opened, and has not seen completed, is still short.
        known = None if entry.draft and entry.born > self._base else entry.text
        completed = self._complete(document, entry.id, entry.facts.index, known)
        if completed is not None:
            text, facts = completed
            self._edits.append([entry.id, text, self._data(facts), document.words])

    def _read_new(self, document: _Written, identity: str) -> None:
        adopted = self._adopted_before(document.words)
        if adopted is not None:
            self._seen.add(adopted)
            if self._ledger.entries[adopted].status is Status.WAITING:
                self._shown.append(adopted)
            return
        while not identity or identity in self._seen or identity in self._ledger.entries:
            identity = self._new_id()
        self._seen.add(identity)
        completed = self._complete(document, identity, self._index, None)
        if completed is not None:
            text, facts = completed
            self._index += 1
            self._shown.append([identity, text, self._data(facts), 0.0, document.words])

    def _adopted_before(self, words: str) -> str | None:
        """Return the experiment that became of the same document since the file was opened, if one did."""
        for identity in self._ledger.drafts.get(words, ()):
            if self._ledger.entries[identity].born > self._base and identity not in self._seen:
                return identity
        return None

    def _complete(
        self, document: _Written, identity: str, index: int, known: str | None
    ) -> tuple[str, Facts] | None:
        piece = document.piece
        line = self._sheet.place(piece)[0]
        try:
            return self._adopt(Draft(self._source, piece.text, line, document.value, identity, index, known))
        except YamlError as error:
            self._save.problems.append(error.problem)
        except DefinitionError as error:
            self._save.problems.extend(error.problems)
        return None

    def _refuse(self, piece: Piece, entry: Entry) -> None:
        line = self._sheet.place(piece)[0]
        self._save.refused.append(Refused(entry.id, entry.status, line, piece.text))

    def _say_removed(self, entry: Entry) -> None:
        if entry.status is Status.REMOVED:
            self._save.stay_removed.append(entry.id)

    def _problem(self, piece: Piece, message: str, hint: str = "", path: tuple[str, ...] = ()) -> None:
        content = _CONTENT.search(piece.text)
        before = content.start() if content else 0
        line = self._sheet.place(piece)[0] + piece.text.count("\n", 0, before)
        place = self._source.locate(Document(None, line, piece.at + before), path)
        self._save.problems.append(self._source.problem(message, *place, hint))

    def _data(self, facts: Facts) -> dict[str, Any]:
        data = facts.to_data()
        if facts.needs:
            data["group"] = self._groups.setdefault(facts.needs, len(self._groups))
        return data

    # --- the record ---

    def _write_record(self) -> None:
        removed = self._removed()
        places = self._places(set(removed))
        changes: dict[str, Any] = {
            "edit": self._changed(),
            "remove": removed,
            "place": [list(place) for place in places.items()],
            "new": [row for row in self._shown if isinstance(row, list)],
            "restore": self._restored,
        }
        changes = {key: rows for key, rows in changes.items() if rows}
        remarks = list(self._remarks(places))
        if remarks != self._ledger.remarks[-1][1]:
            changes["remarks"] = remarks
        preamble = self._preamble()
        if preamble != self._ledger.preambles[-1][1]:
            changes["preamble"] = preamble
        if self._groups:
            changes["groups"] = [list(group) for group in self._groups]
        # Also a revision that only the file knows is noted: none after it shall have a lower number.
        if changes or self._given > self._ledger.published:
            self._save.record = {"t": "save", "base": self._given, **changes}

    def _changed(self) -> list[_Row]:
        """Return the edits that change anything; what was written only where it was completed."""
        edits: list[_Row] = []
        for identity, text, data, words in self._edits:
            if data is not None:
                draft = "" if words_of(text) == words else words
                edits.append([identity, text, data, *filter(None, [draft])])
            elif text != self._ledger.entries[identity].text:
                edits.append([identity, text, None])
        return edits

    def _removed(self) -> list[str]:
        """Return what was deleted: shown by the revision that the save was made from, and not by itself."""
        return [
            entry.id
            for entry in self._ledger.entries.values()
            if entry.since <= self._base and entry.status is Status.WAITING and entry.id not in self._seen
        ]

    def _places(self, removed: set[str]) -> dict[str, float]:
        """Give the new ones their orders, and return those of the moved ones."""
        entries = self._ledger.entries
        known = [entries[shown] for shown in self._shown if isinstance(shown, str)]
        new = [row for row in self._shown if isinstance(row, list)]
        orders = [entry.order for entry in known]
        moved = moved_places(orders, [entry.order_at(self._base) for entry in known])
        if not moved and not new:
            return {}
        standing = [
            (entry.order, entry.id)
            for entry in entries.values()
            if (entry.status is Status.WAITING and entry.id not in removed) or entry.id in self._restored
        ]
        row = [None if isinstance(one, list) else one for one in self._shown if not isinstance(one, Piece)]
        arranged = arrange(standing, row, {known[place].id for place in moved}, self._ledger.last_order)
        for each, order in zip(new, arranged.new, strict=True):
            each[3] = order
        return arranged.known

    def _remarks(self, places: Mapping[str, float]) -> list[Remark]:
        """Return the comments between the documents, each where it stands now."""
        ledger = self._ledger
        current = ledger.remarks[-1][1]
        texts = [piece.text for piece in self._shown if isinstance(piece, Piece)]
        if current is not (then := ledger.remarks_at(self._base)) and texts == [r.text for r in then]:
            return current  # others have changed them
        row: list[str | float] = []
        for shown in self._shown:
            if isinstance(shown, Piece):
                row.append(shown.text)
            elif isinstance(shown, str):
                row.append(places.get(shown, ledger.entries[shown].order))
            else:
                row.append(shown[3])
        return place_remarks(row, current, ledger.last_order)

    def _preamble(self) -> str:
        preamble = self._sheet.preamble
        if preamble == self._ledger.preamble_at(self._base):
            preamble = self._ledger.preambles[-1][1]
        for refused in self._save.refused:
            if refused.comment not in preamble:
                preamble += refused.comment
        return preamble
