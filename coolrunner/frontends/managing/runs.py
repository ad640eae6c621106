"""What a manager saves to and logs to: its experiment, and the runs of commands within that."""

from __future__ import annotations

import contextlib
import inspect
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from coolrunner.errors import RunError
from coolrunner.frontends.lifetime import Lifetime
from coolrunner.frontends.managing.config import Config, laid_over
from coolrunner.frontends.managing.messages import HEADLINE, Messages, open_log, show_values
from coolrunner.runs import current
from coolrunner.runs.artifacts import artifacts, load_dir
from coolrunner.runs.directory import RunDirectory, write_whole
from coolrunner.runs.layout import Layout
from coolrunner.runs.secrets import hide_values
from coolrunner.runs.session import NoRun, Run
from coolrunner.runs.status import RunStatus
from coolrunner.yamlio import dump, to_plain

__all__ = ["Life", "ManagedRun", "Scope", "parameters"]


def parameters(config: Mapping[Any, Any]) -> str:
    """Return a configuration as the text of a ``params.yaml``.

    What has no plain form is there as its `repr`; values of secret names are not.
    """
    return dump(hide_values(to_plain(config, otherwise=lambda value, _: repr(value)))[0])


class Scope:
    """An experiment, or a run in it: a directory, a configuration, and what is kept there.

    Parameters
    ----------
    name
        What the person calls it.
    layout
        Of its directory.
    directory
        Where it is; None keeps nothing.
    config
        Its configuration.
    tensorboard
        Whether what is logged goes to event files as well.

    Attributes
    ----------
    name, config
        As given.
    ghost
        Whether nothing is kept.
    keeper
        Saves and logs for it.
    log_handler
        Takes the messages that belong to it; None takes none.
    """

    def __init__(
        self,
        name: str,
        layout: Layout,
        directory: RunDirectory | None,
        config: Config,
        tensorboard: bool = False,
    ) -> None:
        self.name = name
        self.config = config
        self.ghost = directory is None
        self.keeper = NoRun(name) if directory is None else Run(directory)
        self.log_handler: logging.Handler | None = None
        self._layout = layout
        self._directory = directory
        self._remembered: dict[str, Any] = {}
        if tensorboard and not self.ghost:
            self.keeper.logger.tensorboard()

    # --- where things are ---

    @property
    def directory(self) -> RunDirectory:
        """The directory; in ghost mode one that is made when it is asked for and gone with the process."""
        if self._directory is None:
            self._directory = RunDirectory(self.keeper.dir, self._layout)
            for name in self._layout.directories:
                (self._directory.path / name).mkdir(exist_ok=True)
        return self._directory

    @property
    def saved_files(self) -> Path:
        """The directory of what is saved."""
        return self.directory.files

    @property
    def saved_metrics(self) -> Path:
        """The directory of metrics, and of their pictures."""
        return self.directory.metrics.parent

    # --- being the current run ---

    def door(self) -> Run:
        """Return a run to enter: each entry has one of its own, and all log to the same metrics."""
        return self.shared(NoRun(self.name) if self.ghost else Run(self.directory))

    def shared(self, run: Run) -> Run:
        """Let a run log where all the others of this scope do."""
        run.metrics = self.keeper.metrics
        run.logger = self.keeper.logger
        return run

    # --- keeping ---

    def write_config(self, options: Mapping[Any, Any] | None = None) -> None:
        """Write its parameters down: the configuration, and over it what a call is given besides."""
        if not self.ghost:
            config = self.config.whole()
            text = parameters(laid_over(config, options) if options else config)
            write_whole(self.directory.params, text.encode())

    def save(
        self,
        obj: Any,
        name: str,
        form: Callable[[Any], Any] | None = None,
        *,
        overwrite: bool = False,
        pickle: bool = False,
    ) -> Path:
        """Save an object, as what `form` makes of it; in ghost mode it is only remembered."""
        path = self.keeper.save(obj if form is None else form(obj), name, overwrite=overwrite, pickle=pickle)
        if self.ghost:
            self._remembered[name] = obj
        return path

    def load(self, name: str, *, pickle: bool = False) -> Any:
        """Return what was saved under a name."""
        if name in self._remembered:
            return self._remembered[name]
        return self.keeper.load(name, pickle=pickle)

    def load_all(self, *, pickle: bool = False) -> dict[str, Any]:
        """Return all that was saved, by name."""
        return dict(self._remembered) if self.ghost else load_dir(self.saved_files, pickle=pickle)

    def has(self, name: str) -> bool:
        """Whether something was saved under a name."""
        if self.ghost:
            return name in self._remembered
        files = self.saved_files
        return any(
            name in (one.name, one.name + one.suffix, one.path.relative_to(files).as_posix())
            for one in artifacts(files)
        )

    def log_scalars(self, name: str, values: Mapping[str, Any], step: int | None = None) -> None:
        """Add a value to each of several metrics ``name/...``, all at one step."""
        if step is None:
            steps = self.keeper.metrics.steps()
            step = max((after for key, after in steps.items() if key.startswith(f"{name}/")), default=0)
        for label, value in values.items():
            self.keeper.log_scalar(f"{name}/{label}", value, step)


class Life(Lifetime):
    """The time from the beginning to the end of a scope, in which it is the current run.

    Parameters
    ----------
    scope
        Not a ghost.
    """

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope.directory)
        self._scope = scope

    def begin(self) -> None:
        """Make it the current run."""
        super().begin()
        self._scope.shared(self.run)

    @property
    def run(self) -> Run:
        """The run that is the current one."""
        assert self._run is not None
        return self._run


class _CallLife(Life):
    """The life of a run, which ends with a call of its command."""

    def over(self, error: BaseException | None = None) -> None:
        """Write down how the call ended."""
        super().end(error)

    def end(self, error: BaseException | None = None, status: object = None) -> None:
        """Write down that it was interrupted: the script ends while a thread still works on it."""
        super().end(KeyboardInterrupt("the script ended before it"))


class ManagedRun(Scope):
    """A run of a command: made by `Manager.add_run`, and called any number of times.

    A call returns what the command returns, and raises what it raises. Meanwhile this is the current run: all
    that is saved and logged goes to its directory.

    Parameters
    ----------
    id
        Its number in the experiment.
    command_name, command
        What the command is called, and the function.
    messages, doors
        Those of the manager; what is entered is noted in `doors`.

    Attributes
    ----------
    id, command_name, command
        As given.
    calls
        How often it was called.
    """

    def __init__(
        self,
        *scope: Any,
        id: int,
        command_name: str,
        command: Callable[..., Any],
        messages: Messages,
        doors: dict[Run, Scope],
    ) -> None:
        super().__init__(*scope)
        self.id = id
        self.command_name = command_name
        self.command = command
        self.calls = 0
        self._messages = messages
        self._doors = doors
        self._under_way = 0
        self._lock = threading.Lock()

    @property
    def run_dir(self) -> Path:
        """Its directory."""
        return self.directory.path

    def forgo(self) -> None:
        """Write down that it was never called, where that is so."""
        if not self.calls and not self.ghost:
            run = Run(self.directory, self.directory.read_state())
            if run.state is not None and run.state.status is RunStatus.RUNNING:
                run.end(RunStatus.INTERRUPTED, error="it was never called")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the command; that of a coroutine function is to be awaited."""
        if inspect.iscoroutinefunction(self.command):
            return self._awaited(args, kwargs)
        with self._entered(kwargs):
            return self.command(*args, **kwargs)

    async def _awaited(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with self._entered(kwargs):
            return await self.command(*args, **kwargs)

    @contextlib.contextmanager
    def _entered(self, options: Mapping[str, Any]) -> Iterator[None]:
        with self._lock:
            first = not self._under_way
            self._under_way += 1
            self.calls += 1
        try:
            if first:
                self.write_config(options)
            entered = self._status_kept() if first and not self.ghost else self._only_entered()
            with entered, self._told(first):
                yield
        finally:
            with self._lock:
                self._under_way -= 1

    @contextlib.contextmanager
    def _status_kept(self) -> Iterator[None]:
        """Be the current run, and write down how it ends."""
        life = _CallLife(self)
        life.begin()
        door = life.run
        self._doors[door] = self
        try:
            yield
        except BaseException as error:
            try:
                life.over(error)
            except RunError as problem:  # what the command has raised is not to be hidden by this
                self._messages.logger.warning("the end of this run is not written down: %s", problem)
            raise
        else:
            life.over()
        finally:
            del self._doors[door]

    @contextlib.contextmanager
    def _only_entered(self) -> Iterator[None]:
        """Be the current run; a call around this one, or nobody, cares for the status."""
        door = self.door()
        current.enter(door)
        self._doors[door] = self
        try:
            yield
        finally:
            current.leave(door)
            del self._doors[door]

    @contextlib.contextmanager
    def _told(self, first: bool) -> Iterator[None]:
        """Tell when it begins and ends, in its own log as well."""
        log = self._messages.logger.log
        if first and not self.ghost:
            self.log_handler = open_log(self.directory.log)
        start = time.monotonic()
        try:
            log(HEADLINE, "%s begins", self.command_name)
            config = self.config.whole()
            if first and config:
                self._messages.detail("the configuration:\n%s", show_values(config))
            yield
            log(HEADLINE, "%s is done after %s", self.command_name, _time_since(start))
        except BaseException as error:
            level = logging.ERROR if isinstance(error, Exception) else logging.WARNING
            what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            log(level, "%s ended after %s with %s", self.command_name, _time_since(start), what)
            raise
        finally:
            if first and self.log_handler is not None:
                self.log_handler.close()
                self.log_handler = None

    def __repr__(self) -> str:
        return f"<ManagedRun {self.id}: {self.command_name}>"


def _time_since(start: float) -> str:
    return f"{time.monotonic() - start:.1f} s"
