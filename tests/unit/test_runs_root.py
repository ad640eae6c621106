"""A root of runs: links, marks, what is removed and what is kept."""

from __future__ import annotations

import errno
import os
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from coolrunner.errors import BadNameError, BadRootError, RunError, RunWriteError, UnknownMarkError
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.layout import EXMAN, LAUNCHED, MANAGED
from coolrunner.runs.root import Root
from coolrunner.runs.status import RunState, RunStatus, move

DAY = timedelta(days=1)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """An empty root, as argparse scripts have it."""
    return Root(tmp_path / "exman", EXMAN)


def make(root: Root, count: int = 1, **how: object) -> list[RunDirectory]:
    return [root.create("a: 1\n", RunState(), **how) for _ in range(count)]  # type: ignore[arg-type]


def links(root: Root) -> dict[str, str]:
    """All links under a root and where they lead, each of which must be there."""
    found = {path for path in root.path.rglob("*") if path.is_symlink()}
    assert all(path.exists() for path in found)
    return {path.relative_to(root.path).as_posix(): str(path.readlink()) for path in found}


def end(run: RunDirectory, status: RunStatus) -> RunDirectory:
    run.write_state(move(run.read_state(), status))
    return run


def test_exm_01_a_root_has_its_directories(root: Root) -> None:
    root.make()
    root.make()
    assert {path.name for path in root.path.iterdir()} == {"runs", "index", "tmp", "marked", "fails"}


def test_exm_02_the_number_is_above_every_earlier_run_failed_and_tmp_ones_too(root: Root) -> None:
    root.make()
    for place in (
        "runs/000001-2018-01-01-00-00-00",
        "tmp/000007-2018-01-01-00-00-00",
        "fails/9-2018-01-01-00-00-00",
    ):
        (root.path / place).mkdir()
    assert root.last_number() == 9
    assert make(root)[0].number == 10


def test_exm_04_the_index_is_of_relative_links(root: Root) -> None:
    (run,) = make(root)
    assert links(root) == {f"index/{run.name}.yaml": f"../runs/{run.name}/params.yaml"}
    # A root may be moved as a whole.
    moved = Root(root.path.rename(root.path.with_name("elsewhere")))
    assert len(links(moved)) == 1
    assert [run.number for run in moved.indexed()] == [1]


def test_exm_04_a_run_that_is_tried_out_stands_in_no_index(root: Root) -> None:
    (run,) = make(root, tmp=True, name="try")
    assert run.path.parent == root.path / "tmp"
    assert run.is_tmp
    assert (links(root), root.runs(), root.runs(tmp=True)) == ({}, [], [run])
    assert root.mark([run.number], "good") == [run.number]
    assert links(root) == {}


def test_a_ticket_tells_where_the_run_will_be(root: Root) -> None:
    when = datetime(2026, 11, 21, 6, 23, 29)
    ticket = root.allocate("my run", time=when)
    assert ticket.relative == "runs/000001-2026-11-21-06-23-29-my run"
    assert ticket.where == root.path / ticket.relative
    assert (ticket.number, ticket.time, root.runs()) == (1, when, [])
    run = root.create(f"root: {ticket.relative}\nid: {ticket.number}\n", RunState(), ticket)
    assert (run.path, run.relative, run.number) == (ticket.where, ticket.relative, 1)
    with pytest.raises(RunError, match=r"there is a run .* already"):
        root.create("", RunState(), ticket)
    assert root.runs() == [run]
    assert run.read_params()["id"] == 1


def test_a_state_keeps_what_it_says_itself(root: Root) -> None:
    state = RunState(name="mine", kind="other", started="2026-11-21T06:23:29+01:00", pid=3)
    kept = root.create("", state, name="yours").read_state()
    assert (kept.name, kept.kind, kept.started, kept.pid, kept.id) == (
        *("mine", "other", state.started),
        3,
        1,
    )


def test_what_somebody_else_counts_keeps_its_numbers(tmp_path: Path) -> None:
    root = Root(tmp_path / "lr_0.1", LAUNCHED)
    runs = [root.create("", RunState(), root.allocate(number=number)) for number in (2, 0)]
    assert [run.name for run in runs] == ["run_2", "run_0"]
    assert [run.number for run in root.runs()] == [0, 2]
    with pytest.raises(RunError, match="run_2 already"):
        root.create("", RunState(), root.allocate(number=2))
    assert root.allocate().number == 3


def test_two_of_one_name_may_begin_in_one_second(tmp_path: Path) -> None:
    root = Root(tmp_path / "managed_experiments", MANAGED)
    when = datetime(2026, 11, 21, 6, 23, 29)
    runs = [root.create("", RunState(), root.allocate("mine", time=when)) for _ in range(3)]
    name = "mine 2026-11-21-06-23-29"
    assert [run.name for run in runs] == [name, f"{name} (1)", f"{name} (2)"]
    assert [run.number for run in root.runs()] == [1, 2, 3]
    assert {run.title for run in runs} == {"mine"}


def test_runs_of_one_second_come_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    root = Root(tmp_path / "managed_experiments", MANAGED)
    when = datetime(2026, 11, 21, 6, 23, 29)
    for name, later in (("b", 1), ("c", 0), ("a", 0), ("c", 0)):
        root.create("", RunState(), root.allocate(name, time=when + timedelta(seconds=later)))
    assert [(run.title, run.number) for run in root.runs()] == [("c", 2), ("a", 3), ("c", 4), ("b", 1)]
    root.runs()[1].status.write_text("[")
    assert [run.title for run in root.runs()] == ["a", "c", "c", "b"]


def test_exm_08_marks_nest(root: Root) -> None:
    one, two, three = make(root, 3)
    root.mark([1, 2], "good")
    root.mark([2], "arg1/9")
    root.mark([3], "arg1/10/constant")
    assert root.marks() == ["arg1/10/constant", "arg1/9", "good"]
    assert root.marked("arg1") == [two, three]
    assert root.marked("arg1/9") == [two]
    assert root.marked("good") == [one, two]
    assert links(root)[f"marked/arg1/9/{two.name}.yaml"] == f"../../../runs/{two.name}/params.yaml"
    assert root.marks_by_run()[two.name] == ["arg1/9", "good"]


def test_exm_08_an_unknown_mark_is_a_key_error_with_the_nearest(root: Root) -> None:
    make(root)
    root.mark([1], "good")
    with pytest.raises(KeyError, match="has the mark 'goood'; did you mean good") as caught:
        root.marked("goood")
    assert isinstance(caught.value, UnknownMarkError)
    assert str(caught.value).startswith("no run in ")
    with pytest.raises(UnknownMarkError):
        root.unmark([1], "goo")


def test_exm_09_unknown_ids_are_given_back_and_the_others_marked(root: Root) -> None:
    (run,) = make(root)
    assert root.mark([1, 2, "x"], "good") == [2, "x"]
    assert root.mark(["1"], "good") == []
    assert root.marked("good") == [run]


def test_a_mark_is_taken_away_with_those_nested_in_it(root: Root) -> None:
    one, two = make(root, 2)
    root.mark([1, 2], "arg1/9")
    root.mark([1], "arg1")
    root.mark([1], "arg10")
    assert root.unmark([1, 77], "arg1") == [77]
    assert root.marks() == ["arg1/9", "arg10"]
    assert root.marked("arg1") == [two]
    assert root.unmark(None, "arg1") == []
    assert (root.marks(), root.marked("arg10")) == (["arg10"], [one])
    assert not (root.path / "marked" / "arg1").exists()
    assert (root.path / "marked").exists()


def test_a_mark_may_not_be_where_a_link_is(root: Root) -> None:
    (run,) = make(root)
    root.mark([1], "good")
    with pytest.raises(RunWriteError):
        root.mark([1], f"good/{run.name}.yaml/x")
    assert root.marks() == ["good"]


def test_marks_and_their_removal_do_not_disturb_each_other(root: Root) -> None:
    make(root, 2)
    failures: list[Exception] = []

    def toggle(key: int) -> None:
        try:
            for _ in range(150):
                assert root.mark([key], "a/b") == []
                root.unmark([key], "a/b")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=toggle, args=(key,)) for key in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [error for error in failures if not isinstance(error, UnknownMarkError)] == []


def test_exm_10_a_run_is_taken_out_of_the_index_alone(root: Root) -> None:
    one, two = make(root, 2)
    root.mark([1], "good")
    assert root.delete([1, 5], everything=False) == [5]
    assert root.indexed() == [two]
    assert root.marks() == []
    assert one.read_params() == {"a": 1}
    assert make(root)[0].number == 3


def test_exm_10_a_run_goes_with_its_directory(root: Root) -> None:
    _, two = make(root, 2)
    root.mark([1, 2], "good/er")
    assert root.delete(["1", two.name], everything=True) == []
    assert (root.runs(), root.indexed(), root.marks(), links(root)) == ([], [], [], {})
    assert [path.name for path in (root.path / "runs").iterdir()] == []
    assert make(root)[0].number == 3


def test_nothing_outside_is_touched_by_strange_links(root: Root, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "params.yaml").write_text("mine: 1\n")
    (run,) = make(root)
    root.mark([1], "good")
    (root.path / "marked" / "good" / "000009-2026-11-21-06-23-29.yaml").symlink_to(outside / "params.yaml")
    (root.path / "marked" / "linked").symlink_to(outside)
    assert root.marked("good") == [run]
    root.unmark(None, "good")
    root.delete([1], everything=True)
    assert [path.name for path in outside.iterdir()] == ["params.yaml"]


def test_exm_16_a_failed_run_is_put_aside_without_its_links(root: Root) -> None:
    one, two = make(root, 2)
    root.mark([1, 2], "good")
    moved = root.fail(one)
    assert moved.path == root.path / "fails" / one.name
    assert moved.is_failed
    assert not one.path.exists()
    assert (root.runs(), root.indexed(), root.marked("good")) == ([two], [two], [two])
    assert root.runs(fails=True) == [moved, two]
    with pytest.raises(RunWriteError, match="cannot be moved"):
        root.fail(one)


def test_prune_takes_what_was_tried_out_and_what_failed(root: Root) -> None:
    done, failed, aside, tried, running, marked = make(root, 3) + make(root, tmp=True) + make(root, 2)
    end(done, RunStatus.DONE)
    end(failed, RunStatus.FAILED)
    aside = root.fail(end(aside, RunStatus.FAILED))
    end(tried, RunStatus.DONE)
    end(marked, RunStatus.FAILED)
    root.mark([marked], "look")
    assert root.prune(failed=False) == [tried]
    assert root.prune(tmp=False) == [failed, aside]
    assert root.prune() == [failed, aside, tried]
    assert root.prune(older_than=DAY) == []
    assert len(root.runs(tmp=True, fails=True)) == 6
    assert root.prune(dry=False) == [failed, aside, tried]
    assert root.runs(tmp=True, fails=True) == [done, running, marked]
    assert make(root)[0].number == 7


def test_prune_goes_by_age(root: Root) -> None:
    now = datetime.now()
    runs = [
        end(root.create("", RunState(), root.allocate(time=now - days * DAY, tmp=True)), RunStatus.DONE)
        for days in (10, 3, 0)
    ]
    assert root.prune(older_than=5 * DAY) == runs[:1]
    assert root.prune(older_than=2 * DAY, dry=False) == runs[:2]
    assert root.runs(tmp=True) == runs[2:]


def test_prune_leaves_a_broken_run_to_a_person(root: Root) -> None:
    (run,) = make(root, tmp=True)
    run.status.write_text("status: [\n")
    assert root.prune(dry=False) == []
    assert root.runs(tmp=True) == [run]


def test_prune_sweeps_what_killed_processes_left(root: Root) -> None:
    make(root)
    long_ago = time.time() - 7200
    for name in (".new-0123", ".gone-0123", ".new-4567"):
        left = root.path / "runs" / name
        left.mkdir()
        (left / "params.yaml").write_text("a")
        if name != ".new-4567":  # that one may be on its way
            os.utime(left, (long_ago, long_ago))
    root.prune()
    assert len(list((root.path / "runs").glob(".*"))) == 3
    root.prune(dry=False)
    assert [path.name for path in (root.path / "runs").glob(".*")] == [".new-4567"]


def test_a_broken_run_is_deleted_like_any_other(root: Root) -> None:
    (run,) = make(root)
    run.status.write_text("\0")
    assert root.delete([1], everything=True) == []
    assert root.runs() == []


def test_one_broken_run_does_not_hide_the_others(tmp_path: Path) -> None:
    root = Root(tmp_path / "managed_experiments", MANAGED)
    one, two = make(root, 2, name="mine")
    one.status.write_text("status: [\n")
    assert root.find(2) == two
    assert make(root)[0].number == 3
    (root.path / ".numbers").unlink()
    assert make(root)[0].number == 4


def test_two_runs_of_one_number_are_both_named(root: Root) -> None:
    (run,) = make(root)
    copied = root.path / "runs" / "000001-2019-01-01-00-00-00"  # brought here from another machine
    copied.mkdir()
    with pytest.raises(RunError, match="1 may be any of 2 runs") as caught:
        root.find(1)
    assert run.name in str(caught.value)
    assert copied.name in str(caught.value)
    assert root.find(run.name) == run


def test_the_nearest_name_is_offered(root: Root) -> None:
    make(root, name="resnet")
    with pytest.raises(RunError, match=r"there is no run resent in .*; did you mean resnet"):
        root.find("resent")


def test_a_root_within_links_is_found_by_the_path_that_was_given(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "results").symlink_to("disk")
    root = Root(tmp_path / "results")
    (run,) = make(root)
    assert root.path == tmp_path / "results"
    assert root.find(tmp_path / "results" / "runs" / run.name) == run
    assert (tmp_path / "disk" / "index" / f"{run.name}.yaml").read_text() == "a: 1\n"


def test_what_is_no_directory_is_no_root(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    root = Root(tmp_path / "results")
    for use in (root.make, root.runs):
        with pytest.raises(BadRootError, match="results") as caught:
            use()
        assert isinstance(caught.value, ValueError)
    with pytest.raises((BadRootError, RunWriteError)):
        make(root)


def test_a_directory_of_one_s_own_in_the_way_is_not_overwritten(tmp_path: Path) -> None:
    root = Root(tmp_path / "lr_0.1", LAUNCHED)
    mine = root.path / "run_0"
    mine.mkdir(parents=True)
    (mine / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match="already"):
        root.create("", RunState(), root.allocate(number=0))
    assert [path.name for path in mine.iterdir()] == ["mine.txt"]


@pytest.fixture
def without_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that knows no symbolic links."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", refuse)
    monkeypatch.setattr(Path, "symlink_to", refuse)


@pytest.mark.usefixtures("without_links")
def test_where_there_are_no_links_small_copies_stand_in(root: Root) -> None:
    one, two = make(root, 2)
    root.mark([1, 2], "arg1/9")
    assert (root.path / "index" / f"{one.name}.yaml").read_text() == "a: 1\n"
    assert root.indexed() == root.marked("arg1") == [one, two]
    assert root.marks() == ["arg1/9"]
    root.delete([1], everything=True)
    assert root.marked("arg1/9") == root.indexed() == [two]


@pytest.mark.parametrize("mark", ["..", "/etc", "a/../../..", "", ".hidden", "a/.b", "a\nb"])
def test_a_mark_that_leads_elsewhere_is_refused(root: Root, mark: str) -> None:
    make(root)
    with pytest.raises(BadNameError):
        root.mark([1], mark)
    assert list((root.path / "marked").iterdir()) == []
