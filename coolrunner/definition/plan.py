"""A definition, put together: the experiments of a study, in order, with what the runner needs."""

from __future__ import annotations

import base64
import os
import random
import re
import socket
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coolrunner.definition.checks import Checked, check_experiments
from coolrunner.definition.documents import Definition, read_definition
from coolrunner.definition.expressions import History
from coolrunner.definition.names import check_names
from coolrunner.definition.needs import find_needs
from coolrunner.definition.problems import Problems
from coolrunner.definition.resolve import Resolver
from coolrunner.definition.settings import Settings, read_settings
from coolrunner.definition.templates import (
    BROKEN,
    SOLVE_MARK,
    Templates,
    make_templates,
    refuse_code,
)
from coolrunner.errors import Problem, UsageError
from coolrunner.experiment import Experiment

__all__ = ["SOLVE_MARK", "Plan", "Planned", "new_id", "parse_pick", "read_plan"]

DEFAULT_LOG = "log.yaml"
#: ``RND_IDX`` by repetition of the list and number of the document.
Draws = Mapping[tuple[int, int], int]


@dataclass(slots=True, eq=False)
class Planned:
    """One experiment of a study.

    Attributes
    ----------
    index
        Its place in the whole list, from 0; what ``--pick`` counts.
    id
        Its ``ID``: a short string, unique in its study.
    document
        The number of its document, 1 the first after the default config.
    history
        ``E`` of its repetition of the list, and how many of it come before this experiment.
    experiment
        The resolved configuration.
    runs
        False where it is named ``skip`` or not at all.
    needs
        The ``ID`` of each experiment that must have finished before it can start.
    """

    index: int
    id: str
    document: int
    history: History
    before: int
    experiment: Experiment
    runs: bool
    needs: tuple[str, ...] = ()

    @property
    def first(self) -> int:
        """The index at which its repetition of the list begins."""
        return self.index - self.before

    @property
    def name(self) -> str:
        """Its ``Name``, as text."""
        name = self.experiment.inputs.get("Name")
        return "skip" if name is None else str(name)


@dataclass(eq=False)
class Plan:
    """A study, ready to run.

    Attributes
    ----------
    study
        The definition's file name.
    settings
        What ``Global`` says.
    experiments
        All of them, in order; `chosen` are those that ``--pick`` left.
    used
        The names that expressions of the definition mention: such keys have done their part.
    needs_past
        Whether a ``solve`` value mentions ``E``, so that results must be kept for it.
    warnings
        What is doubtful.
    draws
        Each ``RND_IDX`` that was drawn, by repetition of the list (from 0) and number of the document.
    """

    definition: Definition
    settings: Settings
    experiments: list[Planned]
    used: frozenset[str] = frozenset()
    needs_past: bool = False
    warnings: list[Problem] = field(default_factory=list)
    picked: frozenset[int] | None = None
    draws: dict[tuple[int, int], int] = field(default_factory=dict)

    @property
    def study(self) -> str:
        """The definition's file name."""
        return Path(self.definition.source.name).name

    @property
    def chosen(self) -> list[Planned]:
        """The experiments that were picked, skipped ones included."""
        if self.picked is None:
            return self.experiments
        return [planned for planned in self.experiments if planned.index in self.picked]

    def origins(self, planned: Planned) -> Iterator[tuple[str, Any, str]]:
        """Yield key, value and place of origin of each parameter of an experiment."""
        for key, value in planned.experiment.inputs.items():
            number = self.definition.origin(planned.document, (key,))
            if not number and key not in self.definition.default:  # REP, RND_IDX, a YamlLog not given
                yield key, value, "the runner"
                continue
            place = str(self.definition.position(number, (key,)))
            yield key, value, place if number else f"default, {place}"


def read_plan(
    path: Path | str,
    overrides: Sequence[str] = (),
    *,
    pick: Sequence[str] = (),
    code: bool = True,
    draws: Draws | None = None,
) -> Plan:
    """Read a definition and resolve its experiments.

    Parameters
    ----------
    path
        The definition.
    overrides
        Arguments such as ``+lr=0.1``.
    pick
        What ``--pick`` was given; empty for all.
    code
        Whether expressions are allowed.
    draws
        The ``RND_IDX`` to use, in place of one that is drawn, where an earlier study is gone on with.

    Raises
    ------
    DefinitionError
        All that is wrong with the definition, as far as it could be found out.
    """
    problems = Problems()
    definition = read_definition(path, overrides, problems)
    if definition is None:
        problems.raise_if_any()
        raise AssertionError("a definition that cannot be read has problems")
    settings = read_settings(definition, problems)
    check_names(definition, problems)
    countable = not problems  # otherwise the number of experiments may be another one than was meant
    templates = make_templates(definition, problems)
    if not code:
        _refuse_code(definition, settings, problems)
    if not definition.complete or not code:  # expressions and inheritance need every document
        problems.raise_if_any()
    drawn: dict[tuple[int, int], int] = {}
    experiments = _expand(definition, settings, templates, problems, draws or {}, drawn)
    find_needs(definition, experiments, problems, solves=templates.needs_past)
    checked = [Checked(item.document, item.experiment.inputs, item.runs) for item in experiments]
    check_experiments(definition, checked, problems, settings.queue)
    picked = _pick(pick, len(experiments) if countable else None, problems) if pick else None
    problems.raise_if_any()
    used, needs_past = frozenset(templates.used), templates.needs_past
    return Plan(definition, settings, experiments, used, needs_past, problems.warnings, picked, drawn)


def _pick(texts: Sequence[str], count: int | None, problems: Problems) -> frozenset[int]:
    try:
        return frozenset(parse_pick(texts, count))
    except UsageError as error:
        if not problems:
            raise
        problems.add(Problem(str(error)))
        return frozenset()


def parse_pick(texts: Sequence[str], count: int | None) -> list[int]:
    """Return the indices that ``--pick`` names: ``0,1,3``, ``2-5``, or several arguments of these.

    Parameters
    ----------
    texts
        The arguments.
    count
        How many experiments there are; None if that is not known.

    Raises
    ------
    UsageError
        Something else, or an index that the study does not have.
    """
    indices: set[int] = set()
    for part in re.split(r"[,\s]+", " ".join(texts).strip(", \t")):
        match = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", part)
        if match is None:
            raise UsageError(f"--pick: {part!r} is no index; write 0,1,3 or 2-5")
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise UsageError(f"--pick: {part} runs backwards; write {last}-{first}")
        if count is None:
            continue
        if last >= count:
            there = (
                f"this study has {count}, numbered 0 to {count - 1}"
                if count > 1
                else f"this study has {count}"
            )
            raise UsageError(f"--pick: there is no experiment {last}; {there} (--dry lists them)")
        indices.update(range(first, last + 1))
    return sorted(indices)


def new_id() -> str:
    """Return a fresh ``ID``: a letter and seven letters or digits that YAML takes for a word."""
    number = os.urandom(5)
    text = base64.b32encode(number).decode().lower()
    return "bcdfghjkmpqrstvwxz"[number[0] % 18] + text[1:]


def _refuse_code(definition: Definition, settings: Settings, problems: Problems) -> None:
    for number in range(len(definition.experiments) + 1):
        refuse_code(definition, number, problems)
    if settings.slack and settings.slack.message:
        message = "an expression, refused by --no-code: the message for Slack"
        problems.add(definition.problem(0, ("Global", "slack", "message"), message))


class _Drawn:
    """Draws numbers of six digits or more, none twice, and none that was set by hand."""

    def __init__(self, count: int, taken: Container[Any]) -> None:
        self._random = random.SystemRandom()
        self._below = 10 ** max(6, len(str(count)) + 2)
        self._taken = taken
        self._drawn: set[int] = set()

    def draw(self) -> int:
        while (
            number := self._random.randrange(100_000, self._below)
        ) in self._drawn or number in self._taken:
            pass
        self._drawn.add(number)
        return number


def _expand(
    definition: Definition,
    settings: Settings,
    templates: Templates,
    problems: Problems,
    given_draws: Draws,
    draws: dict[tuple[int, int], int],
) -> list[Planned]:
    default, given = templates.default, templates.experiments
    resolver = Resolver(definition, default, settings.imports, settings.merge == "deep", problems)
    host = socket.gethostname()
    by_hand = [template.get("RND_IDX", default.get("RND_IDX")) for template in given]
    taken = {index for index in by_hand if type(index) is int} | set(given_draws.values())
    drawn = _Drawn(len(given) * settings.repeat, taken)
    ids: set[str] = set()
    experiments: list[Planned] = []
    for repetition in range(settings.repeat):
        history = History()
        for document, template in enumerate(given, start=1):
            repeat = template.get("Repeat", default.get("Repeat", 1))
            index = by_hand[document - 1]
            if type(index) is not int:
                key = repetition, document
                index = draws[key] = given_draws[key] if key in given_draws else drawn.draw()
            for rep in range(repeat if type(repeat) is int else 1):
                base = {"REP": rep, "RND_IDX": index, "HOST": host}
                values = resolver.resolve(document, template, history, base)
                values.setdefault("YamlLog", DEFAULT_LOG)
                values["REP"] = rep
                values.setdefault("RND_IDX", index)
                while (identity := new_id()) in ids:
                    pass
                ids.add(identity)
                experiment = Experiment(values)
                name = values.get("Name")
                runs = name is not None and name is not BROKEN and name != "skip"
                place = len(experiments)
                experiments.append(
                    Planned(place, identity, document, history, len(history), experiment, runs)
                )
                history.append(experiment)
    return experiments
