"""The study of the fault harness: short experiments that tell when they run."""

from __future__ import annotations

import random

__all__ = ["MODULE", "study"]

MODULE = """
import fcntl
import os
import time


def note(exp, what):
    line = f"{exp.tag} {what} {os.getpid()} {time.monotonic_ns()}\\n"
    file = os.open("attempts", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC)
    os.write(file, line.encode())
    os.close(file)


def main(exp):
    # The kernel gives this lock back when the process is dead, and not before.
    lock = os.open(f"locks/{exp.tag}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        note(exp, "overlap")
    note(exp, "begin")
    time.sleep(exp.ms / 1000)
    if exp.fails and os.path.getsize(f"locks/{exp.tag}") < exp.fails:
        os.write(lock, b"x")
        raise ValueError("not yet")
    exp.MARK = exp.mark
    note(exp, "end")
"""

DEFAULTS = """
Global: {breaker: false, grace: 1s}
Module: modules.module
YamlLog: log.yaml
Retries: 100
mark: none
fails: 0
"""


def study(count: int, draw: random.Random) -> tuple[str, list[str]]:
    """Return a definition of so many experiments, and their tags."""
    text, tags = DEFAULTS, []
    for number in range(count):
        kind = "n" if number % 12 < 3 else "f" if number % 50 == 7 else "e"
        tag = f"{kind}{number}"
        # A few go on for longer than it takes to notice that their runner is dead.
        milliseconds = draw.randint(500, 1000) if number % 40 == 9 else draw.randint(0, 30)
        text += f"---\nName: {tag}\ntag: {tag}\nms: {milliseconds}\n"
        if kind == "f":
            text += "fails: 1\n"
        if kind == "n" and number % 12:
            text += f"After: [{', '.join(tags[-(number % 12) :])}]\n"
        tags.append(tag)
    return text, tags
