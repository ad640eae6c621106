"""``coolrunner queue``: what several verbs say of a queue and of its experiments."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from coolrunner.cli.queue_find import command
from coolrunner.cli.queue_pending import Pending
from coolrunner.cli.queue_view import View
from coolrunner.queue.base import Status
from coolrunner.queue.entries import Entry
from coolrunner.reporting.streams import write_text

__all__ = ["data_of", "print_changed", "remarks"]

_SHOWN = 10


def print_changed(lines: Sequence[str], what: str) -> None:
    """Print a line for each experiment that was changed; of many, the first ones and how many more."""
    shown = lines[:_SHOWN] if len(lines) > _SHOWN + 1 else lines
    more = [f"and {len(lines) - len(shown)} more: {what}"] if len(shown) < len(lines) else []
    write_text(sys.stdout, "".join(f"{line}\n" for line in [*shown, *more]))


def data_of(view: View, pending: Pending | None, entry: Entry) -> dict[str, Any]:
    """Return an experiment for other programs; of what it may have, what is nothing is left out."""
    facts, standing = entry.facts, view.standing(entry)
    row: dict[str, Any] = {
        "id": None if pending and entry.id in pending.new else entry.id,
        "name": facts.name,
        "standing": standing,
        "index": facts.index,
        "priority": facts.priority,
        "attempts": entry.attempts,
    }
    if standing == "waiting" and not entry.attempts and not facts.needs and not facts.lane:
        return row  # nearly all of 100,000
    running = entry.status is Status.RUNNING
    more = {
        "needs": list(facts.needs),
        "resources": facts.lane,
        "failures": entry.failures,
        "losses": entry.losses,
        "not_before": entry.not_before,
        "running_for": round(view.age(entry), 3) if running else 0,
        "runner": view.where(entry) if running else "",
        "elapsed": entry.elapsed,
        "error": entry.error,
        "kind": entry.kind,
    }
    return row | {key: value for key, value in more.items() if value}


def remarks(view: View, pending: Pending | None) -> Iterator[str]:
    """Yield what a person should know of a queue, whatever they asked."""
    if view.ledger.paused:
        yield f"paused: {view.ledger.paused}\n  {command('resume', view.path)}"
    if pending is None:
        return
    yield from pending.problems
    if pending.problems:
        yield f"until {view.path.name} is mended, only what it holds unchanged is started"
    elif pending.is_missing:
        yield f"{view.path} is not there; the next runner writes it again"
    elif pending.summary:
        yield f"{view.path} was saved, and no runner has taken that up yet: {pending.summary}"
