"""``solve``: values that are made right before an experiment runs, in the process that runs it.

``solve torch.optim.Adam`` is the object of that path, ``solve hidden * 2`` an expression over the
experiment's solved values. A name is looked for among the experiment's keys (the nearest level wins),
then in ``Global.imports``, the builtins, and at last among all that can be imported.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import types
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from coolrunner.definition.expressions import BUILTINS, Imports, compile_expression
from coolrunner.errors import SolveError, nearest
from coolrunner.execution.base import Past
from coolrunner.experiment import ReadOnlyDict, ReadOnlyList
from coolrunner.yamlio.plain import to_plain

__all__ = ["SOLVE_MARK", "solve"]

SOLVE_MARK = "solve "

_MISSING = object()
Steps = tuple[Any, ...]


def solve(inputs: Mapping[str, Any], imports: Imports, past: Past) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the inputs with every ``solve`` value resolved, and the plain ones among those values.

    Parameters
    ----------
    inputs
        An experiment's configuration.
    imports
        What ``Global.imports`` names.
    past
        ``E`` in the expressions.

    Raises
    ------
    SolveError
        A value cannot be resolved; the message names its key.
    """
    if not _has_mark(inputs):
        return dict(inputs), {}
    solver = _Solver(inputs, imports, past)
    solved = {key: solver.value((key,)) for key in inputs}
    return solved, solver.plain


def _has_mark(value: Any) -> bool:
    if isinstance(value, str):
        return value.startswith(SOLVE_MARK)
    if isinstance(value, Mapping):
        return any(map(_has_mark, value.values()))
    return isinstance(value, list) and any(map(_has_mark, value))


class _Solver:
    """Resolves values on demand, so that their order does not matter."""

    def __init__(self, inputs: Mapping[str, Any], imports: Imports, past: Past) -> None:
        self._inputs = inputs
        self._imports = imports
        self._past = past
        self._done: dict[Steps, Any] = {}
        self._under_way: list[Steps] = []
        self.plain: dict[str, Any] = {}

    def value(self, path: Steps) -> Any:
        """Return the solved value at `path`."""
        if path not in self._done:
            self._done[path] = self._solved(self._raw(path), path)
        return self._done[path]

    def _raw(self, path: Steps) -> Any:
        value: Any = self._inputs
        for step in path:
            value = value[step]
        return value

    def _solved(self, raw: Any, path: Steps) -> Any:
        if isinstance(raw, str) and raw.startswith(SOLVE_MARK):
            return self._evaluated(raw[len(SOLVE_MARK) :], path)
        if not _has_mark(raw):
            return raw
        if isinstance(raw, Mapping):
            return ReadOnlyDict({key: self.value((*path, key)) for key in raw})
        return ReadOnlyList([self.value((*path, i)) for i in range(len(raw))])

    def _evaluated(self, text: str, path: Steps) -> Any:
        key = _dotted(path)
        if path in self._under_way:
            circle = " -> ".join(map(_dotted, [*self._under_way, path]))
            raise SolveError(f"{key}: these values need each other: {circle}")
        self._under_way.append(path)
        try:
            expression = compile_expression(text)
            chains = _chains(text)
            names = {}
            for name in expression.names:
                value = self._lookup(name, path, chains.get(name, ()))
                if value is not _MISSING:
                    names[name] = value
            value = expression.evaluate(names)
        except SolveError:
            raise
        except SyntaxError as error:
            raise SolveError(
                f"{key}: solve {text}: not a dotted path or an expression: {error.msg}"
            ) from None
        except Exception as error:
            words = str(error.args[0]) if isinstance(error, LookupError) and error.args else str(error)
            raise SolveError(f"{key}: solve {text}: {type(error).__name__}: {words}") from error
        finally:
            self._under_way.pop()
        # Of an object, strange ones included, the log keeps the text that it was made from.
        with contextlib.suppress(Exception):
            self.plain[key] = to_plain(value)
        return value

    def _lookup(self, name: str, path: Steps, chains: tuple[tuple[str, ...], ...]) -> Any:
        for depth in range(len(path) - 1, -1, -1):
            level = self._raw(path[:depth])
            there = (*path[:depth], name)
            # A key is not made of itself: "optim: solve optim.Adam" means the module.
            if isinstance(level, Mapping) and name in level and path[: depth + 1] != there:
                return self.value(there)
        if name == "E":
            return self._past
        if name in self._imports:
            return self._imports.get(name)
        if name in BUILTINS:
            return _MISSING
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            close = nearest(name, [str(key) for key in self._inputs])
            hint = f"; did you mean {close}?" if close else ""
            raise SolveError(
                f"{_dotted(path)}: {name!r} is neither a key of this experiment nor a module{hint}"
            ) from None
        for chain in chains:
            _import_along(module, chain)
        return module


def _import_along(module: types.ModuleType, chain: tuple[str, ...]) -> None:
    """Import the submodules that an attribute chain such as ``torch.optim.Adam`` goes through."""
    found: Any = module
    for part in chain:
        if not hasattr(found, part):
            if not isinstance(found, types.ModuleType) or not hasattr(found, "__path__"):
                return
            name = f"{found.__name__}.{part}"
            try:
                importlib.import_module(name)
            except ModuleNotFoundError as error:
                if error.name != name:
                    raise
                close = nearest(part, dir(found))
                hint = f"; did you mean {close}?" if close else ""
                raise AttributeError(f"there is no {part!r} in {found.__name__}{hint}") from None
        found = getattr(found, part)


@lru_cache(maxsize=1024)
def _chains(text: str) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Return the attribute chains of an expression by the name they begin with."""
    chains: dict[str, list[tuple[str, ...]]] = {}
    for node in ast.walk(ast.parse(text.strip(), mode="eval")):
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if parts and isinstance(node, ast.Name):
            chains.setdefault(node.id, []).append(tuple(parts))
    return {name: tuple(found) for name, found in chains.items()}


def _dotted(path: Steps) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text
