"""The queue file under the hands of people, while a runner works on it."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from coolrunner import yamlio
from coolrunner.errors import QueueError
from coolrunner.proof import process_here, this_process
from coolrunner.queue import desk, exchange, late
from coolrunner.queue.base import Status
from coolrunner.queue.exchange import Signature
from coolrunner.queue.file import FileQueue, journal_of
from tests.queue_studies import (
    SmallScribe,
    Trial,
    documents,
    ids,
    open_queue,
    save,
    save_by_renaming,
    trials,
    with_documents,
)
from tests.studies import until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A queue file."""
    return tmp_path / "queue.yaml"


@pytest.fixture
def queue(path: Path) -> Iterator[FileQueue[Trial]]:
    """A runner of a queue with the experiments a to e."""
    queue = open_queue(path)
    queue.put(trials("abcde", lr=0.1))
    yield queue
    queue.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Believe what people save after no time."""
    for name in ("SETTLE", "SETTLE_BARE", "SETTLE_CUT"):
        monkeypatch.setattr(desk, name, 0.0)
    monkeypatch.setattr(desk, "EVERY", 0.0)
    monkeypatch.setattr(desk, "SHARE", 0)
    monkeypatch.setattr(late, "SETTLE", 0.0)
    monkeypatch.setattr(late, "EVERY", 0.0)


def taken(queue: FileQueue[Trial]) -> str:
    """Take the next one; empty for none."""
    item = queue.take()
    return item.id if item else ""


def drained(queue: FileQueue[Trial]) -> str:
    """Take all that can be taken."""
    found = ""
    while one := taken(queue):
        found += one
    return found


def said(queue: FileQueue[Trial]) -> str:
    """Return what a person is told."""
    return "\n".join(f"{level}: {message}" for message, level in queue.messages())


def without(text: str, identity: str) -> str:
    """Delete a document."""
    return with_documents(
        text, [document for document in documents(text) if not document.endswith(f"ID: {identity}")]
    )


# --- saves of every style ----------------------------------------------------------------------------


@pytest.mark.parametrize("how", [save, save_by_renaming])
def test_what_a_person_saves_holds_from_the_next_take_on(
    queue: FileQueue[Trial], path: Path, how: Callable[[Path, str], None]
) -> None:
    assert taken(queue) == "a"
    how(path, without(path.read_text(), "b"))
    assert drained(queue) == "cde"


def test_a_save_of_this_moment_is_waited_for(queue: FileQueue[Trial], path: Path) -> None:
    path.write_text(without(path.read_text(), "a"))
    assert taken(queue) == "b"


def test_a_file_that_is_emptied_and_then_written_is_not_taken_for_empty(
    queue: FileQueue[Trial], path: Path
) -> None:
    text = without(path.read_text(), "b")
    with path.open("wb", buffering=0) as file:
        file.write(b"")
        assert taken(queue) == ""  # it may be empty, or be written right now
        assert queue.is_unclear()
        file.write(text[:-30].encode())
        assert (taken(queue), taken(queue)) == ("a", "c")
        file.write(text[-30:].encode())
    assert drained(queue) == "de"
    assert not queue.is_unclear()
    assert queue.status("b") is Status.REMOVED


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n---\n", b"\n--- # mine\n"),
        lambda data: data.replace(b"\n---\n", b"\n---   \n"),
        lambda data: data.removesuffix(b"\n"),
        lambda data: data + b"\n\n",
        lambda data: data.replace(b"ID: ", b"ID:    "),
    ],
)
def test_any_form_is_understood(
    queue: FileQueue[Trial], path: Path, change: Callable[[bytes], bytes]
) -> None:
    save(path, change(without(path.read_text(), "b").encode()))
    assert drained(queue) == "acde"
    assert "error" not in said(queue)


def test_what_is_appended_behind_the_end_is_added(hasty: None, queue: FileQueue[Trial], path: Path) -> None:
    with path.open("a") as file:
        file.write("---\nName: f\n")
    queue.refresh()
    assert path.read_text().endswith("size: 1\nID: " + queue.waiting()[-1].id + "\n...\n")
    assert [trial.values["Name"] for trial in queue.waiting()] == list("abcdef")


def test_a_save_is_answered_with_how_the_queue_is_now(queue: FileQueue[Trial], path: Path) -> None:
    taken(queue)
    text = path.read_text()
    save(path, without(text, "c").replace("...\n", "---\nName: f\n...\n"))
    queue.refresh()
    assert ids(path.read_text())[:-1] == ["b", "d", "e"]
    assert "# revision 1\n" in text
    assert "# revision 2\n" in path.read_text()
    assert said(queue) == f"info: {path}: 1 removed, 1 added"


def test_a_file_that_says_what_it_should_is_left_alone(queue: FileQueue[Trial], path: Path) -> None:
    before = path.stat().st_ino
    save(path, path.read_text())
    queue.refresh()
    os.utime(path)
    time.sleep(desk.SETTLE)
    queue.refresh()
    assert (path.stat().st_ino, said(queue)) == (before, "")


def test_a_file_with_the_header_of_an_older_one_gets_its_own(queue: FileQueue[Trial], path: Path) -> None:
    old = path.read_text()
    taken(queue)
    queue.sync_file()
    save(path, path.read_text().replace("# revision 2\n", "# revision 1\n"))
    queue.refresh()
    assert "# revision 3\n" in path.read_text()
    save(path, without(path.read_text(), "c"))  # so that what it no longer shows is known to be deleted
    assert drained(queue) == "bde"
    assert "# revision 1\n" in old


def test_what_is_saved_over_and_over_does_not_hold_up_the_study(
    queue: FileQueue[Trial], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "SETTLE_CUT", 0.1)
    text, over = path.read_text(), threading.Event()

    def restless() -> None:
        while not over.wait(0.002):
            save(path, without(text, "a") + "\n", age=0.0)

    thread = threading.Thread(target=restless)
    thread.start()
    try:
        until(lambda: path.stat().st_size < len(text), "a save")
        assert until(lambda: taken(queue), "a moment at which the file is whole") == "b"
    finally:
        over.set()
        thread.join()


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "real.yaml", tmp_path / "queue.yaml"
    link.symlink_to(target)
    queue = open_queue(link)
    queue.put(trials("abc"))
    assert ids(target.read_text()) == list("abc")
    save(link, without(link.read_text(), "a"))
    assert drained(queue) == "bc"
    queue.close()
    assert link.is_symlink()
    assert "# nothing waits\n" in target.read_text()


def test_a_queue_whose_journal_is_missing_is_read_from_its_file(path: Path) -> None:
    save(path, "---\nName: x\nID: mine\n---\nName: y\n")
    queue = open_queue(path)
    queue.refresh()
    assert [trial.values["Name"] for trial in queue.waiting()] == ["x", "y"]
    assert taken(queue) == "mine"
    queue.close()


# --- saves with a mistake ----------------------------------------------------------------------------


def test_a_broken_save_says_where_and_is_never_overwritten(queue: FileQueue[Trial], path: Path) -> None:
    broken = path.read_text().replace("Name: c\n", "Name: c: x\n").replace("lr: 0.1\nID: b", "lr: 0.2\nID: b")
    save(path, broken)
    assert drained(queue) == "ade"  # what stands in it word for word
    message = said(queue)
    assert message.startswith(f"error: {path}:14:8: not valid YAML")
    assert "\n    Name: c: x\n           ^\n" in message
    assert "\nuntil queue.yaml is mended, only what it holds unchanged is started; " in message
    assert message.endswith("runners wait for that (Ctrl-C twice ends one)")
    assert queue.problem().startswith(f"{path}:14:8")
    queue.put(trials("f", 5))
    queue.sync_file()
    assert (said(queue), path.read_text()) == ("", broken)
    assert drained(queue) == "f"  # it was added since, so it is not in doubt
    save(path, broken.replace("c: x", "c"))
    assert drained(queue) == "bc"
    assert "queue.yaml is in order again" in said(queue)
    assert queue.ledger.entries["b"].text.startswith("Name: b\nlr: 0.2\n")
    assert queue.problem() == ""


def test_what_cannot_be_an_experiment_is_a_mistake_as_well(queue: FileQueue[Trial], path: Path) -> None:
    save(path, path.read_text().replace("Name: b\n", "").replace("Name: d\n", ""))
    assert drained(queue) == "ace"
    assert said(queue).count("no Name") == 2


def test_a_mistake_that_another_runner_saw_mended_is_over(queue: FileQueue[Trial], path: Path) -> None:
    other = open_queue(path)
    text = path.read_text()
    save(path, text.replace("Name: b", "Name: [b"))
    for runner in (queue, other):
        runner.refresh()
        assert runner.problem()
    save(path, text.replace("Name: b", "Name: bb"))
    other.refresh()
    queue.refresh()
    assert (queue.problem(), other.problem()) == ("", "")
    assert drained(queue) == "abcde"
    other.close()


def test_a_text_that_is_not_utf_8_is_a_mistake(queue: FileQueue[Trial], path: Path) -> None:
    save(path, path.read_bytes().replace(b"Name: c", b"Name: \xe9"))
    assert drained(queue) == ""
    assert f"{path}:14: not UTF-8; save the file with this encoding" in said(queue)


def test_a_directory_in_its_place_is_told_and_left(queue: FileQueue[Trial], path: Path) -> None:
    text = path.read_text()
    path.unlink()
    path.mkdir()
    os.utime(path, (1e9, 1e9))
    assert drained(queue) == ""
    assert "cannot be read: Is a directory" in said(queue)
    path.rmdir()
    save(path, text)
    assert drained(queue) == "abcde"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_must_not_be_read_is_told(queue: FileQueue[Trial], path: Path) -> None:
    save(path, path.read_text() + "\n")
    path.chmod(0)
    assert drained(queue) == ""
    assert "cannot be read: Permission denied" in said(queue)


# --- half-written, emptied, deleted ------------------------------------------------------------------


def test_a_file_without_its_last_line_is_believed_when_it_stays_so(
    queue: FileQueue[Trial], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorter = path.read_text().partition("\n---\nName: d")[0] + "\n"
    save(path, shorter, age=0.2)
    assert drained(queue) == "abc"
    assert queue.is_unclear()
    assert path.read_text() == shorter
    monkeypatch.setattr(desk, "SETTLE_CUT", 0.2)
    save(path, shorter, age=0.2)
    assert drained(queue) == ""
    assert [queue.status(one) for one in "de"] == [Status.REMOVED] * 2


def test_a_file_without_header_and_last_line_that_deletes_something_is_looked_at_twice(
    queue: FileQueue[Trial], path: Path
) -> None:
    bare = "\n---\n".join(documents(without(path.read_text(), "b"))) + "\n"
    save(path, bare, age=0.5)
    assert drained(queue) == "acde"
    assert len(queue) == 1
    save(path, bare + "---\nName: [", age=0.5)
    assert (taken(queue), said(queue)) == ("", "")
    save(path, bare, age=1.5)
    assert (drained(queue), len(queue)) == ("", 0)


@pytest.mark.parametrize("end", ["\n---\n", "\n---", "\n-", "\n..", "\n---\nName: d\nl", "\n---\nName"])
def test_a_file_that_ends_in_the_middle_is_never_believed(
    queue: FileQueue[Trial], path: Path, end: str
) -> None:
    cut = path.read_text().partition("\n---\nName: d")[0] + end
    save(path, cut)
    assert drained(queue) == ("ab" if end in ("\n-", "\n..") else "abc")
    assert f"{path}:" in queue.problem()
    assert "is it half-written?" in queue.problem()
    queue.sync_file()
    assert path.read_text() == cut


def test_an_emptied_file_is_an_empty_queue_after_a_moment(queue: FileQueue[Trial], path: Path) -> None:
    taken(queue)
    save(path, "", age=0.5)
    assert drained(queue) == ""
    assert len(queue) == 4
    save(path, "", age=1.5)
    assert drained(queue) == ""
    assert (len(queue), said(queue)) == (0, f"info: {path}: 4 removed")
    assert path.read_text().endswith("# nothing waits\n")


def test_a_deleted_file_comes_back(
    queue: FileQueue[Trial], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.unlink()
    assert drained(queue) == ""  # an editor may have put it away for a moment
    assert queue.is_unclear()
    monkeypatch.setattr(desk, "SETTLE_CUT", 0.0)
    monkeypatch.setattr(desk, "EVERY", 0.0)
    monkeypatch.setattr(desk, "SHARE", 0)
    assert taken(queue) == "a"
    assert ids(path.read_text()) == list("bcde")
    assert said(queue).startswith(f"warning: {path} was deleted; it is written again")
    queue.refresh()
    assert (said(queue), queue.is_unclear()) == ("", False)


def test_a_file_that_cannot_be_written_is_told_once_and_the_queue_goes_on(
    queue: FileQueue[Trial], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(desk, "EVERY", 0.0)
    monkeypatch.setattr(desk, "SHARE", 0)
    with monkeypatch.context() as patch:
        patch.setattr(exchange, "_write", full)
        assert (taken(queue), taken(queue)) == ("a", "b")
        assert queue.finish("a", Status.DONE)
    assert said(queue) == (
        f"warning: {path} cannot be written: No space left on device; the queue goes on by its journal"
    )
    assert ids(path.read_text()) == list("abcde")
    queue.refresh()
    assert ids(path.read_text()) == list("cde")


def test_a_file_that_cannot_come_back_is_told_once(
    hasty: None, queue: FileQueue[Trial], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exchange, "_write", full)
    monkeypatch.setattr(desk, "EVERY", 0.0)
    path.unlink()
    for _ in range(3):
        queue.refresh()
    assert said(queue).count("was deleted") == 1
    assert drained(queue) == "abcde"


@pytest.mark.parametrize("left", [b"", b"\0" * 100, b"# Coolrunner queue, version 1: the experim"])
def test_a_file_that_a_power_cut_has_emptied_is_written_again(
    path: Path, left: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = open_queue(path)
    queue.put(trials("abc"))
    queue.close()
    monkeypatch.setattr(desk, "_booted_at", lambda: time.time() - 10)
    save(path, left, age=20.0)
    queue = open_queue(path)
    assert taken(queue) == "a"
    assert f"{path} is written again as its journal tells it" in said(queue)
    kept = list(path.parent.glob("*.unread-*"))
    assert [file.read_bytes() for file in kept] == ([left] if left.startswith(b"#") else [])
    queue.close()


# --- what is refused ---------------------------------------------------------------------------------


def test_an_edit_to_one_that_runs_is_told_with_what_to_do(queue: FileQueue[Trial], path: Path) -> None:
    old = path.read_text()
    taken(queue)
    save(path, old.replace("lr: 0.1\nID: a", "lr: 9\nID: a"))
    queue.refresh()
    assert said(queue) == (
        f"warning: {path}:6: a (a) is running already, so this document changes nothing; it is kept as a "
        "comment at the top of the file. To run it in this form, make it a document again, without its ID"
    )
    assert "#   lr: 9\n" in path.read_text()
    assert drained(queue) == "bcde"


def test_what_others_have_deleted_stays_so_and_is_told(queue: FileQueue[Trial], path: Path) -> None:
    old = path.read_text()
    save(path, without(old, "b"))
    queue.refresh()
    said(queue)
    save(path, old)
    queue.refresh()
    assert "what was deleted since this file was opened stays deleted (b); to run it, open" in said(queue)
    assert drained(queue) == "acde"


def test_a_save_that_cannot_be_written_down_is_looked_at_again(
    queue: FileQueue[Trial], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    text = without(path.read_text(), "b")
    save(path, text)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(QueueError, match="No space left"):
            queue.take()
    assert path.read_text() == text
    assert drained(queue) == "acde"


# --- saves that come while the file is replaced ------------------------------------------------------


@pytest.fixture
def in_between(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What a person does right before the next replacing of the file."""
    actions: list[Callable[[], object]] = []

    def publish(*arguments: object, **options: object) -> object:
        announce = options["announce"]
        assert callable(announce)

        def announced(signature: Signature) -> None:
            announce(signature)
            while actions:
                actions.pop()()

        return exchange.publish(*arguments, **{**options, "announce": announced})  # type: ignore[arg-type]

    monkeypatch.setattr(desk, "publish", publish)
    return actions


@pytest.mark.parametrize("how", [save, save_by_renaming])
def test_a_save_that_lands_in_between_is_merged(
    queue: FileQueue[Trial],
    path: Path,
    in_between: list[Callable[[], object]],
    how: Callable[[Path, str], None],
) -> None:
    text = path.read_text()
    taken(queue)
    in_between.append(lambda: how(path, without(text, "c").replace("lr: 0.1\nID: d", "lr: 4\nID: d")))
    queue.sync_file()
    assert ids(path.read_text()) == list("bde")
    assert "lr: 4\nID: d" in path.read_text()
    assert drained(queue) == "bde"


def test_a_broken_save_that_lands_in_between_is_put_back(
    queue: FileQueue[Trial], path: Path, in_between: list[Callable[[], object]]
) -> None:
    broken = path.read_text().replace("Name: c", "Name: c: x")
    taken(queue)
    in_between.append(lambda: save(path, broken))
    queue.sync_file()
    assert path.read_text() == broken
    assert drained(queue) == "bde"
    assert queue.problem().startswith(f"{path}:14:8")
    save(path, broken.replace("c: x", "cc"))
    assert drained(queue) == "c"


def test_half_a_save_that_lands_in_between_is_waited_for(
    queue: FileQueue[Trial], path: Path, in_between: list[Callable[[], object]]
) -> None:
    text = without(path.read_text(), "d")
    taken(queue)
    in_between.append(lambda: save(path, text[:200], age=0.0))
    queue.sync_file()
    assert path.read_text() == text[:200]
    save(path, text)
    assert drained(queue) == "bce"


def test_a_file_that_is_deleted_in_between_comes_back(
    hasty: None, queue: FileQueue[Trial], path: Path, in_between: list[Callable[[], object]]
) -> None:
    taken(queue)
    in_between.append(path.unlink)
    queue.sync_file()
    queue.sync_file()
    assert ids(path.read_text()) == list("bcde")
    assert drained(queue) == "bcde"


def test_what_an_editor_goes_on_writing_to_the_old_file_is_merged(
    hasty: None, queue: FileQueue[Trial], path: Path
) -> None:
    text = path.read_text()
    with path.open("r+") as file:
        taken(queue)
        queue.sync_file()  # another file stands there now
        file.truncate()
        queue.refresh()
        file.write(without(text, "c"))
    for _ in range(3):
        queue.refresh()
    assert ids(path.read_text()) == list("bde")


def test_what_an_editor_leaves_broken_in_the_old_file_is_kept(
    hasty: None, queue: FileQueue[Trial], path: Path
) -> None:
    broken = path.read_text().replace("Name: c", "Name: c: x")
    with path.open("r+") as file:
        taken(queue)
        queue.sync_file()
        file.write(broken)
    for _ in range(3):
        queue.refresh()
    (kept,) = path.parent.glob("queue.yaml.unread-*")
    assert kept.read_text() == broken
    assert f"a save of it came while it was replaced and has a mistake in it; it is kept as {kept}" in said(
        queue
    )
    assert drained(queue) == "bcde"


def test_displaced_files_take_only_so_much_room(
    hasty: None, queue: FileQueue[Trial], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late, "BYTES", 1)
    drained(queue)
    queue.refresh()
    assert len(list((journal_of(path) / "displaced").iterdir())) == late.FEWEST


class Killed(BaseException):
    """A process that is killed goes no further."""


@pytest.fixture
def doomed(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Let the displaced files be those of a process that is dead after a step."""
    with subprocess.Popen(["sleep", "60"]) as process:
        me = process_here(process.pid)
        assert me is not None

        def die_at(name: str) -> None:
            def step(reached: str) -> None:
                if reached == name:
                    process.kill()
                    process.wait()
                    raise Killed

            monkeypatch.setattr(exchange, "this_process", lambda: me)
            monkeypatch.setattr(exchange, "step", step)
            monkeypatch.setattr(desk, "step", step)

        yield die_at
        process.kill()


@pytest.mark.parametrize("form", ["as it is", "rewritten"])
def test_a_save_that_a_dead_runner_displaced_is_merged_by_the_next_one(
    queue: FileQueue[Trial],
    path: Path,
    in_between: list[Callable[[], object]],
    doomed: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    form: str,
) -> None:
    text = without(path.read_text(), "c")
    text = text if form == "as it is" else text.partition("\n---\n")[2].replace("...\n", "")
    taken(queue)
    in_between.append(lambda: save_by_renaming(path, text, age=0.0))
    doomed("exchanged")
    with pytest.raises(Killed):
        queue.sync_file()
    assert ids(path.read_text()) == list("bcde")
    monkeypatch.undo()
    other = open_queue(path)
    other.put(trials("f", 5))
    assert ids(path.read_text()) == list("bdef")
    assert [one.name.count("+") for one in (journal_of(path) / "displaced").iterdir()].count(0) == 0
    other.close()


def test_what_a_dead_runner_had_dealt_with_is_not_merged_again(
    queue: FileQueue[Trial],
    path: Path,
    in_between: list[Callable[[], object]],
    doomed: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = path.read_text()
    edited = text.replace("lr: 0.1\nID: d", "lr: 4\nID: d")
    taken(queue)
    in_between.append(lambda: save(path, edited))
    doomed("displaced-read")
    with pytest.raises(Killed):
        queue.sync_file()
    save(path, path.read_text().replace("lr: 4\nID: d", "lr: 5\nID: d"))
    monkeypatch.undo()
    other = open_queue(path)
    other.refresh()
    assert "lr: 5\nID: d" in path.read_text()
    other.close()


# --- when the file is written ------------------------------------------------------------------------


def test_the_file_is_written_now_and_then(queue: FileQueue[Trial], path: Path) -> None:
    first = path.read_text()
    taken(queue)
    queue.finish("a", Status.DONE)
    assert path.read_text() == first
    time.sleep(desk.EVERY)
    queue.refresh()
    assert ids(path.read_text()) == list("bcde")
    before = path.stat()
    time.sleep(desk.EVERY)
    queue.refresh()
    assert path.stat().st_ino == before.st_ino


def test_the_last_runner_leaves_the_file_as_the_queue_is(queue: FileQueue[Trial], path: Path) -> None:
    taken(queue)
    queue.close()
    assert ids(path.read_text()) == list("bcde")


def test_nothing_is_due_where_nothing_happens(queue: FileQueue[Trial], path: Path) -> None:
    queue.refresh()
    time.sleep(desk.EVERY + 0.1)
    queue.refresh()
    before = journal_of(path).joinpath("journal.jsonl").stat().st_size
    for _ in range(5):
        queue.refresh()
    assert journal_of(path).joinpath("journal.jsonl").stat().st_size == before


def test_what_is_unchanged_is_not_read_again(
    queue: FileQueue[Trial], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_text(text: str, *rest: object) -> object:
        assert "ID: d" in text, text
        return real_read_text(text, *rest)  # type: ignore[arg-type]

    real_read_text = yamlio.read_text
    monkeypatch.setattr(yamlio, "read_text", read_text)
    save(path, path.read_text().replace("lr: 0.1\nID: d", "lr: 4\nID: d"))
    queue.refresh()
    assert "lr: 4\nID: d" in path.read_text()


def test_a_scribe_is_asked_only_for_what_people_wrote(path: Path) -> None:
    scribe = SmallScribe()
    queue = open_queue(path, scribe)
    queue.put(trials("abc"))
    save(path, path.read_text().replace("ID: b", "lr: 2\nID: b"))
    assert drained(queue) == "abc"
    assert [draft.identity for draft in scribe.adopted] == ["b"]
    queue.close()


# --- long files, and what is left when all is over ---------------------------------------------------


def test_what_a_person_saved_in_a_long_file_holds_before_that_is_written_anew(
    queue: FileQueue[Trial], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "LONG", 0)
    saved = without(path.read_text(), "a").replace("...\n", "---\nName: f\n...\n")
    save(path, saved)
    queue.refresh()
    assert taken(queue) == "b"
    assert path.read_text() == saved
    assert queue.next_look() == 0.0
    queue.refresh()
    assert ids(path.read_text())[:-1] == ["c", "d", "e"]
    assert queue.next_look() > 0.0
    assert drained(queue).startswith("cdenew")


def test_a_save_that_comes_before_a_long_file_is_written_anew_is_not_lost(
    queue: FileQueue[Trial], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "LONG", 0)
    other = open_queue(path)
    text = path.read_text().replace("...\n", "---\nName: f\n...\n")
    save(path, text)
    queue.refresh()
    other.refresh()
    save_by_renaming(path, without(text, "b"))
    queue.refresh()
    other.refresh()
    queue.refresh()
    other.refresh()
    assert ids(path.read_text())[:-1] == ["a", "c", "d", "e"]
    new = ids(path.read_text())[-1]
    assert (drained(queue), drained(other)) == (f"acde{new}", "")
    other.close()


def test_heartbeats_of_the_dead_are_deleted_by_whoever_leaves_last(
    queue: FileQueue[Trial], path: Path
) -> None:
    beats = journal_of(path) / "beats"
    gone = replace(this_process(), pid=2**22 + 1)  # above the highest number that Linux gives
    dead = open_queue(path)
    dead.write({"t": "runner", "r": "7-dead", "process": gone.to_data(), "at": 1.0})
    (beats / "7-dead").touch()
    (beats / "not-known").touch()
    dead.close()
    assert not (beats / "7-dead").exists()
    queue.close()
    assert [path.name for path in beats.iterdir()] == ["not-known"]


def test_what_a_dead_runner_displaced_long_ago_goes_with_the_next_command(
    queue: FileQueue[Trial], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(path, without(path.read_text(), "b"))
    queue.refresh()
    shelf = journal_of(path) / "displaced"
    (left,) = shelf.iterdir()
    place, _, rest = left.name.removeprefix("displaced-").split("-", 2)
    left = left.rename(shelf / f"displaced-{place}-{2**22 + 1}-{rest}")
    open_queue(path, runs=False).close()
    assert len(list(shelf.iterdir())) == 1  # an editor may still write to it
    monkeypatch.setattr(late, "KEEP", 0.0)
    open_queue(path, runs=False).close()
    assert not list(shelf.iterdir())
