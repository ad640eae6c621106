"""The run that is under way, wherever it is asked for."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from coolrunner.runs.current import current_run, enter, entered, is_inside, leave, outward
from coolrunner.runs.root import Root
from coolrunner.runs.session import Run
from coolrunner.runs.status import RunState


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """A root of runs."""
    return Root(tmp_path / "results")


def new(root: Root, name: str) -> Run:
    """Make a run."""
    return Run(root.create("lr: 1\n", RunState(), name=name))


def test_the_innermost_run_is_the_current_one(root: Root) -> None:
    with entered(new(root, "outer")) as outer:
        with entered(new(root, "inner")) as inner:
            assert current_run() is inner
            assert list(outward(inner)) == [inner, outer]
        assert current_run() is outer
    assert not is_inside()


def test_a_run_that_is_entered_anew_within_another_is_found_and_so_is_the_end(root: Root) -> None:
    first, second = new(root, "first"), new(root, "second")
    enter(first)
    enter(second)
    leave(first)
    enter(first)
    assert current_run() is first
    assert sorted(run.name for run in outward(first)) == sorted([first.name, second.name])
    leave(first)
    leave(second)
    first.close()
    second.close()
    assert not is_inside()


def test_two_threads_have_each_their_own(root: Root) -> None:
    found: dict[str, bool] = {}
    both = threading.Barrier(2)

    def work(name: str) -> None:
        with entered(new(root, name)) as run:
            both.wait()
            found[name] = current_run() is run
            both.wait()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"a": True, "b": True}


def test_a_thread_that_entered_none_finds_the_innermost_of_its_process(root: Root) -> None:
    found: list[Run] = []
    with entered(new(root, "only")) as run:
        thread = threading.Thread(target=lambda: found.append(current_run()))
        thread.start()
        thread.join()
    assert found == [run]


def test_a_run_that_ended_within_another_leaves_that_one(root: Root) -> None:
    with entered(new(root, "outer")) as outer:
        inner = new(root, "inner")
        enter(inner)
        inner.close()
        assert current_run() is outer
        leave(inner)
        assert current_run() is outer
