"""What a row is called, and which row is meant."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from coolrunner.errors import UsageError
from coolrunner.results.handles import Handles, find, handles, handles_among
from coolrunner.results.joining import joined
from coolrunner.results.logs.yamllog import YamlLog
from coolrunner.results.rows import Rows, find_rows
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.root import Root
from coolrunner.runs.status import RunState, RunStatus

WHEN = datetime(2026, 11, 21, 6, 23, 29)


def log(path: Path, *ids: str) -> Path:
    """Write a log with an experiment for each ID, which is also its name in capitals."""
    book = YamlLog(str(path))
    for identity in ids:
        book.append(identity, {"Name": identity.upper(), "lr": 0.1, "REP": 0, "ACC": 0.5, "ID": identity})
    book.close()
    return path


def run(root: Root, experiment: str = "", status: RunStatus = RunStatus.DONE, name: str = "") -> RunDirectory:
    """Make a run that has ended."""
    root.make()
    state = RunState(status=status, experiment=experiment)
    return root.create("lr: 0.1\n", state, root.allocate(name=name, time=WHEN))


def rows_in(path: Path) -> Rows:
    return joined(find_rows([path], cache="never"))


def test_an_experiment_is_called_by_its_id_a_run_by_its_number_and_a_row_without_either_by_its_line(
    tmp_path: Path,
) -> None:
    log(tmp_path / "logs/a.yaml", "k7f3q2ma", "abcdefgh")
    (tmp_path / "logs/hand.yaml").write_text("---\nlr: 1\nACC: 2\n---\nlr: 2\nACC: 3\n")
    run(Root(tmp_path / "results"), "zzzzzzzz", RunStatus.FAILED)
    assert handles(rows_in(tmp_path)) == ["k7f3q2ma", "abcdefgh", "hand.yaml:2", "hand.yaml:5", "1"]


def test_an_id_that_stands_twice_gives_way_to_the_place_of_each(tmp_path: Path) -> None:
    log(tmp_path / "one/a.yaml", "k7f3q2ma", "abcdefgh")
    book = YamlLog(str(tmp_path / "two/a.yaml"))
    book.append("k7f3q2ma", {"lr": 0.1, "REP": 0, "ACC": 0.7, "ID": "k7f3q2ma", "TIME_ELAPSED": 2.0})
    book.close()
    names = handles(rows_in(tmp_path))
    assert names == ["one/a.yaml:3", "abcdefgh", "two/a.yaml:3"]
    assert [find(rows_in(tmp_path), name) for name in names] == [0, 1, 2]


def test_numbers_of_two_roots_give_way_to_names_and_those_to_paths(tmp_path: Path) -> None:
    for root, name in (("one", ""), ("two", ""), ("three", "mine")):
        run(Root(tmp_path / root / "results"), name=name)
    run(Root(tmp_path / "one/results"))
    rows = rows_in(tmp_path)
    same = "runs/000001-2026-11-21-06-23-29"
    assert handles(rows) == [
        f"one/results/{same}",
        "2",
        "000001-2026-11-21-06-23-29-mine",
        f"two/results/{same}",
    ]
    assert [find(rows, name) for name in handles(rows)] == [0, 1, 2, 3]


def test_what_a_row_is_called_finds_it_again(tmp_path: Path) -> None:
    log(tmp_path / "logs/a.yaml", "k7f3q2ma", "abcdefgh")
    run(Root(tmp_path / "results"), "abcdefgh", RunStatus.FAILED)
    (tmp_path / "more.csv").write_text("lr,ACC\n1,2\n3,4\n")
    rows = joined(find_rows([tmp_path, tmp_path / "more.csv"], cache="never"))
    names = Handles(rows)
    assert [names.find(name) for name in names.shown] == list(range(len(rows)))
    assert [names.called(number) for number in range(len(rows))] == names.shown
    assert names.shown[-2:] == ["more.csv:2", "more.csv:3"]


def test_a_row_is_found_by_all_that_may_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    log(tmp_path / "logs/a.yaml", "k7f3q2ma", "abcdefgh")
    made = run(Root(tmp_path / "results"), "zzzzzzzz", RunStatus.FAILED)
    (made.path / "log.txt").write_text("hello\n")
    rows = rows_in(Path())
    for text in ("k7f3q2ma", "k7", "K7F3Q2MA", "logs/a.yaml:2", "a.yaml:3", "logs/a.yaml:8", " k7f3q2ma "):
        assert find(rows, text) == 0, text
    assert find(rows, f"{tmp_path}/logs/a.yaml:11") == find(rows, "a.yaml:9999") == 1
    inside = f"results/runs/{made.name}"
    for text in ("1", "000001", made.name, inside, f"{inside}/", f"./{inside}", f"{inside}/log.txt"):
        assert find(rows, text) == 2, text
    assert find(rows, str(made.path)) == find(rows, f"results/index/{made.name}.yaml") == 2


def test_a_beginning_that_several_share_is_answered_with_all_of_them(tmp_path: Path) -> None:
    log(tmp_path / "a.yaml", "k7aaaaaa", "k7bbbbbb")
    with pytest.raises(UsageError) as caught:
        find(rows_in(tmp_path), "k7")
    first, *rest = str(caught.value).splitlines()
    assert first == "k7 may be any of 2 rows:"
    assert [line.split()[:2] for line in rest] == [["k7aaaaaa", "K7AAAAAA"], ["k7bbbbbb", "K7BBBBBB"]]


def test_an_id_means_the_experiment_in_the_log_and_not_its_attempts_that_failed(tmp_path: Path) -> None:
    log(tmp_path / "a.yaml", "k7f3q2ma")
    for _ in range(2):
        run(Root(tmp_path / "results"), "k7f3q2ma", RunStatus.FAILED)
    rows = rows_in(tmp_path)
    assert handles(rows) == ["k7f3q2ma", "1", "2"]
    assert find(rows, "k7f3q2ma") == 0


def test_what_is_nowhere_is_answered_with_the_nearest(tmp_path: Path) -> None:
    log(tmp_path / "a.yaml", "k7f3q2ma", "abcdefgh")
    rows = rows_in(tmp_path)
    for text, words in (
        ("k7f3q2mx", "there is no result k7f3q2mx; did you mean k7f3q2ma?"),
        ("ABCDEFGX", "did you mean ABCDEFGH?"),
        ("12", "there is no result 12; there are 2 results, such as abcdefgh"),
        ("", "an ID was expected"),
    ):
        with pytest.raises(UsageError, match=words.replace("?", r"\?")):
            find(rows, text)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="there are none at all"):
        find(rows_in(tmp_path / "empty"), "k7")


def test_a_run_of_hydra_is_called_by_its_date_time_and_number(tmp_path: Path) -> None:
    for sweep in ("2021-01-26/17-07-39", "2021-01-27/17-07-39"):
        for number in range(2):
            place = tmp_path / "multirun" / sweep / str(number) / ".hydra"
            place.mkdir(parents=True)
            (place / "config.yaml").write_text("lr: 0.1\n")
    rows = rows_in(tmp_path)
    names = handles(rows)
    assert names[:2] == ["2021-01-26/17-07-39/0", "2021-01-26/17-07-39/1"]
    assert [find(rows, name) for name in names] == [0, 1, 2, 3]
    assert find(rows, "multirun/2021-01-27/17-07-39/1") == 3


def two_kinds(path: Path) -> Rows:
    """Return rows of a study whose runs are in its log, and of a script with runs of the same numbers."""
    book = YamlLog(str(path / "logs/a.yaml"))
    for identity in ("k7f3q2ma", "c7ruqtba"):
        directory = run(Root(path / "results"), identity)
        record = {"Name": "a", "lr": 0.1, "REP": 0, "ACC": 0.5, "ID": identity, "RUN": str(directory.path)}
        book.append(identity, record)
    book.close()
    for _ in range(2):
        run(Root(path / "script"))
    run(Root(path / "script"), "zzzzzzzz", RunStatus.FAILED)
    return joined(find_rows([path], cache="never"))


def test_what_a_table_shows_names_that_row_whatever_other_row_has_the_number(tmp_path: Path) -> None:
    rows = two_kinds(tmp_path)
    shown = handles(rows)
    assert shown == ["k7f3q2ma", "c7ruqtba", "1", "2", "3"]
    assert [find(rows, text) for text in shown] == [0, 1, 2, 3, 4]
    names = Handles(rows)
    assert [names.called(number) for number in range(len(rows))] == shown


def test_a_number_that_no_table_shows_and_several_runs_have_is_not_guessed(tmp_path: Path) -> None:
    two_kinds(tmp_path)
    run(Root(tmp_path / "other"))
    rows = joined(find_rows([tmp_path], cache="never"))
    assert "1" not in handles(rows)
    with pytest.raises(UsageError, match="1 may be any of 3 rows") as failure:
        find(rows, "1")
    named = [line.split()[0] for line in str(failure.value).splitlines()[1:]]
    assert [find(rows, text) for text in named] == [
        number for number, value in enumerate(rows.column("NUMBER")) if value == 1
    ]


def test_the_beginning_of_a_directory_is_enough_behind_a_path_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = two_kinds(tmp_path)
    monkeypatch.chdir(tmp_path)
    for text in ("script/runs/000002", "./script/runs/000002-2026", str(tmp_path / "script/runs/000002")):
        assert find(rows, text) == 3
    with pytest.raises(UsageError, match="there is no result other/runs/000002"):
        find(rows, "other/runs/000002")


def test_a_few_rows_are_called_as_in_the_whole_table(tmp_path: Path) -> None:
    for name, identities in (("a", ["one", "two", "7"]), ("b", ["two", "three", "one"])):
        book = YamlLog(str(tmp_path / f"{name}.yaml"))
        for number, identity in enumerate(identities):
            book.append(identity, {"Name": f"{name}{number}", "ID": identity})
        book.close()
    (tmp_path / "c.yaml").write_text("Name: c\nACC: 1\n")
    with find_rows([tmp_path]) as rows:
        every = handles(rows)
        for numbers in ([4], [0, 1], [2, 4], [6], list(range(7)), []):
            assert handles_among(rows.take(numbers), rows) == [every[number] for number in numbers]
        some = rows.take([4, 3, 0])
        assert handles_among(some.take([2]), some) == [handles(some)[2]] == ["one"]
