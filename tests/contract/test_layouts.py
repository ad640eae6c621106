"""What holds for every layout of runs, whichever way they were started."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from coolrunner.errors import BadNameError, RunError, UnknownMarkError
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.layout import (
    EXMAN,
    LAUNCHED,
    MANAGED,
    MANAGED_RUN,
    NESTED,
    RESULTS,
    Layout,
    layout_of,
    layout_of_run,
)
from coolrunner.runs.root import Root
from coolrunner.runs.status import RunState, RunStatus, move

LAYOUTS = [RESULTS, EXMAN, NESTED, MANAGED, MANAGED_RUN, LAUNCHED]
WHEN = datetime(2026, 11, 21, 6, 23, 29)
HOSTILE = [
    "../../etc/passwd", "..", ".", "/", "a/b", "\0", "two\nlines", "tab\there", "x" * 300, "é" * 300,
    "\ud800lone", "\udcff", ".hidden", "-", " ", "%2F", "~", "$HOME", "*", "\u2028", "runs", "...",
]  # fmt: skip


@pytest.fixture(params=LAYOUTS, ids=lambda layout: layout.kind)
def layout(request: pytest.FixtureRequest) -> Layout:
    """Each layout in turn."""
    found: Layout = request.param
    return found


@pytest.fixture
def root(layout: Layout, tmp_path: Path) -> Root:
    """An empty root of that layout, where its users have it."""
    place = {
        "results": "results",
        "exman": "exman",
        "nested": "results/runs/000001-2026-01-01-00-00-00",
        "managed": "managed_experiments",
        "managed-run": "managed_experiments/mine 2026-01-01-00-00-00",
        "launched": "data/local/title/20261121/lr_0.1",
    }[layout.kind]
    path = tmp_path / "work" / place
    if layout is NESTED or layout is MANAGED_RUN:  # these are in a run
        outer = Root(
            path.parent.parent if layout is NESTED else path.parent, RESULTS if layout is NESTED else MANAGED
        )
        name = "mine" if layout is MANAGED_RUN else ""
        outer.create("", RunState(), outer.allocate(name, time=datetime(2026, 1, 1)))
    return Root(path, layout)


def make(root: Root, name: str = "resnet", **how: object) -> RunDirectory:
    return root.create("lr: 0.1\n", RunState(), root.allocate(name, time=WHEN, **how))  # type: ignore[arg-type]


def everything(path: Path) -> set[Path]:
    return set(path.rglob("*"))


def test_nothing_is_made_before_the_first_run(root: Root, tmp_path: Path) -> None:
    before = everything(tmp_path)
    assert (root.runs(), root.indexed(), root.marks(), root.marks_by_run()) == ([], [], [], {})
    assert everything(tmp_path) == before


def test_a_run_holds_its_parameters_and_its_status(root: Root) -> None:
    run = make(root)
    assert run.params.read_text() == "lr: 0.1\n"
    assert run.read_params() == {"lr": 0.1}
    state = run.read_state()
    assert (state.status, state.id, state.name) == (RunStatus.RUNNING, run.number, "resnet")
    assert (state.kind, state.started[:19]) == (root.layout.kind, "2026-11-21T06:23:29")


def test_numbers_rise_by_one(root: Root) -> None:
    first = root.layout.first
    assert [make(root).number for _ in range(3)] == [first, first + 1, first + 2]
    assert [run.number for run in root.runs()] == [first, first + 1, first + 2]
    assert root.last_number() == first + 2


def test_runs_stand_in_their_order_however_many_digits_they_have(root: Root) -> None:
    made = [make(root).path for _ in range(12)]
    assert [run.path for run in root.runs()] == made


def test_a_deleted_number_is_never_given_again(root: Root) -> None:
    numbers = [make(root).number for _ in range(3)]
    assert root.delete(numbers, everything=True) == []
    assert root.runs() == []
    assert make(root).number == numbers[-1] + 1


def test_a_deleted_number_is_never_given_again_where_the_counter_was_lost_before(root: Root) -> None:
    numbers = [make(root).number for _ in range(3)]
    (root.path / ".numbers").unlink()
    root.delete(numbers[-1:], everything=True)
    assert make(root).number == numbers[-1] + 1


@pytest.mark.parametrize("content", [None, b"", b"12", b"\0\0\0\n", b"twelve\n", b"-1\n"])
def test_a_counter_that_was_lost_is_found_again(root: Root, content: bytes | None) -> None:
    numbers = [make(root).number for _ in range(3)]
    counter = root.path / ".numbers"
    counter.unlink()
    if content is not None:
        counter.write_bytes(content)
    assert make(root).number == numbers[-1] + 1


def test_a_run_changes_its_status_and_nothing_else(root: Root) -> None:
    run = make(root)
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    run.write_state(move(run.read_state(), RunStatus.DONE, exit=0))
    assert run.read_state().status is RunStatus.DONE
    after = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    assert {path for path in after if after[path] != before.get(path)} == {run.status}
    assert set(after) == set(before)


def test_files_of_the_beginning_are_in_it(root: Root) -> None:
    run = root.create("", RunState(), files={"changes.diff": b"+a", "deep/er/note.txt": b"hello"})
    assert (run.path / "changes.diff").read_bytes() == b"+a"
    assert (run.path / "deep" / "er" / "note.txt").read_bytes() == b"hello"
    assert run.read_params() == {}


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "", "a\0b", "a\nb"])
def test_no_file_is_put_elsewhere(root: Root, path: str) -> None:
    with pytest.raises(BadNameError):
        root.create("", RunState(), files={path: b""})
    assert root.runs() == []
    run = make(root)
    with pytest.raises(BadNameError):
        run.write_whole(path, b"")


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_no_name_leads_out_of_the_root(root: Root, tmp_path: Path, name: str) -> None:
    before = everything(tmp_path)
    run, again = make(root, name), make(root, name)
    place = root.path / root.layout.runs
    assert run.path.parent == again.path.parent == place
    assert run.path != again.path
    assert os.path.realpath(run.path) == str(run.path)
    assert {path for path in everything(tmp_path) - before if root.path not in path.parents} <= {
        root.path, *root.path.parents
    }  # fmt: skip
    assert {found.path for found in root.runs()} == {run.path, again.path}
    assert all(len(os.fsencode(part)) <= 255 for part in run.path.parts)
    assert root.layout.parse_name(run.name) is not None
    assert run.read_state().name == name.encode("utf-8", "backslashreplace").decode()


def test_a_run_is_found_by_all_that_names_it(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    run, other = make(root, "one"), make(root, "two")
    keys = [
        run.number,
        str(run.number),
        run.name,
        run.path,
        str(run.path),
        str(run.params),
        run.relative,
        run,
    ]
    assert [root.find(key) for key in keys] == [run] * len(keys)
    if root.layout is not LAUNCHED:  # which has no names
        assert [root.find(key) for key in ("two", other.title)] == [other] * 2
    monkeypatch.chdir(run.path)
    assert root.find(Path("params.yaml")) == run
    assert root.find("./params.yaml") == run


@pytest.mark.parametrize(
    "key",
    [99, "99", -1, "nobody", "", ".", "..", "/", "../..", "/etc/passwd", "\0", "a\nb", "x" * 300, Path("/")],
)
def test_what_names_no_run_is_said_so(root: Root, key: str | int | Path) -> None:
    with pytest.raises(RunError, match="no run"):
        root.find(key)
    make(root)
    with pytest.raises(RunError, match="no run"):
        root.find(key)
    assert root.select([key]) == ([], [key])
    assert root.delete([key], everything=True) == [key]
    assert len(root.runs()) == 1


def test_what_names_two_runs_is_said_so(root: Root) -> None:
    make(root, "twin"), make(root, "twin")
    beginning = "run_" if root.layout is LAUNCHED else "twin"
    with pytest.raises(RunError, match="any of 2 runs"):
        root.find(beginning)
    with pytest.raises(RunError, match="any of 2 runs"):
        root.delete([beginning], everything=True)
    assert len(root.runs()) == 2


def test_readers_pass_over_what_is_hidden_or_strange(root: Root) -> None:
    run = make(root)
    place = run.path.parent
    for name in (".new-abcdef", ".gone-abcdef", "notes", "000007", "run_x", "2026"):
        (place / name).mkdir()
    (place / "000009-2026-11-21-06-23-29").write_text("a file")
    (place / "run_9").write_text("a file")
    assert root.runs() == [run]
    assert root.indexed() == [run]


def test_the_directory_alone_tells_what_it_is(root: Root, layout: Layout) -> None:
    run = make(root)
    assert RunDirectory.at(run.path) == run
    assert RunDirectory.at(run.path).layout is layout
    assert RunDirectory.at(str(run.path)).number == run.number
    assert layout_of_run(run.path) is layout
    assert layout_of(root.path) is layout
    assert run.root == root.path


def test_what_is_no_run_is_said_so(root: Root) -> None:
    run = make(root)
    for path in (root.path, run.path / "files", run.path.parent / "nothing", run.params):
        if layout_of_run(path) is None or not path.is_dir():
            with pytest.raises(RunError, match="not the directory of a run"):
                RunDirectory.at(path)


def test_runs_within_a_run_have_a_root_there(root: Root) -> None:
    outer = make(root)
    inner = [Root.inside(outer).create("", RunState(), name="fold") for _ in range(2)]
    assert [run.number for run in inner] == [1, 2]
    assert all(outer.path in run.path.parents for run in inner)
    assert [run.path for run in Root.inside(outer).runs()] == [run.path for run in inner]
    assert RunDirectory.at(inner[0].path).layout is inner[0].layout
    assert root.runs() == [outer]
    # What is kept by content is kept once, however deep the runs are.
    assert inner[0].store == outer.store == root.store == Root.inside(outer).store
    assert layout_of_run(outer.store.parent) is None


def test_marks_nest_and_never_dangle(root: Root) -> None:
    if root.layout.marked is None:
        with pytest.raises(RunError, match="have no marks"):
            root.mark([1], "good")
        assert root.marks() == []
        return
    one, two, three = (make(root) for _ in range(3))
    assert root.mark([one.number, two.number, 99], "good") == [99]
    assert root.mark([three.name], "lr/0.1") == []
    assert root.marks() == ["good", "lr/0.1"]
    assert root.marks_by_run() == {one.name: ["good"], two.name: ["good"], three.name: ["lr/0.1"]}
    assert root.marked("good") == [one, two]
    assert root.marked("lr") == root.marked("lr/0.1") == [three]
    for link in (root.path / root.layout.marked).rglob("*.yaml"):
        assert not os.path.isabs(os.readlink(link))  # noqa: PTH115, PTH117
        assert link.read_text() == "lr: 0.1\n"
    root.delete([one, three], everything=True)
    assert root.marks() == ["good"]
    assert root.marked("good") == [two]
    with pytest.raises(UnknownMarkError, match="lr"):
        root.marked("lr")


@pytest.mark.parametrize(
    "mark", ["", ".", "..", "a/../b", "/a", "a//b", "a/", "a\0", "a\nb", ".a", "x" * 256, "\ud800"]
)
def test_no_mark_leads_elsewhere(root: Root, tmp_path: Path, mark: str) -> None:
    run = make(root)
    before = everything(tmp_path)
    for use in (lambda: root.mark([run], mark), lambda: root.unmark([run], mark), lambda: root.marked(mark)):
        with pytest.raises(BadNameError if root.layout.marked is not None else RunError):
            use()
    assert everything(tmp_path) == before


def test_a_failed_run_is_put_where_its_layout_wants_it(root: Root) -> None:
    run, other = make(root), make(root)
    run.write_state(move(run.read_state(), RunStatus.FAILED, error="ValueError: no"))
    moved = root.fail(run)
    assert moved.read_state().status is RunStatus.FAILED
    assert moved.number == run.number
    assert root.find(run.number) == moved
    assert (moved in root.runs()) == (root.layout.fails is None)
    assert set(root.runs(fails=True)) == {moved, other}
    assert make(root).number == other.number + 1


def test_prune_tells_first_and_keeps_what_somebody_may_want(root: Root) -> None:
    done, failed, running = make(root), make(root), make(root)
    done.write_state(move(done.read_state(), RunStatus.DONE))
    failed.write_state(move(failed.read_state(), RunStatus.FAILED))
    assert root.prune() == [failed]
    assert failed.path.exists()
    assert root.prune(dry=False) == [failed]
    assert set(root.runs()) == {done, running}


def test_a_run_that_is_under_way_is_not_removed(root: Root) -> None:
    state = RunState(host=os.uname().nodename, pid=os.getpid())
    run = root.create("", state)
    with pytest.raises(RunError, match="still under way"):
        root.delete([run], everything=True)
    run.write_state(replace(state, pid=2**22 + 1))  # above what Linux gives
    assert root.delete([run], everything=True) == []


def test_a_run_that_is_under_way_is_removed_where_that_is_asked_for(root: Root) -> None:
    run = root.create("", RunState(host=os.uname().nodename, pid=os.getpid()))
    assert root.prune(tmp=True, failed=True) == []
    assert root.delete([run], everything=True, force=True) == []
    assert root.runs() == []
