"""What Ray answers, from a thread of its own, to the one thread that waits for it."""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

__all__ = ["Mail"]


class Mail:
    """Answers, in the order in which they have come; a signal ends a wait for them.

    Attributes
    ----------
    is_closed
        Whether nothing comes any more.
    """

    def __init__(self) -> None:
        self.is_closed = False
        self._come: deque[Callable[[], None]] = deque()
        self._later: list[Callable[[], Any]] = []
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._wakeup_before: int | None = None
        if threading.current_thread() is threading.main_thread():
            self._wakeup_before = signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)

    def expect(self, reference: Any, hear: Callable[[Any], None]) -> None:
        """Have something done with an answer, or with the exception in its place."""
        reference.future().add_done_callback(partial(self._answered, hear))

    def then(self, what: Callable[[], Any]) -> None:
        """Have something done as soon as all that has come was written down."""
        self._later.append(what)

    def _answered(self, hear: Callable[[Any], None], future: Any) -> None:
        error = future.exception()
        self._come.append(partial(hear, future.result() if error is None else error))
        with contextlib.suppress(OSError):  # it is full, or closed
            self._woken.send(b"\0")

    def wait(self, timeout: float | None) -> Iterator[Callable[[], None]]:
        """Yield what is to be done, after waiting up to `timeout` seconds for something."""
        later, self._later = self._later, []
        for what in later:
            what()
        if not self._come and self._selector.select(timeout):
            with contextlib.suppress(BlockingIOError):
                self._wake.recv(4096)
        while self._come:
            yield self._come.popleft()

    def close(self) -> None:
        """Let go of the handles."""
        self.is_closed = True
        if self._wakeup_before is not None:
            signal.set_wakeup_fd(self._wakeup_before)
        self._selector.close()
        self._wake.close()
        self._woken.close()
