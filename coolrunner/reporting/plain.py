"""The console without a live region: lines for logs, pipes and debuggers, or only what went wrong."""

from __future__ import annotations

from typing import TextIO

from coolrunner.events import (
    Event,
    ExperimentFailed,
    ExperimentFinished,
    ExperimentInterrupted,
    ExperimentStarted,
    Notice,
    OutputWritten,
    Pausing,
    Stopping,
    StudyFinished,
)
from coolrunner.reporting.lines import failure_details, interruption, outcome, pausing, problem, stopping
from coolrunner.reporting.progress import Progress
from coolrunner.reporting.streams import Paint, painter, write_bytes, write_text
from coolrunner.reporting.summary import Summary
from coolrunner.reporting.text import one_line, pairs

__all__ = ["PlainListener", "QuietListener", "write_notice"]

_TRACEBACK_LINES = 40
_DIFFERING_LIMIT = 100


def write_notice(event: Notice, file: TextIO, paint: Paint) -> None:
    """Write a notice as one paragraph, its level before it."""
    style = {"warning": "yellow", "error": "red"}.get(event.level, "bold")
    write_text(file, f"{paint(f'{event.level}:', style)} {event.message}\n")


class PlainListener:
    """A line for each thing that happens, in colours if the standard output is a terminal.

    Parameters
    ----------
    stdout, stderr
        Where to; warnings and errors go to `stderr`.
    summary
        What writes the end.
    """

    def __init__(self, stdout: TextIO, stderr: TextIO, summary: Summary) -> None:
        self._stdout, self._stderr = stdout, stderr
        self._paint, self._paint_stderr = painter(stdout), painter(stderr)
        self._summary = summary
        self._progress = Progress()

    def start(self) -> None:
        """Do nothing: a stream is ready."""

    def close(self) -> None:
        """Do nothing: every line was flushed."""

    def handle(self, event: Event) -> None:
        """Write what there is to say of an event."""
        self._progress.take(event)
        self._summary.take(event)
        paint = self._paint
        if isinstance(event, ExperimentStarted):
            differing = pairs(event.differing, _DIFFERING_LIMIT)
            self._experiment(event, f"started ({differing})" if differing else "started")
        elif isinstance(event, ExperimentFinished):
            self._experiment(event, outcome(event), "green")
        elif isinstance(event, ExperimentFailed):
            self._experiment(event, problem(event), "red")
            write_text(self._stdout, failure_details(event, _TRACEBACK_LINES, paint))
        elif isinstance(event, ExperimentInterrupted):
            self._experiment(event, interruption(event), "yellow")
        elif isinstance(event, OutputWritten):
            write_bytes(self._stdout, event.data)
        elif isinstance(event, Stopping):
            write_text(self._stdout, paint(stopping(event, len(self._progress.running)), "yellow") + "\n")
        elif isinstance(event, Pausing):
            write_text(self._stdout, paint(pausing(event), "yellow") + "\n")
        elif isinstance(event, Notice):
            informs = event.level == "info"
            file = self._stdout if informs else self._stderr
            write_notice(event, file, paint if informs else self._paint_stderr)
        elif isinstance(event, StudyFinished):
            self._summary.write(event, self._stdout, paint)

    def _experiment(
        self,
        event: ExperimentStarted | ExperimentFinished | ExperimentFailed | ExperimentInterrupted,
        text: str,
        style: str = "",
    ) -> None:
        place = self._progress.place(event.id)
        if not isinstance(event, ExperimentStarted):
            self._progress.drop(event.id)
        painted = self._paint(text, style) if style else text
        write_text(self._stdout, f"[{place}] {one_line(event.name)} {painted}\n")


class QuietListener:
    """Only failures, warnings and errors, and nothing on the standard output.

    Parameters
    ----------
    stderr
        Where to.
    """

    def __init__(self, stderr: TextIO) -> None:
        self._stderr = stderr
        self._paint = painter(stderr)
        self._progress = Progress()

    def start(self) -> None:
        """Do nothing: a stream is ready."""

    def close(self) -> None:
        """Do nothing: every line was flushed."""

    def handle(self, event: Event) -> None:
        """Write an event if it is a problem."""
        self._progress.take(event)
        if isinstance(event, ExperimentFailed):
            place = f"[{self._progress.place(event.id)}] {one_line(event.name)}"
            write_text(self._stderr, f"{place} {self._paint(problem(event), 'red')}\n")
            write_text(self._stderr, failure_details(event, _TRACEBACK_LINES, self._paint))
        elif isinstance(event, Notice) and event.level != "info":
            write_notice(event, self._stderr, self._paint)
        if isinstance(event, (ExperimentFinished, ExperimentFailed, ExperimentInterrupted)):
            self._progress.drop(event.id)
