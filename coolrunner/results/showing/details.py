"""All that is known of one row: what stands in it, and what its run directory holds beside that."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from coolrunner.errors import RunError
from coolrunner.results.annotations import MARKS, NOTE, TAGS
from coolrunner.results.joining import STATUS
from coolrunner.results.loaders import loader_of
from coolrunner.results.logs.sources import STDIN, Report
from coolrunner.results.parts import Part, Role
from coolrunner.results.rows import Place, Rows, name_of
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.provenance import read_provenance
from coolrunner.runs.rows import read_metrics
from coolrunner.runs.sources import Manifest, read_manifest
from coolrunner.runs.status import RunState
from coolrunner.runs.store import Store

__all__ = ["Details", "MetricSummary"]

_ADDED = frozenset(path[0] for path in (STATUS, MARKS, TAGS, NOTE))
_LEVELS = 4  # directories above a log in which its runs are looked for
_MOST_FILES = 10_000


@dataclass(slots=True)
class MetricSummary:
    """What became of a metric.

    Attributes
    ----------
    last, step
        The value that was logged last, and its step.
    least, most
        Over all values that are numbers; nan where none is.
    count
        How many values were logged.
    """

    last: float
    step: int
    least: float = float("nan")
    most: float = float("nan")
    count: int = 0

    def add(self, step: int, value: float) -> None:
        """Take one more value into account."""
        self.last, self.step = value, step
        self.count += 1
        # What is compared with nan is never true.
        self.least = self.least if self.least <= value or value != value else value
        self.most = self.most if self.most >= value or value != value else value


class Details:
    """One row of a table, and what belongs to it; what is not asked for is not read.

    Parameters
    ----------
    rows
        From `coolrunner.results.annotations.annotated`.
    number
        Its position.
    handle
        What it is called (`coolrunner.results.handles`).
    warn
        Is told of what cannot be read.
    """

    def __init__(self, rows: Rows, number: int, handle: str, warn: Callable[[object], object]) -> None:
        self._row = rows.take([number])
        self._warn = warn
        self.handle = handle

    # --- what stands in it ---

    @cached_property
    def value(self) -> dict[Any, Any]:
        """The row, whole."""
        return self._row.value(0)

    @cached_property
    def _roles(self) -> dict[Any, Role]:
        # What is computed stands under its whole name.
        return {key: role for path, role in self._row.roles(0).items() for key in (name_of(path), path[0])}

    def of_role(self, role: Role) -> dict[Any, Any]:
        """Return the keys of one role, nested, in their order."""
        return {key: item for key, item in self.value.items() if self._roles.get(key) is role}

    @property
    def parameters(self) -> dict[Any, Any]:
        """What it was given."""
        return self.of_role(Role.PARAMETER)

    @property
    def results(self) -> dict[Any, Any]:
        """What came of it."""
        return self.of_role(Role.RESULT)

    @property
    def info(self) -> dict[Any, Any]:
        """What is kept for the record, without its status and what was said of it."""
        info = self.of_role(Role.INFO)
        return {key: item for key, item in info.items() if key not in _ADDED or isinstance(item, dict)}

    @property
    def name(self) -> str:
        """What a person called it; may be empty."""
        name = self.value.get("Name", self.value.get("NAME"))
        return str(name) if name is not None else ""

    @property
    def status(self) -> str:
        """How it stands; empty where that is not known."""
        status = self.value.get(STATUS[0])
        return status if isinstance(status, str) else ""

    @property
    def marks(self) -> list[str]:
        """Its marks."""
        return self._list(MARKS[0])

    @property
    def tags(self) -> list[str]:
        """Its tags."""
        return self._list(TAGS[0])

    @property
    def note(self) -> str:
        """Its note; may be empty."""
        note = self.value.get(NOTE[0])
        return note if isinstance(note, str) else ""

    def _list(self, key: str) -> list[str]:
        found = self.value.get(key)
        return found if isinstance(found, list) else []

    # --- where it stands ---

    @cached_property
    def place(self) -> Place:
        """Where it stands."""
        return self._row.place(0)

    @cached_property
    def part(self) -> Part:
        """What it was read from."""
        return self._row.parts()[0]

    @cached_property
    def run(self) -> RunDirectory | None:
        """Its run directory; None where it has none, or that is gone."""
        for path in self._run_places():
            try:
                return RunDirectory.at(path)
            except (RunError, OSError):
                continue
        return None

    def _run_places(self) -> Iterator[Path]:
        if self.place.kind == "run":
            yield Path(self.place.path)
        run = self.value.get("RUN")
        if self.place.kind != "log" or not isinstance(run, str) or not run:
            return
        yield Path(run)
        if self.place.path != STDIN:
            yield from (folder / run for folder in list(Path(self.place.path).parents)[:_LEVELS])

    @property
    def directory(self) -> Path | None:
        """The directory that holds its files; None where it is a piece of a file."""
        if self.run is not None:
            return self.run.path
        path = Path(self.place.path)
        return path if path.is_dir() else None

    # --- what belongs to it ---

    @cached_property
    def state(self) -> RunState | None:
        """How its run stands, as that says itself."""
        try:
            return self.run.read_state() if self.run is not None else None
        except RunError as error:
            self._warn(error)
            return None

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Where its run came from; empty where that is not known. See `coolrunner.runs.provenance`."""
        if self.run is None or self.state is None or not self.state.provenance:
            return {}
        try:
            return read_provenance(Store(self.run.store), self.state.provenance)
        except RunError as error:
            self._warn(error)
            return {}

    @cached_property
    def sources(self) -> Manifest | None:
        """The code of its run; None where that is not known."""
        if self.run is None or self.state is None or not self.state.sources:
            return None
        try:
            return read_manifest(Store(self.run.store), self.state.sources)
        except RunError as error:
            self._warn(error)
            return None

    @cached_property
    def metrics(self) -> dict[str, MetricSummary]:
        """What became of each metric, by its name."""
        found: dict[str, MetricSummary] = {}
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            for name, step, value, _ in self._values():
                summary = found.get(name)
                if summary is None:
                    summary = found[name] = MetricSummary(value, step)
                summary.add(step, value)
        for warning in told:
            self._warn(warning.message)
        return found

    def _values(self) -> Iterable[tuple[str, int, float, float]]:
        if self.run is not None:
            return read_metrics(self.run.metrics)
        values = getattr(loader_of(self.place.kind), "metrics", None)
        if values is None:
            return ()
        report = Report()
        found = list(values(self.part, report))
        for problem in report.broken:
            self._warn(problem)
        return found

    @cached_property
    def files(self) -> dict[str, int]:
        """The sizes in bytes of the files in its directory, by their paths in it; no links are followed."""
        found: dict[str, int] = {}
        inner = self.run.nested if self.run is not None else None
        left = [("", self.directory)] if self.directory is not None else []
        while left and len(found) < _MOST_FILES:
            before, place = left.pop()
            try:
                with os.scandir(place) as entries:
                    for entry in entries:
                        if entry.name.startswith(".") or entry.is_symlink() or Path(entry.path) == inner:
                            continue
                        if entry.is_dir():
                            left.append((f"{before}{entry.name}/", Path(entry.path)))
                        else:
                            found[before + entry.name] = entry.stat().st_size
            except OSError as error:
                self._warn(error)
        return dict(sorted(found.items()))

    def as_data(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        sources: Mapping[str, str] = self.sources.files if self.sources is not None else {}
        return {
            "id": self.handle,
            "name": self.name,
            "place": str(self.place),
            "kind": self.place.kind,
            "status": self.status,
            "marks": self.marks,
            "tags": self.tags,
            "note": self.note,
            "parameters": self.parameters,
            "results": self.results,
            "info": self.info,
            "metrics": {
                name: {
                    "last": each.last,
                    "step": each.step,
                    "min": each.least,
                    "max": each.most,
                    "count": each.count,
                }
                for name, each in self.metrics.items()
            },
            "directory": str(self.directory) if self.directory is not None else None,
            "files": list(self.files),
            "provenance": self.provenance,
            "sources": dict(sources),
        }
