"""A queue in a file that several runners share, some of which die."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coolrunner.errors import QueueError
from coolrunner.proof import Life, process_here, this_process
from coolrunner.queue import claims, desk, journal
from coolrunner.queue.base import Ended, Status
from coolrunner.queue.claims import claim_life, live_runners, stale_for
from coolrunner.queue.file import FileQueue, journal_of, read_ledger
from tests.checkouts import ROOT
from tests.queue_studies import (
    SmallScribe,
    Trial,
    documents,
    head,
    ids,
    open_queue,
    save,
    trials,
    with_documents,
)
from tests.studies import until

OpenQueue = Callable[..., FileQueue[Trial]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A queue file."""
    return tmp_path / "queue.yaml"


@pytest.fixture
def opened(path: Path) -> Iterator[OpenQueue]:
    """Opens the queue as one more runner."""
    queues: list[FileQueue[Trial]] = []

    def open_it(scribe: SmallScribe | None = None, **options: bool) -> FileQueue[Trial]:
        queues.append(open_queue(path, scribe, **options))
        return queues[-1]

    yield open_it
    for queue in queues:
        queue.close()


@pytest.fixture
def processes() -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts processes that stand for runners and workers."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["sleep", "600"]))
        return started[-1]

    yield start
    for process in started:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process."""
    process.kill()
    process.wait()


@pytest.fixture
def as_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[subprocess.Popen[bytes]], None]:
    """Lets the runners that are opened from now on be a process."""

    def be(process: subprocess.Popen[bytes]) -> None:
        monkeypatch.setattr(claims, "this_process", lambda: process_here(process.pid) or this_process())

    return be


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look after others at every opportunity."""
    monkeypatch.setattr(claims, "EVERY", 0.0)
    monkeypatch.setattr(claims, "_PASSING", 0.0)


def taken(queue: FileQueue[Trial]) -> str:
    """Take the next one; empty for none."""
    item = queue.take()
    return item.id if item else ""


def said(queue: FileQueue[Trial]) -> str:
    """Return what a person is told."""
    return "\n".join(f"{level}: {message}" for message, level in queue.messages())


# --- several runners ---------------------------------------------------------------------------------


def test_what_one_puts_another_takes_as_it_was_put(opened: OpenQueue) -> None:
    one, other = opened(), opened()
    (trial,) = trials("a", sizes=[1, {"x": 0.5}], note="a: b # c")
    one.put([trial])
    assert other.take() == trial
    assert (one.take(), one.status("a"), len(one)) == (None, Status.RUNNING, 0)
    other.finish("a", Status.FAILED, Ended("ValueError: no", "exception", 1.5))
    one.refresh()
    entry = one.ledger.entries["a"]
    assert (entry.status, entry.error, entry.kind, entry.elapsed) == (
        Status.FAILED, "ValueError: no", "exception", 1.5
    )  # fmt: skip


def test_processes_that_take_at_the_same_time_take_each_experiment_once(path: Path) -> None:
    """CR-03."""
    script = (
        "import pathlib, sys\n"
        "from coolrunner.queue.base import Status\n"
        "from tests.queue_studies import open_queue\n"
        "queue = open_queue(pathlib.Path(sys.argv[1]))\n"
        "print('ready', flush=True)\n"
        "input()\n"
        "while (item := queue.take()) is not None:\n"
        "    print(item.id, flush=True)\n"
        "    assert queue.finish(item.id, Status.DONE)\n"
        "queue.close()\n"
    )
    queue = open_queue(path)
    names = [f"k{number}" for number in range(150)]
    queue.put(trials(names))
    queue.close()
    runners = [
        subprocess.Popen(
            [sys.executable, "-c", script, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for _ in range(3)
    ]
    for runner in runners:
        assert runner.stdout is not None
        assert runner.stdout.readline() == "ready\n"
    for runner in runners:
        assert runner.stdin is not None
        runner.stdin.write("\n")
        runner.stdin.flush()
    found: Counter[str] = Counter()
    for runner in runners:
        found.update(runner.communicate(timeout=60)[0].split())
        assert runner.returncode == 0
    assert found == Counter(names)
    assert read_ledger(path).counts[Status.DONE] == 150
    assert "# nothing waits" in path.read_text()


def test_two_runners_that_read_the_same_save_of_a_long_file_take_it_up_once(
    opened: OpenQueue, path: Path
) -> None:
    """Such a file is written anew only a moment later, so the second one still finds what was saved."""
    one, other = opened(), opened()
    names = [f"k{number}" for number in range(20)]
    one.put(trials(names, note="x" * (desk.LONG // 15)))
    old = path.read_text()
    assert taken(one) == "k0"
    edited = dict(zip(names, documents(old), strict=True))
    edited["k0"] = edited["k0"].replace("Name: k0", "Name: again")  # runs already
    edited["k1"] = edited["k1"].replace("Name: k1", "Name: changed")
    edited["k2"] = edited["k2"].replace("Name: k2", "# a note\nName: k2")
    del edited["k3"]
    more = ["Name: new1", "Name: new1", "Name: new2\nID: mine\ntwice: 4", "# between", edited.pop("k9")]
    text = with_documents(f"{head(old)}# above\n", [*edited.values(), *more])
    save(path, text)
    one.refresh()
    records = (journal_of(path) / "journal.jsonl").read_bytes()
    other.refresh()
    assert (journal_of(path) / "journal.jsonl").read_bytes() == records
    assert path.read_text() == text
    changed, refused = said(one).splitlines()
    assert changed == f"info: {path}: 2 changed, 1 removed, 3 added"
    assert "k0 (k0) is running already" in refused
    assert said(other) == ""
    other.refresh()
    one.refresh()
    shown = path.read_text()
    assert shown.count("# Not run, for k0 was started before.") == shown.count("# above\n") == 1
    waiting = [entry.facts.name for entry in one.ledger.waiting()]
    assert waiting == ["changed", "k2", *names[4:9], *names[10:], "new1", "new1", "new2", "k9"]
    assert (said(one), said(other)) == ("", "")
    save(path, text)
    other.refresh()
    assert "is running already" in said(other)  # this is another save


def test_a_command_neither_runs_nor_keeps_a_runner_from_being_found(opened: OpenQueue) -> None:
    runner = opened()
    opened(runs=False)
    runner.refresh()
    assert [each.id for each in live_runners(runner.ledger)] == list(runner.ledger.runners)
    assert len(runner.ledger.runners) == 1
    runner.close()
    assert live_runners(opened(runs=False).ledger) == []


def test_a_runner_shows_that_it_lives_until_it_leaves(opened: OpenQueue, path: Path) -> None:
    runner = opened()
    (beat,) = (journal_of(path) / "beats").iterdir()
    assert time.time() - beat.stat().st_mtime < 5
    runner.close()
    assert not beat.exists()
    assert all(each.gone for each in read_ledger(path).runners.values())


# --- those who die -----------------------------------------------------------------------------------


def test_what_a_dead_runner_had_taken_waits_again(
    opened: OpenQueue, processes: Callable[[], subprocess.Popen[bytes]], as_process: Callable[[Any], None]
) -> None:
    other, process = opened(), processes()
    as_process(process)
    dead = opened()
    dead.put(trials("abc"))
    assert (taken(dead), taken(dead)) == ("a", "b")
    other.refresh()
    assert (len(other), said(other)) == (1, "")
    end(process)
    other.refresh()
    assert said(other).splitlines() == [
        f"warning: {one} ({one}) was lost with its runner and waits again" for one in "ab"
    ]
    assert [taken(other) for _ in range(4)] == ["a", "b", "c", ""]
    assert other.ledger.entries["a"].losses == 1


def test_what_was_logged_when_its_runner_died_is_done(
    opened: OpenQueue, processes: Callable[[], subprocess.Popen[bytes]], as_process: Callable[[Any], None]
) -> None:
    scribe, process = SmallScribe(), processes()
    as_process(process)
    dead = opened()
    dead.put(trials("ab"))
    taken(dead)
    scribe.logged.add("a")
    end(process)
    other = opened(scribe)
    assert (other.status("a"), said(other)) == (
        Status.DONE, "info: a (a) had finished when its runner died"
    )  # fmt: skip
    assert (taken(other), taken(other)) == ("b", "")


def test_a_worker_that_outlives_its_runner_keeps_its_experiment(
    opened: OpenQueue, processes: Callable[[], subprocess.Popen[bytes]], as_process: Callable[[Any], None]
) -> None:
    runner, worker = processes(), processes()
    as_process(runner)
    dead = opened()
    dead.put(trials("a"))
    dead.began(taken(dead), worker.pid)
    end(runner)
    other = opened()
    other.refresh()
    assert other.status("a") is Status.RUNNING
    end(worker)
    other.refresh()
    assert other.status("a") is Status.WAITING


def test_a_worker_that_was_not_noted_yet_is_given_a_moment_to_end(
    opened: OpenQueue,
    processes: Callable[[], subprocess.Popen[bytes]],
    as_process: Callable[[Any], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = processes()
    as_process(process)
    dead = opened()
    dead.put(trials("a"))
    taken(dead)
    end(process)
    monkeypatch.setattr(claims, "_PASSING", 0.5)
    other = opened()
    other.refresh()
    assert (other.status("a"), other.awaits_others()) == (Status.RUNNING, True)
    until(lambda: other.refresh() or other.status("a") is Status.WAITING, "its end")


def test_what_a_runner_has_not_finished_when_it_leaves_waits_again(opened: OpenQueue) -> None:
    leaving, other = opened(), opened()
    leaving.put(trials("a"))
    taken(leaving)
    leaving.close()
    other.refresh()
    assert taken(other) == "a"


@pytest.mark.parametrize("change", [{"host": "elsewhere"}, {"namespace": "pid:[1]"}, {"pid": "later"}])
def test_of_a_runner_that_cannot_be_seen_nothing_is_taken(
    opened: OpenQueue, change: dict[str, object], path: Path
) -> None:
    runner = opened()
    runner.put(trials("a"))
    process = {**this_process().to_data(), **change}
    with runner.session():
        runner.write({"t": "runner", "r": "far", "process": process, "at": time.time() - 100})
        runner.write({"t": "claim", "id": "a", "r": "far"})
    runner.refresh()
    entry = runner.ledger.entries["a"]
    assert claim_life(runner.ledger, entry, journal_of(path)) is Life.UNKNOWN
    assert runner.status("a") is Status.RUNNING
    silent = stale_for(runner.ledger, entry, journal_of(path))
    assert silent is not None
    assert silent >= 100
    beat = journal_of(path) / "beats" / "far"
    beat.touch()
    assert stale_for(runner.ledger, entry, journal_of(path)) is None


def test_a_result_of_one_that_was_taken_for_dead_counts_once(
    opened: OpenQueue, processes: Callable[[], subprocess.Popen[bytes]], as_process: Callable[[Any], None]
) -> None:
    process, written = processes(), []
    as_process(process)
    late = opened()
    late.put(trials("ab"))
    assert (taken(late), taken(late)) == ("a", "b")
    end(process)
    other = opened()
    assert (taken(other), taken(other)) == ("a", "b")
    assert late.finish("a", Status.DONE, commit=lambda: written.append("late"))
    assert not other.finish("a", Status.DONE, commit=lambda: written.append("other"))
    assert other.finish("b", Status.DONE, commit=lambda: written.append("other b"))
    assert not late.finish("b", Status.DONE, commit=lambda: written.append("late b"))
    assert not late.finish("b", Status.FAILED)
    assert written == ["late", "other b"]


# --- what the disk does ------------------------------------------------------------------------------


def test_where_the_journal_cannot_be_written_nothing_is_taken(
    opened: OpenQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    queue = opened()
    queue.put(trials("ab"))
    with monkeypatch.context() as patch:
        patch.setattr(journal.os, "pwrite", full)
        with pytest.raises(QueueError, match="cannot be written: No space left on device"):
            queue.take()
        with pytest.raises(QueueError, match="cannot be written"):
            queue.put(trials("c", 2))
    assert (queue.status("a"), len(queue)) == (Status.WAITING, 2)
    assert [taken(queue) for _ in range(3)] == ["a", "b", ""]


def test_a_result_is_written_down_though_the_journal_is_gone(opened: OpenQueue, path: Path) -> None:
    queue, written = opened(), []
    queue.put(trials("ab"))
    taken(queue)
    journal_of(path).rename(path.with_name("moved"))
    with pytest.raises(QueueError, match="is gone; without it nothing more is started"):
        queue.finish("a", Status.DONE, commit=lambda: written.append("a"))
    assert written == ["a"]
    with pytest.raises(QueueError, match="is gone"):
        queue.take()
    path.with_name("moved").rename(journal_of(path))
    assert queue.finish("a", Status.DONE)
    assert taken(queue) == "b"


def test_a_queue_that_was_begun_anew_is_left(opened: OpenQueue, path: Path) -> None:
    queue = opened()
    queue.put(trials("ab"))
    journal_of(path).rename(path.with_name("old"))
    new = opened()
    new.put(trials("xyz"))
    with pytest.raises(QueueError, match="begun anew by another runner"):
        queue.take()
    queue.close()
    new.sync_file()
    assert ids(path.read_text()) == ["a", "b", "x", "y", "z"]  # what stood in the file is not lost


def test_a_record_that_makes_no_sense_is_told_and_passed_by(opened: OpenQueue, path: Path) -> None:
    queue = opened()
    queue.put(trials("ab"))
    lines = (
        b'{"t":"claim","id":"zzz"}\n{"t":"end","id":"a","status":"done"}\n{"t":"end","id":"b","status":"x"}\n'
        b'{"t":"put","rows":[[1]]}\n{"t":"publish"}\n{"t":"save","edit":7}\nnot json\n[]\n{"t":"dance"}\n'
    )
    with (journal_of(path) / "journal.jsonl").open("ab") as file:
        file.write(lines)
    queue.refresh()
    told = said(queue)
    assert told.count("makes no sense") == 5
    assert "holds 2 lines that cannot be read; the rest is used" in told
    assert (queue.status("a"), taken(queue)) == (Status.DONE, "b")
    assert read_ledger(path).counts[Status.RUNNING] == 1


def test_a_queue_that_cannot_be_kept_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(QueueError, match=r"the queue .*queue.yaml cannot be kept: .*: Not a directory"):
        open_queue(tmp_path / "file" / "queue.yaml")
    with pytest.raises(QueueError, match="cannot be opened: No such file"):
        open_queue(tmp_path / "queue.yaml", create=False)
    with pytest.raises(QueueError, match="cannot be opened: No such file"):
        read_ledger(tmp_path / "queue.yaml")
    open_queue(tmp_path / "deep" / "down" / "queue.yaml").close()


def test_a_queue_may_be_closed_twice_and_looked_at_meanwhile(opened: OpenQueue, path: Path) -> None:
    queue = opened()
    queue.put(trials("ab"))
    with queue.session(), queue.session():
        assert read_ledger(path).counts[Status.WAITING] == 2
    queue.close()
    queue.close()
    assert open_queue(path).take() == trials("a")[0]
