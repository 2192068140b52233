"""The design that s2rgb_mpi comes from: one process writes what a pool of others puts in a queue.

queue_writer.py PROCESSES OFFSET RED GREEN BLUE OUTPUT [OPTION ...]

Written anew after the course exercise: float64, windows of 512 pixels, pickled arrays through a
managed queue, and a writer that compresses. PROCESSES counts the pool and the writer.
"""

from __future__ import annotations

import multiprocessing
import sys
from typing import Any

from recipe import Window, colour, create, windows, write


def job(queue: Any, paths: list[str], window: Window, offset: int) -> None:
    """Colour one window and queue it."""
    queue.put((window, colour(paths, window, offset)))


def aggregate(queue: Any, output: str, like: str, options: list[str]) -> None:
    """Write what is in the queue until its end is."""
    image = create(output, like, options)
    while (item := queue.get()) is not None:
        write(image, *item)


def main() -> None:
    processes, offset, *paths = sys.argv[1:6]
    output, *options = sys.argv[6:]
    with multiprocessing.Manager() as manager:
        queue = manager.Queue()
        writer = multiprocessing.Process(target=aggregate, args=(queue, output, paths[0], options))
        writer.start()
        with multiprocessing.Pool(max(1, int(processes) - 1)) as pool:
            jobs = [
                pool.apply_async(job, (queue, paths, window, int(offset)))
                for window in windows(paths[0])
            ]
            for one in jobs:
                one.get()
        queue.put(None)
        writer.join()
        sys.exit(writer.exitcode)


if __name__ == "__main__":
    main()
