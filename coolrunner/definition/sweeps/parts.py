"""The parts of a ``Sweep``: ``grid``, ``zip``, ``random``, ``union`` and what ``exclude`` leaves of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from coolrunner.definition.problems import dotted, shown
from coolrunner.definition.sweeps.code import Constants, SweepCodeError, SweepSyntaxError, kept_of
from coolrunner.definition.sweeps.distributions import DistributionError, looks_like_one, parse_distribution
from coolrunner.definition.sweeps.drawing import Choice, Distribution
from coolrunner.definition.sweeps.keys import SweepKeys
from coolrunner.definition.sweeps.sweep import (
    Alternatives,
    Axis,
    Draws,
    Fixed,
    Kept,
    Point,
    Product,
    Space,
    Steps,
    value_text,
)
from coolrunner.definition.templates import MARK
from coolrunner.errors import nearest
from coolrunner.experiment import freeze

__all__ = ["SweepReader"]

_PARTS = ("grid", "zip", "random", "union")
_KNOWN = (*_PARTS, "exclude", "n", "seed", "strict", "search")
#: Beyond it, to look at each combination takes minutes.
_EXCLUDE_LIMIT = 50_000_000
_NOTHING = "name keys and values: grid: {lr: [0.1, 0.01]}"


class SweepReader:
    """Reads a sweep, and those within it; what is wrong is noted by its `keys`.

    Parameters
    ----------
    keys
        What can be varied.
    constants
        What expressions know.
    """

    def __init__(self, keys: SweepKeys, constants: Constants) -> None:
        self._keys = keys
        self._note = keys.note
        self._constants = constants

    def sweep(self, value: Any, steps: Steps, fixed: Fixed | None = None) -> Space | None:
        """Return the space of a ``Sweep``; `fixed` is what the alternative that it stands in sets."""
        if not isinstance(value, dict) or not value:
            message = "this sweep varies nothing" if not value else f"Sweep is {shown(value)}; a mapping"
            self._note(steps, message if not value else f"{message} was expected", _NOTHING, key=not value)
            return None
        if not self._known(value, steps) or not self._strict(value, steps):
            return None
        spaces: list[Space] = [] if fixed is None else [fixed]
        readers: dict[str, Callable[[Any, Steps], list[Space] | None]] = {
            "grid": self._grid,
            "zip": self._zips,
            "random": lambda part, place: self._random(part, place, value),
            "union": self._unions,
        }
        good = True
        for name, part in value.items():
            if name in readers:
                found = readers[name](part, (*steps, name))
                good = good and found is not None
                spaces.extend(found or ())
        good = good and not self._keys.twice([pair for space in spaces for pair in space.places.items()])
        if not good:
            return None
        space: Space = spaces[0] if len(spaces) == 1 else Product(spaces)
        return self._without(space, value["exclude"], (*steps, "exclude")) if "exclude" in value else space

    def _known(self, value: Mapping[Any, Any], steps: Steps) -> bool:
        for name in value:
            if name in _KNOWN:
                continue
            close = nearest(str(name), _KNOWN)
            if isinstance(value[name], list):
                hint = f"a key to vary stands under grid: grid: {{{name}: [...]}}"
            elif looks_like_one(value[name]):
                hint = f"a key to draw stands under random: random: {{{name}: ...}}"
            else:
                hint = f"did you mean {close}?" if close else f"known are {', '.join(_KNOWN)}"
            self._note((*steps, name), f"{shown(name)} is no part of a sweep", hint, key=True)
            return False
        if "random" not in value:
            for name in ("n", "seed"):
                if name in value:
                    hint = f"a key {name} of the experiment is varied under grid: grid: {{{name}: [1, 2]}}"
                    self._note((*steps, name), f"{name} belongs to random, and there is none", hint, key=True)
                    return False
        if not any(name in value for name in _PARTS):
            self._note(steps, "this sweep varies nothing", _NOTHING, key=True)
            return False
        return True

    def _strict(self, value: Mapping[Any, Any], steps: Steps) -> bool:
        strict = value.get("strict", False)
        if not isinstance(strict, bool):
            self._note((*steps, "strict"), f"strict is {shown(strict)}; true or false was expected")
            return False
        if not steps:
            self._keys.strict = strict
        return True

    # --- grid and zip ---

    def _grid(self, value: Any, steps: Steps) -> list[Space] | None:
        leaves = self._leaves(value, steps)
        if leaves is None:
            return None
        columns = [(path, self._list(items, place, path), place) for path, items, place in leaves]
        spaces: list[Space] = [
            Axis("grid", {path: items}, {path: place}) for path, items, place in columns if items is not None
        ]
        return spaces if len(spaces) == len(columns) else None

    def _zips(self, value: Any, steps: Steps) -> list[Space] | None:
        """Read ``zip``: a mapping, or a list of several that go in step each by itself."""
        if not isinstance(value, list) or not value:
            return self._zip(value, steps)
        found = [self._zip(item, (*steps, place)) for place, item in enumerate(value)]
        return None if None in found else [space for spaces in found for space in spaces or ()]

    def _zip(self, value: Any, steps: Steps) -> list[Space] | None:
        leaves = self._leaves(value, steps)
        if leaves is None:
            return None
        places = {path: place for path, _, place in leaves}
        columns = {path: self._list(items, place, path) for path, items, place in leaves}
        filled = {path: items for path, items in columns.items() if items is not None}
        if len(filled) < len(leaves):
            return None
        first, length = next((path, len(items)) for path, items in filled.items())
        for path, items in filled.items():
            if len(items) != length:
                message = f"{dotted(path)} has {_values(len(items))}, {dotted(first)} has {length}"
                hint = "what goes in step has equally many; for every combination write grid"
                self._note(places[path], message, hint)
                return None
        return [Axis("zip", filled, places)]

    def _leaves(self, value: Any, steps: Steps) -> list[tuple[Steps, Any, Steps]] | None:
        """Return the keys of a part that is a mapping of them; None where it is not, or is empty."""
        name = str(steps[-1]) if isinstance(steps[-1], str) else str(steps[-2])
        if not isinstance(value, dict):
            message = f"{name} is {shown(value)}; a mapping of keys was expected"
            self._note(steps, message, f"write {name}: {{key: ...}}")
            return None
        if not value:
            self._note(steps, f"{name} is empty", "name a key, or remove it", key=True)
            return None
        leaves = list(self._keys.leaves(value, steps))
        if self._keys.twice([(path, place) for path, _, place in leaves]):
            return None
        return leaves if len(leaves) >= len(value) else None

    def _list(self, value: Any, steps: Steps, path: Steps) -> list[Any] | None:
        """Return the values of a key: a list, or an expression that gives one."""
        name = dotted(path)
        if isinstance(value, str) and value.startswith(MARK):
            value = self._value(value, steps)
            if value is None:
                return None
        if looks_like_one(value):
            part = next(step for step in reversed(steps[:-1]) if step in ("grid", "zip"))
            hint = f"to draw from {value} write random in place of {part}"
            self._note(steps, f"{name} is {shown(value)}; a list of values was expected", hint)
        elif not isinstance(value, list):
            hint = f"write [{value_text(value)}], or a list of more"
            self._note(steps, f"{name} is {shown(value)}; a list of values was expected", hint)
        elif not value:
            self._note(steps, f"{name} has no values: the list is empty", "remove the key, or name values")
        else:
            items = [
                self._value(item, (*steps, place)) if _is_code(item) else freeze(item)
                for place, item in enumerate(value)
            ]
            wrong = any(item is None and _is_code(value[place]) for place, item in enumerate(items))
            return None if wrong else items
        return None

    def _value(self, text: str, steps: Steps) -> Any:
        """Return what an expression gives; None, and a note, where it cannot be evaluated."""
        try:
            return self._constants.value(text)
        except SweepSyntaxError:
            return None  # noted with those of the whole definition
        except SweepCodeError as error:
            self._note(steps, error.message, error.hint, skip=len(MARK) + error.place)
            return None

    # --- random ---

    def _random(self, value: Any, steps: Steps, sweep: Mapping[Any, Any]) -> list[Space] | None:
        leaves = self._leaves(value, steps)
        count, seed = sweep.get("n"), sweep.get("seed", 0)
        within = steps[:-1]
        good = leaves is not None
        if count is None:
            self._note(steps, "n is missing: how many values are to be drawn", "add n: 20", key=True)
            good = False
        elif not _is_whole(count) or count < 1:
            self._note((*within, "n"), f"n is {shown(count)}; a whole number from 1 was expected")
            good = False
        if not _is_whole(seed):
            self._note((*within, "seed"), f"seed is {shown(seed)}; a whole number was expected")
            good = False
        read = {path: self._distribution(text, place, path) for path, text, place in leaves or ()}
        distributions = {path: found for path, found in read.items() if found is not None}
        if not good or len(distributions) < len(read):
            return None
        places = {path: place for path, _, place in leaves or ()}
        return [Draws(distributions, places, int(count or 0), seed)]

    def _distribution(self, value: Any, steps: Steps, path: Steps) -> Distribution | None:
        if isinstance(value, list) and value:
            return Choice(tuple(value))
        if not isinstance(value, str):
            message = f"{dotted(path)} is {shown(value)}; a distribution was expected"
            self._note(steps, message, "write one such as uniform(0, 1) or choice([64, 128])")
            return None
        try:
            return parse_distribution(value)
        except DistributionError as error:
            self._note(steps, f"{dotted(path)}: {error.message}", error.hint, skip=error.place)
            return None

    # --- union ---

    def _unions(self, value: Any, steps: Steps) -> list[Space] | None:
        """Read ``union``: a list of alternatives, or a list of several such lists."""
        if not isinstance(value, list):
            message = f"union is {shown(value)}; a list of alternatives was expected"
            self._note(steps, message, "write union: [{optimizer: sgd, momentum: 0.9}, {optimizer: adam}]")
            return None
        if not value:
            self._note(steps, "union is empty", "name alternatives, or remove it", key=True)
            return None
        if all(isinstance(item, list) and item for item in value):
            unions = [self._union(item, (*steps, place)) for place, item in enumerate(value)]
        else:
            unions = [self._union(value, steps)]
        found = [union for union in unions if union is not None]
        return [*found] if len(found) == len(unions) else None

    def _union(self, value: list[Any], steps: Steps) -> Space | None:
        parts = [self._alternative(item, (*steps, place)) for place, item in enumerate(value)]
        found = [part for part in parts if part is not None]
        return Alternatives(found) if len(found) == len(parts) else None

    def _alternative(self, value: Any, steps: Steps) -> Space | None:
        """Read an alternative: keys that it sets, as in an experiment, and perhaps a sweep of its own."""
        if not isinstance(value, dict):
            message = f"this alternative is {shown(value)}; a mapping of keys was expected"
            self._note(steps, message, "write - {optimizer: sgd, momentum: 0.9}")
            return None
        own = {key: item for key, item in value.items() if key != "Sweep"}
        leaves = list(self._keys.values(own, steps))
        if len(leaves) < len(own) or self._keys.twice([(path, place) for path, _, place in leaves]):
            return None
        values: Point = {}
        for path, item, place in leaves:
            known = self._value(item, place) if _is_code(item) else freeze(item)
            if known is None and _is_code(item):
                return None
            values[path] = known
        fixed = Fixed(values, {path: place for path, _, place in leaves})
        return self.sweep(value["Sweep"], (*steps, "Sweep"), fixed) if "Sweep" in value else fixed

    # --- exclude ---

    def _without(self, space: Space, value: Any, steps: Steps) -> Space | None:
        texts = value if isinstance(value, list) else [value]
        for place, text in enumerate(texts):
            if not isinstance(text, str):
                where = (*steps, place) if isinstance(value, list) else steps
                self._note(where, f"exclude is {shown(text)}; an expression was expected", _EXCLUDE)
                return None
        for place, text in enumerate(texts):
            where = (*steps, place) if isinstance(value, list) else steps
            if space.size > _EXCLUDE_LIMIT:
                message = f"exclude would have to look at {space.size:,} combinations"
                self._note(where, message, "draw some of them, with random and n", key=True)
                return None
            bare = text.removeprefix(MARK)
            try:
                numbers = kept_of(space, bare, self._constants)
            except SweepCodeError as error:
                skip = len(text) - len(bare) + error.place
                self._note(where, f"in exclude: {error.message}", error.hint, skip=skip)
                return None
            if not numbers:
                self._note(where, f"exclude leaves nothing of {space.size:,} combinations", key=True)
                return None
            space = Kept(space, numbers, bare)
        return space


_EXCLUDE = "write exclude: lr > 0.01 and batch == 32"


def _values(count: int) -> str:
    return f"{count} value{'' if count == 1 else 's'}"


def _is_code(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(MARK)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
