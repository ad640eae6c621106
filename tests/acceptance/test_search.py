"""Searches, with the real Optuna: trials that wait in the queue like any experiment, and are told once."""

from __future__ import annotations

import re
from typing import Any

import pytest

from coolrunner.queue.steps import SEARCH_STEPS, VARIABLE
from tests.studies import Project

optuna = pytest.importorskip("optuna")

QUADRATIC = """
def main(exp):
    exp.ACC = -(exp.lr - 0.01) ** 2 - (exp.layers - 3) ** 2
    exp.TIME = exp.layers * 1.5
"""
TUNED = """
Module: modules.module
lr: 0.1
layers: 1
---
Name: tuned
Sweep: {search: {lr: loguniform(1e-5, 1e-1), layers: int(1, 6)}, maximize: ACC, n: 8, seed: 1}
"""


def trials(project: Project, storage: str = "log.optuna.jsonl") -> list[Any]:
    """Return the trials of the only search in a file, read by Optuna itself."""
    backend = optuna.storages.journal.JournalFileBackend(str(project.path / storage))
    kept = optuna.storages.JournalStorage(backend)
    (summary,) = optuna.get_all_study_summaries(kept)
    found: list[Any] = optuna.load_study(study_name=summary.study_name, storage=kept).get_trials()
    return found


def check_told_once(project: Project, count: int, storage: str = "log.optuna.jsonl") -> None:
    """See that every result is in the log once, and at Optuna once, with the values that it ran with."""
    records = {record["ID"]: record for record in project.log()}
    assert len(records) == len(project.log()) == count
    told = trials(project, storage)
    assert [trial.state.name for trial in told] == ["COMPLETE"] * count
    assert sorted(trial.user_attrs["ID"][0] for trial in told) == sorted(records)
    for trial in told:
        record = records[trial.user_attrs["ID"][0]]
        assert trial.params == {"lr": record["lr"], "layers": record["layers"]}
        assert trial.values == [record["ACC"]]


# --- a search --------------------------------------------------------------------------------------


def test_a_search_runs_its_trials_and_tells_optuna_of_each(project: Project, executor: list[str]) -> None:
    project.module(QUADRATIC)
    project.study(TUNED)
    done = project.json(*executor)
    assert done.status == 0, done.stderr
    check_told_once(project, 8)
    assert done.named("study_started")[0]["total"] == 8
    assert any(re.match(r"tuned: best ACC=\S+ with lr=\S+ layers=\d", notice) for notice in done.notices)
    names = [record["Name"] for record in project.log()]
    assert all(re.fullmatch(r"tuned lr=\S+ layers=\d", name) for name in names)
    assert all("Sweep" not in record for record in project.log())


def test_a_seed_gives_the_same_trials_again(project: Project) -> None:
    project.module(QUADRATIC)
    project.study(TUNED)
    first: list[tuple[float, int]] = []
    second: list[tuple[float, int]] = []
    for points in (first, second):
        assert project.run("--inline").status == 0
        points += [(record["lr"], record["layers"]) for record in project.log()]
        for name in ("log.yaml", "log.optuna.jsonl"):
            (project.path / name).unlink()
    assert first == second


def test_so_many_run_at_once_as_the_search_says(project: Project) -> None:
    project.module(
        "import time, pathlib\n"
        "def main(exp):\n"
        "    pathlib.Path('begun', exp.run.name).touch()\n"
        "    exp.SEEN = len(list(pathlib.Path('begun').iterdir()))\n"
        "    time.sleep(0.05)\n"
        "    pathlib.Path('begun', exp.run.name).unlink()\n"
        "    exp.ACC = 1\n"
    )
    (project.path / "begun").mkdir()
    project.study(TUNED.replace("n: 8", "n: 8, jobs: 2"))
    assert project.run("--jobs", "4").status == 0
    assert max(record["SEEN"] for record in project.log()) == 2


def test_a_search_may_have_several_goals(project: Project) -> None:
    project.module(QUADRATIC)
    project.study(TUNED.replace("maximize: ACC", "maximize: [ACC], minimize: [TIME], sampler: nsga2"))
    done = project.json("--inline")
    assert done.status == 0, done.stderr
    by_id = {record["ID"]: record for record in project.log()}
    for trial in trials(project):
        record = by_id[trial.user_attrs["ID"][0]]
        assert trial.values == [record["ACC"], record["TIME"]]
    assert any("best ACC=" in notice and "TIME=" in notice for notice in done.notices)


def test_copies_of_a_trial_are_one_trial_with_the_mean_of_their_results(project: Project) -> None:
    project.module("def main(exp):\n    exp.ACC = exp.layers + exp.REP\n")
    project.study(TUNED.replace("Name: tuned", "Name: tuned\nRepeat: 3").replace("n: 8", "n: 3"))
    assert project.run("--inline").status == 0
    assert [record["REP"] for record in project.log()] == [0, 1, 2] * 3
    assert [trial.values for trial in trials(project)] == [
        [trial.params["layers"] + 1.0] for trial in trials(project)
    ]


def test_expressions_see_the_values_of_a_trial(project: Project) -> None:
    project.module("def main(exp):\n    exp.ACC = exp.optimizer.lr\n")
    project.study(
        "Module: modules.module\noptimizer: {name: sgd, lr: 1}\n---\n"
        "Name: parse f'lr is {optimizer.lr}'\ntwice: parse optimizer.lr * 2\n"
        "Sweep: {search: {optimizer.lr: 'choice([0.5, 0.25])'}, maximize: ACC, sampler: grid}\n"
    )
    assert project.run("--inline").status == 0
    assert sorted(record["Name"] for record in project.log()) == ["lr is 0.25", "lr is 0.5"]
    for record in project.log():
        assert record["twice"] == record["optimizer"]["lr"] * 2
        assert record["optimizer"]["name"] == "sgd"


def test_what_fails_or_has_no_number_counts_as_failed(project: Project) -> None:
    project.module(
        "def main(exp):\n"
        "    if exp.layers == 1: raise ValueError\n"
        "    if exp.layers == 2: exp.ACCURACY = 1\n"
        "    elif exp.layers == 3: exp.ACC = float('nan')\n"
        "    else: exp.ACC = 4.0\n"
    )
    project.study(
        "Module: modules.module\n---\nName: tuned\n"
        "Sweep: {search: {layers: int(1, 4)}, maximize: ACC, sampler: grid}\n"
    )
    done = project.json("--inline")
    assert done.status == 1
    states = {trial.params["layers"]: trial.state.name for trial in trials(project)}
    assert states == {1: "FAIL", 2: "FAIL", 3: "FAIL", 4: "COMPLETE"}
    assert any("ACC is not among its results" in n and "did you mean ACCURACY?" in n for n in done.notices)


# --- going on --------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [*SEARCH_STEPS, "log-appended", "claim-written", "end-written"])
def test_a_search_that_is_killed_anywhere_goes_on_and_nothing_is_lost_or_told_twice(
    project: Project, step: str
) -> None:
    project.module(QUADRATIC)
    project.study(TUNED)
    arguments = ["--queue-file", "queue.yaml", "--inline"]
    for count in ("1", "3"):
        killed = project.run(*arguments, "--resume", **{VARIABLE: f"{step}:{count}"})
        assert killed.status == -9, killed.stderr
    done = project.run(*arguments, "--resume")
    assert done.status == 0, done.stderr
    check_told_once(project, 8, "queue.optuna.jsonl")


@pytest.mark.parametrize("step", [*SEARCH_STEPS, "log-appended"])
def test_a_search_without_a_queue_file_goes_on_as_well(project: Project, step: str) -> None:
    project.module(QUADRATIC)
    project.study(TUNED)
    killed = project.run("--inline", **{VARIABLE: f"{step}:4"})
    assert killed.status == -9, killed.stderr
    done = project.json("--inline")
    assert done.status == 0, done.stderr
    assert any("tuned goes on: " in notice for notice in done.notices)
    check_told_once(project, 8)


def test_one_that_is_complete_is_left_alone_by_resume_and_begun_anew_without(project: Project) -> None:
    project.module(QUADRATIC)
    project.study(TUNED)
    assert project.run("--inline").status == 0
    assert project.run("--inline", "--resume").status == 0
    check_told_once(project, 8)
    assert project.run("--inline").status == 0
    assert len(project.log()) == 16
    assert len(trials(project)) == 8
    assert len(trials(project, "log.optuna.jsonl.before")) == 8


def test_more_trials_are_added_to_those_that_are_there(project: Project) -> None:
    project.module(QUADRATIC)
    project.study(TUNED)
    assert project.run("--inline").status == 0
    project.study(TUNED.replace("n: 8", "n: 11"))
    assert project.run("--inline").status == 0
    check_told_once(project, 11)


def test_another_space_is_another_search(project: Project) -> None:
    project.module(QUADRATIC)
    project.study(TUNED)
    assert project.run("--inline").status == 0
    project.study(TUNED.replace("int(1, 6)", "int(1, 7)"))
    assert project.run("--inline").status == 0
    assert len(project.log()) == 16


def test_whoever_works_on_the_queue_goes_on_with_its_searches(project: Project) -> None:
    project.module(QUADRATIC)
    project.study(TUNED)
    killed = project.run("--queue-file", "queue.yaml", "--inline", **{VARIABLE: "trial-told:3"})
    assert killed.status == -9
    done = project.run("--queue", "queue.yaml", "--inline")
    assert done.status == 0, done.stderr
    check_told_once(project, 8, "queue.optuna.jsonl")


def test_two_runners_share_a_search(project: Project) -> None:
    project.module("import time\n" + QUADRATIC + "    time.sleep(0.05)\n")
    project.study(TUNED.replace("n: 8", "n: 12"))
    first = project.start("--queue-file", "queue.yaml")
    project.wait_for("log.yaml")
    second = project.run("--queue", "queue.yaml")
    assert first.finish().status == 0
    assert second.status == 0, second.stderr
    check_told_once(project, 12, "queue.optuna.jsonl")


def test_a_trial_that_failed_and_is_tried_again_is_told_with_its_result(project: Project) -> None:
    project.module("import os\n" + QUADRATIC + "    assert os.path.exists('mended')\n")
    project.study(TUNED.replace("n: 8", "n: 2"))
    assert project.run("--queue-file", "queue.yaml", "--inline", "+Global.breaker=false").status == 1
    (project.path / "mended").touch()
    assert project.run("--queue-file", "queue.yaml", "--inline", "--resume").status == 0
    told = trials(project, "queue.optuna.jsonl")
    assert [trial.state.name for trial in told] == ["FAIL", "FAIL", "COMPLETE", "COMPLETE"]
    assert [trial.user_attrs.get("instead of") for trial in told] == [None, None, 0, 1]
    assert len(project.log()) == 2


# --- people at the queue ---------------------------------------------------------------------------


def test_trials_that_wait_can_be_edited_and_removed(project: Project) -> None:
    project.module(QUADRATIC)
    project.study(TUNED.replace("Name: tuned", "Name: tuned\nHold: true").replace("n: 8", "n: 3, jobs: 3"))
    project.run("--queue-file", "queue.yaml", "--inline")
    queue = project.path / "queue.yaml"
    head, first, second, third = re.split(r"^---\n", queue.read_text(), flags=re.MULTILINE)
    first = re.sub(r"^lr: .*", "lr: 0.5", first, flags=re.MULTILINE)  # beyond the range
    text = "---\n".join([head, first, third]).replace("Hold: true\n", "")
    queue.write_text(text)
    done = project.run("--queue", "queue.yaml", "--inline")
    assert done.status == 0, done.stderr
    told = trials(project, "queue.optuna.jsonl")
    assert [trial.state.name for trial in told] == ["FAIL", "PRUNED", "COMPLETE", "COMPLETE"]
    ran = told[3]
    assert ran.user_attrs["instead of"] == 0
    assert ran.params["lr"] == 0.5
    assert "coolrunner" not in second
    assert ran.values == [next(record["ACC"] for record in project.log() if record["lr"] == 0.5)]


# --- pruning ---------------------------------------------------------------------------------------

PRUNABLE = """
import time
def main(exp):
    for epoch in range(20):
        exp.run.log_scalar("ACC", exp.quality + epoch / 1000)
        exp.EPOCHS = epoch + 1
        if exp.run.should_stop():
            break
        time.sleep(exp.pause)
    exp.ACC = exp.quality
"""
PRUNED = """
Module: modules.module
pause: 0
---
Name: tuned
Sweep:
  search: {quality: 'choice([1, 2, 3, 4, 5, 6])'}
  maximize: ACC
  sampler: grid
  pruner: {name: threshold, lower: 3.5}
"""


def test_a_module_that_asks_ends_early_where_the_pruner_has_had_enough(project: Project) -> None:
    project.module(PRUNABLE)
    project.study(PRUNED)
    done = project.run("--inline")
    assert done.status == 0, done.stderr
    states = {trial.params["quality"]: trial.state.name for trial in trials(project)}
    assert states == {q: "PRUNED" if q < 4 else "COMPLETE" for q in range(1, 7)}
    for record in project.log():
        assert record["EPOCHS"] == (1 if record["quality"] < 4 else 20)
        assert record.get("PRUNED") == (True if record["quality"] < 4 else None)


def test_processes_of_their_own_are_told_to_end_as_well(project: Project) -> None:
    project.module(PRUNABLE)
    project.study(PRUNED.replace("pause: 0", "pause: 0.1").replace("[1, 2, 3, 4, 5, 6]", "[1, 5]"))
    assert project.run("--jobs", "2").status == 0
    epochs = {record["quality"]: record["EPOCHS"] for record in project.log()}
    assert epochs[5] == 20
    assert epochs[1] < 20
    states = {trial.params["quality"]: trial.state.name for trial in trials(project)}
    assert states == {1: "PRUNED", 5: "COMPLETE"}


# --- before anything runs --------------------------------------------------------------------------


def test_without_optuna_the_line_that_installs_it_is_said(project: Project) -> None:
    project.module(QUADRATIC)
    project.study(TUNED)
    project.write("sitecustomize.py", "import sys\nsys.modules['optuna'] = None\n")
    done = project.run("--inline", PYTHONPATH=str(project.path))
    assert done.status == 2
    assert "pip install 'coolrunner[search]'" in done.stderr
    assert not (project.path / "log.optuna.jsonl").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("seed: 1", "sampler: {name: tpe, startup: 3}"), "the sampler tpe has no option 'startup'"),
        (("seed: 1", "pruner: {name: median, warmup: 3}"), "did you mean n_warmup_steps?"),
        (("seed: 1", "pruner: median}\nRepeat: 2\n#"), "a pruner and Repeat do not go together"),
    ],
)
def test_what_optuna_would_refuse_is_refused_with_its_place(
    project: Project, change: tuple[str, str], said: str
) -> None:
    project.module(QUADRATIC)
    project.study(TUNED.replace(*change))
    done = project.run("--inline")
    assert done.status == 2
    assert said in done.stderr
    assert "study.yaml:6:" in done.stderr
    assert not project.log()


def test_picked_experiments_run_without_the_searches_beside_them(project: Project) -> None:
    project.module(QUADRATIC)
    project.study(TUNED + "---\nName: single\n")
    assert project.run("--pick", "0", "--inline").status == 0
    assert [record["Name"] for record in project.log()] == ["single"]


def test_a_trial_may_use_the_results_of_what_came_before(project: Project) -> None:
    project.module("def main(exp):\n    exp.ACC = exp.get('base', 0) + exp.get('lr', 1)\n")
    project.study(
        "Module: modules.module\n---\nName: pretrain\n---\nName: tuned\nbase: solve E['pretrain'].ACC\n"
        "Sweep: {search: {lr: uniform(0, 1)}, maximize: ACC, n: 2}\n"
    )
    done = project.json()
    assert done.status == 0, done.stderr
    first, *others = project.log()
    assert first["Name"] == "pretrain"
    assert [record["ACC"] - record["lr"] for record in others] == [pytest.approx(1.0)] * 2


def test_what_fails_for_some_values_only_is_said_and_costs_one_trial(project: Project) -> None:
    project.module("def main(exp):\n    exp.ACC = exp.half\n")
    project.study(
        "Module: modules.module\n---\nName: tuned\nhalf: parse 1 / layers\n"
        "Sweep: {search: {layers: [0, 1, 2]}, maximize: ACC, sampler: grid}\n"
    )
    done = project.json("--inline")
    assert any("ZeroDivisionError" in notice for notice in done.notices)
    assert sorted(record["half"] for record in project.log()) == [0.5, 1.0]
    assert sorted(trial.state.name for trial in trials(project)) == ["COMPLETE", "COMPLETE", "FAIL"]


SLOW = (
    "import time\n"
    + QUADRATIC
    + "    Path('begun').write_text('yes')\n    time.sleep(60 if not Path('fast').exists() else 0)\n"
)


def test_an_interrupt_ends_a_trial_and_the_second_the_search_which_goes_on_later(project: Project) -> None:
    project.module(SLOW)
    project.study(TUNED)
    study = project.start()
    project.wait_for("begun")
    study.interrupt()
    study.wait_for("pausing")
    study.interrupt()
    assert study.finish().status == 130
    (project.path / "fast").touch()
    done = project.run("--resume", "--inline")
    assert done.status == 0, done.stderr
    assert len(trials(project)) == 8
    check_told_once(project, 8)


def test_after_one_interrupt_the_search_goes_on_with_the_next_trial(project: Project) -> None:
    project.module(SLOW)
    project.study(TUNED)
    study = project.start()
    project.wait_for("begun")
    (project.path / "fast").touch()
    study.interrupt()
    done = study.finish()
    assert done.status == 1
    assert len(project.log()) == 7
    assert len(trials(project)) == 8


def test_a_search_whose_first_trials_all_fail_at_once_is_ended(project: Project) -> None:
    project.module("def main(exp):\n    raise ValueError\n")
    project.study(TUNED)
    done = project.json("--inline")
    assert done.status == 1
    assert len(done.named("experiment_failed")) == 5


def test_a_dry_run_says_what_would_keep_a_search_from_beginning(project: Project) -> None:
    project.module(QUADRATIC)
    project.study(TUNED.replace("seed: 1", "sampler: {tpe: {n_startup: 3}}"))
    done = project.run("--dry")
    assert done.status == 2
    assert "n_startup" in done.stderr
    assert "study.yaml:6" in done.stderr
    project.study(TUNED)
    assert project.run("--dry").status == 0
