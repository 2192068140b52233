"""The same design as most MPI programs have it: rank 0 writes what all others send it, pickled.

mpirun -n RANKS rank0_writer.py OFFSET RED GREEN BLUE OUTPUT [OPTION ...]
"""

from __future__ import annotations

import sys

from mpi4py import MPI
from recipe import colour, create, windows, write


def main() -> None:
    offset, *paths = sys.argv[1:5]
    output, *options = sys.argv[5:]
    comm = MPI.COMM_WORLD
    todo = windows(paths[0])
    if comm.rank:
        for window in todo[comm.rank - 1 :: comm.size - 1]:
            comm.send((window, colour(paths, window, int(offset))), dest=0)
        return
    image = create(output, paths[0], options)
    for _ in todo:
        write(image, *comm.recv(source=MPI.ANY_SOURCE))


if __name__ == "__main__":
    main()
