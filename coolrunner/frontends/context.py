"""`logger_context`: a script that was started with a directory and a number is a run while it logs.

The arguments are those that the users of rlpyt and exptools know.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from coolrunner.errors import RunError, UsageError
from coolrunner.frontends.lifetime import Lifetime
from coolrunner.frontends.managing.opening import Output
from coolrunner.frontends.managing.runs import parameters
from coolrunner.frontends.origins import new_state
from coolrunner.runs import current
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.layout import LAUNCHED
from coolrunner.runs.names import parts_of
from coolrunner.runs.root import Root
from coolrunner.runs.session import Run
from coolrunner.runs.snapshots import Snapshots
from coolrunner.runs.status import RunStatus, is_alive, move, now, this_process_facts

__all__ = ["logger_context"]


@contextmanager
def logger_context(
    log_dir: str | os.PathLike[str],
    run_id: int | str,
    name: str = "",
    log_params: Mapping[str, Any] | None = None,
    snapshot_mode: str | int = "none",
    snapshot_gap: int = 1,
    itr_i: int = 0,
    *,
    metric: str = "",
    goal: str = "max",
    tensorboard: bool = False,
    resume: bool = False,
) -> Iterator[Run]:
    """Be in the run ``<log_dir>/run_<run_id>`` meanwhile: `coolrunner.logger` logs to it.

    Parameters
    ----------
    log_dir
        The directory of all runs with these parameters. A relative one that is not below ``data/`` is taken
        to be ``data/local/<log_dir>/<yyyymmdd>``.
    run_id
        The number of the run there.
    name
        What the person calls it.
    log_params
        Its parameters.
    snapshot_mode
        Which snapshots stay: ``all``, ``last``, ``best`` (by `metric` and `goal`), ``gap``, ``none``, or a
        number n; see `coolrunner.runs.snapshots.Snapshots.keep`.
    snapshot_gap
        With ``gap``, the first and every n-th stay.
    itr_i
        The iteration that it begins with, where that is not the first.
    tensorboard
        Whether event files for TensorBoard are written too.
    resume
        Whether one that was broken off goes on in its directory. ``Run.resume`` gives its last snapshot.

    Yields
    ------
    The run.

    Raises
    ------
    UsageError
        There is no such mode of snapshots, or the parameters have no names.
    RunError
        There is such a run already, and it is not to go on, is done, or is still under way.
    RunWriteError
        The disk does not take it.
    """
    if not isinstance(log_params, (Mapping, type(None))):
        raise UsageError(f"log_params are parameters by name, and not {type(log_params).__name__}")
    rule = _rule(snapshot_mode, snapshot_gap, metric, goal)
    where = _place(Path(log_dir))
    number = _number(run_id)
    path = where / LAUNCHED.directory_name(number, datetime.now())
    if current.is_inside() and current.current_run().dir == path:  # the launcher has begun it
        yield _prepared(current.current_run(), rule, itr_i, tensorboard)
        return
    if path.exists():
        directory = _taken_up(RunDirectory(path, LAUNCHED), resume)
    else:
        root = Root(where, LAUNCHED)
        ticket = root.allocate(name, number=number)
        directory = root.create(
            parameters(log_params or {}), new_state(root), ticket, files={LAUNCHED.log: b""}
        )
    lifetime = Lifetime(directory)
    lifetime.begin()
    try:
        with closing(Output(directory.log)):
            yield _prepared(current.current_run(), rule, itr_i, tensorboard)
    except BaseException as error:
        lifetime.end(error)
        raise
    lifetime.end()


def _place(log_dir: Path) -> Path:
    if log_dir.is_absolute():
        return Path(os.path.abspath(log_dir))  # noqa: PTH100  (no link is to be followed)
    parts = parts_of(log_dir.as_posix(), "log_dir")
    if parts[0] == "data":
        return Path.cwd().joinpath(*parts)
    return Path.cwd().joinpath("data", "local", *parts, datetime.now().strftime("%Y%m%d"))


def _number(run_id: int | str) -> int:
    try:
        number = int(run_id)
    except (TypeError, ValueError):
        number = -1
    if number < 0:
        raise RunError(f"the number of a run was expected, such as 0, and not {run_id!r}")
    return number


def _taken_up(directory: RunDirectory, resume: bool) -> RunDirectory:
    """Let a run begin again in its directory."""
    if not resume:
        raise RunError(
            f"there is a run {directory.path} already; resume=True goes on with one that was broken off"
        )
    state = directory.read_state()
    if state.status is RunStatus.DONE:
        raise RunError(f"the run {directory.path} is done: there is nothing to go on with")
    if state.status is RunStatus.RUNNING:
        if is_alive(state) is not False:
            raise RunError(
                f"the run {directory.path} is still under way, as process {state.pid} on {state.host}"
            )
        state = move(state, RunStatus.LOST)
    directory.write_state(move(state, RunStatus.RUNNING, started=now(), **this_process_facts()))
    return directory


def _rule(mode: str | int, gap: int, metric: str, goal: str) -> dict[str, Any]:
    """Return what `Snapshots.keep` is to be told.

    Raises
    ------
    UsageError
        There is no such mode.
    """
    rule: dict[str, Any] = {"mode": mode}
    if mode == "gap" or isinstance(mode, int):
        rule = {"mode": "all", "every": gap if mode == "gap" else mode}
    elif mode == "best":
        rule |= {"metric": metric, "goal": goal}
    Snapshots(Path()).keep(**rule)  # before anything is made
    return rule


def _prepared(run: Run, rule: Mapping[str, Any], itr_i: int, tensorboard: bool) -> Run:
    run.snapshots.keep(**rule)
    if itr_i:
        run.logger.set_step(itr_i)
    if tensorboard:
        run.logger.tensorboard()
    return run
