"""Pictures of the metrics of a run: a curve each, those of a group on one axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

from coolrunner.errors import RunError, nearest
from coolrunner.runs.directory import write_whole
from coolrunner.runs.names import safe_part
from coolrunner.runs.rows import read_metrics

__all__ = ["draw"]

#: A metric by the steps and the values that it has.
Curve = tuple[list[int], list[float]]
_INCHES = (6.4, 4.0)
_DOTS_UP_TO = 40  # steps of which each one is shown


def draw(
    metrics: Path,
    directory: Path,
    names: Sequence[str] | None = None,
    suffix: str = ".png",
    *,
    title: str = "",
) -> list[Path]:
    """Draw the metrics of a run.

    Parameters
    ----------
    metrics
        The file of its metrics.
    directory
        Where the pictures go, ``<group>.png``, a slash making a directory; what is there already is replaced.
    names
        Of metrics or of groups; None for all. A group is what stands before the last ``/`` of a name.
    suffix
        The form of the pictures.
    title
        Stands above each, before the name.

    Returns
    -------
    The pictures, in the order in which their metrics were logged.

    Raises
    ------
    RunError
        matplotlib is not installed or does not know the form, or nothing was logged under a name.
    RunWriteError
        The disk did not take it.
    """
    curves: dict[str, Curve] = {}
    for row in read_metrics(metrics):
        steps, values = curves.setdefault(row.name, ([], []))
        steps.append(row.step)
        values.append(row.value)
    groups = _grouped(curves, names)
    paths = []
    for group, chosen in groups.items():
        path = directory.joinpath(*map(safe_part, f"{group}{suffix}".split("/")))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, _picture(chosen, f"{title}: {group}" if title else group, suffix))
        paths.append(path)
    return paths


def _grouped(curves: Mapping[str, Curve], names: Sequence[str] | None) -> dict[str, dict[str, Curve]]:
    """Return the curves of each picture, by what is to stand beside them."""
    groups: dict[str, dict[str, Curve]] = {}
    for name, curve in curves.items():
        group, _, label = name.rpartition("/")
        if names is not None and name in names:
            group = name
        elif names is not None and group not in names:
            continue
        groups.setdefault(group or name, {})[label] = curve
    for name in names or ():
        if name not in groups:
            close = nearest(name, {*curves, *(key.rpartition("/")[0] for key in curves)} - {""})
            hint = f"; did you mean {close!r}?" if close else ""
            raise RunError(f"no metric {name!r} was logged{hint}")
    return groups


def _picture(curves: Mapping[str, Curve], title: str, suffix: str) -> bytes:
    try:
        # Not pyplot: that keeps state, and may want a screen.
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        raise RunError("pictures of metrics need matplotlib: pip install matplotlib") from None
    figure = Figure(figsize=_INCHES, layout="constrained")
    axes = figure.add_subplot()
    for label, (steps, values) in curves.items():
        marker = "." if len(steps) <= _DOTS_UP_TO else ""
        axes.plot(steps, values, label=label, marker=marker, linewidth=1.4)
    axes.set_title(_literal(title), loc="left", fontsize="medium")
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if len(curves) > 1:
        axes.legend([_literal(label) for label in curves], frameon=False)
    buffer = BytesIO()
    try:
        figure.savefig(buffer, format=suffix.lstrip("."), dpi=150)
    except ValueError as error:
        raise RunError(f"{suffix!r} is no form of pictures: {error}") from None
    return buffer.getvalue()


def _literal(text: str) -> str:
    """Return a text that matplotlib shows as it is, dollars included."""
    return text.replace("$", r"\$")
