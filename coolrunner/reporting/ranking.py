"""The best of a study's results, kept while it runs, in memory that does not grow with the study.

Which result ranks is known only at the end, so the best few by each of the first numeric results are
kept. Experiments that differ in nothing but repetition and seed are a group with a mean and a
deviation, for as long as there are not too many groups.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, TypeGuard

from coolrunner.events import ExperimentFinished
from coolrunner.keys import LOGGED, is_seed, lower_is_better, main_result

__all__ = ["Group", "Measure", "Ranking"]

TOP = 20
GROUP_LIMIT = 10_000
#: How many numeric results can rank; a Module that writes more has its first ones looked at.
MEASURE_LIMIT = 16
_INDEX_LIMIT = 50


@dataclass(eq=False, slots=True)
class Measure:
    """One numeric result over the experiments that wrote it, by Welford's method."""

    count: int = 0
    mean: float = 0.0
    _squares: float = 0.0

    def add(self, value: float) -> None:
        """Take one more value into account."""
        self.count += 1
        delta = value - self.mean
        self.mean += delta / self.count
        self._squares += delta * (value - self.mean)

    @property
    def deviation(self) -> float:
        """The sample standard deviation, 0 for a single value."""
        return math.sqrt(self._squares / (self.count - 1)) if self.count > 1 else 0.0


@dataclass(eq=False, slots=True)
class Group:
    """Experiments that differ in nothing but repetition and seed; `first` is the first of them."""

    first: ExperimentFinished
    count: int = 0
    seconds: float = 0.0
    indices: list[int] = field(default_factory=list)
    measures: dict[str, Measure] = field(default_factory=dict)

    def add(self, event: ExperimentFinished) -> None:
        """Take one more experiment into account."""
        self.count += 1
        self.seconds += event.elapsed
        if len(self.indices) < _INDEX_LIMIT:
            self.indices.append(event.index)
        for key in event.results:
            value = event.record.get(key)
            if _is_number(value):
                self.measures.setdefault(key, Measure()).add(float(value))


@dataclass(eq=False, slots=True)
class _Board:
    """The best experiments by one result: a heap whose root is the worst of them."""

    sign: int
    written: int = 0
    best: list[tuple[float, int, ExperimentFinished]] = field(default_factory=list)

    def add(self, value: float, event: ExperimentFinished, order: int) -> None:
        self.written += 1
        item = (self.sign * value if value == value else -math.inf, -order, event)
        if len(self.best) < TOP:
            heapq.heappush(self.best, item)
        elif item > self.best[0]:
            heapq.heapreplace(self.best, item)


class Ranking:
    """The results of a study so far.

    Attributes
    ----------
    count
        How many experiments were added.
    repeated
        Whether some of them are repetitions of each other, and all of them are in `groups`.
    """

    def __init__(self) -> None:
        self.count = 0
        self._first: list[ExperimentFinished] = []
        self._boards: dict[str, _Board] = {}
        self._groups: dict[bytes, Group] | None = {}
        # Which keys differ among what finished, and in which order they were met.
        self._differing: dict[str, tuple[int, Any, bool]] = {}

    def add(self, event: ExperimentFinished) -> None:
        """Take a finished experiment into account; costs some microseconds, however many there were."""
        self.count += 1
        if len(self._first) < TOP:
            self._first.append(event)
        for key in event.results:
            value = event.record.get(key)
            if not _is_number(value):
                continue
            board = self._boards.get(key)
            if board is None:
                if len(self._boards) == MEASURE_LIMIT:
                    continue
                board = self._boards[key] = _Board(-1 if lower_is_better(key) else 1)
            board.add(float(value), event, self.count)
        self._note_differing(event.differing)
        if self._groups is not None:
            self._add_to_group(self._groups, event)

    def _note_differing(self, differing: Mapping[str, Any]) -> None:
        for key, value in differing.items():
            known = self._differing.get(key)
            if known is None:
                self._differing[key] = (1, value, False)
            else:
                count, first, varied = known
                self._differing[key] = (count + 1, first, varied or value != first)

    def _add_to_group(self, groups: dict[bytes, Group], event: ExperimentFinished) -> None:
        identity = _identity(event.record, event.results)
        group = groups.get(identity)
        if group is None:
            if len(groups) == GROUP_LIMIT:
                self._groups = None
                return
            group = groups[identity] = Group(event)
        group.add(event)

    @property
    def differing(self) -> list[str]:
        """The keys in which the experiments that finished really differ."""
        return [key for key, (count, _, varied) in self._differing.items() if varied or count < self.count]

    @property
    def repeated(self) -> bool:
        """Whether there are groups of more than one."""
        return self._groups is not None and len(self._groups) < self.count

    def key(self) -> str:
        """Return the name of the result that ranks, or an empty string where none is numeric.

        It is the `main_result` of those that at least half of the experiments wrote, or else of those
        that most wrote.
        """
        most = max((board.written for board in self._boards.values()), default=0)
        enough = min(most, (self.count + 1) // 2)
        return main_result(name for name, board in self._boards.items() if board.written >= enough)

    def rows(self) -> list[ExperimentFinished]:
        """Return the best experiments, or the first ones where nothing ranks."""
        board = self._boards.get(self.key())
        if board is None:
            return self._first
        best = [event for *_, event in sorted(board.best, key=lambda item: item[:2], reverse=True)]
        missing = [event for event in self._first if not any(event is other for other in best)]
        return [*best, *missing][:TOP]

    def groups(self) -> list[Group]:
        """Return the groups whose mean is best, or the first ones where nothing ranks."""
        groups = list((self._groups or {}).values())
        key = self.key()
        sign = -1 if lower_is_better(key) else 1

        def badness(group: Group) -> float:
            measure = group.measures.get(key)
            return -sign * measure.mean if measure and measure.mean == measure.mean else math.inf

        return heapq.nsmallest(TOP, groups, key=badness)

    @property
    def group_count(self) -> int:
        """How many groups there are."""
        return len(self._groups or ())


def _is_number(value: Any) -> TypeGuard[float]:
    kind = type(value)
    return kind is float or (kind is int and -(1 << 1000) < value < 1 << 1000)


def _identity(record: Mapping[str, Any], results: Sequence[str]) -> bytes:
    """Return what experiments have in common that are repetitions of each other."""
    left_out = LOGGED.union(results)
    kept = [
        (key, _without_seeds(value) if isinstance(value, dict) else value)
        for key, value in record.items()
        if key not in left_out and not is_seed(key)
    ]
    return blake2b(repr(kept).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _without_seeds(mapping: Mapping[Any, Any]) -> dict[Any, Any]:
    return {
        key: _without_seeds(value) if isinstance(value, dict) else value
        for key, value in mapping.items()
        if not is_seed(key)
    }
