"""Changes to a definition from the command line: ``+Key=value`` and ``++Key=value``.

A value is YAML and means what it would mean in the file. ``+A.b=value`` reaches into a mapping.
``+`` sets a default; ``++`` sets it in every experiment as well.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coolrunner.definition.problems import Problems, shown
from coolrunner.definition.sweeps.distributions import shielded, unshielded
from coolrunner.errors import Position, Problem, YamlError
from coolrunner.yamlio import Document, Source, load

__all__ = ["Override", "apply_overrides", "parse_override"]

COMMAND_LINE = "command line"
_NUMBER = re.compile(r"(?:0|[1-9][0-9]*)\Z")
_KEY = "_"


@dataclass(frozen=True, slots=True)
class Override:
    """One change.

    Attributes
    ----------
    text
        The argument as it was given.
    path
        The keys that lead to the value.
    value
        Plain data.
    everywhere
        Whether experiments that have the key are changed too (``++``).
    """

    text: str
    path: tuple[str | int, ...]
    value: Any
    everywhere: bool

    def position(self, path: Sequence[Any], *, key: bool = False, skip: int = 0) -> Position:
        """Return the place in this argument of the value (or the key) at a path of the definition."""
        name, _, text = self.text.partition("=")
        rest = tuple(path[len(self.path) :])
        if key and not rest:
            return Position(COMMAND_LINE, column=len(name) - len(name.lstrip("+")) + 1)
        source = Source(COMMAND_LINE, _as_in_file(text, self.path[0]))
        line, column = source.locate(Document(None, 1, 0), (_KEY, *rest), key=key, skip=skip)
        within = column - len(_as_in_file("")) if line == 1 else 1
        return Position(COMMAND_LINE, column=len(name) + 1 + within)

    def problem(
        self, path: Sequence[Any], message: str, hint: str = "", *, key: bool = False, skip: int = 0
    ) -> Problem:
        """Return a problem that shows this argument."""
        return _problem(self.text, message, hint, self.position(path, key=key, skip=skip).column)


def _problem(text: str, message: str, hint: str = "", column: int = 1) -> Problem:
    return Problem(message, Position(COMMAND_LINE, column=column), text.replace("\n", " "), hint)


def parse_override(text: str, problems: Problems) -> Override | None:
    """Read one argument; what is wrong with it is noted in `problems` and gives None."""
    everywhere = text.startswith("++")
    signs = 2 if everywhere else 1
    key, equals, value_text = text[signs:].partition("=")
    if not equals:
        problems.add(_problem(text, "an override is written +Key=value, without spaces around the ="))
        return None
    names = key.split(".")
    if not all(name.strip() == name and name for name in names):
        message = f"{key!r} is not a valid key: names joined with dots were expected"
        problems.add(_problem(text, message, column=signs + 1))
        return None
    try:
        value = unshielded(load(_as_in_file(value_text, names[0]), COMMAND_LINE)[_KEY])
    except YamlError as error:
        place = error.problem.position
        within = place.column - len(_as_in_file("")) if place and place.line == 1 else 1
        column = len(text) - len(value_text) + max(within, 1)
        problems.add(_problem(text, error.problem.message, error.problem.hint, column))
        return None
    # In a mapping such as {1: 0.5, 2: 0.1} the keys are numbers, as they would be in the file.
    path = tuple(int(name) if place and _NUMBER.match(name) else name for place, name in enumerate(names))
    return Override(text, path, value, everywhere)


def _as_in_file(text: str, name: Any = "") -> str:
    """Return a value as it would stand in a file, as that of a key; in a sweep, with its distributions."""
    indented = text.replace("\n", "\n ")
    return f"{_KEY}: {shielded(indented) if name == 'Sweep' else indented}"


def apply_overrides(
    overrides: Sequence[Override],
    default: dict[str, Any],
    experiments: Sequence[dict[str, Any]],
    problems: Problems,
) -> None:
    """Change the default config, and the experiments where ``++`` says so, in place."""
    for override in overrides:
        _set(default, override, problems)
        if not override.everywhere or override.path[0] == "Global":
            continue
        for experiment in experiments:
            if override.path[0] in experiment:
                _set(experiment, override, problems)


def _set(target: dict[str, Any], override: Override, problems: Problems) -> None:
    *parents, last = override.path
    mapping: dict[Any, Any] = target
    for depth, key in enumerate(parents):
        inner = mapping.get(key)
        if inner is None:
            inner = mapping[key] = {}
        if not isinstance(inner, dict):
            name = ".".join(map(str, override.path[: depth + 1]))
            whole = ".".join(map(str, override.path))
            message = f"{whole} cannot be set: {name} is {shown(inner)}, not a mapping"
            signs = "++" if override.everywhere else "+"
            hint = f"set {name} as a whole: {signs}{name}='{{{last}: ...}}'"
            problems.add(override.problem(override.path, message, hint, key=True))
            return
        mapping = inner
    mapping[last] = copy.deepcopy(override.value)  # set in many places, and changed by the next override
