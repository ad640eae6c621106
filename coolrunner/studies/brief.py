"""What a runner knows of its study, whether it read the definition itself or found it with a queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from coolrunner.definition.plan import Plan
from coolrunner.definition.settings import Settings

if TYPE_CHECKING:
    from coolrunner.studies.searching.plans import SearchPlan

__all__ = ["Brief", "study_record"]


@dataclass(frozen=True)
class Brief:
    """A study, as far as running its experiments goes.

    Attributes
    ----------
    name
        The definition's file name.
    settings
        What ``Global`` says.
    path
        The definition; empty where it is not at hand.
    skipped
        How many experiments are defined and never run.
    used
        The names that expressions of the definition mention: such keys have done their part.
    needs_past
        Whether a ``solve`` value mentions ``E``, so that results are kept at hand.
    warnings
        What is doubtful.
    """

    name: str
    settings: Settings = field(default_factory=Settings)
    path: str = ""
    skipped: int = 0
    used: frozenset[str] = frozenset()
    needs_past: bool = False
    warnings: Sequence[str] = ()

    @classmethod
    def of_plan(cls, plan: Plan) -> Brief:
        """Return what a plan says of its study."""
        skipped = sum(not planned.runs for planned in plan.chosen)
        warnings = [str(warning) for warning in plan.warnings]
        path = plan.definition.source.name
        return cls(plan.study, plan.settings, path, skipped, plan.used, plan.needs_past, warnings)


def study_record(plan: Plan, searches: Sequence[SearchPlan] = ()) -> Mapping[str, Any]:
    """Return what a queue's journal keeps of a definition: enough to complete what people write.

    That is its default config as text, with ``Global``, and the overrides from the command line; of its
    searches what they are known by, and where their trials are.
    """
    source, documents = plan.definition.source, plan.definition.documents
    text = source.text
    if len(documents) > 1:
        text = text[: documents[1].start]
        text = text[: text.rfind("---")] if "---" in text else text
    return {
        "t": "study",
        "name": plan.study,
        "path": source.name,
        "defaults": text,
        "overrides": [change.text for change in plan.definition.overrides],
        "skipped": sum(not planned.runs for planned in plan.chosen),
        "used": sorted(plan.used),
        "past": plan.needs_past,
        **({"searches": {one.key: str(one.storage) for one in searches}} if searches else {}),
    }
