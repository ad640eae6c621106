"""One experiment to one finished run: its share of the machine, the processes around it, the Module's call.

`base` has the interface of a backend: `inline` calls a Module right here, `local` in a fresh process that
a `helper` forks, both on slots of this machine (`pooled`). `forker` keeps the helpers and `running` follows
one experiment. In its process `child` prepares for `worker`, which runs it, with `solving` and `pinning` for
what it needs.

`slots` gives out the CPUs, GPUs and bytes that `machine` and `gpus` find, in the sight of other runners
(`locks`); `memory`, `cgroups` and `threads` see to it that an experiment keeps to them.
"""
