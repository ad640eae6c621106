"""What a manager does with functions: it gives them the configuration, and runs them as commands."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

from coolrunner.errors import UsageError
from coolrunner.frontends.managing.base import ManagerBase
from coolrunner.frontends.managing.commands import Commands
from coolrunner.frontends.managing.config import Config, fresh, picked, read_config, values_of
from coolrunner.frontends.managing.injection import captured
from coolrunner.frontends.managing.runs import ManagedRun, Scope, parameters
from coolrunner.runs.layout import MANAGED_RUN
from coolrunner.runs.root import Root
from coolrunner.runs.status import RunState, now, this_process_facts

__all__ = ["Running"]


class Running(ManagerBase):
    """Configurations, captured functions, commands and their runs."""

    def __init__(self, *args: Any, tensorboard: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._commands = Commands()
        self._tensorboard = tensorboard
        self._ghosts = 0

    # --- the configuration ---

    @property
    def config(self) -> dict[Any, Any]:
        """The configuration as it is here: that of the run under way over that of the experiment; a copy."""
        whole: dict[Any, Any] = fresh(self._config_here())
        return whole

    def _config_here(self) -> Mapping[Any, Any]:
        return (self.current_run() or self._home).config.whole()

    def add_config(self, config: Any, run_id: int | None = None) -> Any:
        """Add to the configuration of the run that is under way, or of the experiment outside of runs.

        Nested mappings are merged key by key. As a decorator it takes the function's local variables, or the
        mapping that it returns.

        Parameters
        ----------
        config
            A mapping, the path of a JSON or YAML file (relative to the working directory or to the project),
            or a function, which may have parameters that the configuration knows already.
        run_id
            Another run, by its number; -1 is the experiment.

        Returns
        -------
        The function, where one is given.

        Raises
        ------
        YamlError, UsageError
            It is no configuration, or the file cannot be read; names file, line and column.
        RunError
            There is no such run.
        RunWriteError
            The disk did not take it.
        """
        scope = self._scope(run_id)
        is_function = callable(config) and not isinstance(config, (Mapping, PathLike))
        if is_function:
            # The local variables are those of the function itself, so what it takes is found out before.
            given = inspect.signature(config).parameters
            known = self._config_here()
            values = values_of(config, **{name: fresh(known[name]) for name in given if name in known})
        else:
            values = read_config(config, self.project_dir)
        scope.config.add(values)
        scope.write_config()
        self._messages.detail("added to the configuration: %s", ", ".join(map(str, values)) or "nothing")
        return config if is_function else None

    def capture(self, function: Any = None, prefixes: str | Sequence[str] | None = None) -> Any:
        """Give a function from the configuration what it is not called with; with or without parentheses.

        An explicit argument wins, then the configuration (that of the run over that of the experiment), then
        the default in the signature.

        Parameters
        ----------
        function
            A function, a coroutine function, a method, or a class (for its ``__init__``).
        prefixes
            Dotted paths into the configuration; each is given under its last part (``details.age`` as
            ``age``), and one that leads nowhere gives nothing. By default all keys of the highest level.
            ``**kwargs`` takes those that are no parameters.

        Raises
        ------
        UsageError
            Two paths have the same last part.
        """
        paths = _paths(prefixes)
        if function is None:
            return functools.partial(self.capture, prefixes=paths)
        if paths is None:
            return captured(function, self._config_here)
        return captured(function, lambda: picked(self._config_here(), paths))

    # --- commands ---

    def command(
        self, function: Any = None, prefixes: str | Sequence[str] | None = None, name: str | None = None
    ) -> Any:
        """Make a function a command, which `run` runs; with or without parentheses. It is captured as well.

        Parameters
        ----------
        function, prefixes
            As for `capture`.
        name
            What it is called; the function's name by default.

        Raises
        ------
        UsageError
            Another function has that name.
        """
        if function is None:
            return functools.partial(self.command, prefixes=prefixes, name=name)
        function = self.capture(function, prefixes)
        self._commands.add(function, name)
        return function

    def add_command(self, function: Callable[..., Any], name: str | None = None) -> None:
        """Make a function a command as it is: the configuration gives it nothing, unless it is captured.

        Raises
        ------
        UsageError
            Another function has that name.
        """
        self._commands.add(function, name)

    def main(self, function: Any = None, prefixes: str | Sequence[str] | None = None) -> Any:
        """Make a function the command that `run` runs where none is named; see `command`."""
        if function is None:
            return functools.partial(self.main, prefixes=prefixes)
        function = self.capture(function, prefixes)
        self._commands.main = self._commands.add(function)
        return function

    def automain(self, function: Any = None, prefixes: str | Sequence[str] | None = None) -> Any:
        """Make a function the main command, and run it at once where its module is the script that runs.

        It belongs at the end of the script: what stands below is not defined yet.
        """
        if function is None:
            return functools.partial(self.automain, prefixes=prefixes)
        function = self.main(function, prefixes)
        if function.__module__ == "__main__":
            self.run()
        return function

    # --- runs ---

    def run(
        self,
        command_name: str | Callable[..., Any] | None = None,
        update_dict: Any = None,
        run_name: str | None = None,
        call_options: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a command in a directory of its own under ``saved_runs``.

        Parameters
        ----------
        command_name
            The command, or its function; the main one by default.
        update_dict
            A configuration for this run alone; see `add_config` for what it may be.
        run_name
            What the run is called; the command's name by default.
        call_options
            Arguments that the command is called with.

        Returns
        -------
        What the command returns; for a coroutine function something to await. What it raises is raised.

        Raises
        ------
        UsageError
            There is no such command.
        RunError
            The experiment is finished, or the disk does not take the run.
        """
        return self.add_run(command_name, update_dict, run_name)(**(call_options or {}))

    def add_run(
        self,
        command_name: str | Callable[..., Any] | None = None,
        update_dict: Any = None,
        run_name: str | None = None,
    ) -> ManagedRun:
        """Make a run without calling its command, to be called several times; see `run`.

        Returns
        -------
        The run. It can be called itself, or by `run_existing` with its `id`.

        Raises
        ------
        UsageError, RunError
            As for `run`.
        """
        self._check_open()
        found, function = self._commands.find(command_name)
        config = Config(self._experiment.config)
        if update_dict is not None:
            config.add(read_config(update_dict, self.project_dir))
        name = run_name or found
        directory = None
        if not self.ghost:
            root = Root(self._experiment.directory.path, MANAGED_RUN)
            state = _new_state(self._experiment, name)
            directory = root.create(parameters(config.whole()), state, name=name)
        self._ghosts += 1
        run = ManagedRun(
            *(name, MANAGED_RUN, directory, config, self._tensorboard),
            id=directory.number if directory is not None else self._ghosts,
            command_name=found,
            command=function,
            messages=self._messages,
            doors=self._doors,
        )
        self.runs[run.id] = run
        return run

    def run_existing(
        self,
        run_id: int | ManagedRun,
        update_dict: Any = None,
        call_options: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the command of a run once more: files, metrics and their steps go on where they were.

        Parameters
        ----------
        run_id
            The number of the run, or the run.
        update_dict, call_options
            As for `run`; the run's configuration keeps what is added.

        Returns
        -------
        What the command returns; what it raises is raised.

        Raises
        ------
        RunError
            There is no such run, or the experiment is finished.
        """
        self._check_open()
        run = self._known_run(run_id)
        if update_dict is not None:
            run.config.add(read_config(update_dict, self.project_dir))
        return run(**(call_options or {}))


def _paths(prefixes: str | Sequence[str] | None) -> list[str] | None:
    if prefixes is None:
        return None
    paths = [prefixes] if isinstance(prefixes, str) else list(prefixes)
    taken: dict[str, str] = {}
    for path in paths:
        last = path.rpartition(".")[2]
        if taken.setdefault(last, path) != path:
            raise UsageError(f"the prefixes {taken[last]!r} and {path!r} would both be given as {last!r}")
    return paths


def _new_state(experiment: Scope, name: str) -> RunState:
    """Return the state of a run in an experiment, which comes from where that comes from."""
    whole = experiment.directory.read_state()
    return RunState(
        name=name,
        started=now(),
        **this_process_facts(),
        study=whole.study,
        provenance=whole.provenance,
        sources=whole.sources,
    )
