"""How long 100 experiments that do nothing take on Slurm, beside bare submitit.

Run it as ``python benchmarks/slurm.py``. It uses the Slurm that ``SLURM_CONF`` leads to; where that is not
set, one of its own, if it may. The aim is at most 1.5 times as long as bare submitit.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

_BARE = """
import sys, submitit
def nothing(number):
    return number
executor = submitit.SlurmExecutor(folder="bare")
executor.update_parameters(time=5)
with executor.batch():
    jobs = [executor.submit(nothing, number) for number in range(int(sys.argv[1]))]
assert [job.result() for job in jobs] == list(range(int(sys.argv[1])))
"""


@contextmanager
def _slurm() -> Iterator[dict[str, str]]:
    if "SLURM_CONF" in os.environ:
        yield {}
        return
    from tests.tools.slurm_cluster import SlurmCluster, why_not

    if reason := why_not():
        raise SystemExit(reason)
    cluster = SlurmCluster().start()
    try:
        yield cluster.environment
    finally:
        cluster.stop()


def _ours(directory: Path, count: int, environment: dict[str, str], per_job: int) -> float:
    (directory / "module.py").write_text("def main(exp):\n    exp.N = exp.n\n")
    head = (
        f"Global: {{executor: slurm, jobs: {count}, slurm: {{experiments_per_job: {per_job}}}}}\n"
        "Module: module\nYamlLog: log.yaml\n"
    )
    documents = [f"---\nName: e{number}\nn: {number}\n" for number in range(count)]
    (directory / "study.yaml").write_text(head + "".join(documents))
    return _timed([sys.executable, str(ROOT / "run.py"), "--exp", "study.yaml"], directory, environment)


def _timed(argv: list[str], directory: Path, environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        argv, cwd=directory, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, check=True
    )
    return time.perf_counter() - began


def main() -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    times: dict[str, list[float]] = {}
    with _slurm() as environment:
        for _ in range(options.rounds):
            for name in ("bare submitit", "one a job", "ten a job"):
                with tempfile.TemporaryDirectory() as place:
                    directory = Path(place)
                    if name == "bare submitit":
                        argv = [sys.executable, "-c", _BARE, str(options.count)]
                        seconds = _timed(argv, directory, environment)
                    else:
                        per_job = 1 if name == "one a job" else 10
                        seconds = _ours(directory, options.count, environment, per_job)
                times.setdefault(name, []).append(seconds)
    bare = statistics.median(times["bare submitit"])
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        print(f"{name:14} {middle:6.1f} s  {middle / bare:5.2f} of bare submitit")


if __name__ == "__main__":
    main()
