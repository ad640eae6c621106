"""What a search costs beside Optuna itself: trials that do nothing, in this process, with the same storage.

    python benchmarks/search.py [TRIALS]

Bare Optuna asks and tells as its documentation shows, in the storage that a search of ours uses (the same
class, the same format) and, for comparison, in Optuna's own classes, which bring every line to the disk.
Each is a process of its own, with its start; the times in brackets are those of the trials alone, without
the start of Python and the imports.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEFINITION = """\
Global: {{root: null}}
Module: nothing
---
Name: tuned
Sweep: {{search: {{lr: loguniform(1e-5, 1e-1), layers: int(1, 6)}}, maximize: ACC, n: {n}, seed: 0}}
"""
MODULE = "def main(exp):\n    exp.ACC = exp.lr\n"
BARE = """\
import sys, time, warnings
import optuna
from pathlib import Path
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
sys.path.insert(0, {root!r})
optuna.logging.set_verbosity(optuna.logging.ERROR)
def ours():
    from coolrunner.studies.searching.storage import SearchFile
    return JournalStorage(SearchFile(Path("bare.jsonl")))
storage = {storage}
study = optuna.create_study(storage=storage, direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
space = {{"lr": FloatDistribution(1e-5, 1e-1, log=True), "layers": IntDistribution(1, 6)}}
began = time.perf_counter()
for _ in range({n}):
    trial = study.ask(space)
    study.tell(trial, trial.params["lr"])
print(time.perf_counter() - began)
"""


def main() -> None:
    """Measure and print."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    cases: list[tuple[str, Callable[[Path], list[str]]]] = [
        (
            "coolrunner --inline, memory",
            lambda _: [str(ROOT / "run.py"), "--exp", "d.yaml", "--inline", "--json"],
        ),
        (
            "coolrunner --inline, queue file",
            lambda _: [
                str(ROOT / "run.py"),
                "--exp",
                "d.yaml",
                "--inline",
                "--json",
                "--queue-file",
                "q.yaml",
            ],
        ),
        ("bare Optuna, the same storage", _bare("ours()", trials)),
        (
            "bare Optuna, its JournalFileBackend",
            _bare('JournalStorage(JournalFileBackend("own.log"))', trials),
        ),
        ("bare Optuna, SQLite", _bare('"sqlite:///own.db"', trials)),
    ]
    times: dict[str, list[float]] = {name: [] for name, _ in cases}
    inner: dict[str, list[float]] = {name: [] for name, _ in cases}
    for turn in range(5):  # in turns, as what else this machine does comes and goes
        for name, command in cases:
            if turn and "SQLite" in name:
                continue
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder)
                (path / "d.yaml").write_text(DEFINITION.format(n=trials))
                (path / "nothing.py").write_text(MODULE)
                began = time.perf_counter()
                done = subprocess.run(
                    [sys.executable, *command(path)], cwd=path, check=True, capture_output=True, text=True
                )
                times[name].append(time.perf_counter() - began)
                last = json.loads(done.stdout.splitlines()[-1])
                inner[name].append(last["elapsed"] if isinstance(last, dict) else last)
    for name, taken in times.items():
        each = min(taken) / trials * 1000
        alone = min(inner[name])
        sys.stdout.write(
            f"{name:38} {min(taken):6.2f} s, {each:5.1f} ms a trial ({alone:.2f} s without start)\n"
        )


def _bare(storage: str, trials: int) -> Callable[[Path], list[str]]:
    def command(path: Path) -> list[str]:
        script = path / "bare.py"
        script.write_text(BARE.format(root=str(ROOT), storage=storage, n=trials))
        return [str(script)]

    return command


if __name__ == "__main__":
    main()
