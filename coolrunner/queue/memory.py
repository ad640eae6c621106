"""A queue in memory: for a study that nobody edits while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic

from coolrunner.errors import IllegalMove
from coolrunner.queue.base import ENDED, Ended, Facts, Fits, Item, Status, move
from coolrunner.queue.entries import Entry
from coolrunner.queue.ledger import Ledger

__all__ = ["MemoryQueue", "check_new"]


class MemoryQueue(Generic[Item]):
    """The experiments of a study, and how it stands with each of them.

    Taking and giving back cost the logarithm of the length.

    Parameters
    ----------
    items
        What is put at once.
    facts_of
        Gives what the queue has to know of an item; by default they all wait, in the order of putting.

    Attributes
    ----------
    ledger
        The state.
    """

    def __init__(self, items: Iterable[Item] = (), facts_of: Callable[[Item], Facts] | None = None) -> None:
        self.ledger = Ledger()
        self._facts_of = facts_of
        self._items: dict[str, Item] = {}
        self.put(items)

    # --- the queue's verbs ---

    def put(self, items: Iterable[Item]) -> None:
        """Add experiments at the end."""
        for identity, item in check_new(items, self.ledger.entries).items():
            facts = self._facts_of(item) if self._facts_of else Facts(index=self.ledger.next_index)
            self._items[identity] = item
            self.ledger.add(identity, "", facts)

    def take(self, fits: Fits | None = None) -> Item | None:
        """Take the next experiment."""
        entry = self.ledger.first(fits)
        if entry is None:
            return None
        self.ledger.apply({"t": "claim", "id": entry.id, "at": time.time()})
        return self._items[entry.id]

    def finish(
        self,
        identity: str,
        status: Status,
        ended: Ended = ENDED,
        commit: Callable[[], None] | None = None,
    ) -> bool:
        """Say how a running experiment ended."""
        entry = self.ledger.entries[identity]
        if not is_wanted(entry, status, is_mine=entry.status is Status.RUNNING):
            return False
        if commit is not None:
            commit()
        self.ledger.apply(end_record(identity, status, ended))
        return True

    def status(self, identity: str) -> Status:
        """Return where an experiment is in its life."""
        return self.ledger.entries[identity].status

    def waiting(self) -> list[Item]:
        """Return the waiting experiments, in order."""
        return [self._items[entry.id] for entry in self.ledger.waiting()]

    def __len__(self) -> int:
        """Return how many wait."""
        return self.ledger.counts[Status.WAITING]

    # --- what a runner asks beside ---

    def item(self, entry: Entry) -> Item:
        """Return the item of an entry."""
        return self._items[entry.id]

    def will_run(self, item: Item) -> bool:
        """Whether an item that is to be put is one to run."""
        return self._facts_of(item).runs if self._facts_of else True

    def began(self, identity: str, pid: int, run: str = "") -> None:
        """Take note of the run directory of a running experiment."""
        self.ledger.entries[identity].run = run

    def refresh(self) -> None:
        """Look for what others did; there are none."""

    def pause(self, why: str) -> None:
        """Start nothing more until this is called with an empty text."""
        self.ledger.apply({"t": "pause", "why": why})

    def again(self, identities: Iterable[str]) -> None:
        """Let experiments that failed or were interrupted wait again, in their old places."""
        self.ledger.apply(again_record(self.ledger, identities))

    def next_look(self) -> float | None:
        """Return the seconds until it is worth asking again, with nothing reported; None for never."""
        at = self.ledger.next_time()
        return None if at is None else max(at - time.time(), 0.0)

    def messages(self) -> Iterator[tuple[str, str]]:
        """Yield what a person should know, with its level, once each."""
        return iter(())

    def is_unclear(self) -> bool:
        """Whether something waits for a person to make it clear; nothing does."""
        return False

    def awaits_others(self) -> bool:
        """Whether what other runners run now may lead to more work; there are none."""
        return False

    def close(self) -> None:
        """Let go of it."""


def check_new(items: Iterable[Item], known: Mapping[str, Any]) -> dict[str, Item]:
    """Return items by their IDs.

    Raises
    ------
    ValueError
        One of them is there already, or twice.
    """
    new: dict[str, Item] = {}
    for item in items:
        if item.id in known or item.id in new:
            raise ValueError(f"an experiment {item.id} is in the queue already")
        new[item.id] = item
    return new


def is_wanted(entry: Entry, status: Status, *, is_mine: bool) -> bool:
    """Whether it matters how an experiment ended, by the word of one who ran it.

    A result is accepted whenever it comes, if there is none by then.

    Parameters
    ----------
    is_mine
        Whether whoever says so still has the experiment.

    Raises
    ------
    IllegalMove
        It never ran, or that is no end.
    """
    if not entry.attempts:
        raise IllegalMove(f"experiment {entry.id} is {entry.status.value}, so it cannot end")
    move(Status.RUNNING, status)
    return is_mine or (status is Status.DONE and entry.status is not Status.DONE)


def again_record(ledger: Ledger, identities: Iterable[str]) -> dict[str, Any]:
    """Return the record of experiments that wait again.

    Raises
    ------
    IllegalMove, KeyError
        One of them does not rest, or was never put.
    """
    again = list(dict.fromkeys(identities))
    for identity in again:
        move(ledger.entries[identity].status, Status.WAITING)
    return {"t": "again", "ids": again}


def end_record(identity: str, status: Status, ended: Ended) -> dict[str, Any]:
    """Return the record of how an experiment ended."""
    record: dict[str, Any] = {"t": "end", "id": identity, "status": status.value, "at": time.time()}
    record.update(
        (name, value)
        for name, value in (
            *(("error", ended.error), ("kind", ended.kind)),
            *(("until", ended.retry_at), ("run", ended.run)),
        )
        if value
    )
    if ended.elapsed:
        record["elapsed"] = round(ended.elapsed, 3)
    return record
