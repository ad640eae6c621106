"""Why experiments that wait will not run by themselves."""

from __future__ import annotations

from coolrunner.queue.base import Status
from coolrunner.queue.entries import Entry
from coolrunner.queue.ledger import Ledger

__all__ = ["blocked_because", "left_behind"]

# So many lines are shown.
_MOST = 5
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


def left_behind(ledger: Ledger, here: int = 0) -> list[str]:
    """Return what is to be said, as a runner ends, of experiments that wait for others or for a person.

    Parameters
    ----------
    here
        How many failed or were interrupted in this very run, which is known.
    """
    reasons: dict[tuple[str, str], list[str]] = {}
    for entry in ledger.waiting():
        why = "held and was not run" if entry.facts.hold else blocked_because(ledger, entry)
        if why:
            why = why if entry.facts.hold else f"blocked: {why}"
            reasons.setdefault((entry.facts.name, why), []).append(entry.id)
    lines = [
        f"{name} ({identities[0] if len(identities) == 1 else f'{len(identities)} of them'}) is {why}"
        for (name, why), identities in reasons.items()
    ]
    before = ledger.counts[Status.FAILED] + ledger.counts[Status.INTERRUPTED] - here
    if before > 0:
        which = "experiment failed or was" if before == 1 else "experiments failed or were"
        lines.append(f"{before} {which} interrupted before; --resume tries again")
    if len(lines) > _MOST:
        lines[_MOST:] = [f"... and {len(lines) - _MOST} more are held or blocked"]
    return lines
