"""One run under the launcher, and the disturbance of it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from running import Process, processes
from soak.rounds import Step

DEADLINE_SECONDS = 90.0
"""A run that is not over by then hangs; the longest takes a few seconds on an idle machine."""

TIMEOUT_SECONDS = 3
"""The --timeout of runs with a rank that stops for good."""

GONE_SECONDS = 15.0
"""By then all processes of a run have ended, once its launcher has."""

_RANKS = (b"OMPI_COMM_WORLD_RANK", b"PMI_RANK")


class Files(NamedTuple):
    """Where a run writes."""

    output: Path
    filler: Path
    """On the same disk, and as large as it must be to fill it."""

    def beside(self, end: str) -> Path:
        """Return the path of one of the run's own files."""
        return self.output.with_name(f"{self.output.name}.{end}")

    def are_done(self) -> bool:
        """Return whether the image is finished, with no run left to resume."""
        return self.output.exists() and not self.beside("journal").exists()


class Finished(NamedTuple):
    """A run that is over."""

    code: int
    stderr: str
    in_time: bool
    """Whether it was still running when it was disturbed."""
    hung: str
    """What lived when its time was over; empty if it ended by itself."""
    orphans: str
    """What lived on after its launcher had ended."""
    rival: tuple[int, str] | None
    """Exit code and standard error of another run of the same output."""


class Run:
    """A run under way.

    Parameters
    ----------
    command : list of str
        With the launcher.
    env : dict of str to str
        Marked: what is found by the mark belongs to this run.
    folder : Path
        Takes what is said.
    """

    def __init__(self, command: list[str], env: dict[str, str], folder: Path) -> None:
        self._env = env
        self._said = folder / "stderr"
        with self._said.open("wb") as err:
            self._process = subprocess.Popen(
                command, env=env, stdout=subprocess.DEVNULL, stderr=err, start_new_session=True
            )
        self.pid = self._process.pid
        self._begun = time.time_ns()

    def is_over(self) -> bool:
        return self._process.poll() is not None

    def nbytes(self, path: Path) -> int:
        """Return the size of a file; -1 if it is not there, or was left by another run."""
        try:
            status = path.stat()
        except FileNotFoundError:
            return -1
        return status.st_size if status.st_mtime_ns > self._begun else -1

    def ranks(self) -> dict[int, int]:
        """Return the number of each rank's process; a lone one's under 0."""
        found = {}
        for process in processes(self._env):
            rank = _rank_of(process)
            if rank is not None:
                found[rank] = process.pid
        return found or ({0: self.pid} if not self._is_launcher() else {})

    def everything(self) -> list[int]:
        return [process.pid for process in processes(self._env)]

    def send(self, number: int, *pids: int) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def wait(self, seconds: float) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self.is_over()

    def end(self, *, in_time: bool, rival: tuple[int, str] | None = None) -> Finished:
        """Wait for the end of all its processes; end what does not end by itself."""
        hung = orphans = ""
        if not self.wait(DEADLINE_SECONDS):
            hung = self._describe()
            # Every Python says where it stands: see PYTHONFAULTHANDLER.
            self.send(signal.SIGCONT, *self.everything())
            self.send(signal.SIGABRT, *self.ranks().values())
            self.wait(2)
            self.send(signal.SIGKILL, *self.everything())
            self._process.wait()
        deadline = time.monotonic() + GONE_SECONDS
        while self.everything() and time.monotonic() < deadline:
            time.sleep(0.02)
        if self.everything() and not hung:
            orphans = self._describe()
        self.send(signal.SIGKILL, *self.everything())
        said = self._said.read_text(errors="replace")
        return Finished(self._process.returncode, said, in_time, hung, orphans, rival)

    def _is_launcher(self) -> bool:
        return any(
            process.pid == self.pid and " -n " in process.command
            for process in processes(self._env)
        )

    def _describe(self) -> str:
        """Format which processes are alive, and where each one is in the kernel."""
        lines = []
        for process in processes(self._env):
            place = ""
            with contextlib.suppress(OSError):  # only root may look
                place = Path(f"/proc/{process.pid}/stack").read_text().strip().replace("\n", " < ")
            lines.append(
                f"rank {_rank_of(process)}, process {process.pid} ({process.state}): {place}"
            )
        return "\n".join(lines)


def _rank_of(process: Process) -> int | None:
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
            name, _, value = entry.partition(b"=")
            if name in _RANKS:
                return int(value)
    return None


def disturb(
    run: Run, step: Step, files: Files, nbytes: int, rival: Callable[[], tuple[int, str]]
) -> Finished:
    """Do to a run what a step says, and wait for its end.

    Parameters
    ----------
    run : Run
        Just started.
    step : Step
        What to do, when, and to whom.
    files : Files
        The run's.
    nbytes : int
        Size of the image that it is to make.
    rival : callable
        Starts another run of the same output, and waits for it.
    """
    if step.deed in ("nothing", "small disk"):
        return run.end(in_time=True)
    in_time = _wait_for(run, step, files, nbytes)
    while in_time and step.rank not in run.ranks():  # mpirun has not started it yet
        time.sleep(0.002)
        in_time = not run.is_over()
    one = [pid for rank, pid in run.ranks().items() if rank == step.rank]
    answer = None
    if step.deed == "fill the disk":
        fill(files.filler)
    elif step.deed == "rival":
        answer = rival()
    elif step.deed == "stop a rank":
        run.send(signal.SIGSTOP, *one)
        while not run.wait(TIMEOUT_SECONDS + 2) and files.are_done():
            in_time = False  # nothing was left to be done
            run.send(signal.SIGCONT, *one)
    else:
        _signal(run, step, one)
    return run.end(in_time=in_time, rival=answer)


def _signal(run: Run, step: Step, one: list[int]) -> None:
    """Do what is done by signals."""
    pids = run.everything() if step.deed.endswith(" all") else one
    match step.deed:
        case "kill a rank" | "kill all":
            run.send(signal.SIGKILL, *pids)
        case "kill the launcher":
            run.send(signal.SIGKILL, run.pid)
        case "SIGTERM" | "SIGINT" | "SIGUSR1":
            run.send(signal.Signals[step.deed], run.pid)
        case "SIGUSR1 to a rank":
            run.send(signal.SIGUSR1, *pids)
        case "pause a rank" | "pause all":
            run.send(signal.SIGSTOP, *pids)
            time.sleep(step.amount)
            run.send(signal.SIGCONT, *pids)
        case _:  # nothing
            pass


def _wait_for(run: Run, step: Step, files: Files, nbytes: int) -> bool:
    """Wait for the moment of a step; return whether it came before the run was over."""
    moment = step.moment

    def has_come() -> bool:
        match moment.mark:
            case "process":
                return True
            case "signals":
                ranks = run.ranks().values()
                return len(ranks) == (step.ranks or 1) and all(map(_is_listening, ranks))
            case "final":
                return run.nbytes(files.beside("final")) > 0
            case "lock":
                return run.nbytes(files.beside("lock")) > 0
            case _:
                return run.nbytes(files.beside("part")) > moment.share * nbytes

    while not run.is_over() and not has_come():
        time.sleep(0.002)
    if moment.seconds:
        run.wait(moment.seconds)
    return not run.is_over()


def _is_listening(pid: int) -> bool:
    """Return whether a process handles SIGUSR1 (proc_pid_status(5): SigCgt)."""
    with contextlib.suppress(OSError):
        caught = re.search(
            r"^SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE
        )
        return caught is not None and bool(int(caught[1], 16) >> signal.SIGUSR1 - 1 & 1)
    return False


def fill(filler: Path, room: int = 0) -> None:
    """Make a file so large that its disk has no more than so many bytes left."""
    with filler.open("ab", buffering=0) as file:
        left = os.statvfs(filler)
        spare = left.f_bavail * left.f_frsize - room
        with contextlib.suppress(OSError):  # a run takes some of it meanwhile
            if spare > 0:
                os.posix_fallocate(file.fileno(), 0, spare)
                return
        with contextlib.suppress(OSError):
            while not room:
                file.seek(0, os.SEEK_END)
                file.write(bytes(4096))
