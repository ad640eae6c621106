"""`coolrunner.study` in this process: what a definition from Python means, results, tables, mistakes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from coolrunner.errors import DefinitionError, UsageError
from coolrunner.experiment import Experiment
from coolrunner.frontends.calling.studies import study

MODULE = """
def main(exp):
    exp.ACC = exp.lr * 2
    exp.CURVE = [1, 2]
"""


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a Module and a definition."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["pytest"])
    (tmp_path / "studied.py").write_text(MODULE)
    (tmp_path / "study.yaml").write_text(
        "Global: {root: runs}\nModule: studied\nopt: {lr: 1}\n---\nName: a\nlr: 0.25\n---\nName: b\nlr: 0.5\n"
    )
    return tmp_path


def log(name: str = "log.yaml") -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(Path(name).read_text()))


def double(exp: Experiment) -> None:
    exp.ACC = exp.lr * 2


def local() -> Callable[[Experiment], None]:
    factor = 3

    def triple(exp: Experiment) -> None:
        exp.ACC = exp.lr * factor
        exp.PID = os.getpid()

    return triple


# --- results ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("executor", ["local", "inline"])
def test_results_come_as_they_finish_and_stay_in_the_log(executor: str) -> None:
    made = study("study.yaml", executor=executor)
    assert len(made) == 2
    seen = []
    for result in made:
        seen.append((result.Name, result.ACC, result.lr, result.opt.lr))
        assert len(log()) == len(seen)
    assert seen == [("a", 0.5, 0.25, 1), ("b", 1.0, 0.5, 1)]
    assert made.finished is not None
    assert (made.finished.done, made.finished.status) == (2, 0)
    assert repr(made) == "<study study.yaml: 2 of 2 done>"


def test_a_result_is_an_experiment_with_its_run() -> None:
    (first, _) = study("study.yaml").run()
    assert (dict(first.results), first.inputs["Name"]) == ({"ACC": 0.5, "CURVE": [1, 2]}, "a")
    assert (first.run.dir / "params.yaml").is_file()
    assert str(first.RUN).startswith("runs/runs/000001-")


def test_a_study_runs_once_however_often_it_is_asked() -> None:
    made = study("study.yaml")
    assert made.run() is made.run()
    assert [result.Name for result in made] == ["a", "b"]
    assert len(log()) == 2


def test_a_table_holds_this_study_alone() -> None:
    pytest.importorskip("pandas")
    study("study.yaml").run()
    frame = study("study.yaml", overrides={"opt": None}).frame()
    assert list(frame["ACC"]) == [0.5, 1.0]
    assert frame.attrs["roles"]["ACC"] == "result"
    assert len(log()) == 4


def test_failures_are_kept_apart(capsys: pytest.CaptureFixture[str]) -> None:
    made = study("study.yaml", overrides=["++lr=null"])
    assert made.run() == []
    assert [failure.Name for failure in made.failures] == ["a", "b"]
    assert made.failures[0].ERROR.startswith("TypeError")
    assert made.finished is not None
    assert made.finished.status == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "a failed after" in captured.err


def test_fail_fast_ends_it_with_the_first_failure() -> None:
    made = study("study.yaml", overrides=["++lr=null"], fail_fast=True)
    made.run()
    assert len(made.failures) == 1


def test_a_loop_that_is_left_ends_the_study() -> None:
    made = study("study.yaml")
    for result in made:
        assert result.Name == "a"
        break
    assert made.finished is not None
    assert (made.finished.done, made.finished.left) == (1, 1)
    assert len(log()) == 1
    assert [result.Name for result in made] == ["a"]


def test_an_exception_in_the_loop_ends_the_study_with_what_runs() -> None:
    def wait(exp: Experiment) -> None:
        Path(f"pid-{exp.t}").write_text(str(os.getpid()))
        time.sleep(exp.t)

    made = study([{"t": 0.01}, {"t": 60}], defaults={"Module": wait, "Global": {"grace": 1}}, jobs=2)
    with pytest.raises(ZeroDivisionError):
        for _ in made:
            while not Path("pid-60").exists():
                time.sleep(0.01)
            1 / 0  # noqa: B018
    assert made.finished is not None
    assert (made.finished.done, made.finished.interrupted) == (1, 1)
    with pytest.raises(ProcessLookupError):
        os.kill(int(Path("pid-60").read_text()), 0)


def test_it_can_be_run_to_its_end_within_the_loop() -> None:
    made = study("study.yaml")
    names = []
    for result in made:
        names.append(result.Name)
        assert len(made.run()) == 2
    assert names == ["a", "b"]


def test_resume_runs_what_is_missing() -> None:
    study("study.yaml", pick=[0]).run()
    assert [result.Name for result in study("study.yaml", resume=True)] == ["b"]
    assert study("study.yaml", resume=True).run() == []


def test_a_queue_of_before_is_not_run_over() -> None:
    changes = {"Global.queue": "queue.yaml"}
    study("study.yaml", overrides={**changes, "lr": 1}, pick="0", fail_fast=True).run()
    assert len(log()) == 1
    assert Path("queue.yaml").exists()
    study("study.yaml", overrides=["+Global.queue=q.yaml", "++lr=null"]).run()
    with pytest.raises(UsageError, match="resume=True runs what is missing"):
        study("study.yaml", overrides=["+Global.queue=q.yaml"]).run()


# --- settings --------------------------------------------------------------------------------------


def test_root_log_and_overrides_change_the_definition() -> None:
    (first, _) = study(
        "study.yaml", root=None, log="logs/other.yaml", overrides={"opt.lr": 3, "++lr": 0.125}
    ).run()
    assert (first.opt.lr, first.ACC, "RUN" in first) == (3, 0.25, False)
    assert len(log("logs/other.yaml")) == 2
    assert not Path("runs").exists()
    assert study("study.yaml", root="elsewhere", pick="1").run()[0].RUN.startswith("elsewhere/runs/")


def test_several_run_at_once(directory: Path) -> None:
    def meet(exp: Experiment) -> None:
        Path(f"{exp.REP}").write_text("")
        while not Path(f"{1 - exp.REP}").exists():
            time.sleep(0.01)

    assert len(study({"Module": meet, "Repeat": 2, "Timeout": 30}, jobs=2).run()) == 2


def test_what_no_machine_has_is_an_error_before_anything_runs() -> None:
    with pytest.raises(DefinitionError, match="asks for 100000 CPUs"):
        study("study.yaml", overrides={"Resources": {"cpus": 100000}}).run()
    assert not Path("log.yaml").exists()


def test_a_sweep_in_a_mapping_is_many_experiments() -> None:
    sweep = {"grid": {"lr": [1, 2], "opt.lr": [3, 4]}}
    made = study({"Module": "studied", "opt": {"lr": 0}, "Sweep": sweep})
    assert len(made) == 4
    assert sorted((result.lr, result.opt.lr) for result in made) == [(1, 3), (1, 4), (2, 3), (2, 4)]


def test_a_search_gives_its_trials_as_they_finish() -> None:
    pytest.importorskip("optuna")
    search = {"search": {"lr": "uniform(0, 1)"}, "maximize": "ACC", "n": 3, "sampler": "random", "seed": 1}
    results = list(study({"Module": "studied", "Sweep": search}))
    assert len({result.lr for result in results}) == 3


def test_a_display_that_is_asked_for_is_lines(capsys: pytest.CaptureFixture[str]) -> None:
    study("study.yaml", display=True).run()
    assert "[2/2] b done in" in capsys.readouterr().out


# --- definitions from Python -----------------------------------------------------------------------


def test_experiments_are_mappings_with_defaults_of_their_own() -> None:
    results = study([{"lr": 1}, {"lr": 2, "Name": "two"}], defaults={"Module": "studied", "x": [1]}).run()
    assert [(result.Name, result.ACC, result.x) for result in results] == [
        *(("study", 2, [1]), ("two", 4, [1]))
    ]
    assert results[0].STUDY == "study"


def test_expressions_mean_what_they_do_in_a_file() -> None:
    (result,) = study({"Module": "studied", "a": 2, "lr": "parse a * 4"}, name="mine").run()
    assert (result.lr, result.STUDY) == (8, "mine")


@pytest.mark.parametrize("executor", ["local", "inline"])
def test_a_module_may_be_a_function_that_stands_in_no_file(executor: str) -> None:
    results = study([{"lr": 1}, {"lr": 2}], defaults={"Module": local()}, executor=executor).run()
    assert [(result.Name, result.ACC) for result in results] == [("triple", 3), ("triple", 6)]
    assert (os.getpid() in [result.PID for result in results]) is (executor == "inline")
    assert len({result.PID for result in results}) == (1 if executor == "inline" else 2)


def test_a_function_in_a_file_is_named_by_its_place() -> None:
    import studied  # type: ignore[import-not-found]

    (result,) = study({"Module": studied.main, "lr": 1}).run()
    assert (result.Module, result.ACC) == ("studied:main", 2)
    sys.modules.pop("studied")


def test_functions_of_one_name_are_not_mixed_up() -> None:
    results = study(
        [
            {"Module": lambda exp: exp.update(WHICH=1), "Name": "a"},
            {"Module": lambda exp: exp.update(WHICH=2), "Name": "b"},
        ]
    ).run()
    assert [result.WHICH for result in results] == [1, 2]


def test_a_function_cannot_travel_to_other_machines() -> None:
    with pytest.raises((UsageError, DefinitionError), match=r"process alone|executor"):
        study({"Module": local(), "lr": 1}, executor="slurm")


def test_a_copy_of_this_process_leaves_its_end_to_it(directory: Path) -> None:
    """What was registered for the exit of a script or a notebook happens once."""
    script = """
import atexit, sys
sys.path[:0] = [{root!r}]
import coolrunner.frontends.calling.studies as studies
atexit.register(lambda: open("exits", "a").write("x"))
def train(exp):
    exp.N = exp.a
print(len(studies.study([dict(a=1), dict(a=2)], defaults=dict(Module=train), jobs=2).run()))
"""
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run([sys.executable, "-c", script.format(root=root)], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("2\n", "")
    assert Path("exits").read_text() == "x"


# --- mistakes --------------------------------------------------------------------------------------


def test_a_wrong_definition_raises_at_once_with_every_mistake() -> None:
    Path("bad.yaml").write_text("Module: studied\n---\nName: a\nTimeout: soon\nlr: parse nothing\n")
    with pytest.raises(DefinitionError) as caught:
        study("bad.yaml")
    assert "bad.yaml:4:10: Timeout is 'soon'" in str(caught.value)
    assert "the name 'nothing' is not known here" in str(caught.value)


def test_a_mistake_in_a_mapping_shows_the_line_that_it_would_be() -> None:
    with pytest.raises(DefinitionError) as caught:
        study({"Module": "studied", "Timeout": "soon"})
    (found,) = caught.value.problems
    assert found.line == "Timeout: soon"


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ([], {}, "there is no experiment: the list is empty"),
        ([3], {}, "experiment 1 is a int; a mapping of parameters was expected"),
        ([{"Global": {}}], {}, "Global stands in experiment 1; it belongs in defaults="),
        ("study.yaml", {"defaults": {}}, "defaults= goes with experiments"),
        ([{"model": object()}], {}, "experiment 1: a value of type object at model is no plain data"),
        ("study.yaml", {"overrides": {"x": object()}}, "overrides: a value of type object"),
        ("study.yaml", {"pick": "7"}, "--pick: there is no experiment 7"),
    ],
)
def test_a_wrong_call_is_explained(given: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        study(given, **options)
    assert message in str(caught.value)


def test_a_study_that_cannot_begin_says_so_each_time() -> None:
    Path("log.yaml").mkdir()
    made = study("study.yaml")
    for _ in range(2):
        with pytest.raises(Exception, match=r"log\.yaml"):
            made.run()
