"""Types for arguments: truth values, and values that may be none."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["OptionalType", "optional", "truth"]

_TRUE = ("true", "t", "yes", "y", "on", "1")
_FALSE = ("false", "f", "no", "n", "off", "0")
_NONE = ("none", "null")

T = TypeVar("T")


def truth(text: str) -> bool:
    """Return the truth value that a person wrote; what ``type=bool`` means to an `ExParser`.

    Raises
    ------
    argparse.ArgumentTypeError
        It is none of the words for one.
    """
    word = str(text).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither {'/'.join(_TRUE)} nor {'/'.join(_FALSE)}")


class OptionalType(Generic[T]):
    """A type that also takes ``none`` and ``null``, in any case, for None.

    Parameters
    ----------
    type
        What reads any other text.
    """

    def __init__(self, type: Callable[[str], T]) -> None:
        self.type = type
        # argparse names the type in the message about a text that it does not take.
        self.__name__ = f"optional {getattr(type, '__name__', repr(type))}"

    def __call__(self, text: str | None) -> T | None:
        """Return None, or what the type makes of the text."""
        if text is None or str(text).lower() in _NONE:
            return None
        return self.type(text)

    def __repr__(self) -> str:
        return f"optional({getattr(self.type, '__name__', repr(self.type))})"


def optional(type: Callable[[str], T]) -> OptionalType[T]:
    """Return a type for ``add_argument`` that reads ``none`` and ``null`` as None, the rest by `type`.

    Examples
    --------
    >>> optional(int)("12"), optional(int)("none"), optional(bool)("no")
    (12, None, False)
    """
    return OptionalType(truth if type is bool else type)  # type: ignore[arg-type]
