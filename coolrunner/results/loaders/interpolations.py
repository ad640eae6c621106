"""References within a config of OmegaConf: ``${optimizer.lr}`` is the value that stands there.

Hydra keeps a config as it is written, so that two runs with the same learning rate may differ in how they
say it. Only what the file itself answers is put in: a reference to another key of it, from the top or, with
leading dots, from where it stands; alone as that value, within a text as its text. Whatever asks for more
than that (``${oc.env:HOME}``, ``${now:%H}``, ``${a.${b}}``), leads nowhere or round in a circle, stays the
text that it is: no resolver is ever called.

Source of the notation: https://omegaconf.readthedocs.io/en/2.3_branch/grammar.html
"""

from __future__ import annotations

import contextlib
import re
from typing import Any

__all__ = ["resolved"]

_REFERENCE = re.compile(r"\$\{ *(\.*)((?:[\w+@/-]|(?<!^)[.\[\]])+) *\}")
_STEPS = re.compile(r"[^.\[\]]+")
_UNSET = "???"
#: Values and thousands of characters that references may come to: a few lines can refer to each other so
#: that they would fill any memory.
_LIMIT = 20_000
_CHAIN = 50


def resolved(config: dict[Any, Any]) -> dict[Any, Any]:
    """Return a config with the references in it resolved, as far as it says itself what they are.

    Parameters
    ----------
    config
        Plain data, which is not changed.

    Returns
    -------
    Plain data; the same where there is nothing to resolve, or where its references would make it huge.
    """
    try:
        result: dict[Any, Any] = _References(config).within(config, ())
    except (_TooMuch, RecursionError):
        return config
    return result


class _Unknown(Exception):
    """A reference is not answered by the file."""


class _TooMuch(Exception):
    """The references come to more than anybody means."""


class _References:
    def __init__(self, config: dict[Any, Any]) -> None:
        self._config = config
        self._left = _LIMIT
        #: Those that are being resolved, one for the other: the text, and the mapping or list it is in.
        self._open: list[tuple[str, int]] = []

    def within(self, value: Any, around: tuple[Any, ...]) -> Any:
        """Return a value with what can be resolved in it.

        Parameters
        ----------
        value
            As it is written.
        around
            The mappings and lists that it stands in, the outermost first.
        """
        self._spend(1)
        if type(value) is dict:
            inside = (*around, value)
            return {key: self.within(item, inside) for key, item in value.items()}
        if type(value) is list:
            inside = (*around, value)
            return [self.within(item, inside) for item in value]
        if type(value) is str and "${" in value:
            with contextlib.suppress(_Unknown):
                return self._answer(value, around)
        return value

    def _answer(self, text: str, around: tuple[Any, ...]) -> Any:
        """Return what a text with references stands for."""
        this = (text, id(around[-1]))
        if this in self._open or len(self._open) >= _CHAIN or "\\${" in text:
            raise _Unknown
        self._open.append(this)
        try:
            alone = _REFERENCE.fullmatch(text)
            if alone is not None:
                return self._target(alone, around)
            if "${" in _REFERENCE.sub("", text):
                raise _Unknown
            filled = _REFERENCE.sub(lambda match: self._text(match, around), text)
            self._spend(len(filled) // 1000)
            return filled
        finally:
            self._open.pop()

    def _text(self, reference: re.Match[str], around: tuple[Any, ...]) -> str:
        value = self._target(reference, around)
        if type(value) in (dict, list):
            raise _Unknown
        return str(value)

    def _target(self, reference: re.Match[str], around: tuple[Any, ...]) -> Any:
        """Return what a reference leads to, resolved itself."""
        dots, path = reference.groups()
        if len(dots) > len(around):
            raise _Unknown
        first = around[: len(around) - len(dots) + 1] if dots else (self._config,)
        place: tuple[Any, ...] | None = first
        value = first[-1]
        for step in _STEPS.findall(path):
            value = _child(value, step)
            if type(value) is str and "${" in value and place is not None:
                value, place = self._answer(value, place), None  # resolved, and all that is in it
            elif place is not None:
                place = (*place, value)
        if value == _UNSET:
            raise _Unknown
        return value if place is None else self.within(value, place[:-1])

    def _spend(self, cost: int) -> None:
        self._left -= cost
        if self._left < 0:
            raise _TooMuch


def _child(value: Any, step: str) -> Any:
    """Return what a mapping or a list has under a key, which may be a number that is written out."""
    if type(value) is dict:
        for key in (step, int(step)) if step.isdecimal() else (step,):
            if key in value:
                return value[key]
    elif type(value) is list and step.isdecimal() and int(step) < len(value):
        return value[int(step)]
    raise _Unknown
