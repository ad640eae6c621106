"""Any history of a queue in a file: runners that take, end and die, and people who edit with stale files.

A few real runners share one queue, and people save texts of it that they opened at any time before. The
model beside it knows what a save means; nothing may be lost, run twice, or come back by itself.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as check_every_history

from coolrunner.proof import process_here
from coolrunner.queue import changes, claims, desk
from coolrunner.queue.base import Status
from coolrunner.queue.entries import Entry
from coolrunner.queue.file import FileQueue, journal_of
from coolrunner.yamlio import dump, read_text
from tests.queue_studies import (
    SmallScribe,
    Trial,
    documents,
    head,
    open_queue,
    save,
    save_by_renaming,
    trials,
    with_documents,
)

#: By hand, thousands of histories are tried, and others each time: ``COOLRUNNER_HISTORIES=5000 pytest
#: --hypothesis-seed=7 ...``. Otherwise they are always the same.
BY_HAND = os.environ.get("COOLRUNNER_HISTORIES", "")
HISTORIES = int(BY_HAND or "150")
RUNNERS = 3
LONG_AGO = 1000.0
LONG = desk.LONG
ENDS = (Status.DONE, Status.FAILED, Status.INTERRUPTED, Status.LOST)


@dataclass
class Model:
    """What is true of one experiment, since which step it does or does not wait, and what it said when."""

    value: dict[str, Any]
    since: int
    status: Status = Status.WAITING
    order: float = 0.0
    owner: Runner | None = None
    before: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.born = self.since

    def change(self, value: dict[str, Any], step: int) -> None:
        """Let it say something else from a step on."""
        self.before.append((step, self.value))
        self.value = value

    def value_at(self, step: int) -> dict[str, Any]:
        """Return what it said at a step; what it said first, where it was not there yet."""
        return next((value for until, value in self.before if step < until), self.value)


@dataclass(frozen=True)
class Doc:
    """A document in a person's editor: that of an experiment, or a new one under a number of its own.

    A new one may have been given an ``ID`` by its person. One without any value is comments alone.
    """

    text: str
    value: dict[str, Any]
    id: str = ""
    new: int = 0
    given: str = ""


class Buffer:
    """A text in a person's editor, and the file that it was opened from.

    Attributes
    ----------
    step, top, shown
        When that file was written, its comments, and what it says of which experiment.
    docs
        The documents as they are in the editor.
    """

    def __init__(self, step: int, top: str, shown: dict[str, dict[str, Any]], docs: list[Doc]) -> None:
        self.step, self.top, self.shown, self.docs = step, top, shown, docs

    def __repr__(self) -> str:
        """Return the text in a line."""
        return f"<{self.step}: {' / '.join(doc.text for doc in self.docs)!r}>"

    @property
    def text(self) -> str:
        """All of it."""
        return with_documents(self.top + "---\n", [doc.text for doc in self.docs])

    def copied(self) -> Buffer:
        """Return another person's editor with the same text."""
        return Buffer(self.step, self.top, self.shown, list(self.docs))


def drawn(data: st.DataObject, buffers: list[Buffer]) -> Buffer:
    """Return any of these, rather often one of the last."""
    return data.draw(st.sampled_from(buffers[-3:]) | st.sampled_from(buffers))


def value_of(text: str) -> dict[str, Any]:
    """Return what a document says, its ID left out."""
    value = read_text(f"{text}\n")
    return {key: item for key, item in value.items() if key != "ID"}


class Runner:
    """A runner, with a process that stands for it: killing that one is its death."""

    def __init__(self, path: Path, scribe: SmallScribe) -> None:
        self.process = subprocess.Popen(["sleep", "600"])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(claims, "this_process", lambda: process_here(self.process.pid))
            self.queue: FileQueue[Trial] = open_queue(path, scribe)
        self.runs: set[str] = set()

    def die(self) -> None:
        """Vanish, without a word to anybody."""
        self.process.kill()
        self.process.wait()
        self.queue._claims.close()
        self.queue._journal.close()


class Edits(RuleBasedStateMachine):
    """Runners and people, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.path = self.directory / "queue.yaml"
        self.scribe = SmallScribe()
        self.scribe.numbers = itertools.count(1)
        self.step = 0
        desk.EVERY, desk.LONG = 0.0, LONG
        self.number = 0
        self.model: dict[str, Model] = {}
        self.lost: set[str] = set()  # the runners of these are dead
        self.buffers: list[Buffer] = []
        self.saved: list[Buffer] = []
        self.pending: Buffer | None = None  # what is half-written or broken at present
        self.texts: dict[str, Buffer] = {}
        self.runners = [Runner(self.path, self.scribe) for _ in range(RUNNERS)]

    def teardown(self) -> None:
        """Let the rest run, and see that all of it did."""
        try:
            if self.pending is not None:
                self.mend()
            self.look(0)
            for runner in self.runners:
                for name in sorted(runner.runs):
                    self.step += 1
                    self.finished(runner, name, Status.DONE)
            while self.taken(0):
                pass
            left = {name for name, one in self.model.items() if one.status is Status.WAITING}
            assert all(self.model[name].value.get("Hold") for name in left)
        finally:
            for runner in self.runners:
                runner.queue.close()
                runner.process.kill()
                runner.process.wait()
            shutil.rmtree(self.directory)

    # --- the model ---

    @property
    def running(self) -> set[str]:
        """Those that run, or are lost and nobody knows."""
        return {name for name, one in self.model.items() if one.status is Status.RUNNING}

    def row(self) -> list[str]:
        """Return those that wait, in order."""
        waiting = [name for name, one in self.model.items() if one.status is Status.WAITING]
        return sorted(waiting, key=lambda name: (self.model[name].order, name))

    def set_status(self, name: str, status: Status) -> None:
        """Let one go over to another status."""
        one = self.model[name]
        if Status.WAITING in (status, one.status) and status is not one.status:
            one.since = self.step
        one.status = status

    def fresh(self) -> int:
        """Return a number that was never used."""
        self.number += 1
        return self.number

    def entry(self, name: str, runner: int = 0) -> Entry:
        """Return what a runner knows of an experiment."""
        return self.runners[runner].queue.ledger.entries[name]

    def may_run(self, name: str) -> bool:
        """Whether one could be taken, if it waits."""
        if self.model[name].value.get("Hold"):
            return False
        if self.pending is None or self.model[name].since > self.pending.step:
            return True
        return self.entry_text(name) in self.on_disk()

    def entry_text(self, name: str) -> str:
        """Return the document of one as all agree on it."""
        ledgers = [runner.queue.ledger for runner in self.runners]
        return max(ledgers, key=lambda ledger: len(ledger.entries)).entries[name].text

    def is_ours(self) -> bool:
        """Whether the file is as a runner wrote it; a long one stays as a person saved it for a moment."""
        state = self.path.stat()
        signature = self.runners[0].queue.ledger.signature
        return [state.st_ino, state.st_size, state.st_mtime_ns] == signature

    def on_disk(self) -> list[str]:
        """Return the documents that stand in the file."""
        text = self.path.read_text().removesuffix("\n...\n").removesuffix("\n")
        return re.split(r"\n---(?:\n|\Z)", text)

    # --- what runners do ---

    @initialize(count=st.integers(1, 6))
    def begin(self, count: int) -> None:
        """Put the study's experiments."""
        self.put(0, count)

    @rule(runner=st.integers(0, RUNNERS - 1), count=st.integers(1, 2))
    def put(self, runner: int, count: int) -> None:
        """Add experiments at the end."""
        self.step += 1
        queue = self.runners[runner].queue
        queue.refresh()
        self.see_freed(runner)
        items = []
        for _ in range(count):
            number = self.fresh()
            items.append(
                Trial(f"k{number}", {"Name": f"e{number}", "lr": 0.1}, queue.ledger.next_index + len(items))
            )
        queue.put(items)
        for item in items:
            order = queue.ledger.entries[item.id].order
            assert all(order > one.order for one in self.model.values())
            self.model[item.id] = Model(dict(item.values), self.step, order=order)

    @rule(runner=st.integers(0, RUNNERS - 1))
    def take(self, runner: int) -> None:
        """Take the next one."""
        self.taken(runner)

    def taken(self, runner: int) -> str:
        """Take the next one, and see that it is the one; return its ID."""
        self.step += 1
        queue = self.runners[runner].queue
        item = queue.take()
        able = [name for name in self.row() if self.may_run(name)]
        able.sort(key=lambda name: -self.model[name].value.get("Priority", 0))
        assert (item.id if item else None) == (able[0] if able else None)
        if item is None:
            return ""
        assert dict(item.values) == self.model[item.id].value
        self.set_status(item.id, Status.RUNNING)
        self.model[item.id].owner = self.runners[runner]
        self.runners[runner].runs.add(item.id)
        return item.id

    @precondition(lambda self: any(runner.runs for runner in self.runners))
    @rule(data=st.data(), end=st.sampled_from(ENDS))
    def finish(self, data: st.DataObject, end: Status) -> None:
        """End one, which may have been taken from its runner meanwhile."""
        self.step += 1
        pairs = [(place, name) for place, runner in enumerate(self.runners) for name in sorted(runner.runs)]
        place, name = data.draw(st.sampled_from(pairs))
        self.finished(self.runners[place], name, end)

    def finished(self, runner: Runner, name: str, end: Status) -> None:
        """End one, and see that it counts where it should."""
        runner.runs.discard(name)
        one = self.model[name]
        is_mine = one.status is Status.RUNNING and one.owner is runner
        wanted = is_mine or (end is Status.DONE and one.status is not Status.DONE)
        written: list[str] = []
        assert runner.queue.finish(name, end, commit=lambda: written.append(name)) is wanted
        assert bool(written) is wanted
        if wanted:
            self.set_status(name, Status.WAITING if end is Status.LOST else end)
            self.lost.discard(name)

    @rule(runner=st.integers(0, RUNNERS - 1), finished=st.booleans())
    def kill(self, runner: int, finished: bool) -> None:
        """Kill a runner, perhaps after the result was logged and before the queue knew of it."""
        self.step += 1
        dead = self.runners[runner]
        mine = {name for name in self.running if self.model[name].owner is dead}
        dead.die()
        if finished and mine:
            self.scribe.logged.add(min(mine))
        self.lost |= mine
        self.runners[runner] = Runner(self.path, self.scribe)
        self.see_freed(runner)

    def see_freed(self, runner: int) -> None:
        """Let what dead runners had taken wait again, or be done: a runner has looked."""
        ledger = self.runners[runner].queue.ledger
        for name in sorted(self.lost):
            status = Status.DONE if name in self.scribe.logged else Status.WAITING
            assert ledger.entries[name].status is status
            self.set_status(name, status)
        self.lost.clear()

    @rule(runner=st.integers(0, RUNNERS - 1))
    def look(self, runner: int) -> None:
        """Look for what others did."""
        self.step += 1
        self.runners[runner].queue.refresh()
        self.see_freed(runner)

    @rule(runner=st.integers(0, RUNNERS - 1), data=st.data())
    def again(self, runner: int, data: st.DataObject) -> None:
        """Let one wait again that failed or was interrupted."""
        stopped = (Status.FAILED, Status.INTERRUPTED)
        resting = [name for name, one in self.model.items() if one.status in stopped]
        if resting:
            self.step += 1
            name = data.draw(st.sampled_from(resting))
            self.runners[runner].queue.again([name])
            self.set_status(name, Status.WAITING)

    @rule(lag=st.sampled_from([0.0, 1000.0]), size=st.sampled_from([0, LONG]))
    def change_pace(self, lag: float, size: int) -> None:
        """Let the file show at once what is so, or only when a person has saved it, or not even then."""
        desk.EVERY, desk.LONG = lag, size

    # --- what commands do ---

    @contextlib.contextmanager
    def command(self) -> Iterator[FileQueue[Trial]]:
        """Open the queue without running anything."""
        self.step += 1
        queue = open_queue(self.path, self.scribe, runs=False)
        yield queue
        queue.close()

    @precondition(lambda self: self.row() and self.pending is None)
    @rule(data=st.data(), what=st.sampled_from(["hold", "release", "prio", "rm", "top", "end"]))
    def change(self, data: st.DataObject, what: str) -> None:
        """Change one that waits by a command."""
        name = data.draw(st.sampled_from(self.row()))
        one = self.model[name]
        rest = [other for other in self.row() if other != name]
        with self.command() as queue:
            if what in ("hold", "release"):
                changes.hold(queue, [name], on=what == "hold")
                value = {key: old for key, old in one.value.items() if key != "Hold"}
                one.change({**value, "Hold": True} if what == "hold" else value, self.step)
            elif what == "prio":
                changes.prioritise(queue, [name], 2)
                one.change({**one.value, "Priority": 2}, self.step)
            elif what == "rm":
                changes.remove(queue, [name])
                self.set_status(name, Status.REMOVED)
            else:
                changes.place(queue, [name], top=what == "top")
                waiting = [entry.id for entry in queue.ledger.waiting()]
                assert waiting == ([name, *rest] if what == "top" else [*rest, name])
                self.take_orders(queue)

    @precondition(lambda self: any(runner.runs for runner in self.runners))
    @rule(data=st.data())
    def free(self, data: st.DataObject) -> None:
        """Take one from a runner that lives; it will hardly notice."""
        found = sorted(self.running - self.lost)
        if found:
            name = data.draw(st.sampled_from(found))
            with self.command() as queue:
                changes.free(queue, [name], force=True)
            self.set_status(name, Status.WAITING)

    def take_orders(self, queue: FileQueue[Trial]) -> None:
        """Take over where all stand."""
        for name, one in self.model.items():
            one.order = queue.ledger.entries[name].order

    # --- what people do in their editors ---

    @rule()
    def open_file(self) -> None:
        """Open the file as it is."""
        text = self.path.read_text()
        if self.pending is None and text in self.texts:
            self.buffers.append(self.texts[text])

    @precondition(lambda self: self.buffers)
    @rule(
        data=st.data(),
        what=st.sampled_from(
            ["change", "hold", "delete", "add", "name", "copy", "note", "move", "back", "remark"]
        ),
    )
    def edit(self, data: st.DataObject, what: str) -> None:
        """Edit a text, without saving it."""
        buffer = drawn(data, self.buffers).copied()
        self.buffers.append(buffer)
        docs = buffer.docs
        place = data.draw(st.integers(0, max(len(docs) - 1, 0)))
        copied = [doc.id for doc in docs if doc.new]
        if what in ("add", "name"):
            number = self.fresh()
            value, given = {"Name": f"n{number}"}, f"own{number}" if what == "name" else ""
            text = dump({**value, "ID": given} if given else value)[:-1]
            docs.insert(place, Doc(text, value, new=number, given=given))
        elif what == "back":
            there = {doc.id for doc in docs} | {doc.given for doc in docs}
            gone = sorted(name for name in self.model if name not in there)
            if gone:
                name = data.draw(st.sampled_from(gone))
                text = self.entry_text(name)
                docs.insert(place, Doc(text, value_of(text), name))
        elif what == "remark":
            docs.insert(place, Doc(f"# {self.fresh()}", {}))
        elif not docs:
            return
        elif what == "move":
            docs.insert(data.draw(st.integers(0, len(docs) - 1)), docs.pop(place))
        elif what == "delete":
            del docs[place]
        elif what == "note":
            docs[place] = replace(docs[place], text=f"# {self.fresh()}\n{docs[place].text}")
        elif docs[place].new or docs[place].id in copied or not docs[place].value:
            return
        elif what == "copy":
            doc, number = docs[place], self.fresh()
            if doc.value != buffer.shown.get(doc.id):
                return
            value = {**doc.value, "Name": f"n{number}"}
            docs.insert(place, Doc(dump({**value, "ID": doc.id})[:-1], value, doc.id, number))
        else:
            doc = docs[place]
            value = {**doc.value, "lr": self.fresh()} if what == "change" else {**doc.value, "Hold": True}
            docs[place] = Doc(dump({**value, "ID": doc.id})[:-1], value, doc.id)

    @precondition(lambda self: self.buffers and self.pending is None)
    @rule(data=st.data(), runner=st.integers(0, RUNNERS - 1), how=st.sampled_from([save, save_by_renaming]))
    def save_text(self, data: st.DataObject, runner: int, how: Callable[[Path, str, float], None]) -> None:
        """Save a text, however old the file is that it was made from."""
        buffer = drawn(data, self.buffers)
        self.saved.append(buffer)
        how(self.path, buffer.text, LONG_AGO)
        self.taken_up(buffer, runner)

    @precondition(lambda self: self.saved and self.pending is None)
    @rule(data=st.data(), runner=st.integers(0, RUNNERS - 1))
    def save_again(self, data: st.DataObject, runner: int) -> None:
        """Save a text once more, from an editor that does not look at what became of the file."""
        buffer = drawn(data, self.saved)
        save(self.path, buffer.text, LONG_AGO)
        self.taken_up(buffer, runner)

    @precondition(lambda self: self.buffers and self.pending is None and desk.EVERY == 0.0)
    @rule(runner=st.integers(0, RUNNERS - 1))
    def save_by_python(self, runner: int) -> None:
        """Write the file anew as it is, without its comments and its header, the first one put last."""
        text = self.path.read_text()
        if text not in self.texts or not self.is_ours():
            return
        buffer = self.texts[text].copied()
        buffer.docs = [*buffer.docs[1:], *buffer.docs[:1]]
        buffer.docs = [doc for doc in buffer.docs if doc.value]
        values = [{**doc.value, "ID": doc.id} for doc in buffer.docs]
        save(self.path, yaml.safe_dump_all(values, sort_keys=False) if values else "", LONG_AGO)
        buffer.docs = [
            replace(doc, text=yaml.safe_dump(value, sort_keys=False)[:-1])
            for doc, value in zip(buffer.docs, values, strict=True)
        ]
        self.taken_up(buffer, runner)

    @precondition(lambda self: self.buffers and self.pending is None)
    @rule(data=st.data(), runner=st.integers(0, RUNNERS - 1), half=st.booleans())
    def save_broken(self, data: st.DataObject, runner: int, half: bool) -> None:
        """Save a text with a mistake in it, or half of one."""
        buffer = drawn(data, self.buffers).copied()
        if half and buffer.docs:
            text = buffer.text
            # Above all documents an empty queue's file ends as a whole one.
            least = len(head(text)) + ("# nothing waits\n" in text)
            size = data.draw(st.integers(least, len(text) - 5))
            save(self.path, text[:size], age=0.0)
        else:
            save(self.path, buffer.text.replace("...\n", "---\nName: a: b\n...\n"), LONG_AGO)
        self.pending = buffer
        self.look(runner)
        assert self.runners[runner].queue.is_unclear()

    @precondition(lambda self: self.pending is not None)
    @rule(runner=st.integers(0, RUNNERS - 1))
    def mend(self, runner: int = 0) -> None:
        """Save the text as it should be."""
        buffer, self.pending = self.pending, None
        assert buffer is not None
        save(self.path, buffer.text, LONG_AGO)
        self.taken_up(buffer, runner)
        assert not self.runners[runner].queue.is_unclear()

    @precondition(lambda self: self.pending is None)
    @rule(runner=st.integers(0, RUNNERS - 1))
    def delete_file(self, runner: int) -> None:
        """Delete the file; it comes back."""
        self.path.unlink()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(desk, "SETTLE_CUT", 0.0)
            patch.setattr(desk, "EVERY", 0.0)
            self.look(runner)
        assert self.path.exists()

    # --- what a save means ---

    def taken_up(self, buffer: Buffer, runner: int) -> None:
        """Let a runner look at a save, and see that it meant what it should."""
        self.step += 1
        queue = self.runners[runner].queue
        row_before = self.row()
        known = set(self.model)
        queue.refresh()
        assert queue.problem() == ""
        if desk.LONG == 0:
            self.read_by_others(queue)
        ledger = queue.ledger
        buffer = self.without_originals(buffer)
        there = {doc.id for doc in buffer.docs if doc.id and not doc.new}
        changed = {name for name in there if self.is_edited(buffer, name)}
        for name in buffer.shown:
            one = self.model[name]
            if name not in there and one.status is Status.WAITING and one.since <= buffer.step:
                self.set_status(name, Status.REMOVED)
        new = [entry for entry in ledger.entries.values() if entry.id not in known]
        by_name = {entry.facts.name: entry for entry in new}
        assert len(by_name) == len(new)
        shown: list[str] = []  # those of the save that wait, in its order
        for doc in filter(lambda doc: doc.value, buffer.docs):
            name = self.adopted(buffer, doc, by_name, changed) if doc.new else self.edited(buffer, doc, new)
            if name and self.model[name].status is Status.WAITING and name not in shown:
                shown.append(name)
        assert {entry.id for entry in new} <= set(self.model)
        self.take_orders(queue)
        self.check_order(buffer, shown, row_before)
        self.see_freed(runner)

    def read_by_others(self, queue: FileQueue[Trial]) -> None:
        """See that it changes nothing where others find the same text, not written anew yet."""
        journal = journal_of(self.path) / "journal.jsonl"
        saves = journal.read_bytes().count(b'{"t":"save"')
        for runner in self.runners:
            runner.queue.refresh()
        assert journal.read_bytes().count(b'{"t":"save"') == saves
        queue.refresh()

    def without_originals(self, buffer: Buffer) -> Buffer:
        """Return a text in which a changed copy, if it stands there alone and always has, is an edit."""
        found = buffer.copied()
        for place, doc in enumerate(found.docs):
            is_known = any(
                one.born > buffer.step and one.value_at(one.born - 1)["Name"] == doc.value["Name"]
                for one in self.model.values()
                if doc.new
            )
            if doc.new and doc.id and not is_known and [one.id for one in found.docs].count(doc.id) == 1:
                found.docs[place] = replace(doc, new=0)
        return found

    def is_edited(self, buffer: Buffer, name: str) -> bool:
        """Whether a text has the document of an experiment in another form than it had then, or has now."""
        (doc,) = [doc for doc in buffer.docs if doc.id == name and not doc.new]
        return doc.value not in (self.model[name].value_at(buffer.step), self.model[name].value)

    def adopted(self, buffer: Buffer, doc: Doc, new: dict[str, Entry], changed: set[str]) -> str:
        """See that a new document is an experiment, and the same one when it is saved again.

        Unless the same save has that one in another form.
        """
        name = doc.value["Name"]
        entry = new.get(name)
        before = [key for key, one in self.model.items() if one.value.get("Name") == name]
        before = [key for key in before if key not in changed]
        assert bool(entry) is not bool(before), f"{name} came twice, or never"
        if entry is None:
            return before[0]
        assert doc.given in ("", entry.id)
        self.model[entry.id] = Model({"size": 1, **doc.value}, self.step)
        return entry.id

    def edited(self, buffer: Buffer, doc: Doc, new: list[Entry]) -> str:
        """See what became of the document of an experiment."""
        one = self.model[doc.id]
        then = one.value_at(buffer.step)
        assert buffer.shown.get(doc.id, then) == then
        is_edited = doc.value not in (then, one.value)
        put_back = doc.id not in buffer.shown and one.since <= buffer.step
        if one.status is Status.REMOVED and put_back:
            self.set_status(doc.id, Status.WAITING)
        if one.status is Status.WAITING:
            if is_edited:
                one.change(doc.value, self.step)
        elif one.status is Status.REMOVED and is_edited:
            return self.revived(buffer, doc, new)
        return doc.id

    def revived(self, buffer: Buffer, doc: Doc, new: list[Entry]) -> str:
        """See that what one person deleted and another has changed is an experiment of its own, once."""
        whole = {"size": 1, **doc.value}
        for name, one in self.model.items():
            if one.born > buffer.step and one.value_at(one.born - 1) == whole and name != doc.id:
                return name
        (entry,) = [entry for entry in new if value_of(entry.text) == whole and entry.id not in self.model]
        self.model[entry.id] = Model(whole, self.step)
        return entry.id

    def check_order(self, buffer: Buffer, shown: list[str], before: list[str]) -> None:
        """See that all stand as the person left them, or where they stood."""
        row = self.row()
        in_row = [name for name in row if name in shown]
        base = [name for name in buffer.shown if name in shown]
        in_save = [name for name in shown if name in base]
        others = [name for name in shown if name not in base]
        if in_save != base:
            assert in_row == shown
        elif all(self.model[name].born > buffer.step for name in others):
            stood = [name for name in before if name in row and name not in others]
            assert [name for name in row if name in stood] == stood
        # What the save does not show keeps its order.
        hidden = [name for name in before if name in row and name not in shown]
        assert [name for name in row if name in hidden] == hidden

    # --- what is always so ---

    @invariant()
    def all_agree(self) -> None:
        """Each runner that looks knows what the model knows, and so does whoever looks at the file."""
        for runner in self.runners:
            with runner.queue.session():
                ledger = runner.queue.ledger
            assert {name: entry.status for name, entry in ledger.entries.items()} == {
                name: one.status for name, one in self.model.items()
            }
            assert [entry.id for entry in ledger.waiting()] == self.row()
            for name, one in self.model.items():
                entry = ledger.entries[name]
                assert value_of(entry.text) == one.value
                assert (entry.facts.hold, entry.facts.priority) == (
                    "Hold" in one.value, one.value.get("Priority", 0)
                )  # fmt: skip
        if self.pending is None:
            self.remember_file(self.runners[0].queue)

    def remember_file(self, queue: FileQueue[Trial]) -> None:
        """Keep what the file shows, for people to open."""
        text = self.path.read_text()
        if text in self.texts or not self.is_ours():
            return
        docs = []
        for document in documents(text):
            value = read_text(f"{document}\n") or {}
            identity = value.pop("ID", "")
            docs.append(Doc(document, value, identity))
        shown = {doc.id: doc.value for doc in docs if doc.value}
        if not queue.ledger.unshown:
            assert list(shown) == self.row()
        assert f"# revision {queue.ledger.published}\n" in text
        buffer = Buffer(self.step, head(text), shown, docs)
        self.texts[text] = buffer
        self.buffers.append(buffer)


# --- single histories --------------------------------------------------------------------------------


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileQueue[Trial]]:
    """A runner of a queue with the experiments a and b, whose file is always as the queue is."""
    monkeypatch.setattr(desk, "EVERY", 0.0)
    monkeypatch.setattr(desk, "SHARE", 0)
    queue = open_queue(tmp_path / "queue.yaml")
    queue.put(trials("ab", lr=0.1))
    yield queue
    queue.close()


def saved(queue: FileQueue[Trial], text: str) -> str:
    """Save a text; return what the file shows when the runner has looked."""
    save(queue.path, text)
    queue.refresh()
    return queue.path.read_text()


def added(text: str, document: str) -> str:
    """Return a text of the file with one more document at its end."""
    return text.removesuffix("...\n") + f"---\n{document}\n...\n"


def value(queue: FileQueue[Trial], identity: str) -> dict[str, Any]:
    """Return what is known of an experiment."""
    return value_of(queue.ledger.entries[identity].text)


def test_a_copy_in_a_text_that_is_older_than_its_experiment_changes_nothing_of_it(
    queue: FileQueue[Trial],
) -> None:
    """What it said when it was copied is no wish of the person; what others have changed since stays."""
    old = queue.path.read_text()
    queue.put(trials("c", 2, lr=0.1))
    copy = documents(queue.path.read_text())[-1]
    changes.hold(queue, ["c"])
    saved(queue, added(old, copy))
    assert value(queue, "c") == {"Name": "c", "lr": 0.1, "Hold": True}
    saved(queue, added(old, copy.replace("lr: 0.1", "lr: 0.2")))
    assert value(queue, "c") == {"Name": "c", "lr": 0.2}


def test_a_copy_of_what_was_not_waiting_then_is_held_against_what_it_said_then(
    queue: FileQueue[Trial],
) -> None:
    copy = documents(queue.path.read_text())[0]
    queue.take()
    old = queue.path.read_text()
    queue.finish("a", Status.LOST)
    changes.hold(queue, ["a"])
    saved(queue, added(old, copy))
    assert value(queue, "a") == {"Name": "a", "lr": 0.1, "Hold": True}


def test_a_stale_text_with_a_new_document_that_is_saved_again_keeps_the_order_that_others_have_made(
    queue: FileQueue[Trial],
) -> None:
    queue.put(trials("cd", 2))
    old = queue.path.read_text()
    changes.place(queue, ["a"])  # to the end
    stale = with_documents(old, ["Name: first", *documents(old)])
    for _ in range(2):
        saved(queue, stale)
        assert [entry.facts.name for entry in queue.ledger.waiting()] == ["b", "c", "d", "first", "a"]
    saved(queue, with_documents(old, [*documents(old)[:3], "Name: first", documents(old)[3]]))
    assert [entry.facts.name for entry in queue.ledger.waiting()] == ["b", "c", "first", "d", "a"]


def test_a_new_document_and_what_became_of_it_in_one_text_are_one(queue: FileQueue[Trial]) -> None:
    """Somebody has pasted it back beside the other."""
    stale = added(queue.path.read_text(), "Name: n\nlr: 3")
    whole = documents(saved(queue, stale))[-1]
    for text in (
        added(stale, whole),
        stale.replace("Name: n\nlr: 3", f"# here\n{whole}\n---\nName: n\nlr: 3"),
    ):
        saved(queue, text)
        assert [entry.facts.name for entry in queue.ledger.waiting()] == ["a", "b", "n"]
    saved(queue, added(stale, whole.replace("lr: 3", "lr: 4")))
    assert [entry.text.count("lr: 4") for entry in queue.ledger.waiting()] == [0, 0, 0, 1]


def test_a_changed_copy_stays_the_experiment_that_it_became_when_its_original_is_deleted(
    queue: FileQueue[Trial],
) -> None:
    old = queue.path.read_text()
    a, b = documents(old)
    copy = b.replace("Name: b", "Name: n")
    saved(queue, with_documents(old, [a, copy, b]))
    saved(queue, with_documents(old, [a, copy]))
    assert [entry.facts.name for entry in queue.ledger.waiting()] == ["a", "n"]


def test_a_short_document_with_an_id_stays_what_others_have_made_of_it_when_it_is_saved_again(
    queue: FileQueue[Trial],
) -> None:
    stale = added(queue.path.read_text(), "Name: n\nID: mine")
    text = saved(queue, stale)
    text = saved(queue, text.replace("size: 1", "size: 2"))
    saved(queue, stale)
    assert value(queue, "mine") == {"Name": "n", "size": 2}
    text = saved(queue, queue.path.read_text().replace("Name: n", "# a note\nName: n"))
    saved(queue, stale)
    assert value(queue, "mine") == {"Name": "n", "size": 2}
    saved(queue, with_documents(text, documents(text)[:-1]))
    saved(queue, stale)
    assert [entry.id for entry in queue.ledger.waiting()] == ["a", "b"]


def test_no_history_of_edits_loses_an_experiment_or_runs_it_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """CR-03, CR-04."""
    monkeypatch.setattr(desk, "SETTLE", 0.0)
    monkeypatch.setattr(desk, "SETTLE_CUT", LONG_AGO / 2)
    monkeypatch.setattr(desk, "_booted_at", lambda: 0.0)
    monkeypatch.setattr(desk, "EVERY", 0.0)
    monkeypatch.setattr(desk, "SHARE", 0)
    monkeypatch.setattr(desk, "LONG", LONG)
    monkeypatch.setattr(claims, "EVERY", 0.0)
    monkeypatch.setattr(claims, "_PASSING", 0.0)
    check_every_history(
        Edits,
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=50,
            deadline=None,
            derandomize=not BY_HAND,
            suppress_health_check=list(HealthCheck),
        ),
    )
