"""The samplers and pruners of a search, and its ranges, as Optuna knows them."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from coolrunner.definition.problems import dotted
from coolrunner.definition.sweeps.drawing import (
    Choice,
    Distribution,
    Int,
    LogInt,
    LogUniform,
    QUniform,
    Uniform,
)
from coolrunner.definition.sweeps.search import Method, Search
from coolrunner.errors import UsageError, nearest
from coolrunner.yamlio import flow_text

__all__ = ["Ranges", "make_pruner", "make_sampler"]

_SAMPLERS = {
    "tpe": "TPESampler",
    "random": "RandomSampler",
    "cmaes": "CmaEsSampler",
    "nsga2": "NSGAIISampler",
    "nsga3": "NSGAIIISampler",
    "gp": "GPSampler",
    "qmc": "QMCSampler",
}
_PRUNERS = {
    "none": "NopPruner",
    "median": "MedianPruner",
    "percentile": "PercentilePruner",
    "halving": "SuccessiveHalvingPruner",
    "hyperband": "HyperbandPruner",
    "threshold": "ThresholdPruner",
    "patient": "PatientPruner",
}
_NEEDED = {"cmaes": ["cmaes"], "gp": ["torch", "scipy"], "nsga3": []}
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "percentile": {"percentile": 25.0},
    "patient": {"wrapped_pruner": None, "patience": 5},
}
#: Those whose numbers must come from one stream: another seed would begin another sequence.
_ONE_STREAM = ("qmc", "grid")
_PLAIN = (type(None), bool, int, float, str)


class _Grid(optuna.samplers.GridSampler):
    """Chooses each point of a grid once; who asks knows when to end."""

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Do not end the study, which Optuna can do only where it calls the Module itself."""


class Ranges:
    """What the keys of a search may be, for Optuna, whose parameters have the keys' dotted names.

    Parameters
    ----------
    space
        The distributions, by path.

    Attributes
    ----------
    distributions
        As Optuna has them.
    """

    def __init__(self, space: Mapping[tuple[Any, ...], Distribution]) -> None:
        self._paths = {dotted(path): path for path in space}
        self._space = {dotted(path): distribution for path, distribution in space.items()}
        self._options = {name: _labels(own) for name, own in self._space.items() if isinstance(own, Choice)}
        self.distributions = {name: self._range(name, own) for name, own in self._space.items()}

    def _range(self, name: str, own: Distribution) -> BaseDistribution:
        if isinstance(own, Choice):
            return CategoricalDistribution(list(self._options[name]))
        if isinstance(own, Int):
            return IntDistribution(own.low, own.value(own.count - 1), step=own.step)
        if isinstance(own, LogInt):
            return IntDistribution(own.low, own.high, log=True)
        if isinstance(own, QUniform):
            return FloatDistribution(own.low, own.value(own.count - 1), step=own.step)
        assert isinstance(own, (Uniform, LogUniform))
        return FloatDistribution(own.low, own.high, log=isinstance(own, LogUniform))

    def point(self, params: Mapping[str, Any]) -> dict[tuple[Any, ...], Any]:
        """Return the value of each path that Optuna's parameters mean."""
        return {
            self._paths[name]: self._options[name][value] if name in self._options else value
            for name, value in params.items()
            if name in self._paths
        }

    def suggest(self, trial: optuna.Trial) -> dict[tuple[Any, ...], Any]:
        """Return a point for a trial; what it has been given before stays."""
        for name, distribution in self.distributions.items():
            if isinstance(distribution, CategoricalDistribution):
                trial.suggest_categorical(name, distribution.choices)
            elif isinstance(distribution, IntDistribution):
                step = None if distribution.log else distribution.step
                trial.suggest_int(
                    name, distribution.low, distribution.high, step=step or 1, log=distribution.log
                )
            elif isinstance(distribution, FloatDistribution):
                trial.suggest_float(
                    name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
                )
        return self.point(trial.params)

    def as_ran(
        self, values: Mapping[tuple[Any, ...], Any]
    ) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
        """Return parameters and ranges for values that a person has changed.

        A range is made as wide as it has to be; what Optuna cannot compare with the others is left out: a
        choice that was none, a text in place of a number.
        """
        params: dict[str, Any] = {}
        ranges: dict[str, BaseDistribution] = {}
        for name, path in self._paths.items():
            if path not in values:
                continue
            value, usual = values[path], self.distributions[name]
            if name in self._options:
                value = next((label for label, own in self._options[name].items() if own == value), ...)
                wide: BaseDistribution | None = usual if value is not ... else None
            else:
                wide = _widened(usual, value)
            if wide is not None:
                params[name], ranges[name] = value, wide
        return params, ranges


def _labels(choice: Choice) -> dict[Any, Any]:
    """Return the options by what stands for each at Optuna: itself, or the text of a list or mapping."""
    labels: dict[Any, Any] = {}
    for option in choice.options:
        plain = isinstance(option, _PLAIN) and option not in labels  # True is 1 to Python
        labels[option if plain else flow_text(option)] = option
    return labels


def _widened(usual: BaseDistribution, value: Any) -> BaseDistribution | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    if isinstance(usual, IntDistribution):
        if value != int(value) or (usual.log and value < 1):
            return None
        low, high = min(usual.low, int(value)), max(usual.high, int(value))
        on_grid = not (int(value) - usual.low) % usual.step
        return IntDistribution(low, high, log=usual.log, step=usual.step if on_grid else 1)
    assert isinstance(usual, FloatDistribution)
    if usual.log and value <= 0:
        return None
    low_, high_ = min(usual.low, value), max(usual.high, value)
    return FloatDistribution(low_, high_, log=usual.log)


def make_sampler(search: Search, seed: int, number: int, jobs: int) -> optuna.samplers.BaseSampler:
    """Return what chooses the values of trials from a number on.

    It is made anew where another process has asked for trials, so that a search that is gone on with, or
    shared between runners, draws what it has not drawn before.

    Raises
    ------
    UsageError
        An option is none of this sampler's, or something that it needs is not installed.
    """
    method = search.sampler
    options = dict(method.options)
    if method.name == "grid":
        options["search_space"] = _grid(search)
    if method.name == "tpe" and jobs > 1:
        options.setdefault("constant_liar", True)  # those that run elsewhere are not tried again
    fresh = seed if not number or method.name in _ONE_STREAM else (seed * 1_000_003 + number) % 2**32
    kind = _Grid if method.name == "grid" else getattr(optuna.samplers, _SAMPLERS[method.name])
    made = _make("sampler", method, kind, {"seed": fresh, **options})
    assert isinstance(made, optuna.samplers.BaseSampler)
    return made


def make_pruner(search: Search) -> optuna.pruners.BasePruner:
    """Return what gives trials up.

    Raises
    ------
    UsageError
        An option is none of this pruner's.
    """
    method = search.pruner
    options = {**_DEFAULTS.get(method.name, {}), **method.options}
    made = _make("pruner", method, getattr(optuna.pruners, _PRUNERS[method.name]), options)
    assert isinstance(made, optuna.pruners.BasePruner)
    return made


def _grid(search: Search) -> dict[str, Sequence[Any]]:
    grid: dict[str, Sequence[Any]] = {}
    for path, own in search.space.items():
        if isinstance(own, Choice):
            grid[dotted(path)] = list(_labels(own))
        else:
            grid[dotted(path)] = [own.value(index) for index in range(own.count or 0)]
    return grid


def _make(word: str, method: Method, kind: Any, options: Mapping[str, Any]) -> Any:
    known = [key for key in inspect.signature(kind.__init__).parameters if key != "self"]
    for key in method.options:
        if key not in known:
            close = nearest(key, known)
            hint = f"did you mean {close}?" if close else f"known are {', '.join(known)}"
            raise UsageError(f"the {word} {method.name} has no option {key!r}; {hint}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some are called experimental
            return kind(**options)
    except ImportError:
        needed = " ".join(_NEEDED.get(method.name, ()))
        raise UsageError(f"the {word} {method.name} needs more: pip install {needed}") from None
    except (TypeError, ValueError) as error:
        raise UsageError(f"the {word} {method.name}: {error}") from None
