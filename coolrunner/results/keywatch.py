"""The keys that a person named and no experiment has: most likely they are misspelt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from coolrunner.errors import nearest
from coolrunner.results.parts import MISSING
from coolrunner.results.query import KeyPath, lookup, name_of, spellings

__all__ = ["KeyWatch", "unknown_keys"]


@dataclass(slots=True)
class KeyWatch:
    """Finds out which of the keys that a person named no experiment has.

    Parameters
    ----------
    wanted
        The keys, step by step.
    """

    wanted: Iterable[KeyPath]
    _shapes: set[tuple[Any, ...]] = field(default_factory=set)
    _names: dict[str, None] = field(default_factory=dict)
    _texts: set[str] = field(default_factory=set)  # of the wanted, those that are values

    def __post_init__(self) -> None:
        self.wanted = set(self.wanted)

    def look(self, experiment: dict[Any, Any]) -> None:
        """Take note of the keys of one experiment."""
        if not self.wanted:
            return
        self.wanted = {path for path in self.wanted if lookup(experiment, path) is MISSING}
        for path in self.wanted:  # a text without its quotes looks like a key
            if len(path) == 1 and path[0] in experiment.values():
                self._texts.add(path[0])
        shape = _shape(experiment)
        if self.wanted and shape not in self._shapes:
            self._shapes.add(shape)
            self._names.update(dict.fromkeys(map(name_of, _paths(experiment))))

    def warnings(self) -> list[str]:
        """Return a line for each key that nobody had, with the nearest one; none without experiments."""
        return _warnings(self.wanted, self._names, self._texts.__contains__) if self._shapes else []


def unknown_keys(
    wanted: Iterable[KeyPath], known: Iterable[KeyPath], is_text: Callable[[str], bool] = lambda name: False
) -> list[str]:
    """Return the same lines as a `KeyWatch` that looked at all experiments of a table; there are some.

    Parameters
    ----------
    wanted
        The keys that a person named.
    known
        The keys that experiments have, to the innermost ones.
    is_text
        Tells whether some experiment has this text as a value, of a key at the top.
    """
    there = {path[:count]: None for path in known for count in range(1, len(path) + 1)}
    lacking = [path for path in set(wanted) if there.keys().isdisjoint(spellings(path))]
    return _warnings(lacking, map(name_of, there), is_text)


def _warnings(wanted: Iterable[KeyPath], names: Iterable[str], is_text: Callable[[str], bool]) -> list[str]:
    names, lines = list(names), []
    for path in sorted(wanted, key=str):
        name = name_of(path)
        close = f"the text '{name}'" if len(path) == 1 and is_text(name) else nearest(name, names)
        lines.append(f"no experiment has {name}" + (f"; did you mean {close}?" if close else ""))
    return lines


def _shape(mapping: dict[Any, Any]) -> tuple[Any, ...]:
    return tuple([(key, _shape(value)) if isinstance(value, dict) else key for key, value in mapping.items()])


def _paths(mapping: dict[Any, Any], before: KeyPath = ()) -> Iterator[KeyPath]:
    for key, value in mapping.items():
        path = (*before, key)
        yield path
        if isinstance(value, dict):
            yield from _paths(value, path)
