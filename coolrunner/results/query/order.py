"""One order for plain data of any types."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from coolrunner.results.parts import MISSING
from coolrunner.results.query.times import is_date, moment

__all__ = ["order_key", "ordered"]

_PLAIN = ({int, float, bool}, {str})


def order_key(value: Any) -> tuple[Any, ...] | None:
    """Return what puts plain data of any types in one order; None for what has no place in it.

    Numbers come first (truth values among them, as 0 and 1), then texts, dates and times, lists and
    mappings. What is missing, null or nan has no place: it comes last, in either direction.
    """
    if value is None or value is MISSING or value != value:
        return None
    if isinstance(value, (int, float)):
        return (0, value)
    if isinstance(value, str):
        return (1, value)
    if is_date(value):
        return (2, moment(value))
    if isinstance(value, (list, tuple)):
        return (3, [order_key(part) or (9,) for part in value])
    if isinstance(value, dict):
        return (4, sorted(map(repr, value.items())))
    return (5, value)


def ordered(values: Sequence[Any], *, reverse: bool = False, first: int | None = None) -> list[int]:
    """Return the positions of values in their order (`order_key`); those that are equal stay as they are.

    Parameters
    ----------
    values
        Plain data, or None or `MISSING` for what is missing.
    reverse
        Whether from large to small. What has no place in the order comes last all the same.
    first
        How many are wanted; all without it. A few of many are found without sorting the others.

    Raises
    ------
    TypeError
        The values are no plain data and have no order.
    """
    positions = [i for i, value in enumerate(values) if value is not None and value is not MISSING]
    present: Sequence[Any] = values
    kinds = {type(values[i]) for i in positions}
    if kinds <= _PLAIN[0]:
        if float in kinds:
            positions = [i for i in positions if values[i] == values[i]]
    elif not kinds <= _PLAIN[1]:
        present = [order_key(value) for value in values]
        positions = [i for i in positions if present[i] is not None]
    found = len(positions)
    if first is not None and 0 <= first < found // 8:
        pick = heapq.nlargest if reverse else heapq.nsmallest
        return pick(first, positions, key=present.__getitem__)
    placed = set(positions) if found < len(values) else None
    positions.sort(key=present.__getitem__, reverse=reverse)
    if placed is not None:
        positions += [i for i in range(len(values)) if i not in placed]
    return positions if first is None else positions[:first]
