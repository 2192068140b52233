"""Continuing without a lost worker (--survive): all that is special to an MPI with ULFM.

ULFM is the part of MPI that tells the others of a rank's death in place of ending them all. What
was measured of it, with Open MPI 5 under ``mpirun --with-ft ulfm``, and what is made of it here:

- Only death by a signal is told, and only to ranks that talk to the dead one: a request or a
  call fails. All of ours name their peer, so that is a :class:`LostError`.
- ``Iprobe`` fails too since open-mpi/ompi#13780 (5.0.11); that of 5.0.7 finds nothing for ever,
  so who is dead is asked for.
- Over TCP a survivor crashes in MPI when a message dies half-way that was too large for the eager
  protocol. So that protocol's limit is raised, and larger messages are sent in parts.
- ``MPI_Abort`` ends no other rank: rank 0 tells them to leave (`End`), and has the launcher end
  those that do not listen. The launcher ends all by itself when a second rank leaves with an error,
  and now and then waits for ever then (PRRTE 3.0.8): so one rank alone leaves with the exit code.
- ``MPI_Finalize`` hangs now and then after a death: ranks part by hand, and then just leave.

No worker may wait for another: source chunks that two shares need are read by both (no exchange).

`comm` is a communicator that ranks may die on, `team` how they end together, `survivors` who takes
over the windows of a lost worker. Nothing else depends on this folder: without it the program only
lacks --survive.
"""
