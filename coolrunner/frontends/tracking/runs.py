"""The experiments that runs of Hydra belong to: what they are called, when they were, which are meant."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from coolrunner.errors import UsageError
from coolrunner.results.loaders.hydra import in_numbers, time_in
from coolrunner.results.parts import MISSING, Role
from coolrunner.results.rows import Rows

__all__ = ["Experiment", "Wanted", "experiments_of", "in_numbers"]

_LAST = "last"
#: What a label has for a date and a time.
_DAY, _HOUR = "%Y-%m-%d", "%H-%M-%S"


@dataclass(frozen=True, slots=True)
class Experiment:
    """A sweep with its runs, or a run of its own.

    Attributes
    ----------
    label
        Its date and time, or its path.
    time
        When it was, as its path tells; None where it does not.
    single
        Whether it is a run of its own.
    positions
        Of its runs among all.
    numbers
        Of its runs, in the same order.
    """

    label: str
    time: datetime | None
    single: bool
    positions: tuple[int, ...]
    numbers: tuple[int, ...]


def experiments_of(rows: Rows, base: str) -> list[Experiment]:
    """Return the experiments that runs belong to, in the order of their labels, and runs of their numbers.

    Parameters
    ----------
    rows
        Runs of Hydra.
    base
        The directory around them, absolute.
    """
    sweeps = _Sweeps()
    members: dict[tuple[str, bool], list[tuple[int, int | None]]] = {}
    facts = zip(rows.places(), _facts(rows, "MODE"), _facts(rows, "NUMBER"), strict=True)
    for position, (place, mode, number) in enumerate(facts):
        single = not _is_job(place.path, mode)
        home = place.path if single else sweeps.around(place.path)
        own = os.path.basename(place.path)  # noqa: PTH119
        known = 0 if single else int(own) if _is_number(own) else number if type(number) is int else None
        members.setdefault((home, single), []).append((position, known))
    # The directory may be that of an experiment, or of a day.
    above = os.path.dirname(os.path.dirname(base))  # noqa: PTH120
    times = {home: time_in(os.path.relpath(home, above)) for home, _ in members}
    met = Counter(time for time in times.values() if time is not None)
    found = []
    for (home, single), runs in members.items():
        when = times[home]
        numbers = [number for _, number in runs]
        if None in numbers or len(set(numbers)) < len(numbers):
            runs = [(position, place) for place, (position, _) in enumerate(runs)]
        runs.sort(key=lambda run: run[1] or 0)
        found.append(
            Experiment(
                _path_label(home, base)
                if when is None or met[when] > 1
                else when.strftime(f"{_DAY} {_HOUR}"),
                when,
                single,
                tuple(position for position, _ in runs),
                tuple(number or 0 for _, number in runs),
            )
        )
    return sorted(found, key=lambda each: each.label)


def _facts(rows: Rows, name: str) -> list[Any]:
    """Return what the loader says of each run, also where parameters have taken the name."""
    facts: list[Any] = [MISSING] * len(rows)
    for key in rows.keys:
        if key.role is Role.INFO and len(key.path) == 1 and key.name.rstrip("_") == name:
            column = rows.column(key.path)
            facts = [old if new is MISSING else new for old, new in zip(facts, column, strict=True)]
    return facts


def _is_number(name: str) -> bool:
    return name.isdecimal() and len(name) < 10


def _is_job(path: str, mode: object) -> bool:
    """Whether a run is one of a sweep: Hydra says so, or its path, by a number below a date and a time."""
    if mode == "multirun":
        return True
    parent, own = os.path.split(path)
    return _is_number(own) and (mode is MISSING or time_in(parent, steps=2) is not None)


class _Sweeps:
    """Finds the directory of the sweep that a job belongs to."""

    def __init__(self) -> None:
        self._known: dict[str, bool] = {}

    def around(self, job: str) -> str:
        """Return the nearest directory with a ``multirun.yaml``; the one around the job where none has it."""
        parent = place = os.path.dirname(job)  # noqa: PTH120
        for _ in range(8):
            if place not in self._known:
                self._known[place] = os.path.isfile(f"{place}/multirun.yaml")  # noqa: PTH113
            if self._known[place]:
                return place
            place = os.path.dirname(place)  # noqa: PTH120
        return parent


def _path_label(path: str, base: str) -> str:
    label = os.path.relpath(path, base)
    return os.path.basename(base) if label == "." else label.replace(os.sep, "/")  # noqa: PTH119


# --- which are meant -----------------------------------------------------------------------------------

_WHEN = re.compile(
    r"(?:(\d{4})[-_./](\d{2})[-_./](\d{2}))?[ T/_]?(?:(\d{2})[-_.:](\d{2})[-_.:](\d{2}))?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which experiments a person wants.

    Attributes
    ----------
    days, hours
        All that they must have at once, in the notation of labels.
    last
        Whether only the last one of these is wanted.
    """

    days: frozenset[str]
    hours: frozenset[str]
    last: bool

    @classmethod
    def of(cls, *filters: str | date | time | datetime | None) -> Wanted:
        """Return what filters say: ``last``, a day, a time, or a day and a time, as a text or as an object.

        Raises
        ------
        UsageError
            One of them says none of these.
        """
        days, hours, last = set(), set(), False
        for each in filters:
            if each is None:
                continue
            if each == _LAST:
                last = True
                continue
            day, hour = _day_and_hour(each)
            days |= {day} if day else set()
            hours |= {hour} if hour else set()
        return cls(frozenset(days), frozenset(hours), last)

    def chosen(self, experiments: Sequence[Experiment]) -> list[Experiment]:
        """Return those of some experiments that are wanted, in their order."""
        chosen = [each for each in experiments if self._has(each.time)]
        if self.last and chosen:
            chosen = [max(chosen, key=lambda each: (each.time is not None, each.time or 0, each.label))]
        return chosen

    def _has(self, when: datetime | None) -> bool:
        if when is None:
            return not self.days and not self.hours
        return self.days <= {when.strftime(_DAY)} and self.hours <= {when.strftime(_HOUR)}

    def __str__(self) -> str:
        return " ".join([*sorted(self.days), *sorted(self.hours), *([_LAST] if self.last else [])])


def _day_and_hour(value: str | date | time | datetime) -> tuple[str, str]:
    if isinstance(value, datetime):
        return value.strftime(_DAY), value.strftime(_HOUR)
    if isinstance(value, date):
        return value.strftime(_DAY), ""
    if isinstance(value, time):
        return "", value.strftime(_HOUR)
    match = _WHEN.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or not (match[1] or match[4]):
        raise UsageError(
            f"a filter is a day, a time, both, or 'last', such as '2021-01-26 17-07-39', not {value!r}"
        )
    groups = match.groups()
    return "-".join(groups[:3]) if match[1] else "", "-".join(groups[3:]) if match[4] else ""
