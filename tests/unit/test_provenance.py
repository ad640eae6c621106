"""Where a run came from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import coolrunner
from coolrunner.errors import RunError
from coolrunner.runs import patches
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.layout import RESULTS
from coolrunner.runs.machine import cpu_name, gpus, installed_packages
from coolrunner.runs.provenance import Provenance, collect, keep, read_provenance, rerun_command
from coolrunner.runs.repository import Repository, read_repository
from coolrunner.runs.store import Store

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def environment(**more: str) -> dict[str, str]:
    """The variables of a person without a configuration of git's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", **more}


def git(where: Path, *arguments: str, check: bool = True) -> str:
    user = ("-c", "user.name=me", "-c", "user.email=me@localhost", "-c", "protocol.file.allow=always")
    command = ["git", *user, *arguments]
    run = subprocess.run(command, cwd=where, env=environment(), capture_output=True, text=True)
    assert run.returncode == 0 or not check, run.stderr
    return run.stdout.strip()


def make(where: Path, files: Mapping[str, str | bytes]) -> Path:
    """Make a repository with a commit of these files."""
    where.mkdir(parents=True, exist_ok=True)
    git(where, "init", "-q", "-b", "main")
    put(where, files)
    git(where, "add", "-A")
    git(where, "commit", "-qm", "first", "--allow-empty")
    return where


def put(where: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        path = where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def read(where: Path, **options: object) -> Repository:
    options.setdefault("environment", environment())
    return read_repository(where, **options)  # type: ignore[arg-type]


def again(repository: Repository, source: Path, target: Path) -> Path:
    """Clone the commit and apply the patch, as a person would."""
    git(source.parent, "clone", "-q", "--no-local", str(source), str(target))
    if repository.commit:
        git(target, "checkout", "-q", repository.commit)
    if repository.diff:
        (target.parent / "changes.diff").write_bytes(repository.diff)
        git(target, "apply", str(target.parent / "changes.diff"))
    return target


def contents(where: Path) -> dict[str, object]:
    """Everything in a working tree: contents, links and who may execute."""
    found: dict[str, object] = {}
    for path in where.rglob("*"):
        name = os.fsencode(path.relative_to(where))
        if path.is_symlink():
            found[os.fsdecode(name)] = ("link", os.readlink(path))  # noqa: PTH115
        elif path.is_file() and name.split(b"/")[0] != b".git":
            found[os.fsdecode(name)] = (path.read_bytes(), bool(path.stat().st_mode & 0o100))
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make(
        tmp_path / "project", {"train.py": "lr = 1\n", "models/net.py": "size = 3\n", ".gitignore": "out/\n"}
    )


# --- the state of a repository ---------------------------------------------------------------------


def test_a_clean_repository_is_its_commit_and_branch(project: Path) -> None:
    found = read(project)
    assert found == Repository(str(project), git(project, "rev-parse", "HEAD"), "main", dirty=False)


def test_a_directory_within_is_part_of_the_whole_repository(project: Path) -> None:
    put(project, {"train.py": "lr = 2\n"})
    found = read(project / "models")
    assert found == read(project)
    assert found.dirty


def test_a_detached_head_has_no_branch(project: Path) -> None:
    git(project, "checkout", "-q", "--detach")
    found = read(project)
    assert (found.branch, found.commit) == (None, git(project, "rev-parse", "HEAD"))


def test_no_repository_is_said(tmp_path: Path) -> None:
    assert read(tmp_path) == Repository(problem="this is no git repository")


def test_a_broken_repository_is_said(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("nonsense")
    found = read(tmp_path)
    assert found.root == str(tmp_path)
    assert found.problem.startswith("git: fatal: not a git repository")
    assert (found.commit, found.dirty) == (None, None)


def test_git_that_is_absent_is_said(project: Path, tmp_path: Path) -> None:
    found = read(project, environment={"PATH": str(tmp_path)})
    assert (found.root, found.problem) == (str(project), "git is not installed, or not on the search path")


def fake_git(folder: Path, line: str) -> dict[str, str]:
    """The variables with which `git` is a script of one line, which may start the real one."""
    folder.mkdir()
    (folder / "git").write_text(f"#!/bin/sh\n{line}\n")
    (folder / "git").chmod(0o755)
    return environment(PATH=f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_the_repository_of_another_user_is_said_with_what_allows_it(project: Path, tmp_path: Path) -> None:
    # The variable is that of git's own tests of `safe.directory`.
    line = f'GIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec {shutil.which("git")} "$@"'
    found = read(project, environment=fake_git(tmp_path / "bin", line))
    assert f"git config --global --add safe.directory {project}" in found.problem
    assert "another user" in found.problem
    assert found.commit is None


def test_a_git_that_takes_too_long_is_not_waited_for(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coolrunner.runs.repository._PATIENCE", 0.3)
    found = read(project, environment=fake_git(tmp_path / "bin", "exec sleep 60"))
    assert found.problem.startswith("git took longer than")


def test_new_files_that_take_too_long_to_look_for_leave_the_rest_known(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(project, {"train.py": "lr = 2\n", "new.py": "x\n"})
    line = f'case "$*" in *untracked-files=all*) exec sleep 60;; esac; exec {shutil.which("git")} "$@"'
    variables = fake_git(tmp_path / "bin", line)
    monkeypatch.setattr("coolrunner.runs.repository._PATIENCE", 2.0)
    found = read(project, environment=variables)
    assert (found.commit, found.branch) == (git(project, "rev-parse", "HEAD"), "main")
    assert (found.dirty, found.untracked) == (True, ())
    assert b"+lr = 2" in found.diff
    assert found.problem == "git took longer than 2 seconds"


def test_the_variables_of_a_surrounding_hook_are_not_heeded(project: Path, tmp_path: Path) -> None:
    other = make(tmp_path / "other", {"x": "1"})
    hook = {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": "nowhere",
        "GIT_PREFIX": "x/",
    }
    assert read(project, environment=environment(**hook)) == read(project)


def test_a_worktree_is_a_repository_of_its_own_branch(project: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    git(project, "worktree", "add", "-q", "-b", "idea", str(tree))
    put(tree, {"train.py": "lr = 3\n"})
    found = read(tree)
    assert (found.root, found.branch, found.dirty) == (str(tree), "idea", True)
    assert not read(project).dirty


# --- the patch -------------------------------------------------------------------------------------


def test_the_patch_brings_back_the_working_tree(project: Path, tmp_path: Path) -> None:
    put(
        project,
        {
            "deleted": "gone\n",
            "staged.py": "a\n",
            "kind": "a file\n",
            "mode.sh": "echo\n",
            "untracked_later": "x\n",
            "sp ace.py": "1\n",
            "no_end": "no newline",
            "latin": b"caf\xe9\n",
            "dos.txt": "a\r\nb\r\n",
        },
    )
    git(project, "add", "-A")
    git(project, "commit", "-qm", "second")
    git(project, "rm", "-q", "deleted")
    put(project, {"staged.py": "b\n"})
    git(project, "add", "staged.py")
    put(
        project,
        {"staged.py": "c\n", "sp ace.py": "2\n", "no_end": "still no newline", "latin": b"cr\xe8me\n"},
    )
    put(project, {"dos.txt": "a\r\nc\r\n"})
    (project / "kind").unlink()
    (project / "kind").symlink_to("train.py")
    (project / "mode.sh").chmod(0o755)
    git(project, "rm", "-q", "--cached", "untracked_later")
    put(project, {"untracked_later": "y\n"})
    git(project, "mv", "models/net.py", "models/renamed.py")
    put(
        project,
        {
            "new.py": "new\n",
            "new dir/fi le.py": "a\n\nb",
            'we"ird\\na\tme.py': "x\n",
            "caf\udce9.txt": b"\xff\n",
            "empty": "",
            "only_newline": "\n",
            "run.sh": "#!/bin/sh\r\n",
            "added": "added\n",
        },
    )
    (project / "run.sh").chmod(0o755)
    (project / "link").symlink_to("new dir/fi le.py")
    (project / "dangling").symlink_to("nowhere")
    git(project, "add", "-N", "added")
    found = read(project)
    assert found.left_out == {}
    assert contents(again(found, project, tmp_path / "clone")) == contents(project)


def test_what_is_ignored_is_not_kept(project: Path) -> None:
    put(project, {"out/model.txt": "weights\n", "new.py": "x\n"})
    found = read(project)
    assert found.untracked == ("new.py",)
    assert b"weights" not in found.diff
    assert not found.dirty


def test_binary_and_big_files_are_listed_and_the_patch_still_applies(project: Path, tmp_path: Path) -> None:
    put(project, {"picture.png": b"\x89PNG\0old", "table.csv": "1,2\n" * 10})
    git(project, "add", "-A")
    git(project, "commit", "-qm", "second")
    put(project, {"picture.png": b"\x89PNG\0new", "table.csv": "3,4\n" * 1000, "train.py": "lr = 2\n"})
    put(project, {"new.npy": b"\x93NUMPY\0", "new.csv": "1,2\n" * 1000, "new.py": "x\n"})
    found = read(project, limit=2000)
    why = "binary, or bigger than 2,000 bytes"
    assert found.left_out == dict.fromkeys(["picture.png", "table.csv", "new.csv", "new.npy"], why)
    assert found.dirty
    assert found.untracked == ("new.csv", "new.npy", "new.py")
    clone = again(found, project, tmp_path / "clone")
    assert (clone / "train.py").read_text() == "lr = 2\n"
    assert (clone / "new.py").read_text() == "x\n"


def test_secrets_are_listed_and_not_kept(project: Path, tmp_path: Path) -> None:
    put(project, {".env": "A=1\n", "config/credentials.json": "{}\n"})
    git(project, "add", "-A")
    git(project, "commit", "-qm", "second")
    secret = "hf_" + "a1" * 17
    put(project, {".env": "KEY=hunter2\n", "config/credentials.json": '{"key": "hunter2"}\n'})
    put(
        project,
        {"slack_token.txt": "hunter2\n", "new.py": f"login('{secret}')\n", "train.py": f"x = '{secret}'\n"},
    )
    put(project, {"ok.py": "x\n"})
    found = read(project)
    name, content = "its name speaks of secrets", "it holds what looks like a secret"
    assert found.left_out == {
        ".env": name,
        "config/credentials.json": name,
        "slack_token.txt": name,
        "new.py": content,
        "train.py": content,
    }
    assert b"hunter2" not in found.diff
    assert secret.encode() not in found.diff
    assert (again(found, project, tmp_path / "clone") / "ok.py").exists()


def test_too_many_new_files_are_counted_and_code_comes_first(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coolrunner.runs.repository._MANY", 5)
    put(project, {f"data/{number:02}.txt": "x\n" for number in range(12)} | {"zoo.py": "x\n"})
    found = read(project)
    assert len(found.untracked) == 5
    assert b"zoo.py" in found.diff
    assert found.diff.count(b"diff --git") == 5
    assert set(found.left_out.values()) == {"the patch is big enough without it"}
    assert found.more == (13 - 5) + (13 - 5 - 5)


def test_the_patch_as_a_whole_has_a_limit(project: Path) -> None:
    put(project, {f"{number:02}.py": "x = 1\n" * 100 for number in range(30)})
    found = read(project, limit=1000)
    assert len(found.diff) <= 10_000
    assert len(found.left_out) > 10


def test_what_is_no_file_is_listed(project: Path) -> None:
    os.mkfifo(project / "pipe")
    make(project / "nested", {"x.py": "1\n"})
    put(project, {"new.py": "x\n"})
    found = read(project)
    assert found.left_out == {"nested/": "a repository of its own"}
    assert b"nested" not in found.diff


def test_roots_of_runs_are_no_changes(project: Path) -> None:
    put(project, {"results/runs/1/log.txt": "x\n", "new.py": "x\n", "results.py": "x\n"})
    found = read(project, apart=[project / "results", "/elsewhere"])
    assert found.untracked == ("new.py", "results.py")
    assert b"log.txt" not in found.diff


def test_files_that_were_touched_and_not_changed_are_no_changes(project: Path) -> None:
    os.utime(project / "train.py", (1, 1))
    index = (project / ".git" / "index").read_bytes()
    found = read(project)
    assert (found.dirty, found.diff) == (False, b"")
    assert (project / ".git" / "index").read_bytes() == index


def test_a_repository_without_a_commit_is_all_new(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    git(project, "init", "-q", "-b", "main")
    assert read(project) == Repository(str(project), None, "main", dirty=False)
    put(project, {"staged.py": "a\n", "new.py": "b\n"})
    git(project, "add", "staged.py")
    found = read(project)
    assert (found.commit, found.branch, found.dirty, found.untracked) == (None, "main", True, ("new.py",))
    assert contents(again(found, project, tmp_path / "clone")) == contents(project)


def test_a_conflict_is_kept_as_it_stands(project: Path, tmp_path: Path) -> None:
    git(project, "checkout", "-qb", "idea")
    put(project, {"train.py": "lr = 2\n"})
    git(project, "commit", "-qam", "second")
    git(project, "checkout", "-q", "main")
    put(project, {"train.py": "lr = 3\n"})
    git(project, "commit", "-qam", "third")
    git(project, "merge", "idea", check=False)
    found = read(project)
    assert found.dirty
    clone = again(found, project, tmp_path / "clone")
    assert (clone / "train.py").read_text() == (project / "train.py").read_text()
    assert "<<<<<<<" in (clone / "train.py").read_text()


def test_a_changed_submodule_is_described_by_itself(project: Path, tmp_path: Path) -> None:
    inner = make(tmp_path / "inner", {"lib.py": "a\n"})
    git(project, "submodule", "add", "-q", str(inner), "third/inner")
    git(project, "commit", "-qm", "second")
    assert read(project).submodules == {}
    place = project / "third" / "inner"
    put(place, {"new.py": "x\n"})
    found = read(project)
    assert (found.dirty, found.submodules["third/inner"].dirty) == (False, False)
    put(place, {"lib.py": "b\n"})
    put(project, {"train.py": "lr = 2\n"})
    found = read(project)
    below = found.submodules["third/inner"]
    assert found.dirty
    assert b"inner" not in found.diff
    assert (below.commit, below.dirty, below.untracked) == (
        git(inner, "rev-parse", "HEAD"),
        True,
        ("new.py",),
    )
    assert contents(again(below, inner, tmp_path / "clone")) == contents(place)
    assert list(found.diffs()) == [found.diff, below.diff]
    facts = found.facts()
    assert facts["submodules"]["third/inner"]["diff"] != facts["diff"]
    assert json.loads(json.dumps(facts)) == facts


def test_a_person_s_configuration_does_not_change_the_patch(project: Path, tmp_path: Path) -> None:
    put(project, {"train.py": "lr = 2\n", "new.py": "x\n"})
    plain = read(project)
    (tmp_path / "order").write_text("*.py\n")
    config = {
        "diff.noprefix": "true",
        "diff.mnemonicPrefix": "true",
        "diff.context": "0",
        "diff.relative": "true",
        "diff.orderFile": str(tmp_path / "order"),
        "diff.suppressBlankEmpty": "true",
        "color.ui": "always",
        "core.quotePath": "true",
        "core.pager": "false",
        "status.showUntrackedFiles": "no",
        "status.relativePaths": "true",
        "status.branch": "false",
    }
    for name, value in config.items():
        git(project, "config", name, value)
    assert read(project / "models") == plain


def test_no_program_but_git_is_run(project: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    trap.chmod(0o755)
    put(project, {".gitattributes": "*.py diff=trap\n"})
    for name in ("diff.external", "diff.trap.textconv", "diff.trap.command", "core.fsmonitor"):
        git(project, "config", name, str(trap))
    for hook in ("post-index-change", "fsmonitor-watchman", "post-checkout"):
        shutil.copy(trap, project / ".git" / "hooks" / hook)
    put(project, {"train.py": "lr = 2\n"})
    (tmp_path / "sprung").unlink(missing_ok=True)
    found = read(project, environment=environment(GIT_EXTERNAL_DIFF=str(trap)))
    assert b"+lr = 2" in found.diff
    assert not (tmp_path / "sprung").exists()


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=8)


@given(
    name=NAMES.filter(lambda name: name not in (".", "..")),
    data=st.binary(max_size=60).filter(patches.is_text),
)
@settings(max_examples=25, deadline=None)
def test_a_patch_of_any_new_file_makes_it(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes
) -> None:
    where = tmp_path_factory.mktemp("new")
    patch = patches.new_file(b"dir/" + name.encode(), 0o100644, data)
    assert list(patches.sections(patch)) == [(b"dir/" + name.encode(), patch)]
    subprocess.run(
        ["git", "apply", "-"], cwd=where, env=environment(), input=patch, check=True, capture_output=True
    )
    assert (where / "dir" / name).read_bytes() == data


# --- the machine -----------------------------------------------------------------------------------


def test_packages_are_read_from_the_names_of_directories(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for name in (
        "PyYAML-6.0.1.dist-info",
        "zope.interface-5.0-py3.11.egg-info",
        "mine.egg-info",
        "odd.egg-info",
    ):
        (first / name).mkdir(parents=True)
    (first / "mine.egg-info" / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 0.3\n")
    for name in ("pyyaml-5.0.dist-info", "slack_sdk-3.33.dist-info", "plain"):
        (second / name).mkdir(parents=True)
    assert installed_packages([str(first), str(tmp_path / "missing"), str(second)]) == {
        "mine": "0.3",
        "odd": None,
        "pyyaml": "6.0.1",
        "slack-sdk": "3.33",
        "zope-interface": "5.0",
    }


def test_gpus_are_read_from_what_the_drivers_show(tmp_path: Path) -> None:
    driver = tmp_path / "proc" / "driver" / "nvidia"
    put(
        driver,
        {
            "gpus/0000:18:00.0/information": "Model: \t\t NVIDIA H200\nIRQ:   \t\t 94\n"
            "GPU UUID: \t GPU-5cba97c3\nBus Location: \t 0000:18:00.0\n",
            "version": "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release Build\n",
        },
    )
    nodes = tmp_path / "sys/class/kfd/kfd/topology/nodes"
    put(nodes, {"0/properties": "cpu_cores_count 64\nsimd_count 0\n", "0/name": "\n"})
    put(nodes, {"1/properties": "simd_count 416\nunique_id 255\n", "1/name": "aldebaran\n"})
    assert gpus(tmp_path) == [
        {"name": "NVIDIA H200", "driver": "550.54.15", "uuid": "GPU-5cba97c3"},
        {"name": "aldebaran", "driver": "amdgpu", "uuid": "GPU-00000000000000ff"},
    ]
    put(driver, {"version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19\n"})
    assert gpus(tmp_path)[0]["driver"] == "535.104.05"
    assert gpus(tmp_path / "nothing") == []


def test_the_cpu_has_a_name_where_the_system_says_it(tmp_path: Path) -> None:
    put(tmp_path, {"cpuinfo": "processor\t: 0\nmodel name\t: AMD EPYC 9654\n\n" * 200})
    assert cpu_name(tmp_path) == "AMD EPYC 9654"
    assert cpu_name(tmp_path / "nothing") == ""


# --- all of it -------------------------------------------------------------------------------------


def test_what_is_collected_is_plain_data_that_comes_back(project: Path, tmp_path: Path) -> None:
    put(project, {"train.py": "lr = 2\n", "caf\udce9.py": "x\n"})
    store = Store(tmp_path / "store")
    provenance = collect(project, ["python", "train.py", "--api-key", "hunter2"], environment=environment())
    digest = keep(store, provenance)
    facts = read_provenance(store, digest)
    assert facts == provenance.facts
    assert (facts["version"], facts["coolrunner"]) == (1, coolrunner.__version__)
    assert facts["argv"] == ["python", "train.py", "--api-key", "<api-key left out>"]
    assert (facts["left_out"], facts["project"]) == (["api-key"], str(project))
    assert facts["python"]["version"].split(".")[:2] == [str(part) for part in sys.version_info[:2]]
    assert facts["packages"]["pytest"] == pytest.__version__
    assert facts["cpu"]["usable"] >= 1
    assert facts["host"]["name"]
    assert store.get(facts["git"]["diff"]) == provenance.diffs[0]
    kept = b"".join(path.read_bytes() for path in store.path.rglob("*") if path.is_file())
    assert b"hunter2" not in kept


def test_the_same_provenance_is_kept_once(project: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    first = keep(store, collect(project, environment=environment()))
    count = len(list(store.path.rglob("*")))
    assert keep(store, collect(project, environment=environment())) == first
    assert len(list(store.path.rglob("*"))) == count
    keep(store, collect(project, ["another", "command"], environment=environment()))
    assert sum(path.is_file() for path in store.path.rglob("*")) == 3  # two of these, and the packages


def test_the_command_line_of_this_process_is_what_was_typed(project: Path) -> None:
    assert collect(project, environment=environment()).facts["argv"] == sys.orig_argv


def test_a_working_directory_that_is_gone_is_not_known(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    found = collect(project, environment=environment())
    assert found.facts["cwd"] is None
    assert found.facts["git"]["branch"] == "main"


def test_a_provenance_that_was_kept_long_ago_is_read(tmp_path: Path) -> None:
    golden = Path(__file__).parents[1] / "data" / "v1" / "provenance.json"
    store = Store(tmp_path)
    facts = read_provenance(store, store.put(golden.read_bytes()))
    assert facts["git"]["branch"] == "main"
    assert facts["argv"][-1] == "<api-key left out>"


# --- again -----------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "results" / "runs" / "000042-2026-11-21-06-23-29-resnet", RESULTS)


def facts_of(*argv: str, cwd: str | None = "/srv/code", project: str = "/srv/code") -> Mapping[str, object]:
    shown = collect("/", argv).facts
    return {**shown, "cwd": cwd, "project": project}


def test_a_run_is_started_again_by_its_command_line(run: RunDirectory) -> None:
    command, directory = rerun_command(run, facts_of("/usr/bin/python3", "train.py", "--lr", "1"))
    assert command == [sys.executable, "train.py", "--lr", "1"]
    assert directory == Path("/srv/code")
    assert rerun_command(run, facts_of("/opt/bin/train", "--lr", "1"))[0] == ["/opt/bin/train", "--lr", "1"]


def test_values_that_were_left_out_are_asked_for(run: RunDirectory) -> None:
    facts = facts_of("train", "--api-key", "x", "password=y")
    with pytest.raises(RunError, match=r"000042.*needed again: api-key, password"):
        rerun_command(run, facts)
    command, _ = rerun_command(run, facts, {"api-key": "1", "password": "2"})
    assert command == ["train", "--api-key", "1", "password=2"]


def test_a_run_can_be_started_again_from_other_sources(run: RunDirectory, tmp_path: Path) -> None:
    put(tmp_path, {"sources/train.py": "x", "sources/sub/x": ""})
    facts = facts_of(
        "/srv/code/.venv/bin/run", "/srv/code/train.py", "/srv/code/data", "lr=1", cwd="/srv/code/sub"
    )
    command, directory = rerun_command(run, facts, project=tmp_path / "sources")
    assert command == [
        "/srv/code/.venv/bin/run",
        str(tmp_path / "sources" / "train.py"),
        "/srv/code/data",
        "lr=1",
    ]
    assert directory == tmp_path / "sources" / "sub"


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({}, "which command line"),
        ({"argv": []}, "which command line"),
        ({"argv": [3], "cwd": "/"}, "which command line"),
        ({"argv": ["x"], "cwd": None}, "in which directory"),
        ({"argv": ["python", "-m", "ipykernel_launcher", "-f", "x.json"], "cwd": "/"}, "in a notebook"),
    ],
)
def test_what_cannot_be_started_again_says_why(
    run: RunDirectory, facts: Mapping[str, object], reason: str
) -> None:
    with pytest.raises(RunError, match=f"000042.*{reason}"):
        rerun_command(run, facts)


def test_a_provenance_without_a_repository_is_one_too(tmp_path: Path) -> None:
    provenance = collect(tmp_path)
    assert isinstance(provenance, Provenance)
    assert provenance.facts["git"]["problem"] == "this is no git repository"
    assert provenance.diffs == ()
