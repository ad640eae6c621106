"""``coolrunner queue status`` and ``explain``: who works on a queue, and why something does not run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from coolrunner.cli.queue_explain import before, reasons
from coolrunner.cli.queue_find import called, command, find, queue_of
from coolrunner.cli.queue_pending import Pending, look_at_file
from coolrunner.cli.queue_view import View
from coolrunner.cli.queue_words import data_of, remarks
from coolrunner.cli.verbs import print_json
from coolrunner.errors import UsageError
from coolrunner.queue.base import Status
from coolrunner.queue.entries import Entry
from coolrunner.reporting.queue import QueueStatus, RunnerRow, RunningRow, print_reasons, print_status
from coolrunner.reporting.text import duration

__all__ = ["configure", "execute"]


def configure(parser: argparse.ArgumentParser, verb: str) -> None:
    """Describe the arguments of a verb."""
    if verb == "explain":
        words = "the queue, and experiments by ID or Name"
        parser.add_argument("words", nargs="*", metavar="FILE | ID", help=words)
    else:
        parser.add_argument("words", nargs="*", metavar="FILE", help="the queue")


def execute(options: argparse.Namespace) -> int:
    """Do what the verb says; return the exit status."""
    path, words = queue_of(options)
    if options.verb == "explain" and not words:
        raise UsageError(f"which experiment? {command('explain', path, 'ID')}")
    if options.verb == "status" and words:
        raise UsageError(
            f"status is about the whole queue; for one there is: {command('explain', path, *words)}"
        )
    view = View(path)
    pending = look_at_file(view)
    if options.verb == "status":
        _status(options, view, pending)
    else:
        _explain(options, view, pending, words)
    return 0


# --- status ---


def _status(options: argparse.Namespace, view: View, pending: Pending | None) -> None:
    counts = view.counts()
    mean = _mean(view)
    left = _seconds_left(view, counts, mean)
    if options.json:
        print_json(_status_data(view, pending, mean, left))
        return
    study = str(view.ledger.study.get("name", ""))
    running, of = view.ledger.running(), _by_runner(view)
    status = QueueStatus(
        f"{view.path}{f', of {study}' if study and study != view.path.name else ''}",
        counts,
        [
            RunnerRow(row.where, row.state, len(own), row.age, row.lends, row.used(own))
            for row in view.runners()
            for own in [of.get(row.runner.id, [])]
        ],
        [
            RunningRow(
                view.standing(entry),
                entry.id,
                entry.facts.name,
                view.where(entry),
                view.age(entry),
                _left_of(view, entry, mean),
            )
            for entry in running
        ],
        [*remarks(view, pending), *_alarms(view)],
        _outlook(counts, mean, left, len(running)),
    )
    print_status(status, file=sys.stdout)


def _status_data(
    view: View, pending: Pending | None, mean: float | None, left: float | None
) -> dict[str, Any]:
    of = _by_runner(view)
    return {
        "queue": str(view.path),
        "study": view.ledger.study.get("name"),
        "counts": view.counts(),
        "paused": view.ledger.paused,
        "runners": [
            {
                "host": row.runner.process.get("host"),
                "pid": row.runner.process.get("pid"),
                "state": row.state,
                "silent_for": row.silent,
                "running": len(own),
                "age": round(row.age, 3),
                "lends": row.lends,
                "used": row.used(own),
            }
            for row in view.runners()
            for own in [of.get(row.runner.id, [])]
        ],
        "running": [data_of(view, pending, entry) for entry in view.ledger.running()],
        "mean_seconds": mean,
        "seconds_left": left,
        "problems": list(pending.problems) if pending else [],
        "not_taken_up": pending.summary if pending else "",
    }


def _by_runner(view: View) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in view.ledger.running():
        if entry.claim is not None:
            found.setdefault(entry.claim.runner, []).append(entry)
    return found


def _mean(view: View) -> float | None:
    """Return how many seconds experiments took in the mean; None where none is done."""
    total = count = 0.0
    for entry in view.ledger.entries.values():
        if entry.elapsed and entry.status is Status.DONE:
            total += entry.elapsed
            count += 1
    return total / count if count else None


def _seconds_left(view: View, counts: Mapping[str, int], mean: float | None) -> float | None:
    """Estimate how long it takes until nothing is left, at as many at once as run now."""
    running = [entry for entry in view.ledger.running() if view.standing(entry) != "lost"]
    if mean is None or not running:
        return None
    work = mean * counts.get("waiting", 0) + sum(max(mean - view.age(entry), 0.0) for entry in running)
    return round(work / len(running), 3)


def _left_of(view: View, entry: Entry, mean: float | None) -> str:
    if view.standing(entry) == "lost":
        return "its runner died"
    if entry.id in view.ledger.cancelled:
        return "cancelled"
    if mean is None:
        return ""
    left = mean - view.age(entry)
    return f"about {duration(left)} left" if left > 0 else "longer than others"


def _outlook(counts: Mapping[str, int], mean: float | None, left: float | None, running: int) -> str:
    if mean is None:
        return ""
    took = f"those that are done took {duration(mean)} each in the mean"
    if left is None:
        return took if counts.get("waiting") else ""
    return f"about {duration(left)} left: {running} run at once, and {took}"


def _alarms(view: View) -> Iterator[str]:
    """Yield what a person may have to do about runners."""
    start = f"coolrunner run --queue {view.path}"
    lost = [entry for entry in view.ledger.running() if view.standing(entry) == "lost"]
    if lost:
        one = called(lost[0]) + (f" and {len(lost) - 1} more" if len(lost) > 1 else "")
        yield f"{one} went down with the runner; the next one puts them back\n  {start}"
    elif not view.has_runner() and view.ledger.counts[Status.WAITING]:
        yield f"no runner works on it\n  {start}"
    for entry in view.ledger.running():
        if view.standing(entry) == "stale?":
            yield (
                f"the runner of {called(entry)} has been silent for long; where it is dead\n"
                f"  {command('free', view.path, entry.id)}"
            )


# --- explain ---


def _explain(options: argparse.Namespace, view: View, pending: Pending | None, words: Sequence[str]) -> None:
    entries = find(view.ledger, words)
    if options.json:
        rows = [
            {
                "id": entry.id,
                "name": entry.facts.name,
                "standing": view.standing(entry),
                "before": len(before(view, entry)) if entry.status is Status.WAITING else None,
                "reasons": [
                    {"kind": reason.kind, "text": reason.text, "command": reason.command or None}
                    for reason in reasons(view, pending, entry)
                ],
            }
            for entry in entries
        ]
        print_json({"queue": str(view.path), "experiments": rows})
        return
    told: set[str] = set()
    for entry in entries:
        lines = []
        for reason in reasons(view, pending, entry):
            text = reason.text
            if reason.kind == "mistake" and text in told:
                text = f"{text.splitlines()[0].removesuffix(':')}, see above"
            told.add(reason.text)
            lines.append((text, reason.command))
        print_reasons(f"{called(entry)}: {view.standing(entry)}", lines, file=sys.stdout)
