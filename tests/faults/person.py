"""A person who edits a queue file without pause, in many ways and by many save styles, till told to stop.

Run by `tests.faults.harness` as a process of its own. Before each save it notes in ``person.jsonl`` what
that save adds or deletes, so that it can be judged in the end what had to be run.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from coolrunner.queue.file import read_ledger  # noqa: E402

#: Seconds after which a half-written file may be believed; a save of ours must be over by then.
TOO_SLOW = 0.8
#: Seconds within which what was saved must have been taken up.
PATIENCE = 30.0

Sheet = tuple[str, list[str]]


def split(text: str) -> Sheet:
    """Return what stands above the documents of a queue file, and the documents."""
    head, *documents = text.removesuffix("...\n").split("---\n")
    return head, documents


def join(head: str, documents: list[str]) -> str:
    """Return the text of a queue file."""
    if not documents:
        return head if "# nothing waits\n" in head else head + "# nothing waits\n"
    head = head.replace("# nothing waits\n", "")
    return head + "".join(f"---\n{document}" for document in documents) + "...\n"


def tag_of(document: str) -> str:
    """Return what tells an experiment from all others."""
    match = re.search(r"^tag: (\S+)$", document, re.MULTILINE)
    return match[1] if match else ""


class Person:
    """Edits ``queue.yaml``.

    Parameters
    ----------
    directory
        Where it lies.
    seed
        Of what is done.
    low
        With fewer documents than this in the file, new ones are added.
    """

    def __init__(self, directory: Path, seed: str, low: int) -> None:
        self.going = True
        self._random = random.Random(seed)
        self._file = directory / "queue.yaml"
        self._journal = directory / "queue.yaml.journal" / "journal.jsonl"
        self._notes = (directory / "person.jsonl").open("a", encoding="utf-8")
        self._low = low
        self._read_to = 0
        self._unseen: dict[str, float] = {}
        self._gone: set[str] = set()
        # Others wait for these, and for those of the study whose tags begin with an n.
        self._needed: set[str] = set()
        self._history: list[str] = []
        self._count = 0

    # --- one edit after the other ---

    def edit(self) -> None:
        """Read the file, change it, save it."""
        text = self._text()
        head, documents = split(text)
        self._history = [*self._history[-7:], text]
        if len(documents) < self._low:
            self._add(documents, self._random.randint(5, 20))
            self._save(head, documents)
            return
        draw = self._random.random()
        if draw < 0.15 and self._all_seen():
            self._save_stale()
        elif draw < 0.25:
            self._save_broken(head, documents)
        elif draw < 0.265 and self._all_seen():
            self._delete_file()
        else:
            for _ in range(self._random.randint(1, 3)):
                head = self._change(head, documents)
            self._save(head, documents)

    def stop(self, *_: object) -> None:
        """End after the present edit."""
        self.going = False

    def finish(self) -> None:
        """See that all that was saved has been taken up, and let go of what is held back."""
        end = time.monotonic() + PATIENCE
        tag = ""
        while time.monotonic() < end:
            if self._all_seen() and not self._is_late():
                # The last save was taken up if one that builds on it was.
                if tag and not any(entry.facts.hold for entry in read_ledger(self._file).waiting()):
                    return
                head, documents = split(self._text())
                documents = [document.replace("Hold: true\n", "") for document in documents]
                tag = self._new("z")
                self._insert(documents, tag, f"Name: {tag}\ntag: {tag}\nms: 0\n")
                self._save(head, documents)
            time.sleep(0.1)
        self._note(lost=sorted(self._unseen), held=not self._unseen)

    def _is_late(self) -> bool:
        """Whether a save of ours may have been displaced by a runner that died before it looked at it."""
        displaced = self._journal.parent / "displaced"
        return any("+" not in path.name for path in displaced.iterdir())

    def _text(self) -> str:
        end = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(FileNotFoundError):
                return self._file.read_text(encoding="utf-8")
            if time.monotonic() > end:
                raise AssertionError("the queue file does not come back")
            time.sleep(0.02)

    def _all_seen(self) -> bool:
        """Whether what was added stands in the journal; else another save could be its end."""
        with self._journal.open("rb") as file:
            file.seek(self._read_to)
            data = file.read()
        data = data[: data.rfind(b"\n") + 1]
        self._read_to += len(data)
        for tag in re.findall(rb"\\ntag: (\w+)", data):
            self._unseen.pop(tag.decode(), None)
        late = [tag for tag, since in self._unseen.items() if time.monotonic() - since > PATIENCE]
        if late:
            self._note(lost=late)
            for tag in late:
                del self._unseen[tag]
        return not self._unseen

    def _note(self, **what: object) -> None:
        self._notes.write(json.dumps(what) + "\n")
        self._notes.flush()

    # --- what is changed ---

    def _change(self, head: str, documents: list[str]) -> str:
        """Change something, and return the head."""
        kinds: list[Callable[[list[str]], None]] = [
            self._reorder,
            self._hold,
            self._release,
            self._give_priority,
            self._comment,
            self._value,
            self._copy,
            self._delete,
            lambda documents: self._add(documents, self._random.randint(1, 3)),
        ]
        if self._random.random() < 0.08:
            return f"{head}# {self._new('remark')}\n"
        self._random.choice(kinds)(documents)
        return head

    def _new(self, letter: str) -> str:
        self._count += 1
        return f"{letter}{self._count}"

    def _some(self, documents: list[str]) -> int | None:
        """Return the place of a document that has its ID: one without is not ours to change any more."""
        found = [place for place, document in enumerate(documents) if "\nID: " in document]
        return self._random.choice(found) if found else None

    def _replace(self, documents: list[str], pattern: str, by: str, *, without: str = "") -> None:
        """Replace a pattern in one document, after another one was taken out of it."""
        place = self._some(documents)
        if place is not None:
            text = documents[place]
            if without:
                text = re.sub(without, "", text, flags=re.MULTILINE)
            documents[place] = re.sub(pattern, by, text, count=1, flags=re.MULTILINE)

    def _reorder(self, documents: list[str]) -> None:
        if self._random.random() < 0.2:
            self._random.shuffle(documents)
            return
        document = documents.pop(self._random.randrange(len(documents)))
        documents.insert(self._random.randint(0, len(documents)), document)

    def _hold(self, documents: list[str]) -> None:
        self._replace(documents, r"^(?=tag: )", "Hold: true\n", without=r"^Hold: .*\n")

    def _release(self, documents: list[str]) -> None:
        documents[:] = [document.replace("Hold: true\n", "") for document in documents]

    def _give_priority(self, documents: list[str]) -> None:
        number = self._random.randint(-2, 5)
        self._replace(documents, r"^(?=tag: )", f"Priority: {number}\n", without=r"^Priority: .*\n")

    def _comment(self, documents: list[str]) -> None:
        self._replace(documents, r"^(?=\w)", f"# {self._new('note')}\n")

    def _value(self, documents: list[str]) -> None:
        self._replace(documents, r"^mark: .*$", f"mark: {self._new('m')}")

    def _copy(self, documents: list[str]) -> None:
        place = self._some(documents)
        if place is None:
            return
        tag = self._new("c")
        copy = re.sub(r"^(?:ID|REP|RND_IDX|After): .*\n", "", documents[place], flags=re.MULTILINE)
        copy = re.sub(r"^(tag|Name): .*$", rf"\1: {tag}", copy, flags=re.MULTILINE)
        self._insert(documents, tag, copy)

    def _add(self, documents: list[str], count: int) -> None:
        for _ in range(count):
            tag = self._new("a")
            text = f"Name: {tag}\ntag: {tag}\nms: {self._random.randint(0, 30)}\n"
            needed = [found for document in documents if (found := tag_of(document))]
            if self._random.random() < 0.1 and needed:
                # One that is in the file, and does not go again.
                name = self._random.choice(needed)
                if name not in self._unseen and name not in self._gone:
                    self._needed.add(name)
                    text += f"After: {name}\n"
            self._insert(documents, tag, text)

    def _insert(self, documents: list[str], tag: str, text: str) -> None:
        self._note(added=tag)
        self._unseen[tag] = time.monotonic()
        documents.insert(self._random.randint(0, len(documents)), text)

    def _delete(self, documents: list[str]) -> None:
        place = self._some(documents)
        if place is None:
            return
        tag = tag_of(documents[place])
        if tag and tag not in self._needed and not tag.startswith("n"):
            self._gone.add(tag)
            self._note(deleted=tag)
            del documents[place]

    # --- how it is saved ---

    def _save(self, head: str, documents: list[str]) -> None:
        text = join(head, documents)
        styles = (self._in_place, self._truncate_then_write, self._rename_over, self._backup_first)
        self._note(save=1)
        self._random.choice(styles)(text)
        self._history = [*self._history[-7:], text]

    def _save_stale(self) -> None:
        """Save an earlier text, with an edit that means something to those that still wait."""
        head, documents = split(self._random.choice(self._history))
        documents = [document for document in documents if tag_of(document) not in self._gone]
        if documents:
            self._random.choice((self._hold, self._comment, self._value, self._reorder))(documents)
        self._save(head, documents)

    def _save_broken(self, head: str, documents: list[str]) -> None:
        """Save a text with a mistake, and mend it a moment later."""
        good = join(head, documents)
        wrong = ["Name: [unclosed\n", "\tName: tab\n", "Name: x\nName: x\n", "Name: x\nAfter: nobody\n"]
        kind = self._random.randrange(len(wrong) + 1)
        began = time.monotonic()
        if kind < len(wrong):
            bad = list(documents)
            bad.insert(self._random.randint(0, len(bad)), wrong[kind])
            self._save(head, bad)
            self._history.pop()
        else:
            half = good[: self._random.randrange(len(good) - 4)]
            self._in_place(half)
        time.sleep(self._random.uniform(0.02, 0.4))
        self._save(head, documents)
        if kind == len(wrong):
            self._was_slow(began, half)

    def _delete_file(self) -> None:
        self._file.unlink(missing_ok=True)

    def _was_slow(self, began: float, half: str) -> None:
        """Note what a save took with it that came in two parts with a long time between."""
        if time.monotonic() - began > TOO_SLOW:
            tags = set(re.findall(r"^tag: (\S+)$", self._history[-1], re.MULTILINE))
            self._note(slow=sorted(tags - set(re.findall(r"^tag: (\S+)$", half, re.MULTILINE))))

    def _in_place(self, text: str) -> None:
        self._file.write_text(text, encoding="utf-8")

    def _truncate_then_write(self, text: str) -> None:
        began = time.monotonic()
        with self._file.open("w", encoding="utf-8") as file:
            time.sleep(self._random.uniform(0.0, 0.15))
            place = self._random.randrange(len(text))
            file.write(text[:place])
            file.flush()
            time.sleep(self._random.uniform(0.0, 0.15))
            file.write(text[place:])
        self._history.append(text)
        self._was_slow(began, "")
        self._history.pop()

    def _rename_over(self, text: str) -> None:
        new = self._file.with_name(".queue.yaml.new")
        new.write_text(text, encoding="utf-8")
        new.replace(self._file)

    def _backup_first(self, text: str) -> None:
        backup = self._file.with_name("queue.yaml~")
        with contextlib.suppress(FileNotFoundError):
            self._file.rename(backup)
        self._in_place(text)
        backup.unlink(missing_ok=True)


def main() -> None:
    """Edit until SIGTERM."""
    directory, seed, low = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    person = Person(directory, seed, low)

    def stop(number: int, frame: FrameType | None) -> None:
        person.stop()

    signal.signal(signal.SIGTERM, stop)
    pauses = random.Random(f"{seed} pauses")
    while person.going:
        person.edit()
        time.sleep(pauses.uniform(0.02, 0.3))
    person.finish()


if __name__ == "__main__":
    main()
    os._exit(0)
