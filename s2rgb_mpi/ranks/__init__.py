"""All that passes between ranks: apart from ``__main__`` nobody else knows MPI.

A rank is the `coordinator`, a `worker` or the `writer`. Each waits in its `loop` and sends small
`messages`; `liveness` names ranks that are silent. A worker renders windows (`render`); source
chunks that appear in several shares pass between workers (`cell_exchange`), and workers that are
done copy tiles into place (`seal_helpers`). `ulfm/` continues without a lost worker.
"""
