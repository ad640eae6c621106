"""The Python launcher for real: scripts that launch scripts, stopped and killed and started again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.checkouts import ROOT

TRAIN = """
import json, os, sys, time
from coolrunner import affinity_from_code, load_variant, logger

def main(affinity_code, log_dir, run_id, *args):
    variant = load_variant(log_dir)
    begin = time.time()
    time.sleep(float(variant.get("seconds", 0)))
    logger.log_scalar("loss", variant.optimizer.lr)
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    told = dict(code=affinity_code, log_dir=log_dir, run_id=run_id, args=args, argv=sys.argv, cpus=cpus)
    told |= dict(cuda_idx=affinity_from_code(affinity_code)["cuda_idx"], begin=begin, end=time.time())
    told |= dict(gpus=os.environ.get("CUDA_VISIBLE_DEVICES"), run=os.environ["COOLRUNNER_RUN"])
    with open("told.jsonl", "a") as file:
        file.write(json.dumps(told) + "\\n")

if __name__ == "__main__":
    main(*sys.argv[1:])
"""

LAUNCH = """
import sys
from coolrunner import VariantLevel, make_variants, run_experiments, update_config

default = {"optimizer": {"lr": 0.5, "momentum": 0.9}, "seconds": 0}
levels = [
    VariantLevel([("optimizer", "lr")], [[0.1], [0.2]], ["lr_0.1", "lr_0.2"]),
    VariantLevel([("optimizer", "momentum")], [[0.5], [0.6]], ["m_5", "m_6"]),
]
variants, log_dirs = make_variants(*levels)
variants = [update_config(default, variant) for variant in variants]
"""


class Place:
    """A directory with scripts, whose launchers see no other runner of this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("COOLRUNNER_")},
            "XDG_RUNTIME_DIR": str(path / "runtime"),
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        self.environment.pop("CUDA_VISIBLE_DEVICES", None)
        (path / "runtime").mkdir(mode=0o700)
        self.write("train.py", TRAIN)
        self._started: list[subprocess.Popen[str]] = []

    def write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text)

    def start(self, code: str, **environment: str) -> subprocess.Popen[str]:
        """Start a script that launches others."""
        self.write("launch.py", code)
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "launch.py"],
            cwd=self.path,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def launch(self, code: str, status: int = 0, **environment: str) -> tuple[str, str]:
        """Run it to its end; return what it has written."""
        process = self.start(code, **environment)
        out, err = process.communicate(timeout=60)
        assert process.returncode == status, err
        return out, err

    def told(self) -> list[dict[str, Any]]:
        """Return what the runs have told, in the order in which they ended."""
        path = self.path / "told.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def runs(self) -> dict[str, dict[str, Any]]:
        """Return the status of each run, by its directory below that of the study."""
        found = sorted(self.path.glob("data/local/*/*/**/status.yaml"))
        return {"/".join(path.parts[-4:-1]): yaml.safe_load(path.read_text()) for path in found}

    def wait_for(self, what: Callable[[], object]) -> None:
        for _ in range(2000):
            if what():
                return
            time.sleep(0.01)
        raise AssertionError("it has not come to that")

    def close(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


def run_all(code: str = "2cpu_0gpu_1cpr_0hto", runs: int = 1, more: str = "") -> str:
    arguments = f"'train.py', '{code}', 'demo', {runs}, variants, log_dirs{more}"
    return f"{LAUNCH}\nresults = run_experiments({arguments})\n"


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


# --- what a script is called with, and where ---


def test_each_variant_runs_with_its_directory_and_all_once_before_any_again(place: Place) -> None:
    more = ", common_args=('x', 1), runs_args=[('a',), ('b',), ('c',), ('d',)]"
    place.launch(run_all("1cpu_0gpu_1cpr_0hto", runs=2, more=more))
    told = place.told()
    (base,) = place.path.glob("data/local/demo/*")
    assert len(base.name) == 8 and base.name.isdecimal()
    names = ["lr_0.1/m_5", "lr_0.1/m_6", "lr_0.2/m_5", "lr_0.2/m_6"]
    order = [(str(Path(each["log_dir"]).relative_to(base)), each["run_id"]) for each in told]
    assert order == [(name, run_id) for run_id in "01" for name in names]
    assert [each["args"] for each in told[:2]] == [["x", "1", "a"], ["x", "1", "b"]]
    assert {each["code"] for each in told} == {"0slt_1cpu_0gpu_1cpr_0hto"}
    assert told[0]["argv"][0] == str(place.path / "train.py")
    variant = json.loads((base / "lr_0.2/m_6/variant_config.json").read_text())
    assert variant == {"optimizer": {"lr": 0.2, "momentum": 0.6}, "seconds": 0}
    assert "lr_0.2/m_6" in (base / "experiments_tree.txt").read_text()
    assert (base / "num_launched.txt").read_text().splitlines()[-1].endswith("so far: 8 out of 8.")


def test_a_launched_script_is_a_run_like_any_other(place: Place) -> None:
    place.launch(run_all())
    runs = place.runs()
    assert len(runs) == 4
    assert {run["status"] for run in runs.values()} == {"done"}
    (directory,) = place.path.glob("data/local/demo/*/lr_0.1/m_5/run_0")
    assert yaml.safe_load((directory / "params.yaml").read_text())["optimizer"] == {
        "lr": 0.1,
        "momentum": 0.5,
    }
    assert "loss,0,0.1" in (directory / "metrics.csv").read_text()
    assert {each["run"] for each in place.told()} >= {str(directory)}
    listed = subprocess.run(
        [sys.executable, "-m", "coolrunner", "runs", "ls"],
        cwd=place.path,
        env=place.environment,
        capture_output=True,
        text=True,
    )
    assert listed.stdout.count("done") == 4, listed.stderr


def test_a_script_that_enters_a_logger_context_is_in_the_same_run(place: Place) -> None:
    place.write(
        "train.py",
        "import sys\n"
        "from coolrunner import logger, logger_context\n"
        "with logger_context(sys.argv[2], sys.argv[3], 'demo', {}, snapshot_mode='last'):\n"
        "    logger.log_scalar('acc', 1)\n",
    )
    place.launch(run_all())
    assert [run["status"] for run in place.runs().values()] == ["done"] * 4
    assert len(list(place.path.glob("data/local/demo/*/*/*/run_0/metrics.csv"))) == 4


def test_what_a_script_prints_is_kept_and_shown(place: Place) -> None:
    place.write("train.py", "import sys\nprint('to out')\nprint('to err', file=sys.stderr)\n")
    out, err = place.launch(run_all())
    assert out.count("to out") == 4
    assert err.count("to err") == 4
    for log in place.path.glob("data/local/demo/*/*/*/run_0/log.txt"):
        assert sorted(log.read_text().splitlines()) == ["to err", "to out"]


def test_runs_that_go_on_at_once_do_not_break_into_each_others_lines(place: Place) -> None:
    place.write(
        "train.py",
        "import sys, time\n"
        "for word in ('one ', 'two ', 'three\\n', 'end'):\n"
        "    sys.stdout.write(word)\n"
        "    sys.stdout.flush()\n"
        "    time.sleep(0.02)\n",
    )
    out, _ = place.launch(run_all("4cpu_0gpu_1cpr_0hto_0saf"))
    assert out.count("one two three\n") == 4
    assert out.count("end") == 4


# --- slots ---


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system binds no process to a CPU")
def test_a_run_is_bound_to_the_cpus_of_its_slot(place: Place) -> None:
    first = min(os.sched_getaffinity(0))
    place.launch(run_all(f"{first + 1}cpu_0gpu_1cpr_0hto"))
    for each in place.told():
        slot = int(each["code"].partition("slt")[0])
        bound = {slot} & os.sched_getaffinity(0)
        assert set(each["cpus"]) == (bound or os.sched_getaffinity(0))


def test_a_slot_has_one_run_at_a_time(place: Place) -> None:
    place.launch(run_all("2cpu_0gpu_1cpr_0hto_0saf", runs=2).replace('"seconds": 0', '"seconds": 0.05'))
    told = sorted(place.told(), key=lambda each: each["begin"])
    assert {each["code"][:4] for each in told} == {"0slt", "1slt"}
    for code in {each["code"] for each in told}:
        own = [each for each in told if each["code"] == code]
        assert all(a["end"] <= b["begin"] for a, b in pairwise(own))


def test_a_run_sees_its_gpu_alone_and_counts_from_it(place: Place) -> None:
    place.launch(run_all("4cpu_4gpu_0hto_0saf"), CUDA_VISIBLE_DEVICES="GPU-a1,GPU-b2,GPU-c3,GPU-d4")
    seen = {each["code"][0]: each["gpus"] for each in place.told()}
    assert seen == {"0": "GPU-a1", "1": "GPU-b2", "2": "GPU-c3", "3": "GPU-d4"}
    assert {each["cuda_idx"] for each in place.told()} == {0}


def test_runs_that_share_a_gpu_go_on_at_once(place: Place) -> None:
    code = "3cpu_1gpu_3cxg_0hto_0saf"
    place.write(
        "train.py", "import os\nopen(os.environ['CUDA_VISIBLE_DEVICES'] + '-' + str(os.getpid()), 'w')\n"
    )
    place.launch(run_all(code), CUDA_VISIBLE_DEVICES="7")
    assert len(list(place.path.glob("7-*"))) == 4


def test_without_gpus_in_the_code_none_is_seen(place: Place) -> None:
    place.launch(run_all("1cpu_0gpu_1cpr_0hto"), CUDA_VISIBLE_DEVICES="0,1")
    assert {(each["gpus"], each["cuda_idx"]) for each in place.told()} == {("", None)}


def test_more_gpus_than_there_are_is_an_error_before_anything_runs(place: Place) -> None:
    _, err = place.launch(run_all("4cpu_4gpu_0hto"), status=1, CUDA_VISIBLE_DEVICES="0,1")
    assert "'4cpu_4gpu_0hto' asks for 4 GPUs; this machine has 2 (CUDA_VISIBLE_DEVICES is '0,1')" in err
    assert not (place.path / "data").exists()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system binds no process to a CPU")
def test_two_launchers_on_one_machine_do_not_give_a_cpu_twice(place: Place) -> None:
    cpu = min(os.sched_getaffinity(0))
    code = run_all(f"{cpu + 1}cpu_0gpu_{cpu + 1}cpr_0hto").replace('"seconds": 0', '"seconds": 0.1')
    first = place.start(code)
    place.wait_for(lambda: place.runs())
    second = place.start(code.replace("'demo'", "'other'"))
    for process in (first, second):
        process.communicate(timeout=60)
        assert process.returncode == 0
    told = sorted(place.told(), key=lambda each: each["begin"])
    assert len(told) == 8
    assert all(a["end"] <= b["begin"] for a, b in pairwise(told))


def test_within_the_slot_of_a_runner_a_launcher_does_not_wait_for_that(place: Place) -> None:
    inner = run_all()
    outer = (
        "import subprocess, sys\n"
        "from coolrunner.definition.resources import Resources\n"
        "from coolrunner.execution.slots import SlotPool\n"
        "import os\n"
        "cpus = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else 1\n"
        "slot = SlotPool().reserve(Resources(cpus=cpus))\n"
        "environment = {**os.environ, **slot.environment}\n"
        "sys.exit(subprocess.run([sys.executable, 'inner.py'], env=environment).returncode)\n"
    )
    place.write("inner.py", inner)
    place.launch(outer)
    assert len(place.told()) == 4


# --- how runs end ---


def test_exit_statuses_are_kept(place: Place) -> None:
    place.write(
        "train.py",
        "import os, signal, sys\n"
        "match int(sys.argv[4]):\n"
        "    case 1: sys.exit(3)\n"
        "    case 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    case 3: raise ValueError('too large')\n",
    )
    code = run_all(more=", runs_args=[(0,), (1,), (2,), (3,)]")
    out, err = place.launch(f"{code}\nprint([(result.status, result.exit) for result in results])\n")
    assert out.strip() == "[('done', 0), ('failed', 3), ('failed', -9), ('failed', 1)]"
    runs = list(place.runs().values())
    assert [run["exit"] for run in runs] == [0, 3, -9, 1]
    assert [run.get("failure") for run in runs] == [None, "exit", "signal", "exception"]
    assert runs[2]["error"] == "killed by SIGKILL"
    assert runs[3]["error"] == "ValueError: too large"
    (traceback,) = place.path.glob("data/local/demo/*/*/*/run_0/traceback.txt")
    assert traceback.read_text().startswith("Traceback (most recent call last):")
    assert "4 runs: 1 done, 3 failed" in err


SLOW = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
open(f"pids-{os.getpid()}", "w").write(f"{os.getpid()} {child.pid} ")
time.sleep(100)
"""


def pids(place: Place, count: int) -> list[int]:
    """Return the processes of so many slow scripts, and of their children, once all are there."""
    found: list[int] = []

    def look() -> bool:
        found[:] = [int(pid) for path in place.path.glob("pids-*") for pid in path.read_text().split()]
        return len(found) == 2 * count

    place.wait_for(look)
    return found


def test_ctrl_c_ends_the_scripts_and_says_so(place: Place) -> None:
    place.write("train.py", SLOW)
    process = place.start(run_all("2cpu_0gpu_1cpr_0hto_0saf"))
    scripts = pids(place, 2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in err
    assert process.returncode in (-signal.SIGINT, 130)
    assert "waiting up to 10 s for 2 runs to end" in err
    place.wait_for(lambda: not any(map(is_there, scripts)))
    assert [run["status"] for run in place.runs().values()] == ["interrupted"] * 2


def test_a_second_ctrl_c_does_not_wait(place: Place) -> None:
    place.write("train.py", "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + SLOW)
    process = place.start(run_all("1cpu_0gpu_1cpr_0hto_0saf"))
    scripts = pids(place, 1)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "waiting up to" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=8)  # less than the grace
    place.wait_for(lambda: not any(map(is_there, scripts)))
    (run,) = place.runs().values()
    assert (run["status"], run["exit"]) == ("interrupted", -9)


def test_sigterm_ends_the_scripts_and_then_the_launcher(place: Place) -> None:
    place.write("train.py", SLOW)
    process = place.start(run_all("1cpu_0gpu_1cpr_0hto_0saf"))
    scripts = pids(place, 1)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM
    place.wait_for(lambda: not any(map(is_there, scripts)))
    assert [run["status"] for run in place.runs().values()] == ["interrupted"]


def test_scripts_do_not_outlive_a_launcher_that_is_killed_and_are_run_again(place: Place) -> None:
    place.write("train.py", SLOW)
    process = place.start(run_all("2cpu_0gpu_1cpr_0hto_0saf"))
    scripts = pids(place, 2)
    process.kill()
    process.communicate()
    place.wait_for(lambda: not any(map(is_there, scripts)))
    place.write("train.py", TRAIN)
    place.launch(run_all(more=", resume=True"))
    assert [(run["status"], run["attempt"]) for run in place.runs().values()] == [
        ("done", 2),
        ("done", 2),
        ("done", 1),
        ("done", 1),
    ]


# --- starting again ---


def test_runs_that_are_there_are_not_run_over(place: Place) -> None:
    place.launch(run_all())
    _, err = place.launch(run_all(), status=1)
    assert "there is a run " in err and "resume=True runs what is not done yet" in err
    assert len(place.told()) == 4


def test_resuming_runs_what_is_not_done(place: Place) -> None:
    place.write("train.py", "import sys\nsys.exit('m_6' in sys.argv[2])\n")
    place.launch(run_all())
    place.write("train.py", TRAIN)
    _, err = place.launch(run_all(runs=2, more=", resume=True"))
    assert "8 runs: 6 done, 2 done before" in err
    assert sorted((each["log_dir"][-3:], each["run_id"]) for each in place.told()) == [
        ("m_5", "1"),
        ("m_5", "1"),
        ("m_6", "0"),
        ("m_6", "0"),
        ("m_6", "1"),
        ("m_6", "1"),
    ]
    assert {run["status"] for run in place.runs().values()} == {"done"}


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (run_all().replace("train.py", "tran.py"), "there is no script 'tran.py'"),
        (run_all().replace("log_dirs)", "log_dirs[1:])"), "log_dirs must have one entry for each of the 4"),
        (run_all().replace("log_dirs)", "['a'] * 4)"), "log_dirs must differ: 'a' stands there twice"),
        (run_all(runs=0), "runs_per_setting must be a number above 0"),
        (run_all("4cpx"), "unrecognized affinity code abbreviation 'cpx'"),
        (run_all().replace("'demo'", "'../demo'"), "experiment_title"),
        (
            run_all().replace("log_dirs)", "log_dirs)").replace("variants, log", "[{'a': {1j}}] * 4, log"),
            "'a'",
        ),
    ],
)
def test_arguments_that_make_no_sense_are_errors_before_anything_runs(
    place: Place, code: str, message: str
) -> None:
    _, err = place.launch(code, status=1)
    assert message in err.splitlines()[-1] or message.strip("'") in err.splitlines()[-1]
    assert not (place.path / "data").exists()


# --- a debugger ---


@pytest.mark.parametrize("mode", [1, 2])
def test_in_debug_mode_all_runs_in_the_process_of_the_launcher(place: Place, mode: int) -> None:
    code = run_all(runs=2, more=f", debug_mode={mode}")
    place.launch(
        f"{code}\nimport os\nassert len(results) == 8\nassert 'train' not in __import__('sys').argv[0]\n"
    )
    told = place.told()
    assert [each["run_id"] for each in told] == ["0"] * 4 + ["1"] * 4
    assert {run["status"] for run in place.runs().values()} == {"done"}
    assert len({run["pid"] for run in place.runs().values()}) == 1


def test_in_debug_mode_what_a_script_raises_is_raised(place: Place) -> None:
    place.write(
        "train.py", "def build_and_train(code, log_dir, run_id):\n    raise ValueError('too large')\n"
    )
    _, err = place.launch(run_all(more=", debug_mode=1"), status=1)
    assert err.rstrip().endswith("ValueError: too large")
    assert [run["status"] for run in place.runs().values()] == ["failed"]


# --- the published snippets ---


def test_the_published_snippets_run_with_only_their_imports_changed(place: Place) -> None:
    place.write(
        "script.py",
        """
from coolrunner import load_variant
from coolrunner import affinity_from_code
import sys, os, json

def main(affinity_code, log_dir, run_id, *args):
    variant = load_variant(log_dir)
    # Then variant is a AttrDict, where you can access your configurations
    # as attribute or dictionary.
    gpu_idx = affinity_from_code(affinity_code)["cuda_idx"]
    # This helps you know what GPU is recommand to you for this experiment
    print(variant.model.width, variant["model"]["width"], gpu_idx)

if __name__ == "__main__":
    main(*sys.argv[1:]) # the argument will be put as follows:
        # ${affinity_code} ${log_dir} ${run_id} ${*args}
""",
    )
    out, _ = place.launch(
        """
from coolrunner import AttrDict
from coolrunner import run_experiments
from coolrunner import VariantLevel, update_config
from coolrunner import encode_affinity, quick_affinity_code

# Either manually set the resources for the experiment:
affinity_code = encode_affinity(
    n_cpu_core=4,
    n_gpu=4,
    # hyperthread_offset=8,  # if auto-detect doesn't work, number of CPU cores
    # n_socket=1,  # if auto-detect doesn't work, can force (or force to 1)
    cpu_per_run=1,
    set_affinity=True,  # it can help to restrict workers to individual CPUs
)
# Or try an automatic one, but results may vary:
# affinity_code = quick_affinity_code(n_parallel=None, use_gpu=True)

# setup your configurations, or you can build via VariantLevel to make cross
# combination.
variant = AttrDict(model=AttrDict(width=8))

run_experiments(
    script= "script.py",
    affinity_code= affinity_code,
    experiment_title= "experiment title",
    runs_per_setting= 2,
    variants= [variant],
    log_dirs= ["log_dir"], # the directory under "${experiment title}"
)
""",
        CUDA_VISIBLE_DEVICES="0,1,2,3",
    )
    assert out.splitlines() == ["8 8 0"] * 2
    (base,) = place.path.glob("data/local/experiment title/*/log_dir")
    assert sorted(path.name for path in base.glob("run_*")) == ["run_0", "run_1"]


def test_the_scripts_of_the_docs_run(place: Place) -> None:
    page = (ROOT / "docs" / "launcher.md").read_text()
    files = dict(re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    place.write("train.py", files["train.py"])
    out, _ = place.launch(files["launch.py"])
    assert out.splitlines()[-1] == "8 runs have worked"
    assert len(list(place.path.glob("data/local/digits/*/adam/long/run_1/metrics.csv"))) == 1
