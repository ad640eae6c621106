"""Where experiments and comments stand: orders are numbers with room between them."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import le

from coolrunner.queue.entries import Remark

__all__ = ["Arranged", "arrange", "moved_places", "place_remarks"]

_LEAST_STEP = 1e-9


@dataclass(slots=True)
class Arranged:
    """New orders.

    Attributes
    ----------
    known
        Those of experiments that were moved, by ``ID``; of all where there was no room left.
    new
        Those of the new ones.
    """

    known: dict[str, float] = field(default_factory=dict)
    new: list[float] = field(default_factory=list)


def moved_places(now: Sequence[float], then: Callable[[], Sequence[float]]) -> set[int]:
    """Return which of a row of experiments were moved by the person who put them into this row.

    Parameters
    ----------
    now
        Their present orders.
    then
        Returns their orders when the person looked at them. If these rise, it is others who have moved some.
    """
    if _rises(now) or _rises(then()):
        return set()
    return set(range(len(now))) - _longest_rise(now)


def _rises(values: Sequence[float]) -> bool:
    return all(map(le, values, islice(values, 1, None)))


def arrange(
    standing: Sequence[tuple[float, str]],
    row: Sequence[str | None],
    moved: Collection[str],
    last: float,
) -> Arranged:
    """Give orders to the experiments of a row that were moved into it, or are new.

    Each stands right behind the one before it in the row; those that the row leaves out stay behind what
    they stood behind.

    Parameters
    ----------
    standing
        Orders and IDs of all that wait.
    row
        IDs in the order wanted, None for a new one.
    moved
        Those of the row that get new orders.
    last
        The highest order ever given.
    """
    fixed = {identity: order for order, identity in standing if identity not in moved}
    taken = sorted(fixed.values())
    found: list[tuple[int, float, float, float]] = []  # place in the row, what it stands behind, order, step
    for run, below, above in _runs(row, fixed):
        behind, low, step = _room(taken, below, above, last, len(run))
        found += ((place, behind, low + step * number, step) for number, place in enumerate(run, start=1))
    arranged = Arranged()
    if any(step < _LEAST_STEP * max(1.0, abs(order)) for _, _, order, step in found):
        return _renumbered(standing, row, moved, last, [(place, behind) for place, behind, _, _ in found])
    for place, _, order, _ in found:
        identity = row[place]
        if identity is None:
            arranged.new.append(order)
        else:
            arranged.known[identity] = order
    return arranged


def _runs(
    row: Sequence[str | None], fixed: dict[str, float]
) -> Iterator[tuple[list[int], float | None, float | None]]:
    """Yield stretches of a row that need orders, with the orders before and behind each."""
    run: list[int] = []
    below: float | None = None
    for place, identity in enumerate(row):
        order = None if identity is None else fixed.get(identity)
        if order is None:
            run.append(place)
            continue
        if run:
            yield run, below, order
            run = []
        below = order
    if run:
        yield run, below, None


def _room(
    taken: Sequence[float], below: float | None, above: float | None, last: float, count: int
) -> tuple[float, float, float]:
    """Return behind which order there is room for so many, from where on, and how far apart."""
    if below is None and not taken:
        return last, last, 1.0
    if below is None:
        high = taken[0] if above is None else above
        place = bisect.bisect_left(taken, high)
        behind, low = (taken[place - 1],) * 2 if place else (float("-inf"), high - 1.0)
        return behind, low, (high - low) / (count + 1)
    place = bisect.bisect_right(taken, below)
    if place == len(taken):  # also behind those that run now, and may come back
        return below, max(below, last), 1.0
    return below, below, (taken[place] - below) / (count + 1)


def _renumbered(
    standing: Sequence[tuple[float, str]],
    row: Sequence[str | None],
    moved: Collection[str],
    last: float,
    placed: Sequence[tuple[int, float]],
) -> Arranged:
    """Give all of them new orders: between two neighbours is no room for a number any more."""
    rows: list[tuple[float, int, int, str | None]] = [
        (order, 0, 0, identity) for order, identity in standing if identity not in moved
    ]
    rows += ((behind, 1, place, row[place]) for place, behind in placed)
    rows.sort(key=lambda each: each[:3])
    arranged = Arranged()
    for number, (_, _, _, identity) in enumerate(rows, start=1):
        if identity is None:
            arranged.new.append(last + number)
        else:
            arranged.known[identity] = last + number
    return arranged


def place_remarks(row: Sequence[str | float], current: Sequence[Remark], last: float) -> list[Remark]:
    """Return the comments of a row, each with its place; one that stands where it stood keeps it.

    Parameters
    ----------
    row
        The texts of the comments, and the orders of the experiments between them.
    current
        The comments as they stand now.
    last
        The highest order ever given.
    """
    found: list[Remark] = []
    low = float("-inf")
    for place, one in enumerate(row):
        if not isinstance(one, str):
            low = one
            continue
        high = next((order for order in row[place:] if not isinstance(order, str)), None)
        old = current[len(found)] if len(found) < len(current) else None
        if old and old.text == one and _is_between(low, old, high):
            found.append(old)
        elif high is not None:
            found.append(Remark(one, high))
        else:
            found.append(Remark(one, max(low, last), behind=True))
    return found


def _is_between(low: float, remark: Remark, high: float | None) -> bool:
    above_low = remark.order > low or (remark.order == low and remark.behind)
    return above_low and (high is None or remark.order < high or (remark.order == high and not remark.behind))


def _longest_rise(values: Sequence[float]) -> set[int]:
    """Return the places of a longest rising run through the values, in n log n."""
    tails: list[float] = []
    tail_places: list[int] = []
    before = [-1] * len(values)
    for place, value in enumerate(values):
        at = bisect.bisect_left(tails, value)
        before[place] = tail_places[at - 1] if at else -1
        if at == len(tails):
            tails.append(value)
            tail_places.append(place)
        else:
            tails[at], tail_places[at] = value, place
    keep: set[int] = set()
    place = tail_places[-1] if tail_places else -1
    while place >= 0:
        keep.add(place)
        place = before[place]
    return keep
