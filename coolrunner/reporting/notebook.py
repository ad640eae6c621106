"""The console of a notebook: one table that is drawn over and over, and everything else above or below it."""

from __future__ import annotations

import html
import sys
import time
from typing import Any

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
from coolrunner.reporting.lines import failure_details, headline, pausing, problem, results_of, stopping
from coolrunner.reporting.output import Output
from coolrunner.reporting.progress import Progress
from coolrunner.reporting.text import duration, one_line, pairs

__all__ = ["NotebookListener", "is_notebook"]

#: Seconds from one drawing to the next, at least.
_PACE = 0.2
_SHOWN = 8  # of what runs, and of what has ended last
_TRACEBACK_LINES = 7
_WIDTH = 100
_BAR = 30
_STYLE = "border-collapse:collapse;font-family:monospace;font-size:90%"


def is_notebook() -> bool:
    """Whether a notebook, or what talks to a kernel as one does, shows what this process displays."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None and hasattr(module, "get_ipython") else None
    return getattr(shell, "kernel", None) is not None


class NotebookListener:
    """Progress in the output of a cell.

    It needs IPython and nothing else: a display is updated, as HTML, and as text for those that show none.
    """

    def __init__(self) -> None:
        self._progress = Progress()
        self._outputs: dict[str, Output] = {}
        self._ended: list[tuple[str, str, str, str]] = []
        self._headline = ""
        self._drawn_at = float("-inf")
        self._handle: Any = None

    def start(self) -> None:
        """Show the display."""
        from IPython.display import DisplayHandle

        self._handle = DisplayHandle()  # type: ignore[no-untyped-call]
        self._handle.display(self._bundle(), raw=True)

    def handle(self, event: Event) -> None:
        """Take notice of an event, and draw unless that was done a moment ago."""
        self._progress.take(event)
        if isinstance(event, OutputWritten):
            self._write(self._outputs.setdefault(event.id, Output()).feed(event.data))
        elif isinstance(event, (ExperimentFinished, ExperimentFailed, ExperimentInterrupted)):
            self._end(event)
        elif isinstance(event, Notice):
            self._say(f"{event.level}: {event.message}", problem=event.level != "info")
        elif isinstance(event, Stopping):
            self._say(stopping(event, len(self._progress.running)))
        elif isinstance(event, Pausing):
            self._say(pausing(event))
        elif isinstance(event, StudyFinished):
            self._headline = headline(event)
        starts = isinstance(event, ExperimentStarted) and self._progress.started == 1
        self._draw(now=starts or isinstance(event, StudyFinished))

    def close(self) -> None:
        """Draw the end."""
        self._draw(now=True)

    def _end(self, event: ExperimentFinished | ExperimentFailed | ExperimentInterrupted) -> None:
        output = self._outputs.pop(event.id, None)
        if output is not None:
            self._write(output.finish())
        name = one_line(event.name)
        place = self._progress.place(event.id)
        self._progress.drop(event.id)
        if isinstance(event, ExperimentFinished):
            row = ("✓", place, name, f"{results_of(event, ' ', '  ')}  {duration(event.elapsed)}".strip())
        elif isinstance(event, ExperimentFailed):
            row = ("✗", place, name, problem(event))
            details = failure_details(event, _TRACEBACK_LINES, lambda text, style: text)
            self._say(f"{name} {problem(event)}\n{details}".rstrip(), problem=True)
        else:
            row = ("✗", place, name, f"interrupted after {duration(event.elapsed)}")
        self._ended = [*self._ended[-_SHOWN + 1 :], row]

    def _say(self, text: str, *, problem: bool = False) -> None:
        stream = sys.stderr if problem else sys.stdout
        stream.write(text + "\n")

    def _write(self, data: bytes) -> None:
        if data:
            sys.stdout.write(data.decode("utf-8", "backslashreplace"))

    # --- the display ---

    def _draw(self, *, now: bool = False) -> None:
        if self._handle is not None and (now or time.monotonic() - self._drawn_at > _PACE):
            self._drawn_at = time.monotonic()
            self._handle.update(self._bundle(), raw=True)

    def _bundle(self) -> dict[str, str]:
        rows, line = self._rows(), self._headline or self._counts()
        text = "\n".join([*("  ".join(row).rstrip() for row in rows), line])
        cells = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
        table = f'<table style="{_STYLE}">{cells}</table>' if rows else ""
        return {"text/plain": text, "text/html": f"{table}<div>{self._bar()}{html.escape(line)}</div>"}

    def _rows(self) -> list[tuple[str, str, str, str]]:
        running = list(self._progress.running.items())
        rows = list(self._ended)
        rows += [
            ("▸", self._progress.place(identity), one_line(one.name), pairs(one.differing, _WIDTH))
            for identity, one in running[:_SHOWN]
        ]
        if len(running) > _SHOWN:
            rows.append(("", "", f"… and {len(running) - _SHOWN} more", ""))
        return rows

    def _counts(self) -> str:
        progress = self._progress
        parts = [f"{progress.done} done"]
        parts += [f"{progress.failed} failed"] if progress.failed else []
        parts += [f"{progress.interrupted} interrupted"] if progress.interrupted else []
        parts.append(f"{progress.left} left")
        remaining = progress.remaining()
        if remaining is not None and progress.left:
            parts.append(f"about {duration(float(int(remaining)))} to go")
        return ", ".join(parts)

    def _bar(self) -> str:
        total = max(self._progress.total, 1)
        share = 100 * self._progress.ended // total
        return f'<progress max="100" value="{share}" style="width:{_BAR}ch"></progress> '


def _cell(text: str) -> str:
    return f'<td style="text-align:left">{html.escape(text)}</td>'
