"""What a person's save of the queue file means: a merge of three texts.

A save was made from some revision of the file, named in its header. Comparing the saved text with what
that revision showed tells what the person did; what has happened since (experiments that were taken,
added, changed by others) stays as it is. So a stale save is harmless: it deletes only what its own
revision showed, changes only what its person changed, and starts nothing a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from coolrunner.errors import DefinitionError, Position, Problem, UserError, YamlError
from coolrunner.queue.base import Facts, Status
from coolrunner.queue.entries import Entry, Remark
from coolrunner.queue.ledger import Ledger
from coolrunner.queue.places import arrange, moved_places, place_remarks
from coolrunner.queue.saves import Adopt, Draft, Refused, Save, words_of
from coolrunner.queue.text import Piece, Sheet, Stretch
from coolrunner.queue.written import Documents, Written, doubtful

if TYPE_CHECKING:
    from coolrunner.yamlio import Source

__all__ = ["Adopt", "Draft", "Refused", "Save", "doubtful", "read_save"]

#: A new experiment: ID, text, facts as data, order, and what was written.
_Row = list[Any]


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
        self._standing = ledger.waiting() if sheet.stretches else []
        standing = [entry.id for entry in self._standing]
        self._documents = Documents(sheet, source, ledger.by_text, standing)
        self._save.problems += self._documents.problems
        #: What the file shows, in its order: waiting experiments, new ones, and comments.
        self._shown: list[str | _Row | Piece] = []
        self._seen = self._documents.seen
        self._edits: list[_Row] = []
        self._new: list[_Row] = []
        self._again: set[str] = set()  # what became of new documents that were saved before
        self._restored: list[str] = []
        self._groups: dict[tuple[str, ...], int] = {}
        self._drafts: list[Draft] = []
        self._drafted: list[_Row] = []  # what is to become of them
        self._index = ledger.next_index

    def read(self) -> Save:
        exact, own, entries = self._documents.exact, self._documents.own, self._ledger.entries
        if self._sheet.revision is None:
            self._base = self._latest_base()
        copies = self._documents.copies(self._words_then)
        # Nearly all of them are as they were.
        shown: list[str | _Row | Piece | None] = [*exact]
        for place in self._documents.places:
            identity = exact[place]
            if identity is not None:
                if entries[identity].status is not Status.WAITING:
                    shown[place] = self._read_unchanged(self._sheet.piece(place), entries[identity])
            elif self._sheet.is_remark(place):
                shown[place] = self._sheet.piece(place)
            elif place in own:
                shown[place] = (self._read_copy if place in copies else self._read_document)(own[place])
        # Only now, for they may name each other.
        for draft, row in zip(self._drafts, self._drafted, strict=True):
            self._complete(draft, row)
        if not self._save.problems:
            self._shown = [one for one in shown if one is not None]
            self._write_record(list(self._known(shown)))
            self._save.refused = [one for one in self._save.refused if not self._is_told(one)]
        return self._save

    def _known(self, shown: Sequence[str | _Row | Piece | None]) -> Iterator[Entry]:
        """Yield those shown that are no new ones."""
        entries, done = self._ledger.entries, 0
        for place, number, length in (*self._documents.stretches, Stretch(len(shown), 0, 0)):
            yield from (entries[one] for one in shown[done:place] if type(one) is str)
            yield from self._standing[number : number + length]
            done = place + length

    def _words_then(self, identity: str) -> str:
        entry = self._ledger.entries.get(identity)
        return words_of(entry.text_at(self._base)) if entry else ""

    def _latest_base(self) -> int:
        """Return the revision from which a save without a header can have been made at the latest.

        It shows an experiment that was taken since as it was, so it was made before that.
        """
        base = self._base
        entries = self._ledger.entries
        own = (written.identity for written in self._documents.own.values())
        names = [*own, *filter(None, self._documents.exact)]
        for entry in map(entries.get, names):
            if entry and entry.status not in (Status.WAITING, Status.REMOVED, Status.SKIPPED):
                base = min(base, entry.since - 1)
        return base

    # --- one document ---

    def _read_unchanged(self, piece: Piece, entry: Entry) -> str | None:
        """Take up a document, word for word as it was, of an experiment that does not wait."""
        if entry.since > self._base:  # a stale save
            self._note_removed(entry)
            return None
        if entry.status is Status.REMOVED:
            self._restored.append(entry.id)
            return entry.id
        self._refuse(piece, entry)
        return None

    def _read_copy(self, document: Written) -> str | _Row | None:
        """Two of one ID: equal ones are one, a changed one is an experiment of its own."""
        entry = self._ledger.entries.get(document.identity)
        known = {row[4] for row in self._new if row[0] == document.identity}
        if entry is not None:
            known |= {words_of(entry.text_at(self._base)), words_of(entry.text)}
        known |= {row[3] for row in self._edits if row[0] == document.identity}
        return None if document.words in known else self._read_new(document, "")

    def _read_document(self, document: Written) -> str | _Row | None:
        entry = self._ledger.entries.get(document.identity)
        if entry is None or entry.status is Status.SKIPPED:
            return self._read_new(document, "" if entry else document.identity)
        edited, is_now = self._compare(document, entry)
        if edited and self._adopted_before(document):  # a copy that was changed, without the original
            return self._read_new(document, "")
        self._seen.add(entry.id)
        put_back = entry.status is not Status.WAITING and entry.since <= self._base
        if entry.status is Status.WAITING or (put_back and entry.status is Status.REMOVED):
            if put_back:
                self._restored.append(entry.id)
            if edited:
                self._edit(document, entry)
            elif is_now and document.piece.text != entry.text_at(self._base):  # a comment, or the form
                self._edits.append([entry.id, document.piece.text, None, document.words])
            return None if entry.id in self._again else entry.id
        if entry.status is Status.REMOVED:
            if edited:  # somebody deleted it, somebody else wants it in another form
                return self._read_new(document, "")
            self._note_removed(entry)
        elif put_back or edited:
            self._refuse(document.piece, entry)
        return None

    def _compare(self, document: Written, entry: Entry) -> tuple[bool, bool]:
        """Return whether a person has changed a document, and whether it says what is so now."""
        shown, words = entry.text_at(self._base), document.words
        now = words_of(entry.text)
        then = now if shown is entry.text else words_of(shown)
        return words not in (then, now) and not entry.was_written(words, self._base), words == now

    def _edit(self, document: Written, entry: Entry) -> None:
        # What its person wrote after the file was opened, and has not seen completed, is still short.
        known = None if entry.draft and entry.born > self._base else entry.text
        self._edits.append([entry.id, "", {}, document.words])
        self._draft(document, self._edits[-1], entry.facts.index, known)

    def _read_new(self, document: Written, identity: str) -> str | _Row | None:
        adopted = self._adopted_before(document)
        if adopted:
            is_shown = adopted in self._seen or self._ledger.entries[adopted].status is not Status.WAITING
            self._seen.add(adopted)
            self._again.add(adopted)
            return None if is_shown else adopted
        while not identity or identity in self._seen or identity in self._ledger.entries:
            identity = self._new_id()
        self._seen.add(identity)
        self._new.append([identity, "", {}, 0.0, document.words])
        self._draft(document, self._new[-1], self._index, None)
        self._index += 1
        return self._new[-1]

    def _adopted_before(self, document: Written) -> str:
        """Return the experiment that became of the same document since the file was opened; empty for none.

        Where another document of the save wants that one in another form, they are two.
        """
        for identity in self._ledger.drafts.get(document.words, ()):
            entry = self._ledger.entries[identity]
            if entry.born > self._base and identity not in self._again:
                same = [one for one in self._documents.own.values() if one.identity == identity]
                if not any(one is document or self._compare(one, entry)[0] for one in same):
                    return identity
        return ""

    def _draft(self, document: Written, row: _Row, index: int, known: str | None) -> None:
        piece = document.piece
        line = self._sheet.place(piece)[0]
        self._drafts.append(
            Draft(self._source, piece.text, line, document.value, row[0], index, known, self._drafts)
        )
        self._drafted.append(row)

    def _complete(self, draft: Draft, row: _Row) -> None:
        try:
            text, facts = self._adopt(draft)
        except YamlError as error:
            self._save.problems.append(error.problem)
        except DefinitionError as error:
            self._save.problems.extend(error.problems)
        except UserError as error:
            self._save.problems.append(Problem(str(error), Position(self._source.name, draft.line, 1)))
        else:
            row[1:3] = text, self._data(facts)

    def _refuse(self, piece: Piece, entry: Entry) -> None:
        line = self._sheet.place(piece)[0]
        self._save.refused.append(Refused(entry.id, entry.status, line, piece.text))

    def _is_told(self, refused: Refused) -> bool:
        """Whether another runner took up the same save a moment ago: no file shows its comment yet."""
        ledger = self._ledger
        now, shown = ledger.preambles[-1][1], ledger.preamble_at(ledger.published)
        return refused.comment in now and refused.comment not in shown

    def _note_removed(self, entry: Entry) -> None:
        if entry.status is Status.REMOVED:
            self._save.stay_removed.append(entry.id)

    def _data(self, facts: Facts) -> dict[str, Any]:
        data = facts.to_data()
        if facts.needs:
            data["group"] = self._groups.setdefault(facts.needs, len(self._groups))
        return data

    # --- the record ---

    def _write_record(self, known: Sequence[Entry]) -> None:
        removed = self._removed(len(known) - len(self._restored))
        places = self._places(known, set(removed))
        changes: dict[str, Any] = {
            "edit": self._changed(),
            "remove": removed,
            "place": [list(place) for place in places.items()],
            "new": self._new,
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
            entry = self._ledger.entries[identity]
            if data is None and text == entry.text:
                continue
            draft = "" if data is None or words_of(text) == words else words
            # Whoever wrote it short before may not have seen it since, and still have it so.
            if not draft and entry.draft and (data is None or entry.draft[1] <= self._base):
                draft = entry.draft[0]
            edits.append([identity, text, data, *filter(None, [draft])])
        return edits

    def _removed(self, shown: int) -> list[str]:
        """Return what was deleted: shown by the revision that the save was made from, and not by itself.

        Parameters
        ----------
        shown
            How many of those that wait it shows.
        """
        if shown == self._ledger.counts[Status.WAITING]:
            return []
        base, seen = self._base, self._seen
        return [
            entry.id
            for entry in self._ledger.entries.values()
            if entry.status is Status.WAITING and entry.since <= base and entry.id not in seen
        ]

    def _places(self, known: Sequence[Entry], removed: set[str]) -> dict[str, float]:
        """Give the new ones their orders, and return those of the moved ones."""
        moved = moved_places([entry.order for entry in known], lambda: self._orders_then(known))
        moved = moved or self._strays(known)
        if not moved and not self._new:
            return {}
        standing = [
            (entry.order, entry.id)
            for entry in self._ledger.entries.values()
            if (entry.status is Status.WAITING and entry.id not in removed) or entry.id in self._restored
        ]
        row = [None if isinstance(one, list) else one for one in self._shown if not isinstance(one, Piece)]
        arranged = arrange(standing, row, {known[place].id for place in moved}, self._ledger.last_order)
        for new, order in zip(self._new, arranged.new, strict=True):
            new[3] = order
        return arranged.known

    def _orders_then(self, known: Sequence[Entry]) -> list[float]:
        return [entry.order_at(self._base) for entry in known if entry.born <= self._base]

    def _strays(self, known: Sequence[Entry]) -> set[int]:
        """Return which of a row are younger than its revision, and were put elsewhere than it says.

        One that came with this very text was put as it says, wherever others have moved its neighbours.
        """
        young = {place: entry for place, entry in enumerate(known) if entry.born > self._base}
        if not young or len(known) == 1:
            return set()
        now, strays = self._ledger.published + 1, set(young)
        for revision in {now, *(entry.born for entry in young.values())}:
            turn = _in_turn([entry.order_at(revision) for entry in known])
            for place, entry in young.items():
                is_put = revision in (now, entry.born) and entry.order == entry.order_at(revision)
                if is_put and max(place, 1) in turn:
                    strays.discard(place)
        return strays

    def _remarks(self, places: Mapping[str, float]) -> list[Remark]:
        """Return the comments between the documents, each where it stands now."""
        ledger = self._ledger
        current, then = ledger.remarks[-1][1], ledger.remarks_at(self._base)
        texts = [piece.text for piece in self._shown if type(piece) is Piece]
        if not texts and not current:
            return current
        if current is not then and texts == [remark.text for remark in then]:
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


def _in_turn(orders: Sequence[float]) -> set[int]:
    """Return the places in a row that stand right behind the place before them."""
    ranked = sorted(range(len(orders)), key=orders.__getitem__)
    return {place for before, place in pairwise(ranked) if place == before + 1}
