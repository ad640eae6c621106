"""One run on disk, whichever way it was started.

`layout` says where things are, `root` makes and finds runs, `session` is a run while it goes on and
`current` finds the one that is under way; the other modules are each about one thing that a run holds.
"""
