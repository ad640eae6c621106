"""Named steps at which a process can be made to kill itself, to see that nothing is lost then.

``COOLRUNNER_KILL_AT=claim-written:3`` lets a runner end by SIGKILL, as a power cut or the system's
out-of-memory killer would, where it comes to that step for the third time. Without that variable a step
is nothing but the check for it.
"""

from __future__ import annotations

import os
import signal

__all__ = ["SEARCH_STEPS", "STEPS", "VARIABLE", "step"]

VARIABLE = "COOLRUNNER_KILL_AT"
#: Where a process may be killed, in the order in which an experiment comes to them.
STEPS = (
    "rows-written",  # put: a part of the experiments stands in the journal
    "before-claim",
    "claim-written",
    "log-appended",  # its result stands in its log, and the journal does not know
    "end-written",
    "announced",  # publish: the journal knows the new file, which nobody sees yet
    "exchanged",  # the new file is in its place, what it displaced was not looked at
    "displaced-read",
    "save-merged",  # what a person changed stands in the journal, and the file does not show it
)

#: Those to which the trials of a search come as well.
SEARCH_STEPS = (
    "trial-asked",  # Optuna knows it, and it has no experiment
    "trial-assigned",  # Optuna knows the ID of its experiment, which is in no queue
    "trial-told",
)


def _read() -> list[str | int] | None:
    name, _, count = os.environ.get(VARIABLE, "").partition(":")
    return [name, int(count or 1)] if name else None


_at = _read()


def step(name: str) -> None:
    """End this process by SIGKILL, where it was started to end at this step."""
    if _at is None or _at[0] != name:
        return
    _at[1] = int(_at[1]) - 1
    if not _at[1]:
        os.kill(os.getpid(), signal.SIGKILL)
