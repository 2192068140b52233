"""All that passes between ranks: apart from ``__main__`` nobody else knows MPI.

`launch` finds the `team`, `roles` gives each rank its role: the `coordinator`, a `worker`, or the
`writer`; `guard` ends all of them together. A rank is its team, a stopwatch and a `loop` with the
duties it looks after while it waits. Small `messages` are values; `progress` reports to rank 0,
where `liveness` names ranks that are silent.

A worker makes `blocks` of windows that it renders (`render`); source chunks that several shares
show pass between workers (`chunk_exchange`), and workers that are done copy tiles into place
(`seal_helpers`). `ulfm/` continues without a lost worker.

`convert` is all of this as a function, in one process (`alone`) or on many ranks.
"""
