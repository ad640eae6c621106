"""The metrics of many runs as one long frame, with every step."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from coolrunner.errors import UsageError
from coolrunner.results.frames.metrics import load_metrics, metrics_of
from coolrunner.results.rows import find_rows
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.layout import MANAGED, RESULTS
from coolrunner.runs.metrics import Metrics
from coolrunner.runs.root import Root
from coolrunner.runs.rows import HEADER
from coolrunner.runs.status import RunState, RunStatus
from coolrunner.yamlio import dump

pandas = pytest.importorskip("pandas", reason="the extra [frame] is not installed")
DONE = RunState(status=RunStatus.DONE)


def a_run(root: Root, params: dict[str, Any], state: RunState = DONE, **series: list[float]) -> RunDirectory:
    """Make a run that has logged some metrics, a step of each at a time."""
    run = root.create(dump(params) if params else "{}\n", state)
    metrics = Metrics(run.metrics)
    for step in range(max(map(len, series.values()), default=0)):
        for name, values in series.items():
            if step < len(values):
                metrics.log(name.replace("__", "/"), values[step], time=100.0 + step)
    metrics.close()
    return run


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """Give a root of `run.py`."""
    return Root(tmp_path / "results", RESULTS)


def test_exp_11_every_step_of_every_run_is_there(root: Root) -> None:
    first = a_run(root, {"lr": 0.1}, loss=[0.1 * step for step in range(3000)], val__ACC=[0.5])
    a_run(root, {"lr": 0.2})
    last = a_run(root, {"lr": 0.3}, loss=[1.0, math.nan, -math.inf])
    frame = load_metrics(root.path)
    assert list(frame.columns) == ["run", "name", "step", "value", "time"]
    assert list(map(str, frame.dtypes)) == ["object", "object", "int64", "float64", "float64"]
    assert len(frame) == 3004
    assert frame["run"].unique().tolist() == [str(first.path), str(last.path)]
    loss = frame[(frame["run"] == str(first.path)) & (frame["name"] == "loss")]
    assert loss["value"].tolist() == [0.1 * step for step in range(3000)]
    assert loss["step"].tolist() == list(range(3000))
    assert frame.iloc[1].tolist() == [str(first.path), "val/ACC", 0, 0.5, 100.0]
    assert repr(frame["value"].tolist()[-3:]) == "[1.0, nan, -inf]"


def test_exp_11_as_csv_nothing_is_lost(root: Root, tmp_path: Path) -> None:
    a_run(root, {"lr": 0.1}, DONE, **{"NA": [0.1 + 0.2, math.nan, math.inf], 'a,"b"': [5e-324, 1e300]})
    frame = load_metrics(root.path)
    frame.to_csv(tmp_path / "all.csv", index=False)
    exactly = {"float_precision": "round_trip"} if pandas.__version__ < "3" else {}
    again = pandas.read_csv(tmp_path / "all.csv", keep_default_na=False, na_values={"value": [""]}, **exactly)
    assert repr(again.to_numpy().tolist()) == repr(frame.to_numpy().tolist())


def test_metrics_and_keys_may_be_chosen(root: Root) -> None:
    a_run(root, {"opt": {"lr": 1}, "name": "a"}, loss=[1.0, 2.0], ACC=[0.1])
    a_run(root, {"opt": {"lr": 2}}, loss=[3.0], ACC=[0.2])
    frame = load_metrics(root.path, names="loss", keys=["opt.lr", "name"])
    assert list(frame.columns) == ["run", "name", "step", "value", "time", "opt.lr", "name_"]
    assert frame["opt.lr"].tolist() == [1, 1, 2]
    assert str(frame["opt.lr"].dtype) == "int64"
    assert frame["name"].tolist() == ["loss"] * 3
    assert repr(frame["name_"].tolist()) == "['a', 'a', nan]"
    assert len(load_metrics(root.path, names=["loss", "ACC"])) == 5


def test_a_metric_that_no_run_has_logged_is_an_error_that_names_the_nearest(root: Root) -> None:
    a_run(root, {}, loss=[1.0], ACC=[0.1])
    with pytest.raises(UsageError, match=r"no run has logged the metric 'los'; did you mean 'loss'\?"):
        load_metrics(root.path, names=["ACC", "los"])
    with pytest.raises(UsageError, match="there are loss, ACC"):
        load_metrics(root.path, names="perplexity")


def test_conditions_choose_the_runs(root: Root) -> None:
    for number in range(4):
        a_run(root, {"n": number}, loss=[float(number)])
    assert load_metrics(root.path, where="n > 0 and loss < 3")["value"].tolist() == [1.0, 2.0]


def test_a_key_that_no_run_has_is_an_error_that_names_the_nearest(root: Root) -> None:
    a_run(root, {"optimizer": {"lr": 1}}, loss=[1.0])
    with pytest.raises(
        UsageError, match=r"no run has the key 'optimiser\.lr'; did you mean 'optimizer\.lr'\?"
    ):
        load_metrics(root.path, keys="optimiser.lr")


def test_without_metrics_the_frame_is_empty_and_has_its_types(root: Root) -> None:
    a_run(root, {"lr": 1})
    frame = load_metrics(root.path, names="loss", keys="lr")
    assert frame.empty
    assert list(frame.columns) == ["run", "name", "step", "value", "time", "lr"]
    assert [str(kind) for kind in frame.dtypes[:5]] == ["object", "object", "int64", "float64", "float64"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (f"{HEADER}a,0,1.0,1.0\nno row\na,1,2.0,1.0\n", [1.0, 2.0]),
        (f'{HEADER}a,0,1.0,1.0\n"a,1,2.0,1.0\na,2,3.0,1.0\n', [1.0, 3.0]),
        (f"{HEADER}a,0,1.0,1.0\n\na,1,2.0,1.0\n", [1.0, 2.0]),
        (f"{HEADER}a,0,1.0,1.0\na,1,2.", [1.0]),
        (f"{HEADER}a,0,1.0,1.0\r\na,1,2.0,1.0\r\n", [1.0, 2.0]),
        (f"{HEADER}a,0,1.0,1.0\na,1.5,2.0,1.0\n", [1.0]),
        ("epoch,loss\n1,2\n", []),
        ("", []),
        ("a,0,1.0", []),
    ],
)
@pytest.mark.filterwarnings("ignore:.*not a row of name, step, value and time")
def test_a_broken_file_costs_only_its_broken_lines(root: Root, text: str, values: list[float]) -> None:
    a_run(root, {}, b=[1.0])
    run = a_run(root, {})
    run.metrics.write_bytes(text.encode())
    a_run(root, {}, b=[2.0])
    frame = load_metrics(root.path)
    assert frame[frame["run"] == str(run.path)]["value"].tolist() == values
    assert frame[frame["name"] == "b"]["value"].tolist() == [1.0, 2.0]
    assert frame["run"].is_monotonic_increasing


def test_the_runs_that_a_log_names_are_found_from_wherever_it_is_read(
    tmp_path: Path, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = RunState(status=RunStatus.DONE, study="s.yaml", experiment="abcd1234")
    run = a_run(root, {"Name": "x", "ID": "abcd1234"}, state, loss=[1.0, 2.0])
    failed = a_run(root, {"Name": "x", "ID": "abcd1235"}, RunState(status=RunStatus.FAILED), loss=[3.0])
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "log.yaml"
    record = {"Name": "x", "REP": 0, "ACC": 1.0, "ID": "abcd1234", "RUN": f"results/runs/{run.name}"}
    log.write_text("".join(f"--- # {name}\n{dump({**record, 'ID': name})}...\n" for name in ("abcd1234",)))
    monkeypatch.chdir("/")
    frame = load_metrics(log, keys="ACC")
    assert frame["value"].tolist() == [1.0, 2.0]
    assert frame["ACC"].tolist() == [1.0, 1.0]
    assert frame["run"].tolist() == [f"results/runs/{run.name}"] * 2
    both = load_metrics(tmp_path)
    assert both["value"].tolist() == [1.0, 2.0, 3.0]
    assert both["run"].unique().tolist() == [str(run.path), str(failed.path)]


def test_a_managers_metrics_are_found_in_their_place(tmp_path: Path) -> None:
    root = Root(tmp_path / "managed_experiments", MANAGED)
    whole = a_run(root, {}, loss=[1.0])
    inner = a_run(Root.inside(whole), {}, loss=[2.0])
    frame = load_metrics(root.path)
    assert frame["run"].tolist() == [str(whole.path), str(inner.path)]


def test_a_run_that_cannot_be_read_is_named(root: Root) -> None:
    a_run(root, {}, loss=[1.0])
    a_run(root, {}, loss=[2.0]).params.write_text("- 1\n")
    with pytest.warns(UserWarning, match=r"1 place could not be read:\n.*000002.*params\.yaml:1") as caught:
        frame = load_metrics(root.path)
    assert frame["value"].tolist() == [1.0]
    assert caught[0].filename == __file__


def test_of_some_rows_only_their_runs_are_read(root: Root) -> None:
    for number in range(4):
        a_run(root, {"n": number}, loss=[float(number)])
    with find_rows([root.path]) as rows:
        assert metrics_of(rows.take([3, 1]), keys="n")["n"].tolist() == [3, 1]
