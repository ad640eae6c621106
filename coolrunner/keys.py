"""What the name of a key tells: whether less of it is better, and whether it sets only repetitions apart.

Nothing else says so: a result is a name and a number, a seed is a parameter like any other. What is read
from a name can be wrong, and everything that goes by it can be told otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

__all__ = ["LOGGED", "is_seed", "lower_is_better", "main_result", "words_of"]

#: What a log adds to each experiment: which it is, where and when it was run.
LOGGED = frozenset({"REP", "RND_IDX", "ID", "STUDY", "HOST", "RUN", "STARTED", "TIME_ELAPSED", "SOLVED"})

_WORD = re.compile(r"(?:[A-Z]+(?![a-z])|[A-Z]?[a-z]+)[0-9]*")
_SEPARATOR = re.compile(r"[./]")


@lru_cache(maxsize=4096)
def words_of(name: str) -> frozenset[str]:
    """Return the words of a name in capitals: ``val/TopLoss2`` has VAL, TOP, LOSS2 and LOSS."""
    words = [word.upper() for word in _WORD.findall(name)]
    return frozenset([*words, *(word.rstrip("0123456789") for word in words)])


_LOWER = words_of(
    "LOSS LOSSES LOGLOSS ERR ERROR ERRORS MSE MAE RMSE RMSLE MAPE NLL WER CER FID BRIER TIME SECONDS "
    "DURATION LATENCY PERPLEXITY PPL COST REGRET"
)
_SCORES = words_of("ACCURACY ACC F1 AUC AUROC SCORE REWARD RETURN R2 MAP IOU BLEU PRECISION RECALL")
_SECONDARY = words_of(
    "EPOCH EPOCHS STEP STEPS ITERATION ITERATIONS ITER N NUM COUNT SIZE PARAMS PARAMETERS MEMORY MB GB TIME "
    "SECONDS DURATION LATENCY SEED"
)
_SEEDS = frozenset({"RNG", "RND", "RND_IDX", "REP", "RANDOM_STATE", "RANDOMSTATE"})


def lower_is_better(name: str) -> bool:
    """Return whether a result of this name is the better the smaller it is."""
    return not _LOWER.isdisjoint(words_of(name))


def main_result(names: Iterable[str]) -> str:
    """Return the one of some numeric results that ranks; an empty string where there is none.

    One of quality wins over one of cost, one of a test over one of training, a well-known name over
    others, and then the first.
    """
    return min(names, key=_preference, default="")


@lru_cache(maxsize=4096)
def is_seed(key: Any) -> bool:
    """Return whether a parameter does no more than to tell repetitions apart.

    Of a key that is nested, ``data.seed`` or ``data/seed``, its last part says so.
    """
    last = _SEPARATOR.split(str(key))[-1]
    return last.lstrip("_").upper() in _SEEDS or "SEED" in words_of(last)


def _preference(name: str) -> tuple[bool, bool, int]:
    words = words_of(name)
    tier = 0 if words & _SCORES else 1 if words & _LOWER else 2
    return not words.isdisjoint(_SECONDARY), not words.isdisjoint({"TRAIN", "TRAINING"}), tier
