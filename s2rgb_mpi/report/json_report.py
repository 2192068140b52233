"""The record of a run as JSON, as schema.json beside this file describes it."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from s2rgb_mpi.timing import STAGES

if TYPE_CHECKING:
    from s2rgb_mpi.report.run_record import Account, BandAccount
    from s2rgb_mpi.timing import Tally

VERSION = 3
"""Of the schema. It grows when a key goes or changes its meaning; new keys do not change it."""


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) that every record satisfies."""
    return dict(json.loads(files(__package__).joinpath("schema.json").read_text()))


def record(account: Account) -> bytes:
    """Write down a run.

    Parameters
    ----------
    account : Account
        Of the run.

    Returns
    -------
    bytes
        JSON, indented, keys in the order of the schema.
    """
    document = {
        "schema_version": VERSION,
        "command": list(account.command),
        "job": account.job,
        "inputs": account.inputs,
        "grid": account.grid,
        "plan": account.plan,
        "output": {**account.output, "ratio": round(account.ratio, 6)},
        "windows": {
            "count": len(account.windows),
            "resumed": account.resumed,
            "empty": sorted(account.empty),
            "damaged": [
                {"window": number, "place": account.windows[number], "cause": cause}
                for number, cause in sorted(account.damaged.items())
            ],
        },
        "bands": [_band(band) for band in account.bands],
        "times": {
            "start_seconds": round(account.start_seconds, 3),
            "wall_seconds": round(account.wall, 6),
            "mpx_per_second": round(account.mpx / account.seconds, 4),
            "ended": account.ended.isoformat(timespec="seconds"),
        },
        "ranks": [_rank(tally) for tally in account.tallies],
        "machines": [
            {"host": host, "cores": cores}
            for host, cores in {tally.host: tally.cores for tally in account.tallies}.items()
        ],
        "verdict": account.verdict._asdict(),
        "warnings": list(account.warnings),
        "versions": account.versions,
    }
    if account.slurm_job_id is not None:
        document["slurm_job_id"] = account.slurm_job_id
    return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"


def _band(band: BandAccount) -> dict[str, Any]:
    return {
        "name": band.name,
        "statistics": dict(band.statistics),
        "histogram": list(band.histogram),
    }


def _rank(tally: Tally) -> dict[str, Any]:
    """Return one rank's times: every stage has its key, so that columns stay columns."""
    return {
        "rank": tally.rank,
        "role": tally.role,
        "host": tally.host,
        "windows": tally.windows,
        "peak_nbytes": tally.peak_nbytes,
        "start_seconds": round(tally.start_seconds, 3),
        "wall_seconds": round(tally.end - tally.begin, 6),
        "seconds": {stage: round(tally.seconds.get(stage, 0.0), 6) for stage in STAGES},
    }
