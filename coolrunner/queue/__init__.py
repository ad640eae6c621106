"""The experiments of a study: what waits, what runs, what became of each.

`base` has the interface and the statuses, `ledger` the state: a fold of records, of `entries`, with `needs`
between them and a `choice` of who is next. `memory` keeps it in memory.

`file` keeps it in a file that anyone may edit. Its truth is the `journal` beside it (`reading` reads that
alone), `claims` say whose a running experiment is, and `proof` who lives. The file itself is the `desk`:
`text` takes a save of it apart, `written` finds what has to be read, `merge` says what it means (`saves`,
`places`) and `halves` whether it is one; `exchange` replaces it so that no save is lost, and `late` finds
those that came too late.
`changes` are what commands do. `steps` are for tests that kill.
"""
