"""The row of a run: what it was given, what came of it, and how it stands.

A row has, in this order,

- ``Name``, for the record, where the run has one that its parameters do not hold;
- the parameters, of ``params.yaml``;
- the results, of ``results.yaml``;
- the last value of each metric, see `coolrunner.results.lastvalues`;
- what is kept for the record: ``SOLVED ID STUDY HOST RUN STARTED TIME_ELAPSED`` as in a log, where ``RUN``
  is absolute; ``NUMBER``, ``STATUS`` as ``status.yaml`` has it (see `standing`), and of a failure
  ``FAILURE`` and ``ERROR`` as in a log of failures.

A name belongs to the first of these that has it: a metric or a fact that finds its name taken gets an
underscore behind it. Only a result replaces the parameter of its name, as in a log.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from coolrunner.definition.names import RUNNER_KEYS
from coolrunner.errors import RunError, YamlError
from coolrunner.results.lastvalues import last_values
from coolrunner.results.logs.sources import Report
from coolrunner.results.parts import GONE, Part, Role, Row
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.layout import LAUNCHED, MANAGED, MANAGED_RUN, RESULTS, Layout
from coolrunner.runs.status import RunState, RunStatus, is_alive
from coolrunner.yamlio import load, read_text

__all__ = [
    "LARGEST",
    "OF_PARSER",
    "OF_RUNNER",
    "OF_SCRIPT",
    "RESULTS_FILE",
    "layout_by_name",
    "read_row",
    "standing",
    "time_of",
]

#: What a Module added.
RESULTS_FILE = "results.yaml"
#: Bytes that the parameters, status or results of a run may have: they are read as a whole.
LARGEST = 64 << 20

_SMALL = 1 << 14
_MANAGED_RUNS = f"/{MANAGED_RUN.runs}"
_PARAMETER, _RESULT, _INFO = Role.PARAMETER, Role.RESULT, Role.INFO
#: What a run of `run.py` has; for any other program these are names like all others.
OF_RUNNER = {**dict.fromkeys((*RUNNER_KEYS, "REP", "RND_IDX"), _INFO), "Name": _PARAMETER}
#: What an argparse script writes of the run itself.
OF_SCRIPT = dict.fromkeys(("id", "time", "root"), _INFO)
#: The options of the parser itself, which say nothing of what the script does.
OF_PARSER = dict.fromkeys(("config_file", "git_dirty", "tmp", "name"), _INFO)


def layout_by_name(path: str) -> Layout:
    """Return the layout of a run directory as far as its name and place tell; files have the same in all."""
    place, _, name = path.rpartition("/")
    if place.endswith(_MANAGED_RUNS):
        return MANAGED_RUN
    for layout in (RESULTS, LAUNCHED, MANAGED):
        if layout.pattern.match(name):
            return layout
    # A copy under another name.
    return MANAGED if os.path.isdir(f"{path}/{MANAGED.files}") else RESULTS  # noqa: PTH112


def read_row(part: Part, report: Report) -> Row | None:
    """Return the row of a run; None without its parameters.

    Parameters
    ----------
    part
        The directory, with the stamps of its parameters, status, results and metrics.
    report
        Is told of what is broken: parameters cost the row, a status or results only themselves.
    """
    layout = layout_by_name(part.path)
    given = _mapping(part, layout.params, "parameters were expected: lines such as 'lr: 0.1'", report)
    if given is None:
        return None
    number, title = _number_and_title(layout, os.path.basename(part.path))  # noqa: PTH119
    known = _state(part, layout, report)
    state = known or RunState()
    row = _Making()
    name = state.name or title
    special = _special(given, state, number)
    if name and "Name" not in given and ("name" not in given or "name" in special):
        row.add({"Name": name}, _INFO)
    row.add_given(given, state, special)
    results: dict[Any, Any] = {}
    if part.stamps[2] != GONE:
        wanted = "results were expected: lines such as 'ACC: 0.9'"
        results = _mapping(part, RESULTS_FILE, wanted, report) or {}
    solved = {"SOLVED": results.pop("SOLVED")} if "SOLVED" in results else {}
    row.add_results(results)
    if part.stamps[3] != GONE:
        name = f"{part.name}/{layout.metrics}"
        metrics = last_values(
            f"{part.path}/{layout.metrics}", lambda why: report.broken.append(f"{name}: {why}")
        )
        row.add({key: item for key, item in metrics.items() if key not in results}, _RESULT)
    facts = _facts(state, part.path, number)
    if known is None:
        del facts["STATUS"]
    row.add({**solved, **facts}, _INFO)
    return Row(row.value, tuple(row.roles))


def standing(value: Mapping[Any, Any]) -> str | None:
    """Return how the run of a row stands now; None for a row of no run directory.

    What says that it runs is looked at again: where its process is provably gone it is ``lost``.
    """
    status, path = value.get("STATUS"), value.get("RUN")
    if status != RunStatus.RUNNING.value or not isinstance(path, str):
        return status if isinstance(status, str) else None
    try:
        state = RunDirectory(Path(path), layout_by_name(path)).read_state()
    except RunError:
        return RunStatus.RUNNING.value
    gone = state.status is RunStatus.RUNNING and is_alive(state) is False
    return RunStatus.LOST.value if gone else state.status.value


def time_of(value: object) -> datetime | None:
    """Return a time that an argparse script wrote, without a zone; None for what is none."""
    try:
        # Without quotes, as a person writes it, it is read as a time.
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None
    return time.replace(tzinfo=None) if isinstance(time, datetime) else None


class _Making:
    """A row that is being made: its value, and a role for each key of it."""

    __slots__ = ("roles", "value")

    def __init__(self) -> None:
        self.value: dict[Any, Any] = {}
        self.roles: list[Role] = []

    def add_given(self, given: dict[Any, Any], state: RunState, special: Mapping[Any, Role]) -> None:
        """Add the parameters, and what a program has written among them of the run itself."""
        if state.experiment and given.get("ID") == state.experiment:
            given = {key: item for key, item in given.items() if key != "ID"}
        self.value.update(given)
        self.roles += [special.get(key, _PARAMETER) for key in given]

    def add_results(self, results: dict[Any, Any]) -> None:
        """Add what a Module added; a parameter of the same name has the value that it left."""
        self.value.update(results)
        self.roles += [_RESULT] * (len(self.value) - len(self.roles))

    def add(self, items: Mapping[Any, Any], role: Role) -> None:
        """Add what gives way to names that are taken."""
        for key, item in items.items():
            name = key
            while name in self.value:
                name = f"{name}_"
            self.value[name] = item
            self.roles.append(role)


def _special(given: dict[Any, Any], state: RunState, number: int | None) -> Mapping[Any, Role]:
    """Return the roles of what is no parameter, by which program has written it."""
    if state.experiment:
        return OF_RUNNER
    if given.get("id") == number and isinstance(given.get("root"), str) and time_of(given.get("time")):
        return {**OF_SCRIPT, **OF_PARSER}
    return {}


def _number_and_title(layout: Layout, name: str) -> tuple[int | None, str]:
    """Return what the name of a directory tells, but for its time."""
    match = layout.pattern.match(name)
    found = match.groupdict() if match is not None else {}
    return int(found["number"]) if "number" in found else None, found.get("name") or ""


def _facts(state: RunState, path: str, number: int | None) -> dict[str, Any]:
    """Return what is kept for the record, without what is not known."""
    facts = {
        "ID": state.experiment,
        "STUDY": state.study,
        "HOST": state.host,
        "RUN": path,
        "STARTED": state.started,
        "TIME_ELAPSED": state.elapsed,
        "NUMBER": (state.id or None) if number is None else number,
        "STATUS": state.status.value,
        "FAILURE": state.failure,
        "ERROR": state.error,
    }
    return {key: fact for key, fact in facts.items() if fact is not None and fact != ""}


# --- files ---


class _BrokenError(Exception):
    """A file cannot be used; the text says where and why."""


def _state(part: Part, layout: Layout, report: Report) -> RunState | None:
    """Return how a run stands; None where that cannot be read."""
    name = f"{part.name}/{layout.status}"
    try:
        if part.stamps[1] == GONE:
            return RunDirectory(Path(part.path), layout).read_state()  # by a program that knew no status
        return RunState.read(_text(f"{part.path}/{layout.status}", name, in_place=True), name)
    except (RunError, _BrokenError) as error:
        if os.path.isdir(part.path):  # noqa: PTH112
            report.broken.append(str(error).split("\n", 1)[0])
    return None


def _mapping(part: Part, file: str, wanted: str, report: Report) -> dict[Any, Any] | None:
    """Return what a file of a run holds; None where that is broken, or no mapping."""
    name = f"{part.name}/{file}"
    try:
        text = _text(f"{part.path}/{file}", name)
        # The quicker of the two reads one document alone.
        data = (load if "\n---" in text else read_text)(text, name)
    except _BrokenError as error:
        if os.path.isdir(part.path):  # noqa: PTH112 - else the run was removed meanwhile
            report.broken.append(str(error))
        return None
    except YamlError as error:
        report.broken.append(f"{error.problem.position or name}: {error.problem.message}")
        return None
    if data is not None and not isinstance(data, dict):
        report.broken.append(f"{name}:1: {wanted}")
        return None
    return data or {}


def _text(path: str, name: str, *, in_place: bool = False) -> str:
    """Return the text of a file, which may be one that is written anew where it stands."""
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            data = _bytes(file, name)
            while in_place and data != (again := _bytes(file, name)):
                data = again
        finally:
            os.close(file)
        text = data.decode("utf-8-sig")
    except OSError as error:
        why = "this file does not exist" if isinstance(error, FileNotFoundError) else error.strerror
        raise _BrokenError(f"{name}: {why}") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
        raise _BrokenError(f"{name}:{line}: not UTF-8: byte 0x{byte:02x} cannot be read") from None
    return text.replace("\r\n", "\n") if "\r" in text else text


def _bytes(file: int, name: str) -> bytes:
    os.lseek(file, 0, os.SEEK_SET)
    data = os.read(file, _SMALL)
    if len(data) < _SMALL:
        return data
    pieces = [data]
    size = len(data)
    while piece := os.read(file, 1 << 20):
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST:
            raise _BrokenError(f"{name}: more than {LARGEST >> 20} MiB, which is no record of a run")
    return b"".join(pieces)
