"""What is said of each event, in a line or a few; the console and Slack choose from it."""

from __future__ import annotations

from coolrunner.events import (
    ExperimentFailed,
    ExperimentFinished,
    ExperimentInterrupted,
    Pausing,
    Stopping,
    StudyFinished,
)
from coolrunner.reporting.streams import Paint
from coolrunner.reporting.text import brief, cut, duration, number, one_line, tail_of

__all__ = [
    "failure_details",
    "headline",
    "interruption",
    "outcome",
    "pausing",
    "problem",
    "results_of",
    "scalars_of",
    "stopping",
]

#: What one line says of results, at most.
_RESULTS = 6
_ERROR_LIMIT = 300


def scalars_of(event: ExperimentFinished) -> list[str]:
    """Return the keys of the results that are neither lists nor mappings: those fit into a line."""
    record = event.record
    return [key for key in event.results if key in record and not isinstance(record[key], (list, dict))]


def results_of(event: ExperimentFinished, equals: str = "=", between: str = ", ") -> str:
    """Return ``ACCURACY=0.9861, LOSS=0.1`` of the first few results."""
    parts = []
    for key in scalars_of(event)[:_RESULTS]:
        value = event.record[key]
        parts.append(f"{key}{equals}{number(value) if type(value) is float else brief(value, 24)}")
    return between.join(parts)


def outcome(event: ExperimentFinished) -> str:
    """Return ``done in 1.2 s: ACCURACY=0.9861``."""
    results = results_of(event)
    return f"done in {duration(event.elapsed)}{': ' if results else ''}{results}"


def problem(event: ExperimentFailed) -> str:
    """Return ``failed after 0.1 s: ValueError: lr must be positive``."""
    error = cut(one_line(event.error), _ERROR_LIMIT) or "no reason is known"
    return f"failed after {duration(event.elapsed)}: {error}"


def failure_details(event: ExperimentFailed, lines: int, paint: Paint) -> str:
    """Return the end of the traceback, indented, and where all of it is; whole lines."""
    shown = tail_of(event.traceback, lines)
    if event.log:  # it is missing where the log could not be written
        shown.append(f"(all of it is in {event.log})" if shown else f"(recorded in {event.log})")
    return "".join(f"{paint(f'    {line}', 'dim')}\n" for line in shown)


def interruption(event: ExperimentInterrupted) -> str:
    """Return ``interrupted after 12 s``."""
    return f"interrupted after {duration(event.elapsed)}"


def stopping(event: Stopping, running: int) -> str:
    """Return what happens to the experiments that run, and what another Ctrl-C would do."""
    what = f"{running} experiment{'' if running == 1 else 's'}"
    begin = f"{event.reason}: stopping {what} (up to {duration(event.grace)})"
    return f"{begin}; the study ends" if event.final else f"{begin}; Ctrl-C again ends the study"


def pausing(event: Pausing) -> str:
    """Return when the next experiment starts."""
    ends = "Ctrl-C ends the study"
    if event.keeps:
        ends += ", w and Enter too, and keeps what is left in a file"
    return f"next experiment in {duration(event.seconds)}; {ends}"


def headline(event: StudyFinished) -> str:
    """Return ``study.yaml: 15 of 16 done, 1 failed, in 2 min 03 s``."""
    total = event.done + event.failed + event.interrupted + event.left
    parts = [f"{event.done} of {total} done"]
    parts += [f"{event.failed} failed"] if event.failed else []
    parts += [f"{event.interrupted} interrupted"] if event.interrupted else []
    parts += [f"{event.left} not started"] if event.left else []
    return f"{one_line(event.study)}: {', '.join(parts)}, in {duration(event.elapsed)}"
