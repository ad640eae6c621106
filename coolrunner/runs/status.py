"""How a run stands, and the one way from one status to the next: ``status.yaml``.

Format, version 1: a YAML mapping of one line a key, in the order of `RunState`; what is not known is left
out. Times are ISO 8601 with a zone, as strings, and `elapsed` is in seconds.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from coolrunner.errors import IllegalMove, Position, Problem, RunError, YamlError, nearest
from coolrunner.proof import Life, Process, life, process_here, this_process
from coolrunner.yamlio import flow_text, read_text
from coolrunner.yamlio.scalars import scalar_text

__all__ = ["RunState", "RunStatus", "correct", "is_alive", "move", "now", "this_process_facts"]

VERSION = 1


class RunStatus(str, enum.Enum):
    """Where a run is in its life; the values stand in ``status.yaml``."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class RunState:
    """All that ``status.yaml`` holds; a value, changed by `move`.

    Attributes
    ----------
    status
        Where the run is in its life.
    id
        Its number, unique under its root.
    name
        What the person called it; may be empty.
    kind
        The `kind` of its layout.
    started, ended
        When this attempt began and ended.
    elapsed
        Seconds that this attempt took.
    host, pid
        The machine and the process that run it.
    process
        What tells that process from any other of its number: the machine, its boot, the namespace and the
        start, as in `coolrunner.proof.Process`, with spaces between; ``-`` for what is not known.
    exit
        The exit status of its process; negative for a signal.
    failure, error
        Of a failure: what kind it is, and its last line.
    study, experiment
        The file name of the definition, and the ``ID`` of the experiment.
    attempt
        How often it was begun; the first is 1.
    resumable
        Whether it can go on after an interruption, in the same directory.
    provenance, sources
        What the store under the root keeps for it: digests of JSON texts.
    """

    status: RunStatus = RunStatus.RUNNING
    id: int = 0
    name: str = ""
    kind: str = ""
    started: str = ""
    ended: str = ""
    elapsed: float | None = None
    host: str = ""
    pid: int | None = None
    process: str = ""
    exit: int | None = None
    failure: str = ""
    error: str = ""
    study: str = ""
    experiment: str = ""
    attempt: int = 1
    resumable: bool = False
    provenance: str = ""
    sources: str = ""

    def text(self) -> str:
        """Return it as the text of a ``status.yaml``."""
        lines = [f"version: {VERSION}\nstatus: {self.status.value}\n"]
        for name in _REST:
            value = getattr(self, name)
            if value is not None and value != "" and value is not False:
                lines.append(f"{name}: {scalar_text(value) or _text(value)}\n")
        return "".join(lines)

    @classmethod
    def read(cls, text: str, name: str = "status.yaml") -> RunState:
        """Return the state that a text holds.

        Parameters
        ----------
        text
            That of a ``status.yaml``; keys that are not known are passed over.
        name
            The file, for the error.

        Raises
        ------
        RunError
            It is broken, or of a later version; names file and line.
        """
        try:
            data = read_text(text, name)
        except YamlError as error:
            raise RunError(str(error)) from None
        if not isinstance(data, dict):
            raise RunError(f"{name}:1: the status of a run was expected: lines such as 'status: done'")
        version = data.get("version")
        if version != VERSION:
            message = f"'version' must be {VERSION}"
            if type(version) is int and version > VERSION:
                message = "was written by a later version of Coolrunner; update this one"
            raise _bad(text, name, "version", message)
        known = {key: _checked(key, data[key], text, name) for key in _TYPES if data.get(key) is not None}
        if "status" not in known:
            raise RunError(f"{name}:1: the key 'status' is missing")
        return cls(**known)

    def as_data(self) -> dict[str, Any]:
        """Return what is known of it as plain data, in order."""
        pairs = ((field, getattr(self, field)) for field in _REST)
        data = {field: value for field, value in pairs if value is not None and value != ""}
        return {"status": self.status.value, **data}


_REST = tuple(field.name for field in fields(RunState))[1:]
_TEXT, _NUMBER = (str, "a text"), (int, "a whole number")
_TYPES: Mapping[str, tuple[type, str]] = {
    "status": _TEXT, "id": _NUMBER, "name": _TEXT, "kind": _TEXT, "started": _TEXT, "ended": _TEXT,
    "elapsed": (float, "a number of seconds"), "host": _TEXT, "pid": _NUMBER, "process": _TEXT,
    "exit": _NUMBER, "failure": _TEXT, "error": _TEXT, "study": _TEXT, "experiment": _TEXT,
    "attempt": _NUMBER, "resumable": (bool, "true or false"), "provenance": _TEXT, "sources": _TEXT,
}  # fmt: skip


def _text(value: Any) -> str:
    # What UTF-8 cannot hold is shown escaped: a status is there to be read.
    return flow_text(value.encode("utf-8", "backslashreplace").decode())


def _checked(key: str, value: Any, text: str, name: str) -> Any:
    kind, wanted = _TYPES[key]
    if kind is float and type(value) is int:
        value = float(value)
    if isinstance(value, datetime):  # a person has left out the quotes
        value = value.isoformat()
    if type(value) is not kind:
        raise _bad(text, name, key, f"'{key}' must be {wanted}, not {flow_text(value)}")
    if key != "status":
        return value
    try:
        return RunStatus(value)
    except ValueError:
        names: list[str] = [status.value for status in RunStatus]
        close = nearest(str(value), names)
        hint = f"did you mean {close}?" if close else f"expected one of {', '.join(names)}"
        raise _bad(text, name, key, f"there is no status {value!r}", hint) from None


def _bad(text: str, name: str, key: str, message: str, hint: str = "") -> RunError:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith(f"{key}:"):
            column = len(line) - len(line[len(key) + 1 :].lstrip()) + 1
            return RunError(str(Problem(message, Position(name, number, column), line, hint)))
    return RunError(str(Problem(message, Position(name, 1), hint=hint)))


# A result is accepted whenever it comes: its run may have been taken for lost meanwhile.
_MOVES = {
    RunStatus.RUNNING: {RunStatus.DONE, RunStatus.FAILED, RunStatus.INTERRUPTED, RunStatus.LOST},
    RunStatus.DONE: set(),
    RunStatus.FAILED: {RunStatus.RUNNING},
    RunStatus.INTERRUPTED: {RunStatus.RUNNING},
    RunStatus.LOST: {RunStatus.RUNNING, RunStatus.DONE, RunStatus.FAILED},
}
_OF_AN_END: Mapping[str, Any] = {"ended": "", "elapsed": None, "exit": None, "failure": "", "error": ""}


def move(state: RunState, to: RunStatus, **facts: Any) -> RunState:
    """Return the next state of a run; but for `correct`, nothing else changes a status.

    Parameters
    ----------
    state
        How it stands.
    to
        Its next status. A run that is begun again counts one attempt more, and forgets its last end.
    facts
        What else is known from now on, by the names of `RunState`.

    Raises
    ------
    IllegalMove
        A run does not go from the one to the other.
    """
    if to not in _MOVES[state.status]:
        raise IllegalMove(f"a run that is {state.status.value} cannot become {to.value}")
    if to is RunStatus.RUNNING:
        facts = {**_OF_AN_END, "attempt": state.attempt + 1, **facts}
    return replace(state, status=to, **facts)


def correct(state: RunState, to: RunStatus, **facts: Any) -> RunState:
    """Return the state of a run that ended otherwise than it said itself.

    Who watched it knows better: its time was up, it was told to stop, or it died on its way out.

    Raises
    ------
    IllegalMove
        It has not ended, or `to` is no end.
    """
    if RunStatus.RUNNING in (state.status, to):
        raise IllegalMove(f"how a run ended cannot be put right from {state.status.value} to {to.value}")
    return replace(state, status=to, **facts)


def now() -> str:
    """Return the time as ISO 8601 with a zone, to the millisecond."""
    return datetime.now().astimezone().isoformat(timespec="milliseconds")


def this_process_facts() -> dict[str, Any]:
    """Return what a status says of the process that runs it, where that is this one."""
    here = this_process()
    told = (here.machine, here.boot, here.namespace, here.start)
    text = " ".join(part.replace(" ", "_") or "-" for part in told)
    return {"host": here.host, "pid": here.pid, "process": text}


def is_alive(state: RunState) -> bool | None:
    """Whether a run is still under way: False where its process is provably gone, None where none can say."""
    if state.status is not RunStatus.RUNNING:
        return False
    if state.pid is None or state.pid < 1:
        return None
    told = state.process.split(" ")
    if len(told) != 4:  # by another program, or before there was more to tell
        return process_here(state.pid) is not None if state.host == this_process().host else None
    machine, boot, namespace, start = ("" if part == "-" else part for part in told)
    process = Process(state.host, machine, boot, namespace, state.pid, start.replace("_", " "))
    return {Life.ALIVE: True, Life.DEAD: False, Life.UNKNOWN: None}[life(process)]
