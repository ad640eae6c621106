"""Pictures of many runs, and a table of what was taken for what."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from coolrunner.errors import UsageError
from coolrunner.keys import is_seed, lower_is_better
from coolrunner.results.frames.parts import columns_of, main_result_of, pandas_module, picked, roles_of
from coolrunner.results.groups.repeats import differing
from coolrunner.results.groups.statistics import is_number
from coolrunner.results.parts import MISSING, Role

if TYPE_CHECKING:
    import pandas

__all__ = ["confusion_matrix", "parallel_coordinates"]


def confusion_matrix(
    true: Iterable[Any],
    predicted: Iterable[Any],
    labels: Sequence[Any] | None = None,
    normalize: str | None = None,
) -> pandas.DataFrame:
    """Count which labels were taken for which.

    Parameters
    ----------
    true, predicted
        Labels, of the same length.
    labels
        Which labels, in which order; what has another one is left out. If None, all, sorted.
    normalize
        ``"true"`` for shares of each row (the diagonal is the recall), ``"pred"`` of each column (the
        precision), ``"all"`` of all; counts if None. Shares of nothing are 0.

    Returns
    -------
    A frame: a row for each true label, a column for each predicted one.

    Raises
    ------
    UsageError
        The lengths differ, a label is missing, or `normalize` is none of these.
    """
    pd = pandas_module()
    if normalize not in (None, "true", "pred", "all"):
        raise UsageError(f"normalize is 'true', 'pred', 'all' or None, not {normalize!r}")
    rows, columns = list(true), list(predicted)
    if len(rows) != len(columns):
        raise UsageError(f"there are {len(rows)} true labels and {len(columns)} predicted ones")
    missing = sum(1 for label in (*rows, *columns) if label is None or label != label)
    if missing:
        raise UsageError(f"{missing} of the labels are missing")
    known = _sorted((*rows, *columns)) if labels is None else labels
    places = {label: place for place, label in enumerate(known)}
    counts = [[0] * len(places) for _ in places]
    for row, column in zip(rows, columns, strict=True):
        if row in places and column in places:
            counts[places[row]][places[column]] += 1
    index = pd.Index(list(places), name="true")
    table = pd.DataFrame(counts, index=index, columns=index.rename("predicted"), dtype="int64")
    if normalize == "all":
        table = table / max(int(table.to_numpy().sum()), 1)
    elif normalize:
        axis = 1 if normalize == "true" else 0
        table = table.div(table.sum(axis=axis).clip(lower=1), axis=1 - axis)
    matrix: pandas.DataFrame = table
    return matrix


def parallel_coordinates(
    frame: pandas.DataFrame, color: str | None = None, columns: str | Iterable[str] | None = None
) -> Any:
    """Draw runs as lines across their parameters and results.

    Parameters
    ----------
    frame
        Runs, or what `coolrunner.aggregate` made of them.
    color
        The column that gives lines their colour, bright where it is best; the result that a person would
        look at first if None. Runs without it are left out.
    columns
        Which columns are axes, in which order; the parameters that differ, but the seeds, and `color`, if
        None.

    Returns
    -------
    A figure of plotly: ``.show()``, ``.write_html("runs.html")``. Texts and the like are marks on their
    axis, in the order in which they are first met; what is missing is a mark below the others.

    Raises
    ------
    UsageError
        There is no such column, no result is a number, or plotly is not installed.
    """
    figure_of = _plotly()
    name = main_result_of(frame) if color is None else picked(color, frame)[0]
    axes = picked(columns, frame) if columns is not None else [*_settings(frame, name), name]
    coloured = columns_of(frame, [name])[name]
    kept = [place for place, value in enumerate(coloured) if value is not MISSING]
    found = {axis: [values[place] for place in kept] for axis, values in columns_of(frame, axes).items()}
    shades = _axis(name, [coloured[place] for place in kept])
    lines = {
        "color": shades["values"],
        "colorscale": "Viridis",
        "reversescale": lower_is_better(name),
        "showscale": True,
        "colorbar": {"title": {"text": name}, **{key: shades[key] for key in _TICKS if key in shades}},
    }
    dimensions = [_axis(axis, values) for axis, values in found.items()]
    return figure_of.Figure(figure_of.Parcoords(line=lines, dimensions=dimensions))


_TICKS = ("tickvals", "ticktext")


def _settings(frame: pandas.DataFrame, color: str) -> list[str]:
    wanted = [
        name
        for name, role in roles_of(frame).items()
        if role is Role.PARAMETER and not is_seed(name) and name != color
    ]
    return differing(columns_of(frame, wanted))


def _axis(label: str, values: Sequence[Any]) -> dict[str, Any]:
    """Return an axis with its values as numbers, and marks where these stand for something else."""
    present = [value for value in values if value is not MISSING]
    if present and all(is_number(value) and type(value) is not bool for value in present):
        if len(present) == len(values):
            return {"label": label, "values": list(values)}
        low, high = min(present), max(present)
        below = low - ((high - low) / 10 or 1)
        marks = dict.fromkeys((low, (low + high) / 2, high))
        ticks = {"tickvals": [below, *marks], "ticktext": [str(MISSING), *(f"{mark:.4g}" for mark in marks)]}
        return {"label": label, "values": [below if value is MISSING else value for value in values], **ticks}
    met = dict.fromkeys(str(value) for value in values)
    texts = [text for text in [str(MISSING)] if text in met] + [text for text in met if text != str(MISSING)]
    places = {text: place for place, text in enumerate(texts)}
    ticks = {"tickvals": list(places.values()), "ticktext": texts}
    return {"label": label, "values": [places[str(value)] for value in values], **ticks}


def _sorted(labels: Iterable[Any]) -> list[Any]:
    """Return labels, each once, in their order, or as they are first met where they have none."""
    once = list(dict.fromkeys(labels))
    try:
        return sorted(once)
    except TypeError:
        return once


def _plotly() -> Any:
    try:
        return importlib.import_module("plotly.graph_objects")
    except ModuleNotFoundError as error:
        if error.name not in ("plotly", "numpy"):
            raise
        raise UsageError("a figure needs plotly: pip install plotly") from None
