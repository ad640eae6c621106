"""Why experiments that wait will not run by themselves."""

from __future__ import annotations

from collections.abc import Iterator

from coolrunner.queue.base import Status
from coolrunner.queue.entries import Entry
from coolrunner.queue.ledger import Ledger

__all__ = ["blocked_because", "left_behind"]

_WHICH = {
    Status.FAILED: "which failed",
    Status.INTERRUPTED: "which was interrupted",
    Status.REMOVED: "which was deleted from the queue",
    Status.LOST: "which was lost",
}


def blocked_because(ledger: Ledger, entry: Entry) -> str:
    """Return why an experiment cannot run: what it needs and how that stands; empty where it can."""
    for identity in ledger.unmet(entry):
        needed = ledger.entries.get(identity)
        if needed is None:
            return f"it needs {identity}, which is not known"
        what = f"it needs {needed.facts.name} ({identity}), "
        if needed.status is Status.SKIPPED:
            return (
                f"{what}which was not picked; pick it, too: --pick {needed.facts.index},{entry.facts.index}"
            )
        if needed.status in _WHICH:
            return what + _WHICH[needed.status]
        if needed.status is Status.WAITING and needed.facts.hold:
            return f"{what}which is held"
        if needed.status is Status.WAITING and any(True for _ in ledger.unmet(needed)):
            return f"{what}which waits itself"
    return ""


def left_behind(ledger: Ledger) -> Iterator[str]:
    """Yield a line for each experiment that waits for others or for a person, as a study ends."""
    for entry in ledger.waiting():
        name = f"{entry.facts.name} ({entry.id})"
        if entry.facts.hold:
            yield f"{name} is held and was not run"
        elif why := blocked_because(ledger, entry):
            yield f"{name} is blocked: {why}"
