"""A definition: one YAML file (and overrides) to a list of resolved experiments.

The way through this floor: `documents` reads the file, `overrides` changes it from the command line,
`settings` takes ``Global``, `names` looks for misspelt keys, `templates` compiles expressions,
`resolve` evaluates them (`expressions`), `checks` looks at the runner's own keys and, with `modules`,
whether the Modules can be found. `needs` finds what waits for what, `plan` repeats documents and puts it
together: `read_plan`.

`adding` completes what a person writes into a queue, and `inplace` the text of it; `resources` reads what
an experiment needs of its machine, `differing` the keys that tell one experiment from another.
"""
