"""``coolrunner queue edit``: a queue, or one experiment of it, in the editor of who calls."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coolrunner.cli.queue_find import called, find, queue_of
from coolrunner.errors import Problem, QueueError, UsageError
from coolrunner.queue.base import Status

if TYPE_CHECKING:
    from coolrunner.cli.queue_open import LazyScribe
    from coolrunner.queue.file import FileQueue
    from coolrunner.queue.saves import Save

__all__ = ["configure", "execute"]

_ANSWERS = {"edit": "open the editor again", "quit": "leave the queue as it is; your text is kept"}


@dataclass(frozen=True, slots=True)
class _Sheet:
    """What is edited.

    Attributes
    ----------
    before, behind
        What of the queue's text stands around it.
    head
        Lines above it that only say what it is.
    text
        What may be edited.
    """

    before: str
    head: str
    text: str
    behind: str

    def whole(self, edited: str) -> str:
        """Return the whole queue with the edited text in it."""
        text = edited.removeprefix(self.head)
        if not self.before:
            return text
        return self.before + text.rstrip("\n") + self.behind

    def placed(self, problem: Problem) -> Problem:
        """Return a problem in the whole queue as one in what was edited."""
        place = problem.position
        if place is None or not place.line:
            return problem
        line = place.line - self.before.count("\n") + self.head.count("\n")
        return replace(problem, position=replace(place, line=line))


def configure(parser: argparse.ArgumentParser, verb: str) -> None:
    """Describe the arguments."""
    parser.description = (
        "Edit the queue, or one experiment of it, in your editor ($VISUAL, else $EDITOR). It opens on a\n"
        "copy; what you changed in it is merged into the queue as a save of the queue file would be,\n"
        "whatever has happened meanwhile."
    )
    parser.add_argument("words", nargs="*", metavar="FILE | ID", help="the queue, and perhaps an experiment")
    parser.add_argument("--no-code", action="store_true", help="refuse what holds expressions")


def execute(options: argparse.Namespace) -> int:
    """Open the editor and merge what was saved; return the exit status."""
    from coolrunner.cli.queue_open import LazyScribe, opened

    path, words = queue_of(options)
    if len(words) > 1:
        raise UsageError("edit takes one experiment, or none for the whole queue")
    scribe = LazyScribe(path, code=not options.no_code)
    editor = _editor()
    with opened(path, scribe) as queue:
        if queue.problem():
            # What is wrong is told as the queue is left.
            raise UsageError(f"mend this in the file itself first: {shlex.join([*editor, str(path)])}")
        sheet = _sheet(queue, words)
    copy = _write_copy(path, sheet.head + sheet.text)
    while True:
        edited = _edit(editor, copy, sheet.head + sheet.text)
        if not edited:
            copy.unlink()
            sys.stderr.write("nothing was changed\n")
            return 0
        with opened(path, scribe) as queue:
            save = _merge(queue, scribe, copy, sheet.whole(edited))
            refused = [queue.ledger.entries[one.id] for one in save.refused]
        if not save.problems:
            copy.unlink()
            _tell(options, path, save, [called(entry) for entry in refused])
            return 0
        _show_problems([sheet.placed(problem) for problem in save.problems], copy)


def _editor() -> list[str]:
    """Return the command of the editor.

    Raises
    ------
    UsageError
        There is none.
    """
    import shutil

    for variable in ("VISUAL", "EDITOR"):
        if os.environ.get(variable, "").strip():
            return shlex.split(os.environ[variable])
    for name in ("nano", "vi"):
        if shutil.which(name):
            return [name]
    raise UsageError("there is no editor; name one in the variable EDITOR")


def _sheet(queue: FileQueue[Any], words: Sequence[str]) -> _Sheet:
    from coolrunner.queue.text import compose, take_apart

    ledger = queue.ledger
    name = str(ledger.study.get("name", ""))
    whole = compose(name, ledger.published, ledger.preambles[-1][1], ledger.shown())
    if not words:
        return _Sheet("", "", whole, "")
    found = find(ledger, words)
    if len(found) > 1:
        names = ", ".join(entry.id for entry in found[:5])
        raise UsageError(f"{len(found)} experiments are named {words[0]!r}: say which by its ID ({names})")
    entry = found[0]
    if entry.status is not Status.WAITING:
        what = f"{called(entry)} is {entry.status.value}: only what waits can be edited"
        raise UsageError(f"{what}; to run it in another form, add one: coolrunner queue add --help")
    piece = next(piece for piece in take_apart(whole, ledger.by_text).pieces if piece.text == entry.text)
    head = f"# {called(entry)} of {queue.path.name}; to remove it, empty this file but for this line\n"
    end = piece.at + len(piece.text)
    return _Sheet(whole[: piece.at], head, whole[piece.at : end] + "\n", whole[end:])


def _write_copy(path: Path, text: str) -> Path:
    """Write a text beside the queue, in a file of its own.

    Raises
    ------
    QueueError
        That is not possible.
    """
    copy = path.with_name(f"{path.stem}.edit-{os.getpid()}.yaml")
    try:
        with copy.open("x", encoding="utf-8", errors="surrogatepass") as file:
            file.write(text)
    except OSError as error:
        raise QueueError(f"a copy to edit cannot be written: {copy}: {error.strerror}") from None
    return copy


def _edit(editor: Sequence[str], copy: Path, before: str) -> str:
    """Let a person edit; return the new text, empty where nothing was changed.

    Raises
    ------
    UsageError
        The editor cannot be used, or says that it failed.
    """
    import subprocess

    shown = shlex.join(editor)
    try:
        with _left_to_editor():
            status = subprocess.run([*editor, str(copy)]).returncode
        text = copy.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        _keep_changed(copy, before)
        raise UsageError(f"the editor {shown} cannot be used: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"what you saved is not UTF-8; it is kept in {copy}") from None
    if status:
        kept = _keep_changed(copy, before)
        raise UsageError(f"the editor {shown} ended with status {status}, so nothing was changed{kept}")
    if not text.strip():
        sys.stderr.write("the whole text is gone, which may not be meant; coolrunner queue rm removes\n")
        return ""
    return "" if text == before else text


@contextlib.contextmanager
def _left_to_editor() -> Iterator[None]:
    """Let Ctrl-C mean to the editor what it means there."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)  # what is ignored is inherited
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _keep_changed(copy: Path, before: str) -> str:
    """Remove a copy in which nothing was changed; of another one say where it is."""
    with contextlib.suppress(OSError):
        if copy.read_bytes() != before.encode("utf-8", "surrogatepass"):
            return f"; your text is kept in {copy}"
        copy.unlink()
    return ""


def _merge(queue: FileQueue[Any], scribe: LazyScribe, copy: Path, text: str) -> Save:
    """Take up what was saved as if it had been saved in the queue file."""
    from coolrunner.queue.merge import read_save
    from coolrunner.queue.text import take_apart
    from coolrunner.yamlio import Source

    source = Source(str(copy), text)
    with queue.session():
        ledger = queue.ledger
        sheet = take_apart(text, ledger.by_text)
        save = read_save(ledger, sheet, source, lambda draft: scribe.adopt(draft, ledger), scribe.new_id)
        if save.record and not save.problems:
            queue.write(save.record)
    return save


def _show_problems(problems: Sequence[Problem], copy: Path) -> None:
    """Show what is wrong and ask what to do; returns to edit again.

    Raises
    ------
    UsageError
        Nobody can be asked, or the answer is to leave it.
    """
    from coolrunner.cli.terminal import choose, is_there

    sys.stderr.writelines(f"error: {problem}\n" for problem in problems)
    if not is_there() or choose("nothing was changed in the queue", _ANSWERS) in ("", "quit"):
        raise UsageError(f"nothing was changed in the queue; your text is kept in {copy}")


def _tell(options: argparse.Namespace, path: Path, save: Save, refused: Sequence[str]) -> None:
    from coolrunner.cli.queue_words import print_changed
    from coolrunner.cli.verbs import print_json

    words = {"edit": "changed", "new": "added", "remove": "removed", "restore": "put_back", "place": "moved"}
    counts = {word: len(save.record.get(key, ())) for key, word in words.items()}
    if options.json:
        print_json({"queue": str(path), **counts, "refused": len(refused)})
    else:
        moved = f"{counts['moved']} moved" if counts["moved"] else ""
        parts = [part for part in (save.summary, moved) if part]
        print_changed([", ".join(parts) or "no experiment was changed"], "")
    for name in refused:
        sys.stderr.write(
            f"warning: {name} was started meanwhile, so your change of it does not count; it is kept as a "
            f"comment at the top of {path}\n"
        )
