"""``coolrunner results check``: what could not be read of results, and what does not fit together."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from coolrunner.cli.results_find import add_source, read_rows
from coolrunner.cli.runs_read import for_json
from coolrunner.cli.verbs import add_json, print_json
from coolrunner.results.logs.sources import counted
from coolrunner.results.showing.checking import (
    Alike,
    Example,
    Mixed,
    Twice,
    alike_keys,
    lost_runs,
    mixed_keys,
    twice,
)

if TYPE_CHECKING:
    from coolrunner.results.parts import Part
    from coolrunner.results.rows import Rows

__all__ = ["configure", "execute"]

_SHOWN = 20
_VALUE = 30


def configure(parser: argparse.ArgumentParser, verb: str) -> None:
    """Describe the arguments of the verb."""
    add_source(parser)
    add_json(parser)
    parser.epilog = "exit status: 0 all could be read, 1 something could not, 2 the call is wrong"


def execute(options: argparse.Namespace) -> int:
    """Show it; return the exit status."""
    rows = read_rows(options)
    report = rows.report
    mixed, alike, doubled, lost = mixed_keys(rows), alike_keys(rows), twice(rows), lost_runs(rows)
    if options.json:
        print_json(for_json(_as_data(rows, mixed, alike, doubled, lost)))
        return report.status
    from coolrunner.reporting.runs import escaped
    from coolrunner.reporting.streams import write_text

    shown = None if options.verbose else _SHOWN
    lines: list[str] = []
    for title, entries in (
        ("could not be read; what is before and behind is kept", report.broken),
        ("no results", report.foreign),
        ("keys with values of several types", [_of_mixed(each) for each in mixed]),
        ("keys that may be one", [_of_alike(each) for each in alike]),
        ("experiments that stand in logs more than once", [_of_twice(each) for each in doubled]),
        ("runs that say they run, and whose process is gone", [part.name for part in lost]),
    ):
        lines += _section(title, entries, shown)
    lines += [f"read: {counted(len(rows), 'result')}"]
    lines += [line for line in report.lines(everything=options.verbose) if line.startswith("skipped")]
    if not (report.status or mixed or alike or doubled or lost):
        lines.append("all is well")
    write_text(sys.stdout, "\n".join(map(escaped, lines)) + "\n")
    return report.status


def _section(title: str, entries: Sequence[str], limit: int | None) -> Iterator[str]:
    if not entries:
        return
    yield f"{title}: {len(entries):,}"
    yield from (f"  {entry}" for entry in entries[:limit])
    if limit is not None and len(entries) > limit:
        yield f"  and {len(entries) - limit:,} more (-v names all)"
    yield ""


def _of_mixed(mixed: Mixed) -> str:
    return f"{mixed.name}: " + "; ".join(_said(kind, each) for kind, each in mixed.kinds.items())


def _said(what: str, example: Example) -> str:
    from coolrunner.reporting.text import cut
    from coolrunner.yamlio import flow_text

    return f"{what} in {example.count:,}, such as {cut(flow_text(example.value), _VALUE)} in {example.place}"


def _of_alike(alike: Alike) -> str:
    return "; ".join(_said(name, example) for name, example in zip(alike.names, alike.examples, strict=True))


def _of_twice(doubled: Twice) -> str:
    same = "the same each time" if doubled.same else "not the same"
    places = [str(place) for place in doubled.places[:3]]
    more = f" and {len(doubled.places) - 3:,} more" if len(doubled.places) > 3 else ""
    return f"{doubled.id}: {', '.join(places)}{more} ({same})"


def _as_data(
    rows: Rows, mixed: Sequence[Mixed], alike: Sequence[Alike], doubled: Sequence[Twice], lost: Sequence[Part]
) -> dict[str, Any]:
    def told(example: Example) -> dict[str, Any]:
        return {"count": example.count, "example": example.value, "place": str(example.place)}

    return {
        "results": len(rows),
        "broken": rows.report.broken,
        "foreign": rows.report.foreign,
        "skipped": {kind: list(paths) for kind, paths in rows.report.skipped.items()},
        "types": {each.name: {kind: told(example) for kind, example in each.kinds.items()} for each in mixed},
        "alike": [
            {name: told(example) for name, example in zip(each.names, each.examples, strict=True)}
            for each in alike
        ],
        "twice": [
            {"id": each.id, "places": list(map(str, each.places)), "same": each.same} for each in doubled
        ],
        "lost": [part.name for part in lost],
    }
