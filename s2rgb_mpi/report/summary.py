"""The lines at the end: what was written, how fast, by whom, and what limited it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s2rgb_mpi.timing import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s2rgb_mpi.report.run_record import Account
    from s2rgb_mpi.timing import Tally


MOST_NAMED = 3
"""The most products that are named at the end; the files of a run name them all."""


def summary(account: Account) -> list[str]:
    """Sum up a run in 5 to 10 lines.

    Parameters
    ----------
    account : Account
        Of the run.

    Returns
    -------
    list of str
        The last one is the verdict.
    """
    ranks = f"{_count(len(account.tallies), 'rank')} of {_machines(account)}"
    speed = f"{account.mpx / account.seconds:.2f} Mpx/s on {ranks}"
    return [
        *_written(account),
        *_sources(account),
        f"{account.seconds:.1f} s, start-up {account.start_seconds:.1f} s of it; {speed}",
        *_roles(account),
        *_slowest(account.playing("worker")),
        _peaks(account),
        account.verdict.sentence,
    ]


def _written(account: Account) -> Iterator[str]:
    """Format the new file: its size, and where it is."""
    output = account.output
    yield (
        f"wrote {output['path']}: {_size(output['nbytes'])}, {output['layout']},"
        f" {output['compress']}, {account.ratio:.1%} of the raw pixels"
    )
    empty = f"{len(account.empty)} of them without data" if account.empty else "all with data"
    if len(account.empty) == len(account.windows):
        empty = "none with data"
    if account.resumed:
        empty += f"; {account.resumed} were there before this run"
    if account.damaged:
        empty += f"; {len(account.damaged)} could not be read and are left empty"
    yield (
        f"{_megapixels(account.mpx)} Mpx, {account.valid_percent:.4g} % valid,"
        f" in {_count(len(account.windows), 'window')}, {empty}"
    )


def _sources(account: Account) -> Iterator[str]:
    """Format how much of the image each of several products has made, the largest part first."""
    if len(account.inputs) == 1:
        return
    whole = sum(product["pixels"] for product in account.inputs) or 1
    parts = sorted(
        ((product["pixels"] / whole, str(product["name"])) for product in account.inputs),
        reverse=True,
    )
    named = ", ".join(f"{name} {share:.1%}" for share, name in parts[:MOST_NAMED])
    rest = len(parts) - MOST_NAMED
    yield f"from {named}" + (f" and {rest} more" if rest > 0 else "")


def _machines(account: Account) -> str:
    """Format the machines of the ranks, and the job."""
    hosts = sorted({tally.host for tally in account.tallies})
    where = hosts[0] if len(hosts) == 1 else f"{len(hosts)} machines"
    return where if account.slurm_job_id is None else f"{where}, job {account.slurm_job_id}"


def _roles(account: Account) -> Iterator[str]:
    """Format the times of each role; ranks with several roles appear once."""
    for role in dict.fromkeys(tally.role for tally in account.tallies):
        ranks = [tally for tally in account.tallies if tally.role == role]
        parts = ", ".join(
            f"{stage} {share:.0%}"
            for stage, share in shares(ranks).items()
            if share >= 0.005  # noqa: PLR2004
        )
        yield f"{_count(len(ranks), role)}: {parts}"


def shares(ranks: Sequence[Tally]) -> dict[str, float]:
    """Return the share of each stage in the time of some ranks, in the order a block travels."""
    totals = {stage: sum(tally.seconds.get(stage, 0.0) for tally in ranks) for stage in STAGES}
    whole = sum(tally.end - tally.begin for tally in ranks)
    return {stage: seconds / whole for stage, seconds in totals.items()}


def _slowest(workers: Sequence[Tally]) -> Iterator[str]:
    """Name the worker that all others waited for, where there are others."""
    slowest = max(workers, key=lambda tally: tally.busy_seconds)
    if len(workers) == 1 or not slowest.windows:
        return
    mean = sum(tally.busy_seconds for tally in workers) / len(workers)
    yield (
        f"slowest worker: rank {slowest.rank}, {slowest.busy_seconds:.1f} s for"
        f" {_count(slowest.windows, 'window')}; the workers' mean is {mean:.1f} s"
    )


def _peaks(account: Account) -> str:
    """Format the peak memory of the largest rank of each role."""
    if len(account.tallies) == 1:
        return f"memory peak: {account.tallies[0].peak_nbytes / 1e6:.0f} MB"
    peaks = (
        f"{role} {max(tally.peak_nbytes for tally in account.playing(role)) / 1e6:.0f} MB"
        for role in ("coordinator", "worker", "writer")
    )
    return f"memory peaks: {', '.join(peaks)}"


def _megapixels(mpx: float) -> str:
    """Format millions of pixels; few of them with two digits."""
    return f"{mpx:.1f}" if mpx >= 1 else f"{mpx:.2g}"


def _size(nbytes: int) -> str:
    """Format the size of a file; a small one in kB."""
    return f"{nbytes / 1e6:.1f} MB" if nbytes >= 1e6 else f"{nbytes / 1e3:.1f} kB"  # noqa: PLR2004


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
