"""Marks, tags and notes, and the file that they are kept in."""

from __future__ import annotations

import multiprocessing
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from coolrunner.errors import BadNameError, LogError, UsageError
from coolrunner.results.annotationfile import HEADER, Said, append_changes, read_annotations
from coolrunner.results.annotations import MARKS, NOTE, TAGS, annotate, annotated
from coolrunner.results.joining import joined
from coolrunner.results.logs.sources import Report, find_logs
from coolrunner.results.logs.yamllog import YamlLog
from coolrunner.results.parts import MISSING
from coolrunner.results.rows import Rows, find_rows
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.root import Root
from coolrunner.runs.status import RunState, RunStatus

DATA = Path(__file__).parents[1] / "data" / "v1"
WHEN = datetime(2026, 11, 21, 6, 23, 29)


def log(path: Path, *ids: str, **more: Any) -> Path:
    """Write a log with an experiment for each ID."""
    book = YamlLog(str(path))
    for identity in ids:
        book.append(identity, {"lr": 0.1, "REP": 0, "ACC": 0.5, "ID": identity, **more})
    book.close()
    return path


def run(root: Root, experiment: str = "", status: RunStatus = RunStatus.DONE) -> RunDirectory:
    """Make a run that has ended."""
    root.make()
    state = RunState(status=status, experiment=experiment)
    return root.create("lr: 0.1\n", state, root.allocate(time=WHEN))


def rows_in(*paths: Path) -> Rows:
    return annotated(joined(find_rows(paths, cache="never")))


def said(rows: Rows) -> list[tuple[Any, Any, Any]]:
    """Return marks, tags and note of each row."""
    return list(rows.table([MARKS, TAGS, NOTE]))


NOTHING = (MISSING, MISSING, MISSING)

# --- of rows ---


def test_what_is_said_of_an_experiment_stands_beside_its_log(tmp_path: Path) -> None:
    place = log(tmp_path / "logs/a.yaml", "k7f3q2ma", "abcdefgh")
    assert annotate(rows_in(tmp_path), [0, 1], "tag", "baseline") == [0, 1]
    annotate(rows_in(tmp_path), [1], "mark", "good/really")
    annotate(rows_in(tmp_path), [1], "note", "  diverged: the rate\nwas too high  ")
    note = "diverged: the rate\nwas too high"
    expected = [(MISSING, ["baseline"], MISSING), (["good/really"], ["baseline"], note)]
    assert said(rows_in(tmp_path)) == expected
    assert said(rows_in(place)) == expected
    assert (tmp_path / "logs/annotations.yaml").read_text().startswith(HEADER)


def test_rows_of_which_nothing_was_said_have_no_such_columns(tmp_path: Path) -> None:
    log(tmp_path / "a.yaml", "k7f3q2ma")
    rows = rows_in(tmp_path)
    assert said(rows) == [NOTHING]
    assert not {MARKS, TAGS, NOTE} & {key.path for key in rows.keys}


def test_what_is_said_stays_with_the_id_whatever_becomes_of_the_log(tmp_path: Path) -> None:
    place = log(tmp_path / "a.yaml", "k7f3q2ma", "abcdefgh")
    annotate(rows_in(tmp_path), [1], "tag", "baseline")
    place.rename(tmp_path / "b.yaml")
    log(tmp_path / "a.yaml", "zzzzzzzz")
    rows = rows_in(tmp_path)
    assert dict(zip(rows.column("ID"), rows.column(TAGS), strict=True)) == {
        "zzzzzzzz": MISSING,
        "k7f3q2ma": MISSING,
        "abcdefgh": ["baseline"],
    }


def test_what_has_no_id_is_known_by_what_it_holds(tmp_path: Path) -> None:
    place = tmp_path / "hand.yaml"
    place.write_text("---\nlr: 1\nACC: 2\n---\nlr: 2\nACC: 3\n")
    annotate(rows_in(tmp_path), [1], "tag", "baseline")
    annotate(rows_in(tmp_path), [1], "note", "fine")  # also when it is tagged already
    place.write_text("---\nlr: 0\n---\nlr: 1\nACC: 2\n---\n# the same\nlr: 2\nACC: 3\n")
    assert said(rows_in(tmp_path)) == [NOTHING, NOTHING, (MISSING, ["baseline"], "fine")]
    (tmp_path / "a.csv").write_text("lr,ACC\n1,2\n3,4\n")
    annotate(rows_in(tmp_path / "a.csv"), [0], "tag", "of a table")
    assert said(rows_in(tmp_path / "a.csv")) == [(MISSING, ["of a table"], MISSING), NOTHING]


def test_marks_of_runs_are_links_and_tags_stand_in_their_root(tmp_path: Path) -> None:
    root = Root(tmp_path / "results")
    one, two = run(root), run(root, status=RunStatus.FAILED)
    assert annotate(rows_in(tmp_path), [0, 1], "mark", "good") == [0, 1]
    assert annotate(rows_in(tmp_path), [0], "mark", "good") == []
    annotate(rows_in(tmp_path), [1], "tag", "why")
    assert root.marks_by_run() == {one.name: ["good"], two.name: ["good"]}
    assert said(rows_in(tmp_path)) == [(["good"], MISSING, MISSING), (["good"], ["why"], MISSING)]
    assert (tmp_path / "results/annotations.yaml").exists()
    root.mark([1], "by hand")
    assert said(rows_in(tmp_path))[0][0] == ["by hand", "good"]


def test_a_run_that_was_put_aside_has_its_marks_in_the_file(tmp_path: Path) -> None:
    root = Root(tmp_path / "results")
    root.fail(run(root, status=RunStatus.FAILED))
    annotate(rows_in(tmp_path), [0], "mark", "look")
    assert said(rows_in(tmp_path)) == [(["look"], MISSING, MISSING)]
    annotate(rows_in(tmp_path), [0], "unmark", "look")
    assert said(rows_in(tmp_path)) == [NOTHING]


def test_what_was_said_of_a_run_is_there_when_its_experiment_has_come_to_a_log(tmp_path: Path) -> None:
    root = Root(tmp_path / "results")
    made = run(root, "k7f3q2ma", RunStatus.INTERRUPTED)
    for what, text in (("mark", "good"), ("tag", "baseline"), ("note", "slow")):
        annotate(rows_in(tmp_path), [0], what, text)
    log(tmp_path / "logs/a.yaml", "k7f3q2ma", RUN=f"results/{made.relative}")
    rows = rows_in(tmp_path)
    assert said(rows) == [(["good"], ["baseline"], "slow")]
    annotate(rows, [0], "note", "not so slow")
    assert said(rows_in(tmp_path)) == [(["good"], ["baseline"], "not so slow")]
    for what, text in (("unmark", "good"), ("untag", "baseline"), ("note", "")):
        assert annotate(rows_in(tmp_path), [0], what, text) == [0]
    assert said(rows_in(tmp_path)) == [NOTHING]


def test_a_run_that_is_deleted_takes_what_was_said_of_it_along(tmp_path: Path) -> None:
    root = Root(tmp_path / "results")
    run(root), run(root)
    for what, text in (("mark", "good"), ("tag", "baseline"), ("note", "slow")):
        annotate(rows_in(tmp_path), [0], what, text)
    root.delete([1], everything=True)
    assert said(rows_in(tmp_path)) == [NOTHING]
    assert rows_in(tmp_path).report.status == 0


def test_runs_of_other_tools_have_it_beside_them(tmp_path: Path) -> None:
    for number in range(2):
        place = tmp_path / "multirun/2021-01-26/17-07-39" / str(number) / ".hydra"
        place.mkdir(parents=True)
        (place / "config.yaml").write_text("lr: 0.1\n")
    annotate(rows_in(tmp_path), [1], "tag", "baseline")
    annotate(rows_in(tmp_path), [1], "mark", "good")
    assert said(rows_in(tmp_path)) == [NOTHING, (["good"], ["baseline"], MISSING)]
    shutil.move(tmp_path / "multirun", tmp_path / "elsewhere")
    assert said(rows_in(tmp_path)) == [NOTHING, (["good"], ["baseline"], MISSING)]


def test_a_mark_is_taken_away_with_those_nested_in_it(tmp_path: Path) -> None:
    log(tmp_path / "a.yaml", "k7f3q2ma")
    for mark in ("good/a", "good/b", "goods"):
        annotate(rows_in(tmp_path), [0], "mark", mark)
    annotate(rows_in(tmp_path), [0], "unmark", "good")
    assert said(rows_in(tmp_path)) == [(["goods"], MISSING, MISSING)]


def test_what_is_so_already_is_not_written_again(tmp_path: Path) -> None:
    log(tmp_path / "a.yaml", "k7f3q2ma")
    place = tmp_path / "annotations.yaml"
    assert annotate(rows_in(tmp_path), [0], "untag", "baseline") == []
    assert not place.exists()
    annotate(rows_in(tmp_path), [0], "tag", "baseline")
    before = place.read_bytes()
    assert annotate(rows_in(tmp_path), [0], "tag", "baseline") == []
    assert place.read_bytes() == before


@pytest.mark.parametrize("what, text", [("tag", ""), ("tag", "a,b"), ("tag", "a\nb"), ("tag", "x" * 101)])
def test_what_can_be_no_tag_is_refused(tmp_path: Path, what: str, text: str) -> None:
    log(tmp_path / "a.yaml", "k7f3q2ma")
    with pytest.raises(UsageError, match="this can be no tag"):
        annotate(rows_in(tmp_path), [0], what, text)
    assert not (tmp_path / "annotations.yaml").exists()


@pytest.mark.parametrize("mark", ["", "../x", "/x", "a/../b", ".hidden", "a\x1bb"])
def test_what_can_be_no_mark_is_refused(tmp_path: Path, mark: str) -> None:
    log(tmp_path / "a.yaml", "k7f3q2ma")
    with pytest.raises(BadNameError):
        annotate(rows_in(tmp_path), [0], "mark", mark)


def test_the_file_is_no_log(tmp_path: Path) -> None:
    log(tmp_path / "a.yaml", "k7f3q2ma")
    annotate(rows_in(tmp_path), [0], "tag", "baseline")
    report = Report()
    assert [file.name for file in find_logs([str(tmp_path)], report)] == [str(tmp_path / "a.yaml")]
    assert report.lines() == [f"skipped 1 file of annotations ({tmp_path}/annotations.yaml)"]
    log(tmp_path / "more/annotations.yaml", "zzzzzzzz")  # a log that is called so
    assert len(rows_in(tmp_path)) == 2


def test_a_parameter_that_is_called_like_what_was_said_stays_where_nothing_was(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("---\nTAGS: mine\n---\nTAGS: other\n")
    assert rows_in(tmp_path).column(TAGS) == ["mine", "other"]


def test_the_tags_of_mlflow_are_no_tags_of_a_person(tmp_path: Path) -> None:
    shutil.copytree(DATA / "mlruns", tmp_path / "mlruns")
    rows = rows_in(tmp_path)
    assert rows.column(TAGS) == [MISSING] * len(rows)
    assert any(key.path[0] == "TAGS" and len(key.path) > 1 for key in rows.keys)
    annotate(rows, [0], "tag", "baseline")
    assert rows_in(tmp_path).column(TAGS) == [["baseline"], *[MISSING] * (len(rows) - 1)]


# --- the file ---


def test_a_file_of_the_first_version_is_read_today_as_it_was_then() -> None:
    broken: list[str] = []
    found = read_annotations(DATA / "annotations.yaml", broken)
    assert broken == []
    assert found == {
        "k7f3q2ma": Said(tags={"größer": None}, note="slow, but\nsound: \x1b no"),
        "000004-2026-11-21-06-23-29": Said(marks={"good/really": None}, tags={"to look at": None}),
        "=0123456789abcdef0123456789abcdef": Said(tags={"by hand": None}),
        "0o17": Said(note="written by a person, over two lines"),
    }


def test_what_is_written_is_yaml_for_everybody_and_read_again_as_it_was(tmp_path: Path) -> None:
    place = tmp_path / "annotations.yaml"
    names = ["k7f3q2ma", "1e3", "null", "a b", 'quo"te', "ü", "back\\slash", "\u2028", "12"]
    notes = ["plain", "1e3", "two\nlines", "a: b # c", "\x1b[31m", "tab\t", "'", "\U0001f600", "..."]
    for name, note in zip(names, notes, strict=True):
        assert append_changes(place, "note", note, [name]) == [name]
    assert {of: each.note for of, each in read_annotations(place).items()} == dict(
        zip(names, notes, strict=True)
    )
    documents = list(yaml.safe_load_all(place.read_text()))
    assert [each["of"] for each in documents] == names
    assert all(datetime.fromisoformat(each["time"]).tzinfo is not None for each in documents)
    assert len(place.read_text().splitlines()) == 1 + len(names)


@pytest.mark.parametrize("kept", range(1, 60, 4))
def test_a_torn_line_is_passed_over_and_made_a_comment_by_the_next_writer(tmp_path: Path, kept: int) -> None:
    place = tmp_path / "annotations.yaml"
    append_changes(place, "tag", "one", ["k7f3q2ma"])
    whole = place.read_bytes()
    append_changes(place, "tag", "two", ["k7f3q2ma"])
    place.write_bytes(place.read_bytes()[: len(whole) + kept])
    assert list(read_annotations(place)["k7f3q2ma"].tags) == ["one"]
    append_changes(place, "tag", "three", ["k7f3q2ma"])
    broken: list[str] = []
    assert list(read_annotations(place, broken)["k7f3q2ma"].tags) == ["one", "three"]
    assert broken == []
    assert len(list(yaml.safe_load_all(place.read_text()))) == 2


def test_a_last_line_without_its_break_counts_where_it_is_whole(tmp_path: Path) -> None:
    place = tmp_path / "annotations.yaml"
    place.write_text(f"{HEADER}--- {{of: k7f3q2ma, tag: one}}")
    append_changes(place, "tag", "two", ["k7f3q2ma"])
    assert list(read_annotations(place)["k7f3q2ma"].tags) == ["one", "two"]


def test_what_cannot_be_read_is_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    log(tmp_path / "a.yaml", "k7f3q2ma")
    (tmp_path / "annotations.yaml").write_text(
        f"{HEADER}--- {{of: k7f3q2ma, tag: one}}\n--- {{of: [}}\n--- [1]\n--- {{of: x}}\n"
        "--- {of: !!python/object:os.system k7f3q2ma, tag: two}\n--- {of: k7f3q2ma, tag: three}\n"
    )
    rows = rows_in(tmp_path)
    assert rows.column(TAGS) == [["one", "three"]]
    assert [line.split(":")[1] for line in rows.report.broken] == ["3", "4", "5", "6"]
    assert rows.report.status == 1


def test_a_file_of_a_later_version_is_not_guessed_at(tmp_path: Path) -> None:
    place = tmp_path / "annotations.yaml"
    place.write_text("# Coolrunner annotations, version 2\n--- {of: k7f3q2ma, tag: one}\n")
    broken: list[str] = []
    assert read_annotations(place, broken) == {}
    assert "from a newer Coolrunner" in broken[0]


def test_where_nothing_can_be_written_an_error_says_so(tmp_path: Path) -> None:
    log(tmp_path / "a.yaml", "k7f3q2ma")
    (tmp_path / "annotations.yaml").mkdir()
    with pytest.raises(LogError, match=r"annotations\.yaml cannot be written"):
        annotate(rows_in(tmp_path), [0], "tag", "baseline")


def _tag(place: Path, first: int) -> None:
    for number in range(first, first + 20):
        append_changes(place, "tag", "same", [f"row{number}"])


def test_several_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    place = tmp_path / "annotations.yaml"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_tag, args=(place, 10 * number)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    broken: list[str] = []
    assert len(read_annotations(place, broken)) == 50
    assert broken == []
    assert len(place.read_text().splitlines()) == 51  # nobody has said what another had said
