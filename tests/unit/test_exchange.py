"""Replacing a shared file while others save it."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coolrunner.queue import exchange
from coolrunner.queue.exchange import Shelf, Signature, publish, swap_back

END = b"...\n"


@pytest.fixture(params=["exchange", "fallback", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A directory, once with the exchange, once without it, once in memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchange, "exchange_allowed", request.param != "fallback")
        if request.param != "memory":
            yield tmp_path
        elif Path("/dev/shm").is_dir():
            with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
                yield Path(directory)
        else:
            pytest.skip("there is no /dev/shm")


def quiet(signature: Signature) -> None:
    """Tell nobody."""


def put(path: Path, text: bytes, **options: bool) -> Path | None:
    """Publish over whatever is there."""
    return publish(
        path, text, path.parent / "displaced", expected=Signature.of(path), announce=quiet, **options
    )


def test_a_file_changes_places_with_the_new_one(place: Path) -> None:
    path = place / "queue.yaml"
    path.write_bytes(b"old")
    before = Signature.of(path)
    told: list[Signature] = []
    displaced = publish(path, b"new", place / "displaced", expected=before, announce=told.append)
    assert displaced is not None
    assert (path.read_bytes(), displaced.read_bytes()) == (b"new", b"old")
    assert told == [Signature.of(path)]
    assert Signature.of(displaced) == before
    assert list((place / "displaced").iterdir()) == [displaced]


def test_a_signature_is_the_same_by_path_descriptor_and_state(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"text")
    with path.open("rb") as file:
        assert Signature.of(path) == Signature.of(file.fileno()) == Signature.of(path.stat())
    assert Signature.of(tmp_path / "none") is None


def test_a_file_that_was_missing_is_made(place: Path) -> None:
    path = place / "queue.yaml"
    assert put(path, b"new", durable=True) is None
    assert path.read_bytes() == b"new"
    assert list((place / "displaced").iterdir()) == []


def test_nothing_is_published_over_a_file_that_is_not_as_expected(place: Path) -> None:
    path = place / "queue.yaml"
    path.write_bytes(b"old")
    before = Signature.of(path)
    path.write_bytes(b"a person's save")
    for expected in (before, None):
        assert publish(path, b"new", place / "displaced", expected=expected, announce=pytest.fail) is None
        assert path.read_bytes() == b"a person's save"
    path.unlink()
    assert publish(path, b"new", place / "displaced", expected=before, announce=pytest.fail) is None
    assert not path.exists()


def test_a_save_at_the_last_moment_is_displaced_and_not_lost(place: Path) -> None:
    path = place / "queue.yaml"
    path.write_bytes(b"old")
    before = Signature.of(path)

    def save(signature: Signature) -> None:
        (place / "save").write_bytes(b"a person's save")
        (place / "save").rename(path)

    displaced = publish(path, b"new", place / "displaced", expected=before, announce=save)
    assert displaced is not None
    assert displaced.read_bytes() == b"a person's save"
    assert Signature.of(displaced) != before
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("there", [False, True])
def test_a_file_that_was_made_or_deleted_at_the_last_moment_stays_so(place: Path, there: bool) -> None:
    path = place / "queue.yaml"
    if there:
        path.write_bytes(b"old")
    deed: Callable[[Signature], object] = (
        (lambda _: path.unlink()) if there else (lambda _: path.write_bytes(b"theirs"))
    )
    shelf = place / "displaced"
    assert publish(path, b"new", shelf, expected=Signature.of(path), announce=deed) is None
    assert path.read_bytes() == b"theirs" if not there else not path.exists()
    assert list(shelf.iterdir()) == []


def test_without_the_exchange_a_file_that_is_made_in_between_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "queue.yaml"
    path.write_bytes(b"old")
    monkeypatch.setattr(exchange, "exchange_allowed", False)
    real = os.link

    def link(new: Path, target: Path) -> None:
        if target == path:
            path.write_bytes(b"theirs")
        real(new, target)

    monkeypatch.setattr(os, "link", link)
    displaced = put(path, b"new")
    assert displaced is not None
    assert (path.read_bytes(), displaced.read_bytes()) == (b"theirs", b"old")
    assert list((tmp_path / "displaced").iterdir()) == [displaced]


@pytest.mark.parametrize("refused", ["exchange", "links", "all flags"])
def test_a_file_system_that_can_do_less_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    calls: list[int] = []
    real = exchange._renameat2

    def rename(old: Path, new: Path, flags: int) -> None:
        calls.append(flags)
        if refused == "all flags" or flags == exchange._EXCHANGE:
            raise OSError(errno.EINVAL, "Invalid argument")
        real(old, new, flags)

    def link(new: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(exchange, "_renameat2", rename)
    monkeypatch.setattr(exchange, "_without_exchange", set())
    if refused != "exchange":
        monkeypatch.setattr(os, "link", link)
    path = tmp_path / "queue.yaml"
    assert put(path, b"0") is None
    for number in range(3):
        displaced = put(path, b"%d" % (number + 1))
        assert displaced is not None
        assert (path.read_bytes(), displaced.read_bytes()) == (b"%d" % (number + 1), b"%d" % number)
    assert calls.count(exchange._EXCHANGE) == 1
    assert len(list((tmp_path / "displaced").iterdir())) == 3
    path.write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        exchange._place(displaced, path)
    assert path.read_bytes() == b"theirs"


@pytest.mark.parametrize("code", [errno.EIO, errno.EPERM])
def test_what_fails_leaves_the_file_and_nothing_behind(
    place: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    path = place / "queue.yaml"
    path.write_bytes(b"old")
    before = Signature.of(path)

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    for broken in ("write", "rename"):
        with monkeypatch.context() as patch:
            if broken == "write":
                patch.setattr(os, "fchmod", fail)
            else:
                patch.setattr(exchange, "_renameat2", fail)
                patch.setattr(Path, "rename", fail)
            with pytest.raises(OSError) as caught:
                put(path, b"new")
        assert caught.value.errno == code
        assert (path.read_bytes(), Signature.of(path)) == (b"old", before)
        assert list((place / "displaced").iterdir()) == []


def test_where_the_new_file_cannot_be_placed_the_old_one_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "queue.yaml"
    path.write_bytes(b"old")
    before = Signature.of(path)
    monkeypatch.setattr(exchange, "exchange_allowed", False)
    real = os.link
    answers = iter([errno.ENOSPC])

    def link(new: Path, target: Path) -> None:
        for code in answers:
            raise OSError(code, os.strerror(code))
        real(new, target)

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        put(path, b"new")
    assert Signature.of(path) == before
    assert list((tmp_path / "displaced").iterdir()) == []


def test_what_the_announcing_raises_passes_through(place: Path) -> None:
    path = place / "queue.yaml"
    path.write_bytes(b"old")

    def fail(signature: Signature) -> None:
        raise KeyError("the journal")

    with pytest.raises(KeyError):
        publish(path, b"new", place / "displaced", expected=Signature.of(path), announce=fail)
    assert path.read_bytes() == b"old"
    assert list((place / "displaced").iterdir()) == []


def test_an_interrupt_right_after_the_exchange_deletes_no_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "queue.yaml"
    path.write_bytes(b"old")
    real = exchange._renameat2

    def interrupted(old: Path, new: Path, flags: int) -> None:
        real(old, new, flags)
        raise KeyboardInterrupt

    monkeypatch.setattr(exchange, "_renameat2", interrupted)
    with pytest.raises(KeyboardInterrupt):
        put(path, b"new")
    assert path.read_bytes() == b"new"
    assert [file.read_bytes() for file in (tmp_path / "displaced").iterdir()] == [b"old"]


def test_the_permissions_stay(place: Path) -> None:
    path = place / "queue.yaml"
    path.write_bytes(b"old")
    path.chmod(0o640)
    put(path, b"new")
    assert path.stat().st_mode & 0o7777 == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_stays_where_root_runs(place: Path) -> None:
    path = place / "queue.yaml"
    path.write_bytes(b"old")
    os.chown(path, 1234, 5678)
    put(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 5678)


def test_what_a_link_leads_to_is_replaced(place: Path) -> None:
    (place / "far").mkdir()
    target = place / "far" / "queue.yaml"
    path = place / "queue.yaml"
    path.symlink_to(target)
    assert put(path, b"old") is None
    displaced = put(path, b"new")
    assert path.is_symlink()
    assert displaced is not None
    assert (target.read_bytes(), displaced.read_bytes()) == (b"new", b"old")
    assert displaced.parent == place / "displaced"


@pytest.mark.parametrize("allowed", [True, False])
def test_a_link_to_another_file_system_has_its_shelf_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other file system")
    monkeypatch.setattr(exchange, "exchange_allowed", allowed)
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        target = Path(directory) / "queue.yaml"
        path = tmp_path / "link.yaml"
        path.symlink_to(target)
        assert put(path, b"old") is None
        displaced = put(path, b"new")
        assert displaced is not None
        assert (target.read_bytes(), displaced.read_bytes()) == (b"new", b"old")
        assert displaced.parent == target.parent
        assert displaced.name.startswith(".queue.yaml.displaced-")
        assert list((tmp_path / "displaced").iterdir()) == []
        assert {*target.parent.iterdir()} == {target, displaced}
        back = swap_back(path, displaced, tmp_path / "displaced")
        assert back is not None
        assert (path.read_bytes(), back.read_bytes()) == (b"old", b"new")
        assert back.name.startswith(".queue.yaml.displaced-")


def test_a_broken_save_is_put_back(place: Path) -> None:
    path = place / "queue.yaml"
    path.write_bytes(b"broken")
    before = Signature.of(path)
    displaced = put(path, b"ours")
    assert displaced is not None
    ours = Signature.of(path)
    back = swap_back(path, displaced, place / "displaced")
    assert back is not None
    assert Signature.of(path) == before
    assert Signature.of(back) == ours
    assert back.parent == place / "displaced"
    assert list((place / "displaced").iterdir()) == [back]


def test_a_save_that_comes_before_the_broken_one_is_put_back_is_seen(place: Path) -> None:
    path = place / "queue.yaml"
    path.write_bytes(b"broken")
    displaced = put(path, b"ours")
    assert displaced is not None
    ours = Signature.of(path)
    path.write_bytes(b"the next save")
    back = swap_back(path, displaced, place / "displaced")
    assert back is not None
    assert Signature.of(back) != ours
    assert back.read_bytes() == b"the next save"
    back.unlink()
    path.rename(displaced)
    assert swap_back(path, displaced, place / "displaced") is None
    assert path.read_bytes() == b"broken"


def test_a_write_to_a_displaced_file_is_reported_once(place: Path) -> None:
    path = place / "queue.yaml"
    path.write_bytes(b"old")
    shelf = Shelf(place / "displaced", keep=0)
    with path.open("r+b") as editor:
        displaced = put(path, b"new")
        seen = Signature.of(editor.fileno())
        assert displaced is not None
        assert seen is not None
        shelf.add(displaced, seen)
        assert shelf.changed() == []
        editor.truncate(0)
        editor.write(b"saved too late")
    shelf.tidy()
    assert shelf.changed() == [displaced]
    assert displaced.read_bytes() == b"saved too late"
    assert shelf.changed() == []
    shelf.tidy()
    assert not displaced.exists()
    assert shelf.changed() == []


def test_displaced_files_are_kept_for_a_while_and_not_too_many(tmp_path: Path) -> None:
    path = tmp_path / "queue.yaml"
    path.write_bytes(b"old")
    shelf = Shelf(tmp_path / "displaced", keep=1000, limit=3)
    displaced = [put(path, b"%d" % number) for number in range(5)]
    for file in displaced:
        assert file is not None
        signature = Signature.of(file)
        assert signature is not None
        shelf.add(file, signature)
    assert displaced[0] is not None
    displaced[0].write_bytes(b"an editor writes")
    shelf.tidy()
    assert {*(tmp_path / "displaced").iterdir()} == {displaced[0], *displaced[2:]}
    assert shelf.changed() == displaced[:1]


def test_a_shelf_that_vanished_is_empty(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "none")
    shelf.add(tmp_path / "none" / "file", Signature(1, 2, 3))
    shelf.tidy()
    assert shelf.changed() == []
    assert shelf.leftovers(tmp_path / "queue.yaml") == []


def test_the_files_of_a_killed_runner_are_found_and_those_of_a_living_one_are_not(tmp_path: Path) -> None:
    path = tmp_path / "queue.yaml"
    path.write_bytes(b"a save")
    directory = tmp_path / "displaced"
    script = (
        "import pathlib, sys\n"
        "from coolrunner.queue.exchange import *\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "shelf = path.parent / 'displaced'\n"
        "print(publish(path, b'new', shelf, expected=Signature.of(path), announce=id), flush=True)\n"
        "input()"
    )
    shelf = Shelf(directory)
    with subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as runner:
        assert runner.stdout is not None
        displaced = Path(runner.stdout.readline().strip())
        assert displaced.read_bytes() == b"a save"
        assert put(path, b"ours") is not None
        assert shelf.leftovers() == []
        runner.kill()
    assert shelf.leftovers(path) == [displaced]
    signature = Signature.of(displaced)
    assert signature is not None
    shelf.add(displaced, signature)
    assert shelf.leftovers() == []


def test_the_files_of_another_host_are_left_to_it_for_a_long_time(tmp_path: Path) -> None:
    theirs = tmp_path / "displaced-00000000-1-00000000-0-abcdef"
    hidden = tmp_path / ".queue.yaml.displaced-00000000-1-00000000-0-abcdef"
    for file in (theirs, hidden, tmp_path / "README"):
        file.touch()
    assert Shelf(tmp_path).leftovers(tmp_path / "queue.yaml") == []
    long_ago = Shelf(tmp_path, keep=-60)
    assert long_ago.leftovers() == [theirs]
    assert {*long_ago.leftovers(tmp_path / "queue.yaml")} == {theirs, hidden}


class Runner(threading.Thread):
    """Publishes without end, and notes every whole text that it sees at the path or displaced."""

    def __init__(self, path: Path, seen: set[bytes], over: threading.Event) -> None:
        super().__init__()
        self.path, self.seen, self.over = path, seen, over
        self.published = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.work()
        except BaseException as error:
            self.error = error

    def work(self) -> None:
        directory = self.path.parent / "displaced"
        shelf = Shelf(directory, keep=0.5)
        for number in itertools.count():
            over = self.over.is_set()
            expected = Signature.of(self.path)
            if expected is not None:
                self.look(self.path)
                told: list[Signature] = []
                text = b"ours %d of %d\n" % (number, threading.get_ident()) + END
                displaced = publish(self.path, text, directory, expected=expected, announce=told.append)
                if displaced is not None:
                    self.published += 1
                    signature = Signature.of(displaced)
                    assert signature is not None
                    self.look(displaced)
                    shelf.add(displaced, signature)
            for changed in shelf.changed():
                self.look(changed)
            shelf.tidy()
            if over:
                return

    def look(self, file: Path) -> None:
        try:
            text = file.read_bytes()
        except FileNotFoundError:
            return
        if text.endswith(END):
            self.seen.add(text)


def by_renaming(path: Path, text: bytes) -> None:
    temporary = path.with_name(".save")
    temporary.write_bytes(text)
    temporary.rename(path)


def in_place(path: Path, text: bytes) -> None:
    with path.open("wb", buffering=0) as file:
        file.write(text[:5])
        file.write(text[5:])


def truncated_then_slow(path: Path, text: bytes) -> None:
    with path.open("wb", buffering=0) as file:
        file.write(text[:5])
        time.sleep(0.003)  # several publishes pass meanwhile
        file.write(text[5:])


def with_a_backup(path: Path, text: bytes) -> None:
    with contextlib.suppress(FileNotFoundError):  # a runner that cannot exchange has it for a moment
        path.rename(path.with_name("queue.yaml~"))
    path.write_bytes(text)


@pytest.mark.parametrize("runners", [1, 3])
@pytest.mark.parametrize("save", [by_renaming, in_place, truncated_then_slow, with_a_backup])
def test_every_save_is_seen_while_runners_publish(
    place: Path, save: Callable[[Path, bytes], None], runners: int
) -> None:
    path = place / "queue.yaml"
    path.write_bytes(END)
    seen: set[bytes] = set()
    over = threading.Event()
    threads = [Runner(path, seen, over) for _ in range(runners)]
    for thread in threads:
        thread.start()
    try:
        for number in range(40):
            text = b"save %d %s\n" % (number, b"x" * number) + END
            save(path, text)
            end = time.monotonic() + 10
            while text not in seen:  # a person's next save may replace this one, so it waits
                assert time.monotonic() < end, f"{text!r} was lost"
                assert all(thread.is_alive() for thread in threads), [thread.error for thread in threads]
                time.sleep(0)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert [thread.error for thread in threads] == [None] * runners
    assert sum(thread.published for thread in threads) > 0
    assert path.read_bytes().endswith(END)
