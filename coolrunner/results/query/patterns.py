r"""Patterns: ``Name ~ '^res(net)?-\d+'``, in time that grows with the text and nothing else.

The regular expressions of Python, without what only backtracking can do: a pattern from anywhere cannot
hang. All states in which a match can be are followed at once (Thompson, 1968), and the sets of them that
occur are remembered (a deterministic automaton, built as far as it is needed).

There are characters and ``.``, sets ``[a-z]``, ``\d \w \s`` and their opposites, ``|``, groups ``( )``
and ``(?: )``, the repeats ``* + ? {3} {2,5}`` (lazy ones as well: it makes no difference), ``^ $ \A \Z``,
``\b \B``, and ``(?i)`` in front for letters of either case. There are no references back and no looking
around.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

__all__ = ["Pattern", "PatternError"]

_LENGTH = 1_000  # characters of a pattern
_STATES = 1_000  # of the automaton; each character of a text costs at most so many steps
_DEPTH = 20  # of groups in each other
_KNOWN = 50_000  # remembered steps
_SET = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[dDsSwWafnrtv]|[^a-zA-Z0-9])", re.DOTALL)
_REPEAT = re.compile(r"[*+?]|\{([0-9]*)(,?)([0-9]*)\}")
_COUNTS = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_WORD = re.compile(r"\w").match
# What stands for a symbol where there is no character: the end, and a line break right before it.
_END, _LAST_BREAK = "", "\n$"

Test = Callable[[str], Any]
Check = Callable[[str, str], bool]

#: Of the character before (empty at the start) and the symbol after.
_CHECKS: dict[str, Check] = {
    "^": lambda before, after: not before,
    "$": lambda before, after: after in (_END, _LAST_BREAK),
    r"\A": lambda before, after: not before,
    r"\Z": lambda before, after: after == _END,
    r"\b": lambda before, after: _is_word(before) != _is_word(after),
    r"\B": lambda before, after: _is_word(before) == _is_word(after),
}


def _is_word(symbol: str) -> bool:
    return _WORD(symbol) is not None


class PatternError(ValueError):
    """A pattern cannot be used.

    Attributes
    ----------
    place
        Where in it, from 0.
    """

    def __init__(self, message: str, place: int) -> None:
        super().__init__(message)
        self.place = place


class Pattern:
    """A pattern, ready to be looked for.

    Parameters
    ----------
    text
        The regular expression.

    Raises
    ------
    PatternError
        It is not written correctly, needs backtracking, or is too large.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._automaton = _Automaton()
        part = _Reader(text).read()
        start = self._automaton.add(part, self._automaton.state(_Accept()))
        self._steps = _Steps(self._automaton.states, start)

    def found_in(self, text: str) -> bool:
        """Whether some part of a text fits the pattern."""
        steps = self._steps
        last = _END
        if text.endswith("\n"):
            text, last = text[:-1], _LAST_BREAK
        at = steps.first
        for symbol in text:
            at = at[symbol]
            if at is steps.found:
                return True
        if last:
            at = at[last]
        return at is steps.found or at[_END] is steps.found


# --- reading ---------------------------------------------------------------------------------------


class _One(NamedTuple):
    test: Test


class _Where(NamedTuple):
    check: Check


class _All(NamedTuple):
    parts: list[Any]


class _Any(NamedTuple):
    parts: list[Any]


class _Repeat(NamedTuple):
    part: Any
    least: int
    most: int | None


class _Reader:
    """Reads a pattern by recursive descent."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.depth = 0
        self.flags = 0

    def fail(self, message: str, place: int | None = None) -> NoReturn:
        raise PatternError(message, self.place if place is None else place)

    def read(self) -> Any:
        if len(self.text) > _LENGTH:
            self.fail(f"a pattern has at most {_LENGTH:,} characters", 0)
        if self.text.startswith("(?i)"):
            self.flags, self.place = re.IGNORECASE, 4
        part = self._alternatives()
        if self.place < len(self.text):
            self.fail("this bracket closes nothing")
        return part

    def _alternatives(self) -> Any:
        parts = [self._sequence()]
        while self.text.startswith("|", self.place):
            self.place += 1
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else _Any(parts)

    def _sequence(self) -> Any:
        parts = []
        while self.place < len(self.text) and self.text[self.place] not in "|)":
            parts.append(self._repeated())
        return _All(parts)

    def _repeated(self) -> Any:
        part = self._part()
        match = _REPEAT.match(self.text, self.place)
        if match is None or match[0] in ("{}", "{,}"):
            return part
        if match[0] in _COUNTS:
            least, most = _COUNTS[match[0]]
        else:
            least = int(match[1] or 0)
            most = None if match[2] and not match[3] else int(match[3] or least)
            if max(least, most or 0) > _STATES or (most is not None and most < least):
                self.fail(f"{match[0]} is no count that can be used")
        if isinstance(part, _Where):
            self.fail("a place in the text cannot be repeated")
        self.place = match.end()
        if self.text.startswith("?", self.place):
            self.place += 1
        following = _REPEAT.match(self.text, self.place)
        if following and following[0] not in ("{}", "{,}"):
            self.fail("a repeat of a repeat needs a group, (...)")
        return _Repeat(part, least, most)

    def _part(self) -> Any:
        start = self.text[self.place]
        if start == "(":
            return self._group()
        if start in "^$" or self.text[self.place : self.place + 2] in _CHECKS:
            name = start if start in "^$" else self.text[self.place : self.place + 2]
            self.place += len(name)
            return _Where(_CHECKS[name])
        if start in "*+?":
            self.fail("there is nothing to repeat")
        if start in "[\\":
            match = (_SET if start == "[" else _ESCAPE).match(self.text, self.place)
            if match is None:
                hint = (
                    "']' is missing" if start == "[" else f"{self.text[self.place : self.place + 2]} is none"
                )
                self.fail(f"{hint}; patterns have \\d \\w \\s \\b and no references back")
            return self._one(match[0])
        return self._one("." if start == "." else re.escape(start), len(start))

    def _one(self, source: str, length: int | None = None) -> _One:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of sets that may come to mean something else
                test = re.compile(source, self.flags).match
        except re.error as error:
            self.fail(error.msg)
        self.place += len(source) if length is None else length
        return _One(test)

    def _group(self) -> Any:
        opened = self.place
        self.depth += 1
        if self.depth > _DEPTH:
            self.fail(f"groups are nested more than {_DEPTH} deep")
        self.place += 3 if self.text.startswith("(?:", opened) else 1
        if self.text.startswith("?", self.place):
            self.fail(
                "patterns do not look around or name groups; (?: ) is a group, (?i) stands in front", opened
            )
        part = self._alternatives()
        if not self.text.startswith(")", self.place):
            self.fail("this bracket is not closed", opened)
        self.place += 1
        self.depth -= 1
        return part


# --- the automaton ---------------------------------------------------------------------------------


class _Fork(NamedTuple):
    ways: list[int]


class _Accept:
    pass


class _Automaton:
    """States, each made after those that it leads to."""

    def __init__(self) -> None:
        self.states: list[Any] = []

    def state(self, state: Any) -> int:
        if len(self.states) >= _STATES:
            raise PatternError("the pattern is too large: its counts multiply", 0)
        self.states.append(state)
        return len(self.states) - 1

    def add(self, part: Any, after: int) -> int:
        """Add a part that goes on to a state, and return the state in which it begins."""
        if isinstance(part, _One):
            return self.state((part.test, after))
        if isinstance(part, _Where):
            return self.state((None, part.check, after))
        if isinstance(part, _All):
            for each in reversed(part.parts):
                after = self.add(each, after)
            return after
        if isinstance(part, _Any):
            return self.state(_Fork([self.add(each, after) for each in part.parts]))
        return self._repeat(part, after)

    def _repeat(self, part: _Repeat, after: int) -> int:
        if part.most is None:
            fork = _Fork([after])
            after = self.state(fork)
            fork.ways.append(self.add(part.part, after))
        else:
            end = after
            for _ in range(part.most - part.least):
                after = self.state(_Fork([self.add(part.part, after), end]))
        for _ in range(part.least):
            after = self.add(part.part, after)
        return after


class _At(dict[str, Any]):
    """A set of states in which a match can be, and by symbol the set that comes next."""

    __slots__ = ("before", "places", "steps")

    def __init__(self, places: frozenset[int], before: str, steps: _Steps) -> None:
        super().__init__()
        self.places = places
        self.before = before
        self.steps = steps

    def __missing__(self, symbol: str) -> _At:
        return self.steps.step(self, symbol)


class _Steps:
    """The deterministic automaton, as far as it is known."""

    def __init__(self, states: list[Any], start: int) -> None:
        self._states = states
        self._start = start
        self._known: dict[tuple[frozenset[int], str], _At] = {}
        self._count = 0
        self.found = _At(frozenset(), "", self)
        self.first = self._at(frozenset(), "")

    def _at(self, places: frozenset[int], before: str) -> _At:
        known = self._known.get((places, before))
        if known is None:
            known = self._known[places, before] = _At(places, before, self)
        return known

    def step(self, at: _At, symbol: str) -> _At:
        self._count += 1
        if self._count > _KNOWN:
            self._forget()
        following: set[int] = set()
        seen = {self._start, *at.places}  # a match can begin anywhere
        stack = list(seen)
        while stack:
            state = self._states[stack.pop()]
            if isinstance(state, _Accept):
                at[symbol] = self.found
                return self.found
            if isinstance(state, _Fork):
                ways = state.ways
            elif state[0] is None:
                ways = [state[2]] if state[1](at.before, symbol) else []
            else:
                if symbol and state[0](symbol[0]):
                    following.add(state[1])
                continue
            stack += [way for way in ways if way not in seen]
            seen.update(ways)
        # Of the character before, only whether there was one and belonged to a word is ever asked.
        before = "a" if symbol and _is_word(symbol[0]) else "."
        at[symbol] = result = self._at(frozenset(following), before)
        return result

    def _forget(self) -> None:
        for at in self._known.values():
            at.clear()
        self._known = {(self.first.places, self.first.before): self.first}
        self._count = 0
