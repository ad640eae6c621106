"""One version of the user's code for a whole study."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from coolrunner.execution import pinning
from coolrunner.execution.pinning import Pin, PinBoard

Import = Callable[[str], ModuleType]


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Import]:
    """Import as a fresh process would: nothing of the project is there yet."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    uninstall = pinning.install(str(tmp_path))
    known = set(sys.modules)

    def forget() -> None:
        for name in set(sys.modules) - known:
            del sys.modules[name]
        importlib.invalidate_caches()

    def load(name: str) -> ModuleType:
        forget()
        return importlib.import_module(name)

    yield load
    uninstall()
    forget()


def test_a_file_is_pinned_when_it_is_first_imported(fresh: Import, tmp_path: Path) -> None:
    path = tmp_path / "pinned_a.py"
    path.write_text("x = 1\n")
    fresh("pinned_a")
    made = pinning.take_made()
    assert list(made) == [str(path)]
    assert (made[str(path)].size, made[str(path)].modified) == (6, path.stat().st_mtime_ns)
    assert pinning.take_made() == {}


def test_later_imports_get_the_pinned_code(fresh: Import, tmp_path: Path) -> None:
    path = tmp_path / "pinned_b.py"
    path.write_text("x = 1\n")
    fresh("pinned_b")
    pinning.take_made()
    path.write_text("x = 'another'\n")
    assert fresh("pinned_b").x == 1
    path.unlink()
    path.write_text("syntax error")
    assert fresh("pinned_b").x == 1
    assert pinning.take_made() == {}


def test_what_is_gone_from_the_disk_is_found_all_the_same(fresh: Import, tmp_path: Path) -> None:
    """A branch switched during a study, say: files, packages and plain directories."""
    for name in ("pinned_g.py", "pinned_q/__init__.py", "pinned_q/one.py", "pinned_n/two.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x = __name__\n")
    names = ["pinned_g", "pinned_q.one", "pinned_n.two"]
    for name in names:
        fresh(name)
        pinning.take_made()
    for entry in tmp_path.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    assert [fresh(name).x for name in names] == names
    with pytest.raises(ModuleNotFoundError):
        fresh("pinned_q.three")


def test_pins_of_other_processes_are_used(fresh: Import, tmp_path: Path) -> None:
    (tmp_path / "pinned_c.py").write_text("x = 1\n")
    fresh("pinned_c")
    pins = pinning.take_made()
    (tmp_path / "pinned_c.py").write_text("x = 2\n")
    pinning._given.clear()
    pinning.give(pins)
    assert fresh("pinned_c").x == 1


def test_packages_are_pinned_file_by_file(fresh: Import, tmp_path: Path) -> None:
    (tmp_path / "pinned_p" / "inner").mkdir(parents=True)
    for name in ("__init__.py", "one.py", "inner/__init__.py", "inner/two.py"):
        (tmp_path / "pinned_p" / name).write_text("from pathlib import Path\nhere = Path(__file__)\n")
    module = fresh("pinned_p.inner.two")
    assert module.here == tmp_path / "pinned_p" / "inner" / "two.py"
    names = {str(Path(path).relative_to(tmp_path)) for path in pinning.take_made()}
    assert names == {"pinned_p/__init__.py", "pinned_p/inner/__init__.py", "pinned_p/inner/two.py"}


def test_installed_packages_are_not_pinned(
    fresh: Import, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / ".venv" / "lib" / "site-packages"
    library.mkdir(parents=True)
    (library / "pinned_library.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(library))
    fresh("pinned_library")
    assert pinning.take_made() == {}


def test_a_project_below_the_prefix_of_the_interpreter_is_pinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as /usr/src/app, in a container, with the Python in /usr."""
    project = tmp_path / "src" / "app"
    project.mkdir(parents=True)
    (project / "pinned_below.py").write_text("x = 1\n")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(project))
    uninstall = pinning.install(str(project))
    try:
        importlib.import_module("pinned_below")
        assert list(pinning.take_made()) == [str(project / "pinned_below.py")]
    finally:
        uninstall()
        del sys.modules["pinned_below"]


def test_what_lies_elsewhere_is_not_pinned(
    fresh: Import, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "pinned_elsewhere.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(elsewhere))
    fresh("pinned_elsewhere")
    assert pinning.take_made() == {}


# --- the board -------------------------------------------------------------------------------------


def pin_of(path: Path) -> dict[str, Pin]:
    return {str(path): Pin(b"", path.stat().st_mtime_ns, path.stat().st_size)}


def test_a_change_on_the_disk_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "module.py"
    path.write_text("x = 1\n")
    board = PinBoard(time.time_ns() + 10**9)
    assert board.add(pin_of(path)) == []
    assert board.changes() == []
    path.write_text("x = 22\n")
    (message,) = board.changes()
    assert message.startswith("module.py has changed on the disk; this study goes on with the version")
    assert board.changes() == []
    os.utime(path, ns=(0, 0))
    assert len(board.changes()) == 1
    path.unlink()
    (message,) = board.changes()
    assert message.startswith("module.py is gone from the disk")
    assert board.changes() == []


def test_a_new_file_that_is_first_imported_in_the_middle_of_a_study_is_told(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    board = PinBoard(time.time_ns() - 10**9)
    path.write_text("x = 1\n")
    (message,) = board.add(pin_of(path))
    assert "was changed after this study began and is used from now on in its new version" in message
    assert board.add(pin_of(path)) == []
