"""The run directories of a study: one for each attempt at an experiment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from coolrunner.definition.plan import Planned
from coolrunner.errors import RunError
from coolrunner.execution.attempt import read_results
from coolrunner.execution.base import Ending, Outcome
from coolrunner.runs.attempts import Order, where_shown
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.provenance import collect, keep
from coolrunner.runs.root import Root, Ticket
from coolrunner.runs.status import RunState, RunStatus, is_alive, move, now
from coolrunner.runs.store import Store
from coolrunner.yamlio import dump

__all__ = ["RunDirectories"]


class RunDirectories:
    """Orders the directories, which the processes of the experiments make.

    Parameters
    ----------
    study
        Its name.
    root
        Where they are made; None makes none.
    project
        The directory of the code.
    argv
        The command line of this runner; that of this process by default.
    """

    def __init__(
        self, study: str, root: str | None, project: str = "", argv: Sequence[str] | None = None
    ) -> None:
        self._study = study
        self._root = None if root is None else Root(root)
        self._project = project
        self._argv = argv
        self._provenance = ""
        self._orders: dict[str, Order] = {}
        # By Module: what is imported is likely to be what was imported before.
        self._sources: dict[str, str] = {}

    def prepare(self) -> None:
        """Make the root, and write down where all runs of this study come from.

        Raises
        ------
        RunError
            The root cannot be made, or cannot be written to.
        """
        if self._root is None:
            return
        self._root.make()
        provenance = collect(self._project or ".", self._argv, apart=[self._root.path])
        self._provenance = keep(Store(self._root.store), provenance)

    def finished(self, planned: Planned, earlier: str) -> Outcome | None:
        """Return what came of an attempt that had finished when its runner was killed; None for none.

        Its results are on the disk, and not in a log: they are taken from there, once.

        Parameters
        ----------
        planned
            The experiment, which nobody runs now.
        earlier
            The directory of its last attempt, as `shown` gave it.
        """
        attempt = _find(earlier, planned)
        if attempt is None:
            return None
        directory, state = attempt
        if state.status is not RunStatus.DONE or state.error:  # the disk did not take all of it
            return None
        try:
            results = read_results(directory)
            started = datetime.fromisoformat(state.started).timestamp()
        except (RunError, ValueError):
            return None
        solved = results.pop("SOLVED", {})
        elapsed = state.elapsed or 0.0
        return Outcome(Ending.FINISHED, results, solved, started=started, elapsed=elapsed, run=earlier)

    def order(self, planned: Planned, earlier: str = "") -> Order | None:
        """Return the run directory for an attempt that begins.

        Parameters
        ----------
        planned
            The experiment.
        earlier
            The directory of the attempt before, as `shown` gave it, if there was one.

        Raises
        ------
        RunError
            No number can be had.
        """
        if self._root is None:
            return None
        attempt = _find(earlier, planned)
        again = False
        if attempt is not None:
            directory, state = attempt
            if state.status is RunStatus.RUNNING and is_alive(state) is False:
                state = move(state, RunStatus.LOST, ended=now())
                directory.write_state(state)
            # Its Module has said so by asking for a snapshot; one that runs elsewhere is let be.
            again = state.resumable and state.status not in (RunStatus.RUNNING, RunStatus.DONE)
        order = self._orders[planned.id] = Order(
            str(self._root.path),
            Ticket.of(attempt[0]) if attempt is not None and again else self._root.allocate(planned.name),
            _parameters(planned),
            self._study,
            planned.id,
            self._provenance,
            self._project,
            self._sources.get(_code_of(planned), ""),
            again,
        )
        return order

    def shown(self, identity: str) -> str:
        """Return the run directory of an experiment as a log names it; empty for none."""
        order = self._orders.get(identity)
        return "" if order is None else where_shown(order.ticket.where)

    def ended(self, planned: Planned, outcome: Outcome) -> None:
        """Take note of an experiment that has ended; its outcome is told of the directory."""
        order = self._orders.pop(planned.id, None)
        if order is None:
            return
        outcome.run = outcome.run or where_shown(order.ticket.where)
        if outcome.sources:
            self._sources[_code_of(planned)] = outcome.sources


def _code_of(planned: Planned) -> str:
    inputs = planned.experiment.inputs
    return str(inputs.get("Run") or inputs.get("Module"))


def _parameters(planned: Planned) -> str:
    return dump({**planned.experiment.inputs, "ID": planned.id})


def _find(path: str, planned: Planned) -> tuple[RunDirectory, RunState] | None:
    """Return the run directory of an earlier attempt, and how it stands; None where it is not to be had.

    One whose parameters a person has changed in the queue since is another experiment's.
    """
    if not path:
        return None
    try:
        directory = RunDirectory.at(path)
        state = directory.read_state()
        same = directory.params.read_bytes() == _parameters(planned).encode()
    except (RunError, OSError):
        return None
    return (directory, state) if same else None
