"""What a sweep costs: to count a million combinations, to pick ten of them, and to make them all.

Run it from a checkout, with the Python that has Coolrunner's dependencies::

    python benchmarks/sweeps.py            # everything, a minute or two
    python benchmarks/sweeps.py --quick    # a tenth of the combinations

Each figure is that of a fresh process, its imports included. The peer is Hydra's basic sweeper, which
splits the same grid into one list of overrides for each job before the first runs, and composes no
configuration meanwhile; it is measured where it is there: ``pip install hydra-core``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

OURS = """\
import json, resource, sys, time
began = time.perf_counter()
from coolrunner.definition.plan import read_plan
plan = read_plan("study.yaml", **json.loads(sys.argv[1]))
seconds = time.perf_counter() - began
print(plan.count, len(plan.experiments), seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

HYDRA = """\
import resource, sys, time
began = time.perf_counter()
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
overrides = [f"k{n}=" + ",".join(map(str, range(10))) for n in range(int(sys.argv[1]))]
parsed = OverridesParser.create().parse_overrides(overrides)
batches = BasicSweeper.split_arguments(parsed, None)
count = sum(map(len, batches))
seconds = time.perf_counter() - began
print(count, count, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def measured(script: str, argument: object, directory: str) -> tuple[int, int, float, float]:
    """Return how many there are, how many were made, seconds, and megabytes at most."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(argument)],
        cwd=directory,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    count, made, seconds, peak = done.stdout.split()
    return int(count), int(made), float(seconds), int(peak) / 1024


def row(what: str, figures: tuple[int, int, float, float]) -> None:
    """Print a row, as soon as it is there."""
    count, made, seconds, peak = figures
    print(f"{what:<48}{count:>10,}{made:>12,}{seconds:>10.2f} s{peak:>8.0f} MB", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the combinations")
    keys = 5 if parser.parse_args().quick else 6
    total = 10**keys
    print(f"{'':<48}{'there':>10}{'made':>12}{'time':>12}{'memory':>11}")
    with tempfile.TemporaryDirectory() as directory:
        grid = "".join(f"    k{n}: {list(range(10))}\n" for n in range(keys))
        text = f"Module: timeit\noptimizer: {{name: sgd, lr: 0.1}}\n---\nName: s\nSweep:\n  grid:\n{grid}"
        study = Path(directory, "study.yaml")
        study.write_text(f"{text}x: parse k0 + k1\n")
        picks = [str(place * total // 10 + place) for place in range(10)]
        row("counted, and 10 picked", measured(OURS, {"pick": picks, "only_picked": True}, directory))
        row("counted, and both ends looked at", measured(OURS, {"ends": 5000}, directory))
        row("expanded and resolved whole", measured(OURS, {}, directory))
        study.write_text(f"{text}  exclude: k0 == k1\n")
        row(
            "with an exclude, and 8 picked",
            measured(OURS, {"pick": picks[:8], "only_picked": True}, directory),
        )
        try:
            row("Hydra: overrides of each job, none composed", measured(HYDRA, keys, directory))
        except subprocess.CalledProcessError as error:
            print(f"Hydra: {error.stderr.strip().splitlines()[-1]}")


if __name__ == "__main__":
    main()
