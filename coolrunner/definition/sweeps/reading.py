"""``Sweep`` as it stands in a definition, read into the space of its combinations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from coolrunner.definition.documents import Definition
from coolrunner.definition.expressions import Imports
from coolrunner.definition.problems import Problems, dotted
from coolrunner.definition.sweeps.code import Constants
from coolrunner.definition.sweeps.keys import SweepKeys
from coolrunner.definition.sweeps.parts import SweepReader
from coolrunner.definition.sweeps.search import Search, read_search
from coolrunner.definition.sweeps.sweep import Fixed, Line, Point, Space, Steps, key_text, value_text
from coolrunner.definition.templates import Templates

__all__ = ["Sweep", "read_sweep", "read_sweeps"]


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """What one document varies.

    Attributes
    ----------
    number
        The document in which it stands, 0 the default config.
    space
        Its combinations; none for a search, whose experiments are asked for one by one.
    search
        What is searched, if anything is.
    labels
        The keys that an experiment's name shows, each as it is shown.
    """

    number: int
    space: Space
    search: Search | None
    labels: Mapping[Steps, str]

    @property
    def size(self) -> int:
        """How many combinations there are."""
        return 0 if self.search else self.space.size

    def label(self, point: Point) -> str:
        """Return what a combination varies, as it stands in the name of its experiment."""
        labels = self.labels
        return " ".join(
            [f"{labels[path]}={value_text(value)}" for path, value in point.items() if path in labels]
        )

    def lines(self) -> list[Line]:
        """Return what is varied, for people."""
        return list(self.space.lines())


def read_sweeps(
    definition: Definition, templates: Templates, imports: Imports, problems: Problems
) -> dict[int, Sweep | None]:
    """Read the sweep of each document that has one, its own or that of the default config.

    Returns
    -------
    By number of the document; None for a sweep that is wrong, which is noted in `problems`.
    """
    found: dict[int, Sweep | None] = {}
    inherited = definition.default.get("Sweep") is not None
    for document, mapping in enumerate(definition.experiments, start=1):
        if "Sweep" not in mapping and not inherited:
            continue
        if "Sweep" in mapping and mapping["Sweep"] is None and inherited:
            continue
        number = document if "Sweep" in mapping else 0
        found[document] = read_sweep(definition, number, document, templates, imports, problems)
    return found


def read_sweep(
    definition: Definition,
    number: int,
    document: int,
    templates: Templates,
    imports: Imports,
    problems: Problems,
) -> Sweep | None:
    """Read the sweep that stands in document `number` for `document`; None where it is wrong."""
    keys = SweepKeys(definition, number, document, problems)
    constants = Constants(templates.experiments[document - 1], templates.default, imports)
    value = (definition.experiments[number - 1] if number else definition.default)["Sweep"]
    if isinstance(value, dict) and "search" in value:
        return _read_search(definition, number, document, keys, problems)
    space = SweepReader(keys, constants).sweep(value, ())
    if space is None:
        return None
    return Sweep(number, space, None, _labels(space))


def _read_search(
    definition: Definition, number: int, document: int, keys: SweepKeys, problems: Problems
) -> Sweep | None:
    value = (definition.experiments[number - 1] if number else definition.default)["Sweep"]
    search = read_search(definition, number, value, problems)
    if search is None:
        return None
    keys.strict = value.get("strict") is True
    places = [(path, ("search", dotted(path))) for path in search.space]
    good = [keys.can_vary(path, place) for path, place in places]
    if not all(good) or keys.twice(places):
        return None
    return Sweep(number, Fixed({}, {}), replace(search, document=document), {})


def _labels(space: Space) -> Mapping[Steps, str]:
    texts = key_text(space.paths)
    return {path: texts[path] for path in space.varied}
