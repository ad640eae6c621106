"""Numbers over groups of runs: repetitions, statistics, comparisons."""
