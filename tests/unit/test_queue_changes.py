"""What commands do to a queue."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from coolrunner.errors import QueueError
from coolrunner.proof import process_here
from coolrunner.queue import changes, claims
from coolrunner.queue.base import Status
from coolrunner.queue.changes import Changed, set_key
from coolrunner.queue.file import FileQueue
from coolrunner.yamlio import read_text
from tests.queue_studies import Trial, documents, ids, open_queue, save, trials


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A queue file."""
    return tmp_path / "queue.yaml"


@pytest.fixture
def runner(path: Path) -> Iterator[FileQueue[Trial]]:
    """A runner that has put four experiments; two have one name."""
    queue = open_queue(path)
    queue.put(
        [*trials(["k1", "k2"], lr=0.1), Trial("m3", {"Name": "twin"}, 2), Trial("m4", {"Name": "twin"}, 3)]
    )
    yield queue
    queue.close()


@pytest.fixture
def queue(runner: FileQueue[Trial], path: Path) -> Iterator[FileQueue[Trial]]:
    """The same queue, opened by a command."""
    queue = open_queue(path, create=False, runs=False)
    yield queue
    queue.close()


def taken(runner: FileQueue[Trial]) -> str:
    """Take the next one."""
    item = runner.take()
    assert item is not None
    return item.id


# --- which ones --------------------------------------------------------------------------------------


def test_an_experiment_is_called_by_its_id_its_beginning_or_its_name(queue: FileQueue[Trial]) -> None:
    for word, found in {"k1": ["k1"], "m4": ["m4"], "twin": ["m3", "m4"]}.items():
        assert [entry.id for entry in changes.find(queue.ledger, word)] == found
    queue.put([Trial("other", {"Name": "x"}, 4), Trial("otto", {"Name": "k1"}, 5)])
    assert [entry.id for entry in changes.find(queue.ledger, "oth")] == ["other"]
    assert [entry.id for entry in changes.find(queue.ledger, "k1")] == ["k1"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("m", r"'m' is not clear: 2 IDs begin so \(m3, m4\)"),
        ("twinn", r"no experiment is called 'twinn'; did you mean twin\?"),
        ("zzz", r"no experiment is called 'zzz'$"),
        ("", "no experiment is called ''"),
    ],
)
def test_a_word_that_means_none_or_several_says_so(queue: FileQueue[Trial], word: str, message: str) -> None:
    for change in (changes.hold, changes.remove, changes.again, changes.cancel, changes.free, changes.place):
        with pytest.raises(QueueError, match=message):
            change(queue, [word])  # type: ignore[operator]


def test_of_a_name_those_are_meant_for_which_it_makes_sense(
    queue: FileQueue[Trial], runner: FileQueue[Trial]
) -> None:
    while taken(runner) != "m3":
        pass
    assert changes.hold(queue, ["twin"]).ids == ("m4",)
    assert changes.cancel(queue, ["twin"]).ids == ("m3",)
    with pytest.raises(QueueError, match=r"twin \(m3\) cannot be held: running; only what waits can be"):
        changes.hold(queue, ["m3"])
    with pytest.raises(QueueError, match=r"twin \(2 experiments\) cannot be tried again: running, held"):
        changes.again(queue, ["twin"])


def test_where_one_of_several_cannot_be_changed_nothing_is(
    queue: FileQueue[Trial], runner: FileQueue[Trial]
) -> None:
    taken(runner)
    with pytest.raises(QueueError):
        changes.remove(queue, ["k2", "k1"])
    assert ids(queue.path.read_text()) == ["k2", "m3", "m4"]


# --- what is done ------------------------------------------------------------------------------------


def test_one_that_is_held_stays_until_it_is_released(
    queue: FileQueue[Trial], runner: FileQueue[Trial]
) -> None:
    assert changes.hold(queue, ["k1", "twin"]) == Changed(("k1", "m3", "m4"))
    assert documents(queue.path.read_text())[0] == "Name: k1\nHold: true\nlr: 0.1\nID: k1"
    assert changes.hold(queue, ["k1"]) == Changed((), ("k1",))
    assert (taken(runner), runner.take()) == ("k2", None)
    assert changes.hold(queue, ["m4", "k1"], on=False) == Changed(("m4", "k1"))
    assert documents(queue.path.read_text())[0] == "Name: k1\nlr: 0.1\nID: k1"
    assert (taken(runner), taken(runner), runner.take()) == ("k1", "m4", None)


def test_a_priority_holds_from_the_next_take_on(queue: FileQueue[Trial], runner: FileQueue[Trial]) -> None:
    assert changes.prioritise(queue, ["m4"], 2.5) == Changed(("m4",))
    assert documents(queue.path.read_text())[3] == "Name: twin\nPriority: 2.5\nID: m4"
    assert taken(runner) == "m4"
    changes.prioritise(queue, ["m3"], 1)
    assert changes.prioritise(queue, ["m3", "k1"], 0) == Changed(("m3",), ("k1",))
    assert taken(runner) == "k1"


def test_what_is_needed_and_asked_for_stays_as_it_is(queue: FileQueue[Trial]) -> None:
    queue.put([Trial("n5", {"Name": "n", "Needs": ["k1", "k2"], "Resources": "gpus=1"}, 4)])
    changes.hold(queue, ["n"])
    facts = queue.ledger.entries["n5"].facts
    assert (facts.hold, facts.needs, facts.lane, facts.index) == (True, ("k1", "k2"), "gpus=1", 4)


def test_what_is_removed_is_gone_and_may_come_back(queue: FileQueue[Trial], runner: FileQueue[Trial]) -> None:
    assert changes.remove(queue, ["k1", "twin"]).ids == ("k1", "m3", "m4")
    assert (taken(runner), runner.take()) == ("k2", None)
    with pytest.raises(
        QueueError, match=r"k2 \(k2\) cannot be removed: running; one that runs can be cancelled"
    ):
        changes.remove(queue, ["k2"])
    with pytest.raises(QueueError, match=r"twin \(2 experiments\) cannot be tried again: removed"):
        changes.again(queue, ["twin"])
    assert changes.again(queue, ["m3"]).ids == ("m3",)
    assert taken(runner) == "m3"


def test_what_failed_is_tried_again_in_its_old_place(
    queue: FileQueue[Trial], runner: FileQueue[Trial]
) -> None:
    for status in (Status.FAILED, Status.INTERRUPTED, Status.DONE):
        runner.finish(taken(runner), status)
    assert changes.again(queue, ["k2", "k1"]).ids == ("k2", "k1")
    assert ids(queue.path.read_text()) == ["k1", "k2", "m4"]
    with pytest.raises(QueueError, match=r"cannot be tried again: done; add a copy without its ID"):
        changes.again(queue, ["m3"])
    with pytest.raises(QueueError, match=r"cannot be tried again: waiting"):
        changes.again(queue, ["m4"])


@pytest.mark.parametrize(
    ("words", "where", "order"),
    [
        (["m4"], {"top": True}, ["m4", "k1", "k2", "m3"]),
        (["k1"], {}, ["k2", "m3", "m4", "k1"]),
        (["m4", "k1"], {"top": True}, ["m4", "k1", "k2", "m3"]),
        (["m3", "k1"], {}, ["k2", "m4", "m3", "k1"]),
        (["k1"], {"before": "twin"}, ["k2", "k1", "m3", "m4"]),
        (["k1"], {"after": "twin"}, ["k2", "m3", "m4", "k1"]),
        (["m3"], {"before": "twin"}, ["k1", "k2", "m3", "m4"]),
        (["twin"], {"before": "k2"}, ["k1", "m3", "m4", "k2"]),
        (["m4", "m3", "k2", "k1"], {}, ["m4", "m3", "k2", "k1"]),
    ],
)
def test_what_is_moved_stands_where_it_was_put(
    queue: FileQueue[Trial], words: list[str], where: dict[str, str], order: list[str]
) -> None:
    assert changes.place(queue, words, **where).ids == tuple(  # type: ignore[arg-type]
        identity for word in words for identity in (["m3", "m4"] if word == "twin" else [word])
    )
    assert ids(queue.path.read_text()) == order


def test_nothing_is_moved_to_where_it_stands_itself_or_to_what_does_not_wait(
    queue: FileQueue[Trial], runner: FileQueue[Trial]
) -> None:
    taken(runner)
    with pytest.raises(QueueError, match="cannot be moved to where it stands itself"):
        changes.place(queue, ["k2", "m3"], before="k2")
    with pytest.raises(QueueError, match=r"k1 \(k1\) cannot be a place to move to: running"):
        changes.place(queue, ["k2"], after="k1")


def test_one_that_runs_is_asked_to_stop_once(queue: FileQueue[Trial], runner: FileQueue[Trial]) -> None:
    taken(runner)
    assert changes.cancel(queue, ["k1"]) == Changed(("k1",))
    assert changes.cancel(queue, ["k1"]) == Changed((), ("k1",))
    runner.refresh()
    assert runner.ledger.cancelled == {"k1"}
    with pytest.raises(QueueError, match=r"k2 \(k2\) cannot be cancelled: waiting; it does not run"):
        changes.cancel(queue, ["k2"])


def test_a_study_pauses_and_goes_on(queue: FileQueue[Trial], runner: FileQueue[Trial]) -> None:
    changes.pause(queue, "for lunch")
    assert (runner.take(), runner.ledger.paused) == (None, "for lunch")
    changes.pause(queue, "")
    assert taken(runner) == "k1"


def test_only_by_force_is_one_taken_from_a_runner_that_lives(
    queue: FileQueue[Trial], runner: FileQueue[Trial]
) -> None:
    taken(runner)
    with pytest.raises(
        QueueError, match=r"k1 \(k1\) cannot be freed: its runner \(process \d+ on .+\) lives; cancel"
    ):
        changes.free(queue, ["k1"])
    assert changes.free(queue, ["k1"], force=True).ids == ("k1",)
    assert ids(queue.path.read_text()) == ["k1", "k2", "m3", "m4"]
    assert runner.finish("k1", Status.DONE)  # a late result is accepted
    runner.sync_file()
    assert ids(queue.path.read_text()) == ["k2", "m3", "m4"]


def test_what_a_dead_runner_had_taken_is_freed(
    queue: FileQueue[Trial], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        monkeypatch.setattr(claims, "this_process", lambda: process_here(other.pid))
        dead = open_queue(path)
        taken(dead)
        other.kill()
    assert changes.free(queue, ["k1"]).ids == ("k1",)


def test_what_a_person_has_saved_counts_before_a_command(queue: FileQueue[Trial], path: Path) -> None:
    save(path, path.read_text().replace("Name: k1\n", "Name: first\n"))
    assert changes.hold(queue, ["first"]).ids == ("k1",)
    assert documents(path.read_text())[0] == "Name: first\nHold: true\nlr: 0.1\nID: k1"


def test_a_stale_save_does_not_undo_a_command(queue: FileQueue[Trial], path: Path) -> None:
    old = path.read_text()
    changes.hold(queue, ["k1"])
    changes.remove(queue, ["m3"])
    changes.place(queue, ["m4"], top=True)
    save(path, old.replace("Name: k2\n", "Name: second\n"))
    queue.sync_file()
    assert ids(path.read_text()) == ["m4", "k1", "k2"]
    assert "Hold: true" in documents(path.read_text())[1]
    assert documents(path.read_text())[2].startswith("Name: second\n")


def test_a_command_works_while_the_file_has_a_mistake_and_leaves_it_alone(
    queue: FileQueue[Trial], path: Path
) -> None:
    broken = path.read_text().replace("lr: 0.1\nID: k2", "lr: [\nID: k2")
    save(path, broken)
    changes.hold(queue, ["k1"])
    assert path.read_text() == broken
    save(path, broken.replace("lr: [", "lr: 0.2"))
    queue.sync_file()
    assert documents(path.read_text())[:2] == [
        "Name: k1\nHold: true\nlr: 0.1\nID: k1",
        "Name: k2\nlr: 0.2\nID: k2",
    ]


# --- the text of a document --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key", "value", "expected"),
    [
        ("Name: a\nlr: 1\nID: k", "Hold", True, "Name: a\nHold: true\nlr: 1\nID: k"),
        ("# x\n\nlr: 1  # y\nID: k", "Hold", True, "# x\n\nHold: true\nlr: 1  # y\nID: k"),
        ("Name: a\n  b\nID: k", "Hold", True, "Hold: true\nName: a\n  b\nID: k"),
        ("Name: a", "Hold", True, "Hold: true\nName: a"),
        ("Hold: true\nName: a", "Hold", None, "Name: a"),
        ("Name: a\nHold: true", "Hold", None, "Name: a"),
        ("Name: a\nHold: true # x\nID: k", "Hold", None, "Name: a\nID: k"),
        ("Name: a\nID: k", "Hold", None, "Name: a\nID: k"),
        ("Name: a\nPriority: 1  # low\nID: k", "Priority", 5, "Name: a\nPriority: 5  # low\nID: k"),
        ("Name: a\nPriority:\t1\nID: k", "Priority", 0.5, "Name: a\nPriority: 0.5\nID: k"),
        ("Name: a\nPriority: 1", "Priority", 5, "Name: a\nPriority: 5"),
        ("deep:\n  Hold: true\nID: k", "Hold", True, "Hold: true\ndeep:\n  Hold: true\nID: k"),
        ("text: |\n  Hold: true\nHold: true", "Hold", None, "text: |\n  Hold: true"),
        ("# x\n{Name: a, ID: k}", "Hold", True, "# x\nName: a\nID: k\nHold: true"),
        ("{Name: a, Hold: true}", "Hold", None, "Name: a"),
        ("Name: a\nPriority:\n  1\nID: k", "Priority", 2, "Name: a\nID: k\nPriority: 2"),
        ('Name: a\n"Priority": 1\nID: k', "Priority", 2, "Name: a\nID: k\nPriority: 2"),
        ('Name: "a\nHold: true"\nID: k', "Hold", True, "Name: 'a Hold: true'\nID: k\nHold: true"),
    ],
)
def test_a_key_is_set_and_all_else_stays(text: str, key: str, value: object, expected: str) -> None:
    edited = set_key(text, key, value)
    assert read_text(edited) == read_text(expected)
    if "{" not in text and '"' not in text and ":\n  1" not in text:
        assert edited == expected
