"""What it costs to import Coolrunner: at the top of a script, and before the first value is logged.

Run it from a checkout, with the Python that has Coolrunner's dependencies::

    python benchmarks/imports.py            # some seconds
    python benchmarks/imports.py --quick    # a quarter of the runs

A figure is the time of the statement itself, and beside it that of the whole process, each the smallest of
several runs in a fresh Python, with compiled files in place. Peers are measured in turn with ours where they
are there: ``pip install sacred mlflow-skinny``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time

from study import ROOT, has

GOAL = 60.0  # ms, of `import coolrunner`

OURS = [
    "import coolrunner",
    "from coolrunner import current_run, logger, ExParser",
    "from coolrunner import create_experiment",
]
PEERS = {
    "sacred": "from sacred import Experiment",
    "mlflow": "import mlflow",
    "tensorboardX": "from tensorboardX import SummaryWriter",
    "argparse, yaml": "import argparse, yaml",
}

SCRIPT = """\
import sys, time
sys.path.insert(0, sys.argv[1])
began = time.perf_counter()
{statement}
print(time.perf_counter() - began)
"""


def measure(statement: str, environment: dict[str, str]) -> tuple[float, float]:
    """Return the milliseconds of a statement, and of the process that it is run in."""
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT.format(statement=statement), str(ROOT)]
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return float(done.stdout.splitlines()[-1]) * 1000, (time.perf_counter() - began) * 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="a quarter of the runs")
    options = parser.parse_args()
    peers = {name: text for name, text in PEERS.items() if "," in name or has(name)}
    found: dict[str, list[tuple[float, float]]] = {text: [] for text in [*OURS, *peers.values()]}
    with tempfile.TemporaryDirectory() as compiled:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for _ in range(6 if options.quick else 21):  # the first compiles
            for (
                statement,
                figures,
            ) in found.items():  # in turn: the machine is as busy for one as for the other
                figures.append(measure(statement, environment))
    least = {
        text: (min(itself for itself, _ in figures), min(process for _, process in figures))
        for text, figures in found.items()
    }
    print(f"{'what':<54}{'ms':>8}{'process':>9}   goal {GOAL:.0f} ms")
    for text, (itself, process) in least.items():
        ratios = ""
        if text in OURS:
            ratios = f"   ours/goal {itself / GOAL:.2f}"
            ratios += "".join(f"   ours/{name} {itself / least[peer][0]:.2f}" for name, peer in peers.items())
        print(f"{text:<54}{itself:>8.1f}{process:>9.1f}{ratios}")
    for name in sorted(PEERS.keys() - peers.keys()):
        print(f"{name}: not installed")


if __name__ == "__main__":
    main()
