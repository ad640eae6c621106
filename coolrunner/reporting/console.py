"""Which form of the console a study gets."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from coolrunner.errors import UsageError
from coolrunner.events import Listener
from coolrunner.reporting.streams import is_terminal
from coolrunner.reporting.summary import Summary

__all__ = ["MODES", "console_listener", "resolve_mode"]

#: What `resolve_mode` may be asked for.
MODES = ("auto", "live", "plain", "quiet", "json")


def resolve_mode(mode: str = "auto", *, inline: bool = False, stdout: TextIO | None = None) -> str:
    """Return ``live``, ``plain``, ``quiet`` or ``json``.

    Only ``live`` needs the output of experiments captured; in the other forms they write to the
    standard output themselves.

    Parameters
    ----------
    mode
        One of `MODES`; ``auto`` is live on a terminal and plain elsewhere.
    inline
        Whether experiments run in this process. A live region would be in the way of a debugger.
    stdout
        The standard output, if not `sys.stdout`.
    """
    if mode not in MODES:
        raise UsageError(f"there is no console {mode!r}; one of {', '.join(MODES)} was expected")
    if mode in ("quiet", "json", "plain"):
        return mode
    able = is_terminal(stdout or sys.stdout) and os.environ.get("TERM") != "dumb" and os.name == "posix"
    return "live" if able and not inline else "plain"


def console_listener(
    mode: str = "auto",
    *,
    inline: bool = False,
    program: str = "python run.py",
    rerun: str = "",
    resume: str = "",
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
) -> Listener:
    """Return the listener that shows a study to a person, or to another program.

    Parameters
    ----------
    mode, inline
        As in `resolve_mode`.
    program
        How this person runs experiments: ``python run.py`` or ``coolrunner run``.
    rerun, resume
        The commands that run all of the study, and what is left of it, as in `Summary`.
    stdout, stderr
        The streams, if not those of `sys`.
    """
    out, err = stdout or sys.stdout, stderr or sys.stderr
    form = resolve_mode(mode, inline=inline, stdout=out)
    if form == "json":
        from coolrunner.reporting.jsonl import JsonListener

        return JsonListener(out)
    if form == "live":
        from coolrunner.reporting.live import LiveListener

        return LiveListener(out, err, Summary(program, rerun, resume))
    from coolrunner.reporting.plain import PlainListener, QuietListener

    return QuietListener(err) if form == "quiet" else PlainListener(out, err, Summary(program, rerun, resume))
