"""The mistakes found in one definition: gathered first, then shown all at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

from coolrunner.errors import DefinitionError, Problem

__all__ = ["Problems", "dotted", "shown"]

_LIMIT = 50


class Problems:
    """Gathers problems, each once, in the order in which they were found.

    Attributes
    ----------
    warnings
        Doubtful things that do not keep a study from running.
    """

    def __init__(self) -> None:
        self._errors: dict[Hashable, Problem] = {}
        self._warnings: dict[Hashable, Problem] = {}
        self._again: Counter[Hashable] = Counter()

    def __bool__(self) -> bool:
        return bool(self._errors)

    @property
    def warnings(self) -> list[Problem]:
        """What is doubtful, in the order found."""
        return list(self._warnings.values())

    def add(self, problem: Problem, mistake: Hashable = None) -> None:
        """Note an error; the same at the same place counts once.

        `mistake` tells it from others where place and message do not, for `again`.
        """
        self._errors.setdefault(mistake or (problem.position, problem.message), problem)

    def again(self, mistake: Hashable) -> bool:
        """Whether a mistake has been noted already, in another experiment or copy; counts that."""
        if mistake not in self._errors:
            return False
        self._again[mistake] += 1
        return True

    def warn(self, problem: Problem) -> None:
        """Note something doubtful."""
        self._warnings.setdefault((problem.position, problem.message), problem)

    def raise_if_any(self) -> None:
        """Raise a `DefinitionError` with all errors, in the order of the file, if there are any."""
        if not self._errors:
            return
        found = sorted((self._counted(mistake) for mistake in self._errors), key=_place)
        if len(found) > _LIMIT:
            rest = len(found) - _LIMIT
            found = [*found[:_LIMIT], Problem(f"... and {rest} more problem{'' if rest == 1 else 's'}")]
        raise DefinitionError(found)

    def _counted(self, mistake: Hashable) -> Problem:
        problem, count = self._errors[mistake], self._again[mistake]
        if not count:
            return problem
        more = f"the same in {count} more experiment{'' if count == 1 else 's'}"
        return replace(problem, hint=f"{problem.hint}\n{more}" if problem.hint else more)


def _place(problem: Problem) -> tuple[str, int, int]:
    position = problem.position
    return (position.file, position.line, position.column) if position else ("", 0, 0)


def dotted(path: Sequence[Any]) -> str:
    """Return a path of keys and indices as a person writes it: ``model.layers[0]``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def shown(value: Any) -> str:
    """Return a value as a message shows it: words of YAML's own where Python's differ, cut where long."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
