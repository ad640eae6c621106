"""The files that a run was made of."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from coolrunner.errors import RunError, UsageError
from coolrunner.runs import sources
from coolrunner.runs.sources import keep_sources, project_files, read_manifest
from coolrunner.runs.store import Store


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"# {name}\n")


def modules(root: Path, *names: str) -> Mapping[str, Any]:
    """What `sys.modules` is like after an import of these files."""
    found = {}
    for name in names:
        found[name] = ModuleType(name)
        found[name].__file__ = str(root / name)
    return found


def names(root: Path, files: list[Path]) -> list[str]:
    return [file.relative_to(root).as_posix() for file in files]


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("root") / "store")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A project of files that have not been changed for a while."""
    write(tmp_path, "a.py", "b/c.py")
    for name in ("a.py", "b/c.py"):
        os.utime(tmp_path / name, (1_700_000_000, 1_700_000_000))
    return tmp_path


# --- which files -----------------------------------------------------------------------------------


def test_the_imported_files_of_the_project_are_found(tmp_path: Path) -> None:
    write(tmp_path, "train.py", "models/__init__.py", "models/net.py", "never_imported.py")
    (tmp_path / "train.py").write_text(
        "import json, sys\nimport models.net\n"
        "from coolrunner.runs.sources import project_files\n"
        "print(*project_files(sys.argv[1]), sep='\\n')\n"
    )
    command = [sys.executable, "train.py", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(sources.__file__).parents[2])}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    found = names(tmp_path, [Path(line) for line in run.stdout.splitlines()])
    assert found == ["models/__init__.py", "models/net.py", "train.py"]


def test_a_new_import_is_seen_and_what_is_known_is_not_looked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "one.py", "two.py")
    monkeypatch.setitem(sys.modules, "one", modules(tmp_path, "one.py")["one.py"])
    assert names(tmp_path, project_files(tmp_path)) == ["one.py"]
    assert names(tmp_path, project_files(tmp_path)) == ["one.py"]
    monkeypatch.setitem(sys.modules, "two", modules(tmp_path, "two.py")["two.py"])
    assert names(tmp_path, project_files(tmp_path)) == ["one.py", "two.py"]


def test_what_is_installed_or_compiled_or_elsewhere_is_no_source(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write(elsewhere, "x.py")
    there = [
        "lib/site-packages/a.py",
        "usr/dist-packages/b.py",
        "env/lib/c.py",
        "conda/lib/d.py",
        "fast.cpython-311-x86_64-linux-gnu.so",
        "old.pyc",
    ]
    write(tmp_path, *there, "env/pyvenv.cfg", "conda/conda-meta/history", "good.py")
    loaded = {**modules(tmp_path, *there, "good.py", "deleted.py"), **modules(elsewhere, "x.py")}
    assert names(tmp_path, project_files(tmp_path, loaded)) == ["good.py"]


def test_the_standard_library_is_no_source_of_a_project_around_it() -> None:
    library = Path(os.__file__).parent
    assert project_files(library.parent, {"os": os, "json": json}) == []


def test_a_module_is_not_woken_up(tmp_path: Path) -> None:
    write(tmp_path, "lazy.py")
    (tmp_path / "lazy.py").write_text("raise SystemExit('imported')\n")
    spec = importlib.util.spec_from_file_location("lazy", tmp_path / "lazy.py")
    assert spec is not None and spec.loader is not None
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    odd = {"lazy": module, "none": None, "number": 3, "cls": type("T", (), {"__slots__": ()})()}
    assert names(tmp_path, project_files(tmp_path, odd)) == ["lazy.py"]


def test_a_notebook_is_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "study.ipynb", "other.ipynb")
    main = ModuleType("__main__")
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "study.ipynb"))
    assert project_files(tmp_path, {"__main__": main}) == []
    vars(main)["get_ipython"] = None
    assert names(tmp_path, project_files(tmp_path, {"__main__": main})) == ["study.ipynb"]


def test_a_project_may_be_reached_through_a_link(tmp_path: Path) -> None:
    write(tmp_path, "real/a.py", "real/b.py")
    (tmp_path / "link").symlink_to("real")
    loaded = {**modules(tmp_path / "real", "a.py"), **modules(tmp_path / "link", "b.py")}
    for way in ("link", "real"):
        files = project_files(tmp_path / "link", loaded)
        assert names(tmp_path / "link", files) == ["a.py", "b.py"], way


def test_other_files_are_chosen_by_ending_and_by_glob(tmp_path: Path) -> None:
    write(
        tmp_path,
        "a.py",
        "kernels/k.cu",
        "configs/top.yaml",
        "configs/deep/er/x.yaml",
        "other/y.yaml",
        "Makefile",
        "data/b/Makefile",
        ".git/hooks/a.py",
        "node_modules/m.py",
        "__pycache__/p.py",
        "venv/pyvenv.cfg",
        "venv/v.py",
    )

    def chosen(*patterns: str) -> list[str]:
        return names(tmp_path, project_files(tmp_path, {}, patterns=patterns))

    assert chosen(".py") == ["a.py"]
    assert chosen(".cu", "*.py") == ["a.py", "kernels/k.cu"]
    assert chosen("configs/*.yaml") == ["configs/top.yaml"]
    assert chosen("configs/**/*.yaml") == ["configs/deep/er/x.yaml", "configs/top.yaml"]
    assert chosen("configs/") == chosen("configs/**") == chosen("configs/**/*.yaml")
    assert chosen("?.yaml") == ["configs/deep/er/x.yaml", "other/y.yaml"]
    assert chosen("**/[!x].yaml") == ["other/y.yaml"]
    assert chosen("Makefile") == ["Makefile", "data/b/Makefile"]
    assert chosen("/Makefile") == ["Makefile"]
    assert chosen("*.none") == []


def test_rules_that_skip_hold_for_imported_and_for_chosen_files(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "old/b.py", "old/deep/c.py", "golden/d.py", "e_test.py")
    loaded = modules(tmp_path, "old/b.py", "a.py")
    files = project_files(tmp_path, loaded, patterns=[".py"], skip=["(^|/)old/", r"_test\.py$"])
    assert names(tmp_path, files) == ["a.py", "golden/d.py"]


def test_a_rule_that_is_no_regular_expression_is_explained(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"the rule '\*\.json' that skips sources is no regular expression.*json"
    ):
        project_files(tmp_path, {}, skip=["*.json"])


def test_the_root_of_the_runs_is_no_part_of_the_project(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "results/runs/1/sources/a.py", "results2/b.py")
    loaded = modules(tmp_path, "results/runs/1/sources/a.py")
    files = project_files(tmp_path, loaded, patterns=["*.py"], apart=[tmp_path / "results"])
    assert names(tmp_path, files) == ["a.py", "results2/b.py"]


# --- what is kept ----------------------------------------------------------------------------------


def test_sources_are_kept_once_and_shared(old: Path, store: Store) -> None:
    digest = keep_sources(store, old, [old / "a.py", old / "b" / "c.py"])
    manifest = read_manifest(store, digest)
    assert list(manifest.files) == ["a.py", "b/c.py"]
    assert manifest.left_out == {}
    assert store.get(manifest.files["b/c.py"]) == (old / "b" / "c.py").read_bytes()
    count = len(list(store.path.rglob("*")))
    assert keep_sources(store, old, [old / "b" / "c.py", old / "a.py"]) == digest
    assert len(list(store.path.rglob("*"))) == count


def test_a_file_that_has_not_changed_is_not_read_again(
    old: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = keep_sources(store, old, [old / "a.py"])
    monkeypatch.setattr(sources, "_read", None)
    assert keep_sources(store, old, [old / "a.py"]) == digest


def test_a_changed_file_is_noticed_however_fast_it_changes(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "a.py"
    digests = []
    for number in range(20):
        path.write_text(f"x = {number:02}\n")
        digests.append(keep_sources(store, tmp_path, [path]))
    assert len(set(digests)) == 20
    assert store.get(read_manifest(store, digests[7]).files["a.py"]) == b"x = 07\n"


def test_contents_that_are_handed_over_are_what_is_kept(old: Path, store: Store) -> None:
    imported = b"as it was imported\n"
    digest = keep_sources(store, old, {str(old / "a.py"): imported, old / "b" / "c.py": None})
    manifest = read_manifest(store, digest)
    assert store.get(manifest.files["a.py"]) == imported
    assert store.get(manifest.files["b/c.py"]) == b"# b/c.py\n"
    assert (
        keep_sources(store, old, {str(old / "a.py"): bytes(bytearray(imported)), old / "b" / "c.py": None})
        == digest
    )


def test_contents_of_files_that_are_gone_can_be_kept(old: Path, store: Store) -> None:
    (old / "a.py").unlink()
    manifest = read_manifest(store, keep_sources(store, old, {old / "a.py": b"gone"}))
    assert store.get(manifest.files["a.py"]) == b"gone"


def test_a_store_that_was_emptied_meanwhile_is_filled_again(old: Path, store: Store) -> None:
    digest = keep_sources(store, old, [old / "a.py"])
    for path in store.path.rglob("*"):
        if path.is_file():
            path.unlink()
    assert keep_sources(store, old, [old / "a.py"]) == digest
    assert store.get(read_manifest(store, digest).files["a.py"]) == b"# a.py\n"


def test_what_is_left_out_is_listed_with_the_reason(
    old: Path, store: Store, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "LARGEST", 1000)
    write(old, ".env", "deploy.py", "big.py")
    (old / "deploy.py").write_text("KEY = 'sk-" + "a1" * 20 + "'\n")
    (old / "big.py").write_text("#" * 1001)
    outside = tmp_path_factory.mktemp("elsewhere") / "x.py"
    outside.write_text("")
    (old / "line\nbreak.py").write_text("")
    files = [*old.glob("*.py"), old / ".env", old / "missing.py", outside]
    manifest = read_manifest(store, keep_sources(store, old, files))
    assert list(manifest.files) == ["a.py"]
    assert manifest.left_out == {
        ".env": "its name speaks of secrets",
        "big.py": "bigger than 10,000,000 bytes",
        "deploy.py": "it holds what looks like a secret",
        "line\nbreak.py": "its name cannot be restored",
        "missing.py": "it cannot be read",
        str(outside): "it is not in the project",
    }
    kept = b"".join(path.read_bytes() for path in store.path.rglob("*") if path.is_file())
    assert b"sk-a1" not in kept


def test_no_file_at_all_is_a_manifest_too(tmp_path: Path, store: Store) -> None:
    manifest = read_manifest(store, keep_sources(store, tmp_path, []))
    assert (manifest.files, manifest.left_out) == ({}, {})


# --- what is read ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../x.py", "/etc/passwd", "a/../../x.py", "", "a//b", "a\0b"])
def test_a_manifest_that_leads_out_of_the_project_is_refused(store: Store, name: str) -> None:
    text = json.dumps({"version": 1, "files": {name: "0" * 64}, "left_out": {}})
    with pytest.raises(RunError, match="the path of a source"):
        read_manifest(store, store.put(text.encode()))


@pytest.mark.parametrize("data", [{}, {"files": []}, {"files": {"a": 1}, "left_out": {}}, {"files": {}}])
def test_a_manifest_of_another_kind_is_refused(store: Store, data: dict[str, Any]) -> None:
    with pytest.raises(RunError, match="does not hold the sources of a run"):
        read_manifest(store, store.put(json.dumps({"version": 1, **data}).encode()))


def test_a_manifest_that_was_kept_long_ago_is_read(store: Store) -> None:
    golden = Path(__file__).parents[1] / "data" / "v1" / "sources.json"
    manifest = read_manifest(store, store.put(golden.read_bytes()))
    assert list(manifest.files) == ["models/net.py", "train.py"]
    assert manifest.left_out == {"secrets.py": "its name speaks of secrets"}
