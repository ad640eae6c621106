"""What an earlier run of a definition has done already, found by what its experiments are.

Two experiments are the same where they are equal in all but the keys that only say how they are to be
run (`HOW`), and in the numbers that were drawn for them. Which keys depend on drawn numbers is found out
by resolving the definition twice; those keys are left out of the comparison, and then the earlier numbers
are used again, so that expressions give what they gave.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coolrunner.definition.plan import Plan, Planned
from coolrunner.queue.saves import canonical

__all__ = ["HOW", "Known", "Match", "match"]

#: Keys that say how an experiment is run, not what it is.
HOW = frozenset({"After", "Hold", "Priority", "Repeat", "Resources", "Retries", "Timeout", "YamlLog"})

Draws = Mapping[tuple[int, int], int]


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """An experiment of an earlier run.

    Attributes
    ----------
    id
        Its ``ID``.
    values
        Its configuration as it was resolved.
    alone
        Whether `values` holds nothing else; a record in a log holds results as well.
    """

    id: str
    values: Mapping[str, Any]
    alone: bool = True


@dataclass
class Match:
    """A plan, and which of its experiments are known.

    Attributes
    ----------
    plan
        The plan, with the numbers of the earlier run.
    known
        What is known, by the ``ID`` in the plan.
    """

    plan: Plan
    known: dict[str, Known] = field(default_factory=dict)


def match(read: Callable[[Draws | None], Plan], known: Sequence[Known]) -> Match:
    """Read a definition so that it goes on with an earlier run of it.

    Each known experiment stands for one of the plan at most, so that repeats are counted.

    Parameters
    ----------
    read
        Reads the definition, with given numbers or newly drawn ones.
    known
        The experiments of the earlier run, in order.

    Raises
    ------
    DefinitionError
        What is wrong with the definition.
    """
    plan = read(None)
    if not known:
        return Match(plan)
    pairs = list(zip(plan.experiments, read(None).experiments, strict=True))
    finder = _Finder(known)
    found: dict[int, Known] = {}
    draws: dict[tuple[int, int], int] = {}
    repetition, first = -1, -1
    for planned, other in pairs:
        if planned.first != first:
            repetition, first = repetition + 1, planned.first
        key = (repetition, planned.document)
        one = finder.find(planned, other, draws.get(key))
        if one is not None:
            found[planned.index] = one
            index = one.values.get("RND_IDX")
            if key in plan.draws and type(index) is int:
                draws.setdefault(key, index)
    plan = read(draws)
    return Match(plan, {plan.experiments[index].id: one for index, one in found.items()})


class _Finder:
    def __init__(self, known: Sequence[Known]) -> None:
        self._known = known
        self._used: set[str] = set()
        # By the keys that are compared: by their values, by the number drawn.
        self._indices: dict[tuple[str, ...], dict[str, dict[Any, deque[Known]]]] = {}

    def find(self, planned: Planned, other: Planned, draw: int | None) -> Known | None:
        """Return a known experiment that was not found yet; one with the given number if there is one."""
        ours, theirs = planned.experiment.inputs, other.experiment.inputs
        keys = tuple(
            sorted(key for key in ours if key not in HOW and canonical(ours[key]) == canonical(theirs[key]))
        )
        index = self._indices.get(keys)
        if index is None:
            index = self._indices[keys] = self._index(keys)
        meaning = canonical([ours[key] for key in keys])
        names = canonical(sorted(set(ours) - HOW))
        for text in (names + meaning, meaning):
            by_draw = index.get(text, {})
            wanted = [draw] if draw is not None else []
            for number in (*wanted, *by_draw):
                queue = by_draw.get(number)
                while queue and queue[0].id in self._used:
                    queue.popleft()
                if queue:
                    one = queue.popleft()
                    self._used.add(one.id)
                    return one
        return None

    def _index(self, keys: tuple[str, ...]) -> dict[str, dict[Any, deque[Known]]]:
        index: dict[str, dict[Any, deque[Known]]] = {}
        for one in self._known:
            if any(key not in one.values for key in keys):
                continue
            text = canonical([one.values[key] for key in keys])
            if one.alone:
                text = canonical(sorted(set(one.values) - HOW)) + text
            index.setdefault(text, {}).setdefault(one.values.get("RND_IDX"), deque()).append(one)
        return index
