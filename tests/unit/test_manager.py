"""The door for scripts and notebooks: what a manager keeps, and where (EXG-01, 02, 04, 05)."""

from __future__ import annotations

import copy
import io
import math
import os
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from coolrunner.errors import BadNameError, RunError, UsageError
from coolrunner.frontends.managing import manager as door
from coolrunner.frontends.managing.manager import Manager, create_experiment, get_experiment
from coolrunner.results.frames.index import Index
from coolrunner.runs.current import current_run, entered, is_inside
from coolrunner.runs.layout import MANAGED, MANAGED_RUN
from coolrunner.runs.root import Root
from coolrunner.runs.session import Run
from coolrunner.runs.status import RunState
from tests.managed import files, metrics, status


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a few files."""
    path = tmp_path / "project"
    for name, text in {
        "train.py": "print(1)\n",
        "lib/net.py": "x = 1\n",
        "lib/old/net.py": "x = 0\n",
        "settings.json": "{}",
        "notes.md": "notes",
        "Makefile": "all:",
        "__pycache__/train.py": "",
        ".hidden/secret.py": "",
        "venv/pyvenv.cfg": "",
        "venv/lib/thing.py": "",
        "managed_experiments/older/saved_sources/train.py": "",
        "aws_credentials.json": "{}",
    }.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return path


@pytest.fixture
def manager(project: Path) -> Iterator[Manager]:
    """An experiment that is under way."""
    with create_experiment("test", project_dir=project, verbose=0, capture_output=False) as manager:
        yield manager


# --- where things are ---


def test_exg_01_an_experiment_has_its_directories_from_the_beginning(project: Path) -> None:
    with create_experiment("my first experiment", project_dir=project, verbose=0) as manager:
        directory = manager.experiment_dir
        assert directory.parent == manager.experiments_dir == project / "managed_experiments"
        assert directory.name.startswith("my first experiment 20")
        for name in ("saved_files", "saved_sources", "saved_metrics", "saved_runs"):
            assert getattr(manager, name) == directory / name
            assert (directory / name).is_dir()
        assert (directory / "experiment_info.log").is_file() and (directory / "debug.log").is_file()
        assert (directory / "stdout_capture.log").is_file()
        assert manager.experiment_info_log.name == "experiment_info.log"
        assert manager.save_dir == manager.saved_files and manager.runs_dir == manager.saved_runs
        assert manager.experiment_name == directory.name
        assert not any(path.name.startswith(".new") for path in manager.experiments_dir.iterdir())


def test_exg_01_the_index_of_runs_sees_the_experiment_and_its_runs(manager: Manager) -> None:
    manager.add_config({"lr": 0.5})
    manager.add_command(lambda: None, name="train")
    manager.run("train", update_dict={"lr": 0.1})
    (experiment,) = Root(manager.experiments_dir, MANAGED).runs()
    (run,) = Root(experiment.path, MANAGED_RUN).runs()
    assert experiment.path == manager.experiment_dir
    assert (experiment.read_params(), run.read_params()) == ({"lr": 0.5}, {"lr": 0.1})
    assert status(experiment.path)["status"] == "running" and status(run.path)["status"] == "done"
    assert (status(experiment.path)["name"], status(run.path)["name"]) == ("test", "train")
    table = Index(manager.experiments_dir).info()
    assert list(table.id) == [1] and list(table.lr) == [0.5] and list(table.root) == [manager.experiment_dir]
    assert list(Index(manager.experiment_dir).info().lr) == [0.1]
    manager.close()
    assert status(experiment.path)["status"] == "done"


def test_exg_01_several_experiments_are_open_at_once_and_each_keeps_its_own(project: Path) -> None:
    one = create_experiment("one", project_dir=project, verbose=0)
    two = create_experiment("two", project_dir=project, verbose=0)
    assert (get_experiment(), get_experiment("one"), get_experiment("two")) == (two, one, two)
    assert one.save("text", "a").parent == one.saved_files
    assert two.save("text", "a").parent == two.saved_files
    found = []
    one.add_command(lambda: found.append(get_experiment()), name="look")
    one.run("look")
    assert found == [one]
    with pytest.raises(UsageError, match="no experiment 'on' is open: did you mean 'one'"):
        get_experiment("on")
    one.close()
    assert get_experiment() is two
    two.close()


def test_exg_01_an_experiment_of_the_same_name_finishes_the_one_before(project: Path) -> None:
    first = create_experiment("test", project_dir=project, verbose=0)
    second = create_experiment("test", project_dir=project, verbose=0)
    assert first.experiment_dir != second.experiment_dir
    assert status(first.experiment_dir)["status"] == "done"
    with pytest.raises(RunError, match="the experiment 'test' is finished"):
        first.save("text", "a")
    second.close()


def test_an_experiment_is_the_current_run_until_it_is_closed(manager: Manager) -> None:
    assert current_run().dir == manager.experiment_dir
    assert os.environ["COOLRUNNER_RUN"] == str(manager.experiment_dir)
    current_run().log_scalar("loss", 1)
    manager.log_scalar("loss", 2)
    manager.close()
    manager.close()
    assert not is_inside() and "COOLRUNNER_RUN" not in os.environ
    assert metrics(manager.saved_metrics) == {"loss": [(0, 1.0), (1, 2.0)]}


def test_a_manager_that_is_handed_on_is_the_same_experiment(manager: Manager) -> None:
    assert pickle.loads(pickle.dumps(manager)) is manager
    assert copy.deepcopy({"manager": manager})["manager"] is manager


@pytest.mark.parametrize("name", ["", " ", None, 3])
def test_an_experiment_needs_a_name(name: Any, project: Path) -> None:
    with pytest.raises(UsageError, match="an experiment needs a name"):
        create_experiment(name, project_dir=project)


def test_a_name_with_a_slash_stays_one_directory(project: Path) -> None:
    with create_experiment("a/../b", project_dir=project, verbose=0) as manager:
        assert manager.experiment_dir.parent == project / "managed_experiments"
        manager.add_command(lambda: None, name="x")
        manager.run("x", run_name="../../out")
        assert len(list(manager.saved_runs.iterdir())) == 1


def test_outside_of_any_experiment_there_is_one_that_keeps_nothing_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(door, "_nowhere", [])
    monkeypatch.chdir(tmp_path)
    with pytest.warns(RuntimeWarning, match="there is no experiment here"):
        manager = get_experiment()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert get_experiment("any name") is manager
        manager.log_scalar("loss", 1)
        manager.save([1], "a")
    assert files(tmp_path) == []


def test_the_project_is_the_directory_of_the_calling_file_and_in_a_notebook_the_working_one(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    text = (
        "manager = create_experiment('test', verbose=0, capture_output=False, sources=False)\nmanager.close()"
    )
    names: dict[str, Any] = {"create_experiment": create_experiment, "__name__": "__main__"}
    for _ in range(2):  # a cell that is run again
        exec(text, names)
    assert names["manager"].project_dir == project
    names["__file__"] = str(project / "lib" / "net.py")
    exec(text, names)
    assert names["manager"].experiment_dir.parent == project / "lib" / "managed_experiments"


class Shell:
    """Runs cells as IPython does, which puts its streams back after each of them."""

    def __init__(self) -> None:
        self.events = self
        self.callbacks: dict[str, list[Callable[..., None]]] = {"pre_run_cell": [], "post_run_cell": []}

    def register(self, event: str, function: Callable[..., None]) -> None:
        self.callbacks[event].append(function)

    def unregister(self, event: str, function: Callable[..., None]) -> None:
        self.callbacks[event].remove(function)

    def run_cell(self, cell: Callable[[], object]) -> None:
        stream: Any = sys.stdout
        write = stream.write
        stream.write = lambda text: write(text)
        try:
            for begin in self.callbacks["pre_run_cell"][:]:
                begin("info")
            cell()
            for end in self.callbacks["post_run_cell"][:]:
                end("result")
        finally:
            stream.write = write


def test_exg_03_the_output_of_each_cell_is_kept_until_the_experiment_is_closed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stream(io.StringIO):
        """A stream as in a notebook: it has no descriptor, and can be written over."""

    shell, shown = Shell(), Stream()
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setitem(sys.modules, "IPython", cast(Any, SimpleNamespace(get_ipython=lambda: shell)))
    managers = []
    shell.run_cell(lambda: managers.append(create_experiment("test", project_dir=project, verbose=0)))
    shell.run_cell(lambda: shown.write("first\n"))
    shell.run_cell(lambda: shown.write("second\n"))
    shell.run_cell(lambda: (managers[0].close(), shown.write("third\n")))
    shell.run_cell(lambda: shown.write("fourth\n"))
    assert managers[0].stdout_capture_log.read_text() == "first\nsecond\n"
    assert shown.getvalue() == "first\nsecond\nthird\nfourth\n"
    assert shell.callbacks == {"pre_run_cell": [], "post_run_cell": []}


def test_in_the_run_of_a_module_the_experiment_is_that_run(tmp_path: Path) -> None:
    run = Run(Root(tmp_path / "results").create("lr: 0.5\n", RunState(name="vgg"), name="vgg"))
    with entered(run):
        manager = get_experiment()
        assert manager is get_experiment() and manager.experiment_dir == run.dir
        assert manager.save("text", "text").parent == run.files
        manager.log_scalar("loss", 1)
        run.log_scalar("loss", 2)
        assert manager.config == {"lr": 0.5}
        manager.info("hello")
        assert "hello" in (run.dir / "info.log").read_text()
    assert metrics(run.dir) == {"loss": [(0, 1.0), (1, 2.0)]}
    assert run.directory.read_state().status == "running"


# --- sources ---


def test_exg_02_the_sources_of_the_project_are_copied(manager: Manager) -> None:
    assert files(manager.saved_sources) == ["lib/net.py", "lib/old/net.py", "train.py"]
    assert (manager.saved_sources / "train.py").read_text() == "print(1)\n"


def test_exg_02_extensions_and_names_are_chosen_and_patterns_skip(project: Path) -> None:
    with create_experiment(
        "test",
        project_dir=project,
        experiments_dir="elsewhere",
        verbose=0,
        include_extensions=["py", ".json"],
        include_names=["Makefile"],
        skip=[r"(^|/)old/", r"^train"],
    ) as manager:
        assert files(manager.saved_sources) == ["Makefile", "lib/net.py", "settings.json"]
        assert "aws_credentials.json" in manager.experiment_info_log.read_text()
        assert manager.experiments_dir == project / "elsewhere"


def test_exg_02_no_experiment_is_copied_into_the_next_one(project: Path) -> None:
    for place in ("managed_experiments", "lib/experiments"):
        for _ in range(2):
            with create_experiment("test", place, project, verbose=0) as manager:
                assert files(manager.saved_sources) == ["lib/net.py", "lib/old/net.py", "train.py"]


def test_exg_02_a_rule_that_is_no_regular_expression_is_refused(project: Path) -> None:
    with pytest.raises(UsageError, match=r"'\*old' that skips sources is no regular expression"):
        create_experiment("test", project_dir=project, skip=["*old"])
    assert not list((project / "managed_experiments").glob("test*"))


def test_sources_may_be_left_alone(project: Path) -> None:
    with create_experiment("test", project_dir=project, verbose=0, sources=False) as manager:
        assert files(manager.saved_sources) == []


# --- saving and loading ---


def test_exg_04_save_returns_the_path_and_gives_versions(manager: Manager) -> None:
    first, second = manager.save({"a": 1}, "result"), manager.save({"a": 2}, "result")
    assert first == manager.saved_files / "result.json" and second.parent == first.parent
    assert first != second and first.is_file() and second.is_file()
    assert manager.load("result") == {"a": 2}
    assert manager.save({"a": 3}, "result", overwrite=True) == second
    assert manager.load("result") == {"a": 3}


def test_exg_04_what_is_saved_in_a_run_goes_to_the_run_unless_it_is_shared(manager: Manager) -> None:
    @manager.command
    def train() -> tuple[Path, Path]:
        assert manager.get_save_path("a", "b") == manager.runs[1].saved_files / "a" / "b"
        return manager.save("one", "text"), manager.save("two", "text", shared=True)

    own, shared = manager.run("train")
    assert own.parent == manager.runs[1].saved_files and shared.parent == manager.saved_files
    assert manager.load("text") == "two"
    assert manager.get_save_path() == manager.saved_files


def test_exg_04_load_looks_into_the_run_then_the_experiment_then_load_dir(
    manager: Manager, tmp_path: Path
) -> None:
    manager.save(1, "shared")
    manager.save(2, "both")

    @manager.command
    def train() -> list[Any]:
        manager.save(3, "both")
        return [manager.load("shared"), manager.load("both"), manager.load("both.json")]

    assert manager.run("train") == [1, 3, 3]
    older = manager.saved_files
    with create_experiment("next", project_dir=tmp_path, load_dir=older, verbose=0) as following:
        assert following.load("shared") == 1
        assert following.get_load_path("shared.json") == older / "shared.json"
        following.save(4, "shared")
        assert following.load("shared") == 4
        with pytest.raises(RunError, match="there is no 'nothing'"):
            following.load("nothing")


def test_exg_04_load_dir_gives_all_that_was_saved_by_name(manager: Manager) -> None:
    manager.save([1, 2], "list")
    manager.save("text", "sub/text")
    expected = {"list": [1, 2], "sub/text": "text"}
    assert manager.load_dir() == expected
    assert manager.load_dir(manager.experiment_dir) == expected
    assert manager.load_dir(manager.saved_files / "sub") == {"text": "text"}
    with pytest.raises(RunError, match="there is no directory"):
        manager.load_dir("nowhere")


def test_exg_04_every_kind_of_object_finds_its_form(manager: Manager) -> None:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

    array = np.arange(6.0).reshape(2, 3)
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    assert manager.save([1, "a"], "list").suffix == ".json"
    assert manager.save("text", "text").suffix == ".txt"
    assert manager.save(array, "array").suffix == ".npy"
    assert manager.save(Figure(), "figure").suffix == ".png"
    manager.save(frame, "frame")
    manager.save({"nested": {"array": array}}, "tree")
    loaded = manager.load_dir()
    assert loaded["list"] == [1, "a"] and loaded["text"] == "text"
    assert np.array_equal(loaded["array"], array)
    assert np.array_equal(loaded["tree"]["nested"]["array"], array)
    pd.testing.assert_frame_equal(loaded["frame"], frame)


class Strange:
    """Nothing knows how to save this."""

    def __init__(self, word: str) -> None:
        self.word = word


def test_exg_04_anything_else_needs_a_saver_or_leave_to_pickle(manager: Manager) -> None:
    with pytest.raises(TypeError, match="add_saver"):
        manager.save(Strange("hello"), "strange")
    path = manager.save(Strange("hello"), "strange", pickle=True)
    assert path.suffix == ".pkl"
    with pytest.raises(RunError, match="pickle"):
        manager.load("strange")
    assert manager.load("strange", pickle=True).word == "hello"


def test_exg_04_a_saver_of_ones_own_is_used_by_its_name_by_the_suffix_and_by_the_type(
    manager: Manager,
) -> None:
    def write(obj: Any, path: Path) -> None:
        path.write_text(obj.word[::-1])

    def read(path: Path) -> Strange:
        return Strange(path.read_text()[::-1])

    manager.add_saver(write, "backwards", "back", load=read)
    assert manager.save(Strange("one"), "a", method="backwards").name == "a.back"
    assert manager.save(Strange("two"), "b.back").read_text() == "owt"
    assert manager.load("a").word == "one"
    with pytest.raises(TypeError):
        manager.save(Strange("three"), "c")
    manager.add_saver(write, "backwards", ".back", load=read, kind=Strange)
    assert manager.save(Strange("three"), "c").name == "c.back"
    with pytest.raises(UsageError, match="no saver 'backward': did you mean 'backwards'"):
        manager.save(Strange("four"), "d", method="backward")


def test_a_path_with_dots_takes_any_number_of_saves(tmp_path: Path) -> None:
    # The second save below a path with a dot raised once.
    project = tmp_path / "version.1.2" / "my.project"
    project.mkdir(parents=True)
    with create_experiment("v1.0", project_dir=project, verbose=0) as manager:
        paths = {manager.save({"n": n}, "epoch.3.result") for n in range(3)}
        assert len(paths) == 3 and all(path.is_file() for path in paths)
        assert manager.load("epoch.3.result") == {"n": 2}


@pytest.mark.parametrize("name", ["", "..", "../a", "/a", "a//b", "a\0b", "a\nb", "x" * 300])
def test_names_that_lead_elsewhere_are_refused(manager: Manager, name: str) -> None:
    with pytest.raises(BadNameError):
        manager.save("text", name)
    with pytest.raises(BadNameError):
        manager.log_scalar(name, 1)


# --- metrics ---


def test_exg_05_steps_begin_at_0_and_go_on_after_an_explicit_one(manager: Manager) -> None:
    manager.log_scalar("loss", 3)
    manager.log_scalar("loss", 2)
    manager.log_scalar("loss", 1.5, 10)
    manager.log_scalar("loss", math.nan)
    manager.log_scalar("other", math.inf, step=4)
    manager.close()
    found = metrics(manager.saved_metrics)
    assert [step for step, _ in found["loss"]] == [0, 1, 10, 11]
    assert math.isnan(found["loss"][-1][1]) and found["other"] == [(4, math.inf)]


def test_exg_05_several_metrics_share_one_axis(manager: Manager) -> None:
    manager.log_scalar("loss", {"train": 0.5, "test": 0.6})
    manager.log_scalars("loss", [0.4, 0.5], ["train", "test"])
    manager.log_scalars("loss", {"train": 0.3}, step=7)
    manager.log_scalar("loss", {"train": 0.2, "test": 0.3, "other": 0.1})
    manager.log_scalars("pair", (1, 2))
    with pytest.raises(UsageError, match="2 values and 1 labels"):
        manager.log_scalars("loss", [1, 2], ["train"])
    manager.close()
    found = metrics(manager.saved_metrics)
    assert [step for step, _ in found["loss/train"]] == [0, 1, 7, 8]
    assert [step for step, _ in found["loss/test"]] == [0, 1, 8]
    assert found["loss/other"] == [(8, 0.1)] and found["pair/1"] == [(0, 2.0)]


def test_exg_05_a_metric_may_be_logged_to_another_run(manager: Manager) -> None:
    manager.add_command(lambda: None, name="train")
    run = manager.add_run("train")
    manager.log_scalar("loss", 1, run_id=run.id)
    manager.run_existing(run.id)
    manager.log_scalar("loss", 2)
    with pytest.raises(RunError, match="there is no run 99 here: there are 1"):
        manager.log_scalar("loss", 1, run_id=99)
    manager.close()
    assert metrics(run.saved_metrics) == {"loss": [(0, 1.0)]}
    assert metrics(manager.saved_metrics) == {"loss": [(0, 2.0)]}


def test_exg_05_all_else_that_a_logger_logs_is_kept_too(manager: Manager) -> None:
    import numpy as np

    manager.log_text("notes", "a text")
    manager.log_histogram("weights", np.arange(10.0))
    manager.log_image("picture", np.zeros((4, 4)))
    manager.log_gif("film", np.zeros((2, 4, 4)))
    manager.log_embedding("points", np.zeros((3, 2)), labels=["a", "b", "c"])
    manager.log_table("table", [{"a": 1}, {"a": 2}])
    manager.log_scalar_batch("returns", [1.0, 2.0, math.nan])
    manager.close()
    kinds = {name.partition("/")[0] for name in files(manager.saved_files)}
    assert kinds == {"text", "histograms", "images", "gifs", "embeddings", "tables"}
    assert metrics(manager.saved_metrics)["returns/Len"] == [(0, 2.0)]


def test_exg_05_the_same_goes_to_tensorboard_where_that_is_asked_for(project: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra [tensorboard] is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with create_experiment("test", project_dir=project, verbose=0, tensorboard=True) as manager:
        manager.log_scalar("loss", 0.5)

        @manager.command
        def train() -> None:
            manager.log_scalar("loss", 0.25, 3)
            manager.log_histogram("weights", [1.0, 2.0])

        manager.run("train")
        run = manager.runs[1]
    for directory, expected in (
        (manager.experiment_dir, (0, 0.5)),
        (run.run_dir, (3, 0.25)),
    ):
        events = EventAccumulator(str(directory / "tensorboard")).Reload()
        assert [(event.step, event.value) for event in events.Scalars("loss")] == [expected]
    assert events.Tags()["histograms"] == ["weights"]
