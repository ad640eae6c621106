"""The directory of a run: its small files appear whole, and broken ones are named."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from coolrunner.errors import RunError, RunWriteError
from coolrunner.runs.directory import RunDirectory, write_whole
from coolrunner.runs.layout import MANAGED, RESULTS
from coolrunner.runs.root import Root
from coolrunner.runs.status import RunState, RunStatus, move
from tests.disks import full_after


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A run of results."""
    return Root(tmp_path / "results").create("lr: 0.1\n", RunState(), name="resnet")


def test_a_file_appears_whole_or_not_at_all(run: RunDirectory) -> None:
    path = run.path / "state.bin"
    stop = threading.Event()

    def write() -> None:
        for number in range(300):
            write_whole(path, b"%d" % (number % 10) * 50_000)
        stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not stop.is_set():
        if path.exists():
            data = path.read_bytes()
            assert len(data) == 50_000
            assert len(set(data)) == 1
            seen.add(data[:1])
    writer.join()
    assert len(seen) > 1
    assert [found.name for found in run.path.glob(".*")] == []


def test_a_full_disk_leaves_what_was_there(run: RunDirectory) -> None:
    state = run.read_state()
    with full_after(10), pytest.raises(RunWriteError, match=r"status\.yaml cannot be written: No space left"):
        run.write_state(move(state, RunStatus.DONE))
    assert run.read_state() == state
    with full_after(10), pytest.raises(RunWriteError):
        run.write_whole("files/new.bin", b"x" * 11)
    assert not (run.files / "new.bin").exists()
    assert [path.name for path in run.path.rglob(".*")] == []


def test_a_full_disk_leaves_nothing_of_a_new_run(run: RunDirectory) -> None:
    root = Root(run.root)
    with full_after(3), pytest.raises(RunWriteError, match="cannot be made: File too large"):
        root.create("lr: 0.1\n", RunState())
    assert root.runs() == [run]
    assert [path.name for path in root.path.rglob(".*")] == [".numbers"]


def test_a_file_may_stand_deeper(run: RunDirectory) -> None:
    assert run.write_whole("a/b/c.txt", b"x") == run.path / "a" / "b" / "c.txt"
    assert run.write_whole("a/b/c.txt", b"") == run.path / "a" / "b" / "c.txt"
    assert (run.path / "a" / "b" / "c.txt").read_bytes() == b""
    with pytest.raises(RunWriteError, match="cannot be made"):
        run.write_whole("a/b/c.txt/d", b"x")


def test_a_run_that_is_gone_is_not_made_again(run: RunDirectory) -> None:
    Root(run.root).delete([run], everything=True)
    with pytest.raises(RunWriteError, match="No such file"):
        run.write_state(RunState())
    with pytest.raises(RunError, match="there is no run"):
        run.read_state()
    assert not run.path.exists()


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"lr: [1\n", "params.yaml:1:5: "),
        (b"lr: 1\nlr: 2\n", "params.yaml:2:1: "),
        (b"a: 1\nb: \xff\n", "params.yaml:2:4: "),
        (b"- 1\n", "params.yaml:1: "),
        (b"a: !!python/object/apply:os.system [ls]\n", "params.yaml:1"),
        (b"a: 1\n---\nb: 2\n", "params.yaml:3:1: "),
    ],
)
def test_parameters_that_a_hand_has_broken_are_named(run: RunDirectory, data: bytes, place: str) -> None:
    run.params.write_bytes(data)
    with pytest.raises(RunError) as caught:
        run.read_params()
    assert str(run.path / place) in str(caught.value)


def test_missing_parameters_are_named(run: RunDirectory) -> None:
    run.params.unlink()
    with pytest.raises(RunError, match=r"params\.yaml: this file does not exist"):
        run.read_params()


@pytest.mark.parametrize("data", [b"status: [", b"\xff", b"version: 1\nstatus: no\n"])
def test_a_status_that_a_hand_has_broken_is_named(run: RunDirectory, data: bytes) -> None:
    run.status.write_bytes(data)
    with pytest.raises(RunError, match=r"status\.yaml:[12]"):
        run.read_state()


def test_what_has_no_status_is_done(run: RunDirectory) -> None:
    run.status.unlink()
    state = run.read_state()
    assert (state.status, state.id, state.name) == (RunStatus.DONE, 1, "resnet")
    assert state.started[:10] == run.name[7:17]


def test_it_knows_all_paths(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "runs" / "000001-2026-11-21-06-23-29", RESULTS)
    names = ["params", "status", "log", "metrics", "files", "snapshots", "tensorboard"]
    names += ["traceback", "sources", "nested", "info", "debug"]
    assert [getattr(run, name).relative_to(run.path).as_posix() for name in names] == [
        "params.yaml", "status.yaml", "log.txt", "metrics.csv", "files", "snapshots", "tensorboard",
        "traceback.txt", "sources", "runs", "info.log", "debug.log",
    ]  # fmt: skip
    managed = RunDirectory(tmp_path / "x 2026-11-21-06-23-29", MANAGED)
    assert [getattr(managed, name).relative_to(managed.path).as_posix() for name in names[2:5]] == [
        "stdout_capture.log", "saved_metrics/metrics.csv", "saved_files"
    ]  # fmt: skip


def test_exg_01_a_manager_s_directories_are_there_from_the_beginning(tmp_path: Path) -> None:
    root = Root(tmp_path / "managed_experiments", MANAGED)
    experiment = root.create("", RunState(), name="my first experiment")
    there = {path.name for path in experiment.path.iterdir() if path.is_dir()}
    assert there == {"saved_files", "saved_sources", "saved_metrics", "saved_runs"}
    inner = Root.inside(experiment).create("", RunState(), name="train")
    assert inner.path.parent == experiment.path / "saved_runs"
    assert {path.name for path in inner.path.iterdir() if path.is_dir()} == {"saved_files", "saved_metrics"}
    assert inner.log.name == "run.log"


def test_two_are_equal_when_they_are_one_directory(run: RunDirectory) -> None:
    again = RunDirectory.at(run.path)
    assert (again == run, {again, run} == {run}, run == run.path) == (True, True, False)
