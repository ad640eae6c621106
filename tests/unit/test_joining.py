"""Each experiment is one row, wherever it stands, and says how it stands now."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from coolrunner.results.joining import NUMBER, STATUS, joined
from coolrunner.results.logs.yamllog import YamlLog
from coolrunner.results.parts import MISSING, Role
from coolrunner.results.rows import Rows, find_rows
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.root import Root
from coolrunner.runs.rows import HEADER
from coolrunner.runs.status import RunState, RunStatus, this_process_facts

WHEN = datetime(2026, 11, 21, 6, 23, 29)


def run(root: Root, experiment: str, status: RunStatus = RunStatus.DONE, **facts: Any) -> RunDirectory:
    """Make a run of an experiment."""
    root.make()
    state = RunState(status=status, experiment=experiment, **facts)
    return root.create("lr: 0.1\n", state, root.allocate(time=WHEN))


def log(path: Path, identity: str, place: RunDirectory | None = None, **more: Any) -> None:
    """Add an experiment to a log, as a runner does."""
    record: dict[str, Any] = {"Name": "one", "lr": 0.1, "YamlLog": f"logs/{path.name}", "REP": 0, "ACC": 0.5}
    book = YamlLog(str(path))
    where = {"RUN": f"results/{place.relative}"} if place is not None else {}
    book.append(identity, {**record, "ID": identity, **where, **more})
    book.close()


def rows_in(path: Path) -> Rows:
    return joined(find_rows([path], cache="never"))


def test_an_experiment_with_a_log_and_a_run_directory_is_one_row(tmp_path: Path) -> None:
    root = Root(tmp_path / "results")
    first, second = run(root, "k7f3q2ma"), run(root, "abcdefgh")
    log(tmp_path / "logs/a.yaml", "k7f3q2ma", first)
    log(tmp_path / "logs/a.yaml", "abcdefgh", second)
    rows = rows_in(tmp_path)
    assert len(rows) == 2
    assert [place.kind for place in rows.places()] == ["log", "log"]
    assert rows.column("RUN") == [str(first.path), str(second.path)]
    assert rows.column(NUMBER) == [1, 2]
    assert rows.column(STATUS) == ["done", "done"]
    assert rows.roles(0)[STATUS] is Role.INFO


def test_an_attempt_that_stands_in_no_log_is_a_row_of_its_own(tmp_path: Path) -> None:
    root = Root(tmp_path / "results")
    run(root, "k7f3q2ma", RunStatus.FAILED, error="ValueError: no")
    run(root, "k7f3q2ma", RunStatus.INTERRUPTED)
    log(tmp_path / "logs/a.yaml", "k7f3q2ma", run(root, "k7f3q2ma"))
    rows = rows_in(tmp_path)
    assert rows.column(NUMBER) == [3, 1, 2]
    assert rows.column(STATUS) == ["done", "failed", "interrupted"]
    assert rows.column("ERROR") == [MISSING, "ValueError: no", MISSING]


def test_a_row_of_a_log_gets_the_metrics_that_it_lacks_and_keeps_its_own_results(tmp_path: Path) -> None:
    made = run(Root(tmp_path / "results"), "k7f3q2ma")
    (made.path / "metrics.csv").write_text(HEADER + "ACC,0,0.9,1\nval/loss,0,0.3,1\nval/loss,1,0.2,2\n")
    log(tmp_path / "logs/a.yaml", "k7f3q2ma", made)
    log(tmp_path / "logs/a.yaml", "abcdefgh")
    rows = rows_in(tmp_path)
    assert rows.column("ACC") == [0.5, 0.5]
    assert rows.column(("val/loss",)) == [0.2, MISSING]
    assert {key.path: key.role for key in rows.keys}[("val/loss",)] is Role.RESULT
    assert rows.value(0)["val/loss"] == 0.2


def test_a_run_of_another_experiment_or_of_another_name_stays(tmp_path: Path) -> None:
    root = Root(tmp_path / "results")
    made = run(root, "k7f3q2ma")
    log(tmp_path / "logs/a.yaml", "abcdefgh", made)  # the directory of another experiment
    log(tmp_path / "logs/a.yaml", "k7f3q2ma")  # without a directory
    rows = rows_in(tmp_path)
    assert [place.kind for place in rows.places()] == ["log", "log", "run"]
    assert rows.column(NUMBER) == [MISSING, MISSING, 1]


def test_a_study_that_was_copied_whole_keeps_each_log_with_its_own_runs(tmp_path: Path) -> None:
    made = run(Root(tmp_path / "one/results"), "k7f3q2ma")
    log(tmp_path / "one/logs/a.yaml", "k7f3q2ma", made)
    shutil.copytree(tmp_path / "one", tmp_path / "two", symlinks=True)
    (tmp_path / "two/logs/a.yaml").write_text(
        (tmp_path / "one/logs/a.yaml").read_text().replace("0.5", "0.6")
    )
    log(tmp_path / "two/logs/a.yaml", "k7f3q2ma", made, TIME_ELAPSED=1.0)
    rows = rows_in(tmp_path)
    places = {
        place.name.split("/")[-3]: run for place, run in zip(rows.places(), rows.column("RUN"), strict=True)
    }
    assert set(places) <= {"one", "two"}
    assert all(f"/{study}/results/" in run for study, run in places.items())


def test_a_copy_that_collect_has_made_is_no_second_experiment(tmp_path: Path) -> None:
    log(tmp_path / "logs/a.yaml", "k7f3q2ma", STARTED="2026-11-21T06:23:29+00:00", TIME_ELAPSED=1.5)
    (tmp_path / "collected").mkdir()
    shutil.copy(tmp_path / "logs/a.yaml", tmp_path / "collected/logs_2026.yaml")
    rows = rows_in(tmp_path)
    (place,) = rows.places()
    assert place.path == str(tmp_path / "logs/a.yaml")
    assert "skipped 1 copied experiment" in rows.report.lines()[0]
    log(tmp_path / "collected/logs_2026.yaml", "k7f3q2ma", STARTED="2026-11-22T06:23:29+00:00")
    assert len(rows_in(tmp_path)) == 2


def test_an_experiment_that_stands_in_one_log_twice_is_one_row_whatever_else_is_there(tmp_path: Path) -> None:
    for _ in range(2):
        log(tmp_path / "logs/a.yaml", "k7f3q2ma")
    assert len(rows_in(tmp_path)) == 1
    log(tmp_path / "logs/b.yaml", "abcdefgh")
    assert len(rows_in(tmp_path)) == 2


def test_what_came_out_the_same_twice_and_has_no_id_is_two_rows(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("---\nlr: 0.1\nACC: 0.5\n---\nlr: 0.1\nACC: 0.5\n")
    assert len(rows_in(tmp_path)) == 4


def test_a_run_whose_process_is_gone_is_lost_and_one_that_goes_on_runs(tmp_path: Path) -> None:
    root = Root(tmp_path / "results")
    here = this_process_facts()
    run(root, "k7f3q2ma", RunStatus.RUNNING, **here)
    run(root, "abcdefgh", RunStatus.RUNNING, **{**here, "pid": 2**22 + 1})
    run(root, "zzzzzzzz", RunStatus.RUNNING, host="elsewhere", pid=1)
    assert rows_in(tmp_path).column(STATUS) == ["running", "lost", "running"]


def test_a_result_that_is_called_status_keeps_its_value(tmp_path: Path) -> None:
    log(tmp_path / "logs/a.yaml", "k7f3q2ma", STATUS="converged")
    log(tmp_path / "logs/a.yaml", "abcdefgh")
    assert rows_in(tmp_path).column(STATUS) == ["converged", "done"]


def test_rows_of_other_kinds_keep_what_they_say(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("lr,ACC\n1,2\n")
    rows = joined(find_rows([tmp_path / "a.csv"], cache="never"))
    assert rows.column(STATUS) == [MISSING]
    assert [key.name for key in rows.keys] == ["lr", "ACC"]
