"""A person at the terminal: what they type, and questions to them."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Mapping

__all__ = ["choose", "is_there", "typed"]


def is_there() -> bool:
    """Whether a person can be asked."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def typed() -> str:
    """Return a line that was typed and not read yet; empty where there is none. Does not wait."""
    with contextlib.suppress(OSError, ValueError):
        if select.select([sys.stdin], [], [], 0)[0]:
            return os.read(sys.stdin.fileno(), 1024).decode(errors="replace")
    return ""


def choose(question: str, answers: Mapping[str, str]) -> str:
    """Ask until one of the answers is given, by its first letter or whole; return it, empty for none.

    Parameters
    ----------
    question
        What is asked.
    answers
        What each answer means.
    """
    width = max(map(len, answers))
    sys.stderr.write(question + "\n")
    for answer, meaning in answers.items():
        sys.stderr.write(f"  {answer:<{width}}  {meaning}\n")
    while True:
        sys.stderr.write("> ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            return ""
        given = line.strip().lower()
        found = [answer for answer in answers if given and answer.startswith(given)]
        if len(found) == 1:
            return found[0]
        sys.stderr.write(f"one of {', '.join(answers)} was expected\n")
