"""The queue of a study that was started from Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from coolrunner.definition.plan import Plan
from coolrunner.errors import UsageError
from coolrunner.studies.opening import Opened, open_memory, resume_memory

if TYPE_CHECKING:
    from coolrunner.studies.searching.plans import SearchPlan

__all__ = ["open_study"]


def open_study(plan: Plan, read: Callable[..., Plan], *, resume: bool) -> Opened:
    """Return the queue of a plan, with its searches.

    Parameters
    ----------
    read
        Reads the definition again, with numbers that were drawn before.
    resume
        Whether only what has no result yet is in it.

    Raises
    ------
    UsageError
        A queue is left from before, and is not to be gone on with; or a search cannot be done.
    """
    name = plan.settings.queue
    path = None if name is None else Path(name)
    searches = _searches(plan, path)
    if path is None:
        opened = resume_memory(read) if resume else open_memory(plan)
    else:
        opened = _open_file(plan, read, path, searches, resume=resume)
    opened.searches = searches
    return opened


def _open_file(
    plan: Plan, read: Callable[..., Plan], path: Path, searches: list[SearchPlan], *, resume: bool
) -> Opened:
    from coolrunner.studies.queues import begin_anew, is_queue, left_in, open_file, resume_file

    if resume:
        return resume_file(read, path, searches=searches)
    if is_queue(path):
        if left_in(path) is not None:
            raise UsageError(f"the queue {path} is left from before; resume=True runs what is missing")
        begin_anew(path, backup=".before")
    return open_file(plan, path, searches=searches)


def _searches(plan: Plan, queue: Path | None) -> list[SearchPlan]:
    if not any(sweep.search for sweep in plan.sweeps.values()):
        return []
    from coolrunner.studies.searching.plans import check_searches, search_plans

    searches = search_plans(plan, queue)
    check_searches(plan, searches)
    return searches
