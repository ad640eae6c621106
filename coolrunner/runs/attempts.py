"""An attempt at an experiment: its run directory is made or gone on with, and ended.

The process that does the work owns the directory, so what it is to make is ordered as plain data. Who
started that process writes the end only once it is gone, where it could not do so itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.root import Root, Ticket
from coolrunner.runs.status import RunState, RunStatus, correct, move, now, this_process_facts

__all__ = ["Order", "begin", "settle", "where_shown"]


# A failure that only its watch knows of: what the Module raised came of it.
_OVERRULES = "timeout"


@dataclass(frozen=True, slots=True)
class Order:
    """A run to make, as data that travels between processes.

    Attributes
    ----------
    root
        The root of runs, absolute.
    ticket
        Its number and its name.
    parameters
        As YAML.
    study, experiment
        The file name of the definition, and the ``ID`` of the experiment.
    provenance
        What the store keeps of the study's.
    project
        The directory of the code, which sources are named relative to; empty keeps none.
    sources
        What its sources are likely to be: those of an attempt before it.
    again
        Whether the directory is there, of an attempt that was broken off.
    """

    root: str
    ticket: Ticket
    parameters: str
    study: str = ""
    experiment: str = ""
    provenance: str = ""
    project: str = ""
    sources: str = ""
    again: bool = False

    @property
    def directory(self) -> RunDirectory:
        """The directory, made or still to be made."""
        root = Root(self.root)
        directory = RunDirectory(self.ticket.where, root.layout)
        directory.number = self.ticket.number
        return directory


def begin(order: Order) -> tuple[RunDirectory, RunState]:
    """Make the directory of a run that this process does, or take up that of an earlier attempt.

    Returns
    -------
    The directory, and what its status says.

    Raises
    ------
    RunError
        It cannot be made, or not be gone on with.
    """
    facts: dict[str, Any] = {
        "started": now(),
        **this_process_facts(),
        "provenance": order.provenance,
        "sources": order.sources,
    }
    if order.again:
        directory = order.directory
        state = move(directory.read_state(), RunStatus.RUNNING, **facts)
        directory.write_state(state)
        return directory, state
    root, ticket = Root(order.root), order.ticket
    state = RunState(
        id=ticket.number,
        name=ticket.title,
        kind=root.layout.kind,
        study=order.study,
        experiment=order.experiment,
        **facts,
    )
    return root.create(order.parameters, state, ticket), state


def settle(order: Order, to: RunStatus, **facts: Any) -> None:
    """Write down how a run ended whose process is gone, and which may not have come to do so itself.

    What it wrote itself is kept where it says the same. Where it did not even come to make its directory,
    that is made: nothing that was started leaves no trace.

    Raises
    ------
    RunError
        Its status cannot be read, or not be written.
    """
    directory = order.directory
    if not directory.path.is_dir():
        begin(order)
    state = directory.read_state()
    if state.status is RunStatus.RUNNING:
        directory.write_state(move(state, to, ended=now(), **facts))
    elif state.status is not to or facts.get("failure") == _OVERRULES:
        directory.write_state(correct(state, to, **facts))


def where_shown(path: Path) -> str:
    """Return a run directory as a log names it: relative to the working directory, where it is below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):  # it is elsewhere; or the working directory is gone
        return str(path)
