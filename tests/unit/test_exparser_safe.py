"""``with args.safe_experiment:`` keeps the output of a run, and how it ended."""

from __future__ import annotations

import argparse
import contextlib
import pickle
import shutil
import sys
from pathlib import Path

import pytest

from coolrunner import current_run
from coolrunner.errors import RunError
from coolrunner.frontends.parsing.parser import ExParser
from coolrunner.runs.current import is_inside
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.status import RunState, RunStatus
from tests.exparsers import a_root

root = pytest.fixture(a_root)


@pytest.fixture
def parser(root: Path) -> ExParser:
    """A parser whose runs are marked."""
    return ExParser(root=root, automark=["all"])


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")


def state(path: Path) -> RunState:
    """Return how a run stands."""
    return RunDirectory.at(path).read_state()


def links(parser: ExParser) -> list[str]:
    """Return all links of the index and of marks."""
    return sorted(path.stem for place in (parser.index, parser.marked) for path in place.rglob("*.yaml"))


def fail(args: argparse.Namespace, error: BaseException) -> None:
    """End a run by an error."""
    with args.safe_experiment:
        raise error


def test_exm_16_the_output_is_in_the_log_and_still_shown(
    parser: ExParser, capfd: pytest.CaptureFixture[str]
) -> None:
    args = parser.parse_args([])
    with args.safe_experiment as experiment:
        say("hello")
        sys.stderr.write("a warning\n")
        assert experiment is args.safe_experiment
    say("afterwards")
    log = (args.root / "log.txt").read_text()
    assert "hello" in log
    assert "a warning" in log
    assert "afterwards" not in log
    captured = capfd.readouterr()
    assert "hello" in captured.out
    assert "a warning" in captured.err


def test_exm_16_the_run_is_current_within_and_done_behind(parser: ExParser) -> None:
    args = parser.parse_args([])
    with args.safe_experiment:
        run = current_run()
        assert run.dir == args.root
        run.log_scalar("acc", 0.5)
        assert state(args.root).status is RunStatus.RUNNING
    assert not is_inside()
    done = state(args.root)
    assert (done.status, done.exit, done.error) == (RunStatus.DONE, 0, "")
    assert done.elapsed is not None
    assert done.ended >= done.started
    assert "acc,0,0.5" in (args.root / "metrics.csv").read_text()
    assert links(parser) == [args.root.name] * 2


@pytest.mark.parametrize("words", [[], ["--tmp"]])
def test_exm_16_an_exception_moves_the_run_to_the_fails(
    parser: ExParser, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    args = parser.parse_args(words)
    with pytest.raises(ValueError, match="funny"):
        fail(args, ValueError("funny exception"))
    assert not args.root.exists()
    moved = parser.fails / args.root.name
    assert "ValueError: funny exception" in (moved / "traceback.txt").read_text()
    assert "ValueError: funny exception" in capsys.readouterr().out
    assert links(parser) == []
    assert args.safe_experiment.run == moved
    failed = state(moved)
    assert (failed.status, failed.failure, failed.exit) == (RunStatus.FAILED, "exception", 1)
    assert failed.error == "ValueError: funny exception"


@pytest.mark.parametrize("words", [[], ["--tmp"]])
def test_exm_16_ctrl_c_keeps_the_run_and_is_swallowed(
    parser: ExParser, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    args = parser.parse_args(words)
    fail(args, KeyboardInterrupt("by a person"))
    assert "KeyboardInterrupt: by a person" in (args.root / "traceback.txt").read_text()
    assert "KeyboardInterrupt: by a person" in capsys.readouterr().out
    assert not list(parser.fails.iterdir())
    assert links(parser) == ([] if words else [args.root.name] * 2)
    assert state(args.root).status is RunStatus.INTERRUPTED


@pytest.mark.parametrize("code", [0, None, False])
def test_exm_16_to_exit_with_success_is_no_failure(
    parser: ExParser, code: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    args = parser.parse_args([])
    with pytest.raises(SystemExit):
        fail(args, SystemExit(code))
    assert state(args.root).status is RunStatus.DONE
    assert not (args.root / "traceback.txt").exists()
    assert "Traceback" not in capsys.readouterr().out


@pytest.mark.parametrize(("code", "status"), [(3, 3), ("no data", 1)])
def test_exm_16_to_exit_with_an_error_is_a_failure(parser: ExParser, code: int | str, status: int) -> None:
    args = parser.parse_args([])
    with pytest.raises(SystemExit):
        fail(args, SystemExit(code))
    failed = state(parser.fails / args.root.name)
    assert (failed.status, failed.failure, failed.exit) == (RunStatus.FAILED, "exit", status)
    assert failed.error == ("SystemExit: no data" if code == "no data" else "")


def test_what_was_logged_and_saved_goes_with_a_failed_run(parser: ExParser) -> None:
    args = parser.parse_args([])
    with pytest.raises(ValueError, match="oh"), args.safe_experiment:
        current_run().log_scalar("acc", 0.5)
        (args.root / "plot.png").write_text("a picture")
        say("printed")
        raise ValueError("oh")
    moved = parser.fails / args.root.name
    assert "acc,0,0.5" in (moved / "metrics.csv").read_text()
    assert (moved / "plot.png").exists()
    assert (moved / "log.txt").read_text() == "printed\n"
    assert not list(parser.runs.iterdir())


def test_memory_that_is_used_up_is_a_failure_of_its_own_kind(parser: ExParser) -> None:
    args = parser.parse_args([])
    with pytest.raises(MemoryError):
        fail(args, MemoryError())
    assert state(parser.fails / args.root.name).failure == "memory"


def test_exm_16_nobody_is_asked_without_a_terminal(parser: ExParser) -> None:
    for default in (False, True):
        args = parser.parse_args([])
        with contextlib.suppress(KeyboardInterrupt), args.safe_experiment(prompt=True, default=default):
            raise KeyboardInterrupt
        assert args.safe_experiment.run.parent == (parser.fails if default else parser.runs)


def test_a_run_may_be_entered_again_and_its_log_goes_on(parser: ExParser) -> None:
    args = parser.parse_args([])
    with args.safe_experiment:
        say("first")
    with args.safe_experiment:
        say("second")
        assert current_run().dir == args.root
        assert state(args.root).status is RunStatus.RUNNING
    assert (args.root / "log.txt").read_text().split() == ["first", "second"]
    again = state(args.root)
    assert (again.status, again.attempt) == (RunStatus.DONE, 1)


def test_each_of_several_runs_is_current_in_its_own_block(parser: ExParser) -> None:
    first, second = parser.parse_args([]), parser.parse_args([])
    assert current_run().dir == second.root
    with first.safe_experiment:
        assert current_run().dir == first.root
        with second.safe_experiment:
            assert current_run().dir == second.root
        assert current_run().dir == first.root
    assert state(first.root).status is state(second.root).status is RunStatus.DONE


def test_a_failing_disk_does_not_hide_the_exception(
    parser: ExParser, capsys: pytest.CaptureFixture[str]
) -> None:
    args = parser.parse_args([])
    with pytest.raises(ValueError, match="the real one"), args.safe_experiment:
        # The place of failed runs cannot be written to, not even by root.
        parser.fails.rmdir()
        parser.fails.write_text("")
        raise ValueError("the real one")
    assert "the end of" in capsys.readouterr().err


def test_a_run_that_somebody_has_removed_ends_quietly(parser: ExParser) -> None:
    args = parser.parse_args([])
    with args.safe_experiment:
        shutil.rmtree(args.root)
    assert not args.root.exists()


def test_what_was_sent_to_another_process_can_be_entered_there(parser: ExParser) -> None:
    args = pickle.loads(pickle.dumps(parser.parse_args([])))
    with args.safe_experiment:
        say("there")
    assert "there" in (args.root / "log.txt").read_text()
    assert state(args.root).status is RunStatus.DONE


def test_a_broken_status_is_named(parser: ExParser) -> None:
    args = pickle.loads(pickle.dumps(parser.parse_args([])))
    (args.root / "status.yaml").write_text("version: 99\n")
    with pytest.raises(RunError, match=r"status\.yaml"), args.safe_experiment:
        pass
