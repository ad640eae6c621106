"""Expressions in a sweep: lists that are computed, and combinations that are left out.

They are evaluated before anything is varied, so that they know less than those of an experiment: what it
and the default config say without an expression, imports, Python's builtins, and for ``exclude`` what a
combination sets.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from coolrunner.definition.expressions import BUILTINS, Expression, Imports, compile_expression
from coolrunner.definition.sweeps.sweep import Point, Space
from coolrunner.definition.templates import MARK, Broken, ListTemplate, Template
from coolrunner.errors import NotPlainError, nearest
from coolrunner.experiment import ReadOnlyDict, freeze
from coolrunner.yamlio import to_plain

__all__ = ["Constants", "SweepCodeError", "SweepSyntaxError", "kept_of"]

_UNSETTLED = (Expression, Template, ListTemplate, Broken)


class SweepCodeError(ValueError):
    """An expression of a sweep cannot be evaluated.

    Attributes
    ----------
    message, hint
        What is wrong, and how to mend it.
    place
        How many characters into the expression.
    """

    def __init__(self, message: str, hint: str = "", place: int = 0) -> None:
        super().__init__(message)
        self.message, self.hint, self.place = message, hint, place


class SweepSyntaxError(SweepCodeError):
    """An expression of a sweep is no Python."""


class Constants:
    """What the expressions of a sweep know by name.

    Parameters
    ----------
    own, default
        The templates of the document and of the default config.
    imports
        What ``Global.imports`` names.
    """

    def __init__(self, own: Template, default: Template, imports: Imports) -> None:
        self._all = {**default, **own}
        self._imports = imports

    def value(self, text: str) -> Any:
        """Return the plain data that an expression gives, its mark left out; a range becomes a list.

        Raises
        ------
        SweepCodeError
            It cannot be evaluated, or gives something else.
        """
        expression = compiled(text.removeprefix(MARK))
        names = {name: self.known(name, expression) for name in expression.names if self.has(name)}
        self.check(expression, ())
        try:
            found = expression.evaluate(names)
            return freeze(to_plain(list(found) if isinstance(found, range) else found))
        except NotPlainError as error:
            words = str(error).removesuffix(" is no plain data")
            raise SweepCodeError(f"the expression gives no plain data: {words}") from None
        except Exception as error:
            raise SweepCodeError(f"the expression raises {_words(error)}") from None

    def has(self, name: str) -> bool:
        """Whether a name stands for something that this study says."""
        return name in self._all or name in self._imports

    def known(self, name: str, expression: Expression) -> Any:
        """Return what a name stands for.

        Raises
        ------
        SweepCodeError
            It is not settled yet, or cannot be imported.
        """
        if name not in self._all:
            try:
                return self._imports.get(name)
            except Exception as error:
                raise SweepCodeError(f"{name} cannot be imported: {_words(error)}") from None
        value = self._all[name]
        if isinstance(value, _UNSETTLED):
            message = f"{name} has expressions, which are evaluated for each combination, later than this one"
            raise SweepCodeError(message, f"write out what {name} is", _place_of(name, expression))
        return value

    def settled(self, name: str) -> Any:
        """Return a mapping without what is not settled yet in it; None for what is none."""
        return _settled(self._all.get(name))

    def check(self, expression: Expression, varied: Sequence[str]) -> None:
        """Raise for a name that nothing stands for."""
        for name in expression.names:
            if not self.has(name) and name not in BUILTINS and name not in varied:
                close = nearest(name, [*varied, *map(str, self._all), *self._imports])
                hint = f"did you mean {close}?" if close else ""
                message = f"the name {name!r} is not known here"
                raise SweepCodeError(message, hint, _place_of(name, expression))


def _settled(value: Any) -> Any:
    if type(value) is Template:
        return {key: _settled(item) for key, item in value.items() if _is_settled(item)}
    return value if _is_settled(value) else None


def _is_settled(value: Any) -> bool:
    return type(value) is Template or not isinstance(value, _UNSETTLED)


def compiled(text: str) -> Expression:
    """Return a compiled expression.

    Raises
    ------
    SweepSyntaxError
        It is no Python.
    """
    try:
        return compile_expression(text)
    except SyntaxError as error:
        message = f"not a valid expression: {error.msg}"
        raise SweepSyntaxError(message, "", (error.offset or 1) - 1) from None


def kept_of(space: Space, text: str, constants: Constants) -> Sequence[int]:
    """Return the numbers of the combinations that an ``exclude`` leaves.

    Raises
    ------
    SweepCodeError
        The expression cannot be evaluated.
    """
    expression = compiled(text)
    varied = {path[0] for path in space.paths}
    constants.check(expression, sorted(map(str, varied)))
    simple = [(name, (name,)) for name in expression.names if (name,) in space.paths]
    nested = [name for name in expression.names if name in varied and (name,) not in space.paths]
    fixed = {
        name: constants.known(name, expression)
        for name in expression.names
        if name not in varied and constants.has(name)
    }
    bases = {name: constants.settled(name) for name in nested}
    numbers = array("Q")
    for number in range(space.size):
        point = space.point(number)
        names = dict(fixed)
        for name, path in simple:
            if path in point:
                names[name] = point[path]
            elif constants.has(name):
                names[name] = constants.known(name, expression)
        for name in nested:
            names[name] = _with_leaves(bases[name], name, point)
        try:
            if not expression.evaluate(names):
                numbers.append(number)
        except NameError as error:
            hint = f"not every alternative sets {error.name}" if error.name in varied else ""
            raise SweepCodeError(f"{_words(error)}, in {_told(point)}", hint) from None
        except Exception as error:
            raise SweepCodeError(f"the expression raises {_words(error)}, in {_told(point)}") from None
    return numbers


def _with_leaves(base: Any, name: str, point: Point) -> ReadOnlyDict:
    """Return a mapping in which what a combination sets below a name has its value."""
    made: dict[Any, Any] = _opened(base)
    for path, value in point.items():
        if path[0] != name or len(path) == 1:
            continue
        inner = made
        for step in path[1:-1]:
            inner[step] = _opened(inner.get(step))
            inner = inner[step]
        inner[path[-1]] = value
    frozen: ReadOnlyDict = freeze(made)
    return frozen


def _opened(value: Any) -> dict[Any, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _told(point: Point) -> str:
    from coolrunner.definition.problems import dotted
    from coolrunner.definition.sweeps.sweep import value_text

    return " ".join(f"{dotted(path)}={value_text(value)}" for path, value in point.items())


def _place_of(name: str, expression: Expression) -> int:
    return max(expression.text.find(name), 0)


def _words(error: BaseException) -> str:
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
