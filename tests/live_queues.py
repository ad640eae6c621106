"""A study on a queue file that stands at a gate, so that there is time to edit, for the acceptance tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from coolrunner.queue.file import read_ledger
from coolrunner.queue.ledger import Ledger
from tests.studies import Project, Started, until

#: Waits at a gate (a file) where it has one; fails, or is killed, where it is told to.
MODULE = """
def main(exp):
    Path(f"began-{exp.Name}").write_text("yes\\n")
    gate, end = exp.get("gate"), time.monotonic() + 60
    while gate and not Path(gate).exists():
        if time.monotonic() > end:
            raise TimeoutError(f"nobody opens {gate}")
        time.sleep(0.01)
    if exp.get("fails") and not Path(exp.fails).exists():
        raise ValueError(f"{exp.Name} does not work")
    exp.OUT = exp.get("n", 0) * 2 + 0 * exp.get("size", 0)
"""

#: The first one waits at the gate, four wait in the queue.
STUDY = """
Global: {queue: queue.yaml}
Module: modules.module
size: 1
---
Name: first
gate: go
---
Name: a
n: 1
---
Name: b
n: 2
---
Name: c
n: 3
---
Name: d
n: 4
"""


class Live:
    """A project whose study has a queue file.

    Parameters
    ----------
    project
        The project; its Module is written.
    study
        The definition.
    name
        The queue file.
    """

    def __init__(self, project: Project, study: str = STUDY, name: str = "queue.yaml") -> None:
        self.project = project
        self.path = project.path / name
        project.module(MODULE)
        project.study(study)

    def start(self, *arguments: str, names: str | None = "a b c d") -> Started:
        """Start the study; wait until its first experiment runs and the file shows the others."""
        study = self.project.start(*arguments)
        study.wait_for("experiment_started", name="first")
        if names is not None:
            self.wait_for(names)
        return study

    def open_gate(self, name: str = "go") -> None:
        """Let what waits at a gate go on."""
        (self.project.path / name).write_text("open\n")

    # --- the file ---

    @property
    def text(self) -> str:
        """The file as it is; empty where it is not there."""
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The file's documents, as any reader of YAML sees them."""
        return [document for document in yaml.safe_load_all(self.text) if document]

    @property
    def names(self) -> str:
        """The names of the experiments in the file, in order."""
        return " ".join(str(document.get("Name")) for document in self.documents)

    def wait_for(self, names: str) -> None:
        """Wait until the file shows these experiments and no others, each with an ID of its own."""

        def shown() -> bool:
            ids = {document.get("ID") for document in self.documents} - {None}
            return self.names == names and len(ids) == len(names.split())

        until(shown, f"{names} in {self.path.name}")

    def wait_until(self, condition: Callable[[str], Any]) -> None:
        """Wait until the file's text is as it should be."""
        until(lambda: condition(self.text), f"the text of {self.path.name}")

    def named(self, name: str) -> dict[str, Any]:
        """Return the document of that name."""
        (document,) = [document for document in self.documents if document["Name"] == name]
        return document

    def save(self, text: str) -> None:
        """Save a text in place."""
        with self.path.open("r+", encoding="utf-8") as file:
            file.truncate()
            file.write(text)

    def replace(self, old: str, new: str) -> None:
        """Change one place of the file, in place."""
        text = self.text
        assert text.count(old) == 1, text
        self.save(text.replace(old, new))

    # --- what came of it ---

    @property
    def ledger(self) -> Ledger:
        """The state, as the journal tells it."""
        return read_ledger(self.path)

    def standing(self, name: str) -> str:
        """How it stands with the experiment of that name, the last one of it."""
        ledger = self.ledger
        (*_, entry) = [entry for entry in ledger.entries.values() if entry.facts.name == name]
        return ledger.standing(entry)

    def ran(self, log: str = "log.yaml") -> str:
        """The names in the log, in the order in which they finished."""
        return " ".join(str(record["Name"]) for record in self.project.log(log))

    def record(self, name: str, log: str = "log.yaml") -> dict[str, Any]:
        """Return what the log holds of the one experiment of that name."""
        (record,) = [record for record in self.project.log(log) if record["Name"] == name]
        return record


def rename_over(path: Path, text: str) -> None:
    """Save as many editors do: a new file, which takes the place of the old one."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def backup_first(path: Path, text: str) -> None:
    """Save as others do: the old file is moved aside, then written anew under its name."""
    path.rename(path.with_name(f"{path.name}~"))
    path.write_text(text, encoding="utf-8")


def through_descriptor(path: Path, text: str) -> None:
    """Save in place and bring it to the disk, in one piece."""
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
