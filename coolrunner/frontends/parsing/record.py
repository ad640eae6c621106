"""What ``params.yaml`` and the marks of a run say of its arguments."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Mapping
from typing import Any

from coolrunner.frontends.parsing.values import Recorder
from coolrunner.runs.links import mark_parts
from coolrunner.runs.names import safe_part
from coolrunner.runs.root import Ticket
from coolrunner.runs.secrets import hide_values, placeholder

__all__ = ["ADDED", "automatic_mark", "key_of", "recorded"]

#: What a run adds to the namespace, and is not recorded as an argument.
ADDED = ("root", "safe_experiment")
_TIME = "%Y-%m-%dT%H:%M:%S"


def key_of(name: str, *, with_git: bool) -> str:
    """Return the key under which an argument is recorded: where a run says more itself, another one."""
    taken = ("id", "time", "commit", "dirty") if with_git else ("id", "time")
    return f"{name}_" if name in taken else name


def recorded(
    params: Namespace, recorder: Recorder, ticket: Ticket, git: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return what ``params.yaml`` holds: all arguments and facts of git in order, then time and id.

    Parameters
    ----------
    params
        What was parsed.
    recorder
        Makes plain data of it.
    ticket
        That of the run.
    git
        What is to be said of the code; None for nothing.
    """
    values = {
        key_of(name, with_git=git is not None): value
        for name, value in vars(params).items()
        if name not in ADDED
    }
    data, secrets = hide_values(recorder.record(values))
    data |= {name: placeholder(name) for name in secrets if name in values}
    data |= {**(git or {}), "root": ticket.relative}
    ordered = dict(sorted(data.items(), key=lambda item: str(item[0])))
    return {**ordered, "time": ticket.time.strftime(_TIME), "id": ticket.number}


def automatic_mark(names: Iterable[str], params: Namespace) -> tuple[str, ...]:
    """Return the parts of the mark that a run gets by itself.

    Parameters
    ----------
    names
        Each gives a part, and that of an argument a second one: its value, whatever is in that.
    params
        The arguments.
    """
    parts: list[str] = []
    for name in names:
        parts += mark_parts(name)
        if hasattr(params, name) and name not in ADDED:
            parts.append(safe_part(getattr(params, name)))
    return tuple(parts)
