"""Documents to experiments: each combination of a sweep, each copy, each repetition of the list.

An experiment's place in the list says all that it is made of, so that a few of a million are made without
the others. Only what looks at other experiments (``E``, ``After``) needs all of them.
"""

from __future__ import annotations

import datetime
import socket
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from coolrunner.definition.checks import Checked, Modules, check_experiment
from coolrunner.definition.documents import Definition
from coolrunner.definition.expressions import History
from coolrunner.definition.problems import Problems
from coolrunner.definition.resolve import Resolver
from coolrunner.definition.settings import Settings
from coolrunner.definition.sweeps.identities import DrawnNumbers, new_id
from coolrunner.definition.templates import BROKEN, SOLVE_MARK, SWEEP, Steps, Swept, Template, Templates
from coolrunner.experiment import Experiment, freeze

if TYPE_CHECKING:
    from coolrunner.definition.sweeps.reading import Sweep
    from coolrunner.definition.sweeps.sweep import Point

__all__ = ["DEFAULT_LOG", "Draws", "Expansion", "Planned"]

DEFAULT_LOG = "log.yaml"
#: ``RND_IDX`` by repetition of the list and number of the document or of the combination.
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
        The number of its document, 1 the first after the default config; for a combination of a sweep the
        combination's own number, which the `Definition` knows as well.
    history
        ``E`` of its repetition of the list, and how many of it come before this experiment.
    experiment
        The resolved configuration.
    runs
        False where it is named ``skip`` or not at all.
    needs
        The ``ID`` of each experiment that must have finished before it can start.
    sweep
        The ``Name`` of the sweep that it is a part of; empty for none.
    """

    index: int
    id: str
    document: int
    history: History
    before: int
    experiment: Experiment
    runs: bool
    needs: tuple[str, ...] = ()
    sweep: str = ""

    @property
    def first(self) -> int:
        """The index at which its repetition of the list begins."""
        return self.index - self.before

    @property
    def name(self) -> str:
        """Its ``Name``, as text."""
        name = self.experiment.inputs.get("Name")
        return "skip" if name is None else str(name)


@dataclass(frozen=True, slots=True)
class _Block:
    """The experiments of one document, in one repetition of the list."""

    document: int
    template: Template
    sweep: Sweep | None
    number: int  # of the first combination; of the document, where nothing is varied
    size: int
    repeat: int
    name: str


@dataclass(frozen=True, slots=True)
class _Combination:
    """What the copies of one combination share."""

    document: int
    own: Template
    default: Template
    swept: Mapping[Steps, Any]
    rnd_idx: int
    number: int
    name: str


class Expansion:
    """The experiments of a definition by their places in the list.

    Parameters
    ----------
    sweeps
        By document; None for one that is wrong, whose experiments are unknown.
    given_draws
        The ``RND_IDX`` to use in place of one that is drawn.

    Attributes
    ----------
    count
        How many experiments there are.
    draws
        Each ``RND_IDX`` that was drawn.
    """

    def __init__(
        self,
        definition: Definition,
        settings: Settings,
        templates: Templates,
        sweeps: Mapping[int, Sweep | None],
        problems: Problems,
        given_draws: Draws,
    ) -> None:
        self.draws: dict[tuple[int, int], int] = {}
        self._definition = definition
        self._default = templates.default
        self._resolver = Resolver(
            definition, templates.default, settings.imports, settings.merge == "deep", problems
        )
        self._blocks = self._blocks_of(templates.experiments, sweeps)
        self._begins = [0, *accumulate(block.size * block.repeat for block in self._blocks)]
        self._varied = [block for block in self._blocks if block.sweep is not None]
        self._numbers = [block.number for block in self._varied]
        self._repeat = settings.repeat
        self.count = self._begins[-1] * settings.repeat
        self._given = given_draws
        by_hand = [block.template.get("RND_IDX", self._default.get("RND_IDX")) for block in self._blocks]
        taken = {index for index in by_hand if type(index) is int} | set(given_draws.values())
        units = sum(block.size for block in self._blocks) * settings.repeat
        self._drawn = DrawnNumbers(units, taken)
        self._host = socket.gethostname()
        self._ids: set[str] = set()
        self._shapes: dict[tuple[int, tuple[Steps, ...]], tuple[Template, Template]] = {}
        self._good_modules: set[str] = set()  # of trials, which come one by one

    def _blocks_of(self, templates: Sequence[Template], sweeps: Mapping[int, Sweep | None]) -> list[_Block]:
        blocks: list[_Block] = []
        number = len(templates) + 1
        for document, template in enumerate(templates, start=1):
            repeat = template.get("Repeat", self._default.get("Repeat", 1))
            copies = max(repeat, 0) if type(repeat) is int else 1
            if document not in sweeps:
                blocks.append(_Block(document, template, None, document, 1, copies, ""))
            elif (sweep := sweeps[document]) is not None:
                name = _plain_name(template.get("Name", self._default.get("Name")))
                blocks.append(_Block(document, template, sweep, number, sweep.size, copies, name))
                number += sweep.size
        return blocks

    # --- experiments ---

    def all(self) -> list[Planned]:
        """Return every experiment, in order."""
        experiments: list[Planned] = []
        for repetition in range(self._repeat):
            history = History()
            for block in self._blocks:
                for variant in range(block.size):
                    combination = self._combination(repetition, block, variant)
                    for rep in range(block.repeat):
                        planned = self._planned(combination, rep, len(experiments), len(history), history)
                        experiments.append(planned)
                        history.append(planned.experiment)
        return experiments

    def some(self, indices: Iterable[int]) -> list[Planned]:
        """Return the experiments at some places of the list; `E` is empty for each."""
        history = History()
        experiments: list[Planned] = []
        for index in indices:
            repetition, before = divmod(index, self._begins[-1])
            place = bisect_right(self._begins, before) - 1
            block = self._blocks[place]
            variant, rep = divmod(before - self._begins[place], block.repeat)
            combination = self._combination(repetition, block, variant)
            experiments.append(self._planned(combination, rep, index, before, history))
        return experiments

    def ends(self, count: int) -> list[int]:
        """Return the indices of all experiments but those in the middle of a long sweep.

        Parameters
        ----------
        count
            How many are named at both ends of a sweep that has more than four times as many experiments.
        """
        indices: list[int] = []
        for repetition in range(self._repeat):
            first = repetition * self._begins[-1]
            for block, begin, end in zip(self._blocks, self._begins, self._begins[1:], strict=False):
                if block.sweep is not None and end - begin > 4 * count:
                    indices += range(first + begin, first + begin + count)
                    begin = end - count
                indices += range(first + begin, first + end)
        return indices

    def named(self, document: int) -> tuple[str, int]:
        """Return the ``Name`` of a document with a sweep, and how many experiments it makes in all."""
        block = next(block for block in self._varied if block.document == document)
        name = block.name or f"document {document}"
        return name, block.size * block.repeat * self._repeat

    def trial(self, document: int, swept: Mapping[Steps, Any], label: str, index: int) -> list[Planned]:
        """Return the experiments of a document that searches for the values that the search has chosen.

        There is one for each copy. `E` is empty for them: they are made when those before have long run.

        Parameters
        ----------
        swept
            The values by path.
        label
            What is added to the name.
        index
            Their place in the list.

        Raises
        ------
        DefinitionError
            What is wrong with them for these values.
        """
        problems = Problems()
        block = next(block for block in self._blocks if block.document == document)
        values = {path: freeze(value) for path, value in swept.items()}
        combination = self._made(block, values, label, self._drawn.draw(), document)
        resolver = self._resolver.reporting_to(problems)
        made = [
            self._planned(combination, rep, index + rep, rep, History(), resolver)
            for rep in range(block.repeat)
        ]
        modules: Modules = dict.fromkeys(self._good_modules)
        for planned in made:
            checked = Checked(document, planned.experiment.inputs, planned.runs)
            check_experiment(self._definition, checked, problems, modules=modules)
        self._good_modules.update(name for name, wrong in modules.items() if wrong is None)
        problems.raise_if_any()
        return made

    def _planned(
        self,
        combination: _Combination,
        rep: int,
        index: int,
        before: int,
        history: History,
        resolver: Resolver | None = None,
    ) -> Planned:
        rnd_idx = combination.rnd_idx
        values = (resolver or self._resolver).resolve(
            combination.document,
            combination.own,
            history,
            {"REP": rep, "RND_IDX": rnd_idx, "HOST": self._host},
            combination.swept,
            combination.default,
        )
        values.setdefault("YamlLog", DEFAULT_LOG)
        values["REP"] = rep
        values.setdefault("RND_IDX", rnd_idx)
        while (identity := new_id()) in self._ids:
            pass
        self._ids.add(identity)
        name = values.get("Name")
        runs = name is not None and name is not BROKEN and name != "skip"
        experiment = Experiment(values)
        return Planned(
            index, identity, combination.number, history, before, experiment, runs, (), combination.name
        )

    # --- combinations ---

    def _combination(self, repetition: int, block: _Block, variant: int) -> _Combination:
        number = block.number + variant
        point = block.sweep.space.point(variant) if block.sweep is not None else {}
        rnd_idx = point.get(("RND_IDX",), block.template.get("RND_IDX", self._default.get("RND_IDX")))
        if type(rnd_idx) is not int:
            key = repetition, number
            if key not in self.draws:
                self.draws[key] = self._given[key] if key in self._given else self._drawn.draw()
            rnd_idx = self.draws[key]
        if block.sweep is None:
            template = block.template
            return _Combination(block.document, template, self._default, point, rnd_idx, number, "")
        return self._made(block, point, block.sweep.label(point), rnd_idx, number)

    def _made(self, block: _Block, point: Point, label: str, rnd_idx: int, number: int) -> _Combination:
        swept = point
        if label and block.name and ("Name",) not in point:
            swept = {**point, ("Name",): f"{block.name} {label}"}
        key = block.document, tuple(swept)
        if key not in self._shapes:
            self._shapes[key] = self._shape(block, key[1])
        own, default = self._shapes[key]
        return _Combination(block.document, own, default, swept, rnd_idx, number, block.name)

    def _shape(self, block: _Block, paths: Sequence[Steps]) -> tuple[Template, Template]:
        """Return the templates of document and default config with gaps for what is varied.

        A key that is varied stands where it stands without a sweep: in the document, else in the default
        config; one that is in neither stands in the place of the ``Sweep``.
        """
        own, default = block.template, self._default
        sweep = block.sweep
        mine: list[Steps] = []
        others: list[Steps] = []
        for path in paths:
            known = path[0] in own or path[0] in default
            in_default = path[0] not in own if known else sweep is not None and sweep.number == 0
            (others if in_default else mine).append(path)
        return (
            _with_gaps(own, self._definition.experiments[block.document - 1], mine),
            _with_gaps(default, self._definition.default, others) if others else default,
        )

    # --- numbers of combinations ---

    def document(self, number: int) -> int:
        """Return the number of the document that a combination is one of."""
        return self._block(number)[0].document

    def written(self, number: int, path: Sequence[Any]) -> tuple[int, Steps] | None:
        """Return the document and the path where its value at a path is written, if a sweep gives it."""
        block, variant = self._block(number)
        assert block.sweep is not None
        for end in range(len(path), 0, -1):
            place = block.sweep.space.place(variant, tuple(path[:end]))
            if place is not None:
                return block.sweep.number, (SWEEP, *place, *path[end:])
        return None

    def varies(self, number: int, path: Sequence[Any]) -> bool:
        """Whether its value at a path, or a part of that, is given by a sweep."""
        block, variant = self._block(number)
        assert block.sweep is not None
        if all(there[0] != path[0] for there in block.sweep.space.places):
            return False
        point = block.sweep.space.point(variant)
        return any(all(map(_same, there, path)) for there in point)

    def _block(self, number: int) -> tuple[_Block, int]:
        # One without combinations has the number of the next, and stands before it.
        block = self._varied[bisect_right(self._numbers, number) - 1]
        return block, number - block.number


def _same(one: Any, other: Any) -> bool:
    return bool(one == other)


def _plain_name(name: Any) -> str:
    """Return a ``Name`` that what was varied can be added to; an empty text for none."""
    if isinstance(name, bool) or not isinstance(name, (str, int, float, datetime.date)):
        return ""
    return "" if name == "skip" or str(name).startswith(SOLVE_MARK) else str(name)


def _with_gaps(template: Template, mapping: Mapping[Any, Any], paths: Sequence[Steps]) -> Template:
    made = Template()
    for key in mapping:
        if key in template:
            made[key] = template[key]
        elif key == SWEEP:
            for path in paths:
                if path[0] not in template:
                    _put(made, path)
    for path in paths:
        _put(made, path)
    return made


def _put(template: Template, path: Steps) -> None:
    for step in path[:-1]:
        there = template.get(step)
        template[step] = Template(there) if isinstance(there, dict) else Template()
        template = template[step]
    template[path[-1]] = Swept(path)
