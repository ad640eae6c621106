"""A run's code and parameters, written back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from coolrunner.errors import RunError, RunWriteError
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.layout import RESULTS
from coolrunner.runs.provenance import Provenance, collect, keep, read_provenance, rerun_command
from coolrunner.runs.restoring import restore, write_sources
from coolrunner.runs.sources import keep_sources
from coolrunner.runs.status import RunState
from coolrunner.runs.store import Store

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

PARAMS = "Name: resnet\nlr: 0.1\n"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results" / "store")


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    path = tmp_path / "results" / "runs" / "000042-2026-11-21-06-23-29-resnet"
    path.mkdir(parents=True)
    made = RunDirectory(path, RESULTS)
    made.params.write_text(PARAMS)
    made.write_state(RunState(id=42, name="resnet", host="box", study="digits.yaml", experiment="k1"))
    return made


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "train.py").write_text("from models.net import size\nprint('size', size)\n")
    (project / "models" / "net.py").write_text("size = 3\n")
    return project


def files_in(path: Path) -> list[str]:
    return sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if not file.is_dir())


def remember(run: RunDirectory, **facts: str) -> None:
    run.write_state(replace(run.read_state(), **facts))


def with_files(run: RunDirectory, store: Store, files: Mapping[str, str]) -> None:
    """Give a run a manifest that says whatever it likes."""
    digests = {name: store.put(content.encode()) for name, content in files.items()}
    data = {"version": 1, "files": digests, "left_out": {}}
    remember(run, sources=store.put(json.dumps(data).encode()))


def test_a_run_comes_back_as_it_was(run: RunDirectory, store: Store, project: Path, tmp_path: Path) -> None:
    sources = [project / "train.py", project / "models" / "net.py"]
    argv = [sys.executable, str(project / "train.py")]
    remember(
        run,
        sources=keep_sources(store, project, sources),
        provenance=keep(store, collect(project, argv)),
    )
    for source in sources:
        source.write_text("raise SystemExit('another version')\n")
    target = tmp_path / "deep" / "again"
    written = restore(run, store, target)
    assert files_in(target) == ["README.txt", "params.yaml", "sources/models/net.py", "sources/train.py"]
    assert sorted(path.relative_to(target).as_posix() for path in written) == files_in(target)
    assert (target / "params.yaml").read_text() == PARAMS
    facts = read_provenance(store, run.read_state().provenance)
    command, _ = rerun_command(run, facts, project=target / "sources")
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert again.stdout == "size 3\n"


@needs_git
def test_the_readme_says_how_to_run_it_again(
    run: RunDirectory, store: Store, project: Path, tmp_path: Path
) -> None:
    user = ["-c", "user.name=me", "-c", "user.email=me@localhost"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    for command in (["init", "-q", "-b", "main"], ["add", "."], [*user, "commit", "-qm", "first"]):
        subprocess.run(["git", *command], cwd=project, env=kept, check=True)
    (project / "train.py").write_text("print('changed')\n")
    (project / ".env").write_text("KEY=1\n")
    provenance = collect(project, ["python", "my script.py", "--api-key", "hunter2"])
    remember(
        run, provenance=keep(store, provenance), sources=keep_sources(store, project, [project / "train.py"])
    )
    target = tmp_path / "again"
    restore(run, store, target)
    text = (target / "README.txt").read_text()
    for words in (
        "the run 000042-2026-11-21-06-23-29-resnet",
        "the study digits.yaml (ID k1)",
        "on box with Python 3.",
        "python 'my script.py' --api-key '<api-key left out>'",
        "left out: api-key.",
        f"git checkout {provenance.facts['git']['commit']}",
        "of the branch main",
        "git apply /path/to/changes.diff",
        "'.env': its name speaks of secrets",
    ):
        assert words in text
    assert (target / "changes.diff").read_bytes() == provenance.diffs[0]
    assert "hunter2" not in text


def test_the_patches_of_submodules_have_files_of_their_own(
    run: RunDirectory, store: Store, tmp_path: Path
) -> None:
    facts = collect(tmp_path, ["x"]).facts
    inner = {"diff": store.put(b"inner"), "submodules": {"deep": {"diff": store.put(b"deep")}}}
    git = {
        **facts["git"],
        "diff": store.put(b"outer"),
        "submodules": {"third/lib": inner, "same": {"diff": None}},
    }
    remember(run, provenance=keep(store, Provenance({**facts, "git": git})))
    restore(run, store, tmp_path / "again")
    for name, content in {
        "changes": "outer",
        "changes/third/lib": "inner",
        "changes/third/lib/deep": "deep",
    }.items():
        assert (tmp_path / "again" / f"{name}.diff").read_text() == content


def test_a_run_of_which_little_is_known_comes_back_as_far_as_it_goes(
    run: RunDirectory, store: Store, tmp_path: Path
) -> None:
    restore(run, store, tmp_path / "again")
    assert files_in(tmp_path / "again") == ["README.txt", "params.yaml"]
    run.params.unlink()
    restore(run, store, tmp_path / "more")
    assert files_in(tmp_path / "more") == ["README.txt"]


def test_an_empty_directory_is_filled(run: RunDirectory, store: Store, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    assert restore(run, store, tmp_path / "again")


def test_nothing_is_overwritten_unless_it_is_asked_for(
    run: RunDirectory, store: Store, tmp_path: Path
) -> None:
    target = tmp_path / "again"
    target.mkdir()
    (target / "params.yaml").write_text("mine\n")
    (target / "other.txt").write_text("mine\n")
    with pytest.raises(RunError, match="again is not an empty directory"):
        restore(run, store, target)
    with pytest.raises(RunError, match="is not an empty directory"):
        restore(run, store, target / "params.yaml")
    assert files_in(target) == ["other.txt", "params.yaml"]
    assert (target / "params.yaml").read_text() == "mine\n"
    restore(run, store, target, overwrite=True)
    assert (target / "params.yaml").read_text() == PARAMS
    assert (target / "other.txt").read_text() == "mine\n"


@pytest.mark.parametrize(
    "name", ["../evil.py", "a/../../evil.py", "/tmp/evil.py", "..", "", "a\0b", "a//b", "./a"]
)
def test_a_manifest_that_leads_elsewhere_restores_nothing(
    run: RunDirectory, store: Store, tmp_path: Path, name: str
) -> None:
    with_files(run, store, {"good.py": "x", name: "evil"})
    before = files_in(tmp_path)
    with pytest.raises(RunError, match="the path of a source"):
        restore(run, store, tmp_path / "again")
    assert files_in(tmp_path) == before
    assert not (tmp_path / "again").exists()


def test_a_submodule_whose_name_leads_elsewhere_restores_nothing(
    run: RunDirectory, store: Store, tmp_path: Path
) -> None:
    facts = collect(tmp_path, ["x"]).facts
    git = {"submodules": {"../../evil": {"diff": store.put(b"x")}}}
    remember(run, provenance=keep(store, Provenance({**facts, "git": git})))
    with pytest.raises(RunError, match="nothing was restored"):
        restore(run, store, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_link_in_the_target_is_not_followed_out_of_it(
    run: RunDirectory, store: Store, tmp_path: Path
) -> None:
    with_files(run, store, {"lib/deep/x.py": "evil", "y.py": "new"})
    (tmp_path / "again" / "sources").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "again" / "sources" / "lib").symlink_to(tmp_path / "outside")
    with pytest.raises(RunError, match="leads out of"):
        restore(run, store, tmp_path / "again", overwrite=True)
    assert files_in(tmp_path / "outside") == []
    assert list((tmp_path / "outside").iterdir()) == []
    (tmp_path / "again" / "sources" / "lib").unlink()
    (tmp_path / "outside" / "z").write_text("mine")
    (tmp_path / "again" / "sources" / "y.py").symlink_to(tmp_path / "outside" / "z")
    restore(run, store, tmp_path / "again", overwrite=True)
    assert (tmp_path / "outside" / "z").read_text() == "mine"
    assert (tmp_path / "again" / "sources" / "y.py").read_text() == "new"


def test_what_is_missing_or_damaged_in_the_store_restores_nothing(
    run: RunDirectory, store: Store, tmp_path: Path
) -> None:
    with_files(run, store, {"a.py": "x", "b.py": "y"})
    broken = store.path / "a1"  # the content "y" begins so
    (file,) = broken.iterdir()
    file.write_text("z")
    with pytest.raises(RunError, match="is damaged"):
        restore(run, store, tmp_path / "again")
    file.unlink()
    with pytest.raises(RunError, match="is not there"):
        restore(run, store, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_files_that_are_in_each_other_s_way_are_told(run: RunDirectory, store: Store, tmp_path: Path) -> None:
    with_files(run, store, {"a": "x", "a/b": "y"})
    with pytest.raises(RunWriteError, match="cannot be written"):
        restore(run, store, tmp_path / "again")


@pytest.mark.parametrize(
    "facts", [{"git": 3, "argv": 3, "left_out": 3, "python": [], "host": "x"}, {"git": {}}]
)
def test_facts_of_another_form_do_no_harm(
    run: RunDirectory, store: Store, tmp_path: Path, facts: Mapping[str, object]
) -> None:
    data = {"version": 1, "argv": ["x"], "packages": {}, **facts}
    remember(run, provenance=store.put(json.dumps(data).encode()))
    restore(run, store, tmp_path / "again")
    assert (tmp_path / "again" / "README.txt").exists()


def test_sources_alone_can_be_written(store: Store, project: Path, tmp_path: Path) -> None:
    digest = keep_sources(store, project, [project / "train.py", project / "models" / "net.py"])
    write_sources(store, digest, tmp_path / "saved_sources")
    assert files_in(tmp_path / "saved_sources") == ["models/net.py", "train.py"]
