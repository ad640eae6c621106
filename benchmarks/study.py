"""What a study costs: start-up, experiments that do nothing, and reading a large definition.

Run it from a checkout, with the Python that has Coolrunner's dependencies::

    python benchmarks/study.py            # everything, about two minutes
    python benchmarks/study.py --quick    # a tenth of each count

Every figure is the whole process, the smallest of several runs, and its peak memory. Peers are measured
in the same run where they are there: Hydra and Sacred (``pip install hydra-core sacred``) and GNU
parallel; the rest stands under "not installed".
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUN = [sys.executable, str(ROOT / "run.py")]

DEFINITION = """\
Module: nothing
Name: nothing
lr: 0.1
optimizer: {{name: adam, lr: 0.1}}
YamlLog: log.yaml
---
Repeat: {count}
x: parse REP
"""

THREE_EXPRESSIONS = """\
---
Name: e{i}
lr: {i}e-3
x: parse lr * 2
y: parse E[-1].lr if len(E) else 0
z: parse f'{{Name}}-{{x}}'
"""

HYDRA = """\
import hydra

@hydra.main(version_base=None, config_path=None)
def main(cfg):
    pass

main()
"""

SACRED = """\
import sys
from sacred import Experiment
from sacred.observers import FileStorageObserver

for number in range(int(sys.argv[1])):
    ex = Experiment("nothing", save_git_info=False)
    ex.observers.append(FileStorageObserver("runs"))
    ex.add_config(lr=0.1)

    @ex.main
    def main(lr):
        return 0.5

    ex.run(options={"--loglevel": "ERROR"})
"""

# The straightforward way, which the first programs of this kind took: a scope and a history of its own
# for every expression. Written for this comparison.
NAIVE = """\
import sys, yaml

history = []
with open(sys.argv[1]) as file:
    default, *documents = yaml.load_all(file, Loader=yaml.CSafeLoader)
for document in documents:
    experiment = {}
    for key, value in {**default, **document}.items():
        if isinstance(value, str) and value.startswith("parse "):
            scope = {**experiment, "E": [type("Exp", (), dict(past)) for past in history[-1000:]]}
            value = eval(value[6:], scope)
        experiment[key] = value
    history.append(experiment)
"""


def measure(command: list[str], directory: Path, runs: int, clean: str = "") -> tuple[float, float]:
    """Return the least wall seconds and the largest peak memory in MB of several runs."""
    best, peak = float("inf"), 0.0
    for _ in range(runs):
        if clean:
            shutil.rmtree(directory / clean, ignore_errors=True)
            (directory / clean).unlink(missing_ok=True)
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        best = min(best, time.perf_counter() - began)
        peak = max(peak, usage.ru_maxrss / 1024)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{errors.decode()}")
    return best, peak


class Table:
    """Prints a line a measurement, as soon as it is there."""

    def __init__(self) -> None:
        print(f"{'what':<46}{'seconds':>9}{'each':>11}{'MB':>7}   peer")
        self.last = 0.0

    def row(self, what: str, figure: tuple[float, float], count: int = 1, peer: str = "") -> float:
        """Print a row; return the seconds."""
        seconds, memory = figure
        each = f"{seconds / count * 1000:.3f} ms" if count > 1 else ""
        print(f"{what:<46}{seconds:>9.3f}{each:>11}{memory:>7.0f}   {peer}", flush=True)
        return seconds


def has(module: str) -> bool:
    """Whether a peer is installed beside this Python."""
    return importlib.util.find_spec(module) is not None


def start_up(table: Table, work: Path, runs: int) -> None:
    """run.py --help."""
    peer, _ = measure([sys.executable, "-c", "import yaml"], work, 5 * runs)
    ours = measure([*RUN, "--help"], work, 5 * runs)
    table.row("run.py --help", ours, peer=f"python -c 'import yaml' {peer:.3f} s; ratio {ours[0] / peer:.2f}")
    if has("hydra"):
        other, _ = measure([sys.executable, "hydra_app.py", "--help"], work, runs)
        table.row("  Hydra --help", (other, 0), peer=f"ratio ours/Hydra {ours[0] / other:.2f}")


def nothing(table: Table, work: Path, runs: int, count: int) -> None:
    """Experiments that do nothing, inline and in fresh processes."""
    for number in (count, 10 * count):
        (work / f"nothing{number}.yaml").write_text(DEFINITION.format(count=number))
    bare, kept = "+Global.root=null", "+Global.root=kept"
    command = [*RUN, "--exp", f"nothing{count}.yaml", "--quiet"]
    small = measure([*command, "--inline", bare], work, runs, "log.yaml")
    table.row(f"{count:,} do-nothing experiments, --inline", small, count)
    many = [*RUN, "--exp", f"nothing{10 * count}.yaml", "--quiet", "--inline"]
    large = measure([*many, bare], work, runs, "log.yaml")
    table.row(f"{10 * count:,} the same", large, 10 * count, f"ratio to {count:,}: {large[0] / small[0]:.1f}")
    with_runs = measure([*command, "--inline", kept], work, runs, "log.yaml")
    table.row(f"{count:,} with run directories", with_runs, count)
    if has("sacred"):
        number = max(count // 10, 10)
        other, memory = measure([sys.executable, "sacred_app.py", str(number)], work, 1, "runs")
        ratio = with_runs[0] / count / (other / number)
        table.row(
            f"  Sacred, file storage, {number} runs in a loop",
            (other, memory),
            number,
            f"ratio ours/Sacred {ratio:.3f}",
        )
    fresh = measure([*command, bare], work, runs, "log.yaml")
    table.row(f"{count:,} in fresh processes", fresh, count)
    table.row(f"{count:,} with run directories", measure([*command, kept], work, runs, "log.yaml"), count)
    if shutil.which("parallel"):
        command = ["sh", "-c", f"seq {count} | parallel -j1 true"]
        other, memory = measure(command, work, 1)
        table.row(
            f"  GNU parallel, {count:,} times true, 1 job",
            (other, memory),
            count,
            f"ratio ours/parallel {fresh[0] / other:.2f}",
        )
    else:
        print("  GNU parallel: not installed")
    if has("hydra"):
        number = max(count // 20, 5)
        values = ",".join(map(str, range(number)))
        other, memory = measure([sys.executable, "hydra_app.py", "-m", f"+x={values}"], work, 1, "multirun")
        ratio = fresh[0] / count / (other / number)
        table.row(
            f"  Hydra -m, {number} jobs, one process",
            (other, memory),
            number,
            f"ratio ours/Hydra {ratio:.3f}",
        )


def reading(table: Table, work: Path, runs: int, count: int) -> None:
    """A definition of many documents with three expressions each, read and resolved."""
    for number in (count // 10, count):
        text = DEFINITION.split("---")[0].format() + "".join(
            THREE_EXPRESSIONS.format(i=i) for i in range(number)
        )
        (work / f"read{number}.yaml").write_text(text)
    code = (
        "import sys; sys.path[:0] = ['.', sys.argv[1]]\n"
        "from coolrunner.definition.plan import read_plan\n"
        "assert len(read_plan(sys.argv[2]).experiments) == int(sys.argv[3])\n"
    )
    figures = []
    for number in (count // 10, count):
        command = [sys.executable, "-c", code, str(ROOT), f"read{number}.yaml", str(number)]
        figures.append(measure(command, work, runs))
        peer = f"ratio to {count // 10:,}: {figures[-1][0] / figures[0][0]:.1f}" if len(figures) > 1 else ""
        table.row(f"{number:,} experiments read and resolved", figures[-1], number, peer)
    number = max(count // 100, 10)
    text = DEFINITION.split("---")[0].format() + "".join(THREE_EXPRESSIONS.format(i=i) for i in range(number))
    (work / "naive.yaml").write_text(text.replace("e-3", ".0e-3"))
    other, memory = measure([sys.executable, "naive.py", "naive.yaml"], work, 1)
    ratio = figures[-1][0] / count / (other / number)
    table.row(
        f"  a history of its own an expression, {number:,}",
        (other, memory),
        number,
        f"ratio ours/that {ratio:.3f}",
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of each count")
    parser.add_argument("--runs", type=int, default=3, help="runs of each command; the least counts")
    options = parser.parse_args()
    scale = 10 if options.quick else 1
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "nothing.py").write_text("def main(exp):\n    exp.ACCURACY = 0.5\n")
        (work / "hydra_app.py").write_text(HYDRA)
        (work / "sacred_app.py").write_text(SACRED)
        (work / "naive.py").write_text(NAIVE)
        for peer in ("hydra", "sacred"):
            if not has(peer):
                print(f"{peer}: not installed")
        table = Table()
        start_up(table, work, options.runs)
        nothing(table, work, options.runs, 1000 // scale)
        reading(table, work, options.runs, 100_000 // scale)


if __name__ == "__main__":
    main()
