"""The waiting experiments: what the runner takes from, and what becomes of each.

`base` has the interface and the statuses, `memory` keeps the queue in memory.
"""
