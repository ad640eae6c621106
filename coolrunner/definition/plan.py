"""A definition, put together: the experiments of a study, in order, with what the runner needs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coolrunner.definition.checks import Checked, check_experiments
from coolrunner.definition.documents import Definition, read_definition
from coolrunner.definition.names import check_names
from coolrunner.definition.needs import find_needs
from coolrunner.definition.problems import Problems
from coolrunner.definition.settings import Settings, read_settings
from coolrunner.definition.sweeps.expansion import DEFAULT_LOG, Draws, Expansion, Planned
from coolrunner.definition.sweeps.identities import new_id
from coolrunner.definition.templates import SOLVE_MARK, SWEEP, Templates, make_templates, refuse_code
from coolrunner.errors import Problem, UsageError
from coolrunner.yamlio import Source

if TYPE_CHECKING:
    from coolrunner.definition.sweeps.reading import Sweep

__all__ = ["DEFAULT_LOG", "SOLVE_MARK", "Plan", "Planned", "new_id", "parse_pick", "read_plan"]

#: A list of more experiments than this is not made as a whole.
LIMIT = 10_000_000


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
        All of them, in order, unless the plan is of a part; `chosen` are those that ``--pick`` left.
    count
        How many there are in the whole list.
    used
        The names that expressions of the definition mention: such keys have done their part.
    needs_past
        Whether a ``solve`` value mentions ``E``, so that results must be kept for it.
    warnings
        What is doubtful.
    expansion
        Makes experiments of the definition.
    sweeps
        What documents vary, by their number.
    """

    definition: Definition
    settings: Settings
    experiments: list[Planned]
    count: int
    expansion: Expansion
    used: frozenset[str] = frozenset()
    needs_past: bool = False
    warnings: list[Problem] = field(default_factory=list)
    picked: frozenset[int] | None = None
    sweeps: Mapping[int, Sweep] = field(default_factory=dict)

    @property
    def draws(self) -> Draws:
        """Each ``RND_IDX`` that was drawn, by repetition of the list (from 0) and number of the document."""
        return self.expansion.draws

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

    def shown(self, ends: int) -> list[tuple[Planned, int]]:
        """Return experiments for people, and how many are left out before each.

        Parameters
        ----------
        ends
            Of a sweep with more than four times as many, so many at either end are returned; what was picked
            is returned whole.
        """
        if self.picked is not None or not self.sweeps:
            return [(planned, 0) for planned in self.chosen]
        wanted = frozenset(self.expansion.ends(ends))
        found: list[tuple[Planned, int]] = []
        last = -1
        for planned in self.experiments:
            if planned.index in wanted:
                found.append((planned, planned.index - last - 1))
                last = planned.index
        return found

    def origins(self, planned: Planned) -> Iterator[tuple[str, Any, str]]:
        """Yield key, value and place of origin of each parameter of an experiment."""
        for key, value in planned.experiment.inputs.items():
            number = self.definition.origin(planned.document, (key,))
            if not number and key not in self.definition.default:  # REP, RND_IDX, a YamlLog not given
                yield key, value, "the runner"
                continue
            place = str(self.definition.position(number, (key,)))
            if number > len(self.definition.experiments):
                whole = self.expansion.written(number, (key,))
                yield key, value, f"its sweep, {place}" if whole else f"{place}, and its sweep"
            else:
                yield key, value, place if number else f"default, {place}"


def read_plan(
    path: Path | str | Source,
    overrides: Sequence[str] = (),
    *,
    pick: Sequence[str] = (),
    code: bool = True,
    draws: Draws | None = None,
    only_picked: bool = False,
    ends: int | None = None,
) -> Plan:
    """Read a definition and resolve its experiments.

    Parameters
    ----------
    path
        The definition: its file, or its text.
    overrides
        Arguments such as ``+lr=0.1``.
    pick
        What ``--pick`` was given; empty for all.
    code
        Whether expressions are allowed.
    draws
        The ``RND_IDX`` to use, in place of one that is drawn, where an earlier study is gone on with.
    only_picked
        Whether what is not picked may be missing in the plan of a definition with sweeps. It is there where
        an experiment may ask for another one.
    ends
        For a plan that is only looked at: of a sweep with more than four times as many experiments, so many
        at either end are enough.

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
    read = _sweeps(definition, templates, settings, problems)
    sweeps = {document: sweep for document, sweep in read.items() if sweep is not None}
    countable = countable and len(sweeps) == len(read)
    expansion = Expansion(definition, settings, templates, read, problems, draws or {})
    definition.variants = expansion
    part = None
    if sweeps and not problems and not _ask_for_others(definition, templates, sweeps):
        if pick:
            part = parse_pick(pick, expansion.count) if only_picked else None
        elif ends is not None:
            part = expansion.ends(ends)
    _check_size(definition, expansion.count if part is None else len(part), sweeps, problems)
    experiments = expansion.all() if part is None else expansion.some(part)
    find_needs(definition, experiments, problems, solves=templates.needs_past)
    checked = [Checked(item.document, item.experiment.inputs, item.runs) for item in experiments]
    check_experiments(definition, checked, problems, settings.queue)
    picked = _pick(pick, expansion.count if countable else None, problems) if pick else None
    problems.raise_if_any()
    return Plan(
        definition,
        settings,
        experiments,
        expansion.count,
        expansion,
        frozenset(templates.used),
        templates.needs_past,
        problems.warnings,
        picked,
        sweeps,
    )


def _sweeps(
    definition: Definition, templates: Templates, settings: Settings, problems: Problems
) -> Mapping[int, Sweep | None]:
    if not any(SWEEP in mapping for mapping in (definition.default, *definition.experiments)):
        return {}
    from coolrunner.definition.sweeps.reading import read_sweeps

    return read_sweeps(definition, templates, settings.imports, problems)


def _ask_for_others(definition: Definition, templates: Templates, sweeps: Mapping[int, Sweep]) -> bool:
    """Whether an experiment may need to know others: they are named by ``E`` and ``After`` alone."""
    if "E" in templates.used or templates.needs_past or "After" in definition.default:
        return True
    swept = any(("After",) in sweep.space.places for sweep in sweeps.values())
    return swept or any("After" in mapping for mapping in definition.experiments)


def _check_size(definition: Definition, count: int, sweeps: Mapping[int, Sweep], problems: Problems) -> None:
    """Raise for more experiments than fit into memory."""
    if count <= LIMIT or not sweeps:
        return
    document = max(sweeps, key=lambda number: sweeps[number].size)
    size = sweeps[document].size
    message = f"this sweep has {size:,} experiments; more than {LIMIT:,} cannot be run in one study"
    hint = "take some of them with --pick, or draw them with random and n"
    problems.add(definition.problem(sweeps[document].number, (SWEEP,), message, hint, key=True))
    problems.raise_if_any()


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


def _refuse_code(definition: Definition, settings: Settings, problems: Problems) -> None:
    for number in range(len(definition.experiments) + 1):
        refuse_code(definition, number, problems)
        _refuse_exclude(definition, number, problems)
    if settings.slack and settings.slack.message:
        message = "an expression, refused by --no-code: the message for Slack"
        problems.add(definition.problem(0, ("Global", "slack", "message"), message))


def _refuse_exclude(definition: Definition, number: int, problems: Problems) -> None:
    """Note the expressions of a sweep that need no mark."""
    mapping = definition.experiments[number - 1] if number else definition.default
    for path in _excludes(mapping.get(SWEEP), (SWEEP,)):
        problems.add(definition.problem(number, path, "an expression, refused by --no-code: exclude"))


def _excludes(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "exclude":
                yield (*path, key)
            else:
                yield from _excludes(item, (*path, key))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _excludes(item, (*path, place))
