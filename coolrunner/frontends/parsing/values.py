"""Values of arguments to what ``params.yaml`` holds, and back to what they were.

What YAML can hold stays what it is: the text ``1`` is not the number. A value that has no plain form (a
device, a member of an enumeration, an open file) is recorded as the text that its argument was read from,
and read again from that by the argument's type.
"""

from __future__ import annotations

import argparse
import contextlib
import enum
import json
import math
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from coolrunner.frontends.parsing.types import truth
from coolrunner.yamlio import to_plain

__all__ = ["Recorder", "restored", "same"]

_PLAIN = frozenset({type(None), bool, int, float, str})
_MANY = (argparse.ONE_OR_MORE, argparse.ZERO_OR_MORE, argparse.REMAINDER)
_NUMBERS = (bool, int, float, complex)
_CHOICES_LIMIT = 1000  # members of an argument's choices that are looked through


class Recorder:
    """Knows the texts from which values without a plain form were read."""

    def __init__(self) -> None:
        # The values are kept as well: an identity is theirs as long as they live.
        self._texts: dict[int, tuple[Any, str]] = {}

    def note(self, value: Any, text: str) -> None:
        """Remember that an argument's type made `value` of `text`."""
        if type(value) not in _PLAIN:
            self._texts[id(value)] = value, text

    def record(self, value: Any) -> Any:
        """Return a value as plain data."""
        if isinstance(value, (list, tuple)):
            return [self.record(item) for item in value]
        if isinstance(value, (set, frozenset)):
            items = [self.record(item) for item in value]
            try:
                return sorted(items)
            except TypeError:
                return sorted(items, key=repr)
        if type(value) is dict:
            return {to_plain(key, _described): self.record(item) for key, item in value.items()}
        known = self._texts.get(id(value))
        # The value of an enumeration's member is often not what its type reads, while numpy's numbers are
        # better numbers in a table, and a path that was completed is better as it is.
        if known is not None and (isinstance(value, enum.Enum) or not _has_plain_form(value)):
            return to_plain(known[1])
        return to_plain(value, _described)


def restored(
    parser: argparse.ArgumentParser,
    actions: Sequence[argparse.Action],
    value: Any,
    recorder: Recorder,
    by_hand: bool,
) -> Any:
    """Return the value of an argument from what a file holds for it.

    Parameters
    ----------
    parser
        Whose argument it is.
    actions
        Those that set it, at least one.
    value
        From the file: plain data.
    recorder
        Remembers what is read from a text here.
    by_hand
        Whether a person wrote the file: then a text is read by the argument's type, as on the command
        line. What a run has recorded is what it was.

    Raises
    ------
    argparse.ArgumentError
        The argument does not take it.
    """
    back = _Back(parser, actions, recorder, by_hand)
    result = back.value(value)
    back.check(result, value)
    return result


class _Back:
    """The way back to the value of one argument."""

    def __init__(
        self,
        parser: argparse.ArgumentParser,
        actions: Sequence[argparse.Action],
        recorder: Recorder,
        by_hand: bool,
    ) -> None:
        self._parser = parser
        self._actions = actions
        self._action = next((action for action in actions if action.type is not None), actions[0])
        self._recorder = recorder
        self._by_hand = by_hand
        nargs = self._action.nargs
        #: How many lists there are around a single value.
        self._depth = (nargs in _MANY or (isinstance(nargs, int) and nargs > 0)) + _appends(self._action)

    def value(self, value: Any) -> Any:
        """Return the whole value."""
        original = self._original(value)
        if original is not None:
            return original
        if self._by_hand and self._depth == 1:
            value = self._listed(value)
        return self._nested(value, self._depth)

    def check(self, result: Any, value: Any) -> None:
        """Hold what was read from `value` against the choices; a default need not be one of them."""
        if self._action.choices is None:
            return
        if not any(same(self._recorder.record(each.default), value) for each in self._actions):
            self._check_nested(result, self._depth)

    def _check_nested(self, value: Any, depth: int) -> None:
        if depth and isinstance(value, list):
            for item in value:
                self._check_nested(item, depth - 1)
        elif value is not None:
            self._parser._check_value(self._action, value)

    def _listed(self, value: Any) -> Any:
        if value is None:
            return None
        values = value if isinstance(value, list) else [value]
        nargs = self._action.nargs
        if isinstance(nargs, int) and nargs not in (0, len(values)):
            raise argparse.ArgumentError(
                self._action, f"expected {nargs} argument{'s' if nargs > 1 else ''}, not {len(values)}"
            )
        return values

    def _nested(self, value: Any, depth: int) -> Any:
        if depth and isinstance(value, list):
            return [self._nested(item, depth - 1) for item in value]
        return self._single(value)

    def _single(self, value: Any) -> Any:
        """Return what stands for a value within no list, or within those that its argument makes."""
        original = self._original(value)
        if original is not None:
            return original
        action = self._action
        kind = action.type
        if action.nargs == 0:
            # A flag, a constant or a count.
            return self._flag(value) if isinstance(action.const, bool) and self._by_hand else value
        if value is None or kind is None or type(value) is kind:
            return value
        if kind is float and type(value) is int:
            return float(value)
        if not self._by_hand:
            return self._as_it_was(value)
        return value if isinstance(value, (list, dict)) else self._read(str(value))

    def _flag(self, value: Any) -> Any:
        try:
            return truth(str(value))
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentError(self._action, str(error)) from None

    def _as_it_was(self, value: Any) -> Any:
        """Return what has `value` for its record.

        What the type reads is taken where its record proves it, so that the text "1" which
        ``type=json.loads`` once gave does not become a number.
        """
        sure = self._action.type in _NUMBERS and isinstance(value, str)
        is_readable = False
        for text in _texts(value):
            try:
                read = self._read(text)
            except Exception:  # a type may raise anything over a text that is not for it
                continue
            if sure:
                return read  # the number is only in quotes: a person has been at the file
            if same(self._recorder.record(read), value):
                return value if _is_plain(read) else read
            is_readable = True
            if isinstance(value, str):
                break
        if isinstance(value, str) and not is_readable:
            name = "/".join(self._action.option_strings) or self._action.dest
            text = f"warning: {name}: its type does not read the recorded {value!r}, which stays a text\n"
            sys.stderr.write(text)
        return value

    def _read(self, text: str) -> Any:
        read = self._parser._get_value(self._action, text)
        self._recorder.note(read, text)
        return read

    def _original(self, value: Any) -> Any:
        """Return the default, constant or choice that has no plain form and whose record `value` is."""
        if value is None:
            return None
        for action in self._actions:
            for candidate in (action.default, action.const, *_choices(action)):
                if not _is_plain(candidate) and same(self._recorder.record(candidate), value):
                    return candidate
        return None


def same(one: Any, other: Any) -> bool:
    """Whether two pieces of plain data are equal and of the same types; NaN equals NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts from which a value of this record may have been read, the likeliest first."""
    if isinstance(value, list):
        items = [str(item) for item in value]
        yield from (",".join(items), " ".join(items), str(value), str(tuple(value)))
    else:
        yield str(value)
        if isinstance(value, str):
            yield json.dumps(value)


def _choices(action: argparse.Action) -> Sequence[Any]:
    choices = action.choices
    if choices is None or isinstance(choices, (str, range)) or isinstance(action, argparse._SubParsersAction):
        return ()
    try:
        return list(choices) if len(choices) <= _CHOICES_LIMIT else ()  # type: ignore[arg-type]
    except TypeError:  # a container that only knows what is in it
        return ()


def _appends(action: argparse.Action) -> bool:
    return isinstance(action, (argparse._AppendAction, argparse._AppendConstAction))


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return type(value) is list and all(map(_is_plain, value))
    if isinstance(value, dict):
        return type(value) is dict and all(map(_is_plain, value)) and all(map(_is_plain, value.values()))
    return type(value) in _PLAIN


def _has_plain_form(value: Any) -> bool:
    gave_up: list[Any] = []
    to_plain(value, lambda part, place: gave_up.append(part))
    return not gave_up


def _described(value: Any, place: str) -> str:
    """Return a text for what has no plain form: without an address in memory, where that can be helped."""
    kind = type(value)
    if isinstance(getattr(value, "__qualname__", None), str) and getattr(value, "__module__", None):
        return f"{value.__module__}.{value.__qualname__}"  # a function, a class
    if hasattr(value, "close") and isinstance(getattr(value, "name", None), str):
        return str(value.name)  # an open file
    if not {kind.__str__, kind.__repr__} <= {object.__str__, object.__repr__}:
        with contextlib.suppress(Exception):  # a value's own __str__ may do anything
            return str(to_plain(str(value)))
    return f"<{kind.__module__}.{kind.__qualname__}>"
