"""The lock file beside the output: no two runs write one image; that of an ended run is void."""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from contextlib import suppress
from glob import escape
from pathlib import Path
from typing import Any, NamedTuple

from s2rgb_mpi.errors import OutputError, TakenError, UsageError, named

REFRESH_SECONDS = 10.0
"""How often the owner of a lock says that it is still there."""

STALE_SECONDS = 120.0
"""A lock of another machine that was not refreshed for so long is a dead run's."""

WATCH_SECONDS = 1.5 * REFRESH_SECONDS
"""A lock whose time lies in the future has no age: a live owner refreshes it within this."""


class SlurmStart(NamedTuple):
    """Which start of which Slurm job this is: a job that is requeued keeps its id."""

    job_id: str
    restarts: int


class Lock:
    """An output that is ours until it is released.

    Parameters
    ----------
    path : Path
        The lock file; it holds who has it, as JSON.
    start : SlurmStart, optional
        Where this is a job of Slurm: what an earlier start of the same job left is no lock.

    Raises
    ------
    UsageError
        Another run has it: names its machine and process.
    OutputError
        The file cannot be written.
    """

    def __init__(self, path: Path, start: SlurmStart | None = None) -> None:
        self.path = path
        self._start = start
        self._owner = json.dumps(_this_process() | {"slurm": start}).encode()
        with named(path):
            while not self._create():
                self._take_away()
            self._sweep()
        self._refreshed = time.monotonic()

    def refresh(self) -> None:
        """Renew the lock, if the last time is long enough ago.

        Raises
        ------
        TakenError
            This run was suspended, or cut off from the disk, for so long that another one has
            taken its lock for a dead run's.
        OutputError
            The file cannot be read or written, or its folder was removed.
        """
        if time.monotonic() - self._refreshed <= REFRESH_SECONDS:
            return
        self._refreshed = time.monotonic()
        with named(self.path):
            try:
                ours = self.path.read_bytes() == self._owner
            except FileNotFoundError:
                if not self.path.parent.is_dir():
                    raise OutputError(f"{self.path.parent}: the folder was removed") from None
                ours = False
            if not ours:
                raise TakenError(f"{self.path}: another run has taken this output meanwhile")
            os.utime(self.path)

    def release(self) -> None:
        """Release the output."""
        self.path.unlink(missing_ok=True)

    def _create(self) -> bool:
        """Make the file, whole from its first moment; return False if there is one."""
        new = self._beside()
        try:
            new.write_bytes(self._owner)
            os.link(new, self.path)
        except FileExistsError:
            return False
        finally:
            new.unlink(missing_ok=True)
        return True

    def _beside(self) -> Path:
        """Return an unused name beside the lock file."""
        return self.path.with_name(f"{self.path.name}-{secrets.token_hex(4)}")

    def _take_away(self) -> None:
        """Remove the lock of an ended run; raise if the owner may still run."""
        aside = self._beside()
        try:
            seen = self.path.read_bytes()
            owner = _read(seen)
            if not self._is_dead(owner):
                raise UsageError(
                    f"{self.path}: {_say(owner)} is writing this output"
                    " (if it is not, remove that file)"
                )
            self.path.rename(aside)
        except FileNotFoundError:
            return
        # Two runs may have seen the same dead one. Whoever took the other's new lock away
        # instead puts it back. One that is missing was that of an ended run: see `_sweep`.
        with suppress(FileNotFoundError):
            if aside.read_bytes() != seen:
                os.link(aside, self.path)
            aside.unlink()

    def _sweep(self) -> None:
        """Remove what runs have left that were killed while they took the lock, or took it away."""
        for stray in self.path.parent.glob(f"{escape(self.path.name)}-{8 * '[0-9a-f]'}"):
            with suppress(OSError):  # removed, or another user's: not worth a failure
                owner = _read(stray.read_bytes())
                if "host" in owner and self._is_dead(owner):
                    stray.unlink()

    def _is_dead(self, owner: dict[str, Any]) -> bool:
        """Return whether the owner of a lock is known to have ended."""
        if "host" not in owner:  # no lock is ever half-written: no process can hold this one
            return True
        match owner.get("slurm"):
            case [str(job_id), int(restarts)] if self._start is not None:
                if job_id == self._start.job_id and restarts < self._start.restarts:
                    return True
        here = _this_process()
        if all(owner.get(name) == here[name] for name in ("host", "pid_namespace")):
            pid = owner.get("pid")
            return not isinstance(pid, int) or _started(pid) != owner.get("started")
        age = _age(self.path)
        return age > STALE_SECONDS or (age < -1 and not _is_refreshed(self.path))


def _this_process() -> dict[str, Any]:
    """Return the identity of this process, unique on this machine and elsewhere."""
    pid = os.getpid()
    return {
        "host": socket.gethostname(),
        # Numbers of processes mean something among the processes that see each other only.
        "pid_namespace": str(Path("/proc/self/ns/pid").readlink()),
        "pid": pid,
        "started": _started(pid),
    }


def _started(pid: int) -> str | None:
    """Return when a process began, in ticks since the machine's own start; None if it has ended."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state == "Z" else fields[18]


def _read(text: bytes) -> dict[str, Any]:
    """Read a lock file; one that cannot be read has no owner."""
    try:
        owner = json.loads(text)
    except ValueError:
        return {}
    return owner if isinstance(owner, dict) else {}


def _age(path: Path) -> float:
    """Return how long ago a file was refreshed, seconds, by the clock of the disk it lies on."""
    probe = path.with_name(f"{path.name}-{secrets.token_hex(4)}")
    probe.touch()
    try:
        return probe.stat().st_mtime - path.stat().st_mtime
    finally:
        probe.unlink()


def _is_refreshed(path: Path) -> bool:
    """Wait for the owner of a lock to refresh it; return whether it has done so."""
    before = path.stat().st_mtime_ns
    end = time.monotonic() + WATCH_SECONDS
    while time.monotonic() < end:
        time.sleep(0.1)
        if path.stat().st_mtime_ns != before:
            return True
    return False


def _say(owner: dict[str, Any]) -> str:
    """Name the owner of a lock."""
    return f"process {owner.get('pid', '?')} on {owner.get('host', 'an unknown machine')}"
