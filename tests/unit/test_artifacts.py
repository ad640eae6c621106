"""What a run saves under names, in versions, whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coolrunner.errors import BadNameError, RunError, RunWriteError
from coolrunner.runs.artifacts import artifacts, load_artifact, load_dir, save_artifact
from coolrunner.runs.savers import Savers

resource = pytest.importorskip("resource", reason="this system cannot limit the size of files")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory that is not there yet."""
    return tmp_path / "run" / "files"


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


# --- names and versions ---


def test_exg_04_saving_returns_the_path_and_versions_the_name(files: Path) -> None:
    paths = [save_artifact(files, {"n": n}, "metrics") for n in range(3)]
    assert [path.name for path in paths] == ["metrics.json", "metrics (1).json", "metrics (2).json"]
    assert load_artifact(files, "metrics") == {"n": 2}
    assert [load_artifact(files, "metrics", version=n)["n"] for n in range(3)] == [0, 1, 2]


def test_a_version_can_be_named(files: Path) -> None:
    for n in range(3):
        save_artifact(files, n, "x")
    assert load_artifact(files, "x (1)") == load_artifact(files, "x (1).json") == 1
    assert load_artifact(files, "x.json") == 2


def test_versions_count_in_whichever_form_they_are(files: Path) -> None:
    paths = [save_artifact(files, value, "x") for value in ({"a": 1}, "text", b"raw")]
    assert [path.name for path in paths] == ["x.json", "x (1).txt", "x (2).bin"]
    assert load_artifact(files, "x") == b"raw"
    assert load_artifact(files, "x.json") == {"a": 1}


def test_forms_that_are_asked_for_are_things_of_their_own(files: Path) -> None:
    save_artifact(files, {"a": 1}, "config.json")
    save_artifact(files, {"a": 2}, "config.yaml")
    assert names(files) == ["config.json", "config.yaml"]
    save_artifact(files, {"a": 3}, "config.yaml")
    assert load_artifact(files, "config.json") == {"a": 1}
    assert load_artifact(files, "config.yaml") == {"a": 3}


@pytest.mark.parametrize("name", ["lr0.1", "model.v2", "a.b.c", ".hidden", "1.5", "x (1)", "50%"])
def test_a_name_with_a_dot_or_a_version_works(name: str, files: Path) -> None:
    for n in range(3):
        save_artifact(files, n, name)
        assert load_artifact(files, name) == n
    assert len(names(files)) == 3


def test_names_that_go_on_alike_are_kept_apart(files: Path) -> None:
    for n, name in enumerate(["lr0", "lr0.1", "lr0.1.json", "lr0-1", "lr", "LR0"]):
        save_artifact(files, n, name)
    assert [load_artifact(files, name) for name in ("lr0", "lr0-1", "lr", "LR0")] == [0, 3, 4, 5]
    assert load_artifact(files, "lr0.1") == 2


def test_numbers_that_a_module_gives_out_are_no_versions(files: Path) -> None:
    for epoch in range(3):
        save_artifact(files, epoch, f"model-{epoch}")
    save_artifact(files, "last", "model")
    assert load_artifact(files, "model") == "last"
    assert load_artifact(files, "model-1") == 1


def test_a_slash_makes_directories(files: Path) -> None:
    path = save_artifact(files, "text", "plots/train/curve.md")
    assert path == files / "plots" / "train" / "curve.md"
    assert load_artifact(files, "plots/train/curve") == "text"
    assert save_artifact(files, 1, "plots").name == "plots.json"
    assert load_artifact(files, "plots") == 1


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/../../x", "/x", "a//b", "a/", "a\0b", "a\nb", "x" * 300, "\udc80", 3]
)
def test_what_is_no_name_is_refused_and_nothing_is_made(name: Any, files: Path) -> None:
    with pytest.raises(BadNameError):
        save_artifact(files, 1, name)
    with pytest.raises(BadNameError):
        load_artifact(files, name)
    assert not files.exists()


def test_a_name_that_gets_too_long_by_its_suffix_is_refused(files: Path) -> None:
    with pytest.raises(BadNameError, match="too long"):
        save_artifact(files, 1, "x" * 252)
    assert names(files) == []


def test_a_deleted_version_is_not_used_again(files: Path) -> None:
    paths = [save_artifact(files, n, "x") for n in range(3)]
    paths[1].unlink()
    assert save_artifact(files, 3, "x").name == "x (3).json"
    paths[0].unlink()
    assert load_artifact(files, "x") == 3


def test_what_a_person_put_there_counts_as_well(files: Path) -> None:
    save_artifact(files, 0, "x")
    (files / "x (7).json").write_text("7")
    assert load_artifact(files, "x (7)") == 7
    (files / "y.txt").write_text("by hand")
    assert load_artifact(files, "y") == "by hand"
    assert load_dir(files) == {"x": 7, "y": "by hand"}


def test_a_name_that_nothing_has_is_an_error_with_the_nearest(files: Path) -> None:
    save_artifact(files, 1, "plots/curve")
    with pytest.raises(RunError, match=r"no 'plots/curv'.*did you mean 'plots/curve'"):
        load_artifact(files, "plots/curv")
    with pytest.raises(RunError, match=r"no version 2 of 'plots/curve'"):
        load_artifact(files, "plots/curve", version=2)
    with pytest.raises(RunError, match="there is no 'x'"):
        load_artifact(files / "gone", "x")


# --- overwriting ---


def test_exg_04_overwriting_replaces_the_newest(files: Path) -> None:
    for n in range(2):
        save_artifact(files, n, "x")
    assert save_artifact(files, 2, "x", overwrite=True).name == "x (1).json"
    assert load_artifact(files, "x") == 2
    assert load_artifact(files, "x", version=0) == 0
    assert save_artifact(files, 3, "new", overwrite=True).name == "new.json"


def test_overwriting_may_change_the_form(files: Path) -> None:
    save_artifact(files, {"a": 1}, "x")
    assert save_artifact(files, "text", "x", overwrite=True).name == "x.txt"
    assert names(files) == ["x.txt"]
    save_artifact(files, b"raw", "x.bin", overwrite=True)
    assert names(files) == ["x.bin", "x.txt"]


def test_a_reader_never_sees_half_of_what_is_overwritten(files: Path) -> None:
    text = "a" * 300_000
    path = save_artifact(files, text, "x")
    stop = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while not stop.is_set():
            seen.append(len(path.read_bytes()))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(30):
        save_artifact(files, text, "x", overwrite=True)
    stop.set()
    reader.join()
    assert set(seen) == {len(text)}


# --- copies, pickles, others ---


def test_files_and_directories_are_copied_in_versions(files: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "net.onnx").write_bytes(b"net")
    assert save_artifact(files, source / "net.onnx", "best").name == "best.onnx"
    assert save_artifact(files, source / "net.onnx", "best.v2").name == "best.v2"
    assert load_artifact(files, "best") == files / "best.onnx"
    assert [save_artifact(files, source, "all").name for _ in range(2)] == ["all", "all (1)"]
    (source / "more").touch()
    replaced = save_artifact(files, source, "all", overwrite=True)
    assert replaced == load_artifact(files, "all") == files / "all (1)"
    assert names(replaced) == ["more", "net.onnx"]
    assert names(files) == ["all", "all (1)", "best.onnx", "best.v2"]


def test_a_pickle_is_written_where_that_is_said_twice(files: Path) -> None:
    with pytest.raises(TypeError, match="pickle=True"):
        save_artifact(files, {"a": 1}, "x.pkl")
    assert not files.exists()
    save_artifact(files, {"a": 1}, "x.pkl", pickle=True)
    with pytest.raises(RunError, match="pickle"):
        load_artifact(files, "x")
    assert load_artifact(files, "x", pickle=True) == {"a": 1}


def test_savers_of_ones_own_are_used(files: Path) -> None:
    savers = Savers()
    savers.add(
        complex, lambda number, path: path.write_text(str(number)), lambda path: path.read_text(), ".num.txt"
    )
    assert save_artifact(files, 1j, "x", savers=savers).name == "x.num.txt"
    assert load_artifact(files, "x", savers=savers) == "1j"


def test_a_directory_is_loaded_by_name_newest_first(files: Path) -> None:
    for n in range(2):
        save_artifact(files, n, "x")
    save_artifact(files, "text", "sub/notes")
    save_artifact(files, {"a": 1}, "sub/both.json")
    save_artifact(files, b"raw", "sub/both.bin")
    (files / ".new-left-by-a-kill").touch()
    assert load_dir(files) == {"x": 1, "sub/notes": "text", "sub/both.json": {"a": 1}, "sub/both.bin": b"raw"}
    found = [(one.name, one.version, one.suffix) for one in artifacts(files)]
    assert found[-2:] == [("x", 0, ".json"), ("x", 1, ".json")]
    assert load_dir(files / "gone") == {}


# --- what goes wrong ---


@contextlib.contextmanager
def small_disk(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def large_array() -> Any:
    return pytest.importorskip("numpy").zeros(50_000)


def large_frame() -> Any:
    pandas = pytest.importorskip("pandas", reason="the extra [frame] is not installed")
    return pandas.DataFrame({"a": range(50_000), "b": "text"})


def large_picture() -> Any:
    return pytest.importorskip("PIL.Image", reason="Pillow is not installed").effect_noise((500, 500), 50)


def large_figure() -> Any:
    figure = pytest.importorskip("matplotlib.figure", reason="matplotlib is not installed").Figure(dpi=300)
    figure.subplots().plot([0, 1, 0])
    return figure


LARGE: dict[str, Callable[[], Any]] = {
    "x.txt": lambda: "a" * 100_000,
    "x.bin": lambda: b"a" * 100_000,
    "x.json": lambda: list(range(50_000)),
    "x.yaml": lambda: list(range(50_000)),
    "x.npy": large_array,
    "x.npz": lambda: {"a": large_array(), "b": 1},
    "frame.npz": large_frame,
    "x.csv": large_frame,
    "x.png": large_picture,
    "figure.png": large_figure,
    "tree-with-a-file.npz": lambda: [large_picture()],
}


@pytest.mark.parametrize("name", LARGE)
def test_a_full_disk_leaves_nothing_half_written(name: str, files: Path) -> None:
    obj = LARGE[name]()
    save_artifact(files, "before", "before")
    with small_disk(15_000), pytest.raises(RunWriteError, match=f"'{name}' could not be saved") as caught:
        save_artifact(files, obj, name)
    assert caught.value.errno == errno.EFBIG
    assert names(files) == ["before.txt"]
    assert load_artifact(files, "before") == "before"
    assert save_artifact(files, obj, name).exists()


def test_a_full_disk_keeps_what_was_to_be_overwritten(files: Path) -> None:
    save_artifact(files, "before", "x")
    with small_disk(15_000), pytest.raises(RunWriteError):
        save_artifact(files, "a" * 100_000, "x", overwrite=True)
    assert load_artifact(files, "x") == "before"
    assert names(files) == ["x.txt"]


def test_a_place_that_is_a_file_is_an_error_of_the_disk(files: Path) -> None:
    files.mkdir(parents=True)
    (files / "a").touch()
    with pytest.raises(RunWriteError, match="'a/b' could not be saved"):
        save_artifact(files, 1, "a/b")


def test_an_interrupt_leaves_nothing_half_written(files: Path) -> None:
    class Interrupting:
        pass

    def write(obj: object, path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    savers = Savers()
    savers.add(Interrupting, write)
    with pytest.raises(KeyboardInterrupt):
        save_artifact(files, Interrupting(), "x", savers=savers)
    assert names(files) == []


def test_what_a_saver_of_ones_own_gets_wrong_is_its_own_error(files: Path) -> None:
    savers = Savers()
    savers.add(complex, lambda number, path: {}["missing"])
    with pytest.raises(KeyError, match="missing"):
        save_artifact(files, 1j, "x", savers=savers)
    assert names(files) == []


# --- many at once, and many ---

_SAVING = """
import sys
from pathlib import Path
from coolrunner.runs.artifacts import save_artifact
for n in range(50):
    save_artifact(Path(sys.argv[1]), [int(sys.argv[2]), n], "x")
"""


def test_processes_that_save_under_one_name_lose_nothing(files: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", _SAVING, str(files), str(number)]) for number in range(3)
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    found = [tuple(load_artifact(files, "x", version=version)) for version in range(150)]
    assert sorted(found) == [(number, n) for number in range(3) for n in range(50)]
    assert len(names(files)) == 150


def test_threads_that_save_under_one_name_lose_nothing(files: Path) -> None:
    def save(number: int) -> None:
        for n in range(50):
            save_artifact(files, [number, n], "x")

    threads = [threading.Thread(target=save, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({tuple(load_artifact(files, "x", version=version)) for version in range(200)}) == 200


def test_a_file_system_without_links_will_do(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_link(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_link)
    assert [save_artifact(files, n, "x").name for n in range(2)] == ["x.json", "x (1).json"]
    assert names(files) == ["x (1).json", "x.json"]


def test_saving_looks_at_a_directory_once_not_each_time(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_artifact(files, 0, "x")
    looked: list[object] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (looked.append(path), scandir(path))[1])
    for n in range(100):
        save_artifact(files, n, "x" if n % 2 else f"y{n}")
        assert load_artifact(files, "x") is not None
    assert len(looked) <= 1


def test_files_appear_with_the_usual_rights(files: Path) -> None:
    path = save_artifact(files, 1, "x")
    (files / "other").touch()
    assert path.stat().st_mode == (files / "other").stat().st_mode
    assert path.stat().st_nlink == 1
    assert path.stat().st_mtime <= time.time() + 1
