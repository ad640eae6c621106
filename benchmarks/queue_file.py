"""What a queue file costs: a take, a study on two slots, an edit, waiting, and the commands.

Run it from a checkout, with the Python that has Coolrunner's dependencies::

    python benchmarks/queue_file.py            # everything, about four minutes
    python benchmarks/queue_file.py --quick    # a tenth of each count

The peer of a take is the straightforward way, which the first programs of this kind took: read the YAML
file, take the first document off, write the rest. The peers of a study are GNU parallel, where it is
installed, and Python's own concurrent.futures with a process an experiment.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from coolrunner.definition.plan import read_plan  # noqa: E402
from coolrunner.queue.base import Status  # noqa: E402
from coolrunner.studies.queues import attach, open_file  # noqa: E402

COOLRUNNER = [sys.executable, "-m", "coolrunner"]
# The modules are compiled once, as where Coolrunner is installed.
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    "PYTHONDONTWRITEBYTECODE": "",
    "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir(), "coolrunner-bytecode")),
}

MODULE = "def main(exp):\n    pass\n"

DEFINITION = """\
Global: {{queue: queue.yaml}}
Module: nothing
Name: nothing
optimizer: {{name: adam, lr: 0.1, betas: [0.9, 0.999]}}
model: resnet18
epochs: 90
YamlLog: log.yaml
---
Repeat: {count}
x: parse REP
"""

NAIVE = """\
import os, sys, time, yaml

path = sys.argv[1]
began, takes = time.perf_counter(), 0
while takes < int(sys.argv[2]):
    with open(path) as file:
        documents = list(yaml.load_all(file, Loader=yaml.CSafeLoader))
    if not documents:
        break
    with open(path + ".new", "w") as file:
        yaml.dump_all(documents[1:], file, Dumper=yaml.CSafeDumper, sort_keys=False)
    os.replace(path + ".new", path)
    takes += 1
print((time.perf_counter() - began) / takes)
"""

EXECUTOR = """\
import sys
from concurrent.futures import ProcessPoolExecutor

def nothing(number):
    return number

if __name__ == "__main__":
    with ProcessPoolExecutor(2, max_tasks_per_child=1) as pool:
        list(pool.map(nothing, range(int(sys.argv[1]))))
"""


def row(what: str, figure: str, peer: str = "") -> None:
    """Print a row, as soon as it is there."""
    print(f"{what:<58}{figure:>14}   {peer}", flush=True)


@contextlib.contextmanager
def project(count: int) -> Iterator[Path]:
    """Work in a new directory with a definition of so many experiments."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        (work / "nothing.py").write_text(MODULE)
        (work / "study.yaml").write_text(DEFINITION.format(count=count))
        os.chdir(work)
        sys.path.insert(0, directory)
        try:
            yield work
        finally:
            sys.path.remove(directory)
            os.chdir(before)


def fill(work: Path) -> None:
    """Put the study's experiments into its queue file."""
    opened = open_file(read_plan("study.yaml"), work / "queue.yaml")
    opened.queue.put(opened.items)
    opened.queue.close()


def takes(counts: tuple[int, int], naive: int) -> None:
    """Drain a queue with nothing run."""
    with project(naive) as work:
        fill(work)
        (work / "naive.py").write_text(NAIVE)
        shutil.copy(work / "queue.yaml", work / "plain.yaml")
        done = subprocess.run(
            [sys.executable, "naive.py", "plain.yaml", "100"], capture_output=True, text=True, check=True
        )
        peer = float(done.stdout)
    row(f"a take, file read and written anew, of {naive:,}", f"{peer * 1000:.2f} ms")
    each = []
    for count in counts:
        with project(count) as work:
            fill(work)
            opened = attach(work / "queue.yaml")
            began = time.perf_counter()
            while (taken := opened.queue.take()) is not None:
                opened.queue.finish(taken.id, Status.DONE)
            each.append((time.perf_counter() - began) / count)
            opened.queue.close()
        row(
            f"a take and its end, mean over draining {count:,}",
            f"{each[-1] * 1000:.3f} ms",
            f"ratio ours/naive at {naive:,}: {each[-1] / peer:.5f}",
        )
    row(f"  the same at {counts[1]:,} and {counts[0]:,}", f"{each[1] / each[0]:.2f}", "1 is linear")


def study(count: int, runs: int) -> None:
    """Do-nothing experiments in fresh processes on two slots, with the queue on disk."""
    with project(count) as work:
        best = float("inf")
        for _ in range(runs):
            for name in ("queue.yaml", "log.yaml"):
                (work / name).unlink(missing_ok=True)
            shutil.rmtree(work / "queue.yaml.journal", ignore_errors=True)
            began = time.perf_counter()
            command = [*COOLRUNNER, "run", "--exp", "study.yaml", "--jobs", "2", "--quiet"]
            subprocess.run(command, env=ENVIRONMENT, check=True, stdin=subprocess.DEVNULL)
            best = min(best, time.perf_counter() - began)
        peers = []
        if shutil.which("parallel"):
            began = time.perf_counter()
            subprocess.run(["sh", "-c", f"seq {count} | parallel -j2 true"], check=True)
            peers.append(("GNU parallel", time.perf_counter() - began))
        if sys.version_info >= (3, 11):
            (work / "executor.py").write_text(EXECUTOR)
            began = time.perf_counter()
            subprocess.run([sys.executable, "executor.py", str(count)], check=True)
            peers.append(("concurrent.futures, a process each", time.perf_counter() - began))
    row(f"{count:,} do-nothing experiments, 2 slots, queue file", f"{best / count * 1000:.2f} ms")
    for name, seconds in peers:
        row(f"  {name}", f"{seconds / count * 1000:.2f} ms", f"ratio ours/peer {best / seconds:.2f}")


def edits(counts: tuple[int, int], tries: int) -> None:
    """Seconds from a save to the moment at which a runner that waits has taken it up."""
    for count in counts:
        with project(count) as work:
            fill(work)
            path = work / "queue.yaml"
            opened = attach(path)
            queue = opened.queue
            found = []
            for number in range(tries):
                queue.refresh()  # what it owes to the file
                text = path.read_text()
                place = text.index("x: ", len(text) // 2)
                entry = queue.ledger.entries[re.findall(r"^ID: (.*)$", text[place:], re.MULTILINE)[0]]
                text = f"{text[:place]}x: {1_000_000 + number}{text[text.index(chr(10), place) :]}"
                new = work / "new.yaml"
                new.write_text(text)
                began = time.perf_counter()
                new.replace(path)
                while f"x: {1_000_000 + number}\n" not in entry.text:
                    queue.refresh()
                    time.sleep(queue.next_look() or 0.0)
                found.append(time.perf_counter() - began)
            queue.close()
        row(f"an edit of one of {count:,} takes effect, worst of {tries}", f"{max(found):.3f} s")


def waiting(seconds: float) -> None:
    """The share of a core that a runner with nothing to do uses."""
    with project(1) as work:
        fill(work)
        command = [*COOLRUNNER, "run", "--queue", "queue.yaml", "--wait", "--quiet"]
        runner = subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL)
        try:
            while not (work / "log.yaml").exists():
                time.sleep(0.1)
            time.sleep(1)
            before = cpu_seconds(runner.pid)
            time.sleep(seconds)
            used = cpu_seconds(runner.pid) - before
        finally:
            runner.terminate()
            runner.wait()
    row("a runner that waits, share of a core", f"{used / seconds * 100:.2f} %")


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def commands(counts: tuple[int, int], runs: int) -> None:
    """Whole commands on queues of two sizes, those that look and those that change; and at the end of one."""
    for count in counts:
        with project(count) as work:
            fill(work)
            identity = re.findall(r"^ID: (\w+)$", (work / "queue.yaml").read_text(), re.MULTILINE)[-1]
            for verb, arguments in {
                "ls": [],
                "ls --json": [],
                "status": [],
                "explain": [identity],
                "hold": [identity],
                "move": [identity],
                "pause": [],
                "add": ["--bottom", "x=5"],
            }.items():
                seconds = float("inf")
                for number in range(runs):
                    more = ["--top", "--bottom"][number % 2 : number % 2 + 1] if verb == "move" else []
                    seconds = min(seconds, command(verb, [*arguments, *more]))
                    if verb == "hold":
                        command("release", arguments)
                row(f"coolrunner queue {verb}, {count:,} experiments", f"{seconds:.3f} s")
    with project(counts[1]) as work:
        fill(work)
        opened = attach(work / "queue.yaml")
        for _ in range(counts[1] * 9 // 10):
            taken = opened.queue.take()
            assert taken is not None
            opened.queue.began(taken.id, os.getpid())
            opened.queue.finish(taken.id, Status.DONE)
        opened.queue.close()
        for verb in ("ls", "status"):
            seconds = min(command(verb, []) for _ in range(runs))
            row(f"coolrunner queue {verb}, nine in ten of {counts[1]:,} done", f"{seconds:.3f} s")


def command(verb: str, arguments: list[str]) -> float:
    """Return the seconds that a command takes, from its start to its end."""
    call = [*COOLRUNNER, "queue", *verb.split(), "queue.yaml", *arguments]
    began = time.perf_counter()
    subprocess.run(call, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of each count")
    parser.add_argument("only", nargs="*", help="takes, study, edits, waiting, commands")
    options = parser.parse_args()
    scale = 10 if options.quick else 1
    large = 100_000 // scale
    sizes = (large // 10, large)
    steps = {
        "takes": lambda: takes(sizes, 100),
        "study": lambda: study(2000 // scale, 3),
        "edits": lambda: edits(sizes, 5),
        "waiting": lambda: waiting(20 / scale),
        "commands": lambda: commands((10, large), 5),
    }
    for name in options.only or steps:
        steps[name]()


if __name__ == "__main__":
    main()
