"""``coolrunner results mark``, ``tag``, ``note``: what a person says of results."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from coolrunner.cli.results_one import NAMES, add_ids, rows_with
from coolrunner.cli.results_writing import write_pieces
from coolrunner.errors import UsageError
from coolrunner.results.annotations import MARKS, NOTE, TAGS, annotate
from coolrunner.results.handles import Handles

if TYPE_CHECKING:
    from coolrunner.results.rows import Rows

__all__ = ["configure", "execute"]

_COLUMNS = {"mark": MARKS, "tag": TAGS, "note": NOTE}


def configure(parser: argparse.ArgumentParser, verb: str) -> None:
    """Describe the arguments of a verb."""
    if verb == "note":
        add_ids(parser, "?", f"the result: {NAMES} (without one, all notes are listed)")
        parser.add_argument("text", nargs="*", metavar="TEXT", help="what is to be noted; it replaces a note")
    else:
        what = "the mark; / nests" if verb == "mark" else "the tag"
        key = "KEY" if verb == "mark" else "TAG"
        parser.add_argument("key", metavar=key, nargs="?", help=f"{what} (without one, all are listed)")
        add_ids(parser, "*", f"the results, each by {NAMES}")
    parser.add_argument("--remove", action="store_true", help="take it away")


def execute(options: argparse.Namespace) -> int:
    """Say it; return the exit status."""
    if options.verb == "note":
        return _note(options)
    if options.key is None:
        return _list_all(options)
    if not options.id:
        raise UsageError(_no_ids(options))
    rows = rows_with(options, options.id)
    names = Handles(rows)
    numbers = _numbers(options, names)
    what = f"un{options.verb}" if options.remove else options.verb
    changed = annotate(rows, numbers, what, options.key)
    if not changed and options.remove:
        raise UsageError(_has_not(options, rows, names, numbers))
    same = [names.called(number) for number in numbers if number not in changed]
    if same:
        has = "has not" if options.remove else "has"
        _say(f"{', '.join(same)} {has} the {options.verb} {options.key} already")
    return 0


def _no_ids(options: argparse.Namespace) -> str:
    words = f"which results? coolrunner results {options.verb} {options.key} ID..."
    return f"{words}; 'coolrunner results' shows the IDs"


def _numbers(options: argparse.Namespace, names: Handles) -> list[int]:
    """Return the positions of the results that are named.

    Raises
    ------
    UsageError
        One is none; where the mark was given last, it says so.
    """
    try:
        return list(dict.fromkeys(names.find(text) for text in options.id))
    except UsageError as error:
        try:
            names.find(options.key)
        except UsageError:
            raise error from None
        first = f"the {options.verb} comes first: coolrunner results {options.verb}"
        raise UsageError(f"{error}\n    {first} {options.id[-1]} {options.key}") from None


def _has_not(options: argparse.Namespace, rows: Rows, names: Handles, numbers: Sequence[int]) -> str:
    shown = ", ".join(names.called(number) for number in numbers)
    column = rows.take(numbers).column(_COLUMNS[options.verb])
    known = dict.fromkeys(each for has in column if isinstance(has, list) for each in has)
    hint = f"; there is {', '.join(known)}" if known else ""
    return f"{shown} {'has' if len(numbers) == 1 else 'have'} no {options.verb} {options.key}{hint}"


def _note(options: argparse.Namespace) -> int:
    text = " ".join(options.text)
    if options.id is None:
        return _list_all(options)
    if options.remove and text:
        raise UsageError("--remove takes a note away, and needs no text")
    rows = rows_with(options, [options.id])
    names = Handles(rows)
    number = names.find(options.id)
    if not text and not options.remove:
        note = rows.column(NOTE)[number]
        if not note:
            words = f"{options.id} has no note; to write one: coolrunner results note {options.id}"
            raise UsageError(f"{words} TEXT...")
        write_pieces([f"{note}\n"])
        return 0
    changed = annotate(rows, [number], "note", text)
    if not changed:
        _say(f"{names.called(number)} has {'no note' if options.remove else 'this note already'}")
    return 0


def _list_all(options: argparse.Namespace) -> int:
    """List all marks or tags, with how many results have them; or all notes."""
    from coolrunner.reporting.runs import escaped

    rows = rows_with(options, [])
    column = rows.column(_COLUMNS[options.verb])
    if options.verb == "note":
        names = Handles(rows).shown
        lines = [f"{names[number]}  {note}" for number, note in enumerate(column) if note]
    else:
        counts = Counter(each for has in column if isinstance(has, list) for each in has)
        lines = [f"{count:>6,}  {each}" for each, count in sorted(counts.items())]
    sys.stdout.write("".join(f"{escaped(line)}\n" for line in lines))
    if not lines:
        _say(
            f"no result has a {options.verb}; 'coolrunner results {options.verb} --help' says how to give one"
        )
    return 0


def _say(text: str) -> None:
    from coolrunner.reporting.runs import escaped

    sys.stderr.write(f"{escaped(text)}\n")
