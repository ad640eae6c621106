"""Which files and directories are taken for results where a directory is searched."""

from __future__ import annotations

from pathlib import Path

import pytest

from coolrunner.results.cache import syncing
from coolrunner.results.logs.sources import NOTHING, PASSED
from coolrunner.results.logs.yamllog import HEADER
from coolrunner.results.rows import Rows, find_rows

RESULT = "---\nlr: 1\nACC: 0.5\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def found(*paths: Path, cache: str | Path = "never") -> Rows:
    return find_rows(paths, cache=cache)


def test_a_directory_that_holds_a_file_noresults_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "logs/a.yaml", RESULT)
    write(tmp_path / "tests/data/v1/b.yaml", RESULT)
    write(tmp_path / "tests/data/.noresults", "")
    rows = found(tmp_path)
    assert [Path(place.path).name for place in rows.places()] == ["a.yaml"]
    assert list(rows.report.skipped[PASSED]) == [str(tmp_path / "tests/data")]
    assert "1 directory with a file .noresults" in rows.report.lines()[0]


@pytest.mark.parametrize("named", ["tests/data", "tests/data/v1", "tests/data/v1/b.yaml"])
def test_it_is_searched_where_a_person_names_it_or_what_is_in_it(tmp_path: Path, named: str) -> None:
    write(tmp_path / "tests/data/v1/b.yaml", RESULT)
    write(tmp_path / "tests/data/.noresults", "")
    assert len(found(tmp_path / named)) == 1


def test_the_data_of_these_tests_is_no_result_of_anybody() -> None:
    tests = Path(__file__).parents[1]
    assert not [place for place in found(tests).places() if "data" in Path(place.path).parts]


@pytest.mark.parametrize(
    "text",
    [
        "lr: 0.1\nmodel: {name: resnet, ACC: 3}\n",  # the config of some program
        "on: [push]\njobs: {test: {env: {CI: 1}}}\n",
        "- one\n- two\n",
        "key: [broken\n",
        "a: 1\n---\nb: 2\n",
        "",
    ],
)
def test_a_yaml_file_that_is_only_met_and_has_no_mark_of_a_log_is_none(tmp_path: Path, text: str) -> None:
    file = write(tmp_path / "conf/file.yaml", text)
    rows = found(tmp_path)
    assert len(rows) == 0
    assert not rows.report.broken and not rows.report.foreign
    assert rows.report.skipped == {NOTHING: {str(file): None}}
    assert "file without results" in rows.report.lines()[0]


@pytest.mark.parametrize(
    "text, count",
    [
        (f"{HEADER}--- # k7f3q2ma\nlr: 1\n...\n", 1),
        ("---\nlr: 1\n...\n", 1),  # ends as only logs do
        ("Name: vgg\nlr: 1\n", 1),
        ("lr: 1\n---\nlr: 2\nYamlLog: logs/a.yaml\n", 2),
        ("lr: 1\nREP: 0\n", 1),
        ("lr: 1\nval/acc: 2\nSTARTED: '2026-11-20T10:00:00+00:00'\n", 1),
        ("{lr: 1, TOP-1: 0.5}\n", 1),
        ("lr: 1\n---\nlr: 2\nACC: 3\n", 2),
    ],
)
def test_a_yaml_file_that_is_met_is_a_log_by_one_mark_of_one(tmp_path: Path, text: str, count: int) -> None:
    write(tmp_path / "logs/file.yaml", text)
    rows = found(tmp_path)
    assert len(rows) == count
    assert not rows.report.skipped


@pytest.mark.parametrize("text", ["lr: 1\nACC: [broken\n", "lr: 1\nACC: 2\nACC: 3\n"])
def test_a_broken_file_with_a_mark_is_told_as_broken(tmp_path: Path, text: str) -> None:
    write(tmp_path / "logs/file.yaml", text)
    report = found(tmp_path).report
    assert len(report.broken) == 1 and not report.skipped


def test_a_file_that_is_named_is_read_whatever_it_holds_and_whoever_met_it_before(tmp_path: Path) -> None:
    file = write(tmp_path / "conf/file.yaml", "lr: 0.1\n")
    index = tmp_path / "index.sqlite"
    for _ in range(2):
        assert len(found(tmp_path, cache=index)) == 0
        assert found(file, cache=index).column("lr") == [0.1]


def test_what_is_appended_to_a_file_may_make_it_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "FRESH", -(1 << 62))
    file = write(tmp_path / "conf/file.yaml", "---\nlr: 1\n---\nlr: 2\n---\nlr: 3\n")
    index = tmp_path / "index.sqlite"
    assert len(found(tmp_path, cache=index)) == 0
    with file.open("a") as appended:
        appended.write("---\nlr: 4\nACC: 1\n---\nlr: 5\n")
    assert found(tmp_path, cache=index).column("lr") == [1, 2, 3, 4, 5]
    with file.open("a") as appended:
        appended.write("---\nlr: 6\n")
    assert found(tmp_path, cache=index).column("lr") == [1, 2, 3, 4, 5, 6]


def test_what_is_named_beside_the_directory_around_it_counts_as_named(tmp_path: Path) -> None:
    file = write(tmp_path / "conf/file.yaml", "lr: 0.1\n")
    write(tmp_path / "data/a.yaml", RESULT)
    write(tmp_path / "data/.noresults", "")
    assert len(found(tmp_path)) == 0
    assert len(found(tmp_path, file, tmp_path / "data")) == 2
