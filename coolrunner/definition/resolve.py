"""Documents to experiments: inheritance from the defaults, and ``parse`` expressions."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from coolrunner.definition.documents import Definition
from coolrunner.definition.expressions import BUILTINS, Expression, History, Imports
from coolrunner.definition.names import one_letter_away
from coolrunner.definition.overrides import COMMAND_LINE
from coolrunner.definition.problems import Problems, dotted
from coolrunner.definition.templates import (
    BROKEN,
    MARK,
    Broken,
    Cascade,
    ListTemplate,
    Steps,
    Swept,
    Template,
    holds_broken,
)
from coolrunner.errors import NotPlainError, Position, nearest
from coolrunner.experiment import ReadOnlyDict, ReadOnlyList, freeze
from coolrunner.yamlio import to_plain

__all__ = ["Resolver"]

_put = dict.__setitem__
_ALIASES = {
    "np": "numpy as np",
    "numpy": "numpy",
    "pd": "pandas as pd",
    "torch": "torch",
    "tf": "tensorflow as tf",
}
_PLAIN_SCALARS = frozenset({int, float, bool, type(None)})


class _Level(NamedTuple):
    """A mapping that is being filled: what it is made of, what it holds so far, where it stands."""

    template: Mapping[Any, Any]
    values: dict[Any, Any]
    path: Steps


@dataclass(slots=True)
class _Place:
    """What an expression that is being evaluated belongs to; the innermost level comes first."""

    document: int
    levels: tuple[_Level, ...]
    history: History
    base: Mapping[str, Any]
    swept: Mapping[Steps, Any]
    default: Template


_NOTHING = object()
_NONE_SWEPT: Mapping[Steps, Any] = {}
_BY_NAME = re.compile(r"""\bE\[\s*(['"])(.+?)\1\s*\]""")


class Resolver:
    """Makes experiments of templates.

    Parameters
    ----------
    definition
        For the places of errors.
    default
        The template of the default config.
    imports
        What expressions may use by name.
    deep
        Whether a nested mapping is merged with the default's in place of replacing it.
    problems
        Gets what is wrong.
    """

    def __init__(
        self, definition: Definition, default: Template, imports: Imports, deep: bool, problems: Problems
    ) -> None:
        self._definition = definition
        self._default = default
        self._imports = imports
        self._deep = deep
        self._problems = problems

    def reporting_to(self, problems: Problems) -> Resolver:
        """Return one that is the same, but for where it notes what is wrong."""
        return Resolver(self._definition, self._default, self._imports, self._deep, problems)

    def resolve(
        self,
        document: int,
        template: Template,
        history: History,
        base: Mapping[str, Any],
        swept: Mapping[Steps, Any] = _NONE_SWEPT,
        default: Template | None = None,
    ) -> dict[str, Any]:
        """Return the resolved configuration of one experiment.

        Parameters
        ----------
        document
            Its number: 0 is the default config, 1 the first experiment's.
        history
            ``E`` for its expressions.
        base
            ``REP``, ``RND_IDX``, ``HOST`` by name.
        swept
            What a combination of its sweep sets, by path; all expressions see it, those above it as well.
        default
            The template of the default config for this combination, if it is another one.
        """
        values: dict[str, Any] = {}
        default = self._default if default is None else default
        self._fill(_Place(document, (_Level(template, values, ()),), history, base, swept, default))
        self._fill(_Place(0, (_Level(default, values, ()),), history, base, swept, default))
        return values

    def _fill(self, place: _Place) -> None:
        template, out, path = place.levels[0]
        for key, item in template.items():
            if key not in out:
                kind = type(item)
                if kind is Expression or kind is Swept or kind is Template or kind is ListTemplate:
                    item = self._value(item, place, (*path, key))
                _put(out, key, item)
            elif self._deep and place.document == 0 and isinstance(item, dict) and isinstance(out[key], dict):
                merged = ReadOnlyDict(out[key])  # a copy: constants are shared between experiments
                _put(out, key, merged)
                self._fill_nested(item, merged, place, (*path, key))

    def _fill_nested(
        self, template: Mapping[Any, Any], out: dict[Any, Any], place: _Place, path: Steps
    ) -> None:
        levels = (_Level(template, out, path), *place.levels)
        self._fill(_Place(place.document, levels, place.history, place.base, place.swept, place.default))

    def _value(self, item: Any, place: _Place, path: Steps) -> Any:
        kind = type(item)
        if kind is Swept:
            return place.swept[item.path]
        if kind is Expression:
            return self._evaluate(item, place, path)
        if kind is Template:
            out = ReadOnlyDict()
            self._fill_nested(item, out, place, path)
            return out
        if kind is ListTemplate:
            return ReadOnlyList([self._value(part, place, (*path, i)) for i, part in enumerate(item.items)])
        return item

    def _evaluate(self, expression: Expression, place: _Place, path: Steps) -> Any:
        names: dict[str, Any] = {}
        for name in expression.names:
            if (value := self._seen(name, place)) is not _NOTHING:
                if value is BROKEN:
                    return BROKEN
                names[name] = value
            elif name in place.base and not _stands_below(name, place):
                names[name] = place.base[name]
            elif name == "E" and not _stands_below(name, place):
                names[name] = place.history
            elif (unknown := self._unknown(name, place, path)) is not None:
                return self._fail(place, path, expression, *unknown, about=name)
            elif name in self._imports:
                try:
                    names[name] = self._imports.get(name)
                except Exception as error:
                    words = f"{name} cannot be imported: {type(error).__name__}: {error}"
                    return self._fail(place, path, expression, words, about=name)
        try:
            result = expression.evaluate(names)
            return result if type(result) in _PLAIN_SCALARS else freeze(to_plain(result))
        except Cascade:
            return BROKEN
        except NotPlainError as error:
            words = str(error).removesuffix(" is no plain data")
            return self._fail(
                place, path, expression, f"the expression gives no plain data: {words}", _plain_hint(words)
            )
        except (Exception, SystemExit) as error:
            hint = self._later(expression.text, place)
            if not hint and "E" in expression.names and not place.history:
                hint = "E is empty in the first experiment: give it its own value, or write ... if E else ..."
            return self._fail(place, path, expression, f"the expression raises {_words(error)}", hint)

    def _seen(self, name: str, place: _Place) -> Any:
        """Return the value of the nearest key of a name, or `_NOTHING`: one that is above, or is swept."""
        for level in place.levels:
            if name in level.values:
                return level.values[name]
            path = (*level.path, name)
            if path in place.swept:
                return place.swept[path]
            if place.swept and any(there[: len(path)] == path for there in place.swept):
                item = level.template.get(name, None if level.path else place.default.get(name))
                if type(item) is Template and _is_settled(item):
                    return self._value(item, place, path)
        return _NOTHING

    def _later(self, text: str, place: _Place) -> str:
        """Return a hint at an experiment that is asked for by name and stands further down, or nothing."""
        for match in _BY_NAME.finditer(text):
            number = self._last_named.get(match[2], 0)
            if number > place.document and match[2] not in place.history:
                there = self._definition.position(number, ("Name",), key=True)
                line = self._line(there, place.document)
                return f"{match[2]!r} stands further down ({line}): move it above this experiment"
        return ""

    @cached_property
    def _last_named(self) -> dict[Any, int]:
        """The number of the last document of each name."""
        names = (mapping.get("Name") for mapping in self._definition.experiments)
        return {name: number for number, name in enumerate(names, start=1) if isinstance(name, str)}

    def _unknown(self, name: str, place: _Place, path: Steps) -> tuple[str, str] | None:
        """Return message and hint for a name that may not be used here; None where it may be."""
        for level in place.levels:
            if name in level.template:
                return self._not_settled(name, level, place.document, path)
        for where in self._defaults_around(place):
            if name in _mapping_at(self._default, where):
                there = self._definition.position(0, (*where, name), key=True)
                line = self._line(there, place.document)
                return (
                    f"{name} stands only in the default config ({line}), which is resolved last",
                    f"repeat {name} in this experiment, above this line",
                )
        if name in self._imports or name in BUILTINS:
            return None
        return f"the name {name!r} is not known here", self._meant(name, place)

    def _meant(self, name: str, place: _Place) -> str:
        """Return a hint at what an unknown name was meant to be, or an empty string."""
        visible = [str(key) for level in place.levels for key in level.values]
        close = nearest(name, [*visible, *place.base, "E", *self._imports])
        # Of the 150 builtins one is always near enough to be silly.
        close = close or next((known for known in sorted(BUILTINS) if one_letter_away(name, known)), "")
        if close:
            return f"did you mean {close}?"
        if name in place.history:
            return f"an experiment is reached by its name in quotes: E['{name}']"
        module = _ALIASES.get(name) or (name if name in sys.stdlib_module_names else "")
        return (
            f"to use a module, name it in the first document: Global: {{imports: [{module}]}}"
            if module
            else ""
        )

    def _not_settled(self, name: str, level: _Level, document: int, path: Steps) -> tuple[str, str]:
        """Return message and hint for a name that stands in a template and has no value yet."""
        if name != path[len(level.path)]:
            there = self._definition.position(document, (*level.path, name), key=True)
            return f"{name} stands further down ({self._line(there, document)})", "move it above this line"
        if not isinstance(level.template[name], Template):
            return (
                f"{name} is being defined here and has no value yet",
                f"give the value that {name} is made of a name of its own, such as _{name}, above this line",
            )
        return (
            f"{name} is being defined here; its keys above this line are known by their own names",
            f"leave out '{name}.'",
        )

    def _line(self, position: Position, document: int) -> str:
        """Return a place as it is named in a document: its line, or where else it is."""
        if position.file == COMMAND_LINE:
            return COMMAND_LINE
        same = position.file == self._definition.source_of(document).name
        return f"line {position.line}" if same else str(position)

    def _defaults_around(self, place: _Place) -> Iterator[Steps]:
        """Yield the paths of the default config's mappings that this place will be merged with."""
        for level in place.levels:
            if not level.path or self._deep:
                yield level.path

    def _fail(
        self,
        place: _Place,
        path: Steps,
        expression: Expression,
        message: str,
        hint: str = "",
        *,
        about: str = "",
    ) -> Broken:
        mistake = (place.document, path, message)
        if self._problems.again(mistake):
            return BROKEN
        name = place.levels[-1].values.get("Name")
        who = "" if name is None or holds_broken(name) else f" of experiment {str(name)!r}"
        found = about and re.search(rf"\b{re.escape(about)}\b", expression.text)
        lead = len(expression.text) - len(expression.text.lstrip())
        problem = self._definition.problem(
            place.document,
            path,
            f"in {dotted(path)}{who}: {message}",
            hint,
            skip=len(MARK) + (found.start() if found else lead),
        )
        text = expression.text.strip()
        if text not in problem.line:  # it spans several lines, or is quoted
            shown = "\n  ".join(text.splitlines())
            problem = replace(problem, hint=f"{hint}\nexpression: {shown}".lstrip("\n"))
        self._problems.add(problem, mistake)
        return BROKEN


def _is_settled(item: Any) -> bool:
    """Whether a part of a template has no expression in it."""
    if type(item) is Template:
        return all(map(_is_settled, item.values()))
    return type(item) is not Expression and type(item) is not ListTemplate and item is not BROKEN


def _stands_below(name: str, place: _Place) -> bool:
    return any(name in level.template for level in place.levels)


def _mapping_at(value: Any, path: Steps) -> Mapping[Any, Any]:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _words(error: BaseException) -> str:
    """Return an exception as Python would show it in one line."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    first = text.strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _plain_hint(words: str) -> str:
    kind = words.removeprefix("a value of type ").partition(" ")[0].rpartition(".")[2]
    if kind in ("set", "frozenset"):
        return "make a list of it: sorted(...)"
    if kind in ("generator", "range", "map", "filter", "zip", "enumerate", "reversed") or "dict_" in kind:
        return "make a list of it: list(...)"
    if kind == "Experiment":
        return "take one of its keys, or dict(...) of it"
    if kind == "History":
        return "take what is needed of each, as in [exp.Name for exp in E]"
    if kind in ("function", "builtin_function_or_method", "method", "type", "module", "ABCMeta"):
        return "for an object that the Module gets, use 'solve' in place of 'parse'"
    return "numbers, texts, lists and mappings can be kept in a log"
