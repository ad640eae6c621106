"""Where things are: the names of runs, and the layouts told apart by what is there."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.runs.layout import (
    EXMAN,
    LAUNCHED,
    MANAGED,
    MANAGED_RUN,
    NESTED,
    RESULTS,
    Layout,
    RunName,
    layout_of,
    layout_of_run,
    nested_layout,
)
from coolrunner.runs.names import safe_part
from coolrunner.runs.root import Root
from coolrunner.runs.roots import root_around, roots_under
from coolrunner.runs.status import RunState

WHEN = datetime(2026, 11, 21, 6, 23, 29, 123456)


@pytest.mark.parametrize(
    ("layout", "name", "expected"),
    [
        (RESULTS, "resnet", "000042-2026-11-21-06-23-29-resnet"),
        (RESULTS, "", "000042-2026-11-21-06-23-29"),
        (EXMAN, "", "000042-2026-11-21-06-23-29"),
        (EXMAN, "mine", "000042-2026-11-21-06-23-29-mine"),
        (NESTED, "fold", "000042-2026-11-21-06-23-29-fold"),
        (MANAGED, "my first experiment", "my first experiment 2026-11-21-06-23-29"),
        (MANAGED, "", "2026-11-21-06-23-29"),
        (MANAGED_RUN, "train", "train 2026-11-21-06-23-29"),
        (LAUNCHED, "resnet", "run_42"),
    ],
)
def test_exm_02_a_run_is_named_by_number_time_and_name(layout: Layout, name: str, expected: str) -> None:
    assert layout.directory_name(42, WHEN, name) == expected


def test_exm_02_the_number_of_digits_may_be_chosen(tmp_path: Path) -> None:
    layout = replace(EXMAN, zfill=3)
    assert layout.directory_name(42, WHEN) == "042-2026-11-21-06-23-29"
    assert layout.directory_name(4242, WHEN) == "4242-2026-11-21-06-23-29"
    root = Root(tmp_path / "exman", layout)
    root.create("", RunState())
    root.layout = EXMAN
    assert [root.create("", RunState()).number, len(root.runs())] == [2, 2]


@pytest.mark.parametrize("layout", [RESULTS, MANAGED, LAUNCHED], ids=lambda layout: layout.kind)
@given(
    number=st.integers(0, 10**9),
    time=st.datetimes(datetime(1970, 1, 1)),
    name=st.text(st.characters(codec=None), max_size=200),
)
def test_a_name_is_read_as_it_was_written(layout: Layout, number: int, time: datetime, name: str) -> None:
    parsed = layout.parse_name(layout.directory_name(number, time, name))
    seconds = time.replace(microsecond=0)
    expected = {
        "results": RunName(number, seconds, safe_part(name) if name else ""),
        "managed": RunName(None, seconds, safe_part(name) if name else ""),
        "launched": RunName(number, None, ""),
    }[layout.kind]
    assert parsed == expected


@pytest.mark.parametrize(
    "name",
    ["", "runs", "000042", "42-2026-11-21", "x-2026-11-21-06-23-29", "000042-2026-13-41-06-23-29", ".new-a",
     "000042-2026-11-21-06-23-29.yaml", "-1-2026-11-21-06-23-29"],
)  # fmt: skip
def test_other_names_are_those_of_no_run(name: str) -> None:
    assert RESULTS.parse_name(name) is None


def test_numbers_are_sorted_as_numbers() -> None:
    names = ["9-2026-11-21-06-23-29", "000010-2026-11-21-06-23-28", "1000000-2026-11-21-06-23-27"]
    assert sorted(names, key=lambda name: RESULTS.order(name) or (0, "")) == names
    titled = [
        "z 2026-11-21-06-23-29",
        *(f"z 2026-11-21-06-23-29 ({n})" for n in (2, 10)),
        "a 2026-11-21-06-23-30",
    ]
    assert sorted(titled, key=lambda name: MANAGED.order(name) or (0, "")) == titled


def test_runs_within_a_run_have_the_layout_of_their_door() -> None:
    assert [nested_layout(layout) for layout in (RESULTS, EXMAN, NESTED, LAUNCHED)] == [NESTED] * 4
    assert [nested_layout(layout) for layout in (MANAGED, MANAGED_RUN)] == [MANAGED_RUN] * 2


def make_all(base: Path) -> dict[str, Root]:
    roots = {
        "results": Root(base / "results"),
        "custom": Root(base / "some" / "where"),
        "exman": Root(base / "exman", EXMAN),
        "managed": Root(base / "managed_experiments", MANAGED),
        "other": Root(base / "managed by me", MANAGED),
        "launched": Root(base / "data" / "local" / "20261121" / "title" / "lr_0.1" / "bs_2", LAUNCHED),
    }
    for root in roots.values():
        root.create("", RunState(), name="mine")
    return roots


def test_all_roots_under_a_directory_are_found(tmp_path: Path) -> None:
    roots = make_all(tmp_path)
    Root.inside(roots["results"].find(1)).create("", RunState())
    for path in (".hidden", "env/lib", "a/b/c/d", "runs"):
        Root(tmp_path / path / "results").create("", RunState())
    (tmp_path / "env" / "pyvenv.cfg").touch()
    (tmp_path / "loop").symlink_to(tmp_path)
    found = {root.path: root.layout.kind for root in roots_under(tmp_path)}
    expected = {root.path: root.layout.kind for root in roots.values()}
    assert found == {**expected, tmp_path / "runs" / "results": "results"}
    assert [root.path for root in roots_under(tmp_path)] == sorted(found)
    assert [root.path for root in roots_under(tmp_path / "exman")] == [tmp_path / "exman"]
    assert roots_under(tmp_path / "nowhere") == []


def test_a_root_is_found_from_anywhere_in_it(tmp_path: Path) -> None:
    for root in make_all(tmp_path).values():
        run = root.find(root.layout.first)
        inner = Root.inside(run).create("", RunState(), name="inner")
        for path in (root.path, run.path, run.files, inner.path, root.path / "marked"):
            path.mkdir(parents=True, exist_ok=True)
            around = root_around(path)
            assert around is not None
            assert (around.path, around.layout.kind) == (root.path, root.layout.kind)
    assert root_around(tmp_path) is None


@pytest.mark.parametrize("made", ["runs", "runs/a/events.out", "index", "saved_files", "run_1", "data/local"])
def test_what_is_no_root_is_taken_for_none(tmp_path: Path, made: str) -> None:
    (tmp_path / made).mkdir(parents=True)
    assert layout_of(tmp_path) is None
    assert roots_under(tmp_path) == []
    assert layout_of(tmp_path / "nothing") is None


def test_what_is_no_run_is_taken_for_none(tmp_path: Path) -> None:
    for name in ("notes", "runs/notes", "mine 2026-11-21-06-23-29", "elsewhere/000001-2026-11-21-06-23-29"):
        assert layout_of_run(tmp_path / name) is None
