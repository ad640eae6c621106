"""How far a study is, and how long the rest may take."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from coolrunner.events import (
    Event,
    ExperimentFailed,
    ExperimentFinished,
    ExperimentInterrupted,
    ExperimentStarted,
    StudyStarted,
)
from coolrunner.reporting import progress
from coolrunner.reporting.progress import Progress


class Watched:
    """A study of ten experiments, at times that a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.progress = Progress()
        self.progress.take(StudyStarted("study.yaml", 10))

    def start(self, *numbers: int) -> None:
        for number in numbers:
            self.progress.take(ExperimentStarted(number, f"id{number}", "svm", {}))

    def end(self, number: int, at: float, how: str = "finished") -> None:
        self.now = at
        one = (number, f"id{number}", "svm")
        events: dict[str, Event] = {
            "finished": ExperimentFinished(*one, {}, [], 1.0, "log.yaml"),
            "failed": ExperimentFailed(*one, {}, "ValueError: bad", "", 1.0, "log.failed.yaml"),
            "interrupted": ExperimentInterrupted(*one, 1.0),
        }
        self.progress.take(events[how])
        self.progress.drop(one[1])


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


def test_nothing_is_estimated_before_something_has_ended(watched: Watched) -> None:
    watched.start(1)
    assert watched.progress.remaining() is None
    watched.end(1, 3.0, "interrupted")
    assert watched.progress.remaining() is None


def test_what_is_left_takes_as_long_as_what_was(watched: Watched) -> None:
    watched.start(1)
    watched.end(1, 10.0)
    watched.start(2)
    watched.end(2, 40.0, "failed")
    assert watched.progress.remaining() == pytest.approx(20.0 * 8)
    watched.now = 45.0
    assert watched.progress.remaining() == pytest.approx(20.0 * 8 - 5)


def test_one_that_was_interrupted_does_not_tell_how_long_one_takes(watched: Watched) -> None:
    watched.start(1)
    watched.end(1, 10.0)
    for number, after in ((2, 0.5), (3, 300.0)):  # neither early nor late
        watched.start(number)
        watched.end(number, watched.now + after, "interrupted")
    assert watched.progress.remaining() == pytest.approx(10.0 * 7)
    watched.start(4)
    watched.end(4, watched.now + 10.0)
    assert watched.progress.remaining() == pytest.approx(10.0 * 6)


def test_the_time_of_those_that_ran_beside_one_that_was_interrupted_counts(watched: Watched) -> None:
    watched.start(1, 2)
    watched.end(1, 4.0, "interrupted")
    watched.end(2, 10.0)
    assert watched.progress.remaining() == pytest.approx(10.0 * 8)


def test_a_queue_that_grows_has_more_left(watched: Watched) -> None:
    watched.start(*range(1, 13))
    watched.end(1, 5.0)
    assert (watched.progress.total, watched.progress.left, watched.progress.place("id3")) == (12, 11, "3/12")
