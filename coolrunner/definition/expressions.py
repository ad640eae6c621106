"""Python expressions in a definition: compiled once, given just the names that they use.

An expression runs with a dict of the names that it mentions, looked up one by one; no history and no
scope is ever copied. Both ``parse`` (when a definition is read) and ``solve`` (right before an
experiment runs) are built on this.
"""

from __future__ import annotations

import ast
import builtins
import datetime
import importlib
import importlib.util
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType
from typing import Any, overload

from coolrunner.errors import nearest
from coolrunner.experiment import Experiment

__all__ = [
    "BUILTINS",
    "Expression",
    "History",
    "Imports",
    "compile_expression",
    "name_of",
    "parse_expression",
]

#: The names of Python's builtins.
BUILTINS = frozenset(dir(builtins))


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """A compiled expression.

    Attributes
    ----------
    text
        The Python source.
    names
        The names that it takes from outside itself, in order of appearance.
    doubt
        What Python warns of, such as ``is`` with a literal; may be empty.
    """

    text: str
    names: tuple[str, ...]
    code: CodeType
    doubt: str = ""

    def evaluate(self, names: dict[str, Any]) -> Any:
        """Return the value, with `names` and Python's builtins in scope; raises what it raises."""
        return eval(self.code, names)


@lru_cache(maxsize=65536)
def compile_expression(text: str) -> Expression:
    """Compile the source of an expression.

    Raises
    ------
    SyntaxError
        It is no Python expression; ``offset`` counts from 1 in `text`, None where the place is unknown.
    """
    source = text.strip()
    if not source:
        raise SyntaxError("an expression was expected")
    with warnings.catch_warnings(record=True) as doubts:
        warnings.simplefilter("always")
        try:
            tree = parse_expression(source)
            code = compile(tree, "<expression>", "eval", dont_inherit=True)
        except SyntaxError as error:
            raise _placed(error, text, source) from None
        except (ValueError, MemoryError, RecursionError) as error:  # NUL bytes, too deeply nested
            raise SyntaxError(str(error) or "too complex") from None
    names = _OuterNames()
    names.visit(tree)
    return Expression(text, tuple(names.found), code, str(doubts[0].message) if doubts else "")


def parse_expression(source: str) -> ast.Expression:
    """Return the syntax tree of an expression; the columns in it count from the first word.

    Raises
    ------
    SyntaxError
        It is no Python expression.
    """
    source = source.strip()
    try:
        return ast.parse(source, "<expression>", "eval")
    except SyntaxError:
        if "\n" not in source:
            raise
    # Line breaks are free inside brackets; without them a YAML block of several lines would fail.
    return ast.parse(f"({source}\n)", "<expression>", "eval")


def _placed(error: SyntaxError, text: str, source: str) -> SyntaxError:
    """Return the error with an offset into `text`, where Python's own is one into `source`."""
    found = SyntaxError(error.msg)
    # Parts of f-strings were numbered on their own before Python 3.12.
    if error.lineno == 1 and error.offset is not None and (error.text or "").strip() == source:
        lead = len(text) - len(text.lstrip())
        found.offset = lead + (error.offset or len(source) + 1)  # 0 is the end of the input
    return found


class _OuterNames(ast.NodeVisitor):
    """Finds the names that an expression takes from outside itself."""

    def __init__(self) -> None:
        self.found: dict[str, None] = {}
        self._bound: list[set[str]] = [set()]
        self._walrus = self._bound[0]  # where `:=` binds: comprehensions are passed over

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self._bound[-1].add(node.id)
        elif not any(node.id in names for names in self._bound):
            self.found[node.id] = None

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self._walrus.add(node.target.id)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        arguments = node.args
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self.visit(default)
        walrus, self._walrus = (
            self._walrus,
            {part.arg for part in ast.walk(arguments) if isinstance(part, ast.arg)},
        )
        self._bound.append(self._walrus)
        self.visit(node.body)
        self._bound.pop()
        self._walrus = walrus

    def _visit_comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    ) -> None:
        self.visit(node.generators[0].iter)
        self._bound.append(set())
        for place, generator in enumerate(node.generators):
            if place:
                self.visit(generator.iter)
            self.visit(generator.target)
            for condition in generator.ifs:
                self.visit(condition)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.visit(part)
        self._bound.pop()

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _visit_comprehension


_IMPORT = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:\s+as\s+([A-Za-z_]\w*))?\Z")


class Imports:
    """The modules that ``Global.imports`` names, imported when an expression first uses one.

    Parameters
    ----------
    modules
        Module path by alias, or by itself where there is none: `{"np": "numpy", "os.path": "os.path"}`.
    """

    def __init__(self, modules: Mapping[str, str] | None = None) -> None:
        self.modules = dict(modules or {})
        self._keys: dict[str, list[str]] = {}
        for key in self.modules:
            self._keys.setdefault(key.partition(".")[0], []).append(key)

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Imports:
        """Read entries such as ``random``, ``numpy as np`` or ``os.path``.

        Raises
        ------
        ValueError
            An entry has another form, or its module cannot be found.
        """
        modules: dict[str, str] = {}
        for text in texts:
            match = _IMPORT.match(text.strip().removeprefix("import "))
            if match is None:
                raise ValueError(f"{text!r} is not of the form 'module' or 'module as name'")
            path, alias = match.groups()
            top = path.partition(".")[0]
            try:
                found = importlib.util.find_spec(top) is not None
            except (ImportError, ValueError):
                found = False
            if not found:
                raise ValueError(f"there is no module {top!r}")
            modules[alias or path] = path
        return cls(modules)

    def get(self, name: str) -> Any:
        """Return what `name` stands for: a module.

        Raises
        ------
        KeyError
            It is not among the imports.
        ImportError
            It cannot be imported.
        """
        if name == "math" and name not in self._keys:
            return math
        module = None
        for key in self._keys[name]:
            path = self.modules[key]
            module = importlib.import_module(path)
            if key == path:  # "os.path" is used as Python's own import would have it: from its top
                module = importlib.import_module(name)
        return module

    def __contains__(self, name: object) -> bool:
        return name == "math" or name in self._keys

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names that an expression may use."""
        return iter({"math": None, **dict.fromkeys(self._keys)})

    def __repr__(self) -> str:
        return f"Imports({self.modules!r})"


def name_of(experiment: Experiment) -> str | None:
    """Return an experiment's ``Name`` as text: ``skip`` for none, None for one that is no name."""
    name = experiment.inputs.get("Name")
    if name is None:
        return "skip"
    return str(name) if isinstance(name, (str, int, float, datetime.date)) else None


class History(Sequence[Experiment]):
    """``E``: the experiments before this one, by place (``E[-1]``) or by name (``E['vgg']``)."""

    __slots__ = ("_by_name", "_experiments")

    def __init__(self) -> None:
        self._experiments: list[Experiment] = []
        self._by_name: dict[str, Experiment] = {}

    def append(self, experiment: Experiment) -> None:
        """Add the next experiment."""
        self._experiments.append(experiment)
        name = name_of(experiment)
        if name is not None:
            self._by_name[name] = experiment

    @overload
    def __getitem__(self, key: int | str) -> Experiment: ...
    @overload
    def __getitem__(self, key: slice) -> list[Experiment]: ...
    def __getitem__(self, key: int | str | slice) -> Experiment | list[Experiment]:
        """Return an experiment by index or by name (the nearest before), or a list by slice."""
        if isinstance(key, str):
            try:
                return self._by_name[key]
            except KeyError:
                close = nearest(key, self._by_name)
                hint = f"; did you mean {close!r}?" if close else ""
                raise KeyError(f"no experiment before this one is named {key!r}{hint}") from None
        try:
            return self._experiments[key]
        except IndexError:
            count = len(self._experiments)
            there = (
                f"only {count} experiment{' comes' if count == 1 else 's come'}"
                if count
                else "no experiment comes"
            )
            raise IndexError(f"E[{key}]: {there} before this one") from None

    def __len__(self) -> int:
        return len(self._experiments)

    def __iter__(self) -> Iterator[Experiment]:
        return iter(self._experiments)

    def __contains__(self, item: object) -> bool:
        return item in self._by_name if isinstance(item, str) else item in self._experiments

    def __repr__(self) -> str:
        return f"<E: {len(self)} experiments>"
