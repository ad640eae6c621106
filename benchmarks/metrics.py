"""What a scalar costs: logged and with the operating system, a million of them, and at a tenth of that.

Run it from a checkout, with the Python that has Coolrunner's dependencies::

    python benchmarks/metrics.py            # a million calls each, about a minute
    python benchmarks/metrics.py --quick    # a tenth of that

A figure is microseconds a call, from the first call until the file is closed, the smallest of several runs,
each in a process of its own; and that process's peak memory, which is the same at a tenth of the calls. The
peer is a bare ``csv.writer`` that is given the same rows, with a buffer and no promise about what a kill
costs. Others are measured where they are there: tensorboardX and MLflow (``pip install tensorboardX
mlflow``), at a tenth and a thousandth of the calls.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile

from study import ROOT, has

GOAL = 4.0  # us a call

START = """\
import csv, json, os, random, resource, sys, tempfile, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
count, work = int(sys.argv[2]), Path(tempfile.mkdtemp(dir=sys.argv[3]))
values = [random.random() for _ in range(1000)]
loops = range(count // len(values))
"""

END = """\
seconds = time.perf_counter() - began
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"us": seconds / len(loops) / len(values) * 1e6, "mb": memory}))
"""

RUN = """\
from coolrunner.runs import current
from coolrunner.runs.root import Root
from coolrunner.runs.session import Run
from coolrunner.runs.status import RunState
run = Run(Root(work / "results").create("{}\\n", RunState()))
current.enter(run)
"""

METRICS = """\
from coolrunner.runs.metrics import Metrics
metrics = Metrics(work / "metrics.csv")
"""

CASES = {
    "one name": f"""\
{METRICS}
began = time.perf_counter()
for _ in loops:
    for value in values:
        metrics.log("loss", value)
metrics.close()
""",
    "1,000 names": f"""\
{METRICS}
pairs = [(f"layer{{i % 50}}/weights/{{i}}", value) for i, value in enumerate(values)]
began = time.perf_counter()
for step in loops:
    for name, value in pairs:
        metrics.log(name, value, step)
metrics.close()
""",
    "exp.run.log_scalar": f"""\
{RUN}
began = time.perf_counter()
for _ in loops:
    for value in values:
        run.log_scalar("loss", value)
run.close()
""",
    "logger.log_scalar": f"""\
{RUN}
from coolrunner.runs.logger import logger
began = time.perf_counter()
for _ in loops:
    for value in values:
        logger.log_scalar("loss", value)
run.close()
""",
    "logger.log_scalar, with a prefix": f"""\
{RUN}
from coolrunner.runs.logger import logger
began = time.perf_counter()
with logger.prefix("O/"):
    for _ in loops:
        for value in values:
            logger.log_scalar("loss", value)
run.close()
""",
}

CSV = """\
file = open(work / "metrics.csv", "w", newline="")
writer = csv.writer(file)
began = time.perf_counter()
for step in loops:
    for value in values:
        writer.writerow(("loss", step, value, time.time()))
file.close()
"""

WITH_TENSORBOARD = f"""\
{RUN}
run.logger.tensorboard()
began = time.perf_counter()
for _ in loops:
    for value in values:
        run.log_scalar("loss", value)
run.close()
"""

TENSORBOARDX = """\
from tensorboardX import SummaryWriter
writer = SummaryWriter(str(work))
began = time.perf_counter()
for step in loops:
    for number, value in enumerate(values):
        writer.add_scalar("loss", value, step * len(values) + number)
writer.close()
"""

MLFLOW = """\
import mlflow
mlflow.set_tracking_uri(str(work))
mlflow.start_run()
began = time.perf_counter()
for step in loops:
    for number, value in enumerate(values):
        mlflow.log_metric("loss", value, step * len(values) + number)
mlflow.end_run()
"""


class Table:
    """Prints a line a measurement, as soon as it is there."""

    def __init__(self, work: str, runs: int) -> None:
        self._work = work
        self._runs = runs
        print(f"{'what':<40}{'calls':>10}{'us a call':>11}{'MB':>7}   goal {GOAL} us")

    def row(
        self, what: str, script: str, count: int, peers: dict[str, float] | None = None, goal: float = 0.0
    ) -> float:
        """Measure, and print a row with the ratios to peers and the goal; return microseconds a call."""
        found = [self._measure(script, max(count, 1000)) for _ in range(self._runs)]
        least, memory = min(one["us"] for one in found), max(one["mb"] for one in found)
        ratios = "".join(f"   ours/{name} {least / peer:.2f}" for name, peer in (peers or {}).items())
        if goal:
            ratios += f"   ours/goal {least / goal:.2f}"
        print(f"{what:<40}{max(count, 1000):>10,}{least:>11.2f}{memory:>7.0f}{ratios}", flush=True)
        return least

    def _measure(self, script: str, count: int) -> dict[str, float]:
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            START + script + END,
            str(ROOT),
            str(count),
            self._work,
        ]
        ended = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        found: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
        return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of each count")
    parser.add_argument("--runs", type=int, default=3, help="runs of each; the least counts")
    options = parser.parse_args()
    count = 100_000 if options.quick else 1_000_000
    with tempfile.TemporaryDirectory() as work:
        table = Table(work, options.runs)
        bare = {"csv": table.row("a bare csv writer", CSV, count)}
        table.row("Metrics.log, one name", CASES["one name"], count // 10, bare, GOAL)
        for what, script in CASES.items():
            table.row(what if "." in what else f"Metrics.log, {what}", script, count, bare, GOAL)
        peers: dict[str, float] = {}
        if has("tensorboardX"):
            peers["tensorboardX"] = table.row("tensorboardX add_scalar", TENSORBOARDX, count // 10)
        if has("tensorboard"):
            table.row("exp.run.log_scalar, and for TensorBoard", WITH_TENSORBOARD, count // 10, peers)
        if has("mlflow"):
            table.row("MLflow log_metric, to files", MLFLOW, count // 1000)
        for peer in ("tensorboardX", "mlflow"):
            if not has(peer):
                print(f"{peer}: not installed")


if __name__ == "__main__":
    main()
