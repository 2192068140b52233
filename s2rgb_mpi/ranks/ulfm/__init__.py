"""Continuing without a lost worker (--survive): all that is specific to an MPI with ULFM.

ULFM (user-level failure mitigation) is the part of MPI that reports the death of a rank to the
others instead of ending them all. Observed with Open MPI 5 under ``mpirun --with-ft ulfm``, and the
consequences here:

- Only death by a signal is reported, and only to ranks that communicate with the dead one: a
  request or a call fails. All calls here name their peer, so the failure becomes a
  :class:`LostError`.
- ``Iprobe`` fails too since open-mpi/ompi#13780 (5.0.11). In 5.0.7 it finds nothing, for ever, so
  the list of dead ranks is checked as well.
- Over TCP a survivor crashes inside MPI if the sender of a message dies half-way that was too large
  for the eager protocol. So the limit of that protocol is raised, and larger messages are sent in
  parts.
- ``MPI_Abort`` does not end other ranks: rank 0 tells them to exit (`End`), and has the launcher
  end those that do not respond. The launcher itself ends all ranks when a second one exits with an
  error, and then sometimes hangs (PRRTE 3.0.8): so only one rank exits with the exit code.
- ``MPI_Finalize`` sometimes hangs after a death: ranks agree on the end by messages, and then exit
  without it.

No worker may wait for another: source chunks that two shares need are read by both (no exchange).

`comm` is a communicator on which ranks may die, `team` the way they end together, `survivors` the
workers that take over the windows of a lost one. Nothing else depends on this folder: without it
only --survive is missing.
"""
