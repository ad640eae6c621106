"""An experiment that stands in a log and has a run directory too is one row: `joined`.

So is one that stands in logs several times, such as in one that `collect` has made: one of them stays, and
the others are counted as skipped.

The row of the log stays. It gets what the directory knows beside it: ``RUN`` as the path of the directory,
``NUMBER``, and the metrics that the log lacks. Attempts that stand in no log (they failed, were
interrupted, or go on) stay rows of their own.

``STATUS`` is how a row stands now. What a log has accepted is ``done``. What a run says itself is looked at
again where it says that it runs: with a process that is provably gone it is ``lost``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from coolrunner.results.cache.schema import SHIFT
from coolrunner.results.loaders.run_rows import standing
from coolrunner.results.parts import MISSING, Part, Role
from coolrunner.results.rows import KeyPath, Rows
from coolrunner.runs.status import RunStatus

__all__ = ["NUMBER", "RUN", "STATUS", "joined"]

#: How a row stands, its run directory, and the number of that.
STATUS: KeyPath = ("STATUS",)
RUN: KeyPath = ("RUN",)
NUMBER: KeyPath = ("NUMBER",)

DONE = RunStatus.DONE.value
_COPY = "copied experiment"
_PLACED = 1_000  # copies whose lines are looked up


def joined(rows: Rows) -> Rows:
    """Return rows in which each experiment is one, with ``STATUS`` as it is now.

    Parameters
    ----------
    rows
        What was found, of whatever kinds.
    """
    met = {part.kind for part in rows.all_parts()}
    # A million rows of one kind are not looked at one by one.
    kinds = [part.kind for part in rows.parts()] if len(met) > 1 else [*met] * len(rows)
    columns: dict[KeyPath, tuple[Role, list[Any]]] = {}
    gone: set[int] = set()
    if {"log", "run"} <= met and (pairs := _pairs(rows, kinds)):
        columns = _filled(rows, pairs)
        gone.update(pairs.values())
    if "log" in met:
        gone.update(_copies(rows))
    columns[STATUS] = Role.INFO, _statuses(rows, kinds)
    rows = rows.with_columns(columns)
    return rows.take([number for number in range(len(rows)) if number not in gone]) if gone else rows


def _pairs(rows: Rows, kinds: Sequence[str]) -> dict[int, int]:
    """Return the position of the run of each row of a log that has one."""
    ids, paths = rows.columns([("ID",), RUN])
    runs: dict[tuple[str, str], list[int]] = {}
    for number, kind in enumerate(kinds):
        if kind == "run" and isinstance(ids[number], str):
            runs.setdefault((paths[number].rpartition("/")[2], ids[number]), []).append(number)
    pairs = {}
    for number, (kind, identity, path) in enumerate(zip(kinds, ids, paths, strict=True)):
        if kind == "log" and type(path) is str:
            found = runs.get((path.rpartition("/")[2], identity))
            if found:
                pairs[number] = found[0] if len(found) == 1 else _nearest(rows, number, found)
    return pairs


def _copies(rows: Rows) -> list[int]:
    """Return the positions of experiments that stand in a log once more, and say so."""
    together = rows.repeated()
    if not together:
        return []
    together.sort()
    # What has no ID may have come out the same twice.
    ids = rows.take([numbers[0] for numbers in together]).column(("ID",))
    together = [numbers for numbers, id in zip(together, ids, strict=True) if isinstance(id, str)]
    kept = _homes(rows, together)
    gone = sorted(number for numbers in together for number in numbers if number not in kept)
    copies = rows.take(gone)
    for place in copies.take(range(min(len(copies), _PLACED))).places():
        rows.report.skip(_COPY, str(place))
    for id, log in islice(zip(copies.ids(), copies.parts(), strict=True), _PLACED, None):
        rows.report.skip(_COPY, f"{log.name}, number {id % (1 << SHIFT)}")
    return gone


def _homes(rows: Rows, together: Sequence[Sequence[int]]) -> set[int]:
    """Return of several positions each the one in the log into which it was written, or else the first."""
    kept = {numbers[0]: numbers[0] for numbers in together}
    everyone = [number for numbers in together for number in numbers]
    logs = {number: id >> SHIFT for number, id in zip(everyone, rows.take(everyone).ids(), strict=True)}
    several = [numbers for numbers in together if len({logs[number] for number in numbers}) > 1]
    everyone = [number for numbers in several for number in numbers]
    parts = dict(zip(everyone, rows.take(everyone).parts(), strict=True))
    homes = rows.take([numbers[0] for numbers in several]).column(("YamlLog",))
    for numbers, home in zip(several, homes, strict=True):
        kept[numbers[0]] = next((each for each in numbers if _is_home(parts[each], home)), numbers[0])
    return set(kept.values())


def _is_home(log: Part, home: Any) -> bool:
    """Whether a log is the one into which an experiment was written."""
    return isinstance(home, str) and log.path.endswith("/" + os.path.normpath(home).lstrip("/"))


def _nearest(rows: Rows, number: int, found: Sequence[int]) -> int:
    """Return the run that shares the most of its path with a log: a study may have been copied."""
    log = rows.place(number).path
    shared = [len(os.path.commonpath([log, rows.place(run).path])) for run in found]
    return found[shared.index(max(shared))]


def _filled(rows: Rows, pairs: Mapping[int, int]) -> dict[KeyPath, tuple[Role, list[Any]]]:
    """Return the columns in which rows of logs get what their runs know."""
    results = [key.path for key in rows.take(sorted(set(pairs.values()))).keys if key.role is Role.RESULT]
    columns = rows.columns([*results, RUN, NUMBER])
    run, count = columns[-2:]
    for number, other in pairs.items():
        run[number], count[number] = run[other], count[other]
    filled: dict[KeyPath, tuple[Role, list[Any]]] = {}
    for path, values in zip(results, columns, strict=False):
        lacking = [
            (number, values[other])
            for number, other in pairs.items()
            if values[number] is MISSING and values[other] is not MISSING
        ]
        for number, value in lacking:
            values[number] = value
        if lacking:
            filled[path] = Role.RESULT, values
    return {**filled, RUN: (Role.INFO, run), NUMBER: (Role.INFO, count)}


def _statuses(rows: Rows, kinds: Sequence[str]) -> list[Any]:
    if not any(key.path == STATUS for key in rows.keys):
        return [DONE if kind == "log" else MISSING for kind in kinds]
    stored, paths = rows.columns([STATUS, RUN])
    return [
        DONE
        if kind == "log" and status is MISSING
        else standing({"STATUS": status, "RUN": path})
        if kind == "run" and status == RunStatus.RUNNING.value
        else status
        for kind, status, path in zip(kinds, stored, paths, strict=True)
    ]
