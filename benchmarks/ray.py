"""What an experiment that does nothing costs over Ray, beside bare tasks of Ray.

Run it as ``python benchmarks/ray.py``. It starts a cluster of two CPUs on loopback, and takes the difference
between long studies and short ones, so that what comes once (to connect, to start processes) does not count.
The aim is less than 15 ms an experiment. ``fresh`` is what gives a task of Ray a process of its own by other
means: a Python that it starts. Hydra's launcher for Ray is measured where it is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Not the directory of this file, whose name is that of the library.
sys.path[:] = [str(ROOT), *(entry for entry in sys.path if entry != str(Path(__file__).parent))]

_BARE = """
import subprocess, sys, ray
ray.init(sys.argv[1], log_to_driver=False, logging_level="ERROR")
how = sys.argv[3]
@ray.remote
def nothing(number):
    if how == "fresh":
        subprocess.run([sys.executable, "-c", "pass"], check=True)
    return number
count, two = int(sys.argv[2]), []
done = 0
while done < count:
    while len(two) < 2:
        two.append(nothing.remote(done + len(two)))
    ready, two = ray.wait(two)
    ray.get(ready)
    done += len(ready)
"""
_HYDRA = """
import hydra
@hydra.main(version_base=None, config_path=None)
def main(config):
    return None
main()
"""


def _ours(directory: Path, address: str, count: int) -> list[str]:
    (directory / "module.py").write_text("def main(exp):\n    exp.N = exp.n\n")
    head = f"Global: {{executor: ray, ray: {{address: '{address}'}}}}\nModule: module\nYamlLog: log.yaml\n"
    documents = [f"---\nName: e{number}\nn: {number}\n" for number in range(count)]
    (directory / "study.yaml").write_text(head + "".join(documents))
    return [sys.executable, str(ROOT / "run.py"), "--exp", "study.yaml"]


def _bare(how: str) -> Callable[[Path, str, int], list[str]]:
    return lambda directory, address, count: [sys.executable, "-c", _BARE, address, str(count), how]


def _hydra(directory: Path, address: str, count: int) -> list[str]:
    (directory / "job.py").write_text(_HYDRA)
    numbers = ",".join(map(str, range(count)))
    init = f"hydra.launcher.ray.init.address={address}"
    return [sys.executable, "job.py", "-m", "hydra/launcher=ray", init, f"+n={numbers}"]


def _seconds(make: Callable[[Path, str, int], list[str]], address: str, count: int) -> float:
    with tempfile.TemporaryDirectory() as place:
        argv = make(Path(place), address, count)
        began = time.perf_counter()
        subprocess.run(argv, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        return time.perf_counter() - began


def main() -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    from tests.ray_clusters import ENVIRONMENT, RayNodes

    os.environ.update(ENVIRONMENT)
    kinds = {"coolrunner": _ours, "bare task": _bare("bare"), "bare, fresh": _bare("fresh")}
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        importlib.metadata.distribution("hydra-ray-launcher")
        kinds["hydra"] = _hydra
    few = max(options.count // 10, 10)
    with RayNodes(2) as nodes:
        for name, make in kinds.items():
            each, once = [], []
            for _ in range(options.rounds):
                short = _seconds(make, nodes.address, few)
                long = _seconds(make, nodes.address, few + options.count)
                each.append(1000 * (long - short) / options.count)
                once.append(short - few * each[-1] / 1000)
            print(f"{name:12} {statistics.median(each):7.2f} ms each, {statistics.median(once):5.1f} s once")


if __name__ == "__main__":
    main()
