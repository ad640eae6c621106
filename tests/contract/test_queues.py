"""What every queue promises; each implementation passes all of it."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from coolrunner.errors import IllegalMove
from coolrunner.queue.base import Ended, Status, move
from coolrunner.queue.file import FileQueue
from coolrunner.queue.memory import MemoryQueue
from tests.queue_studies import SmallScribe, Trial, open_queue

AnyQueue: TypeAlias = "MemoryQueue[Trial] | FileQueue[Trial]"
ENDS = (Status.DONE, Status.FAILED, Status.INTERRUPTED)


def in_memory(directory: Path) -> AnyQueue:
    """Return a queue that nobody else sees."""
    return MemoryQueue(facts_of=SmallScribe().facts_of)


def in_a_file(directory: Path) -> AnyQueue:
    """Return a queue that anyone may edit, and nobody does."""
    return open_queue(directory / "queue.yaml")


IMPLEMENTATIONS: dict[str, Callable[[Path], AnyQueue]] = {"memory": in_memory, "file": in_a_file}
numbers = itertools.count()


def items(names: Iterable[str], **values: Any) -> list[Trial]:
    """Return one that waits for each letter."""
    return [Trial(name, {"Name": name, **values}, next(numbers)) for name in names]


@pytest.fixture(params=IMPLEMENTATIONS)
def queue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyQueue]:
    """An empty queue of each kind."""
    queue = IMPLEMENTATIONS[request.param](tmp_path)
    yield queue
    queue.close()


def names(queue: AnyQueue) -> str:
    """Return those that wait, in order."""
    return "".join(item.id for item in queue.waiting())


def taken(queue: AnyQueue) -> str:
    """Take the first and return its name."""
    item = queue.take()
    assert item is not None
    return item.id


def test_experiments_are_taken_in_the_order_in_which_they_were_put(queue: AnyQueue) -> None:
    """CR-03."""
    queue.put(items("abc"))
    queue.put(items("de"))
    assert names(queue) == "abcde"
    assert [taken(queue) for _ in range(5)] == list("abcde")
    assert queue.take() is None


def test_what_was_put_is_what_is_taken(queue: AnyQueue) -> None:
    """CR-03."""
    (item,) = items("a", lr=0.1, sizes=[1, 2])
    queue.put([item])
    assert queue.waiting() == [item]
    assert queue.take() == item


def test_an_empty_queue_gives_nothing_and_can_be_filled_again(queue: AnyQueue) -> None:
    """CR-03."""
    assert (len(queue), queue.take(), queue.waiting()) == (0, None, [])
    queue.put(items("a"))
    assert taken(queue) == "a"
    assert (len(queue), queue.take()) == (0, None)
    queue.put(items("b"))
    assert (len(queue), taken(queue)) == (1, "b")


def test_its_length_is_the_number_of_those_that_wait(queue: AnyQueue) -> None:
    """CR-03."""
    queue.put(items("abc"))
    queue.take()
    assert len(queue) == len(queue.waiting()) == 2


def test_any_iterable_may_be_put(queue: AnyQueue) -> None:
    """CR-03."""
    queue.put(item for item in items("ab"))
    queue.put([])
    assert names(queue) == "ab"


def test_a_known_experiment_cannot_be_put_again_and_nothing_is_put_with_it(queue: AnyQueue) -> None:
    """CR-03: whatever became of it."""
    queue.put(items("ab"))
    queue.take()
    queue.finish("a", Status.DONE)
    for wrong in ("cad", "cbd", "cdc"):
        with pytest.raises(
            ValueError, match=f"{wrong[1] if wrong != 'cdc' else 'c'} is in the queue already"
        ):
            queue.put(items(wrong))
    assert names(queue) == "b"
    with pytest.raises(KeyError):
        queue.status("c")


def test_the_status_of_every_experiment_is_known(queue: AnyQueue) -> None:
    """CR-03."""
    queue.put(items("abcde"))
    for _ in range(4):
        queue.take()
    for name, status in zip("abc", ENDS, strict=True):
        queue.finish(name, status)
    assert [queue.status(name) for name in "abcde"] == [*ENDS, Status.RUNNING, Status.WAITING]
    with pytest.raises(KeyError):
        queue.status("z")


@pytest.mark.parametrize("end", ENDS)
def test_what_has_ended_is_not_taken_again(queue: AnyQueue, end: Status) -> None:
    """CR-03, CR-04: one that was interrupted does not start again by itself."""
    queue.put(items("ab"))
    queue.finish(taken(queue), end)
    assert (taken(queue), queue.take()) == ("b", None)


def test_one_that_was_lost_waits_again_in_its_old_place(queue: AnyQueue) -> None:
    """CR-03."""
    queue.put(items("abcd"))
    for _ in range(3):
        queue.take()
    queue.finish("c", Status.LOST)
    queue.finish("a", Status.LOST)
    assert names(queue) == "acd"
    assert queue.status("a") is Status.WAITING
    assert [taken(queue) for _ in range(3)] == list("acd")


@pytest.mark.parametrize("status", [Status.WAITING, Status.RUNNING])
def test_a_running_experiment_ends_in_no_status_that_is_no_end(queue: AnyQueue, status: Status) -> None:
    """CR-03."""
    queue.put(items("a"))
    queue.take()
    with pytest.raises(IllegalMove):
        queue.finish("a", status)
    assert queue.status("a") is Status.RUNNING
    queue.finish("a", Status.DONE)


@pytest.mark.parametrize("status", ENDS)
def test_one_that_waits_cannot_end(queue: AnyQueue, status: Status) -> None:
    """CR-03."""
    queue.put(items("a"))
    with pytest.raises(IllegalMove, match="a is waiting, so it cannot end"):
        queue.finish("a", status)
    assert queue.status("a") is Status.WAITING
    with pytest.raises(KeyError):
        queue.finish("z", status)


@pytest.mark.parametrize("first", ENDS)
@pytest.mark.parametrize("second", [Status.FAILED, Status.INTERRUPTED, Status.LOST])
def test_one_that_has_ended_does_not_end_otherwise(queue: AnyQueue, first: Status, second: Status) -> None:
    """CR-03: whatever is said of it later; only a result counts, below."""
    queue.put(items("ab"))
    queue.take()
    assert queue.finish("a", first)
    assert not queue.finish("a", second, commit=lambda: pytest.fail("it was written down"))
    assert queue.status("a") is first


def test_a_result_is_accepted_whenever_it_comes_and_only_once(queue: AnyQueue) -> None:
    """CR-03: its runner was taken for dead, and is not."""
    written = []
    queue.put(items("a"))
    queue.take()
    queue.finish("a", Status.LOST)
    assert queue.finish("a", Status.DONE, commit=lambda: written.append(1))
    assert (queue.status("a"), queue.take(), len(queue)) == (Status.DONE, None, 0)
    assert not queue.finish("a", Status.DONE, commit=lambda: written.append(2))
    assert written == [1]


def test_a_result_is_written_down_before_it_counts(queue: AnyQueue) -> None:
    """CR-03: a full disk leaves the experiment running."""

    def full() -> None:
        assert queue.status("a") is Status.RUNNING
        raise OSError("the disk is full")

    queue.put(items("a"))
    queue.take()
    with pytest.raises(OSError, match="full"):
        queue.finish("a", Status.DONE, commit=full)
    assert queue.status("a") is Status.RUNNING


# --- which one is next -------------------------------------------------------------------------------


def test_those_of_a_higher_priority_go_first_and_those_of_one_in_order(queue: AnyQueue) -> None:
    """CR-03."""
    queue.put([*items("ab"), *items("cd", Priority=5), *items("e", Priority=-0.5), *items("f")])
    assert names(queue) == "abcdef"
    assert "".join(taken(queue) for _ in range(6)) == "cdabfe"


def test_one_that_is_held_stays(queue: AnyQueue) -> None:
    """CR-03."""
    queue.put([*items("a", Hold=True), *items("b")])
    assert (taken(queue), queue.take(), names(queue)) == ("b", None, "a")


def test_one_that_needs_others_waits_until_they_are_done(queue: AnyQueue) -> None:
    """CR-03: in whatever order they stand, and not if one of them fails."""
    queue.put([*items("c", Needs=["a", "b"]), *items("d", Needs=["a", "b"]), *items("ab")])
    assert (taken(queue), taken(queue), queue.take()) == ("a", "b", None)
    queue.finish("a", Status.DONE)
    queue.finish("b", Status.FAILED)
    assert queue.take() is None
    queue.again(["b"])
    assert taken(queue) == "b"
    queue.finish("b", Status.DONE)
    assert (taken(queue), taken(queue)) == ("c", "d")


def test_one_that_needs_what_was_never_put_waits(queue: AnyQueue) -> None:
    """CR-03."""
    queue.put(items("a", Needs=["z"]))
    assert queue.take() is None
    queue.put(items("z"))
    queue.finish(taken(queue), Status.DONE)
    assert taken(queue) == "a"


def test_what_does_not_fit_is_passed_over_and_asked_for_once(queue: AnyQueue) -> None:
    """EXP-02: experiments for the CPU are not stuck behind those for a GPU."""
    asked: list[str] = []

    def fits(lane: str) -> bool:
        asked.append(lane)
        return lane != "gpus=1"

    queue.put([*items("ab", Resources="gpus=1"), *items("c"), *items("d", Resources="cpus=2")])
    item = queue.take(fits)
    assert item is not None
    assert (item.id, asked) == ("c", ["gpus=1", ""])
    asked.clear()
    item = queue.take(fits)
    assert item is not None
    assert (item.id, asked) == ("d", ["gpus=1", "cpus=2"])
    assert (queue.take(fits), taken(queue)) == (None, "a")


def test_one_that_is_tried_again_later_waits_until_then(
    queue: AnyQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CR-03: and says when that is."""
    now = 1e9
    monkeypatch.setattr("time.time", lambda: now)
    queue.put(items("ab"))
    taken(queue)
    queue.finish("a", Status.FAILED, Ended(error="ValueError: no", retry_at=now + 30))
    assert queue.status("a") is Status.WAITING
    assert queue.ledger.entries["a"].failures == 1
    assert (taken(queue), queue.take(), queue.ledger.next_time()) == ("b", None, now + 30)
    now += 31
    assert (queue.ledger.lanes(), taken(queue), queue.ledger.next_time()) == ([""], "a", None)


def test_nothing_is_taken_in_a_pause(queue: AnyQueue) -> None:
    """CR-03."""
    queue.put(items("a"))
    queue.pause("five failed at once")
    assert (queue.take(), queue.ledger.paused) == (None, "five failed at once")
    queue.pause("")
    assert taken(queue) == "a"


def test_what_failed_or_was_interrupted_waits_again_in_its_old_place(queue: AnyQueue) -> None:
    """CR-04."""
    queue.put(items("abc"))
    queue.finish(taken(queue), Status.FAILED)
    queue.finish(taken(queue), Status.INTERRUPTED)
    queue.again(["b", "a"])
    assert names(queue) == "abc"


def test_nothing_else_waits_again(queue: AnyQueue) -> None:
    """CR-04: if one of several cannot, none of them does."""
    queue.put(items("abc"))
    queue.finish(taken(queue), Status.FAILED)
    queue.finish(taken(queue), Status.DONE)
    for wrong in ("b", "c"):
        with pytest.raises(IllegalMove):
            queue.again(["a", wrong])
    with pytest.raises(KeyError):
        queue.again(["a", "z"])
    assert queue.status("a") is Status.FAILED


def test_what_is_skipped_is_known_and_never_waits(queue: AnyQueue) -> None:
    """CR-03."""
    queue.put([Trial("a", {"Name": "skip"}, next(numbers)), *items("b")])
    assert (queue.status("a"), names(queue)) == (Status.SKIPPED, "b")
    assert (taken(queue), queue.take()) == ("b", None)


# --- any history -------------------------------------------------------------------------------------


class QueueMachine(RuleBasedStateMachine):
    """Puts, takes and finishes in any order, beside a model that is a dict of statuses."""

    make: Callable[[Path], AnyQueue]

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.queue = type(self).make(self.directory)
        self.model: dict[str, Status] = {}

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.queue.close()
        shutil.rmtree(self.directory)

    def those(self, status: Status) -> list[str]:
        """Return the experiments of one status, in order."""
        return [name for name, known in self.model.items() if known is status]

    @rule(count=st.integers(0, 3))
    def put(self, count: int) -> None:
        """Add some."""
        new = [str(len(self.model) + number) for number in range(count)]
        self.queue.put(items(new))
        self.model.update(dict.fromkeys(new, Status.WAITING))

    @rule()
    def take(self) -> None:
        """Take the first of those that wait."""
        waiting = self.those(Status.WAITING)
        item = self.queue.take()
        assert (item.id if item else None) == (waiting[0] if waiting else None)
        if item:
            self.model[item.id] = Status.RUNNING

    @precondition(lambda self: self.those(Status.RUNNING))
    @rule(data=st.data(), end=st.sampled_from([*ENDS, Status.LOST]))
    def finish(self, data: st.DataObject, end: Status) -> None:
        """End one that runs."""
        name = data.draw(st.sampled_from(self.those(Status.RUNNING)))
        self.queue.finish(name, end)
        self.model[name] = Status.WAITING if end is Status.LOST else end

    @precondition(lambda self: any(self.those(end) for end in (Status.FAILED, Status.INTERRUPTED)))
    @rule(data=st.data())
    def again(self, data: st.DataObject) -> None:
        """Let one wait again."""
        name = data.draw(st.sampled_from([*self.those(Status.FAILED), *self.those(Status.INTERRUPTED)]))
        self.queue.again([name])
        self.model[name] = Status.WAITING

    @invariant()
    def agrees_with_the_model(self) -> None:
        """None is lost, none comes twice, each is where it should be."""
        assert [item.id for item in self.queue.waiting()] == self.those(Status.WAITING)
        assert len(self.queue) == len(self.those(Status.WAITING))
        assert {name: self.queue.status(name) for name in self.model} == self.model


@pytest.mark.parametrize(("name", "histories"), [("memory", 100), ("file", 30)])
def test_no_history_loses_an_experiment_or_gives_one_twice(name: str, histories: int) -> None:
    """CR-03."""
    from hypothesis.stateful import run_state_machine_as_test as check_every_history

    machine: Any = type("Machine", (QueueMachine,), {"make": staticmethod(IMPLEMENTATIONS[name])})
    check_every_history(machine, settings=settings(max_examples=histories, deadline=None))


# --- the one function that moves a status ------------------------------------------------------------

LEGAL = {
    (Status.WAITING, Status.RUNNING),
    *((Status.RUNNING, end) for end in (*ENDS, Status.LOST)),
    *((end, Status.WAITING) for end in (Status.FAILED, Status.INTERRUPTED, Status.LOST, Status.REMOVED)),
    *((at_rest, Status.REMOVED) for at_rest in (Status.WAITING, Status.FAILED, Status.INTERRUPTED)),
    # A result is accepted whenever it comes.
    *((late, Status.DONE) for late in set(Status) - {Status.SKIPPED, Status.DONE}),
}


@pytest.mark.parametrize("to", Status)
@pytest.mark.parametrize("status", Status)
def test_a_status_changes_only_as_the_life_of_an_experiment_knows(status: Status, to: Status) -> None:
    """CR-03."""
    if (status, to) in LEGAL:
        assert move(status, to) is to
    else:
        with pytest.raises(IllegalMove, match=f"{status.value} cannot become {to.value}"):
            move(status, to)
