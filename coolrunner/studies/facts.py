"""What a queue has to know of an experiment, taken from its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coolrunner.definition.plan import Planned
from coolrunner.definition.resources import parse_resources
from coolrunner.queue.base import Facts

__all__ = ["facts_from", "facts_of"]


def facts_of(planned: Planned, *, runs: bool | None = None) -> Facts:
    """Return what a queue has to know of a planned experiment."""
    inputs = planned.experiment.inputs
    return facts_from(
        inputs, planned.index, planned.first, planned.needs, runs=planned.runs if runs is None else runs
    )


def facts_from(
    inputs: Mapping[str, Any], index: int, first: int, needs: tuple[str, ...], *, runs: bool = True
) -> Facts:
    """Return what a queue has to know of a configuration at a place of the list, and what it needs."""
    return Facts(
        name=str(inputs.get("Name", "skip")),
        index=index,
        first=first,
        runs=runs,
        hold=inputs.get("Hold") is True,
        priority=inputs.get("Priority") or 0,
        lane=parse_resources(inputs["Resources"]).text if runs and "Resources" in inputs else "",
        needs=needs,
        retries=inputs.get("Retries") or 0,
        log=str(inputs.get("YamlLog", "")),
    )
