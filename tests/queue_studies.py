"""Queues of experiments as small as can be, and the hands of a person who edits their file."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coolrunner.errors import DefinitionError, Position, Problem
from coolrunner.queue.base import Facts
from coolrunner.queue.entries import Entry
from coolrunner.queue.file import FileQueue
from coolrunner.queue.ledger import Ledger
from coolrunner.queue.saves import Draft
from coolrunner.yamlio import dump, read_text

#: Long before any test: a save of that time needs no waiting for.
LONG_AGO = 5.0


@dataclass(frozen=True)
class Trial:
    """The least that can wait: an ``ID``, and what stands in its document beside it."""

    id: str
    values: Mapping[str, Any] = field(default_factory=dict)
    index: int = 0


def trials(names: Iterable[str], first: int = 0, **values: Any) -> list[Trial]:
    """Return a trial for each name, which is its ``ID`` as well."""
    return [Trial(name, {"Name": name, **values}, index) for index, name in enumerate(names, start=first)]


class SmallScribe:
    """Knows trials: they need a ``Name``, get ``size: 1`` where they have none, and ``twice`` is doubled.

    Attributes
    ----------
    logged
        The IDs whose results stand in the log.
    adopted
        The drafts that were completed.
    """

    numbers = itertools.count(1)

    def __init__(self) -> None:
        self.logged: set[str] = set()
        self.adopted: list[Draft] = []

    def facts_of(self, item: Trial) -> Facts:
        """Return the facts of a trial; a ``Name`` of skip is not run."""
        return _facts(item.values, item.index)

    def text_of(self, item: Trial) -> str:
        """Return its document."""
        return dump({**item.values, "ID": item.id})[:-1]

    def item_of(self, entry: Entry) -> Trial:
        """Return the trial of a document."""
        values = read_text(f"{entry.text}\n")
        return Trial(entry.id, {key: values[key] for key in values if key != "ID"}, entry.facts.index)

    def adopt(self, draft: Draft, ledger: Ledger) -> tuple[str, Facts]:
        """Complete a document: an edit gets no defaults."""
        values = {key: value for key, value in draft.value.items() if key != "ID"}
        if not isinstance(values.get("Name"), str):
            hint = "give it a name"
            raise DefinitionError([Problem("no Name", Position(draft.source.name, draft.line, 1), hint=hint)])
        self.adopted.append(draft)
        if draft.known is None:
            values.setdefault("size", 1)
        if "twice" in values:
            values["size"] = 2 * values.pop("twice")
        comments = [line for line in draft.text.split("\n") if line.startswith("#")]
        text = "\n".join([*comments, dump({**values, "ID": draft.identity})[:-1]])
        return text, _facts(values, draft.index)

    def new_id(self) -> str:
        """Return an ``ID`` that no other scribe gives."""
        return f"new{next(self.numbers)}"

    def is_logged(self, entry: Entry) -> bool:
        """Whether its result stands in the log."""
        return entry.id in self.logged


def _facts(values: Mapping[str, Any], index: int) -> Facts:
    name = str(values.get("Name", ""))
    return Facts(
        name=name,
        index=index,
        runs=name != "skip",
        hold=values.get("Hold") is True,
        priority=values.get("Priority", 0),
        lane=values.get("Resources", ""),
        needs=tuple(values.get("Needs", ())),
        retries=values.get("Retries", 0),
    )


def open_queue(path: Path, scribe: SmallScribe | None = None, **options: bool) -> FileQueue[Trial]:
    """Return a queue in a file, which is begun where it is missing."""
    return FileQueue(path, scribe or SmallScribe(), **{"create": True, **options})


# --- a person ----------------------------------------------------------------------------------------


def save(path: Path, text: str | bytes, age: float = LONG_AGO) -> None:
    """Save a text in place, as if it was so many seconds ago."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    _age(path, age)


def save_by_renaming(path: Path, text: str, age: float = LONG_AGO) -> None:
    """Save a text as a new file that takes the place of the old one."""
    new = path.with_name(".save")
    new.write_text(text)
    _age(new, age)
    new.rename(path)


def _age(path: Path, age: float) -> None:
    # Each a little younger than the one before, so that two saves of one size are told apart.
    now = time.time_ns() - int(age * 1e9)
    os.utime(path, ns=(now, now))


def documents(text: str) -> list[str]:
    """Return the documents of a queue file that a queue wrote."""
    _, marker, body = text.partition("\n---\n")
    return body.removesuffix("...\n").removesuffix("\n").split("\n---\n") if marker else []


def head(text: str) -> str:
    """Return what stands above the documents of a queue file."""
    return text.partition("\n---\n")[0].removesuffix("\n") + "\n"


def with_documents(text: str, edited: Iterable[str]) -> str:
    """Return a queue file with other documents."""
    body = "\n---\n".join(edited)
    return f"{head(text)}---\n{body}\n...\n" if body else f"{head(text)}---\n...\n"


def ids(text: str) -> list[str]:
    """Return the IDs of the documents of a queue file, in order."""
    return [read_text(document)["ID"] for document in documents(text)]
