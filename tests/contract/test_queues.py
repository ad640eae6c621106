"""What every queue promises; each implementation passes all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from coolrunner.errors import IllegalMove
from coolrunner.queue.base import Queue, Status, move
from coolrunner.queue.memory import MemoryQueue

MakeQueue = Callable[[], "Queue[Waiting]"]
ENDS = (Status.DONE, Status.FAILED, Status.INTERRUPTED)
IMPLEMENTATIONS: dict[str, MakeQueue] = {"memory": MemoryQueue}


@dataclass(frozen=True)
class Waiting:
    """The least that can wait."""

    id: str


def items(names: Iterable[str]) -> list[Waiting]:
    """Return one that waits for each letter."""
    return [Waiting(name) for name in names]


@pytest.fixture(params=IMPLEMENTATIONS)
def queue(request: pytest.FixtureRequest) -> Queue[Waiting]:
    """An empty queue of each kind."""
    return IMPLEMENTATIONS[request.param]()


def names(queue: Queue[Waiting]) -> str:
    """Return those that wait, in order."""
    return "".join(item.id for item in queue.waiting())


def taken(queue: Queue[Waiting]) -> str:
    """Take the first and return its name."""
    item = queue.take()
    assert item is not None
    return item.id


def test_experiments_are_taken_in_the_order_in_which_they_were_put(queue: Queue[Waiting]) -> None:
    """CR-03."""
    queue.put(items("abc"))
    queue.put(items("de"))
    assert names(queue) == "abcde"
    assert [taken(queue) for _ in range(5)] == list("abcde")
    assert queue.take() is None


def test_what_was_put_is_what_is_taken(queue: Queue[Waiting]) -> None:
    """CR-03."""
    item = Waiting("a")
    queue.put([item])
    assert queue.waiting() == [item]
    assert queue.take() == item


def test_an_empty_queue_gives_nothing_and_can_be_filled_again(queue: Queue[Waiting]) -> None:
    """CR-03."""
    assert (len(queue), queue.take(), queue.waiting()) == (0, None, [])
    queue.put(items("a"))
    assert taken(queue) == "a"
    assert (len(queue), queue.take()) == (0, None)
    queue.put(items("b"))
    assert (len(queue), taken(queue)) == (1, "b")


def test_its_length_is_the_number_of_those_that_wait(queue: Queue[Waiting]) -> None:
    """CR-03."""
    queue.put(items("abc"))
    queue.take()
    assert len(queue) == len(queue.waiting()) == 2


def test_any_iterable_may_be_put(queue: Queue[Waiting]) -> None:
    """CR-03."""
    queue.put(item for item in items("ab"))
    queue.put([])
    assert names(queue) == "ab"


def test_a_known_experiment_cannot_be_put_again_and_nothing_is_put_with_it(queue: Queue[Waiting]) -> None:
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


def test_the_status_of_every_experiment_is_known(queue: Queue[Waiting]) -> None:
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
def test_what_has_ended_is_not_taken_again(queue: Queue[Waiting], end: Status) -> None:
    """CR-03, CR-04: one that was interrupted does not start again by itself."""
    queue.put(items("ab"))
    queue.finish(taken(queue), end)
    assert (taken(queue), queue.take()) == ("b", None)


def test_one_that_was_lost_waits_again_in_its_old_place(queue: Queue[Waiting]) -> None:
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
def test_a_running_experiment_ends_in_no_status_that_is_no_end(queue: Queue[Waiting], status: Status) -> None:
    """CR-03."""
    queue.put(items("a"))
    queue.take()
    with pytest.raises(IllegalMove):
        queue.finish("a", status)
    assert queue.status("a") is Status.RUNNING
    queue.finish("a", Status.DONE)


@pytest.mark.parametrize("status", Status)
def test_only_a_running_experiment_can_end(queue: Queue[Waiting], status: Status) -> None:
    """CR-03: neither one that waits nor one that has ended, in whatever way."""
    queue.put(items("abcd"))
    for end in ENDS:
        queue.finish(taken(queue), end)
    for name in "abcd":
        before = queue.status(name)
        with pytest.raises(IllegalMove):
            queue.finish(name, status)
        assert queue.status(name) is before
    assert names(queue) == "d"
    with pytest.raises(KeyError):
        queue.finish("z", status)


# --- any history -------------------------------------------------------------------------------------


class QueueMachine(RuleBasedStateMachine):
    """Puts, takes and finishes in any order, beside a model that is a dict of statuses."""

    make: MakeQueue

    def __init__(self) -> None:
        super().__init__()
        self.queue = type(self).make()
        self.model: dict[str, Status] = {}

    def those(self, status: Status) -> list[str]:
        """Return the experiments of one status, in order."""
        return [name for name, known in self.model.items() if known is status]

    @rule(count=st.integers(0, 3))
    def put(self, count: int) -> None:
        """Add some."""
        new = [str(len(self.model) + number) for number in range(count)]
        self.queue.put(map(Waiting, new))
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

    @invariant()
    def agrees_with_the_model(self) -> None:
        """None is lost, none comes twice, each is where it should be."""
        assert [item.id for item in self.queue.waiting()] == self.those(Status.WAITING)
        assert len(self.queue) == len(self.those(Status.WAITING))
        assert {name: self.queue.status(name) for name in self.model} == self.model


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_no_history_loses_an_experiment_or_gives_one_twice(name: str) -> None:
    """CR-03."""
    from hypothesis.stateful import run_state_machine_as_test as check_every_history

    machine: Any = type("Machine", (QueueMachine,), {"make": staticmethod(IMPLEMENTATIONS[name])})
    check_every_history(machine)


# --- the one function that moves a status ------------------------------------------------------------

LEGAL = {
    (Status.WAITING, Status.RUNNING),
    *((Status.RUNNING, end) for end in (*ENDS, Status.LOST)),
    *((end, Status.WAITING) for end in (Status.FAILED, Status.INTERRUPTED, Status.LOST)),
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
