"""Whether time per pixel and memory stay flat from one granule to many."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.contestants import DEFAULT_RANKS, program
from bench.inputs import neighbours
from bench.measure import run

EDGES = (1, 2, 3)
"""Granules along an edge."""


def measure(cogs: tuple[Path, Path, Path], folder: Path, quick: bool) -> list[dict[str, Any]]:  # noqa: FBT001
    """Run mosaics of neighbours; from COGs, which shows the same in a third of the time."""
    results = []
    for edge in EDGES[:2] if quick else EDGES:
        sources = [word for bands in neighbours(cogs, folder, edge) for word in ("--rgb", *bands)]
        image, report = folder / "mosaic.tif", folder / "mosaic.json"
        done = run(program(DEFAULT_RANKS, sources, image, "--report", report), watch=True)
        image.unlink()
        told = json.loads(report.read_text())
        pixels = told["grid"]["width"] * told["grid"]["height"]
        results.append(
            {
                "granules": edge * edge,
                "pixels": pixels,
                "wall": done.wall,
                "ns_per_pixel": told["times"]["wall_seconds"] / pixels * 1e9,
                "peak_worker": done.peak(range(1, DEFAULT_RANKS - 1)),
                "peak_writer": done.peak([DEFAULT_RANKS - 1]),
                "imbalance": told["ranks"][1]["seconds"]["idle"],
            }
        )
    return results
