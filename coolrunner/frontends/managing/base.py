"""What all parts of a manager stand on: the experiment, its paths, and which run of it is under way here."""

from __future__ import annotations

from pathlib import Path

from coolrunner.errors import RunError
from coolrunner.frontends.managing.messages import Messages
from coolrunner.frontends.managing.runs import ManagedRun, Scope
from coolrunner.runs import current
from coolrunner.runs.session import Run

__all__ = ["EXPERIMENT", "ManagerBase"]

#: Stands for the experiment itself where a run's number is asked for.
EXPERIMENT = -1


class ManagerBase:
    """An experiment that is under way.

    Parameters
    ----------
    name
        What the person calls it.
    experiment
        Where it is kept.
    project_dir
        The directory of the code.
    experiments_dir
        The directory of all experiments.
    verbose
        What the console shows: 0 warnings and errors, 1 informations too, 2 everything.

    Attributes
    ----------
    name, project_dir, experiments_dir
        As given.
    runs
        The runs of commands that this process has made, by their numbers.
    """

    def __init__(
        self, name: str, experiment: Scope, project_dir: Path, experiments_dir: Path, verbose: int = 1
    ) -> None:
        self.name = name
        self.project_dir = project_dir
        self.experiments_dir = experiments_dir
        self.runs: dict[int, ManagedRun] = {}
        self._experiment = experiment
        #: Where this process takes part in what another one has begun, and is at home in a run of it.
        self._home: Scope = experiment
        self._doors: dict[Run, Scope] = {}
        self._messages = Messages(name, self._run_here, verbose)
        self._finished = ""

    # --- where things are ---

    @property
    def ghost(self) -> bool:
        """Whether nothing is kept."""
        return self._experiment.ghost

    @property
    def experiment_dir(self) -> Path:
        """The directory of this experiment; in ghost mode one that is gone with the process."""
        return self._experiment.directory.path

    @property
    def experiment_name(self) -> str:
        """The name of that directory."""
        return self.experiment_dir.name

    @property
    def saved_files(self) -> Path:
        """The directory of what is saved outside of runs."""
        return self._experiment.saved_files

    @property
    def saved_sources(self) -> Path:
        """The directory of copies of the project's sources."""
        return self._experiment.directory.sources

    @property
    def saved_metrics(self) -> Path:
        """The directory of metrics that are logged outside of runs."""
        return self._experiment.saved_metrics

    @property
    def saved_runs(self) -> Path:
        """The directory of the runs of commands."""
        return self._experiment.directory.nested

    save_dir, sources_dir, metrics_dir, runs_dir = saved_files, saved_sources, saved_metrics, saved_runs

    @property
    def experiment_info_log(self) -> Path:
        """The file of messages."""
        return self._experiment.directory.info

    @property
    def debug_log(self) -> Path:
        """The file of messages of all levels."""
        return self._experiment.directory.debug

    @property
    def stdout_capture_log(self) -> Path:
        """The file of all that is printed."""
        return self._experiment.directory.log

    def get_save_path(self, *parts: str) -> Path:
        """Return the path in the directory where `save` saves to here, or that directory.

        Raises
        ------
        BadNameError
            It leads elsewhere.
        """
        from coolrunner.runs.names import parts_of

        names = (name for part in parts for name in parts_of(part, "the name of a file"))
        return self._here().saved_files.joinpath(*names)

    # --- which run is under way ---

    def owns(self, run: Run) -> bool:
        """Whether it is this experiment, or a run of it, that was entered as that run."""
        return run in self._doors

    def current_run(self) -> ManagedRun | None:
        """Return the run of this experiment that is under way where this is asked; None outside of runs."""
        scope = self._home
        if current.is_inside():
            around = current.outward(current.current_run())
            scope = next((self._doors[run] for run in around if run in self._doors), scope)
        return scope if isinstance(scope, ManagedRun) else None

    def get_call_id(self) -> int:
        """Return the number of the run that is under way where this is asked; -1 outside of runs."""
        run = self.current_run()
        return EXPERIMENT if run is None else run.id

    def _run_here(self) -> ManagedRun | None:
        return self.current_run()

    def _here(self) -> Scope:
        """Return what owns what is saved and logged where this is asked."""
        self._check_open()
        return self.current_run() or self._home

    def _scope(self, run_id: int | None) -> Scope:
        """Return a run by its number, the experiment for -1, and for None what is under way."""
        if run_id is None:
            return self._here()
        self._check_open()
        return self._experiment if run_id == EXPERIMENT else self._known_run(run_id)

    def _known_run(self, run_id: int | ManagedRun) -> ManagedRun:
        if isinstance(run_id, ManagedRun):
            return run_id
        if run_id not in self.runs:
            known = ", ".join(map(str, self.runs)) or "none"
            raise RunError(f"there is no run {run_id!r} here: there are {known}")
        return self.runs[run_id]

    def _check_open(self) -> None:
        if self._finished:
            raise RunError(f"the experiment {self.name!r} is {self._finished}")
