"""The state of a queue: a fold of its records, and what follows from it.

A record is plain data and says what has happened: experiments were put, one was claimed, one has
ended, a person has saved the file. `Ledger.apply` is the only thing that changes the state, so that
every runner that reads the same records knows the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from operator import attrgetter, eq, itemgetter
from typing import Any

from coolrunner.errors import IllegalMove
from coolrunner.queue.base import Facts, Fits, Status, move
from coolrunner.queue.choice import Choice
from coolrunner.queue.entries import Claim, Entry, Remark, Runner
from coolrunner.queue.needs import Needs

__all__ = ["Ledger"]

#: Records that change what the queue file shows.
_SHOWN = frozenset({"put", "claim", "end", "free", "again", "save"})
# To look them up in their class takes longer.
_BY_VALUE = {status.value: status for status in Status}
_WAITING, _RUNNING, _DONE = Status.WAITING, Status.RUNNING, Status.DONE


class Ledger:
    """What is known of all experiments of a study.

    Attributes
    ----------
    entries
        All experiments by ``ID``, in the order in which they were put.
    roster
        The IDs by their place in the study's list.
    counts
        How many experiments there are of each status.
    runners
        All runners that ever worked on it, by their own identifiers.
    study
        What the study's definition gave: its name, its text, its draws.
    published
        The last revision of the queue file.
    signature
        What that file looked like.
    replaced
        What the files looked like in whose places new ones were put, after they had been dealt with.
    unshown
        How many records since then have changed what the file should show.
    paused
        Why nothing is started for now; empty for going on.
    """

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.roster: dict[int, str] = {}
        self.counts: Counter[Status] = Counter()
        self.runners: dict[str, Runner] = {}
        self.study: dict[str, Any] = {}
        self.published = 0
        self.signature: list[int] = []
        self.replaced: set[tuple[int, ...]] = set()
        self.paused = ""
        self.by_text: dict[str, str] = {}
        self.drafts: dict[str, list[str]] = {}
        self.preambles: list[tuple[int, str]] = [(0, "")]
        self.remarks: list[tuple[int, list[Remark]]] = [(0, [])]
        self.cancelled: set[str] = set()
        self.unshown = 0
        self._published_at: list[tuple[float, int]] = []
        self.next_index = 0
        self._needs = Needs(self.entries)
        self._choice = Choice(self.entries, self._needs)
        self._running: dict[str, Entry] = {}
        self._stood: list[Entry] | None = None  # in order; of some that waited, others have been taken since
        self.last_order = 0.0
        self._apply: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "put": self._put,
            "claim": self._claim,
            "worker": self._worker,
            "end": self._end,
            "free": self._free,
            "again": self._again,
            "save": self._save,
            "publish": self._publish,
            "runner": self._runner,
            "gone": self._gone,
            "cancel": self._cancel,
            "pause": self._pause,
            "study": self._study,
            "list": self._list,
        }

    # --- what changes it ---

    def apply(self, record: Mapping[str, Any]) -> None:
        """Take notice of one record; one of a kind that is not known here (a later version's) is left out.

        Raises
        ------
        IllegalMove, KeyError
            It does not fit what came before.
        """
        kind = record.get("t", "")
        handler = self._apply.get(kind)
        if handler is not None:
            self._needs.blocked.clear()
            handler(record)
            if kind in _SHOWN:
                self.unshown += 1

    def take_in(self, record: Mapping[str, Any]) -> str:
        """Take notice of a record that another process has written; return what is wrong with it."""
        try:
            self.apply(record)
        except (IllegalMove, LookupError, ValueError, TypeError, AttributeError) as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def _put(self, record: Mapping[str, Any]) -> None:
        groups = [tuple(group) for group in record.get("groups", ())]
        for row in record["rows"]:
            data = row[2]
            needs = groups[data["group"]] if "group" in data else ()
            self.add(row[0], row[1], Facts.from_data(data, needs))

    def add(self, identity: str, text: str, facts: Facts, order: float | None = None) -> Entry:
        """Add an experiment, at the end unless `order` says where."""
        # This is done 100,000 times before a long queue is shown; so are those below.
        if order is None:
            order = self.last_order = self.last_order + 1.0
        elif order > self.last_order:
            self.last_order = order
        self._needs.blocked.clear()
        self._stood = None
        entry = Entry(identity, text, facts, order, self.published + 1)
        self.entries[identity] = entry
        index = facts.index
        self.roster[index] = identity
        if index >= self.next_index:
            self.next_index = index + 1
        self.counts[entry.status] += 1
        if text:
            self.by_text[text] = identity
        if facts.needs:
            self._needs.join(entry)
        self._choice.offer(entry)
        return entry

    def _claim(self, record: Mapping[str, Any]) -> None:
        entry = self.entries[record["id"]]
        self._to(entry, _RUNNING)
        entry.attempts += 1
        entry.claim = Claim(record.get("r", ""), record.get("at", 0.0))
        self.cancelled.discard(entry.id)

    def _worker(self, record: Mapping[str, Any]) -> None:
        entry = self.entries[record["id"]]
        if entry.claim is not None and entry.claim.runner == record.get("r", ""):
            entry.claim.worker = dict(record["process"])
            entry.run = record.get("run", "")

    def _end(self, record: Mapping[str, Any]) -> None:
        entry = self.entries[record["id"]]
        status = _BY_VALUE[record["status"]]
        self._to(entry, status)
        entry.claim = None
        entry.error, entry.kind = record.get("error", ""), record.get("kind", "")
        entry.elapsed = record.get("elapsed", 0.0)
        entry.run = record.get("run", entry.run)
        retry_at = record.get("until")
        if status is _DONE:
            for released in self._needs.release(entry):
                self._choice.offer(released)
        elif retry_at is not None:
            entry.failures += status is Status.FAILED
            self._return(entry, retry_at)
        elif status is Status.LOST:
            entry.losses += 1
            self._return(entry)
        elif status is Status.FAILED:
            entry.failures += 1

    def _free(self, record: Mapping[str, Any]) -> None:
        entry = self.entries[record["id"]]
        self._to(entry, Status.LOST)
        entry.claim = None
        entry.losses += 1
        entry.error = record.get("why", "")
        self._return(entry)

    def _again(self, record: Mapping[str, Any]) -> None:
        for identity in record["ids"]:
            entry = self.entries[identity]
            entry.failures = 0
            self._return(entry)

    def _return(self, entry: Entry, not_before: float = 0.0) -> None:
        self._to(entry, Status.WAITING)
        self._stood = None
        entry.not_before = not_before
        self._choice.offer(entry)

    def _save(self, record: Mapping[str, Any]) -> None:
        revision = self.published + 1
        groups = [tuple(group) for group in record.get("groups", ())]
        for identity, text, data, *draft in record.get("edit", ()):
            entry = self.entries[identity]
            self._retext(entry, text, revision)
            entry.draft = (draft[0], revision) if draft else None
            if data is not None:
                self._refact(entry, Facts.from_data(data, groups[data["group"]] if "group" in data else ()))
        for identity, text, data, order, draft in record.get("new", ()):
            needs = groups[data["group"]] if "group" in data else ()
            entry = self.add(identity, text, Facts.from_data(data, needs), order)
            entry.draft = (draft, revision)
            self.drafts.setdefault(draft, []).append(identity)
        for identity in record.get("remove", ()):
            self._to(self.entries[identity], Status.REMOVED)
        for identity in record.get("restore", ()):
            self._return(self.entries[identity])
        for identity, order in record.get("place", ()):
            entry = self.entries[identity]
            entry.reorder(order, revision)
            self._stood = None
            self.last_order = max(self.last_order, order)
            self._choice.offer(entry)
        if "preamble" in record:
            self.preambles.append((revision, record["preamble"]))
        if "remarks" in record:
            self.remarks.append((revision, [Remark(*row) for row in record["remarks"]]))
        # A revision that only the file knew: the journal's last moments went with a power cut.
        self.published = max(self.published, record.get("base", 0))

    def _retext(self, entry: Entry, text: str, revision: int) -> None:
        if self.by_text.get(entry.text) == entry.id:
            del self.by_text[entry.text]
        entry.retext(text, revision)
        self.by_text[text] = entry.id

    def _refact(self, entry: Entry, facts: Facts) -> None:
        self._needs.leave(entry)
        entry.facts = facts
        self._needs.join(entry)
        self._choice.offer(entry)

    def _publish(self, record: Mapping[str, Any]) -> None:
        self.published = record["revision"]
        self.signature = list(record.get("signature", ()))
        self.replaced.add(tuple(record.get("replaced", ())))
        self._published_at.append((record.get("at", 0.0), self.published))
        self.unshown = 0

    def _runner(self, record: Mapping[str, Any]) -> None:
        identity, lends = record["r"], dict(record.get("lends") or {})
        self.runners[identity] = Runner(identity, dict(record["process"]), record.get("at", 0.0), lends=lends)

    def _gone(self, record: Mapping[str, Any]) -> None:
        runner = self.runners.get(record["r"])
        if runner is not None:
            runner.gone = True

    def _cancel(self, record: Mapping[str, Any]) -> None:
        if self.entries[record["id"]].status is Status.RUNNING:
            self.cancelled.add(record["id"])

    def _pause(self, record: Mapping[str, Any]) -> None:
        self.paused = record.get("why", "")

    def _study(self, record: Mapping[str, Any]) -> None:
        self.study = {key: value for key, value in record.items() if key != "t"}

    def _list(self, record: Mapping[str, Any]) -> None:
        """A study was gone on with: its list stands behind the one of before, and shares experiments."""
        for index, identity in record["rows"]:
            self.roster[index] = identity
            self.next_index = max(self.next_index, index + 1)

    def _to(self, entry: Entry, status: Status) -> None:
        before = entry.status
        try:
            move(before, status)
        except IllegalMove as error:
            raise IllegalMove(f"{entry.id}: {error}") from None
        if status is _WAITING or before is _WAITING:
            # A save that came from an earlier revision says nothing about this.
            entry.since = self.published + 1
        self.counts[before] -= 1
        self.counts[status] += 1
        entry.status = status
        if status is _RUNNING:
            self._running[entry.id] = entry
        elif before is _RUNNING:
            del self._running[entry.id]

    # --- what may be taken ---

    def unmet(self, entry: Entry) -> Iterator[str]:
        """Yield the IDs of those that an experiment needs and that are not done; they may be unknown."""
        return self._needs.unmet(entry)

    def lanes(self) -> list[str]:
        """Return the lanes that have an experiment to take, that of the first one first."""
        return self._choice.lanes()

    def first(self, fits: Fits | None = None) -> Entry | None:
        """Return the experiment that is taken next; None where none can be started."""
        return None if self.paused else self._choice.first(fits)

    def next_time(self) -> float | None:
        """Return when a delayed experiment may run, in seconds since the epoch; None where none is."""
        return self._choice.next_time()

    def doubt(self, identities: set[str]) -> None:
        """Keep these from being taken, and no others, until it is clear what a person means with them."""
        self._choice.doubt(identities)

    def is_doubted(self, identity: str) -> bool:
        """Whether it is unclear what a person means with an experiment."""
        return self._choice.is_doubted(identity)

    def has_dependents(self) -> bool:
        """Whether a waiting experiment needs others."""
        return self._needs.is_needed()

    # --- looking ---

    def waiting(self) -> list[Entry]:
        """Return the waiting experiments in the order in which they stand."""
        if self._stood is not None:
            self._stood = [entry for entry in self._stood if entry.status is _WAITING]
            return [*self._stood]
        waiting = [entry for entry in self.entries.values() if entry.status is _WAITING]
        waiting.sort(key=attrgetter("order"))
        orders = [entry.order for entry in waiting]
        if any(map(eq, orders, islice(orders, 1, None))):
            waiting.sort(key=attrgetter("order", "id"))
        self._stood = waiting
        return [*waiting]

    def shown(self) -> list[str]:
        """Return what the file shows: the documents that wait, and comments between them."""
        remarks = self.remarks[-1][1]
        if not remarks:
            return [entry.text for entry in self.waiting()]
        rows: list[tuple[float, int, str, str]] = []
        rows += ((entry.order, 1, entry.id, entry.text) for entry in self.waiting())
        rows += ((remark.order, 2 if remark.behind else 0, "", remark.text) for remark in remarks)
        rows.sort(key=itemgetter(0, 1, 2))
        return [row[3] for row in rows]

    def documents(self) -> list[str]:
        """Return what the file shows where that is documents alone; nothing where comments stand between."""
        return [] if self.remarks[-1][1] else self.shown()

    def running(self) -> list[Entry]:
        """Return the running experiments."""
        return list(self._running.values())

    def standing(self, entry: Entry) -> str:
        """Return how it stands with an experiment: its status, or ``held`` or ``blocked`` for a waiting one.

        Blocked is one that needs another which will not run by itself.
        """
        if entry.status is Status.WAITING:
            if entry.facts.hold:
                return "held"
            if not self._needs.are_met(entry) and self._needs.are_blocked(entry.facts.needs):
                return "blocked"
        return entry.status.value

    def preamble_at(self, revision: int) -> str:
        """Return a person's comments at the top of the file, as they stood in a revision of it."""
        return next(text for since, text in reversed(self.preambles) if since <= revision or not since)

    def remarks_at(self, revision: int) -> list[Remark]:
        """Return a person's comments between the documents, as they stood in a revision of the file."""
        return next(rows for since, rows in reversed(self.remarks) if since <= revision or not since)

    def revision_at(self, time: float) -> int:
        """Return the last revision of the file that was there at a time, in seconds since the epoch."""
        return next((revision for at, revision in reversed(self._published_at) if at <= time), 0)
