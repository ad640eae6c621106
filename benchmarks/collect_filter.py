"""What collecting and filtering cost: whole processes, at N and 10 N documents of 25 lines in 20 files.

All is read each time, without an index (`results.py` measures what that saves). ``collect`` also reads as
many documents of 15 lines, and as many that each have a file to themselves.

Run it from a checkout, with the Python that has Coolrunner's dependencies::

    python benchmarks/collect_filter.py            # 10,000 and 100,000 documents, about two minutes
    python benchmarks/collect_filter.py --n 1000   # 1,000 and 10,000

Every figure is the whole process, the smallest of several runs, and its peak memory. The peer is the
straightforward way to collect: every document by libyaml's loader, ``if document not in documents``. It
is quadratic, so it is measured at 1,000 and 2,000 documents.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from study import ROOT, Table, measure

sys.path.insert(0, str(ROOT))

from coolrunner.yamlio import dump

FILES = 20
DUPLICATES = 0.05
COLLECT = [sys.executable, str(ROOT / "collect.py"), "--no-cache"]
FILTER = [sys.executable, str(ROOT / "filter.py"), "--no-cache"]
QUERY = [
    "--filter",
    "ACCURACY > 0.5 and optimizer.lr < 0.1",
    "--sort",
    "ACCURACY",
    "--sort",
    "model",
    "--reverse",
]
LAMBDAS = ["--filter", "lambda exp: exp['ACCURACY'] > 0.5", "--sort", "lambda exp: exp['ACCURACY']"]
KEEP = ["--keep-keys", "Name", "model", "optimizer.lr", "ACCURACY", "ID"]
SHORT = (
    *("Name", "Module", "model", "layers", "batch_size", "epochs", "augment", "dataset"),
    *("REP", "RND_IDX", "ACCURACY", "LOSS", "ID", "STARTED", "TIME_ELAPSED"),
)

# Written for this comparison.
NAIVE = """\
import pathlib, sys, yaml

documents = []
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.yaml")):
    with open(path) as file:
        for document in yaml.load_all(file, Loader=yaml.CSafeLoader):
            if document not in documents:
                documents.append(document)
with open("naive_out.yaml", "w") as file:
    yaml.dump_all(documents, file, Dumper=yaml.CSafeDumper, sort_keys=False)
"""


def experiments(count: int) -> Iterator[dict[str, Any]]:
    """Yield experiments of 25 lines, some of them twice."""
    rng = random.Random(count)
    past: list[dict[str, Any]] = []
    for number in range(count):
        if past and rng.random() < DUPLICATES:
            yield rng.choice(past)
            continue
        rate = rng.choice([0.1, 0.01, 0.001])
        experiment = {
            "Name": f"{rng.choice(['resnet', 'vgg', 'wrn'])}-{number % 40}",
            "Module": "modules.digits",
            "YamlLog": "logs/log.yaml",
            "model": rng.choice(["svm", "mlp", "forest"]),
            "layers": [64, rng.choice([32, 64, 128]), 10],
            "batch_size": rng.choice([32, 64, 128]),
            "epochs": 20,
            "augment": rng.random() < 0.5,
            "optimizer": {"name": "adam", "lr": rate, "betas": [0.9, 0.999], "weight_decay": rate / 20},
            "dataset": "digits",
            "note": "some words: enough to need quotes",
            "REP": number % 5,
            "RND_IDX": rng.randrange(10**6, 10**7),
            "ACCURACY": rng.random(),
            "LOSS": rng.expovariate(2),
            "BEST_EPOCH": rng.randrange(20),
            "ID": f"k{number:07d}",
            "STUDY": "digits.yaml",
            "HOST": "box",
            "STARTED": f"2026-11-21T06:{number // 60 % 60:02}:{number % 60:02}+00:00",
            "TIME_ELAPSED": round(rng.random() * 100, 3),
        }
        past = [*past[-99:], experiment]
        yield experiment


def write_logs(folder: Path, count: int, *, files: int = FILES, keys: Sequence[str] = ()) -> Path:
    """Write the logs of a corpus, a file at a time; with `keys`, no others are in them."""
    folder.mkdir()
    every = experiments(count)
    for number in range(files):
        with (folder / f"log{number:02}.yaml").open("w", encoding="utf-8") as file:
            file.write("# Coolrunner log, version 1\n")
            for _ in range(count // files):
                experiment = next(every)
                if keys:
                    experiment = {key: experiment[key] for key in keys}
                file.write(f"--- # {experiment['ID']}\n{dump(experiment)}...\n")
    return folder


def ours(table: Table, work: Path, runs: int, count: int) -> None:
    """Collect and filter at `count` and ten times as many."""
    jobs = {
        "collect": [*COLLECT, "{}", "--dest", "out"],
        "filter, 2 sorts, keep keys": [*FILTER, "{}", *QUERY, *KEEP, "--dest", "out"],
        "filter and sort by lambdas, all keys": [*FILTER, "{}", *LAMBDAS, "--dest", "out"],
        "everything as CSV": [*FILTER, "{}", "--format", "csv", "--dest", "out"],
        "everything as JSON": [*FILTER, "{}", "--format", "json", "--dest", "out"],
    }
    corpora = [write_logs(work / f"logs{number}", number) for number in (count, 10 * count)]
    for name, command in jobs.items():
        small, large = (
            measure([part.replace("{}", str(corpus)) for part in command], work, runs, "out")
            for corpus in corpora
        )
        table.row(f"{name}: {count:,}", small, count, f"{count / small[0]:,.0f} documents/s")
        ratio = f"{10 * count / large[0]:,.0f} documents/s; ratio to {count:,}: {large[0] / small[0]:.1f}"
        table.row(f"{name}: {10 * count:,}", large, 10 * count, ratio)
    other = {
        "15 lines": write_logs(work / "short", 10 * count, keys=SHORT),
        "a file each": write_logs(work / "tiny", 10 * count, files=10 * count),
    }
    for name, corpus in other.items():
        figure = measure([*COLLECT, str(corpus), "--dest", "out"], work, runs, "out")
        table.row(f"collect, {name}: {10 * count:,}", figure, 10 * count)


def peer(table: Table, work: Path, runs: int) -> None:
    """The straightforward way, where it can be waited for."""
    (work / "naive.py").write_text(NAIVE)
    for number in (1000, 2000):
        corpus = str(write_logs(work / f"peer{number}", number))
        figure = measure([*COLLECT, corpus, "--dest", "out"], work, runs, "out")
        naive = measure([sys.executable, "naive.py", corpus], work, 1)
        table.row(f"collect: {number:,}", figure, number)
        table.row(
            f"  not-in-list collect: {number:,}", naive, number, f"ratio ours/that {figure[0] / naive[0]:.3f}"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--n", type=int, default=10_000, help="documents; ten times as many follow")
    parser.add_argument("--runs", type=int, default=3, help="runs of each command; the least counts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        table = Table()
        ours(table, Path(name), options.runs, options.n)
        peer(table, Path(name), options.runs)


if __name__ == "__main__":
    main()
