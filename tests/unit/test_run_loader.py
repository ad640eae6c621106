"""Run directories as rows of a table: which are found, in which order, and what is in each row."""

from __future__ import annotations

import os
import socket
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.results.discovery import find_parts
from coolrunner.results.lastvalues import LOOKED_AT, last_values
from coolrunner.results.loaders.run_rows import standing
from coolrunner.results.loaders.runs import RunLoader, marks_of
from coolrunner.results.logs.sources import Exclusion, Report
from coolrunner.results.parts import GONE, Folder, Part, Role, Row
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.layout import EXMAN, LAUNCHED, MANAGED, RESULTS, Layout
from coolrunner.runs.root import Root
from coolrunner.runs.rows import HEADER, quoted
from coolrunner.runs.status import RunState, RunStatus, this_process_facts
from coolrunner.yamlio import dump

WHEN = datetime(2026, 11, 21, 6, 23, 29)
LOADER = RunLoader()
DONE = RunState(status=RunStatus.DONE)


def folder(path: Path, name: str | None = None, *, named: bool = True) -> Folder:
    """List a directory, as a search does."""
    entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    return Folder(path, name or path.name, named, {entry.name: entry for entry in entries})


def claimed(path: Path, name: str | None = None, *, named: bool = True) -> list[Part] | None:
    """Return the parts of a directory; None where the loader does not want it."""
    parts = LOADER.claim(folder(path, name, named=named), Report())
    return None if parts is None else list(parts)


def names(path: Path, name: str | None = None) -> list[str]:
    """Return how the runs of a directory are shown."""
    return [part.name for part in claimed(path, name) or []]


def row_of(run: RunDirectory, report: Report | None = None) -> Row | None:
    """Return the row of a run."""
    (part, *_) = claimed(run.path) or []
    rows = list(LOADER.read(part, report if report is not None else Report()))
    return rows[0] if rows else None


def value_of(run: RunDirectory) -> dict[Any, Any]:
    """Return what the row of a run holds, without where it is."""
    row = row_of(run)
    assert row is not None
    assert row.value["RUN"] == str(run.path)
    assert len(row.roles) == len(row.value)
    return {key: item for key, item in row.value.items() if key != "RUN"}


def of_role(run: RunDirectory, role: Role) -> list[Any]:
    """Return the keys of one role, in order."""
    row = row_of(run)
    assert row is not None
    return [key for key, each in zip(row.value, row.roles, strict=True) if each is role]


def a_run(path: Path, params: str = "lr: 0.1\n", state: RunState = DONE, **facts: Any) -> RunDirectory:
    """Make a run under a root of `run.py`."""
    root = Root(path / "results", RESULTS)
    return root.create(params, state, **facts)


# --- which runs ---


@pytest.mark.parametrize("layout", [RESULTS, EXMAN, MANAGED, LAUNCHED])
def test_the_runs_of_a_root_of_any_layout_are_found_in_order(tmp_path: Path, layout: Layout) -> None:
    root = Root(tmp_path / {"managed": "managed_experiments"}.get(layout.kind, layout.kind), layout)
    made = [root.create("a: 1\n", DONE, root.allocate("b" if number % 2 else "a")) for number in range(12)]
    parts = claimed(root.path, "place", named=False)
    assert parts is not None
    assert [part.path for part in parts] == [str(run.path) for run in made]
    assert [part.name for part in parts] == [f"place/{run.relative}" for run in made]
    assert {part.kind for part in parts} == {"run"}


def test_what_is_no_run_is_left_to_others(tmp_path: Path) -> None:
    for name in ("runs", "data", "index", "params.d"):
        (tmp_path / name).mkdir()
    (tmp_path / "data" / "params.yaml").write_text("a: 1\n")
    (tmp_path / "log.yaml").write_text("a: 1\n")
    for path in (tmp_path, tmp_path / "runs", tmp_path / "data"):
        assert claimed(path) is None
    assert LOADER.open(tmp_path / "log.yaml", "log.yaml", Report()) is None
    assert LOADER.open(tmp_path / "data" / "params.yaml", "params.yaml", Report()) is None


def test_failed_runs_are_among_the_others_and_those_tried_out_only_where_they_are_named(
    tmp_path: Path,
) -> None:
    root = Root(tmp_path / "exman", EXMAN)
    first, tried = root.create("{}\n", DONE), root.create("{}\n", DONE, tmp=True)
    failed = root.create("{}\n", RunState(status=RunStatus.FAILED, failure="error", error="ValueError: 3"))
    failed.path.rename(root.path / "fails" / failed.name)
    last = root.create("{}\n", DONE)
    assert names(root.path) == [f"exman/{run.relative}" for run in (first,)] + [
        f"exman/fails/{failed.name}",
        f"exman/runs/{last.name}",
    ]
    assert names(root.path / "tmp") == [f"tmp/{tried.name}"]
    assert names(tried.path) == [tried.name]
    assert names(root.path / "fails", ".") == [failed.name]
    value = value_of(RunDirectory(root.path / "fails" / failed.name, EXMAN))
    assert (value["STATUS"], value["FAILURE"], value["ERROR"]) == ("failed", "error", "ValueError: 3")


def test_a_directory_within_a_root_can_be_excluded(tmp_path: Path) -> None:
    root = a_run(tmp_path).path.parents[1]
    failed = a_run(tmp_path).path
    failed.rename(root / "fails" / failed.name)

    def found(*patterns: str) -> list[str]:
        parts = find_parts([str(root)], Report(), Exclusion(patterns))
        return [Path(part.path).parent.name for part in parts]

    assert found() == ["runs", "fails"]
    assert found("fails") == ["runs"]
    assert found(f"{root.name}/runs") == ["fails"]
    assert found(failed.name) == ["runs"]


def test_runs_within_a_run_stand_behind_it(tmp_path: Path) -> None:
    root = Root(tmp_path / "results", RESULTS)
    outer, later = root.create("a: 1\n", DONE), root.create("a: 2\n", DONE)
    inner = Root.inside(outer).create("b: 1\n", DONE, name="fold")
    deep = Root.inside(inner).create("c: 1\n", DONE)
    manager = Root(tmp_path / "managed_experiments", MANAGED)
    experiment = manager.create("a: 1\n", DONE, name="first")
    run = Root.inside(experiment).create("b: 1\n", DONE, name="train")
    parts = (claimed(root.path) or []) + (claimed(manager.path) or [])
    assert [part.path for part in parts] == [
        str(r.path) for r in (outer, inner, deep, later, experiment, run)
    ]
    assert [row.value.get("Name") for part in parts for row in LOADER.read(part, Report())] == [
        None,
        "fold",
        None,
        None,
        "first",
        "train",
    ]
    assert [part.path for part in claimed(inner.path) or []] == [str(inner.path), str(deep.path)]


def test_an_index_and_marks_stand_for_the_runs_that_they_lead_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Root(tmp_path / "exman", EXMAN)
    made = [root.create("a: 1\n", DONE) for _ in range(4)]
    root.mark([4, 2], "good/best")
    (root.path / "index" / f"{made[2].name}.yaml").unlink()
    monkeypatch.chdir(tmp_path)
    assert names(root.path / "marked" / "good", "exman/marked/good") == [
        f"exman/runs/{run.name}" for run in (made[1], made[3])
    ]
    monkeypatch.chdir(root.path / "index")
    assert names(root.path / "index", ".") == [f"../runs/{made[place].name}" for place in (0, 1, 3)]
    assert claimed(root.path / "store") is None if (root.path / "store").exists() else True
    assert marks_of(root.path) == {str(run.path): ["good/best"] for run in (made[1], made[3])}
    assert marks_of(tmp_path) == {}


def test_a_file_of_a_run_that_is_named_stands_for_the_run(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    link = tmp_path / "results" / "index" / f"{run.name}.yaml"
    managed = Root(tmp_path / "managed_experiments", MANAGED).create("a: 1\n", DONE, name="x")
    managed.metrics.write_text(HEADER)
    for path, where in ((run.params, run), (run.status, run), (link, run), (managed.metrics, managed)):
        part = LOADER.open(path, "as named", Report())
        assert part is not None
        assert (part.path, part.name) == (str(where.path), "as named")
    (run.path / "notes.yaml").write_text("a: 1\n")
    assert LOADER.open(run.path / "notes.yaml", "notes.yaml", Report()) is None


def test_a_run_that_was_copied_elsewhere_is_still_one(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    (tmp_path / "kept").mkdir()
    run.path.rename(tmp_path / "kept" / "the best")
    assert names(tmp_path / "kept" / "the best") == ["the best"]
    assert claimed(tmp_path / "kept", named=False) is None


def test_runs_of_one_second_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    root = Root(tmp_path / "managed_experiments", MANAGED)
    made = [
        root.create("{}\n", DONE, root.allocate(name, time=WHEN)) for name in ("z", "a", "m", "a", "z", "b")
    ]
    assert [part.path for part in claimed(root.path) or []] == [str(run.path) for run in made]


def test_a_part_changes_with_each_file_that_its_row_depends_on(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    (before,) = claimed(run.path) or []
    assert before.stamps[2:] == (GONE, GONE)
    for name in ("params.yaml", "status.yaml", "results.yaml", "metrics.csv"):
        with (run.path / name).open("a") as file:
            file.write("# more\n")
        (after,) = claimed(run.path) or []
        assert after.stamps != before.stamps
        before = after


# --- what is in a row ---


def test_a_run_of_run_py_has_the_keys_of_its_document_in_a_log(tmp_path: Path) -> None:
    params = {"Name": "fast", "Module": "modules.x", "YamlLog": "log.yaml", "lr": 0.1, "opt": {"beta": 2}}
    given = {**params, "REP": 0, "RND_IDX": 7, "ID": "abcd1234"}
    state = RunState(
        status=RunStatus.DONE,
        name="fast",
        started="2026-11-21T06:23:29.105+00:00",
        elapsed=1.25,
        host="lab-3",
        study="curve.yaml",
        experiment="abcd1234",
    )
    run = a_run(tmp_path, dump(given), state, name="fast")
    run.write_state(RunState(**{**{f: getattr(state, f) for f in state.__slots__}, "id": 1}))
    (run.path / "results.yaml").write_text("ACC: 0.9\nSOLVED:\n  lr: 0.1\n")
    run.metrics.write_text(f"{HEADER}loss,0,2.0,1.0\nloss,1,1.5,2.0\nACC,0,0.1,1.0\n")
    assert value_of(run) == {
        **params,
        "REP": 0,
        "RND_IDX": 7,
        "ACC": 0.9,
        "loss": 1.5,
        "SOLVED": {"lr": 0.1},
        "ID": "abcd1234",
        "STUDY": "curve.yaml",
        "HOST": "lab-3",
        "STARTED": "2026-11-21T06:23:29.105+00:00",
        "TIME_ELAPSED": 1.25,
        "NUMBER": 1,
        "STATUS": "done",
    }
    assert of_role(run, Role.PARAMETER) == ["Name", "lr", "opt"]
    assert of_role(run, Role.RESULT) == ["ACC", "loss"]
    assert of_role(run, Role.INFO)[:4] == ["Module", "YamlLog", "REP", "RND_IDX"]


def test_a_run_of_an_argparse_script_has_its_number_time_and_place_for_the_record(tmp_path: Path) -> None:
    root = Root(tmp_path / "exman", EXMAN)
    ticket = root.allocate("mine", time=WHEN)
    facts = {"root": ticket.relative, "time": WHEN.isoformat(), "id": ticket.number}
    run = root.create(dump({"name": "mine", "Repeat": 3, **facts}), DONE, ticket)
    assert of_role(run, Role.PARAMETER) == ["Repeat"]
    assert of_role(run, Role.INFO)[:5] == ["Name", "name", "root", "time", "id"]
    run.params.write_text("id: 5\ntime: 3\nroot: /data\n")
    assert of_role(run, Role.PARAMETER)[-3:] == ["id", "time", "root"]


def test_the_options_of_the_parser_itself_are_no_parameters_of_its_script(tmp_path: Path) -> None:
    root = Root(tmp_path / "exman", EXMAN)
    ticket = root.allocate(time=WHEN)
    facts = {"root": ticket.relative, "time": WHEN.isoformat(), "id": ticket.number}
    options = {"config_file": None, "git_dirty": False, "name": None, "tmp": False}
    run = root.create(dump({"lr": 0.1, **options, **facts}), DONE, ticket)
    assert of_role(run, Role.PARAMETER) == ["lr"]
    assert of_role(run, Role.INFO)[:4] == list(options)
    run.params.write_text(dump({"lr": 0.1, **options}))  # of another program
    assert of_role(run, Role.PARAMETER) == ["lr", *options]


def test_a_parameter_keeps_its_name_and_what_comes_later_gets_an_underscore(tmp_path: Path) -> None:
    run = a_run(tmp_path, "lr: 0.1\nSTATUS: fine\nSTATUS_: 2\nHOST: x\nACC: 0\n", DONE)
    (run.path / "results.yaml").write_text("ACC: 0.9\n")
    run.metrics.write_text(f"{HEADER}lr,0,0.01,1.0\nNUMBER,0,5.0,1.0\n")
    value = value_of(run)
    assert (value["STATUS"], value["STATUS_"], value["STATUS__"]) == ("fine", 2, "done")
    assert (value["lr"], value["lr_"]) == (0.1, 0.01)
    assert (value["NUMBER"], value["NUMBER_"]) == (5.0, 1)
    # As in a log, where a Module has set one of its parameters.
    assert value["ACC"] == 0.9
    assert of_role(run, Role.PARAMETER) == ["lr", "STATUS", "STATUS_", "HOST", "ACC"]


def test_a_run_of_a_program_that_knew_no_status_is_done(tmp_path: Path) -> None:
    place = tmp_path / "exman"
    for name in ("index", "marked", "fails/000008-2019-01-02-03-04-06", "runs/000007-2019-01-02-03-04-05-x"):
        (place / name).mkdir(parents=True)
    for params in place.glob("*/0*"):
        (params / "params.yaml").write_text("lr: 0.1\n")
    parts = claimed(place) or []
    values = [row.value for part in parts for row in LOADER.read(part, Report())]
    assert [(value["NUMBER"], value["STATUS"]) for value in values] == [(7, "done"), (8, "failed")]
    assert values[0]["STARTED"].startswith("2019-01-02T03:04:05")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("params.yaml", "a: [1,\nb: 2\n", "params.yaml:1:4: "),
        ("params.yaml", "- 1\n", "params.yaml:1: parameters were expected"),
        ("params.yaml", "a: !!python/object/apply:os.system [ls]\n", "params.yaml:1"),
        ("params.yaml", b"a: 1\nb: \xff\n", "params.yaml:2: not UTF-8: byte 0xff"),
        ("status.yaml", "status: running\n", "status.yaml:1: 'version' must be 1"),
        ("status.yaml", "version: 1\nstatus: gone\n", "status.yaml:2:9: there is no status 'gone'"),
        ("results.yaml", "ACC: {\n", "results.yaml:"),
        ("results.yaml", "9\n", "results.yaml:1: results were expected"),
    ],
)
def test_a_broken_file_is_named_and_costs_only_itself(
    tmp_path: Path, file: str, text: str | bytes, message: str
) -> None:
    run = a_run(tmp_path, "lr: 0.1\n")
    (run.path / "results.yaml").write_text("ACC: 0.9\n")
    (run.path / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    report = Report()
    row = row_of(run, report)
    (broken,) = report.broken
    assert message in broken
    assert broken.startswith(run.name)
    assert "\n" not in broken
    if file == "params.yaml":
        assert row is None
    else:
        assert row is not None
        assert row.value["lr"] == 0.1
        assert ("STATUS" in row.value, "ACC" in row.value) == (file != "status.yaml", file != "results.yaml")


def test_parameters_that_are_gone_are_named_and_a_run_that_is_gone_is_not(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    (part,) = claimed(run.path) or []
    run.params.unlink()
    report = Report()
    assert list(LOADER.read(part, report)) == []
    assert report.broken == [f"{run.name}/params.yaml: this file does not exist"]
    run.path.rename(tmp_path / "elsewhere")
    report = Report()
    assert list(LOADER.read(part, report)) == []
    assert report.broken == []


def test_a_file_beyond_measure_is_refused(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    with run.params.open("r+b") as file:
        file.truncate(100 << 20)
    report = Report()
    assert row_of(run, report) is None
    assert "params.yaml: more than 64 MiB" in report.broken[0]


def test_a_run_whose_process_is_gone_is_lost_when_it_is_asked(tmp_path: Path) -> None:
    running = a_run(tmp_path, state=RunState(**this_process_facts()))
    gone = a_run(tmp_path, state=RunState(host=socket.gethostname(), pid=2**22 + 5))
    done = a_run(tmp_path)
    values = [{**value_of(run), "RUN": str(run.path)} for run in (running, gone, done)]
    assert [value["STATUS"] for value in values] == ["running", "running", "done"]
    assert [standing(value) for value in values] == ["running", "lost", "done"]
    running.write_state(DONE)
    assert standing(values[0]) == "done"
    assert standing({"ACC": 1}) is None


# --- the last values of metrics ---


def test_the_last_value_of_each_metric_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text(f'{HEADER}a,0,1.0,1.0\nb/c,7,nan,1.0\na,1,2.5e-3,2.0\n"x,""y",0,4.0,2.0\nno row\na,2,')
    told: list[str] = []
    values = last_values(path, told.append)
    assert told == ["1 of its lines are no rows of name, step, value and time; they are passed over"]
    assert list(values) == ["a", "b/c", 'x,"y']
    assert (values["a"], values['x,"y']) == (2.5e-3, 4.0)
    assert values["b/c"] != values["b/c"]
    assert last_values(tmp_path / "missing.csv") == {}


@pytest.mark.parametrize("text", ["epoch,loss\n1,2\n", "\0" * 100, "\0" * 70_000, "a,1,2.0,3.0"])
def test_a_file_of_something_else_is_named(tmp_path: Path, text: str) -> None:
    run = a_run(tmp_path)
    run.metrics.write_text(text)
    report = Report()
    row = row_of(run, report)
    assert row is not None
    assert not any(role is Role.RESULT for role in row.roles)
    assert report.broken[0].startswith(f"{run.name}/metrics.csv: ")


def test_of_a_long_file_only_the_end_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    early = "early,0,1.0,1.0\n"
    seldom = "seldom,0,3.0,1.0\n"
    often = [f"loss,{step},{step}.0,1700000000.000000\n" for step in range(20_000)]
    kept = len("".join(often[-1000:]))
    assert kept < LOOKED_AT < path.write_text(HEADER + early + "".join(often[:-1000]) + seldom)
    with path.open("a") as file:
        file.writelines(often[-1000:])
    assert last_values(path) == {"seldom": 3.0, "loss": 19_999.0}


@given(
    st.lists(st.sampled_from(["loss", "train/loss", "x", 'a,"b"', "no, row"]), max_size=60),
    st.lists(st.sampled_from(["loss", "y"]), max_size=60),
)
def test_what_is_looked_at_is_read_as_the_whole_file_would_be(before: list[str], behind: list[str]) -> None:
    rows = [(name, number) for number, name in enumerate([*before, *behind] * 30)]
    lines = [f"{quoted(name)},{number},{number}.5,1700000000.000000\n" for name, number in rows]
    expected = {name: number + 0.5 for name, number in rows}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "metrics.csv"
        path.write_text(HEADER + "".join(lines))
        found = last_values(path)
        seen = sum(map(len, lines)) <= LOOKED_AT
    assert found.items() <= expected.items()
    assert not seen or found == expected
