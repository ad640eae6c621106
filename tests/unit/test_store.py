"""Contents kept once, by their SHA-256."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coolrunner.errors import RunError, RunWriteError
from coolrunner.runs.store import Store, read_json

DIGEST = hashlib.sha256(b"hello").hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def files_in(store: Store) -> list[Path]:
    return [path for path in store.path.rglob("*") if path.is_file()]


def test_a_content_comes_back_by_its_digest(store: Store) -> None:
    assert store.put(b"hello") == DIGEST
    assert store.get(DIGEST) == b"hello"
    assert store.has(DIGEST)
    assert files_in(store) == [store.path / DIGEST[:2] / DIGEST]


@given(contents=st.lists(st.binary(max_size=50), max_size=10))
@settings(max_examples=25)
def test_whatever_is_put_comes_back(tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    digests = [store.put(content) for content in contents]
    assert [store.get(digest) for digest in digests] == contents
    assert len(files_in(store)) == len(set(contents))


def test_looking_makes_nothing(store: Store) -> None:
    assert not store.has(DIGEST)
    with pytest.raises(RunError, match="is not there"):
        store.get(DIGEST)
    assert not store.path.exists()


def test_the_same_content_is_written_once(store: Store) -> None:
    store.put(b"hello")
    before = files_in(store)[0].stat()
    store.put(b"hello")
    after = files_in(store)[0].stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize("damage", [b"", b"hellx", b"hello and more"])
def test_a_damaged_content_is_noticed_and_mended_by_who_has_it(store: Store, damage: bytes) -> None:
    store.put(b"hello")
    files_in(store)[0].write_bytes(damage)
    with pytest.raises(RunError, match="is damaged"):
        store.get(DIGEST)
    store.put(b"hello")
    assert store.get(DIGEST) == b"hello"


@pytest.mark.parametrize(
    "digest", ["", "../../etc/passwd", "/etc/passwd", DIGEST[:-1], DIGEST.upper(), DIGEST + "\n"]
)
def test_what_is_no_digest_leads_nowhere(store: Store, digest: str) -> None:
    for ask in (store.get, store.has):
        with pytest.raises(RunError, match="names no content"):
            ask(digest)


def test_a_disk_that_takes_nothing_is_told(store: Store) -> None:
    store.path.write_text("a file in the way")
    with pytest.raises(RunWriteError, match="cannot be made"):
        store.put(b"hello")


def put_all(path: str, start: int) -> None:
    store = Store(path)
    for number in range(start, start + 40):
        digest = store.put(b"content %d" % (number % 60) * 1000)
        assert store.get(digest)


def test_processes_that_put_the_same_at_once_leave_each_content_whole(store: Store) -> None:
    context = multiprocessing.get_context("spawn" if os.name == "nt" else "fork")
    workers = [context.Process(target=put_all, args=(str(store.path), 10 * number)) for number in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 6
    files = files_in(store)
    assert len(files) == 60
    for file in files:
        assert hashlib.sha256(file.read_bytes()).hexdigest() == file.name


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_told(store: Store, text: bytes) -> None:
    with pytest.raises(RunError, match="does not hold the sources of a run"):
        read_json(store, store.put(text), "the sources of a run", 1)


def test_a_later_version_is_told(store: Store) -> None:
    digest = store.put(b'{"version": 2}')
    with pytest.raises(RunError, match="in version 2, and this Coolrunner reads version 1"):
        read_json(store, digest, "the sources of a run", 1)
