"""The searches of a definition, looked at before anything runs: what they make, and where they are kept."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from coolrunner.definition.plan import Plan, Planned, read_plan
from coolrunner.definition.problems import Problems
from coolrunner.definition.sweeps.search import Search
from coolrunner.definition.sweeps.sweep import key_text, value_text
from coolrunner.errors import UsageError, UserError
from coolrunner.studies.resuming import HOW
from coolrunner.yamlio import canonical

__all__ = ["SearchPlan", "check_searches", "recorded_searches", "search_plans", "storage_beside"]

Point = Mapping[tuple[Any, ...], Any]


@dataclass(frozen=True, eq=False)
class SearchPlan:
    """One search of a study.

    Attributes
    ----------
    search
        What is searched, and how.
    name
        What its experiments are named after.
    key
        Its name at Optuna. Searches that have it in common go on with each other's trials: they have one
        name, one space, one set of goals, and experiments that are alike in all else.
    storage
        Where its trials are kept.
    holds
        Whether its experiments wait until a person lets them run.
    plan
        What it is a part of.
    """

    search: Search
    name: str
    key: str
    storage: Path
    holds: bool
    plan: Plan

    def experiments(self, point: Point, index: int) -> list[Planned]:
        """Return the experiments of a trial, one for each copy, at a place of the study's list.

        Raises
        ------
        DefinitionError
            An expression fails for these values.
        """
        names = key_text(list(point))
        label = " ".join(f"{names[path]}={value_text(value)}" for path, value in point.items())
        made = self.plan.expansion.trial(self.search.document, point, label, index)
        for planned in made:
            planned.before = planned.index  # for `solve`, `E` has all that come before it in the queue
        return made


def storage_beside(path: Path) -> Path:
    """Return where the trials are kept that belong to a queue file, or a log."""
    return path.with_name(f"{path.stem}.optuna.jsonl")


def search_plans(plan: Plan, queue: Path | None) -> list[SearchPlan]:
    """Return the searches of a plan, none where some of it was picked.

    Parameters
    ----------
    queue
        The queue file beside which trials are kept; None for the log.

    Raises
    ------
    DefinitionError
        No experiment can be made.
    """
    if plan.picked is not None:
        return []
    searches = [sweep.search for sweep in plan.sweeps.values() if sweep.search is not None]
    return [_plan_of(plan, search, queue) for search in searches]


def recorded_searches(
    study: Mapping[str, Any], queue: Path, *, code: bool
) -> tuple[list[SearchPlan], list[str]]:
    """Return the searches of a queue, and what is to be said of those that cannot go on.

    Their definition is read again: only as long as it means the same, its trials do.

    Parameters
    ----------
    study
        What the queue's journal keeps of it.
    """
    recorded: Mapping[str, str] = study.get("searches") or {}
    if not recorded:
        return [], []
    try:
        plan = read_plan(str(study["path"]), study.get("overrides", ()), code=code)
        plans = [one for one in search_plans(plan, queue) if one.key in recorded]
        check_searches(plan, plans)
    except UserError as error:
        return [], [f"the searches of this queue cannot go on: {error}"]
    lost = recorded.keys() - {one.key for one in plans}
    names = ", ".join(sorted(key.rpartition(" ")[0] for key in lost))
    warnings = [f"{study['path']} has changed: it does not search for {names} as before"] if lost else []
    return [replace(one, storage=Path(recorded[one.key])) for one in plans], warnings


def _plan_of(plan: Plan, search: Search, queue: Path | None) -> SearchPlan:
    generator = random.Random(0)
    point = {path: distribution.draw(generator) for path, distribution in search.space.items()}
    first = plan.expansion.trial(search.document, point, "", 0)
    inputs = first[0].experiment.inputs if first else {}
    mapping = plan.definition.experiments[search.document - 1]
    name = str(mapping.get("Name") or plan.definition.default.get("Name"))
    log = Path(str(inputs.get("YamlLog", "log.yaml")))
    if log.exists() and not log.is_file():  # /dev/null
        log = Path(plan.study)
    return SearchPlan(
        search,
        name,
        f"{name} {_digest(plan, search, mapping)}",
        storage_beside(queue or log),
        inputs.get("Hold") is True,
        plan,
    )


def _digest(plan: Plan, search: Search, mapping: Mapping[Any, Any]) -> str:
    fixed = {
        key: value
        for key, value in {**plan.definition.default, **mapping}.items()
        if key not in HOW and key not in ("Sweep", "Name")
    }
    space = sorted((repr(path), str(distribution)) for path, distribution in search.space.items())
    text = canonical([fixed, [list(pair) for pair in space], [str(goal) for goal in search.goals]])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def check_searches(plan: Plan, plans: Sequence[SearchPlan]) -> None:
    """See that the searches can be done, before anything runs.

    Raises
    ------
    UsageError
        Optuna, or something that a sampler needs, is not installed.
    DefinitionError
        What is asked of the pruner cannot be had, or an option is none.
    """
    if not plans:
        return
    if find_spec("optuna") is None:
        raise UsageError("a search needs Optuna, which is not installed: pip install 'coolrunner[search]'")
    from coolrunner.studies.searching.methods import make_pruner, make_sampler

    problems = Problems()
    for one in plans:
        search = one.search

        def refuse(word: str, message: str, hint: str = "", *, of: Search = search) -> None:
            number = plan.sweeps[of.document].number
            problems.add(plan.definition.problem(number, ("Sweep", word), message, hint, key=True))

        if search.prunes and plan.settings.root is None:
            refuse("pruner", "a pruner reads metrics in run directories, and Global.root is null")
        if search.prunes and _copies(plan, search) > 1:
            refuse("pruner", "a pruner and Repeat do not go together", "remove one of them")
        makers: tuple[tuple[str, Callable[[], object]], ...] = (
            ("sampler", lambda search=search: make_sampler(search, 0, 0, 1)),  # type: ignore[misc]
            ("pruner", lambda search=search: make_pruner(search)),  # type: ignore[misc]
        )
        for word, make in makers:
            try:
                make()
            except UsageError as error:
                refuse(word, str(error))
    problems.raise_if_any()


def _copies(plan: Plan, search: Search) -> int:
    own = plan.definition.experiments[search.document - 1]
    repeat = own.get("Repeat", plan.definition.default.get("Repeat", 1))
    return repeat if isinstance(repeat, int) else 1
