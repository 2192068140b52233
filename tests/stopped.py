"""Runs in this process, without MPI: stopped at any window, and resumed."""

import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ranked import make_blocks
from s2rgb_mpi.image.block import Block
from s2rgb_mpi.image.profile import Profile
from s2rgb_mpi.output.assembler import Output
from s2rgb_mpi.output.workspace import claim, clear
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.plan import Plan
from s2rgb_mpi.plan.prepare import prepare
from s2rgb_mpi.timing import Tally


def make_plan(safe: Path, output: Path, *below: Path, **options: Any) -> Plan:
    """Plan a run in windows of 128 pixels, four tiles each."""
    small: dict[str, Any] = {"profile": Profile(tile=64), "window": 128}
    return prepare(Job((str(safe), *map(str, below)), output, **small | options))


def all_blocks(plan: Plan) -> list[Block]:
    """Make every window's block."""
    return make_blocks(plan, range(len(plan.windows)))


def begin(plan: Plan, made: Sequence[Block]) -> Output:
    """Begin a run, or resume a stopped one; place these blocks, as far as it wants them."""
    taken = claim(plan)
    output = Output(taken.plan, Tally("writer"))
    for block in made:
        if block.window not in taken.plan.done:
            output.place(block)
    return output


def stop(plan: Plan, made: Sequence[Block]) -> str:
    """Run, and stop after these blocks; return what is said of it."""
    begin(plan, made).keep()
    return clear(plan, None)


def resume(plan: Plan, made: Sequence[Block]) -> bytes:
    """Resume a stopped run to its end; return the file."""
    plan = replace(plan, job=replace(plan.job, resume=True))
    try:
        assert begin(plan, made).finish()
    except BaseException as error:
        clear(plan, error)
        raise
    clear(plan, None)
    return plan.job.output.read_bytes()


def left(plan: Plan) -> set[str]:
    """List what lies beside the output: the ends of its names."""
    output = plan.job.output
    return {path.name.removeprefix(output.name) for path in output.parent.glob(f"{output.name}*")}


@contextmanager
def largest_file(nbytes: int) -> Iterator[None]:
    """Let the system refuse to make any file larger while the body runs."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
