"""Whether two groups of results differ, by a test that is named.

============  ==========================================================================================
welch         Welch's t-test: are the means equal; the variances need not be. This is ``auto``.
mann-whitney  the Mann-Whitney U test: does one group tend to larger values; of ranks alone
bootstrap     are the means equal, by drawing each group anew 9,999 times (always the same draws); too sure
              of itself where a group has fewer than some ten values
paired-t      the t-test of the differences within pairs, such as runs that share their seed
wilcoxon      Wilcoxon's signed-rank test of the differences within pairs; of ranks alone
============  ==========================================================================================

All are two-sided. ``auto`` looks at no values before it chooses, for a test that was chosen by its own data
is a test no more. Whichever is taken, the effect is the difference of the means with its 95% confidence
interval: Welch's for groups, that of the differences for pairs, that of the draws for ``bootstrap``.
"""

from __future__ import annotations

import math
import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from coolrunner.errors import UsageError, nearest
from coolrunner.results.groups.statistics import aggregate, is_number, numbers, quantile, scipy_module

__all__ = ["PAIRED", "TESTS", "Comparison", "compare"]

DRAWS = 9_999
_DRAWN_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a test says about two groups; what it cannot say is ``nan``.

    Attributes
    ----------
    test
        The name of the test, one of `TESTS`.
    statistic, p
        Its statistic, and how probable one so extreme is where the groups do not differ.
    difference
        The mean of the first group less that of the second.
    low, high
        The 95% confidence interval of the difference.
    n_a, n_b
        How many numbers were compared; of pairs those of which both are numbers.
    mean_a, mean_b
        Their means.
    std_a, std_b
        Their standard deviations.
    label_a, label_b
        What the groups are called.
    of
        What was compared, where that has a name.
    """

    test: str
    statistic: float
    p: float
    difference: float
    low: float
    high: float
    n_a: int
    n_b: int
    mean_a: float
    mean_b: float
    std_a: float
    std_b: float
    label_a: str = "a"
    label_b: str = "b"
    of: str = ""

    def __str__(self) -> str:
        return f"{self.of}: {self.sentence}" if self.of else self.sentence

    @property
    def sentence(self) -> str:
        """All of it for a person, in one line."""
        known = TESTS[self.test]
        groups = (
            f"{_spread(self.label_a, self.mean_a, self.std_a, self.n_a)}, "
            f"{_spread(self.label_b, self.mean_b, self.std_b, self.n_b)}"
        )
        if math.isnan(self.p):
            return f"{groups}; {known.title}: cannot tell (it needs several finite values that vary)"
        interval = "" if math.isnan(self.low) else f" (95% CI {self.low:.4g} to {self.high:.4g})"
        statistic = f"{known.symbol} = {self.statistic:.4g}, " if known.symbol else ""
        p = "p < 0.0001" if self.p < 1e-4 else f"p = {self.p:.2g}"
        return f"{groups}; difference {self.difference:.4g}{interval}; {known.title}: {statistic}{p}"


class Method(NamedTuple):
    """A test: how it is called in a sentence, the symbol of its statistic, and how it is done."""

    title: str
    symbol: str
    paired: bool
    apply: Callable[[list[float], list[float]], tuple[float, float]]


def compare(
    a: Sequence[Any], b: Sequence[Any], test: str = "auto", *, labels: tuple[str, str] = ("a", "b")
) -> Comparison:
    """Compare two groups of results.

    Parameters
    ----------
    a, b
        Values; those that are no numbers do not count. For a test of pairs, pairs stand at the same place.
    test
        One of `TESTS`, or ``auto``.
    labels
        What the groups are called.

    Raises
    ------
    UsageError
        There is no such test, pairs are to be compared that are none, or SciPy is not installed.
    """
    name = "welch" if test == "auto" else test
    if name not in TESTS:
        close = nearest(name, ["auto", *TESTS])
        hint = f"did you mean {close!r}?" if close else f"there are {', '.join(TESTS)}"
        raise UsageError(f"there is no test {test!r}; {hint}")
    if name in PAIRED:
        if len(a) != len(b):
            raise UsageError(f"{name} compares pairs, and there are {len(a)} and {len(b)} values")
        pairs = [(x, y) for x, y in zip(a, b, strict=True) if is_number(x) and is_number(y)]
        one, other = numbers(x for x, _ in pairs), numbers(y for _, y in pairs)
    else:
        one, other = numbers(a), numbers(b)
    statistic, p = TESTS[name].apply(one, other)
    mean_a, std_a, mean_b, std_b = *_mean_std(one), *_mean_std(other)
    difference = mean_a - mean_b
    low, high = _interval(name, one, other, difference)
    return Comparison(
        name, statistic, p, difference, low, high, len(one), len(other), mean_a, mean_b, std_a, std_b, *labels
    )


def _spread(label: str, mean: float, std: float, n: int) -> str:
    if not n:
        return f"{label}: no numbers"
    return f"{label}: {mean:.4g}{'' if math.isnan(std) else f' ± {std:.2g}'} (n = {n})"


def _mean_std(values: list[float]) -> tuple[float, float]:
    found = aggregate(values, ["mean", "std"])
    return found["mean"] if values else math.nan, found["std"] if len(values) > 1 else math.nan


def _differences(a: list[float], b: list[float]) -> list[float]:
    return [x - y for x, y in zip(a, b, strict=True)]


def _varies(values: list[float]) -> bool:
    return len(set(values)) > 1


# --- intervals ---


def _interval(name: str, a: list[float], b: list[float], difference: float) -> tuple[float, float]:
    if name == "bootstrap":
        drawn = _drawn_differences(a, b)
        if not drawn:
            return math.nan, math.nan
        return quantile(drawn, 0.025), quantile(drawn, 0.975)
    if name in PAIRED:
        half = aggregate(_differences(a, b), ["ci95"])["ci95"] if len(a) > 1 else math.nan
    else:
        half = _welch_half(a, b)
    return difference - half, difference + half


def _welch_half(a: list[float], b: list[float]) -> float:
    """Return half the width of the 95% interval of the difference of two means (Welch, Satterthwaite)."""
    if len(a) < 2 or len(b) < 2:
        return math.nan
    parts = [(aggregate(values, ["sem"])["sem"] ** 2, len(values) - 1) for values in (a, b)]
    variance = sum(part for part, _ in parts)
    if not variance:
        return 0.0
    freedom = 1 / sum((part / variance) ** 2 / n for part, n in parts)
    return float(scipy_module("special").stdtrit(freedom, 0.975)) * math.sqrt(variance)


# --- tests ---


def _quietly(test: Callable[..., Any], *values: Any, **options: Any) -> tuple[float, float]:
    """Return a test's statistic and p; SciPy warns of values that are almost the same, and p says it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = test(*values, **options)
    return float(result.statistic), float(result.pvalue)


_UNKNOWN = (math.nan, math.nan)


def _welch(a: list[float], b: list[float]) -> tuple[float, float]:
    if len(a) < 2 or len(b) < 2 or not (_varies(a) or _varies(b)):
        return _UNKNOWN
    return _quietly(scipy_module("stats").ttest_ind, a, b, equal_var=False)


def _mann_whitney(a: list[float], b: list[float]) -> tuple[float, float]:
    if not a or not b or not _varies([*a, *b]):
        return _UNKNOWN
    return _quietly(scipy_module("stats").mannwhitneyu, a, b, alternative="two-sided")


def _paired_t(a: list[float], b: list[float]) -> tuple[float, float]:
    if len(a) < 2 or not _varies(_differences(a, b)):
        return _UNKNOWN
    return _quietly(scipy_module("stats").ttest_rel, a, b)


def _wilcoxon(a: list[float], b: list[float]) -> tuple[float, float]:
    if not any(_differences(a, b)):
        return _UNKNOWN
    return _quietly(scipy_module("stats").wilcoxon, a, b)


def _bootstrap(a: list[float], b: list[float]) -> tuple[float, float]:
    """Return the difference of the means, and twice the share of draws on the other side of zero."""
    drawn = _drawn_differences(a, b)
    if not drawn:
        return _UNKNOWN
    beyond = min(bisect_right(drawn, 0), len(drawn) - bisect_left(drawn, 0))
    return sum(a) / len(a) - sum(b) / len(b), min(1.0, 2 * (beyond + 1) / (len(drawn) + 1))


def _drawn_differences(a: list[float], b: list[float]) -> list[float]:
    """Return the differences of the means of many draws, sorted; none where there is nothing to draw."""
    if len(a) < 2 or len(b) < 2 or not (_varies(a) or _varies(b)) or not all(map(math.isfinite, [*a, *b])):
        return []
    scipy_module("special")  # or say that it is not installed, and NumPy with it
    import numpy as np

    draws = np.random.default_rng(0)

    def means(values: list[float]) -> Any:
        array = np.asarray(values, dtype=float)
        at_once = max(1, _DRAWN_AT_ONCE // len(array))
        sizes = [at_once] * (DRAWS // at_once) + [DRAWS % at_once]
        return np.concatenate([draws.choice(array, size=(size, len(array))).mean(axis=1) for size in sizes])

    differences: list[float] = np.sort(means(a) - means(b)).tolist()
    return differences


TESTS: dict[str, Method] = {
    "welch": Method("Welch's t-test", "t", False, _welch),
    "mann-whitney": Method("Mann-Whitney U test", "U", False, _mann_whitney),
    "bootstrap": Method(f"bootstrap of the means ({DRAWS:,} draws)", "", False, _bootstrap),
    "paired-t": Method("paired t-test", "t", True, _paired_t),
    "wilcoxon": Method("Wilcoxon signed-rank test", "W", True, _wilcoxon),
}
#: Those that compare pairs.
PAIRED = frozenset(name for name, test in TESTS.items() if test.paired)
