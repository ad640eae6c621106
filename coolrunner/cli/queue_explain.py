"""``coolrunner queue explain``: why an experiment is not running, in plain words."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from coolrunner.cli.queue_find import called, command
from coolrunner.cli.queue_pending import Pending
from coolrunner.cli.queue_view import View, asked_for, history
from coolrunner.queue.base import Status
from coolrunner.queue.claims import stale_for
from coolrunner.queue.entries import Entry
from coolrunner.reporting.text import brief, duration, one_line, size

__all__ = ["Reason", "before", "reasons"]

_NEEDS_NAMED = 5
_RUNNERS_NAMED = 3


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason.

    Attributes
    ----------
    kind
        A word for programs: ``held``, ``blocked``, ``paused``, ...
    text
        A sentence or two.
    command
        What a person may type about it; empty where there is nothing.
    """

    kind: str
    text: str
    command: str = ""


def reasons(view: View, pending: Pending | None, entry: Entry) -> list[Reason]:
    """Return why an experiment is not running, the most important first; what it does where it is."""
    if entry.status is Status.RUNNING:
        return list(_running(view, entry))
    if entry.status is not Status.WAITING:
        return list(_ended(view, entry))
    return list(_waiting(view, pending, entry))


def before(view: View, entry: Entry) -> list[Entry]:
    """Return the experiments that may be started now and are taken before this one, in order."""
    ledger, key = view.ledger, entry.key
    found = [
        other
        for other in ledger.entries.values()
        if other.status is Status.WAITING
        and not other.facts.hold
        and other.key < key
        and other.not_before <= view.now
        and not (other.facts.needs and any(ledger.unmet(other)))
    ]
    found.sort(key=lambda other: other.key)
    return found


# --- one that waits ---


def _waiting(view: View, pending: Pending | None, entry: Entry) -> Iterator[Reason]:
    yield from _file(view, pending, entry)
    if entry.facts.hold:
        text = "it is held: Hold: true stands in its document"
        yield Reason("held", text, command("release", view.path, entry.id))
    yield from _needs(view, entry)
    if entry.not_before > view.now:
        tries = f"try {entry.failures + 1} of {entry.facts.retries + 1}"
        wait = duration(entry.not_before - view.now)
        yield Reason("delayed", f"it failed ({one_line(entry.error)}); {tries} is in {wait}")
    if view.ledger.paused:
        text = f"the whole study is paused: {view.ledger.paused}"
        yield Reason("paused", text, command("resume", view.path))
    if not view.has_runner():
        text = "no runner works on this queue"
        yield Reason("no_runner", text, shlex.join(["coolrunner", "run", "--queue", str(view.path)]))
    if not entry.facts.hold and not any(view.ledger.unmet(entry)):
        yield from _place(view, entry)


def _file(view: View, pending: Pending | None, entry: Entry) -> Iterator[Reason]:
    if pending is None:
        return
    if entry.id in pending.doubted:
        text = "the file has a mistake, and it is not clear what is meant with this experiment"
        yield Reason("mistake", "\n".join([f"{text}:", *pending.problems]))
    elif entry.id in pending.new:
        yield Reason("new", f"it was saved in {view.path.name}, and no runner has taken that up yet")


def _needs(view: View, entry: Entry) -> Iterator[Reason]:
    ledger = view.ledger
    unmet = list(ledger.unmet(entry))
    for identity in unmet[:_NEEDS_NAMED]:
        needed = ledger.entries.get(identity)
        if needed is None:
            yield Reason("blocked", f"it needs {identity}, which is not known in this queue")
        else:
            yield _need(view, entry, needed)
    if len(unmet) > _NEEDS_NAMED:
        yield Reason("needs", f"it needs {len(unmet) - _NEEDS_NAMED} more that are not done")


def _need(view: View, entry: Entry, needed: Entry) -> Reason:
    """Say how it stands with one that is needed."""
    it, path = f"it needs {called(needed)}, which", view.path
    if needed.status is Status.FAILED:
        text = f"{it} failed: {one_line(needed.error)}"
        return Reason("blocked", text, command("retry", path, needed.id))
    if needed.status is Status.INTERRUPTED:
        return Reason("blocked", f"{it} was interrupted", command("retry", path, needed.id))
    if needed.status is Status.REMOVED:
        return Reason("blocked", f"{it} was removed from the queue: add it again, or remove After")
    if needed.status is Status.SKIPPED:
        pick = f"--pick {needed.facts.index},{entry.facts.index}"
        return Reason("blocked", f"{it} was not picked; run the definition with {pick}")
    if needed.status is Status.RUNNING:
        standing = view.standing(needed)
        if standing == "running":
            return Reason("needs", f"{it} has been running for {duration(view.age(needed))}")
        return Reason("needs", f"{it} is {standing}", command("explain", path, needed.id))
    if needed.facts.hold:
        return Reason("blocked", f"{it} is held", command("release", path, needed.id))
    if any(view.ledger.unmet(needed)):
        return Reason("needs", f"{it} waits for others itself", command("explain", path, needed.id))
    return Reason("needs", f"{it} waits, {_ahead(len(before(view, needed)))}")


def _ahead(count: int) -> str:
    return f"with {count} before it" if count else "and is the next"


def _place(view: View, entry: Entry) -> Iterator[Reason]:
    room = _room(view, asked_for(entry.facts.lane)) if entry.facts.lane and view.has_runner() else None
    if room is not None and room.kind == "too_large":
        yield room
        return
    ahead = before(view, entry)
    if ahead:
        first = ahead[0]
        if len(ahead) == 1:
            text = f"1 experiment is taken before it: {called(first)}"
        else:
            text = f"{len(ahead)} experiments are taken before it, the next is {called(first)}"
        higher = sum(other.facts.priority > entry.facts.priority for other in ahead)
        if higher:
            has = "has" if higher == 1 else "have"
            text += f"; {higher} of them {has} a higher Priority than its {brief(entry.facts.priority)}"
        yield Reason("before", text, command("move", view.path, entry.id, "--top"))
    else:
        running = len(view.ledger.running())
        soon = f": it starts when there is room ({_are(running)} running)" if running else ""
        yield Reason("next", f"it is the next{soon}")
    if room is not None:
        yield room


def _room(view: View, asked: Mapping[str, float]) -> Reason:
    """Say on what kind of runner an experiment can be started, and that none is, where that is known."""
    runners = [runner for runner in view.runners() if runner.works]
    wanted = f"it asks for {_amounts(asked)}"
    if any(_may_have(runner.lends, asked) for runner in runners):
        text = f"{wanted}: it starts on a runner that has this free, and others may overtake it"
        return Reason("resources", text)
    some = []
    for runner in runners[:_RUNNERS_NAMED]:
        there = {key: runner.lends[key] for key in asked if key in runner.lends}
        some.append(f"{runner.where} has {_amounts(there)}")
    more = ", ..." if len(runners) > _RUNNERS_NAMED else ""
    text = (
        f"{wanted}, and no runner at work has that ({'; '.join(some)}{more}): start one where there is more"
    )
    return Reason("too_large", text, shlex.join(["coolrunner", "run", "--queue", str(view.path)]))


def _may_have(lends: Mapping[str, float], asked: Mapping[str, float]) -> bool:
    """Whether all that is asked for is there, in use or not; true where that is not known."""
    least = {**asked, "gpus": max(asked.get("gpus", 0), 1)} if asked.get("gpus") else asked
    return all(lends.get(key, math.inf) >= count for key, count in least.items())


def _are(count: int) -> str:
    return f"{count} {'is' if count == 1 else 'are'}"


def _amounts(asked: Mapping[str, float]) -> str:
    """Return what is asked for, or there: ``2 CPUs, no GPU and 8G of memory``."""
    words = []
    for key, count in asked.items():
        if key == "memory":
            words.append(f"{size(count)} of memory")
        else:
            words.append(f"{brief(count) if count else 'no'} {key[:-1].upper()}{'' if count <= 1 else 's'}")
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


# --- one that runs, or ran ---


def _running(view: View, entry: Entry) -> Iterator[Reason]:
    standing, age = view.standing(entry), duration(view.age(entry))
    where = view.where(entry)
    if standing == "lost":
        text = f"it was running for {age}, and its runner ({where}) has died; the next one puts it back"
        yield Reason("lost", text, shlex.join(["coolrunner", "run", "--queue", str(view.path)]))
        return
    worker = entry.claim.worker if entry.claim else None
    process = f", its own process is {worker['pid']}" if worker and "pid" in worker else ""
    yield Reason("running", f"it has been running for {age}, started by {where}{process}")
    if standing == "stale?":
        silent = stale_for(view.ledger, entry, view.directory) or 0.0
        text = (
            f"its runner has been silent for {duration(silent)}, and from here nobody can tell whether it "
            "lives; where you know that it does not, take the experiment from it"
        )
        yield Reason("stale", text, command("free", view.path, entry.id))
    if entry.id in view.ledger.cancelled:
        yield Reason("cancelled", "it was told to stop, and has some time left to do so")


def _ended(view: View, entry: Entry) -> Iterator[Reason]:
    when = _when(view, entry)
    ran = f" after {duration(entry.elapsed)}" if entry.elapsed else ""
    if entry.status is Status.DONE:
        took = f" in {duration(entry.elapsed)}" if entry.elapsed else ""
        log = f"; its result is in {entry.facts.log}" if entry.facts.log else ""
        yield Reason("done", f"it was done{when}{took}{log}")
    elif entry.status is Status.FAILED:
        kind = f" ({entry.kind})" if entry.kind and entry.kind != "exception" else ""
        text = f"it failed{when}{ran}{kind}: {one_line(entry.error)}"
        yield Reason("failed", text + _traceback(entry), command("retry", view.path, entry.id))
    elif entry.status is Status.INTERRUPTED:
        yield Reason("interrupted", f"it was interrupted{when}{ran}", command("retry", view.path, entry.id))
    elif entry.status is Status.REMOVED:
        text = f"it was removed from the queue; its document: {command('show', view.path, entry.id)}"
        yield Reason("removed", text)
    else:
        yield Reason("skipped", "it is named skip, or was not picked when the study began")


def _traceback(entry: Entry) -> str:
    if not entry.facts.log:
        return ""
    from coolrunner.results.logs.yamllog import failed_log

    return f"; more is in {failed_log(entry.facts.log)}"


def _when(view: View, entry: Entry) -> str:
    """Return when an experiment ended, as `` 3 min ago``."""
    at = None
    for record in history(view.path, entry.id):
        if record.get("t") == "end" and record.get("id") == entry.id:
            at = record.get("at")
    return f" {duration(max(view.now - at, 0.0))} ago" if at else ""
