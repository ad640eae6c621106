"""The door for scripts and notebooks: a manager keeps what an experiment saves, logs and prints.

>>> manager = create_experiment("my first experiment", ghost=True, verbose=0)
>>> manager.add_config({"lr": 0.5})
>>> @manager.command
... def train(lr=0.1):
...     manager.log_scalar("loss", lr**2)
...     return lr
>>> manager.run("train")
0.5
>>> manager.close()

The experiment of a script is finished with the script, however that ends; `close` finishes it earlier.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from coolrunner.errors import RunError, UsageError, nearest
from coolrunner.frontends.managing.config import Config
from coolrunner.frontends.managing.keeping import Keeping
from coolrunner.frontends.managing.messages import open_log
from coolrunner.frontends.managing.opening import EXPERIMENTS, Output, SourceRules, begun, is_worker
from coolrunner.frontends.managing.running import Running
from coolrunner.frontends.managing.runs import Life, ManagedRun, Scope
from coolrunner.frontends.managing.speaking import Speaking
from coolrunner.runs import current
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.layout import MANAGED, MANAGED_RUN
from coolrunner.runs.names import absolute
from coolrunner.runs.session import Run

__all__ = [
    "ManagedRun",
    "Manager",
    "createExperiment",
    "createManager",
    "create_experiment",
    "create_manager",
    "getExperiment",
    "get_experiment",
]


class Manager(Running, Keeping, Speaking):
    """An experiment in a script or a notebook; made by `create_experiment`, found by `get_experiment`.

    As a context manager it is finished at the end of the block.

    Attributes
    ----------
    name
        What the person calls it.
    project_dir, experiments_dir
        The directory of the code, and that of all experiments.
    experiment_dir, saved_files, saved_sources, saved_metrics, saved_runs
        Its own directory, and those in it.
    experiment_info_log, stdout_capture_log, debug_log
        Its files of messages, of what was printed, and of messages of all levels.
    runs
        The runs of commands, by their numbers.
    """

    _life: _WholeLife | None = None
    _output: Output | None = None
    _door: Run | None = None

    def begin(self, capture_output: Literal["fd", "sys"] | bool = True) -> None:
        """Make it the current experiment of this process; `create_experiment` has done so."""
        if self.ghost:
            self._door = self._experiment.door()
            current.enter(self._door)
            self._doors[self._door] = self._experiment
            return
        self.open_logs()
        self._life = _WholeLife(self._experiment, self._wind_up)
        self._life.begin()
        self._doors[self._life.run] = self._experiment
        if capture_output:
            self._output = Output(self.stdout_capture_log, None if capture_output is True else capture_output)

    def close(self, error: BaseException | None = None) -> None:
        """Finish the experiment: all that was logged is on the disk then. Later calls do nothing.

        Parameters
        ----------
        error
            What ended it, if it failed.

        Raises
        ------
        RunError
            The disk did not take the end of it.
        """
        with _changing:
            if self._finished:
                return
            self._finished = "finished"
        if self._life is not None and self._life.is_open:
            self._life.end(error)
        else:
            self._wind_up()

    def _wind_up(self) -> None:
        """Do what comes before the end is written down."""
        with _changing:
            if self in _managers:
                _managers.remove(self)
        if self._door is not None:
            current.leave(self._door)
            self._door.close()
        # A process that was forked from the one of this experiment only forgets about it.
        if self._life is not None and self._life.is_open:
            for run in list(self.runs.values()):
                run.forgo()
            self._messages.detail("the experiment is finished")
            if self._output is not None:
                self._output.close()
        self._messages.close()

    @property
    def is_open(self) -> bool:
        """Whether it is not finished."""
        return not self._finished

    def take_part(self, home: Scope) -> None:
        """Be at home in a run that another process, or another part of this one, has begun."""
        self._home = home
        if isinstance(home, ManagedRun):
            self.runs[home.id] = home

    def open_logs(self) -> None:
        """Write messages to files."""
        self._messages.open(self.experiment_info_log, self.debug_log)
        if self._home is not self._experiment:
            self._home.log_handler = open_log(self._home.directory.log)

    def __enter__(self) -> Manager:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(error)

    def __reduce__(self) -> tuple[Any, ...]:
        # Handed to another process it is what takes part there in the same experiment.
        return get_experiment, (self.name,)

    def __repr__(self) -> str:
        return f"<Manager {self.name!r}{', ghost' if self.ghost else ''}>"


class _WholeLife(Life):
    """The life of an experiment, before whose end there is something to do."""

    def __init__(self, scope: Scope, wind_up: Callable[[], None]) -> None:
        super().__init__(scope)
        self._wind_up = wind_up

    def end(self, error: BaseException | None = None, status: object = None) -> None:
        if self.is_open:
            self._wind_up()
        super().end(error, status)


# --- making them, and finding them ---

# The experiments that are open in this process, the newest last.
_managers: list[Manager] = []
_changing = threading.RLock()
# Those that this process takes part in, by the directory of the run.
_guests: dict[Path, Manager] = {}
_nowhere: list[Manager] = []


def create_experiment(
    name: str,
    experiments_dir: str | Path | None = None,
    project_dir: str | Path | None = None,
    load_dir: str | Path | None = None,
    verbose: int = 1,
    tensorboard: bool = False,
    ghost: bool = False,
    *,
    sources: bool = True,
    include_extensions: Collection[str] = ("py",),
    include_names: Collection[str] = (),
    skip: Collection[str] = (),
    capture_output: Literal["fd", "sys"] | bool = True,
) -> Manager:
    """Begin an experiment, which is the current one from now on; there may be several at once.

    An open one of the same name is finished first, so that a cell of a notebook may be run again. Where a
    process of `multiprocessing` runs the script once more, it takes part in the experiment of its parent.

    Parameters
    ----------
    name
        What it is called.
    experiments_dir
        Where all experiments are; ``managed_experiments`` in the project by default. A relative path is
        relative to the project.
    project_dir
        The directory of the code; that of the calling file by default, in a notebook the working directory.
    load_dir
        A directory that `Manager.load` and `Manager.get_load_path` look into; relative to the project.
    verbose
        What the console shows of messages: 0 warnings and errors, 1 informations too, 2 everything.
    tensorboard
        Whether what is logged goes to event files as well.
    ghost
        Whether everything runs and nothing is written.
    sources
        Whether the sources of the project are copied to ``saved_sources``.
    include_extensions, include_names
        Which files those are, by how their names end and by name.
    skip
        Regular expressions, looked for in the path of each in the project, with slashes: ``(^|/)old/``.
    capture_output
        What goes to ``stdout_capture.log`` besides the console: ``fd`` takes all that this process and its
        children print, ``sys`` what Python prints, False nothing. True is ``fd``, and ``sys`` at a terminal
        and in a notebook, where a debugger may be wanted.

    Raises
    ------
    UsageError
        The name is empty, or a rule to skip is no regular expression.
    BadRootError
        The directory of experiments cannot be made.
    RunWriteError
        The disk does not take it.
    """
    if not isinstance(name, str) or not name.strip():
        raise UsageError(f"an experiment needs a name, not {name!r}")
    project = _absolute(project_dir, Path.cwd()) if project_dir is not None else _caller_directory()
    shared = _shared_with_parent(name)
    if shared is not None:
        return shared
    place = _absolute(experiments_dir or EXPERIMENTS, project)
    with _changing:
        open_ones = [manager for manager in _managers if manager.name == name]
    for manager in open_ones:
        manager.close()
    directory: RunDirectory | None = None
    left_out: list[str] = []
    if not ghost:
        rules = SourceRules(include_extensions, include_names, skip) if sources else None
        directory, left_out = begun(name, place, project, rules)
    manager = Manager(
        *(name, Scope(name, MANAGED, directory, Config(), tensorboard), project, place, verbose),
        load_dir=None if load_dir is None else _absolute(load_dir, project),
        tensorboard=tensorboard,
    )
    try:
        manager.begin(capture_output)
    except BaseException as error:
        manager.close(error)
        raise
    with _changing:
        _managers.append(manager)
    if left_out:
        manager.warning("these sources are not copied: %s", ", ".join(left_out))
    return manager


def get_experiment(name: str | None = None) -> Manager:
    """Return the experiment that is under way.

    That is the one whose run the caller is part of, or else the one that was begun last. In a process that
    one of its runs has started, it is the same experiment; under ``run.py`` it keeps what it is given in the
    run of the Module. Where there is none, it keeps nothing, and that is warned of once.

    Parameters
    ----------
    name
        Of one that is open.

    Raises
    ------
    UsageError
        There are experiments, but none of that name; names the nearest.
    """
    with _changing:
        managers = list(reversed(_managers))
    if managers and name is not None:
        return _named(name, managers)
    if current.is_inside():
        for run in current.outward(current.current_run()):
            for manager in managers:
                if manager.owns(run):
                    return manager
    if managers:
        return managers[0]
    if current.is_inside():
        return _guest(current.current_run())
    if not _nowhere:
        warnings.warn(
            "there is no experiment here: what is logged or saved is not kept; create_experiment begins one",
            RuntimeWarning,
            stacklevel=2,
        )
        name = "no experiment"
        _nowhere.append(Manager(name, Scope(name, MANAGED, None, Config()), Path.cwd(), Path.cwd()))
    return _nowhere[0]


def _named(name: str, managers: list[Manager]) -> Manager:
    for manager in managers:
        if manager.name == name:
            return manager
    names = [manager.name for manager in managers]
    close = nearest(name, names)
    hint = f"did you mean {close!r}?" if close else f"there are {', '.join(names)}"
    raise UsageError(f"no experiment {name!r} is open: {hint}")


def _caller_directory() -> Path:
    """Return the directory of the file that calls `create_experiment`; in a notebook the working one."""
    file = sys._getframe(2).f_globals.get("__file__")
    return _absolute(file, Path.cwd()).parent if isinstance(file, str) else Path.cwd()


def _absolute(path: str | Path, start: Path) -> Path:
    return absolute(start / Path(path).expanduser())


# --- taking part in what another process has begun ---


def _guest(run: Run) -> Manager:
    """Return a manager for a run that this process, or this part of it, has not begun itself."""
    if run.ghost:
        return Manager(run.name, Scope(run.name, MANAGED, None, Config()), Path.cwd(), Path.cwd())
    known = _guests.get(run.dir)
    if known is None or not known.is_open:
        known = _guests[run.dir] = _joined(run)
    return known


def _joined(run: Run) -> Manager:
    directory = run.directory
    is_within = directory.layout is MANAGED_RUN
    whole = RunDirectory.at(directory.root) if is_within else directory
    experiment = Scope(whole.title, whole.layout, whole, Config())
    if not is_within:
        experiment.keeper = run
    experiment.config.add(whole.read_params())
    manager = Manager(whole.read_state().name or whole.name, experiment, Path.cwd(), whole.root)
    if is_within:
        config = Config(experiment.config)
        config.add(directory.read_params())
        home = ManagedRun(
            *(directory.title, directory.layout, directory, config),
            id=directory.number,
            command_name=directory.title,
            command=_not_here,
            messages=manager._messages,
            doors=manager._doors,
        )
        home.keeper = run
        manager.take_part(home)
    manager.open_logs()
    return manager


def _not_here(*_: Any, **__: Any) -> None:
    raise RunError("the command of this run is in the process that began it")


def _shared_with_parent(name: str) -> Manager | None:
    """Return the experiment of that name in whose script a process of multiprocessing is started anew."""
    if not is_worker():
        return None
    if any(manager.name == name and not manager.ghost for manager in _managers):  # forked
        return _named(name, _managers)
    if _managers or not current.is_inside():
        return None
    run = current.current_run()
    if run.ghost or not run.directory.layout.kind.startswith("managed"):
        return None
    manager = _guest(run)
    return manager if manager.name == name else None


#: The names that users of ExperimentManager know.
create_manager = createExperiment = createManager = create_experiment
getExperiment = get_experiment
