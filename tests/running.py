"""The processes of a run, wherever its launcher has put them.

Open MPI 4 leaves all of them in the session of mpirun, and MPICH gives each rank one of its own: so
a mark in their environment tells which they are.
"""

import contextlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

MARK = "S2RGB_TEST_RUN"


class Process(NamedTuple):
    """One that has not ended."""

    pid: int
    state: str
    """One letter, as in /proc/PID/stat: T is stopped."""
    command: str
    """Its command line, with spaces between the words."""


def marked(env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for a run that is known by it."""
    return {**env, MARK: secrets.token_hex(8)}


def processes(env: Mapping[str, str]) -> list[Process]:
    """List the processes of the run with this environment, in the order of their numbers."""
    mark = f"{MARK}={env[MARK]}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended since
            if mark not in (process / "environ").read_bytes().split(b"\0"):
                continue
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            command = (process / "cmdline").read_text().replace("\0", " ")
            if state != "Z":
                found.append(Process(int(process.name), state, command))
    return sorted(found)
