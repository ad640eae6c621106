"""``run.py``, with a rest at the steps at which runners are killed, so that others come in between.

``FAULT_HARNESS_REST=announced:0.05`` in the environment says where, and for how many seconds.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from coolrunner.queue import steps

REST = "FAULT_HARNESS_REST"


def main() -> int:
    """Run the command."""
    name, _, seconds = os.environ.get(REST, "").partition(":")
    kill = steps.step

    def step(at: str) -> None:
        if at == name:
            time.sleep(float(seconds))
        kill(at)

    steps.step = step  # before anything else imports it
    from coolrunner.cli import main as command

    return command(["run", *sys.argv[1:]], script="run.py")


if __name__ == "__main__":
    sys.exit(main())
