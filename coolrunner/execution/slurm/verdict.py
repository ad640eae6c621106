"""What came of a job that left no result: what its end at Slurm means."""

from __future__ import annotations

from coolrunner.execution.base import Ending, Outcome
from coolrunner.execution.detached import Returned
from coolrunner.execution.slurm.states import Life, Seen

__all__ = ["judge"]

# What is nobody's fault, and is started again.
_LOST = {
    "BOOT_FAIL": "its node did not start",
    "LAUNCH_FAILED": "its node could not start it",
    "NODE_FAIL": "its node failed",
    "PREEMPTED": "another job took its place",
    "RECONFIG_FAIL": "its node did not start",
    "REVOKED": "another cluster took it",
}
_TIME = ("TIMEOUT", "DEADLINE")


def judge(
    returned: Returned | None,
    seen: Seen,
    *,
    begun: bool,
    wanted: bool,
    failure: tuple[int, Returned] | None = None,
    words: str = "",
    shared: bool = False,
) -> Outcome:
    """Return what came of a job that has ended at Slurm.

    Parameters
    ----------
    returned
        What it said when it was stopped by Slurm; None where it did not come to say anything.
    seen
        What Slurm says of it.
    begun
        Whether its experiment had begun.
    wanted
        Whether its runner had told it to stop.
    failure
        What went wrong with another of its processes than the first.
    words
        The last that its shell wrote.
    shared
        Whether it had other experiments to run before this one.
    """
    outcome = returned.outcome if returned is not None else Outcome(Ending.FAILED)
    word = seen.word
    if failure is not None and not wanted:
        rank, other = failure
        told = other.outcome
        outcome = Outcome(Ending.FAILED, told.results, kind=told.kind, elapsed=told.elapsed)
        outcome.error, outcome.traceback = f"rank {rank}: {told.error}", told.traceback
        return outcome
    if wanted:
        return _set(outcome, Ending.INTERRUPTED, "interrupted", "it was killed")
    if word in _LOST:
        return _set(outcome, Ending.LOST, "lost", _LOST[word])
    if word == "CANCELLED":
        return _set(outcome, Ending.INTERRUPTED, "interrupted", "its Slurm job was cancelled")
    if word in _TIME:
        limit = "Timeout: the time limit of its Slurm job was reached"
        return _set(outcome, Ending.FAILED, "timeout", limit)
    if word == "OUT_OF_MEMORY":
        return _set(
            outcome, Ending.FAILED, "memory", "killed by Slurm: it used more memory than it asked for"
        )
    if returned is not None:
        if returned.facts.get("stopped") == "limit" and outcome.ending is not Ending.FINISHED:
            return _set(outcome, Ending.LOST, "lost", "its time was over, and it goes on where it was")
        return _set(outcome, Ending.LOST, "lost", "it was stopped by its cluster")
    if seen.life is Life.FORGOTTEN:
        return _set(outcome, Ending.LOST, "lost", "Slurm does not know its job any more")
    if begun:
        error = f"its process was killed, or its node went away (Slurm says {word})"
        return _set(outcome, Ending.FAILED, "signal", error)
    if shared:
        return _set(outcome, Ending.LOST, "lost", "its job ended before its turn came")
    error = f"its Slurm job could not begin ({word}){': ' + words if words else ''}"
    return _set(outcome, Ending.FAILED, "exit", error)


def _set(outcome: Outcome, ending: Ending, kind: str, error: str) -> Outcome:
    outcome.ending, outcome.kind, outcome.error = ending, kind, error
    return outcome
