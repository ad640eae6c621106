"""Marks, tags and notes: what a person says of rows, kept beside them (`coolrunner.results.annotationfile`).

``annotations.yaml`` stands in the root of runs for the runs there, beside a log for the experiments in it,
and beside the directories of other tools' runs. Marks of runs are links under ``marked/`` instead
(`coolrunner.runs.marks`), where their root has such a place for them.

What is said of a row that is removed is not seen any more, and what is said of an experiment stays with its
``ID``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from coolrunner.errors import UsageError
from coolrunner.results.annotationfile import FILE, Said, append_changes, read_annotations
from coolrunner.results.joining import NUMBER, RUN, STATUS
from coolrunner.results.loaders.run_rows import layout_by_name
from coolrunner.results.loaders.runs import marks_of
from coolrunner.results.logs.sources import STDIN
from coolrunner.results.parts import MISSING, Part, Role
from coolrunner.results.rows import KeyPath, Rows
from coolrunner.runs.links import mark_parts
from coolrunner.runs.root import Root

__all__ = ["MARKS", "NOTE", "TAGS", "annotate", "annotated"]

#: The keys under which they stand in a row: a list of texts, another one, and a text.
MARKS: KeyPath = ("MARKS",)
TAGS: KeyPath = ("TAGS",)
NOTE: KeyPath = ("NOTE",)

_LONGEST_TAG, _LONGEST_NOTE = 100, 10_000  # characters
_FILES = frozenset({"log", "csv", "jsonl"})


# --- reading ---


def annotated(rows: Rows) -> Rows:
    """Return rows with the columns `MARKS`, `TAGS` and `NOTE`, where anything was said of any of them.

    Parameters
    ----------
    rows
        From `coolrunner.results.joining.joined`.
    """
    said = _said(rows)
    # MLflow has a mapping of that name: its tags are keys of their own, and no tags of a person's.
    mapped = {key.path[:1] for key in rows.keys if len(key.path) > 1} & {MARKS, TAGS, NOTE}
    if not (said or mapped):
        return rows
    marks: list[Any] = [MISSING] * len(rows)
    tags, notes = list(marks), list(marks)
    for number, each in said.items():
        marks[number] = list(each.marks) or MISSING
        tags[number] = list(each.tags) or MISSING
        notes[number] = each.note or MISSING
    columns = {MARKS: marks, TAGS: tags, NOTE: notes}
    return rows.with_columns(
        {path: (Role.INFO, column) for path, column in columns.items() if any(column) or path in mapped},
    )


def _said(rows: Rows) -> dict[int, Said]:
    """Return what was said of rows, by their positions."""
    files = _Files(rows.report.broken)
    everywhere = rows.all_parts()
    folders = {id(part): _folder(part) for part in everywhere}
    roots = {folders[id(part)] for part in everywhere if part.kind == "run"}
    if not any([*map(files.said, set(folders.values())), *map(files.links, roots)]):
        return {}
    parts = rows.parts()
    runs = _runs(rows, parts)
    # A million rows are of few parts.
    of_parts = {key: files.said(folder) for key, folder in folders.items()}
    asked = (
        [number for number, part in enumerate(parts) if of_parts[id(part)]] if any(of_parts.values()) else []
    )
    names = dict(zip(asked, _names(rows.take(asked)), strict=True)) if asked else {}
    found: dict[int, Said] = {}
    for number in sorted({*names, *runs}):
        said = [of_parts[id(parts[number])].get(names[number])] if number in names else []
        links: Sequence[str] = ()
        if number in runs:
            path = runs[number]
            root = _root(path)
            links = files.links(root).get(path, ())
            if parts[number].path != path:  # of a log: what was said of the run while it was under way
                said.append(files.said(root).get(os.path.basename(path)))  # noqa: PTH119 - of many
        both = _together(links, said)
        if both.marks or both.tags or both.note:
            found[number] = both
    return found


def _together(links: Iterable[str], said: Iterable[Said | None]) -> Said:
    both = Said(dict.fromkeys(links))
    for each in said:
        if each is not None:
            both.marks.update(each.marks)
            both.tags.update(each.tags)
            both.note = both.note or each.note
    return both


class _Files:
    """What the files of annotations say, and the links of marks, each read once."""

    def __init__(self, broken: list[str]) -> None:
        self._broken = broken
        self._said: dict[str, dict[str, Said]] = {}
        self._links: dict[str, dict[str, list[str]]] = {}

    def said(self, folder: str) -> dict[str, Said]:
        if folder not in self._said:
            self._said[folder] = read_annotations(f"{folder}/{FILE}", self._broken)
        return self._said[folder]

    def links(self, root: str) -> dict[str, list[str]]:
        if root not in self._links:
            self._links[root] = marks_of(root)
        return self._links[root]


# --- what a row is called in them, and where they are ---


def _runs(rows: Rows, parts: Sequence[Part]) -> dict[int, str]:
    """Return the run directories of the rows that have one."""
    runs = {number: part.path for number, part in enumerate(parts) if part.kind == "run"}
    if any(key.path == NUMBER for key in rows.keys):  # else none of a log has been joined with its run
        for number, (path, joined) in enumerate(zip(*rows.columns([RUN, NUMBER]), strict=True)):
            if parts[number].kind == "log" and joined is not MISSING and Path(path).is_absolute():
                runs[number] = path
    return runs


def _folder(part: Part) -> str:
    """Return the directory in which stands what is said of the rows of a part."""
    return _root(part.path) if part.kind == "run" else os.path.dirname(part.path)  # noqa: PTH120 - of many


def _root(path: str) -> str:
    place = path.rpartition("/")[0]
    return place.rpartition("/")[0] if layout_by_name(path).runs else place


def _names(rows: Rows) -> list[str]:
    """Return what rows are called in a file of annotations."""
    names = []
    for number, (part, identity) in enumerate(zip(rows.parts(), rows.column(("ID",)), strict=True)):
        if part.kind not in _FILES:
            names.append(os.path.basename(part.path))  # noqa: PTH119
        elif part.kind == "log" and isinstance(identity, str) and identity:
            names.append(identity)
        else:
            names.append(_by_content(rows.value(number)))
    return names


def _by_content(value: dict[Any, Any]) -> str:
    from coolrunner.results.logs.collect import digest

    for path in (STATUS, MARKS, TAGS, NOTE):  # these are found out anew each time
        value.pop(path[0], None)
    return f"={digest(value).hex()}"


# --- writing ---


def annotate(rows: Rows, numbers: Iterable[int], what: str, text: str) -> list[int]:
    """Say something of rows, or take it back; what is so already is not written again.

    Parameters
    ----------
    rows
        From `coolrunner.results.joining.joined`.
    numbers
        The positions of those that are meant.
    what
        ``mark``, ``unmark``, ``tag``, ``untag`` or ``note``.
    text
        The mark, the tag, or the note, of which an empty one takes the last one away.

    Returns
    -------
    The positions of those that have changed.

    Raises
    ------
    UsageError
        It can be no mark or no tag, or these rows have no place to say anything of.
    LogError, RunWriteError
        The disk does not take it.
    """
    text = _checked(what, text)
    numbers = list(numbers)
    chosen = rows.take(numbers)
    parts = chosen.parts()
    if any(part.path == STDIN for part in parts):
        raise UsageError("what came by the standard input stands nowhere, and nothing can be said of it")
    runs = _runs(chosen, parts)
    links: dict[str, dict[str, int]] = {}
    lines: dict[str, dict[str, int]] = {}
    for place, (part, name) in enumerate(zip(parts, _names(chosen), strict=True)):
        run = runs.get(place, "")
        linked = bool(run) and what.endswith("mark") and _may_be_linked(run)
        if linked:
            links.setdefault(_root(run), {})[run] = place
        if not (linked and what == "mark"):
            lines.setdefault(_folder(part), {})[name] = place
        if run and run != part.path and (what.startswith("un") or not text):
            # What was said of the run before it came to stand in a log.
            lines.setdefault(_root(run), {})[os.path.basename(run)] = place  # noqa: PTH119
    changed = {place for root, paths in links.items() for place in _linked(root, what, text, paths)}
    for folder, said in lines.items():
        changed.update(said[name] for name in append_changes(Path(folder, FILE), what, text, list(said)))
    return [numbers[place] for place in sorted(changed)]


def _checked(what: str, text: str) -> str:
    if what.endswith("mark"):
        return "/".join(mark_parts(text.rstrip("/")))
    text = text.strip()
    is_tag = text.isprintable() and text and "," not in text and len(text) <= _LONGEST_TAG
    if what.endswith("tag") and not is_tag:
        raise UsageError(
            f"this can be no tag: {text[:_LONGEST_TAG]!r}; one is a word or a few, without commas"
        )
    if len(text) > _LONGEST_NOTE:
        raise UsageError(f"a note has at most {_LONGEST_NOTE:,} characters, and this one {len(text):,}")
    return text


def _may_be_linked(path: str) -> bool:
    """Whether the marks of a run are links: it is in a root that has them, and was not put aside there."""
    layout = layout_by_name(path)
    return layout.marked is not None and Path(path).parent.name not in (layout.tmp, layout.fails)


def _linked(folder: str, what: str, mark: str, paths: Mapping[str, int]) -> list[int]:
    """Mark some runs of a root, or take a mark from them; return the positions of those that changed."""
    known = marks_of(folder)
    has = {path for path in paths if any(f"{each}/".startswith(f"{mark}/") for each in known.get(path, ()))}
    chosen = {path for path in paths if mark not in known.get(path, ())} if what == "mark" else has
    root = Root(folder, layout_by_name(next(iter(paths))))
    names = [os.path.basename(path) for path in chosen]  # noqa: PTH119
    if names and what == "mark":
        root.mark(names, mark)
    elif names:
        root.unmark(names, mark)
    return [paths[path] for path in chosen]
