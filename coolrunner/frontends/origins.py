"""Where the runs of a script come from: its provenance, and the sources that it has imported."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

from coolrunner.runs.project import project_files
from coolrunner.runs.provenance import Provenance, collect, keep
from coolrunner.runs.root import Root
from coolrunner.runs.sources import keep_sources
from coolrunner.runs.status import RunState, now, this_process_facts
from coolrunner.runs.store import Store

__all__ = ["Sources", "new_state", "script_directory"]


def script_directory() -> Path:
    """Return the directory of the script that runs; the working directory, where there is no script."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(file).resolve().parent if file else Path.cwd()


def new_state(root: Root) -> RunState:
    """Return the state of a run that this process begins, with where it comes from.

    Raises
    ------
    RunWriteError
        The disk does not take what the store is to keep of that.
    """
    return RunState(
        started=now(),
        **this_process_facts(),
        provenance=keep(Store(root.store), _provenance(script_directory(), root.path)),
        sources=Sources.of(root.store, root.path).keep(),
    )


@lru_cache(maxsize=8)
def _provenance(project: Path, root: Path) -> Provenance:
    # Once in a process: what it has imported does not change with the files.
    return collect(project, apart=[root])


class Sources:
    """The sources of this script, each as it was when a run first saw it.

    Parameters
    ----------
    store
        The directory that keeps them.
    root
        That of the runs, which are no part of the project.
    """

    def __init__(self, store: Path, root: Path) -> None:
        self._store = Store(store)
        self._root = root
        self._project = script_directory()
        self._contents: dict[Path, bytes] = {}

    @classmethod
    @lru_cache(maxsize=8)
    def of(cls, store: Path, root: Path) -> Sources:
        """Return those for a root, the same ones each time."""
        return cls(store, root)

    def keep(self) -> str:
        """Keep what is imported by now; return the digest of the manifest.

        Raises
        ------
        RunWriteError
            The disk does not take it.
        """
        for path in project_files(self._project, apart=[self._root]):
            if path not in self._contents:
                try:
                    self._contents[path] = path.read_bytes()
                except OSError:
                    continue
        return keep_sources(self._store, self._project, self._contents)
