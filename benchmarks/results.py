"""What it costs to ask many results: frames, filters and the table, with an index and without.

Run it from a checkout, with the Python that has Coolrunner's dependencies and pandas::

    python benchmarks/results.py            # up to 1,000,000 documents: about ten minutes
    python benchmarks/results.py --quick    # a twentieth of each count

Frames are measured in a process that has imported pandas already (which takes half a second); commands
are measured whole. *Cold* means without an index, *cached* with one that is up to date. Each figure is
the least of several runs.

Peers are measured in the same run where they are there, on as many runs of their own making: ``pip install
exman MLXP guildai omegaconf``. The loader that experiment_tracker has for Hydra is on no package index; its
way (OmegaConf for each run, a list of rows, globs for the files) was written here for the comparison.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from collect_filter import FILES, KEEP, QUERY, experiments, write_logs
from study import ROOT, Table, has, measure

sys.path.insert(0, str(ROOT))

from coolrunner.runs.root import Root
from coolrunner.runs.status import RunState, RunStatus, move
from coolrunner.yamlio import dump

RESULTS = [sys.executable, "-m", "coolrunner", "results"]
INDEX = ".coolrunner"

#: Measures an expression in a process of its own, after its imports; prints the seconds and the rows.
TIMED = """\
import sys, time
{imports}
began = time.perf_counter()
found = {expression}
print(time.perf_counter() - began, len(found))
"""
TRACKER = """\
import pandas, pathlib
from omegaconf import OmegaConf

def flat(mapping, before=""):
    for key, value in mapping.items():
        if isinstance(value, dict):
            yield from flat(value, f"{before}{key}/")
        else:
            yield f"{before}{key}", value

def load(base, pattern):
    rows, index = [], []
    for date in sorted(pathlib.Path(base).iterdir()):
        for time in sorted(date.iterdir()):
            for run in sorted(time.iterdir()):
                config = OmegaConf.to_container(OmegaConf.load(run / ".hydra" / "config.yaml"))
                row = dict(flat(config))
                row |= {f"collected_path_{n}": str(path) for n, path in enumerate(sorted(run.glob(pattern)))}
                rows.append(row)
                index.append((f"{date.name} {time.name}", run.name))
    return pandas.DataFrame(rows, index=pandas.MultiIndex.from_tuples(index))
"""


def timed(work: Path, imports: str, expression: str, runs: int, clean: Sequence[Path] = ()) -> float:
    """Return the least seconds that an expression takes, in processes that have imported what it needs."""
    best = float("inf")
    for _ in range(runs):
        for path in clean:
            shutil.rmtree(path, ignore_errors=True)
        code = TIMED.format(imports=imports, expression=expression)
        done = subprocess.run([sys.executable, "-c", code], cwd=work, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{expression}:\n{done.stderr}")
        best = min(best, float(done.stdout.split()[-2]))
    return best


# --- what is read ----------------------------------------------------------------------------------


def make_runs(root: Path, count: int, per_run: int = 20) -> None:
    """Make the run directories of a study."""
    begun = RunState(host="box", pid=1, study="digits.yaml")
    runs = Root(root)
    for experiment in experiments(count):
        params = {key: value for key, value in experiment.items() if not key.isupper() and key != "YamlLog"}
        text = dump(params)
        results = {key: experiment[key] for key in ("ACCURACY", "LOSS", "BEST_EPOCH")}
        files = {"results.yaml": dump(results).encode()}
        run = runs.create(text, begun, name=str(params["model"]), files=files)
        run.write_state(move(begun, RunStatus.DONE, id=run.number, started="2026-11-21T06:00:00+00:00"))


def make_exman(root: Path, count: int) -> None:
    """Make what argparse scripts leave: sorted parameters, and links in an index."""
    for place in ("runs", "index", "marked", "tmp", "fails"):
        (root / place).mkdir(parents=True)
    for number, experiment in enumerate(experiments(count), start=1):
        name = f"{number:06}-2026-11-21-{number // 3600 % 24:02}-{number // 60 % 60:02}-{number % 60:02}"
        flat = {
            key: value for key, value in experiment.items() if not key.isupper() and type(value) is not dict
        }
        time = f"2026-11-21T{name[-8:].replace('-', ':')}"
        text = dump(dict(sorted({**flat, "id": number, "root": f"runs/{name}", "time": time}.items())))
        (root / "runs" / name).mkdir()
        (root / "runs" / name / "params.yaml").write_text(text)
        (root / "index" / f"{name}.yaml").symlink_to(f"../runs/{name}/params.yaml")


def make_hydra(base: Path, count: int) -> None:
    """Make what ``--multirun`` leaves: 100 runs a sweep, their configs, and a file each."""
    for number, experiment in enumerate(experiments(count)):
        sweep = f"2026-11-{number // 2400 % 28 + 1:02}/{number // 100 % 24:02}-00-00"
        run = base / sweep / str(number % 100)
        (run / ".hydra").mkdir(parents=True)
        config = {key: value for key, value in experiment.items() if not key.isupper()}
        (run / ".hydra" / "config.yaml").write_text(dump(config))
        (run / ".hydra" / "overrides.yaml").write_text("- optimizer.lr=0.1\n")
        (run / ".hydra" / "hydra.yaml").write_text(
            f"hydra:\n  job:\n    name: main\n    num: {number % 100}\n"
        )
        (run / "metric.npy").write_bytes(b"\x93NUMPY")


# --- what is asked ---------------------------------------------------------------------------------


def logs(table: Table, work: Path, runs: int, count: int) -> None:
    """Logs: collect, and filter, by way of the index."""
    folder = write_logs(work / "logs", count)
    extra = write_logs(work / "extra", FILES) / "log00.yaml"
    collect = [sys.executable, str(ROOT / "collect.py"), "logs", "--dest", "out"]
    cold = measure(collect, work, runs, f"logs/{INDEX}")
    table.row(f"collect {count:,}, cold", cold, count)
    shutil.copy(extra, folder / "one-more.yaml")
    best = (float("inf"), 0.0)
    for number in range(runs):
        with (folder / "one-more.yaml").open("a") as file:
            file.write(f"--- # more{number}\nName: more\nACCURACY: 0.{number}\n...\n")
        best = min(best, measure(collect, work, 1))
    table.row(
        "  again, with one file appended",
        best,
        count,
        f"goal at 100,000: 0.7; {best[0] / cold[0]:.2f} of cold",
    )
    ask = [sys.executable, str(ROOT / "filter.py"), "logs", *QUERY, *KEEP, "--dest", "out"]
    cached = measure(ask, work, runs)
    plain = measure([*ask, "--no-cache"], work, runs)
    table.row(f"filter {count:,}: 2 conditions, 2 sorts, kept keys", cached, count, "goal at 100,000: 1")
    table.row("  without the index", plain, count, f"ratio {cached[0] / plain[0]:.2f}")


def top(table: Table, work: Path, runs: int, count: int) -> None:
    """The ten best of very many documents."""
    write_logs(work / "many", count)
    ask = [*RESULTS, "many", "--top", "10", "--by", "ACCURACY"]
    first = measure(ask, work, 1)
    table.row(f"results --top 10 of {count:,}, cold", first, count)
    cached = measure(ask, work, runs)
    table.row("  cached", cached, count, "goal at 1,000,000: 2 s, 1,000 MB")
    size = sum(path.stat().st_size for path in (work / "many").glob("*.yaml")) / 1e6
    index = (work / "many" / INDEX / "index.sqlite").stat().st_size / 1e6
    table.row("  MB of the index", (0.0, index), 1, f"of {size:,.0f} MB of logs")
    shutil.rmtree(work / "many")


def frames(table: Table, work: Path, runs: int, count: int) -> None:
    """Frames of run directories."""
    make_runs(work / "results", count)
    imports = "import pandas, coolrunner; coolrunner.load"
    cold = timed(work, imports, "coolrunner.load('results')", runs, [work / "results" / INDEX])
    cached = timed(work, imports, "coolrunner.load('results')", runs)
    table.row(f"load {count:,} runs, cold", (cold, 0), count, "goal at 10,000: 5 s")
    table.row("  cached", (cached, 0), count, "goal at 10,000: 0.5 s")
    make_exman(work / "exman", count)
    imports = "import pandas, coolrunner; coolrunner.Index"
    cold = timed(work, imports, "coolrunner.Index('exman').info()", runs, [work / "exman" / INDEX])
    cached = timed(work, imports, "coolrunner.Index('exman').info()", runs)
    table.row(f"Index(root).info() of {count:,} runs, cold", (cold, 0), count)
    table.row("  cached", (cached, 0), count)
    if has("exman"):
        theirs = timed(work, "import exman", "exman.Index('exman').info()", runs)
        table.row(
            "  exman", (theirs, 0), count, f"ratio cold {cold / theirs:.2f}, cached {cached / theirs:.3f}"
        )


def hydra(table: Table, work: Path, runs: int, count: int) -> None:
    """A frame of a Hydra tree."""
    make_hydra(work / "multirun", count)
    imports = "import pandas, coolrunner; coolrunner.load_project, coolrunner.load"
    clean = [work / "multirun" / INDEX]
    project = timed(work, imports, "coolrunner.load_project('multirun', '*.npy')", runs, clean)
    cold = timed(work, imports, "coolrunner.load('multirun')", runs, clean)
    cached = timed(work, imports, "coolrunner.load('multirun')", runs)
    table.row(f"load_project of {count:,} Hydra runs, cold", (project, 0), count, "goal at 5,000: 8 s")
    table.row("  load, cold", (cold, 0), count)
    table.row("  load, cached", (cached, 0), count)
    if has("omegaconf"):
        theirs = timed(work, TRACKER, "load('multirun', '*.npy')", 1)
        table.row("  experiment_tracker's way", (theirs, 0), count, f"ratio cold {project / theirs:.3f}")


def others(table: Table, work: Path, runs: int, count: int) -> None:
    """Peers that keep runs in forms of their own, at as many of them."""
    make_runs(work / "as-many", count)
    imports = "import pandas, coolrunner; coolrunner.load"
    ours = timed(work, imports, "coolrunner.load('as-many')", runs, [work / "as-many" / INDEX])
    table.row(f"load {count:,} runs, cold", (ours, 0), count)
    if has("mlxp"):
        for number, experiment in enumerate(experiments(count), start=1):
            run = work / "mlxp" / str(number)
            (run / "metadata").mkdir(parents=True)
            (run / "metadata" / "config.yaml").write_text(dump(experiment))
            (run / "metadata" / "info.yaml").write_text(dump({"status": "COMPLETE", "log_id": number}))
            (run / "metrics" / ".keys").mkdir(parents=True)
            (run / "metrics" / ".keys" / "train.yaml").write_text("loss: loss\n")
            (run / "metrics" / "train.json").write_text(json.dumps({"loss": 0.5}) + "\n")
        theirs = timed(work, "import mlxp", "mlxp.Reader('mlxp', refresh=True).filter()", 1)
        table.row("  MLXP", (theirs, 0), count, f"ratio ours/MLXP {ours / theirs:.3f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="a twentieth of each count")
    parser.add_argument("--runs", type=int, default=3, help="runs of each; the least counts")
    parser.add_argument("--directory", type=Path, help="where the results are made")
    parser.add_argument("--only", choices=["logs", "top", "frames", "hydra", "others"], help="one part")
    options = parser.parse_args()
    scale = 20 if options.quick else 1
    parts = {
        "logs": (logs, 100_000),
        "frames": (frames, 10_000),
        "hydra": (hydra, 5_000),
        "others": (others, 1_021),
        "top": (top, 1_000_000),
    }
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        table = Table()
        for part, (run, count) in parts.items():
            if options.only in (None, part):
                run(table, Path(name), options.runs, count // scale)


if __name__ == "__main__":
    main()
