"""``run.py``, with a rest at the steps at which runners are killed, so that others come in between.

``FAULT_HARNESS_REST=announced:0.05`` in the environment says where, and for how many seconds. With
``FAULT_HARNESS_LONG=1`` it treats the queue file as a long one, which is written anew only a moment after a
save of it was taken up.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from coolrunner.queue import steps

REST = "FAULT_HARNESS_REST"
LONG = "FAULT_HARNESS_LONG"


def main() -> int:
    """Run the command."""
    name, _, seconds = os.environ.get(REST, "").partition(":")
    kill = steps.step

    def step(at: str) -> None:
        if at == name:
            time.sleep(float(seconds))
        kill(at)

    steps.step = step  # before anything else imports it
    if os.environ.get(LONG):
        from coolrunner.queue import desk

        desk.LONG = 0
    from coolrunner.cli import main as command

    return command(["run", *sys.argv[1:]], script="run.py")


if __name__ == "__main__":
    sys.exit(main())
