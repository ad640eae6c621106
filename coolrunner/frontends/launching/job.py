"""What runs in a batch job that `coolrunner.run_on_cluster` has submitted: one run, on the node of the job.

Its arguments are ``DIRECTORY LOG_DIR RUN_ID SCRIPT [ARGUMENT ...] -- INTERPRETER [OPTION ...]``. A job that
the scheduler starts again goes on in the same directory, as the next attempt. The exit status is that of the
script.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from coolrunner.errors import CoolrunnerError
from coolrunner.frontends.launching.affinity import CLUSTER
from coolrunner.frontends.launching.loop import Loop, say
from coolrunner.frontends.launching.plan import Launch, Plan
from coolrunner.frontends.launching.slots import one_slot
from coolrunner.frontends.launching.variants import load_variant, variant_text
from coolrunner.frontends.managing.runs import parameters
from coolrunner.runs.status import RunStatus

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one run; return the exit status of its script, 128 more than the signal for one that was killed."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    last = len(arguments) - 1 - arguments[::-1].index("--")
    (where, log_dir, run_id, script, *args), prefix = arguments[:last], arguments[last + 1 :]
    try:
        variant = load_variant(where)
        launch = Launch(
            Path(script),
            Path(where),
            log_dir,
            int(run_id),
            tuple(args),
            variant_text(variant),
            parameters(variant),
        )
        directory = launch.directory
        if directory.path.exists() and directory.read_state().status is RunStatus.DONE:
            say(f"{launch.name} is done already")
            return 0
        plan = Plan(Path(where), [launch], 0, listed=False)
        results = Loop(plan, [one_slot(CLUSTER)], prefix).run()
    except CoolrunnerError as error:
        say(f"error: {error}")
        return 2
    exit = results[0].exit if results else None
    if exit is None:
        return 1
    return exit if exit >= 0 else 128 - exit


if __name__ == "__main__":
    sys.exit(main())
