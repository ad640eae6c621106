"""Pictures of many runs, and a table of what was taken for what."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coolrunner.errors import UsageError
from coolrunner.results.frames.figures import confusion_matrix, parallel_coordinates

pandas = pytest.importorskip("pandas", reason="the extra [frame] is not installed")


@pytest.mark.filterwarnings("ignore:A single label was found")
@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30),
    st.sampled_from([None, "true", "pred", "all"]),
)
def test_trk_06_the_confusion_matrix_is_that_of_scikit_learn(
    pairs: list[tuple[int, int]], normalize: str | None
) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="the extra [examples] is not installed")
    true, predicted = [one for one, _ in pairs], [other for _, other in pairs]
    for labels in (None, list(dict.fromkeys([3, true[0], 0]))):
        found = confusion_matrix(true, predicted, labels, normalize)
        expected = metrics.confusion_matrix(true, predicted, labels=labels, normalize=normalize)
        assert found.to_numpy().tolist() == [pytest.approx(row) for row in expected.tolist()]


def test_the_confusion_matrix_names_its_rows_and_columns() -> None:
    matrix = confusion_matrix(["cat", "dog", "cat"], ["cat", "cat", "bird"])
    assert matrix.index.tolist() == matrix.columns.tolist() == ["bird", "cat", "dog"]
    assert (matrix.index.name, matrix.columns.name) == ("true", "predicted")
    assert (matrix.loc["dog", "cat"], matrix.loc["cat", "bird"], matrix.to_numpy().sum()) == (1, 1, 3)
    assert confusion_matrix([], []).shape == (0, 0)
    assert confusion_matrix([1, "a"], ["a", 1]).index.tolist() == [1, "a"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (([1], [1, 2]), "1 true labels and 2 predicted"),
        (([1, None], [1, math.nan]), "2 of the labels are missing"),
        (([1], [1], None, "rows"), "normalize is 'true', 'pred', 'all' or None, not 'rows'"),
    ],
)
def test_labels_that_do_not_fit_are_refused(arguments: tuple[Any, ...], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        confusion_matrix(*arguments)


def runs() -> Any:
    return pandas.DataFrame(
        {
            "model": ["wrn", "vgg", "wrn", "vgg"],
            "lr": [0.1, 0.2, None, 0.3],
            "seed": [1, 2, 3, 4],
            "depth": [3, 3, 3, 3],
            "LOSS": [0.5, 0.25, 0.125, math.nan],
        }
    )


def test_trk_06_runs_are_lines_across_the_parameters_that_differ_and_the_result() -> None:
    pytest.importorskip("plotly", reason="plotly is not installed")
    (lines,) = parallel_coordinates(runs()).data
    assert [axis.label for axis in lines.dimensions] == ["model", "lr", "LOSS"]
    model, lr, loss = lines.dimensions
    assert (list(model.values), list(model.tickvals), list(model.ticktext)) == (
        [0, 1, 0],
        [0, 1],
        ["wrn", "vgg"],
    )
    assert list(loss.values) == list(lines.line.color) == [0.5, 0.25, 0.125]
    assert lines.line.reversescale
    below = list(lr.values)[2]
    assert below < 0.1
    assert list(lr.tickvals) == [below, 0.1, pytest.approx(0.15), 0.2]
    assert list(lr.ticktext) == ["missing", "0.1", "0.15", "0.2"]


def test_the_axes_and_the_colour_can_be_named() -> None:
    pytest.importorskip("plotly", reason="plotly is not installed")
    (lines,) = parallel_coordinates(runs(), color="model", columns=["seed", "lr"]).data
    assert [axis.label for axis in lines.dimensions] == ["seed", "lr"]
    assert list(lines.line.color) == [0, 1, 0, 1]
    assert list(lines.line.colorbar.ticktext) == ["wrn", "vgg"]
    with pytest.raises(UsageError, match="did you mean 'model'"):
        parallel_coordinates(runs(), color="modle")
