"""An experiment that stands in a log and has a run directory too is one row: `joined`.

So is one that stands in several logs, such as one that `collect` has made: one of them stays, and the
others are counted as skipped. Of more than 250,000 experiments that is not looked for.

The row of the log stays. It gets what the directory knows beside it: ``RUN`` as the path of the directory,
``NUMBER``, and the metrics that the log lacks. Attempts that stand in no log (they failed, were
interrupted, or go on) stay rows of their own.

``STATUS`` is how a row stands now. What a log has accepted is ``done``. What a run says itself is looked at
again where it says that it runs: with a process that is provably gone it is ``lost``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

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
_COMPARED = 250_000  # rows


def joined(rows: Rows) -> Rows:
    """Return rows in which each experiment is one, with ``STATUS`` as it is now.

    Parameters
    ----------
    rows
        What was found, of whatever kinds.
    """
    parts = rows.parts()
    kinds = [part.kind for part in parts]
    logs = {id(part) for part in parts if part.kind == "log"}
    has_runs = "run" in kinds and bool(logs)
    has_copies = len(logs) > 1 and len(rows) <= _COMPARED
    ids, paths = rows.columns([("ID",), RUN]) if has_runs or has_copies else ([], [])
    pairs = _pairs(rows, kinds, ids, paths) if has_runs else {}
    gone = set(pairs.values())
    if has_copies:
        gone.update(_copies(rows, parts, ids))
    columns = _filled(rows, pairs) if pairs else {}
    columns[STATUS] = Role.INFO, _statuses(rows, kinds)
    rows = rows.with_columns(columns)
    return rows.take([number for number in range(len(rows)) if number not in gone]) if gone else rows


def _pairs(rows: Rows, kinds: Sequence[str], ids: Sequence[Any], paths: Sequence[Any]) -> dict[int, int]:
    """Return the position of the run of each row of a log that has one."""
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


def _copies(rows: Rows, parts: Sequence[Part], ids: Sequence[Any]) -> list[int]:
    """Return the positions of experiments that stand in another log as well, and say so."""
    logged = [number for number, part in enumerate(parts) if part.kind == "log" and type(ids[number]) is str]
    counts = Counter(ids[number] for number in logged)
    if len(counts) == len(logged):
        return []
    several = [number for number in logged if counts[ids[number]] > 1]
    homes = dict(zip(several, rows.take(several).column(("YamlLog",)), strict=True))
    known: dict[bytes, list[int]] = {}
    for number, digest in zip(several, rows.take(several).digests(), strict=True):
        if digest:
            known.setdefault(digest, []).append(number)
    gone = []
    for numbers in known.values():
        kept = next((each for each in numbers if _is_home(parts[each], homes[each])), numbers[0])
        gone += [number for number in numbers if number != kept]
    for place in rows.take(sorted(gone)).places():
        rows.report.skip(_COPY, str(place))
    return gone


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
