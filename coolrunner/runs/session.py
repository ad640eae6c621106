"""A run while it goes on: what a Module, a script or a notebook does with it."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from coolrunner.runs.names import parts_of
from coolrunner.runs.status import RunState, RunStatus, move, now

if TYPE_CHECKING:
    from collections.abc import Callable

    from coolrunner.runs.directory import RunDirectory
    from coolrunner.runs.logger import Logger
    from coolrunner.runs.metrics import Metrics
    from coolrunner.runs.snapshots import Snapshot, Snapshots

__all__ = ["STOP", "STOPPED", "NoRun", "Run"]

#: Files in a run directory: who watches the run wants it to end early, and it has seen that.
STOP, STOPPED = "stop", "stopped"


class Run:
    """A run that is under way: ``exp.run`` in a Module, `coolrunner.current_run` anywhere.

    Parameters
    ----------
    directory
        Where it is kept.
    state
        How it stands, for the process that owns it: that writes its status, and nobody else does.

    Attributes
    ----------
    directory
        As given; it knows the paths of all that a run holds.
    state
        As given, and changed; None for who takes part in a run of another process.
    ghost
        Whether it keeps nothing.
    outer
        The run within which this one was entered.
    before_asking
        Is called in `should_stop`, where who watches runs is this very process.
    """

    before_asking: ClassVar[Callable[[], None] | None] = None

    def __init__(self, directory: RunDirectory, state: RunState | None = None) -> None:
        self.directory = directory
        self.state = state
        self.ghost = False
        self.outer: Run | None = None
        self.closed = False

    @classmethod
    def join(cls, path: str | Path) -> Run:
        """Return the run of a directory, for a process that takes part in it and did not open it."""
        from coolrunner.runs.directory import RunDirectory

        return cls(RunDirectory.at(path))

    # --- what it is ---

    @property
    def dir(self) -> Path:
        """Its directory, absolute; a Module may write what it likes under `files`."""
        return self.directory.path

    @property
    def files(self) -> Path:
        """The directory for files of one's own; it exists."""
        self.directory.files.mkdir(parents=True, exist_ok=True)
        return self.directory.files

    @property
    def id(self) -> int:
        """Its number, unique under its root."""
        return self.directory.number

    @property
    def name(self) -> str:
        """The name of its directory."""
        return self.dir.name

    @property
    def attempt(self) -> int:
        """How often it has been begun: 1, or more where an interrupted one goes on."""
        return (self.state or self.directory.read_state()).attempt

    def file(self, name: str) -> Path:
        """Return a path below `files` to write to, whose directories exist.

        Raises
        ------
        BadNameError
            The name leads elsewhere.
        """
        path = self.files.joinpath(*parts_of(name, "the name of a file"))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    # --- what it logs ---

    @cached_property
    def metrics(self) -> Metrics:
        """Its scalars."""
        from coolrunner.runs.metrics import Metrics

        return Metrics(self.directory.metrics)

    def log_scalar(self, name: str, value: Any, step: int | None = None) -> None:
        """Add a value to a metric.

        Parameters
        ----------
        name
            Of the metric; ``/`` makes groups.
        value
            A number, or an array of one.
        step
            The one after the last of this metric where it is not given; the first is 0.

        Raises
        ------
        BadNameError, TypeError
            It is no name, or no number.
        RunWriteError
            Earlier values could not be written; said once, and tried again later on.
        """
        self.metrics.log(name, value, step)

    def should_stop(self) -> bool:
        """Whether the work had better end here: a search has seen that it leads to nothing.

        To be asked after a value of the metric was logged. Nobody waits for an answer, so that it may come
        half a second after the value that led to it; a Module that gets it sets the results that it has, and
        returns. Its trial counts as pruned.
        """
        self.metrics.flush(quiet=True)
        if Run.before_asking is not None:
            Run.before_asking()
        if not (self.directory.path / STOP).exists():
            return False
        (self.directory.path / STOPPED).touch()
        return True

    @cached_property
    def logger(self) -> Logger:
        """Logs text, pictures, histograms and more to this run; `coolrunner.logger` is the current run's."""
        from coolrunner.runs.logger import Logger

        return Logger(self)

    def tensorboard(self) -> Path:
        """Write what is logged from now on for TensorBoard as well; return the directory to show it.

        Raises
        ------
        RunError
            TensorBoard's writer is not installed; the message has the command for that.
        """
        return self.logger.tensorboard()

    # --- what it saves ---

    def save(self, obj: Any, name: str, *, overwrite: bool = False, pickle: bool = False) -> Path:
        """Save an object under `files`, in the form that suits its type.

        Parameters
        ----------
        obj
            See `coolrunner.runs.savers` for the types that are known; `add_saver` adds one.
        name
            ``/`` makes directories; a suffix is added where there is none. A second object of one name
            gets a version.
        overwrite
            Replace what has that name.
        pickle
            Allow pickle for a type that has no other form.

        Returns
        -------
        Where it is.

        Raises
        ------
        BadNameError, TypeError
            It is no name, or nothing is known that saves such an object.
        RunWriteError
            The disk did not take it; nothing half written is left.
        """
        from coolrunner.runs.artifacts import save_artifact

        return save_artifact(self.directory.files, obj, name, overwrite=overwrite, pickle=pickle)

    def load(self, name: str, *, pickle: bool = False) -> Any:
        """Return what was saved under a name, the newest version of it; pickles only where told to."""
        from coolrunner.runs.artifacts import load_artifact

        return load_artifact(self.directory.files, name, pickle=pickle)

    # --- how it goes on after an interruption ---

    @cached_property
    def snapshots(self) -> Snapshots:
        """Its snapshots; ``run.snapshots.keep("best", metric="ACC")`` says which stay."""
        from coolrunner.runs.snapshots import Snapshots

        return Snapshots(self.directory.snapshots)

    def snapshot(self, state: Any, step: int | None = None, *, pickle: bool = False) -> Path | None:
        """Keep the state of the work, to go on from; return where, or None where none is due.

        It appears whole or not at all, and the newest one before it goes only after that.
        """
        return self.snapshots.take(state, step, metrics=self.metrics, pickle=pickle)

    def resume(self, *, pickle: bool = False) -> Snapshot | None:
        """Return the last snapshot; None at the first beginning.

        A Module that calls this says that it can go on: where it is interrupted or lost, it is started
        again in the same run directory, and metrics go on where the snapshot was taken.
        """
        if self.state is not None and not self.state.resumable:
            self.change(resumable=True)
        return self.snapshots.last(metrics=self.metrics, pickle=pickle)

    # --- how it stands ---

    def change(self, **facts: Any) -> None:
        """Write down more of what its status holds, by the names of `RunState`.

        Raises
        ------
        RunWriteError
            The disk did not take it.
        """
        assert self.state is not None, "only the process that owns a run writes its status"
        state = replace(self.state, **facts)
        if state != self.state:
            self.directory.write_state(state)
            self.state = state

    def end(self, to: RunStatus, **facts: Any) -> None:
        """Write down how it ended, in the process that owns it.

        Parameters
        ----------
        to
            Its last status.
        facts
            What else is known, by the names of `RunState`.

        Raises
        ------
        IllegalMove
            It has ended already.
        RunWriteError
            The disk did not take it.
        """
        assert self.state is not None, "only the process that owns a run writes its status"
        state = move(self.state, to, ended=now(), **facts)
        self.directory.write_state(state)
        self.state = state

    def close(self) -> None:
        """Bring to the disk what was logged; the run is not the current one any more.

        Raises
        ------
        RunWriteError
            The disk did not take it.
        """
        self.closed = True
        logger: Logger | None = self.__dict__.get("logger")
        metrics: Metrics | None = self.__dict__.get("metrics")
        try:
            if logger is not None:
                logger.close()
        finally:
            if metrics is not None:
                metrics.close()

    def __repr__(self) -> str:
        return f"<Run {self.name}>"


class NoRun(Run):
    """What there is outside of any run, and in ghost mode: all of it works, and nothing is kept.

    Nothing is written. Only a Module that asks for `dir`, `files` or `file`, to write there itself, makes
    a directory, which is gone with the process.

    Parameters
    ----------
    name
        What it is called.
    """

    def __init__(self, name: str = "no-run") -> None:
        self.ghost = True
        self.outer = None
        self.closed = False
        self._name = name
        self.state = None

    @cached_property
    def directory(self) -> RunDirectory:  # type: ignore[override]
        """A directory for as long as this process lives."""
        from coolrunner.runs.directory import RunDirectory
        from coolrunner.runs.layout import RESULTS

        path = Path(tempfile.mkdtemp(prefix="coolrunner-"))
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        return RunDirectory(path, RESULTS)

    @property
    def id(self) -> int:
        """No run's number: 0."""
        return 0

    @property
    def attempt(self) -> int:
        """The first, each time."""
        return 1

    @property
    def name(self) -> str:
        """What it is called."""
        return self._name

    @cached_property
    def metrics(self) -> Metrics:
        """Takes scalars, and forgets them."""
        from coolrunner.runs.metrics import Metrics

        return Metrics(None)

    def log_scalar(self, name: str, value: Any, step: int | None = None) -> None:
        """Look at the name and the value as a run would, and keep nothing."""
        self.metrics.log(name, value, step)

    def should_stop(self) -> bool:
        """Return False: nobody watches."""
        return False

    def save(self, obj: Any, name: str, *, overwrite: bool = False, pickle: bool = False) -> Path:
        """Return where a run would have saved it."""
        from coolrunner.runs.savers import saver_of

        path = Path(tempfile.gettempdir(), self._name, *parts_of(name, "the name of a file"))
        return path if path.suffix else path.with_name(path.name + saver_of(obj, pickle=pickle).suffix)

    def snapshot(self, state: Any, step: int | None = None, *, pickle: bool = False) -> None:
        """Keep nothing."""

    def resume(self, *, pickle: bool = False) -> None:
        """Return None: there is nothing to go on from."""
