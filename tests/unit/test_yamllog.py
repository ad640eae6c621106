"""The YamlLog: appending, torn records, several writers, disks that are full."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.errors import LogError
from coolrunner.results.logs import yamllog
from coolrunner.results.logs.reading import read_logs
from coolrunner.results.logs.sources import LogFile, Report
from coolrunner.results.logs.yamllog import HEADER, LogBook, YamlLog, failed_log, record_text
from coolrunner.yamlio import to_plain
from tests.disks import full_after

FIRST = {"Name": "first", "text": "zwei Wörter", "TIME_ELAPSED": 0.5}
SECOND = {"Name": "zweites", "note": "one\ntwo …\n", "nested": {"lr": 1e-05}, "TIME_ELAPSED": 1.5}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a log is going to be."""
    return tmp_path / "logs" / "log.yaml"


def write(path: Path, *records: dict[str, Any]) -> None:
    """Append records, as one runner would."""
    log = YamlLog(str(path))
    for record in records:
        log.append(record["Name"][:8], record)
    log.close()


def documents(path: Path) -> list[Any]:
    """Read a log as anybody would, with plain PyYAML."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def read(path: Path) -> list[dict[Any, Any]]:
    """Read a log as ``collect.py`` and ``filter.py`` do."""
    return [entry.value for entry in read_logs([LogFile(path.name, path)], Report())]


# --- appending -------------------------------------------------------------------------------------


def test_a_log_and_its_directories_are_made_when_the_first_record_is_written(path: Path) -> None:
    """CR-14."""
    write(path, FIRST)
    assert documents(path) == [FIRST]
    assert path.read_text(encoding="utf-8").startswith(HEADER + "--- # first\nName: first\n")


def test_records_are_appended_to_those_of_earlier_studies(path: Path) -> None:
    """CR-14."""
    write(path, FIRST)
    write(path, SECOND, FIRST)
    assert documents(path) == read(path) == [FIRST, SECOND, FIRST]
    assert path.read_text(encoding="utf-8").count(HEADER) == 1


def test_the_log_of_failures_stands_beside_the_log() -> None:
    assert failed_log("out/log.yaml") == "out/log.failed.yaml"
    assert failed_log("log") == "log.failed.yaml"


plain_data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=8)
    | st.dates()
    | st.datetimes(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.integers() | st.none(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.text(), plain_data, max_size=5), min_size=1, max_size=3))
def test_any_plain_data_survives_the_log(records: list[dict[str, Any]]) -> None:
    """CR-14: read alike by plain PyYAML, also between other documents."""
    records = [to_plain(record) for record in records]
    text = HEADER + "".join(record_text("abc", record) for record in records)
    assert list(yaml.safe_load_all(text)) == records
    assert list(yaml.load_all(text, Loader=yaml.CSafeLoader)) == records


def test_integers_of_any_length_survive_the_log(path: Path) -> None:
    record = {"Name": "big", "HUGE": 10**5000, "LIST": [["ä", -(10**5000)]]}
    write(path, record)
    assert documents(path) == read(path) == [record]


# --- torn records ----------------------------------------------------------------------------------


def check_cut(path: Path, whole: bytes, cut: int, before: list[Any], last: Any) -> None:
    path.write_bytes(whole[:cut])
    complete = before + ([last] if cut >= len(whole) - 1 else [])
    assert read(path) == complete, cut
    write(path, {"Name": "later"})
    assert documents(path) == read(path) == [*complete, {"Name": "later"}], cut
    write(path, {"Name": "last"})
    assert documents(path) == [*complete, {"Name": "later"}, {"Name": "last"}], cut


def test_a_log_cut_at_any_byte_of_its_last_record_keeps_every_complete_one(path: Path) -> None:
    """CR-14: killed at any moment, or on a full disk; the next writer repairs the log."""
    write(path, FIRST)
    begin = path.stat().st_size
    write(path, SECOND)
    whole = path.read_bytes()
    for cut in range(begin, len(whole) + 1):
        check_cut(path, whole, cut, [FIRST], SECOND)


def test_a_log_cut_at_any_byte_of_its_first_record_or_header_is_repaired(path: Path) -> None:
    """CR-14."""
    write(path, SECOND)
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        check_cut(path, whole, cut, [], SECOND)
        assert path.read_text(encoding="utf-8").startswith(HEADER), cut


@pytest.mark.parametrize("length", [60_000, 70_000, 1_100_000])
def test_a_torn_record_of_any_length_is_repaired(path: Path, length: int) -> None:
    write(path, FIRST, {"Name": "long", "text": "...\n--- # x\n" * (length // 12)}, SECOND)
    complete = read(path)
    whole = path.read_bytes()
    for cut in (len(whole) - 1, len(whole) - 5, whole.index(b"--- # long") + length // 2):
        path.write_bytes(whole[:cut])
        kept = {1: 3, 5: 2}.get(len(whole) - cut, 1)
        write(path, {"Name": "later"})
        with path.open() as file:
            assert list(yaml.load_all(file, Loader=yaml.CSafeLoader)) == [*complete[:kept], {"Name": "later"}]


@pytest.mark.parametrize("cut", [0, 1, 17, 4])
def test_zeros_that_a_power_cut_left_are_taken_away(path: Path, cut: int) -> None:
    write(path, FIRST, SECOND)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - cut] + b"\0" * 100_000)
    write(path, {"Name": "later"})
    assert documents(path) == [FIRST, *([SECOND] if cut < 2 else []), {"Name": "later"}]


def test_a_torn_record_stays_readable_for_a_person_as_a_comment(path: Path) -> None:
    write(path, FIRST, SECOND)
    path.write_bytes(path.read_bytes()[:-8])
    write(path, {"Name": "later"})
    text = path.read_text(encoding="utf-8")
    assert "\n# torn record" in text
    assert "\n# Name: zweites\n" in text
    assert "…" in text


@pytest.mark.parametrize(
    "text",
    [
        "Name: byhand\nACC: 1\n",
        "Name: byhand\nACC: 1",
        "--- # baseline\nName: byhand\nACC: 1\n",
        "# notes\n\n---\nName: byhand\nACC: 1\n---\n# nothing yet\n",
    ],
)
def test_what_a_person_wrote_into_a_log_is_left_alone(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    before = documents(path)
    write(path, FIRST)
    assert documents(path) == [*before, FIRST]
    assert path.read_text().startswith(text)


def test_a_record_torn_in_a_log_that_a_person_began_is_known_as_torn(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("Name: byhand\n")
    write(path, FIRST)
    whole = path.read_bytes()
    for cut in range(whole.index(b"--- # "), len(whole) - 4):
        path.write_bytes(whole[:cut])
        assert read(path) == [{"Name": "byhand"}]
        write(path, SECOND)
        assert documents(path) == [{"Name": "byhand"}, SECOND]


def test_a_file_of_comments_is_a_good_beginning_of_a_log(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("# my results")
    write(path, FIRST)
    assert documents(path) == [FIRST]


# --- several writers, people and full disks --------------------------------------------------------


def append_many(path: str, name: str, count: int) -> None:
    log = YamlLog(path)
    for number in range(count):
        log.append(f"{name}{number}", {"Name": name, "NUMBER": number, "PAD": "x" * (number * 37 % 5000)})
    log.close()


def test_several_writers_lose_and_tear_nothing(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=append_many, args=(str(path), f"w{number}", 40)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = [(value["Name"], value["NUMBER"]) for value in documents(path)]
    assert sorted(found) == [(f"w{writer}", number) for writer in range(4) for number in range(40)]


@pytest.mark.parametrize("how", ["moved", "deleted", "replaced", "directory moved"])
def test_a_log_that_a_person_takes_away_is_begun_again(path: Path, how: str) -> None:
    """What was written before stays in the old file, and later records go to the file of the name."""
    log = YamlLog(str(path))
    log.append("a", FIRST)
    old = path.with_name("old.yaml")
    if how == "moved":
        path.rename(old)
    elif how == "deleted":
        path.unlink()
    elif how == "replaced":
        old.write_text("Name: saved by an editor\n")
        old.replace(path)
    else:
        path.parent.rename(path.parent.with_name("elsewhere"))
    log.append("b", SECOND)
    log.append("c", FIRST)
    log.close()
    begun = [{"Name": "saved by an editor"}] if how == "replaced" else []
    assert documents(path) == [*begun, SECOND, FIRST]
    if how == "moved":
        assert documents(old) == [FIRST]


def test_a_record_that_does_not_fit_on_the_disk_leaves_the_log_as_it_was(path: Path) -> None:
    log = YamlLog(str(path))
    log.append("a", FIRST)
    size = path.stat().st_size
    for room in (0, 1, 30, len(record_text("b", SECOND).encode()) - 1):
        with (
            full_after(size + room),
            pytest.raises(LogError, match=r"log\.yaml cannot be written: File too"),
        ):
            log.append("b", SECOND)
        assert documents(path) == [FIRST]
        assert path.stat().st_size == size
    log.append("b", SECOND)
    log.close()
    assert documents(path) == [FIRST, SECOND]


def test_a_repair_for_which_there_is_no_room_loses_no_complete_record(path: Path) -> None:
    write(path, FIRST, SECOND)
    torn = path.read_bytes()[:-5]
    for room in (0, 3, 70, 100):
        path.write_bytes(torn)
        with full_after(len(torn) + room), pytest.raises(LogError):
            write(path, {"Name": "later", "text": "x" * 200})
        assert read(path) == [FIRST]
        write(path, {"Name": "later"})
        assert documents(path) == [FIRST, {"Name": "later"}]


def test_a_log_that_cannot_be_written_is_told_before_anything_runs(tmp_path: Path) -> None:
    """CR-14."""
    with pytest.raises(LogError, match="it is a directory"):
        YamlLog.check(str(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(LogError, match=r"Not a directory|File exists"):
        YamlLog.check(str(tmp_path / "file" / "log.yaml"))
    YamlLog.check(str(tmp_path / "new" / "log.yaml"))
    assert not (tmp_path / "new" / "log.yaml").exists()


# --- the logs of a study ---------------------------------------------------------------------------


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a pseudo directory


def test_a_study_with_a_log_for_each_experiment_keeps_few_files_open(tmp_path: Path) -> None:
    before = open_files()
    book = LogBook()
    paths = [str(tmp_path / f"log{number}.yaml") for number in range(200)]
    for path in (*paths, *paths):
        book.append(path, "a", FIRST)
        assert open_files() <= before + yamllog.MAX_OPEN + 2  # and the one that is synced right now
    book.close()
    assert book.paths == paths
    assert open_files() == before
    assert all(documents(Path(path)) == [FIRST, FIRST] for path in paths)


def test_a_log_replaced_while_it_is_synced_costs_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamllog, "SYNC_INTERVAL", 0.0)
    book = LogBook()
    for _ in range(200):
        book.append(str(path), "a", FIRST)
        path.unlink()
    book.append(str(path), "a", SECOND)
    book.close()
    assert documents(path) == [SECOND]


def test_a_device_serves_as_a_log_that_nobody_wants() -> None:
    book = LogBook()
    book.append(os.devnull, "a", FIRST)
    book.append(os.devnull, "b", FIRST)
    book.close()
    assert book.paths == [os.devnull]
