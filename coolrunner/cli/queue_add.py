"""``coolrunner queue add``: experiments added from files, the standard input, or the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coolrunner.cli.queue_find import add_places, called, command, find, queue_of
from coolrunner.errors import DefinitionError, Problem, UsageError, YamlError

if TYPE_CHECKING:
    from coolrunner.cli.queue_open import LazyScribe
    from coolrunner.queue.entries import Entry
    from coolrunner.queue.file import FileQueue
    from coolrunner.queue.ledger import Ledger
    from coolrunner.queue.saves import Draft
    from coolrunner.yamlio import Source

__all__ = ["configure", "execute"]

STDIN = "-"


def configure(parser: argparse.ArgumentParser, verb: str) -> None:
    """Describe the arguments."""
    parser.description = (
        "Add experiments to a queue: the documents of YAML files or of the standard input (-), or one\n"
        "document written as Key=value. They may be short: what is missing comes from the defaults of\n"
        "the study, expressions in them are evaluated, and each gets an ID of its own."
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="FILE | DOCUMENT | Key=value",
        help="the queue, and what is added: YAML files, - or Key=value (optimizer.lr=0.1 a nested one)",
    )
    add_places(parser)
    parser.add_argument("--no-code", action="store_true", help="refuse documents that hold expressions")


def execute(options: argparse.Namespace) -> int:
    """Add them; return the exit status."""
    from coolrunner.cli.queue_open import LazyScribe, opened

    path, words = queue_of(options)
    if not words:
        raise UsageError(f"add what? {command('add', path, 'experiments.yaml')}, or Key=value ..., or -")
    sources = list(_sources(words))
    scribe = LazyScribe(path, code=not options.no_code)
    scribe.new_id()  # imports what it needs now, when nobody waits for the lock
    with opened(path, scribe) as queue, queue.session():
        added = _add(queue, scribe, sources, options)
        entries = [queue.ledger.entries[identity] for identity in added]
    _tell(options, path, entries)
    return 0


def _tell(options: argparse.Namespace, path: Path, entries: Sequence[Entry]) -> None:
    from coolrunner.cli.queue_words import print_changed
    from coolrunner.cli.verbs import print_json

    if options.json:
        rows = [{"id": entry.id, "name": entry.facts.name, "text": entry.text} for entry in entries]
        print_json({"queue": str(path), "added": rows})
    else:
        print_changed([f"{called(entry)}: added" for entry in entries], "added")


def _sources(words: Sequence[str]) -> Iterator[Source]:
    """Yield the texts that hold the documents; all ``Key=value`` together are one."""
    from coolrunner.yamlio import Source, read_source

    assignments = [word for word in words if "=" in word and not Path(word).exists()]
    for word in words:
        if word in assignments:
            continue
        if word == STDIN:
            yield Source("<stdin>", sys.stdin.read().removeprefix("\ufeff"))
        elif Path(word).exists() or word.endswith((".yaml", ".yml")):
            yield read_source(word)
        else:
            raise UsageError(f"{word!r} is neither a file nor Key=value")
    if assignments:
        yield _from_assignments(assignments)


def _from_assignments(assignments: Sequence[str]) -> Source:
    """Return one document from ``Key=value``, each as an override ``+Key=value`` would have it."""
    from coolrunner.definition.overrides import parse_override
    from coolrunner.definition.problems import Problems
    from coolrunner.yamlio import Source, dump

    problems = Problems()
    document: dict[str, Any] = {}
    for text in assignments:
        change = parse_override(f"+{text}", problems)
        if change is None:
            continue
        inner: Any = document
        for step in change.path[:-1]:
            inner = inner.setdefault(step, {})
            if not isinstance(inner, dict):
                raise UsageError(f"{text}: {step} is given as a single value, too")
        inner[change.path[-1]] = change.value
    problems.raise_if_any()
    return Source("command line", dump(document))


def _add(
    queue: FileQueue[Any], scribe: LazyScribe, sources: Sequence[Source], options: argparse.Namespace
) -> list[str]:
    """Complete all documents, then add all of them or none; return their IDs."""
    ledger = queue.ledger
    rows: list[list[Any]] = []
    groups: dict[tuple[str, ...], int] = {}
    problems: list[Problem] = []
    for draft in _drafts(sources, scribe, ledger, problems):
        try:
            text, facts = scribe.adopt(draft, ledger)
        except DefinitionError as error:
            problems.extend(error.problems)
            continue
        data = facts.to_data()
        if facts.needs:
            data["group"] = groups.setdefault(facts.needs, len(groups))
        rows.append([draft.identity, text, data, 0.0, ""])
    if problems:
        raise DefinitionError(problems)
    if not rows:
        raise UsageError(f"there is no experiment in {', '.join(source.name for source in sources)}")
    _write(queue, rows, groups, options)
    return [row[0] for row in rows]


def _drafts(
    sources: Sequence[Source], scribe: LazyScribe, ledger: Ledger, problems: list[Problem]
) -> list[Draft]:
    """Return the documents; what is no document is noted in `problems`."""
    from coolrunner.queue.saves import Draft
    from coolrunner.yamlio import read_text, split_documents

    drafts: list[Draft] = []
    for source in sources:
        for raw in split_documents(source.text):
            if raw.empty:
                continue
            try:
                value = read_text(raw.text, source.name, raw.line)
            except YamlError as error:
                problems.append(error.problem)
                continue
            if not isinstance(value, dict):
                message = "a document of Key: value lines was expected"
                problems.append(source.problem(message, raw.line, 1))
                continue
            text = raw.text.strip("\n")
            line = raw.line + len(raw.text) - len(raw.text.lstrip("\n"))
            index = ledger.next_index + len(drafts)
            drafts.append(Draft(source, text, line, value, scribe.new_id(), index, None, drafts))
    return drafts


def _write(
    queue: FileQueue[Any],
    rows: list[list[Any]],
    groups: dict[tuple[str, ...], int],
    options: argparse.Namespace,
) -> None:
    from coolrunner.queue.places import arrange

    ledger = queue.ledger
    waiting = ledger.waiting()
    row = _row_with(ledger, [entry.id for entry in waiting], [None] * len(rows), options)
    arranged = arrange([(entry.order, entry.id) for entry in waiting], row, (), ledger.last_order)
    for new, order in zip(rows, arranged.new, strict=True):
        new[3] = order
    record: dict[str, Any] = {"t": "save", "base": ledger.published, "new": rows}
    if arranged.known:
        record["place"] = [list(place) for place in arranged.known.items()]
    if groups:
        record["groups"] = [list(group) for group in groups]
    queue.write(record)


def _row_with(
    ledger: Ledger, waiting: Sequence[str], added: Sequence[str | None], options: argparse.Namespace
) -> list[str | None]:
    """Return the experiments that wait, with others put where the options say; at the end by default.

    Raises
    ------
    UsageError
        The place does not exist.
    """
    place = len(waiting)
    if options.top:
        place = 0
    elif options.before or options.after:
        word = options.before or options.after
        found = find(ledger, [word])
        places = [number for number, identity in enumerate(waiting) if identity in {e.id for e in found}]
        if not places:
            raise UsageError(f"{called(found[0])} does not wait, so nothing stands before or behind it")
        place = places[0] if options.before else places[-1] + 1
    return [*waiting[:place], *added, *waiting[place:]]
