"""The file in which a person says something of results: ``annotations.yaml``.

Format, version 1: lines that are only added to, each a YAML document in itself. The last note counts; an
empty one takes it away. ::

    # Coolrunner annotations, version 1
    --- {of: "k7f3q2ma", tag: "baseline", time: "2026-11-21T18:02:57+00:00"}
    --- {of: "000004-2026-11-21-06-23-29", note: "diverged; the rate was too high", time: ...}
    --- {of: "k7f3q2ma", untag: "baseline", time: ...}

``of`` is the ``ID`` of an experiment in a log, or the name of a run's directory. What has neither is known
by its content: ``=`` and 32 digits. Changes are ``mark``, ``unmark``, ``tag``, ``untag``, ``note``; a person
may write documents of several lines as well. A line that a killed writer left torn is passed over, and the
next writer makes it a comment.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from coolrunner.errors import LogError, YamlError
from coolrunner.results.logs.yamllog import locked
from coolrunner.yamlio import read_text, split_documents

__all__ = ["FILE", "HEADER", "Said", "append_changes", "read_annotations"]

FILE = "annotations.yaml"
HEADER = "# Coolrunner annotations, version 1\n"

_CHANGES = ("mark", "unmark", "tag", "untag", "note")
_VERSION = re.compile(r"# Coolrunner annotations, version ([0-9]+)\b")
_BEGINNING = "--- {"
_TAIL = 1 << 17  # bytes; a line is shorter


@dataclass(slots=True)
class Said:
    """What was said of one row."""

    marks: dict[str, None] = field(default_factory=dict)
    tags: dict[str, None] = field(default_factory=dict)
    note: str = ""

    def change(self, what: str, text: str) -> bool:
        """Make a change; return whether anything is another then."""
        if what == "note":
            changed, self.note = self.note != text, text
            return changed
        known = self.marks if what.endswith("mark") else self.tags
        if not what.startswith("un"):
            changed = text not in known
            known[text] = None
            return changed
        gone = [each for each in known if each == text or (what == "unmark" and each.startswith(f"{text}/"))]
        for each in gone:
            del known[each]
        return bool(gone)


def read_annotations(path: str | Path, broken: list[str] | None = None) -> dict[str, Said]:
    """Return what an ``annotations.yaml`` says, by what it is said of.

    Parameters
    ----------
    path
        The file; where there is none, nothing was said.
    broken
        Takes note of lines that cannot be used, as ``file:line: why``.
    """
    broken = [] if broken is None else broken
    try:
        text = Path(path).read_bytes().decode("utf-8-sig", "replace")
    except FileNotFoundError:
        return {}
    except OSError as error:
        broken.append(f"{path}: cannot be read: {error.strerror}")
        return {}
    version = _VERSION.match(text)
    if version is not None and int(version[1]) > 1:
        broken.append(f"{path}:1: annotations of version {version[1]}, from a newer Coolrunner")
        return {}
    text = text.replace("\r\n", "\n")
    before, _, last = text.rpartition("\n")
    if _is_torn(last):
        broken.append(f"{path}:{text.count(chr(10)) + 1}: torn: its writer was stopped on the way")
        text = f"{before}\n"
    found: dict[str, Said] = {}
    for raw in split_documents(text):
        try:
            data = read_text(raw.text, str(path), raw.line)
        except YamlError as error:
            broken.append(f"{path}:{raw.line}: {error.problem.message}")
            continue
        of = data.get("of") if isinstance(data, dict) else None
        changes = [(what, data[what]) for what in _CHANGES if what in data] if of is not None else []
        if not changes:
            broken.append(
                f"{path}:{raw.line}: no annotation: 'of' and one of {', '.join(_CHANGES)} are expected"
            )
        for what, given in changes:
            found.setdefault(str(of), Said()).change(what, str(given))
    return found


def append_changes(path: Path, what: str, text: str, names: Sequence[str]) -> list[str]:
    """Say something of some names, or take it back; return those of which it was not said already.

    Parameters
    ----------
    path
        The file, which is made where it is missing.
    what
        ``mark``, ``unmark``, ``tag``, ``untag`` or ``note``.
    text
        The mark, the tag or the note.
    names
        Of whom.

    Raises
    ------
    LogError
        The disk does not take it; the file is as it was before.
    """
    when = datetime.now().astimezone().isoformat(timespec="seconds")

    def new() -> list[str]:
        known = read_annotations(path)
        return [name for name in names if known.get(name, Said()).change(what, text)]

    if not new():
        return []
    try:
        with _writing(path) as file:
            changed = new()  # another may have said it meanwhile
            if changed:
                _write(file, "".join(_line(name, what, text, when) for name in changed).encode())
    except OSError as error:
        raise LogError(f"{path} cannot be written: {error.strerror}") from None
    return changed


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[int]:
    """Open a file and hold its lock; of a file that an editor has just replaced, the new one."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
    while True:
        file = os.open(path, flags, 0o666)
        try:
            with locked(file):
                if path.exists() and os.path.samestat(path.stat(), os.fstat(file)):
                    yield file
                    return
        finally:
            os.close(file)


def _line(name: str, what: str, text: str, when: str) -> str:
    return f"{_BEGINNING}of: {_quoted(name)}, {what}: {_quoted(text)}, time: {_quoted(when)}}}\n"


def _quoted(text: str) -> str:
    """Return a text in quotes, as both JSON and YAML have it."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _write(file: int, data: bytes) -> None:
    size = os.fstat(file).st_size
    before = size
    if not size:
        data = HEADER.encode() + data
    else:
        end = os.pread(file, _TAIL, max(size - _TAIL, 0))
        last = end[end.rfind(b"\n") + 1 :]
        if last and not _is_torn(last.decode("utf-8", "replace")):
            data = b"\n" + data
        elif last:
            # Its writer was killed: from now on it is a comment.
            size -= len(last)
            os.ftruncate(file, size)
            data = b"# torn: " + ascii(last.decode("utf-8", "replace")).encode() + b"\n" + data
    try:
        written = os.write(file, data)
        while written < len(data):
            written += os.write(file, data[written:])
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(file, min(size, before))
        raise


def _is_torn(line: str) -> bool:
    """Whether a last line without a line break breaks off; a person may have left out the break alone."""
    if not line.startswith(_BEGINNING):
        return bool(line) and _BEGINNING.startswith(line)
    try:
        return not (line.rstrip().endswith("}") and isinstance(read_text(line[4:]), dict))
    except YamlError:
        return True
