"""Helpers for scripts of Hydra: the commit of each run, and a logbook of all runs.

As a decorator, below that of Hydra::

    @hydra.main(version_base=None, config_path=".", config_name="config")
    @tracked("logbook.yaml", refuse_dirty=True)
    def main(cfg):
        return {"ACC": train(cfg)}

or without a change of the script, in its config::

    hydra:
      callbacks:
        tracking:
          _target_: coolrunner.frontends.tracking.hydra.Tracking
          logbook: logbook.yaml
          refuse_dirty: true

Each run has a file ``commit_<hash>.json`` then, with the commit, the branch, and whether files differed from
it; if so, the changes are in ``changes.patch`` beside it. The logbook is a YamlLog: a document for each run
that finished, with its config, what ``main`` returned, and ``ID STUDY HOST RUN STARTED TIME_ELAPSED COMMIT``;
runs that failed are in the log of failures beside it. Any number of jobs may write to it at once, and all
commands for logs read it.
"""

from __future__ import annotations

import functools
import json
import os
import socket
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coolrunner.errors import CoolrunnerError, UsageError
from coolrunner.runs.repository import Repository, read_repository

if TYPE_CHECKING:
    import pandas

__all__ = ["Tracking", "clean_repository", "iterate_paths", "save_hash", "tracked"]

PathLike = str | os.PathLike[str]
Main = Callable[[Any], Any]


def clean_repository(directory: PathLike | None = None) -> Repository:
    """Return the git repository that a directory is in, if no file of it differs from the commit.

    New files, which git does not know, do not count.

    Parameters
    ----------
    directory
        The working directory by default.

    Raises
    ------
    UsageError
        Files differ, there is no repository, or git does not answer.
    """
    place = Path.cwd() if directory is None else Path(directory)
    repository = read_repository(place)
    if repository.dirty is None:
        raise UsageError(f"the commit of this run cannot be recorded: {place}: {repository.problem}")
    if repository.dirty:
        raise UsageError(
            f"the repository {repository.root} is dirty: commit the changes, so that the commit of this run "
            "says what has run"
        )
    return repository


def save_hash(cfg: Any) -> None:
    """Record the commit of a run; refuse to go on where files differ from it.

    Does nothing unless ``cfg.automatic_commit.activated``. Only the first job of a sweep looks whether files
    differ, and ends the sweep; where the jobs run in processes of their own, `Tracking` does it before them.

    Parameters
    ----------
    cfg
        The config, with ``automatic_commit.activated`` and, for a repository that is not that of the working
        directory, ``automatic_commit.working_dir``.

    Raises
    ------
    SystemExit
        Files differ, there is no repository, or git does not answer; without Hydra this is a UsageError.
    """
    wanted = cfg.get("automatic_commit")
    if wanted and wanted.get("activated"):
        _Job(repository=wanted.get("working_dir"), refuse_dirty=True).record_commit()


def tracked(
    logbook: PathLike | None = None, *, refuse_dirty: bool = False, repository: PathLike | None = None
) -> Callable[[Main], Main]:
    """Make a decorator that records the commit of each run, and the run in a logbook.

    Parameters
    ----------
    logbook
        The YamlLog, relative to the directory that the script is called in; None for none.
    refuse_dirty
        Whether to end where files differ from the commit, as `save_hash` does.
    repository
        A directory of it; the one that the script is called in by default.

    Returns
    -------
    A decorator for the function that `hydra.main` calls. What that returns are the results of the run: a
    mapping, or one value, which becomes ``RESULT``.
    """

    def decorate(function: Main) -> Main:
        @functools.wraps(function)
        def recorded(cfg: Any) -> Any:
            job = _Job(logbook, repository, refuse_dirty)
            job.start(cfg)
            try:
                result = function(cfg)
            except BaseException as error:
                job.fail(error)
                raise
            job.finish(result)
            return result

        return recorded

    return decorate


class Tracking:
    """A callback of Hydra that records the commit of each run, and the run in a logbook.

    Parameters
    ----------
    logbook, refuse_dirty, repository
        As for `tracked`. A run that is refused, and a sweep, ends before anything of it is made.
    """

    def __init__(
        self, logbook: str | None = None, refuse_dirty: bool = False, repository: str | None = None
    ) -> None:
        self._options = (logbook, repository)
        self._refuse_dirty = refuse_dirty
        self._job: _Job | None = None

    def on_run_start(self, config: Any, **_: Any) -> None:
        """Refuse a run of a dirty repository."""
        if self._refuse_dirty:
            try:
                clean_repository(self._options[1])
            except UsageError as error:
                # Hydra makes a warning of any other exception of a callback, and goes on.
                raise SystemExit(str(error)) from None

    on_multirun_start = on_run_start

    def on_job_start(self, config: Any, **_: Any) -> None:
        """Begin the record of a run."""
        self._job = _Job(*self._options)
        self._job.start(_without_hydra(config))

    def on_job_end(self, config: Any, job_return: Any, **_: Any) -> None:
        """Complete the record of a run."""
        job, self._job = self._job, None
        if job is None:
            return
        result = job_return._return_value  # the property raises what the run raised
        if job_return.status.name == "COMPLETED":
            job.finish(result)
        else:
            job.fail(result)

    def on_run_end(self, config: Any, **_: Any) -> None:
        """Do nothing; Hydra calls it."""

    on_multirun_end = on_run_end

    def on_compose_config(self, config: Any, **_: Any) -> None:
        """Do nothing; Hydra calls it."""


def iterate_paths(
    frame: pandas.DataFrame, relative_to_base_path: PathLike
) -> Iterator[tuple[tuple[str, int], Path]]:
    """Yield for each run of a frame its label, and the path of a file in its directory.

    Parameters
    ----------
    frame
        From `coolrunner.load_project`.
    relative_to_base_path
        The file, as seen from where the first file that was collected is.
    """
    columns = [name for name in frame.columns if str(name).startswith("collected_path_")]
    for label, paths in zip(frame.index, frame[columns].itertuples(index=False), strict=True):
        first = next((path for path in paths if isinstance(path, str)), None)
        if first is not None:
            yield label, Path(first).parent / relative_to_base_path


class _Job:
    """What is recorded of one run."""

    def __init__(
        self,
        logbook: PathLike | None = None,
        repository: PathLike | None = None,
        refuse_dirty: bool = False,
    ) -> None:
        # Hydra may have made the directory of the run the working directory.
        self._in_hydra, self._cwd, self._place, self._name, self._is_first = _here()
        self._logbook = None if logbook is None else self._cwd / logbook
        self._repository = self._cwd / (repository or ".")
        self._refuse_dirty = refuse_dirty
        self._inputs: dict[str, Any] = {}
        self._commit = ""
        self._started = datetime.now().astimezone()
        self._clock = time.perf_counter()

    def start(self, cfg: Any) -> None:
        self.record_commit()
        self._inputs = _plain_config(cfg)

    def record_commit(self) -> None:
        """Write down the commit in the directory of the run."""
        if self._refuse_dirty and self._is_first:
            try:
                repository = clean_repository(self._repository)
            except UsageError as error:
                if not self._in_hydra:
                    raise
                # After any other exception Hydra goes on with the next job of a sweep.
                raise SystemExit(str(error)) from None
        else:
            repository = read_repository(self._repository)
        if repository.commit is None:
            return
        self._commit = repository.commit + ("-dirty" if repository.dirty else "")
        facts = {
            "commit_hash": repository.commit,
            "branch": repository.branch,
            "dirty": repository.dirty,
            "repository": repository.root,
        }
        text = json.dumps(facts, indent=4) + "\n"
        (self._place / f"commit_{repository.commit}.json").write_text(text, encoding="utf-8")
        if repository.dirty and repository.diff:
            (self._place / "changes.patch").write_bytes(repository.diff)

    def finish(self, result: Any) -> None:
        """Add the run to the logbook."""
        results = result if isinstance(result, Mapping) else {} if result is None else {"RESULT": result}
        self._add(results, failed=False)

    def fail(self, error: BaseException) -> None:
        """Add the run to the log of failures."""
        text = "".join(traceback.format_exception(error))
        last = traceback.format_exception_only(error)[-1].strip()
        self._add({}, failed=True, ERROR=last, TRACEBACK=text)

    def _add(self, results: Mapping[Any, Any], *, failed: bool, **more: str) -> None:
        if self._logbook is None:
            return
        from coolrunner.definition.plan import new_id
        from coolrunner.results.logs.yamllog import YamlLog, failed_log
        from coolrunner.yamlio import to_plain

        elapsed = time.perf_counter() - self._clock
        identity = new_id()
        # REP parts what was given from what came of it.
        record = {**self._inputs, "REP": 0, **to_plain(results, lambda value, _: repr(value))}
        record |= {
            "ID": identity,
            "STUDY": self._name,
            "HOST": socket.gethostname(),
            "RUN": str(self._place),
            "STARTED": self._started.isoformat(timespec="seconds"),
            "TIME_ELAPSED": round(elapsed, 6),
        }
        record |= {"COMMIT": self._commit} if self._commit else {}
        log = YamlLog(failed_log(str(self._logbook)) if failed else str(self._logbook))
        try:
            log.append(identity, record | more)
            log.close()
        except (CoolrunnerError, OSError) as error:  # a run is not lost for its logbook
            warnings.warn(f"the logbook does not have this run: {error}", stacklevel=4)


def _here() -> tuple[bool, Path, Path, str, bool]:
    """Return where this is.

    Whether in Hydra, where the script was called, the directory of the run, the name of its job, and whether
    it is the first one of its sweep.
    """
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    if not HydraConfig.initialized():
        return False, Path.cwd(), Path.cwd(), "", True
    facts = HydraConfig.get()
    number = None if OmegaConf.is_missing(facts.job, "num") else facts.job.num
    cwd, place = Path(facts.runtime.cwd), Path(facts.runtime.output_dir)
    return True, cwd, place, str(facts.job.name), not number


def _plain_config(cfg: Any) -> dict[str, Any]:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from coolrunner.yamlio import to_plain

    if OmegaConf.is_config(cfg):
        try:
            cfg = OmegaConf.to_container(cfg, resolve=True, enum_to_str=True)
        except (OmegaConfBaseException, ValueError):  # a resolver that fails, or what is not there
            cfg = OmegaConf.to_container(cfg, enum_to_str=True)
    plain: dict[str, Any] = to_plain(cfg, lambda value, _: repr(value))
    return plain


def _without_hydra(config: Any) -> Any:
    import copy

    from omegaconf import open_dict, read_write

    config = copy.deepcopy(config)
    with read_write(config), open_dict(config):
        config.pop("hydra", None)
    return config
