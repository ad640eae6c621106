"""A queue that is a file: anyone may edit it, while any number of runners take from it.

The file is the desk, and the journal beside it is the truth. Every step of a runner (`take`, `finish`,
...) is one session: it locks the journal, reads what others have written, looks whether a person has
saved the file, acts, and writes down what it did, before anything comes of it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, Protocol

from coolrunner.errors import QueueError
from coolrunner.queue.base import ENDED, Ended, Facts, Fits, Item, Status
from coolrunner.queue.claims import Claims
from coolrunner.queue.desk import Desk
from coolrunner.queue.entries import Entry
from coolrunner.queue.journal import Journal
from coolrunner.queue.ledger import Ledger
from coolrunner.queue.memory import again_record, check_new, end_record, is_wanted
from coolrunner.queue.reading import journal_of, read_ledger, uncollected
from coolrunner.queue.saves import Draft
from coolrunner.queue.steps import step

__all__ = ["FileQueue", "Scribe", "journal_of", "read_ledger"]

#: How often a runner with nothing to do looks for what others have done: people and runners.
POLL = 0.1
_ROWS = 1000  # experiments a record


class Scribe(Protocol[Item]):
    """Knows what a queue does not: how an experiment is written, and what a person's words mean."""

    def facts_of(self, item: Item) -> Facts:
        """Return what the queue has to know of an item."""

    def text_of(self, item: Item) -> str:
        """Return its document for the file, with its ``ID``, without a line break at the end."""

    def item_of(self, entry: Entry) -> Item:
        """Return the item of an entry that another process has put, or a person."""

    def adopt(self, draft: Draft, ledger: Ledger) -> tuple[str, Facts]:
        """Complete what a person wrote, see `coolrunner.queue.merge.Adopt`."""

    def new_id(self) -> str:
        """Return a fresh ``ID``."""

    def is_logged(self, entry: Entry) -> bool:
        """Whether the result of an experiment stands in its log."""


class FileQueue(Generic[Item]):
    """A queue kept in a file and its journal.

    Parameters
    ----------
    path
        The queue file.
    scribe
        See `Scribe`.
    create
        Whether the journal is begun where there is none.
    runs
        Whether this process will take experiments, and says so in the journal.

    Raises
    ------
    QueueError
        The queue is not there, or cannot be used.
    """

    def __init__(
        self, path: Path | str, scribe: Scribe[Item], *, create: bool = False, runs: bool = True
    ) -> None:
        self.path = Path(path)
        self.ledger = Ledger()
        self._scribe = scribe
        self._items: dict[str, Item] = {}
        self._said: list[tuple[str, str]] = []
        self._depth = 0
        self._next_look = POLL
        directory = journal_of(self.path)
        try:
            if create:
                directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise QueueError(f"the queue {path} cannot be kept: {directory}: {error.strerror}") from None
        self._journal = Journal(directory / "journal.jsonl", create=create)
        self._synced = time.monotonic()
        self._claims = Claims(directory, self.ledger, self._write, scribe.is_logged, self._say)
        self._desk = Desk(
            self.path,
            directory / "displaced",
            self.ledger,
            self._write,
            lambda draft: scribe.adopt(draft, self.ledger),
            scribe.new_id,
            self._say,
        )
        try:
            with self.session():
                self._desk.look_at_leftovers()
                if runs:
                    self._claims.enter()
        except BaseException:
            self._claims.close()
            self._journal.close()
            raise

    # --- sessions ---

    @contextlib.contextmanager
    def session(self) -> Iterator[None]:
        """Hold the lock, knowing all that has happened; sessions may be nested.

        Raises
        ------
        QueueError
            The journal cannot be locked or read.
        """
        if self._depth:
            yield
            return
        with self._journal.locked():
            self._depth += 1
            try:
                self._catch_up()
                yield
            finally:
                self._depth -= 1

    def write(self, *records: Mapping[str, Any]) -> None:
        """Write down what happened, and let it be so; in a session.

        Raises
        ------
        QueueError
            It could not be written; then it has not happened.
        """
        self._write(*records)

    def _write(self, *records: Mapping[str, Any]) -> None:
        self._journal.append(records)
        for record in records:
            self.ledger.apply(record)
            if record.get("t") == "save":
                self._journal.sync()  # what a person saved stands nowhere else from now on

    def _catch_up(self) -> None:
        if not self._journal.has_more():
            return
        damaged = self._journal.damaged
        with uncollected():
            for record in self._journal.read():
                wrong = self.ledger.take_in(record)
                if wrong:
                    self._say(f"{self._journal.path} holds a record that makes no sense ({wrong})", "warning")
        if self._journal.damaged > damaged:
            count = self._journal.damaged - damaged
            lines = "a line" if count == 1 else f"{count} lines"
            self._say(f"{self._journal.path} holds {lines} that cannot be read; the rest is used", "warning")

    def _say(self, message: str, level: str) -> None:
        self._said.append((message, level))

    # --- the queue's verbs ---

    def put(self, items: Iterable[Item]) -> None:
        """Add experiments at the end."""
        with self.session():
            new = check_new(items, self.ledger.entries)
            rows: list[list[Any]] = []
            groups: dict[int, tuple[int, tuple[str, ...]]] = {}
            for identity, item in new.items():
                facts = self._scribe.facts_of(item)
                data = facts.to_data()
                if facts.needs:
                    data["group"] = groups.setdefault(id(facts.needs), (len(groups), facts.needs))[0]
                rows.append([identity, self._scribe.text_of(item), data])
                if len(rows) >= _ROWS:
                    self._put_rows(rows, groups)
            if rows:
                self._put_rows(rows, groups)
            self._items.update(new)
            self._journal.sync()
            self._desk.look()
            self._desk.show(now=True)

    def _put_rows(self, rows: list[list[Any]], groups: dict[int, tuple[int, tuple[str, ...]]]) -> None:
        record: dict[str, Any] = {"t": "put", "rows": list(rows)}
        if groups:
            record["groups"] = [list(group) for _, group in groups.values()]
        self._write(record)
        step("rows-written")
        rows.clear()
        groups.clear()

    def take(self, fits: Fits | None = None) -> Item | None:
        """Take the next experiment.

        A save of a moment ago may not be complete; then this waits for it, some hundredths of a second.

        Raises
        ------
        QueueError
            The journal cannot be written: nothing is taken.
        """
        while True:
            with self.session():
                delay = self._desk.look()
                if not delay:
                    entry = self.ledger.first(fits)
                    item = None if entry is None else self.item(entry)
                    if entry is not None:
                        self._claims.claim(entry)
                    self._desk.show()
                    return item
            time.sleep(delay)

    def finish(
        self,
        identity: str,
        status: Status,
        ended: Ended = ENDED,
        commit: Callable[[], None] | None = None,
    ) -> bool:
        """Say how a running experiment ended.

        A result of one that was taken for lost meanwhile is accepted, too, unless it has one by now.

        Raises
        ------
        QueueError
            The journal cannot be written; `commit` was called all the same.
        """
        committed = commit is None
        try:
            with self.session():
                entry = self.ledger.entries[identity]
                if not is_wanted(entry, status, is_mine=self._claims.is_mine(entry)):
                    return False
                if commit is not None:
                    committed = True
                    commit()
                self._write(end_record(identity, status, ended))
                step("end-written")
                self._desk.show()
        except QueueError:
            if commit is not None and not committed:
                commit()
            raise
        return True

    def status(self, identity: str) -> Status:
        """Return where an experiment is in its life."""
        return self.ledger.entries[identity].status

    def waiting(self) -> list[Item]:
        """Return the waiting experiments, in order."""
        return [self.item(entry) for entry in self.ledger.waiting()]

    def __len__(self) -> int:
        """Return how many wait."""
        return self.ledger.counts[Status.WAITING]

    # --- what a runner asks beside ---

    def item(self, entry: Entry) -> Item:
        """Return the item of an entry, as its text says now."""
        item = self._items.get(entry.id)
        if item is None or entry.is_changed:
            item = self._scribe.item_of(entry)
            self._items[entry.id] = item
        return item

    def claim(self, identity: str) -> None:
        """Make a waiting experiment this runner's, without taking it in its turn."""
        with self.session():
            self._claims.claim(self.ledger.entries[identity])

    def is_logged(self, entry: Entry) -> bool:
        """Whether the result of an experiment stands in its log."""
        return self._scribe.is_logged(entry)

    def will_run(self, item: Item) -> bool:
        """Whether an item that is to be put is one to run."""
        return self._scribe.facts_of(item).runs

    def lend(self, lends: Mapping[str, Any]) -> None:
        """Say what of the machine this runner has for experiments, see `coolrunner.queue.entries.Runner`."""
        with self.session():
            self._claims.lend(lends)

    def began(self, identity: str, pid: int, run: str = "") -> None:
        """Take note of the process that a running experiment runs in, and of its run directory."""
        with self.session():
            self._claims.began(self.ledger.entries[identity], pid, run)

    def refresh(self) -> None:
        """Look for what others did: people who saved the file, runners, and runners that died.

        Raises
        ------
        QueueError
            The journal is gone.
        """
        if self._journal.dirty and time.monotonic() - self._synced > 0.5:
            self._journal.sync()
            self._synced = time.monotonic()
        self._next_look = POLL
        if self._journal.has_more() or self._desk.is_due() or self._claims.is_due():
            with self.session():
                delay = self._desk.look()
                self._claims.reconcile()
                self._desk.show(force=self._desk.is_overdue)
                if delay or (self._desk.owes and not self._desk.is_unclear()):
                    self._next_look = min(delay, POLL)

    def pause(self, why: str) -> None:
        """Start nothing more until this is called with an empty text."""
        with self.session():
            self._write({"t": "pause", "why": why})

    def again(self, identities: Iterable[str]) -> None:
        """Let experiments that failed or were interrupted wait again, in their old places."""
        with self.session():
            self._write(again_record(self.ledger, identities))
            self._desk.show()

    def next_look(self) -> float | None:
        """Return the seconds until it is worth asking again, with nothing reported."""
        return self._next_look

    def messages(self) -> Iterator[tuple[str, str]]:
        """Yield what a person should know, with its level, once each."""
        said, self._said = self._said, []
        yield from said

    def problem(self) -> str:
        """Return what is wrong with the file as it was saved last; empty where nothing is."""
        return self._desk.problem

    def is_unclear(self) -> bool:
        """Whether something waits for a save to be complete, or for a person to mend it."""
        return self._desk.is_unclear()

    def awaits_others(self) -> bool:
        """Whether what other runners run now may lead to more work: one of them died, or is needed."""
        others = [entry for entry in self.ledger.running() if not self._claims.is_mine(entry)]
        return any(map(self._claims.is_dying, others)) or (bool(others) and self.ledger.has_dependents())

    def sync_file(self) -> None:
        """Take up what people have saved, and show the queue in its file, if that is in order.

        Raises
        ------
        QueueError
            The journal cannot be written.
        """
        with self.session():
            delay = self._desk.look()
        if delay:  # a save of a moment ago
            time.sleep(delay)
        with self.session():
            self._desk.look()
            self._desk.show(now=True)

    def close(self) -> None:
        """Leave the queue: show how it stands, and let go of it."""
        if self._journal.closed:
            return
        with contextlib.suppress(QueueError, OSError):
            self.sync_file()
            with self.session():
                self._claims.leave()
                self._claims.tidy()
        self._claims.close()
        self._journal.close()
        self._desk.close()
