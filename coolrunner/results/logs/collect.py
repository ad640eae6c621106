"""Experiments of many logs in one, each once.

Two experiments are the same when their data is: the order of keys does not matter at any level, the
order in lists does, ``1``, ``1.0`` and ``true`` are three values, and ``nan`` is itself. The first one
is kept, in its own text. Of each only 16 bytes are remembered, so memory does not limit how many there
can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Any

from coolrunner.results.logs.reading import Entry, document_text
from coolrunner.results.logs.yamllog import HEADER
from coolrunner.yamlio import canonical

__all__ = ["collect", "digest", "digest_of", "distinct"]


def digest(value: Any) -> bytes:
    """Return 16 bytes that are equal for equal data, and for nothing else that will ever be met."""
    return digest_of(canonical(value))


def digest_of(form: str) -> bytes:
    """Return the digest of data of which the canonical form is known."""
    return blake2b(form.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def distinct(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield the experiments that none before them equals."""
    met: set[bytes] = set()
    for entry in entries:
        identity = digest_of(entry.canonical)
        if identity not in met:
            met.add(identity)
            yield entry


def collect(entries: Iterable[Entry], write: Callable[[str], object]) -> int:
    """Write the distinct ones of some experiments as a log; return how many there were.

    Parameters
    ----------
    entries
        Experiments, from `coolrunner.results.logs.reading.read_logs`.
    write
        Takes the text, piece by piece; not called at all where there are no experiments.
    """
    count = 0
    for entry in distinct(entries):
        if not count:
            write(HEADER)
        write(document_text(entry))
        count += 1
    return count
