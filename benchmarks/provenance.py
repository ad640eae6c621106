"""What it costs to know where runs came from: once for a study, and then for each of its runs.

Run it from a checkout, with the Python that has Coolrunner's dependencies::

    python benchmarks/provenance.py            # a study of 1,000 runs, about half a minute
    python benchmarks/provenance.py --quick    # a tenth of each count, files too

The project is a git repository of 10,000 files, of which 30 are imported, some changed and some new. Every
figure is the smallest of several rounds. The peer is what programs of this kind do at the start of every run:
ask git with a command each for the commit, the branch, the status and the difference, and copy the sources.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from study import ROOT

sys.path.insert(0, str(ROOT))

from coolrunner.runs.provenance import collect, keep
from coolrunner.runs.sources import keep_sources, project_files
from coolrunner.runs.store import Store

FILES, IMPORTED, CHANGED = 10_000, 30, 20
GOAL = 0.1  # ms a run
GIT = (["rev-parse", "HEAD"], ["branch", "--show-current"], ["status", "--porcelain"], ["diff", "HEAD"])


def make_project(folder: Path, files: int) -> Path:
    """Make a repository, and import some of it."""
    for number in range(files):
        path = folder / f"part{number % 100:02}" / f"file{number:05}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# a line of about the usual length, number {number}\n" * 100)
    user = ["-c", "user.name=me", "-c", "user.email=me@localhost"]
    for command in (["init", "-q"], ["add", "."], [*user, "commit", "-qm", "first"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    for number in range(CHANGED):
        (folder / f"part{number:02}" / f"file{number:05}.py").write_text("changed = True\n")
        (folder / f"new{number}.py").write_text("new = True\n")
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    for number in range(IMPORTED):
        importlib.import_module(f"part{number:02}.file{number:05}")
    return folder


def least(what: Callable[[], object], rounds: int) -> float:
    """Return the least seconds that something takes."""
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        what()
        best = min(best, time.perf_counter() - began)
    return best


def row(what: str, seconds: float, limit: str = "") -> None:
    """Print a line."""
    print(f"{what:<58}{seconds * 1000:>10.3f} ms   {limit}", flush=True)


def naive_run(project: Path, target: Path) -> None:
    """What a run costs where nothing is shared; written for this comparison."""
    for command in GIT:
        subprocess.run(["git", *command], cwd=project, check=True, capture_output=True)
    for path in project_files(project):
        copy = target / path.relative_to(project)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    shutil.rmtree(target)


def measure(work: Path, files: int, count: int, rounds: int) -> None:
    """Measure and print."""
    project = make_project(work / "project", files)
    store = Store(work / "results" / "store")
    collecting = least(lambda: keep(store, collect(project)), rounds)
    row("collected and kept once", collecting)

    contents = {path: path.read_bytes() for path in project_files(project)}
    time.sleep(2.1)  # files that were written this very moment are read each time

    def study(runs: int) -> None:
        for _ in range(runs):
            keep_sources(store, project, contents)

    def looking(runs: int) -> None:
        for _ in range(runs):
            keep_sources(store, project, project_files(project))

    for name, work_of in (("contents as imported", study), ("files on the disk", looking)):
        work_of(1)
        for runs in (count, 10 * count):
            each = least(lambda: work_of(runs), rounds) / runs  # noqa: B023 - called at once
            row(
                f"each of {runs:,} runs, {IMPORTED} {name}",
                each,
                f"goal {GOAL} ms; ours/goal {each * 1000 / GOAL:.2f}",
            )
    naive = least(lambda: naive_run(project, work / "copies"), rounds)
    row("  git four times and copies, each run", naive, f"ours/that {each / naive:.4f}")


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of each count")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each measurement; the least counts")
    options = parser.parse_args()
    part = 10 if options.quick else 1
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name), FILES // part, 1000 // part, options.rounds)


if __name__ == "__main__":
    main()
