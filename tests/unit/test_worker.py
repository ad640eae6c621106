"""What a Module's function is called in, and what its run directory holds afterwards."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coolrunner.execution.attempt import read_results
from coolrunner.execution.base import Ending, Job, Outcome, Past
from coolrunner.execution.worker import run_job
from coolrunner.experiment import Experiment
from coolrunner.runs.attempts import Order, settle
from coolrunner.runs.current import current_run, is_inside
from coolrunner.runs.root import Root
from coolrunner.runs.status import RunStatus
from tests.disks import full_after


class Nothing(Past):
    """No experiments before."""

    def get(self, key: int | str) -> Experiment:
        raise LookupError(key)

    def __len__(self) -> int:
        return 0


@pytest.fixture
def order(tmp_path: Path) -> Order:
    """A run to make."""
    root = Root(tmp_path / "results")
    return Order(str(root.path), root.allocate("one"), "Name: one\nlr: 0.1\n", "study.yaml", "abc")


def run(order: Order, body: Any, inputs: Mapping[str, Any] = {}, capture: bool = False) -> Outcome:
    """Run a function as a Module's."""
    job = Job("abc", {"Name": "one", "Run": body, **inputs}, run=order)
    return run_job(job, Nothing(), capture=capture)


def test_a_function_finds_its_run_and_afterwards_there_is_none(order: Order) -> None:
    def body(exp: Experiment) -> None:
        assert exp.run is current_run()
        exp.run.log_scalar("loss", 1)
        exp.STATUS = exp.run.directory.read_state().status.value

    outcome = run(order, body)
    assert outcome.ending is Ending.FINISHED
    assert outcome.results == {"STATUS": "running"}
    assert not is_inside()
    directory = order.directory
    assert directory.read_state().status is RunStatus.DONE
    assert read_results(directory) == {"STATUS": "running"}
    assert directory.metrics.read_text().count("\n") == 2


def test_a_signal_cannot_break_into_the_end_of_a_run(order: Order) -> None:
    seen = []

    @contextmanager
    def interruptible() -> Iterator[None]:
        yield
        seen.append((is_inside(), order.directory.read_state().status))

    job = Job("abc", {"Name": "one", "Run": lambda exp: None}, run=order)
    run_job(job, Nothing(), interruptible())
    assert seen == [(True, RunStatus.RUNNING)]


@pytest.mark.parametrize(
    ("error", "status", "failure"),
    [
        (ValueError("no"), RunStatus.FAILED, "exception"),
        (KeyboardInterrupt(), RunStatus.INTERRUPTED, "interrupted"),
        (MemoryError(), RunStatus.FAILED, "memory"),
        (SystemExit(3), RunStatus.FAILED, "exit"),
        (GeneratorExit(), RunStatus.FAILED, "exception"),
    ],
)
def test_what_a_function_raised_is_told_and_its_results_are_kept(
    order: Order, error: BaseException, status: RunStatus, failure: str
) -> None:
    def fail(exp: Experiment) -> None:
        exp.A = 1
        raise error

    run(order, fail)
    state = order.directory.read_state()
    assert (state.status, state.failure) == (status, failure)
    assert read_results(order.directory) == {"A": 1}
    assert type(error).__name__ in order.directory.traceback.read_text()
    assert not is_inside()


def test_what_cannot_be_solved_or_imported_has_a_directory_too(order: Order) -> None:
    outcome = run(order, lambda exp: None, {"x": "solve 1 / 0"})
    assert (outcome.ending, outcome.kind) == (Ending.FAILED, "exception")
    assert order.directory.read_state().status is RunStatus.FAILED


def test_a_directory_that_cannot_be_made_fails_the_experiment(order: Order) -> None:
    called = []
    with full_after(3):
        outcome = run(order, lambda exp: called.append(exp))
    assert outcome.ending is Ending.FAILED
    assert "cannot be made" in outcome.error
    assert not called


def test_a_disk_that_is_full_at_the_end_costs_no_result(order: Order) -> None:
    with pytest.MonkeyPatch.context() as patch:

        def body(exp: Experiment) -> None:
            exp.A = 1
            limit = full_after(3)
            limit.__enter__()
            patch.setattr(Experiment, "_limit", limit, raising=False)

        outcome = run(order, body)
        Experiment._limit.__exit__(None, None, None)  # type: ignore[attr-defined]
    assert (outcome.ending, outcome.results) == (Ending.FINISHED, {"A": 1})
    assert any("cannot be written" in warning for warning in outcome.warnings)


def test_output_of_this_process_is_in_the_log(order: Order, capfd: pytest.CaptureFixture[str]) -> None:
    run(order, lambda exp: sys.stdout.write("hello\n"), capture=True)
    assert order.directory.log.read_text() == "hello\n"
    assert capfd.readouterr().out == "hello\n"


def test_who_watched_knows_better_how_it_ended(order: Order) -> None:
    run(order, lambda exp: None)
    settle(order, RunStatus.FAILED, failure="timeout", error="late", exit=-signal.SIGKILL)
    state = order.directory.read_state()
    assert (state.status, state.failure, state.exit) == (RunStatus.FAILED, "timeout", -9)


def test_what_was_killed_before_it_could_make_its_directory_leaves_one(order: Order) -> None:
    settle(order, RunStatus.FAILED, failure="signal")
    assert order.directory.read_state().failure == "signal"
    assert order.directory.read_params() == {"Name": "one", "lr": 0.1}


def test_an_attempt_more_goes_on_in_the_directory(order: Order) -> None:
    def stop(exp: Experiment) -> None:
        assert exp.run.resume() is None
        exp.run.log_scalar("loss", 1)
        exp.run.snapshot({"at": 0}, 0)
        raise KeyboardInterrupt

    def go_on(exp: Experiment) -> None:
        last = exp.run.resume()
        exp.STEP, exp.STATE, exp.ATTEMPT = last.step, last.state, exp.run.attempt
        exp.run.log_scalar("loss", 2)

    run(order, stop)
    assert order.directory.read_state().resumable
    outcome = run(replace(order, again=True), go_on)
    assert outcome.results == {"STEP": 0, "STATE": {"at": 0}, "ATTEMPT": 2}
    state = order.directory.read_state()
    assert (state.status, state.attempt, state.error) == (RunStatus.DONE, 2, "")
    assert not order.directory.traceback.exists()
    assert len(order.directory.metrics.read_text().splitlines()) == 3


def test_where_no_directory_is_wanted_all_of_a_run_works_and_keeps_nothing() -> None:
    def body(exp: Experiment) -> None:
        exp.run.log_scalar("loss", 1)
        exp.run.save([1], "list")
        exp.RESUMED = exp.run.resume()
        exp.SAME = exp.run is current_run()

    outcome = run_job(Job("abc", {"Name": "one", "Run": body}), Nothing())
    assert outcome.results == {"RESUMED": None, "SAME": True}
    assert not outcome.warnings
    assert not is_inside()
