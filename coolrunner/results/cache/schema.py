"""The tables of an index, and how one is opened.

parts     what rows were read from: one file, one run directory; with what is needed to see that it changed.
          *Whole* are those whose rows have their values; others only say where their rows stand. `count` is
          that of the rows, `last` the greatest number of one: equal where there are no gaps
keys      each key that any row has, by its path
shapes    each combination of keys and their roles, in its order
contents  which shapes the rows of a part have, and the types of the values under their keys
rows      a row each: its shape, its place, and a column for each of the first `COLUMNS` keys; the index
          `same` finds those of the same content

A row's id is that of its part, times 2**32, plus its number there; so the rows of a part stand together, in
their order. Keys beyond the first `COLUMNS` share the column ``rest``, as JSON.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

__all__ = ["COLUMNS", "DAMAGE", "SHIFT", "VERSION", "connect", "is_damage", "is_index", "remove"]

#: Of the tables and of what stands in them; an index of another version is made anew.
VERSION = 1
#: Keys with a column of their own (SQLite's limit is 2,000 columns).
COLUMNS = 500
#: By how many bits the id of a part stands left of the number of a row.
SHIFT = 32

# What SQLite calls the application id, in bytes 68 to 71 of the file.
_OURS = int.from_bytes(b"CoRu", "big")
_HEADER = b"SQLite format 3\0"
#: Seconds to wait for others who write.
_PATIENCE = 30.0
_TABLES = """
CREATE TABLE parts(
    id INTEGER PRIMARY KEY, kind TEXT, version INTEGER, path TEXT, stamps BLOB, looked INTEGER,
    newest INTEGER, whole INTEGER, state TEXT, report TEXT, count INTEGER, last INTEGER, UNIQUE(kind, path));
CREATE TABLE keys(id INTEGER PRIMARY KEY, path TEXT UNIQUE);
CREATE TABLE shapes(id INTEGER PRIMARY KEY, keys TEXT UNIQUE);
CREATE TABLE contents(
    part INTEGER, shape INTEGER, first INTEGER, kinds TEXT, PRIMARY KEY(part, shape)) WITHOUT ROWID;
CREATE TABLE rows(
    id INTEGER PRIMARY KEY, shape INTEGER, start INTEGER, stop INTEGER, line INTEGER, digest BLOB,
    comment TEXT, rest TEXT);
CREATE INDEX same ON rows(digest) WHERE digest IS NOT NULL;
"""


def connect(path: Path | None) -> sqlite3.Connection:
    """Open an index, and make it where it is missing, of another version, or broken.

    Parameters
    ----------
    path
        The file; None for one that is forgotten with the process. (It may fill more than the memory.)

    Raises
    ------
    sqlite3.Error
        It cannot be had: nothing may be written here, or the file system has no locks.
    """
    if path is None:
        return _prepared("")
    try:
        return _prepared(str(path))
    except sqlite3.OperationalError:
        raise  # locked, or nothing may be written
    except sqlite3.DatabaseError:  # not a database, or malformed
        remove(path)
        return _prepared(str(path))


#: What comes of reading an index that holds other things than it should.
DAMAGE = (sqlite3.DatabaseError, ValueError, TypeError, LookupError)


def is_damage(error: Exception) -> bool:
    """Whether an index has to be made anew; False where it is locked, or nothing may be written."""
    if isinstance(error, sqlite3.OperationalError):
        return "no such " in str(error) or "UTF-8" in str(error)
    return isinstance(error, DAMAGE)


def is_index(path: Path) -> bool:
    """Whether a file is an index, or is yet to become one: it is empty, or not there.

    Raises
    ------
    OSError
        It cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(72)
    except FileNotFoundError:
        return True
    return not head or (head.startswith(_HEADER) and int.from_bytes(head[68:72], "big") == _OURS)


def remove(path: Path) -> None:
    """Remove an index, and what SQLite keeps beside it."""
    for ending in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(OSError):
            path.with_name(path.name + ending).unlink(missing_ok=True)


def _prepared(name: str) -> sqlite3.Connection:
    db = sqlite3.connect(name, timeout=_PATIENCE, isolation_level=None, cached_statements=1000)
    try:
        # An index may stand in a directory of somebody else: nothing in it is to be run.
        db.execute("PRAGMA trusted_schema=OFF")
        if name:
            if not db.execute("PRAGMA application_id").fetchone()[0]:
                # Before the log begins: it is to stand in the file itself from then on.
                db.execute(f"PRAGMA application_id={_OURS}")
            db.execute("PRAGMA journal_mode=WAL")  # readers and a writer do not wait for each other
            db.execute("PRAGMA synchronous=NORMAL")
        if _version(db) != VERSION:
            _renew(db)
    except BaseException:
        db.close()
        raise
    return db


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _renew(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    if _version(db) != VERSION:  # nobody else has done it meanwhile
        there = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in there:
            db.execute(f'DROP TABLE "{table}"')
        for statement in _TABLES.split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version={VERSION}")
    db.execute("COMMIT")
