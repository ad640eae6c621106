"""Run directories of all layouts, as parts of a table; what a row of them holds stands in `run_rows`."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from coolrunner.results.loaders.run_rows import RESULTS_FILE, layout_by_name, read_row
from coolrunner.results.logs.sources import Report
from coolrunner.results.parts import GONE, Folder, Part, Row, stamp_of
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.finding import in_order
from coolrunner.runs.layout import (
    LAUNCHED,
    MANAGED,
    RESULTS,
    Layout,
    layout_of,
    layout_of_run,
    nested_layout,
)
from coolrunner.runs.links import links_under
from coolrunner.runs.marks import MarkedRuns

__all__ = ["RunLoader", "marks_of"]

_METRICS, _MANAGED_METRICS = RESULTS.metrics, Path(MANAGED.metrics)
_FILES = frozenset((RESULTS.params, RESULTS.status, RESULTS_FILE, _METRICS))


class RunLoader:
    """Run directories: each is a part with one row, and the runs within it stand behind it.

    Runs that were put aside as failed are among those of a root. What was only tried out is not: it is
    there where its directory, ``tmp``, or a run in that is named. The index of a root, and its marks, stand
    for the runs that they lead to.
    """

    kind = "run"
    version = 2

    def claim(self, folder: Folder, report: Report) -> Iterable[Part] | None:
        """Return the runs that a directory is or holds, in the order in which they began."""
        path = str(folder.path)
        if _is_run(folder):
            return list(_with_inner(path, folder.name, layout_of_run(folder.path) or layout_by_name(path)))
        layout = layout_of(folder.path) if _may_be_root(folder) else None
        if layout is not None:
            places = [place for place in layout.places if place != layout.tmp]
            return list(_runs(_bases(path, folder.name, places), layout))
        return _inside_root(folder) if folder.named else None

    def open(self, path: Path, name: str, report: Report) -> Part | None:
        """Return the run that a file tells of: its parameters, status, results, metrics, or a link to one."""
        if path.name not in _FILES and not (RESULTS.order(path.stem) and path.is_symlink()):
            return None
        file = Path(os.path.realpath(path))
        place = file.parent
        if file.name == _METRICS and place.name == _MANAGED_METRICS.parent.name:
            place = place.parent
        is_run = stamp_of(place / RESULTS.params) != GONE and (
            stamp_of(place / RESULTS.status) != GONE or layout_of_run(place) is not None
        )
        return _part(str(place), name, layout_by_name(str(place))) if is_run else None

    def read(self, part: Part, report: Report) -> Iterator[Row]:
        """Yield the row of a run; none without its parameters."""
        row = read_row(part, report)
        if row is not None:
            yield row


def marks_of(root: str | os.PathLike[str]) -> dict[str, list[str]]:
    """Return the marks of the runs of a root that have some, by the absolute path of each.

    They are links, which say nothing that a row holds, and are looked at each time. What is no root has
    none.
    """
    layout = layout_of(root)
    if layout is None or layout.marked is None:
        return {}
    runs = MarkedRuns(root, layout)
    marks: dict[str, list[str]] = {}
    for name, found in runs.marks_by_run().items():
        places = (_joined(str(runs.path), place, name) for place in layout.places)
        path = next(filter(os.path.isdir, places), None)
        if path is not None:
            marks[path] = found
    return marks


# --- what a directory is ---


def _is_run(folder: Folder) -> bool:
    if RESULTS.params not in folder.entries:
        return False
    return RESULTS.status in folder.entries or layout_of_run(folder.path) is not None


def _may_be_root(folder: Folder) -> bool:
    """Whether it is worth a closer look: most directories are none, and may hold a hundred thousand files."""
    entries = folder.entries
    return (
        RESULTS.runs in entries
        or folder.path.name == "managed_experiments"
        or any(MANAGED.pattern.match(name) or LAUNCHED.pattern.match(name) for name in entries)
    )


def _inside_root(folder: Folder) -> list[Part] | None:
    """Return the runs of a directory in a root: one where runs are, the index, or a mark; else None."""
    for depth, root in enumerate(folder.path.parents, 1):
        layout = layout_of(root)
        if layout is None:
            continue
        place = folder.path.relative_to(root).parts[0]
        if depth == 1 and place in layout.places:
            return list(_runs(_bases(str(folder.path), folder.name, [""]), layout))
        if place in (layout.index, layout.marked):
            names = {link.run for link in links_under(folder.path)}
            shown = os.path.normpath(_joined(folder.name, *[".."] * depth))
            return list(_runs(_bases(str(root), shown, layout.places), layout, names))
        break
    return None


# --- the runs in it ---


def _bases(path: str, shown: str, places: Iterable[str]) -> list[tuple[str, str]]:
    """Return directories in one, and how they are shown; each with the slash behind it."""
    shown = "" if shown == "." else shown
    return [(_joined(path, place, ""), _joined(shown, place, "")) for place in places]


def _runs(
    bases: Iterable[tuple[str, str]], layout: Layout, names: Collection[str] | None = None
) -> Iterator[Part]:
    """Yield the runs in some directories, or those of certain names, in order."""
    found = []
    for base, shown in bases:
        for name in _directories(base) if names is None else names:
            order = layout.order(name)
            if order is not None and (names is None or os.path.isdir(base + name)):  # noqa: PTH112
                found.append((order, base + name, shown + name))
    found.sort()
    if not layout.numbered and len({order[1][:19] for order, _, _ in found}) < len(found):
        # Of runs of one second, their files say which came first.
        by_path = {each[1]: each for each in found}
        found = [by_path[str(run.path)] for run in in_order([RunDirectory(Path(p), layout) for p in by_path])]
    for _, path, name in found:
        yield from _with_inner(path, name, layout)


def _with_inner(path: str, name: str, layout: Layout) -> Iterator[Part]:
    """Yield a run, and the runs within it."""
    yield _part(path, name, layout)
    inner = nested_layout(layout)
    if os.path.isdir(f"{path}/{inner.runs}"):  # noqa: PTH112
        yield from _runs(_bases(path, name, [inner.runs]), inner)


def _part(path: str, name: str, layout: Layout) -> Part:
    files = (layout.params, layout.status, RESULTS_FILE, layout.metrics)
    return Part(RunLoader.kind, path, name, tuple([stamp_of(f"{path}/{file}") for file in files]))


def _directories(base: str) -> list[str]:
    try:
        with os.scandir(base) as entries:
            return [entry.name for entry in entries if entry.is_dir()]
    except OSError:
        return []


def _joined(*parts: str) -> str:
    return os.path.join(*parts)  # noqa: PTH118 - of thousands of paths
