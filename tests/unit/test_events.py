"""What is announced, to whom, and what becomes of a listener that fails."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from coolrunner import events
from coolrunner.errors import ListenerError
from coolrunner.events import Announcer, Event, Notice, Pausing, StudyStarted


class Ear:
    """Notes what it hears; fails where it is told to."""

    def __init__(self, notes: list[object], name: str = "", fails: str = "") -> None:
        self.notes, self.name, self.fails = notes, name, fails

    def start(self) -> None:
        self._note("start")

    def handle(self, event: Event) -> None:
        self._note(event)

    def close(self) -> None:
        self._note("close")

    def _note(self, what: object) -> None:
        self.notes.append((self.name, what))
        if self.fails == (what if isinstance(what, str) else "handle"):
            raise ListenerError("no token") if what == "start" else OSError("gone")


def test_every_listener_hears_every_event_in_the_order_in_which_they_were_added() -> None:
    """CR-17."""
    notes: list[object] = []
    announcer = Announcer([Ear(notes, "one")])
    announcer.add(Ear(notes, "two"))
    event = StudyStarted("study.yaml", 3)
    announcer.start()
    announcer.emit(event)
    announcer.close()
    assert notes == [
        *((name, what) for what in ("start", event) for name in ("one", "two")),
        ("two", "close"),
        ("one", "close"),
    ]


def test_a_listener_that_cannot_start_keeps_the_study_from_beginning() -> None:
    """CR-17."""
    with pytest.raises(ListenerError, match="no token"):
        Announcer([Ear([], fails="start")]).start()


def test_a_listener_that_fails_later_is_reported_once_and_left_out_from_then_on() -> None:
    """CR-17: it cannot stop a study."""
    notes: list[object] = []
    announcer = Announcer([Ear(notes, "one"), Ear(notes, "bad", fails="handle"), Ear(notes, "two")])
    first, second = Pausing(1), Pausing(2)
    announcer.emit(first)
    announcer.emit(second)
    announcer.close()
    notice = Notice("Ear failed and is left out from now on: OSError: gone")
    assert [note for note in notes if note[0] == "bad"] == [("bad", first)]  # type: ignore[index]
    heard = [what for name, what in notes if name == "one"]  # type: ignore[misc]
    assert heard == [first, notice, second, "close"]
    assert {what for name, what in notes if name == "two"} == {*heard}  # type: ignore[misc]


def test_a_listener_that_fails_to_close_does_not_keep_others_from_it() -> None:
    """CR-17: the first one, the console, hears of it."""
    notes: list[object] = []
    announcer = Announcer([Ear(notes, "one"), Ear(notes, "bad", fails="close"), Ear(notes, "two")])
    announcer.close()
    notice = Notice("Ear failed and is left out from now on: OSError: gone")
    assert notes == [("two", "close"), ("bad", "close"), ("one", notice), ("one", "close")]
    announcer.emit(Pausing(1))
    announcer.close()
    assert len(notes) == 4


def test_what_a_listener_says_while_it_closes_is_heard() -> None:
    """CR-17: Slack warns of messages that it could not deliver."""

    class Late(Ear):
        def close(self) -> None:
            announcer.emit(Notice("two messages were not sent"))

    notes: list[object] = []
    announcer = Announcer([Ear(notes, "console"), Late([], "slack")])
    announcer.close()
    assert notes == [("console", Notice("two messages were not sent")), ("console", "close")]


def test_listeners_that_all_fail_end_in_silence() -> None:
    """CR-17."""
    notes: list[object] = []
    announcer = Announcer([Ear(notes, name, fails="handle") for name in "abc"])
    announcer.emit(Pausing(1))
    announcer.emit(Pausing(2))
    assert [name for name, _ in notes] == ["a", "b", "c"]  # type: ignore[misc]


def test_interrupts_are_not_kept_from_the_runner() -> None:
    """CR-04."""

    class Interrupted(Ear):
        def handle(self, event: Event) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Announcer([Interrupted([])]).emit(Pausing(1))


def test_every_event_is_a_frozen_value() -> None:
    """CR-17: what one listener is told, no other can have changed."""
    kinds = [
        kind
        for _, kind in inspect.getmembers(events, inspect.isclass)
        if issubclass(kind, Event) and kind is not Event
    ]
    assert len(kinds) >= 10
    assert set(events.__all__) >= {kind.__name__ for kind in kinds}
    with pytest.raises(dataclasses.FrozenInstanceError):
        Notice("a").message = "b"  # type: ignore[misc]
    assert all(dataclasses.is_dataclass(kind) and kind.__doc__ for kind in kinds)
