"""What a document is made into before its experiments: expressions compiled, the rest read-only.

A document is looked through once, into a `Template`. What holds no expression is shared by all copies
of the document, so that an experiment costs its keys and its expressions, not its size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from coolrunner.definition.documents import Definition
from coolrunner.definition.expressions import Expression, compile_expression
from coolrunner.definition.problems import Problems, dotted
from coolrunner.experiment import ReadOnlyDict, ReadOnlyList

__all__ = [
    "BROKEN",
    "MARK",
    "SOLVE_MARK",
    "SWEEP",
    "Broken",
    "Cascade",
    "ListTemplate",
    "Swept",
    "Template",
    "Templates",
    "change_template",
    "holds_broken",
    "make_templates",
    "marked",
    "part_of",
    "refuse_code",
]

#: What a string begins with that is an expression, evaluated when the definition is read.
MARK = "parse "
#: What a string begins with that is resolved right before the experiment runs.
SOLVE_MARK = "solve "
#: The key of what an experiment's document varies, which is no part of any experiment.
SWEEP = "Sweep"

Steps = tuple[Any, ...]


class Template(dict[Any, Any]):
    """A mapping of a document, or its values: constants are read-only, the rest is to be evaluated.

    Values are constants, `Expression`, `Template`, `ListTemplate`, `Swept` or `Broken`.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False)
class ListTemplate:
    """A list with expressions in it."""

    items: tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Swept:
    """Stands for the value that a combination of a sweep has at a path."""

    path: Steps


class Broken:
    """Stands for a value whose expression cannot be evaluated; the error has been noted.

    Whatever touches it fails with `Cascade`, which is no further error: one mistake, one message.
    """

    __slots__ = ()

    def _cascade(self, *_: Any, **__: Any) -> NoReturn:
        raise Cascade

    __getattr__ = __getitem__ = __call__ = __iter__ = __len__ = __bool__ = __contains__ = _cascade
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _cascade
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __neg__ = __abs__ = _cascade
    __lt__ = __le__ = __gt__ = __ge__ = __int__ = __float__ = __index__ = __round__ = _cascade
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __format__ = __reversed__ = _cascade
    __eq__ = __ne__ = __hash__ = __str__ = __repr__ = _cascade


class Cascade(BaseException):
    """An expression met a `Broken` value; no `except Exception` on the way may take it for its own."""


BROKEN = Broken()


def holds_broken(value: Any) -> bool:
    """Whether a resolved value, or a part of it, could not be evaluated."""
    if isinstance(value, dict):
        return any(map(holds_broken, value.values()))
    return value is BROKEN or (isinstance(value, list) and any(map(holds_broken, value)))


@dataclass(slots=True)
class Templates:
    """The templates of a definition.

    Attributes
    ----------
    default, experiments
        Of the default config, and of each experiment's document in order.
    used
        The names that expressions mention, ``solve`` ones among them.
    needs_past
        Whether a ``solve`` expression mentions ``E``, or may do so.
    """

    default: Template = field(default_factory=Template)
    experiments: list[Template] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    needs_past: bool = False


def make_templates(definition: Definition, problems: Problems) -> Templates:
    """Make the template of each document; expressions that are no Python are noted in `problems`."""
    made = Templates()
    made.default = _Maker(definition, 0, made, problems).mapping(definition.default)
    for number, mapping in enumerate(definition.experiments, start=1):
        made.experiments.append(_Maker(definition, number, made, problems).mapping(mapping))
    for template in (made.default, *made.experiments):
        template.pop(SWEEP, None)
    return made


def change_template(definition: Definition, known: Any, problems: Problems) -> Templates:
    """Make the template of the one experiment of a definition, in which a person has changed `known`.

    Texts that are as they were had been evaluated, and are not looked at again.
    """
    made = Templates()
    made.experiments.append(
        _Maker(definition, 1, made, problems).mapping(definition.experiments[0], (), known)
    )
    return made


class _Maker:
    """Makes the template of one document."""

    def __init__(self, definition: Definition, number: int, made: Templates, problems: Problems) -> None:
        self._definition = definition
        self._number = number
        self._made = made
        self._problems = problems

    def mapping(self, value: Mapping[Any, Any], path: Steps = (), known: Any = None) -> Template:
        template = Template()
        for key, item in value.items():
            template[key] = self._value(item, (*path, key), part_of(known, key))
        return template

    def _value(self, value: Any, path: Steps, known: Any) -> Any:
        if isinstance(value, str):
            if value == known:
                return value
            if value.startswith(MARK):
                return self._compiled(value, MARK, path) or BROKEN
            if value.startswith(SOLVE_MARK):
                self._compiled(value, SOLVE_MARK, path)
            return value
        if isinstance(value, dict):
            template = self.mapping(value, path, known)
            return template if any(map(_evaluated, template.values())) else ReadOnlyDict(template)
        if isinstance(value, list):
            items = [self._value(item, (*path, i), part_of(known, i)) for i, item in enumerate(value)]
            return ListTemplate(tuple(items)) if any(map(_evaluated, items)) else ReadOnlyList(items)
        return value

    def _compiled(self, value: str, mark: str, path: Steps) -> Expression | None:
        text = value[len(mark) :]
        try:
            expression = compile_expression(text)
        except SyntaxError as error:
            skip = len(mark) + (error.offset or 1 + len(text) - len(text.lstrip())) - 1
            hint = f"a text that begins with '{mark}' is taken for a Python expression"
            message = f"in {dotted(path)}: not a valid expression: {error.msg}"
            problem = self._definition.problem(self._number, path, message, hint, skip=skip)
            if re.search(rf"{re.escape(text)}\s+#", problem.line):
                hint = "YAML takes what follows ' #' for a comment; put quotes around the whole value"
                problem = replace(problem, hint=hint)
            self._problems.add(problem)
            return None
        self._made.used.update(expression.names)
        # A `parse` expression may make the text of a `solve` one, with whatever is in that.
        asks = "E" in expression.names if mark == SOLVE_MARK else SOLVE_MARK in expression.text
        self._made.needs_past |= asks
        if expression.doubt:
            message = f"in {dotted(path)}: {expression.doubt}"
            self._problems.warn(self._definition.problem(self._number, path, message, skip=len(mark)))
        return expression


def _evaluated(value: Any) -> bool:
    return isinstance(value, (Expression, Template, ListTemplate, Broken))


def marked(value: Any, mark: str, path: Steps = (), known: Any = None) -> Iterator[tuple[Steps, str]]:
    """Yield path and text of each string in plain data that begins with a mark, and is not `known`."""
    if isinstance(value, str):
        if value.startswith(mark) and value != known:
            yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from marked(item, mark, (*path, key), part_of(known, key))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from marked(item, mark, (*path, place), part_of(known, place))


def part_of(value: Any, step: Any) -> Any:
    """Return what stands at a key or a place of plain data; None where nothing does."""
    if isinstance(value, Mapping):
        return value.get(step)
    inside = isinstance(value, list) and isinstance(step, int) and step < len(value)
    return value[step] if inside else None


def refuse_code(definition: Definition, number: int, problems: Problems, known: Any = None) -> None:
    """Note every expression of a document as one that is refused, but for texts that are `known`."""
    mapping = definition.experiments[number - 1] if number else definition.default
    for mark in (MARK, SOLVE_MARK):
        for path, text in marked(mapping, mark, (), known):
            problems.add(definition.problem(number, path, f"an expression, refused by --no-code: {text}"))
