"""How even the shares are on a product that is half without data."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contestants import program
from bench.measure import run

if TYPE_CHECKING:
    from collections.abc import Iterable

RANKS = 6


def measure(half: Path, folder: Path) -> dict[str, Any]:
    """Return when each worker was done, seconds, and the last ÷ the mean."""
    report = folder / "imbalance.json"
    image = folder / "imbalance.tif"
    run(program(RANKS, [half], image, "--report", report))
    image.unlink()
    ranks = json.loads(report.read_text())["ranks"]
    workers = [rank for rank in ranks if rank["role"] == "worker"]
    done = ends(rank["seconds"] for rank in workers)
    return {
        "ends": done,
        "windows": [rank["windows"] for rank in workers],
        "imbalance": max(done) / statistics.mean(done),
    }


def ends(workers: Iterable[dict[str, float]]) -> list[float]:
    """Return when workers were done, of their seconds by stage, which add up to their wall time."""
    # A worker is idle, or helps to finalise the image, only after its last block is delivered.
    after = ("idle", "finalise")
    return [
        sum(value for name, value in seconds.items() if name not in after) for seconds in workers
    ]
