"""A queue as its journal tells it, read without taking part in it."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from pathlib import Path

from coolrunner.queue.journal import Journal
from coolrunner.queue.ledger import Ledger

__all__ = ["journal_of", "read_ledger", "uncollected"]


def journal_of(path: Path) -> Path:
    """Return the directory that belongs to a queue file: ``queue.yaml.journal`` beside ``queue.yaml``."""
    return path.with_name(f"{path.name}.journal")


def read_ledger(path: Path) -> Ledger:
    """Return the state of a queue as its journal tells it, to look at; takes no lock.

    Raises
    ------
    QueueError
        There is no such queue, or it cannot be read.
    """
    journal = Journal(journal_of(path) / "journal.jsonl", writable=False)
    ledger = Ledger()
    try:
        with uncollected():
            for record in journal.read():
                ledger.take_in(record)
    finally:
        journal.close()
    return ledger


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Let the garbage collector rest, which would look through all that is read, again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
