"""Stores of other tools, as far as each is a thing of its own; what they have in common is a contract."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.results.discovery import find_parts
from coolrunner.results.loaders import loader_of
from coolrunner.results.loaders.cells import typed
from coolrunner.results.loaders.jsontext import BadJsonError, parse_json
from coolrunner.results.loaders.tfevents import Scalar, events
from coolrunner.results.logs.sources import Report
from coolrunner.results.parts import Role
from coolrunner.results.showing.formats import cell

KINDS = ("sacred", "mlflow", "tensorboard", "csv", "jsonl")


def read(path: Path, report: Report | None = None) -> list[dict[Any, Any]]:
    """Return the rows under a path."""
    report = report or Report()
    parts = find_parts([str(path)], report, kinds=KINDS)
    return [row.value for part in parts for row in loader_of(part.kind).read(part, report)]


def roles(path: Path) -> dict[str, str]:
    report = Report()
    (part,) = find_parts([str(path)], report, kinds=KINDS)
    row = next(iter(loader_of(part.kind).read(part, report)))
    return {key: role.value for key, role in zip(row.value, row.roles, strict=True)}


def table(tmp_path: Path, text: str, name: str = "a.csv") -> tuple[list[dict[Any, Any]], list[str]]:
    """Return the rows of a table, and what was told of it without its path."""
    path = tmp_path / name
    path.write_text(text, newline="")
    report = Report()
    rows = read(path, report)
    return rows, [line.removeprefix(str(path)) for line in report.broken]


# --- cells ---


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0), ("-7", -7), ("123456789012345678901", 123456789012345678901), ("0.5", 0.5), ("5.", 5.0),
        (".5", 0.5), ("-1e-05", -1e-05), ("1E+3", 1000.0), ("true", True), ("FALSE", False),
        ("[1, 2]", [1, 2]), ("inf", math.inf), ("-inf", -math.inf), ("[]", []), ('["a"]', ["a"]),
        *((text, text) for text in (
            "007", "+5", "1_000", "0x10", "1,5", "٣", "1e", "e5", "-", ".", "- 1", "yes", "None", "null",
            " 1", "1 ", "[1", "[a]", "__import__('os')", "2026-11-21", "infinite", "True.", "1.2.3", "--1",
            "00", "-01",
        )),
    ],
)  # fmt: skip
def test_a_cell_is_a_number_only_where_it_is_written_as_one(text: str, value: Any) -> None:
    assert typed(text) == value
    assert type(typed(text)) is type(value)


def test_nan_is_a_number() -> None:
    assert all(math.isnan(typed(text)) for text in ("nan", "NaN", "NAN"))


@given(st.one_of(st.integers(), st.floats(), st.booleans(), st.lists(st.integers() | st.text())))
def test_what_coolrunner_writes_into_a_cell_is_read_as_it_was(value: Any) -> None:
    again = typed(cell(value))
    if isinstance(value, list):  # halves of characters become texts of their own
        assert len(again) == len(value)
    else:
        assert again == value or (math.isnan(again) and math.isnan(value))
        assert type(again) is type(value)


@given(st.text(max_size=40))
def test_any_text_is_a_cell(text: str) -> None:
    value = typed(text)
    assert value is None or isinstance(value, (bool, int, float)) or value == text


# --- tables ---


def test_a_column_with_a_code_in_it_holds_texts(tmp_path: Path) -> None:
    rows, told = table(tmp_path, "zip,n\n8000,1\n01234,2\n")
    assert rows == [{"zip": "8000", "n": 1}, {"zip": "01234", "n": 2}]
    assert told == []


def test_an_empty_cell_and_a_short_line_are_missing_values(tmp_path: Path) -> None:
    assert table(tmp_path, "a,b,c\n1,,\n\n2\n,,3\n") == ([{"a": 1}, {"a": 2}, {"c": 3}], [])


def test_the_row_numbers_of_pandas_are_left_out_and_other_columns_without_a_name_get_one(
    tmp_path: Path,
) -> None:
    assert table(tmp_path, ",a,\n0,1,2\n") == ([{"a": 1, "column 3": 2}], [])


@pytest.mark.parametrize(("name", "text"), [("a.tsv", "a\tb\n1,5\tx\n"), ("a.csv", "a;b\n1,5;x\n")])
def test_tabs_and_semicolons_separate_where_the_header_has_no_commas(
    name: str, text: str, tmp_path: Path
) -> None:
    assert table(tmp_path, text, name) == ([{"a": "1,5", "b": "x"}], [])


@pytest.mark.parametrize("text", ["\ufeffa,b\r\n1,ä\r\n", '"a",b\n1,"ä"\n', "a, b \n1,ä"])
def test_tables_of_other_programs_and_systems(text: str, tmp_path: Path) -> None:
    assert table(tmp_path, text) == ([{"a": 1, "b": "ä"}], [])


@pytest.mark.parametrize(
    ("text", "rows", "told"),
    [
        ("", [], [": empty"]),
        ("1,2\n3,4\n", [], [":1: no names of columns: a table begins with them"]),
        ("a,b\n1,2,3\n4,5\n", [{"a": 4, "b": 5}], [":2: 3 cells, and there are 2 columns"]),
        ("a,a\n1,2\n", [{"a": 1}], [":1: the column 'a' is given twice; the second is left out"]),
        ("a\n1\nx\0y\n2\n", [{"a": 1}, {"a": 2}], [":3: a NUL byte, as no text has"]),
        ('a,b\n1,2\n3,"x\n', [{"a": 1, "b": 2}], [":3: unexpected end of data"]),
        (f"a\n1\n{'x' * 200_000}\n2\n", [{"a": 1}, {"a": 2}], [":3: field larger than field limit (131072)"]),
    ],
)  # fmt: skip
def test_a_line_that_is_none_is_told_and_left_out(
    text: str, rows: list[Any], told: list[str], tmp_path: Path
) -> None:
    assert table(tmp_path, text) == (rows, told)


def test_of_a_table_that_is_not_utf8_what_is_before_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a\n1\n\xe4\n2\n")
    report = Report()
    assert read(path, report) == [{"a": 1}]
    assert report.broken == [f"{path}:3: not UTF-8: byte 0xe4 cannot be read; what is before it is kept"]


def test_results_are_what_is_in_capitals_or_called_like_a_measure(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("lr,loss,val_acc,ACC,seed,ID\n1,mse,0.5,0.5,3,k7f3q2ma\n")
    assert roles(tmp_path / "a.csv") == {
        "lr": "parameter", "loss": "parameter", "val_acc": "result", "ACC": "result", "seed": "parameter",
        "ID": "info",
    }  # fmt: skip


def test_what_stands_behind_rep_is_a_result(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("LR,loss,REP,size,TIME_ELAPSED\n1,0.5,0,2,0.1\n")
    assert roles(tmp_path / "a.csv") == {
        "LR": "parameter", "loss": "parameter", "REP": "info", "size": "result", "TIME_ELAPSED": "info",
    }  # fmt: skip


def test_tables_are_read_only_where_they_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    (tmp_path / "b.jsonl").write_text('{"a": 1}\n')
    assert read(tmp_path) == []
    assert read(tmp_path / "a.csv") == read(tmp_path / "b.jsonl") == [{"a": 1}]


# --- JSON ---


@pytest.mark.parametrize(
    ("text", "rows", "told"),
    [
        (
            '{"a": 1}\n\n[2]\n7\n{"a": 3}\n',
            [1, 3],
            [":3: an object was expected", ":4: an object was expected"],
        ),
        ('{"a": 1}\n{"a": 2', [1], [":2:8: not JSON: expecting ',' delimiter; the file ends there"]),
        ('{"a": "torn\n', [], [":1:12: not JSON: invalid control character"]),
        ('{"a": 1, "a": 2}\n', [], [":1: the key 'a' is given twice in one object"]),
        ('{"a": ' + "9" * 5000 + "}\n", [], [":1: a number in it has too many digits"]),
        ("[" * 150_000 + "\n" + '{"a": 1}\n', [1], [":1: nested too deeply"]),
        ('{"a": ' * 500 + "1" + "}" * 500 + "\n", [], [":1: nested too deeply"]),
    ],
)
def test_a_line_that_is_no_object_is_told_and_left_out(
    text: str, rows: list[Any], told: list[str], tmp_path: Path
) -> None:
    found, said = table(tmp_path, text, "a.jsonl")
    assert ([row["a"] for row in found], said) == (rows, told)


def test_a_line_of_50_mib_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(b'{"a": 1}\n{"a": "')
        for _ in range(50):
            file.write(b"x" * (1 << 20))
        file.write(b'"}\n{"a": 2}\n')
    report = Report()
    assert read(path, report) == [{"a": 1}, {"a": 2}]
    assert report.broken == [f"{path}:2: a line of more than 16 MiB"]


def test_a_json_file_holds_a_list_of_objects_as_coolrunner_writes_it(tmp_path: Path) -> None:
    assert table(tmp_path, '[\n{"a": 1},\n{"a": NaN}\n]\n', "a.json")[0][0] == {"a": 1}
    assert table(tmp_path, '{"a": 1}', "a.json") == ([{"a": 1}], [])
    hint = [":2:1: not JSON: extra data; JSON lines have the ending .jsonl"]
    assert table(tmp_path, '{"a": 1}\n{"a": 2}\n', "a.json") == ([], hint)


def test_halves_of_characters_become_texts_that_a_file_can_hold() -> None:
    assert parse_json('"\\ud800 \\ud83d\\ude00"') == "\\ud800 😀"


@given(st.text(alphabet='[]{}",:\\ \n0123456789truefalsn.eE-ud', max_size=60))
def test_no_text_is_more_than_bad_json(text: str) -> None:
    try:
        value = parse_json(text)
    except BadJsonError as error:
        assert str(error)
    else:
        assert repr(value) == repr(json.loads(text))


# --- Sacred ---


def sacred(place: Path, **files: Any) -> Path:
    """Make a run."""
    place.mkdir(parents=True)
    for name, value in {"config": {}, "run": {}, **files}.items():
        (place / f"{name}.json").write_text(value if isinstance(value, str) else json.dumps(value))
    return place


def test_what_sacred_pickled_is_plain_or_stays_as_it_is(tmp_path: Path) -> None:
    reduced = {"py/reduce": [{"py/function": "os.system"}, {"py/tuple": ["true"]}]}
    config = {
        "betas": {"py/tuple": [0.9, {"py/set": [1]}]},
        "lr": {"dtype": "float64", "py/object": "numpy.float64", "value": 0.1},
        "grid": {"dtype": "int64", "py/object": "numpy.ndarray", "values": [1, 2]},
        "long": {"dtype": "int64", "py/object": "numpy.ndarray", "shape": [100], "values": "eJwtxdciAg"},
        "classes": {"json://1": "cat"},
        "__doc__": "x",
        "hook": reduced,
    }
    (row,) = read(sacred(tmp_path / "a", config=config))
    assert row["betas"] == [0.9, [1]]
    assert (row["lr"], row["grid"], row["classes"]) == (0.1, [1, 2], {1: "cat"})
    assert row["long"] == "numpy.ndarray int64 [100]"
    assert row["hook"] == {"py/reduce": [{"py/function": "os.system"}, ["true"]]}
    assert "__doc__" not in row


def test_names_of_sacred_that_meet_get_an_underscore(tmp_path: Path) -> None:
    metrics = {"result": {"steps": [0], "timestamps": ["x"], "values": [2]}}
    (row,) = read(sacred(tmp_path / "7", config={"HOST": "mine"}, run={"result": 1}, metrics=metrics) / "..")
    assert (row["HOST"], row["result"], row["result_"], row["ID"]) == ("mine", 1, 2, "7")


def test_a_broken_config_costs_the_run_and_anything_else_itself(tmp_path: Path) -> None:
    sacred(tmp_path / "1", config='{"lr": ')
    sacred(tmp_path / "2", config={"lr": 0.1}, run="[]", metrics="{", info="")
    report = Report()
    (row,) = read(tmp_path, report)
    assert (row["lr"], row["ID"]) == (0.1, "2")
    assert [line.removeprefix(str(tmp_path)) for line in report.broken] == [
        "/1/config.json:1:8: not JSON: expecting value",
        "/2/run.json: an object was expected",
        "/2/metrics.json:1:2: not JSON: expecting property name enclosed in double quotes",
        "/2/info.json: empty",
    ]


def test_runs_of_sacred_with_names_are_found_beside_its_sources(tmp_path: Path) -> None:
    for name in ("b", "a"):
        sacred(tmp_path / name, config={"name": name})
    (tmp_path / "_sources").mkdir()
    assert [row["name"] for row in read(tmp_path)] == ["a", "b"]


@pytest.mark.skipif(importlib.util.find_spec("sacred") is None, reason="Sacred is not installed")
def test_what_sacred_writes_today_is_read(tmp_path: Path) -> None:
    script = """
        from sacred import Experiment
        from sacred.observers import FileStorageObserver
        experiment = Experiment("digits", save_git_info=False, base_dir=".")
        experiment.observers.append(FileStorageObserver("store"))
        experiment.add_config(lr=0.1, optimizer={"betas": (0.9, 0.99)})
        @experiment.main
        def main(_run, lr):
            for step in range(3):
                _run.log_scalar("loss", lr / (step + 1), step)
            return 0.5
        for lr in (0.1, 0.3):
            experiment.run(config_updates={"lr": lr})
    """
    run_script(script, tmp_path)
    rows = read(tmp_path / "store")
    assert [(row["lr"], row["loss"], row["result"], row["STATUS"]) for row in rows] == [
        (0.1, 0.1 / 3, 0.5, "done"), (0.3, 0.3 / 3, 0.5, "done")
    ]  # fmt: skip
    assert rows[0]["optimizer"] == {"betas": [0.9, 0.99]}


def run_script(script: str, place: Path) -> None:
    lines = [line.removeprefix(" " * 8) for line in script.splitlines()]
    (place / "script.py").write_text("\n".join(lines))
    environment = {**os.environ, "MLFLOW_ALLOW_FILE_STORE": "true", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


# --- MLflow ---


def mlflow(place: Path, **files: str) -> Path:
    """Make a run of an experiment beside it."""
    experiment = place.parent
    for folder in ("params", "metrics", "tags"):
        (place / folder).mkdir(parents=True)
    (experiment / "meta.yaml").write_text("artifact_location: x\nexperiment_id: '1'\nname: digits\n")
    (place / "meta.yaml").write_text(f"run_id: {place.name}\nstatus: 3\nstart_time: 5000\nend_time: 7500\n")
    for name, text in files.items():
        (place / name.replace("__", "/")).write_text(text)
    return place


def test_metrics_of_mlflow_show_their_last_step(tmp_path: Path) -> None:
    mlflow(
        tmp_path / "1" / "a", metrics__loss="3 0.5 2\n1 0.9 0\n2 0.7 1\n", metrics__acc="1 nan 0\n1 0.5 0\n"
    )
    (row,) = read(tmp_path)
    assert (row["loss"], row["acc"], row["STUDY"], row["TIME_ELAPSED"]) == (0.5, 0.5, "digits", 2.5)


def test_of_a_long_metric_of_mlflow_its_end_is_looked_at(tmp_path: Path) -> None:
    lines = "".join(f"{step} {step / 4} {step}\n" for step in range(20_000))
    mlflow(tmp_path / "1" / "a", metrics__loss=lines + "20000 7")
    report = Report()
    assert read(tmp_path, report)[0]["loss"] == 19_999 / 4
    assert report.broken == []


def test_runs_of_mlflow_stand_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    for name, start in (("a", 9000), ("b", 800), ("c", 10_000)):
        run = mlflow(tmp_path / "1" / name)
        (run / "meta.yaml").write_text(f"run_id: {name}\nstart_time: {start}\nstatus: 1\n")
    assert [row["ID"] for row in read(tmp_path)] == ["b", "a", "c"]


def test_a_bad_line_of_a_metric_of_mlflow_is_told(tmp_path: Path) -> None:
    mlflow(tmp_path / "1" / "a", metrics__loss="1 0.5 0\nx y z\n", params__lr="0.1")
    report = Report()
    (row,) = read(tmp_path, report)
    assert (row["lr"], row["loss"]) == (0.1, 0.5)
    assert report.broken == [f"{tmp_path}/1/a/metrics/loss:2: a time, a value and a step were expected"]


def test_the_models_and_traces_of_mlflow_are_no_runs(tmp_path: Path) -> None:
    mlflow(tmp_path / "1" / "a", params__lr="0.1")
    mlflow(tmp_path / "1" / "models" / "m-1", params__lr="9")
    (tmp_path / "1" / "models" / "meta.yaml").unlink()
    assert [row["lr"] for row in read(tmp_path)] == [0.1]


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="MLflow is not installed")
def test_what_mlflow_writes_today_is_read(tmp_path: Path) -> None:
    script = """
        import mlflow
        mlflow.set_tracking_uri("file:./store")
        mlflow.set_experiment("digits")
        for lr in (0.1, 1e-5):
            with mlflow.start_run(run_name="mine"):
                mlflow.log_params({"lr": lr, "layers": [64, 10], "data/name": "mnist"})
                for step in range(3):
                    mlflow.log_metric("val/acc", step / 4, step=step)
    """
    run_script(script, tmp_path)
    rows = read(tmp_path / "store")
    assert [(row["lr"], row["layers"], row["data/name"], row["val/acc"], row["NAME"]) for row in rows] == [
        (0.1, [64, 10], "mnist", 0.5, "mine"), (1e-05, [64, 10], "mnist", 0.5, "mine")
    ]  # fmt: skip
    assert {(row["STUDY"], row["STATUS"]) for row in rows} == {("digits", "done")}


# --- TensorBoard ---


def test_scalars_are_those_that_tensorboard_reads(tmp_path: Path) -> None:
    writing = pytest.importorskip("tensorboard.summary", reason="the extra [tensorboard] is not installed")
    loading = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    np = pytest.importorskip("numpy")
    writer = writing.Writer(str(tmp_path))
    values = [0.1, 1 / 3, -0.0, 1e-30, 3.4e38, math.inf, 16777217.0, 5]
    for step, value in enumerate(values):
        writer.add_scalar("a/b", np.float32(value), step - 2, wall_time=step + 0.5)
    writer.close()
    (file,) = tmp_path.iterdir()
    theirs = [
        (value.tag, event.step, value.tensor.float_val[0], event.wall_time)
        for event in loading.EventFileLoader(str(file)).Load()
        for value in event.summary.value
    ]
    mine = [item for item in events(file) if isinstance(item, Scalar)]
    assert [(s.tag, s.step, struct.pack("<f", s.value), s.time) for s in mine] == [
        (tag, step, struct.pack("<f", value), time) for tag, step, value, time in theirs
    ]
    assert [scalar.value for scalar in mine[:3]] == [0.1, 0.33333334, 0.0]


def test_what_a_run_here_logs_for_tensorboard_is_read(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra [tensorboard] is not installed")
    from coolrunner.runs.rows import Row
    from coolrunner.runs.tensorboard import TensorBoardSink

    sink = TensorBoardSink(tmp_path / "a")
    sink.scalars([Row("loss", step, 1 / (step + 1), 100.0 + step) for step in range(5)])
    sink.close()
    (row,) = read(tmp_path)
    assert (row["loss"], row["STARTED"], row["TIME_ELAPSED"]) == (0.2, "1970-01-01T00:01:40+00:00", 4.0)


def test_half_a_record_is_told_and_what_is_before_is_kept(tmp_path: Path) -> None:
    golden = Path(__file__).parents[1] / "data" / "v1" / "tensorboard" / "third" / "train"
    data = next(golden.iterdir()).read_bytes()
    file = tmp_path / "events.out.tfevents.1.box"
    file.write_bytes(data[:-10])
    report = Report()
    (row,) = read(tmp_path, report)
    assert row["epoch_loss"] == 0.25
    (line,) = report.broken
    assert line.startswith(f"{file}: byte 2")
    assert line.endswith("the last record is cut off; what is before it is kept")


@given(st.binary(max_size=300), st.integers(0, 200))
def test_no_bytes_are_more_than_damaged(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, at: int
) -> None:
    golden = Path(__file__).parents[1] / "data" / "v1" / "tensorboard" / "first"
    whole = next(path for path in sorted(golden.iterdir()) if path.is_file()).read_bytes()
    file = tmp_path_factory.getbasetemp() / "events.out.tfevents.fuzzed"
    file.write_bytes(whole[:at] + data + whole[at + len(data) :])
    report = Report()
    read(file, report)
    assert len(report.broken) <= 1


def test_a_directory_of_pictures_called_train_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "1.png").write_bytes(b"")
    assert read(tmp_path) == []


def test_parameters_are_parameters_and_scalars_are_results() -> None:
    golden = Path(__file__).parents[1] / "data" / "v1" / "tensorboard"
    found = roles(golden / "first")
    assert {key: found[key] for key in ("lr", "name", "train/loss", "hparam/acc", "RUN")} == {
        "lr": Role.PARAMETER.value,
        "name": Role.PARAMETER.value,
        "train/loss": Role.RESULT.value,
        "hparam/acc": Role.RESULT.value,
        "RUN": Role.INFO.value,
    }
