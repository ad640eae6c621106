"""A queue in memory: for a study that nobody edits while it runs."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Generic

from coolrunner.errors import IllegalMove
from coolrunner.queue.base import Item, Status, move

__all__ = ["MemoryQueue"]


class MemoryQueue(Generic[Item]):
    """The waiting experiments, in the order in which they were put.

    Taking and giving back cost the logarithm of the length.
    """

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._items: list[Item] = []
        self._places: dict[str, int] = {}
        self._statuses: list[Status] = []
        self._waiting: list[int] = []  # a heap of places
        self.put(items)

    def put(self, items: Iterable[Item]) -> None:
        """Add experiments at the end."""
        new: dict[str, Item] = {}
        for item in items:
            if item.id in self._places or item.id in new:
                raise ValueError(f"an experiment {item.id} is in the queue already")
            new[item.id] = item
        for identity, item in new.items():
            place = self._places[identity] = len(self._items)
            self._items.append(item)
            self._statuses.append(Status.WAITING)
            heapq.heappush(self._waiting, place)

    def take(self) -> Item | None:
        """Take the first waiting experiment."""
        if not self._waiting:
            return None
        place = heapq.heappop(self._waiting)
        self._move(place, Status.RUNNING)
        return self._items[place]

    def finish(self, identity: str, status: Status) -> None:
        """Say how a running experiment ended."""
        place = self._places[identity]
        if self._statuses[place] is not Status.RUNNING:
            raise IllegalMove(f"experiment {identity} is {self._statuses[place].value}, so it cannot end")
        self._move(place, status)
        if status is Status.LOST:
            self._move(place, Status.WAITING)
            heapq.heappush(self._waiting, place)

    def status(self, identity: str) -> Status:
        """Return where an experiment is in its life."""
        return self._statuses[self._places[identity]]

    def waiting(self) -> list[Item]:
        """Return the waiting experiments, in order."""
        return [self._items[place] for place in sorted(self._waiting)]

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    def _move(self, place: int, to: Status) -> None:
        self._statuses[place] = move(self._statuses[place], to)
