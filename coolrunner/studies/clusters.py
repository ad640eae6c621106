"""A study on a cluster: its backend, what is wrong before anything runs, what is there already."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from coolrunner.definition.resources import parse_resources
from coolrunner.errors import BackendError, DefinitionError, Problem, UsageError
from coolrunner.studies.resuming import Known

if TYPE_CHECKING:
    from coolrunner.definition.plan import Plan
    from coolrunner.definition.settings import Settings
    from coolrunner.execution.base import Backend
    from coolrunner.execution.pinning import PinBoard

__all__ = ["check_cluster", "cluster_backend", "is_cluster", "known_jobs", "left_running"]


def is_cluster(settings: Settings) -> bool:
    """Whether experiments run on other machines."""
    return settings.executor not in ("local", "inline")


def cluster_backend(
    settings: Settings,
    board: PinBoard,
    directory: str,
    *,
    study: str,
    jobs: int | str | None = None,
    capture: bool = False,
) -> Backend:
    """Return what runs experiments on the cluster that the settings name.

    Parameters
    ----------
    settings
        What ``Global`` says.
    board
        Where the versions of the user's files are kept.
    directory
        First on the import path of the experiments.
    study
        The study's name.
    jobs
        How many jobs at once, in place of what the settings say.
    capture
        Whether what experiments write is reported.

    Raises
    ------
    UsageError
        The cluster cannot be used from here.
    """
    jobs = jobs or settings.jobs
    if settings.executor == "ray":
        from coolrunner.execution.ray.backend import RayBackend

        return RayBackend(
            board,
            directory,
            _place(settings),
            settings=settings.ray,
            jobs=jobs,
            study=study,
            capture=capture,
            warm=settings.warm,
            grace=settings.grace,
        )
    from coolrunner.execution.slurm.nodes import find_troubles

    for trouble in find_troubles(settings.slurm):
        raise UsageError(str(Problem(trouble.message, hint=trouble.hint)))
    from coolrunner.execution.slurm.backend import MOST, SlurmBackend

    return SlurmBackend(
        board,
        directory,
        _place(settings),
        settings=settings.slurm,
        jobs=jobs if isinstance(jobs, int) else MOST,
        study=study,
        capture=capture,
        grace=settings.grace,
    )


def check_cluster(plan: Plan) -> None:
    """See that the cluster of a definition is there, and that it can ever have what experiments ask for.

    Raises
    ------
    DefinitionError
        It is not, or cannot; with the places in the definition.
    """
    if plan.settings.executor == "ray":
        _check_ray(plan)
    if plan.settings.executor != "slurm":
        return
    from coolrunner.execution.slurm.nodes import Partitions, find_troubles

    definition = plan.definition
    troubles = find_troubles(plan.settings.slurm)
    if troubles:
        raise DefinitionError(
            [
                definition.problem(0, ("Global", *trouble.path), trouble.message, trouble.hint)
                for trouble in troubles
            ]
        )
    partitions = Partitions(str(plan.settings.slurm.options.get("partition", "")))
    _check_resources(plan, lambda value: partitions.impossible(parse_resources(value)))


def _check_ray(plan: Plan) -> None:
    from coolrunner.execution.ray.cluster import find_it

    blamed: tuple[str, ...] = ("Global", "executor")
    try:
        find_it(plan.settings.ray)
        return
    except BackendError as error:
        told = str(error)
        if plan.settings.ray.address:
            blamed = ("Global", "ray", "address")
    except UsageError as error:
        told = str(error)
    raise DefinitionError([plan.definition.problem(0, blamed, told)])


def _check_resources(plan: Plan, impossible: Callable[[object], str]) -> None:
    problems, seen = [], set()
    for planned in plan.chosen:
        asked = planned.experiment.inputs.get("Resources") if planned.runs else None
        if asked is None or planned.document in seen:
            continue
        seen.add(planned.document)
        try:
            why = impossible(asked)
        except BackendError:  # it does not answer just now
            return
        if why:
            number = plan.definition.origin(planned.document, ("Resources",))
            problems.append(plan.definition.problem(number, ("Resources",), f"{planned.name} {why}"))
    if problems:
        raise DefinitionError(problems)


def known_jobs(settings: Settings, study: str, finished: Collection[str] = ()) -> Iterator[Known]:
    """Yield the experiments of a study that were handed to a cluster, and not yet taken note of.

    Parameters
    ----------
    finished
        The IDs of those whose results stand in a log: what is left of them is removed.
    """
    from coolrunner.execution.detached_files import JobsDirectory
    from coolrunner.yamlio import read_text

    for job in JobsDirectory(_place(settings)).known():
        if job.id in finished:
            job.remove()
            continue
        about = job.about() or {}
        if about.get("study") == study and about.get("engine") == settings.executor:
            values = read_text(str(about.get("values", "")), str(job.about_path))
            if isinstance(values, dict):
                yield Known(job.id, values)


def left_running(settings: Settings, study: str) -> str:
    """Say that a cluster still has experiments of an earlier run of a study; empty where it has none."""
    count = sum(1 for _ in known_jobs(settings, study)) if is_cluster(settings) else 0
    if not count:
        return ""
    what = "1 experiment" if count == 1 else f"{count} experiments"
    return f"the cluster has {what} of an earlier run of {study}; --resume takes them up, this run does not"


def _place(settings: Settings) -> Path:
    """Return the directory of the jobs' files."""
    from coolrunner.execution.detached_files import JOBS

    return Path(settings.root or ".") / JOBS
