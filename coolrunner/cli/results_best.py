"""``coolrunner results best``: all that is known of the best result."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from coolrunner.cli.results_find import add_source, read_rows, say_unread
from coolrunner.cli.results_one import details_of
from coolrunner.cli.results_show import print_details
from coolrunner.cli.verbs import add_json
from coolrunner.errors import UsageError
from coolrunner.results.asking import ask, direction, ranking_result
from coolrunner.results.groups.statistics import is_number
from coolrunner.results.handles import Handles

if TYPE_CHECKING:
    from coolrunner.results.rows import Rows

__all__ = ["configure", "execute"]


def configure(parser: argparse.ArgumentParser, verb: str) -> None:
    """Describe the arguments of the verb."""
    add_source(parser)
    add = parser.add_argument
    add("--by", metavar="KEY", help="the result that ranks (default: the main one)")
    better = parser.add_mutually_exclusive_group()
    better.add_argument("--max", dest="largest", action="store_true", default=None, help="more is better")
    better.add_argument("--min", dest="largest", action="store_false", help="less is better")
    add(
        "--where",
        action="append",
        default=[],
        metavar="EXPR",
        help="the best of those for which this is true; given several times, all have to be",
    )
    add("--marked", nargs="?", const="", metavar="MARK", help="the best of those with this mark, or with any")
    add("--tag", metavar="TAG", help="the best of those with this tag")
    add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """Show it; return the exit status."""
    rows = _read(options)
    say_unread(rows.report)
    if not len(rows):
        raise UsageError(f"there are no results in {' and '.join(options.path or ['this directory'])}")
    chosen = ask(rows, where=options.where, marked=options.marked, tag=options.tag)
    if not len(chosen):
        raise UsageError(f"none of {len(rows):,} results is one of those that were asked for")
    by = options.by or ranking_result(chosen)
    best = ask(chosen, by=by, largest=options.largest, top=1)
    if not len(best):
        raise UsageError(f"--by {by}: this is no number in any of {len(chosen):,} results")
    better = "more" if direction(by, options.largest) else "less"
    compared = f"of {sum(map(is_number, chosen.column(by))):,} by {by} ({better} is better)"
    # What it is called is told among all of them.
    number = rows.ids().index(best.ids()[0])
    print_details(details_of(rows, Handles(rows), number), as_json=options.json, facts={"best": compared})
    return 0


def _read(options: argparse.Namespace) -> Rows:
    try:
        return read_rows(options)
    except UsageError as error:
        words = [path for path in options.path if not Path(path).exists() and path.isidentifier()]
        if words and options.by is None:
            raise UsageError(f"{error}\n    a result to rank by is named so: --by {words[0]}") from None
        raise
