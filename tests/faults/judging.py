"""What must hold when a round of the fault harness is over."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from coolrunner.queue.base import Status
from coolrunner.queue.file import journal_of
from coolrunner.queue.journal import Journal
from coolrunner.queue.ledger import Ledger
from coolrunner.queue.text import take_apart

__all__ = ["Judgement", "judge"]


@dataclass
class Judgement:
    """What was found.

    Attributes
    ----------
    problems
        What must not be.
    counts
        How much of what there was.
    """

    problems: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def judge(directory: Path, tags: list[str]) -> Judgement:
    """Count what came of a study that began with experiments of these tags."""
    found = Judgement()
    notes = [json.loads(line) for line in (directory / "person.jsonl").read_text().splitlines()]
    added = [note["added"] for note in notes if "added" in note]
    dispensable = {note["deleted"] for note in notes if "deleted" in note}
    dispensable.update(tag for note in notes for tag in note.get("slow", ()))
    found.problems += [f"was saved and never taken up: {note}" for note in notes if "lost" in note]
    ledger = _ledger(directory / "queue.yaml", found)
    logged = _log(directory / "log.yaml", found)
    _check_all_are_logged([*tags, *added], dispensable, logged, found)
    _check_journal(ledger, logged, found)
    _check_attempts(directory / "attempts", logged, found)
    _check_messages(directory / "errors", found)
    found.counts["saves"] = sum(note.get("save", 0) for note in notes)
    found.counts["added"] = len(added)
    found.counts["deleted"] = len(dispensable)
    found.counts["lost and run again"] = sum(entry.losses for entry in ledger.entries.values())
    found.counts["revisions"] = ledger.published
    found.counts["runners that began"] = len(ledger.runners)
    found.counts["unread"] = len(list(directory.glob("*.unread-*")))
    return found


def _ledger(queue: Path, found: Judgement) -> Ledger:
    journal = Journal(journal_of(queue) / "journal.jsonl", writable=False)
    ledger = Ledger()
    for record in journal.read():
        ledger.apply(record)
        found.counts["records"] = found.counts.get("records", 0) + 1
    journal.close()
    if journal.damaged:
        found.problems.append(f"{journal.damaged} lines of the journal are damaged")
    sheet = take_apart(queue.read_text(encoding="utf-8"))
    if sheet.pieces or not sheet.whole:
        found.problems.append(f"the queue file still shows {len(sheet.pieces)} experiments")
    for document in yaml.safe_load_all(queue.read_text(encoding="utf-8")):
        found.problems.append(f"the queue file still shows {document}")
    return ledger


def _log(log: Path, found: Judgement) -> dict[str, str]:
    """Return the tags of what is logged by their IDs."""
    logged: dict[str, str] = {}
    with log.open(encoding="utf-8") as file:
        records = list(yaml.load_all(file, Loader=yaml.CSafeLoader))
    for identity, count in Counter(record["ID"] for record in records).items():
        if count > 1:
            found.problems.append(f"{identity} was logged {count} times")
    for record in records:
        logged[record["ID"]] = record["tag"]
    found.counts["logged"] = len(records)
    return logged


def _check_all_are_logged(
    expected: list[str], dispensable: set[str], logged: dict[str, str], found: Judgement
) -> None:
    counts = Counter(logged.values())
    for tag in expected:
        if counts[tag] != 1 and not (counts[tag] == 0 and tag in dispensable):
            found.problems.append(f"experiment {tag} stands in the log {counts[tag]} times")
    for tag in counts.keys() - set(expected):
        found.problems.append(f"experiment {tag} was never asked for")


def _check_journal(ledger: Ledger, logged: dict[str, str], found: Judgement) -> None:
    for entry in ledger.entries.values():
        if entry.status not in (Status.DONE, Status.REMOVED):
            standing = ledger.standing(entry)
            found.problems.append(f"{entry.facts.name} ({entry.id}) is {standing} in the end: {entry.error}")
        if (entry.status is Status.DONE) != (entry.id in logged):
            found.problems.append(f"{entry.facts.name} ({entry.id}) is {entry.status.value}, unlike its log")


def _check_attempts(attempts: Path, logged: dict[str, str], found: Judgement) -> None:
    ended: dict[str, int] = defaultdict(int)
    for line in attempts.read_text().splitlines():
        tag, what, *_ = line.split()
        found.counts["attempts"] = found.counts.get("attempts", 0) + (what == "begin")
        ended[tag] += what == "end"
        if what == "overlap":
            found.problems.append(f"two attempts at {tag} overlapped")
    for tag in logged.values():
        if not ended[tag]:
            found.problems.append(f"{tag} is logged, and never came to its end")


def _check_messages(errors: Path, found: Judgement) -> None:
    for path in sorted(errors.iterdir()):
        text = path.read_text(encoding="utf-8", errors="replace")
        for sign in ("Traceback", "makes no sense", "internal error"):
            if sign in text:
                found.problems.append(f"{path.name} says: {text[max(text.index(sign) - 300, 0) :][:3000]}")
                break
