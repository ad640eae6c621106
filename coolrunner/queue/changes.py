"""What a person does to a queue by commands: each is one step, after a look at what stands in the file.

Experiments are called by their ``ID``, by a beginning that only one has, or by their ``Name``, which
means all of that name. Of those of a name, the ones are meant for which a change makes sense.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from coolrunner.errors import QueueError, YamlError, nearest
from coolrunner.proof import Life
from coolrunner.queue.base import Facts, Status
from coolrunner.queue.claims import STALE, claim_life, stale_for
from coolrunner.queue.entries import Entry
from coolrunner.queue.file import FileQueue, journal_of
from coolrunner.queue.ledger import Ledger
from coolrunner.queue.places import arrange
from coolrunner.queue.saves import canonical

__all__ = [
    "Changed",
    "again",
    "cancel",
    "find",
    "free",
    "hold",
    "pause",
    "place",
    "prioritise",
    "remove",
    "set_key",
]

AnyQueue: TypeAlias = FileQueue[Any]
_COMPARED = 2000  # finding the nearest of 100,000 names takes seconds


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change did.

    Attributes
    ----------
    ids
        To which experiments it was done, in the order in which they were named.
    before
        Those for which it was so already.
    """

    ids: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


# --- which ones --------------------------------------------------------------------------------------


def find(ledger: Ledger, word: str) -> list[Entry]:
    """Return the experiments that a word means, those that wait in their order.

    Raises
    ------
    QueueError
        There is none, or several IDs begin so.
    """
    if word in ledger.entries:
        return [ledger.entries[word]]
    entries = ledger.entries.values()
    named = [entry for entry in entries if entry.facts.name == word and entry.status is not Status.SKIPPED]
    if named:
        return sorted(named, key=lambda entry: (entry.order, entry.id))
    begun = [entry for entry in entries if word and entry.id.startswith(word)]
    if len(begun) == 1:
        return begun
    if begun:
        some = ", ".join(entry.id for entry in begun[:5]) + (", ..." if len(begun) > 5 else "")
        raise QueueError(f"{word!r} is not clear: {len(begun)} IDs begin so ({some})")
    near = nearest(word, [*{entry.facts.name: 0 for entry in entries}, *ledger.entries][:_COMPARED])
    raise QueueError(f"no experiment is called {word!r}" + (f"; did you mean {near}?" if near else ""))


def _chosen(
    ledger: Ledger, words: Iterable[str], statuses: Sequence[Status], what: str, hint: str = ""
) -> list[Entry]:
    """Return the experiments that words mean and that are in one of some statuses, each once.

    Raises
    ------
    QueueError
        A word means none, or none in such a status.
    """
    chosen: dict[str, Entry] = {}
    for word in words:
        found = find(ledger, word)
        fitting = [entry for entry in found if entry.status in statuses]
        if not fitting:
            how = ", ".join(dict.fromkeys(ledger.standing(entry) for entry in found))
            raise QueueError(f"{_called(found)} cannot be {what}: {how}" + (f"; {hint}" if hint else ""))
        chosen.update((entry.id, entry) for entry in fitting)
    return list(chosen.values())


def _called(entries: Sequence[Entry]) -> str:
    name = entries[0].facts.name
    return f"{name} ({entries[0].id})" if len(entries) == 1 else f"{name} ({len(entries)} experiments)"


@contextlib.contextmanager
def _changing(queue: AnyQueue) -> Iterator[Ledger]:
    """Hold the queue, with all that people have saved in it; show it afterwards."""
    queue.sync_file()
    with queue.session():
        yield queue.ledger
    queue.sync_file()


# --- changes -----------------------------------------------------------------------------------------


def hold(queue: AnyQueue, words: Iterable[str], *, on: bool = True) -> Changed:
    """Keep waiting experiments from being started, or let them (`on` is False) be started again.

    Raises
    ------
    QueueError
        One does not wait, or does not exist; or the journal cannot be written. That goes for all below.
    """
    what = "held" if on else "released"
    with _changing(queue) as ledger:
        entries = _chosen(ledger, words, [Status.WAITING], what, "only what waits can be")
        return _set(queue, entries, "Hold", True if on else None, lambda facts: facts._replace(hold=on))


def prioritise(queue: AnyQueue, words: Iterable[str], priority: float) -> Changed:
    """Give waiting experiments a priority; 0 is the usual one."""
    with _changing(queue) as ledger:
        entries = _chosen(ledger, words, [Status.WAITING], "brought forward", "only what waits can be")
        value = priority if priority else None
        return _set(queue, entries, "Priority", value, lambda facts: facts._replace(priority=priority))


def _set(
    queue: AnyQueue, entries: Iterable[Entry], key: str, value: Any, change: Callable[[Facts], Facts]
) -> Changed:
    """Write a key into documents, and the same into the facts."""
    groups: dict[tuple[str, ...], int] = {}
    edits: list[list[Any]] = []
    before: list[str] = []
    for entry in entries:
        facts = change(entry.facts)
        if facts == entry.facts:
            before.append(entry.id)
            continue
        data = facts.to_data()
        if facts.needs:
            data["group"] = groups.setdefault(facts.needs, len(groups))
        edits.append([entry.id, set_key(entry.text, key, value), data])
        if entry.draft:  # whoever wrote it short may not have seen it since
            edits[-1].append(entry.draft[0])
    if edits:
        _save(queue, edit=edits, groups=[list(group) for group in groups])
    return Changed(tuple(edit[0] for edit in edits), tuple(before))


def _save(queue: AnyQueue, **changes: list[Any]) -> None:
    rows = {key: rows for key, rows in changes.items() if rows}
    queue.write({"t": "save", "base": queue.ledger.published, **rows})


def remove(queue: AnyQueue, words: Iterable[str]) -> Changed:
    """Remove experiments that wait, or that failed or were interrupted and might be tried again."""
    statuses = [Status.WAITING, Status.FAILED, Status.INTERRUPTED]
    with _changing(queue) as ledger:
        entries = _chosen(ledger, words, statuses, "removed", "one that runs can be cancelled")
        _save(queue, remove=[entry.id for entry in entries])
        return Changed(tuple(entry.id for entry in entries))


def place(
    queue: AnyQueue, words: Iterable[str], *, before: str = "", after: str = "", top: bool = False
) -> Changed:
    """Put waiting experiments at another place, in the order in which they are named.

    Parameters
    ----------
    before, after
        The waiting experiment before or behind which; of several of a name the first, or the last.
    top
        Whether they come to the top; without any of these they go to the end.
    """
    with _changing(queue) as ledger:
        entries = _chosen(ledger, words, [Status.WAITING], "moved", "only what waits has a place")
        moved = [entry.id for entry in entries]
        row = list(moved)
        own = set(moved)
        others = [entry for entry in ledger.waiting() if entry.id not in own]
        if before or after:
            hint = "only what waits has a place"
            fixed = _chosen(ledger, [before or after], [Status.WAITING], "a place to move to", hint)
            anchors = [entry for entry in fixed if entry in others]
            if not anchors:
                raise QueueError(f"{_called(fixed)} cannot be moved to where it stands itself")
            row = [*moved, anchors[0].id] if before else [anchors[-1].id, *moved]
        elif others:
            row = [*moved, others[0].id] if top else [others[-1].id, *moved]
        standing = [(entry.order, entry.id) for entry in ledger.waiting()]
        arranged = arrange(standing, row, own, ledger.last_order)
        _save(queue, place=[list(each) for each in arranged.known.items()])
        return Changed(tuple(moved))


def again(queue: AnyQueue, words: Iterable[str]) -> Changed:
    """Let experiments wait again that failed, were interrupted or were removed, in their old places."""
    statuses = [Status.FAILED, Status.INTERRUPTED]
    with _changing(queue) as ledger:
        chosen: dict[str, Entry] = {}
        for word in words:
            # Of a name, those that a person has removed are not meant.
            more = [] if len(find(ledger, word)) > 1 else [Status.REMOVED]
            hint = "add a copy without its ID to run it once more"
            found = _chosen(ledger, [word], [*statuses, *more], "tried again", hint)
            chosen.update((entry.id, entry) for entry in found)
        queue.again(chosen)
        return Changed(tuple(chosen))


def cancel(queue: AnyQueue, words: Iterable[str]) -> Changed:
    """Ask the runners to stop experiments that run; they are interrupted then."""
    with _changing(queue) as ledger:
        entries = _chosen(ledger, words, [Status.RUNNING], "cancelled", "it does not run")
        new = [entry.id for entry in entries if entry.id not in ledger.cancelled]
        queue.write(*({"t": "cancel", "id": identity} for identity in new))
        return Changed(tuple(new), tuple(entry.id for entry in entries if entry.id not in new))


def free(queue: AnyQueue, words: Iterable[str], *, force: bool = False) -> Changed:
    """Take experiments from a runner that has been silent; they wait again.

    Should it finish one after all, and none other has, that result is accepted.

    Parameters
    ----------
    force
        Whether also from one that lives, or was heard of a moment ago.
    """
    with _changing(queue) as ledger:
        entries = _chosen(ledger, words, [Status.RUNNING], "freed", "it does not run")
        directory = journal_of(queue.path)
        for entry in entries:
            life = claim_life(ledger, entry, directory)
            if force or life is Life.DEAD or stale_for(ledger, entry, directory) is not None:
                continue
            lives = "lives" if life is Life.ALIVE else f"was heard of less than {STALE:.0f} s ago"
            raise QueueError(
                f"{_called([entry])} cannot be freed: its runner {_who(ledger, entry)} {lives}; cancel stops "
                "the experiment, --force frees it all the same, and then it may run twice at once"
            )
        queue.write(*({"t": "free", "id": entry.id, "why": "a person freed it"} for entry in entries))
        return Changed(tuple(entry.id for entry in entries))


def _who(ledger: Ledger, entry: Entry) -> str:
    runner = ledger.runners.get(entry.claim.runner) if entry.claim else None
    process = runner.process if runner else {}
    return f"(process {process.get('pid', '?')} on {process.get('host', '?')})"


def pause(queue: AnyQueue, why: str) -> Changed:
    """Start nothing more in the whole study, or, with an empty text, go on."""
    with _changing(queue) as ledger:
        if ledger.paused != why:
            queue.pause(why)
    return Changed()


# --- the text of a document --------------------------------------------------------------------------


def set_key(text: str, key: str, value: Any) -> str:
    """Return a document's text with another value of a key; the lines of all others stay as they are.

    Parameters
    ----------
    text
        Of a mapping, without the line break at its end. One in braces is written anew.
    value
        None removes the key.
    """
    from coolrunner.yamlio import dump, read_text  # here, for most changes need no YAML

    values = {name: old for name, old in read_text(f"{text}\n").items() if name != key or value is not None}
    if value is not None:
        values[key] = value
    edited = _edited(text, key, value)
    try:
        if canonical(read_text(f"{edited}\n")) == canonical(values):
            return edited
    except YamlError:
        pass
    comments = re.match(r"(?:[ \t]*(?:#.*)?\n)*", text)
    return (comments[0] if comments else "") + dump(values)[:-1]


def _edited(text: str, key: str, value: Any) -> str:
    from coolrunner.yamlio import dump

    line = "" if value is None else dump({key: value})[:-1]
    found = re.search(rf"^{re.escape(key)}[ \t]*:[^#\n]*?(?P<comment>[ \t]+#.*)?$\n?", text, re.MULTILINE)
    if found is None and not line:
        return text
    if found is None:
        # Below the name, where a person looks first.
        name = re.search(r"^Name:.*\n(?=[^ \t\n-])", text, re.MULTILINE)
        first = re.search(r"^[^#\s]", text, re.MULTILINE)
        at = name.end() if name else (first.start() if first else len(text))
        return f"{text[:at]}{line}\n{text[at:]}"
    above, below = text[: found.start()], text[found.end() :]
    if not line:
        return above + below if below else above.removesuffix("\n")
    end = "\n" if found[0].endswith("\n") else ""
    return f"{above}{line}{found['comment'] or ''}{end}{below}"
