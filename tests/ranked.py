"""Ranks for tests in one process: without MPI, or on a communicator of the test."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from s2rgb_mpi.image.block import Block
from s2rgb_mpi.plan.partition import Share
from s2rgb_mpi.plan.plan import Plan
from s2rgb_mpi.ranks.blocks import BlockMaker
from s2rgb_mpi.ranks.chunk_exchange import ChunkExchange
from s2rgb_mpi.ranks.loop import Loop
from s2rgb_mpi.ranks.team import Rank, Team
from s2rgb_mpi.timing import Tally


def make_rank(comm: Any, tally: Tally | None = None) -> Rank:
    """Return a rank of a team on a communicator of the test's own."""
    team = Team(SimpleNamespace(Dup=lambda: comm))
    return Rank(team, tally or Tally("rank"), Loop())


def make_blocks(
    plan: Plan,
    windows: Sequence[int],
    tally: Tally | None = None,
    exchange: ChunkExchange | None = None,
) -> list[Block]:
    """Make the blocks of some windows, as a worker does."""
    with BlockMaker(plan, Share(windows), tally or Tally("worker"), exchange) as maker:
        return [maker.make(number) for number in windows]
