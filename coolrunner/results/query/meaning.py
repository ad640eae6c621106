"""What a question means: its tree, made into one function.

The function is put together from small ones that are written here; no code is made from a text. It takes
the experiment, or a tuple with the values of some columns: how a key is found is all that differs.
"""

from __future__ import annotations

import operator as op
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from coolrunner.results.parts import MISSING
from coolrunner.results.query.functions import FUNCTIONS
from coolrunner.results.query.keys import KeyPath, column_of, item, lookup
from coolrunner.results.query.times import is_date, moment
from coolrunner.results.query.tree import (
    Calculation,
    Call,
    Comparison,
    Constant,
    Experiment,
    Fits,
    Key,
    List,
    Logic,
    Node,
    Not,
    Present,
    Sign,
    is_none,
)

__all__ = ["InColumns", "InExperiments", "Run", "compile_tree", "keys_of"]

#: Gives the value of a part of a question; None where it is missing.
Run = Callable[[Any], Any]
Test = Callable[[Any, Any], Any]

_COMPARE: dict[str, Test] = {"==": op.eq, "!=": op.ne, "<": op.lt, "<=": op.le, ">": op.gt, ">=": op.ge}
_ASK_NONE: dict[str, Test] = {"==": op.is_, "is": op.is_, "!=": op.is_not, "is not": op.is_not}
_ARITHMETIC: dict[str, Test] = {
    "+": op.add,
    "-": op.sub,
    "*": op.mul,
    "/": op.truediv,
    "//": op.floordiv,
    "%": op.mod,
    "**": lambda base, power: float(base) ** float(power),  # whole numbers could take all memory
}
_SIGNS: dict[str, Run] = {"-": op.neg, "+": op.pos}
_MANY = 8  # values of a list from which on a set is quicker


def keys_of(node: Node) -> tuple[list[KeyPath], bool]:
    """Return the columns that a tree looks at, in order, and whether it looks at experiments as a whole."""
    found: dict[KeyPath, None] = {}
    whole = False
    stack = [node]
    while stack:
        what = stack.pop().what
        if isinstance(what, Key):
            found[column_of(what.path)] = None
        elif isinstance(what, Present):
            found[(what.key,)] = None
        elif isinstance(what, Experiment):
            whole = True
        else:
            stack += reversed(_parts(what))
    return list(found), whole


def _parts(what: Any) -> list[Node]:
    if isinstance(what, List):
        return what.items
    if isinstance(what, Logic):
        return what.parts
    if isinstance(what, Call):
        return what.arguments
    if isinstance(what, Calculation):
        return [what.left, what.right]
    if isinstance(what, Comparison):
        return [what.first, *(node for _, node in what.tests)]
    return [what.value] if isinstance(what, (Not, Sign, Fits)) else []


class InExperiments:
    """Finds keys in nested experiments."""

    def value(self, path: KeyPath) -> Run:
        """Return a function that gives the value of a key."""
        key, *steps = path
        if not steps:
            return lambda exp: exp.get(key)
        if len(steps) == 1 and type(key) is type(steps[0]) is str:
            return self._nested(key, steps[0])

        def find(exp: Mapping[Any, Any]) -> Any:
            value = lookup(exp, path)
            return None if value is MISSING else value

        return find

    @staticmethod
    def _nested(key: str, inner: str) -> Run:
        flat = f"{key}.{inner}"

        def find(exp: Mapping[Any, Any]) -> Any:
            value = exp.get(key)
            if isinstance(value, dict) and inner in value:
                return value[inner]
            return exp.get(flat)

        return find

    def has(self, key: Any) -> Run:
        """Return a function that tells whether there is a key, at the top."""
        return lambda exp: key in exp

    def whole(self) -> Run:
        """Return a function that gives the experiment."""
        return lambda exp: exp


class InColumns:
    """Finds keys in tuples that have a value for each of some columns, `MISSING` or None for none.

    Parameters
    ----------
    columns
        The paths of the columns, from `keys_of`.
    """

    def __init__(self, columns: Sequence[KeyPath]) -> None:
        self._places = {path: place for place, path in enumerate(columns)}

    def value(self, path: KeyPath) -> Run:
        """Return a function that gives the value of a key."""
        column = column_of(path)
        place = self._places[column]
        steps = path[len(column) :]

        def find(row: Sequence[Any]) -> Any:
            value = row[place]
            return None if value is MISSING else value

        def find_inside(row: Sequence[Any]) -> Any:
            value = row[place]
            for step in steps:
                value = item(value, step)
            return value

        return find_inside if steps else find

    def has(self, key: Any) -> Run:
        """Return a function that tells whether there is a key, at the top."""
        place = self._places[(key,)]
        return lambda row: row[place] is not MISSING

    def whole(self) -> Run:
        """Refuse: a row of some columns is no experiment.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError("the question looks at experiments as a whole")


def compile_tree(node: Node, keys: InExperiments | InColumns) -> Run:
    """Return the function that a tree stands for.

    Parameters
    ----------
    node
        From `coolrunner.results.query.syntax.parse`.
    keys
        How keys are found in what the function is given.
    """
    return _Compiler(keys).run(node)


class _Compiler:
    def __init__(self, keys: InExperiments | InColumns) -> None:
        self.keys = keys
        self._methods: dict[type, Callable[[Any], Run]] = {
            Constant: lambda what: _always(what.value),
            Key: lambda what: keys.value(what.path),
            Experiment: lambda what: keys.whole(),
            Present: lambda what: keys.has(what.key),
            List: self._list,
            Logic: self._logic,
            Not: self._not,
            Comparison: self._comparison,
            Fits: self._fits,
            Calculation: self._calculation,
            Sign: self._sign,
            Call: self._call,
        }

    def run(self, node: Node) -> Run:
        return self._methods[type(node.what)](node.what)

    def _list(self, what: List) -> Run:
        if all(isinstance(node.what, Constant) for node in what.items):
            return _always([node.what.value for node in what.items])
        items = [self.run(node) for node in what.items]
        return lambda exp: [run(exp) for run in items]

    def _logic(self, what: Logic) -> Run:
        parts = [self.run(node) for node in what.parts]
        first, second, *more = parts
        if what.word == "and":
            if not more:
                return lambda exp: True if first(exp) and second(exp) else False  # noqa: SIM210 - quicker
            return lambda exp: all(part(exp) for part in parts)
        return lambda exp: any(part(exp) for part in parts)

    def _not(self, what: Not) -> Run:
        value = self.run(what.value)
        return lambda exp: not value(exp)

    def _comparison(self, what: Comparison) -> Run:
        sides = [what.first, *(node for _, node in what.tests)]
        signs = [sign for sign, _ in what.tests]
        tests = [self._test(*three) for three in zip(signs, sides, sides[1:], strict=False)]
        return tests[0] if len(tests) == 1 else lambda exp: all(test(exp) for test in tests)

    def _test(self, sign: str, first: Node, second: Node) -> Run:
        left, right = self.run(first), self.run(second)
        if is_none(first) or is_none(second):
            asks = _ASK_NONE[sign]
            return lambda exp: asks(left(exp), right(exp))
        if sign in ("in", "not in"):
            return _membership(sign, left, right, _constants(second))
        test = _COMPARE[sign]
        if isinstance(second.what, Constant):
            return _with_constant(test, left, second.what.value)

        def compare(exp: Any) -> Any:
            a, b = left(exp), right(exp)
            return a is not None and b is not None and _compare(test, a, b)

        return compare

    def _fits(self, what: Fits) -> Run:
        value, found_in, negated = self.run(what.value), what.pattern.found_in, what.negated

        def fits(exp: Any) -> Any:
            text = value(exp)
            if type(text) is str:
                return found_in(text) is not negated
            if text is None:
                return False
            raise TypeError(f"a pattern is looked for in texts, and {text!r} is none; str(...) makes one")

        return fits

    def _calculation(self, what: Calculation) -> Run:
        sign, apply = what.sign, _ARITHMETIC[what.sign]
        left, right = self.run(what.left), self.run(what.right)

        def calculate(exp: Any) -> Any:
            a, b = left(exp), right(exp)
            if a is None or b is None:
                return None
            if not (isinstance(a, (int, float)) and isinstance(b, (int, float))) and not (
                sign == "+" and type(a) is type(b) and isinstance(a, (str, list))
            ):
                raise TypeError(f"{a!r} and {b!r} are not both numbers")  # no text times a million
            return apply(a, b)

        return calculate

    def _sign(self, what: Sign) -> Run:
        value, apply = self.run(what.value), _SIGNS[what.sign]
        return lambda exp: None if (number := value(exp)) is None else apply(number)

    def _call(self, what: Call) -> Run:
        apply = FUNCTIONS[what.name].apply
        values = [self.run(node) for node in what.arguments]

        def call(exp: Any) -> Any:
            given = [value(exp) for value in values]
            return None if any(value is None for value in given) else apply(*given)

        return call


def _always(value: Any) -> Run:
    return lambda exp: value


def _with_constant(test: Test, left: Run, constant: Any) -> Run:
    if isinstance(constant, str):

        def compare_text(exp: Any) -> Any:
            a = left(exp)
            if type(a) is str:
                return test(a, constant)
            return a is not None and _compare(test, a, constant)

        return compare_text

    if is_date(constant):
        return lambda exp: (a := left(exp)) is not None and _compare(test, a, constant)

    def compare(exp: Any) -> Any:
        a = left(exp)
        return a is not None and test(a, constant)

    return compare


def _compare(test: Test, a: Any, b: Any) -> Any:
    """Compare two values; as moments, where one of them is a date."""
    if is_date(b) or is_date(a):
        try:
            return test(moment(a), moment(b))
        except TypeError:
            if test in (op.eq, op.ne):
                return test is op.ne
            raise
    return test(a, b)


def _constants(node: Node) -> list[Any] | None:
    if isinstance(node.what, List) and all(isinstance(part.what, Constant) for part in node.what.items):
        return [part.what.value for part in node.what.items]
    return None


def _membership(sign: str, left: Run, right: Run, constants: list[Any] | None) -> Run:
    wanted = sign == "in"
    dated = constants is not None and any(map(is_date, constants))
    quick = frozenset(constants) if constants and len(constants) >= _MANY and not dated else None

    def member(exp: Any) -> Any:
        a = left(exp)
        if quick is not None and type(a) in (str, int):
            return (a in quick) is wanted
        group = right(exp)
        if a is None or group is None:
            return False
        if isinstance(group, list) and (
            dated or is_date(a) or (constants is None and any(map(is_date, group)))
        ):
            return any(_compare(op.eq, a, each) for each in group) is wanted
        return (a in group) is wanted

    return member
