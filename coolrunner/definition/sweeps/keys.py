"""The keys that a sweep varies: their paths, and whether they can be varied at all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from coolrunner.definition.documents import Definition
from coolrunner.definition.names import GIVEN_NAMES, meant_key
from coolrunner.definition.problems import Problems, dotted, shown
from coolrunner.definition.sweeps.sweep import Steps
from coolrunner.errors import nearest

__all__ = ["SweepKeys"]

_NUMBER = re.compile(r"(?:0|[1-9][0-9]*)\Z")
_FIXED = {
    "Repeat": "it says how often each combination runs",
    "Sweep": "a sweep within a sweep stands in an alternative of union",
    "Global": "it belongs to the whole study",
}


class SweepKeys:
    """Reads the keys of one document's sweep.

    Parameters
    ----------
    definition
        For places and for the keys that there are.
    number
        The document in which the sweep stands, 0 the default config.
    document
        The document that it varies.
    """

    def __init__(self, definition: Definition, number: int, document: int, problems: Problems) -> None:
        self._definition = definition
        self._number = number
        self._own = definition.experiments[document - 1]
        self._default = definition.default
        self._problems = problems
        self.strict = False

    def note(self, steps: Steps, message: str, hint: str = "", *, key: bool = False, skip: int = 0) -> None:
        """Note what is wrong at a path of the sweep."""
        path = ("Sweep", *steps)
        self._problems.add(self._definition.problem(self._number, path, message, hint, key=key, skip=skip))

    def leaves(self, mapping: Mapping[Any, Any], steps: Steps) -> Iterator[tuple[Steps, Any, Steps]]:
        """Yield path, value and place of each key of a mapping; a mapping in it holds deeper keys.

        ``+Sweep.grid.optimizer.lr=[1, 2]`` makes such a mapping, and a person may write one.
        """
        yield from self._leaves(mapping, steps, ())

    def _leaves(
        self, mapping: Mapping[Any, Any], steps: Steps, path: Steps
    ) -> Iterator[tuple[Steps, Any, Steps]]:
        for key, value in mapping.items():
            place = (*steps, key)
            inner = self.path(key, place, path)
            if inner is None:
                continue
            if isinstance(value, dict) and value:
                yield from self._leaves(value, place, inner)
            elif self.can_vary(inner, place):
                yield inner, value, place

    def values(self, mapping: Mapping[Any, Any], steps: Steps) -> Iterator[tuple[Steps, Any, Steps]]:
        """Yield path, value and place of each key of an alternative; a mapping is a value like any."""
        for key, value in mapping.items():
            place = (*steps, key)
            path = self.path(key, place)
            if path is not None and self.can_vary(path, place):
                yield path, value, place

    def path(self, key: Any, place: Steps, within: Steps = ()) -> Steps | None:
        """Return the path that a key means: dots lead into mappings, as in ``+optimizer.lr``."""
        if not isinstance(key, str):
            if within and isinstance(key, int) and not isinstance(key, bool):
                return (*within, key)
            hint = "put quotes around it if it is meant as one"
            self.note(place, f"the key {shown(key)} is not a name", hint, key=True)
            return None
        if not within and "." in key and (key in self._own or key in self._default):
            return (key,)
        if key.endswith(")") and "(" not in key:
            hint = "inside {...} YAML ends a text at a comma: put quotes around the one before this"
            self.note(place, f"{key!r} is no key", hint, key=True)
            return None
        names = key.split(".")
        if not all(name and name.strip() == name for name in names):
            message = f"{key!r} is not a valid key: names joined with dots were expected"
            self.note(place, message, key=True)
            return None
        return (
            *within,
            *(
                int(name) if (within or depth) and _NUMBER.match(name) else name
                for depth, name in enumerate(names)
            ),
        )

    def can_vary(self, path: Steps, place: Steps) -> bool:
        """Whether a key can be varied; what keeps it from that is noted at its place."""
        name = path[0]
        if name in _FIXED:
            self.note(place, f"{name} cannot be varied: {_FIXED[name]}", key=True)
        elif name in GIVEN_NAMES:
            message = f"{name} is written by the runner and cannot be varied"
            self.note(place, message, "remove it, or choose another name", key=True)
        elif meant := meant_key(name):
            message = f"{name} is no parameter of the runner; did you mean {meant}?"
            self.note(place, message, key=True)
        else:
            return self._has_place(path, place)
        return False

    def _has_place(self, path: Steps, place: Steps) -> bool:
        """Whether the mappings on the way are none of anything else, and in a strict sweep there at all."""
        found: Any = self._own if path[0] in self._own else self._default
        for depth, step in enumerate(path):
            if not isinstance(found, Mapping):
                message = f"{dotted(path)} cannot be varied: {dotted(path[:depth])} is {shown(found)}"
                hint = f"vary {dotted(path[:depth])} as a whole"
                self.note(place, f"{message}, not a mapping", hint, key=True)
                return False
            if step not in found or (depth < len(path) - 1 and found[step] is None):
                return not self.strict or self._unknown(path, place)
            found = found[step]
        return True

    def _unknown(self, path: Steps, place: Steps) -> bool:
        known = [dotted(there) for mapping in (self._own, self._default) for there in _paths(mapping)]
        close = nearest(dotted(path), known)
        hint = f"did you mean {close}?" if close else "give it a value in the default config"
        message = f"{dotted(path)} is no key of the default config, and this sweep is strict"
        self.note(place, message, hint, key=True)
        return False

    def twice(self, parts: Sequence[tuple[Steps, Steps]]) -> bool:
        """Note keys that one combination would set twice, and return whether there are any.

        Parameters
        ----------
        parts
            Path and place of each key.
        """
        first: dict[Steps, Steps] = {}
        found = False
        for path, place in parts:
            other = next((path[:end] for end in range(1, len(path) + 1) if path[:end] in first), None)
            other = other or next((there for there in first if there[: len(path)] == path), None)
            if other is None:
                first[path] = place
                continue
            found = True
            there = self._definition.position(self._number, ("Sweep", *first[other]), key=True)
            what = f"{dotted(path)} is varied twice" if other == path else f"{dotted(path)} is varied with"
            rest = "" if other == path else f" {dotted(other)}, one of which holds the other"
            self.note(place, f"{what}{rest} (line {there.line})", key=True)
        return found


def _paths(mapping: Mapping[Any, Any], before: Steps = ()) -> Iterator[Steps]:
    for key, value in mapping.items():
        if (*before, key) != ("Sweep",):
            yield (*before, key)
            if isinstance(value, Mapping):
                yield from _paths(value, (*before, key))
