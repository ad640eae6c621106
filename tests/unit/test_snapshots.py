"""Snapshots: which stay, what is loaded, and that a kill at any moment leaves one that can be loaded."""

from __future__ import annotations

import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from coolrunner.errors import RunError, RunWriteError, UsageError
from coolrunner.runs.metrics import Metrics
from coolrunner.runs.root import Root
from coolrunner.runs.session import Run
from coolrunner.runs.snapshots import Snapshots
from coolrunner.runs.status import RunState
from tests.disks import full_after

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where snapshots are going to be."""
    return tmp_path / "snapshots"


@pytest.fixture
def snapshots(directory: Path) -> Snapshots:
    """Return the snapshots of a run."""
    return Snapshots(directory)


def names(directory: Path) -> list[str]:
    """Return what there is, hidden things too."""
    return sorted(path.name for path in directory.iterdir())


# --- which stay ---


def test_the_last_stays_where_nothing_else_was_said(snapshots: Snapshots, directory: Path) -> None:
    assert snapshots.last() is None
    for step in range(3):
        assert snapshots.take({"epoch": step}, step) == directory / f"{step:08d}"
    assert names(directory) == ["00000002"]
    last = snapshots.last()
    assert last is not None
    assert last[:2] == (2, {"epoch": 2})
    assert abs(last.time - time.time()) < 60


def test_all_of_them_stay(snapshots: Snapshots, directory: Path) -> None:
    snapshots.keep("all")
    for step in range(3):
        snapshots.take(step, step)
    assert names(directory) == ["00000000", "00000001", "00000002"]
    assert [snapshots.load(kept).state for kept in snapshots.all()] == [0, 1, 2]


def test_the_first_and_every_nth_are_taken(snapshots: Snapshots) -> None:
    snapshots.keep("all", every=5)
    taken = [step for step in range(1, 21) if snapshots.take(step, step)]
    assert taken == [1, 5, 10, 15, 20]


def test_none_is_taken(snapshots: Snapshots, directory: Path) -> None:
    snapshots.keep("none")
    assert snapshots.take(1, 1) is None
    assert not directory.exists()


@pytest.mark.parametrize(("goal", "best"), [("max", 2), ("min", 3)])
def test_the_best_by_a_metric_stays_and_the_newest_to_go_on_from(
    snapshots: Snapshots, directory: Path, goal: str, best: int
) -> None:
    metrics = Metrics(None)
    snapshots.keep("best", metric="ACC", goal=goal)
    for step, accuracy in enumerate([math.nan, 0.5, 0.75, 0.25, 0.75, 0.25, math.nan]):
        metrics.log("ACC", accuracy)
        snapshots.take(step, step, metrics=metrics)
    assert names(directory) == [f"{best:08d}", "00000006"]
    found = snapshots.best()
    assert found is not None
    assert found.state == best
    last = snapshots.last()
    assert last is not None
    assert last.state == 6


def test_the_best_is_known_again_after_a_restart(directory: Path) -> None:
    for start in (0, 3):
        snapshots, metrics = Snapshots(directory), Metrics(None)
        snapshots.keep("best", metric="ACC")
        for step in range(start, start + 3):
            metrics.log("ACC", -abs(step - 1))
            snapshots.take(step, step, metrics=metrics)
    assert names(directory) == ["00000001", "00000005"]


def test_the_best_needs_a_metric_that_was_logged(snapshots: Snapshots, directory: Path) -> None:
    metrics = Metrics(None)
    snapshots.keep("best", metric="ACCURACY")
    assert snapshots.best() is None
    with pytest.raises(RunError, match="no value of the metric 'ACCURACY' was logged yet"):
        snapshots.take(1, metrics=metrics)
    with pytest.raises(RunError, match="no metrics here"):
        snapshots.take(1)
    assert not directory.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "lst"}, "no mode 'lst': did you mean 'last'"),
        ({"mode": "weekly"}, "expected all, last, best, none"),
        ({"mode": "best"}, "need the metric that they are judged by"),
        ({"mode": "last", "metric": "ACC"}, "judge by no metric"),
        ({"mode": "best", "metric": "ACC", "goal": "maxi"}, "did you mean 'max'"),
        ({"mode": "all", "every": 0}, "with n from 1: not 0"),
    ],
)
def test_a_rule_that_is_none_says_what_was_expected(
    snapshots: Snapshots, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        snapshots.keep(**arguments)


def test_what_is_not_ours_stays(snapshots: Snapshots, directory: Path) -> None:
    (directory / "mine").mkdir(parents=True)
    (directory / "notes.txt").write_text("mine")
    snapshots.take(1)
    snapshots.take(2)
    assert names(directory) == ["00000001", "mine", "notes.txt"]


# --- what is kept of the state ---


def test_arrays_and_plain_data_come_back_as_they_were(snapshots: Snapshots) -> None:
    state = {
        "weights": [np.arange(3), np.eye(2)],
        "epoch": 3,
        "random": random.Random(1).getstate(),
        "pair": (1, "a"),
    }
    snapshots.take(state)
    last = snapshots.last()
    assert last is not None
    assert (last.state["weights"][1] == np.eye(2)).all()
    assert last.state["random"] == state["random"]
    assert last.state["pair"] == (1, "a")


@pytest.mark.torch
@pytest.mark.slow  # its optimisers import half of it
def test_a_model_and_its_optimiser_go_on_as_if_nothing_had_been(snapshots: Snapshots) -> None:
    torch = pytest.importorskip("torch")

    def work(model: Any, optimiser: Any, steps: int) -> list[float]:
        losses = []
        for _ in range(steps):
            optimiser.zero_grad()
            loss = ((model(torch.eye(3)) - 1) ** 2).mean()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
        return losses

    def build() -> tuple[Any, Any]:
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 2)
        return model, torch.optim.Adam(model.parameters(), lr=0.1)

    expected = work(*build(), 6)
    model, optimiser = build()
    work(model, optimiser, 3)
    snapshots.take({"model": model.state_dict(), "optimiser": optimiser.state_dict(), "epoch": 3}, 3)
    model, optimiser = build()
    last = snapshots.last()
    assert last is not None
    model.load_state_dict(last.state["model"])
    optimiser.load_state_dict(last.state["optimiser"])
    assert work(model, optimiser, 3) == expected[3:]


class Unknown:
    """Of a type that no saver knows."""


def test_a_state_of_an_unknown_type_is_refused_and_leaves_nothing(
    snapshots: Snapshots, directory: Path
) -> None:
    snapshots.take(1)
    with pytest.raises(TypeError, match=r"add_saver.*pickle=True"):
        snapshots.take({"model": Unknown()})
    assert names(directory) == ["00000000"]


def test_a_pickle_is_loaded_only_where_that_is_allowed(snapshots: Snapshots) -> None:
    snapshots.take({"model": Unknown()}, pickle=True)
    with pytest.raises(RunError, match="can run any code"):
        snapshots.last()
    last = snapshots.last(pickle=True)
    assert last is not None
    assert isinstance(last.state["model"], Unknown)


# --- steps ---


def test_the_step_is_the_one_after_the_newest_where_it_is_not_given(
    snapshots: Snapshots, directory: Path
) -> None:
    snapshots.keep("all")
    for step in (None, None, 10, None):
        snapshots.take(0, step)
    assert names(directory) == ["00000000", "00000001", "00000010", "00000011"]
    with pytest.raises(TypeError, match="the step of 'the snapshot' is a whole number"):
        snapshots.take(0, "three")  # type: ignore[arg-type]


def test_one_step_may_be_taken_twice_and_the_later_one_is_the_newest(directory: Path) -> None:
    for value in range(3):
        snapshots = Snapshots(directory)
        snapshots.keep("all")
        snapshots.take(value, 5)
    assert names(directory) == ["00000005", "00000005-1", "00000005-2"]
    last = snapshots.last()
    assert last is not None
    assert last.state == 2
    snapshots.keep("last")
    snapshots.take(3, 4)  # an earlier step: the work went back
    assert names(directory) == ["00000004"]


def test_metrics_go_on_where_the_snapshot_was_taken(snapshots: Snapshots, tmp_path: Path) -> None:
    metrics = Metrics(tmp_path / "metrics.csv")
    for _ in range(3):
        metrics.log("loss", 1)
    snapshots.take(0, 2, metrics=metrics)
    metrics.log("loss", 1)
    metrics.log("later", 1)
    metrics.close()
    again = Metrics(tmp_path / "metrics.csv")
    snapshots.last(metrics=again)
    assert again.log("loss", 1) == 3
    assert again.log("later", 1) == 0
    again.close()


def test_every_nth_is_counted_on_after_a_restart(directory: Path) -> None:
    first = Snapshots(directory)
    first.keep("all", every=4)
    for step in range(1, 6):
        first.take(0, step)
    again = Snapshots(directory)
    again.keep("all", every=4)
    last = again.last()
    assert last is not None
    taken = [step for step in range(last.step + 1, 13) if again.take(0, step)]
    assert taken == [8, 12]


def test_a_run_is_resumed_from_its_last_snapshot(tmp_path: Path) -> None:
    made = Root(tmp_path / "results").create("{}\n", RunState())
    run = Run(made)
    assert run.resume() is None
    run.log_scalar("loss", 1)
    run.snapshot({"epoch": 0})
    run.log_scalar("loss", 2)
    run.close()
    again = Run(made)
    snapshot = again.resume()
    assert snapshot is not None
    assert snapshot[:2] == (0, {"epoch": 0})
    assert again.metrics.log("loss", 3) == 1
    again.close()


# --- whatever is killed ---

TAKES_FOREVER = """
import sys, pathlib
import numpy as np
from coolrunner.runs.snapshots import Snapshots
snapshots = Snapshots(pathlib.Path(sys.argv[1]))
last = snapshots.last()
step = last.step + 1 if last else 0
if last:
    assert (last.state["weights"] == last.step).all() and last.state["epoch"] == last.step
print("ready", step, flush=True)
while True:
    snapshots.take({"weights": np.full(20_000, step), "epoch": step}, step)
    step += 1
"""


def test_the_newest_can_be_loaded_whatever_is_killed(directory: Path) -> None:
    steps = []
    for moment in (0.02, 0.05, 0.011, 0.083, 0.037):
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", TAKES_FOREVER, directory],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        with process.stdout:
            said = process.stdout.readline()
            assert said.startswith("ready"), said
            steps.append(int(said.split()[1]))
            deadline = time.monotonic() + 20
            while steps[-1] == 0 and not any(directory.glob("0*")) and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(moment)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    assert steps == sorted(steps)
    assert steps[-1]
    snapshots = Snapshots(directory)
    last = snapshots.last()
    assert last is not None
    assert (last.state["weights"] == last.step).all()
    snapshots.take(0)
    # What the killed ones left in the midst of their work is gone too.
    assert len(names(directory)) == 1


def test_what_others_are_writing_is_left_alone(snapshots: Snapshots, directory: Path) -> None:
    alive = directory / f".new-{os.getpid()}-ab@{os.uname().nodename}"
    elsewhere = directory / ".new-999999-ab@another-host"
    for path in (alive, elsewhere):
        path.mkdir(parents=True)
    snapshots.take(1)
    assert alive.exists()
    assert elsewhere.exists()


@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "meta"])
def test_a_broken_one_is_skipped_with_a_warning(directory: Path, damage: str) -> None:
    snapshots = Snapshots(directory)
    snapshots.keep("all")
    for step in range(2):
        snapshots.take({"w": np.arange(100), "step": step}, step)
    state = directory / "00000001" / "state.npz"
    if damage == "gone":
        state.unlink()
    elif damage == "meta":
        (directory / "00000001" / "meta.yaml").write_text("version: 1\nstep: [\n")
    else:
        state.write_bytes(state.read_bytes()[:100] if damage == "cut" else b"")
    with pytest.warns(RuntimeWarning, match="00000001"):
        last = Snapshots(directory).last()
    assert last is not None
    assert last.state["step"] == 0


def test_where_none_can_be_loaded_that_is_an_error_and_nothing_is_begun_anew(
    snapshots: Snapshots, directory: Path
) -> None:
    snapshots.take({"w": np.arange(100)}, 1)
    (directory / "00000001" / "state.npz").write_bytes(b"")
    with pytest.raises(RunError, match=r"00000001 cannot be loaded: .*Delete it to begin anew"):
        snapshots.last()
    with pytest.raises(RunError, match="cannot be read"):
        snapshots.load(snapshots.all()[0])


def test_a_full_disk_is_said_and_the_one_before_stays(snapshots: Snapshots, directory: Path) -> None:
    snapshots.take({"w": np.zeros(10)}, 1)
    with full_after(2000), pytest.raises(RunWriteError, match="the snapshot of step 2 cannot be written"):
        snapshots.take({"w": np.random.default_rng(0).random(10_000)}, 2)
    assert names(directory) == ["00000001"]
    last = snapshots.last()
    assert last is not None
    assert last.step == 1


def test_one_that_somebody_deleted_is_not_missed(snapshots: Snapshots, directory: Path) -> None:
    snapshots.keep("all")
    for step in range(3):
        snapshots.take(step, step)
    shutil.rmtree(directory / "00000002")
    last = snapshots.last()
    assert last is not None
    assert last.step == 1


# --- the format ---


def test_meta_is_plain_data(snapshots: Snapshots, directory: Path) -> None:
    metrics = Metrics(None)
    metrics.log("ACC", 0.5)
    snapshots.keep("best", metric="ACC")
    snapshots.take({"epoch": 3}, 3, metrics=metrics)
    meta = yaml.safe_load((directory / "00000003" / "meta.yaml").read_text())
    assert abs(meta.pop("time") - time.time()) < 60
    assert meta == {
        "version": 1, "step": 3, "number": 1, "calls": 1, "state": "state.json",
        "metric": "ACC", "score": 0.5, "steps": {"ACC": 1},
    }  # fmt: skip


def test_the_stored_snapshots_of_version_1_are_loaded() -> None:
    stored = Snapshots(ROOT / "tests" / "data" / "v1" / "snapshots")
    assert [(kept.step, kept.metric, kept.score) for kept in stored.all()] == [
        (5, "ACC", 0.5),
        (10, "ACC", 0.25),
    ]
    last = stored.last()
    assert last is not None
    assert last == (10, {"epoch": 10, "sizes": (1, 2)}, last.time)
    stored.keep("best", metric="ACC")
    best = stored.best()
    assert best is not None
    assert best.step == 5


def test_a_state_that_leads_elsewhere_is_not_loaded(snapshots: Snapshots, directory: Path) -> None:
    snapshots.take({"epoch": 3}, 3)
    meta = directory / "00000003" / "meta.yaml"
    meta.write_text(meta.read_text().replace("state.json", "../../secret.json"))
    (directory.parent / "secret.json").write_text("1")
    with pytest.warns(RuntimeWarning, match="does not hold its state"):
        assert Snapshots(directory).last() is None
