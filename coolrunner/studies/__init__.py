"""What a study is made of beside its experiments: the glue between definition, queue, logs and processes.

`brief` is what a runner knows of its study, `opening` gives it a queue in memory, `queues` one that is a
file, with what `facts` says of each experiment; `scribe` writes experiments for
a queue file and completes what people write there, `past` is ``E`` for ``solve``. `outcomes` takes what
came of experiments to the queue, the logs (`records`) and the listeners, with `patience`; `blocked` says
why the rest does not run, and `resuming` finds what an earlier run of a definition has done already.
"""
