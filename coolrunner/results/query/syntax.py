"""The grammar of questions: a text to a tree, or an error with a caret.

What a question may say stands in `coolrunner.results.query`. It is read here by recursive descent, to a
bounded depth; nothing is looked up and nothing is evaluated but dates, durations and patterns, which are
the same for every experiment.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from coolrunner.errors import nearest
from coolrunner.results.query.functions import FUNCTIONS
from coolrunner.results.query.keys import KeyPath, key_path
from coolrunner.results.query.times import ago, duration, moment
from coolrunner.results.query.tokens import Tokens
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

if TYPE_CHECKING:
    from coolrunner.results.query.patterns import Pattern

__all__ = ["parse"]

_DEPTH = 25  # of brackets and signs within each other
_CALCULATIONS = 100  # of + - * / in one question
_STEPS = 50  # of a key
_CONSTANTS = {
    "True": True,
    "False": False,
    "None": None,
    "true": True,
    "false": False,
    "null": None,
    "nan": float("nan"),
    "inf": float("inf"),
}
_COMPARE = ("==", "!=", "<", "<=", ">", ">=")
_LEVELS = (("+", "-"), ("*", "/", "//", "%"))
_CLOSING = {"(": ")", "[": "]", "{": "}"}
#: What is worked out once, when a question is read, and the text in quotes that it takes.
_ONCE = {"ago": "'3h'", "duration": "'3h'", "now": ""}


def parse(text: str, label: str, at: datetime.datetime) -> Node:
    """Return the tree of a question.

    Parameters
    ----------
    text
        The question, without space around it.
    label
        What it is called in errors.
    at
        What ``now()`` is.

    Raises
    ------
    QueryError
        It is not in the grammar.
    """
    return _Parser(text, label, at).parse()


class _Parser(Tokens):
    """A method for each line of the grammar; the loosest calls the next."""

    def __init__(self, text: str, label: str, at: datetime.datetime) -> None:
        super().__init__(text, label)
        self.now = at
        self.depth = 0
        self.calculations = 0

    def node(self, what: Any, start: int) -> Node:
        return Node(what, start, self.end)

    # --- the grammar -------------------------------------------------------------------------------

    def parse(self) -> Node:
        node = self.any()
        if self.token.kind != "end":
            self.unexpected("the end")
        return node

    def nested(self, method: Callable[[], Node]) -> Node:
        self.depth += 1
        if self.depth > _DEPTH:
            self.fail("nested too deeply", self.token.start)
        node = method()
        self.depth -= 1
        return node

    def any(self) -> Node:
        return self._logic("or", self.all)

    def all(self) -> Node:
        return self._logic("and", self.term)

    def _logic(self, word: str, part: Callable[[], Node]) -> Node:
        start = self.token.start
        parts = [part()]
        while self.take(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else self.node(Logic(word, parts), start)

    def term(self) -> Node:
        start = self.token.start
        if self.take("not"):
            return self.node(Not(self.nested(self.term)), start)
        return self.comparison()

    def comparison(self) -> Node:
        start = self.token.start
        first = last = self.sum()
        tests: list[tuple[str, Node]] = []
        while operator := self._operator():
            sign, place = operator
            if sign in ("~", "!~"):
                if tests:
                    self.refuse(
                        place, place + len(sign), "a pattern stands by itself: ... and key ~ 'pattern'"
                    )
                return self.node(Fits(first, self._pattern(), sign == "!~"), start)
            following = self._group() if sign in ("in", "not in") else self.sum()
            none = is_none(last) or is_none(following)
            if sign.startswith("is") and not none:
                self.refuse(start, following.end, "write '==' or '!='; 'is' asks for None alone")
            if none and sign not in ("==", "!=", "is", "is not"):
                self.refuse(start, following.end, "None has no order")
            if (
                isinstance(following.what, Experiment)
                and isinstance(last.what, Constant)
                and sign.endswith("in")
            ):
                present = self.node(Present(last.what.value), start)
                if not tests and self._operator(peek=True) is None:
                    return present if sign == "in" else self.node(Not(present), start)
            tests.append((sign, following))
            last = following
        return self.node(Comparison(first, tests), start) if tests else first

    def _operator(self, peek: bool = False) -> tuple[str, int] | None:
        before, place = self.place, self.token.start
        sign = self.take(*_COMPARE, "~", "!~", "in", "is", "not")
        if sign == "not":
            sign = "not in" if self.take("in") else self.unexpected("'in'")
        elif sign == "is" and self.take("not"):
            sign = "is not"
        if peek:
            self.place = before
        return (sign, place) if sign else None

    def _group(self) -> Node:
        """What stands right of ``in``: a lone text in brackets is a list of one, no text to search."""
        bracket = self.at("(")
        node = self.sum()
        if bracket and isinstance(node.what, Constant) and isinstance(node.what.value, str):
            return Node(List([node]), node.start, node.end)
        return node

    def _pattern(self) -> Pattern:
        from coolrunner.results.query.patterns import Pattern, PatternError  # few questions have one

        token = self.token
        if token.kind != "text":
            if token.kind == "end":
                self.unexpected("a pattern in quotes")
            self.refuse(token.start, token.end, "a pattern is a text in quotes: Name ~ '^res.*'")
        self.place += 1
        inner = token.inner  # a backslash is the pattern's own
        try:
            return Pattern(inner)
        except PatternError as error:
            self.fail(f"no pattern: {error}", token.end - 1 - len(inner) + error.place)

    def sum(self) -> Node:
        return self._calculation(0)

    def _calculation(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self.sign()
        start = self.token.start
        left = self._calculation(level + 1)
        while sign := self.take(*_LEVELS[level]):
            self._count_calculation()
            left = self.node(Calculation(sign, left, self._calculation(level + 1)), start)
        return left

    def _count_calculation(self) -> None:
        self.calculations += 1
        if self.calculations > _CALCULATIONS:
            self.fail(f"there are more than {_CALCULATIONS} calculations", self.token.start)

    def sign(self) -> Node:
        start = self.token.start
        sign = self.take("-", "+")
        if not sign:
            return self.power()
        value = self.nested(self.sign)
        if isinstance(value.what, Constant) and type(value.what.value) in (int, float):
            number = value.what.value
            return self.node(Constant(-number if sign == "-" else number), start)
        return self.node(Sign(sign, value), start)

    def power(self) -> Node:
        start = self.token.start
        base = self.value()
        if not self.take("**"):
            return base
        self._count_calculation()
        return self.node(Calculation("**", base, self.nested(self.sign)), start)

    def value(self) -> Node:
        node = self._plain_value()
        while self.at(".", "[", "("):
            if self.take("."):
                name = self.token
                if name.kind not in ("name", "word"):
                    self.unexpected("a key")
                self.place += 1
                calls = self.at("(")
                node = self._call(name.text, [node], node.start) if calls else self._step(node, name.text)
            elif self.at("["):
                node = self._index(node)
            else:  # a key with arguments, or the value of a function with more of them
                self.refuse(node.start, self.token.end, "a function is called by its name")
        return node

    def _plain_value(self) -> Node:
        token = self.token
        opening = self.take(*_CLOSING)
        if opening:
            return self._brackets(opening, token.start)
        if token.kind not in ("number", "text", "name"):
            self.unexpected("a value")
        self.place += 1
        if token.kind == "number":
            return self.node(Constant(self.number(token)), token.start)
        if token.kind == "text":
            return self.node(Constant(token.unquoted), token.start)
        if self.at("("):
            return self._call(token.text, [], token.start)
        if token.text == "exp":
            return self.node(Experiment(), token.start)
        if token.text in _CONSTANTS:
            return self.node(Constant(_CONSTANTS[token.text]), token.start)
        return self._key((token.text,), token.start)

    def _brackets(self, opening: str, opened: int) -> Node:
        items, comma = self._items(opening, opened)
        if opening == "(" and len(items) == 1 and not comma:
            return self.node(items[0].what, opened)
        return self.node(List(items), opened)

    def _items(self, opening: str, opened: int) -> tuple[list[Node], bool]:
        """Return what stands in brackets up to the closing one, and whether a comma is the last of it."""
        items: list[Node] = []
        comma = False
        while not self.take(_CLOSING[opening]):
            if self.token.kind == "end" or (items and not comma):
                self.need(_CLOSING[opening], opened)
            items.append(self.nested(self.any))
            comma = bool(self.take(","))
        return items, comma

    def _call(self, name: str, arguments: list[Node], start: int) -> Node:
        opened = self.token.start
        self.need("(", opened)
        if name not in FUNCTIONS and name not in ("has", *_ONCE):
            self.skip(opened)
            names = [*FUNCTIONS, "has", *_ONCE]
            close = nearest(name, names)
            hint = f"did you mean {close}()?" if close else f"there are {', '.join(names)}"
            self.refuse(start, self.end, hint)
        arguments = [*arguments, *self._items("(", opened)[0]]
        if name in _ONCE:
            return self._once(name, arguments, start)
        if name == "has":
            return self._has(arguments, start)
        function = FUNCTIONS[name]
        if not function.least <= len(arguments) <= function.most:
            self.refuse(start, self.end, f"{name}() takes {function.takes}")
        if name == "date" and isinstance(arguments[0].what, Constant):
            return self._worked_out(moment, arguments[0], start)
        return self.node(Call(name, arguments), start)

    def _once(self, name: str, arguments: list[Node], start: int) -> Node:
        example = _ONCE[name]
        if len(arguments) != bool(example) or not all(isinstance(each.what, Constant) for each in arguments):
            takes = f"a duration in quotes: {name}({example})" if example else "nothing: now()"
            self.refuse(start, self.end, f"{name}() takes {takes}")
        if name == "now":
            return self.node(Constant(self.now), start)
        work = duration if name == "duration" else lambda value: ago(value, self.now)
        return self._worked_out(work, arguments[0], start)

    def _worked_out(self, work: Callable[[Any], Any], argument: Node, start: int) -> Node:
        try:
            return self.node(Constant(work(argument.what.value)), start)
        except TypeError as error:
            self.fail(str(error), argument.start)

    def _has(self, arguments: list[Node], start: int) -> Node:
        key = arguments[0] if len(arguments) == 1 else None
        if key is not None and isinstance(key.what, Constant) and isinstance(key.what.value, str):
            key = self._key(key_path(key.what.value), key.start)
        if key is None or not isinstance(key.what, Key):
            self.refuse(start, self.end, "has() takes a key: has(ACC)")
        none = Node(Constant(None), key.start, key.end)
        return self.node(Comparison(key, [("!=", none)]), start)

    def _index(self, node: Node) -> Node:
        opened = self.token.start
        self.place += 1
        inner = self.nested(self.any) if not self.at("]") else self.unexpected("a key or an index")
        if self.at(":", ","):
            end = self.text.find("]", self.token.start)
            self.refuse(node.start, end + 1 or len(self.text), "one key in quotes, or one index")
        self.need("]", opened)
        step = inner.what.value if isinstance(inner.what, Constant) else None
        if type(step) not in (str, int):
            hint = f"a key stands in quotes: ['{self.text[inner.start : inner.end]}']"
            self.refuse(node.start, self.end, hint if isinstance(inner.what, Key) else "")
        return self._step(node, step)

    def _step(self, node: Node, step: Any) -> Node:
        if isinstance(node.what, Experiment):
            return self._key((step,), node.start)
        if isinstance(node.what, Key) and self.text[node.start] != "(":
            return self._key((*node.what.path, step), node.start)
        self.refuse(node.start, self.end, "only keys have keys in them")

    def _key(self, path: KeyPath, start: int) -> Node:
        end = self.end
        if any(str(step).startswith("__") for step in path):
            self.refuse(start, end)
        if len(path) > _STEPS:
            self.fail("nested too deeply", start)
        return Node(Key(path), start, end)
