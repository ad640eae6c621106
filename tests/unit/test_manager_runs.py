"""Commands of a manager and their runs, ghosts, and how experiments end (EXG-08, EXG-09)."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from coolrunner.errors import BadNameError, RunError, UsageError
from coolrunner.frontends.managing.manager import Manager, create_experiment
from coolrunner.runs.current import current_run, is_inside
from tests.managed import files, metrics, status


class Strange:
    """Has no plain form."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a file."""
    path = tmp_path / "project"
    path.mkdir()
    (path / "train.py").write_text("")
    return path


@pytest.fixture
def manager(project: Path) -> Iterator[Manager]:
    """An experiment that is under way."""
    with create_experiment("test", project_dir=project, verbose=0, capture_output=False) as manager:
        yield manager


# --- commands and runs ---


def test_exg_08_a_command_runs_in_a_directory_of_its_own(manager: Manager) -> None:
    @manager.command
    def train(lr: float = 0.1, epochs: int = 2) -> float:
        for epoch in range(epochs):
            manager.log_scalar("loss", lr / (epoch + 1))
        return lr

    manager.add_config({"lr": 0.5})
    assert manager.run("train") == 0.5
    assert manager.run(train, update_dict={"lr": 4}, call_options={"epochs": 1}) == 4
    assert train(lr=2) == 2
    first, second = manager.runs.values()
    assert (first.id, second.id, second.command_name) == (1, 2, "train")
    assert first.run_dir.parent == second.run_dir.parent == manager.saved_runs
    assert files(first.run_dir) == ["params.yaml", "run.log", "saved_metrics/metrics.csv", "status.yaml"]
    manager.close()
    assert metrics(first.saved_metrics)["loss"] == [(0, 0.5), (1, 0.25)]
    assert metrics(second.saved_metrics)["loss"] == [(0, 4.0)]
    assert metrics(manager.saved_metrics)["loss"] == [(0, 2.0), (1, 1.0)]
    assert yaml.safe_load((second.run_dir / "params.yaml").read_text()) == {"lr": 4, "epochs": 1}


def test_exg_08_the_innermost_of_nested_runs_owns_saves_and_logs(manager: Manager) -> None:
    seen = []

    def note() -> None:
        seen.append((manager.get_call_id(), current_run().dir, manager.save("x", "text")))

    @manager.command
    def outer() -> None:
        note()
        manager.run("inner")
        note()

    @manager.command
    def inner() -> None:
        note()

    note()
    manager.run("outer")
    note()
    places = [path.parent.parent for _, _, path in seen]
    assert [number for number, _, _ in seen] == [-1, 1, 2, 1, -1]
    assert places == [directory for _, directory, _ in seen]
    assert places == [
        manager.experiment_dir,
        manager.runs[1].run_dir,
        manager.runs[2].run_dir,
        manager.runs[1].run_dir,
        manager.experiment_dir,
    ]


def test_exg_08_one_run_is_used_several_times(manager: Manager) -> None:
    @manager.command
    def train(lr: float) -> float:
        manager.log_scalar("loss", lr)
        return lr

    run = manager.add_run("train", update_dict={"lr": 1}, run_name="shared run")
    assert run.name == "shared run" and run.calls == 0
    assert [manager.run_existing(run.id), manager.run_existing(run, {"lr": 2}), run(lr=3)] == [1, 2, 3]
    assert status(run.run_dir)["status"] == "done" and run.calls == 3
    manager.close()
    assert metrics(run.saved_metrics)["loss"] == [(0, 1.0), (1, 2.0), (2, 3.0)]
    assert len(list(manager.saved_runs.iterdir())) == 1


def test_a_run_that_calls_itself_is_one_run(manager: Manager) -> None:
    @manager.command
    def count(n: int) -> None:
        manager.log_scalar("n", n)
        if n:
            manager.run_existing(manager.get_call_id(), call_options={"n": n - 1})
        manager.log_scalar("n", n)

    manager.run("count", call_options={"n": 2})
    assert manager.get_call_id() == -1
    manager.close()
    assert metrics(manager.runs[1].saved_metrics)["n"] == [(0, 2), (1, 1), (2, 0), (3, 0), (4, 1), (5, 2)]


def test_exg_08_run_raises_what_the_command_raises(manager: Manager) -> None:
    @manager.command
    def fail(kind: type[BaseException] = ValueError) -> None:
        raise kind("no luck")

    with pytest.raises(ValueError, match="no luck"):
        manager.run("fail")
    failed = manager.runs[1].run_dir
    assert status(failed)["status"] == "failed" and status(failed)["error"] == "ValueError: no luck"
    assert "no luck" in (failed / "traceback.txt").read_text()
    assert "ValueError: no luck" in (failed / "run.log").read_text()
    with pytest.raises(KeyboardInterrupt):
        manager.run("fail", call_options={"kind": KeyboardInterrupt})
    assert status(manager.runs[2].run_dir)["status"] == "interrupted"
    assert manager.get_call_id() == -1


def test_a_run_that_is_never_called_says_so(manager: Manager) -> None:
    manager.add_command(lambda: None, name="train")
    run = manager.add_run("train")
    manager.close()
    assert status(run.run_dir)["status"] == "interrupted"
    assert status(run.run_dir)["error"] == "it was never called"


def test_exg_08_commands_are_found_by_name(manager: Manager) -> None:
    @manager.command(prefixes=["net.width"], name="make")
    def build(width: int = 1) -> int:
        return width

    manager.add_config({"net": {"width": 8}, "width": 3})
    assert manager.run("make") == 8 == manager.run(build)
    with pytest.raises(UsageError, match="no command 'maek': did you mean 'make'"):
        manager.run("maek")
    with pytest.raises(UsageError, match="is no command"):
        manager.run(print)
    with pytest.raises(UsageError, match=r"there is a command 'make' already, .*build"):
        manager.add_command(os.getcwd, name="make")


def test_a_command_that_is_defined_again_takes_the_place_of_the_first(manager: Manager) -> None:
    for number in (1, 2):

        @manager.command
        def train(number: int = number) -> int:
            return number

    assert manager.run("train") == 2


def test_exg_08_add_command_takes_a_function_as_it_is(manager: Manager) -> None:
    def train(lr: float = 0.1) -> float:
        return lr

    manager.add_config({"lr": 5})
    manager.add_command(train)
    assert manager.run("train") == 0.1 and manager.run(train, call_options={"lr": 1}) == 1


def test_exg_08_main_is_run_where_no_command_is_named(manager: Manager) -> None:
    with pytest.raises(UsageError, match="mark it with main or automain"):
        manager.run()

    @manager.main
    def train(lr: float = 0.1) -> float:
        return lr

    assert manager.run() == 0.1 and train() == 0.1


def test_exg_08_automain_runs_only_in_the_script_itself(manager: Manager) -> None:
    calls = []

    @manager.automain
    def imported() -> None:
        calls.append("imported")

    def script() -> None:
        calls.append("script")

    script.__module__ = "__main__"
    manager.automain()(script)
    assert calls == ["script"] and manager.runs[1].command_name == "script"


def test_threads_each_find_their_own_run(manager: Manager) -> None:
    both = threading.Barrier(2, timeout=10)

    @manager.command
    def train(name: str) -> None:
        both.wait()
        manager.save(name, "name")
        manager.log_scalar("loss", 1)
        both.wait()
        assert (current_run().files / "name.txt").read_text() == name

    threads = [
        threading.Thread(target=manager.run, args=("train",), kwargs={"call_options": {"name": name}})
        for name in ("a", "b")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = {run.saved_files.joinpath("name.txt").read_text() for run in manager.runs.values()}
    assert found == {"a", "b"} and files(manager.saved_files) == []
    assert {status(run.run_dir)["status"] for run in manager.runs.values()} == {"done"}


def test_a_thread_that_a_run_starts_is_part_of_that_run(manager: Manager) -> None:
    @manager.command
    def train() -> None:
        thread = threading.Thread(target=manager.save, args=("x", "from the thread"))
        thread.start()
        thread.join()

    manager.run("train")
    assert files(manager.runs[1].saved_files) == ["from the thread.txt"]


def test_tasks_each_find_their_own_run(manager: Manager) -> None:
    @manager.command
    async def train(name: str) -> str:
        for _ in range(3):
            await asyncio.sleep(0)
            manager.save(name, name)
        return name

    async def all_of_them() -> list[str]:
        runs = (manager.run("train", call_options={"name": name}) for name in "abc")
        return list(await asyncio.gather(*runs))

    assert asyncio.run(all_of_them()) == ["a", "b", "c"]
    for run, name in zip(manager.runs.values(), "abc", strict=True):
        assert files(run.saved_files) == [f"{name} (1).txt", f"{name} (2).txt", f"{name}.txt"]
    assert manager.get_call_id() == -1


def test_a_thread_outside_of_runs_is_not_taken_for_part_of_one(manager: Manager) -> None:
    begun, done = threading.Event(), threading.Event()

    @manager.command
    def train() -> None:
        begun.set()
        done.wait(10)

    thread = threading.Thread(target=manager.run, args=("train",))
    thread.start()
    assert begun.wait(10)
    path = manager.save("x", "text")
    done.set()
    thread.join()
    assert path.parent == manager.saved_files


# --- ghosts ---


def test_exg_09_a_ghost_runs_everything_and_writes_nothing(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(tmp_path)
    monkeypatch.chdir(project)
    with create_experiment("test", project_dir=project, ghost=True, verbose=0, tensorboard=True) as manager:
        assert manager.ghost
        manager.add_config({"lr": 0.5})

        @manager.command
        def train(lr: float) -> Any:
            manager.log_scalar("loss", lr)
            manager.log_scalar("loss", {"a": 1})
            manager.log_text("notes", "text")
            manager.info("hello")
            manager.log_locals()
            manager.save({"lr": lr}, "result")
            return manager.load("result")

        assert manager.run("train") == {"lr": 0.5}
        run = manager.add_run("train")
        assert manager.run_existing(run.id) == {"lr": 0.5}
        manager.add_saver(lambda obj, path: path.write_text("x"), "own", "own")
        manager.save(object(), "own", method="own")
        assert manager.plot_metrics() == []
        with pytest.raises(BadNameError):
            manager.save(1, "../a")
    assert files(tmp_path) == before
    assert not (project / "managed_experiments" / ".numbers").exists()


def test_exg_09_who_writes_to_the_directory_of_a_ghost_finds_one(project: Path) -> None:
    with create_experiment("test", project_dir=project, ghost=True, verbose=0) as manager:
        (manager.saved_files / "own.txt").write_text("x")
        manager.get_save_path().joinpath("other.txt").write_text("x")
        assert project not in manager.experiment_dir.parents


# --- the end ---


def test_close_may_be_called_from_within_a_run_and_from_several_threads(project: Path) -> None:
    # It waited for itself once.
    manager = create_experiment("test", project_dir=project, verbose=0)

    @manager.command
    def train() -> None:
        threads = [threading.Thread(target=manager.close) for _ in range(4)]
        for thread in threads:
            thread.start()
        manager.close()
        for thread in threads:
            thread.join()

    manager.run("train")
    assert status(manager.experiment_dir)["status"] == "done"
    assert status(manager.runs[1].run_dir)["status"] == "done"
    with pytest.raises(RunError, match="is finished"):
        manager.run("train")
    with pytest.raises(RunError, match="is finished"):
        manager.log_scalar("loss", 1)
    assert not is_inside()


def test_an_exception_in_the_block_makes_the_experiment_fail(project: Path) -> None:
    with (
        pytest.raises(ValueError, match="no luck"),
        create_experiment("test", project_dir=project, verbose=0) as manager,
    ):
        raise ValueError("no luck")
    assert status(manager.experiment_dir)["status"] == "failed"
    assert "no luck" in (manager.experiment_dir / "traceback.txt").read_text()


def test_values_without_a_plain_form_and_secrets_do_not_stand_in_params(manager: Manager) -> None:
    manager.add_config({"kind": Strange(), "api_key": "abc123", "lr": 1})
    assert manager.config["api_key"] == "abc123" and isinstance(manager.config["kind"], Strange)
    written = (manager.experiment_dir / "params.yaml").read_text()
    assert "abc123" not in written and "Strange object" in written and "lr: 1" in written
