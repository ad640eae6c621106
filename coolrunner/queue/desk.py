"""The queue file itself: looked at for what people save, and written anew to show what waits.

When to believe what is there: an editor may empty a file and then write it, so a save counts once it has
been left alone for a moment. One without its last line may be half of a file, and counts only if it stays so
for longer and does not end in the middle of a document; until then, only experiments go on that it holds
word for word. A save with a mistake counts not at all until it is mended, and is never overwritten.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from coolrunner.errors import QueueError
from coolrunner.queue.exchange import Signature, publish, swap_back
from coolrunner.queue.halves import cut_off
from coolrunner.queue.late import Late, keep
from coolrunner.queue.ledger import Ledger
from coolrunner.queue.merge import read_save
from coolrunner.queue.saves import Adopt, Save, notes
from coolrunner.queue.steps import step
from coolrunner.queue.text import FIRST_LINE, Sheet, compose, compose_bytes, take_apart
from coolrunner.queue.written import doubtful

if TYPE_CHECKING:
    from coolrunner.yamlio import Source

__all__ = ["Desk", "cut_off"]

#: Seconds for which a save must have been left alone; a file that may be half-written, longer.
SETTLE = 0.05
SETTLE_BARE = 0.25
SETTLE_CUT = 1.0
#: The file is written at most so often, in seconds, and for at most one part in so many of the time.
EVERY = 0.25
SHARE = 20
#: To write a file of so many bytes anew takes long enough to be noticed.
LONG = 1 << 20


class Desk:
    """One runner's eye on the queue file; all of it happens in a session.

    Parameters
    ----------
    path
        The queue file.
    shelf
        Where displaced texts go.
    ledger
        The state.
    write
        Writes records.
    adopt, new_id
        As in `read_save`.
    say
        Tells a person something, with its level.

    Attributes
    ----------
    problem
        What is wrong with the file as it was saved last, for a person; empty where nothing is.
    owes
        Whether a long file shall be written anew because a save of it was taken up. That is done at the
        next occasion: first comes what its person wants to happen.
    is_overdue
        Whether that was so already before the last look.
    """

    def __init__(
        self,
        path: Path,
        shelf: Path,
        ledger: Ledger,
        write: Callable[..., None],
        adopt: Adopt,
        new_id: Callable[[], str],
        say: Callable[[str, str], None],
    ) -> None:
        self.problem = ""
        self.owes = self.is_overdue = False
        self._path = path
        self._shelf = shelf
        self._late = Late(path, shelf, ledger, self._take_up_late, say)
        self._ledger = ledger
        self._write = write
        self._adopt = adopt
        self._new_id = new_id
        self._say = say
        self._seen: Signature | None = None  # the state of the file that was dealt with last
        # A state that is not believed yet: what it is, since when, and when it is worth reading again.
        self._fresh: tuple[Signature, float, float] | None = None
        self._fresh_since = 0.0
        self._missing_since = 0.0
        self._is_gone = False
        self._shown: tuple[int, float] = (0, 0.0)  # the last revision, and since when it is known here
        self._cost = 0.0
        self._failed = ""

    def is_due(self) -> bool:
        """Whether there may be something to look at, or to show."""
        waits = self.owes or self._fresh or self._missing_since
        if waits or self._wants_to_show() or self._late.is_due():
            return True
        try:
            return Signature.of(self._path) != self._seen
        except OSError:
            return True

    def is_unclear(self) -> bool:
        """Whether the file has a mistake in it, may be half-written, or is missing."""
        return bool(self.problem or self._fresh or (self._missing_since and not self._is_gone))

    # --- looking ---

    def look(self) -> float:
        """Take up what people have saved.

        Returns
        -------
        float
            The seconds to wait for a save that is being written; 0 for none.
        """
        self.is_overdue = self.owes
        if self._late.is_due():
            self._late.look()
        try:
            signature = Signature.of(self._path)
            if signature is None:
                self._look_for_missing()
                return 0.0
            self._missing_since, self._is_gone = 0.0, False
            if signature == self._seen and not self._fresh:
                return 0.0
            if _state(signature) == self._ledger.signature:
                self.owes = self.is_overdue = False
                self._is_fine(signature)
                return 0.0
            age = self._age(signature)
            if age < SETTLE and not self._is_restless():
                return SETTLE - age
            if self._fresh and self._fresh[0] == signature and time.monotonic() < self._fresh[2]:
                return 0.0
            data = self._path.read_bytes()
            if Signature.of(self._path) != signature and not self._is_restless():
                return SETTLE / 2
        except OSError as error:
            self._is_wrong(f"{self._path} cannot be read: {error.strerror}", None)
            return 0.0
        self._take_up(data, signature, age)
        return 0.0

    def _age(self, signature: Signature) -> float:
        """Return the seconds since a save, by the file's own time or by what was seen of it."""
        now = time.monotonic()
        if not self._fresh:
            self._fresh_since = now
        if not self._fresh or self._fresh[0] != signature:
            self._fresh = (signature, now, 0.0)
        seen = now - self._fresh[1]
        age = time.time() - signature.mtime_ns / 1e9
        return max(age, seen)

    def _is_restless(self) -> bool:
        """Whether the file has been changing for so long that nobody waits for it any more."""
        return time.monotonic() - self._fresh_since > SETTLE_CUT

    def _take_up(self, data: bytes, signature: Signature, age: float) -> None:
        ledger = self._ledger
        try:
            source = _source(self._path, data)
        except UnicodeDecodeError as error:
            if age < SETTLE_CUT:
                self._wait(signature, SETTLE_CUT - age, None)
                return
            line = data[: error.start].count(b"\n") + 1
            self._is_wrong(f"{self._path}:{line}: not UTF-8; save the file with this encoding", None)
            self._seen, self._fresh = signature, None
            return
        sheet = take_apart(source.text, ledger.by_text, ledger.documents())
        cut = cut_off(self._ledger, sheet, source)
        if (cut or not source.text.lstrip("\0 \n")) and self._is_from_before_boot(signature):
            self._restore(data, signature)
            return
        patience = _patience(sheet)
        if age < patience:
            self._wait(signature, patience - age, sheet)
            return
        save = Save(problems=[cut]) if cut else read_save(ledger, sheet, source, self._adopt, self._new_id)
        if not sheet.whole and age < SETTLE_CUT and (save.problems or save.record.get("remove")):
            self._wait(signature, SETTLE_CUT - age, sheet)
            return
        if save.problems:
            self._seen, self._fresh = signature, None
            self._is_wrong("\n".join(map(str, save.problems)), sheet)
            return
        self._merge(save)  # if that fails, the save is looked at again
        self._is_fine(signature)
        # What it should look like now may be something else: an ID for a new one, say.
        if save.record or compose(*self._shown_at(ledger.published)) != source.text:
            self.owes, self.is_overdue = True, False
            if len(data) < LONG:
                self.show(now=True)

    def _wait(self, signature: Signature, seconds: float, sheet: Sheet | None) -> None:
        """Perhaps it is half of a file: what it holds word for word goes on meanwhile."""
        now = time.monotonic()
        self._fresh = (signature, self._fresh[1] if self._fresh else now, now + seconds)
        self._ledger.doubt(doubtful(self._ledger, sheet))

    def _merge(self, save: Save) -> None:
        if save.record:
            self._write(save.record)
            step("save-merged")
        for message, level in notes(save, self._path, self._ledger.entries):
            self._say(message, level)

    def _look_for_missing(self) -> None:
        """Nobody means to lose a queue by deleting its file, so it comes back; emptying it is clear."""
        if not self._ledger.published:
            return
        now = time.monotonic()
        self._missing_since = self._missing_since or now
        if now - self._missing_since < SETTLE_CUT:
            self._ledger.doubt(doubtful(self._ledger, None))
            return
        self._is_fine(None)
        if not self._is_gone:
            self._is_gone = True
            self._say(
                f"{self._path} was deleted; it is written again, for the queue goes on without it. To empty "
                "the queue, empty the file",
                "warning",
            )
        if self._may_show():
            self.show(now=True, force=True)

    def _is_from_before_boot(self, signature: Signature) -> bool:
        """Whether nobody has saved the file since its machine was started, which may have lost power."""
        return self._ledger.published > 0 and signature.mtime_ns / 1e9 < _booted_at()

    def _restore(self, data: bytes, signature: Signature) -> None:
        self._is_fine(signature)
        if data.strip(b"\0 \n"):
            keep(self._path, data, self._say, "it was cut off when the machine stopped")
        self._say(f"{self._path} is written again as its journal tells it", "warning")
        self.show(now=True, force=True)

    def _is_wrong(self, message: str, sheet: Sheet | None) -> None:
        self.owes = self.is_overdue = False
        self._ledger.doubt(doubtful(self._ledger, sheet))
        if message != self.problem:
            self.problem = message
            self._say(
                f"{message}\nuntil {self._path.name} is mended, only what it holds unchanged is started; "
                "runners wait for that (Ctrl-C twice ends one)",
                "error",
            )

    def _is_fine(self, signature: Signature | None) -> None:
        self._seen, self._fresh = signature, None
        self._ledger.doubt(set())
        if self.problem:
            self.problem = ""
            self._say(f"{self._path} is in order again", "info")

    # --- showing ---

    def show(self, *, now: bool = False, force: bool = False) -> None:
        """Write the file anew, where it does not show what waits and it is time, or `now`.

        A file with a mistake in it, or one that was saved since it was last looked at, is left alone.
        """
        if self.problem or self._fresh:
            return
        if not force and not (self.owes or self._ledger.unshown if now else self._wants_to_show()):
            return
        self.owes = self.is_overdue = False
        began = time.monotonic()
        revision = self._ledger.published + 1
        data = compose_bytes(*self._shown_at(revision))
        announced: list[Signature] = []
        expected = self._seen

        def announce(signature: Signature) -> None:
            announced.append(signature)
            record = {"t": "publish", "revision": revision, "signature": _state(signature)}
            replaced = {"replaced": _state(expected)} if expected else {}
            self._write({**record, **replaced, "at": round(time.time(), 3)})

        try:
            displaced = publish(self._path, data, self._shelf, expected=expected, announce=announce)
            if announced and Signature.of(self._path) == announced[-1]:
                self._seen = announced[-1]
            if displaced is not None:
                self._look_at_displaced(displaced, expected)
                step("displaced-read")
            self._failed = ""
        except (OSError, QueueError) as error:
            self._cannot_show(error)
        self._shown = (self._ledger.published, time.monotonic())
        self._cost = time.monotonic() - began

    def _cannot_show(self, error: OSError | QueueError) -> None:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        message = f"{self._path} cannot be written: {reason}; the queue goes on by its journal"
        if message != self._failed:
            self._failed = message
            self._say(message, "warning")

    def _wants_to_show(self) -> bool:
        is_put_off = self.problem or self._fresh or (self.owes and not self.is_overdue)
        return bool(self._ledger.unshown) and not is_put_off and self._may_show()

    def _may_show(self) -> bool:
        if self._shown[0] != self._ledger.published:
            # By the clock of this runner: those of other machines may be wrong.
            self._shown = (self._ledger.published, time.monotonic())
        return time.monotonic() - self._shown[1] >= max(EVERY, SHARE * self._cost)

    def _shown_at(self, revision: int) -> tuple[str, int, str, list[str]]:
        """Return what a revision of the file shows now, as for `compose`."""
        ledger = self._ledger
        return str(ledger.study.get("name", "")), revision, ledger.preambles[-1][1], ledger.shown()

    # --- what a publish displaced ---

    def _look_at_displaced(self, displaced: Path, expected: Signature | None) -> None:
        signature = Signature.of(displaced)
        if signature is None:
            return
        base = self._ledger.published - 1
        # A save may have landed between the last look and the exchange.
        if signature == expected or self._take_up_late(displaced.read_bytes(), base, False):
            self._late.add(displaced, signature, base)
            return
        # One with a mistake in it: its person shall find it in its place.
        ours = swap_back(self._path, displaced, self._shelf)
        self._fresh_since = time.monotonic()
        self._seen, self._fresh = None, (signature, self._fresh_since, 0.0)
        published = Signature.of(ours) if ours is not None else None
        if ours is not None and published is not None:
            if _state(published) != self._ledger.signature:
                self._take_up_late(ours.read_bytes(), base, False)
            self._late.add(ours, published, base)

    def _take_up_late(self, data: bytes, base: int, settled: bool) -> bool:
        """Take up a save that was displaced; False where it has a mistake in it or may be half-written."""
        try:
            source = _source(self._path, data)
        except UnicodeDecodeError:
            return False
        sheet = take_apart(source.text, self._ledger.by_text, self._ledger.documents())
        if not sheet.whole and (not settled or cut_off(self._ledger, sheet, source)):
            return False
        save = read_save(self._ledger, sheet, source, self._adopt, self._new_id, base=base)
        if save.problems:
            return False
        self._merge(save)
        if save.record:
            self.show(now=True, force=True)
        return True

    def look_at_leftovers(self) -> None:
        """Take up what was displaced by runners that died before they could look at it."""
        self._late.look_at_leftovers()

    def close(self) -> None:
        """Delete the displaced files, unless one has changed since."""
        self._late.close()


def _state(signature: Signature) -> list[int]:
    return [signature.inode, signature.size, signature.mtime_ns]


def _source(path: Path, data: bytes) -> Source:
    from coolrunner.yamlio import Source  # here, for who changes a queue by a command often needs no YAML

    text = data.decode("utf-8-sig")
    return Source(str(path), text.replace("\r\n", "\n") if "\r" in text else text)


def _patience(sheet: Sheet) -> float:
    """Return how long a file must have been left alone to be believed."""
    if sheet.whole:
        return SETTLE
    ours = sheet.text.startswith(FIRST_LINE) and not sheet.appended
    return SETTLE_CUT if ours or not sheet.text.lstrip() else SETTLE_BARE


def _booted_at() -> float:
    """Return when this machine was started, in seconds since the epoch; 0 where that is not known."""
    with contextlib.suppress(AttributeError, OSError):
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return 0.0
