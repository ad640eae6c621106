"""What a study that was started from Python is run by, and who shows it."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from coolrunner.definition.resources import parse_resources
from coolrunner.errors import DefinitionError
from coolrunner.events import Announcer, Listener, Notice, StudyFinished
from coolrunner.execution.base import Backend
from coolrunner.execution.machine import this_machine
from coolrunner.execution.slots import SlotPool
from coolrunner.experiment import Experiment, freeze
from coolrunner.reporting.console import resolve_mode
from coolrunner.reporting.live import LiveListener
from coolrunner.reporting.notebook import NotebookListener, is_notebook
from coolrunner.reporting.plain import PlainListener, QuietListener
from coolrunner.reporting.summary import Summary

if TYPE_CHECKING:
    from coolrunner.definition.plan import Plan
    from coolrunner.studies.opening import Opened

__all__ = ["backend_of", "check_fit", "listener_for", "reporters"]


def backend_of(plan: Plan, jobs: int | str | None, directory: str, *, here: str, capture: bool) -> Backend:
    """Return what runs the experiments of a plan.

    Parameters
    ----------
    jobs
        How many at once.
    directory
        First on their import path.
    here
        A Module that is known to this process alone; empty where there is none.
    capture
        Whether what they write is reported.

    Raises
    ------
    UserError
        There is no such cluster, or no library to reach it.
    """
    from coolrunner.execution.pinning import PinBoard

    settings = plan.settings
    board = PinBoard(time.time_ns())
    pool = _pool(plan, jobs)
    if settings.executor == "inline":
        from coolrunner.execution.inline import InlineBackend

        return InlineBackend(board, directory, grace=settings.grace, pool=pool)
    if settings.executor != "local":
        from coolrunner.studies.clusters import cluster_backend

        return cluster_backend(settings, board, directory, study=plan.study, jobs=jobs, capture=capture)
    from coolrunner.execution.local import LocalBackend

    return LocalBackend(
        board,
        directory,
        capture=capture,
        warm=settings.warm,
        grace=settings.grace,
        pool=pool,
        here=bool(here),
    )


def _pool(plan: Plan, jobs: int | str | None) -> SlotPool:
    settings = plan.settings
    asked = (planned.experiment.inputs.get("Resources") for planned in plan.chosen)
    uses_gpus = any(isinstance(resources, Mapping) and resources.get("gpus") for resources in asked)
    inline = settings.executor == "inline"
    return SlotPool(
        this_machine(settings.gpus) if settings.gpus is not None else None,
        1 if inline else jobs or settings.jobs,
        assign_gpus=uses_gpus,
        limit_gpus=settings.gpus is not None,
        pins=not inline,
    )


def check_fit(plan: Plan) -> None:
    """See that what runs the experiments can ever have what they ask for.

    Raises
    ------
    DefinitionError
        It cannot.
    """
    if plan.settings.executor not in ("local", "inline"):
        from coolrunner.studies.clusters import check_cluster

        check_cluster(plan)
        return
    problems, seen = [], set()
    with contextlib.closing(_pool(plan, None)) as pool:
        for planned in plan.chosen:
            asked = planned.experiment.inputs.get("Resources") if planned.runs else None
            if asked is None or planned.document in seen:
                continue
            seen.add(planned.document)
            why = pool.impossible(parse_resources(asked))
            if why:
                number = plan.definition.origin(planned.document, ("Resources",))
                problems.append(plan.definition.problem(number, ("Resources",), f"{planned.name} {why}"))
    if problems:
        raise DefinitionError(problems)


def reporters(opened: Opened, announcer: Announcer) -> list[Listener]:
    """Return who else is told of a study, by its settings: Slack."""
    slack = opened.brief.settings.slack
    if slack is None:
        return []
    from coolrunner.reporting.slack import SlackListener

    return [
        SlackListener(
            slack.channel,
            _message(opened, slack.message) if slack.message else None,
            os.environ.get("SLACK_BOT_TOKEN"),
            warn=lambda text: announcer.emit(Notice(text)),
            opening=f"{opened.brief.name}: {len(opened.items) or len(opened.queue)} experiments",
            base_url=os.environ.get("SLACK_API_URL"),
        )
    ]


def _message(opened: Opened, text: str) -> Callable[[Mapping[str, Any]], Any]:
    from coolrunner.definition.expressions import compile_expression

    expression, imports = compile_expression(text), opened.brief.settings.imports

    def message(record: Mapping[str, Any]) -> Any:
        names = {name: imports.get(name) for name in expression.names if name in imports}
        exp = Experiment({key: freeze(value) for key, value in record.items()})
        return expression.evaluate({**names, "exp": exp})

    return message


class _Ending(Summary):
    """The end of a study without the commands for a next one, which would be of another kind."""

    def __init__(self) -> None:
        super().__init__("coolrunner run")

    def next_steps(self, event: StudyFinished) -> list[str]:
        return []


def listener_for(*, display: bool | None, inline: bool) -> tuple[Listener, bool]:
    """Return who shows a study, and whether that is to be given what experiments write.

    Parameters
    ----------
    display
        Whether it is shown; None for wherever somebody looks: a notebook or a terminal. Failures and
        warnings are told in any case.
    inline
        Whether experiments run in this process, whose output nothing may overwrite.
    """
    if display is False:
        return QuietListener(sys.stderr), False
    if is_notebook():
        return NotebookListener(), True
    mode = resolve_mode("auto", inline=inline)
    if mode == "live":
        return LiveListener(sys.stdout, sys.stderr, _Ending()), True
    if display or (sys.stdout is not None and sys.stdout.isatty()):
        return PlainListener(sys.stdout, sys.stderr, _Ending()), False
    return QuietListener(sys.stderr), False
