"""The program, but every chunk of a Zarr array that is read is told: its band and its number."""

import os
import sys

from s2rgb_mpi import __main__  # isort: skip  before MPI, which it sets up
from s2rgb_mpi.inputs.zarr import chunks  # isort: skip

chunk = chunks.ArrayReader.chunk


def told(self, index):
    words = "decoded", self.array.folder.rpartition("/")[2], *index
    # In one call of the system: what several ranks print in pieces is torn.
    os.write(sys.stdout.fileno(), (" ".join(map(str, words)) + "\n").encode())
    return chunk(self, index)


setattr(chunks.ArrayReader, "chunk", told)  # noqa: B010  mypy takes no assignment to a method

sys.exit(__main__.main(sys.argv[1:]))
