"""A definition that was written in Python: mappings and functions to the text that a file would hold."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from coolrunner.definition.modules import parse_module
from coolrunner.definition.plan import Plan
from coolrunner.errors import NotPlainError, UsageError
from coolrunner.yamlio import Source, dump, flow_text, to_plain

__all__ = ["FUNCTIONS", "lives_here", "override", "source_of"]

#: The module that functions are found in which stand in none: those within functions, and lambdas.
FUNCTIONS = "python_functions"

#: A definition: its file, its experiments, or one of them.
Given = str | os.PathLike[str] | Mapping[str, Any] | Sequence[Mapping[str, Any]]


def source_of(given: Given, defaults: Mapping[str, Any] | None, name: str) -> Path | Source:
    """Return the file of a definition, or the text of one that is given as experiments.

    Parameters
    ----------
    given
        The path of a definition, or mappings, one an experiment. ``Module`` may be a function; an experiment
        without a ``Name`` is called by that of its function.
    defaults
        The default config of experiments that are given as mappings.
    name
        The study's name, for these.

    Raises
    ------
    UsageError
        It is neither, or holds what a definition cannot.
    """
    if isinstance(given, (str, os.PathLike)):
        if defaults is not None:
            raise UsageError("defaults= goes with experiments; a file has its own, which overrides= changes")
        return Path(given)
    experiments = [given] if isinstance(given, Mapping) else list(given)
    for number, experiment in enumerate(experiments, start=1):
        if not isinstance(experiment, Mapping):
            kind = type(experiment).__name__
            raise UsageError(f"experiment {number} is a {kind}; a mapping of parameters was expected")
        if "Global" in experiment:
            raise UsageError(f"Global stands in experiment {number}; it belongs in defaults=")
    if not experiments:
        raise UsageError("there is no experiment: the list is empty")
    default = dict(defaults or {})
    fallback = default.get("Name", _name_of(default) or name)
    texts = [_text(default, "defaults")]
    for number, experiment in enumerate(experiments, start=1):
        named = {"Name": default.get("Name", _name_of(experiment) or fallback), **experiment}
        texts.append(_text(named, f"experiment {number}"))
    return Source(name, "---\n".join(texts))


def _name_of(values: Mapping[str, Any]) -> str:
    module = values.get("Module")
    name = getattr(module, "__name__", "") if callable(module) else ""
    return "" if name == "<lambda>" else name


def _text(values: Mapping[str, Any], what: str) -> str:
    module = values.get("Module")
    named = {**values, "Module": _reference(module)} if callable(module) else values
    try:
        return dump(to_plain(named))
    except NotPlainError as error:
        raise UsageError(f"{what}: {error}; for an object that the Module gets, write 'solve ...'") from None


def _reference(function: Callable[..., Any]) -> str:
    """Return how a function is written as a ``Module``: where it stands, or where it was put for that."""
    name = getattr(function, "__qualname__", type(function).__name__)
    home = getattr(function, "__module__", None) or ""
    if home == "__main__" and getattr(sys.modules["__main__"], "__spec__", None) is not None:
        home = sys.modules["__main__"].__spec__.name  # type: ignore[union-attr] # python -m package.module
        return f"{home}:{name}"
    if getattr(sys.modules.get(home), name, None) is function:
        return f"{home}:{name}"
    place = sys.modules.get(FUNCTIONS)
    if place is None:
        place = sys.modules[FUNCTIONS] = ModuleType(FUNCTIONS)
    last = name.rpartition(".")[2]
    stem = last if last.isidentifier() else "function"
    free, count = stem, 1
    while getattr(place, free, function) is not function:
        count += 1
        free = f"{stem}_{count}"
    setattr(place, free, function)
    return f"{FUNCTIONS}:{free}"


def lives_here(plan: Plan) -> str:
    """Return a Module of the plan that is known to this process alone; empty where there is none."""
    running = (planned.experiment.inputs for planned in plan.chosen if planned.runs)
    for module in dict.fromkeys(str(inputs.get("Module")) for inputs in running):
        target = parse_module(module)
        live = sys.modules.get(target.module) if target is not None else None
        if live is not None and getattr(live, "__spec__", None) is None:
            return module
    return ""


def override(changes: Mapping[str, Any] | Iterable[str]) -> list[str]:
    """Return changes to a definition as a command line has them: ``+optimizer.lr=0.1``.

    Raises
    ------
    UsageError
        A value is no plain data.
    """
    if isinstance(changes, str):
        return [changes]
    if not isinstance(changes, Mapping):
        return list(changes)
    try:
        return [
            f"{'' if key.startswith('+') else '+'}{key}={flow_text(to_plain(value))}"
            for key, value in changes.items()
        ]
    except NotPlainError as error:
        raise UsageError(f"overrides: {error}") from None
