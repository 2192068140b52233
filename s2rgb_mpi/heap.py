"""The heap of a process: returns the memory that glibc's malloc would keep."""

from __future__ import annotations

import ctypes

_ARENA_MAX = -8
"""glibc's M_ARENA_MAX (mallopt(3))."""


def trim() -> None:
    """Return freed heap pages to the operating system (glibc's ``malloc_trim``).

    Long-lived arrays lie between short-lived ones: without this, fragmentation took 180 MB in a
    worker of a mosaic of nine granules, and 25 MB in one that reads ahead from servers. A call
    takes about 5 ms.
    """
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only
    if malloc_trim is not None:
        malloc_trim(0)


def use_one_arena() -> None:
    """Make all threads share one heap (glibc's arena); by default each gets its own.

    Otherwise every thread that reads from servers keeps the memory of its largest request: 120 MB
    in all (measured with 16 threads).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, 1)
