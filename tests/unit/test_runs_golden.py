"""Roots of runs that version 1, and the programs before it, have written: they must always load."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import pytest

from coolrunner.runs.layout import EXMAN, MANAGED, MANAGED_RUN, NESTED, RESULTS, layout_of
from coolrunner.runs.root import Root
from coolrunner.runs.roots import roots_under
from coolrunner.runs.status import RunState, RunStatus

GOLDEN = Path(__file__).parents[1] / "data" / "v1"


def copied(name: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / name, tmp_path / name, symlinks=True))


def test_a_root_of_results() -> None:
    root = Root(GOLDEN / "results")
    assert layout_of(root.path) is RESULTS
    assert [run.name for run in root.runs()] == [
        "000001-2026-11-21-06-23-29-resnet", "000003-2026-11-21-06-23-33-a%2Fb c"
    ]  # fmt: skip
    assert [run.number for run in root.runs(tmp=True, fails=True)] == [1, 2, 3, 4]
    assert root.indexed() == root.runs()
    assert root.marks() == ["best", "lr/0.2"]
    assert [run.number for run in root.marked("best")] == [1, 3]
    assert [run.number for run in root.marked("lr")] == [3]
    assert root.last_number() == 5


def test_a_run_of_results() -> None:
    run = Root(GOLDEN / "results").find(1)
    assert run.read_params() == {
        "model": "resnet18", "lr": 0.1, "betas": [0.9, 0.999], "note": "1e-3", "optimizer": {"name": "adam"}
    }  # fmt: skip
    assert run.read_state() == RunState(
        status=RunStatus.DONE,
        id=1,
        name="resnet",
        kind="results",
        started="2026-11-21T06:23:29+01:00",
        ended="2026-11-21T06:24:29+01:00",
        elapsed=60.25,
        host="box",
        pid=4711,
        exit=0,
        study="digits.yaml",
        experiment="aaaa1111",
        provenance="5c" * 32,
        sources="a7" * 32,
    )
    assert (run.title, run.time) == ("resnet", datetime(2026, 11, 21, 6, 23, 29))
    assert run.metrics.read_text().startswith("name,step,value,time\n")
    assert run.log.exists()
    (fold,) = Root.inside(run).runs()
    assert (fold.layout, fold.read_params(), fold.store) == (
        NESTED,
        {"fold": 0},
        GOLDEN / "results" / "store",
    )


def test_runs_of_results_that_did_not_end_well() -> None:
    root = Root(GOLDEN / "results")
    failed = root.find(2).read_state()
    assert (failed.status, failed.exit, failed.failure) == (RunStatus.FAILED, 1, "error")
    assert failed.error == 'ValueError: lr: too "high"\n  é'
    stopped = root.find(3).read_state()
    assert (stopped.status, stopped.attempt, stopped.resumable) == (RunStatus.INTERRUPTED, 2, True)
    assert (stopped.name, stopped.exit) == ("a/b c", -2)


def test_a_root_of_results_is_gone_on_with(tmp_path: Path) -> None:
    root = Root(copied("results", tmp_path))
    run = root.create("lr: 1\n", RunState())
    assert (run.number, root.indexed()[-1]) == (6, run)
    assert root.delete([1, 3], everything=True) == []
    assert (root.marks(), root.indexed()) == ([], [run])


def test_a_root_that_exman_has_written(tmp_path: Path) -> None:
    path = copied("exman", tmp_path)
    root = Root(path, EXMAN)
    assert layout_of(path) is EXMAN
    assert [run.number for run in root.runs()] == [1, 2]
    assert root.indexed() == root.runs()
    assert [run.number for run in root.marked("old")] == [1]
    run = root.find(1)
    assert run.read_params()["arg2"] == "1"
    assert (run.read_state().status, run.read_state().id) == (RunStatus.DONE, 1)
    assert root.find(4).read_state().status is RunStatus.FAILED
    # There is no counter yet: the runs, the failed and those of --tmp are looked at once.
    assert root.last_number() == 4
    assert not (path / ".numbers").exists()
    assert root.create("", RunState()).number == 5
    root.delete([1], everything=True)
    assert root.marks() == []
    assert not (path / "marked" / "old").exists()


def test_a_manager_s_experiments() -> None:
    root = Root(GOLDEN / "managed", MANAGED)
    assert layout_of(root.path) is MANAGED
    (experiment,) = root.runs()
    assert (experiment.title, experiment.number) == ("my first experiment", 1)
    assert experiment.read_params() == {"age": 22}
    assert (experiment.files / "a.json").exists()
    assert experiment.metrics.exists()
    inside = Root.inside(experiment)
    assert (inside.layout, layout_of(inside.path)) == (MANAGED_RUN, MANAGED_RUN)
    (run,) = inside.runs()
    assert (run.title, run.read_params(), run.read_state().elapsed) == ("train", {"age": 23}, 1.5)


@pytest.mark.parametrize("name", ["results", "exman", "managed"])
def test_all_of_them_are_found(name: str) -> None:
    assert GOLDEN / name in {root.path for root in roots_under(GOLDEN)}
