"""What tells experiments apart: their ``ID``, and ``RND_IDX``, a number that is drawn."""

from __future__ import annotations

import base64
import os
import random
from collections.abc import Container
from typing import Any

__all__ = ["DrawnNumbers", "new_id"]


def new_id() -> str:
    """Return a fresh ``ID``: a letter and seven letters or digits that YAML takes for a word."""
    number = os.urandom(5)
    text = base64.b32encode(number).decode().lower()
    return "bcdfghjkmpqrstvwxz"[number[0] % 18] + text[1:]


class DrawnNumbers:
    """Draws numbers of six digits or more, none twice.

    Parameters
    ----------
    count
        How many will be drawn about.
    taken
        Numbers that were set by hand, and are not drawn.
    """

    def __init__(self, count: int, taken: Container[Any]) -> None:
        self._random = random.SystemRandom()
        self._below = 10 ** max(6, len(str(count)) + 2)
        self._taken = taken
        self._drawn: set[int] = set()

    def draw(self) -> int:
        """Return the next number."""
        while (
            number := self._random.randrange(100_000, self._below)
        ) in self._drawn or number in self._taken:
            pass
        self._drawn.add(number)
        return number
