"""What the console shows at the end: the results, best first, what failed, and what to type next."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, TextIO

from coolrunner.events import Event, ExperimentFailed, ExperimentFinished, StudyFinished
from coolrunner.keys import is_seed, lower_is_better
from coolrunner.reporting.lines import headline, scalars_of
from coolrunner.reporting.ranking import Group, Ranking
from coolrunner.reporting.streams import Paint, width_for, write_text
from coolrunner.reporting.tables import Column, is_numeric, write_table
from coolrunner.reporting.text import (
    brief,
    cut,
    duration,
    number,
    one_line,
    pairs,
    ranges,
    short_keys,
    spread,
    width_of,
)

__all__ = ["Summary"]

_SHOWN_FAILURES = 20
_SHOWN_RESULTS = 6
_SHOWN_DIFFERING = 8
_SHOWN_LOGS = 3
_CELL = 24
_LINE = 120  # where there is no terminal


class Summary:
    """Collects what the end of a study needs while it runs, and writes it.

    Parameters
    ----------
    program
        How experiments are run: ``python run.py`` or ``coolrunner run``. The other commands are spelt alike.
    rerun
        The command that runs this study, without ``--pick``; made from `program` if empty.
    resume
        The command that runs what has no result in the logs yet; empty where these hold results of
        another time, which it would go by.
    """

    def __init__(self, program: str, rerun: str = "", resume: str = "") -> None:
        self._program = program
        self._rerun = rerun
        self._resume = resume
        self._ranking = Ranking()
        self._failures: list[ExperimentFailed] = []

    def take(self, event: Event) -> None:
        """Take notice of an event."""
        if type(event) is ExperimentFinished:
            self._ranking.add(event)
        elif type(event) is ExperimentFailed and len(self._failures) < _SHOWN_FAILURES:
            self._failures.append(event)

    def write(self, event: StudyFinished, file: TextIO, paint: Paint) -> None:
        """Write the end of a study: never more than a few dozen lines."""
        if self._ranking.count:
            self._write_results(file, paint)
        if self._failures:
            write_text(file, self._failed_text(event.failed, width_for(file) or _LINE, paint))
        write_text(file, f"\n{paint(headline(event), 'green' if event.status == 0 else 'yellow')}\n")
        steps = self.next_steps(event)
        if steps:
            lines = "".join(f"  {step}\n" for step in steps)
            write_text(file, f"\n{paint('Next:', 'bold')}\n{lines}")

    def _write_results(self, file: TextIO, paint: Paint) -> None:
        ranking = self._ranking
        key = ranking.key()
        order = f"{key}, {'lowest' if lower_is_better(key) else 'highest'} first" if key else "Results"
        if ranking.repeated:
            columns = _group_columns(ranking.groups(), ranking.differing, key)
            count, what = ranking.group_count, "settings"
            order += ", mean ± standard deviation (experiments)"
        else:
            columns = _row_columns(ranking.rows(), ranking.differing, key)
            count, what = ranking.count, "experiments"
        write_text(file, f"\n{paint(one_line(order), 'bold')}\n\n")
        left_out = write_table(columns, file, paint)
        notes = []
        shown = len(columns[0].cells)
        if count > shown:
            notes.append(f"{count - shown} more {what}")
        if left_out:
            notes.append(f"no room for {', '.join(left_out)}")
        if notes:
            text = "; ".join(notes)
            write_text(file, f"{paint(f'… {text}', 'dim')}\n")

    def _failed_text(self, count: int, width: int, paint: Paint) -> str:
        lines = []
        for failure in self._failures:
            line = f"  {failure.index}  {cut(one_line(failure.name), _CELL)}  {one_line(failure.error)}"
            begin = line[:width]
            lines.append(cut(line, width - (width_of(begin) - len(begin))))  # some characters are wide
        if count > len(lines):
            lines.append(f"  … {count - len(lines)} more")
        return "\n" + "\n".join([paint("Failed (index, Name, error)", "bold"), *lines]) + "\n"

    def next_steps(self, event: StudyFinished) -> list[str]:
        """Return the commands that most people want to type after this study."""
        steps = []
        logs = [shlex.quote(log) for log in event.logs[:_SHOWN_LOGS]]
        if logs and event.done:
            key = self._ranking.key()
            sort = (
                f" --sort {_sort_expression(key)}{'' if lower_is_better(key) else ' --reverse'}"
                if key
                else ""
            )
            steps.append(f"{self._sibling('filter')} {' '.join(logs)}{sort} --table")
            steps.append(f"{self._sibling('collect')} {' '.join(_directories(event.logs))} --dest collected")
        if event.failed_logs:
            steps.append(f"less {shlex.quote(event.failed_logs[0])}")
        if event.queue and (event.unfinished or event.stopped):
            again = " --resume" if event.stopped else ""
            steps.append(f"{self._program} --queue {shlex.quote(event.queue)}{again}")
        elif event.unfinished and self._resume:
            steps.append(self._resume)
        elif event.unfinished:
            rerun = self._rerun or f"{self._program} --exp {shlex.quote(event.study)}"
            steps.append(f"{rerun} --pick {ranges(event.unfinished)}")
        return steps

    def _sibling(self, command: str) -> str:
        return re.sub(r"\brun(?=(?:\.py)?'?$)", command, self._program)


def _directories(logs: Sequence[str]) -> list[str]:
    """Return where logs are, as far as they can be named in a command."""
    found = dict.fromkeys(shlex.quote(str(PurePath(log).parent)) for log in logs)
    return list(found) if len(found) <= _SHOWN_LOGS else ["."]


def _sort_expression(key: str) -> str:
    return shlex.quote(key if key.isidentifier() else f"lambda exp: exp[{key!r}]")


def _row_columns(rows: Sequence[ExperimentFinished], differing: Sequence[str], key: str) -> list[Column]:
    def cell(event: ExperimentFinished, name: str) -> str:
        if name not in event.results or name not in event.record:
            return ""
        value = event.record[name]
        return number(value) if type(value) is float else brief(value, _CELL)

    return [
        Column("index", [str(event.index) for event in rows], right=True, style="dim"),
        Column("Name", [cut(one_line(event.name), _CELL) for event in rows]),
        *_differing_columns([event.differing for event in rows], differing),
        *_result_columns(rows, [scalars_of(event) for event in rows], key, cell),
        Column("time", [duration(event.elapsed) for event in rows], right=True, style="dim", rank=10),
    ]


def _group_columns(groups: Sequence[Group], differing: Sequence[str], key: str) -> list[Column]:
    def cell(group: Group, name: str) -> str:
        measure = group.measures.get(name)
        return spread(measure.mean, measure.deviation, measure.count) if measure else ""

    settings = [name for name in differing if not is_seed(name)]
    return [
        Column("index", [ranges(group.indices, 10) for group in groups], right=True, style="dim"),
        Column("Name", [cut(one_line(group.first.name), _CELL) for group in groups]),
        *_differing_columns([group.first.differing for group in groups], settings),
        *_result_columns(groups, [list(group.measures) for group in groups], key, cell),
        Column(
            "mean time", [duration(group.seconds / group.count) for group in groups],
            right=True, style="dim", rank=10,
        ),
    ]  # fmt: skip


def _differing_columns(rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[Column]:
    """Return a column for each key that many rows have, and one for all that few have."""
    common = [key for key in keys if sum(key in row for row in rows) * 2 > len(rows)][:_SHOWN_DIFFERING]
    names = short_keys(keys) if len(keys) <= 100 else {key: key for key in keys}
    columns = [
        Column(
            one_line(names[key]), [brief(row[key], _CELL) if key in row else "" for row in rows],
            right=is_numeric(row.get(key) for row in rows), rank=20 + place,
        )
        for place, key in enumerate(common)
    ]  # fmt: skip
    rest = set(keys).difference(common)
    others = [pairs({key: value for key, value in row.items() if key in rest}, 2 * _CELL) for row in rows]
    if any(others):
        columns.append(Column("settings" if not columns else "other settings", others, rank=19))
    return columns


def _result_columns(
    rows: Sequence[Any], keys: Sequence[Sequence[str]], ranked: str, cell: Callable[[Any, str], str]
) -> list[Column]:
    """Return the columns of the result that ranks and of the first few others."""
    every = dict.fromkeys(name for names in keys for name in names if name != ranked)
    names = [*([ranked] if ranked else []), *every][:_SHOWN_RESULTS]
    return [
        Column(
            one_line(name), [cell(row, name) for row in rows], right=True,
            style="bold" if name == ranked else "", rank=0 if name == ranked else 40 + place,
        )
        for place, name in enumerate(names)
    ]  # fmt: skip
