"""The console of a terminal: a live region at the bottom, and everything else above it.

All drawing happens in one thread, to which events are handed. So a Ctrl-C, which Python raises in the
main thread, never falls into the middle of it, and seconds tick while nothing happens.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from typing import TextIO

from coolrunner.events import (
    Event,
    ExperimentFailed,
    ExperimentFinished,
    ExperimentInterrupted,
    Notice,
    OutputWritten,
    Pausing,
    Stopping,
    StudyFinished,
)
from coolrunner.reporting.frame import frame
from coolrunner.reporting.lines import failure_details, interruption, pausing, problem, results_of, stopping
from coolrunner.reporting.output import Output
from coolrunner.reporting.plain import write_notice
from coolrunner.reporting.progress import Progress
from coolrunner.reporting.region import Region
from coolrunner.reporting.streams import encodable, is_terminal, painter
from coolrunner.reporting.summary import Summary
from coolrunner.reporting.text import duration, one_line

__all__ = ["LiveListener"]

#: How long the region waits with nothing to do; a resized terminal is noticed within it, too.
_TICK = 0.25
#: How long events are gathered before they are drawn: at most 25 pictures a second.
_GATHER = 0.04
#: How many events may wait. A terminal that is slower than the Modules slows them down, as it always does.
_WAITING = 1000
_PATIENCE = 10.0
_TRACEBACK_LINES = 7
_SHOW = threading.Event()


class LiveListener:
    """Progress, what runs and the Modules' own output on a terminal.

    Parameters
    ----------
    stdout
        A terminal.
    stderr
        Where warnings and errors go if it is no terminal; if it is, they go above the region.
    summary
        What writes the end.
    """

    def __init__(self, stdout: TextIO, stderr: TextIO, summary: Summary) -> None:
        self._stdout, self._stderr = stdout, stderr
        self._paint = painter(stdout)
        self._summary = summary
        self._progress = Progress()
        self._outputs: dict[str, Output] = {}
        self._events: queue.Queue[Event | threading.Event | None] = queue.Queue(_WAITING)
        self._hidden = False
        self._waiting: list[threading.Event] = []  # set once the region is gone
        self._failure: Exception | None = None
        self._thread: threading.Thread | None = None
        self._above: list[bytes] = []
        self._idle = True

    def start(self) -> None:
        """Start to draw."""
        self._region = Region(self._stdout)
        self._thread = threading.Thread(target=self._work, name="console", daemon=True)
        self._thread.start()

    def handle(self, event: Event) -> None:
        """Hand an event to the thread that draws."""
        if self._failure is not None:
            raise self._failure
        if self._thread is not None:
            self._events.put(event)
        elif isinstance(event, Notice) and event.level != "info":  # closed; another listener has a last word
            write_notice(event, self._stderr, painter(self._stderr))

    def hide(self) -> None:
        """Take the region away until `show`: somebody else is going to write to the terminal."""
        if self._thread is not None and self._failure is None:
            hidden = threading.Event()
            self._events.put(hidden)
            hidden.wait(_PATIENCE)

    def show(self) -> None:
        """Draw the region again."""
        if self._thread is not None:
            self._events.put(_SHOW)

    def close(self) -> None:
        """Draw what is left and take the region away."""
        thread, self._thread = self._thread, None
        if thread is not None:
            with contextlib.suppress(queue.Full):  # a terminal that was stopped with Ctrl-S takes nothing
                self._events.put(None, timeout=_PATIENCE)
            thread.join(_PATIENCE)

    # --- in the thread ---

    def _work(self) -> None:
        try:
            while self._step():
                pass
            self._region.draw(b"".join(output.finish() for output in self._outputs.values()), ())
        except Exception as error:  # the terminal is gone, say; `handle` raises it where it is heard
            self._failure = error
            while self._thread is not None and self._events.get() is not None:  # nobody may wait for room
                pass

    def _step(self) -> bool:
        """Take what has happened since the last picture and draw the next; return whether to go on."""
        goes_on = True
        try:
            event = self._events.get(timeout=_TICK)
            until = time.monotonic() + _GATHER
            while True:
                if event is None:
                    goes_on = False
                    break
                self._take(event)
                event = self._events.get(timeout=max(until - time.monotonic(), 0.0))
        except queue.Empty:
            pass
        self._draw()
        return goes_on

    def _draw(self) -> None:
        region, above = self._region, b"".join(self._above)
        self._above.clear()
        if self._idle or self._hidden:
            region.draw(above, ())
            for event in self._waiting:
                event.set()
            self._waiting.clear()
            return
        unfinished = [text for output in self._outputs.values() if (text := output.unfinished())]
        region.draw(above, frame(self._progress, unfinished, *region.size(), time.monotonic()))

    def _take(self, event: Event | threading.Event) -> None:
        if isinstance(event, threading.Event):
            self._hidden = event is not _SHOW
            self._waiting += [event] * self._hidden
            return
        if isinstance(event, OutputWritten):
            self._above.append(self._outputs.setdefault(event.id, Output()).feed(event.data))
            return
        self._progress.take(event)
        self._summary.take(event)
        if isinstance(event, (ExperimentFinished, ExperimentFailed, ExperimentInterrupted)):
            self._ended(event)
        elif isinstance(event, Stopping):
            self._say(self._paint(stopping(event, len(self._progress.running)), "yellow"))
        elif isinstance(event, Pausing):
            self._say(self._paint(pausing(event), "yellow"))
        elif isinstance(event, Notice):
            self._notice(event)
        elif isinstance(event, StudyFinished):
            self._idle = True
            self._draw()
            self._summary.write(event, self._stdout, self._paint)
        else:
            self._idle = False

    def _ended(self, event: ExperimentFinished | ExperimentFailed | ExperimentInterrupted) -> None:
        output = self._outputs.pop(event.id, None)
        if output is not None:
            self._above.append(output.finish())
        place, name = self._progress.place(event.id), one_line(event.name)
        self._progress.drop(event.id)
        paint = self._paint
        if isinstance(event, ExperimentFinished):
            results = results_of(event, " ", "  ")
            tail = paint(duration(event.elapsed), "dim")
            self._say(f"{paint('✓', 'green')} {place} {name}  {results}{'  ' if results else ''}{tail}")
        elif isinstance(event, ExperimentFailed):
            self._say(paint(f"✗ {place} {name} {problem(event)}", "red"))
            self._say(failure_details(event, _TRACEBACK_LINES, paint).rstrip("\n"))
        else:
            self._say(paint(f"✗ {place} {name} {interruption(event)}", "yellow"))

    def _notice(self, event: Notice) -> None:
        if event.level != "info" and not is_terminal(self._stderr):
            write_notice(event, self._stderr, painter(self._stderr))
            return
        style = {"warning": "yellow", "error": "red"}.get(event.level, "bold")
        self._say(f"{self._paint(f'{event.level}:', style)} {event.message}")

    def _say(self, text: str) -> None:
        encoding = self._stdout.encoding or "ascii"
        self._above.append(encodable(text + "\n", encoding).encode(encoding))
