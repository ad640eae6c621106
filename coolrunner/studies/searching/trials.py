"""The trials of one search, as Optuna keeps them.

Each trial has the ``ID`` of its experiments under the attribute ``ID``, noted before they are put into the
queue, so that whoever goes on knows whose result a result is. A trial whose experiment ran with other values
than it was given, or ended well after it had been told to have failed, gets a second one with what is true,
which has the number of the first under ``instead of`` and does not count.
"""

from __future__ import annotations

import contextlib
import math
import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from coolrunner.definition.sweeps.search import Search
from coolrunner.studies.searching.methods import Ranges, make_pruner, make_sampler

__all__ = ["Trial", "Trials"]

_IDS, _INSTEAD, _FINAL, _SEED = "ID", "instead of", "final", "seed"

optuna.logging.set_verbosity(optuna.logging.ERROR)  # what matters is announced, not written


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep to ourselves what Optuna warns of: parts of it that are new, ranges that were widened."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(slots=True, eq=False)
class Trial:
    """One trial that may still have to be told of something.

    Attributes
    ----------
    number
        As Optuna counts it, from 0.
    ids
        Of its experiments: one, or one for each repetition; none where a runner died in between.
    point
        Its values by path.
    is_told
        Whether Optuna takes it for ended.
    steps
        Those of the pruner's metric that Optuna has been told of.
    """

    number: int
    ids: tuple[str, ...]
    point: Mapping[tuple[Any, ...], Any]
    is_told: bool = False
    steps: set[int] = field(default_factory=set)


class Trials:
    """Asks for trials, and tells what came of them.

    Parameters
    ----------
    search
        What is searched.
    name
        Of the study at Optuna: equal searches have equal names.
    storage
        Where it is kept.

    Attributes
    ----------
    count
        How many trials there are, of the `Search.n` that there shall be.
    pending
        Those of which more may be heard, by number.

    Raises
    ------
    UsageError
        The sampler or the pruner cannot be made.
    """

    def __init__(self, search: Search, name: str, storage: optuna.storages.BaseStorage, jobs: int) -> None:
        self.count = 0
        self.pending: dict[int, Trial] = {}
        self._search = search
        self._storage = storage
        self._jobs = jobs
        self._ranges = Ranges(search.space)
        self._study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=["maximize" if goal.maximize else "minimize" for goal in search.goals],
            load_if_exists=True,
            pruner=make_pruner(search),
        )
        self._study_id = storage.get_study_id_from_name(name)
        self._begin(search)

    def _begin(self, search: Search) -> None:
        attributes = self._study.user_attrs
        if _SEED not in attributes:
            seed = random.SystemRandom().randrange(2**31) if search.seed is None else search.seed
            self._study.set_user_attr(_SEED, seed)
            with _quiet():
                self._study.set_metric_names([goal.key for goal in search.goals])
            attributes = self._study.user_attrs
        self._seed = int(attributes[_SEED]) if search.seed is None else search.seed
        self.refresh()

    # --- what there is ---

    def refresh(self) -> None:
        """Take notice of what others have asked and told, and draw what nobody has drawn."""
        trials = self._study.get_trials(deepcopy=False)
        replaced = {trial.user_attrs[_INSTEAD] for trial in trials if _INSTEAD in trial.user_attrs}
        self.count = len(trials) - len(replaced)
        self._study.sampler = make_sampler(self._search, self._seed, len(trials), self._jobs)
        for trial in trials:
            if _INSTEAD in trial.user_attrs or trial.state is TrialState.COMPLETE:
                self.pending.pop(trial.number, None)
                continue
            is_told = trial.state.is_finished()
            if is_told and (trial.number in replaced or _FINAL in trial.user_attrs):
                self.pending.pop(trial.number, None)
                continue
            known = self.pending.get(trial.number)
            if known is None:
                known = self.pending[trial.number] = Trial(
                    trial.number, (), self._ranges.point(trial.params), is_told
                )
            known.is_told = is_told
            known.ids = tuple(trial.user_attrs.get(_IDS, ()))

    def replaced(self, number: int) -> bool:
        """Whether another trial has what is true of one."""
        trials = self._study.get_trials(deepcopy=False)
        return any(trial.user_attrs.get(_INSTEAD) == number for trial in trials)

    # --- asking ---

    def ask(self) -> Trial:
        """Return a new trial; it has no experiments yet."""
        with _quiet():
            asked = self._study.ask()
            point = self._ranges.suggest(asked)
        trial = self.pending[asked.number] = Trial(asked.number, (), point)
        self.count += 1
        return trial

    def complete(self, trial: Trial) -> None:
        """Give a trial all its values: who asked for it may have been killed meanwhile."""
        with _quiet():
            trial.point = self._ranges.suggest(optuna.Trial(self._study, self._id_of(trial)))

    def assign(self, trial: Trial, ids: Sequence[str]) -> None:
        """Note whose the results of a trial will be."""
        self._storage.set_trial_user_attr(self._id_of(trial), _IDS, list(ids))
        trial.ids = tuple(ids)

    # --- telling ---

    def tell(self, trial: Trial, values: Sequence[float], as_ran: Mapping[tuple[Any, ...], Any]) -> None:
        """Tell the results of a trial, and the values of its keys with which it ran."""
        if not trial.is_told and as_ran == trial.point:
            self._end(trial, TrialState.COMPLETE, values)
            return
        if not self.replaced(trial.number):
            params, ranges = self._ranges.as_ran(as_ran)
            attributes = {_IDS: list(trial.ids), _INSTEAD: trial.number}
            self._study.add_trial(
                optuna.create_trial(
                    values=list(values), params=params, distributions=ranges, user_attrs=attributes
                )
            )
        if trial.is_told:
            self.pending.pop(trial.number, None)
        else:
            self._end(trial, TrialState.FAIL)

    def tell_failed(self, trial: Trial, *, final: bool) -> None:
        """Tell that a trial has no result.

        Parameters
        ----------
        final
            Whether it has ended well all the same; otherwise it may be tried again, and have one then.
        """
        self._tell_less(trial, TrialState.FAIL, final)

    def tell_pruned(self, trial: Trial, *, final: bool) -> None:
        """Tell that a trial was given up: by itself, which is final, or by a person."""
        self._tell_less(trial, TrialState.PRUNED, final)

    def _tell_less(self, trial: Trial, state: TrialState, final: bool) -> None:
        if final and not trial.is_told:
            self._storage.set_trial_user_attr(self._id_of(trial), _FINAL, True)
        if not trial.is_told:
            self._end(trial, state)
        if final:
            self.pending.pop(trial.number, None)
        else:
            self.pending[trial.number] = trial

    def _end(self, trial: Trial, state: TrialState, values: Sequence[float] | None = None) -> None:
        with _quiet():
            self._study.tell(trial.number, values, state, skip_if_finished=True)
        trial.is_told = True
        self.pending.pop(trial.number, None)

    # --- pruning ---

    def report(self, trial: Trial, value: float, step: int) -> bool:
        """Note what a trial has reached on its way; return whether it is to be given up."""
        if step in trial.steps or math.isnan(value):
            return False
        trial.steps.add(step)
        trial_id = self._id_of(trial)
        self._storage.set_trial_intermediate_value(trial_id, step, value)
        return self._study.pruner.prune(self._study, self._storage.get_trial(trial_id))

    def _id_of(self, trial: Trial) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, trial.number)

    # --- what came of it ---

    def best(self) -> list[FrozenTrial]:
        """Return the best trial, or with several goals those that none is better than in all of them."""
        if not any(trial.state is TrialState.COMPLETE for trial in self._study.get_trials(deepcopy=False)):
            return []
        return [self._study.best_trial] if len(self._search.goals) == 1 else self._study.best_trials

    def point_of(self, trial: FrozenTrial) -> Mapping[tuple[Any, ...], Any]:
        """Return the values of a trial by path."""
        return self._ranges.point(trial.params)
