"""The fault harness: four runners on one queue file, killed at all times, while a person edits it.

Run it from a checkout::

    python tests/faults/harness.py --kills 5000 --seed 7

It goes in rounds. Each begins a study of short experiments with a queue file; runners are started,
killed (at random moments, or by themselves at a named step, see `coolrunner.queue.steps`) and replaced;
a second process edits the file (`tests/faults/person.py`). Then the edits stop, the runners may work in
peace, and everything is counted: each experiment stands in the log exactly once, no two attempts at one
overlapped, no process is left, file and journal are in order. The seed decides what is done and when,
not what the machine makes of it: a round that went wrong is kept, and named.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # as a script, it has only its own directory there

from tests.faults.rounds import Round  # noqa: E402

#: A round is over after so many kills.
KILLS_A_ROUND = 60


def hunt(
    kills: int, seed: int, *, count: int = 150, directory: Path | None = None, say: Callable[[str], Any]
) -> list[str]:
    """Kill so often; return what went wrong.

    Parameters
    ----------
    kills
        How many kills at the least.
    seed
        Of all that is drawn.
    count
        How many experiments a round begins with.
    directory
        Where it is done; a new temporary one by default. Rounds in which all was well are deleted.
    say
        Is told how it goes, line by line.
    """
    base = Path(tempfile.mkdtemp(prefix="faults-")) if directory is None else directory
    killed: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    problems: list[str] = []
    began, number = time.monotonic(), 0
    while sum(killed.values()) < kills:
        number += 1
        place = base / f"round-{number}"
        place.mkdir(parents=True)
        left = kills - sum(killed.values())
        one = Round(place, f"{seed} {number}", min(KILLS_A_ROUND, left), count)
        one.run()
        killed += one.killed
        counts.update(one.found)
        seconds = time.monotonic() - began
        say(f"round {number}: {sum(killed.values())} kills, {len(one.problems)} problems, {seconds:.0f} s")
        if one.problems:
            problems += [f"round {number} (see {place}): {problem}" for problem in one.problems]
            for problem in one.problems:
                say(f"  {problem}")
        else:
            shutil.rmtree(place)
    say(f"killed: {json.dumps(dict(sorted(killed.items())))}")
    say(f"found: {json.dumps(dict(sorted(counts.items())))}")
    say(
        f"{sum(killed.values())} kills in {number} rounds with seed {seed}: {counts['logged']} experiments "
        f"logged, {len(problems)} problems, {time.monotonic() - began:.0f} s"
    )
    return problems


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=300, help="how many kills (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="of all that is drawn (default: a new one)")
    parser.add_argument("--count", type=int, default=150, help="experiments a round begins with")
    parser.add_argument("--dir", type=Path, help="where it is done (default: a temporary directory)")
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that no process is left
    sys.stdout.write(f"seed {seed}\n")

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    return 1 if hunt(options.kills, seed, count=options.count, directory=options.dir, say=say) else 0


if __name__ == "__main__":
    sys.exit(main())
