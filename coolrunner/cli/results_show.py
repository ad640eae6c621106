"""``coolrunner results show``: all that is known of one result."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from coolrunner.cli.results_one import NAMES, add_ids, details_of, rows_with
from coolrunner.cli.runs_find import path_shown
from coolrunner.cli.runs_read import for_json
from coolrunner.cli.verbs import add_json, print_json
from coolrunner.errors import UsageError
from coolrunner.results.asking import newest_first
from coolrunner.results.handles import Handles
from coolrunner.results.showing.details import Details

__all__ = ["configure", "execute", "print_details"]

# Said otherwise.
_SAID = {"ID", "STUDY", "HOST", "RUN", "STARTED", "TIME_ELAPSED", "NUMBER", "FAILURE", "ERROR"}


def configure(parser: argparse.ArgumentParser, verb: str) -> None:
    """Describe the arguments of the verb."""
    add_ids(parser, "?", f"{NAMES} (default: the newest)")
    add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """Show it; return the exit status."""
    rows = rows_with(options, [options.id] if options.id is not None else [])
    if options.id is None:
        rows = newest_first(rows)
        if not len(rows):
            raise UsageError(f"there are no results in {' and '.join(options.path or ['this directory'])}")
    names = Handles(rows)
    number = names.find(options.id) if options.id is not None else 0
    print_details(details_of(rows, names, number), as_json=options.json)
    return 0


def print_details(row: Details, *, as_json: bool = False, facts: Mapping[str, str] | None = None) -> None:
    """Print all that is known of a row.

    Parameters
    ----------
    row
        The row.
    as_json
        Whether as a JSON document.
    facts
        What else is said of it, above all others.
    """
    if as_json:
        print_json(for_json({**(facts or {}), **row.as_data()}))
        return
    from coolrunner.reporting.runs import escaped, print_sheet
    from coolrunner.reporting.text import size
    from coolrunner.yamlio import dump

    rest = {key: value for key, value in row.info.items() if key not in _SAID}
    origin = dict(_origin(row.provenance))
    # The last value of a metric stands with the others of it.
    results = {key: value for key, value in row.results.items() if not _is_last(row, key, value)}
    print_sheet(
        escaped(f"{row.handle}  {row.name}".rstrip()),
        {**(facts or {}), **dict(_facts(row)), **origin},
        {
            "parameters": _lines(dump(row.parameters)),
            "results": _lines(dump(results)),
            "metrics": _metrics(row),
            "for the record": _lines(dump(rest)),
            "files": {name: size(count) for name, count in row.files.items()},
            "sources": dict.fromkeys(row.sources.files, "") if row.sources is not None else {},
        },
        "\n".join(_next(row)),
        file=sys.stdout,
    )


def _is_last(row: Details, key: Any, value: Any) -> bool:
    metric = row.metrics.get(key) if isinstance(key, str) else None
    return metric is not None and repr(metric.last) == repr(value)


def _lines(text: str) -> list[str]:
    return text.splitlines() if text.strip() != "{}" else []


def _facts(row: Details) -> Iterator[tuple[str, str]]:
    from coolrunner.reporting.text import duration

    info = row.info
    seconds = info.get("TIME_ELAPSED")
    took = f", after {duration(seconds)}" if isinstance(seconds, (int, float)) else ""
    if row.status:
        yield "status", f"{row.status}{took}"
    elif took:
        yield "time", took.removeprefix(", after ")
    if info.get("ERROR") is not None:
        yield "error", str(info["ERROR"])
    started = info.get("STARTED")
    if started is not None:
        host = f", on {info['HOST']}" if info.get("HOST") else ""
        yield "started", f"{_when(started)}{host}"
    if row.marks:
        yield "marks", ", ".join(row.marks)
    if row.tags:
        yield "tags", ", ".join(row.tags)
    if row.note:
        yield "note", row.note
    if info.get("ID") not in (None, row.handle):
        yield "ID", str(info["ID"])
    if info.get("STUDY"):
        yield "study", str(info["STUDY"])
    place = row.place
    if row.directory is None or str(row.directory) != place.path:
        where = str(place) if place.line else f"{place.name}:{place.number}"
        yield place.kind, where
    if row.directory is not None:
        yield "directory", path_shown(row.directory)
    elif isinstance(info.get("RUN"), str):
        yield "directory", f"{info['RUN']} (not found)"


def _when(started: Any) -> str:
    from coolrunner.reporting.text import duration

    try:
        when = started if isinstance(started, datetime) else datetime.fromisoformat(str(started))
        seconds = (datetime.now().astimezone() - when.astimezone()).total_seconds()
    except (ValueError, OverflowError):
        return str(started)
    ago = f" ({duration(round(seconds))} ago)" if seconds >= 0 else ""
    return f"{when.isoformat(' ', 'seconds')[:19]}{ago}"


def _origin(origin: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield in words where a run came from."""
    argv, git, python = origin.get("argv"), origin.get("git"), origin.get("python")
    if isinstance(argv, list):
        yield "command", shlex.join(map(str, argv))
    if origin.get("cwd") and not _is_here(str(origin["cwd"])):
        yield "started in", str(origin["cwd"])
    if isinstance(python, Mapping):
        packages = origin.get("packages")
        count = f", {len(packages)} packages" if isinstance(packages, Mapping) else ""
        yield "Python", f"{python.get('version')}{count}"
    if isinstance(git, Mapping) and git.get("commit"):
        branch = f" on {git['branch']}" if git.get("branch") else ""
        yield "code", f"{str(git['commit'])[:12]}{branch}{', with changes' if git.get('dirty') else ''}"


def _is_here(directory: str) -> bool:
    return os.path.realpath(directory) == str(Path.cwd())


def _metrics(row: Details) -> list[str]:
    from coolrunner.reporting.runs import escaped
    from coolrunner.reporting.tables import Column, layout
    from coolrunner.reporting.text import cut, number

    found = row.metrics
    if not found:
        return []
    shown = [
        Column("name", [cut(escaped(name), 40) for name in found]),
        Column("last", [number(each.last) for each in found.values()], right=True),
        Column("at step", [str(each.step) for each in found.values()], right=True),
        Column("min", [number(each.least) for each in found.values()], right=True),
        Column("max", [number(each.most) for each in found.values()], right=True),
        Column("values", [f"{each.count:,}" for each in found.values()], right=True),
    ]
    return layout(shown, lambda text, style: text)


def _next(row: Details) -> Iterator[str]:
    """Yield what may be done next."""
    if row.run is None:
        return
    called = shlex.quote(path_shown(row.run.path))
    if row.run.log.exists() or row.run.traceback.exists():
        yield f"its output: coolrunner runs logs {called}"
    yield f"to run it again: coolrunner runs rerun {called}"
