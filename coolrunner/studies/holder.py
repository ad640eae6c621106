"""The queue that a running study works on, for all who do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from coolrunner.definition.plan import Planned
from coolrunner.errors import QueueError
from coolrunner.events import Event, Notice
from coolrunner.queue.ledger import Ledger

if TYPE_CHECKING:
    from coolrunner.queue.file import FileQueue
    from coolrunner.queue.memory import MemoryQueue

__all__ = ["QueueHolder"]


class QueueHolder:
    """Holds the queue of a study: one in memory becomes a file while the study runs, if that is asked for.

    Parameters
    ----------
    queue
        Where the experiments wait at first.
    keep
        Makes a file of it, where it is in memory; None where it is a file.
    emit
        Announces.

    Attributes
    ----------
    queue
        Where they wait now.
    expected
        Returns how many more will be put into it as the study goes on.
    """

    def __init__(
        self,
        queue: MemoryQueue[Planned] | FileQueue[Planned],
        keep: Callable[[], FileQueue[Planned]] | None,
        emit: Callable[[Event], None],
    ) -> None:
        self.queue = queue
        self._make_file = keep
        self._emit = emit
        self.expected: Callable[[], int] = lambda: 0
        self._kept = False

    @property
    def ledger(self) -> Ledger:
        """The state of the queue."""
        return self.queue.ledger

    @property
    def left(self) -> int:
        """How many wait, or will."""
        return len(self.queue) + self.expected()

    @property
    def path(self) -> str:
        """The queue's file; empty for one in memory."""
        return str(getattr(self.queue, "path", ""))

    @property
    def can_be_kept(self) -> bool:
        """Whether it was in memory at first, and can be made a file."""
        return self._make_file is not None

    def keep(self) -> None:
        """Go on with a queue in a file, so that what is left is not lost with this process."""
        if self._make_file is None or self._kept:
            return
        try:
            self.queue = self._make_file()
        except (QueueError, OSError) as error:
            self._emit(Notice(f"what is left cannot be kept: {error}", "error"))
            return
        self._kept = True
        self._emit(Notice(f"what is left is kept in {self.path}", "info"))
