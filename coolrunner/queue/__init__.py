"""The experiments of a study: what waits, what runs, what became of each.

`base` has the interface and the statuses, `ledger` the state (a fold of records), `memory` keeps it in
memory. `file` keeps it in a file that anyone may edit: `journal` is its truth on the disk, `claims` whose
a running experiment is (`proof` of who lives), `desk` the file itself: `text` takes it apart, `merge` says
what a save means, `exchange` replaces it so that no save is lost.
"""
