"""What a person writes into a queue, completed: a short document becomes an experiment of its study.

Such a document is resolved as one of the definition would be, except that it is one experiment: it is
neither repeated nor skipped. One that the runner wrote before, and a person has changed, gets no
defaults, and only what was changed in it is evaluated.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from coolrunner.definition.checks import Checked, Modules, check_experiment
from coolrunner.definition.documents import Definition, no_mapping, read_default
from coolrunner.definition.expressions import History
from coolrunner.definition.inplace import with_values
from coolrunner.definition.names import check_names, one_letter_away
from coolrunner.definition.needs import Asked, after_names, asked_of_past
from coolrunner.definition.plan import DEFAULT_LOG
from coolrunner.definition.problems import Problems, shown
from coolrunner.definition.resolve import Resolver
from coolrunner.definition.settings import Settings, read_settings
from coolrunner.definition.templates import (
    BROKEN,
    MARK,
    Steps,
    Template,
    change_template,
    make_templates,
    marked,
    refuse_code,
)
from coolrunner.errors import Problem
from coolrunner.yamlio import Document, Source

__all__ = ["Adding", "Completed", "complete_text"]

_NOTHING_SKIPPED = (
    "what stands in a queue is run: give it a name, or remove the document (Hold: true keeps it back)"
)


@dataclass(frozen=True, slots=True, eq=False)
class Completed:
    """An experiment that a person wrote into a queue.

    Attributes
    ----------
    values
        The resolved configuration, as that of an experiment of the definition.
    changed
        Path and value of each expression that was written.
    added
        The keys that were not written.
    after
        The names that it waits for; whether anybody has them is not known here.
    past
        What its ``solve`` values ask ``E`` for.
    used
        The names that expressions mention: such keys have done their part.
    warnings
        What is doubtful.
    """

    values: dict[str, Any]
    changed: list[tuple[Steps, Any]] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    after: tuple[str, ...] = ()
    past: tuple[Asked, ...] = ()
    used: frozenset[str] = frozenset()
    warnings: list[Problem] = field(default_factory=list)


class _Study(NamedTuple):
    """What a study gives to the experiments that are added to it."""

    definition: Definition
    settings: Settings
    default: Template
    used: frozenset[str]


class Adding:
    """Completes the documents that a person writes into a queue.

    Parameters
    ----------
    source_name, source_text
        The study's definition, of which the default config and ``Global`` are used; it is read when a
        document is first completed. An empty text has no defaults.
    overrides
        What the command line changed in it.
    code
        Whether expressions are allowed.
    """

    def __init__(
        self, source_name: str, source_text: str, overrides: Sequence[str] = (), *, code: bool = True
    ) -> None:
        self._source = Source(source_name, source_text)
        self._overrides = overrides
        self._code = code
        self._drawn: set[int] = set()
        self._good_modules: set[str] = set()

    @cached_property
    def _study(self) -> _Study:
        problems = Problems()
        definition = read_default(self._source, self._overrides, problems)
        settings = read_settings(definition, problems)
        templates = make_templates(definition, problems)
        if not self._code:
            refuse_code(definition, 0, problems)
        problems.raise_if_any()
        return _Study(definition, settings, templates.default, frozenset(templates.used))

    @property
    def settings(self) -> Settings:
        """What the study's ``Global`` says."""
        return self._study.settings

    def complete(
        self,
        source: Source,
        document: Document,
        history: History,
        *,
        known: Mapping[str, Any] | None = None,
        rnd_taken: Callable[[int], bool] = lambda number: False,
    ) -> Completed:
        """Return the experiment that a document means.

        Parameters
        ----------
        source, document
            The queue's text, and the document in it.
        history
            ``E`` for its expressions.
        known
            What the runner wrote for the experiment that this document has changed; None for a new one.
        rnd_taken
            Whether a ``RND_IDX`` is in use.

        Raises
        ------
        DefinitionError
            All that is wrong with it, at its places in the queue, or with the study's default config.
        """
        study = self._study
        problems = Problems()
        if not isinstance(document.value, dict):
            problems.add(no_mapping(source, document))
            problems.raise_if_any()
        written: dict[Any, Any] = document.value
        own = {key: value for key, value in written.items() if key not in ("ID", "REP")}
        definition = Definition(
            study.definition.source,
            {},
            None,
            [own],
            [study.definition.documents[0], document],
            study.definition.overrides,
            elsewhere=source,
        )
        _check_written(definition, written, known, problems)
        rep, index = self._numbers(study, written, known, rnd_taken)
        if type(own.get("RND_IDX")) is int:
            del own["RND_IDX"]
        check_names(definition, problems)
        if not self._code:
            refuse_code(definition, 1, problems, known)
        templates = change_template(definition, known, problems)
        default = study.default if known is None else Template()
        resolver = Resolver(
            definition, default, study.settings.imports, study.settings.merge == "deep", problems
        )
        base = {"REP": rep, "RND_IDX": index, "HOST": socket.gethostname()}
        values = resolver.resolve(1, templates.experiments[0], history, base)
        _finish(values, written, known, rep, index)
        _check_name(definition, values, problems)
        name = values.get("Name")
        runs = name is not None and name is not BROKEN and name != "skip"
        modules: Modules = dict.fromkeys(self._good_modules)
        check_experiment(definition, Checked(1, values, runs), problems, source.name, modules)
        # One that is wrong is looked at again: a person may mend it meanwhile.
        self._good_modules.update(name for name, wrong in modules.items() if wrong is None)
        problems.raise_if_any()
        return Completed(
            values,
            [(path, _value_at(values, path)) for path, _ in marked(own, MARK, (), known)],
            [key for key in values if key not in written],
            after_names(values.get("After")),
            tuple(asked_of_past(values)),
            study.used | templates.used,
            problems.warnings,
        )

    def _numbers(
        self,
        study: _Study,
        written: Mapping[Any, Any],
        known: Mapping[str, Any] | None,
        taken: Callable[[int], bool],
    ) -> tuple[int, int]:
        """Return ``REP`` and ``RND_IDX``: those written, else those known, else the default, or drawn."""
        before = known or {}
        rep = written.get("REP", before.get("REP", 0))
        default = study.default if known is None else {}
        index = written.get("RND_IDX", before.get("RND_IDX", default.get("RND_IDX")))
        return rep if type(rep) is int else 0, index if type(index) is int else self._draw(taken)

    def _draw(self, taken: Callable[[int], bool]) -> int:
        below, tries = 10**6, 0
        while True:
            number = random.SystemRandom().randrange(100_000, below)
            if number not in self._drawn and not taken(number):
                self._drawn.add(number)
                return number
            tries += 1
            if tries % 10 == 0:  # numbers of this many digits are running out
                below *= 10


def _check_written(
    definition: Definition, written: Mapping[Any, Any], known: Mapping[str, Any] | None, problems: Problems
) -> None:
    """Note what has no place in a queue, and take it out of the experiment."""
    own = definition.experiments[0]
    if "Global" in own:
        message = "Global belongs in the definition: an experiment in a queue has none"
        problems.add(definition.problem(1, ("Global",), message, "remove it", key=True))
        del own["Global"]
    rep = written.get("REP", 0)
    if type(rep) is not int or rep < 0:
        message = f"REP is {shown(rep)}; a whole number from 0 was expected"
        problems.add(definition.problem(1, ("REP",), message, "leave it out: it is 0 then"))
    # A copy of what the runner wrote has both: it says of how many it was one.
    copied = "REP" in written if known is None else own.get("Repeat") == known.get("Repeat")
    if "Repeat" in own and own["Repeat"] != 1 and not copied:
        message = "a document in a queue is one experiment and cannot be repeated"
        problems.add(
            definition.problem(
                1, ("Repeat",), message, "write the document as often as it is to run", key=True
            )
        )
        del own["Repeat"]


def _finish(
    values: dict[str, Any], written: Mapping[Any, Any], known: Mapping[str, Any] | None, rep: int, index: int
) -> None:
    """Add what the runner gives to every experiment, in place."""
    if "Repeat" not in written:
        values.pop("Repeat", None)  # the default's is for the documents of the definition
    values.setdefault("YamlLog", (known or {}).get("YamlLog", DEFAULT_LOG))
    values["REP"] = rep
    if type(written.get("RND_IDX")) is int:
        values.pop("RND_IDX", None)  # the default's
    values.setdefault("RND_IDX", index)


def _check_name(definition: Definition, values: Mapping[str, Any], problems: Problems) -> None:
    name = values.get("Name")
    if name is BROKEN or (name is not None and name != "skip"):
        return
    message = "this experiment has no Name" if name is None else "this experiment is named skip"
    written = definition.experiments[0]
    meant = next((key for key in written if name is None and _is_nearly_name(key)), None)
    if meant is not None:
        problems.add(definition.problem(1, (meant,), f"{message}; is {meant} meant as Name?", key=True))
        return
    path: Steps = ("Name",) if "Name" in written else ()
    problems.add(definition.problem(1, path, message, _NOTHING_SKIPPED))


def _is_nearly_name(key: Any) -> bool:
    lower = key.lower() if isinstance(key, str) else ""
    return key != "Name" and (lower == "name" or one_letter_away(lower, "name"))


def _value_at(values: Any, path: Steps) -> Any:
    for step in path:
        values = values[step]
    return values


def complete_text(text: str, completed: Completed, identity: str, comment: str = "") -> str:
    """Return the text of a document after its experiment was completed.

    The lines that a person wrote stay as they are; the values of expressions take their places, and keys
    that were not written come below, the ``ID`` last.

    Parameters
    ----------
    text
        The document's own text, as of a `coolrunner.yamlio.RawDocument`.
    identity
        Its ``ID``.
    comment
        A line to put above it; none where it is empty or stands there already.
    """
    changed = with_values(text, {**completed.values, "ID": identity})
    line = f"# {comment}\n"
    return line + changed if comment and not changed.startswith(line) else changed
