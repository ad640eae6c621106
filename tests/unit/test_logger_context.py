"""`logger_context`: a launched script is a run while it logs."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from coolrunner.errors import BadNameError, RunError, UsageError
from coolrunner.frontends.context import logger_context
from coolrunner.runs import current
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.logger import logger
from coolrunner.runs.rows import read_metrics
from coolrunner.runs.status import RunStatus, is_alive

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Work in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scalars(path: Path) -> list[tuple[str, int, float]]:
    """Return name, step and value of each row of a run."""
    return [row[:3] for row in read_metrics(path / "metrics.csv")]


def test_the_loop_of_an_rlpyt_script_leaves_a_run(project: Path) -> None:
    log_dir = "data/local/title/20261121/lr_0.1"
    with logger_context(
        log_dir, "3", "demo", {"lr": 0.1, "net": {"sizes": (1, 2)}}, snapshot_mode="last"
    ) as run:
        for epoch in range(3):
            logger.log_scalar("loss", epoch)
            logger.log_scalar_batch("reward", [epoch, epoch + 1])
            logger.save_itr_params(epoch, {"epoch": epoch})
            logger.dump_data()
        assert current.current_run() is run
    assert not current.is_inside()
    directory = RunDirectory.at(project / log_dir / "run_3")
    assert directory.read_params() == {"lr": 0.1, "net": {"sizes": [1, 2]}}
    state = directory.read_state()
    assert (state.status, state.id, state.name, state.attempt) == (RunStatus.DONE, 3, "demo", 1)
    assert state.provenance and state.sources
    assert [row for row in scalars(directory.path) if row[0] == "loss"] == [
        ("loss", n, float(n)) for n in range(3)
    ]
    assert [path.name for path in directory.snapshots.iterdir()] == ["00000002"]


def test_a_directory_that_is_not_below_data_is_put_there(project: Path) -> None:
    with logger_context("demo", 0):
        pass
    assert (project / "data/local/demo" / datetime.now().strftime("%Y%m%d") / "run_0").is_dir()
    with logger_context(project / "elsewhere", 0):
        pass
    assert (project / "elsewhere/run_0").is_dir()


def test_what_fails_is_written_down_and_goes_on_when_it_is_resumed(project: Path) -> None:
    with pytest.raises(ZeroDivisionError), logger_context("data/a", 0, snapshot_mode="all") as run:
        for epoch in range(4):
            logger.log_scalar("loss", epoch)
            run.snapshot({"epoch": epoch}, epoch)
        raise ZeroDivisionError("by nought")
    directory = RunDirectory.at(project / "data/a/run_0")
    state = directory.read_state()
    assert (state.status, state.error) == (RunStatus.FAILED, "ZeroDivisionError: by nought")
    assert "ZeroDivisionError: by nought" in directory.traceback.read_text()
    with logger_context("data/a", 0, resume=True, itr_i=4) as run:
        snapshot = run.resume()
        assert snapshot is not None
        assert snapshot[:2] == (3, {"epoch": 3})
        logger.log_scalar("loss", 4)
    assert scalars(directory.path)[-1] == ("loss", 4, 4.0)
    state = directory.read_state()
    assert (state.status, state.attempt, state.error) == (RunStatus.DONE, 2, "")


def test_ctrl_c_interrupts_it(project: Path) -> None:
    with pytest.raises(KeyboardInterrupt), logger_context("data/a", 0):
        raise KeyboardInterrupt
    assert RunDirectory.at(project / "data/a/run_0").read_state().status is RunStatus.INTERRUPTED


def test_a_run_that_is_there_is_not_written_over(project: Path) -> None:
    with logger_context("data/a", 0):
        logger.log_scalar("loss", 1)
    with pytest.raises(RunError, match="resume=True goes on"), logger_context("data/a", 0):
        pass
    with pytest.raises(RunError, match="is done"), logger_context("data/a", 0, resume=True):
        pass
    assert scalars(project / "data/a/run_0") == [("loss", 0, 1.0)]
    with logger_context("data/a", 1, resume=True):
        pass


KILLED = """
import os, signal
from coolrunner.frontends.context import logger_context
with logger_context("data/a", 0):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_that_was_killed_can_be_resumed_and_one_that_is_alive_cannot(project: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", KILLED], env=environment, check=False)
    state = RunDirectory.at(project / "data/a/run_0").read_state()
    assert state.status is RunStatus.RUNNING
    assert state.host == platform.node()
    assert is_alive(state) is False
    with logger_context("data/a", 0, resume=True) as run:
        assert run.attempt == 2
        current.leave(run)
        with (
            pytest.raises(RunError, match="still under way, as process"),
            logger_context("data/a", 0, resume=True),
        ):
            pass
        current.enter(run)


def test_the_run_that_the_launcher_began_is_joined(project: Path) -> None:
    with logger_context("data/a", 0) as outer, logger_context("data/a", 0, snapshot_mode=5) as run:
        assert run is outer
    with logger_context("data/b", 0) as outer, logger_context("data/b", 1) as run:
        assert run is not outer


@pytest.mark.parametrize(
    ("mode", "expected"), [("all", 6), ("last", 1), ("none", 0), (3, 3), ("gap", 4), ("best", 2)]
)
def test_the_modes_of_snapshots(project: Path, mode: Any, expected: int) -> None:
    metric = "x" if mode == "best" else ""
    with logger_context("data/a", 0, snapshot_mode=mode, snapshot_gap=2, metric=metric) as run:
        for step in range(6):
            logger.log_scalar("x", -step)
            logger.save_itr_params(step, step)
    found = list(run.directory.snapshots.iterdir()) if run.directory.snapshots.exists() else []
    assert len(found) == expected


def test_a_mode_or_a_number_that_is_none_is_told(project: Path) -> None:
    with pytest.raises(RunError, match="the number of a run was expected"), logger_context("data/a", "first"):
        pass
    with (
        pytest.raises(UsageError, match="did you mean 'last'"),
        logger_context("data/a", 0, snapshot_mode="lat"),
    ):
        pass


def test_parameters_without_names_are_told_before_anything_is_made(project: Path) -> None:
    params: Any = [1, 2]
    with pytest.raises(UsageError, match="by name, and not list"), logger_context("data/a", 0, "", params):
        pass
    assert not (project / "data").exists()


def test_tensorboard_is_written_where_it_is_asked_for(project: Path) -> None:
    pytest.importorskip("tensorboard")
    with logger_context("data/a", 0, tensorboard=True) as run:
        logger.log_scalar("x", 1)
    assert len(list(run.directory.tensorboard.iterdir())) == 1


@pytest.mark.parametrize("log_dir", ["../bad", "data/../../bad", "a/../b", ""])
def test_no_run_is_made_elsewhere(log_dir: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(BadNameError), logger_context(log_dir, 0, "name", {}):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]
