"""The little language of filters and sorts: ``ACC > 0.9 and model in ['vgg', 'wrn']``.

An expression looks at one experiment. It is written like Python, and is not Python: only what stands
here exists, so that a text from anywhere can do no harm. Loosest first::

    any     = all ("or" all)*
    all     = term ("and" term)*
    term    = "not" term | sum (compare sum)*          0.5 < ACC <= 0.9
    compare = "==" "!=" "<" "<=" ">" ">=" "in" "not in", and "is" "is not" before None
    sum     = values joined with + - * / // % **, brackets and signs as usual
    value   = key ("." key | "[" 'key' or index "]")*  ACC, optimizer.lr, layers[-1]
            | "exp"                                    all the keys: 'ACC' in exp, exp['odd key']
            | number | 'text' | True False None        as in YAML too: true false null nan inf
            | "[" sum, ... "]"                         (a, b) and {a, b} are lists as well
            | function "(" sum, ... ")"                abs float int len max min round str sum,
            | value "." function "(" sum, ... ")"      and of texts: endswith lower startswith upper

A key that an experiment lacks, or that is null, is *missing*. Every comparison with it is false, and so
is the key alone, so that ``not``, ``and`` and ``or`` keep their sense; arithmetic and functions of it
are missing again. Only ``ACC == None`` and ``ACC != None`` ask whether it is missing. Comparing what has
no order (a text with a number) is an error. ``~`` is kept for patterns and means nothing yet.
"""

from __future__ import annotations

import ast
import contextlib
import keyword
import operator as op
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from coolrunner.errors import Position, Problem, QueryError, nearest

__all__ = ["KeyPath", "Query", "item", "parse_query"]

KeyPath = tuple[Any, ...]
Evaluate = Callable[[Mapping[Any, Any]], Any]
Binary = Callable[[Any, Any], Any]

_TEXT = ("endswith", "lower", "startswith", "upper")
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function for function in (abs, float, int, len, max, min, round, str, sum)
} | {name: getattr(str, name) for name in _TEXT}
_CONSTANTS = {"true": True, "false": False, "null": None, "nan": float("nan"), "inf": float("inf")}
_ARITHMETIC: dict[type[ast.operator], Binary] = {
    ast.Add: op.add,
    ast.Sub: op.sub,
    ast.Mult: op.mul,
    ast.Div: op.truediv,
    ast.FloorDiv: op.floordiv,
    ast.Mod: op.mod,
    ast.Pow: lambda base, power: float(base) ** float(power),  # integers could take all memory
}
_COMPARE: dict[type[ast.cmpop], Binary] = {
    ast.Eq: op.eq,
    ast.NotEq: op.ne,
    ast.Lt: op.lt,
    ast.LtE: op.le,
    ast.Gt: op.gt,
    ast.GtE: op.ge,
    ast.In: lambda value, group: value in group,
    ast.NotIn: lambda value, group: value not in group,
}
_COMPARE_NONE = {ast.Eq: op.is_, ast.Is: op.is_, ast.NotEq: op.is_not, ast.IsNot: op.is_not}
_SIGNS: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.USub: op.neg, ast.UAdd: op.pos}
_RESERVED = {*keyword.kwlist} - {"and", "or", "not", "in", "is", "True", "False", "None"}


@dataclass(frozen=True, slots=True)
class Query:
    """A compiled expression: the keys that it looks at, step by step, and its value (None where missing)."""

    paths: frozenset[KeyPath]
    evaluate: Evaluate


def parse_query(text: str, label: str = "expression") -> Query:
    """Compile an expression.

    Parameters
    ----------
    text
        The expression.
    label
        What it is called in errors, such as ``--filter``.

    Raises
    ------
    QueryError
        It is not in the grammar; a caret shows the place.
    """
    compiler = _Compiler(text.strip(), label)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes in texts
            tree = ast.parse(compiler.text, mode="eval")
        evaluate = compiler.compile(tree.body)
    except SyntaxError as error:
        words = [word for word in re.findall(r"\w+", text) if word in _RESERVED]
        hint = f"a key named {words[0]!r} is written exp[{words[0]!r}]" if words else ""
        hint = hint or ("'==' compares" if re.search(r"[^=<>!]=[^=]", text) else "")
        compiler.fail(error.msg, error.lineno or 1, error.offset or len(text) + 1, hint)
    except (ValueError, RecursionError, MemoryError) as error:
        compiler.fail(str(error) or "nested too deeply", 1, 1)
    return Query(frozenset(compiler.paths), evaluate)


def item(value: Any, step: Any) -> Any:
    """Return what stands under a key or an index of plain data; None where there is nothing."""
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, (list, str)) and type(step) is int and -len(value) <= step < len(value):
        return value[step]
    return None


class _Compiler:
    """Turns syntax trees into functions of an experiment; a node without a method here is refused."""

    def __init__(self, text: str, label: str) -> None:
        self.text = text
        self.label = label
        self.paths: set[KeyPath] = set()

    def fail(self, message: str, line: int, column: int, hint: str = "") -> NoReturn:
        shown = [*self.text.split("\n"), ""][line - 1]
        raise QueryError(str(Problem(message, Position(self.label, 0, column), shown, hint))) from None

    def refuse(self, node: ast.expr, hint: str = "") -> NoReturn:
        line = self.text.split("\n")[node.lineno - 1]
        column = len(line.encode()[: node.col_offset].decode()) + 1  # Python counts bytes
        self.fail(f"{ast.get_source_segment(self.text, node)} is not allowed here", node.lineno, column, hint)

    def compile(self, node: ast.expr) -> Evaluate:
        if path := _path_of(node):
            return self._key(node, path)
        method: Callable[[Any], Evaluate] | None = getattr(self, f"_{type(node).__name__}", None)
        return method(node) if method else self.refuse(node)

    def _key(self, node: ast.expr, path: KeyPath) -> Evaluate:
        if any(str(step).startswith("__") for step in path):
            self.refuse(node)
        if path == ("exp",):
            return lambda exp: exp
        if len(path) == 1 and path[0] in _CONSTANTS:
            constant = _CONSTANTS[path[0]]
            return lambda exp: constant
        path = path[1:] if path[0] == "exp" else path
        self.paths.add(path)
        key, *steps = path
        if not steps:
            return lambda exp: exp.get(key)

        def nested(exp: Mapping[Any, Any]) -> Any:
            value = exp.get(key)
            for step in steps:
                value = item(value, step)
            return value

        return nested

    def _Constant(self, node: ast.Constant) -> Evaluate:
        value = node.value
        if not isinstance(value, (str, int, float, type(None))):
            self.refuse(node)
        return lambda exp: value

    def _List(self, node: ast.List | ast.Tuple | ast.Set) -> Evaluate:
        items = [self.compile(part) for part in node.elts]
        return lambda exp: [evaluate(exp) for evaluate in items]

    _Tuple = _Set = _List

    def _BoolOp(self, node: ast.BoolOp) -> Evaluate:
        parts = [self.compile(part) for part in node.values]
        together = all if isinstance(node.op, ast.And) else any
        return lambda exp: together(part(exp) for part in parts)

    def _UnaryOp(self, node: ast.UnaryOp) -> Evaluate:
        value = self.compile(node.operand)
        if isinstance(node.op, ast.Not):
            return lambda exp: not value(exp)
        sign = _SIGNS.get(type(node.op)) or self.refuse(node, "write 'not'")
        return lambda exp: None if (number := value(exp)) is None else sign(number)

    def _BinOp(self, node: ast.BinOp) -> Evaluate:
        kind = type(node.op)
        hint = "write 'and', 'or'" if kind in (ast.BitAnd, ast.BitOr) else ""
        apply = _ARITHMETIC.get(kind) or self.refuse(node, hint)
        left, right = self.compile(node.left), self.compile(node.right)

        def calculate(exp: Mapping[Any, Any]) -> Any:
            a, b = left(exp), right(exp)
            if a is None or b is None:
                return None
            if kind is not ast.Add and not (isinstance(a, (int, float)) and isinstance(b, (int, float))):
                raise TypeError(f"{a!r} and {b!r} are not both numbers")  # no text times a million
            return apply(a, b)

        return calculate

    def _Compare(self, node: ast.Compare) -> Evaluate:
        sides = [node.left, *node.comparators]
        tests = [self._test(node, *three) for three in zip(node.ops, sides, sides[1:], strict=False)]
        return tests[0] if len(tests) == 1 else lambda exp: all(test(exp) for test in tests)

    def _test(self, node: ast.Compare, sign: ast.cmpop, first: ast.expr, second: ast.expr) -> Evaluate:
        left, right = self.compile(first), self.compile(second)
        if _is_none(first) or _is_none(second):
            asks = _COMPARE_NONE.get(type(sign)) or self.refuse(node, "None has no order")
            return lambda exp: asks(left(exp), right(exp))
        test = _COMPARE.get(type(sign)) or self.refuse(node, "write '==' or '!='; 'is' asks for None alone")

        def compare(exp: Mapping[Any, Any]) -> Any:
            a, b = left(exp), right(exp)
            return a is not None and b is not None and test(a, b)

        return compare

    def _Call(self, node: ast.Call) -> Evaluate:
        arguments = list(node.args)
        name = getattr(node.func, "id", "")
        if isinstance(node.func, ast.Attribute):
            name = node.func.attr
            arguments.insert(0, node.func.value)
        if name not in _FUNCTIONS or node.keywords:
            close = nearest(name, _FUNCTIONS.keys() - {name})
            self.refuse(node, f"did you mean {close}()?" if close else f"there are {', '.join(_FUNCTIONS)}")
        function, values = _FUNCTIONS[name], [self.compile(argument) for argument in arguments]

        def call(exp: Mapping[Any, Any]) -> Any:
            given = [value(exp) for value in values]
            if name in _TEXT and not all(isinstance(value, (str, type(None))) for value in given):
                raise TypeError(f"{name}() takes texts, not {given!r}")
            return None if any(value is None for value in given) else function(*given)

        return call


def _is_none(node: ast.expr) -> bool:
    return (isinstance(node, ast.Constant) and node.value is None) or getattr(node, "id", "") == "null"


def _path_of(node: ast.expr) -> KeyPath:
    """Return the steps of a chain such as ``optimizer.betas[0]``; none for anything else."""
    if isinstance(node, ast.Name):
        return (node.id,)
    step: Any = None
    if isinstance(node, ast.Attribute):
        step = node.attr
    elif isinstance(node, ast.Subscript):
        with contextlib.suppress(ValueError):
            step = ast.literal_eval(node.slice)
    before = _path_of(node.value) if isinstance(step, (str, int)) else ()  # type: ignore[attr-defined]
    return (*before, step) if before else ()
