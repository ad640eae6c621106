"""``run --dry``: what a study would run."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from coolrunner.definition.differing import differing_keys, pick_keys
from coolrunner.definition.plan import Plan
from coolrunner.reporting.plan import PlanRow, SweepShown, print_plan, print_sweeps
from coolrunner.yamlio import flow_text

__all__ = ["show_plan"]

_ENDS = 5  # at either end of a sweep


def show_plan(plan: Plan, verbose: bool) -> None:
    """Print what sweeps vary, the experiments, and where the values of each came from if asked for."""
    print_sweeps(list(_sweeps(plan)), file=sys.stdout)
    differing = differing_keys([planned.experiment.inputs for planned in plan.chosen if planned.runs])
    rows = [
        PlanRow(
            planned.index,
            planned.name,
            planned.runs,
            pick_keys(planned.experiment.inputs, differing),
            [(key, flow_text(value), origin) for key, value, origin in plan.origins(planned)]
            if verbose
            else (),
            left_out,
        )
        for planned, left_out in plan.shown(_ENDS)
    ]
    print_plan(rows, verbose=verbose, width=None, file=sys.stdout)
    for warning in plan.warnings:
        sys.stderr.write(f"warning: {warning}\n")


def _sweeps(plan: Plan) -> Iterator[SweepShown]:
    for document, sweep in plan.sweeps.items():
        name, copies = plan.expansion.named(document)
        if sweep.search is not None:
            lines = [("search", keys, values, 0) for keys, values in sweep.search.lines()]
            yield SweepShown(name, sweep.search.describe(), lines)
            continue
        size = f"{sweep.size:,} combination{'' if sweep.size == 1 else 's'}"
        told = f", {copies:,} experiments" if copies != sweep.size else ""
        yield SweepShown(name, f"{size}{told}", sweep.lines())
