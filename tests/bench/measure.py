"""One run of a command: its seconds, its memory, and both of each of its ranks."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from conftest import MPI_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TICKS = os.sysconf("SC_CLK_TCK")

EVERY_SECONDS = 1.0
"""Time between two samples of the ranks; a sample takes a millisecond per rank."""

START_SECONDS = 5.0
"""How long new ranks are looked for, which takes more time."""


_LAUNCHER = """
import os, sys
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
numbers = os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss
os.write(int(sys.argv[1]), " ".join(map(str, numbers)).encode())
"""
"""A small process that starts the command and waits for it.

The peak memory of a process counts from when it still was a copy of its parent.
"""


class FailedError(Exception):
    """A command ended with another code than 0."""


@dataclass
class Look:
    """What a rank had used at a moment."""

    at: float
    """Seconds since the start."""
    cpu: float
    """Seconds."""
    pss: int
    """Proportional share of memory, bytes: what ranks share is counted once."""


@dataclass
class Run:
    """A finished run."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of all processes."""
    largest: int
    """Peak resident memory of the largest process, bytes."""
    looks: dict[int, list[Look]] = field(default_factory=dict)
    """By rank; empty without samples, or without MPI."""

    def peak(self, ranks: Sequence[int]) -> int:
        """Return the largest memory of some ranks, bytes."""
        return max((look.pss for rank in ranks for look in self.looks.get(rank, ())), default=0)


def _own() -> dict[str, str]:
    """Return the environment without what the parts that use GDAL themselves have set in it."""
    ours = {"GDAL_CACHEMAX", "GDAL_NUM_THREADS", "OPJ_NUM_THREADS"}
    return {name: value for name, value in os.environ.items() if name not in ours}


def run(
    command: Sequence[object], env: Mapping[str, str] | None = None, *, watch: bool = False
) -> Run:
    """Run a command to its end.

    Parameters
    ----------
    command : sequence
        Program and arguments.
    env : mapping, optional
        Beside this process's own environment.
    watch : bool
        Whether to look at its ranks meanwhile.

    Raises
    ------
    FailedError
        With the last lines of its output.
    """
    begin = time.monotonic()
    words = [str(word) for word in command]
    answer, fd = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(fd), *words],
        pass_fds=(fd,),
        env=_own() | MPI_ENVIRONMENT | dict(env or {}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(fd)
    said: list[str] = []
    assert process.stderr is not None
    listener = threading.Thread(target=lambda: said.extend(process.stderr or ()))
    listener.start()
    looks: dict[int, list[Look]] = {}
    watcher = threading.Thread(target=_watch, args=(process.pid, begin, looks))
    if watch:
        watcher.start()
    with os.fdopen(answer) as pipe:
        code, cpu, kib = pipe.read().split() or ("never started", "0", "0")
    wall = time.monotonic() - begin
    if watch:
        watcher.join()
    process.wait()
    listener.join()
    if code != "0":
        raise FailedError(f"{' '.join(words)}: {code}\n{''.join(said[-20:])}")
    return Run(wall, float(cpu), int(kib) * 1024, looks)


def _watch(parent: int, begin: float, looks: dict[int, list[Look]]) -> None:
    """Look at the ranks below a process until it has ended."""
    below: list[int] = []
    while Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        if time.monotonic() - begin < START_SECONDS:
            below = _descendants(parent)
        for pid in below:
            try:
                variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                rank = next(
                    int(variable.rpartition(b"=")[2])
                    for variable in variables
                    if variable.startswith(b"OMPI_COMM_WORLD_RANK=")
                )
                stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except (OSError, StopIteration):  # it has ended since, or is no rank
                continue
            pss = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
            cpu = (int(stat[11]) + int(stat[12])) / TICKS
            at = time.monotonic() - begin
            looks.setdefault(rank, []).append(Look(at, cpu, int(pss.split()[1]) * 1024))
        time.sleep(EVERY_SECONDS)


def _descendants(parent: int) -> list[int]:
    """List the processes below one."""
    below: dict[int, list[int]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            above = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        below.setdefault(above, []).append(int(process.name))
    found, todo = [], [parent]
    while todo:
        children = below.get(todo.pop(), [])
        found += children
        todo += children
    return found
