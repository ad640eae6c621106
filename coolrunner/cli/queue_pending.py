"""``coolrunner queue``: what stands in the queue file that no runner has taken up yet."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coolrunner.cli.queue_view import View
from coolrunner.queue.ledger import Ledger

if TYPE_CHECKING:
    from coolrunner.queue.base import Facts
    from coolrunner.queue.saves import Draft, Save
    from coolrunner.queue.text import Sheet
    from coolrunner.yamlio import Source

__all__ = ["Pending", "look_at_file"]

#: Seconds after which a file that may be half-written is taken for what it is.
_SETTLED = 1.0
# A file that is replaced again and again while it is read is no person's.
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Pending:
    """What a person saved, and nobody has taken up.

    Attributes
    ----------
    summary
        What it changes: ``1 removed, 2 added``; empty for nothing.
    problems
        Why it cannot be taken up, with the places.
    doubted
        The experiments that are not started meanwhile.
    new
        The IDs of those that have got no lasting ID yet.
    is_missing
        Whether the file is not there.
    """

    summary: str = ""
    problems: tuple[str, ...] = ()
    doubted: frozenset[str] = frozenset()
    new: frozenset[str] = field(default_factory=frozenset)
    is_missing: bool = False


def look_at_file(view: View) -> Pending | None:
    """Look for a save that nobody has taken up, and let the view, not the journal, know of it.

    Returns
    -------
    Pending or None
        None where the file says what the journal says, or is being written now.
    """
    found = None
    try:
        for _ in range(_TRIES):
            found = _saved(view)
            if found is not None:
                break
    except FileNotFoundError:
        return Pending(is_missing=True) if view.ledger.published else None
    except OSError as error:
        problem = f"{view.path} cannot be read: {error.strerror}"
        return Pending(problems=(problem,), doubted=_doubted(view.ledger))
    return _read(view.path, *found, view.ledger) if found and found[0] is not None else None


def _saved(view: View) -> tuple[bytes | None, float] | None:
    """Return what a person has saved, if so, and its age; None where the file changes while it is read.

    A runner notes what it is going to write, so whatever is there and not noted is a person's.
    """
    signature = _signature(view.path)
    view.read_on()
    if view.was_published(signature):
        return None, 0.0
    data = view.path.read_bytes()
    return (data, time.time() - signature[2] / 1e9) if _signature(view.path) == signature else None


def _signature(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_ino, status.st_size, status.st_mtime_ns]


def _read(path: Path, data: bytes | None, age: float, ledger: Ledger) -> Pending | None:
    from coolrunner.queue.desk import cut_off
    from coolrunner.queue.text import take_apart
    from coolrunner.yamlio import Source

    if data is None:
        return None
    try:
        source = Source(str(path), data.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return Pending(problems=(f"{path}:{line}: not UTF-8",), doubted=_doubted(ledger))
    sheet = take_apart(source.text, ledger.by_text, ledger.documents())
    if not sheet.whole and age < _SETTLED:
        return None
    cut = cut_off(ledger, sheet, source)
    if cut is not None:
        return Pending(problems=(str(cut),), doubted=_doubted(ledger, sheet))
    save = _meaning(ledger, sheet, source)
    if save.problems:
        return Pending(problems=tuple(map(str, save.problems)), doubted=_doubted(ledger, sheet))
    if not save.record:
        return None
    ledger.apply(save.record)
    return Pending(save.summary, new=frozenset(row[0] for row in save.record.get("new", ())))


def _meaning(ledger: Ledger, sheet: Sheet, source: Source) -> Save:
    from coolrunner.queue.merge import read_save

    adopt = _Adopt(Path(source.name), ledger)
    return read_save(ledger, sheet, source, adopt, adopt.new_id)


class _Adopt:
    """Sees whether documents can be completed, and leaves them as their person wrote them."""

    def __init__(self, path: Path, ledger: Ledger) -> None:
        self._path = path
        self._ledger = ledger
        self._scribe: Any = None
        self._count = 0

    def new_id(self) -> str:
        self._count += 1
        return f"new-{self._count}"

    def __call__(self, draft: Draft) -> tuple[str, Facts]:
        if self._scribe is None:
            from coolrunner.cli.queue_open import study_scribe

            self._scribe = study_scribe(self._path)
        facts: Facts = self._scribe.adopt(draft, self._ledger)[1]
        return draft.text, facts


def _doubted(ledger: Ledger, sheet: Sheet | None = None) -> frozenset[str]:
    from coolrunner.queue.merge import doubtful

    return frozenset(doubtful(ledger, sheet))
