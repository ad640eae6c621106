"""What one asks of a frame of runs."""

from __future__ import annotations

import math
from typing import Any

import pytest

from coolrunner.errors import UsageError
from coolrunner.results.frames.parts import columns_of, main_result_of, roles_of
from coolrunner.results.parts import MISSING, Role

pandas = pytest.importorskip("pandas", reason="the extra [frame] is not installed")

from coolrunner.results.frames.analysis import (  # noqa: E402 - needs pandas
    aggregate,
    compare_groups,
    drop_constant,
    group_repeats,
    top,
)


def hydra_runs() -> Any:
    """Return a frame as of a Hydra multirun: rows of two levels, nested keys joined with a slash."""
    rows = [
        {"optimizer/name": name, "optimizer/lr": lr, "data/seed": seed, "dataset": "digits"}
        for name, lr in (("adam", 0.1), ("sgd", 0.2))
        for seed in (1, 2, 3)
    ]
    index = pandas.MultiIndex.from_product([["2026-01-26 17-07-39"], range(6)])
    frame = pandas.DataFrame(rows, index=index)
    frame["collected_path_0"] = [f"run{number}/metric.npy" for number in range(6)]
    frame["ACC"] = [0.91, 0.93, 0.92, 0.85, 0.86, math.nan]
    return frame


def log_rows() -> Any:
    """Return a frame as of a log: what is given, REP, what came of it, and what the log adds."""
    return pandas.DataFrame(
        {
            "Name": ["svm"] * 4,
            "C": [1, 1, 10, 10],
            "REP": [0, 1, 0, 1],
            "loss": [3.0, 5.0, 2.0, 1.0],
            "note": ["a", "b", "c", None],
            "ID": ["i", "j", "k", "l"],
            "TIME_ELAPSED": [1.0, 2.0, 3.0, 4.0],
        }
    )


def test_trk_06_runs_that_share_all_but_the_seed_are_a_group() -> None:
    frame = hydra_runs()
    groups = group_repeats(frame)
    assert groups.tolist() == [0, 0, 0, 1, 1, 1]
    assert groups.index.equals(frame.index)
    assert str(groups.dtype) == "int64"
    assert frame.groupby(groups).ACC.max().tolist() == [0.93, 0.86]


def test_trk_06_mean_and_deviation_over_repetitions_are_those_of_pandas() -> None:
    frame = hydra_runs()
    table = aggregate(frame, what="mean,std,n")
    assert list(table.columns) == ["optimizer/name", "optimizer/lr", "ACC_mean", "ACC_std", "ACC_n"]
    assert table["optimizer/name"].tolist() == ["adam", "sgd"]
    assert table["optimizer/lr"].dtype == "float64"
    expected = frame.groupby("optimizer/name").ACC.agg(["mean", "std", "count"])
    assert table.ACC_mean.tolist() == pytest.approx(expected["mean"].tolist())
    assert table.ACC_std.tolist() == pytest.approx(expected["std"].tolist())
    assert table.ACC_n.tolist() == [3, 2]
    assert str(table.ACC_n.dtype) == "int64"


def test_trk_06_the_best_runs_come_first() -> None:
    frame = hydra_runs()
    assert top(frame, 2).ACC.tolist() == [0.93, 0.92]
    assert top(frame, 2).index[0] == ("2026-01-26 17-07-39", 1)
    assert top(frame, 2, largest=False).ACC.tolist() == [0.85, 0.86]
    assert math.isnan(top(frame, 6).ACC.iloc[-1])
    assert top(log_rows(), 1).loss.tolist() == [1.0]
    assert top(aggregate(log_rows()), 1).C.tolist() == [10]


def test_trk_06_columns_that_do_not_change_are_dropped() -> None:
    frame = hydra_runs()
    assert "dataset" not in drop_constant(frame).columns
    assert list(drop_constant(frame)) == [name for name in frame.columns if name != "dataset"]
    assert list(drop_constant(frame.iloc[:1])) == list(frame.columns)
    lists = pandas.DataFrame({"a": [[1], [1]], "b": [[1], [2]], "c": [None, math.nan], "d": [1.0, None]})
    assert list(drop_constant(lists)) == ["b", "d"]


def test_columns_behind_rep_are_results_and_what_a_log_adds_is_neither() -> None:
    roles = roles_of(log_rows())
    assert [name for name, role in roles.items() if role is Role.PARAMETER] == ["Name", "C"]
    assert [name for name, role in roles.items() if role is Role.RESULT] == ["loss", "note"]
    assert group_repeats(log_rows()).tolist() == [0, 0, 1, 1]


def test_a_frame_that_knows_its_roles_is_believed() -> None:
    frame = pandas.DataFrame({"time": [1, 2], "ACC": [0.1, 0.1], "root": ["a", "b"]})
    frame.attrs["roles"] = {"time": "parameter", "ACC": "parameter", "root": "info"}
    frame["score"] = [1.0, 2.0]
    assert list(aggregate(frame).columns) == ["time", "score_mean", "score_std", "score_n"]
    assert main_result_of(frame) == "score"


def test_the_runs_of_argparse_scripts_are_told_by_parameters_alone() -> None:
    frame = pandas.DataFrame({"id": [1, 2], "width": [5, 5], "time": ["x", "y"], "root": ["a", "b"]})
    assert group_repeats(frame).tolist() == [0, 0]
    assert group_repeats(frame.drop(columns="id")).tolist() == [0, 1]


def test_a_person_can_name_what_is_grouped_ignored_and_counted() -> None:
    frame = log_rows()
    frame.insert(2, "fold", [1, 2, 1, 2])
    assert group_repeats(frame).tolist() == [0, 1, 2, 3]
    assert group_repeats(frame, ignore="fold").tolist() == [0, 0, 1, 1]
    table = aggregate(frame, by="fold", of="TIME_ELAPSED", what=["max", "first"])
    assert table.to_dict("list") == {
        "fold": [1, 2],
        "TIME_ELAPSED_max": [3.0, 4.0],
        "TIME_ELAPSED_first": [1.0, 2.0],
    }
    assert aggregate(frame, ignore=["fold"], of=["note"], what="first,n").note_first.tolist() == ["a", "c"]


def test_an_empty_frame_has_no_groups() -> None:
    frame = log_rows().iloc[:0]
    assert group_repeats(frame).tolist() == []
    assert len(aggregate(frame, of="loss")) == 0
    assert len(top(frame, by="loss")) == 0
    assert list(drop_constant(frame)) == list(frame)


def test_values_of_numpy_and_gaps_of_pandas_become_plain() -> None:
    numpy = pytest.importorskip("numpy")
    frame = pandas.DataFrame({"x": [numpy.float64(1), None, [1]], "y": [1, 2, 3]}, dtype=object)
    frame["z"] = pandas.array([1, None, 3], dtype="Int64")
    columns = columns_of(frame)
    assert columns == {"x": [1.0, MISSING, [1]], "y": [1, 2, 3], "z": [1, MISSING, 3]}
    assert type(columns["x"][0]) is float


def test_two_groups_are_compared_by_a_test_that_is_named() -> None:
    scipy = pytest.importorskip("scipy.stats", reason="the extra [stats] is not installed")
    found = compare_groups(hydra_runs(), "optimizer/name", "adam", "sgd")
    expected = scipy.ttest_ind([0.91, 0.93, 0.92], [0.85, 0.86], equal_var=False)
    assert (found.statistic, found.p) == (expected.statistic, expected.pvalue)
    assert "optimizer/name=adam: 0.92" in found.sentence
    assert "Welch's t-test" in found.sentence


def test_pairs_are_runs_that_share_all_else_in_whatever_order_they_stand() -> None:
    pytest.importorskip("scipy", reason="the extra [stats] is not installed")
    frame = hydra_runs().drop(columns="optimizer/lr")
    shuffled = frame.iloc[[3, 2, 0, 5, 4, 1]]
    found = compare_groups(shuffled, "optimizer/name", "adam", "sgd", test="paired-t")
    assert found == compare_groups(frame, "optimizer/name", "adam", "sgd", test="paired-t")
    assert (found.n_a, found.difference) == (2, pytest.approx(0.065))
    log = compare_groups(log_rows(), "C", 1, 10, of="loss", test="paired-t")
    assert (log.n_a, log.difference) == (2, 2.5)


@pytest.mark.parametrize(
    ("ask", "why"),
    [
        (lambda frame: top(frame, by="ACCU"), "there is no column 'ACCU'; did you mean 'ACC'"),
        (lambda frame: aggregate(frame, by="dataste"), "did you mean 'dataset'"),
        (lambda frame: aggregate(frame, what="average"), "there is no statistic 'average'"),
        (lambda frame: top(frame.drop(columns="ACC")), "has to be named; there are numbers in optimizer/lr"),
        (lambda frame: compare_groups(frame, "optimizer/name", "adm", "sgd"), "did you mean 'adam'"),
        (lambda frame: compare_groups(frame, "dataset", 3, 4), "'dataset' is never 3; there are digits"),
        (
            lambda frame: compare_groups(frame, "optimizer/name", "adam", "sgd", test="wilcoxon"),
            "no two runs are the same in optimizer/lr, data/seed, dataset",
        ),
        (
            lambda frame: compare_groups(
                frame, "optimizer/name", "adam", "sgd", test="wilcoxon", pair="dataset"
            ),
            "several runs are the same in dataset",
        ),
        (lambda frame: columns_of(pandas.concat([frame, frame], axis=1)), "two columns of the frame"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_told_with_what_can(ask: Any, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        ask(hydra_runs())


def test_a_comparison_of_groups_says_of_what_it_is() -> None:
    found = compare_groups(hydra_runs(), "optimizer/name", "adam", "sgd", of="ACC")
    assert str(found).startswith("ACC: optimizer/name=adam: 0.92 ")


def test_groups_without_a_number_of_the_named_result_come_last() -> None:
    frame = pandas.DataFrame(
        {"lr": [1, 2, 2, 3], "ACC": [math.nan, 0.5, 0.7, math.nan], "LOSS": [1, 2, 3, 4]}
    )
    table = aggregate(frame, by="lr", what="mean,n", of="ACC")
    assert (table.lr.tolist(), table.ACC_n.tolist()) == ([2, 1, 3], [2, 0, 0])
    assert aggregate(frame, by="lr", what="mean").lr.tolist() == [1, 2, 3]
