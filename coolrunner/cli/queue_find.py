"""``coolrunner queue``: which queue is meant, and which experiments."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from coolrunner.errors import UsageError, nearest
from coolrunner.queue.base import Status
from coolrunner.queue.entries import Entry
from coolrunner.queue.ledger import Ledger

__all__ = ["add_places", "called", "command", "find", "journal_in", "queue_of"]

# To find the nearest of 100,000 names takes seconds.
_COMPARED = 2000
_LISTED = 5


def queue_of(options: argparse.Namespace) -> tuple[Path, list[str]]:
    """Return the queue file that a call means, and what else was given in it.

    Raises
    ------
    UsageError
        There is no such queue, or it is not clear which one is meant.
    """
    words: list[str] = list(options.words)
    if options.queue is not None:
        return _checked(Path(options.queue)), words
    if words and _is_queue(Path(words[0])):
        return _checked(Path(words[0])), words[1:]
    if words and options.verb != "add" and words[0].endswith((".yaml", ".yml")):
        return _checked(Path(words[0])), words[1:]
    return _only_one(options.verb), words


def add_places(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Describe where experiments are to stand."""
    group = parser.add_mutually_exclusive_group(required=required)
    group.add_argument("--top", action="store_true", help="before all others")
    group.add_argument("--bottom", action="store_true", help="behind all others")
    group.add_argument("--before", metavar="ID", help="before this one")
    group.add_argument("--after", metavar="ID", help="behind this one")


def journal_in(path: Path) -> Path:
    """Return the journal of a queue file."""
    return path.with_name(f"{path.name}.journal") / "journal.jsonl"


def _is_queue(path: Path) -> bool:
    if path.name.endswith(".journal"):
        return (path / "journal.jsonl").exists()
    return journal_in(path).exists()


def _checked(path: Path) -> Path:
    """Return the path of a queue file, for which its journal may stand."""
    if path.name.endswith(".journal") and path.is_dir():
        path = path.with_name(path.name.removesuffix(".journal"))
    if journal_in(path).exists():
        return path
    if path.is_file() and _begins_like_queue(path):
        begin = shlex.join(["coolrunner", "run", "--queue", str(path)])
        raise UsageError(f"the queue {path} has no journal yet; the first runner makes one: {begin}")
    if path.is_file():
        from coolrunner.cli.kinds import instead_of_queue

        told = instead_of_queue(path)
        if told:
            raise UsageError(f"no queue: {told}")
    there = [str(queue) for queue in _queues(path.parent)]
    close = nearest(path.name, [Path(queue).name for queue in there])
    what = f"{path} is no queue" if path.exists() else f"there is no queue {path}"
    if close:
        raise UsageError(f"{what}; did you mean {path.with_name(close)}?")
    known = (
        f"there is {', '.join(there)}" if there else "coolrunner run --exp FILE --queue-file FILE makes one"
    )
    raise UsageError(f"{what}; {known}")


def _begins_like_queue(path: Path) -> bool:
    from coolrunner.queue.text import FIRST_LINE

    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.readline().startswith(FIRST_LINE)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _queues(directory: Path) -> list[Path]:
    found = sorted(path.parent for path in directory.glob("*.journal/journal.jsonl"))
    names = [path.with_name(path.name.removesuffix(".journal")) for path in found]
    return [path for path in names if path.suffix in (".yaml", ".yml")]  # no backups


def _only_one(verb: str) -> Path:
    found = _queues(Path())
    if len(found) == 1:
        return found[0]
    there = f"there are {', '.join(map(str, found))}" if found else "there is none in this directory"
    raise UsageError(f"which queue? {there}; write coolrunner queue {verb} FILE ...")


def command(verb: str, path: Path, *words: str) -> str:
    """Return a command that a person may type."""
    return shlex.join(["coolrunner", "queue", verb, str(path), *words])


def called(entry: Entry) -> str:
    """Return how an experiment is called where people read it: ``vgg (k7f3q2ma)``."""
    return f"{entry.facts.name} ({entry.id})"


def find(ledger: Ledger, words: Iterable[str]) -> list[Entry]:
    """Return the experiments that are meant, each once, in the order of the words.

    Parameters
    ----------
    words
        For each, an ID, the beginning of just one ID, or a ``Name``, which means all that have it.

    Raises
    ------
    UsageError
        One of them means none, or it is not clear which.
    """
    found: dict[str, Entry] = {}
    for word in words:
        found.update((entry.id, entry) for entry in _meant(ledger, word))
    return list(found.values())


def _meant(ledger: Ledger, word: str) -> Sequence[Entry]:
    if word in ledger.entries:
        return [ledger.entries[word]]
    every = ledger.entries.values()
    named = [entry for entry in every if entry.facts.name == word and entry.facts.runs]
    if named:
        return [entry for entry in named if entry.status is not Status.REMOVED] or named
    begun = [entry for entry in every if entry.id.startswith(word)] if word else []
    if len(begun) == 1:
        return begun
    if begun:
        some = ", ".join(map(called, begun[:_LISTED]))
        more = f" and {len(begun) - _LISTED} more" if len(begun) > _LISTED else ""
        raise UsageError(f"{word!r} is the beginning of {some}{more}; write more of the ID")
    close = nearest(word, islice(_near(ledger, word), _COMPARED))
    hint = f"did you mean {close}?" if close else "coolrunner queue ls --all lists them"
    raise UsageError(f"no experiment is called {word!r}; {hint}")


def _near(ledger: Ledger, word: str) -> Iterable[str]:
    """Return what may have been meant; where that is much, what begins alike."""
    names = dict.fromkeys(entry.facts.name for entry in ledger.entries.values() if entry.facts.runs)
    every = [*names, *ledger.entries]
    if len(every) <= _COMPARED:
        return every
    return (text for text in every if text[:1].lower() == word[:1].lower())
