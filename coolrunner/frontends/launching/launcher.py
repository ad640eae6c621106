"""The Python launcher: a script is run for each variant, as often as is asked, on the slots of this machine.

The names and arguments are those that the users of rlpyt and exptools know. Each run is one as all others
are: its script finds it by `coolrunner.current_run`, and tables list it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from coolrunner.frontends.launching.loop import Loop, say, summary
from coolrunner.frontends.launching.plan import make_plan
from coolrunner.frontends.launching.runs import LaunchedRun
from coolrunner.frontends.launching.slots import make_slots

__all__ = ["LaunchedRun", "run_experiments"]


def run_experiments(
    script: str | os.PathLike[str],
    affinity_code: str,
    experiment_title: str,
    runs_per_setting: int,
    variants: Sequence[Mapping[str, Any]],
    log_dirs: Sequence[str],
    common_args: Sequence[Any] | None = None,
    runs_args: Sequence[Sequence[Any]] | None = None,
    debug_mode: int = 0,
    *,
    resume: bool = False,
) -> list[LaunchedRun]:
    """Run a script for each variant, one process for each slot at a time; return when all have ended.

    The script is called with the affinity code of its slot, the directory of its variant, the number of the
    run there, and then `common_args` and its own `runs_args`. All variants run once before any runs again.

    Parameters
    ----------
    script
        A Python file.
    affinity_code
        How the machine is divided among the runs; see `coolrunner.encode_affinity`.
    experiment_title
        What the study is called: the runs are in ``data/local/<title>/<yyyymmdd>/<log_dir>/run_<id>``.
    runs_per_setting
        How often each variant runs.
    variants
        The configurations; each is written to ``variant_config.json`` in the directory of its runs.
    log_dirs
        The directory of each, below that of the study.
    common_args
        Further arguments for all runs.
    runs_args
        Further arguments for the runs of each variant.
    debug_mode
        1 to run all in this process, one after the other; 2 to do so in random order.
    resume
        Whether runs that are there already are left out where they are done, and run again in their directory
        where they are not.

    Returns
    -------
    What came of each run, in the order in which they were started, with its exit status.

    Raises
    ------
    UsageError
        The arguments make no sense, or this machine has not as many GPUs; nothing has run then.
    RunError
        There are such runs already, or the disk does not take what there is to write.
    KeyboardInterrupt
        It was interrupted; so were the scripts, and they have ended.
    """
    plan = make_plan(
        script,
        experiment_title,
        runs_per_setting,
        variants,
        log_dirs,
        common_args,
        runs_args,
        resume=resume,
    )
    slots, warnings = make_slots(affinity_code)
    for warning in warnings:
        say(f"warning: {warning}")
    if debug_mode:
        from coolrunner.frontends.launching.debug import run_here

        return run_here(plan, slots, shuffled=debug_mode > 1)
    results = Loop(plan, slots, [sys.executable]).run()
    say(summary(results, plan.done))
    return results
