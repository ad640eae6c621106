"""Which experiment is taken next."""

from __future__ import annotations

import heapq
import time
from collections.abc import Mapping

from coolrunner.queue.base import Fits, Status
from coolrunner.queue.entries import Entry
from coolrunner.queue.needs import Needs

__all__ = ["Choice"]

_WAITING = Status.WAITING  # to look it up in its class takes longer


class Choice:
    """The experiments that nothing keeps from running, a heap for each lane.

    What a heap holds may have ceased to be true; that is seen when it comes to the top.

    Parameters
    ----------
    entries
        All experiments by ``ID``; it is looked at, and may grow.
    needs
        What they wait for.
    """

    def __init__(self, entries: Mapping[str, Entry], needs: Needs) -> None:
        self._entries = entries
        self._needs = needs
        self._lanes: dict[str, list[tuple[float, float, str]]] = {}
        self._delayed: list[tuple[float, str]] = []
        self._doubted: set[str] = set()
        self._offered: list[Entry] = []

    def offer(self, entry: Entry) -> None:
        """Let an experiment be taken, if that is possible when it is asked for."""
        self._offered.append(entry)

    def _sort(self) -> None:
        """Bring what was offered to its lane; who only reads a queue never comes here."""
        offered, self._offered = self._offered, []
        for entry in offered:
            if not self._is_free(entry):
                continue
            if entry.not_before and self._is_delayed(entry):
                heapq.heappush(self._delayed, (entry.not_before, entry.id))
            else:
                heapq.heappush(self._lanes.setdefault(entry.facts.lane, []), entry.key)

    def _is_free(self, entry: Entry) -> bool:
        """Whether nothing but time and a machine is missing for it to run."""
        return (
            entry.status is _WAITING
            and not entry.facts.hold
            and entry.id not in self._doubted
            and (not entry.facts.needs or self._needs.are_met(entry))
        )

    def _is_delayed(self, entry: Entry) -> bool:
        return entry.not_before > time.time()

    def _wake_delayed(self) -> None:
        self._sort()
        now = time.time()
        while self._delayed and self._delayed[0][0] <= now:
            _, identity = heapq.heappop(self._delayed)
            self.offer(self._entries[identity])
        self._sort()

    def _head(self, lane: str) -> tuple[float, float, str] | None:
        """Return the key of the first of a lane that can be taken; what is no longer true goes."""
        heap = self._lanes[lane]
        while heap:
            entry = self._entries[heap[0][2]]
            is_true = heap[0] == entry.key and entry.facts.lane == lane and self._is_free(entry)
            if is_true and not (entry.not_before and self._is_delayed(entry)):
                return heap[0]
            heapq.heappop(heap)
        return None

    def lanes(self) -> list[str]:
        """Return the lanes that have an experiment to take, that of the first one first."""
        self._wake_delayed()
        heads = sorted((head, lane) for lane in tuple(self._lanes) if (head := self._head(lane)))
        return [lane for _, lane in heads]

    def first(self, fits: Fits | None) -> Entry | None:
        """Return the experiment that is taken next; None where none can be started."""
        for lane in self.lanes():
            if fits is None or fits(lane):
                return self._entries[self._lanes[lane][0][2]]
        return None

    def next_time(self) -> float | None:
        """Return when a delayed experiment may run, in seconds since the epoch; None where none is."""
        self._sort()
        while self._delayed:
            at, identity = self._delayed[0]
            entry = self._entries[identity]
            if self._is_free(entry) and entry.not_before == at:
                return at
            heapq.heappop(self._delayed)
        return None

    def doubt(self, identities: set[str]) -> None:
        """Keep these from being taken, and no others."""
        released, self._doubted = self._doubted - identities, identities
        for identity in released:
            self.offer(self._entries[identity])

    def is_doubted(self, identity: str) -> bool:
        """Whether one is kept from being taken by a doubt."""
        return identity in self._doubted
