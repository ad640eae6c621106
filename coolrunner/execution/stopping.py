"""How a study is stopped: what signals ask for, and how far it has come."""

from __future__ import annotations

import contextlib
import enum
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

__all__ = ["Interrupts", "Phase", "Stop"]

# Asks a running study to write down what is left, and to go on.
_ASKS = getattr(signal, "SIGUSR1", None)


class Phase(enum.Enum):
    """The steps: going on, waiting for what runs to stop, the pause, and the end."""

    NONE = enum.auto()
    STOPPING = enum.auto()
    PAUSING = enum.auto()
    ENDED = enum.auto()


class Stop:
    """Where a study is in being stopped.

    Attributes
    ----------
    phase
        The step that it is at.
    reason
        What asked for it last: ``Ctrl-C``, ``SIGTERM``, ...
    requested
        A stop was asked for and not begun yet.
    final
        The study ends with it.
    kill_now
        The person does not want to wait for the grace to pass.
    pressed
        A person has stopped something: not all went as the definition says.
    by_failures
        It is failures that end the study, not a person.
    broken
        A log could not be written.
    terminated
        SIGTERM or the like has ended it.
    keep
        What is left is to be written to a file, now.
    left
        Whoever was to come back to the study has not done so, and ends it.
    """

    def __init__(self) -> None:
        self.phase = Phase.NONE
        self.reason = ""
        self.requested = False
        self.final = False
        self.kill_now = False
        self.pressed = False
        self.by_failures = False
        self.broken = False
        self.terminated = False
        self.keep = False
        self.left = False
        self._presses = 0
        self._until = 0.0

    def press(self, number: int) -> None:
        """Take notice of a signal."""
        if number == _ASKS:
            self.keep = True
            return
        is_interrupt = number == signal.SIGINT
        self.terminated = self.terminated or not is_interrupt
        self.reason = "Ctrl-C" if is_interrupt else signal.Signals(number).name
        self.pressed = True
        self._presses += 1
        if self._presses == 1:
            self.requested = True
        elif is_interrupt:
            self.kill_now = True
        if not is_interrupt or self.kill_now or self.final:
            self.final = True
            self.by_failures = False

    def leave(self) -> None:
        """Take notice that nobody waits for the study any more."""
        self.left = self.requested = self.final = True
        self.reason = "its results are not waited for any more"

    def end_by_failures(self) -> None:
        """End the study once what runs has ended."""
        self.final = True
        self.by_failures = not self.pressed
        if self.phase is Phase.NONE:  # else a person has asked already, and the grace goes on
            self.phase = Phase.STOPPING
            self._until = float("inf")

    def begin(self, phase: Phase, seconds: float = 0.0) -> None:
        """Enter a phase that lasts `seconds`."""
        self.phase = phase
        self._until = time.monotonic() + seconds
        if phase is Phase.NONE:
            self._presses = 0

    def is_over(self) -> bool:
        """Whether the time of the phase has passed."""
        return time.monotonic() >= self._until

    def remaining(self) -> float | None:
        """Return the seconds that are left of the phase; None for no end in sight."""
        if self.phase is Phase.NONE or self._until == float("inf"):
            return None
        return max(self._until - time.monotonic(), 0.0)


class Interrupts:
    """Notes signals while a study runs; acts on none of them itself."""

    def __init__(self) -> None:
        self._noted: list[int] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"):
                number = getattr(signal, name, None)
                # One that is ignored from outside (nohup) stays ignored.
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def lifted(self) -> Iterator[None]:
        """Let signals mean for a while what they meant before."""
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted.append(number)

    def check(self, stop: Stop) -> None:
        """Tell `stop` of the signals that have come in."""
        while self._noted:
            stop.press(self._noted.pop(0))

    def sleep(self, seconds: float) -> None:
        """Sleep, until a signal comes in at the latest."""
        until = time.monotonic() + seconds
        while not self._noted and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))
