"""``coolrunner queue``: a queue opened for changes, without taking anything from it."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coolrunner.cli.queue_view import uncollected
from coolrunner.queue.file import FileQueue

if TYPE_CHECKING:
    from coolrunner.queue.base import Facts
    from coolrunner.queue.entries import Entry
    from coolrunner.queue.ledger import Ledger
    from coolrunner.queue.saves import Draft
    from coolrunner.studies.scribe import StudyScribe

__all__ = ["LazyScribe", "opened", "say", "settle", "study_scribe"]

#: Seconds for which a save that may be half-written is waited for.
_PATIENCE = 2.0


def study_scribe(path: Path, *, code: bool = True) -> StudyScribe:
    """Return what completes documents for a queue; Modules are looked for here and beside the queue."""
    from coolrunner.studies.scribe import StudyScribe

    places = [os.getcwd(), str(path.parent.absolute())]  # noqa: PTH109 - as a string, for sys.path
    sys.path[:] = [*dict.fromkeys(places), *(entry for entry in sys.path if entry not in (*places, ""))]
    return StudyScribe(code=code)


class LazyScribe:
    """A `StudyScribe` that is made when somebody's words have to be understood: most changes need none.

    Parameters
    ----------
    path
        The queue file.
    code
        Whether expressions are allowed in what people write.
    """

    def __init__(self, path: Path, *, code: bool = True) -> None:
        self._path = path
        self._code = code

    @cached_property
    def _scribe(self) -> StudyScribe:
        return study_scribe(self._path, code=self._code)

    def facts_of(self, item: Any) -> Facts:
        """Return what the queue has to know of an item."""
        return self._scribe.facts_of(item)

    def text_of(self, item: Any) -> str:
        """Return its document."""
        return self._scribe.text_of(item)

    def item_of(self, entry: Entry) -> Any:
        """Return the item of an entry."""
        return self._scribe.item_of(entry)

    def adopt(self, draft: Draft, ledger: Ledger) -> tuple[str, Facts]:
        """Complete what a person wrote."""
        return self._scribe.adopt(draft, ledger)

    def new_id(self) -> str:
        """Return a fresh ``ID``."""
        return self._scribe.new_id()

    def is_logged(self, entry: Entry) -> bool:
        """Whether the result of an experiment stands in its log."""
        return self._scribe.is_logged(entry)


@contextlib.contextmanager
def opened(path: Path, scribe: LazyScribe | None = None) -> Iterator[FileQueue[Any]]:
    """Open a queue for changes, with all that people have saved so far; tell what they should know.

    Raises
    ------
    QueueError
        It cannot be used.
    """
    with uncollected():
        queue: FileQueue[Any] = FileQueue(path, scribe or LazyScribe(path), runs=False)
    try:
        settle(queue)
        yield queue
    finally:
        queue.close()
        say(queue)


def settle(queue: FileQueue[Any]) -> None:
    """Take up what was saved a moment ago; what may be half of a file is waited for, for a while."""
    end = time.monotonic() + _PATIENCE
    queue.sync_file()
    while queue.is_unclear() and not queue.problem() and time.monotonic() < end:
        time.sleep(0.02)
        queue.sync_file()


def say(queue: FileQueue[Any]) -> None:
    """Tell what a person should know of a queue."""
    for message, level in queue.messages():
        sys.stderr.write(f"{'' if level == 'info' else f'{level}: '}{message}\n")
