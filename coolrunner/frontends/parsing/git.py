"""What an argparse script wants to know of git: the commit, and whether files differ from it."""

from __future__ import annotations

import os
from pathlib import Path

from coolrunner.errors import UsageError
from coolrunner.runs.repository import Repository, read_repository

__all__ = ["read_git"]


def read_git(where: bool | str | os.PathLike[str], runs: Path, *, must_be_clean: bool) -> Repository:
    """Return how a repository stands.

    Parameters
    ----------
    where
        A path in it; True for the working directory.
    runs
        The root of runs, which are no part of the code.
    must_be_clean
        Whether files that differ from the commit are an error. New files, which git does not know, are no
        such files.

    Raises
    ------
    UsageError
        There is no repository, or git does not answer.
    RuntimeError
        Files differ from the commit.
    """
    path = Path.cwd() if isinstance(where, bool) else Path(where)
    repository = read_repository(path, apart=[runs])
    if repository.dirty is None:
        raise UsageError(
            f"git does not tell of {path}: {repository.problem}; "
            "give ExParser the path of a repository, as in git='/path/to/it'"
        )
    if must_be_clean and repository.dirty:
        raise RuntimeError(
            f"the repository {repository.root} is dirty: commit the changes, or run with --git-dirty"
        )
    return repository
