"""``coolrunner results``: which results a person chooses, in which order and in which groups."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coolrunner.cli.results_find import add_source, read_rows, say_unread
from coolrunner.reporting.runs import escaped

if TYPE_CHECKING:
    from coolrunner.results.rows import Rows
    from coolrunner.results.showing.choosing import Heading
    from coolrunner.results.showing.summaries import Summary

__all__ = ["Choice", "add_choice", "choose"]

# Of more rows only those that are shown get their ids, unless a question looks at them.
_NAMED = 20_000
_ASKS_FOR_ID = re.compile(r"\bid\b")


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that choose results."""
    add_source(parser)
    add = parser.add_argument_group("which of them").add_argument
    add(
        "--where",
        action="append",
        default=[],
        metavar="EXPR",
        help="only those for which this is true; given several times, all have to be",
    )
    add(
        "--status", metavar="WHICH", help="only these: done, running, failed, interrupted, lost (with commas)"
    )
    add("--marked", nargs="?", const="", metavar="MARK", help="only those with this mark, or with any")
    add("--tag", metavar="TAG", help="only those with this tag")
    add("--skip-errors", action="store_true", help="leave out those on which an expression fails")
    order = parser.add_argument_group("in which order (without these, the newest first)")
    add = order.add_argument
    add("--by", metavar="KEY", help="the best first; whether more is better is told by the name")
    better = order.add_mutually_exclusive_group()
    better.add_argument("--max", dest="largest", action="store_true", default=None, help="more is better")
    better.add_argument("--min", dest="largest", action="store_false", help="less is better")
    add("--top", type=_from_one, metavar="K", help="only the best K, by --by or by the main result")
    add(
        "--sort",
        action="append",
        default=[],
        metavar="KEY",
        help="by a key or an expression, such as --sort=-ACC; repeatable",
    )
    add("--reverse", action="store_true", help="what is sorted, from large to small")
    add("-n", "--limit", type=_count, metavar="N", help="the first N; 0 for all")
    add = parser.add_argument_group("which columns").add_argument
    add(
        "--columns",
        metavar="KEYS",
        help="with commas; 'optimizer.*' and 'all' are understood, id and place too",
    )
    add(
        "--group-by",
        metavar="KEYS",
        help="a line for all that share these keys (with commas), with statistics of their results",
    )
    add(
        "--agg",
        nargs="?",
        const="",
        metavar="WHAT",
        help="statistics, with commas: mean std ci95 sem median iqr q25 q75 min max sum n count first last "
        "(default: mean,std,n); without --group-by it sums up repetitions, which differ in nothing but their "
        "seeds",
    )


def _count(text: str) -> int:
    if text.isdecimal():
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} was given; a whole number was expected")


def _from_one(text: str) -> int:
    if count := _count(text):
        return count
    raise argparse.ArgumentTypeError("a whole number from 1 was expected")


@dataclass
class Choice:
    """What a person has chosen.

    Attributes
    ----------
    found
        How many results there were.
    rows
        Those that were chosen, in order.
    matching
        How many there were before `limit`.
    by
        The key that ranks; empty where none does.
    looked_at
        Keys by which they were chosen and ordered: a person wants to see those.
    headings
        The columns that were named; None where none were.
    summary
        Their groups, if they are to be in groups.
    skipped
        What was met and is something else, such as ``3 definitions``.
    """

    found: int
    rows: Rows
    matching: int = 0
    by: str = ""
    looked_at: Sequence[str] = ()
    headings: Sequence[Heading] | None = None
    summary: Summary | None = None
    skipped: str = ""


def choose(options: argparse.Namespace, limit: int = 0) -> Choice:
    """Read all results that are meant and return those that are chosen.

    Parameters
    ----------
    options
        As of `add_choice`.
    limit
        How many at most where a person does not say it; 0 for all.

    Raises
    ------
    UserError
        The call is wrong, or an expression fails on a result.
    """
    from coolrunner.results.asking import arranged, narrowed, ranking_result
    from coolrunner.results.handles import handles, handles_among
    from coolrunner.results.naming import key_named, unknown_keys
    from coolrunner.results.parts import Role
    from coolrunner.results.query import name_of, parse_query
    from coolrunner.results.showing.choosing import HANDLE, headings_named

    queries = [parse_query(text, "--where") for text in options.where]
    _check(options)
    rows = read_rows(options)
    say_unread(rows.report, verbose=options.verbose)
    found = len(rows)
    if not found:
        return Choice(0, rows, skipped=_skipped(rows))
    named_early = found <= _NAMED or any(map(_ASKS_FOR_ID.search, [*options.where, *options.sort]))
    if named_early:
        rows = rows.with_columns({HANDLE: (Role.INFO, handles(rows))})
    sys.stderr.write("".join(f"warning: {escaped(line)}\n" for line in unknown_keys(rows, queries)))
    if options.by is not None:
        key_named(rows, options.by, "--by")
    named = rows
    ranked = options.by is not None or (options.top is not None and not options.sort)
    by = (options.by or ranking_result(rows)) if ranked else ""
    rows = narrowed(
        rows,
        where=options.where,
        status=[word.strip() for word in (options.status or "").split(",") if word.strip()],
        marked=options.marked,
        tag=options.tag,
        skip_errors=options.skip_errors,
    )
    looked_at = [*([by] if by else []), *options.sort]
    looked_at += [name_of(path) for query in queries for path in query.paths]
    limit = options.limit if options.limit is not None else limit
    if (options.group_by is not None or options.agg is not None) and len(rows):
        summary = _summary(options, rows, by)
        count = len(summary.sizes)
        summary = summary.take(range(limit)) if limit and limit < count else summary
        return Choice(found, rows, count, by, looked_at, summary=summary)
    rows = arranged(
        rows,
        sort=options.sort,
        reverse=options.reverse,
        by=by or None,
        largest=options.largest,
        top=options.top,
        skip_errors=options.skip_errors,
    )
    count = len(rows)
    rows = rows.take(range(limit)) if limit and limit < count else rows
    if not named_early and len(rows) <= _NAMED:
        # By these each is told from all others, and not from those alone that are shown.
        rows = rows.with_columns({HANDLE: (Role.INFO, handles_among(rows, named))})
    headings = headings_named(rows, options.columns, among=named) if options.columns is not None else None
    return Choice(found, rows, count, by, looked_at, headings)


def _skipped(rows: Rows) -> str:
    return escaped(next(iter(rows.report.lines()), "")) if rows.report.skipped else ""


def _check(options: argparse.Namespace) -> None:
    from coolrunner.errors import UsageError

    if options.reverse and not options.sort:
        raise UsageError("--reverse goes with --sort; of --by, --min says that less is better")
    if options.largest is not None and options.by is None and options.top is None:
        raise UsageError("--max and --min go with --by or --top")


def _summary(options: argparse.Namespace, rows: Rows, by: str) -> Summary:
    from coolrunner.results.showing.summaries import DEFAULT, summarise

    of = options.columns
    if of is not None and by:
        of += f",{by}"
    summary = summarise(rows, options.group_by, options.agg or DEFAULT, of)
    for key in options.sort:
        summary = summary.sorted_by(key, reverse=options.reverse)
    if by:
        return summary.best_first(by, largest=options.largest, top=options.top)
    return summary if options.top is None else summary.take(range(min(options.top, len(summary.sizes))))
