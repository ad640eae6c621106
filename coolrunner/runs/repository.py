"""What git says of the code: its commit, and how the files differ from it.

Git is asked and nothing more: no hook, no external or text-converting diff program and no file system
monitor is run, nothing is fetched, no lock is taken, and no other file than those in the patch is read.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from coolrunner.runs import patches
from coolrunner.runs.secrets import SECRET_CONTENT, SECRET_NAME, is_secret_file, looks_secret
from coolrunner.runs.store import digest_of

if TYPE_CHECKING:
    import subprocess

__all__ = ["LIMIT", "Repository", "read_repository"]

#: Bytes up to which a changed file is in the patch; all of the patch has ten times as many at most.
LIMIT = 1_000_000
_PATCH = 10
#: Names in a list, and new files in a patch.
_MANY = 1000
#: Seconds in which git answers, on file servers too.
_PATIENCE = 10.0

_NESTED = "a repository of its own"
_UNREADABLE = "it cannot be read"
_ENOUGH = "the patch is big enough without it"

# New files that are most likely meant to be part of the project come first where there are too many.
_CODE = (".py", ".yaml", ".yml", ".toml", ".sh", ".cfg", ".ini", ".ipynb", ".cu", ".cpp", ".c", ".h", ".r")


@dataclass(frozen=True)
class Repository:
    """A working tree, as git saw it.

    Attributes
    ----------
    root
        Its directory; empty where there is none.
    commit
        The full name of the commit that is checked out; None before the first one, or where it is not known.
    branch
        None where the head is detached.
    dirty
        Whether files that git knows differ from the commit; None where that is not known.
    diff
        A patch that ``git apply`` takes on the commit: those files, and new ones that are not ignored.
    untracked
        The new files, also those that are not in the patch.
    left_out
        What has changed and is not in the patch, with the reason.
    more
        How many further names the two have no place for.
    submodules
        Those that are not as the commit has them, by their path.
    problem
        Why something of this is missing; empty where nothing is.
    """

    root: str = ""
    commit: str | None = None
    branch: str | None = None
    dirty: bool | None = None
    diff: bytes = b""
    untracked: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    more: int = 0
    submodules: Mapping[str, Repository] = field(default_factory=dict)
    problem: str = ""

    def facts(self) -> dict[str, Any]:
        """Return this as plain data, with the digest of each patch in its place."""
        return {
            "root": self.root,
            "commit": self.commit,
            "branch": self.branch,
            "dirty": self.dirty,
            "diff": digest_of(self.diff) if self.diff else None,
            "untracked": list(self.untracked),
            "left_out": dict(self.left_out),
            "more": self.more,
            "submodules": {path: inner.facts() for path, inner in self.submodules.items()},
            "problem": self.problem,
        }

    def diffs(self) -> Iterator[bytes]:
        """Yield each patch: its own, and those of its submodules."""
        if self.diff:
            yield self.diff
        for inner in self.submodules.values():
            yield from inner.diffs()


def read_repository(
    directory: str | Path,
    *,
    limit: int = LIMIT,
    apart: Iterable[str | Path] = (),
    environment: Mapping[str, str] | None = None,
) -> Repository:
    """Ask git about the repository that a directory is in.

    Parameters
    ----------
    directory
        Any directory of a working tree.
    limit
        Bytes up to which a changed or a new file is in the patch.
    apart
        Directories whose files are no part of the code, such as roots of runs.
    environment
        The variables of the process. Those that a git above this one has set, for a hook say, are not heeded.

    Returns
    -------
    What is known; `Repository.problem` says why there is no more. This never raises for git's sake.
    """
    root = _find_root(Path(directory))
    if root is None:
        return Repository(problem="this is no git repository")
    try:
        return _read(root, limit, [Path(path).resolve() for path in apart], _variables(root, environment))
    except FileNotFoundError:
        return Repository(str(root), problem="git is not installed, or not on the search path")
    except OSError as error:
        return Repository(str(root), problem=f"git cannot be started: {error.strerror}")


def _find_root(directory: Path) -> Path | None:
    directory = directory.resolve()
    for path in (directory, *directory.parents):
        mark = path / ".git"
        # A file in the working trees of submodules and of `git worktree`.
        if mark.is_file() or (mark / "HEAD").exists():
            return path
    return None


def _variables(root: Path, environment: Mapping[str, str] | None) -> dict[str, str]:
    source = os.environ if environment is None else environment
    # A hook's variables name its own repository and index; those of the configuration are a person's.
    variables = {
        name: value
        for name, value in source.items()
        if not name.startswith("GIT_") or (name.startswith("GIT_CONFIG_") and name != "GIT_CONFIG_PARAMETERS")
    }
    return variables | {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_CEILING_DIRECTORIES": str(root.parent),
        "LC_ALL": "C",
    }


# --- what is asked ---

_GIT = (
    f"git --no-pager -c core.fsmonitor=false -c core.hooksPath={os.devnull} -c core.quotePath=false "
    # What no option of `diff` says.
    "-c diff.suppressBlankEmpty=false -c diff.relative=false -c diff.autoRefreshIndex=false"
)
_STATUS = "status --porcelain=v2 --branch --no-renames -z"
_DIFF = (
    f"diff -O{os.devnull} --no-ext-diff --no-textconv --no-renames --no-color --full-index "
    "--unified=3 --inter-hunk-context=0 --src-prefix=a/ --dst-prefix=b/ --ignore-submodules=all"
)


def _read(root: Path, limit: int, apart: Sequence[Path], variables: dict[str, str]) -> Repository:
    # Only the changes of files that are not big are computed at all; git calls the others binary.
    git = [*_GIT.split(), "-c", f"core.bigFileThreshold={limit}"]
    paths = ["--", *_without(root, apart)]

    def ask(*questions: list[str]) -> list[_Answer]:
        return _ask([[*git, *question] for question in questions], root, variables)

    diff, status = ask([*_DIFF.split(), "HEAD", *paths], [*_STATUS.split(), "--untracked-files=all", *paths])
    problem = status.problem
    if problem:
        # Without a look for new files, of which there may be millions.
        (status,) = ask([*_STATUS.split(), "--untracked-files=no", *paths])
        if status.problem:
            return Repository(str(root), problem=problem)
    seen = _Status.read(status.text)
    if seen.commit is None:
        (empty,) = ask(["hash-object", "-t", "tree", os.devnull])
        (diff,) = ask([*_DIFF.split(), empty.text.decode().strip(), *paths])
    patch = _Patch(limit)
    patch.add_changes(diff.text)
    patch.add_new_files(root, seen.untracked)
    submodules = {
        name: read_repository(root / name, limit=limit, apart=apart, environment=variables)
        for name in seen.submodules
        if (root / name / ".git").exists()
    }
    left_out = dict(list(patch.left_out.items())[:_MANY])
    return Repository(
        root=str(root),
        commit=seen.commit,
        branch=seen.branch,
        dirty=seen.dirty,
        diff=bytes(patch.text),
        untracked=tuple(seen.untracked[:_MANY]),
        left_out=left_out,
        more=max(len(seen.untracked) - _MANY, 0) + len(patch.left_out) - len(left_out),
        submodules=submodules,
        problem=problem or diff.problem,
    )


def _without(root: Path, apart: Sequence[Path]) -> list[str]:
    below = [path.relative_to(root).as_posix() for path in apart if root in path.parents]
    return [f":(top,exclude,literal){path}" for path in below]


@dataclass(frozen=True)
class _Answer:
    text: bytes
    problem: str = ""


def _ask(commands: Sequence[list[str]], root: Path, variables: dict[str, str]) -> list[_Answer]:
    """Run some commands at the same time; return what each has said."""
    import subprocess  # not needed where there is no repository

    until = time.monotonic() + _PATIENCE
    running: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            running.append(
                subprocess.Popen(
                    command,
                    cwd=root,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
            )
        return [_answer(process, root, until) for process in running]
    finally:
        for process in running:
            _end(process)


def _answer(process: subprocess.Popen[bytes], root: Path, until: float) -> _Answer:
    import subprocess

    try:
        text, said = process.communicate(timeout=max(until - time.monotonic(), 0.01))
    except subprocess.TimeoutExpired:
        return _Answer(b"", f"git took longer than {_PATIENCE:g} seconds")
    if process.returncode == 0:
        return _Answer(text)
    words = said.decode(errors="replace").strip()
    if "dubious ownership" in words or "unsafe repository" in words:
        return _Answer(
            b"",
            "git refuses a repository that belongs to another user; "
            f"this allows it: git config --global --add safe.directory {root}",
        )
    return _Answer(b"", "git: " + (words.partition("\n")[0] or f"ended with status {process.returncode}"))


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
    streams: tuple[IO[bytes] | None, ...] = (process.stdout, process.stderr)
    for stream in streams:
        if stream is not None:
            stream.close()


# --- what it answers ---


@dataclass
class _Status:
    """The answer of ``git status --porcelain=v2``, as its manual page describes it."""

    commit: str | None = None
    branch: str | None = None
    dirty: bool = False
    untracked: list[str] = field(default_factory=list)
    submodules: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, text: bytes) -> _Status:
        status = cls()
        for line in filter(None, text.split(b"\0")):
            kind, _, rest = line.partition(b" ")
            if kind == b"#":
                name, _, value = os.fsdecode(rest).partition(" ")
                if name == "branch.oid" and value != "(initial)":
                    status.commit = value
                elif name == "branch.head" and value != "(detached)":
                    status.branch = value
            elif kind == b"?":
                status.untracked.append(os.fsdecode(rest))
            else:
                fields = rest.split(b" ", 9 if kind == b"u" else 7)
                submodule = fields[1]
                # One that only has new files of its own is not changed.
                if submodule[:3] != b"S.." or fields[0] != b".M":
                    status.dirty = True
                if submodule.startswith(b"S"):
                    status.submodules.append(os.fsdecode(fields[-1]))
        return status


class _Patch:
    """A patch that grows, and what is left out of it."""

    def __init__(self, limit: int) -> None:
        self.text = bytearray()
        self.left_out: dict[str, str] = {}
        self._limit = limit
        self._big = f"binary, or bigger than {limit:,} bytes"

    def add_changes(self, patch: bytes) -> None:
        """Add what git has found."""
        for name, section in patches.sections(patch):
            # A file that was touched and not changed has a first line alone.
            if section.count(b"\n") > 1:
                binary = patches.is_binary(section)
                self._add(os.fsdecode(name), section, self._big if binary else "")

    def add_new_files(self, root: Path, names: Sequence[str]) -> None:
        """Add files that git does not know."""
        ordered = sorted(names, key=lambda name: (not name.lower().endswith(_CODE), name))
        for count, name in enumerate(ordered):
            if name.endswith("/"):
                self.left_out[name] = _NESTED
            elif count >= _MANY:
                self.left_out[name] = _ENOUGH
            elif is_secret_file(name):
                self.left_out[name] = SECRET_NAME
            else:
                self._add(name, *self._new_file(root, name))

    def _new_file(self, root: Path, name: str) -> tuple[bytes, str]:
        """Return a patch that makes a file, or why there is none."""
        path = root / name
        try:
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                return patches.new_file(os.fsencode(name), 0o120000, os.fsencode(path.readlink())), ""
            if not stat.S_ISREG(status.st_mode):
                return b"", _UNREADABLE
            if status.st_size > self._limit:
                return b"", self._big
            data = path.read_bytes()
        except OSError:
            return b"", _UNREADABLE
        if not patches.is_text(data):
            return b"", self._big
        mode = 0o100755 if status.st_mode & stat.S_IXUSR else 0o100644
        return patches.new_file(os.fsencode(name), mode, data), ""

    def _add(self, name: str, section: bytes, problem: str) -> None:
        if is_secret_file(name):
            problem = SECRET_NAME
        elif not problem and looks_secret(section):
            problem = SECRET_CONTENT
        elif not problem and len(self.text) + len(section) > _PATCH * self._limit:
            problem = _ENOUGH
        if problem:
            self.left_out[name] = problem
        else:
            self.text += section
