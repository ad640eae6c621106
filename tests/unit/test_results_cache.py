"""The index of results: it equals a plain reading of the files, whatever happens to them."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coolrunner.errors import UsageError, UserError
from coolrunner.results.cache import syncing
from coolrunner.results.cache.place import DIRECTORY, base_of, place_of
from coolrunner.results.cache.schema import VERSION
from coolrunner.results.logs.yamllog import HEADER, YamlLog
from coolrunner.results.rows import Rows, find_rows
from coolrunner.yamlio import dump
from tests.yaml_data import mappings, same

NAMES = ("a.yaml", "b.yaml", "inner/c.yml")


def seen(rows: Rows) -> dict[str, Any]:
    """All that can be asked of rows."""
    keys = [(key.path, key.name, key.role) for key in rows.keys]
    leaves = [key.path for key in rows.keys]
    return {
        "values": list(rows.values()),
        "places": list(rows.places()),
        "keys": keys,
        "columns": [list(map(repr, column)) for column in rows.columns(leaves)],
        "broken": rows.report.broken,
        "foreign": rows.report.foreign,
        "skipped": rows.report.skipped,
        "counts": (rows.report.documents, rows.report.files),
    }


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    for value, plain in zip(one.pop("values"), other.pop("values"), strict=True):
        assert same(value, plain)
    assert one == other


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the times of files after 30 ms, in place of two seconds."""
    monkeypatch.setattr(syncing, "FRESH", 30_000_000)


document = st.one_of(
    mappings,
    st.fixed_dictionaries(
        {"Name": st.sampled_from(["vgg", "wrn"]), "lr": st.floats(0, 1), "REP": st.just(0)}
    ),
)
action = st.one_of(
    st.tuples(st.just("append"), st.sampled_from(NAMES), document),
    st.tuples(st.just("append"), st.sampled_from(NAMES), document),
    st.tuples(st.just("by hand"), st.sampled_from(NAMES), document),
    st.tuples(st.just("torn"), st.sampled_from(NAMES), document),
    st.tuples(st.just("truncate"), st.sampled_from(NAMES), st.floats(0, 1)),
    st.tuples(st.just("edit"), st.sampled_from(NAMES), st.floats(0, 1)),
    st.tuples(st.just("replace"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
    st.tuples(st.just("delete"), st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("touch"), st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("nothing"), st.sampled_from(NAMES), st.none()),
)


def act(folder: Path, kind: str, name: str, what: Any) -> None:
    """Do one thing to one file."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    data = path.read_bytes() if path.exists() else b""
    if kind == "append":
        log = YamlLog(str(path))
        log.append("abcd1234", what)
        log.close()
    elif kind == "by hand":
        path.write_bytes(data + b"---\n" + dump(what).encode())
    elif kind == "torn":
        path.write_bytes(data + f"--- # torn1234\n{dump(what)}".encode()[:-2])
    elif kind == "truncate":
        path.write_bytes(data[: int(len(data) * what)])
    elif kind == "edit" and data:
        place = int((len(data) - 1) * what)
        path.write_bytes(data[:place] + b"7" + data[place + 1 :])
    elif kind == "replace" and (folder / what).exists():
        new = folder / "new.part"
        shutil.copyfile(folder / what, new)
        new.replace(path)
    elif kind == "delete":
        path.unlink(missing_ok=True)
    elif kind == "touch" and data:
        os.utime(path)


@given(st.lists(action, min_size=1, max_size=7))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_index_equals_a_plain_reading_after_any_changes(
    tmp_path_factory: pytest.TempPathFactory, quick: None, actions: list[tuple[str, str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("logs")
    (folder / "a.yaml").write_text(f"{HEADER}--- # first111\nName: vgg\nREP: 0\nACC: 0.5\n...\n")
    kept = folder / DIRECTORY / "index.sqlite"
    for kind, name, what in actions:
        act(folder, kind, name, what)
        time.sleep(0.04)
        with find_rows([folder], cache="always") as cached, find_rows([folder], cache="never") as plain:
            assert_same(seen(cached), seen(plain))
    assert kept.exists()


def write_log(path: Path, count: int, start: int = 0) -> None:
    log = YamlLog(str(path))
    for number in range(start, start + count):
        log.append(f"id{number:06}", {"Name": f"n{number}", "lr": 0.1, "REP": 0, "ACC": number / 1000})
    log.close()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the parts that are read, and of each where reading began."""
    from coolrunner.results.loaders.logs import LogLoader

    names: list[str] = []
    read_on = LogLoader.read_on

    def noted(self: LogLoader, part: Any, *rest: Any, **how: Any) -> Any:
        rows = read_on(self, part, *rest, **how)
        names.append(f"{Path(part.name).name} from {rows.kept}")
        return rows

    monkeypatch.setattr(LogLoader, "read_on", noted)
    yield names


def test_only_what_has_changed_is_read_again(tmp_path: Path, quick: None, reads: list[str]) -> None:
    write_log(tmp_path / "a.yaml", 3)
    write_log(tmp_path / "b.yaml", 3)
    time.sleep(0.05)
    find_rows([tmp_path], cache="always").close()
    assert reads == ["a.yaml from 0", "b.yaml from 0"]
    reads.clear()
    find_rows([tmp_path], cache="always").close()
    assert reads == []
    write_log(tmp_path / "b.yaml", 2, 3)
    time.sleep(0.05)
    with find_rows([tmp_path], cache="always") as rows:
        assert reads == ["b.yaml from 3"]
        assert rows.column("Name") == ["n0", "n1", "n2", "n0", "n1", "n2", "n3", "n4"]


def test_what_was_changed_just_now_is_read_again_even_where_its_times_are_the_same(
    tmp_path: Path, reads: list[str]
) -> None:
    log = tmp_path / "a.yaml"
    log.write_text("Name: a\nACC: 1\n")
    find_rows([tmp_path], cache="always").close()
    before = log.stat()
    log.write_text("Name: a\nACC: 2\n")
    os.utime(log, ns=(before.st_atime_ns, before.st_mtime_ns))
    with find_rows([tmp_path], cache="always") as rows:
        assert rows.column("ACC") == [2]


def test_rows_stay_those_of_one_moment_while_others_write(tmp_path: Path) -> None:
    write_log(tmp_path / "a.yaml", 3)
    with find_rows([tmp_path], cache="always") as rows:
        assert len(rows) == 3
        (tmp_path / "a.yaml").unlink()
        write_log(tmp_path / "b.yaml", 5)
        with find_rows([tmp_path], cache="always") as others:
            assert len(others) == 5
        assert rows.column("Name") == ["n0", "n1", "n2"]


def test_a_file_that_is_gone_leaves_the_index(tmp_path: Path) -> None:
    write_log(tmp_path / "a.yaml", 3)
    write_log(tmp_path / "b.yaml", 3)
    find_rows([tmp_path], cache="always").close()
    (tmp_path / "a.yaml").unlink()
    with find_rows([tmp_path], cache="always") as rows:
        assert len(rows) == 3
    db = sqlite3.connect(tmp_path / DIRECTORY / "index.sqlite")
    assert db.execute("SELECT count(*) FROM rows").fetchall() == [(3,)]
    db.close()


def test_a_part_of_what_is_indexed_can_be_asked(tmp_path: Path) -> None:
    write_log(tmp_path / "a.yaml", 3)
    write_log(tmp_path / "b.yaml", 2)
    find_rows([tmp_path], cache="always").close()
    with find_rows([tmp_path / "b.yaml"], cache="always") as rows:
        assert rows.column("Name") == ["n0", "n1"]
        assert [key.name for key in rows.keys] == ["Name", "lr", "REP", "ACC"]
    with find_rows([tmp_path / "b.yaml", tmp_path / "a.yaml"], cache="always") as rows:
        assert [place.path for place in rows.places()] == [str(tmp_path / "b.yaml")] * 2 + [
            str(tmp_path / "a.yaml")
        ] * 3


@pytest.mark.parametrize("damage", [b"", b"no database at all", None])
def test_a_broken_index_is_made_anew(tmp_path: Path, damage: bytes | None) -> None:
    write_log(tmp_path / "a.yaml", 300)
    find_rows([tmp_path], cache="always").close()
    index = tmp_path / DIRECTORY / "index.sqlite"
    if damage is None:
        data = bytearray(index.read_bytes())
        data[4096:] = b"\xab" * (len(data) - 4096)
        index.write_bytes(data)
    else:
        index.write_bytes(damage)
    with find_rows([tmp_path], cache="always") as rows:
        assert len(rows) == 300
        assert rows.column("Name")[-1] == "n299"


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE rows SET k1 = x'ff'",
        "UPDATE rows SET k1 = CAST(x'ff' AS TEXT)",
        "UPDATE keys SET path = '{' WHERE id = 1",
        "UPDATE shapes SET keys = '[[77, 1]]'",
        "ALTER TABLE rows DROP COLUMN k1",
    ],
)
def test_damage_that_shows_while_rows_are_asked_is_told_and_gone_the_next_time(
    tmp_path: Path, damage: str
) -> None:
    write_log(tmp_path / "a.yaml", 300)
    find_rows([tmp_path], cache="always").close()
    db = sqlite3.connect(tmp_path / DIRECTORY / "index.sqlite")
    db.execute("UPDATE parts SET newest = 0")  # as if all of this were long ago
    db.execute(damage)
    db.commit()
    db.close()
    with find_rows([tmp_path], cache="always") as rows:
        with pytest.raises(UserError, match="was damaged and has been removed"):
            list(rows.values())
        with pytest.raises(UserError):
            rows.column("Name")
    with find_rows([tmp_path], cache="always") as rows:
        assert rows.column("Name")[-1] == "n299"


@pytest.mark.parametrize(
    "damage", ["state = '{', stamps = x'00'", "state = '[1]', stamps = x''", "looked = 'x'"]
)
def test_an_index_with_other_things_in_it_than_it_should_is_made_anew(tmp_path: Path, damage: str) -> None:
    write_log(tmp_path / "a.yaml", 3)
    find_rows([tmp_path], cache="always").close()
    db = sqlite3.connect(tmp_path / DIRECTORY / "index.sqlite")
    db.execute(f"UPDATE parts SET {damage}")
    db.commit()
    db.close()
    with find_rows([tmp_path], cache="always") as rows:
        assert len(rows) == 3


def test_a_file_that_is_something_else_is_never_taken_for_an_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_log(tmp_path / "a.yaml", 3)
    other = sqlite3.connect(tmp_path / "mine.sqlite")
    other.execute("CREATE TABLE photos(name)")
    other.close()
    for name in ("a.yaml", "mine.sqlite"):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(UsageError, match="no index of Coolrunner, and is left as it is"):
            find_rows([tmp_path], cache=tmp_path / name)
        assert (tmp_path / name).read_bytes() == before
    with pytest.raises(UsageError, match="Is a directory"):
        find_rows([tmp_path], cache=tmp_path)
    monkeypatch.setenv("COOLRUNNER_CACHE", "off")
    with pytest.raises(UsageError, match="auto, never, always, or a file"):
        find_rows([tmp_path])
    (tmp_path / "new").touch()
    for _ in range(2):
        with find_rows([tmp_path / "a.yaml"], cache=tmp_path / "new") as rows:
            assert len(rows) == 3
    assert (tmp_path / "new").read_bytes().startswith(b"SQLite")


@pytest.mark.parametrize("version", [999, VERSION])
def test_an_index_of_another_version_or_with_other_tables_is_made_anew(tmp_path: Path, version: int) -> None:
    write_log(tmp_path / "a.yaml", 3)
    find_rows([tmp_path], cache="always").close()
    db = sqlite3.connect(tmp_path / DIRECTORY / "index.sqlite")
    db.execute("DROP TABLE rows")
    db.execute(f"PRAGMA user_version={version}")
    db.close()
    with find_rows([tmp_path], cache="always") as rows:
        assert len(rows) == 3


def test_little_leaves_no_file_behind(tmp_path: Path) -> None:
    write_log(tmp_path / "a.yaml", 3)
    find_rows([tmp_path]).close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]


def test_an_index_is_hidden_from_git_and_from_the_search(tmp_path: Path) -> None:
    write_log(tmp_path / "a.yaml", 3)
    find_rows([tmp_path], cache="always").close()
    assert (tmp_path / DIRECTORY / ".gitignore").read_text() == "*\n"
    with find_rows([tmp_path], cache="always") as rows:
        assert len(rows) == 3


def test_the_index_of_a_directory_around_is_used(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    write_log(tmp_path / "inner" / "a.yaml", 3)
    find_rows([tmp_path], cache="always").close()
    find_rows([tmp_path / "inner"], cache="always").close()
    assert not (tmp_path / "inner" / DIRECTORY).exists()
    assert place_of(tmp_path / "inner") == (tmp_path / DIRECTORY / "index.sqlite", tmp_path)


def test_data_that_was_moved_takes_its_index_along(tmp_path: Path, quick: None, reads: list[str]) -> None:
    (tmp_path / "old").mkdir()
    write_log(tmp_path / "old" / "a.yaml", 3)
    time.sleep(0.05)
    find_rows([tmp_path / "old"], cache="always").close()
    (tmp_path / "old").rename(tmp_path / "new")
    reads.clear()
    with find_rows([tmp_path / "new"], cache="always") as rows:
        assert len(rows) == 3
        assert rows.place(0).path == str(tmp_path / "new" / "a.yaml")
    assert reads == []


def test_data_that_cannot_be_written_to_has_its_index_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_log(data / "a.yaml", 3)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    real = os.access
    # Root may write anywhere, so the answer is given for it.
    monkeypatch.setattr(os, "access", lambda path, mode: real(path, mode) and Path(path) != data)
    with find_rows([data], cache="always") as rows:
        assert len(rows) == 3
    assert not (data / DIRECTORY).exists()
    assert len(list((tmp_path / "cache").rglob("*.sqlite"))) == 1


def test_the_environment_can_say_that_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_log(tmp_path / "a.yaml", 3)
    monkeypatch.setenv("COOLRUNNER_CACHE", "always")
    find_rows([tmp_path]).close()
    assert (tmp_path / DIRECTORY).exists()
    shutil.rmtree(tmp_path / DIRECTORY)
    monkeypatch.setenv("COOLRUNNER_CACHE", "never")
    find_rows([tmp_path]).close()
    assert not (tmp_path / DIRECTORY).exists()


def test_the_base_of_several_paths_is_what_they_have_in_common(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "log.yaml").touch()
    paths = [str(tmp_path / "a" / "b"), str(tmp_path / "a" / "log.yaml")]
    assert base_of(paths) == tmp_path / "a"
    assert base_of(paths[1:]) == tmp_path / "a"


def test_more_keys_than_there_are_columns_are_kept(tmp_path: Path) -> None:
    values = [{f"k{number}_{row}": number for number in range(300)} for row in range(4)]
    values[3]["nested"] = {"lr": [1, {"a": None}], "x": {1: True}}
    log = YamlLog(str(tmp_path / "a.yaml"))
    for number, value in enumerate(values):
        log.append(f"id{number}", value)
    log.close()
    with find_rows([tmp_path]) as rows:
        assert list(rows.values()) == values
        assert rows.column("k299_3")[3] == 299
        assert rows.column(("nested", "lr", 1, "a"))[3] is None
        assert rows.column("nested")[3] == {"lr": [1, {"a": None}], "x": {1: True}}


def test_a_table_of_thousands_of_keys_can_be_asked_whole(tmp_path: Path) -> None:
    values = [{f"k{number}": number + row for number in range(2_100)} for row in range(2)]
    (tmp_path / "a.yaml").write_text("".join(f"---\n{dump(value)}...\n" for value in values))
    with find_rows([tmp_path]) as rows:
        columns = rows.columns([key.path for key in rows.keys])
        assert [dict(zip(values[0], row, strict=True)) for row in zip(*columns, strict=True)] == values


def test_rows_are_found_whether_their_numbers_have_gaps_or_not(tmp_path: Path) -> None:
    write_log(tmp_path / "a.yaml", 3)
    with (tmp_path / "a.yaml").open("a") as file:
        file.write("--- # broken\na: [\n...\n")
    write_log(tmp_path / "a.yaml", 2, start=3)
    write_log(tmp_path / "b.yaml", 2)
    with find_rows([tmp_path]) as rows:
        assert [place.number for place in rows.places()] == [1, 2, 3, 5, 6, 1, 2]
        assert rows.take([3]).column("Name") == ["n3"]


def test_the_same_content_is_known_again_among_what_was_asked_for(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_log(tmp_path / f"{name}.yaml", 2)
    with find_rows([tmp_path], cache="always") as rows:
        assert sorted(rows.repeated()) == [[0, 2, 4], [1, 3, 5]]
        assert sorted(rows.take([5, 2, 1]).repeated()) == [[0, 2]]
    with find_rows([tmp_path / "c.yaml", tmp_path / "b.yaml"], cache="always") as rows:
        assert sorted(rows.repeated()) == [[0, 2], [1, 3]]


def test_a_key_may_be_a_value_here_and_a_mapping_there(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "{Name: a, opt: adam}\n---\n{Name: b, opt: {name: sgd, lr: 0.1}}\n"
        "---\n{Name: c, opt: {}}\n---\n{Name: d}\n"
    )
    with find_rows([tmp_path]) as rows:
        assert rows.column("opt")[:3] == ["adam", {"name": "sgd", "lr": 0.1}, {}]
        assert not rows.column("opt")[3]
        assert rows.column("opt.lr")[1] == 0.1
        assert [key.name for key in rows.keys] == ["Name", "opt", "opt.name", "opt.lr"]


def test_keys_of_several_types_are_several_keys(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("{Name: a, 1: x}\n---\n{Name: b, true: y}\n---\n{Name: c, '1': z}\n")
    with find_rows([tmp_path]) as rows:
        assert [list(map(type, value)) for value in rows.values()] == [[str, int], [str, bool], [str, str]]
