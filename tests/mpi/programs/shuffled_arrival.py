"""The program, but the writer places blocks in an order of its own: SEED, then the arguments."""

import random
import sys

from s2rgb_mpi import __main__
from s2rgb_mpi.ranks import writer

receive = writer.receive


def shuffled(*arguments):
    blocks = list(receive(*arguments))
    random.Random(int(sys.argv[1])).shuffle(blocks)  # noqa: S311  no secret
    print("order", *(block.window for block in blocks), flush=True)
    return blocks


writer.receive = shuffled
sys.exit(__main__.main(sys.argv[2:]))
