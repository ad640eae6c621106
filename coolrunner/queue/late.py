"""Saves that came too late: what a publish displaced, and what editors still write there afterwards.

A displaced file that holds nothing new carries its state in its name, behind a ``+``, and the journal
says which file each revision replaced; so it is known also after its runner has died which of them were
dealt with.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from coolrunner.queue.exchange import Shelf, Signature
from coolrunner.queue.ledger import Ledger

__all__ = ["Late"]

#: How often the shelf is looked at, and how long a late text must have been left alone, in seconds.
EVERY = 0.25
SETTLE = 1.0
#: How often a runner looks for what others have left that died.
LEFT = 2.0
#: How long a displaced file is watched, in seconds, and how many of them at most: so many bytes in all.
KEEP = 30.0
BYTES = 1 << 26
FEWEST = 3


class Late:
    """One runner's eye on the files that it displaced.

    Parameters
    ----------
    path
        The queue file.
    shelf
        The directory of displaced files.
    ledger
        The state.
    take_up
        Takes up the text of a save, made from a revision at the latest; also where it may be half of one,
        if it was left alone for long. False where it has a mistake.
    say
        Tells a person something, with its level.
    """

    def __init__(
        self,
        path: Path,
        shelf: Path,
        ledger: Ledger,
        take_up: Callable[[bytes, int, bool], bool],
        say: Callable[[str, str], None],
    ) -> None:
        self._path = path
        self._shelf = Shelf(shelf, KEEP)
        self._ledger = ledger
        self._take_up = take_up
        self._say = say
        self._next = self._next_left = 0.0
        self._limit = FEWEST
        self._revisions: dict[Path, int] = {}
        self._changed: dict[Path, float] = {}  # since when, in monotonic seconds

    def add(self, displaced: Path, signature: Signature, revision: int, left_alone: float = 0.0) -> None:
        """Watch a displaced file that has been dealt with in this state.

        Parameters
        ----------
        revision
            The last one that the file can have been made from.
        left_alone
            Seconds since it was displaced or changed.
        """
        name = displaced.name.partition("+")[0]
        dealt = displaced.with_name(f"{name}+{_mark(signature)}")
        with contextlib.suppress(OSError):
            displaced.rename(dealt)
            displaced = dealt
        self._revisions[displaced] = revision
        self._limit = max(FEWEST, BYTES // max(signature.size, 1))
        self._shelf.add(displaced, signature, left_alone)

    def is_due(self) -> bool:
        """Whether it is time to look again."""
        return time.monotonic() >= self._next

    def look(self) -> None:
        """Look for editors that went on writing to a file after it was displaced."""
        now = time.monotonic()
        self._next = now + EVERY
        if now >= self._next_left:
            self.look_at_leftovers()
        with contextlib.suppress(OSError):
            self._changed.update(dict.fromkeys(self._shelf.changed(), now))
            for path, since in list(self._changed.items()):
                if now - since >= SETTLE:
                    signature = Signature.of(path)
                    if signature is not None:
                        self._deal(path, signature, self._revisions.get(path, 0))
                    self._changed.pop(path, None)
                    self._revisions.pop(path, None)
            self._shelf.tidy(self._limit)

    def look_at_leftovers(self) -> None:
        """Take up what runners displaced that died before they had looked at it."""
        self._next_left = time.monotonic() + LEFT
        with contextlib.suppress(OSError):
            for path in self._shelf.leftovers(self._path):
                signature = Signature.of(path)
                if signature is not None:
                    revision = self._ledger.revision_at(signature.mtime_ns / 1e9)
                    state = (signature.inode, signature.size, signature.mtime_ns)
                    is_marked = path.name.partition("+")[2] == _mark(signature)
                    if is_marked or state in self._ledger.replaced:
                        self.add(path, signature, revision, _left_alone(path))
                    else:
                        self._deal(path, signature, revision)

    def _deal(self, path: Path, signature: Signature, revision: int) -> None:
        data = path.read_bytes()
        # An editor that emptied the file and has not written yet means nothing by it.
        if data.strip() and not self._take_up(data, revision, True):
            why = "a save of it came while it was replaced and has a mistake in it"
            keep(self._path, data, self._say, why)
        self.add(path, signature, revision)

    def close(self) -> None:
        """Delete the displaced files that were watched long enough."""
        with contextlib.suppress(OSError):
            self._shelf.tidy()


def keep(path: Path, data: bytes, say: Callable[[str, str], None], why: str) -> None:
    """Keep a text that cannot be used beside the queue file, and say where it is."""
    stem = f"{path.name}.unread-{time.strftime('%Y%m%d-%H%M%S')}"
    number = 1
    while True:
        kept = path.with_name(stem if number == 1 else f"{stem}-{number}")
        try:
            with kept.open("xb") as file:
                file.write(data)
        except FileExistsError:
            number += 1
            continue
        except OSError as error:
            say(f"{path}: {why}; it could not be kept: {error.strerror}", "error")
            return
        say(f"{path}: {why}; it is kept as {kept}", "error")
        return


def _left_alone(path: Path) -> float:
    """Return the seconds since a file was renamed or changed, as far as its file system tells."""
    state = path.lstat()
    return max(0.0, time.time() - max(state.st_ctime, state.st_mtime))


def _mark(signature: Signature) -> str:
    return f"{signature.inode:x}.{signature.size:x}.{signature.mtime_ns:x}"
