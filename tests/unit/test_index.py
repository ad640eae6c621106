"""The runs of a root as a table, with the types that their parameters had."""

from __future__ import annotations

import datetime
import math
import warnings
from pathlib import Path
from typing import Any

import pytest

from coolrunner.errors import BadNameError, UnknownMarkError
from coolrunner.frontends.parsing.parser import ExParser
from coolrunner.results.frames.index import Index
from coolrunner.runs.layout import EXMAN, LAUNCHED, MANAGED, RESULTS
from coolrunner.runs.root import Root
from coolrunner.runs.status import RunState
from coolrunner.yamlio import dump
from tests.exparsers import a_root

pandas = pytest.importorskip("pandas", reason="the extra [frame] is not installed")
root = pytest.fixture(a_root)


def runs_of(path: Path, *rows: dict[str, Any]) -> Root:
    """Make a root with a run for each of some parameters, as an argparse script does."""
    root = Root(path, EXMAN)
    root.make()
    for number, row in enumerate(rows):
        ticket = root.allocate(time=datetime.datetime(2024, 1, 2, 3, 4, number))
        facts = {"root": ticket.relative, "time": ticket.time.isoformat(), "id": ticket.number}
        root.create(dump({**row, **facts}), RunState(), ticket)
    return root


def test_exm_07_a_run_is_a_row_with_its_parameters_time_and_place(root: Path) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--width", default=1, type=int)
    parser.add_argument("--flag", default=True, type=bool)
    first = parser.parse_args("--width 10 --flag F")
    parser.parse_args("--width 9")
    frame = Index(parser.root).info()
    assert len(frame) == 2
    assert frame.columns[0] == "id"
    assert list(frame.id) == [1, 2]
    assert list(frame.index) == [0, 1]
    assert str(frame.dtypes.id) == "int64"
    assert str(frame.dtypes.flag) == "bool"
    assert str(frame.dtypes.width) == "int64"
    assert str(frame.dtypes.time) == "datetime64[ns]"
    assert list(frame.width) == [10, 9]
    assert isinstance(frame.root[0], Path)
    assert frame.root[0] == first.root
    assert frame.root[0].is_absolute()
    for _, run in frame.iterrows():
        assert (run.root / "params.yaml").is_file()


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1, 2], "int64", [1, 2]),
        ([1, None], "float64", [1.0, math.nan]),
        ([1.5, 2], "float64", [1.5, 2.0]),
        ([None, 0.5], "float64", [math.nan, 0.5]),
        ([True, False], "bool", [True, False]),
        ([True, None], "object", [True, None]),
        ([True, 1], "object", [True, 1]),
        (["1", "yes"], "object", ["1", "yes"]),
        (["a", None], "object", ["a", None]),
        (["1", 1], "object", ["1", 1]),
        ([None, None], "object", [None, None]),
        ([[1, 2], [3]], "object", [[1, 2], [3]]),
        ([[1, 2], [3, 4]], "object", [[1, 2], [3, 4]]),
        ([{"a": 1}, {"a": 2}], "object", [{"a": 1}, {"a": 2}]),
        ([2**70, 1], "object", [2**70, 1]),
        ([math.inf, math.nan], "float64", [math.inf, math.nan]),
        ([datetime.datetime(2024, 1, 1)] * 2, "datetime64[ns]", [pandas.Timestamp(2024, 1, 1)] * 2),
        ([datetime.date(2024, 1, 1)] * 2, "object", [datetime.date(2024, 1, 1)] * 2),
        ([datetime.datetime(1, 1, 1)] * 2, "object", [datetime.datetime(1, 1, 1)] * 2),
    ],
)
def test_exm_07_columns_have_the_types_of_the_values(
    tmp_path: Path, values: list[Any], dtype: str, expected: list[Any]
) -> None:
    runs_of(tmp_path / "exman", *({"value": value} for value in values))
    frame = Index(tmp_path / "exman").info()
    assert str(frame.dtypes["value"]) == dtype
    found = frame["value"].tolist()
    assert [repr(value) for value in found] == [repr(value) for value in expected]


def test_exm_07_what_older_runs_lack_is_missing(tmp_path: Path) -> None:
    runs_of(tmp_path / "exman", {"a": 1}, {"a": 2, "b": 3, "c": "x", "d": True})
    frame = Index(tmp_path / "exman").info()
    assert list(frame.columns) == ["id", "a", "b", "c", "d", "time", "root"]
    assert [str(frame.dtypes[name]) for name in "abcd"] == ["int64", "float64", "object", "object"]
    assert frame.isna()[["b", "c", "d"]].iloc[0].all()
    assert frame.c.iloc[1] == "x"
    assert frame.d.iloc[1] is True


def test_exm_07_runs_are_sorted_by_their_number_and_not_by_their_name(tmp_path: Path) -> None:
    made = Root(tmp_path / "exman", RESULTS)
    for number in (1000001, 999999, 2):
        made.create("{}\n", RunState(), made.allocate(number=number))
    assert list(Index(tmp_path / "exman").info().id) == [2, 999999, 1000001]


def test_exm_07_an_empty_index_is_an_empty_frame(tmp_path: Path) -> None:
    runs_of(tmp_path / "exman")
    frame = Index(tmp_path / "exman").info()
    assert frame.empty
    assert len(frame[frame.id > 3]) == 0
    assert list(frame.columns) == ["id", "time", "root"]
    assert str(frame.dtypes.time) == "datetime64[ns]"


def test_exm_07_a_wrong_root_is_a_value_error(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    for path, message in ((tmp_path / "missing", "does not exist"), (tmp_path, "is no root of runs")):
        with pytest.raises(ValueError, match=message):
            Index(path)


def test_exm_07_the_root_may_be_relative_and_places_are_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_of(tmp_path / "exman", {"a": 1})
    monkeypatch.chdir(tmp_path)
    assert Index("exman").info().root[0].parent == tmp_path / "exman" / "runs"


def test_runs_out_of_the_index_are_not_in_the_table_and_linked_ones_are(tmp_path: Path) -> None:
    made = runs_of(tmp_path / "exman", {"a": 1}, {"a": 2})
    tried = made.create("a: 3\n", RunState(), tmp=True)
    made.delete([1], everything=False)
    assert list(Index(made.path).info().id) == [2]
    # As a person does who wants to keep what was only tried out.
    (made.path / "index" / f"{tried.name}.yaml").symlink_to(f"../tmp/{tried.name}/params.yaml")
    frame = Index(made.path).info()
    assert list(frame.id) == [2, 3]
    assert frame.root[1] == tried.path


def test_exm_08_a_mark_selects_runs_nested_marks_too(tmp_path: Path) -> None:
    made = runs_of(tmp_path / "exman", *({"a": number} for number in range(1, 5)))
    made.mark([3], "a/9")
    made.mark([1], "a/10")
    made.mark([2, 1], "b")
    index = Index(made.path)
    assert list(index.info("a/9").id) == [3]
    assert list(index.info("a").id) == [1, 3]
    assert list(index.info("a/").id) == [1, 3]
    assert list(index.info(Path("a") / "10").id) == [1]
    assert list(index.info("b").a) == [1, 2]
    assert str(index.info("b").dtypes.a) == "int64"


def test_exm_08_an_unknown_mark_is_a_key_error_that_names_the_nearest(tmp_path: Path) -> None:
    made = runs_of(tmp_path / "exman", {"a": 1})
    made.mark([1], "good")
    with pytest.raises(KeyError, match="did you mean good"):
        Index(made.path).info("godo")
    with pytest.raises(UnknownMarkError):
        Index(made.path).info("good/better")


@pytest.mark.parametrize("mark", ["..", "../runs", "/etc", "", "a//b"])
def test_a_mark_that_leads_elsewhere_is_refused(tmp_path: Path, mark: str) -> None:
    made = runs_of(tmp_path / "exman", {"a": 1})
    with pytest.raises(BadNameError):
        Index(made.path).info(mark)


def test_exm_15_a_mark_by_itself_is_found_by_its_value(root: Path) -> None:
    parser = ExParser(root=root, automark=["test", "arg1", "arg2"])
    parser.add_argument("--arg1", default=1, type=int)
    parser.add_argument("--arg2", default=True, type=bool)
    parser.parse_args("--arg1=10 --arg2=F")
    parser.parse_args("--arg1=9 --arg2=t")
    index = Index(root)
    assert list(index.info("test/arg1/9/arg2/True").id) == [2]
    assert list(index.info("test/arg1/10/arg2/False").id) == [1]
    assert list(index.info("test").id) == [1, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1,\nb: 2\n", r"params.yaml:1:4"),
        ("a: 1\na: 2\n", "the key 'a' is given twice"),
        ("- 1\n", "parameters were expected"),
        ("a: \x00", "params.yaml"),
    ],
)
def test_a_broken_file_is_named_and_skipped(tmp_path: Path, text: str, message: str) -> None:
    made = runs_of(tmp_path / "exman", {"a": 1}, {"a": 2})
    made.find(1).params.write_text(text)
    with pytest.warns(UserWarning, match=message) as caught:
        frame = Index(made.path).info()
    assert list(frame.id) == [2]
    assert caught[0].filename == __file__
    assert "000001" in str(caught[0].message)


def test_a_run_whose_parameters_are_gone_is_named_and_skipped(tmp_path: Path) -> None:
    made = runs_of(tmp_path / "exman", {"a": 1}, {"a": 2})
    made.find(1).params.unlink()
    with pytest.warns(UserWarning, match="000001"):
        assert list(Index(made.path).info().id) == [2]


def test_a_file_is_read_again_only_where_it_has_changed(tmp_path: Path) -> None:
    made = runs_of(tmp_path / "exman", {"a": [1]}, {"a": [2]})
    index = Index(made.path)
    frame = index.info()
    frame.a[0].append("changed in the frame")
    assert index.info().a[0] == [1]
    made.find(2).params.write_text("a: [2, 3]\nid: 2\nroot: x\ntime: '2024-01-01T00:00:00'\n")
    frame = index.info()
    assert frame.a[1] == [2, 3]
    assert frame.time[1] == pandas.Timestamp(2024, 1, 1)


def test_a_root_of_run_py_gives_the_same_table(tmp_path: Path) -> None:
    made = Root(tmp_path / "results", RESULTS)
    when = datetime.datetime(2024, 5, 6, 7, 8, 9)
    made.create("lr: 0.1\ntime: 3\nroot: /data\n", RunState(), made.allocate("resnet", time=when))
    frame = Index(made.path).info()
    assert list(frame.columns) == ["id", "lr", "time_", "root_", "time", "root"]
    row = frame.iloc[0]
    assert (row.id, row.lr, row["time_"], row["root_"]) == (1, 0.1, 3, "/data")
    assert row.time == pandas.Timestamp(when)
    assert row.root == made.path / "runs" / "000001-2024-05-06-07-08-09-resnet"


def test_experiments_of_a_manager_give_the_same_table(tmp_path: Path) -> None:
    made = Root(tmp_path / "managed_experiments", MANAGED)
    for name in ("b", "a"):
        made.create(f"name: {name}\n", RunState(), name=name)
    frame = Index(made.path).info()
    assert list(frame.id) == [1, 2]
    assert list(frame.name) == ["b", "a"]


def test_a_root_of_the_published_program_can_be_read(tmp_path: Path) -> None:
    place = tmp_path / "exman"
    for name in ("runs", "index", "tmp", "marked/good", "fails"):
        (place / name).mkdir(parents=True)
    run = place / "runs" / "000007-2019-01-02-03-04-05-mine"
    run.mkdir()
    (run / "params.yaml").write_text(
        f"lr: 0.1\nname: mine\nroot: runs/{run.name}\ntime: '2019-01-02T03:04:05'\nid: 7\n"
    )
    (place / "index" / f"{run.name}.yaml").symlink_to(f"../runs/{run.name}/params.yaml")
    (place / "marked" / "good" / run.name).symlink_to(f"../../runs/{run.name}")
    index = Index(place)
    for frame in (index.info(), index.info("good")):
        assert frame.id.tolist() == [7]
        assert frame.root[0] == run
        assert frame.time[0] == pandas.Timestamp(2019, 1, 2, 3, 4, 5)


def test_how_many_jobs_read_makes_no_difference(tmp_path: Path) -> None:
    runs_of(tmp_path / "exman", *({"a": number, "b": "x"} for number in range(60)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(Index(tmp_path / "exman").info(njobs=4)) == 60


def test_the_root_that_is_meant_is_named(tmp_path: Path) -> None:
    root = Root(tmp_path / "exman", EXMAN)
    root.make()
    for place in (root.path / "runs", tmp_path):
        with pytest.raises(ValueError, match="did you mean") as caught:
            Index(place)
        assert str(root.path) in str(caught.value)


def test_metrics_results_and_facts_are_no_parameters_also_where_they_are_called_like_some(
    tmp_path: Path,
) -> None:
    made = runs_of(tmp_path / "exman", {"a": 1}, {"lr": 0.1, "HOST": "mine", "NUMBER": 7}, {"lr": 0.2})
    for number, name in ((1, "lr"), (2, "NUMBER"), (3, "a")):
        made.find(number).metrics.write_text(f"name,step,value,time\n{name},0,9.0,1.0\n")
        made.find(number).write_state(RunState(host="box", started="2024-01-02T03:04:05+00:00"))
    (made.find(1).path / "results.yaml").write_text("ACC: 0.9\n")
    frame = Index(made.path).info()
    assert list(frame.columns) == ["id", "a", "lr", "HOST", "NUMBER", "time", "root"]
    assert repr(frame.a.tolist()) == "[1.0, nan, nan]"
    assert repr(frame.lr.tolist()) == "[nan, 0.1, 0.2]"
    assert repr(frame.HOST.tolist()) == "[nan, 'mine', nan]"
    assert list(frame.id) == [1, 2, 3]


def test_runs_within_runs_and_what_is_broken_elsewhere_are_not_in_the_table(tmp_path: Path) -> None:
    made = runs_of(tmp_path / "exman", {"a": 1}, {"a": 2})
    inner = Root.inside(made.find(1)).create("b: 1\n", RunState())
    inner.params.write_text("- 1\n")
    tried = made.create("a: 3\n", RunState(), tmp=True)
    tried.params.write_text("- 1\n")
    made.mark([2], "good")
    made.find(1).params.write_text("- 1\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(Index(made.path).info("good").id) == [2]
    with pytest.warns(UserWarning, match="000001") as caught:
        assert list(Index(made.path).info().id) == [2]
    assert len(caught) == 1


def test_a_parameter_may_be_a_mapping_in_one_run_and_a_number_in_the_next(tmp_path: Path) -> None:
    made = runs_of(tmp_path / "exman", {"opt": {"lr": 0.1, "name": "adam"}}, {"opt": 3}, {"opt.lr": 5})
    frame = Index(made.path).info()
    assert list(frame.columns) == ["id", "opt", "opt.lr", "time", "root"]
    assert repr(frame.opt.tolist()) == "[{'lr': 0.1, 'name': 'adam'}, 3, nan]"
    assert repr(frame["opt.lr"].tolist()) == "[nan, nan, 5.0]"


@pytest.mark.parametrize("cache", ["always", "never"])
def test_a_table_from_what_was_kept_is_the_same_as_one_read_anew(tmp_path: Path, cache: str) -> None:
    made = runs_of(tmp_path / "exman", *({"a": number, "b": [number], "c": "x"} for number in range(20)))
    first = Index(made.path, cache=cache).info()
    made.find(3).params.write_text("a: null\nb: 7\n")
    made.delete([5], everything=True)
    second = Index(made.path, cache=cache).info()
    assert (made.path / ".coolrunner").exists() == (cache == "always")
    pandas.testing.assert_frame_equal(second, Index(made.path, cache="never").info())
    pandas.testing.assert_frame_equal(
        first.iloc[10:], second.iloc[9:].set_axis(range(10, 20)), check_dtype=False
    )
    assert list(second.id) == [number for number in range(1, 21) if number != 5]
    assert second.b[2] == 7


def test_a_run_that_is_under_way_has_its_number_and_its_time(tmp_path: Path) -> None:
    made = Root(tmp_path / "data" / "local" / "digits", LAUNCHED)
    for _ in range(11):
        made.create("a: 1\n", RunState(started="2024-01-02T03:04:05.500+00:00"))
    frame = Index(made.path).info()
    assert list(frame.id) == list(range(11))
    assert set(frame.time) == {pandas.Timestamp("2024-01-02 03:04:05.5")}
