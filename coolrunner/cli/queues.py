"""``run``: which queue is meant, and what to do with what is left in it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from coolrunner.errors import UsageError

if TYPE_CHECKING:
    from coolrunner.definition.plan import Plan, Planned
    from coolrunner.queue.file import FileQueue
    from coolrunner.studies.opening import Opened
    from coolrunner.studies.searching.plans import SearchPlan

__all__ = ["DEFAULT_DEFINITION", "keeper", "open_attached", "open_for", "searches_of"]

DEFAULT_DEFINITION = "experiment.yaml"
_ANSWERS = {
    "resume": "run only what is missing; what is in the queue stays as it is",
    "append": "put the experiments behind those in the queue",
    "fresh": "begin anew; the old queue is kept aside",
    "quit": "leave it as it is",
}


def open_for(options: argparse.Namespace, plan: Plan, read: Callable[..., Plan]) -> Opened:
    """Return the queue of a definition.

    Raises
    ------
    UsageError
        A queue is left from before, and it was not said what to do with it.
    """
    from coolrunner.studies.opening import open_memory, resume_memory

    _check(options)
    searches = searches_of(options, plan)
    name = options.queue_file or plan.settings.queue
    code = not options.no_code

    def again(draws: Mapping[tuple[int, int], int] | None) -> Plan:
        return read(options, draws)

    if name is None:
        for given in ("append", "fresh"):
            if getattr(options, given):
                raise UsageError(f"--{given} is about a queue file; name one with --queue-file FILE")
        if options.wait:
            raise UsageError("--wait stays for what is added to a queue file; name one: --queue-file FILE")
        opened = resume_memory(again) if options.resume else open_memory(plan)
        opened.searches = searches
    else:
        if os.name == "nt":
            raise UsageError("a queue file needs Linux or macOS; without one the queue is kept in memory")
        from coolrunner.studies.queues import open_file, resume_file

        path = Path(name)
        _check_path(path, plan)
        how = _how(options, path)
        if how == "resume":
            opened = resume_file(again, path, code=code, searches=searches)
        else:
            opened = open_file(plan, path, code=code, append=how == "append", searches=searches)
        opened.searches = searches
    _say_skipped(opened, options)
    return opened


def searches_of(options: argparse.Namespace, plan: Plan) -> list[SearchPlan]:
    """Return the searches of a definition, which can be done."""
    if not any(sweep.search for sweep in plan.sweeps.values()):
        return []
    from coolrunner.studies.searching.plans import check_searches, search_plans

    name = options.queue_file or plan.settings.queue
    searches = search_plans(plan, None if name is None else Path(name))
    check_searches(plan, searches)
    return searches


def _check(options: argparse.Namespace) -> None:
    if options.why and not options.resume:
        raise UsageError("--why explains what --resume leaves out; add --resume")


def _check_path(path: Path, plan: Plan) -> None:
    if path.exists() and path.samefile(plan.definition.source.name):
        raise UsageError(f"--queue-file: {path} is the definition itself; the queue needs its own file")


def _how(options: argparse.Namespace, path: Path) -> str:
    """Return what to do with a queue file: resume, append, or begin a new one."""
    from coolrunner.studies.queues import begin_anew, is_queue, left_in

    left = left_in(path)
    if options.resume:
        return "resume"
    if options.append:
        return "append"
    if not is_queue(path):
        return "new"
    if left is None:
        moved = begin_anew(path, backup=".before")
        if moved and not options.quiet:
            note = f"the finished queue of before is kept as {moved[0]}; --resume runs only what is missing"
            sys.stderr.write(f"{note}\n")
        return "new"
    how = "fresh" if options.fresh else _ask(path, left)
    if how == "fresh":
        moved = begin_anew(path, backup=time.strftime(".%Y%m%d-%H%M%S"))
        sys.stderr.write(f"the old queue is kept: {moved[0]}\n")
        return "new"
    return how


def _ask(path: Path, left: Mapping[str, int]) -> str:
    from coolrunner.cli.terminal import choose, is_there

    what = ", ".join(f"{count} {standing}" for standing, count in left.items() if standing != "skipped")
    message = f"the queue {path} is left from before: {what}"
    if not is_there():
        raise UsageError(
            f"{message}; add --resume (run what is missing), --append (put the experiments behind them) or "
            f"--fresh (begin anew, the old queue is kept aside). To go on with it: --queue {path}"
        )
    how = choose(message, _ANSWERS)
    if how in ("", "quit"):
        raise UsageError("nothing was changed")
    return how


def open_attached(options: argparse.Namespace) -> Opened:
    """Return the queue that ``--queue`` names, or one of the failures in a log.

    Raises
    ------
    UsageError
        It is neither.
    """
    from coolrunner.results.logs.failures import is_failed_log
    from coolrunner.studies.queues import attach, is_queue, open_failures

    if options.exp != DEFAULT_DEFINITION:
        raise UsageError("--exp names a definition and --queue a queue: one of them is enough")
    if options.dry:
        raise UsageError(f"--dry shows a definition; to look at a queue: coolrunner queue ls {options.queue}")
    for given in ("append", "fresh", "pick", "overrides"):
        if getattr(options, given):
            shown = "a +Key=value" if given == "overrides" else f"--{given}"
            raise UsageError(f"{shown} is about a definition; with --queue the queue is run as it is")
    path, code = Path(options.queue), not options.no_code
    if is_failed_log(path):
        opened, moved = open_failures(path, code=code)
        sys.stderr.write(
            f"{len(opened.queue)} failed experiments of {path} are tried again; the log is {moved} now\n"
        )
        return opened
    if path.is_file() and not is_queue(path):
        from coolrunner.cli.kinds import instead_of_queue

        raise UsageError(f"--queue: {instead_of_queue(path, options.program) or f'{path} is no queue'}")
    return attach(path, again=options.resume, code=code)


def _say_skipped(opened: Opened, options: argparse.Namespace) -> None:
    if not options.resume:
        return
    skipped = opened.skipped
    if options.why:
        for planned, identity, how in skipped:
            sys.stderr.write(f"{planned.name}: equals {identity}, {how}\n")
    elif skipped:
        sys.stderr.write(f"{len(skipped)} experiments are not run again (--why says what each equals)\n")


def keeper(plan: Plan, opened: Opened, tell: Callable[[], None]) -> Callable[[], FileQueue[Planned]] | None:
    """Return what makes a queue file of a queue in memory; None for one that is a file already.

    Parameters
    ----------
    plan, opened
        The study and its queue.
    tell
        Is called when the queue is a file.
    """
    from coolrunner.queue.memory import MemoryQueue

    queue = opened.queue
    if not isinstance(queue, MemoryQueue):
        return None
    stem = Path(plan.study).stem

    def keep() -> FileQueue[Planned]:
        from coolrunner.studies.queues import keep_rest

        opened.queue = kept = keep_rest(plan, queue, Path(f"{stem}.rest.yaml"), opened.searches)
        tell()
        return kept

    return keep
