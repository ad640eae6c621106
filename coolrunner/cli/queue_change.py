"""``coolrunner queue hold``, ``rm``, ``move`` and so on: changes by a word, while runners go on."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coolrunner.cli.queue_find import add_places, called, command, queue_of
from coolrunner.errors import UsageError
from coolrunner.queue.base import Status

if TYPE_CHECKING:
    from coolrunner.queue.changes import Changed
    from coolrunner.queue.file import FileQueue

__all__ = ["configure", "execute"]

#: What a change has made of an experiment.
_DONE = {
    "hold": "held",
    "release": "released",
    "prio": "priority set",
    "rm": "removed",
    "move": "moved",
    "retry": "waits again",
    "cancel": "told to stop",
    "free": "freed, waits again",
}
#: What was so already.
_BEFORE = {
    "hold": "is held already",
    "release": "is not held",
    "prio": "has this priority already",
    "cancel": "was told to stop already",
}
_PAUSED = "a person has paused it"


def configure(parser: argparse.ArgumentParser, verb: str) -> None:
    """Describe the arguments of a verb."""
    metavar, what = "FILE | ID", "the queue, and experiments by ID or Name"
    if verb == "prio":
        metavar, what = "FILE | N | ID", "the queue, the priority (0 is usual), and experiments by ID or Name"
    elif verb == "pause":
        metavar, what = "FILE | WHY", "the queue, and why: others can read it"
    elif verb == "resume":
        metavar, what = "FILE", "the queue"
    parser.add_argument("words", nargs="*", metavar=metavar, help=what)
    if verb == "move":
        add_places(parser, required=True)
    elif verb == "retry":
        parser.add_argument("--failed", action="store_true", help="all that failed")
        parser.add_argument("--interrupted", action="store_true", help="all that were interrupted")
    elif verb == "free":
        parser.add_argument(
            "--force",
            action="store_true",
            help="also from a runner that lives: it may run twice at once then",
        )


def execute(options: argparse.Namespace) -> int:
    """Do what the verb says; return the exit status."""
    path, words = queue_of(options)
    if options.verb in ("pause", "resume"):
        return _pause(options, path, words)
    change = _change(options, path, words)
    from coolrunner.cli.queue_open import opened

    with opened(path) as queue:
        changed = change(queue)
        _tell(options, queue, changed)
    return 0


def _change(options: argparse.Namespace, path: Path, words: list[str]) -> Callable[[FileQueue[Any]], Changed]:
    """Return what is to be done to the queue.

    Raises
    ------
    UsageError
        Something is missing, or makes no sense.
    """
    from coolrunner.queue import changes

    verb: str = options.verb
    if verb == "prio":
        priority, words = _priority(path, words)
    if not words and not (verb == "retry" and (options.failed or options.interrupted)):
        more = ", or --failed, --interrupted" if verb == "retry" else ""
        raise UsageError(f"which experiment? {_example(verb, path)}{more}")
    if verb == "prio":
        return lambda queue: changes.prioritise(queue, words, priority)
    if verb == "move":
        place = {"before": options.before or "", "after": options.after or "", "top": options.top}
        return lambda queue: changes.place(queue, words, **place)
    if verb == "retry":
        return lambda queue: changes.again(queue, [*words, *_ended(options, queue)])
    if verb == "free":
        return lambda queue: changes.free(queue, words, force=options.force)
    if verb == "release":
        return lambda queue: changes.hold(queue, words, on=False)
    simple = {"hold": changes.hold, "rm": changes.remove, "cancel": changes.cancel}
    return lambda queue: simple[verb](queue, words)


def _example(verb: str, path: Path) -> str:
    given = {"prio": ("5", "ID"), "move": ("ID", "--top")}.get(verb, ("ID",))
    return command(verb, path, *given)


def _priority(path: Path, words: Sequence[str]) -> tuple[float, list[str]]:
    """Return the priority, which is the first word or the last one, and the other words."""
    for place in (0, len(words) - 1):
        try:
            number = float(words[place])
        except (IndexError, ValueError):
            continue
        if math.isfinite(number):
            others = [*words[:place], *words[place + 1 :]]
            return int(number) if number == int(number) else number, others
    raise UsageError(f"which priority? {_example('prio', path)}: the highest is taken first, 0 is usual")


def _ended(options: argparse.Namespace, queue: FileQueue[Any]) -> Iterator[str]:
    """Yield the IDs of those that ``--failed`` and ``--interrupted`` mean."""
    queue.refresh()
    for entry in queue.ledger.entries.values():
        is_failed = options.failed and entry.status is Status.FAILED
        if is_failed or (options.interrupted and entry.status is Status.INTERRUPTED):
            yield entry.id


def _tell(options: argparse.Namespace, queue: FileQueue[Any], changed: Changed) -> None:
    from coolrunner.cli.queue_words import print_changed
    from coolrunner.cli.verbs import print_json

    entries = queue.ledger.entries
    if options.json:
        rows = [
            {
                "id": identity,
                "name": entries[identity].facts.name,
                "standing": queue.ledger.standing(entries[identity]),
            }
            for identity in changed.ids
        ]
        print_json({"queue": str(queue.path), "changed": rows, "unchanged": list(changed.before)})
        return
    done, before = _DONE[options.verb], _BEFORE.get(options.verb, "")
    print_changed([f"{called(entries[identity])}: {done}" for identity in changed.ids], done)
    print_changed([f"{called(entries[identity])} {before}" for identity in changed.before], before)
    if not changed.ids and not changed.before:
        print_changed(["nothing was there to change"], "")


def _pause(options: argparse.Namespace, path: Path, words: Sequence[str]) -> int:
    """Pause the whole study, or let it go on."""
    from coolrunner.cli.queue_open import opened
    from coolrunner.cli.queue_words import print_changed
    from coolrunner.cli.verbs import print_json
    from coolrunner.queue import changes

    if options.verb == "resume" and words:
        raise UsageError(
            f"resume lets the whole study go on; {words[0]!r} is too much. "
            f"For one experiment: {command('release', path, *words)}"
        )
    why = (" ".join(words) or _PAUSED) if options.verb == "pause" else ""
    with opened(path) as queue:
        before = queue.ledger.paused
        changes.pause(queue, why)
        running = len(queue.ledger.running())
    if options.json:
        print_json({"queue": str(path), "paused": why, "was_paused": before})
    elif why:
        goes_on = f"; what runs ({running}) goes on to its end" if running else ""
        print_changed([f"{path} is paused: nothing more is started{goes_on}"], "")
    else:
        print_changed([f"{path} goes on" if before else f"{path} was not paused"], "")
    return 0
