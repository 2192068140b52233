"""How even the shares are on a product that is half without data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.contestants import program
from bench.measure import run

RANKS = 6


def measure(half: Path, folder: Path) -> dict[str, Any]:
    """Return when each worker was done, seconds, and the last ÷ the mean."""
    report = folder / "imbalance.json"
    image = folder / "imbalance.tif"
    run(program(RANKS, [half], image, "--report", report))
    image.unlink()
    ranks = json.loads(report.read_text())["ranks"]
    workers = [rank for rank in ranks if rank["role"] == "worker"]
    # A worker is idle, or helps to finalise the image, only after its last block is delivered.
    after = ("idle", "finalise")
    ends = [rank["wall_seconds"] - sum(rank["seconds"][s] for s in after) for rank in workers]
    return {
        "ends": ends,
        "windows": [rank["windows"] for rank in workers],
        "imbalance": max(ends) / (sum(ends) / len(ends)),
    }
