"""What experiments wait for: others that must be done before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from coolrunner.queue.base import Status
from coolrunner.queue.entries import Entry

__all__ = ["Needs"]


@dataclass(slots=True)
class _Group:
    """Experiments that need the same others: so many of them need so many that each pair is too many."""

    needs: tuple[str, ...]
    members: set[str] = field(default_factory=set)
    done: int = 0


class Needs:
    """Who needs whom, and whether that is done.

    Parameters
    ----------
    entries
        All experiments by ``ID``; it is looked at, and may grow.

    Attributes
    ----------
    blocked
        What `are_blocked` found, to be emptied whenever something changes.
    """

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.blocked: dict[int, bool] = {}
        self._entries = entries
        self._groups: dict[int, _Group] = {}  # by the identity of the tuple: hashing a long one takes long
        self._dependents: dict[str, list[_Group]] = {}

    def join(self, entry: Entry) -> None:
        """Take note of what an experiment needs."""
        needs = entry.facts.needs
        if not needs:
            return
        group = self._groups.get(id(needs))
        if group is None:
            group = self._groups[id(needs)] = _Group(needs)
            for identity in needs:
                if self._is_done(identity):
                    group.done += 1
                else:
                    self._dependents.setdefault(identity, []).append(group)
        group.members.add(entry.id)

    def leave(self, entry: Entry) -> None:
        """Forget what an experiment needs."""
        if entry.facts.needs:
            self._groups[id(entry.facts.needs)].members.discard(entry.id)

    def release(self, entry: Entry) -> list[Entry]:
        """Return those that need nothing more, now that an experiment is done."""
        released: list[Entry] = []
        for group in self._dependents.pop(entry.id, ()):
            group.done += 1
            if group.done == len(group.needs):
                released += (self._entries[identity] for identity in group.members)
        return released

    def are_met(self, entry: Entry) -> bool:
        """Whether all that an experiment needs is done."""
        group = self._groups.get(id(entry.facts.needs)) if entry.facts.needs else None
        return group is None or group.done == len(group.needs)

    def unmet(self, entry: Entry) -> Iterator[str]:
        """Yield the IDs of those that an experiment needs and that are not done; they may be unknown."""
        if not self.are_met(entry):
            yield from (identity for identity in entry.facts.needs if not self._is_done(identity))

    def is_needed(self) -> bool:
        """Whether a waiting experiment needs others."""
        return any(
            group.done < len(group.needs)
            and any(self._entries[identity].status is Status.WAITING for identity in group.members)
            for group in self._groups.values()
        )

    def are_blocked(self, needs: tuple[str, ...]) -> bool:
        """Whether one of these, or of those that they need in turn, will not run by itself."""
        if id(needs) not in self.blocked:
            asked, seen, stuck = [needs], {id(needs)}, False
            while asked and not stuck:
                for identity in asked.pop():
                    needed = self._entries.get(identity)
                    if needed is not None and needed.status in (Status.DONE, Status.RUNNING):
                        continue
                    if needed is None or needed.status is not Status.WAITING or needed.facts.hold:
                        stuck = True
                        break
                    further = needed.facts.needs
                    if further and id(further) not in seen:
                        seen.add(id(further))
                        asked.append(further)
                        stuck = stuck or self.blocked.get(id(further), False)
            self.blocked[id(needs)] = stuck
        return self.blocked[id(needs)]

    def _is_done(self, identity: str) -> bool:
        entry = self._entries.get(identity)
        return entry is not None and entry.status is Status.DONE
