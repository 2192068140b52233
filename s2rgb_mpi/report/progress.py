"""How far the run is: a bar where there is a terminal, else a line now and then."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqdm import tqdm

LINE_SECONDS = 10.0
LINE_SHARE = 0.05
"""In a log a line comes after so much time, or so much of the work ..."""

LEAST_SECONDS = 1.0
"""... but no sooner than this after the one before, so that short runs stay short in the log."""

_PROXY = "hydra_pmi_proxy"
"""What stands between mpirun and the ranks of its machine with MPICH and Intel MPI."""


def terminal() -> int | None:
    """Find the terminal that standard error ends at, and return its width in columns.

    mpirun gives every rank a pipe for standard error and passes on what comes out of it at once,
    so the question is whether mpirun's own standard error is a terminal: on Linux the file
    descriptors of a parent can be looked at. Under srun the parent is a daemon of the node,
    without a terminal.

    Returns
    -------
    int or None
        None if there is none.
    """
    if sys.stderr.isatty():
        return os.get_terminal_size(sys.stderr.fileno()).columns
    try:
        device = (_launcher() / "fd" / "2").readlink()
        if not str(device).startswith(("/dev/pts/", "/dev/tty")):
            return None
        handle = os.open(device, os.O_RDONLY | os.O_NOCTTY)
    except OSError:  # no /proc, or a parent of another user
        return None
    try:
        return os.get_terminal_size(handle).columns
    except OSError:
        return None
    finally:
        os.close(handle)


def _launcher() -> Path:
    """Return the place of mpirun in /proc: this process's parent, or the parent of a proxy."""
    parent = Path(f"/proc/{os.getppid()}")
    if (parent / "comm").read_text().strip() == _PROXY:
        after_name = (parent / "stat").read_text().rpartition(")")[2]
        return Path("/proc") / after_name.split()[1]
    return parent


class Lines:
    """Progress as lines in a log: says when one is due, and what it is.

    Parameters
    ----------
    windows, pixels : int
        All there is to do.
    done : int
        Pixels that were done before this run began.
    """

    def __init__(self, windows: int, pixels: int, done: int = 0) -> None:
        self._windows = windows
        self._pixels = pixels
        self._done = done
        self._begin = time.monotonic()
        self._said = (self._begin, done / pixels)

    def advance(self, windows: int, pixels: int, nbytes: int) -> str | None:
        """Return the line that is due now that so much is in the partial file, or None."""
        now = time.monotonic()
        last, before = self._said
        share = pixels / self._pixels
        due = now - last >= LINE_SECONDS or share - before >= LINE_SHARE
        new = pixels - self._done
        # The writer also sends word that it is there, while the first window is still being read.
        if not due or now - last < LEAST_SECONDS or windows == self._windows or not new:
            return None
        self._said = (now, share)
        seconds = now - self._begin
        left = (self._pixels - pixels) * seconds / new
        return (
            f"{windows} of {self._windows} windows, {nbytes / 1e6:.1f} MB, {seconds:.0f} s,"
            f" {new / 1e6 / seconds:.2f} Mpx/s, about {left:.0f} s left"
        )


def make_bar(pixels: int, columns: int | None, done: int = 0) -> tqdm:
    """Return the bar: pixels done, pixels a second, time left.

    Parameters
    ----------
    pixels : int
        All there is to do.
    columns : int, optional
        Width of the terminal; tqdm cannot find it out through mpirun's pipe.
    done : int
        Pixels that were done before this run began.
    """
    from tqdm import tqdm  # noqa: PLC0415  only where a bar is shown

    return tqdm(
        total=pixels,
        initial=done,
        unit="px",
        unit_scale=True,
        leave=False,
        ncols=columns or 80,
        nrows=2,  # tqdm would ask, and show nothing in a terminal without a size
        file=sys.stderr,
    )
