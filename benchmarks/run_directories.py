"""What the directory of a run costs, made and finished, and whether it costs more among many.

Run it from a checkout, with the Python that has Coolrunner's dependencies::

    python benchmarks/run_directories.py            # about a minute
    python benchmarks/run_directories.py --quick    # a tenth of each count

A run is made with its parameters, its status and its link in the index, and is then finished: its status
is written anew. Each figure is the mean over 50 runs, of the quickest of seven such blocks, made by one
process on the disk that holds the temporary directory (``--directory`` takes another one). Where many
files went from that disk just now it is slower for some minutes: ext4 gives out their places last.

Peers are measured in the same run where they are there, doing the same: ``pip install sacred
mlflow-skinny``.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from coolrunner.runs.root import Root  # noqa: E402
from coolrunner.runs.status import RunState, RunStatus, move  # noqa: E402

GOAL = 1.5  # ms
PARAMS = "lr: 0.1\nmodel: resnet18\nepochs: 90\noptimizer:\n  name: adam\n  betas: [0.9, 0.999]\n"
PLAIN = {"lr": 0.1, "model": "resnet18", "epochs": 90, "optimizer": "adam"}


def blocks(make: Callable[[], None], count: int, size: int) -> float:
    """Return the milliseconds of a call: the mean over a block of calls, of the quickest block."""
    found = []
    for _ in range(count):
        began = time.perf_counter()
        for _ in range(size):
            make()
        found.append((time.perf_counter() - began) / size * 1000)
    return min(found)


def ours(directory: Path) -> Callable[[], None]:
    """Return what makes and finishes a run of ours."""
    root = Root(directory)
    begun = RunState(host="box", pid=os.getpid(), study="digits.yaml", experiment="abcd1234")

    def make() -> None:
        run = root.create(PARAMS, begun, name="resnet")
        # The runner knows how the run stands; it has no need to read it.
        state = move(
            begun, RunStatus.DONE, id=run.number, ended="2026-11-21T06:24:29+01:00", elapsed=60.0, exit=0
        )
        run.write_state(state)

    return make


def sacred(directory: Path) -> Callable[[], None]:
    """Return what makes and finishes a run of Sacred, without its captured output."""
    from sacred import Experiment
    from sacred.observers import FileStorageObserver

    experiment = Experiment("nothing", save_git_info=False)
    experiment.observers.append(FileStorageObserver(str(directory)))
    experiment.add_config(**PLAIN)
    experiment.captured_out_filter = None

    @experiment.main
    def main(lr: float) -> float:
        return lr

    return lambda: experiment.run(options={"--loglevel": "ERROR", "--capture": "no"})


def mlflow(directory: Path) -> Callable[[], None]:
    """Return what makes and finishes a run of MLflow, in files."""
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    import mlflow as peer

    peer.set_tracking_uri(directory.as_uri())

    def make() -> None:
        with peer.start_run():
            peer.log_params(PLAIN)

    return make


def rate(name: str, directory: Path, counts: tuple[int, int], make: Callable[[], None]) -> list[float]:
    """Measure at so many existing runs, and print."""
    found, existing = [], 0
    for count in counts:
        while existing < count:
            make()
            existing += 1
        found.append(blocks(make, 7, 50))
        existing += 350
        print(f"{f'{name}, at {count:,} existing runs':<52}{found[-1]:>10.3f} ms", flush=True)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of each count")
    parser.add_argument("--directory", type=Path, help="where the runs are made")
    options = parser.parse_args()
    counts = (10, 2_000 if options.quick else 20_000)
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        work = Path(name)
        few, many = rate("a run, made and finished", work, counts, ours(work / "results"))
        print(f"{f'  goal {GOAL} ms; ours/goal at {counts[1]:,}':<52}{many / GOAL:>10.2f}")
        print(f"{f'  the same at {counts[1]:,} and {counts[0]:,}':<52}{many / few:>10.2f}   1 is constant")
        for peer, measure in (("sacred", sacred), ("mlflow", mlflow)):
            if importlib.util.find_spec(peer) is None:
                print(f"{peer}: not installed")
                continue
            # They are measured at few runs, where they are fastest.
            (theirs,) = rate(peer, work, (10,), measure(work / peer))
            print(f"{f'  ours/{peer}':<52}{few / theirs:>10.3f}")


if __name__ == "__main__":
    main()
