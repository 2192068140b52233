"""The ranks and the messages between them: apart from ``__main__`` no other module uses MPI.

`launch` finds the `team`, `roles` gives each rank its role: the `coordinator`, a `worker`, or the
`writer`; `guard` ends all of them together. A rank is its team, a stopwatch and a `loop` with
duties, functions that are called while it waits. Small `messages` are values; `progress` reports to
rank 0, where `liveness` finds silent ranks.

Of each share rank 0 keeps a few windows back as a `reserve`, and deals them to workers that are
nearly done. A worker makes `blocks` of windows that it renders (`render`) from `parts` of source
chunks. Chunks that several shares need pass between workers (`chunk_exchange`), and workers that
are done copy tiles into place (`finalise_helpers`). `ulfm/` continues without a lost worker.

`convert` is all of this as a function, in one process (`alone`) or on many ranks; `beginning` is
what rank 0 does first.
"""
