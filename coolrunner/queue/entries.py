"""What a queue keeps of each experiment, and of those who run them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from coolrunner.queue.base import Facts, Status

__all__ = ["Claim", "Entry", "Remark", "Runner"]

_WAITING = Status.WAITING  # to look it up in its class takes longer


@dataclass(slots=True)
class Runner:
    """One process that takes from the queue.

    Attributes
    ----------
    id
        A short text, unique in the journal.
    process
        Who it is, as in `coolrunner.proof.Process`.
    began
        Seconds since the epoch.
    gone
        Whether it has left in an orderly way.
    lends
        What of its machine it has for experiments: ``jobs``, ``cpus``, ``gpus``, ``memory`` (bytes); one
        that is null or missing is not known.
    """

    id: str
    process: dict[str, Any]
    began: float = 0.0
    gone: bool = False
    lends: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Claim:
    """Whose a running experiment is.

    Attributes
    ----------
    runner
        The runner's identifier; empty for a queue in memory.
    at
        Since when, in seconds since the epoch.
    worker
        Who the process is that it runs in, as soon as that is known.
    """

    runner: str
    at: float
    worker: dict[str, Any] | None = None


class Remark(NamedTuple):
    """Comments that stand by themselves between the documents.

    Attributes
    ----------
    text
        Without the last line break.
    order
        That of the experiment before which it stands, which may have been taken since.
    behind
        Whether it stands behind that experiment instead.
    """

    text: str
    order: float
    behind: bool = False


class Entry:
    """One experiment of a queue.

    Attributes
    ----------
    id, facts
        Its ``ID``, and what the queue knows of it.
    text
        Its document as it stands in the file, without the line break at the end; empty in memory.
    draft
        What a person wrote last for it, as `coolrunner.queue.saves.words_of`, where that was completed,
        and the first revision of the file that shows it completed; None for nothing.
    order
        Waiting experiments stand in ascending order.
    born
        The first revision of the file that shows it.
    since
        The first revision that shows it where it waits, or that does not where it does not.
    status
        Where it is in its life.
    attempts, failures, losses
        How often it was started, has failed since it was last put, and was lost.
    not_before
        It is not started before, in seconds since the epoch.
    claim
        Whose it is while it runs.
    error, kind, elapsed
        How its last attempt ended.
    run
        The run directory of that attempt, as far as it is known.
    """

    __slots__ = (
        "_orders", "_texts", "attempts", "born", "claim", "draft", "elapsed", "error", "facts", "failures",
        "id", "kind", "losses", "not_before", "order", "run", "since", "status", "text",
    )  # fmt: skip

    def __init__(self, identity: str, text: str, facts: Facts, order: float, since: int) -> None:
        self.id = identity
        self.facts = facts
        self.text = text
        self.draft: tuple[str, int] | None = None
        self.order = order
        self.born = self.since = since
        self.status = _WAITING if facts.runs else Status.SKIPPED
        self.attempts = self.failures = self.losses = 0
        self.not_before = 0.0
        self.claim: Claim | None = None
        self.error = self.kind = self.run = ""
        self.elapsed = 0.0
        # What it was, each with the first revision that showed something else.
        self._texts: tuple[tuple[int, str], ...] = ()
        self._orders: tuple[tuple[int, float], ...] = ()

    @property
    def first_text(self) -> str:
        """Its document as it was put, whatever people have changed since."""
        return self._texts[0][1] if self._texts else self.text

    @property
    def is_changed(self) -> bool:
        """Whether its document was changed since it was put."""
        return bool(self._texts)

    @property
    def key(self) -> tuple[float, float, str]:
        """The first in this order is taken first."""
        return (-self.facts.priority, self.order, self.id)

    def retext(self, text: str, revision: int) -> None:
        """Give it another document, which a revision of the file is the first to show."""
        self._texts = (*self._texts, (revision, self.text))
        self.text = text

    def reorder(self, order: float, revision: int) -> None:
        """Give it another place, in which a revision of the file is the first to show it."""
        self._orders = (*self._orders, (revision, self.order))
        self.order = order

    def was_written(self, words: str, revision: int) -> bool:
        """Whether a person who looked at a revision of the file wrote these words, and they count already."""
        return self.draft is not None and self.draft[0] == words and self.draft[1] > revision

    def was_shown(self, revision: int) -> bool:
        """Whether a revision of the file showed it, as far as that is known of earlier ones."""
        if self.born > revision:
            return False
        return (self.status is Status.WAITING) == (self.since <= revision)

    def text_at(self, revision: int) -> str:
        """Return its document as a revision of the file showed it; its first one for earlier revisions."""
        return next((text for until, text in self._texts if revision < until), self.text)

    def order_at(self, revision: int) -> float:
        """Return where it stood in a revision of the file."""
        return next((order for until, order in self._orders if revision < until), self.order)
