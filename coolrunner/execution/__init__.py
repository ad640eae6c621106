"""One experiment to one finished run: solving, the Module's call, and the processes around it.

`worker` runs an experiment in the process it is in; `inline` calls it right here, `local` in a fresh
process that `helper` forks. `base` has the interface, `solving` and `pinning` what a worker needs.
"""
